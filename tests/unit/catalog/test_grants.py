"""Task I2: leave to watch is a request that somebody else approved, while it is in force."""

from __future__ import annotations

from dataclasses import replace

import pytest

from catalog.catalogue import Catalogue
from catalog.requests import Decision
from kernel.access import WATCH, Circumstances, Thing, may
from kernel.model.account import Grant, Principal, Role
from kernel.model.use import Scope, UseKind, UseRequest
from tests.support.catalogue import add_session

INSPECTOR = Principal(id="i-jw-1", role=Role.INSPECTOR, regions=frozenset({"530602"}))
ASKED = UseRequest(
    id="RQ-1",
    project_id="P",
    kind=UseKind.VIEW,
    role=Role.INSPECTOR,
    scope=Scope(),
    reason="核查",
    basis_no="字1号",
    principal="i-jw-1",
    asked_us=1000,
)


@pytest.fixture
def known(catalogue: Catalogue) -> Catalogue:
    add_session(catalogue, 10, 20)
    return catalogue


def approve(catalogue: Catalogue, request: UseRequest, *, approved: bool = True) -> None:
    catalogue.requests.ask(request)
    decision = Decision(
        approved=approved,
        principal="boss-1",
        reason="因故",
        at_us=2000,
        expires_us=5000 if approved else None,
    )
    catalogue.requests.decide(request.id, decision)


def grants(catalogue: Catalogue, now_us: int = 3000, who: Principal = INSPECTOR) -> list[Grant]:
    return catalogue.grants.grants_of(who, now_us)


def test_only_what_was_approved_and_is_in_force_is_leave(known: Catalogue) -> None:
    known.requests.ask(ASKED)
    assert grants(known) == [], "nobody has decided yet"
    approve(known, replace(ASKED, id="RQ-2"), approved=False)
    assert grants(known) == []
    approve(known, replace(ASKED, id="RQ-3"))
    [one] = grants(known)
    assert (one.project_id, one.basis, one.from_us, one.to_us, one.export) == (
        "P",
        "字1号",
        2000,
        5000,
        False,
    )
    assert grants(known, 1999) == []
    assert grants(known, 5000) == [], "its time is over"
    assert grants(known, who=replace(INSPECTOR, id="i-sj-1")) == [], "another one's"


def test_its_scope_is_the_requests(known: Catalogue) -> None:
    scope = Scope(session_ids=("P-O",), source_ids=("cam",), start_us=12, end_us=15)
    approve(known, replace(ASKED, scope=scope))
    [one] = grants(known)
    assert (one.session_ids, one.source_ids) == (frozenset({"P-O"}), frozenset({"cam"}))
    assert (one.wall_start_us, one.wall_end_us) == (12, 15)


def test_leave_for_a_copy_is_leave_to_look_and_the_copy_is_taken_once(known: Catalogue) -> None:
    approve(known, replace(ASKED, kind=UseKind.EXPORT))
    assert [one.export for one in grants(known)] == [True]
    known.requests.use("RQ-1", "i-jw-1", 2500)
    assert [one.export for one in grants(known)] == [False]


def test_leave_for_a_session_opens_no_other_one(known: Catalogue) -> None:
    approve(known, replace(ASKED, scope=Scope(session_ids=("P-O",))))
    around = Circumstances(now_us=3000, grants=grants(known))
    thing = Thing(project_id="P", regions=frozenset({"530602"}), source_id="cam", session_id="P-O")
    assert may(INSPECTOR, WATCH, thing, around).granted
    assert not may(INSPECTOR, WATCH, replace(thing, session_id="P-E"), around).granted
    assert not may(INSPECTOR, WATCH, replace(thing, project_id="Q"), around).granted
    assert not may(INSPECTOR, WATCH, replace(thing, regions=frozenset()), around).granted
