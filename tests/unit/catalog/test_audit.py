"""Acts are recorded with the transaction that does them, in a chain without holes (invariant 14)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event

from catalog import audit
from catalog.audit import AuditFilter, append
from catalog.catalogue import Catalogue
from catalog.database import writing
from catalog.tables import IndustryRow
from kernel.acting import acting_from
from kernel.errors import CatalogError
from kernel.model.audit import UNNAMED, Act, Action, ActResult, AuditEpoch, AuditRecord
from kernel.model.footage import Booking, Hold
from kernel.timerange import TimeRange
from kernel.values import fields_of
from tests.support.catalogue import CAMERAS, PROJECT, add_segments
from tests.support.sources import segment

THREADS, ACTS = 20, 20


def act(number: int, principal: str = "w", **other: Any) -> Act:
    told: dict[str, Any] = {"action": Action.HOLD_MADE, "subject": f"s{number}", **other}
    return Act(at_us=number, principal=principal, **told)


def told(catalogue: Catalogue, *actions: Action) -> list[AuditRecord]:
    """Records of those actions, the oldest first."""
    return [one for one in catalogue.audit.walk() if one.action in actions]


def faults(catalogue: Catalogue) -> list[str]:
    return [f"{one.number} {one.what}" for one in catalogue.audit.faults()]


def hold(name: str, start_us: int = 100) -> Hold:
    wall = TimeRange(start_us=start_us, end_us=start_us + 100)
    return Hold(id=name, source_id="cam", wall=wall, reason="质疑", principal="监督员", made_us=7)


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """What is asked of the database meanwhile."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


def test_an_act_says_who_did_what_when_and_from_where(catalogue: Catalogue) -> None:
    with acting_from("10.0.0.7"):
        catalogue.holds.make(hold("h1"))
    [one] = told(catalogue, Action.HOLD_MADE)
    assert (one.principal, one.at_us, one.subject, one.origin) == ("监督员", 7, "h1", "10.0.0.7")
    assert (one.result, one.details["reason"]) == ("done", "质疑")
    assert faults(catalogue) == []


def test_where_nobody_says_where_from_it_is_the_machine(catalogue: Catalogue) -> None:
    catalogue.audit.append(act(1))
    assert told(catalogue, Action.HOLD_MADE)[0].origin.startswith("host ")


def test_an_act_without_a_name_is_kept_and_says_so(catalogue: Catalogue) -> None:
    """It must not be lost for that."""
    catalogue.audit.append(act(1, principal=""))
    assert told(catalogue, Action.HOLD_MADE)[0].principal == UNNAMED


def test_a_refused_act_stays_on_record(catalogue: Catalogue) -> None:
    catalogue.audit.append(act(1, result=ActResult.REFUSED))
    assert told(catalogue, Action.HOLD_MADE)[0].result == "refused"


def test_what_fails_leaves_no_record(catalogue: Catalogue) -> None:
    before = catalogue.audit.head(0)
    with pytest.raises(CatalogError):
        catalogue.holds.make(Hold(**{**fields_of(hold("h")), "source_id": "none"}))
    assert catalogue.audit.head(0) == before


def test_what_cannot_be_recorded_is_not_done(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariant 14: recorded before it counts. The hold's row is taken back with it."""

    def full(*_: object) -> None:
        raise CatalogError("no room")

    monkeypatch.setattr(audit, "_link", full)
    with pytest.raises(CatalogError, match="no room"):
        catalogue.holds.make(hold("h"))
    assert catalogue.holds.all() == []


def test_details_that_no_json_can_say_fail_where_they_are_written(catalogue: Catalogue) -> None:
    with pytest.raises(TypeError), writing(catalogue._engine) as session:
        append(session, act(1, details={"a": object()}))


def test_no_acts_are_no_record(catalogue: Catalogue) -> None:
    before = catalogue.audit.head(0)
    with writing(catalogue._engine) as session:
        append(session)
    assert catalogue.audit.head(0) == before


def test_nothing_and_then_something_is_something(catalogue: Catalogue) -> None:
    with writing(catalogue._engine) as session:
        append(session)
        append(session, act(1), act(2))
        append(session, act(3))
    assert [one.subject for one in told(catalogue, Action.HOLD_MADE)] == ["s1", "s2", "s3"]


def test_records_are_the_last_that_a_transaction_writes(catalogue: Catalogue) -> None:
    """Who has the chain and waits for another writer would wait for one that waits for the chain."""
    with statements(catalogue._engine) as seen, writing(catalogue._engine) as session:
        append(session, act(1))
        session.add(IndustryRow(code="Z", name_zh="", name_en="", parent_code=None))
    written = [one.split()[2] for one in seen if one.startswith("INSERT")]
    assert written == ["industry", "audit"]
    assert seen[-1].startswith("INSERT INTO audit")


def test_sealing_a_segment_never_touches_the_chain(catalogue: Catalogue) -> None:
    """Recording waits neither for the chain's lock nor for what stands in it."""
    before = catalogue.audit.head(0)
    with statements(catalogue._engine) as seen:
        add_segments(catalogue, [segment(0, 100, 200)])
    assert seen
    assert [one for one in seen if "audit" in one] == []
    assert catalogue.audit.head(0) == before


def test_many_at_once_leave_no_hole_and_no_fault(catalogue: Catalogue) -> None:
    start = threading.Barrier(THREADS)

    def work(thread: int) -> None:
        start.wait()
        for number in range(ACTS):
            with acting_from(f"10.0.0.{thread}"):
                if number % 2:
                    catalogue.holds.make(hold(f"h{thread}-{number}"))
                else:
                    catalogue.audit.append(act(number, f"w{thread}"))

    before = catalogue.audit.head(0)
    assert before is not None
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))
    records = list(catalogue.audit.walk(before.number))
    assert [one.number - before.number for one in records] == list(range(1, THREADS * ACTS + 1))
    assert {one.origin for one in records} == {f"10.0.0.{thread}" for thread in range(THREADS)}
    assert faults(catalogue) == []


def test_records_are_found_by_who_what_on_what_and_when(catalogue: Catalogue) -> None:
    catalogue.audit.append(act(1_000, "a", subject="P1"))
    catalogue.audit.append(act(2_000, "b", subject="P1", action=Action.HOLD_RELEASED))
    catalogue.audit.append(act(3_000, "a", subject="100%_P2", action=Action.TAG_ADDED))

    def found(**by: Any) -> list[int]:
        return [one.at_us for one in catalogue.audit.records(AuditFilter(since_us=1, **by))]

    assert found() == [3_000, 2_000, 1_000]
    assert found(principal="a") == [3_000, 1_000]
    assert found(subject="P1") == [2_000, 1_000]
    assert found(action="hold.") == [2_000, 1_000]
    assert found(action="hold.made") == [1_000]
    assert found(action="h%") == []
    assert found(until_us=3_000) == [2_000, 1_000]


def test_a_page_goes_on_behind_the_one_before(catalogue: Catalogue) -> None:
    for number in range(5):
        catalogue.audit.append(act(number + 1))
    by = AuditFilter(action="hold.made")
    first = catalogue.audit.records(by, limit=2)
    second = catalogue.audit.records(by, before=first[-1].number, limit=2)
    assert [one.subject for one in (*first, *second)] == ["s5", "s4", "s3", "s2"]


def test_a_walk_crosses_its_pages(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "_PAGE", 3)
    with writing(catalogue._engine) as session:
        append(session, *(act(number) for number in range(7)))
    head = catalogue.audit.head(0)
    assert head is not None
    assert [one.number for one in catalogue.audit.walk()] == list(range(1, head.number + 1))
    assert [one.number for one in catalogue.audit.walk(2, until=5)] == [3, 4, 5]


# What is recorded of writes where it depends on what was there before.


def test_the_same_cameras_again_are_no_act_and_a_changed_label_is(catalogue: Catalogue) -> None:
    catalogue.places.register(CAMERAS, principal="w", at_us=5)
    [first] = told(catalogue, Action.PLACES_CHANGED)
    assert first.details["added"]["source"] == ["cam", "screen"]
    changed = json.loads(CAMERAS.model_dump_json())
    changed["sites"][0]["rooms"][0]["name_en"] = "Hall"
    catalogue.places.register(CAMERAS.model_validate(changed), principal="w", at_us=6)
    second = told(catalogue, Action.PLACES_CHANGED)[1]
    assert second.details == {"changed": {"room": {"OH": {"name_en": ["开标厅", "Hall"]}}}}


def test_a_project_is_recorded_when_it_is_new_or_changed(catalogue: Catalogue) -> None:
    for name in ("一", "一", "二"):
        project = type(PROJECT)(**{**fields_of(PROJECT), "name_zh": name})
        catalogue.projects.add_project(project, [], principal="w", at_us=1)
    added, changed = told(catalogue, Action.PROJECT_ADDED, Action.PROJECT_CHANGED)
    assert (added.action, changed.action) == (Action.PROJECT_ADDED, Action.PROJECT_CHANGED)
    assert changed.details["name_zh"] == ["一", "二"]


def test_a_booking_is_made_moved_and_cancelled_and_the_same_again_is_no_act(catalogue: Catalogue) -> None:
    def book(start_us: int, principal: str = "w") -> None:
        wall = TimeRange(start_us=start_us, end_us=900)
        catalogue.bookings.book(
            Booking(id="B", room_id="OH", wall=wall, title="", principal=principal), at_us=1
        )

    book(100)
    book(100, "another")
    book(200)
    catalogue.bookings.cancel("B", principal="w2", at_us=3)
    made, moved, cancelled = told(
        catalogue, Action.BOOKING_MADE, Action.BOOKING_MOVED, Action.BOOKING_CANCELLED
    )
    assert made.details == {"room": "OH", "start_us": 100, "end_us": 900}
    assert moved.details["changed"]["wall_start_us"] == [100, 200]
    assert (cancelled.action, cancelled.principal, cancelled.at_us) == (Action.BOOKING_CANCELLED, "w2", 3)


def test_of_a_trading_systems_key_nothing_is_told(catalogue: Catalogue) -> None:
    """Invariant 16."""
    key = catalogue.trading_systems.add("etrade", "电子交易", principal="w", at_us=1)
    catalogue.trading_systems.revoke("etrade", principal="w2", at_us=2)
    catalogue.trading_systems.revoke("etrade", principal="w3", at_us=3)  # it is revoked already
    added, revoked = told(catalogue, Action.SYSTEM_ADDED, Action.SYSTEM_REVOKED)
    assert (added.subject, added.details, revoked.principal) == ("etrade", {}, "w2")
    assert all(key not in str(one) for one in catalogue.audit.walk())


# Epochs.


def closed(catalogue: Catalogue, last: int, **other: Any) -> AuditEpoch:
    """Let everything up to a number go."""
    records = list(catalogue.audit.walk(until=last))
    given: dict[str, Any] = {
        "first": records[0].number,
        "last": last,
        "last_hash": records[-1].hash,
        "sha256": "0" * 64,
        "closed_us": 9,
        "principal": "aud-1",
    }
    epoch = AuditEpoch(**given | other)
    catalogue.audit.close_epoch(epoch)
    return epoch


def fill(catalogue: Catalogue, count: int) -> None:
    with writing(catalogue._engine) as session:
        append(session, *(act(number) for number in range(count)))


def test_records_leave_as_whole_epochs_and_the_chain_goes_on(catalogue: Catalogue) -> None:
    fill(catalogue, 9)
    closed(catalogue, 4)
    assert faults(catalogue) == []
    fill(catalogue, 2)
    closed(catalogue, 11)
    assert faults(catalogue) == []
    assert [(one.first, one.last) for one in catalogue.audit.epochs()] == [(1, 4), (5, 11)]
    assert told(catalogue, Action.EPOCH_CLOSED)[-1].principal == "aud-1"


def test_a_chain_of_which_everything_left_goes_on(catalogue: Catalogue) -> None:
    fill(catalogue, 2)
    head = catalogue.audit.head(0)
    assert head is not None
    closed(catalogue, head.number)
    assert next(iter(catalogue.audit.walk())).number == head.number + 1
    assert faults(catalogue) == []


@pytest.mark.parametrize("wrong", [{"first": 2}, {"last_hash": "f" * 64}])
def test_an_epoch_that_is_not_as_the_file_has_it_stays(catalogue: Catalogue, wrong: dict[str, Any]) -> None:
    fill(catalogue, 5)
    with pytest.raises(CatalogError, match="not the oldest"):
        closed(catalogue, 4, **wrong)
    assert catalogue.audit.epochs() == []
    assert faults(catalogue) == []


def test_what_is_old_ends_before_the_first_that_is_not(catalogue: Catalogue) -> None:
    """A clock that was set back leaves records younger than what follows."""
    with writing(catalogue._engine) as session:
        append(session, *(act(us) for us in (10, 20, 50, 30, 60)))
    before = 1  # the cameras
    assert catalogue.audit.last_before(25) == before + 2
    assert catalogue.audit.last_before(40) == before + 2
    assert catalogue.audit.last_before(0) == 0
    assert catalogue.audit.last_before(100) == before + 5


def test_an_epoch_that_is_closed_while_somebody_looks_is_no_fault(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(catalogue, 5)
    walk = catalogue.audit.walk

    def closing(*given: Any) -> Iterator[AuditRecord]:
        monkeypatch.undo()
        closed(catalogue, 3)
        yield from walk(*given)

    monkeypatch.setattr(catalogue.audit, "walk", closing)
    with pytest.raises(CatalogError, match="meanwhile"):
        list(catalogue.audit.faults())
    assert faults(catalogue) == []
