"""Several processes share one catalogue: nobody deadlocks, no row is lost, changes are noticed."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

from catalog.catalogue import Catalogue
from catalog.database import ChangeWatcher, reading, writing
from catalog.tables import GapRow
from kernel.model.footage import Gap, GapCause
from kernel.timerange import TimeRange
from tests.support.catalogue import open_catalogue
from tests.unit.catalog.test_footage import run, segment

WRITERS, EACH = 3, 15
EVER = TimeRange(start_us=0, end_us=10**15)

_one_at_a_time = threading.Lock()
"""Alembic keeps its context in a module: threads of one process open catalogues one after another."""


def opened(url: str) -> Catalogue:
    with _one_at_a_time:
        return Catalogue.open(url)


def gap(name: str, start: int, end: int | None = None) -> Gap:
    return Gap(id=name, source_id="cam", start_us=start, end_us=end, cause=GapCause.STOPPED, detail="")


def write_gaps(url: str, writer: int) -> None:
    """A process of a site that writes and reads in turn, through a catalogue of its own."""
    catalogue = opened(url)
    for number in range(EACH):
        catalogue.footage.add_gap(gap(f"{writer}-{number}", number, number + 1))
        assert len(catalogue.footage.gaps_of("cam", EVER)) >= number + 1
    catalogue.close()


def open_one_gap(url: str, writer: int) -> None:
    catalogue = opened(url)
    catalogue.footage.open_gap(gap(f"open-{writer}", writer))
    catalogue.close()


def open_and_close(url: str, _writer: int) -> None:
    Catalogue.open(url).close()


def processes() -> Executor:
    return ProcessPoolExecutor(WRITERS, mp_context=multiprocessing.get_context("spawn"))


def threads() -> Executor:
    return ThreadPoolExecutor(WRITERS)


@pytest.fixture
def url(tmp_path: Path, url: str) -> str:
    """Of a catalogue that knows its cameras."""
    open_catalogue(tmp_path, url).close()
    return url


def side_by_side(pool: Callable[[], Executor], work: Callable[[str, int], None], url: str) -> None:
    with pool() as executor:
        for future in [executor.submit(work, url, writer) for writer in range(WRITERS)]:
            future.result(timeout=60)


@pytest.mark.parametrize("pool", [threads, processes], ids=["threads", "processes"])
def test_writers_side_by_side_wait_for_each_other_and_lose_no_row(
    pool: Callable[[], Executor], url: str
) -> None:
    side_by_side(pool, write_gaps, url)
    catalogue = Catalogue.open(url)
    assert len(catalogue.footage.gaps_of("cam", EVER)) == WRITERS * EACH
    catalogue.close()


def seal_footage(url: str, writer: int) -> None:
    """Of one source: what a recorder records, what is handed in, what is fetched from a device's memory."""
    catalogue = opened(url)
    catalogue.footage.start_run(run(f"run-{writer}"))
    for number in range(EACH):
        catalogue.footage.add_segment(segment(number, number, number + 1, run_id=f"run-{writer}"))
    catalogue.close()


def test_programs_that_seal_footage_of_one_source_at_once_fork_no_chain(url: str) -> None:
    side_by_side(threads, seal_footage, url)
    catalogue = Catalogue.open(url)
    numbers = [number for number, _ in catalogue.footage.chain_of("cam")]
    assert numbers == list(range(1, WRITERS * EACH + 1))
    catalogue.close()


def test_two_recorders_that_lose_one_source_at_once_declare_one_gap(url: str) -> None:
    side_by_side(threads, open_one_gap, url)
    catalogue = Catalogue.open(url)
    assert len(catalogue.footage.open_gaps()) == 1
    catalogue.close()


def test_processes_that_start_together_migrate_a_new_catalogue_once(empty_url: str) -> None:
    side_by_side(processes, open_and_close, empty_url)
    catalogue = Catalogue.open(empty_url)
    codes = [region.code for region in catalogue.places.regions()]
    assert codes
    assert len(set(codes)) == len(codes)
    catalogue.close()


def test_a_transaction_that_fails_leaves_nothing_behind(url: str) -> None:
    catalogue = Catalogue.open(url)
    with pytest.raises(RuntimeError, match="half way"), writing(catalogue._engine) as session:
        session.add(
            GapRow(id="g", source_id="cam", wall_start_us=1, wall_end_us=None, cause="stopped", detail="")
        )
        session.flush()
        raise RuntimeError("half way")
    assert catalogue.footage.open_gaps() == []
    catalogue.footage.open_gap(gap("after", 1))  # and the lock is given back
    catalogue.close()


def test_a_reader_sees_one_picture_and_holds_up_no_writer(url: str) -> None:
    reader, writer = Catalogue.open(url), Catalogue.open(url)
    with reading(reader._engine) as session:
        before = session.connection().exec_driver_sql("SELECT count(*) FROM gap").scalar_one()
        writer.footage.add_gap(gap("new", 1, 2))
        during = session.connection().exec_driver_sql("SELECT count(*) FROM gap").scalar_one()
    assert (before, during) == (0, 0)
    assert len(reader.footage.gaps_of("cam", EVER)) == 1
    reader.close()
    writer.close()


@pytest.fixture
def watched(url: str) -> Iterator[tuple[Catalogue, Catalogue, ChangeWatcher]]:
    mine, other = Catalogue.open(url), Catalogue.open(url)
    watcher = mine.watch()
    yield mine, other, watcher
    watcher.close()
    mine.close()
    other.close()


def test_a_commit_of_another_process_is_noticed_once(
    watched: tuple[Catalogue, Catalogue, ChangeWatcher],
) -> None:
    _, other, watcher = watched
    assert not watcher.changed()
    other.footage.add_gap(gap("g", 1, 2))
    assert watcher.changed()
    assert not watcher.changed()


def test_a_commit_through_the_watchers_own_catalogue_is_noticed_too(
    watched: tuple[Catalogue, Catalogue, ChangeWatcher],
) -> None:
    mine, _, watcher = watched
    mine.footage.add_gap(gap("g", 1, 2))
    assert watcher.changed()


def test_reading_and_failing_are_no_changes(watched: tuple[Catalogue, Catalogue, ChangeWatcher]) -> None:
    mine, other, watcher = watched
    other.footage.gaps_of("cam", EVER)
    mine.footage.health()
    with pytest.raises(RuntimeError, match="undone"), writing(other._engine):
        raise RuntimeError("undone")
    assert not watcher.changed()


def test_each_watcher_is_told_by_itself(watched: tuple[Catalogue, Catalogue, ChangeWatcher]) -> None:
    mine, other, watcher = watched
    second = mine.watch()
    other.footage.add_gap(gap("g", 1, 2))
    assert watcher.changed()
    assert second.changed()
    second.close()


def test_many_watchers_leave_a_connection_for_everybody_else(url: str) -> None:
    """Every open page holds a watcher for as long as it is open."""
    catalogue = Catalogue.open(url)
    watchers = [catalogue.watch() for _ in range(40)]
    assert catalogue.footage.open_gaps() == []
    for watcher in watchers:
        watcher.close()
    catalogue.close()
