"""Administration of accounts by three separated administrators (三员, GB/T 22239-2019, 8.1.4.2).

The system administrator makes accounts and their links, the security administrator says what they may do, the
audit administrator reads what both did. An account of which the security administrator said nothing may do
nothing.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, Field, StringConstraints

from catalog.accounts import By, Standing
from catalog.catalogue import Catalogue
from kernel.clock import Clock
from kernel.errors import AccountError
from kernel.model.account import Account, LoginEnd, Role
from player_api.gate import Gate
from player_api.people import People
from player_api.sign_in import LINK_US
from player_api.sign_in_routes import LoginPublic, login_public, refuse, there

_MANAGE, _ASSIGN = "accounts.manage", "roles.assign"
_FIRST_ONES = frozenset({Role.SECURITY_ADMIN, Role.AUDIT_ADMIN})
"""Whom the system administrator appoints while there is nobody: without a security administrator no one
could."""

NewId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]
Word = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100)]
DivisionCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,12}$")]


class AccountPublic(BaseModel):
    """An account, as administrators see it."""

    id: str
    role: Role
    label_zh: str
    label_en: str
    department: str
    site_id: str | None
    regions: list[str]
    industries: list[str]
    all_industries: bool
    agency: str
    disabled_us: int | None
    second_factor: bool
    begun: bool  # whether its holder has set a password
    identity: str  # at the provider of identities
    locked_until_us: int


class SitePublic(BaseModel):
    """A trading centre that somebody may work at."""

    id: str
    name_zh: str
    name_en: str


class AccountsPublic(BaseModel):
    """All accounts, and what is needed to edit them."""

    accounts: list[AccountPublic]
    sites: list[SitePublic]
    appoint: list[Role]  # whom the system administrator may appoint, since there is nobody


class AccountNames(BaseModel):
    """What an account is called, and where its holder works; what is left out stays."""

    label_zh: Label | None = None
    label_en: Word | None = None
    department: Word | None = None
    site_id: Word | None = None  # empty: none


class AccountNew(BaseModel):
    """A new account; it may do nothing yet."""

    id: NewId
    label_zh: Label
    label_en: Word = ""
    department: Word = ""
    site_id: Word = ""


class Assignment(BaseModel):
    """What an account may do, and for what."""

    role: Role
    regions: list[DivisionCode] = Field(default=[], max_length=200)  # each with all below
    industries: list[DivisionCode] = Field(default=[], max_length=200)  # each with all below
    all_industries: bool = False
    agency: Word = ""


class Identity(BaseModel):
    """Whom a provider of identities vouches for: issuer, a bar, and what it calls them. Empty: nobody."""

    identity: Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)]


class Invitation(BaseModel):
    """A one-time link; nobody can see it again."""

    link: str
    ends_us: int


def account_public(account: Account, standing: Standing) -> AccountPublic:
    return AccountPublic(
        id=account.id,
        role=account.role,
        label_zh=account.label_zh,
        label_en=account.label_en,
        department=account.department,
        site_id=account.site_id,
        regions=list(account.regions),
        industries=list(account.industries),
        all_industries=account.all_industries,
        agency=account.agency,
        disabled_us=account.disabled_us,
        second_factor=account.second_factor,
        begun=standing.begun,
        identity=standing.identity,
        locked_until_us=standing.locked_until_us,
    )


def accounts_router(catalogue: Catalogue, clock: Clock, gate: Gate, people: People | None) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api/accounts", tags=["accounts"])
    desk = _Desk(catalogue, clock, gate)
    _add_list(router, gate, desk)
    _add_management(router, gate, desk)
    _add_logins(router, gate, desk)
    _add_links(router, gate, desk, people)

    @router.post("/{account_id}/role", dependencies=[gate.inside(_ASSIGN)])
    def assign(account_id: str, told: Assignment) -> AccountPublic:
        """Say what an account may do; who is signed in with it is signed out."""
        desk.check_assigns(account_id, told.role)
        scope = {"regions": tuple(told.regions), "industries": tuple(told.industries)}
        return desk.change(
            account_id, role=told.role, all_industries=told.all_industries, agency=told.agency, **scope
        )

    return router


class _Desk:
    """What the routes share."""

    def __init__(self, catalogue: Catalogue, clock: Clock, gate: Gate) -> None:
        self.catalogue = catalogue
        self.accounts = catalogue.accounts
        self.clock = clock
        self.gate = gate

    def by(self) -> By:
        return By(principal=self.gate.by(), at_us=self.clock.now_us())

    def get(self, account_id: str) -> Account:
        found = self.accounts.get(account_id)
        if found is None:
            raise HTTPException(404, "没有这个账号。No such account.")
        return found

    def public(self, account: Account) -> AccountPublic:
        return account_public(account, self.accounts.standings()[account.id])

    def change(self, account_id: str, **told: Any) -> AccountPublic:
        self.get(account_id)
        try:
            return self.public(self.accounts.change(account_id, self.by(), **told))
        except AccountError as error:
            refuse(error)

    def appoints(self) -> list[Role]:
        """Administrators that there are none of."""
        return [role for role in sorted(_FIRST_ONES) if not self.accounts.anybody(role)]

    def check_assigns(self, account_id: str, role: Role) -> None:
        """Nobody says what they themselves may do; the first of the other administrators are appointed."""
        self.refuse_own(account_id)
        appointed = role in self.appoints() and self.get(account_id).role is Role.UNASSIGNED
        if not (appointed and self.gate.may(_MANAGE)):
            self.gate.check(_ASSIGN)

    def refuse_own(self, account_id: str) -> None:
        person = self.gate.person()
        if not person.local and person.id == account_id:
            message = "不能对自己的账号执行此操作，请由其他管理员办理。Another administrator has to do this."
            raise HTTPException(403, {"code": "own_account", "message": message})


def _add_list(router: APIRouter, gate: Gate, desk: _Desk) -> None:
    @router.get("", dependencies=[gate.needs("accounts.see")])
    def accounts() -> AccountsPublic:
        """All accounts, by id."""
        standings = desk.accounts.standings()
        listed = [account_public(one, standings[one.id]) for one in desk.accounts.all()]
        sites = [
            SitePublic(id=one.id, name_zh=one.name_zh, name_en=one.name_en)
            for one in desk.catalogue.places.sites().values()
        ]
        return AccountsPublic(accounts=listed, sites=sites, appoint=desk.appoints())


def _add_management(router: APIRouter, gate: Gate, desk: _Desk) -> None:
    @router.post("", status_code=201, dependencies=[gate.needs(_MANAGE)])
    def add(told: AccountNew) -> AccountPublic:
        """Make an account; the security administrator says what it may do."""
        account = Account(
            **told.model_dump(exclude={"site_id"}), site_id=told.site_id or None, role=Role.UNASSIGNED
        )
        try:
            desk.accounts.add(account, desk.by())
        except AccountError as error:
            refuse(error)
        return desk.public(account)

    @router.post("/{account_id}", dependencies=[gate.needs(_MANAGE)])
    def rename(account_id: str, told: AccountNames) -> AccountPublic:
        """Change what an account is called."""
        names = told.model_dump(exclude_none=True)
        if "site_id" in names:
            names["site_id"] = names["site_id"] or None
        return desk.change(account_id, **names)

    @router.post("/{account_id}/disable", dependencies=[gate.needs(_MANAGE)])
    def disable(account_id: str) -> AccountPublic:
        """Close an account; who is signed in with it is signed out."""
        desk.refuse_own(account_id)
        return desk.change(account_id, disabled_us=desk.clock.now_us())

    @router.post("/{account_id}/enable", dependencies=[gate.needs(_MANAGE)])
    def enable(account_id: str) -> AccountPublic:
        """Open it again."""
        return desk.change(account_id, disabled_us=None)

    @router.post("/{account_id}/identity", dependencies=[gate.needs(_MANAGE)])
    def link(account_id: str, told: Identity) -> AccountPublic:
        """Let its holder sign in by the provider of identities, or no longer."""
        account = desk.get(account_id)
        try:
            desk.accounts.link(account_id, told.identity or None, desk.by())
        except AccountError as error:
            refuse(error)
        return desk.public(account)


def _add_links(router: APIRouter, gate: Gate, desk: _Desk, people: People | None) -> None:
    @router.post("/{account_id}/invite", dependencies=[gate.needs(_MANAGE)])
    def invite(account_id: str, request: Request) -> Invitation:
        """A one-time link for its holder to begin with, or to begin anew after a loss; older ones end."""
        desk.get(account_id)
        now_us = desk.clock.now_us()
        try:
            token = there(people).sign_in.invite(account_id, gate.by())
        except AccountError as error:
            refuse(error)
        here = f"{request.url.scheme}://{request.headers.get('host', '')}"
        return Invitation(link=begin_link(here, token), ends_us=now_us + LINK_US)


def begin_link(here: str, token: str) -> str:
    """The address of a one-time link. Its secret stands behind a #, which browsers send to nobody."""
    return f"{here}/begin#{token}"


def _add_logins(router: APIRouter, gate: Gate, desk: _Desk) -> None:
    @router.get("/{account_id}/logins", dependencies=[gate.needs(_MANAGE)])
    def logins(account_id: str) -> list[LoginPublic]:
        """Where somebody is signed in."""
        found = desk.catalogue.logins.of_account(account_id, desk.clock.now_us())
        return [login_public(one, gate.person().login_id) for one in found]

    @router.post("/{account_id}/logins/{login_id}/end", status_code=204, dependencies=[gate.needs(_MANAGE)])
    def end(account_id: str, login_id: str) -> None:
        """Sign somebody out, at once."""
        login = desk.catalogue.logins.get(login_id)
        if login is None or login.account_id != account_id:
            raise HTTPException(404, "没有这个登录。No such login.")
        desk.catalogue.logins.end(login_id, LoginEnd.ENDED, desk.by())
