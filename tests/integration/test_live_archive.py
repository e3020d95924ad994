"""A session is encoded while it runs: little is left at its end, nothing is done twice, the budget holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from archiver.begun import begun
from archiver.equipment import Tools
from archiver.live import LiveEncoder, finished
from archiver.session_works import clip_works
from archiver.steps import StepRunner
from archiver.stretches import CHUNK_US
from archiver.worker import Archiver
from catalog.catalogue import Catalogue
from catalog.objects import DirectoryStore
from kernel.clock import SECOND_US, FakeClock
from kernel.model.timeline import Phase, Session, SessionState, TimelineEvent
from kernel.settings import ArchiveSettings, CutSettings
from segmenter.worker import Segmenter
from tests.support.catalogue import PROJECT, add_segments, open_catalogue
from tests.support.segments import Recipe, make_segment
from tests.support.signing import signer

START = 1_772_420_400 * SECOND_US  # a round moment
SOURCES = ("cam", "screen")
SEGMENT_SECONDS = 30


class Running:
    """A session that runs, recorded up to now."""

    def __init__(self, directory: Path, catalogue: Catalogue, runner: StepRunner) -> None:
        self.clock = FakeClock(START)
        self.tools = Tools(
            catalogue=catalogue,
            store=DirectoryStore(directory / "store"),
            runner=runner,
            settings=ArchiveSettings(budget_kbps=120),
            ring=directory / "ring",
            work=directory / "work",
            clock=self.clock,
            principal="test",
            signer=signer(directory, self.clock),
        )
        rolls = CutSettings(pre_roll_seconds=0, post_roll_seconds=0, settle_seconds=0)
        self.segmenter = Segmenter(catalogue, rolls, self.clock)
        self.live = LiveEncoder(self.tools, self.segmenter.so_far)
        self._catalogue = catalogue
        self._recorded = 0
        session = Session(
            id="P-O",
            project_id="P",
            phase=Phase.OPENING,
            room_id="OH",
            state=SessionState.PLANNED,
            start_us=None,
            end_us=None,
            seats=(),
        )
        catalogue.projects.add_project(PROJECT, [session])
        self.tell("opening.start")

    def tell(self, kind: str) -> None:
        now_us = self.clock.now_us()
        event = TimelineEvent(
            id=kind, session_id="P-O", at_us=now_us, type=kind, reason="", principal="t", recorded_us=now_us
        )
        self._catalogue.sessions.record_event(event)

    def record(self, seconds: int) -> None:
        """So much time goes by; what is recorded of it is sealed."""
        for _ in range(seconds // SEGMENT_SECONDS):
            recipes = [
                Recipe(
                    source_id=source,
                    run_id=f"run-{source}",
                    sequence=self._recorded,
                    wall_start_us=START + self._recorded * SEGMENT_SECONDS * SECOND_US,
                    frames=SEGMENT_SECONDS * 5,
                    frame_us=200_000,
                    sound=source == "cam",
                )
                for source in SOURCES
            ]
            made = [make_segment(self.tools.ring, recipe) for recipe in recipes]
            add_segments(self._catalogue, made)
            self._recorded += 1
            self.clock.advance(SEGMENT_SECONDS)

    def encode(self) -> int:
        """All that is ready."""
        count = 0
        while encoded := self.live.run_once():
            count += encoded
        return count

    def chunk_files(self) -> dict[Path, int]:
        """Encoded chunks, and when each was written."""
        return {path: path.stat().st_mtime_ns for path in self.tools.work.rglob("chunk-*.mp4")}


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    catalogue, runner = open_catalogue(tmp_path), StepRunner(2)
    yield Running(tmp_path, catalogue, runner)
    runner.close()
    catalogue.close()


def test_little_is_left_at_the_end_and_nothing_is_encoded_twice(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.record(90)
    first = running.encode()
    assert first == 2 * len(SOURCES)  # 40 s and 80 s are over
    running.clock.advance(60)
    assert running.encode() == 0
    running.clock.advance(-60)
    running.record(60)
    running.clock.advance(60)
    assert running.encode() == len(SOURCES)
    running.clock.advance(-60)
    before = running.chunk_files()
    running.tell("opening.end")
    running.clock.advance(100)
    running.segmenter.run_once()
    clips = running.tools.catalogue.clips.of_session("P-O")
    segments = running.tools.catalogue.footage.segments_by_id(
        {used.segment_id for clip in clips for used in clip.slices}
    )
    session = running.tools.catalogue.sessions.get("P-O")
    assert session is not None
    noted = begun(running.tools.work / "P-O")
    left = {
        work.source.id: [chunk for chunk in work.chunks if noted.setting(chunk) is None]
        for work in clip_works(running.tools, session, clips, segments, noted)
    }
    assert {source: len(chunks) for source, chunks in left.items()} == dict.fromkeys(SOURCES, 1)
    kept: dict[Path, int] = {}
    monkeypatch.setattr(
        "archiver.session_archive.shutil.rmtree", lambda *_, **__: kept.update(running.chunk_files())
    )
    archive = Archiver(running.tools).run_once()
    assert archive is not None
    assert {path: kept.get(path) for path in before} == before
    assert archive.size_bytes <= archive.budget_bytes
    assert not archive.overrun_reason


def test_a_chunk_that_may_grow_is_not_encoded(running: Running) -> None:
    running.record(30)
    running.clock.advance(60)
    assert running.encode() == 0
    assert CHUNK_US == 40 * SECOND_US


def test_what_a_tag_came_near_since_is_encoded_anew(running: Running) -> None:
    running.record(90)
    running.encode()
    session = running.tools.catalogue.sessions.get("P-O")
    assert session is not None
    noted = begun(running.tools.work / "P-O")
    clips = running.segmenter.so_far(session)
    segments = running.tools.catalogue.footage.segments_by_id(
        {used.segment_id for clip in clips for used in clip.slices}
    )
    works = clip_works(running.tools, session, clips, segments, noted)
    assert all(noted.setting(chunk) for work in works for chunk in finished(work))
    chunk = works[0].chunks[0]
    assert noted.setting(replace(chunk, tagged=True)) is None
