"""Which samples an original needs, where they lie, and when they are presented. Pure.

A picture belongs to the moment at which it was captured: those captured in the wanted time are presented, to
the tick, and no other. The samples before them, back to a key frame, are in the file only because the first
picture cannot be decoded without them; the edit list leaves them out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from kernel.clock import SECOND_US
from kernel.isobmff.progressive import MOVIE_TIMESCALE, ProgressiveTrack
from kernel.isobmff.sample_table import Integers, SampleColumns, SampleTables, columns
from kernel.isobmff.tracks import Track
from kernel.timerange import TimeRange

_WARM_UP_DIVISOR = 10  # a tenth of a second of sound before the first: Opus asks for 80 ms (RFC 7845, 4.6)


@dataclass(frozen=True, kw_only=True, slots=True)
class OriginalLayout:
    """What an original is made of."""

    tracks: tuple[ProgressiveTrack, ...]
    ranges: tuple[tuple[int, int], ...]  # of each segment the bytes used; in this order they are the payload


@dataclass(frozen=True, kw_only=True, slots=True)
class _Choice:
    """The samples of a track that are needed, and what is presented of them; ticks from the cut's start."""

    track: Track
    samples: SampleColumns
    start: int  # presentation begins here
    end: int  # and ends here


def lay_out(tables: SampleTables, begins: Sequence[int], wall: TimeRange) -> OriginalLayout | None:
    """An original of unbroken footage of one format; None where no picture was captured in that time.

    Args:
        tables: the segments, in order; all have the same tracks.
        begins: numbers of the segments with which a run begins; their first key frame leans on nothing.
        wall: what is to be presented.
    """
    choices = [
        choice
        for track in tables.inits[0].tracks
        if (choice := _choose(track, tables, begins, wall)) is not None
    ]
    if not any(choice.track.is_video for choice in choices):
        return None
    ranges = _ranges(choices, len(tables.inits))
    lengths = np.array([end - start for start, end in ranges], np.int64)
    moved = np.cumsum(lengths) - lengths - np.array([start for start, _ in ranges], np.int64)
    total = _to_movie(wall.duration_us, SECOND_US)
    return OriginalLayout(
        tracks=tuple(_laid_out(choice, number, moved, total) for number, choice in enumerate(choices, 1)),
        ranges=ranges,
    )


def _choose(track: Track, tables: SampleTables, begins: Sequence[int], wall: TimeRange) -> _Choice | None:
    samples = columns(tables, track.id, track.timescale, wall.start_us)
    end = (wall.duration_us * track.timescale * 2 + SECOND_US) // (2 * SECOND_US)
    return _pictures(track, samples, begins, end) if track.is_video else _sound(track, samples, end)


def _pictures(track: Track, samples: SampleColumns, begins: Sequence[int], end: int) -> _Choice | None:
    """From the last key frame at or before the start to the last picture, in decode order, before the end."""
    keys = np.flatnonzero(samples.keys)
    if not len(keys):
        return None
    before = keys[samples.pts[keys] <= 0]
    first = int(before[-1] if len(before) else keys[0])
    entries = {first, *np.searchsorted(samples.files, begins).tolist()}
    leading = [number for entry in sorted(entries) for number in _leading(samples, entry)]
    wanted = (samples.pts >= 0) & (samples.pts < end)
    wanted[:first] = False
    wanted[leading] = False
    shown = np.flatnonzero(wanted)
    if not len(shown):
        return None
    behind = int(shown[-1]) + 1
    kept = np.setdiff1d(np.arange(first, behind), leading) if leading else slice(first, behind)
    start = int(samples.pts[shown].min())
    return _Choice(track=track, samples=samples.part(kept), start=start, end=end)


def _leading(samples: SampleColumns, entry: int) -> Iterator[int]:
    """Pictures shown before the key frame with which decoding begins: they lean on what is not there.

    ITU-T H.265, 3.117 (RASL); in H.264 what follows a recovery point in decode order and is shown before it.
    """
    number = entry + 1
    while number < len(samples.pts) and samples.keys[entry] and samples.pts[number] < samples.pts[entry]:
        yield number
        number += 1


def _sound(track: Track, samples: SampleColumns, end: int) -> _Choice | None:
    """Sound that is heard in the time, and a little before it for the decoder to warm up on."""
    over = samples.pts + samples.durations
    heard = (over > 0) & (samples.pts < end)
    if not heard.any():
        return None
    begin, last = int(heard.argmax()), len(heard) - 1 - int(heard[::-1].argmax())
    warm_up = int((over > -(track.timescale // _WARM_UP_DIVISOR)).argmax())
    return _Choice(
        track=track,
        samples=samples.part(slice(max(0, min(warm_up, begin - 1)), last + 1)),
        start=max(0, int(samples.pts[begin])),
        end=min(end, int(over[last])),
    )


def _ranges(choices: Sequence[_Choice], files: int) -> tuple[tuple[int, int], ...]:
    """The bytes of each file from the first sample needed to the end of the last."""
    used = [[(1 << 62, 0)] for _ in range(files)]
    for choice in choices:
        samples = choice.samples
        borders = np.searchsorted(samples.files, np.arange(files + 1))
        for number, (first, behind) in enumerate(pairwise(borders.tolist())):
            if first < behind:
                end = int(samples.offsets[behind - 1] + samples.sizes[behind - 1])
                used[number].append((int(samples.offsets[first]), end))
    ends = [max(end for _, end in one) for one in used]
    return tuple((min(end, *(start for start, _ in one)), end) for one, end in zip(used, ends, strict=True))


def _laid_out(choice: _Choice, track_id: int, moved: Integers, total: int) -> ProgressiveTrack:
    """Args: moved: for each file, how much further its bytes lie in the payload than in the file."""
    samples = choice.samples
    dts = _rising(samples.dts)
    late = samples.pts - dts
    # Decode times move back by so much: no picture is shown before it is decoded.
    earlier = max(0, -int(late.min()))
    last = max(int(samples.durations[-1]), choice.end - int(dts[-1]), 1)
    late += earlier
    places = moved[samples.files]
    places += samples.offsets
    firsts = np.concatenate([[0], np.flatnonzero(places[1:] != places[:-1] + samples.sizes[:-1]) + 1])
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
        sizes=samples.sizes,
        durations=np.append(np.diff(dts), last),
        shifts=late,
        keys=samples.keys,
        chunk_counts=np.diff(np.append(firsts, len(places))),
        chunk_offsets=places[firsts],
        delay=delay,
        media_time=choice.start - int(dts[0]) + earlier,
        shown=end - delay,
    )


def _rising(times: Integers) -> Integers:
    """Decode times as they are, but for those that stand still or go back where a clock was corrected."""
    if len(times) < 2 or np.diff(times).min() > 0:
        return times
    numbers = np.arange(len(times))
    forward: Integers = np.maximum.accumulate(times - numbers) + numbers
    return forward


def _to_movie(ticks: int, timescale: int) -> int:
    return (ticks * MOVIE_TIMESCALE * 2 + timescale) // (2 * timescale)
