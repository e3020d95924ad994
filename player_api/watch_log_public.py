"""Turns what the catalogue has of watching into what the API tells."""

from __future__ import annotations

from functools import cached_property

from catalog.catalogue import Catalogue
from catalog.watch_log import LoggedWatch, Unwatched
from kernel.model.account import Account
from kernel.model.audit import AuditRecord
from kernel.model.source import Room, Seat, Source
from kernel.model.timeline import Project
from kernel.model.watching import Watched, seen_us
from kernel.values import fields_of
from player_api.watch_log_schemas import (
    LoggedWatchPublic,
    RefusedWatchPublic,
    SeenPublic,
    UnwatchedPublic,
    WatchedProject,
    WatchedSession,
    WatchedSource,
)


class Publisher:
    """For one answer: looks up each place, project and account once."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._projects: dict[str, Project | None] = {}

    @cached_property
    def accounts(self) -> dict[str, Account]:
        return {one.id: one for one in self._catalogue.accounts.all()}

    @cached_property
    def _rooms(self) -> dict[str, Room]:
        return dict(self._catalogue.places.rooms())

    @cached_property
    def _sources(self) -> dict[str, Source]:
        return dict(self._catalogue.places.sources())

    @cached_property
    def seats(self) -> dict[str, Seat]:
        return dict(self._catalogue.places.seats())

    def labels(self, account_id: str) -> tuple[str, str]:
        """What screens call an account; a name that is no account is told as it is."""
        account = self.accounts.get(account_id)
        if account is None:
            return account_id, account_id
        return account.label_zh or account.id, account.label_en or account.id

    def project(self, project_id: str) -> WatchedProject:
        if project_id not in self._projects:
            self._projects[project_id] = self._catalogue.projects.project(project_id)
        found = self._projects[project_id]
        if found is None:
            return WatchedProject(id=project_id, name_zh=project_id, name_en=project_id)
        return WatchedProject(id=found.id, name_zh=found.name_zh, name_en=found.name_en)

    def watch(self, one: LoggedWatch) -> LoggedWatchPublic:
        watch = one.watch
        label_zh, label_en = self.labels(watch.account_id)
        return LoggedWatchPublic(
            id=watch.id,
            account_id=watch.account_id,
            account_label_zh=label_zh,
            account_label_en=label_en,
            role=watch.role,
            origin=watch.origin,
            kind=watch.kind,
            opened_us=watch.opened_us,
            closed_us=watch.closed_us,
            end=watch.end,
            seen_us=seen_us(one.shown),
            projects=[
                self.project(id_) for id_ in dict.fromkeys(x.project_id for x in watch.things if x.project_id)
            ],
            sources=[self._source(thing) for thing in dict.fromkeys(watch.things)],
            shown=[SeenPublic(**fields_of(piece)) for piece in one.shown],
        )

    def _source(self, thing: Watched) -> WatchedSource:
        source = self._sources[thing.source_id]
        room = self._rooms[source.room_id]
        return WatchedSource(
            id=source.id,
            label_zh=source.label_zh,
            label_en=source.label_en,
            room_name_zh=room.name_zh,
            room_name_en=room.name_en,
            content_kind=source.content_kind,
            seat_ordinal=self.seats[source.seat_id].ordinal if source.seat_id else None,
            project_id=thing.project_id or None,
            session_id=thing.session_id or None,
        )

    def sessions(self, project_id: str) -> list[WatchedSession]:
        """Sessions that began, the first one first."""
        found = [one for one in self._catalogue.sessions.of_project(project_id) if one.start_us is not None]
        return [
            WatchedSession(
                id=one.id,
                phase=one.phase,
                room_name_zh=self._rooms[one.room_id].name_zh,
                room_name_en=self._rooms[one.room_id].name_en,
                start_us=one.start_us or 0,
                end_us=one.end_us,
            )
            for one in sorted(found, key=lambda one: (one.start_us or 0, one.id))
        ]

    def unwatched(self, one: Unwatched) -> UnwatchedPublic:
        label_zh, label_en = self.labels(one.supervising_account)
        return UnwatchedPublic(
            project=self.project(one.project_id),
            first_session_us=one.first_session_us,
            supervising_account=one.supervising_account,
            supervising_label_zh=label_zh,
            supervising_label_en=label_en,
            others=one.others,
        )

    def refused(self, record: AuditRecord) -> RefusedWatchPublic:
        label_zh, label_en = self.labels(record.principal)
        return RefusedWatchPublic(
            number=record.number,
            at_us=record.at_us,
            account_id=record.principal,
            account_label_zh=label_zh,
            account_label_en=label_en,
            origin=record.origin,
            subject=record.subject,
            need=str(record.details.get("need", "")),
            unrecorded_before=int(record.details.get("unrecorded_before", 0)),
        )
