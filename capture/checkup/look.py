"""Fetches a few seconds of a source: what a check-up judges."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from capture.packets import Delivery, PacketsLost, PacketSource, TrackStarted
from capture.recorder import OpenSource
from capture.run_clock import Anchors
from kernel.clock import SECOND_US, Clock
from kernel.errors import JianzhengError, SourceUnreachable
from kernel.model.footage import Packet, TrackInfo
from kernel.settings import CaptureSettings, SourceSpec

_LONGEST = 3  # times the length that is wanted: sources that send slowly, or wait for their key frame


@dataclass(kw_only=True, slots=True)
class Look:
    """A few seconds of one source."""

    video: TrackInfo | None = None
    audio: TrackInfo | None = None
    pictures: list[Packet] = field(default_factory=list)  # the first is a key frame
    sound: list[Packet] = field(default_factory=list)
    lost: int = 0  # packets that did not come
    clock_offset_us: int | None = None  # source clock minus recorder clock; None: it tells no time
    error: JianzhengError | None = None  # why there is no more

    def take(self, one: Delivery) -> None:
        """Keep what is of use; a source that changes its format begins anew."""
        if isinstance(one, PacketsLost):
            self.lost += one.count
        elif isinstance(one, TrackStarted):
            if one.info.codec.is_video:
                self.video, self.pictures = one.info, []
            else:
                self.audio, self.sound = one.info, []
        elif not one.codec.is_video:
            self.sound.append(one)
        elif self.pictures or one.key:
            self.pictures.append(one)

    @property
    def seconds(self) -> float:
        """Length of its pictures."""
        if self.video is None or not self.pictures:
            return 0.0
        stamps = [one.pts for one in self.pictures]
        return (max(stamps) - min(stamps)) / self.video.timescale

    def key_frame_seconds(self) -> float | None:
        """The longest time without a key frame, up to the end of the look; None without pictures."""
        if self.video is None or not self.pictures:
            return None
        stamps = [one.pts for one in self.pictures if one.key]
        stamps.append(max(one.pts for one in self.pictures))
        longest = max((after - before for before, after in pairwise(stamps)), default=0)
        return longest / self.video.timescale

    def from_zero(self) -> None:
        """Count both tracks' time stamps from their first: nothing here compares them."""
        for packets in (self.pictures, self.sound):
            if packets:
                origin = packets[0].pts
                packets[:] = [one._replace(pts=one.pts - origin) for one in packets]

    def _offset(self) -> int | None:
        if self.video is None or not any(one.wall_us is not None for one in self.pictures):
            return None
        anchors = Anchors(self.video.timescale)
        for one in self.pictures:
            anchors.add(one)
        return None if anchors.source_us is None else anchors.source_us - anchors.arrival_us

    def finish(self) -> Look:
        """Work out what needs all of it."""
        self.clock_offset_us = self._offset()
        self.from_zero()
        return self


async def take_look(
    spec: SourceSpec, open_source: OpenSource, settings: CaptureSettings, clock: Clock, seconds: float
) -> Look:
    """So many seconds of a source from a key frame on, or what came until it failed."""
    look = Look()
    try:
        source = await open_source(spec, settings, clock)
    except JianzhengError as error:
        look.error = error
        return look
    try:
        await _follow(source, look, clock, seconds, spec.id)
    except JianzhengError as error:
        look.error = error
    finally:
        await source.close()
    return look.finish()


async def _follow(source: PacketSource, look: Look, clock: Clock, seconds: float, name: str) -> None:
    until_us = clock.monotonic_us() + round(_LONGEST * seconds * SECOND_US)
    while look.seconds < seconds:
        for one in await source.read():
            look.take(one)
        if clock.monotonic_us() > until_us:
            if not look.pictures:
                raise SourceUnreachable(f"source {name}: no picture that can be decoded for {seconds:g} s.")
            return
