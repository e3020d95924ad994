"""What is the matter now: looked for in the catalogue every few seconds, and kept as alerts.

Whoever serves pages looks; several programs may, for an alert that stands is not raised again. What only one
program knows (a file that was not the one announced) it tells itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import time

from catalog.catalogue import Catalogue
from catalog.readiness import Watch, readiness
from kernel.clock import BEIJING, SECOND_US, Clock, to_datetime
from kernel.events import effect_of, in_force
from kernel.ids import new_id
from kernel.log import logger
from kernel.model.alert import Alert, AlertRule
from kernel.model.source import ContentKind, Source
from kernel.model.timeline import Effect, Phase, Session, SessionState, VenueRole

LOOKED_FOR = (
    AlertRule.VENUE_NOT_READY,
    AlertRule.STREAM_LOST,
    AlertRule.BUDGET_OVER,
    AlertRule.NOT_STARTED,
    AlertRule.SEAL_DUE,
)
"""Rules that are looked after here. Of a file that is not the one announced, whoever takes it in tells."""
_JUDGING = (Phase.EVALUATION, Phase.RE_EVALUATION, Phase.NEGOTIATION)
_EVERY_SECONDS = 2.0  # a lost venue is told within ten seconds
_MINUTE_US = 60 * SECOND_US
_VENUE_GRACE_US = _MINUTE_US
_LOST_US = 5 * SECOND_US
_GB = 1_000_000_000
_log = logger("alarms")

Forecast = Callable[[Mapping[ContentKind, float]], int]
"""What streams of so many seconds weigh in an archive, in bytes; ``archiver.budget.budget_bytes`` is one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AlarmRules:
    """When something is the matter."""

    seal_at: time = time(21, 0)  # Beijing time at which evaluations are sealed for the night
    seal_notice_us: int = 15 * _MINUTE_US  # before
    not_started_us: int = 10 * _MINUTE_US  # after the start of a booking
    cap_bytes: int = 5 * _GB  # of a project
    forecast: Forecast | None = None  # None: nothing is forecast


class Alarms:
    """Looks for what is the matter, and keeps the alerts in step with it."""

    def __init__(self, catalogue: Catalogue, watch: Watch, clock: Clock, rules: AlarmRules) -> None:
        self._catalogue = catalogue
        self._watch = watch
        self._clock = clock
        self._rules = rules

    def run(self, stop: threading.Event) -> None:
        """Until told to stop."""
        while not stop.is_set():
            try:
                self.run_once()
            except Exception as error:  # noqa: BLE001 - nothing else may end because of it
                _log.error(f"Alerts are not looked for: {error}", action="alerts.failed")
            stop.wait(_EVERY_SECONDS)

    def run_once(self) -> bool:
        """Look once; whether anything changed.

        Raises:
            CatalogError: the catalogue cannot be read or written.
        """
        now_us = self._clock.now_us()
        return self._catalogue.alerts.settle(LOOKED_FOR, list(self.standing(now_us)), now_us)

    def standing(self, now_us: int) -> Iterator[Alert]:
        """What is the matter at that moment."""
        running = self._catalogue.sessions.in_state(SessionState.RUNNING)
        yield from self._not_started(now_us)
        yield from self._venues_not_ready(running, now_us)
        yield from self._lost(running, now_us)
        yield from self._seals_due(running, now_us)
        yield from self._over_budget(running, now_us)

    def _not_started(self, now_us: int) -> Iterator[Alert]:
        """W15: booked for a project, and nothing begins there."""
        for one in self._catalogue.bookings.not_started(now_us, self._rules.not_started_us):
            yield Alert(
                id=new_id("alert"),
                rule=AlertRule.NOT_STARTED,
                subject=one.id,
                project_id=one.project_id,
                room_id=one.room_id,
                since_us=one.wall.start_us + self._rules.not_started_us,
            )

    def _venues_not_ready(self, running: Sequence[Session], now_us: int) -> Iterator[Alert]:
        """A venue that has not begun what another one of the project began a minute ago."""
        sites = {one.id: one.site_id for one in self._catalogue.places.rooms().values()}
        for began in running:
            since_us = (began.start_us or 0) + _VENUE_GRACE_US
            if began.phase not in _JUDGING or now_us < since_us or began.venue_role is not VenueRole.MAIN:
                continue
            for one in self._catalogue.sessions.of_project(began.project_id):
                late = one.state is SessionState.PLANNED and one.phase is began.phase
                outside = one.venue_role is VenueRole.EXTERNAL
                if late and not outside and sites[one.room_id] != sites[began.room_id]:
                    yield Alert(
                        id=new_id("alert"),
                        rule=AlertRule.VENUE_NOT_READY,
                        subject=one.id,
                        project_id=one.project_id,
                        session_id=one.id,
                        room_id=one.room_id,
                        since_us=since_us,
                        details={"venue": sites[one.room_id]},
                    )

    def _lost(self, running: Sequence[Session], now_us: int) -> Iterator[Alert]:
        """Sources of sessions that should be recorded and are not; the page of sources tells of others."""
        missing = {one.source_id: one for one in readiness(self._catalogue, self._watch, now_us).missing}
        for session in running if missing else ():
            for source in self._sources_of(session):
                one = missing.get(source.id)
                since_us = 0 if one is None else min(one.since_us or session.start_us or 0, now_us)
                if one is None or now_us - since_us < _LOST_US:
                    continue
                yield Alert(
                    id=new_id("alert"),
                    rule=AlertRule.STREAM_LOST,
                    subject=f"{session.id}/{source.id}",
                    project_id=session.project_id,
                    session_id=session.id,
                    source_id=source.id,
                    room_id=source.room_id,
                    since_us=since_us,
                    details={"shortfall": one.shortfall.value if one.shortfall else ""},
                )

    def _sources_of(self, session: Session) -> list[Source]:
        """Sources that a session is recorded by: of seats only those that somebody takes in it."""
        rooms = (session.room_id, *session.extra_room_ids)
        seats = {one.seat_id for one in session.seats}
        found = self._catalogue.places.sources_of(rooms, session.source_ids)
        return [one for one in found if one.seat_id is None or one.seat_id in seats]

    def _seals_due(self, running: Sequence[Session], now_us: int) -> Iterator[Alert]:
        """W17: an evaluation that runs is to be sealed for the night; until it is, or it ends."""
        today = to_datetime(now_us).astimezone(BEIJING)
        seal_at = self._rules.seal_at
        seal = today.replace(hour=seal_at.hour, minute=seal_at.minute, second=0, microsecond=0)
        since_us = round(seal.timestamp()) * SECOND_US - self._rules.seal_notice_us
        if now_us < since_us:
            return
        for one in running:
            if one.phase in _JUDGING and not self._sealed(one):
                yield Alert(
                    id=new_id("alert"),
                    rule=AlertRule.SEAL_DUE,
                    subject=f"{one.id}/{today.date().isoformat()}",
                    project_id=one.project_id,
                    session_id=one.id,
                    room_id=one.room_id,
                    since_us=since_us,
                    details={"minutes": self._rules.seal_notice_us // _MINUTE_US},
                )

    def _sealed(self, session: Session) -> bool:
        """Whether it is sealed for the night now."""
        nights = (Effect.NIGHT_START, Effect.NIGHT_END)
        events = in_force(self._catalogue.sessions.events_of(session.id))
        told = [effect_of(one.type) for one in events if effect_of(one.type) in nights]
        return bool(told) and told[-1] is Effect.NIGHT_START

    def _over_budget(self, running: Sequence[Session], now_us: int) -> Iterator[Alert]:
        """Projects whose streams so far weigh more than a project may, while they run."""
        if self._rules.forecast is None:
            return
        for project_id in sorted({one.project_id for one in running}):
            sessions = self._catalogue.sessions.of_project(project_id)
            forecast = self._rules.forecast(self._seconds(sessions, now_us))
            if forecast > self._rules.cap_bytes:
                told = {"forecast_gb": round(forecast / _GB, 1), "cap_gb": self._rules.cap_bytes / _GB}
                yield Alert(
                    id=new_id("alert"),
                    rule=AlertRule.BUDGET_OVER,
                    subject=project_id,
                    project_id=project_id,
                    since_us=now_us,
                    details=told,
                )

    def _seconds(self, sessions: Sequence[Session], now_us: int) -> dict[ContentKind, float]:
        """How long the streams of sessions last so far, by content kind; pauses and nights included."""
        found: dict[ContentKind, float] = {}
        for one in sessions:
            if one.start_us is None or one.phase in (Phase.SUPERVISION, Phase.HALL):
                continue
            seconds = max(0, (one.end_us or now_us) - one.start_us) / SECOND_US
            for source in self._sources_of(one):
                found[source.content_kind] = found.get(source.content_kind, 0) + seconds
        return found
