"""Reads fragmented MP4 files of this product: tracks, fragments, wall clock and index.

Reads headers only and seeks over media data, so that an hour of footage is indexed in a moment.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from kernel.errors import BoxError
from kernel.isobmff.boxes import BoxHeader, children, find
from kernel.isobmff.tracks import FragmentRef, ProducerTime, SampleRef, Track
from kernel.isobmff.writer import NTP_UNIX_EPOCH_S

_NON_SYNC_FLAG = 0x00010000
_CAPTURED_FLAGS = 24
_MAX_TICKS = (1 << 63) - 1  # a catalogue holds no more, and no footage lasts as long
_MAX_HEADER_BOX = 64 * 1024 * 1024  # a moov, moof or sidx larger than this is damage, not footage


@dataclass(frozen=True, kw_only=True, slots=True)
class InitSegment:
    """The start of a file."""

    tracks: tuple[Track, ...]
    size: int  # bytes of ftyp and moov

    @property
    def video(self) -> Track:
        """The first video track.

        Raises:
            BoxError: the file has none.
        """
        for track in self.tracks:
            if track.is_video:
                return track
        raise BoxError("the file has no video track.")

    @property
    def audio(self) -> Track | None:
        return next((track for track in self.tracks if not track.is_video), None)


def top_level(file: BinaryIO, offset: int = 0) -> Iterator[BoxHeader]:
    """The whole boxes of a file from an offset on; ends quietly before one that is cut off."""
    end = file.seek(0, os.SEEK_END)
    while offset + 8 <= end:
        file.seek(offset)
        head = file.read(16)
        size = int.from_bytes(head[:4], "big")
        if size == 1 and len(head) == 16:
            size = int.from_bytes(head[8:16], "big")
        elif size == 0:
            size = end - offset
        payload = offset + (16 if head[:4] == b"\0\0\0\1" else 8)
        if size < payload - offset or offset + size > end:
            return
        yield BoxHeader(type=head[4:8].decode("latin-1"), start=offset, payload=payload, end=offset + size)
        offset += size


def read_init(file: BinaryIO) -> InitSegment:
    """Tracks and size of the init segment at the start of a file.

    Raises:
        BoxError: there is no whole ``moov``, or it makes no sense.
    """
    for header in top_level(file):
        if header.type == "moov":
            moov = _load(file, header)
            traks = (child for child in children(moov, 8) if child.type == "trak")
            tracks = tuple(_track(moov[trak.start : trak.end]) for trak in traks)
            return InitSegment(tracks=tracks, size=header.end)
        if header.type in ("moof", "mdat"):
            break
    raise BoxError("the file has no init segment.")


def _load(file: BinaryIO, header: BoxHeader) -> bytes:
    size = header.end - header.start
    if size > _MAX_HEADER_BOX:
        raise BoxError(f"the {header.type} box at offset {header.start} claims {size} bytes.")
    file.seek(header.start)
    data = file.read(size)
    if len(data) != size:
        raise BoxError(f"the {header.type} box at offset {header.start} is cut off.")
    return data


def _need(data: bytes, *path: str) -> bytes:
    """The payload of the box at a path: fields that are not in it cannot be read from it."""
    found = find(data, *path)
    if found is None:
        raise BoxError(f"the box {'/'.join(path)} is missing.")
    return data[found.payload : found.end]


@contextmanager
def _making_sense_of(kind: str) -> Iterator[None]:
    """Fields that lie outside their box, or say what cannot be, as ``BoxError``."""
    try:
        yield
    except (struct.error, IndexError, ValueError) as error:
        raise BoxError(f"a {kind} box makes no sense ({error}).") from error


def _sensible_timescale(timescale: int) -> int:
    if timescale == 0:
        raise BoxError("a timescale of 0 ticks per second makes no sense.")
    return timescale


@_making_sense_of("trak")
def _track(trak: bytes) -> Track:
    tkhd = _need(trak, "trak", "tkhd")
    mdhd = _need(trak, "trak", "mdia", "mdhd")
    stsd = _need(trak, "trak", "mdia", "minf", "stbl", "stsd")
    (track_id,) = struct.unpack_from(">I", tkhd, 20 if tkhd[0] == 1 else 12)
    width, height = struct.unpack(">II", tkhd[-8:])
    (timescale,) = struct.unpack_from(">I", mdhd, 20 if mdhd[0] == 1 else 12)
    return Track(
        id=track_id,
        timescale=_sensible_timescale(timescale),
        sample_entry=stsd[8:],
        width=width >> 16,
        height=height >> 16,
    )


def read_fragments(file: BinaryIO, offset: int = 0) -> Iterator[FragmentRef]:
    """The whole fragments of a file, in order; ends quietly before one that is cut off.

    Raises:
        BoxError: a whole ``moof`` or ``prft`` makes no sense.
    """
    pending: ProducerTime | None = None
    start: int | None = None
    moof: tuple[BoxHeader, bytes] | None = None
    for header in top_level(file, offset):
        if header.type == "prft":
            pending, start = _producer_time(_load(file, header)), header.start
        elif header.type == "moof":
            moof = (header, _load(file, header))
            start = header.start if start is None else start
        elif header.type == "mdat" and moof is not None and start is not None:
            runs = _runs(moof[1], moof[0].start)
            yield FragmentRef(offset=start, size=header.end - start, producer_time=pending, runs=runs)
            pending, start, moof = None, None, None


@_making_sense_of("prft")
def _producer_time(data: bytes) -> ProducerTime:
    flags = int.from_bytes(data[9:12], "big")
    if data[8] == 1:
        track_id, ntp, media_time = struct.unpack_from(">IQQ", data, 12)
    else:
        track_id, ntp, media_time = struct.unpack_from(">IQI", data, 12)
    micros = (ntp & 0xFFFFFFFF) * 1_000_000 >> 32
    wall_us = ((ntp >> 32) - NTP_UNIX_EPOCH_S) * 1_000_000 + micros
    captured = flags == _CAPTURED_FLAGS
    return ProducerTime(track_id=track_id, wall_us=wall_us, media_time=media_time, captured=captured)


def _runs(moof: bytes, moof_offset: int) -> dict[int, tuple[SampleRef, ...]]:
    runs: dict[int, tuple[SampleRef, ...]] = {}
    for traf in children(moof, 8):
        if traf.type == "traf":
            track_id, samples = _traf(moof[traf.start : traf.end], moof_offset)
            runs[track_id] = runs.get(track_id, ()) + samples
    return runs


@_making_sense_of("traf")
def _traf(traf: bytes, moof_offset: int) -> tuple[int, tuple[SampleRef, ...]]:
    tfhd, tfdt, trun = (_need(traf, "traf", kind) for kind in ("tfhd", "tfdt", "trun"))
    (track_id,) = struct.unpack_from(">I", tfhd, 4)
    (dts,) = struct.unpack_from(">Q" if tfdt[0] == 1 else ">I", tfdt, 4)
    count, data_offset = struct.unpack_from(">Ii", trun, 4)
    entries = _full_entries(trun) if trun[1:4] == b"\0\x0f\x01" else _compact_entries(tfhd, trun)
    if count != len(entries):
        raise BoxError(f"a trun box claims {count} samples, which do not fit in it.")
    offset = moof_offset + data_offset
    samples = []
    for duration, size, flags, shift in entries:
        key = not flags & _NON_SYNC_FLAG
        samples.append(
            SampleRef(offset=offset, size=size, dts=dts, pts=dts + shift, duration=duration, key=key)
        )
        offset += size
        dts += duration
    if dts > _MAX_TICKS:
        raise BoxError(f"a fragment ends at tick {dts}, which makes no sense.")
    return track_id, tuple(samples)


def _full_entries(trun: bytes) -> list[tuple[int, int, int, int]]:
    """Duration, size, flags and composition offset of each sample, as recorded."""
    return list(struct.iter_unpack(">IIIi", trun[12:]))


def _compact_entries(tfhd: bytes, trun: bytes) -> list[tuple[int, int, int, int]]:
    """The same where only what differs is said of each sample (``writer.compact_fragment``)."""
    has, default = int.from_bytes(trun[1:4], "big"), int.from_bytes(tfhd[1:4], "big")
    if has & ~0xF04 != 0x001 or not has & 0x200 or default & ~0x08 != 0x020020:
        raise BoxError("a trun box was not written by this product.")
    *duration, usual = struct.unpack_from(">II" if default & 0x08 else ">I", tfhd, 8)
    fields = ((0x100, "I"), (0x200, "I"), (0x400, "I"), (0x800, "i"))
    shape = "".join(kind for bit, kind in fields if has & bit)
    entries = []
    for number, words in enumerate(struct.iter_unpack(">" + shape, trun[16 if has & 0x004 else 12 :])):
        said = iter(words)
        length = next(said) if has & 0x100 else duration[0]
        size = next(said)
        flags = next(said) if has & 0x400 else usual
        if number == 0 and has & 0x004:
            (flags,) = struct.unpack_from(">I", trun, 12)
        entries.append((length, size, flags, next(said) if has & 0x800 else 0))
    return entries


@dataclass(frozen=True, kw_only=True, slots=True)
class Subsegment:
    """One entry of a ``sidx``: starts with a key frame."""

    start: int  # presentation time, ticks of the index's timescale
    duration: int  # ticks, up to the next one's start
    offset: int  # bytes from the start of the file
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SegmentIndex:
    """A parsed ``sidx``."""

    timescale: int
    subsegments: tuple[Subsegment, ...]


def read_index(file: BinaryIO) -> SegmentIndex | None:
    """The ``sidx`` of a file; None where it has none before its first fragment.

    Raises:
        BoxError: it makes no sense.
    """
    for header in top_level(file):
        if header.type == "sidx":
            return _index(_load(file, header), header.end)
        if header.type == "moof":
            return None
    return None


@_making_sense_of("sidx")
def _index(data: bytes, behind: int) -> SegmentIndex:
    _, timescale, start, first_offset, _, count = struct.unpack_from(">IIQQHH", data, 12)
    if 40 + 12 * count > len(data):
        raise BoxError(f"a sidx box claims {count} entries, which do not fit in it.")
    offset = behind + first_offset
    found = []
    for size, duration, _flags in struct.iter_unpack(">III", data[40 : 40 + 12 * count]):
        found.append(Subsegment(start=start, duration=duration, offset=offset, size=size & 0x7FFFFFFF))
        offset += size & 0x7FFFFFFF
        start += duration
    return SegmentIndex(timescale=_sensible_timescale(timescale), subsegments=tuple(found))
