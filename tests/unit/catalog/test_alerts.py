"""Alerts: one row each, however many programs look; over when it is over; taken notice of once (V11)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from catalog.audit import AuditFilter
from catalog.catalogue import Catalogue
from catalog.projects import ProjectScope
from kernel.clock import SECOND_US
from kernel.errors import SeenToAlready, SupervisionRefused
from kernel.model.alert import Alert, AlertRule
from tests.support.catalogue import add_session

T = 1_000 * SECOND_US
LOST = Alert(
    id="alert-1",
    rule=AlertRule.STREAM_LOST,
    subject="P-O/cam",
    project_id="P",
    source_id="cam",
    since_us=T,
    details={"shortfall": "lost"},
)
RULES = (AlertRule.STREAM_LOST, AlertRule.SEAL_DUE)


@pytest.fixture
def known(catalogue: Catalogue) -> Catalogue:
    add_session(catalogue, SECOND_US, 2 * SECOND_US)
    return catalogue


def test_what_two_programs_see_is_one_alert_until_it_is_over(known: Catalogue) -> None:
    assert known.alerts.settle(RULES, [LOST], T)
    assert not known.alerts.settle(RULES, [replace(LOST, id="alert-2", since_us=T + 5)], T + 5)
    assert known.alerts.all() == [LOST]
    assert known.alerts.settle(RULES, [], T + 9)
    assert [one.over_us for one in known.alerts.all()] == [T + 9]
    assert known.alerts.settle(RULES, [replace(LOST, id="alert-3", since_us=T + 20)], T + 20)
    assert [one.id for one in known.alerts.all()] == ["alert-3", "alert-1"]


def test_whoever_looks_by_some_rules_ends_no_alert_of_others(known: Catalogue) -> None:
    known.alerts.put(replace(LOST, rule=AlertRule.IMPORT_MISMATCH))
    known.alerts.settle(RULES, [], T + 1)
    assert [one.over_us for one in known.alerts.all()] == [None]
    known.alerts.over(AlertRule.IMPORT_MISMATCH, "P-O/cam", T + 2)
    assert [one.over_us for one in known.alerts.all()] == [T + 2]


def test_one_takes_notice_with_a_note_and_it_stays_open_while_it_lasts(known: Catalogue) -> None:
    known.alerts.settle(RULES, [LOST], T)
    with pytest.raises(SupervisionRefused, match="needs a note"):
        known.alerts.acknowledge("alert-1", " ", principal="s-1", at_us=T + 1)
    seen = known.alerts.acknowledge("alert-1", "已通知", principal="s-1", at_us=T + 1)
    assert known.alerts.acknowledge("alert-1", "已通知", principal="s-1", at_us=T + 2) == seen
    with pytest.raises(SeenToAlready, match="s-1 took notice"):
        known.alerts.acknowledge("alert-1", "also", principal="s-2", at_us=T + 2)
    assert [one.id for one in known.alerts.all(only_open=True)] == ["alert-1"]
    known.alerts.settle(RULES, [], T + 3)
    assert known.alerts.all(only_open=True) == []
    [record] = known.audit.records(AuditFilter(action="alert."))
    assert (record.principal, record.subject, record.details["note"]) == ("s-1", "P", "已通知")


def test_a_scope_shows_its_own_projects_only(known: Catalogue) -> None:
    known.alerts.settle(RULES, [LOST], T)
    own = ProjectScope(industries=frozenset({"A01"}))
    other = ProjectScope(industries=frozenset({"A03"}))
    assert (known.alerts.count_open(own), known.alerts.count_open(other)) == (1, 0)
    assert [len(known.alerts.all(scope=one)) for one in (own, other)] == [1, 0]
