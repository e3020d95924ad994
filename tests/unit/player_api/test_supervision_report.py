"""Supervision of supervisors: who counts as having been there (task I5)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from catalog.accounts import By
from catalog.catalogue import Catalogue
from catalog.database import writing
from catalog.tables import PresenceRow, ProjectRow
from kernel.clock import SECOND_US
from kernel.model.account import Account, Role
from kernel.model.presence import LAPSE_US, Presence, PresenceMode
from kernel.model.watching import Shown, Watch, Watched, WatchEnd, WatchKind
from kernel.timerange import TimeRange
from kernel.values import fields_of
from player_api.supervision_report import SupervisionReport
from player_api.watch_log_schemas import SupervisionPublic
from tests.support.catalogue import add_session, open_catalogue

S = SECOND_US
START, END = 10_000 * S, 20_000 * S
LATER = END + 86_400 * S
ON_SITE = Presence(
    id="presence-1",
    project_id="P",
    account_id="s-1",
    role=Role.SUPERVISOR,
    mode=PresenceMode.ON_SITE,
    room_id="OH",
    marked_by="s-1",
    since_us=START - 600 * S,
    seen_us=START - 600 * S,
)


@pytest.fixture
def held(tmp_path: Path) -> Catalogue:
    """A project that `s-1` is to supervise, and whose opening is over."""
    catalogue = open_catalogue(tmp_path)
    catalogue.accounts.add(
        Account(id="s-1", role=Role.SUPERVISOR, label_zh="监督员"), By(principal="test", at_us=0)
    )
    add_session(catalogue, START, END)
    with writing(catalogue._engine) as session:
        row = session.get(ProjectRow, "P")
        assert row is not None
        row.supervising_account = "s-1"
    return catalogue


def told(catalogue: Catalogue, now_us: int = LATER + 3600 * S) -> SupervisionPublic:
    within = TimeRange(start_us=0, end_us=LATER)
    [row] = SupervisionReport(catalogue, now_us, within).rows()
    return row


def watch(catalogue: Catalogue, kind: WatchKind, at_us: int) -> None:
    watch = Watch(
        id="w-1",
        account_id="s-1",
        role="supervisor",
        login_id="",
        origin="",
        kind=kind,
        things=(Watched(source_id="cam", project_id="P", session_id="P-O"),),
        opened_us=at_us,
        beat_us=at_us,
    )
    catalogue.watches.open(watch, "hash")
    shown = [Shown(source_id="cam", from_us=START, to_us=START + 10 * S)]
    catalogue.watches.close("w-1", WatchEnd.CLOSED, at_us + 10 * S, shown)


def test_replay_after_the_end_leaves_absent_standing(held: Catalogue) -> None:
    """Neither the replay, nor a presence that its page once marked, undoes that nobody was there."""
    watch(held, WatchKind.REPLAY, LATER)
    remote = replace(
        ON_SITE, mode=PresenceMode.REMOTE, room_id=None, since_us=LATER, seen_us=LATER + LAPSE_US
    )
    with writing(held._engine) as session:
        session.add(PresenceRow(**fields_of(remote)))  # as earlier versions let it in
    row = told(held)
    assert (row.absent, row.present, row.present_us) == (True, [], 0)
    assert (row.replay_us, row.live_us) == (10 * S, 0)
    assert (row.replay_in_all_us, row.live_in_all_us) == (10 * S, 0)


def test_who_watched_live_is_not_absent(held: Catalogue) -> None:
    watch(held, WatchKind.LIVE, START)
    assert not told(held).absent


def test_only_time_of_a_session_counts_as_present(held: Catalogue) -> None:
    held.presences.mark(ON_SITE)
    held.presences.leave("presence-1", "s-1", START + 60 * S)
    row = told(held)
    assert (row.absent, row.present_us, len(row.present)) == (False, 60 * S, 1)


def test_who_left_before_it_began_was_absent(held: Catalogue) -> None:
    held.presences.mark(ON_SITE)
    held.presences.leave("presence-1", "s-1", START - 1)
    assert told(held).absent


def test_a_time_that_is_still_to_come_has_nothing_to_tell(held: Catalogue) -> None:
    within = TimeRange(start_us=LATER, end_us=LATER + 1)
    assert SupervisionReport(held, END, within).rows() == []
