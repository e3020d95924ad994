"""Originals: a clip as plain MP4 files whose bytes are those of the ring, nothing encoded anew.

One file per unbroken stretch of one format. Its presentation starts and ends with the cut; what a decoder
needs before it is in the file and left out by the edit list. The media data is a few large pieces of segment
files, ``moof`` boxes and all, so that writing a file is copying (``docs/design/originals.md``).
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from kernel.clock import iso_utc
from kernel.errors import FixityError, FootageError
from kernel.isobmff.boxes import box
from kernel.isobmff.progressive import Chapter, head
from kernel.isobmff.reader import read_init
from kernel.isobmff.sample_table import SampleTables, read_sample_tables
from kernel.isobmff.tracks import Track
from kernel.model.cut import Clip, ClipGap, SegmentSlice
from kernel.model.footage import Segment
from kernel.timerange import TimeRange
from segmenter.original_tracks import OriginalLayout, lay_out

FORMAT = "jianzheng-original/1"
_LABEL = uuid.UUID("b1c9c2a0-6b0b-4f57-9f3c-2f1f6e0a52d7")
_BLOCK_BYTES = 256 * 1024
_UNSAFE = re.compile(r"[^\w.-]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """Something that happened, to become a chapter: a timeline event or a tag."""

    at_us: int  # wall time
    title: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """What becomes one file: slices that follow each other, of one format."""

    number: int  # in its clip, from 1
    wall: TimeRange
    segments: tuple[Segment, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class FileRange:
    """Bytes of a segment file."""

    segment: Segment
    path: Path
    start: int
    end: int  # excluded

    @property
    def size(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, kw_only=True)
class Original:
    """One file, not written: its head, and where the rest of its bytes lie."""

    name: str
    piece: Piece
    head: bytes
    ranges: tuple[FileRange, ...]
    chapters: tuple[Chapter, ...]

    @cached_property
    def size_bytes(self) -> int:
        return len(self.head) + sum(one.size for one in self.ranges)

    @cached_property
    def etag(self) -> str:
        """The head names the segments by hash and all places in them: it stands for the whole file."""
        return hashlib.sha256(self.head).hexdigest()

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from ``start`` to before ``end``, straight from the ring.

        Raises:
            FootageError: a segment is gone.
            FixityError: it is shorter than its row says.
        """
        if start < len(self.head):
            yield self.head[start:end]
        places = accumulate((one.size for one in self.ranges), initial=len(self.head))
        for place, one in zip(places, self.ranges, strict=False):
            first, behind = max(start, place), min(end, place + one.size)
            if first < behind:
                yield from _read(one, one.start + first - place, one.start + behind - place)


def _read(one: FileRange, start: int, end: int) -> Iterator[bytes]:
    try:
        with one.path.open("rb", buffering=0) as file:
            file.seek(start)
            while start < end:
                block = file.read(min(_BLOCK_BYTES, end - start))
                if not block:
                    raise FixityError(f"segment {one.path.name} is shorter than its row says.")
                start += len(block)
                yield block
    except OSError as error:
        raise FootageError(f"segment {one.path.name} cannot be read: {error.strerror}.") from None


def pieces(clip: Clip, segments: Mapping[str, Segment], ring: Path) -> list[Piece]:
    """The files of a clip, in order: a new one behind each gap, and where the format changes.

    Footage of two runs goes into one file only where both are whole where they meet. A run that was cut into,
    such as one that was fetched to fill a gap, begins within a group of pictures and is a file of its own.

    Raises:
        FootageError: a segment's file cannot be read.
    """
    formats = _Formats(ring)
    found: list[list[tuple[SegmentSlice, Segment]]] = []
    for used in clip.slices:
        segment = segments[used.segment_id]
        if found and _follows(found[-1][-1], (used, segment)) and formats.same(found[-1][-1][1], segment):
            found[-1].append((used, segment))
        else:
            found.append([(used, segment)])
    return [
        Piece(
            number=number,
            wall=TimeRange(start_us=one[0][0].wall.start_us, end_us=one[-1][0].wall.end_us),
            segments=tuple(segment for _, segment in one),
        )
        for number, one in enumerate(found, start=1)
    ]


def _follows(before: tuple[SegmentSlice, Segment], after: tuple[SegmentSlice, Segment]) -> bool:
    """Whether a slice goes on where the one before it ends, both at the border of their segments."""
    end_us, start_us = before[0].wall.end_us, after[0].wall.start_us
    return before[1].wall.end_us == end_us == start_us == after[1].wall.start_us


class _Formats:
    """What the tracks of runs are: the same in all segments of a run."""

    def __init__(self, ring: Path) -> None:
        self._ring = ring
        self._tracks: dict[str, tuple[Track, ...]] = {}

    def same(self, before: Segment, after: Segment) -> bool:
        return before.run_id == after.run_id or self._of(before) == self._of(after)

    def _of(self, segment: Segment) -> tuple[Track, ...]:
        if segment.run_id not in self._tracks:
            path = self._ring / segment.path
            try:
                with path.open("rb") as file:
                    self._tracks[segment.run_id] = read_init(file).tracks
            except OSError as error:
                raise FootageError(f"segment {path.name} cannot be read: {error.strerror}.") from None
        return self._tracks[segment.run_id]


def original(clip: Clip, piece: Piece, ring: Path, marks: Sequence[Mark] = ()) -> Original | None:
    """The file of a piece; None where no picture was captured in its time.

    Raises:
        FootageError: a segment is missing, or no segment of its run.
        FixityError: its size is not what its row says.
    """
    tables = read_sample_tables([ring / segment.path for segment in piece.segments])
    _check(piece, tables)
    runs = [None, *(segment.run_id for segment in piece.segments)]
    begins = [number for number, (before, run) in enumerate(pairwise(runs)) if before != run]
    layout = lay_out(tables, begins, piece.wall)
    if layout is None:
        return None
    chapters = _chapters(marks, piece.wall)
    used = zip(piece.segments, layout.ranges, strict=True)
    ranges = tuple(
        FileRange(segment=segment, path=ring / segment.path, start=start, end=end)
        for segment, (start, end) in used
        if start < end
    )
    return Original(
        name=f"{_file_name(clip)}-{piece.number:02d}.mp4",
        piece=piece,
        head=_head(clip, piece, layout, ranges, chapters),
        ranges=ranges,
        chapters=chapters,
    )


def index_name(clip: Clip) -> str:
    """The name of the file in which the index is written beside the others."""
    return f"{_file_name(clip)}.json"


def _file_name(clip: Clip) -> str:
    return _UNSAFE.sub("_", clip.id)


def _check(piece: Piece, tables: SampleTables) -> None:
    """Whether the files are what their rows and their runs promise."""
    for segment, size, init in zip(piece.segments, tables.sizes, tables.inits, strict=True):
        if size != segment.size_bytes:
            raise FixityError(f"segment {segment.path} has {size} bytes, its row says {segment.size_bytes}.")
        if init.tracks != tables.inits[0].tracks:
            raise FootageError(f"segment {segment.path} has other tracks than its run.")


def _chapters(marks: Sequence[Mark], wall: TimeRange) -> tuple[Chapter, ...]:
    inside = sorted((mark for mark in marks if wall.contains(mark.at_us)), key=lambda mark: mark.at_us)
    return tuple(Chapter(at_us=mark.at_us - wall.start_us, title=mark.title) for mark in inside)


def _head(
    clip: Clip,
    piece: Piece,
    layout: OriginalLayout,
    ranges: Sequence[FileRange],
    chapters: Sequence[Chapter],
) -> bytes:
    told = {
        "format": FORMAT,
        "clip": clip.id,
        "source": clip.source_id,
        "wall_start_us": piece.wall.start_us,
        "wall_end_us": piece.wall.end_us,
        "media": _media(ranges),
    }
    label = box("uuid", _LABEL.bytes, json.dumps(told, ensure_ascii=False).encode())
    return head(
        layout.tracks,
        payload_bytes=sum(one.size for one in ranges),
        created_us=piece.wall.start_us,
        chapters=chapters,
        label=label,
    )


def _media(ranges: Sequence[FileRange]) -> list[dict[str, Any]]:
    """What the media data is: one behind the other, these bytes of these segments."""
    return [
        {"segment": one.segment.id, "sha256": one.segment.sha256, "start": one.start, "end": one.end}
        for one in ranges
    ]


def index(
    clip: Clip,
    found: Sequence[Original],
    without_pictures: Sequence[Piece],
    sha256: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What the files of a clip are, and what lies between them.

    Args:
        found: its originals, in order.
        without_pictures: its pieces that make no file; with files and gaps they fill the clip's time.
        sha256: of files that were written and proven, by name.
    """
    return {
        "format": FORMAT,
        "clip": clip.id,
        "session": clip.session_id,
        "source": clip.source_id,
        "part": clip.part,
        **_times(clip.wall),
        "files": [_file(one, (sha256 or {}).get(one.name)) for one in found],
        "without_pictures": [_times(piece.wall) for piece in without_pictures],
        "gaps": [_gap(gap) for gap in clip.gaps],
        "backfilled": [_gap(gap) for gap in clip.backfilled],
    }


def _file(one: Original, sha256: str | None) -> dict[str, Any]:
    start_us = one.piece.wall.start_us
    return {
        "number": one.piece.number,
        "name": one.name,
        **_times(one.piece.wall),
        "size_bytes": one.size_bytes,
        "sha256": sha256,
        "chapters": [{"at_us": start_us + mark.at_us, "title": mark.title} for mark in one.chapters],
        "media_offset": len(one.head),
        "media": _media(one.ranges),
    }


def _gap(gap: ClipGap) -> dict[str, Any]:
    return {**_times(gap.wall), "cause": gap.cause.value, "detail": gap.detail}


def _times(wall: TimeRange) -> dict[str, Any]:
    return {
        "start_us": wall.start_us,
        "end_us": wall.end_us,
        "start": iso_utc(wall.start_us),
        "end": iso_utc(wall.end_us),
    }
