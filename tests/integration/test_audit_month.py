"""A month of the sample, and the audit chain that it leaves: every kind of act, by whom (invariant 14)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

import pytest

from cli.sample.load import PRINCIPAL, SYSTEM, load_sample
from kernel.events import in_force
from kernel.model.archive import ArchiveRequest, RequestKind
from kernel.model.audit import Action, AuditRecord
from kernel.model.checkup import Aspect, CheckResult, Checkup, Verdict
from kernel.model.timeline import SessionState, TimelineEvent
from kernel.timerange import EVER_US
from tests.support.sample_month import CUTTING, Month

SEGMENTER = "segmenter"
WITNESS = "w-zt-1"
WHO = {
    Action.PLACES_CHANGED: {"sample"},
    Action.SYSTEM_ADDED: {"sample"},
    Action.PROJECT_ADDED: {PRINCIPAL, SEGMENTER},  # the latter: records of shared halls
    Action.PROJECT_CHANGED: {PRINCIPAL},
    Action.SESSION_PLANNED: {PRINCIPAL, SEGMENTER},
    Action.SESSION_SEATED: {PRINCIPAL},
    Action.SESSION_SOURCES_ADDED: {WITNESS},
    Action.SESSION_CUT: {SEGMENTER},
    Action.EVENT_RECORDED: {PRINCIPAL, SEGMENTER},
    Action.BOOKING_MADE: {PRINCIPAL},
    Action.BOOKING_MOVED: {PRINCIPAL},
    Action.BOOKING_CANCELLED: {PRINCIPAL, WITNESS},
    Action.HALL_SHOWS: {SEGMENTER},
    Action.FOOTAGE_TAKEN_IN: {WITNESS},
    Action.ARCHIVE_RECORDED: {"test"},
    # What no project of the sample has, and somebody does on its last day.
    Action.SESSION_REPLANNED: {WITNESS},
    Action.SESSION_MOVED_ON: {SEGMENTER},
    Action.EVENT_CORRECTED: {WITNESS},
    Action.EVENT_WITHDRAWN: {WITNESS},
    Action.CHECKUP_MADE: {WITNESS},
    Action.CHECKUP_OVERRIDDEN: {"s-sw-1"},
    Action.ARCHIVE_CANCELLED: {WITNESS},
    Action.ARCHIVE_RETRIED: {WITNESS},
    Action.DISK_ADOPTED: {"recorder"},
    Action.SEGMENTS_RELEASED: {"recorder"},
    Action.SYSTEM_REVOKED: {"sys-1"},
}
"""Who does what in it; tags and holds have many authors."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def lived(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Month]:
    server = request.getfixturevalue("postgresql") if request.param == "postgresql" else None
    url = server.new() if server else ""
    made = Month(tmp_path_factory.mktemp("month"), url)
    made.live()
    yield made
    made.catalogue.close()
    if server:
        server.give_back(url)


def test_what_is_known_already_is_no_act(lived: Month) -> None:
    """The sample loaded again: the same reports, tags and locks. Before anything else is done."""
    load_sample(lived.catalogue, lived.sample, EVER_US)  # with it the accounts
    before = lived.catalogue.audit.head(0)
    load_sample(lived.catalogue, lived.sample, EVER_US)
    assert lived.catalogue.audit.head(0) == before


@pytest.fixture(scope="module")
def month(lived: Month) -> Month:
    """With its last day."""
    correct(lived)
    look_after(lived)
    return lived


def correct(month: Month) -> None:
    """A mark is put right and taken back; a session is planned anew and opened again."""
    sessions, now_us = month.catalogue.sessions, month.clock.now_us()
    session = month.session("P01-E")
    first = in_force(sessions.events_of(session.id))[1]
    right = replace(first, id="right", reason="r", principal=WITNESS, recorded_us=now_us, replaces=first.id)
    sessions.record_event(right)
    extra = TimelineEvent(
        id="extra", session_id=session.id, at_us=first.at_us, type="note", reason="", principal=PRINCIPAL,
        recorded_us=now_us,
    )  # fmt: skip
    sessions.record_event(extra)
    sessions.record_event(
        replace(extra, id="back", principal=WITNESS, reason="r", replaces="extra", withdrawn=True)
    )
    planned = replace(session, section_numbers=(1,))
    sessions.add([planned], principal=WITNESS, at_us=now_us)
    other = month.session("P02-E")
    assert other.state is SessionState.ARCHIVED
    sessions.advance(other.id, SessionState.ENDED, was=other.state, at_us=now_us)


def look_after(month: Month) -> None:
    """What is done to rooms, the ring, archives and those who report."""
    catalogue, now_us = month.catalogue, month.clock.now_us()
    failed = CheckResult(
        source_id="c", aspect=Aspect.CLOCK, verdict=Verdict.FAILED, measured="", limit="", remedy=""
    )
    catalogue.checkups.add(
        Checkup(id="look", room_id="ZT-OH1", at_us=now_us, principal=WITNESS, results=(failed,))
    )
    catalogue.checkups.override("look", "s-sw-1", "r", now_us)
    for number, kind in enumerate(RequestKind):
        catalogue.archive_requests.make(
            ArchiveRequest(
                id=kind, session_id="P02-E", kind=kind, reason="r", principal=WITNESS, at_us=now_us + number
            )
        )
    catalogue.bookings.cancel(catalogue.bookings.of_project("P01")[0].id, principal=WITNESS, at_us=now_us)
    catalogue.ring_disks.add("disk", now_us, "recorder")
    rules = CUTTING.rules()
    [oldest] = catalogue.removal.look(0, 1000, 1, rules, now_us=now_us).removable
    catalogue.removal.release([oldest.id], rules, at_us=now_us, reason="r", principal="recorder")
    catalogue.trading_systems.revoke(SYSTEM, principal="sys-1", at_us=now_us)


@pytest.fixture(scope="module")
def acts(month: Month) -> dict[str, list[AuditRecord]]:
    """All records, by action."""
    found = defaultdict(list)
    for record in month.catalogue.audit.walk():
        found[record.action].append(record)
    return found


def test_the_chain_is_whole(month: Month) -> None:
    assert list(month.catalogue.audit.faults()) == []
    head = month.catalogue.audit.head(0)
    assert head is not None
    assert head.number == month.catalogue.audit.count()


@pytest.mark.parametrize("action", WHO)
def test_each_kind_of_act_is_in_it_by_whom_it_was_done(
    acts: dict[str, list[AuditRecord]], action: Action
) -> None:
    assert {one.principal for one in acts[action]} == WHO[action]


def test_tags_and_holds_are_their_authors(month: Month, acts: dict[str, list[AuditRecord]]) -> None:
    sample = month.sample
    assert {one.details["tag"]: one.principal for one in acts[Action.TAG_ADDED]} == {
        tag.id: tag.by for tag in sample.tags
    }
    assert {one.principal for one in acts[Action.HOLD_MADE]} == {lock.by for lock in sample.locks}
    assert acts[Action.HOLD_RELEASED]


def test_no_act_is_of_nobody_or_of_no_time(month: Month) -> None:
    odd = [one for one in month.catalogue.audit.walk() if one.principal == "unnamed" or one.at_us <= 0]
    assert odd == []


def test_every_session_tells_its_story_in_order(month: Month) -> None:
    """Planned, begun, ended, cut, archived; whatever else comes between."""
    for project in month.sample.projects:
        for session in project.sessions:
            told = [one for one in month.catalogue.audit.walk() if one.subject == session.id]
            first = {one.action: one.number for one in reversed(told)}
            steps = (
                Action.SESSION_PLANNED,
                Action.EVENT_RECORDED,
                Action.SESSION_CUT,
                Action.ARCHIVE_RECORDED,
            )
            numbers = [first[step] for step in steps if step in first]
            assert numbers == sorted(numbers)
            assert Action.SESSION_PLANNED in first
            archived = month.catalogue.archives.newest(session.id) is not None
            assert (Action.ARCHIVE_RECORDED in first) is archived
