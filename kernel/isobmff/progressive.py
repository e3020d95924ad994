"""The head of a plain MP4 file (not fragmented): tables that point into media data which lies elsewhere.

Pure: from columns of samples to ``ftyp``, ``moov`` and the header of the ``mdat`` that follows. Bytes between
samples belong to nobody, and players never look at them. ISO/IEC 14496-12:2022.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kernel.isobmff.boxes import box, full_box
from kernel.isobmff.sample_table import Flags, Integers
from kernel.isobmff.tracks import Track
from kernel.isobmff.writer import LANGUAGE_UND, MATRIX, handler_box, media_information

MOVIE_TIMESCALE = 90_000
"""Ticks per second of edit lists and durations: those of RTP video, so that most times are exact."""
_MAC_UNIX_EPOCH_S = 2_082_844_800  # from 1904 to 1970 (8.2.2)
_LARGEST_32_BITS = (1 << 32) - 1
_MOST_CHAPTERS = 255  # a chpl box counts them in one byte
_LONGEST_TITLE = 255  # bytes
_NOTHING = -1  # media time of an edit that shows nothing (8.6.6)


@dataclass(frozen=True, kw_only=True, slots=True)
class Chapter:
    """A named moment."""

    at_us: int  # since the start of the presentation
    title: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ProgressiveTrack:
    """A track: all its samples in decode order, and the part of them that is presented."""

    track: Track
    sizes: Integers  # bytes of each sample
    durations: Integers  # ticks, to the next sample's decode time
    shifts: Integers  # presentation time - decode time, ticks, none negative
    keys: Flags
    chunk_counts: Integers  # samples in each chunk: a row of samples that lie one behind the other
    chunk_offsets: Integers  # of its first byte in the payload of the mdat
    delay: int  # before its presentation begins, ticks of the movie
    media_time: int  # presentation time of the first sample presented, or a moment inside it, ticks
    shown: int  # how long it is presented, ticks of the movie


def head(
    tracks: Sequence[ProgressiveTrack],
    *,
    payload_bytes: int,
    created_us: int,
    chapters: Sequence[Chapter] = (),
    label: bytes = b"",
) -> bytes:
    """All of a file that comes before its media data.

    Args:
        tracks: their ids are 1, 2, ...
        payload_bytes: how much media data will follow.
        created_us: wall time of the start, kept in seconds as the creation time.
        chapters: in order; those beyond the 255th have no place in the file.
        label: boxes to stand between ``moov`` and ``mdat``.
    """
    ftyp = box("ftyp", b"isom", struct.pack(">I", 0x200), b"isom", b"iso2", b"mp41")
    mdat = _mdat_header(payload_bytes)
    tables = [_SampleTables(one) for one in tracks]
    size = len(ftyp) + len(label) + len(mdat) + len(_moov(tables, created_us, chapters, 0, payload_bytes))
    return ftyp + _moov(tables, created_us, chapters, size, payload_bytes) + label + mdat


def _mdat_header(payload_bytes: int) -> bytes:
    if payload_bytes + 8 > _LARGEST_32_BITS:
        return struct.pack(">I4sQ", 1, b"mdat", payload_bytes + 16)
    return struct.pack(">I4s", payload_bytes + 8, b"mdat")


def _moov(
    tables: Sequence[_SampleTables],
    created_us: int,
    chapters: Sequence[Chapter],
    payload_offset: int,
    payload_bytes: int,
) -> bytes:
    """``moov``; its size does not depend on ``payload_offset``."""
    created = created_us // 1_000_000 + _MAC_UNIX_EPOCH_S
    duration = max((one.of.delay + one.of.shown for one in tables), default=0)
    # Room for a head of up to 256 MB: whether offsets take 8 bytes must be known before the head's size is.
    wide = payload_bytes > _LARGEST_32_BITS - (1 << 28)
    mvhd = full_box(
        "mvhd",
        1,
        0,
        struct.pack(">QQIQ", created, created, MOVIE_TIMESCALE, duration),
        struct.pack(">IH10x", 0x10000, 0x100),
        MATRIX,
        bytes(24),
        struct.pack(">I", len(tables) + 1),
    )
    traks = (one.trak(created, payload_offset, wide) for one in tables)
    return box("moov", mvhd, *traks, box("udta", _chpl(chapters)) if chapters else b"")


def _chpl(chapters: Sequence[Chapter]) -> bytes:
    """The chapter list that Nero's programs began and FFmpeg, VLC and others read: times in 100 ns."""
    listed = chapters[:_MOST_CHAPTERS]
    entries = []
    for one in listed:
        title = one.title.encode()[:_LONGEST_TITLE].decode(errors="ignore").encode()
        entries.append(struct.pack(">QB", one.at_us * 10, len(title)) + title)
    return full_box("chpl", 1, 0, bytes(4), struct.pack(">B", len(listed)), *entries)


class _SampleTables:
    """The boxes of a track; all but the chunk offsets are made once."""

    def __init__(self, of: ProgressiveTrack) -> None:
        self.of = of
        self._media_duration = int(of.durations.sum())
        self._tables = (
            full_box("stsd", 0, 0, struct.pack(">I", 1), of.track.sample_entry),
            _counted("stts", _run_lengths(of.durations)),
            _counted("ctts", _run_lengths(of.shifts)) if of.shifts.any() else b"",
            b"" if of.keys.all() else _counted("stss", np.flatnonzero(of.keys)[:, None] + 1),
            full_box("stsz", 0, 0, struct.pack(">II", 0, len(of.sizes)), of.sizes.astype(">u4").tobytes()),
            _counted("stsc", _sample_to_chunk(of.chunk_counts)),
        )

    def trak(self, created: int, payload_offset: int, wide: bool) -> bytes:
        track, of = self.of.track, self.of
        tkhd = full_box(
            "tkhd",
            1,
            3,  # enabled, in movie
            struct.pack(">QQI4xQ", created, created, track.id, of.delay + of.shown),
            struct.pack(">8xHHH2x", 0, 0, 0 if track.is_video else 0x100),
            MATRIX,
            struct.pack(">II", track.width << 16, track.height << 16),
        )
        times = struct.pack(">QQIQ", created, created, track.timescale, self._media_duration)
        mdhd = full_box("mdhd", 1, 0, times, struct.pack(">HH", LANGUAGE_UND, 0))
        offsets = of.chunk_offsets[:, None] + payload_offset
        chunks = _counted("co64", offsets, ">u8") if wide else _counted("stco", offsets)
        minf = media_information(track, box("stbl", *self._tables, chunks))
        return box("trak", tkhd, box("edts", self._edits()), box("mdia", mdhd, handler_box(track), minf))

    def _edits(self) -> bytes:
        """What is presented when: nothing until the track begins, then its part (8.6.6)."""
        edits = [(self.of.delay, _NOTHING)] if self.of.delay else []
        edits.append((self.of.shown, self.of.media_time))
        entries = (struct.pack(">QqHH", duration, start, 1, 0) for duration, start in edits)
        return full_box("elst", 1, 0, struct.pack(">I", len(edits)), *entries)


def _counted(kind: str, rows: Integers, as_type: str = ">u4") -> bytes:
    """A box that says how many rows it has and lists them."""
    return full_box(kind, 0, 0, struct.pack(">I", len(rows)), rows.astype(as_type).tobytes())


def _run_lengths(values: Integers) -> Integers:
    """Rows of (how many, value): equal values that follow each other are one row."""
    starts = np.concatenate([[0], np.flatnonzero(np.diff(values)) + 1])
    counts = np.diff(np.append(starts, len(values)))
    return np.stack([counts, values[starts]], axis=1)


def _sample_to_chunk(counts: Integers) -> Integers:
    """Rows of (first chunk, samples per chunk, sample description) (8.7.4)."""
    starts = np.concatenate([[0], np.flatnonzero(np.diff(counts)) + 1])
    return np.stack([starts + 1, counts[starts], np.ones_like(starts)], axis=1)
