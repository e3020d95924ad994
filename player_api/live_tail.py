"""Follows a file of the ring while it grows: whole fragments, from the newest key frame on, file by file.

What is read here is what the recorder handed to the system; nothing of it is changed, and nothing waits for
it. Synchronous; ``player_api.live_hub`` calls it on a thread.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from kernel.clock import SECOND_US
from kernel.errors import BoxError
from kernel.isobmff.reader import InitSegment, read_fragments, read_init
from kernel.isobmff.tracks import FragmentRef, Sample, SampleRef, TrackRun
from kernel.isobmff.writer import fragment
from kernel.segments.label import read_label
from kernel.segments.segment_file import PART_SUFFIX, segment_path
from kernel.timerange import TimeRange

_AHEAD = 3
"""Segments whose rows may be owed still: the open file is looked for as far behind the newest row."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a source is being recorded now, by the catalogue."""

    run_id: str
    sequence: int  # of the open segment, at least
    wall_us: int  # about when it began: its day is part of its name

    def path(self, source_id: str) -> str:
        return segment_path(source_id, self.wall_us, self.run_id, self.sequence) + PART_SUFFIX

    def later(self, segments: int, wall_us: int | None = None) -> Place:
        return replace(self, sequence=self.sequence + segments, wall_us=wall_us or self.wall_us)


@dataclass(frozen=True, kw_only=True, slots=True)
class Begun:
    """From here on fragments are of this run."""

    run_id: str
    init: InitSegment


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveFragment:
    """A whole fragment as recorded; picture and sound apart, as what plays one may not play the other."""

    wall: TimeRange
    media_us: int  # decode time of its first picture
    key: bool  # whether decoding can begin with it
    picture: bytes  # moof and mdat
    sound: bytes  # the same of its sound; empty where it has none
    interval_us: int  # longest of its pictures: how seldom this source sends one


class _Growing:
    """One open file."""

    def __init__(self, path: Path, source_id: str) -> None:
        """Raises: OSError: it is not there. BoxError: it is not (yet) a file of that source."""
        self._file: BinaryIO = path.open("rb")
        try:
            self.init = read_init(self._file)
            label = read_label(self._file)
            if label.source_id != source_id:
                raise BoxError(f"{path.name} is labelled as another source's.")
        except (BoxError, OSError):
            self._file.close()
            raise
        self.run_id = label.run_id
        self._offset = self.init.size

    def to_newest_key(self) -> None:
        """Leave out what lies before the newest key frame."""
        video = self.init.video.id
        for one in read_fragments(self._file, self._offset):
            if one.starts_with_key(video):
                self._offset = one.offset

    def new(self) -> list[LiveFragment]:
        """Fragments that are whole by now; one that is being written waits for its last byte.

        Raises: BoxError: what was written makes no sense.
        """
        self._file.seek(self._offset)
        data = self._file.read()
        if not data:
            return []
        whole = list(read_fragments(io.BytesIO(data)))
        if whole:
            self._offset += whole[-1].offset + whole[-1].size
        return [made for one in whole if (made := _live(one, data, self.init))]

    def close(self) -> None:
        self._file.close()


class SourceTail:
    """One source, from file to file."""

    def __init__(self, ring: Path, source_id: str) -> None:
        self.source_id = source_id
        self._ring = ring
        self._file: _Growing | None = None
        self._place: Place | None = None
        self._end_us = 0

    @property
    def place(self) -> Place | None:
        """What is being read; None while nothing is found."""
        return self._place if self._file is not None else None

    def look_at(self, newest: Place | None) -> list[Begun | LiveFragment]:
        """Go where the source is recorded now, if that is not where this is already.

        Raises: BoxError: what lies there makes no sense.
        """
        place = self.place
        if newest is None or (place and place.run_id == newest.run_id and place.sequence >= newest.sequence):
            return []
        for behind in range(_AHEAD):
            if opened := self._open(newest.later(behind)):
                opened.to_newest_key()
                return self._go_on_with(opened, newest.later(behind))
        return []

    def read(self) -> list[Begun | LiveFragment]:
        """What is new since the last call.

        Raises: BoxError: what was written makes no sense.
        """
        if self._file is None:
            return []
        got: list[Begun | LiveFragment] = [*self._new()]
        if got:
            return got
        return self._follow()

    def _new(self) -> Sequence[LiveFragment]:
        assert self._file is not None
        found = self._file.new()
        if found:
            self._end_us = found[-1].wall.end_us
        return found

    def _follow(self) -> list[Begun | LiveFragment]:
        """To the next segment of the run, once it is there: by then nothing is added to this one."""
        assert self._place is not None
        place = self._place.later(1, self._end_us)
        for near_us in (0, -SECOND_US, SECOND_US):  # around midnight its day may be the other
            candidate = replace(place, wall_us=place.wall_us + near_us)
            if opened := self._open(candidate):
                rest = self._new()  # what came between the last look and the next file
                return [*rest, *self._go_on_with(opened, candidate)]
        return []

    def _open(self, place: Place) -> _Growing | None:
        with suppress(OSError, BoxError):
            return _Growing(self._ring / place.path(self.source_id), self.source_id)
        return None

    def _go_on_with(self, opened: _Growing, place: Place) -> list[Begun | LiveFragment]:
        before, self._file, self._place = self._file, opened, place
        begun: list[Begun | LiveFragment] = []
        if before is None or before.run_id != opened.run_id:
            begun = [Begun(run_id=opened.run_id, init=opened.init)]
        if before is not None:
            before.close()
        return [*begun, *self._new()]

    def leave(self) -> None:
        """Read nothing more of this file."""
        if self._file is not None:
            self._file.close()
        self._file = None


def _live(one: FragmentRef, data: bytes, init: InitSegment) -> LiveFragment | None:
    """Picture and sound of a fragment apart; None where it has no picture or tells no time."""
    video, sound = init.video, init.audio
    pictures, told = one.runs.get(video.id, ()), one.producer_time
    if not pictures or told is None:
        return None
    scale = video.timescale
    length = pictures[-1].dts + pictures[-1].duration - pictures[0].dts
    frames = one.runs.get(sound.id, ()) if sound else ()
    whole = data[one.offset : one.offset + one.size]
    return LiveFragment(
        wall=TimeRange(start_us=told.wall_us, end_us=told.wall_us + length * SECOND_US // scale),
        media_us=pictures[0].dts * SECOND_US // scale,
        key=pictures[0].key,
        picture=_alone(video.id, pictures, data) if sound else whole,
        sound=_alone(sound.id, frames, data) if sound and frames else b"",
        interval_us=max(one.duration for one in pictures) * SECOND_US // scale,
    )


def _alone(track_id: int, samples: Sequence[SampleRef], data: bytes) -> bytes:
    """One track of a fragment as a fragment."""
    made = tuple(
        Sample(data[one.offset : one.offset + one.size], one.duration, one.key, one.pts - one.dts)
        for one in samples
    )
    return fragment(1, [TrackRun(track_id=track_id, base_dts=samples[0].dts, samples=made)])
