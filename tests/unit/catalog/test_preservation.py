"""Invariants 9 and 10 over the years: stored objects are read back, and what is not whole is an alarm."""

from __future__ import annotations

import io

import pytest

from catalog.audit import AuditFilter
from catalog.catalogue import Catalogue
from catalog.copies import MARK, Absent, Copies, Shelf, marked
from catalog.database import writing
from catalog.objects import MemoryStore
from catalog.tables import DisposalObjectRow, DisposalRow
from kernel.clock import SECOND_US
from kernel.errors import StorageError
from kernel.model.preservation import (
    MAIN,
    Drill,
    DrilledFile,
    DrillResult,
    Fixity,
    drawn,
)
from tests.support.kept import DAY_US, KEYS, BrokenStore, Kept, another, promise


@pytest.fixture
def kept(catalogue: Catalogue) -> Kept:
    return Kept(catalogue=catalogue)


def acts(kept: Kept, action: str) -> list[tuple[str, str]]:
    found = kept.catalogue.audit.records(AuditFilter(subject="P", action=action))
    return [(one.action, str(one.details.get("key", ""))) for one in reversed(found)]


# --- sweeps


def test_what_was_just_archived_counts_as_read_back_and_is_not_due(kept: Kept) -> None:
    """Invariant 10: it was, before its row was written."""
    assert kept.sweep().run(kept.clock).objects == 0
    state = kept.catalogue.preservation.state(promise(), kept.clock.now_us())
    assert (state.oldest_check_us, state.alarm, state.overdue) == (kept.clock.now_us(), False, 0)


def test_every_object_is_read_back_once_within_the_period(kept: Kept) -> None:
    kept.sweep().run(kept.clock)
    kept.clock.advance(91 * 24 * 3600)
    assert kept.catalogue.preservation.state(promise(), kept.clock.now_us()).overdue == 3
    swept = kept.sweep().run(kept.clock)
    assert (swept.objects, swept.troubled, sorted(kept.store.asked)) == (3, 0, sorted(KEYS))
    assert kept.sweep().run(kept.clock).objects == 0
    assert kept.catalogue.preservation.state(promise(), kept.clock.now_us()).overdue == 0


def test_the_longest_unread_goes_first_and_a_budget_ends_a_sweep(kept: Kept) -> None:
    kept.catalogue.preservation.enrol()
    kept.clock.advance(91 * 24 * 3600)
    for _ in KEYS:
        assert kept.sweep().run(kept.clock, budget_bytes=1).objects == 1
        kept.clock.advance(1)
    assert kept.store.asked == list(KEYS)
    kept.clock.advance(90 * 24 * 3600)
    kept.store.asked.clear()
    kept.sweep().run(kept.clock)
    assert kept.store.asked == list(KEYS)


@pytest.mark.parametrize(
    ("harm", "result"),
    [
        (lambda store, key: store.change(key, b"other bytes of any length"), Fixity.BAD),
        (lambda store, key: store.change(key, b"x" + store._objects[key][1:]), Fixity.BAD),
        (lambda store, key: store.change(key, b""), Fixity.BAD),
        (lambda store, key: store.lose(key), Fixity.MISSING),
    ],
)
def test_a_bad_object_is_an_alarm_until_it_is_whole_again(kept: Kept, harm: object, result: Fixity) -> None:
    key, true = KEYS[1], kept.store._objects[KEYS[1]]
    kept.catalogue.preservation.enrol()
    harm(kept.store, key)  # type: ignore[operator]
    kept.clock.advance(91 * 24 * 3600)
    assert kept.sweep().run(kept.clock).troubled == 1
    state = kept.catalogue.preservation.state(promise(), kept.clock.now_us())
    assert state.alarm
    [trouble] = state.troubles
    assert (trouble.key, trouble.result, trouble.project_id, trouble.good_stores) == (key, result, "P", ())
    assert trouble.good_us is not None
    assert trouble.good_us < trouble.checked_us
    assert acts(kept, "fixity.") == [("fixity.lost", key)]
    # Nothing was repaired (invariant 9); somebody brings it back, and the next look finds it whole.
    kept.store.change(key, true)
    kept.clock.advance(25 * 3600)
    assert kept.sweep().run(kept.clock).objects == 1
    assert not kept.catalogue.preservation.state(promise(), kept.clock.now_us()).alarm
    assert acts(kept, "fixity.") == [("fixity.lost", key), ("fixity.restored", key)]


def test_an_object_that_stays_bad_is_told_once(kept: Kept) -> None:
    kept.catalogue.preservation.enrol()
    kept.store.lose(KEYS[0])
    kept.clock.advance(91 * 24 * 3600)
    for _ in range(3):
        kept.sweep().run(kept.clock)
        kept.clock.advance(25 * 3600)
    assert acts(kept, "fixity.") == [("fixity.lost", KEYS[0])]


def test_a_store_that_is_away_is_given_up_after_three_and_is_an_alarm(kept: Kept) -> None:
    for number in range(2, 4):
        session_id = f"P-{number}"
        another(kept, session_id)
    kept.catalogue.preservation.enrol()
    kept.clock.advance(91 * 24 * 3600)
    kept.store.away = True
    assert kept.sweep().run(kept.clock).objects == 3
    state = kept.catalogue.preservation.state(promise(), kept.clock.now_us())
    assert (state.troubled, {one.result for one in state.troubles}) == (3, {Fixity.UNREADABLE})
    kept.store.away = False
    kept.clock.advance(25 * 3600)
    kept.sweep().run(kept.clock)
    assert not kept.catalogue.preservation.state(promise(), kept.clock.now_us()).alarm


def test_reading_back_takes_no_more_than_its_share(kept: Kept) -> None:
    """The fake clock is the only one that waits: so many bytes take so long."""
    kept.catalogue.preservation.enrol()
    kept.clock.advance(91 * 24 * 3600)
    before_us = kept.clock.monotonic_us()
    swept = kept.sweep(rate=100).run(kept.clock)
    assert kept.clock.monotonic_us() - before_us >= swept.size_bytes * SECOND_US // 100


def test_told_to_stop_it_ends_in_the_middle_of_an_object_and_goes_on_with_it(kept: Kept) -> None:
    kept.catalogue.preservation.enrol()
    kept.clock.advance(91 * 24 * 3600)
    sleep = kept.clock.sleep

    def stopping(seconds: float) -> None:
        sleep(seconds)
        kept.stop.set()

    kept.clock.sleep = stopping  # type: ignore[method-assign]
    assert kept.sweep(rate=100).run(kept.clock).objects == 0
    assert kept.store.asked == [KEYS[0]]
    kept.stop.clear()
    kept.clock.sleep = sleep  # type: ignore[method-assign]
    assert kept.sweep().run(kept.clock).objects == 3


def test_told_to_stop_before_it_begins_nothing_is_read(kept: Kept) -> None:
    kept.catalogue.preservation.enrol()
    kept.clock.advance(91 * 24 * 3600)
    kept.stop.set()
    assert kept.sweep().run(kept.clock).objects == 0


def test_all_reads_everything_once_and_bad_only_what_is_in_trouble(kept: Kept) -> None:
    preservation = kept.catalogue.preservation
    preservation.enrol()
    kept.clock.advance(1)
    kept.store.lose(KEYS[2])
    now_us = kept.clock.now_us()
    swept = kept.sweep().run(kept.clock, lambda stores: preservation.unread(stores, now_us))
    assert (swept.objects, swept.troubled) == (3, 1)
    kept.clock.advance(1)
    now_us = kept.clock.now_us()
    again = kept.sweep().run(kept.clock, lambda stores: preservation.unread(stores, now_us, troubled=True))
    assert (again.objects, again.troubled) == (1, 1)


def test_what_was_destroyed_by_decision_is_not_missing(kept: Kept) -> None:
    kept.catalogue.preservation.enrol()
    with writing(kept.catalogue._engine) as session:
        session.add(
            DisposalRow(
                id="d",
                project_id="P",
                version=1,
                state="executing",
                class_code="Y10",
                last_day="2036-01-01",
                grounds={},
                reason="r",
                proposed_by="x",
                proposed_us=1,
            )
        )
        session.flush()
        for key in KEYS:
            session.add(
                DisposalObjectRow(
                    key=key, disposal_id="d", archive_id="archive-P-O", size_bytes=1, sha256="", going_us=1
                )
            )
    for key in KEYS:
        kept.store.lose(key)
    kept.clock.advance(91 * 24 * 3600)
    assert kept.sweep().run(kept.clock).objects == 0
    assert not kept.catalogue.preservation.state(promise(), kept.clock.now_us()).alarm
    assert kept.catalogue.preservation.candidates() == []
    assert kept.catalogue.preservation.next_missing("file:///copy") is None


# --- copies


def copies(kept: Kept, **stores: Shelf) -> Copies:
    shelves: dict[str, Shelf] = {MAIN: kept.store, **stores}
    return Copies(kept.catalogue.preservation, shelves, kept.reader(), kept.clock, kept.stop, "test")


def test_an_archive_is_copied_read_back_and_told_where_it_is(kept: Kept) -> None:
    other = BrokenStore()
    assert kept.catalogue.preservation.state(promise("b"), 0).copies_missing == 1
    assert copies(kept, b=other).run() == 1
    assert other._objects == kept.store._objects
    assert sorted(other.asked) == sorted(KEYS)  # invariant 10, for the copy
    assert kept.catalogue.preservation.state(promise("b"), 0).copies_missing == 0
    kept.catalogue.preservation.enrol()
    total, [line] = kept.catalogue.preservation.media(promise("b"))
    assert (total, line.package.id) == (1, "archive-P-O")
    assert [one.store for one in line.copies] == ["b", MAIN]
    assert acts(kept, "archive.copied") == [("archive.copied", "")]
    assert copies(kept, b=other).run() == 0


def test_a_copy_that_broke_off_goes_on_with_what_is_missing(kept: Kept) -> None:
    other = BrokenStore()
    other.put(KEYS[0], io.BytesIO(kept.store._objects[KEYS[0]]))  # its row was not written any more
    package = kept.catalogue.preservation.next_missing("b")
    assert package is not None
    made = copies(kept, b=other)
    made._copy_object(kept.catalogue.preservation.objects_missing(package.id, "b")[1], package, "b")
    assert made.run() == 1
    assert other._objects == kept.store._objects


def test_a_bad_original_is_not_copied_and_is_an_alarm(kept: Kept) -> None:
    other = BrokenStore()
    kept.store.change(KEYS[1], b"z")
    assert copies(kept, b=other).run() == 0
    assert KEYS[1] not in other._objects
    kept.catalogue.preservation.enrol()  # takes up the package, and does not forget what was found
    [trouble] = kept.catalogue.preservation.state(promise("b"), kept.clock.now_us()).troubles
    assert (trouble.key, trouble.store) == (KEYS[1], MAIN)


def test_what_lies_under_the_key_in_a_copy_is_never_overwritten(kept: Kept) -> None:
    """Invariant 9."""
    other = BrokenStore()
    other.put(KEYS[1], io.BytesIO(b"something else"))
    assert copies(kept, b=other).run() == 0
    assert other._objects[KEYS[1]] == b"something else"
    [trouble] = kept.catalogue.preservation.state(promise("b"), kept.clock.now_us()).troubles
    assert (trouble.key, trouble.store, trouble.result) == (KEYS[1], "b", Fixity.BAD)


def test_of_a_bad_object_it_is_told_where_a_good_copy_is(kept: Kept) -> None:
    other = BrokenStore()
    copies(kept, b=other).run()
    kept.catalogue.preservation.enrol()
    kept.store.change(KEYS[0], b"z")
    kept.clock.advance(91 * 24 * 3600)
    assert kept.sweep(b=other).run(kept.clock).objects == 6
    [trouble] = kept.catalogue.preservation.state(promise("b"), kept.clock.now_us()).troubles
    assert (trouble.store, trouble.good_stores) == (MAIN, ("b",))
    assert kept.store._objects[KEYS[0]] == b"z"


def test_what_is_missing_from_a_copy_is_copied_again(kept: Kept) -> None:
    other = BrokenStore()
    copies(kept, b=other).run()
    other.lose(KEYS[2])
    kept.clock.advance(91 * 24 * 3600)
    kept.sweep(b=other).run(kept.clock)
    state = kept.catalogue.preservation.state(promise("b"), kept.clock.now_us())
    assert (state.troubled, state.copies_missing) == (1, 1)
    assert copies(kept, b=other).run() == 1
    assert other._objects == kept.store._objects
    assert not kept.catalogue.preservation.state(promise("b"), kept.clock.now_us()).alarm


def test_one_package_that_cannot_be_copied_does_not_hold_up_the_others(kept: Kept) -> None:
    another(kept, "P-2")
    kept.store.change(KEYS[1], b"z")
    other = BrokenStore()
    assert copies(kept, b=other).run() == 1
    assert kept.catalogue.preservation.state(promise("b"), 0).copies_missing == 1
    # Not tried again and again: only when a sweep has found the original whole.
    asked = len(kept.store.asked)
    assert copies(kept, b=other).run() == 0
    assert len(kept.store.asked) == asked
    kept.store.change(KEYS[1], KEYS[1].encode() * 100)
    kept.clock.advance(25 * 3600)
    kept.sweep(b=other).run(kept.clock)
    assert copies(kept, b=other).run() == 1


def test_a_store_that_is_away_is_left_for_the_next_run(kept: Kept) -> None:
    another(kept, "P-2")
    assert copies(kept, b=Absent("the medium is not there")).run() == 0
    assert len(set(kept.store.asked)) == 1  # not one of each package
    assert copies(kept, b=BrokenStore()).run() == 2


def test_an_empty_place_where_a_medium_is_not_mounted_is_not_filled() -> None:
    medium, empty = MemoryStore(), MemoryStore()
    marked(medium, known=False)
    marked(medium, known=True)
    with pytest.raises(StorageError, match="mark"):
        marked(empty, known=True)
    assert list(empty.list_keys()) == []
    assert list(medium.list_keys()) == [MARK]


def test_a_store_for_copies_that_is_away_is_an_alarm_when_its_objects_are_due(kept: Kept) -> None:
    copies(kept, b=BrokenStore()).run()
    kept.clock.advance(91 * 24 * 3600)
    kept.sweep(b=Absent("the medium is not there")).run(kept.clock)
    state = kept.catalogue.preservation.state(promise("b"), kept.clock.now_us())
    assert {(one.store, one.result, one.found) for one in state.troubles} == {
        ("b", Fixity.UNREADABLE, "the medium is not there")
    }
    assert {one.good_stores for one in state.troubles} == {(MAIN,)}


def test_a_store_that_the_settings_do_not_name_any_more_is_no_alarm(kept: Kept) -> None:
    copies(kept, b=BrokenStore()).run()
    kept.clock.advance(91 * 24 * 3600)
    kept.sweep(b=Absent("gone")).run(kept.clock)
    assert not kept.catalogue.preservation.state(promise(), kept.clock.now_us()).alarm


def test_the_media_report_counts_what_each_store_holds(kept: Kept) -> None:
    copies(kept, b=BrokenStore()).run()
    another(kept, "P-2")
    kept.catalogue.preservation.enrol()
    main, other = kept.catalogue.preservation.stores(promise("b"), kept.clock.now_us())
    assert (main.store, main.packages, main.packages_missing, main.objects) == (MAIN, 2, 0, 6)
    assert (other.store, other.packages, other.packages_missing, other.objects) == ("b", 1, 1, 3)
    assert other.size_bytes == sum(len(kept.store._objects[key]) for key in KEYS)


# --- drills


def drill(kept: Kept, result: DrillResult, project_id: str = "P") -> Drill:
    now_us = kept.clock.now_us()
    fault = ("it is gone",) if result is DrillResult.FAILED else ()
    return Drill(
        id=f"drill-{now_us}",
        started_us=now_us,
        ended_us=now_us + 1,
        principal="test",
        seed="s",
        candidates=1,
        project_id=project_id,
        result=result,
        size_bytes=1,
        files=(DrilledFile(key=KEYS[0], faults=fault, pictures=3, seconds=0.5),),
        faults=fault,
    )


def test_a_failed_drill_is_an_alarm_until_the_same_project_passes(kept: Kept) -> None:
    preservation = kept.catalogue.preservation
    another(kept, "P-2")
    failed = drill(kept, DrillResult.FAILED)
    preservation.record_drill(failed)
    kept.clock.advance(1)
    preservation.record_drill(drill(kept, DrillResult.PASSED, "P2"))
    assert preservation.state(promise(), kept.clock.now_us()).failed_drills == (failed,)
    kept.clock.advance(1)
    preservation.record_drill(drill(kept, DrillResult.PASSED))
    assert not preservation.state(promise(), kept.clock.now_us()).alarm
    assert preservation.drills()[-1] == failed
    assert len(kept.catalogue.audit.records(AuditFilter(action="drill."))) == 3


def test_a_drill_that_never_comes_is_told(kept: Kept) -> None:
    preservation = kept.catalogue.preservation
    preservation.enrol()
    now_us = kept.clock.now_us()
    assert not preservation.state(promise(), now_us + 60 * DAY_US).drill_overdue
    assert preservation.state(promise(), now_us + 61 * DAY_US).drill_overdue
    kept.clock.advance(61 * 24 * 3600)
    preservation.record_drill(drill(kept, DrillResult.PASSED))
    assert not preservation.state(promise(), kept.clock.now_us()).drill_overdue


def test_a_drawing_can_be_repeated_and_reaches_every_project() -> None:
    ids = ["b", "a", "c"]
    assert drawn("seed", ids) == drawn("seed", sorted(ids))
    assert {drawn(str(number), ids) for number in range(50)} == set(ids)
