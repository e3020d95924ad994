"""What supervisors of the sample ordered, when they were there, and what was the matter on its days.

Loading again changes nothing, not even the audit chain.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict, JsonValue

from catalog.catalogue import Catalogue
from cli.sample.files import DATA
from kernel.clock import SECOND_US, from_datetime
from kernel.errors import NothingRuns
from kernel.model.account import Role
from kernel.model.alert import Alert, AlertRule
from kernel.model.directive import DIRECTIVE_KINDS, Directive, DirectiveKind
from kernel.model.presence import Presence, PresenceMode
from kernel.model.timeline import Phase

_BESIDE = (Phase.SUPERVISION, Phase.HALL)
_DETAILS = ("venue", "forecast_gb", "cap_gb", "action", "file", "minutes")
_KINDS = {facts.zh: kind for kind, facts in DIRECTIVE_KINDS.items()}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SampleDirective(_Part):
    """What a supervisor ordered; its limit is that of its kind."""

    id: str
    project: str
    section: int
    issued_by: str
    issued_at: AwareDatetime
    type: Literal["核实", "提示", "暂停评标", "恢复评标", "责令复评"]
    text_zh: str
    reply_by: str | None
    reply_at: AwareDatetime | None
    reply_zh: str = ""
    closed_at: AwareDatetime | None
    tag: str = ""
    note: str = ""


class SamplePresence(_Part):
    """When a supervisor was there."""

    account: str
    project: str
    mode: Literal["remote", "on_site", "absent"]
    room: str | None = None
    joined: AwareDatetime | None
    left: AwareDatetime | None
    note: str = ""


class SampleAlert(_Part):
    """What was the matter, and who saw to it."""

    id: str
    project: str
    subject: str
    session: str | None = None
    at: AwareDatetime
    over_at: AwareDatetime
    rule: AlertRule
    source: str | None = None
    room: str | None = None
    details: dict[str, JsonValue] = {}
    ack_by: str = ""
    ack_at: AwareDatetime | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Supervision:
    """The whole of it."""

    directives: tuple[SampleDirective, ...]
    presences: tuple[SamplePresence, ...]
    alerts: tuple[SampleAlert, ...]


@cache
def read_supervision() -> Supervision:
    """As it is shipped."""
    return Supervision(
        directives=tuple(SampleDirective.model_validate(row) for row in _rows("directives")),
        presences=tuple(SamplePresence.model_validate(row) for row in _rows("presence")),
        alerts=tuple(_alerts()),
    )


def _alerts() -> Iterator[SampleAlert]:
    """``alerts.yaml``, with what ``alert_ends.yaml`` adds to it."""
    added = {row["id"]: row for row in _rows("alert_ends")}
    for row in _rows("alerts"):
        details = {name: row[name] for name in _DETAILS if name in row}
        told = {name: value for name, value in row.items() if name not in _DETAILS}
        yield SampleAlert.model_validate({**told, **added[row["id"]], "details": details})


def _rows(name: str) -> Any:
    return yaml.safe_load((DATA / f"{name}.yaml").read_text(encoding="utf-8"))


def load_supervision(catalogue: Catalogue, projects: Sequence[str], until_us: int) -> None:
    """Directives, presences and alerts of those projects, as far as they had come by then."""
    told = read_supervision()
    for directive in told.directives:
        if directive.project in projects and from_datetime(directive.issued_at) <= until_us:
            _direct(catalogue, directive, until_us)
    for number, presence in enumerate(told.presences, 1):
        begun = presence.joined is not None and from_datetime(presence.joined) <= until_us
        if presence.project in projects and begun:
            _be_there(catalogue, presence, f"PRE-{number:02d}", until_us)
    for alert in told.alerts:
        if alert.project in projects and from_datetime(alert.at) <= until_us:
            _alarm(catalogue, alert, until_us)


def _direct(catalogue: Catalogue, told: SampleDirective, until_us: int) -> None:
    kind, issued_us = DirectiveKind(_KINDS[told.type]), from_datetime(told.issued_at)
    directive = Directive(
        id=told.id,
        project_id=told.project,
        number=int(told.id.removeprefix("DIR-")),
        kind=kind,
        text=told.text_zh,
        section_number=told.section,
        session_id=_session_at(catalogue, told.project, issued_us),
        tag_id=told.tag,
        issued_by=told.issued_by,
        issued_us=issued_us,
        due_us=issued_us + DIRECTIVE_KINDS[kind].minutes * 60 * SECOND_US,
    )
    known = catalogue.directives.get(told.id) or catalogue.directives.issue(directive, on_timeline=False)
    if known.answered_us is None and told.reply_at and from_datetime(told.reply_at) <= until_us:
        by, at_us = told.reply_by or "", from_datetime(told.reply_at)
        catalogue.directives.answer(told.id, told.reply_zh, principal=by, at_us=at_us)
    if known.closed_us is None and told.closed_at and from_datetime(told.closed_at) <= until_us:
        at_us = from_datetime(told.closed_at)
        catalogue.directives.close(told.id, "", principal=told.issued_by, at_us=at_us)


def _session_at(catalogue: Catalogue, project_id: str, at_us: int) -> str | None:
    """What ran then in a project; where several venues did, the first that began."""
    for one in catalogue.sessions.of_project(project_id):
        begun = one.start_us is not None and one.start_us <= at_us
        if begun and (one.end_us is None or one.end_us > at_us) and one.phase not in _BESIDE:
            return one.id
    return None


def _be_there(catalogue: Catalogue, told: SamplePresence, presence_id: str, until_us: int) -> None:
    since_us = 0 if told.joined is None else from_datetime(told.joined)
    left_us = until_us if told.left is None else from_datetime(told.left)
    on_site = told.mode == "on_site"
    presence = Presence(
        id=presence_id,
        project_id=told.project,
        account_id=told.account,
        role=Role.SUPERVISOR,
        mode=PresenceMode.ON_SITE if on_site else PresenceMode.REMOTE,
        room_id=told.room,
        marked_by=told.account,
        since_us=since_us,
        seen_us=min(left_us, until_us),
    )
    try:
        catalogue.presences.mark(presence)
    except NothingRuns:
        return  # he joined from afar before it began: not there yet
    if left_us <= until_us:
        catalogue.presences.leave(presence_id, told.account, left_us)


def _alarm(catalogue: Catalogue, told: SampleAlert, until_us: int) -> None:
    over_us = from_datetime(told.over_at)
    alert = Alert(
        id=told.id,
        rule=told.rule,
        subject=told.subject,
        project_id=told.project,
        session_id=told.session,
        source_id=told.source,
        room_id=told.room,
        since_us=from_datetime(told.at),
        details=told.details,
    )
    catalogue.alerts.put(alert)
    known = catalogue.alerts.get(told.id)
    if told.ack_at and from_datetime(told.ack_at) <= until_us and known and known.acknowledged_us is None:
        at_us, note = from_datetime(told.ack_at), told.note
        catalogue.alerts.acknowledge(told.id, note, principal=told.ack_by, at_us=at_us)
    if over_us <= until_us and known and known.over_us is None:
        catalogue.alerts.over(told.rule, alert.subject, over_us)
