"""What may be watched live now: sessions that run, with their rooms, seats and sources."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from catalog.catalogue import Catalogue
from catalog.readiness import Shortfall, shortfall
from kernel.access import WATCH
from kernel.clock import Clock
from kernel.model.footage import SourceHealth
from kernel.model.source import ContentKind, Room, Seat, Site, Source
from kernel.model.timeline import Phase, Session, SessionState
from player_api.gate import Gate, Subject


class LiveSourcePublic(BaseModel):
    """One camera or desktop that may be watched."""

    source_id: str
    room_id: str
    content_kind: ContentKind
    label_zh: str
    label_en: str
    seat_id: str | None
    seat_ordinal: int | None
    member: str  # O1, E2, ...: who sits there in this session; empty where nobody is said to
    codec: str  # as the recorder saw it last
    shortfall: Shortfall | None  # why no picture comes; None: one does


class LiveRoomPublic(BaseModel):
    """A room and its sources, the room's own before those of its seats."""

    room_id: str
    name_zh: str
    name_en: str
    site_id: str
    site_name_zh: str
    site_name_en: str
    sources: list[LiveSourcePublic]


class LiveSessionPublic(BaseModel):
    """A session that runs now."""

    session_id: str
    project_id: str
    project_code: str
    project_name_zh: str
    phase: Phase
    start_us: int | None
    rooms: list[LiveRoomPublic]


class LiveSources(BaseModel):
    """What whoever asks may watch at this moment."""

    at_us: int
    sessions: list[LiveSessionPublic]
    rooms: list[LiveRoomPublic]  # with sources that show no session now


@dataclass(frozen=True, kw_only=True, slots=True)
class _Around:
    """Places and health, read once."""

    rooms: dict[str, Room]
    sites: dict[str, Site]
    seats: dict[str, Seat]
    health: dict[str, SourceHealth]
    now_us: int

    def room(self, room_id: str, sources: Sequence[LiveSourcePublic]) -> LiveRoomPublic:
        room = self.rooms[room_id]
        site = self.sites[room.site_id]
        return LiveRoomPublic(
            room_id=room.id,
            name_zh=room.name_zh,
            name_en=room.name_en,
            site_id=site.id,
            site_name_zh=site.name_zh,
            site_name_en=site.name_en,
            sources=sorted(sources, key=_place),
        )

    def source(self, source: Source, member: str) -> LiveSourcePublic:
        seat = self.seats.get(source.seat_id) if source.seat_id else None
        health = self.health.get(source.id)
        return LiveSourcePublic(
            source_id=source.id,
            room_id=source.room_id,
            content_kind=source.content_kind,
            label_zh=source.label_zh,
            label_en=source.label_en,
            seat_id=source.seat_id,
            seat_ordinal=seat.ordinal if seat else None,
            member=member,
            codec=health.codec if health else "",
            shortfall=shortfall(health, self.now_us),
        )


def live_sources(catalogue: Catalogue, clock: Clock, gate: Gate, project_ids: Collection[str]) -> LiveSources:
    """Running sessions of those projects, of all projects where none is named; only what may be watched."""
    around = _around(catalogue, clock)
    running = catalogue.sessions.in_state(SessionState.RUNNING)
    found = [
        made
        for session in running
        if (not project_ids or session.project_id in project_ids)
        and (made := _session(catalogue, gate, around, session)).rooms
    ]
    rooms = [] if project_ids else _elsewhere(catalogue, gate, around, running)
    return LiveSources(at_us=around.now_us, sessions=found, rooms=rooms)


def _around(catalogue: Catalogue, clock: Clock) -> _Around:
    places = catalogue.places
    return _Around(
        rooms=places.rooms(),
        sites=places.sites(),
        seats=places.seats(),
        health=catalogue.footage.health(),
        now_us=clock.now_us(),
    )


def _session(catalogue: Catalogue, gate: Gate, around: _Around, session: Session) -> LiveSessionPublic:
    project = catalogue.projects.project(session.project_id)
    members = _members(session, around.now_us)
    sources = [
        around.source(one, members.get(one.seat_id or "", ""))
        for one in catalogue.places.sources_of(_rooms_of(session), session.source_ids)
        if _is_of(one, session, members) and _may(gate, one.id)
    ]
    return LiveSessionPublic(
        session_id=session.id,
        project_id=session.project_id,
        project_code=project.project_code if project else "",
        project_name_zh=project.name_zh if project else "",
        phase=session.phase,
        start_us=session.start_us,
        rooms=_by_room(around, sources),
    )


def _elsewhere(
    catalogue: Catalogue, gate: Gate, around: _Around, running: Iterable[Session]
) -> list[LiveRoomPublic]:
    """Rooms in which no session runs: before it begins somebody may want to see whether all is well."""
    busy = {room for session in running for room in _rooms_of(session)}
    free = [one for one in catalogue.places.sources().values() if one.room_id not in busy]
    return _by_room(around, [around.source(one, "") for one in free if _may(gate, one.id)])


def _rooms_of(session: Session) -> list[str]:
    return [] if session.source_ids else [session.room_id, *session.extra_room_ids]


def _members(session: Session, now_us: int) -> dict[str, str]:
    """Who sits where now, by seat."""
    return {
        one.seat_id: one.member
        for one in session.seats
        if (one.from_us is None or one.from_us <= now_us) and (one.to_us is None or now_us < one.to_us)
    }


def _is_of(source: Source, session: Session, members: Collection[str]) -> bool:
    """A seat's sources only where somebody of this session sits there, if it is said who sits where."""
    return source.seat_id is None or not session.seats or source.seat_id in members


def _may(gate: Gate, source_id: str) -> bool:
    return gate.may(WATCH, gate.things(Subject.SOURCE, source_id))


def _by_room(around: _Around, sources: Iterable[LiveSourcePublic]) -> list[LiveRoomPublic]:
    rooms: dict[str, list[LiveSourcePublic]] = defaultdict(list)
    for one in sources:
        rooms[one.room_id].append(one)
    return [around.room(room_id, rooms[room_id]) for room_id in sorted(rooms)]


def _place(one: LiveSourcePublic) -> tuple[int, str, str]:
    return one.seat_ordinal or 0, one.content_kind, one.source_id
