"""``jianzheng timeline`` and ``jianzheng trading-system``: what happened comes in by file, hand or key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
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
from kernel.model.timeline import Phase
from kernel.settings import CamerasFile, explain
from segmenter.timeline_file import event_type, read_timeline_file


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
    catalogue: Catalogue,
    path: Path,
    zone: str | None,
    principal: str,
    clock: Clock,
    console: Console,
    cameras: Callable[[], CamerasFile],
) -> bool:
    """Take in a file's projects and events, and say what became of them; whether all were taken.

    Args:
        cameras: the places that projects may name; read and taken in only if the file has projects.

    Raises:
        SettingsError: the file has projects, and ``cameras.yaml`` cannot be used.
        TimelineError: the file makes no sense, and nothing of it is taken in; or the catalogue refuses a
            project: of those before it all is taken in, of it and what follows nothing.
    """
    told = read_timeline_file(path, zone_of(zone), lambda session: _phase_of(catalogue, session))
    now_us = clock.now_us()
    if told.projects:
        catalogue.places.register(cameras(), principal=principal, at_us=now_us)
    for project in told.projects:
        catalogue.reports.take_project(project, principal=principal, at_us=now_us)
    outcomes = catalogue.reports.take_events(told.events, principal=principal, at_us=now_us)
    count = Counter(one.outcome for one in outcomes)
    console.print(
        f"{len(told.projects)} projects; {count[Outcome.RECORDED]} events recorded, "
        f"{count[Outcome.KNOWN]} known already, {count[Outcome.REFUSED]} refused."
    )
    if told.encoding:
        console.print(f"The file is no UTF-8 and was read as {told.encoding}: look at one of its reasons.")
    for place, one in zip(told.places, outcomes, strict=True):
        if one.outcome is Outcome.REFUSED:
            said = f"refused {place} ({one.id}): {one.message} {one.hint}"
            console.print(said, style="red", highlight=False, markup=False)
        for notice in one.notices:
            said = f"note on {place} ({one.id}): {notice.message} {notice.hint}"
            console.print(said, style="yellow", highlight=False, markup=False)
    return not count[Outcome.REFUSED]


def _phase_of(catalogue: Catalogue, session_id: str) -> Phase | None:
    session = catalogue.sessions.get(session_id)
    return None if session is None else session.phase


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
) -> tuple[str, list[str]]:
    """Enter an event by hand; its id, and what is odd about it.

    Args:
        kind: its type, or what people call it in Chinese.

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
            type=event_type(kind, lambda: _phase_of(catalogue, session_id)),
            reason=reason,
            replaces=replaces,
            withdrawn=withdraw,
        )
    except ValidationError as error:
        raise TimelineError(
            f"the event makes no sense: {explain(error)}.", hint="Nothing was entered."
        ) from None
    except ValueError as error:
        raise TimelineError(f"{error}.", hint="Nothing was entered.") from None
    event = told.event(principal, clock.now_us())
    catalogue.sessions.record_event(event)
    (notices,) = catalogue.reports.notices([event])
    return told.id, [f"{one.message} {one.hint}" for one in notices]


def show_systems(catalogue: Catalogue, console: Console) -> None:
    """A table of the systems that may report."""
    table = Table("id", "name", "since", "revoked")
    for one in catalogue.trading_systems.all():
        revoked = "" if one.revoked_us is None else shown(one.revoked_us)
        table.add_row(one.id, one.name_zh, shown(one.made_us), revoked)
    console.print(table)
