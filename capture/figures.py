"""What a source delivered over the last seconds: counted by fragment, once a second, not by packet."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from capture.fragmenter import Fragment
from kernel.clock import SECOND_US
from kernel.isobmff.tracks import TrackRun
from kernel.model.footage import TrackInfo

_WINDOW_US = 5 * SECOND_US


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """Fields of a ``SourceHealth``, under its names."""

    last_frame_us: int
    codec: str
    width: int
    height: int
    bit_rate_kbps: float
    frame_rate: float
    lost_packets: int
    clock_offset_us: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Piece:
    """A fragment, as far as it counts."""

    wall_us: int  # how long it lasts
    size: int  # bytes of pictures and sound
    pictures: int


class RecentFigures:
    """Of one source, over all its connections."""

    def __init__(self) -> None:
        self._pieces: deque[_Piece] = deque()
        self._run_id = ""
        self.lost_packets = 0  # since the beginning

    def of(self, run_id: str, video: TrackInfo, fragments: Sequence[Fragment]) -> Figures:
        """With the newest fragments, of which there is at least one, of that run."""
        if run_id != self._run_id:
            self._run_id = run_id
            self._pieces.clear()
        for one in fragments:
            size = _bytes(one.video) + (_bytes(one.audio) if one.audio else 0)
            wall_us = one.wall.end_us - one.wall.start_us
            self._pieces.append(_Piece(wall_us=wall_us, size=size, pictures=len(one.video.samples)))
        while self._lasting_us() - self._pieces[0].wall_us >= _WINDOW_US:
            self._pieces.popleft()
        seconds = max(self._lasting_us(), 1) / SECOND_US
        newest = fragments[-1]
        return Figures(
            last_frame_us=newest.last_frame_us,
            codec=video.codec.value,
            width=video.width,
            height=video.height,
            bit_rate_kbps=round(sum(one.size for one in self._pieces) / 125 / seconds, 1),
            frame_rate=round(sum(one.pictures for one in self._pieces) / seconds, 2),
            lost_packets=self.lost_packets,
            clock_offset_us=newest.clock_offset_us or None,  # 0: the source tells no time
        )

    def _lasting_us(self) -> int:
        return sum(one.wall_us for one in self._pieces)


def _bytes(run: TrackRun) -> int:
    return sum(len(sample.data) for sample in run.samples)
