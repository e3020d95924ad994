"""A watch that is limited to a time: which bytes of a file lie in it."""

from __future__ import annotations

from kernel.model.watching import Watch
from player_api.ranges import UnsatisfiableRange, requested_range
from player_api.schemas import RenditionIndex
from player_api.watching import WatchDenied


def is_limited(watch: Watch | None) -> bool:
    """Whether only a time of the footage may be seen."""
    return watch is not None and watch.wall_start_us is not None


def limited(index: RenditionIndex, watch: Watch | None) -> RenditionIndex:
    """A file's index with the fragments that may be seen; each is decoded from its own key frame on."""
    if watch is None or watch.wall_start_us is None or watch.wall_end_us is None:
        return index
    start_us, end_us = watch.wall_start_us, watch.wall_end_us
    kept = [one for one in index.fragments if one.start_us < end_us and one.end_us > start_us]
    return index.model_copy(update={"fragments": kept})


def check_range(index: RenditionIndex, range_header: str | None) -> None:
    """Let through only the head of a file and what lies in fragments of its index.

    Raises:
        WatchDenied: other bytes are asked for, or all.
    """
    try:
        wanted = requested_range(range_header, index.size_bytes)
    except UnsatisfiableRange:
        return  # gets none
    at = wanted.start if wanted is not None else 0
    pieces = [(0, index.init_size), *((one.offset, one.offset + one.size) for one in index.fragments)]
    for start, end in pieces:  # in the order of the file
        if start <= at < end:
            at = end
    if wanted is None or at < wanted.end:
        raise WatchDenied("watch_limited")
