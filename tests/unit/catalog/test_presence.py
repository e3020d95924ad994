"""Who was there: once however often it is said, and not longer than somebody said so (V5)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from catalog.audit import AuditFilter
from catalog.catalogue import Catalogue
from kernel.clock import SECOND_US
from kernel.errors import NothingRuns, SupervisionRefused
from kernel.model.account import Role
from kernel.model.presence import BEAT_US, LAPSE_US, Presence, PresenceMode
from tests.support.catalogue import add_session

T = 1_000 * SECOND_US
REMOTE = Presence(
    id="presence-1",
    project_id="P",
    account_id="s-zj-1",
    role=Role.SUPERVISOR,
    mode=PresenceMode.REMOTE,
    since_us=T,
    seen_us=T,
    marked_by="s-zj-1",
)
ON_SITE = replace(REMOTE, id="presence-2", mode=PresenceMode.ON_SITE, room_id="OH")


@pytest.fixture
def known(catalogue: Catalogue) -> Catalogue:
    add_session(catalogue, SECOND_US, 10 * T)
    return catalogue


def test_a_second_window_is_no_second_presence(known: Catalogue) -> None:
    known.presences.mark(REMOTE)
    again = known.presences.mark(replace(REMOTE, id="other", since_us=T + BEAT_US, seen_us=T + BEAT_US))
    assert (again.id, again.since_us, again.seen_us) == ("presence-1", T, T + BEAT_US)
    assert len(known.presences.of_project("P")) == 1
    assert len(known.audit.records(AuditFilter(action="presence."))) == 1


def test_a_page_that_fell_silent_ended_with_its_last_word(known: Catalogue) -> None:
    known.presences.mark(REMOTE)
    known.presences.beat("presence-1", "s-zj-1", T + BEAT_US)
    [there] = known.presences.of_project("P")
    assert there.end_us(T + BEAT_US + LAPSE_US) is None
    silent_us = T + BEAT_US + LAPSE_US + 1
    assert there.end_us(silent_us) == T + BEAT_US
    assert known.presences.beat("presence-1", "s-zj-1", silent_us) is None  # he comes anew
    anew = known.presences.mark(replace(REMOTE, id="presence-9", since_us=silent_us, seen_us=silent_us))
    assert anew.id == "presence-9"


def test_nobody_says_for_another_that_he_is_still_there(known: Catalogue) -> None:
    known.presences.mark(REMOTE)
    assert known.presences.beat("presence-1", "s-jt-1", T + 1) is None


def test_on_site_lasts_until_somebody_says_that_he_left(known: Catalogue) -> None:
    known.presences.mark(REMOTE)
    known.presences.mark(ON_SITE)
    _remote, on_site = known.presences.of_project("P")
    assert on_site.end_us(T + 100 * LAPSE_US) is None
    left = known.presences.leave("presence-2", "w-1", T + 5)
    assert known.presences.leave("presence-2", "w-1", T + 9) == left
    assert left.end_us(T + 9) == left.left_us == T + 5
    told = [one.action for one in known.audit.records(AuditFilter(action="presence."))]
    assert told == ["presence.left", "presence.marked", "presence.marked"]


def test_from_afar_nobody_is_there_while_nothing_runs(known: Catalogue) -> None:
    """I5: whoever opens the replay days later was not there."""
    for at_us in (SECOND_US - 1, 10 * T, 100 * T):
        with pytest.raises(NothingRuns, match="no session of project P runs"):
            known.presences.mark(replace(REMOTE, since_us=at_us, seen_us=at_us))
    assert known.presences.of_project("P") == []
    late_us = 10 * T - 5
    known.presences.mark(replace(REMOTE, since_us=late_us, seen_us=late_us))
    with pytest.raises(NothingRuns):
        known.presences.beat("presence-1", "s-zj-1", 10 * T)  # it ended meanwhile
    known.presences.mark(replace(ON_SITE, since_us=100 * T, seen_us=100 * T))  # somebody may be in the room


@pytest.mark.parametrize(
    "wrong", [{"project_id": "Q"}, {"session_id": "X"}, {"room_id": "X"}, {"room_id": None}]
)
def test_a_presence_nowhere_is_refused(known: Catalogue, wrong: dict[str, str | None]) -> None:
    with pytest.raises(SupervisionRefused):
        known.presences.mark(replace(ON_SITE, **wrong))  # type: ignore[arg-type]
    assert known.presences.of_project("P") == []
