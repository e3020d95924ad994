"""Leaves out pictures of a screen that show nothing new. The time stamps of those that stay are true."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from av.video.frame import VideoFrame

_BLOCK = 16  # pixels a side: about a character
_CHANGED = 2.0  # levels of luma by which a block differs on average; a source's own noise stays below


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How often pictures are kept; 0 keeps all."""

    still_us: int = 0  # longest time between two pictures while nothing changes
    moving_us: int = 0  # shortest time between two pictures while something does


ALL_PICTURES = Pace()


def thinned(frames: Iterable[tuple[int, VideoFrame]], pace: Pace) -> Iterator[tuple[int, VideoFrame]]:
    """The first picture; from then on each that differs from the last one kept, and one now and then.

    Pictures are compared with the last one that was kept, and what comes too soon after it waits: it is kept
    after all if it stays on the screen, that is if nothing follows for a while. So whatever is shown for as
    long as ``moving_us`` is in the archive, at most ``moving_us`` late, however seldom the source sends.
    """
    if pace == ALL_PICTURES:
        yield from frames
        return
    kept: _Kept | None = None
    waiting: tuple[int, VideoFrame] | None = None  # came too soon
    for wall_us, frame in frames:
        if waiting is not None and kept is not None and wall_us - waiting[0] >= pace.moving_us:
            luma = _luma(waiting[1])
            if differs(luma, kept.luma):
                kept = _Kept(wall_us=waiting[0], luma=luma)
                yield waiting
        waiting = None
        if kept is not None and wall_us - kept.wall_us < pace.moving_us:
            waiting = wall_us, frame
            continue
        luma = _luma(frame)
        if kept is None or wall_us - kept.wall_us >= pace.still_us or differs(luma, kept.luma):
            kept = _Kept(wall_us=wall_us, luma=luma)
            yield wall_us, frame
    if waiting is not None and kept is not None and differs(_luma(waiting[1]), kept.luma):
        yield waiting


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kept:
    """The last picture that was kept."""

    wall_us: int
    luma: np.ndarray[Any, Any]


def _luma(frame: VideoFrame) -> np.ndarray[Any, Any]:
    """The brightness of a picture, where it lies: converting it costs more than all comparing."""
    kind = frame.format
    plane: Any = frame.planes[0]
    if kind.is_rgb or not kind.is_planar or kind.components[0].bits != 8:
        return frame.to_ndarray(format="gray")
    rows: np.ndarray[Any, Any] = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[: frame.height, : frame.width]


def differs(luma: np.ndarray[Any, Any], before: np.ndarray[Any, Any]) -> bool:
    """Whether some block of two pictures is another one."""
    if luma.shape != before.shape:
        return True
    if float(cv2.norm(luma, before, cv2.NORM_INF)) < _CHANGED:
        return False
    height, width = luma.shape
    change = cv2.absdiff(luma, before)
    blocks = cv2.resize(
        change, (max(1, width // _BLOCK), max(1, height // _BLOCK)), interpolation=cv2.INTER_AREA
    )
    return bool(blocks.max() >= _CHANGED)
