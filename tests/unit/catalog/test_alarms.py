"""What is looked for: venues not ready, lost streams, empty rooms, nights (AL-01 to AL-06)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from catalog.alarms import LOOKED_FOR, AlarmRules, Alarms
from catalog.catalogue import Catalogue
from catalog.readiness import Watch, watch_everything
from cli.sample.files import read_sample
from cli.sample.load import load_projects
from kernel.clock import FakeClock
from kernel.desired import Around
from kernel.model.alert import Alert, AlertRule
from kernel.model.footage import SourceHealth, SourceState
from kernel.model.timeline import TimelineEvent
from tests.support.catalogue import migrated_file
from tests.support.sample_month import at

NOTHING_WANTED = Watch(wishes=list, around=Around(before_us=0, after_us=0))


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Catalogue]:
    """The sample's places; its projects become known as time goes on, without the alerts that it tells of."""
    monkeypatch.setattr("cli.sample.load.load_supervision", lambda *_: None)
    opened = Catalogue.open(migrated_file(tmp_path / "catalogue.sqlite"))
    opened.places.register(read_sample().places, principal="sample", at_us=at("02 06:00"))
    yield opened
    opened.close()


def load(catalogue: Catalogue, project_id: str, until_us: int) -> None:
    """What was known of a project by then."""
    projects = tuple(one for one in read_sample().projects if one.id == project_id)
    load_projects(catalogue, replace(read_sample(), projects=projects, tags=(), locks=()), until_us)


def look(catalogue: Catalogue, project_id: str, moment: str, rules: AlarmRules | None = None) -> list[Alert]:
    """What is told at that moment of a project as it was known then; and it is kept."""
    now_us = at(moment)
    load(catalogue, project_id, now_us)
    watcher = Alarms(catalogue, NOTHING_WANTED, FakeClock(now_us), rules or AlarmRules())
    watcher.run_once()
    return list(watcher.standing(now_us))


def kept(catalogue: Catalogue, rule: AlertRule) -> list[Alert]:
    return [one for one in catalogue.alerts.all() if one.rule is rule]


def test_al_01_a_venue_that_has_not_begun_a_minute_after_the_main_one(catalogue: Catalogue) -> None:
    def late() -> list[Alert]:
        return [one for one in look(catalogue, "P03", moment) if one.rule is AlertRule.VENUE_NOT_READY]

    moment = "04 10:45"
    assert late() == []
    moment = "04 10:46"
    [one] = late()
    assert (one.session_id, one.details) == ("P03-E3", {"venue": "ZX"})
    assert one.since_us == at("04 10:46")
    moment = "04 10:53"
    assert late() == []


def test_al_04_a_booked_room_in_which_nothing_begins_until_the_booking_is_moved(catalogue: Catalogue) -> None:
    """W15."""
    assert look(catalogue, "P15", "13 09:09") == []
    [empty] = look(catalogue, "P15", "13 09:10")
    assert (empty.rule, empty.project_id, empty.room_id) == (AlertRule.NOT_STARTED, "P15", "YS-OH1")
    look(catalogue, "P15", "13 09:15")
    [row] = kept(catalogue, AlertRule.NOT_STARTED)  # told once
    assert (row.since_us, row.over_us) == (at("13 09:10"), None)
    look(catalogue, "P15", "13 09:20")
    [row] = kept(catalogue, AlertRule.NOT_STARTED)
    assert row.over_us == at("13 09:20")


def test_al_06_a_night_is_told_before_it_begins_and_over_when_it_is_sealed(catalogue: Catalogue) -> None:
    """W17."""
    assert look(catalogue, "P04", "05 20:44") == []
    [due] = look(catalogue, "P04", "05 20:45")
    assert (due.rule, due.session_id, due.details) == (AlertRule.SEAL_DUE, "P04-E", {"minutes": 15})
    assert look(catalogue, "P04", "05 21:00") == []
    [row] = kept(catalogue, AlertRule.SEAL_DUE)
    assert row.over_us == at("05 21:00")


def test_al_03_a_forecast_above_the_cap_is_told_once_while_the_project_runs(catalogue: Catalogue) -> None:
    rules = AlarmRules(cap_bytes=100_000, forecast=lambda seconds: round(sum(seconds.values())))
    told = [one for one in look(catalogue, "P16", "17 16:00", rules) if one.rule is AlertRule.BUDGET_OVER]
    assert [one.project_id for one in told] == ["P16"]
    look(catalogue, "P16", "17 17:00", rules)
    look(catalogue, "P16", "17 21:10", rules)
    [row] = kept(catalogue, AlertRule.BUDGET_OVER)
    assert (row.since_us, row.over_us) == (at("17 16:00"), at("17 21:10"))


def test_al_02_a_source_of_a_running_session_that_is_lost_is_told_within_seconds(
    catalogue: Catalogue,
) -> None:
    """W16: of the sources of the session only, and not those of seats that nobody takes in it."""
    now_us = at("19 12:03") + 4_000_000
    load(catalogue, "P18", now_us)
    taken = {one.seat_id for one in catalogue.sessions.get("P18-E").seats}  # type: ignore[union-attr]
    room = [one for one in catalogue.places.sources_of(["WX-ER1"]) if one.seat_id in {None, *taken}]
    clock = FakeClock(now_us)
    alarms = Alarms(catalogue, watch_everything(catalogue), clock, AlarmRules())

    def lost() -> set[str]:
        catalogue.footage.set_health([health(one.id, clock.now_us()) for one in room])
        return {
            one.source_id or ""
            for one in alarms.standing(clock.now_us())
            if one.rule is AlertRule.STREAM_LOST
        }

    def health(source_id: str, at_us: int) -> SourceHealth:
        gone = source_id == "WX-ER1-P1"
        since_us = at("19 12:03") if gone else at("19 10:00")
        state = SourceState.LOST if gone else SourceState.RECORDING
        return SourceHealth(
            source_id=source_id,
            state=state,
            since_us=since_us,
            updated_us=at_us,
            last_frame_us=at_us,
            detail="",
        )

    assert lost() == set()  # it may come back
    clock.advance(2)
    assert lost() == {"WX-ER1-P1"}


def test_whoever_looks_changes_nothing_where_nothing_changed(catalogue: Catalogue) -> None:
    now_us = at("05 20:50")
    load(catalogue, "P04", now_us)
    alarms = Alarms(catalogue, NOTHING_WANTED, FakeClock(now_us), AlarmRules())
    assert alarms.run_once()
    watcher = catalogue.watch()
    assert not alarms.run_once()
    assert not watcher.changed()
    watcher.close()
    assert AlertRule.IMPORT_MISMATCH not in LOOKED_FOR


def test_an_evaluation_that_is_sealed_by_hand_is_not_told(catalogue: Catalogue) -> None:
    load(catalogue, "P04", at("05 20:30"))
    catalogue.sessions.record_event(
        TimelineEvent(
            id="early",
            session_id="P04-E",
            at_us=at("05 20:30"),
            type="eval.overnight_seal",
            reason="",
            principal="w-zt-1",
            recorded_us=at("05 20:30"),
        )
    )
    alarms = Alarms(catalogue, NOTHING_WANTED, FakeClock(at("05 20:50")), AlarmRules())
    assert [one for one in alarms.standing(at("05 20:50")) if one.rule is AlertRule.SEAL_DUE] == []
