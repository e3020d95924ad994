"""The head of a plain MP4 file: what its tables say is what it was given."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kernel.isobmff.boxes import find, header_at
from kernel.isobmff.progressive import MOVIE_TIMESCALE, Chapter, ProgressiveTrack, head
from kernel.isobmff.tracks import Track

ENTRY = struct.pack(">I4s", 16, b"avc1") + bytes(8)


@dataclass(frozen=True)
class Given:
    """A sample as it is put in, and as it is read back."""

    size: int
    duration: int
    shift: int
    key: bool
    offset: int  # in the payload


@st.composite
def samples(draw: st.DrawFn) -> list[Given]:
    """Samples in chunks with gaps of dead bytes between them."""
    found: list[Given] = []
    place = 0
    for count in draw(st.lists(st.integers(1, 5), min_size=1, max_size=8)):
        place += draw(st.integers(1, 2000))
        for _ in range(count):
            one = Given(
                size=draw(st.integers(1, 1000)),
                duration=draw(st.sampled_from([1, 3600, 3601])),
                shift=draw(st.sampled_from([0, 0, 7200])),
                key=draw(st.booleans()),
                offset=place,
            )
            place += one.size
            found.append(one)
    return found


def track_of(given_samples: list[Given], **more: int) -> ProgressiveTrack:
    array = {
        name: np.array([getattr(one, name) for one in given_samples], np.int64)
        for name in ("size", "duration", "shift", "offset")
    }
    borders = [0] + [
        number
        for number in range(1, len(given_samples))
        if given_samples[number].offset != given_samples[number - 1].offset + given_samples[number - 1].size
    ]
    return ProgressiveTrack(
        track=Track(id=1, timescale=90_000, sample_entry=ENTRY, width=320, height=192),
        sizes=array["size"],
        durations=array["duration"],
        shifts=array["shift"],
        keys=np.array([one.key for one in given_samples]),
        chunk_counts=np.diff([*borders, len(given_samples)]),
        chunk_offsets=array["offset"][borders],
        **{"delay": 0, "media_time": 0, "shown": 90_000, **more},
    )


class Reader:
    """Reads sample tables as the standard has them (ISO/IEC 14496-12, 8.6 and 8.7)."""

    def __init__(self, data: bytes) -> None:
        start = header_at(data, 0, len(data)).end  # behind ftyp
        self.moov = data[start : header_at(data, start, len(data)).end]

    def box(self, *path: str) -> bytes | None:
        found = find(self.moov, "moov", *path)
        return None if found is None else self.moov[found.payload : found.end]

    def rows(self, kind: str, layout: str) -> list[tuple[int, ...]] | None:
        payload = self.box("trak", "mdia", "minf", "stbl", kind)
        if payload is None:
            return None
        (count,) = struct.unpack_from(">I", payload, 4)
        found = list(struct.iter_unpack(layout, payload[8:]))
        assert len(found) == count
        return found

    def samples(self) -> list[Given]:
        payload = self.box("trak", "mdia", "minf", "stbl", "stsz")
        assert payload is not None
        _, _, count = struct.unpack_from(">III", payload)
        sizes = [size for (size,) in struct.iter_unpack(">I", payload[12:])]
        assert len(sizes) == count
        durations = _spread(self.rows("stts", ">II"))
        shifts = _spread(self.rows("ctts", ">II")) or [0] * count
        keys = self.rows("stss", ">I")
        offsets = self._offsets(sizes)
        return [
            Given(
                size=sizes[number],
                duration=durations[number],
                shift=shifts[number],
                key=keys is None or (number + 1,) in keys,
                offset=offsets[number],
            )
            for number in range(count)
        ]

    def _offsets(self, sizes: list[int]) -> list[int]:
        chunks = self.rows("stco", ">I") or self.rows("co64", ">Q") or []
        per_chunk = self.rows("stsc", ">III") or []
        offsets: list[int] = []
        for number, (start,) in enumerate(chunks, start=1):
            count = [row[1] for row in per_chunk if row[0] <= number][-1]
            mine = sizes[len(offsets) : len(offsets) + count]
            offsets += [start + before for before in accumulate(mine[:-1], initial=0)]
        return offsets


def _spread(rows: list[tuple[int, ...]] | None) -> list[int]:
    return [value for count, value in rows or [] for _ in range(count)]


@given(given_samples=samples(), wide=st.booleans())
def test_the_tables_give_back_the_samples(given_samples: list[Given], wide: bool) -> None:
    if wide:
        given_samples = [replace(one, offset=one.offset + (1 << 32)) for one in given_samples]
    payload_bytes = given_samples[-1].offset + given_samples[-1].size
    data = head([track_of(given_samples)], payload_bytes=payload_bytes, created_us=0)
    read = Reader(data).samples()
    assert read == [replace(one, offset=one.offset + len(data)) for one in given_samples]


@given(delay=st.integers(0, 10**6), media_time=st.integers(0, 10**9), shown=st.integers(1, 1 << 40))
def test_the_edit_list_shows_nothing_and_then_the_part(delay: int, media_time: int, shown: int) -> None:
    one = Given(size=1, duration=1, shift=0, key=True, offset=0)
    track = track_of([one], delay=delay, media_time=media_time, shown=shown)
    read = Reader(head([track], payload_bytes=1, created_us=0))
    elst = read.box("trak", "edts", "elst")
    mvhd = read.box("mvhd")
    assert elst is not None
    assert mvhd is not None
    edits = list(struct.iter_unpack(">QqHH", elst[8:]))
    assert edits == ([(delay, -1, 1, 0)] if delay else []) + [(shown, media_time, 1, 0)]
    assert struct.unpack_from(">IQ", mvhd, 20) == (MOVIE_TIMESCALE, delay + shown)


def test_the_media_data_begins_right_behind_the_head_and_has_the_length_that_was_told() -> None:
    one = Given(size=5, duration=1, shift=0, key=True, offset=0)
    for payload_bytes, header in ((5, 8), (1 << 33, 16)):
        data = head([track_of([one])], payload_bytes=payload_bytes, created_us=0, label=b"\0\0\0\x09free!")
        size = int.from_bytes(data[-header:][:4], "big")
        size = int.from_bytes(data[-8:], "big") if header == 16 else size
        assert data[-header:][4:8] == b"mdat"
        assert size == header + payload_bytes


def test_titles_too_long_and_chapters_too_many_are_cut_not_broken() -> None:
    """A chpl box has a byte for each of the two counts."""
    one = Given(size=5, duration=1, shift=0, key=True, offset=0)
    chapters = [Chapter(at_us=number, title="唱标" * 60) for number in range(300)]
    payload = Reader(head([track_of([one])], payload_bytes=5, created_us=0, chapters=chapters)).box(
        "udta", "chpl"
    )
    assert payload is not None
    assert payload[8] == 255
    first = payload[9:]
    at_100ns, length = struct.unpack_from(">QB", first)
    assert (at_100ns, length) == (0, 255)
    assert first[9 : 9 + length].decode() == ("唱标" * 60)[:85]
