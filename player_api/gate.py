"""The one gate: who asks, whether the browser was made to ask by another site, and whether they may.

Every route says in its ``dependencies`` what it needs; ``tests/unit/player_api/test_every_route.py`` finds
one that does not. What may be is decided by ``kernel.access.may`` (invariant 15).

Without accounts the server is open: it listens on this machine only, and whoever can reach it could as well
read the files. Then everybody is the local user, who may do everything; what is done is recorded as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NoReturn, Protocol
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, params
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from catalog.catalogue import Catalogue
from catalog.places import with_descendants
from catalog.projects import ProjectScope
from catalog.search.filters import EVERYTHING
from catalog.search.filters import Scope as SearchScope
from kernel.access import WATCH, Circumstances, Need, Thing, access_matrix, may
from kernel.clock import Clock
from kernel.model.account import Account, Grant, Principal, Role
from kernel.timerange import TimeRange

COOKIE = "jianzheng"
"""The cookie that holds a login's token. Sent by the browser to this host only, and not from other sites."""
_CHANGES_NOTHING = frozenset({"GET", "HEAD", "OPTIONS"})
_OTHER_SITES = frozenset({"cross-site", "same-site"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Who asks."""

    id: str  # account, or the name of the user of this machine
    origin: str  # address
    principal: Principal | None = None  # None: the local user, or nobody
    account: Account | None = None
    login_id: str = ""
    local: bool = False  # served without accounts


class WhoIs(Protocol):
    """Finds out who a cookie belongs to; ``player_api.sign_in.SignIn.who`` does."""

    def who(self, token: str) -> Any: ...


class Subject(StrEnum):
    """The path parameter that names what is asked for."""

    PROJECT = "project_id"
    SESSION = "session_id"
    CLIP = "clip_id"
    RENDITION = "rendition_id"
    SOURCE = "source_id"
    SEGMENT = "segment_id"
    DOCUMENT = "document_id"
    ROOM = "room_id"
    BOOKING = "booking_id"
    CHECKUP = "checkup_id"
    HOLD = "hold_id"
    ACT = "act_id"
    DISPOSAL = "disposal_id"
    CHOICE = "choice_id"
    REQUEST = "request_id"


WORDS: Mapping[Need, tuple[str, str]] = {
    Need.ANOTHER_ROLE: ("您的角色没有这项权限。", "Your role may not do this."),
    Need.OWN: ("仅限本机构的项目。", "Only for projects of your own agency."),
    Need.VENUE: ("仅限您所在场所的场次。", "Only for sessions at your own venue."),
    Need.PROJECT: ("仅限在您的场所进行的项目。", "Only for projects held at your venue."),
    Need.SCOPE: ("仅限您监督的地区和行业。", "Only within the regions and industries that you supervise."),
    Need.REGION: ("仅限您负责的地区。", "Only within your regions."),
    Need.GRANT: (
        "需要有效的调取依据文号或经批准的申请。",
        "This needs a basis number or an approved request that is in force.",
    ),
    Need.OPENING: ("仅限开标录像。", "Only the recording of the opening."),
    Need.DESKTOPS: ("本中心未开放专家桌面直播。", "This centre does not let witness staff watch desktops."),
    Need.PUBLISHED: ("结果公布后方可查看。", "This opens when the result is published."),
    Need.ALL_PUBLISHED: (
        "画面中还有其他项目,全部项目结果公布后方可查看。",
        "Other projects are in the picture; it opens when the results of all are published.",
    ),
    Need.SIGN_IN: ("请先登录。", "Please sign in first."),
}
"""What a refusal says: what would be needed, never whether the thing exists."""

_person: ContextVar[Person | None] = ContextVar("person", default=None)


class Refused(HTTPException):
    """Somebody may not."""

    def __init__(self, need: Need) -> None:
        zh, en = WORDS[need]
        status = 401 if need is Need.SIGN_IN else 403
        super().__init__(status, {"code": need.value, "message": f"{zh}{en}"})
        self.need = need


@dataclass(frozen=True, slots=True)
class Needs:
    """What a route needs; stands in its dependencies."""

    gate: Gate
    action: str  # empty: nothing, or being signed in
    subject: Subject | None = None
    kind: str = "needs"  # everyone, signed_in, program, machine, inside or needs

    def __call__(self, connection: HTTPConnection) -> None:
        person = self.gate.person()
        if self.kind in ("everyone", "program") or person.local:
            return
        if self.kind == "machine" and self.gate.is_this_machine(person):
            return
        if person.principal is None:
            raise Refused(Need.SIGN_IN)
        if self.kind in ("needs", "machine"):
            things = [] if self.subject is None else self._things(connection)
            self.gate.check(self.action, things)

    def _things(self, connection: HTTPConnection) -> list[Thing]:
        assert self.subject is not None
        return self.gate.things(self.subject, str(connection.path_params[self.subject.value]))


Report = Callable[[Person, str, Sequence[Thing], Need], None]
"""Told of refusals."""


class Gate:
    """Asked by all routes."""

    def __init__(
        self,
        catalogue: Catalogue,
        clock: Clock,
        *,
        local_user: str | None,
        cookie: str = COOKIE,
        desktops_for_witnesses: bool = True,
        report: Report | None = None,
    ) -> None:
        """Args: local_user: without accounts, who everybody is that is not signed in; None: nobody."""
        self._catalogue = catalogue
        self._clock = clock
        self._local_user = local_user
        self.cookie = cookie
        self._desktops = desktops_for_witnesses
        self._granted = frozenset(role for role in Role if access_matrix().asked_of(role, Need.GRANT))
        self._scopes: dict[Account, Principal] = {}
        self.report = report

    # What routes say of themselves.

    def needs(self, action: str, subject: Subject | None = None) -> params.Depends:
        """Only for those who may do that to what the path names, or, without a subject, at all."""
        if action != WATCH and action not in access_matrix().actions:
            raise ValueError(f"access.yaml knows no action {action}")
        return Depends(Needs(self, action, subject))  # type: ignore[no-any-return]

    def inside(self, action: str) -> params.Depends:
        """For those who are signed in; the route itself checks, or narrows its answer, by that action."""
        return Depends(Needs(self, action, kind="inside"))  # type: ignore[no-any-return]

    def signed_in(self) -> params.Depends:
        """For whoever is signed in: it tells nothing that not all of them may know."""
        return Depends(Needs(self, "", kind="signed_in"))  # type: ignore[no-any-return]

    def everyone(self) -> params.Depends:
        """For those who are not signed in, too."""
        return Depends(Needs(self, "", kind="everyone"))  # type: ignore[no-any-return]

    def program(self) -> params.Depends:
        """For programs with a key of their own, which the route checks."""
        return Depends(Needs(self, "", kind="program"))  # type: ignore[no-any-return]

    def machine(self, action: str) -> params.Depends:
        """For programs on this machine that watch over it, and for those who may do that."""
        return Depends(Needs(self, action, kind="machine"))  # type: ignore[no-any-return]

    # Who asks.

    def person(self) -> Person:
        """Who asks; where nobody is signed in, somebody without a principal."""
        return _person.get() or self._unknown("")

    def by(self, told: str | None = None) -> str:
        """In whose name something is done: the account's; without accounts, what the page was told."""
        person = self.person()
        return (told or person.id) if person.local else person.id

    def is_this_machine(self, person: Person) -> bool:
        return person.origin in ("127.0.0.1", "::1")

    def recognised(self, signed_in: Any, origin: str) -> Person:
        """Somebody who is signed in, or nobody."""
        if signed_in is None:
            return self._unknown(origin)
        account: Account = signed_in.account
        return Person(
            id=account.id,
            origin=origin,
            principal=self.principal(account),
            account=account,
            login_id=signed_in.login.id,
        )

    def _unknown(self, origin: str) -> Person:
        local = self._local_user is not None
        return Person(id=self._local_user or "", origin=origin, local=local)

    def principal(self, account: Account) -> Principal:
        """An account as access goes by it: its codes with all below them, and with their former ones."""
        if account not in self._scopes:
            places = self._catalogue.places
            regions = [places.regions_within(code) for code in account.regions]
            table = places.industries()
            all_of = {one.code for one in table}
            below = [with_descendants(table, code) for code in account.industries]
            self._scopes[account] = Principal(
                id=account.id,
                role=account.role,
                regions=frozenset().union(*regions),
                industries=frozenset(all_of if account.all_industries else set().union(*below)),
                agency=account.agency,
            )
        return self._scopes[account]

    # Whether they may.

    def things(self, subject: Subject, name: str) -> list[Thing]:
        """What a path names; empty where it does not exist."""
        found = self._catalogue.things
        of: Mapping[Subject, Callable[[str], list[Thing]]] = {
            Subject.PROJECT: found.of_project,
            Subject.SESSION: found.of_session,
            Subject.CLIP: found.of_clip,
            Subject.RENDITION: found.of_rendition,
            Subject.SOURCE: self._source_now,
            Subject.SEGMENT: found.of_segment,
            Subject.DOCUMENT: found.of_document,
            Subject.ROOM: found.of_room,
            Subject.BOOKING: found.of_booking,
            Subject.CHECKUP: found.of_checkup,
            Subject.HOLD: found.of_hold,
            Subject.ACT: found.of_hold,
            Subject.DISPOSAL: found.of_disposal,
            Subject.CHOICE: found.of_retention_choice,
            Subject.REQUEST: found.of_request,
        }
        return of[subject](name)

    def _source_now(self, source_id: str) -> list[Thing]:
        now_us = self._clock.now_us()
        return self._catalogue.things.of_source(source_id, TimeRange(start_us=now_us, end_us=now_us + 1))

    def may(self, action: str, things: Iterable[Thing] = (), person: Person | None = None) -> bool:
        """Whether whoever asks may do that to any of these, or, if there are none, at all."""
        return self.need(action, things, person) is Need.NOTHING

    def need(self, action: str, things: Iterable[Thing] = (), person: Person | None = None) -> Need:
        """What would be needed."""
        asks = person or self.person()
        if asks.local:
            return Need.NOTHING
        if asks.principal is None:
            return Need.SIGN_IN
        around = Circumstances(
            now_us=self._clock.now_us(),
            grants=self.grants(asks.principal),
            desktops_for_witnesses=self._desktops,
        )
        answers = [may(asks.principal, action, one, around).need for one in (list(things) or [Thing()])]
        # Of a picture of several projects, what would be needed for the one that is the asker's own.
        nearest = [one for one in (Need.NOTHING, Need.ALL_PUBLISHED) if one in answers]
        return nearest[0] if nearest else answers[0]

    def grants(self, principal: Principal) -> Sequence[Grant]:
        """What somebody was given leave to see, by basis number or request."""
        if principal.role not in self._granted:
            return ()
        return self._catalogue.grants.grants_of(principal, self._clock.now_us())

    def check(self, action: str, things: Sequence[Thing] = (), person: Person | None = None) -> None:
        """Raises: Refused: whoever asks may not."""
        need = self.need(action, things, person)
        if need is not Need.NOTHING:
            self.refuse(action, things, need, person)

    def refuse(
        self, action: str, things: Sequence[Thing], need: Need, person: Person | None = None
    ) -> NoReturn:
        """Raises: Refused: always; whoever is told of refusals is told."""
        if self.report is not None and need is not Need.SIGN_IN:
            self.report(person or self.person(), action, things, need)
        raise Refused(need)

    def scope(self, action: str = "project.see") -> ProjectScope | None:
        """Which projects whoever asks may do that to; None: all of them."""
        person = self.person()
        if person.local:
            return None
        if person.principal is None:
            raise Refused(Need.SIGN_IN)
        needs = access_matrix().actions.get(action, {}).get(person.principal.role)
        if needs is None:
            self.refuse(action, (), Need.ANOTHER_ROLE)
        who = person.principal
        return ProjectScope(
            regions=who.regions if {Need.SCOPE, Need.REGION} & set(needs) else None,
            industries=who.industries if Need.SCOPE in needs else None,
            venue_regions=who.regions if {Need.PROJECT, Need.VENUE} & set(needs) else None,
            agency=who.agency if Need.OWN in needs else None,
        )

    def within(self, action: str, project_ids: Iterable[str]) -> frozenset[str]:
        """Those of these projects that whoever asks may do that to."""
        asked = frozenset(project_ids)
        scope = self.scope(action)
        return asked if scope is None else asked & self._catalogue.projects.ids_within(scope)

    def rooms(self, action: str, room_ids: Iterable[str]) -> frozenset[str]:
        """Those of these rooms that whoever asks may do that to."""
        asked = frozenset(room_ids)
        if self.person().local:
            return asked
        return frozenset(one for one in asked if self.may(action, self.things(Subject.ROOM, one)))

    def sees_session(self, session_id: str) -> bool:
        """Whether whoever asks may know of a session."""
        return self.person().local or self.may("session.see", self.things(Subject.SESSION, session_id))

    def anywhere(self) -> list[Thing]:
        """Something within the scope of whoever asks: for what is about all of it."""
        who = self.person().principal
        return [] if who is None else [Thing(regions=who.regions, venue_regions=who.regions)]

    def search_scope(self) -> SearchScope:
        """What whoever asks may find."""
        scope = self.scope()
        account = self.person().account
        if scope is None or account is None:
            return EVERYTHING
        if scope.venue_regions is None and scope.agency is None:
            industries = scope.industries and frozenset(account.industries)
            narrow = None if account.all_industries else industries
            return SearchScope(regions=frozenset(account.regions), industries=narrow)
        return SearchScope(project_ids=self._catalogue.projects.ids_within(scope))


class AtTheGate:
    """ASGI: finds out who asks before any route runs, and stops what another site made the browser send.

    A cookie goes with requests that another site starts, unless the browser keeps to ``SameSite``; browsers
    say where a request comes from (Fetch Metadata, and ``Origin`` of older ones), and pages cannot change it.
    """

    def __init__(self, app: ASGIApp, gate: Gate, who_is: WhoIs | None) -> None:
        self._app = app
        self._gate = gate
        self._who_is = who_is

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        if not comes_from_here(connection):
            await self._turn_away(scope, receive, send)
            return
        person = await self._recognise(connection)
        held = _person.set(person)
        try:
            await self._app(scope, receive, send)
        finally:
            _person.reset(held)

    async def _recognise(self, connection: HTTPConnection) -> Person:
        origin = connection.client.host if connection.client else ""
        token = connection.cookies.get(self._gate.cookie)
        signed_in = None
        if token and self._who_is is not None:
            signed_in = await asyncio.to_thread(self._who_is.who, token)
        return self._gate.recognised(signed_in, origin)

    async def _turn_away(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "another site"})
            return
        detail = {
            "code": "another_site",
            "message": "请求来自其他网站,已拒绝。This came from another site and was refused.",
        }
        await JSONResponse({"detail": detail}, 403)(scope, receive, send)


def comes_from_here(connection: HTTPConnection) -> bool:
    """Whether a request that may change or open something was not started by another site. Pure.

    Programs that are no browsers send neither header, and no cookie that they were not given.
    """
    if connection.scope["type"] == "http" and connection.scope["method"] in _CHANGES_NOTHING:
        return True
    if connection.headers.get("sec-fetch-site") in _OTHER_SITES:
        return False
    told = connection.headers.get("origin")
    return told is None or urlsplit(told).netloc == connection.headers.get("host")
