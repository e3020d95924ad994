"""What an archived file says of itself: its pictures and their wall times, from its headers alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from archiver.archive_file import to_micros
from kernel.errors import BoxError
from kernel.isobmff.reader import read_fragments, read_init
from kernel.timerange import TimeRange


@dataclass(frozen=True, kw_only=True, slots=True)
class FileFacts:
    """An archived file by its headers."""

    pictures: int
    sound: bool  # whether it has a sound track
    duration_us: int  # of its media time, up to the end of the last picture
    shown: tuple[TimeRange, ...]  # wall time of each fragment's pictures, by its prft
    starts_us: tuple[int, ...]  # wall time of media time 0, as each fragment has it: all say the same
    key_walls_us: tuple[int, ...]  # wall time of each fragment's first picture


def file_facts(path: Path) -> FileFacts:
    """Read an archived file's headers.

    Raises:
        BoxError: it is no such file, or a fragment of it tells no wall time.
        OSError: it cannot be read.
    """
    shown, starts, keys = [], [], []
    pictures = end = 0
    with path.open("rb") as file:
        init = read_init(file)
        track = init.video
        for number, found in enumerate(read_fragments(file), start=1):
            samples, time = found.runs.get(track.id), found.producer_time
            if not samples or time is None:
                raise BoxError(f"fragment {number} has no picture or no wall time.")
            start_us = time.wall_us - to_micros(time.media_time, track.timescale)
            begin, end = samples[0].dts, samples[-1].dts + samples[-1].duration
            walls = [start_us + to_micros(ticks, track.timescale) for ticks in (begin, end)]
            shown.append(TimeRange(start_us=walls[0], end_us=walls[1]))
            starts.append(start_us)
            keys.append(start_us + to_micros(samples[0].pts, track.timescale))
            pictures += len(samples)
        duration_us = to_micros(end, track.timescale)
    return FileFacts(
        pictures=pictures,
        sound=init.audio is not None,
        duration_us=duration_us,
        shown=tuple(shown),
        starts_us=tuple(starts),
        key_walls_us=tuple(keys),
    )
