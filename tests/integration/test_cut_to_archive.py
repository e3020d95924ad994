"""From sealed segments to a verified archive, through catalogue and store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bagit
import pytest

from archiver.session_archive import Tools
from archiver.steps import StepRunner
from archiver.worker import Archiver
from catalog.catalogue import Catalogue
from catalog.objects import DirectoryStore, verify
from kernel.clock import SECOND_US, FakeClock
from kernel.errors import FixityError
from kernel.ids import new_id
from kernel.model.footage import Gap, GapCause
from kernel.model.timeline import SessionState
from kernel.settings import ArchiveSettings, CutSettings
from segmenter.worker import Segmenter
from tests.support.catalogue import add_segments, add_session, open_catalogue
from tests.support.segments import Recipe, make_segment

START = 1_772_420_400 * SECOND_US


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    catalogue = open_catalogue(tmp_path)
    yield catalogue
    catalogue.close()


@pytest.fixture
def tools(tmp_path: Path, catalogue: Catalogue) -> Iterator[Tools]:
    runner = StepRunner(2)
    yield Tools(
        catalogue=catalogue,
        store=DirectoryStore(tmp_path / "store"),
        runner=runner,
        settings=ArchiveSettings(budget_kbps=400),
        ring=tmp_path / "ring",
        work=tmp_path / "work",
        clock=FakeClock(START + 100 * SECOND_US),
        principal="test",
    )
    runner.close()


def record_footage(catalogue: Catalogue, ring: Path) -> None:
    """Ten seconds of two sources; the camera is lost from the fourth to the sixth second."""
    camera = [
        make_segment(ring, Recipe(frames=100, sound=True)),
        make_segment(ring, Recipe(frames=100, sound=True, run_id="run-2", wall_start_us=START + 6_000_000)),
    ]
    screen = make_segment(ring, Recipe(source_id="screen", run_id="run-3", frames=250))
    add_segments(catalogue, [*camera, screen])
    catalogue.footage.add_gap(
        Gap(
            id=new_id("gap"),
            source_id="cam",
            start_us=START + 4_000_000,
            end_us=START + 6_000_000,
            cause=GapCause.CAMERA_LOST,
            detail="no answer",
        )
    )


def cut_settings() -> CutSettings:
    return CutSettings(pre_roll_seconds=1, post_roll_seconds=1, settle_seconds=0)


def test_a_session_that_ended_becomes_a_verified_bag_within_its_budget(
    tmp_path: Path, catalogue: Catalogue, tools: Tools
) -> None:
    record_footage(catalogue, tmp_path / "ring")
    add_session(catalogue, START + SECOND_US, START + 8 * SECOND_US)
    (cut,) = Segmenter(catalogue, cut_settings(), tools.clock).run_once()
    (gap,) = next(clip for clip in cut.clips if clip.source_id == "cam").gaps
    assert (gap.cause, gap.wall.duration_us) == (GapCause.CAMERA_LOST, 2_000_000)

    archive = Archiver(tools).run_once()

    assert archive is not None
    assert archive.size_bytes <= archive.budget_bytes == (400 * 125 * (7 + 9))
    assert archive.overrun_reason == ""
    bag = bagit.Bag(str(tmp_path / "store" / archive.key_prefix))
    bag.validate()
    session = catalogue.projects.session("P-O")
    assert session is not None
    assert session.state is SessionState.ARCHIVED
    for rendition in catalogue.archives.renditions_of(archive.id):
        verify(tools.store, rendition.object_key, rendition.size_bytes, rendition.sha256)
        hashes = {used["sha256"] for used in rendition.receipt["clip"]["slices"]}
        assert hashes <= {segment.sha256 for segment in catalogue.footage.all_segments()}
    assert Archiver(tools).run_once() is None


def test_footage_that_is_not_what_its_row_says_is_not_archived(
    tmp_path: Path, catalogue: Catalogue, tools: Tools
) -> None:
    record_footage(catalogue, tmp_path / "ring")
    add_session(catalogue, START + SECOND_US, START + 8 * SECOND_US)
    Segmenter(catalogue, cut_settings(), tools.clock).run_once()
    damaged = tmp_path / "ring" / catalogue.footage.all_segments()[0].path
    data = bytearray(damaged.read_bytes())
    data[-1] ^= 1
    damaged.write_bytes(data)

    with pytest.raises(FixityError, match=damaged.name):
        Archiver(tools).run_once()

    session = catalogue.projects.session("P-O")
    assert session is not None
    assert session.state is SessionState.CUT
    progress = catalogue.archives.progress("P-O")
    assert progress is not None
    assert progress.step == "failed"
    assert damaged.name in progress.detail
