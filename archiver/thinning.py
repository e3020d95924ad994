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

    A change is kept at the latest ``moving_us`` after it was seen: pictures are compared with the last one
    that was kept, so nothing that stays on the screen is ever lost.
    """
    if not pace.still_us:
        yield from frames
        return
    kept_us, kept = 0, None
    for wall_us, frame in frames:
        since_us = wall_us - kept_us
        if kept is not None and since_us < pace.moving_us:
            continue
        luma = frame.to_ndarray(format="gray")
        if kept is None or since_us >= pace.still_us or differs(luma, kept):
            kept_us, kept = wall_us, luma
            yield wall_us, frame


def differs(luma: np.ndarray[Any, Any], before: np.ndarray[Any, Any]) -> bool:
    """Whether some block of two pictures is another one."""
    if luma.shape != before.shape:
        return True
    height, width = luma.shape
    change = cv2.absdiff(luma, before)
    blocks = cv2.resize(
        change, (max(1, width // _BLOCK), max(1, height // _BLOCK)), interpolation=cv2.INTER_AREA
    )
    return bool(blocks.max() >= _CHANGED)
