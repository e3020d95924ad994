"""Which samples an original needs, where they lie, and when they are presented. Pure.

A picture belongs to the moment at which it was captured: those captured in the wanted time are presented, to
the tick, and no other. The samples before them, back to a key frame, are in the file only because the first
picture cannot be decoded without them; the edit list leaves them out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from kernel.clock import SECOND_US
from kernel.isobmff.progressive import MOVIE_TIMESCALE, ProgressiveTrack
from kernel.isobmff.sample_table import Flags, Integers, SampleColumns, SampleTable, joined
from kernel.isobmff.tracks import Track
from kernel.timerange import TimeRange

_WARM_UP_DIVISOR = 10  # a tenth of a second of sound before the first: Opus asks for 80 ms (RFC 7845, 4.6)


@dataclass(frozen=True, kw_only=True, slots=True)
class Footage:
    """A segment of an original."""

    table: SampleTable
    begins_run: bool  # its first key frame leans on nothing before it in this file


@dataclass(frozen=True, kw_only=True, slots=True)
class OriginalLayout:
    """What an original is made of."""

    tracks: tuple[ProgressiveTrack, ...]
    ranges: tuple[tuple[int, int], ...]  # of each segment the bytes used; in this order they are the payload


@dataclass(frozen=True, kw_only=True, slots=True)
class _Choice:
    """Samples of a track, as numbers in its columns, and what is presented of them; ticks from the start."""

    track: Track
    columns: SampleColumns
    kept: Integers
    start: int  # presentation begins here
    end: int  # and ends here


def lay_out(footage: Sequence[Footage], wall: TimeRange) -> OriginalLayout | None:
    """An original of unbroken footage of one format; None where no picture was captured in that time.

    Args:
        footage: in order; all have the same tracks.
        wall: what is to be presented.
    """
    choices = [
        choice
        for track in footage[0].table.init.tracks
        if (choice := _choose(track, footage, wall)) is not None
    ]
    if not any(choice.track.is_video for choice in choices):
        return None
    ranges = _ranges(choices, len(footage))
    lengths = np.array([end - start for start, end in ranges], np.int64)
    moved = np.cumsum(lengths) - lengths - np.array([start for start, _ in ranges], np.int64)
    total = _to_movie(wall.duration_us, SECOND_US)
    return OriginalLayout(
        tracks=tuple(_laid_out(choice, number, moved, total) for number, choice in enumerate(choices, 1)),
        ranges=ranges,
    )


def _choose(track: Track, footage: Sequence[Footage], wall: TimeRange) -> _Choice | None:
    tables = [one.table for one in footage]
    columns = joined(tables, track.id, track.timescale, wall.start_us)
    end = (wall.duration_us * track.timescale * 2 + SECOND_US) // (2 * SECOND_US)
    return _pictures(track, columns, footage, end) if track.is_video else _sound(track, columns, end)


def _pictures(track: Track, columns: SampleColumns, footage: Sequence[Footage], end: int) -> _Choice | None:
    """From the last key frame at or before the start to the last picture, in decode order, before the end."""
    pts, numbers = columns.pts, np.arange(len(columns.pts))
    keys = np.flatnonzero(columns.keys)
    if not len(keys):
        return None
    before = keys[pts[keys] <= 0]
    first = int(before[-1] if len(before) else keys[0])
    begins = [number for number, one in enumerate(footage) if one.begins_run]
    entries = {first, *np.searchsorted(columns.files, begins).tolist()}
    usable = (numbers >= first) & ~_leading(columns, sorted(entries))
    shown = np.flatnonzero(usable & (pts >= 0) & (pts < end))
    if not len(shown):
        return None
    kept = np.flatnonzero(usable & (numbers <= shown[-1]))
    return _Choice(track=track, columns=columns, kept=kept, start=int(pts[shown].min()), end=end)


def _leading(columns: SampleColumns, entries: Sequence[int]) -> Flags:
    """Pictures shown before the key frame with which decoding begins: they lean on what is not there.

    ITU-T H.265, 3.117 (RASL); in H.264 what follows a recovery point in decode order and is shown before it.
    """
    found = np.zeros(len(columns.pts), np.bool_)
    for entry in entries:
        number = entry + 1
        while number < len(found) and columns.pts[number] < columns.pts[entry]:
            found[number] = True
            number += 1
    return found


def _sound(track: Track, columns: SampleColumns, end: int) -> _Choice | None:
    """Sound that is heard in the time, and a little before it for the decoder to warm up on."""
    behind = columns.pts + columns.durations
    heard = np.flatnonzero((behind > 0) & (columns.pts < end))
    if not len(heard):
        return None
    warm_up = np.flatnonzero(behind > -(track.timescale // _WARM_UP_DIVISOR))[0]
    first = max(0, min(int(warm_up), int(heard[0]) - 1))
    return _Choice(
        track=track,
        columns=columns,
        kept=np.arange(first, heard[-1] + 1),
        start=max(0, int(columns.pts[heard[0]])),
        end=min(end, int(behind[heard[-1]])),
    )


def _ranges(choices: Sequence[_Choice], files: int) -> tuple[tuple[int, int], ...]:
    """The bytes of each file from the first sample needed to the end of the last."""
    used = [[(1 << 62, 0)] for _ in range(files)]
    for choice in choices:
        columns, kept = choice.columns, choice.kept
        borders = np.searchsorted(columns.files[kept], np.arange(files + 1))
        for number, (first, behind) in enumerate(pairwise(borders.tolist())):
            if first < behind:
                last = kept[behind - 1]
                end = int(columns.offsets[last] + columns.sizes[last])
                used[number].append((int(columns.offsets[kept[first]]), end))
    ends = [max(end for _, end in one) for one in used]
    return tuple((min(end, *(start for start, _ in one)), end) for one, end in zip(used, ends, strict=True))


def _laid_out(choice: _Choice, track_id: int, moved: Integers, total: int) -> ProgressiveTrack:
    """Args: moved: for each file, how much further its bytes lie in the payload than in the file."""
    columns, kept = choice.columns, choice.kept
    numbers = np.arange(len(kept))
    # Decode times that stand still or go back, as a clock that is corrected may make them, are none.
    dts = np.maximum.accumulate(columns.dts[kept] - numbers) + numbers
    late = columns.pts[kept] - dts
    earlier = max(
        0, -int(late.min())
    )  # decode times move by so much: no picture is shown before it is decoded
    last = max(int(columns.durations[kept[-1]]), choice.end - int(dts[-1]), 1)
    sizes = columns.sizes[kept]
    places = columns.offsets[kept] + moved[columns.files[kept]]
    firsts = np.concatenate([[0], np.flatnonzero(places[1:] != places[:-1] + sizes[:-1]) + 1])
    timescale = choice.track.timescale
    delay = _to_movie(choice.start, timescale)
    end = total if choice.track.is_video else min(total, _to_movie(choice.end, timescale))
    return ProgressiveTrack(
        track=Track(
            id=track_id,
            timescale=timescale,
            sample_entry=choice.track.sample_entry,
            width=choice.track.width,
            height=choice.track.height,
        ),
        sizes=sizes,
        durations=np.append(np.diff(dts), last),
        shifts=late + earlier,
        keys=columns.keys[kept],
        chunk_counts=np.diff(np.append(firsts, len(kept))),
        chunk_offsets=places[firsts],
        delay=delay,
        media_time=choice.start - int(dts[0]) + earlier,
        shown=end - delay,
    )


def _to_movie(ticks: int, timescale: int) -> int:
    return (ticks * MOVIE_TIMESCALE * 2 + timescale) // (2 * timescale)
