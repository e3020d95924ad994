"""Invariant 14: who watched is on record before the first byte, and that record is not changed unseen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import delete, update

from catalog.audit import AuditFilter
from catalog.catalogue import Catalogue
from catalog.database import writing
from catalog.tables import WatchIntervalRow, WatchRow, WatchThingRow
from catalog.watch_check import watch_faults
from catalog.watch_log import WatchedTotal, WatchFilter, seen_at_once_us
from catalog.watching import Refusal
from kernel.clock import SECOND_US
from kernel.errors import WatchRefused
from kernel.model.watching import Seen, Shown, Watch, Watched, WatchEnd, WatchKind, intervals_sha256
from kernel.timerange import TimeRange
from tests.support.catalogue import add_session

NOW = 1_773_000_000 * SECOND_US
S = SECOND_US

WATCH = Watch(
    id="w-1",
    account_id="s-zj-1",
    role="supervisor",
    login_id="login-1",
    origin="10.0.0.7",
    kind=WatchKind.REPLAY,
    things=(
        Watched(source_id="cam", clip_id="c-1", project_id="P", session_id="P-O"),
        Watched(source_id="screen", clip_id="c-2", project_id="P", session_id="P-O"),
    ),
    opened_us=NOW,
    beat_us=NOW,
)


def shown(source: str = "cam", start: float = 0, end: float = 10, rate: float = 1) -> Shown:
    return Shown(source_id=source, from_us=round(start * S), to_us=round(end * S), rate=rate)


def acts(catalogue: Catalogue, action: str = "watch.") -> list[tuple[str, str]]:
    found = catalogue.audit.records(AuditFilter(action=action))
    return [(one.action, one.subject) for one in reversed(found)]


def test_opening_is_in_the_audit_chain_with_who_what_and_from_where(catalogue: Catalogue) -> None:
    catalogue.watches.open(WATCH, "hash")
    [record] = catalogue.audit.records(AuditFilter(action="watch.opened"))
    assert (record.principal, record.subject, record.at_us) == ("s-zj-1", "w-1", NOW)
    told = record.details
    assert (told["kind"], told["role"], told["login"], told["address"]) == (
        "replay",
        "supervisor",
        "login-1",
        "10.0.0.7",
    )
    assert (told["sources"], told["clips"], told["projects"]) == (["cam", "screen"], ["c-1", "c-2"], ["P"])
    assert catalogue.watches.find("hash") == WATCH
    assert catalogue.watches.find("another") is None


def test_a_watch_that_cannot_be_recorded_is_not_there(catalogue: Catalogue) -> None:
    """Row and record are one transaction: where the record fails, so does the watch."""
    with pytest.raises(TypeError):
        catalogue.watches.open(replace(WATCH, role=b"no JSON"), "hash")  # type: ignore[arg-type]
    assert catalogue.watches.get("w-1") is None
    assert acts(catalogue) == []


def test_what_a_page_tells_becomes_one_interval_while_it_goes_on(catalogue: Catalogue) -> None:
    catalogue.watches.open(WATCH, "hash")
    for beat in range(1, 5):
        catalogue.watches.beat("w-1", [shown(start=10 * (beat - 1), end=10 * beat)], NOW + 10 * beat * S)
    catalogue.watches.beat("w-1", [shown(start=500, end=510), shown("screen")], NOW + 50 * S)
    assert catalogue.watches.intervals("w-1") == [
        Seen(
            source_id="cam",
            seen_from_us=NOW,
            seen_to_us=NOW + 40 * S,
            footage_from_us=0,
            footage_to_us=40 * S,
        ),
        Seen(
            source_id="cam",
            seen_from_us=NOW + 40 * S,
            seen_to_us=NOW + 50 * S,
            footage_from_us=500 * S,
            footage_to_us=510 * S,
        ),
        Seen(
            source_id="screen",
            seen_from_us=NOW + 40 * S,
            seen_to_us=NOW + 50 * S,
            footage_from_us=0,
            footage_to_us=10 * S,
        ),
    ]


def test_the_end_is_recorded_with_a_hash_over_all_that_was_shown(catalogue: Catalogue) -> None:
    catalogue.watches.open(WATCH, "hash")
    assert catalogue.watches.close(
        "w-1", WatchEnd.CLOSED, NOW + 10 * S, [shown(), shown("screen"), shown("no")]
    )
    assert not catalogue.watches.close("w-1", WatchEnd.CLOSED, NOW + 11 * S)
    [record] = catalogue.audit.records(AuditFilter(action="watch.closed"))
    assert record.details["end"] == "closed"
    assert record.details["seen_us"] == 10 * S
    assert record.details["shown"] == [["cam", 0, 10 * S], ["screen", 0, 10 * S]]
    assert record.details["intervals_sha256"] == intervals_sha256(catalogue.watches.intervals("w-1"))
    assert list(watch_faults(catalogue.watches._engine)) == []


def test_a_watch_nobody_tells_of_ended_when_it_was_told_of_last(catalogue: Catalogue) -> None:
    catalogue.watches.open(WATCH, "hash")
    catalogue.watches.beat("w-1", [shown()], NOW + 10 * S)
    assert catalogue.watches.sweep(NOW + 39 * S) == 0
    assert catalogue.watches.sweep(NOW + 40 * S) == 1
    found = catalogue.watches.get("w-1")
    assert found is not None
    assert (found.closed_us, found.end) == (NOW + 10 * S, WatchEnd.LOST)
    with pytest.raises(WatchRefused):
        catalogue.watches.beat("w-1", [shown()], NOW + 41 * S)
    assert acts(catalogue) == [("watch.opened", "w-1"), ("watch.closed", "w-1")]


def test_a_beat_that_comes_too_late_revives_nothing(catalogue: Catalogue) -> None:
    """Also where no sweep came by in between."""
    catalogue.watches.open(WATCH, "hash")
    with pytest.raises(WatchRefused):
        catalogue.watches.beat("w-1", [shown()], NOW + 30 * S)
    assert not catalogue.watches.close("w-1", WatchEnd.CLOSED, NOW + 31 * S, [shown()])
    found = catalogue.watches.get("w-1")
    assert found is not None
    assert (found.closed_us, found.end) == (NOW, WatchEnd.LOST)
    assert catalogue.watches.intervals("w-1") == []


def test_what_is_not_in_the_watch_cannot_be_told_of(catalogue: Catalogue) -> None:
    catalogue.watches.open(WATCH, "hash")
    with pytest.raises(WatchRefused, match="not of source other"):
        catalogue.watches.beat("w-1", [shown(), shown("other")], NOW + S)
    with pytest.raises(WatchRefused, match="no such"):
        catalogue.watches.beat("w-2", [], NOW + S)
    with pytest.raises(WatchRefused, match="not of source other"):
        catalogue.watches.still("w-1", "other", 5, NOW + S)
    assert catalogue.watches.intervals("w-1") == []


def test_a_still_picture_is_recorded(catalogue: Catalogue) -> None:
    catalogue.watches.open(WATCH, "hash")
    catalogue.watches.still("w-1", "cam", 5 * S, NOW + S)
    [record] = catalogue.audit.records(AuditFilter(action="watch.still"))
    assert (record.principal, dict(record.details)) == ("s-zj-1", {"source": "cam", "footage_us": 5 * S})


def test_a_refusal_is_recorded_as_such(catalogue: Catalogue) -> None:
    catalogue.watches.refused(Refusal(principal="sys-1", at_us=NOW, subject="P-O cam", need="another_role"))
    [record] = catalogue.audit.records(AuditFilter(action="watch.refused"))
    assert (record.principal, record.result, record.subject) == ("sys-1", "refused", "P-O cam")


TAMPERED = {
    "an interval is shortened": (
        update(WatchIntervalRow).where(WatchIntervalRow.number == 1).values(footage_to_us=1),
        "intervals of watch w-1 were changed",
    ),
    "an interval is taken away": (
        delete(WatchIntervalRow).where(WatchIntervalRow.source_id == "screen"),
        "intervals of watch w-1 were changed",
    ),
    "the end is put forward": (update(WatchRow).values(closed_us=NOW + 9 * S), "the end of watch w-1"),
    "somebody else watched": (update(WatchRow).values(account_id="s-jt-1"), "another account's"),
    "it was another camera": (
        update(WatchThingRow).where(WatchThingRow.position == 0).values(project_id="Q"),
        "w-1 was changed since it was opened",
    ),
    "it was live": (update(WatchRow).values(kind="live"), "w-1 was changed since it was opened"),
}


@pytest.mark.parametrize("case", TAMPERED)
def test_what_was_changed_afterwards_is_found_and_named(catalogue: Catalogue, case: str) -> None:
    catalogue.watches.open(WATCH, "hash")
    catalogue.watches.close("w-1", WatchEnd.CLOSED, NOW + 10 * S, [shown(), shown("screen")])
    engine = catalogue.watches._engine
    assert list(watch_faults(engine)) == []
    statement, what = TAMPERED[case]
    with writing(engine) as session:
        session.connection().execute(statement)
    assert any(what in fault.what for fault in watch_faults(engine)), case


def test_a_watch_that_was_removed_or_put_in_is_found(catalogue: Catalogue) -> None:
    catalogue.watches.open(WATCH, "hash")
    engine = catalogue.watches._engine
    with writing(engine) as session:
        row = session.get_one(WatchRow, "w-1")
        forged = WatchRow(**{**row.model_dump(), "id": "w-9", "token_sha256": "x", "opened_us": NOW + 1})
        session.add(forged)
        session.flush()
        session.connection().execute(delete(WatchThingRow))
        session.connection().execute(delete(WatchRow).where(WatchRow.id == "w-1"))
    told = {fault.what for fault in watch_faults(engine)}
    assert any("w-1, which was removed" in one for one in told)
    assert any("w-9: put in" in one for one in told)


# --- who watched what


@pytest.fixture
def logged(catalogue: Catalogue) -> Catalogue:
    """Two people looked at P: one live, one later; a third had it open and saw nothing."""
    add_session(catalogue, NOW - 3600 * S, NOW - 1800 * S)
    live = replace(
        WATCH,
        id="w-2",
        account_id="w-zt-1",
        role="witness",
        kind=WatchKind.LIVE,
        things=(Watched(source_id="cam", project_id="P", session_id="P-O"),),
        opened_us=NOW - 3000 * S,
        beat_us=NOW - 3000 * S,
    )
    catalogue.watches.open(live, "hash-2")
    during = Shown(source_id="cam", from_us=NOW - 3000 * S, to_us=NOW - 2990 * S)
    catalogue.watches.close("w-2", WatchEnd.CLOSED, NOW - 2990 * S, [during])
    catalogue.watches.open(WATCH, "hash")
    later = [Shown(source_id=one, from_us=NOW - 2000 * S, to_us=NOW - 1990 * S) for one in ("cam", "screen")]
    catalogue.watches.close("w-1", WatchEnd.CLOSED, NOW + 10 * S, later)
    catalogue.watches.open(replace(WATCH, id="w-3", account_id="s-jt-1", opened_us=NOW + 60 * S), "hash-3")
    return catalogue


def found(catalogue: Catalogue, **narrowed: object) -> list[str]:
    return [one.watch.id for one in catalogue.watch_log.watches(WatchFilter(**narrowed))]  # type: ignore[arg-type]


def test_the_log_is_narrowed_by_who_which_project_and_when(logged: Catalogue) -> None:
    assert found(logged) == ["w-3", "w-1", "w-2"]
    assert found(logged, account_id="w-zt-1") == ["w-2"]
    assert found(logged, project_ids={"P"}) == ["w-3", "w-1", "w-2"]
    assert found(logged, project_ids={"Q"}) == []
    assert found(logged, seen=TimeRange(start_us=NOW - 3600 * S, end_us=NOW - 2000 * S)) == ["w-2"]
    assert found(logged, kind=WatchKind.LIVE) == ["w-2"]
    assert found(logged, source_id="screen") == ["w-3", "w-1"]


def test_who_saw_a_time_of_the_footage_live_or_later(logged: Catalogue) -> None:
    """I6: "who watched 11:10-11:40, live or later"."""
    assert found(logged, footage=TimeRange(start_us=NOW - 2995 * S, end_us=NOW - 2980 * S)) == ["w-2"]
    assert found(logged, footage=TimeRange(start_us=NOW - 2010 * S, end_us=NOW - 1999 * S)) == ["w-1"]
    assert found(logged, footage=TimeRange(start_us=NOW - 2900 * S, end_us=NOW - 2100 * S)) == []


def test_a_page_of_the_log_goes_on_where_the_one_before_ended(logged: Catalogue) -> None:
    [first] = logged.watch_log.watches(WatchFilter(), limit=1)
    mark = (first.watch.opened_us, first.watch.id)
    rest = logged.watch_log.watches(WatchFilter(), before=mark)
    assert [one.watch.id for one in (first, *rest)] == ["w-3", "w-1", "w-2"]


def test_totals_count_pictures_that_were_shown_together_once(logged: Catalogue) -> None:
    always = TimeRange(start_us=0, end_us=2 * NOW)
    told = {one.account_id: one for one in logged.watch_log.totals(always)}
    assert set(told) == {"s-zj-1", "w-zt-1"}, "who saw nothing watched nothing"
    assert (told["s-zj-1"].replay_us, told["s-zj-1"].live_us) == (10 * S, 0)
    assert (told["w-zt-1"].replay_us, told["w-zt-1"].live_us) == (0, 10 * S)
    assert logged.watch_log.totals(always, account_id="w-zt-1") == [told["w-zt-1"]]
    assert logged.watch_log.totals(always, project_ids={"Q"}) == []


def test_panes_of_several_watches_at_once_count_once_and_a_gap_counts_not(catalogue: Catalogue) -> None:
    """I5: a live wall opens one watch a pane; time watched is real time that went by, not a sum of panes."""
    add_session(catalogue, NOW - 3600 * S, NOW - 1800 * S)
    for number, begin_s in enumerate((0, 4, 0, 100)):  # seconds: 0-10, 4-14, 0-10, then 100-110
        opened_us, source = NOW + begin_s * S, ("cam", "screen")[number % 2]
        thing = Watched(source_id=source, project_id="P", session_id="P-O")
        watch = replace(
            WATCH,
            id=f"w-{number}",
            kind=WatchKind.LIVE,
            things=(thing,),
            opened_us=opened_us,
            beat_us=opened_us,
        )
        catalogue.watches.open(watch, f"hash-{number}")
        catalogue.watches.close(watch.id, WatchEnd.CLOSED, opened_us + 10 * S, [shown(source)])
    [total] = catalogue.watch_log.totals(TimeRange(start_us=0, end_us=2 * NOW))
    assert (total.watches, total.live_us, total.replay_us) == (4, 24 * S, 0)


def test_two_projects_at_once_are_watched_for_one_time() -> None:
    def total(project_id: str, start_s: int, end_s: int) -> WatchedTotal:
        span = TimeRange(start_us=start_s * S, end_us=end_s * S)
        return WatchedTotal(
            account_id="s-zj-1",
            role="supervisor",
            project_id=project_id,
            watches=1,
            live=(span,),
            replay=(),
            seats=(),
            first_us=span.start_us,
            last_us=span.end_us,
        )

    assert seen_at_once_us([total("P", 0, 10), total("Q", 5, 15), total("R", 60, 61)]) == (16 * S, 0)


def test_a_project_that_only_others_watched_is_told_as_unwatched(catalogue: Catalogue) -> None:
    """I12: "Which projects were never watched by any supervisor"; having it open without a picture is not
    watching."""
    add_session(catalogue, NOW - 3600 * S, NOW - 1800 * S)
    quarter = TimeRange(start_us=NOW - 90 * 86400 * S, end_us=NOW)
    assert [one.project_id for one in catalogue.watch_log.unwatched(quarter)] == ["P"]
    catalogue.watches.open(WATCH, "hash")
    [still] = catalogue.watch_log.unwatched(quarter)
    assert (still.project_id, still.others) == ("P", 1)
    catalogue.watches.beat("w-1", [shown()], NOW + 10 * S)
    assert catalogue.watch_log.unwatched(quarter) == []
    assert catalogue.watch_log.unwatched(TimeRange(start_us=NOW, end_us=2 * NOW)) == []
