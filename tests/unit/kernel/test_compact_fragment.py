"""Fragments that say nothing twice are read as what they are, and take little room."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.errors import BoxError
from kernel.isobmff.boxes import find
from kernel.isobmff.reader import read_fragments
from kernel.isobmff.tracks import Sample, TrackRun
from kernel.isobmff.writer import compact_fragment, fragment

SAMPLES = st.builds(
    Sample,
    data=st.binary(max_size=9),
    duration=st.sampled_from((3600, 3600, 3601)),
    key=st.booleans(),
    composition_offset=st.sampled_from((0, 0, -3600, 7200)),
)
RUNS = st.lists(SAMPLES, min_size=1, max_size=6)


def read(data: bytes) -> list[tuple[int, int, int, int, bool, bytes]]:
    (found,) = read_fragments(io.BytesIO(data))
    return [
        (track, one.dts, one.pts, one.duration, one.key, data[one.offset : one.offset + one.size])
        for track, run in found.runs.items()
        for one in run
    ]


@given(video=RUNS, sound=RUNS)
def test_a_compact_fragment_says_the_same_as_a_full_one(video: list[Sample], sound: list[Sample]) -> None:
    runs = [
        TrackRun(track_id=1, base_dts=90_000, samples=tuple(video)),
        TrackRun(track_id=2, base_dts=7, samples=tuple(sound)),
    ]
    assert read(compact_fragment(3, runs)) == read(fragment(3, runs))


def test_samples_at_an_even_pace_take_four_bytes_each() -> None:
    def size(count: int) -> int:
        samples = tuple(Sample(data=b"", duration=3600, key=n == 0) for n in range(count))
        return len(compact_fragment(1, [TrackRun(track_id=1, base_dts=0, samples=samples)]))

    assert size(250) - size(50) == 200 * 4


@given(place=st.integers(0, 200), value=st.integers(0, 255))
def test_a_damaged_compact_fragment_is_understood_or_refused_in_words(place: int, value: int) -> None:
    samples = tuple(Sample(data=b"x" * n, duration=3600, key=n == 0) for n in range(5))
    data = bytearray(compact_fragment(1, [TrackRun(track_id=1, base_dts=0, samples=samples)]))
    data[place % len(data)] = value
    try:
        list(read_fragments(io.BytesIO(bytes(data))))
    except BoxError as error:
        assert str(error)


def test_a_track_run_that_claims_more_samples_than_it_lists_is_refused() -> None:
    samples = tuple(Sample(data=b"x", duration=3600) for _ in range(5))
    data = bytearray(compact_fragment(1, [TrackRun(track_id=1, base_dts=0, samples=samples)]))
    trun = find(memoryview(data), "moof", "traf", "trun")
    assert trun is not None
    data[trun.payload + 4 : trun.payload + 8] = (1_000_000_000).to_bytes(4, "big")
    with pytest.raises(BoxError, match="claims 1000000000 samples"):
        list(read_fragments(io.BytesIO(bytes(data))))
