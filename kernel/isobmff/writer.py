"""Fragmented MP4 as bytes: init segment, fragments, wall clock and index (ISO/IEC 14496-12:2022)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import pairwise

from kernel.isobmff.boxes import box, full_box
from kernel.isobmff.tracks import ProducerTime, Track, TrackRun

NTP_UNIX_EPOCH_S = 2_208_988_800
"""Seconds from the NTP epoch (1900) to the Unix epoch (1970), RFC 5905."""

MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_LARGEST_32_BITS = (1 << 32) - 1
LANGUAGE_UND = 0x55C4
_SYNC_SAMPLE = 0x02000000  # sample_depends_on = 2: on no other
_NON_SYNC_SAMPLE = 0x01010000  # sample_depends_on = 1, sample_is_non_sync_sample
_MOOF_BYTES = 8 + 16  # moof and mfhd
_TRAF_BYTES = 8 + 16 + 20 + 20  # traf, tfhd, tfdt, trun without its entries
_ENTRY_BYTES = 16
_PRFT_CAPTURED = 24  # 8.16.5.3: the time at which the frame was captured
_PRFT_ARBITRARY = 8  # an arbitrary but consistent time


def init_segment(tracks: Sequence[Track]) -> bytes:
    """``ftyp`` and ``moov`` of a fragmented file with these tracks."""
    ftyp = box("ftyp", b"iso6", struct.pack(">I", 0), b"iso6", b"iso5", b"cmfc", b"mp41")
    return ftyp + _moov(tracks)


def _moov(tracks: Sequence[Track]) -> bytes:
    mvhd = full_box(
        "mvhd",
        0,
        0,
        struct.pack(">IIII", 0, 0, 1000, 0),
        struct.pack(">IH10x", 0x10000, 0x100),
        MATRIX,
        bytes(24),
        struct.pack(">I", max((track.id for track in tracks), default=0) + 1),
    )
    extends = b"".join(full_box("trex", 0, 0, struct.pack(">5I", track.id, 1, 0, 0, 0)) for track in tracks)
    return box("moov", mvhd, *(_trak(track) for track in tracks), box("mvex", extends))


def _trak(track: Track) -> bytes:
    volume = 0 if track.is_video else 0x100
    tkhd = full_box(
        "tkhd",
        0,
        3,  # enabled, in movie
        struct.pack(">IIIII8xHHHH", 0, 0, track.id, 0, 0, 0, 0, volume, 0),
        MATRIX,
        struct.pack(">II", track.width << 16, track.height << 16),
    )
    mdhd = full_box("mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, track.timescale, 0, LANGUAGE_UND, 0))
    return box("trak", tkhd, box("mdia", mdhd, handler_box(track), _minf(track)))


def handler_box(track: Track) -> bytes:
    """``hdlr``: picture or sound."""
    handler = (b"vide", b"VideoHandler\0") if track.is_video else (b"soun", b"SoundHandler\0")
    return full_box("hdlr", 0, 0, bytes(4), handler[0], bytes(12), handler[1])


def _minf(track: Track) -> bytes:
    tables = box(
        "stbl",
        full_box("stsd", 0, 0, struct.pack(">I", 1), track.sample_entry),
        full_box("stts", 0, 0, bytes(4)),
        full_box("stsc", 0, 0, bytes(4)),
        full_box("stsz", 0, 0, bytes(8)),
        full_box("stco", 0, 0, bytes(4)),
    )
    return media_information(track, tables)


def media_information(track: Track, tables: bytes) -> bytes:
    """``minf`` around a track's sample tables; all data is in the file itself."""
    media_header = full_box("vmhd", 0, 1, bytes(8)) if track.is_video else full_box("smhd", 0, 0, bytes(4))
    data_reference = full_box("dref", 0, 0, struct.pack(">I", 1), full_box("url ", 0, 1))
    return box("minf", media_header, box("dinf", data_reference), tables)


def fragment(sequence: int, runs: Sequence[TrackRun]) -> bytes:
    """``moof`` and ``mdat`` with one track run per track; sample data in the order of ``runs``."""
    return b"".join(fragment_parts(sequence, runs))


def fragment_parts(sequence: int, runs: Sequence[TrackRun]) -> list[bytes]:
    """The same in pieces to be joined: footage is copied once, whatever is put around it."""
    filled = [run for run in runs if run.samples]
    offset = _MOOF_BYTES + sum(_TRAF_BYTES + _ENTRY_BYTES * len(run.samples) for run in filled) + 8
    trafs, data, data_bytes = [], list[bytes](), 0
    for run in filled:
        sizes = [len(sample.data) for sample in run.samples]
        trafs.append(_traf(run, sizes, offset + data_bytes))
        data += [sample.data for sample in run.samples]
        data_bytes += sum(sizes)
    moof = box("moof", full_box("mfhd", 0, 0, struct.pack(">I", sequence)), *trafs)
    return [moof, struct.pack(">I4s", 8 + data_bytes, b"mdat"), *data]


def _traf(run: TrackRun, sizes: Sequence[int], data_offset: int) -> bytes:
    default_base_is_moof = 0x020000
    per_sample_fields = 0x000F01  # data offset; duration, size, flags and composition offset of each sample
    entries: list[int] = []
    for (_, duration, key, composition_offset), size in zip(run.samples, sizes, strict=True):
        flags = _SYNC_SAMPLE if key else _NON_SYNC_SAMPLE
        entries += (duration, size, flags, composition_offset & _LARGEST_32_BITS)
    return box(
        "traf",
        full_box("tfhd", 0, default_base_is_moof, struct.pack(">I", run.track_id)),
        full_box("tfdt", 1, 0, struct.pack(">Q", run.base_dts)),
        full_box(
            "trun",
            1,
            per_sample_fields,
            struct.pack(f">Ii{len(entries)}I", len(sizes), data_offset, *entries),
        ),
    )


def compact_fragment(sequence: int, runs: Sequence[TrackRun]) -> bytes:
    """The same with nothing said twice: what is equal for all samples of a run stands once (8.8.7, 8.8.8).

    A sample's entry takes 4 bytes instead of 16 where samples come at an even pace: 2.4 kbit/s less for a
    camera of 25 pictures a second. Recording does without: its reader is fast because all entries are alike.
    """
    filled = [run for run in runs if run.samples]
    measured = sum(len(_compact_traf(run, 0)) for run in filled)
    offset = _MOOF_BYTES + measured + 8
    trafs, data = [], list[bytes]()
    for run in filled:
        trafs.append(_compact_traf(run, offset))
        offset += sum(len(sample.data) for sample in run.samples)
        data += [sample.data for sample in run.samples]
    moof = box("moof", full_box("mfhd", 0, 0, struct.pack(">I", sequence)), *trafs)
    return moof + box("mdat", *data)


def _compact_traf(run: TrackRun, data_offset: int) -> bytes:
    samples = run.samples
    marks = [_SYNC_SAMPLE if sample.key else _NON_SYNC_SAMPLE for sample in samples]
    even = all(sample.duration == samples[0].duration for sample in samples)
    only_first = all(mark == marks[-1] for mark in marks[1:])
    shifted = any(sample.composition_offset for sample in samples)
    header = (samples[0].duration, marks[-1]) if even else (marks[-1],)
    tfhd_flags = 0x020020 | (0x08 if even else 0)  # base is moof; default flags, default duration
    trun_flags = 0x000201 | (0 if even else 0x0100) | (0x0800 if shifted else 0)  # offset, sizes, ...
    first = [marks[0]] if only_first and marks[0] != marks[-1] else []
    trun_flags |= (0x0004 if first else 0) | (0 if only_first else 0x0400)
    entries: list[int] = []
    for sample, mark in zip(samples, marks, strict=True):
        entries += [] if even else [sample.duration]
        entries += [len(sample.data)]
        entries += [] if only_first else [mark]
        entries += [sample.composition_offset & _LARGEST_32_BITS] if shifted else []
    words = [*first, *entries]
    return box(
        "traf",
        full_box("tfhd", 0, tfhd_flags, struct.pack(f">I{len(header)}I", run.track_id, *header)),
        full_box("tfdt", 1, 0, struct.pack(">Q", run.base_dts)),
        full_box("trun", 1, trun_flags, struct.pack(f">Ii{len(words)}I", len(samples), data_offset, *words)),
    )


def producer_time(time: ProducerTime) -> bytes:
    """A ``prft`` box, to be put right before the ``moof`` it speaks of."""
    seconds, micros = divmod(time.wall_us, 1_000_000)
    # Rounded up, so that a reader that rounds down finds the same microsecond again.
    fraction = -(-(micros << 32) // 1_000_000)
    ntp = (seconds + NTP_UNIX_EPOCH_S) << 32 | fraction
    flags = _PRFT_CAPTURED if time.captured else _PRFT_ARBITRARY
    return full_box("prft", 1, flags, struct.pack(">IQQ", time.track_id, ntp, time.media_time))


def segment_index(track: Track, starts: Sequence[int], end: int, sizes: Sequence[int]) -> bytes:
    """A ``sidx`` box that stands right before the first of the subsegments it lists (8.16.3).

    Args:
        starts: presentation time of each subsegment's first sample, ticks of the track.
        end: presentation time at which the last one ends.
        sizes: bytes of each, ``prft`` included.

    A gap between two subsegments counts to the duration of the one before it: the box has no word for it.
    Its 32 bits of 90 kHz hold a gap of 13 hours; only where one is longer, the box counts in milliseconds:
    FFmpeg takes a file's length from it and believes its ticks to be the track's.
    """
    timescale = track.timescale
    durations = [after - before for before, after in pairwise([*starts, end])]
    earliest = starts[0] if starts else 0
    if max(durations, default=0) > _LARGEST_32_BITS:
        timescale = 1000
        moments = [ticks * timescale // track.timescale for ticks in (*starts, end)]
        durations = [after - before for before, after in pairwise(moments)]
        earliest = moments[0]
    entries = b"".join(
        struct.pack(">III", size, duration, 0x90000000)  # starts with a stream access point of type 1
        for size, duration in zip(sizes, durations, strict=True)
    )
    return full_box(
        "sidx",
        1,
        0,
        struct.pack(">IIQQHH", track.id, timescale, earliest, 0, 0, len(sizes)),
        entries,
    )
