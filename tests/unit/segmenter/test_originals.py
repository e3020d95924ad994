"""Originals: which files a clip becomes, and what their bytes are."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archiver.ring_reader import SegmentReader
from kernel.clock import SECOND_US
from kernel.errors import BoxError, FixityError, FootageError, ObjectExists
from kernel.isobmff.sample_table import columns, read_sample_tables
from kernel.model.cut import Clip, ClipGap
from kernel.model.footage import GapCause, Segment
from kernel.timerange import TimeRange
from segmenter.original_files import write
from segmenter.original_tracks import lay_out
from segmenter.originals import Mark, Original, index, original, pieces
from tests.support.originals import clip_of
from tests.support.segments import Recipe, make_segment

START = 1_772_420_400 * SECOND_US


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Segment]]:
    """Three segments of two seconds each, one behind the other, with sound; a second run begins the third."""
    ring = tmp_path_factory.mktemp("ring")
    recipes = [
        Recipe(sequence=number, run_id=run, wall_start_us=START + number * 2 * SECOND_US, sound=True)
        for number, run in enumerate(("run-1", "run-1", "run-2"))
    ]
    return ring, [make_segment(ring, one) for one in recipes]


def seconds(start: float, end: float) -> TimeRange:
    return TimeRange(start_us=START + round(start * SECOND_US), end_us=START + round(end * SECOND_US))


def walls(clip: Clip, segments: list[Segment], ring: Path) -> list[tuple[float, float]]:
    """Of each file the seconds it covers."""
    found = pieces(clip, {one.id: one for one in segments}, ring)
    return [((one.wall.start_us - START) / 1e6, (one.wall.end_us - START) / 1e6) for one in found]


def made(footage: tuple[Path, list[Segment]], wall: TimeRange, marks: list[Mark] | None = None) -> Original:
    ring, segments = footage
    clip = clip_of(segments, wall)
    (piece,) = pieces(clip, {one.id: one for one in segments}, ring)
    found = original(clip, piece, ring, marks or [])
    assert found is not None
    return found


def data_of(one: Original) -> bytes:
    return b"".join(one.read(0, one.size_bytes))


# --- files


def test_runs_that_are_whole_where_they_meet_are_one_file(footage: tuple[Path, list[Segment]]) -> None:
    ring, segments = footage
    assert walls(clip_of(segments, seconds(1, 5)), segments, ring) == [(1, 5)]


def test_a_gap_is_between_two_files_and_is_named(footage: tuple[Path, list[Segment]]) -> None:
    ring, segments = footage
    gap = ClipGap(wall=seconds(2, 4), cause=GapCause.CAMERA_LOST, detail="no answer")
    kept = [segments[0], segments[2]]
    clip = clip_of(kept, seconds(1, 5), [gap])
    assert walls(clip, segments, ring) == [(1, 2), (4, 5)]
    told = index(clip, [], [])
    assert [(one["start_us"], one["end_us"], one["cause"]) for one in told["gaps"]] == [
        (gap.wall.start_us, gap.wall.end_us, "camera_lost")
    ]


def test_footage_that_begins_within_a_segment_is_a_file_of_its_own(
    footage: tuple[Path, list[Segment]], tmp_path: Path
) -> None:
    """Such as what was fetched to fill a gap: what its pictures lean on must not be shown."""
    ring, segments = footage
    overlapping = make_segment(ring, Recipe(run_id="run-9", wall_start_us=START + SECOND_US, sound=True))
    clip = clip_of([], seconds(0, 3))
    slices = (
        *clip_of([segments[0]], seconds(0, 2)).slices,
        *clip_of([overlapping], seconds(2, 3)).slices,
    )
    assert walls(replace(clip, slices=slices), [*segments, overlapping], ring) == [(0, 2), (2, 3)]


def test_another_format_is_another_file(footage: tuple[Path, list[Segment]]) -> None:
    ring, segments = footage
    silent = make_segment(ring, Recipe(run_id="run-8", wall_start_us=START + 6 * SECOND_US))
    assert walls(clip_of([*segments, silent], seconds(3, 7)), [*segments, silent], ring) == [(3, 6), (6, 7)]


def test_time_in_which_no_picture_was_captured_makes_no_file(footage: tuple[Path, list[Segment]]) -> None:
    ring, segments = footage
    clip = clip_of(segments, seconds(1.001, 1.039))
    (piece,) = pieces(clip, {one.id: one for one in segments}, ring)
    assert original(clip, piece, ring) is None


# --- bytes


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(start=st.floats(0, 5.9), length=st.floats(0.1, 6), ends=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_any_range_is_what_the_file_holds_there(
    footage: tuple[Path, list[Segment]], start: float, length: float, ends: tuple[float, float]
) -> None:
    one = made(footage, seconds(start, min(6, start + length)))
    whole = data_of(one)
    assert len(whole) == one.size_bytes
    first, behind = sorted(round(end * len(whole)) for end in ends)
    assert b"".join(one.read(first, behind)) == whole[first:behind]


def test_the_label_in_the_file_says_where_every_byte_of_footage_comes_from(
    footage: tuple[Path, list[Segment]],
) -> None:
    ring, segments = footage
    whole = data_of(made(footage, seconds(1.31, 5.2)))
    label = json.loads(whole[whole.index(b'{"format"') : whole.index(b"]}") + 2])
    assert (label["wall_start_us"], label["wall_end_us"]) == (START + 1_310_000, START + 5_200_000)
    rest = whole[len(whole) - sum(one["end"] - one["start"] for one in label["media"]) :]
    rows = {one.id: one for one in segments}
    for used in label["media"]:
        source = (ring / rows[used["segment"]].path).read_bytes()
        assert hashlib.sha256(source).hexdigest() == used["sha256"]
        count = used["end"] - used["start"]
        assert rest[:count] == source[used["start"] : used["end"]]
        rest = rest[count:]
    assert rest == b""


def test_a_file_is_written_with_its_hash_and_never_overwritten(
    footage: tuple[Path, list[Segment]], tmp_path: Path
) -> None:
    one = made(footage, seconds(1, 5))
    sha256 = write(one, tmp_path)
    path = tmp_path / one.name
    assert path.read_bytes() == data_of(one)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    with pytest.raises(ObjectExists, match=one.name):
        write(one, tmp_path)
    assert [found.name for found in tmp_path.iterdir()] == [one.name]


def test_on_a_disk_without_hard_links_nothing_is_overwritten_either(
    footage: tuple[Path, list[Segment]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one that somebody carries away (exFAT); the name is taken while the file is being written."""
    one = made(footage, seconds(1, 5))
    target = tmp_path / one.name

    def no_link(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    def no_link_and_taken(*_: object) -> None:
        target.write_bytes(b"somebody else's")
        no_link()

    monkeypatch.setattr(os, "link", no_link)
    write(one, tmp_path)
    assert target.read_bytes() == data_of(one)
    target.unlink()
    monkeypatch.setattr(os, "link", no_link_and_taken)
    with pytest.raises(ObjectExists):
        write(one, tmp_path)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"somebody else's"]


def test_a_file_written_without_proof_holds_the_same_and_claims_no_hash(
    footage: tuple[Path, list[Segment]], tmp_path: Path
) -> None:
    one = made(footage, seconds(1, 5))
    assert write(one, tmp_path, prove=False, sync=False) is None
    assert (tmp_path / one.name).read_bytes() == data_of(one)


def test_a_changed_segment_becomes_no_file(footage: tuple[Path, list[Segment]], tmp_path: Path) -> None:
    """Even where the byte that changed is not of the part that is used."""
    ring, segments = footage
    copy = tmp_path / "ring"
    shutil.copytree(ring, copy)
    path = copy / segments[0].path
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    (tmp_path / "out").mkdir()
    one = made((copy, segments), seconds(0, 0.5))
    assert one.ranges[0].end < len(data) - 1
    with pytest.raises(FixityError, match=path.name):
        write(one, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_segment_that_lost_its_end_is_refused_before_a_byte_is_sent(
    footage: tuple[Path, list[Segment]], tmp_path: Path
) -> None:
    ring, segments = footage
    copy = tmp_path / "ring"
    shutil.copytree(ring, copy)
    path = copy / segments[1].path
    for cut_off in (1, path.stat().st_size // 2):
        path.write_bytes(path.read_bytes()[:-cut_off])
        with pytest.raises(FootageError, match=path.name):
            made((copy, segments), seconds(1, 5))


def test_a_missing_segment_is_named(footage: tuple[Path, list[Segment]], tmp_path: Path) -> None:
    ring, segments = footage
    copy = tmp_path / "ring"
    shutil.copytree(ring, copy)
    (copy / segments[1].path).unlink()
    with pytest.raises(FootageError, match=r"run-1-000001\.mp4"):
        made((copy, segments), seconds(1, 5))


def test_a_segment_that_vanishes_while_it_is_read_ends_the_reading(
    footage: tuple[Path, list[Segment]], tmp_path: Path
) -> None:
    ring, segments = footage
    copy = tmp_path / "ring"
    shutil.copytree(ring, copy)
    one = made((copy, segments), seconds(1, 5))
    (copy / segments[1].path).unlink()
    with pytest.raises(FootageError, match=r"run-1-000001\.mp4"):
        list(one.read(0, one.size_bytes))


@pytest.mark.parametrize("place", [b"mfhd", b"traf", b"tfhd", b"tfdt", b"trun", b"mdat", b"moof"])
def test_a_segment_of_another_layout_is_refused(
    footage: tuple[Path, list[Segment]], tmp_path: Path, place: bytes
) -> None:
    ring, segments = footage
    path = tmp_path / "damaged.mp4"
    path.write_bytes((ring / segments[0].path).read_bytes().replace(place, b"free", 1))
    with pytest.raises(BoxError):
        read_sample_tables([path])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)
@given(flips=st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 255)), min_size=1, max_size=4))
def test_damaged_headers_are_an_error_of_ours_and_nothing_else(
    footage: tuple[Path, list[Segment]], tmp_path: Path, flips: list[tuple[int, int]]
) -> None:
    ring, segments = footage
    data = bytearray((ring / segments[0].path).read_bytes())
    for place, value in flips:
        data[place] = value
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    try:
        tables = read_sample_tables([path])
        for track in tables.inits[0].tracks:
            columns(tables, track.id, track.timescale, START)
    except FootageError:
        pass


# --- times


def test_samples_are_those_that_the_archiver_reads_with_the_same_wall_times(
    footage: tuple[Path, list[Segment]],
) -> None:
    ring, segments = footage
    tables = read_sample_tables([ring / segments[0].path])
    found = columns(tables, 1, 90_000, START)
    with SegmentReader(ring / segments[0].path) as reader:
        units = list(reader.video(START, START + 10 * SECOND_US))
    source = (ring / segments[0].path).read_bytes()
    assert len(units) == len(found.sizes)
    for number, unit in enumerate(units):
        offset, size = int(found.offsets[number]), int(found.sizes[number])
        assert source[offset : offset + size] == unit.data
        assert bool(found.keys[number]) == unit.key
        assert abs(Fraction(int(found.pts[number]), 90_000) * SECOND_US + START - unit.wall_us) <= 6


def test_times_follow_the_wall_clock_when_it_is_corrected_within_a_run(
    footage: tuple[Path, list[Segment]], tmp_path: Path
) -> None:
    """The second fragment's wall time is 2 ms later than its media time says."""
    ring, segments = footage
    data = bytearray((ring / segments[0].path).read_bytes())
    second = data.index(b"prft", data.index(b"prft") + 4) - 4
    ntp = int.from_bytes(data[second + 16 : second + 24], "big") + 2 * (1 << 32) // 1000
    data[second + 16 : second + 24] = struct.pack(">Q", ntp)
    path = tmp_path / "corrected.mp4"
    path.write_bytes(data)
    found = columns(read_sample_tables([path]), 1, 90_000, START)
    assert [int(tick) for tick in found.pts[23:27]] == [
        23 * 3600,
        24 * 3600,
        25 * 3600 + 180,
        26 * 3600 + 180,
    ]


def test_a_clock_that_goes_back_makes_no_picture_without_a_duration(
    footage: tuple[Path, list[Segment]], tmp_path: Path
) -> None:
    """The second fragment says to begin 200 ms before the first one ends."""
    ring, segments = footage
    data = bytearray((ring / segments[0].path).read_bytes())
    second = data.index(b"prft", data.index(b"prft") + 4) - 4
    ntp = int.from_bytes(data[second + 16 : second + 24], "big") - (1 << 32) // 5
    data[second + 16 : second + 24] = struct.pack(">Q", ntp)
    path = tmp_path / "back.mp4"
    path.write_bytes(data)
    layout = lay_out(read_sample_tables([path]), [0], seconds(0, 2))
    assert layout is not None
    for track in layout.tracks:
        assert track.durations.min() > 0
        assert track.shifts.min() >= 0


def test_sound_that_begins_later_than_the_pictures_of_its_fragment_stays_later(
    footage: tuple[Path, list[Segment]], tmp_path: Path
) -> None:
    ring, segments = footage
    data = bytearray((ring / segments[0].path).read_bytes())
    first = data.index(b"tfdt", data.index(b"tfdt") + 4)  # of the sound in the first fragment
    data[first + 8 : first + 16] = struct.pack(">Q", 80)
    path = tmp_path / "later.mp4"
    path.write_bytes(data)
    found = columns(read_sample_tables([path]), 2, 8000, START)
    assert [int(tick) for tick in found.pts[48:52]] == [7760, 7920, 8000, 8160]


def test_chapters_are_the_marks_within_the_file_in_order(footage: tuple[Path, list[Segment]]) -> None:
    marks = [
        Mark(at_us=START + 4 * SECOND_US, title="评标恢复"),
        Mark(at_us=START + 2 * SECOND_US, title="评标暂停"),
        Mark(at_us=START, title="before"),
        Mark(at_us=START + 5 * SECOND_US, title="after"),
    ]
    one = made(footage, seconds(1, 5), marks)
    assert [(mark.at_us, mark.title) for mark in one.chapters] == [
        (SECOND_US, "评标暂停"),
        (3 * SECOND_US, "评标恢复"),
    ]


def test_another_chapter_is_another_etag(footage: tuple[Path, list[Segment]]) -> None:
    plain, marked = (
        made(footage, seconds(1, 5), marks) for marks in ([], [Mark(at_us=START + 2 * SECOND_US, title="x")])
    )
    assert plain.etag != marked.etag
    assert plain.etag == made(footage, seconds(1, 5)).etag
