"""From sealed segments to a verified archive, through catalogue and store."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import bagit
import pytest

from archiver.equipment import Tools
from archiver.steps import StepRunner
from archiver.within_budget import ClipEncoder, Encoded
from archiver.worker import Archiver
from catalog.catalogue import Catalogue
from catalog.objects import DirectoryStore, verify
from kernel.clock import SECOND_US, FakeClock
from kernel.errors import FixityError, StorageError, TimelineChanged
from kernel.ids import new_id
from kernel.isobmff.reader import read_fragments
from kernel.lock import sole_user
from kernel.model.footage import Gap, GapCause
from kernel.model.timeline import SessionState, TimelineEvent
from kernel.settings import ArchiveSettings, CutSettings
from segmenter.worker import Segmenter
from tests.support.catalogue import add_segments, add_session, open_catalogue
from tests.support.segments import Recipe, make_segment
from tests.support.signing import signer

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
        signer=signer(tmp_path, FakeClock()),
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
    session = catalogue.sessions.get("P-O")
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

    session = catalogue.sessions.get("P-O")
    assert session is not None
    assert session.state is SessionState.CUT
    progress = catalogue.archives.progress("P-O")
    assert progress is not None
    assert progress.step == "failed"
    assert damaged.name in progress.detail


class ForgetfulStore(DirectoryStore):
    """Takes everything, and fails to read back as often as it is told."""

    failures = 1

    def open(self, key: str) -> BinaryIO:
        if key.endswith("catalogue.json") and self.failures:
            self.failures -= 1
            raise StorageError("the store does not answer.")
        return super().open(key)


def test_an_archive_whose_reading_back_failed_goes_on_where_it_broke_off(
    tmp_path: Path, catalogue: Catalogue, tools: Tools
) -> None:
    """The next attempt puts nothing twice and leaves no dead version behind."""
    record_footage(catalogue, tmp_path / "ring")
    add_session(catalogue, START + SECOND_US, START + 8 * SECOND_US)
    Segmenter(catalogue, cut_settings(), tools.clock).run_once()
    store = ForgetfulStore(tmp_path / "store")
    archiver = Archiver(replace(tools, store=store))

    with pytest.raises(StorageError, match="does not answer"):
        archiver.run_once()
    assert archiver.run_once() is None  # not at once again
    put = set(store.list_keys())
    clock = tools.clock
    assert isinstance(clock, FakeClock)
    clock.advance(31)
    archive = archiver.run_once()

    assert archive is not None
    assert archive.version == 1
    assert set(store.list_keys()) == put == {item.key for item in archive.objects}


class CorrectingStore(DirectoryStore):
    """While it takes the first file of a package, somebody corrects the session."""

    def __init__(self, root: Path, correct: Callable[[], None]) -> None:
        super().__init__(root)
        self._correct: Callable[[], None] | None = correct

    def put(self, key: str, source: BinaryIO) -> str:
        correct, self._correct = self._correct, None
        if correct is not None:
            correct()
        return super().put(key, source)


def test_a_correction_that_comes_while_a_session_is_archived_is_not_missing_in_its_package(
    tmp_path: Path, catalogue: Catalogue, tools: Tools
) -> None:
    """A mark changes no clip, so the cut stays as it is; what is stored must tell it all the same."""
    record_footage(catalogue, tmp_path / "ring")
    add_session(catalogue, START + SECOND_US, START + 8 * SECOND_US)
    Segmenter(catalogue, cut_settings(), tools.clock).run_once()
    store = CorrectingStore(tmp_path / "store", lambda: assert_new(catalogue, mark("late")))
    archiver = Archiver(replace(tools, store=store))

    with pytest.raises(TimelineChanged, match="corrected while it was being archived"):
        archiver.run_once()
    assert catalogue.archives.newest("P-O") is None
    clock = tools.clock
    assert isinstance(clock, FakeClock)
    clock.advance(31)
    archive = archiver.run_once()

    assert archive is not None
    told = json.loads(
        (tmp_path / "store" / archive.key_prefix / "data" / "catalogue.json").read_text("utf-8")
    )
    assert "late" in {event["id"] for event in told["events"]}
    assert archive.known_number == catalogue.archives.known_number("P-O")


def test_what_happened_in_a_session_weighs_on_its_budget(
    tmp_path: Path, catalogue: Catalogue, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invariant 13: a long day has many events, and the pictures must leave room for them."""
    record_footage(catalogue, tmp_path / "ring")
    add_session(catalogue, START + SECOND_US, START + 8 * SECOND_US)
    assert_new(catalogue, replace(mark("long"), details={"minutes": "x" * 50_000}))
    Segmenter(catalogue, cut_settings(), tools.clock).run_once()
    left: list[int] = []

    def encode_within(_self: ClipEncoder, total: int) -> Encoded:
        left.append(total)
        return Encoded(clips=(), overrun_reason="")

    monkeypatch.setattr(ClipEncoder, "encode_within", encode_within)
    archive = Archiver(tools).run_once()
    assert archive is not None
    assert left[0] <= archive.budget_bytes - 50_000


def mark(name: str) -> TimelineEvent:
    """A mark of the trading system, which changes no clip."""
    return TimelineEvent(
        id=name,
        session_id="P-O",
        at_us=START + 3 * SECOND_US,
        type="bids.read_out",
        reason="",
        principal="clerk",
        recorded_us=START + 99 * SECOND_US,
    )


def assert_new(catalogue: Catalogue, event: TimelineEvent) -> None:
    assert catalogue.sessions.record_event(event)


def test_a_chunk_that_a_power_cut_emptied_is_made_again(
    tmp_path: Path, catalogue: Catalogue, tools: Tools
) -> None:
    record_footage(catalogue, tmp_path / "ring")
    add_session(catalogue, START + SECOND_US, START + 8 * SECOND_US)
    Segmenter(catalogue, cut_settings(), tools.clock).run_once()
    store = ForgetfulStore(tmp_path / "store")
    archiver = Archiver(replace(tools, store=store))
    with pytest.raises(StorageError):
        archiver.run_once()
    for chunk in (tmp_path / "work").rglob("chunk-*.mp4"):
        chunk.write_bytes(b"")
    clock = tools.clock
    assert isinstance(clock, FakeClock)
    clock.advance(31)

    archive = archiver.run_once()

    assert archive is not None
    for rendition in catalogue.archives.renditions_of(archive.id):
        with store.open(rendition.object_key) as file:
            pictures = sum(len(found.runs[1]) for found in read_fragments(file))
        assert pictures == rendition.receipt["measured"]["frames"]


def test_a_session_nobody_recorded_is_archived_as_one_gap(
    tmp_path: Path, catalogue: Catalogue, tools: Tools
) -> None:
    add_session(catalogue, START + SECOND_US, START + 8 * SECOND_US)
    Segmenter(catalogue, cut_settings(), tools.clock).run_once()

    archive = Archiver(tools).run_once()

    assert archive is not None
    assert catalogue.archives.renditions_of(archive.id) == []
    bagit.Bag(str(tmp_path / "store" / archive.key_prefix)).validate()
    told = json.loads(
        (tmp_path / "store" / archive.key_prefix / "data" / "catalogue.json").read_text("utf-8")
    )
    assert [clip["gaps"][0]["cause"] for clip in told["clips"]] == ["not_recording", "not_recording"]


def test_a_stretch_shorter_than_a_picture_does_not_stop_the_archive(
    tmp_path: Path, catalogue: Catalogue, tools: Tools
) -> None:
    """The first run ends ten milliseconds into the pre-roll: no picture was taken in them."""
    ring = tmp_path / "ring"
    segments = [
        make_segment(ring, Recipe(frames=25)),
        make_segment(ring, Recipe(frames=200, run_id="run-2", wall_start_us=START + 2 * SECOND_US)),
        make_segment(ring, Recipe(source_id="screen", run_id="run-3", frames=250)),
    ]
    add_segments(catalogue, segments)
    add_session(catalogue, START + 1_990_000, START + 8 * SECOND_US)
    Segmenter(catalogue, cut_settings(), tools.clock).run_once()

    archive = Archiver(tools).run_once()

    assert archive is not None
    (rendition,) = (one for one in catalogue.archives.renditions_of(archive.id) if one.source_id == "cam")
    assert rendition.receipt["measured"]["without_picture"] != []
    assert rendition.receipt["measured"]["frames"] == 175


def test_a_second_archiver_in_the_same_place_is_refused(tmp_path: Path) -> None:
    with (
        sole_user(tmp_path, "archiver"),
        pytest.raises(StorageError, match="another archiver"),
        sole_user(tmp_path, "archiver"),
    ):
        pass
