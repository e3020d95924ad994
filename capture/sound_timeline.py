"""Puts the sound of a run onto the picture's time line."""

from __future__ import annotations

from collections import deque

from capture.run_clock import Anchors
from kernel.clock import SECOND_US
from kernel.codec.sound import frame_ticks
from kernel.isobmff.tracks import Sample, TrackRun
from kernel.model.footage import Packet, TrackInfo

TRACK_ID = 2
_TOLERANCE_US = 40_000  # a smaller change of the alignment is noise of the network, not drift
_STEP_US = 10_000  # a larger one is followed by so much a fragment, so that no frame of sound has to go


class SoundTimeline:
    """Keeps sound until the pictures of the same time are written."""

    def __init__(self, info: TrackInfo) -> None:
        self.info = info
        self._anchors = Anchors(info.timescale)
        self._waiting: deque[Packet] = deque()
        self._shift: int | None = None  # ticks to add to a packet's pts to get the file's media time
        self._last_tick = -1
        self.trimmed = 0  # frames before the first picture, which have no place in the file

    @property
    def reported(self) -> bool:
        """Whether the source has told the wall time of its sound, too."""
        return self._anchors.source_us is not None

    def add(self, packet: Packet) -> None:
        self._anchors.add(packet)
        self._waiting.append(packet)

    def take_until(self, end_us: int, video: Anchors, origin_us: int) -> TrackRun | None:
        """The sound before a media time of the file, microseconds.

        Args:
            video: the anchors of the picture.
            origin_us: media time of the picture at which the file's time line begins.
        """
        if not self._waiting:
            return None
        self._align(video, origin_us)
        ready: list[tuple[int, Packet]] = []
        while self._waiting and self._tick(self._waiting[0]) * SECOND_US < end_us * self.info.timescale:
            packet = self._waiting.popleft()
            tick = self._tick(packet)
            if tick < 0:
                self.trimmed += 1
                continue
            self._last_tick = max(tick, self._last_tick + 1)
            ready.append((self._last_tick, packet))
        return self._run(ready) if ready else None

    def _tick(self, packet: Packet) -> int:
        return packet.pts + (self._shift or 0)

    def _align(self, video: Anchors, origin_us: int) -> None:
        """By the clock that both tracks share, or the source's reports, or the least delayed arrivals."""
        own, other = self._anchors.source_us, video.source_us
        if self.info.on_video_clock:
            own = other = 0
        elif own is None or other is None:
            own, other = self._anchors.arrival_us, video.arrival_us
        shift_us = own - other - origin_us
        shift = round(shift_us * self.info.timescale / SECOND_US)
        tolerance = _TOLERANCE_US * self.info.timescale // SECOND_US
        if self._shift is None:
            self._shift = shift
        elif abs(shift - self._shift) > tolerance:
            step = _STEP_US * self.info.timescale // SECOND_US
            self._shift += max(-step, min(step, shift - self._shift))

    def _run(self, ready: list[tuple[int, Packet]]) -> TrackRun:
        ticks = [tick for tick, _ in ready]
        if self._waiting:
            ticks.append(self._tick(self._waiting[0]))
        samples = []
        for index, (tick, packet) in enumerate(ready):
            following = ticks[index + 1] - tick if index + 1 < len(ticks) else 0
            duration = following if following > 0 else frame_ticks(self.info, packet.data)
            samples.append(Sample(data=packet.data, duration=duration))
        return TrackRun(track_id=TRACK_ID, base_dts=ticks[0], samples=tuple(samples))
