"""``jianzheng timeline`` and ``jianzheng trading-system``: what happened comes in by file, hand or key."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, tzinfo
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from catalog.catalogue import Catalogue
from catalog.reports import Outcome
from cli.moments import moment_us, shown
from kernel.clock import Clock, to_datetime
from kernel.errors import SettingsError, TimelineError
from kernel.ids import new_id
from kernel.model.report import EventReport
from kernel.settings import explain
from segmenter.timeline_file import read_timeline_file


def zone_of(text: str | None) -> tzinfo | None:
    """A zone written like ``+08:00``.

    Raises:
        SettingsError: it is written in another way.
    """
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%z").tzinfo
    except ValueError:
        raise SettingsError(f"{text} is no time zone.", hint="Write it like +08:00.") from None


def import_file(
    catalogue: Catalogue, path: Path, zone: str | None, principal: str, clock: Clock, console: Console
) -> bool:
    """Take in a file's projects and events, and say what became of them; whether all were taken.

    Raises:
        TimelineError: the file makes no sense, and nothing of it is taken in; or the catalogue refuses a
            project: of those before it all is taken in, of it and what follows nothing.
    """
    told = read_timeline_file(path, zone_of(zone))
    now_us = clock.now_us()
    for project in told.projects:
        catalogue.reports.take_project(project, principal=principal, at_us=now_us)
    outcomes = catalogue.reports.take_events(told.events, principal=principal, at_us=now_us)
    count = Counter(one.outcome for one in outcomes)
    console.print(
        f"{len(told.projects)} projects; {count[Outcome.RECORDED]} events recorded, "
        f"{count[Outcome.KNOWN]} known already, {count[Outcome.REFUSED]} refused."
    )
    for one in outcomes:
        if one.outcome is Outcome.REFUSED:
            console.print(f"refused {one.id}: {one.message} {one.hint}", style="red", highlight=False)
    return not count[Outcome.REFUSED]


def enter_event(
    catalogue: Catalogue,
    session_id: str,
    at: str,
    kind: str,
    *,
    reason: str,
    replaces: str | None,
    withdraw: bool,
    principal: str,
    clock: Clock,
) -> str:
    """Enter an event by hand; its id.

    Raises:
        TimelineError: it is refused.
    """
    if not reason.strip():
        raise TimelineError("an event entered by hand needs a reason.", hint="Give one with --reason.")
    at_us = moment_us(at)
    try:
        told = EventReport(
            id=new_id("event"),
            session=session_id,
            at=to_datetime(at_us),
            type=kind,
            reason=reason,
            replaces=replaces,
            withdrawn=withdraw,
        )
    except ValidationError as error:
        raise TimelineError(
            f"the event makes no sense: {explain(error)}.", hint="Nothing was entered."
        ) from None
    catalogue.sessions.record_event(told.event(principal, clock.now_us()))
    return told.id


def show_systems(catalogue: Catalogue, console: Console) -> None:
    """A table of the systems that may report."""
    table = Table("id", "name", "since", "revoked")
    for one in catalogue.trading_systems.all():
        revoked = "" if one.revoked_us is None else shown(one.revoked_us)
        table.add_row(one.id, one.name_zh, shown(one.made_us), revoked)
    console.print(table)
