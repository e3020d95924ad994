"""The samples of segment files as columns: read once, a hundred thousand at a time.

``kernel.isobmff.reader`` makes an object of every sample, which is what a decoder wants. Here the headers of
fragments are gathered as the bytes that they are, one ``pread`` each, and all are taken apart at once. That
is two hours of footage in the time of a picture or two.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kernel.errors import BoxError, FootageError
from kernel.isobmff.boxes import children
from kernel.isobmff.reader import InitSegment, read_init
from kernel.isobmff.writer import NTP_UNIX_EPOCH_S

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

_FIRST_READ = 4096  # bytes; holds prft and moof of a second of 25 pictures with sound
_PRFT_BYTES = 32
_OPENING = struct.Struct(">I4s24xI4s")  # size and type of prft and moof
_MDAT = struct.Struct(">I4s")
_LARGEST_MOOF = 16 << 20  # bytes; a larger one is damage
_ALIGNED = 8  # the size of every moof of ours is a multiple of this
_NON_SYNC_FLAG = 0x00010000
_TRUN_FLAGS = 0x01000F01  # version and flags of every trun of ours
# Places in 32-bit words, as kernel.isobmff.writer lays boxes out; of a traf from its start.
_NTP, _MEDIA_TIME, _MFHD, _FIRST_TRAF = 4, 6, 11, 14
_TRACK, _BASE_DTS, _COUNT, _DATA_OFFSET, _ENTRIES, _ENTRY = 5, 9, 14, 15, 16, 4
_TYPES_OF_TRAF = {1: b"traf", 3: b"tfhd", 7: b"tfdt", 12: b"trun"}


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackRuns:
    """The track runs of one track, in order; arrays of the same length."""

    fragments: Integers  # number of the fragment, counted through all files
    counts: Integers  # samples
    base_dts: Integers  # ticks
    offsets: Integers  # of the first sample's data in its file
    entries: Integers  # where its entries begin in ``words``


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleTables:
    """All samples of some segment files, in order, untouched."""

    inits: tuple[InitSegment, ...]  # of each file
    sizes: tuple[int, ...]  # bytes of each file
    words: NDArray[np.uint32]  # prft and moof of all fragments, one behind the other
    files: Integers  # of each fragment: number of its file
    media_times: Integers  # what its prft says, ticks of the video track
    walls_us: Integers  # and the wall time that it stands for
    runs: Mapping[int, TrackRuns]  # by track id


@dataclass(frozen=True, kw_only=True, slots=True)
class _Headers:
    """The headers of one file's fragments."""

    init: InitSegment
    size: int
    offsets: list[int]  # of each moof in the file
    pieces: list[bytes]  # prft and moof


def read_sample_tables(paths: Sequence[Path]) -> SampleTables:
    """The samples of sealed segments.

    Raises:
        FootageError: a file cannot be read.
        BoxError: one is no segment of this product.
    """
    found = [_headers(path) for path in paths]
    lengths = np.array([len(piece) // 4 for one in found for piece in one.pieces], np.int64)
    words = np.frombuffer(b"".join(piece for one in found for piece in one.pieces), ">u4").astype(np.uint32)
    starts = np.cumsum(lengths) - lengths
    files = np.repeat(np.arange(len(found)), [len(one.pieces) for one in found])
    moofs = np.array([offset for one in found for offset in one.offsets], np.int64)
    try:
        runs = _runs(words, starts, starts + lengths, moofs)
    except IndexError:
        raise BoxError("a track run claims more samples than its fragment holds.") from None
    known = {track.id for one in found for track in one.init.tracks}
    empty = TrackRuns(**dict.fromkeys(TrackRuns.__slots__, np.empty(0, np.int64)))
    seconds = words[starts + _NTP].astype(np.int64) - NTP_UNIX_EPOCH_S
    return SampleTables(
        inits=tuple(one.init for one in found),
        sizes=tuple(one.size for one in found),
        words=words,
        files=files,
        media_times=_wide(words, starts + _MEDIA_TIME),
        walls_us=seconds * 1_000_000 + (words[starts + _NTP + 1].astype(np.int64) * 1_000_000 >> 32),
        runs={track_id: runs.get(track_id, empty) for track_id in known},
    )


def _headers(path: Path) -> _Headers:
    try:
        with path.open("rb", buffering=0) as file:
            return _gathered(file.fileno())
    except OSError as error:
        raise FootageError(f"segment {path.name} cannot be read: {error.strerror}.") from None
    except (BoxError, struct.error) as error:
        raise BoxError(f"segment {path.name} cannot be used: {error}") from None


def _gathered(descriptor: int) -> _Headers:
    """Goes from fragment to fragment; this loop is most of what two hours of footage cost."""
    size = os.fstat(descriptor).st_size
    init, offset = _beginning(descriptor, size)
    offsets: list[int] = []
    pieces: list[bytes] = []
    pread, opening, header = os.pread, _OPENING.unpack_from, _MDAT.unpack_from
    guess = _FIRST_READ
    while offset < size:
        data = pread(descriptor, guess, offset)
        prft_size, prft, moof_size, moof = opening(data)
        if prft != b"prft" or moof != b"moof" or prft_size != _PRFT_BYTES or moof_size % _ALIGNED:
            raise BoxError(f"the fragment at offset {offset} was not written by this product.")
        behind = _PRFT_BYTES + min(moof_size, _LARGEST_MOOF)
        if len(data) < behind + _MDAT.size:
            data = pread(descriptor, behind + _MDAT.size, offset)
        mdat_size, mdat = header(data, behind)
        if mdat != b"mdat":
            raise BoxError(f"the fragment at offset {offset} has no data.")
        offsets.append(offset + _PRFT_BYTES)
        pieces.append(data[:behind])
        offset += behind + mdat_size
        guess = behind + 256  # the next one is of much the same size
    if offset != size or not pieces:
        raise BoxError("it does not end with a whole fragment.")
    return _Headers(init=init, size=size, offsets=offsets, pieces=pieces)


def _beginning(descriptor: int, size: int) -> tuple[InitSegment, int]:
    """The tracks, and where the first fragment begins."""
    data = os.pread(descriptor, _FIRST_READ, 0)
    while True:
        ends: dict[str, int] = {}
        with suppress(BoxError):  # a box of which not all was read: read more
            for one in children(data):
                if one.type == "prft" and "moov" in ends:
                    return _init(data[: ends["moov"]]), one.start
                ends[one.type] = one.end
        if len(data) >= min(size, _LARGEST_MOOF):
            raise BoxError("it has no init segment or no fragment.")
        data = os.pread(descriptor, len(data) * 2, 0)


@lru_cache(maxsize=64)
def _init(data: bytes) -> InitSegment:
    """The same bytes stand at the start of all segments of a run."""
    return read_init(io.BytesIO(data))


def _wide(words: NDArray[np.uint32], places: Integers) -> Integers:
    """64-bit numbers."""
    return words[places].astype(np.int64) << 32 | words[places + 1]


def _runs(
    words: NDArray[np.uint32], starts: Integers, ends: Integers, moofs: Integers
) -> dict[int, TrackRuns]:
    """The track runs of all fragments, by track.

    Raises:
        BoxError: a box is not laid out as this product does it.
    """
    _expect(words, starts + _MFHD, b"mfhd")
    numbers, places = np.arange(len(starts)), starts + _FIRST_TRAF
    rounds = []
    while len(numbers):
        for word, kind in _TYPES_OF_TRAF.items():
            _expect(words, places + word, kind)
        counts = words[places + _COUNT].astype(np.int64)
        behind = places + _ENTRIES + _ENTRY * counts
        fits = words[places] == 4 * (_ENTRIES + _ENTRY * counts)
        if not (fits.all() and (words[places + _COUNT - 1] == _TRUN_FLAGS).all()):
            raise BoxError("a track run was not written by this product.")
        rounds.append((numbers, places, counts))
        left = behind < ends[numbers]
        numbers, places = numbers[left], behind[left]
    numbers, places, counts = (np.concatenate(one) for one in zip(*rounds, strict=True))
    return dict(_by_track(words, numbers, places, counts, moofs))


def _expect(words: NDArray[np.uint32], places: Integers, kind: bytes) -> None:
    if not (words[places] == int.from_bytes(kind, "big")).all():
        raise BoxError(f"a fragment has no {kind.decode()} box where this product puts it.")


def _by_track(
    words: NDArray[np.uint32], numbers: Integers, places: Integers, counts: Integers, moofs: Integers
) -> Iterator[tuple[int, TrackRuns]]:
    tracks = words[places + _TRACK]
    for track_id in np.unique(tracks).tolist():
        mine = np.flatnonzero(tracks == track_id)
        mine = mine[np.argsort(numbers[mine], kind="stable")]
        at = places[mine]
        yield (
            track_id,
            TrackRuns(
                fragments=numbers[mine],
                counts=counts[mine],
                base_dts=_wide(words, at + _BASE_DTS),
                offsets=moofs[numbers[mine]] + words[at + _DATA_OFFSET],
                entries=at + _ENTRIES,
            ),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleColumns:
    """Samples of one track through several files, in decode order; arrays of the same length."""

    files: Integers  # number of the file
    offsets: Integers  # in that file
    sizes: Integers
    dts: Integers  # ticks since a wall time
    pts: Integers
    durations: Integers
    keys: Flags

    def part(self, kept: slice | Integers) -> SampleColumns:
        """Some of the samples; where they follow each other, nothing is copied."""
        return SampleColumns(
            files=self.files[kept],
            offsets=self.offsets[kept],
            sizes=self.sizes[kept],
            dts=self.dts[kept],
            pts=self.pts[kept],
            durations=self.durations[kept],
            keys=self.keys[kept],
        )


def columns(tables: SampleTables, track_id: int, timescale: int, origin_us: int) -> SampleColumns:
    """The samples of one track, their times taken from the wall clock.

    Args:
        timescale: ticks per second of that track, the same in all files.
        origin_us: the wall time that becomes tick 0.

    Within a fragment, times keep their distances to the tick. From fragment to fragment they follow ``prft``,
    as everywhere in this product (``docs/design/time.md``).
    """
    runs, words = tables.runs[track_id], tables.words
    firsts = np.cumsum(runs.counts) - runs.counts
    total = int(runs.counts.sum())
    # Two words at a time: that is most of the work. All entries begin at an even word (_ALIGNED).
    pairs = words.view(np.uint64)
    entries = np.repeat(runs.entries // 2 - firsts * 2, runs.counts)
    entries += np.arange(0, total * 2, 2)
    durations, sizes = pairs[entries].view(np.uint32).reshape(-1, 2).T
    entries += 1  # in place, here and below: most of the time goes into memory that is touched first
    flags, shifts = pairs[entries].view(np.uint32).reshape(-1, 2).T
    dts = _running(_base_ticks(tables, runs, timescale, origin_us), durations, firsts, runs.counts)
    return SampleColumns(
        files=np.repeat(tables.files[runs.fragments], runs.counts),
        offsets=_running(runs.offsets, sizes, firsts, runs.counts),
        sizes=sizes.astype(np.int64),
        dts=dts,
        pts=dts + shifts.view(np.int32),  # signed, as trun version 1 has it
        durations=durations.astype(np.int64),
        keys=flags & _NON_SYNC_FLAG == 0,
    )


def _running(base: Integers, amounts: NDArray[np.uint32], firsts: Integers, counts: Integers) -> Integers:
    """For each sample what its run begins with, and what the run's earlier samples add to it."""
    sums: Integers = np.cumsum(amounts, dtype=np.int64)
    sums -= amounts
    sums += np.repeat(base - sums[firsts], counts)
    return sums


def _base_ticks(tables: SampleTables, runs: TrackRuns, timescale: int, origin_us: int) -> Integers:
    """Decode time of each run's first sample, ticks since the origin, by its fragment's ``prft``."""
    video = np.array([one.video.timescale for one in tables.inits])[tables.files[runs.fragments]]
    since = (tables.walls_us[runs.fragments] - origin_us) * timescale
    told = (since * 2 + 1_000_000) // 2_000_000
    # That is the tick of the prft's media time, which counts in ticks of the picture.
    anchor = (tables.media_times[runs.fragments] * timescale * 2 + video) // (2 * video)
    ticks: Integers = told + runs.base_dts - anchor
    return ticks
