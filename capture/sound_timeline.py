"""Puts the sound of a run onto the picture's time line."""

from __future__ import annotations

from collections import deque
from itertools import zip_longest

from capture.run_clock import BELIEVED_US, Anchors
from kernel.clock import SECOND_US
from kernel.codec.sound import frame_ticks
from kernel.isobmff.tracks import Sample, TrackRun
from kernel.model.footage import Packet, TrackInfo

TRACK_ID = 2
_TOLERANCE_US = 40_000  # a smaller change of the alignment is noise of the network, not drift
_STEP_US = 10_000  # a larger one is followed by so much a fragment, so that no frame of sound has to go
_PATIENCE_US = 30 * SECOND_US
"""Longest wait for pictures of the same time, beyond two fragments: few and reordered pictures of a still
screen come late, but not so late. What has waited longer lies where no picture will ever be."""


class SoundTimeline:
    """Keeps sound until the pictures of the same time are written."""

    def __init__(self, info: TrackInfo, *, fragment_seconds: float = 1) -> None:
        self.info = info
        self._patience_us = round(2 * fragment_seconds * SECOND_US) + _PATIENCE_US
        self._taken_us: int | None = None  # arrival of the newest frame when the first were taken
        self._anchors = Anchors(info.timescale)
        self._fresh: list[Packet] = []  # whose times were not looked at yet
        self._waiting: deque[Packet] = deque()
        self._shift: int | None = None  # ticks to add to a packet's pts to get the file's media time
        self._last_tick = -1
        self.trimmed = 0  # frames before the first picture, which have no place in the file
        self.dropped = 0  # frames for which no picture came

    @property
    def reported(self) -> bool:
        """Whether the source has told the wall time of its sound, too."""
        self._look_at_fresh()
        return self._anchors.source_us is not None

    def add(self, packet: Packet) -> None:
        self._fresh.append(packet)

    def _look_at_fresh(self) -> None:
        """Of frames that were found together, the latest was delayed least: it stands for all."""
        fresh, self._fresh = self._fresh, []
        for packet, after in zip_longest(fresh, fresh[1:]):
            if after is None or after.arrival_us != packet.arrival_us or after.pts < packet.pts:
                self._anchors.add(packet)
        self._waiting += fresh

    def take_until(self, end_us: int, video: Anchors, origin_us: int) -> TrackRun | None:
        """The sound before a media time of the file, microseconds.

        Args:
            video: the anchors of the picture.
            origin_us: media time of the picture at which the file's time line begins.
        """
        self._look_at_fresh()
        if not self._waiting:
            return None
        shift = self._align(video, origin_us)
        end = -(-end_us * self.info.timescale // SECOND_US)
        waiting, ticks, frames = self._waiting, list[int](), list[bytes]()
        while waiting and (tick := waiting[0].pts + shift) < end:
            packet = waiting.popleft()
            if tick < 0:
                self.trimmed += 1
                continue
            self._last_tick = max(tick, self._last_tick + 1)
            ticks.append(self._last_tick)
            frames.append(packet.data)
        self._drop_overdue()
        return self._run(ticks, frames) if ticks else None

    def _drop_overdue(self) -> None:
        """What waits is bounded: stamps of the sound may jump to where no picture comes.

        The time before the first frames were taken does not count: then all waited for reports. Frames that
        come afterwards are aligned anew.
        """
        if not self._waiting:
            return
        newest_us = self._waiting[-1].arrival_us
        if self._taken_us is None:
            self._taken_us = newest_us
        before_us = newest_us - self._patience_us
        if before_us < self._taken_us or self._waiting[0].arrival_us >= before_us:
            return
        while self._waiting[0].arrival_us < before_us:
            self._waiting.popleft()
            self.dropped += 1
        self._shift = None

    def _align(self, video: Anchors, origin_us: int) -> int:
        """Move towards where the sound belongs; at once the first time, later without a jump. The shift."""
        shift = round((self._ahead_us(video) - origin_us) * self.info.timescale / SECOND_US)
        tolerance = _TOLERANCE_US * self.info.timescale // SECOND_US
        if self._shift is None:
            self._shift = shift
        elif abs(shift - self._shift) > tolerance:
            step = _STEP_US * self.info.timescale // SECOND_US
            self._shift += max(-step, min(step, shift - self._shift))
        return self._shift

    def _ahead_us(self, video: Anchors) -> int:
        """The sound's anchor minus the picture's: 0 on one clock, else by the source's reports as far as they
        can be believed, else by the least delayed arrivals.

        Quirk: some cameras report another time for sound than for the picture, hours apart. What arrives
        together was taken together, to within what is believed of any clock.
        """
        if self.info.on_video_clock:
            return 0
        arrived_us = self._anchors.arrival_us - video.arrival_us
        own, other = self._anchors.source_us, video.source_us
        if own is None or other is None or abs(own - other - arrived_us) > BELIEVED_US:
            return arrived_us
        return own - other

    def _run(self, ticks: list[int], frames: list[bytes]) -> TrackRun:
        """A frame lasts to the next one's beginning, as long as it says where that is not known."""
        following = self._waiting[0].pts + (self._shift or 0) if self._waiting else 0
        samples = [
            Sample(data, after - tick if after > tick else frame_ticks(self.info, data))
            for data, tick, after in zip(frames, ticks, [*ticks[1:], following], strict=True)
        ]
        return TrackRun(track_id=TRACK_ID, base_dts=ticks[0], samples=tuple(samples))
