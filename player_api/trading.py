"""What electronic trading systems report: projects, events, who sits where. Each system has a key of its own.

Everything may be sent again: what is known changes nothing, so a system that heard no answer repeats its
request.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Body, Depends, FastAPI, HTTPException, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field

from catalog.reports import EventOutcome, Outcome, principal_of
from kernel.clock import Clock
from kernel.errors import TimelineError
from kernel.log import logger
from kernel.model.report import MOST_EVENTS, EventReport, ProjectReport, SeatReport, Text
from player_api.refusals import Refused, in_words

_log = logger("trading")
_key = HTTPBearer(description="Key of a trading system, made by: jianzheng trading-system add ID")


class Intake(Protocol):
    """What takes reports in; ``catalog.reports.Reports`` is one."""

    def take_project(self, report: ProjectReport, *, principal: str, at_us: int) -> None: ...
    def take_events(
        self, reports: Sequence[EventReport], *, principal: str, at_us: int
    ) -> list[EventOutcome]: ...
    def take_seats(
        self, session_id: str, seats: Sequence[SeatReport], *, principal: str, reason: str, at_us: int
    ) -> None: ...


class Keys(Protocol):
    """Who may report; ``catalog.reports.TradingSystems`` is one."""

    def of_key(self, key: str) -> str | None: ...


class _Route(APIRoute):
    """Says what makes no sense in words: by whichever server, the answer is the same."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_or_say(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                raise HTTPException(422, in_words(error)) from None

        return handle_or_say


class Seating(BaseModel):
    """Who sat where in the whole session; what was said before stays on record.

    Who left stays in the list, with the time of leaving as ``until``: once the session has begun, a list that
    drops somebody is refused. Who never sat there has an ``until`` that is the ``since``.
    """

    seats: list[SeatReport]
    reason: Text = Field(min_length=1, description="Why it is said anew")


class EventsTaken(BaseModel):
    """What became of each event, in the order in which they were sent.

    Notices tell what is odd about events that were taken in all the same: outside their session, of a type
    that is not known or belongs to another phase.
    """

    events: list[EventOutcome]


_REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"model": Refused, "description": "The key holds for no trading system"},
    422: {"model": Refused, "description": "The request makes no sense; nothing of it was taken in"},
}
_NOT_TAKEN: dict[int | str, dict[str, Any]] = {
    409: {"model": Refused, "description": "Nothing of it was taken in"}
}
Events = Annotated[list[EventReport], Body(min_length=1, max_length=MOST_EVENTS)]
SessionId = Annotated[str, Path(max_length=64)]


def trading_router(intake: Intake, keys: Keys, clock: Clock) -> APIRouter:
    """The routes under ``/api/trading``."""

    def reporter(request: Request, given: Annotated[HTTPAuthorizationCredentials, Depends(_key)]) -> None:
        """Only a system whose key holds; what it reports bears its id."""
        system = keys.of_key(given.credentials)
        if system is None:
            _log.warning("A report with a key that holds for nobody was refused.", action="trading.refused")
            raise HTTPException(401, "this key holds for no trading system.")
        request.state.principal = principal_of(system)

    router = APIRouter(
        prefix="/api/trading",
        tags=["trading systems"],
        dependencies=[Depends(reporter)],
        responses=_REFUSALS,
        route_class=_Route,
    )

    @router.put("/projects/{project_id}", status_code=204, responses=_NOT_TAKEN)
    def project(project_id: str, report: ProjectReport, request: Request) -> None:
        """Take in a project with its sections, venues, bookings and planned sessions; or update it.

        409 if anything of it is refused: nothing of the report is taken in. A project belongs to the system
        that reported it first.
        """
        if report.id != project_id:
            raise HTTPException(422, f"the report is of project {report.id}, not of {project_id}.")
        with _refusals_said():
            intake.take_project(report, principal=request.state.principal, at_us=clock.now_us())

    @router.post("/events", responses={409: {"model": EventsTaken, "description": "Some were refused"}})
    def events(reports: Events, response: Response, request: Request) -> EventsTaken:
        """Take in events, in any order and as late as they come, but none of the future; each on its own.

        409 if any was refused: the others are recorded all the same, and the answer says which is which.
        """
        taken = intake.take_events(reports, principal=request.state.principal, at_us=clock.now_us())
        _log_notices(taken, request.state.principal)
        if any(one.outcome is Outcome.REFUSED for one in taken):
            response.status_code = 409
        return EventsTaken(events=taken)

    @router.put("/sessions/{session_id}/seats", status_code=204, responses=_NOT_TAKEN)
    def seats(session_id: SessionId, told: Seating, request: Request) -> None:
        """Say anew who sits where: an expert was replaced, or a mistake is put right."""
        with _refusals_said():
            intake.take_seats(
                session_id,
                told.seats,
                principal=request.state.principal,
                reason=told.reason,
                at_us=clock.now_us(),
            )

    return router


def described(routes: APIRouter) -> dict[str, Any]:
    """The interface for trading systems by itself, in the words of OpenAPI."""
    app = FastAPI(title="Jianzheng 见证: interface for trading systems", version="1")
    app.include_router(routes)
    return app.openapi()


def _log_notices(taken: Sequence[EventOutcome], principal: str) -> None:
    """One line for whoever runs the recorder: the system may look at none of its answers."""
    notices = [notice for one in taken for notice in one.notices]
    if notices:
        first = f"{notices[0].message} {notices[0].hint}"
        _log.warning(
            f"{len(notices)} notices on events of {principal}; the first: {first}", action="trading.notices"
        )


@contextmanager
def _refusals_said() -> Iterator[None]:
    """What the catalogue refuses, as an answer that names it and the remedy."""
    try:
        yield
    except TimelineError as error:
        raise HTTPException(409, str(error)) from None
