"""Gathers a run's packets into fragments with certain times. Pure: no files, no clock of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from capture.decode_order import DecodeOrder, Picture
from capture.run_clock import Anchors
from capture.sound_timeline import SoundTimeline
from kernel.clock import SECOND_US
from kernel.isobmff.tracks import ProducerTime, Sample, TrackRun
from kernel.isobmff.writer import fragment_parts, producer_time
from kernel.model.footage import ClockBasis, Packet, TrackInfo
from kernel.timerange import TimeRange

VIDEO_TRACK_ID = 1
_USUAL_FRAMES_PER_SECOND = 25  # for a run of a single frame
_INTERVALS = 5  # of which the median is the usual one: a hole or two among them do not count


class MediaClock(Protocol):
    """Which wall time a media time stands for: ``RunClock`` measures it, ``ToldClock`` is told it."""

    anchors: Anchors

    def observe(self, packet: Packet) -> None:
        """Take note of a video packet. Raises: TimestampDiscontinuity: it belongs to another run."""

    @property
    def settled(self) -> bool:
        """Whether wall times can be told."""

    @property
    def waited_enough(self) -> bool:
        """Whether the time to wait for reports, of sound too, is over."""

    def settle(self) -> None:
        """Decide with what is known."""

    @property
    def basis(self) -> ClockBasis: ...

    @property
    def offset_us(self) -> int:
        """Source clock minus recorder clock."""

    def wall_us(self, ticks: int) -> int:
        """Wall time of a media time; ask in order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fragment:
    """Pictures, and the sound of the same time, to be written as one ``moof`` and ``mdat``."""

    video: TrackRun
    audio: TrackRun | None
    wall: TimeRange  # from its first frame to the first frame of the next fragment
    last_frame_us: int  # wall time of its newest frame
    losses: tuple[TimeRange, ...]  # stretches in which frames are missing because packets were lost
    silences: tuple[TimeRange, ...]  # stretches in which the source sent no picture
    basis: ClockBasis
    clock_offset_us: int

    @property
    def key(self) -> bool:
        """Whether decoding can start with it."""
        return self.video.samples[0].key

    @property
    def end(self) -> int:
        """Decode time at which it ends, ticks."""
        return self.video.base_dts + self.video.duration

    def to_bytes(self, sequence: int) -> bytes:
        """``prft``, ``moof`` and ``mdat``."""
        told = ProducerTime(
            track_id=VIDEO_TRACK_ID,
            wall_us=self.wall.start_us,
            media_time=self.video.base_dts,
            captured=self.basis is ClockBasis.SENDER_REPORT,
        )
        runs = [self.video] if self.audio is None else [self.video, self.audio]
        return b"".join([producer_time(told), *fragment_parts(sequence, runs)])


@dataclass(slots=True)
class _Timed:
    """A picture whose wall time is known."""

    picture: Picture
    wall_us: int
    missing: TimeRange | None = None  # stretch right before it in which frames are missing


class Fragmenter:
    """Packets of one run in, fragments out.

    Before the run's first key frame nothing can be decoded: such pictures are counted and left out. Until the
    run's clock has settled, everything waits in memory and gets its wall time afterwards.
    """

    def __init__(
        self,
        *,
        video: TrackInfo,
        reorder: int,
        audio: TrackInfo | None,
        clock: MediaClock,
        fragment_seconds: float,
        hole_seconds: float,
        hurried: Callable[[], float | None] = lambda: None,
    ) -> None:
        """``hurried``: longest fragment while somebody watches live, seconds; None while nobody does."""
        self._clock = clock
        self._timescale = video.timescale
        self._usually_longest = round(fragment_seconds * video.timescale)
        self._hurried = hurried
        self._hole = round(hole_seconds * video.timescale)  # more than this between two frames is a gap
        self._order = DecodeOrder(reorder)
        self._unsettled: list[Picture] = []
        self._timed: list[_Timed] = []
        self._origin: int | None = None  # ticks of the first picture; media time 0 of the run
        self._sound = SoundTimeline(audio, fragment_seconds=fragment_seconds) if audio else None
        self._started = False
        self._may_begin = False  # fragments may be made
        self._intervals: deque[int] = deque(maxlen=_INTERVALS)  # between pictures, ticks
        self._usual = video.timescale // _USUAL_FRAMES_PER_SECOND
        self._previous: _Timed | None = None
        self.skipped = 0  # pictures before the first key frame
        self.keyless_us = 0  # for how long they have been coming
        self._first_skipped_us = 0

    def add_video(self, packet: Packet, after_loss: bool = False) -> list[Fragment]:
        """The fragments that this packet completes; ``after_loss``: something is missing before it.

        Raises:
            TimestampDiscontinuity: the packet belongs to another run.
        """
        if not (self._started or packet.key):
            self.skipped += 1
            self._first_skipped_us = self._first_skipped_us or packet.arrival_us
            self.keyless_us = packet.arrival_us - self._first_skipped_us
            return []
        self.keyless_us = 0
        self._clock.observe(packet)
        after_loss = after_loss and self._started
        self._started = True
        return self._take(self._order.push(packet, after_loss))

    def add_audio(self, packet: Packet) -> None:
        if self._sound and self._started:
            self._sound.add(packet)

    def flush(self) -> list[Fragment]:
        """All that is left; the last frame lasts as long as the one before it."""
        self._clock.settle()
        self._may_begin = True
        fragments = self._take(self._order.flush())
        if self._timed:
            last = self._timed[-1]
            end = last.picture.dts + self._usual
            fragments.append(self._fragment(self._timed, end, self._clock.wall_us(end)))
            self._timed = []
        return fragments

    def _take(self, pictures: Sequence[Picture]) -> list[Fragment]:
        self._unsettled += pictures
        if not self._may_begin:
            self._may_begin = self._times_are_known()
            if not self._may_begin:
                return []
        fragments = []
        for picture in self._unsettled:
            fragments += self._append(picture)
        self._unsettled = []
        return fragments

    def _times_are_known(self) -> bool:
        """The run's clock has settled, and sound, where it comes, can be laid beside the picture."""
        if not self._clock.settled:
            return False
        return self._sound is None or self._sound.reported or self._clock.waited_enough

    def _append(self, picture: Picture) -> list[Fragment]:
        if self._origin is None:
            self._origin = picture.dts
        before = self._timed[-1] if self._timed else self._previous
        timed = _Timed(picture, self._clock.wall_us(picture.dts))
        if before is not None:
            timed.missing = self._missing(timed, before)
            self._learn(timed, before)
        fragments = []
        if self._ends_before(picture):
            fragments.append(self._fragment(self._timed, picture.dts, timed.wall_us))
            self._timed = []
        self._timed.append(timed)
        return fragments

    def _ends_before(self, picture: Picture) -> bool:
        """A fragment is full at its length, and at a key frame, so that every segment can begin with one."""
        if not self._timed or not picture.closed:
            return False
        first = self._timed[0].picture
        length = picture.dts - first.dts
        longest = self._longest()
        if picture.packet.key and (not first.packet.key or 2 * length >= longest):
            return True
        # The next frame would make it too long: judge by the length with this frame in it.
        return length + self._usual > longest

    def _longest(self) -> int:
        seconds = self._hurried()
        if seconds is None:
            return self._usually_longest
        return min(round(seconds * self._timescale), self._usually_longest)

    def _fragment(self, timed: Sequence[_Timed], end: int, end_wall_us: int) -> Fragment:
        origin = self._origin or 0
        first = timed[0]
        audio = None
        if self._sound:
            media_us = self._clock.anchors.media_us
            audio = self._sound.take_until(media_us(end - origin), self._clock.anchors, media_us(origin))
        self._previous = timed[-1]
        return Fragment(
            video=TrackRun(
                track_id=VIDEO_TRACK_ID, base_dts=first.picture.dts - origin, samples=_samples(timed, end)
            ),
            audio=audio,
            wall=TimeRange(start_us=first.wall_us, end_us=end_wall_us),
            last_frame_us=timed[-1].wall_us,
            losses=tuple(one.missing for one in timed if one.missing and one.picture.after_loss),
            silences=tuple(one.missing for one in timed if one.missing and not one.picture.after_loss),
            basis=self._clock.basis,
            clock_offset_us=self._clock.offset_us,
        )

    def _missing(self, one: _Timed, before: _Timed) -> TimeRange | None:
        """The stretch between two pictures in which frames are missing: packets were lost, or the source sent
        nothing for long.

        From where the frame before would have ended to the frame after: no frame stands for time in which
        none was taken (invariant 5). Long is longer than three of the frames that were usual until then, so
        that a still screen that is sent now and then has no gaps.
        """
        interval = one.picture.dts - before.picture.dts
        if not (one.picture.after_loss or interval > max(self._hole, 3 * self._usual)):
            return None
        usual_us = self._usual * SECOND_US // self._timescale
        start_us = before.wall_us + usual_us
        if one.wall_us - start_us <= usual_us // 2:
            return None
        return TimeRange(start_us=start_us, end_us=one.wall_us)

    def _learn(self, one: _Timed, before: _Timed) -> None:
        """What is usual, so that a source that is always slow is not a source that is always lost."""
        if one.picture.after_loss:
            return
        if one.missing and not self._intervals:
            self._intervals.append(self._usual)  # a hole alone is nothing usual
        interval = one.picture.dts - before.picture.dts
        self._intervals.append(interval)
        if interval == self._usual:
            return  # one more of the middle: it stays the middle
        self._usual = sorted(self._intervals)[(len(self._intervals) - 1) // 2]


def _samples(timed: Sequence[_Timed], end: int) -> tuple[Sample, ...]:
    ends = [one.picture.dts for one in timed[1:]] + [end]
    return tuple(
        Sample(
            data=one.picture.packet.data,
            duration=until - one.picture.dts,
            key=one.picture.packet.key,
            composition_offset=one.picture.packet.pts - one.picture.dts,
        )
        for one, until in zip(timed, ends, strict=True)
    )
