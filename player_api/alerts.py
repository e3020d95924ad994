"""告警 by the page: what is the matter, and taking notice of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, JsonValue

from catalog.catalogue import Catalogue
from kernel.access import Thing
from kernel.clock import Clock
from kernel.model.alert import Alert, AlertRule
from kernel.model.source import Room, Source
from player_api.directives import Text, labels_of, refusals_told, venues_of
from player_api.entries import Moment
from player_api.gate import Gate, Subject


class AlertPublic(BaseModel):
    """Something that was or is the matter."""

    id: str
    rule: AlertRule
    subject: str
    project_id: str | None
    project_name_zh: str
    project_name_en: str
    session_id: str | None
    source_id: str | None
    source_label_zh: str
    source_label_en: str
    room_id: str | None
    room_name_zh: str
    room_name_en: str
    since_us: int
    over_us: int | None
    """Empty while it lasts."""
    details: dict[str, JsonValue]
    acknowledged_by: str
    acknowledged_by_label: str
    acknowledged_us: int | None
    note: str
    may_acknowledge: bool


class AcknowledgeEntry(BaseModel):
    """What is being done about it."""

    note: Text


def alerts_router(catalogue: Catalogue, clock: Clock, gate: Gate) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api", tags=["alerts"])

    @router.get("/alerts", dependencies=[gate.inside("alert.see")])
    def alerts(
        project_id: Annotated[str | None, Query(max_length=64)] = None,
        open: bool = False,  # noqa: A002 - the name of the parameter
        since_us: Moment | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    ) -> list[AlertPublic]:
        """Alerts, the newest first: of a project; those that last or that nobody took notice of."""
        scope = gate.scope("alert.see")
        found = catalogue.alerts.all(
            project_id=project_id, scope=scope, only_open=open, since_us=since_us, limit=limit
        )
        seen = [
            one
            for one in found
            if one.project_id is not None or gate.may("alert.see", _things(catalogue, gate, one))
        ]
        return _Publisher.of(catalogue, gate).all(seen)

    @router.post(
        "/alerts/{alert_id}/acknowledge",
        responses={409: {"description": "Somebody took notice before"}},
        dependencies=[gate.inside("alert.acknowledge")],
    )
    def acknowledge(alert_id: str, entry: AcknowledgeEntry) -> AlertPublic:
        """Take notice of an alert, with a note."""
        found = catalogue.alerts.get(alert_id)
        gate.check("alert.acknowledge", [] if found is None else _things(catalogue, gate, found))
        with refusals_told():
            said = catalogue.alerts.acknowledge(
                alert_id, entry.note, principal=gate.by(), at_us=clock.now_us()
            )
        return _Publisher.of(catalogue, gate).all([said])[0]

    return router


def _things(catalogue: Catalogue, gate: Gate, alert: Alert) -> list[Thing]:
    """What access to an alert goes by: its project, or the place where it is."""
    if alert.project_id is not None:
        return venues_of(catalogue, alert.project_id)
    if alert.room_id is not None:
        return catalogue.things.of_room(alert.room_id)
    return [] if alert.source_id is None else gate.things(Subject.SOURCE, alert.source_id)


@dataclass(frozen=True, slots=True)
class _Publisher:
    """Turns alerts into what pages show; what several of them need is looked up once."""

    catalogue: Catalogue
    gate: Gate
    labels: Mapping[str, str]  # of accounts
    sources: Mapping[str, Source]
    rooms: Mapping[str, Room]

    @classmethod
    def of(cls, catalogue: Catalogue, gate: Gate) -> _Publisher:
        places = catalogue.places
        return cls(catalogue, gate, labels_of(catalogue), places.sources(), places.rooms())

    def all(self, found: Sequence[Alert]) -> list[AlertPublic]:
        return [self._one(one) for one in found]

    def _one(self, one: Alert) -> AlertPublic:
        project = self.catalogue.projects.project(one.project_id) if one.project_id else None
        source = self.sources.get(one.source_id or "")
        room = self.rooms.get(one.room_id or (source.room_id if source else ""))
        may = self.gate.may("alert.acknowledge", _things(self.catalogue, self.gate, one))
        return AlertPublic(
            **{name: getattr(one, name) for name in _SAME},
            project_name_zh=project.name_zh if project else "",
            project_name_en=project.name_en if project else "",
            source_label_zh=source.label_zh if source else "",
            source_label_en=source.label_en if source else "",
            room_id=room.id if room else None,
            room_name_zh=room.name_zh if room else "",
            room_name_en=room.name_en if room else "",
            details=dict(one.details),
            acknowledged_by_label=self.labels.get(one.acknowledged_by, one.acknowledged_by),
            may_acknowledge=one.acknowledged_us is None and may,
        )


_SAME = tuple(
    name
    for name in AlertPublic.model_fields
    if name in Alert.__dataclass_fields__ and name not in ("details", "room_id")
)
"""Fields of an alert that are shown as they are."""
