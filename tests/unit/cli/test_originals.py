"""``jianzheng original``: what it leaves in a directory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.catalogue import Catalogue
from cli.originals import write_originals
from kernel.clock import SECOND_US
from kernel.errors import FixityError, FootageError, ObjectExists
from kernel.model.cut import Clip, ClipGap, CutList
from kernel.model.footage import GapCause
from kernel.timerange import TimeRange
from tests.support.catalogue import add_segments, add_session, open_catalogue
from tests.support.originals import clip_of
from tests.support.segments import Recipe, make_segment

START = 1_772_420_400 * SECOND_US


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    made = open_catalogue(tmp_path)
    yield made
    made.close()


@pytest.fixture
def clip(catalogue: Catalogue, tmp_path: Path) -> Clip:
    """Two stretches with a gap between them."""
    segments = [
        make_segment(
            tmp_path / "ring", Recipe(run_id=f"run-{second}", wall_start_us=START + second * SECOND_US)
        )
        for second in (0, 4)
    ]
    add_segments(catalogue, segments)
    add_session(catalogue, START + SECOND_US, START + 5 * SECOND_US)
    hole = TimeRange(start_us=START + 2 * SECOND_US, end_us=START + 4 * SECOND_US)
    made = clip_of(
        segments,
        TimeRange(start_us=START + SECOND_US, end_us=START + 5 * SECOND_US),
        [ClipGap(wall=hole, cause=GapCause.CAMERA_LOST, detail="no answer")],
    )
    catalogue.clips.record(CutList(session_id="P-O", clips=(made,), change_number=2))
    return made


def test_each_stretch_is_a_file_and_the_index_holds_their_hashes(
    catalogue: Catalogue, tmp_path: Path, clip: Clip
) -> None:
    out = tmp_path / "new" / "out"
    write_originals(catalogue, tmp_path / "ring", clip.id, out)
    told = json.loads((out / "P-O.cam.1.json").read_text(encoding="utf-8"))
    assert [one["cause"] for one in told["gaps"]] == ["camera_lost"]
    assert {one["name"] for one in told["files"]} == {path.name for path in out.glob("*.mp4")}
    for one in told["files"]:
        assert hashlib.sha256((out / one["name"]).read_bytes()).hexdigest() == one["sha256"]


def test_what_was_written_before_is_not_touched(catalogue: Catalogue, tmp_path: Path, clip: Clip) -> None:
    write_originals(catalogue, tmp_path / "ring", clip.id, tmp_path / "out")
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with pytest.raises(ObjectExists):
        write_originals(catalogue, tmp_path / "ring", clip.id, tmp_path / "out")
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_without_proof_no_hash_is_claimed(catalogue: Catalogue, tmp_path: Path, clip: Clip) -> None:
    write_originals(catalogue, tmp_path / "ring", clip.id, tmp_path / "out", prove=False)
    told = json.loads((tmp_path / "out" / "P-O.cam.1.json").read_text(encoding="utf-8"))
    assert [one["sha256"] for one in told["files"]] == [None, None]


def test_a_clip_with_a_changed_segment_gets_no_index(
    catalogue: Catalogue, tmp_path: Path, clip: Clip
) -> None:
    path = tmp_path / "ring" / catalogue.footage.all_segments()[1].path
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(FixityError, match=path.name):
        write_originals(catalogue, tmp_path / "ring", clip.id, tmp_path / "out")
    assert not (tmp_path / "out" / "P-O.cam.1.json").exists()


def test_footage_without_a_picture_is_no_hole_in_the_index(
    catalogue: Catalogue, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first run ends ten milliseconds into the cut: files, gaps and these must fill the clip's time."""
    segments = [
        make_segment(
            tmp_path / "ring", Recipe(run_id=f"run-{second}", wall_start_us=START + second * SECOND_US)
        )
        for second in (0, 4)
    ]
    add_segments(catalogue, segments)
    add_session(catalogue, START + SECOND_US, START + 5 * SECOND_US)
    wall = TimeRange(start_us=START + 1_990_000, end_us=START + 5 * SECOND_US)
    hole = TimeRange(start_us=START + 2 * SECOND_US, end_us=START + 4 * SECOND_US)
    clip = clip_of(segments, wall, [ClipGap(wall=hole, cause=GapCause.CAMERA_LOST, detail="no answer")])
    catalogue.clips.record(CutList(session_id="P-O", clips=(clip,), change_number=2), START)

    write_originals(catalogue, tmp_path / "ring", clip.id, tmp_path / "out")

    told = json.loads((tmp_path / "out" / "P-O.cam.1.json").read_text(encoding="utf-8"))
    assert [one["number"] for one in told["files"]] == [2]
    (short,) = told["without_pictures"]
    assert (short["start_us"], short["end_us"]) == (START + 1_990_000, START + 2 * SECOND_US)
    named = sorted(
        (one["start_us"], one["end_us"]) for key in ("files", "gaps", "without_pictures") for one in told[key]
    )
    ends = [clip.wall.start_us, *(end for _, end in named)]
    assert [start for start, _ in named] == ends[:-1]
    assert ends[-1] == clip.wall.end_us
    assert "无画面 without pictures" in capsys.readouterr().out


def test_an_unknown_clip_is_named(catalogue: Catalogue, tmp_path: Path) -> None:
    with pytest.raises(FootageError, match=r"no clip X\.1"):
        write_originals(catalogue, tmp_path / "ring", "X.1", tmp_path / "out")
