"""Check-ups as they are kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from catalog.catalogue import Catalogue
from kernel.errors import CatalogError, OverrideRefused
from kernel.model.checkup import Aspect, CheckResult, Checkup, Verdict
from tests.support.catalogue import CAMERAS


def checkup(name: str, at_us: int = 0, *, verdict: Verdict = Verdict.FAILED) -> Checkup:
    result = CheckResult(
        source_id="cam",
        aspect=Aspect.PICTURE_BLACK,
        verdict=verdict,
        measured="99 %",
        limit="≤ 90 %",
        remedy="开灯。Switch on the light.",
    )
    return Checkup(id=name, room_id="OH", at_us=at_us, principal="clerk", results=(result,))


@pytest.fixture
def rooms(catalogue: Catalogue) -> Catalogue:
    catalogue.places.register(CAMERAS)
    return catalogue


def test_a_checkup_comes_back_as_it_was_put_in(rooms: Catalogue) -> None:
    one = checkup("a")
    rooms.checkups.add(one)
    assert rooms.checkups.checkup("a") == one
    assert rooms.checkups.checkup("b") is None


def test_the_newest_come_first(rooms: Catalogue) -> None:
    for name, at_us in (("a", 10), ("c", 30), ("b", 20)):
        rooms.checkups.add(checkup(name, at_us))
    assert [one.id for one in rooms.checkups.of_room("OH")] == ["c", "b", "a"]
    assert [one.id for one in rooms.checkups.of_room("OH", limit=1)] == ["c"]
    assert rooms.checkups.of_room("other") == []


def test_a_checkup_of_an_unknown_room_is_refused(rooms: Catalogue) -> None:
    with pytest.raises(CatalogError):
        rooms.checkups.add(replace(checkup("a"), room_id="X"))


def test_a_failed_checkup_is_overridden_once_with_name_and_reason(rooms: Catalogue) -> None:
    rooms.checkups.add(checkup("a"))
    done = rooms.checkups.override("a", " 主任 ", "the light is switched on at nine", 77)
    assert (done.overridden_by, done.override_reason, done.overridden_us) == (
        "主任",
        "the light is switched on at nine",
        77,
    )
    with pytest.raises(OverrideRefused, match="主任"):
        rooms.checkups.override("a", "somebody else", "another reason", 78)
    assert rooms.checkups.checkup("a") == done


@pytest.mark.parametrize(("name", "reason"), [("", "why"), ("who", ""), ("  ", "why"), ("who", " \n")])
def test_an_override_needs_name_and_reason(rooms: Catalogue, name: str, reason: str) -> None:
    rooms.checkups.add(checkup("a"))
    with pytest.raises(OverrideRefused):
        rooms.checkups.override("a", name, reason, 77)
    assert rooms.checkups.checkup("a") == checkup("a")


def test_what_passed_or_is_not_there_cannot_be_overridden(rooms: Catalogue) -> None:
    rooms.checkups.add(checkup("a", verdict=Verdict.GOOD))
    for name in ("a", "b"):
        with pytest.raises(OverrideRefused):
            rooms.checkups.override(name, "who", "why", 77)
