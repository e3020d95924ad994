"""The samples of a segment file as columns: read once, a hundred thousand at a time.

``kernel.isobmff.reader`` makes an object of every sample, which is what a decoder wants. Here the headers of
fragments are read, one ``pread`` each, and their tables are kept as the bytes that they are; ``joined`` turns
those of many files into arrays in one go. That is two hours of footage in the time of a picture or two.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
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
# prft, moof with mfhd, traf with tfhd and tfdt, trun: as kernel.isobmff.writer lays them out.
_OPENING = struct.Struct(">I4sIIQQ I4sI4s8x")
_TRAF = struct.Struct(">I4s I4sII I4sIQ I4sIIi")
_PRFT_BYTES = 32
_LARGEST_MOOF = 16 << 20  # bytes; a larger one is damage
_MDAT = struct.Struct(">I4s")
_ENTRY_BYTES = 16  # of a trun: duration, size, flags, composition offset
_NON_SYNC_FLAG = 0x00010000
_TRUN_FLAGS = 0x000F01


@dataclass(kw_only=True, slots=True)
class RunTable:
    """The track runs of one track in one file, in order; lists of the same length."""

    counts: list[int] = field(default_factory=list)  # samples
    base_dts: list[int] = field(default_factory=list)  # ticks
    offsets: list[int] = field(default_factory=list)  # of the first sample's data in the file
    entries: list[bytes] = field(default_factory=list)  # as they stand in the trun


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleTable:
    """All samples of a segment file, unread."""

    init: InitSegment
    size: int  # bytes of the file
    media_times: list[int]  # of each fragment's ``prft``, ticks of the video track
    walls_us: list[int]  # the wall time that it stands for
    runs: dict[int, RunTable]  # by track id


def read_sample_table(path: Path) -> SampleTable:
    """The samples of a sealed segment.

    Raises:
        FootageError: the file cannot be read.
        BoxError: it is no segment of this product.
    """
    try:
        with path.open("rb", buffering=0) as raw:
            return _read(raw.fileno())
    except OSError as error:
        raise FootageError(f"segment {path.name} cannot be read: {error.strerror}.") from None
    except (BoxError, struct.error) as error:
        raise BoxError(f"segment {path.name} cannot be used: {error}") from None


def _read(descriptor: int) -> SampleTable:
    size = os.fstat(descriptor).st_size
    init, offset = _beginning(descriptor, size)
    table = SampleTable(
        init=init,
        size=size,
        media_times=[],
        walls_us=[],
        runs={track.id: RunTable() for track in init.tracks},
    )
    while offset < size:
        offset = _fragment(descriptor, offset, table)
    if offset != size or not table.walls_us:
        raise BoxError("it does not end with a whole fragment.")
    return table


def _beginning(descriptor: int, size: int) -> tuple[InitSegment, int]:
    """The tracks, and where the first fragment begins."""
    data = os.pread(descriptor, _FIRST_READ, 0)
    while len(data) < size:
        ends: dict[str, int] = {}
        with suppress(BoxError):  # a box of which not all was read: read more
            for one in children(data):
                if one.type == "prft" and "moov" in ends:
                    return _init(data[: ends["moov"]]), one.start
                ends[one.type] = one.end
        data = os.pread(descriptor, len(data) * 2, 0)
    raise BoxError("it has no init segment or no fragment.")


@lru_cache(maxsize=64)
def _init(data: bytes) -> InitSegment:
    """The same bytes stand at the start of all segments of a run."""
    return read_init(io.BytesIO(data))


def _fragment(descriptor: int, offset: int, table: SampleTable) -> int:
    """Take one fragment in; returns where it ends."""
    data = os.pread(descriptor, _FIRST_READ, offset)
    opening = _OPENING.unpack_from(data)
    prft_size, prft, flags, _, ntp, media_time, moof_size, moof, _, mfhd = opening
    if (prft_size, prft, flags >> 24, moof, mfhd) != (_PRFT_BYTES, b"prft", 1, b"moof", b"mfhd"):
        raise BoxError(f"the fragment at offset {offset} was not written by this product.")
    behind = _PRFT_BYTES + min(moof_size, _LARGEST_MOOF)
    if len(data) < behind + _MDAT.size:
        data = os.pread(descriptor, behind + _MDAT.size, offset)
    mdat_size, mdat = _MDAT.unpack_from(data, behind)
    if mdat != b"mdat":
        raise BoxError(f"the fragment at offset {offset} has no data.")
    table.media_times.append(media_time)
    table.walls_us.append(
        ((ntp >> 32) - NTP_UNIX_EPOCH_S) * 1_000_000 + ((ntp & 0xFFFFFFFF) * 1_000_000 >> 32)
    )
    place = _OPENING.size
    while place < behind:
        place = _run(data, place, offset + _PRFT_BYTES, table)
    end: int = offset + behind + mdat_size
    return end


def _run(data: bytes, place: int, moof_offset: int, table: SampleTable) -> int:
    """Take one track run in; returns where its ``traf`` ends."""
    fields = _TRAF.unpack_from(data, place)
    size, traf, _, tfhd, _, track_id, _, tfdt, _, base_dts, _, trun, flags, count, data_offset = fields
    entries = place + _TRAF.size
    end: int = place + size
    if (traf, tfhd, tfdt, trun) != (b"traf", b"tfhd", b"tfdt", b"trun") or flags & 0xFFFFFF != _TRUN_FLAGS:
        raise BoxError("a track run was not written by this product.")
    runs = table.runs.get(track_id)
    if runs is None or entries + _ENTRY_BYTES * count != end or end > len(data):
        raise BoxError("a track run makes no sense.")
    runs.counts.append(count)
    runs.base_dts.append(base_dts)
    runs.offsets.append(moof_offset + data_offset)
    runs.entries.append(data[entries:end])
    return end


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleColumns:
    """Samples of one kind of track of several files, in decode order; arrays of the same length."""

    files: Integers  # number of the file
    offsets: Integers  # in that file
    sizes: Integers
    dts: Integers  # ticks since the wall time ``origin_us``
    pts: Integers
    durations: Integers
    keys: Flags


def joined(tables: Sequence[SampleTable], track_id: int, timescale: int, origin_us: int) -> SampleColumns:
    """The samples of one track through several files, their times taken from the wall clock.

    Args:
        timescale: ticks per second of that track, the same in all files.
        origin_us: the wall time that becomes tick 0.

    Within a fragment, times keep their distances to the tick. From fragment to fragment they follow ``prft``,
    as everywhere in this product (``docs/design/time.md``).
    """
    runs = [table.runs[track_id] for table in tables]
    counts = _gathered([one.counts for one in runs])
    entries = np.frombuffer(b"".join(piece for one in runs for piece in one.entries), ">u4")
    durations, sizes, flags, shifts = entries.reshape(-1, 4).T.astype(np.int64)
    shifts -= (shifts >> 31) << 32  # signed, as trun version 1 has it
    firsts = np.cumsum(counts) - counts
    base = np.concatenate(
        [_base_ticks(table, one, timescale, origin_us) for table, one in zip(tables, runs, strict=True)]
    )
    dts = np.repeat(base, counts) + _since_first(durations, firsts, counts)
    offsets = np.repeat(_gathered([one.offsets for one in runs]), counts)
    return SampleColumns(
        files=np.repeat(np.arange(len(tables)), [sum(one.counts) for one in runs]),
        offsets=offsets + _since_first(sizes, firsts, counts),
        sizes=sizes,
        dts=dts,
        pts=dts + shifts,
        durations=durations,
        keys=flags & _NON_SYNC_FLAG == 0,
    )


def _gathered(lists: Sequence[Sequence[int]]) -> Integers:
    return np.array([number for one in lists for number in one], np.int64)


def _since_first(amounts: Integers, firsts: Integers, counts: Integers) -> Integers:
    """For each sample the sum of what the earlier samples of its run have."""
    sums: Integers = np.cumsum(amounts) - amounts
    return sums - np.repeat(sums[firsts], counts)


def _base_ticks(table: SampleTable, runs: RunTable, timescale: int, origin_us: int) -> Integers:
    """Decode time of each run's first sample, ticks since the origin, by the last ``prft`` before it."""
    video = table.init.video.timescale
    media = np.asarray(table.media_times, np.int64)
    walls = np.asarray(table.walls_us, np.int64)
    base = np.asarray(runs.base_dts, np.int64)
    own = base * video // timescale
    anchor = np.maximum(np.searchsorted(media, own, side="right") - 1, 0)
    since = (walls[anchor] - origin_us) * timescale
    told = (since * 2 + 1_000_000) // 2_000_000
    # Ticks of this track since the anchor; the same clock in other units for sound.
    return told + base - (media[anchor] * timescale * 2 + video) // (2 * video)
