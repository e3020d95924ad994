"""Holds and removal: what is needed stays, who comes first wins, a tombstone remains (invariants 4 and 8)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import event

from catalog.catalogue import Catalogue
from catalog.ring_use import RingUse, days_until_full
from kernel.errors import CatalogError
from kernel.model.archive import Archive
from kernel.model.cut import Clip, CutList, CutRules, SegmentSlice
from kernel.model.footage import EndReason, Hold, Run, RunOrigin, Segment, SegmentState
from kernel.model.timeline import SessionState
from kernel.timerange import TimeRange
from tests.support.catalogue import add_segments, add_session
from tests.support.centre import Centre
from tests.support.centre import session as planned_in
from tests.unit.catalog.test_footage import segment, wall

NO_ROLL = CutRules(pre_roll_us=0, post_roll_us=0)
ALL = -(1 << 62)


def removable(catalogue: Catalogue, rules: CutRules = NO_ROLL, now_us: int = 77) -> list[str]:
    return [one.id for one in catalogue.removal.look(ALL, 100, 100, rules, now_us=now_us).removable]


def release(catalogue: Catalogue, *ids: str, rules: CutRules = NO_ROLL) -> list[str]:
    gone = catalogue.removal.release(ids, rules, at_us=77, reason="Too old.", principal="recorder")
    return [one.id for one in gone]


def hold(
    catalogue: Catalogue, start: int, end: int, *, name: str = "hold-1", source: str = "cam"
) -> list[str]:
    gone = catalogue.holds.make(
        Hold(
            id=name,
            source_id=source,
            wall=wall(start, end),
            reason="案件",
            principal="纪检",
            made_us=5,
        )
    )
    return [one.segment.id for one in gone]


@pytest.fixture
def four(catalogue: Catalogue) -> list[Segment]:
    """Four segments of a camera: 0-60, 60-120, 120-180, 180-240."""
    made = [segment(number, number * 60, number * 60 + 60) for number in range(4)]
    add_segments(catalogue, made)
    return made


# --- what is needed stays


def test_nothing_needs_footage_that_no_session_and_no_hold_names(
    catalogue: Catalogue, four: list[Segment]
) -> None:
    assert removable(catalogue) == [one.id for one in four]


def test_a_hold_keeps_every_segment_that_it_touches(catalogue: Catalogue, four: list[Segment]) -> None:
    assert hold(catalogue, 119, 121) == []
    assert removable(catalogue) == [four[0].id, four[3].id]
    assert release(catalogue, *(one.id for one in four)) == [four[0].id, four[3].id]


def test_a_hold_of_another_source_keeps_nothing(catalogue: Catalogue, four: list[Segment]) -> None:
    hold(catalogue, 0, 240, source="screen")
    assert len(removable(catalogue)) == 4


def test_a_released_hold_keeps_nothing_and_stays_on_record(catalogue: Catalogue, four: list[Segment]) -> None:
    hold(catalogue, 0, 240)
    catalogue.holds.release("hold-1", at_us=9, principal="监督", reason="结案")
    assert len(removable(catalogue)) == 4
    assert catalogue.holds.all() == []
    (kept,) = catalogue.holds.all(released=True)
    assert (kept.reason, kept.principal, kept.made_us) == ("案件", "纪检", 5)
    assert (kept.released_us, kept.released_by, kept.release_reason) == (9, "监督", "结案")


def test_of_two_holds_the_other_one_still_holds(catalogue: Catalogue, four: list[Segment]) -> None:
    hold(catalogue, 0, 240)
    hold(catalogue, 0, 60, name="hold-2")
    catalogue.holds.release("hold-1", at_us=9, principal="x", reason="y")
    assert removable(catalogue) == [one.id for one in four[1:]]


@pytest.mark.parametrize(
    "wrong",
    ["unknown source", "no range", "no reason", "unknown hold", "released twice", "no reason to release"],
)
def test_a_hold_that_makes_no_sense_is_refused(catalogue: Catalogue, wrong: str) -> None:
    hold(catalogue, 0, 60)
    known = Hold(id="new", source_id="cam", wall=wall(0, 9), reason="r", principal="p", made_us=0)
    with pytest.raises(CatalogError):
        if wrong == "unknown source":
            hold(catalogue, 0, 60, name="new", source="nobody")
        elif wrong == "no range":
            hold(catalogue, 60, 60, name="new")
        elif wrong == "no reason":
            fields = {name: getattr(known, name) for name in known.__dataclass_fields__}
            catalogue.holds.make(Hold(**{**fields, "reason": " "}))
        elif wrong == "unknown hold":
            catalogue.holds.release("nobody", at_us=1, principal="p", reason="r")
        elif wrong == "released twice":
            for _ in range(2):
                catalogue.holds.release("hold-1", at_us=1, principal="p", reason="r")
        else:
            catalogue.holds.release("hold-1", at_us=1, principal="p", reason="")
    assert [one.id for one in catalogue.holds.all(released=True)] == ["hold-1"]


def to_state(catalogue: Catalogue, state: SessionState, segments: list[Segment]) -> None:
    """The session of 70-110 in that state; its clip uses the second segment."""
    if state is SessionState.PLANNED:
        return
    add_session(catalogue, 70, 110)
    if state in (SessionState.CUT, SessionState.ARCHIVED):
        part = TimeRange(start_us=70, end_us=110)
        clip = Clip(
            id="clip",
            session_id="P-O",
            source_id="cam",
            part=1,
            wall=part,
            slices=(SegmentSlice(segment_id=segments[1].id, wall=part),),
            gaps=(),
        )
        catalogue.clips.record(CutList(session_id="P-O", clips=(clip,), change_number=2))
    if state is SessionState.ARCHIVED:
        catalogue.archives.record(archive(), [])


@pytest.mark.parametrize("how", ["extra room", "handed over"])
@pytest.mark.parametrize("state", ["running", "ended", "archived"])
def test_what_a_session_needs_outside_its_room_is_kept_until_it_is_archived(
    centre: Centre, how: str, state: str
) -> None:
    """A corridor at night, and files of an external venue."""
    source = "co-cam" if how == "extra room" else "ext-1"
    more: dict[str, object] = {"source_ids": ("ext-1",)}
    if how == "extra room":
        more = {"extra_room_ids": ("CO",)}
    made = [centre.record(source, start, start + 50) for start in (0, 50, 100, 150, 200)]
    centre.plan(planned_in("S", "HALL", **more))  # type: ignore[arg-type]
    centre.tell("S", "session.start", 110)
    if state != "running":
        centre.tell("S", "session.end", 190)
    if state == "archived":
        centre.cut(100_000)
        centre.archive("S")
    kept = {"running": made[2:], "ended": made[2:4], "archived": []}[state]
    assert removable(centre.catalogue) == [one for one in made if one not in kept]
    assert release(centre.catalogue, *made) == [one for one in made if one not in kept]


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_start_that_is_taken_back_after_the_cut_releases_nothing_for_thirty_days(
    catalogue: Catalogue, four: list[Segment], cancelled: bool
) -> None:
    """It may have been taken back by mistake, and nobody can record it again (invariant 3)."""
    to_state(catalogue, SessionState.CUT, four)
    (start, _) = catalogue.sessions.events_of("P-O")
    gone = replace(start, id="gone", replaces=start.id, withdrawn=True, recorded_us=1000)
    catalogue.sessions.record_event(gone)
    if cancelled:
        catalogue.sessions.record_event(replace(start, id="off", type="session.cancelled", recorded_us=1000))
    wanted = four[1].id  # all that the clip of 70-110 was of
    assert removable(catalogue, now_us=1000 + 30 * DAY - 1) == [one.id for one in four if one.id != wanted]
    assert release(catalogue, wanted) == []
    assert catalogue.ring_use.now(1000, NO_ROLL).removable_bytes == 3 * GIB8
    assert removable(catalogue, now_us=1000 + 30 * DAY) == [one.id for one in four]


def test_clips_that_a_correction_left_behind_keep_nothing_of_a_session_that_was_archived(
    catalogue: Catalogue, four: list[Segment]
) -> None:
    """Only what is withdrawn as a whole waits."""
    to_state(catalogue, SessionState.ARCHIVED, four)
    with catalogue.footage._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE clip SET retired_us = 1000")
    assert len(removable(catalogue, now_us=1001)) == 4


def archive() -> Archive:
    return Archive(
        id="archive",
        session_id="P-O",
        version=1,
        key_prefix="a",
        budget_bytes=100,
        size_bytes=1,
        raw_bytes=1,
        verified_us=60,
        principal="test",
        overrun_reason="",
        objects=(),
        cut_number=1,
    )


@pytest.mark.parametrize("state", [SessionState.ENDED, SessionState.CUT])
def test_a_session_that_is_not_archived_keeps_its_time(
    catalogue: Catalogue, four: list[Segment], state: SessionState
) -> None:
    to_state(catalogue, state, four)
    assert removable(catalogue) == [four[0].id, four[2].id, four[3].id]
    assert release(catalogue, four[1].id) == []
    assert catalogue.removal.open_sessions() == ["P-O"]


def test_an_archived_session_keeps_nothing(catalogue: Catalogue, four: list[Segment]) -> None:
    to_state(catalogue, SessionState.ARCHIVED, four)
    assert len(removable(catalogue)) == 4
    assert catalogue.removal.open_sessions() == []


def test_a_running_session_keeps_all_since_its_start(catalogue: Catalogue, four: list[Segment]) -> None:
    to_state(catalogue, SessionState.ENDED, four)
    with catalogue.footage._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE session SET state = 'running', end_us = NULL")
    assert removable(catalogue) == [four[0].id]


def test_pre_roll_and_post_roll_belong_to_a_session(catalogue: Catalogue, four: list[Segment]) -> None:
    to_state(catalogue, SessionState.ENDED, four)
    assert removable(catalogue, CutRules(pre_roll_us=11, post_roll_us=0)) == [four[2].id, four[3].id]
    assert removable(catalogue, CutRules(pre_roll_us=10, post_roll_us=11)) == [four[0].id, four[3].id]


def test_a_clip_keeps_what_it_uses_though_the_rolls_were_shortened_since(
    catalogue: Catalogue, four: list[Segment]
) -> None:
    """Invariant 3: released only after the successor is stored, read back and recorded."""
    to_state(catalogue, SessionState.CUT, four)
    with catalogue.footage._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE session SET start_us = 200, end_us = 201")
    assert removable(catalogue) == [four[0].id, four[2].id]


def test_a_session_of_another_room_keeps_nothing(catalogue: Catalogue, four: list[Segment]) -> None:
    to_state(catalogue, SessionState.ENDED, four)
    with catalogue.footage._engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO room (id, site_id, kind, name_zh, name_en) VALUES ('X', 'ZT', 'x', 'x', 'x')"
        )
        connection.exec_driver_sql("UPDATE session SET room_id = 'X'")
    assert len(removable(catalogue)) == 4


def test_a_look_is_bounded_and_says_where_to_go_on(catalogue: Catalogue, four: list[Segment]) -> None:
    hold(catalogue, 0, 130)
    first = catalogue.removal.look(ALL, 2, 10, NO_ROLL, now_us=77)
    assert (first.removable, first.next_us) == ([], 120)
    second = catalogue.removal.look(120, 2, 10, NO_ROLL, now_us=77)
    assert ([one.id for one in second.removable], second.next_us) == ([four[3].id], None)


def test_a_look_goes_on_though_many_begin_at_the_same_moment(catalogue: Catalogue) -> None:
    add_segments(catalogue, [segment(number, 0, 60) for number in range(5)])
    seen = catalogue.removal.look(0, 2, 10, NO_ROLL, now_us=77)
    assert (len(seen.removable), seen.next_us) == (5, 1)


# --- tombstones


def test_a_tombstone_keeps_hash_chain_reason_and_principal(catalogue: Catalogue, four: list[Segment]) -> None:
    """Invariant 4."""
    assert release(catalogue, four[0].id) == [four[0].id]
    assert [one.path for one in catalogue.removal.leaving()] == [four[0].path]
    catalogue.removal.finish([four[0].id])
    assert catalogue.removal.leaving() == []
    (stone,) = catalogue.removal.tombstones_of("cam", wall(0, 60))
    assert stone.segment == four[0]
    assert (stone.removed_us, stone.reason, stone.principal) == (77, "Too old.", "recorder")
    assert catalogue.footage.states_of(one.path for one in four[:2]) == {
        four[0].path: SegmentState.REMOVED,
        four[1].path: SegmentState.SEALED,
    }


def test_what_is_removed_is_seen_by_chains_and_recovery_and_by_nobody_else(
    catalogue: Catalogue, four: list[Segment]
) -> None:
    release(catalogue, four[0].id, four[3].id)
    catalogue.removal.finish([four[0].id])
    footage = catalogue.footage
    kept = [four[1], four[2]]
    assert footage.segments_of("cam", wall(0, 240)) == footage.all_segments() == kept
    assert [footage.is_kept(one.id) for one in four] == [False, True, True, False]
    assert list(footage.chain_of("cam")) == list(enumerate(four, start=1))
    assert footage.known_paths(one.path for one in four) == {one.path for one in four}
    assert footage.recorded_until("cam") == 240
    assert footage.last_chain("cam") == four[3].chain
    assert [(head.number, head.chain) for head in footage.chain_heads()] == [(4, four[3].chain)]


def test_what_is_going_cannot_be_released_again_and_what_is_kept_cannot_be_finished(
    catalogue: Catalogue, four: list[Segment]
) -> None:
    release(catalogue, four[0].id)
    assert release(catalogue, four[0].id) == []
    catalogue.removal.finish([one.id for one in four])
    assert catalogue.footage.all_segments() == four[1:]


# --- the race


def test_a_hold_that_comes_too_late_is_told_what_is_gone(catalogue: Catalogue, four: list[Segment]) -> None:
    release(catalogue, four[0].id, four[1].id)
    catalogue.removal.finish([four[0].id])
    assert hold(catalogue, 30, 200) == [four[0].id, four[1].id]
    assert release(catalogue, four[2].id, four[3].id) == []


@contextmanager
def pausing_before(catalogue: Catalogue, words: str, meanwhile: threading.Event) -> Iterator[threading.Event]:
    """Whoever sends a statement with these words waits until ``meanwhile`` is set, its transaction begun."""
    arrived = threading.Event()

    def before(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if words in statement:
            arrived.set()
            assert meanwhile.wait(10)

    event.listen(catalogue.footage._engine, "before_cursor_execute", before)
    yield arrived
    event.remove(catalogue.footage._engine, "before_cursor_execute", before)


def test_a_hold_made_while_a_clean_up_chooses_wins(catalogue: Catalogue, four: list[Segment]) -> None:
    """Invariant 4: chosen as removable, held, and then the statement decides."""
    chosen = removable(catalogue)
    assert hold(catalogue, 0, 240) == []
    assert release(catalogue, *chosen) == []


def test_of_a_hold_and_a_removal_at_the_same_time_each_knows_of_the_other(
    catalogue: Catalogue, four: list[Segment]
) -> None:
    """Invariant 4: the removal is in the middle of its transaction when the hold comes."""
    go_on, told, released = threading.Event(), [], []
    with pausing_before(catalogue, "UPDATE segment", go_on) as deciding:
        removing = threading.Thread(target=lambda: released.extend(release(catalogue, four[0].id)))
        removing.start()
        assert deciding.wait(10)
        holding = threading.Thread(target=lambda: told.extend(hold(catalogue, 0, 240)))
        holding.start()
        go_on.set()
        removing.join(10)
        holding.join(10)
    assert released == told == [four[0].id]
    assert release(catalogue, *(one.id for one in four)) == []


def test_a_removal_waits_for_a_hold_that_is_being_made_and_then_removes_nothing(
    catalogue: Catalogue, four: list[Segment]
) -> None:
    """Invariant 4: the hold is in the middle of its transaction when the removal comes."""
    go_on, told, released = threading.Event(), [], []
    with pausing_before(catalogue, "SELECT segment.id, segment.run_id", go_on) as inserted:
        holding = threading.Thread(target=lambda: told.extend(hold(catalogue, 0, 240)))
        holding.start()
        assert inserted.wait(10)
        removing = threading.Thread(target=lambda: released.extend(release(catalogue, four[0].id)))
        removing.start()
        removing.join(0.3)  # long enough to do wrong; it waits for the hold
        go_on.set()
        holding.join(10)
        removing.join(10)
    assert released == told == []


# --- days


HOUR, DAY, GIB8 = 3_600_000_000, 86_400_000_000, 1 << 33


def test_use_of_the_ring_counts_the_last_day_and_what_nothing_needs(catalogue: Catalogue) -> None:
    made = [segment(number, at, at + HOUR) for number, at in enumerate((0, DAY, DAY + DAY // 2))]
    add_segments(catalogue, made)
    hold(catalogue, 0, 10)
    use = catalogue.ring_use.now(2 * DAY, NO_ROLL)
    assert use.removable_bytes == 2 * GIB8
    assert use.bytes_per_second == pytest.approx(GIB8 / (DAY // 2 / 1e6))


def test_an_empty_ring_fills_never(catalogue: Catalogue) -> None:
    use = catalogue.ring_use.now(10**15, NO_ROLL)
    assert (use.bytes_per_second, use.removable_bytes) == (None, 0)
    assert days_until_full(use, 10**12, 0) is None


@pytest.mark.parametrize(("lasting", "known"), [(HOUR - 1, False), (HOUR, True)])
def test_nothing_is_foretold_from_less_than_an_hour(catalogue: Catalogue, lasting: int, known: bool) -> None:
    """However many sources there are, and however long ago the first of them was seen for a moment."""
    early = [segment(0, DAY + 1, DAY + 2, source=one, run_id=one) for one in ("cam", "screen")]
    late = [segment(1, 2 * DAY - lasting + 1, 2 * DAY, source=one, run_id=one) for one in ("cam", "screen")]
    add_segments(catalogue, [*early, *late])
    assert (catalogue.ring_use.now(2 * DAY, NO_ROLL).bytes_per_second is not None) == known


def test_a_source_that_was_added_lately_fills_the_ring_from_now_on_like_the_others(
    catalogue: Catalogue,
) -> None:
    added = segment(0, 2 * DAY - HOUR, 2 * DAY, source="screen", run_id="run-2")
    add_segments(catalogue, [segment(0, DAY + DAY // 2, DAY + DAY // 2 + HOUR), added])
    use = catalogue.ring_use.now(2 * DAY, NO_ROLL)
    assert use.bytes_per_second == pytest.approx(GIB8 / 43_200 + GIB8 / 3600)


@pytest.mark.parametrize("origin", [RunOrigin.INTAKE, RunOrigin.BACKFILL])
def test_what_was_recorded_elsewhere_says_nothing_of_how_fast_the_ring_fills(
    catalogue: Catalogue, origin: RunOrigin
) -> None:
    """It came at once, whatever its pictures are dated."""
    add_segments(catalogue, [segment(0, DAY + 1, DAY + HOUR + 1)])
    before = catalogue.ring_use.now(2 * DAY, NO_ROLL).bytes_per_second
    catalogue.footage.start_run(
        Run(id="in", source_id="cam", started_us=2, ended_us=3, end_reason=EndReason.STOPPED, origin=origin)
    )
    for number, at in enumerate((DAY + 2 * HOUR, DAY + 4 * HOUR), 1):
        catalogue.footage.add_segment(segment(number, at, at + HOUR, run_id="in"))
    assert catalogue.ring_use.now(2 * DAY, NO_ROLL).bytes_per_second == before


@pytest.mark.parametrize(
    ("free", "removable_bytes", "days"),
    [(86_400 * 10 + 5, 0, 10.0), (5, 86_400 * 10, 10.0), (86_400 + 5, 86_400, 2.0), (0, 0, 0.0)],
)
def test_days_until_full_count_free_and_removable_bytes_above_the_reserve(
    free: int, removable_bytes: int, days: float
) -> None:
    use = RingUse(bytes_per_second=1.0, removable_bytes=removable_bytes)
    assert days_until_full(use, free, 5) == days
