"""Cutting goes on while something is archived, and one fault holds up nothing else."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from archiver.equipment import Tools
from archiver.session_archive import SessionArchiver
from archiver.steps import StepRunner, Stopped
from archiver.worker import Archiver
from catalog.objects import MemoryStore
from cli.archiving import ArchivingLoop, tell_archiver
from kernel.clock import SystemClock
from kernel.errors import CatalogError, StorageError, TimelineError
from kernel.model.timeline import SessionState
from kernel.settings import ArchiveSettings, Settings
from segmenter.worker import Segmenter
from tests.support.centre import SETTINGS, Centre, session
from tests.support.signing import signer

PATIENCE_S = 60  # only a test that fails waits so long


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    """Two sessions: one is cut, the other still runs."""
    opened = Centre(tmp_path)
    opened.plan(session("A"), session("B", "HALL", "hall-1"))
    opened.hold("A", 100, 200)
    opened.tell("B", "session.start", 100)
    opened.cut(100_000)
    yield opened
    opened.close()


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def loop(tmp_path: Path, centre: Centre, stop: threading.Event) -> Iterator[ArchivingLoop]:
    runner = StepRunner(1)
    tools = Tools(
        catalogue=centre.catalogue,
        store=MemoryStore(),
        runner=runner,
        settings=ArchiveSettings(),
        ring=tmp_path / "ring",
        work=tmp_path / "work",
        clock=centre.clock,
        principal="test",
        signer=signer(tmp_path, centre.clock),
    )
    yield ArchivingLoop(tools, Settings(data_dir=tmp_path, cut=SETTINGS), stop)
    runner.close()


@contextmanager
def following(loop: ArchivingLoop, stop: threading.Event) -> Iterator[None]:
    """The loop at work in a thread, as ``archive --follow`` has it; it ends with the block."""
    thread = threading.Thread(target=loop.run, args=(True,))
    thread.start()
    try:
        yield
    finally:
        gc.unfreeze()
        stop.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def until(happened: Callable[[], bool]) -> None:
    clock = SystemClock()
    deadline_us = clock.monotonic_us() + PATIENCE_S * 1_000_000
    while not happened():
        assert clock.monotonic_us() < deadline_us
        clock.sleep(0.05)


def test_clips_of_a_session_that_ends_are_there_while_another_is_being_archived(
    centre: Centre, loop: ArchivingLoop, stop: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()

    def archive_for_ever(_: Archiver) -> None:
        begun.set()
        stop.wait(PATIENCE_S)
        raise Stopped

    monkeypatch.setattr(Archiver, "run_once", archive_for_ever)
    with following(loop, stop):
        assert begun.wait(PATIENCE_S)
        centre.tell("B", "session.end", 100_000)
        until(lambda: bool(centre.clips("B")))
        assert not stop.is_set()
    assert centre.state("A") is SessionState.CUT  # it was still at it


def test_a_session_that_cannot_be_cut_does_not_keep_others_from_the_archive(
    centre: Centre, loop: ArchivingLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Segmenter) -> None:
        raise TimelineError("no clips today")

    monkeypatch.setattr(Segmenter, "run_once", fail)
    monkeypatch.setattr(Archiver, "run_once", lambda _: centre.archive("A"))
    loop.run(follow=False)
    assert centre.state("A") is SessionState.ARCHIVED
    assert loop.failed


def test_a_session_that_somebody_cancels_is_left_alone_until_it_is_asked_for(
    tmp_path: Path, centre: Centre, loop: ArchivingLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, asked = Settings(data_dir=tmp_path, cut=SETTINGS), SystemClock()
    monkeypatch.setattr(SessionArchiver, "run", lambda _: centre.archive("A"))
    tell_archiver(settings, asked, cancel="A", retry="", reason="wrong seats", principal="Li Na")
    told = centre.catalogue.archives.progress("A")
    assert told is not None
    assert (told.step, told.detail) == ("cancelled", "by Li Na: wrong seats")
    loop.run(follow=False)
    assert centre.state("A") is SessionState.CUT
    tell_archiver(settings, asked, cancel="", retry="A", reason="", principal="Li Na")
    loop.run(follow=False)
    assert centre.state("A") is SessionState.ARCHIVED


@pytest.mark.parametrize(
    ("session_id", "reason", "said"),
    [
        ("A", " ", "needs a reason"),
        ("nobody", "why not", "no session nobody"),
        ("A", "late", "archived already"),
    ],
)
def test_what_cannot_be_cancelled_is_refused(
    tmp_path: Path, centre: Centre, session_id: str, reason: str, said: str
) -> None:
    if said == "archived already":
        centre.archive("A")
    settings = Settings(data_dir=tmp_path)
    with pytest.raises(CatalogError, match=said):
        tell_archiver(settings, centre.clock, cancel=session_id, retry="", reason=reason, principal="Li Na")


def test_a_session_that_cannot_be_archived_does_not_keep_others_from_being_cut(
    centre: Centre, loop: ArchivingLoop, stop: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Archiver) -> None:
        raise StorageError("the store is away")

    monkeypatch.setattr(Archiver, "run_once", fail)
    with following(loop, stop):
        until(lambda: loop.failed)
        centre.tell("B", "session.end", 99_000)
        until(lambda: centre.state("B") is SessionState.CUT)
