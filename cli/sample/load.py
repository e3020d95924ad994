"""``jianzheng sample load``: the sample into the catalogue, as far as it was known at a moment.

Loading again changes nothing but what has become known since. What happened is reported as trading systems
report it: each event by its own time.
"""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

from catalog.catalogue import Catalogue
from catalog.reports import principal_of
from cli.sample.accounts import load_accounts
from cli.sample.files import (
    LATER,
    Sample,
    SampleProject,
    SampleSession,
    SampleTag,
    read_sample,
)
from cli.sample.life import load_appraisals, load_locks, load_requests
from cli.sample.supervision import load_supervision
from kernel.clock import from_datetime, iso_utc
from kernel.errors import TimelineError
from kernel.model.report import EventReport
from kernel.model.timeline import Tag
from kernel.timerange import EVER_US

SYSTEM = "api-tender"
"""The trading system's account in the sample."""
SYSTEM_NAME = "电子交易系统(样例)"
PRINCIPAL = principal_of(SYSTEM)
# Read by a program or kept in a file, a line is one line, however long.
_out = Console(highlight=False, width=None if sys.stdout.isatty() else 500)


def load_sample(catalogue: Catalogue, sample: Sample, until_us: int = EVER_US) -> int:
    """Take in places and everything that was known by then; returns how many events were new.

    Raises:
        TimelineError: the catalogue knows more of the sample than that already.
    """
    catalogue.places.register(sample.places, principal="sample", at_us=_since_us(sample))
    load_accounts(catalogue, _since_us(sample))
    return load_projects(catalogue, sample, until_us)


def load_projects(catalogue: Catalogue, sample: Sample, until_us: int) -> int:
    """The same in a catalogue that knows the places.

    Raises:
        TimelineError: the catalogue knows more of the sample than that already.
    """
    _refuse_going_back(catalogue, sample, until_us)
    _name_system(catalogue, sample)
    new = sum(_take(catalogue, project, until_us) for project in sample.projects)
    for tag in sample.tags:
        if from_datetime(tag.at) <= until_us:
            catalogue.tags.add(_tag(sample, tag))
    load_locks(catalogue, sample, until_us)
    load_requests(catalogue, sample, until_us)
    load_supervision(catalogue, [project.id for project in sample.projects], until_us)
    return new


def _name_system(catalogue: Catalogue, sample: Sample) -> None:
    """The trading system, so that it is shown by its name; nobody knows its key."""
    if SYSTEM not in {one.id for one in catalogue.trading_systems.all()}:
        catalogue.trading_systems.add(SYSTEM, SYSTEM_NAME, principal="sample", at_us=_since_us(sample))


def _since_us(sample: Sample) -> int:
    """When the first thing happens in it."""
    return min(from_datetime(event.at) for one in sample.projects for event in one.events)


def _refuse_going_back(catalogue: Catalogue, sample: Sample, until_us: int) -> None:
    sessions = [session.id for project in sample.projects for session in project.sessions]
    newest_us = max((event.recorded_us for event in catalogue.sessions.events_of(*sessions)), default=0)
    if newest_us > until_us:
        raise TimelineError(
            f"the catalogue knows the sample up to {iso_utc(newest_us)} already.",
            hint="Give a later --until, or another --data-dir: what is known is never taken back.",
        )


def _take(catalogue: Catalogue, project: SampleProject, until_us: int) -> int:
    """The project as it was known, then what happened in it; how many events were new."""
    known = project.known(until_us)
    first_us = min((from_datetime(event.at) for event in known.events), default=until_us)
    catalogue.reports.take_project(known, principal=PRINCIPAL, at_us=first_us)
    sessions = {session.id: session for session in project.sessions}
    new = 0
    for event in known.events:
        at_us = from_datetime(event.at)
        if catalogue.sessions.record_event(event.event(PRINCIPAL, at_us)):
            new += 1
            _change_seats(catalogue, sessions[event.session], event)
    return new


def _change_seats(catalogue: Catalogue, session: SampleSession, event: EventReport) -> None:
    """Where somebody left his seat or took it with that event, it is said anew who sits where."""
    if any(event.at in (seat.since, seat.until) for seat in session.seats):
        at_us = from_datetime(event.at)
        catalogue.sessions.set_seats(
            session.id, session.seated(at_us), principal=PRINCIPAL, reason=event.type, at_us=at_us
        )


def _tag(sample: Sample, tag: SampleTag) -> Tag:
    at_us = from_datetime(tag.at)
    seats = {one.id: one.seat_id for one in sample.places.sources_public()}
    sections = [part.number for one in sample.projects if one.id == tag.project for part in one.sections]
    return Tag(
        id=tag.id,
        project_id=tag.project,
        session_id=tag.session,
        source_id=tag.source,
        seat_id=seats.get(tag.source or ""),
        section_number=sections[0] if len(sections) == 1 else None,
        at_us=at_us,
        kind=tag.kind,
        severity=tag.severity,
        text=tag.text,
        principal=tag.by,
        recorded_us=at_us,
    )


def run_load(catalogue: Catalogue, until_us: int) -> None:
    """Load the sample and say what is there now.

    Raises:
        TimelineError: the catalogue knows more of the sample than that already.
    """
    sample = read_sample()
    new = load_sample(catalogue, sample, until_us)
    load_appraisals(catalogue, sample, until_us)
    if until_us < EVER_US:
        _out.print(f"样例,截至 the sample as it was known at {iso_utc(until_us)}")
    _out.print(_projects_table(catalogue, sample))
    _out.print(_totals_table(catalogue, sample, new))


def _projects_table(catalogue: Catalogue, sample: Sample) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("项目 project", "场次 sessions", "事件 events", "名称 name"):
        table.add_column(heading)
    for project in sample.projects:
        sessions = catalogue.sessions.of_project(project.id)
        events = catalogue.sessions.events_of(*(session.id for session in sessions))
        begun = sum(session.start_us is not None for session in sessions)
        name = project.name_zh.removeprefix("【样例】")
        table.add_row(project.id, f"{begun}/{len(sessions)}", str(len(events)), name)
    return table


def _totals_table(catalogue: Catalogue, sample: Sample, new: int) -> Table:
    sites, rooms = len(sample.places.sites), len(sample.places.rooms_public())
    seats, sources = len(sample.places.seats_public()), len(sample.places.specs())
    tags = sum(len(catalogue.tags.of_project(project.id)) for project in sample.projects)
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in {
        "地点 places": f"{sites} sites, {rooms} rooms, {seats} seats, {sources} sources",
        "新事件 new events": str(new),
        "账号 accounts": str(len(catalogue.accounts.all())),
        "标签 tags": str(tags),
        "冻结 standing holds": str(len(catalogue.holds.all())),
        "调取申请 requests": str(len(catalogue.requests.all())),
        "到期旧档 old files appraised": str(len(catalogue.disposals.all())),
        "尚未载入 not loaded yet": ", ".join(LATER),
    }.items():
        table.add_row(name, value)
    return table
