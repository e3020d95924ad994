"""Signing in and out, beginning with a one-time link, and what everybody does with their own account."""

from __future__ import annotations

import io
from typing import Annotated, NoReturn

import segno
from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, StringConstraints

from catalog.accounts import By
from catalog.catalogue import Catalogue
from kernel.access import WATCH, access_matrix
from kernel.clock import SECOND_US, Clock
from kernel.errors import AccountError
from kernel.model.account import Account, Login, LoginEnd, Role
from player_api.gate import Gate
from player_api.oidc import PENDING_SECONDS, NotBegun, NotVouched, Provider, ProviderUnreachable
from player_api.passwords import MOST_CHARACTERS, SecondFactor, WeakPassword, new_token
from player_api.people import People
from player_api.sign_in import (
    From,
    LinkEnded,
    NotLinked,
    SignedIn,
    SignInLocked,
    SignInRefused,
    WrongCode,
)
from player_api.transport import Reach

_OIDC_COOKIE = "jianzheng-oidc"
_OIDC_PATH = "/api/oidc"
_NOT_KEPT = {"Cache-Control": "no-store"}

AccountId = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]
Secret = Annotated[str, StringConstraints(min_length=1, max_length=MOST_CHARACTERS)]
Code = Annotated[str, StringConstraints(strip_whitespace=True, max_length=16)]
Token = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class Ways(BaseModel):
    """How somebody can sign in here."""

    local: bool  # who does not sign in is the local user
    provider: str | None  # what the provider of identities is called; None: there is none
    demo: list[DemoAccount] | None  # to be entered without a password; None: this is no demo


class DemoAccount(BaseModel):
    """An account of the sample."""

    account: str
    role: Role
    label_zh: str
    label_en: str
    department: str


class SignInAsked(BaseModel):
    """Account, password and the code that an authenticator shows."""

    account: AccountId
    password: Secret
    code: Code = ""


class Entering(BaseModel):
    """As whom a demo is entered."""

    account: AccountId


class Me(BaseModel):
    """Who is signed in, and what they may do."""

    account: str
    role: Role | None  # None: the local user
    label_zh: str
    label_en: str
    department: str
    regions: list[str]  # each with all below
    industries: list[str]  # each with all below
    all_industries: bool
    may: list[str]  # actions of the access matrix that the role is given, conditions left aside
    local: bool
    demo: bool
    second_factor: bool
    login: str


class LoginPublic(BaseModel):
    """Where somebody is signed in."""

    id: str
    made_us: int
    seen_us: int
    ends_us: int
    origin: str
    agent: str
    second_factor: bool
    this: bool  # the one that asks


class LinkToken(BaseModel):
    """The secret of a one-time link."""

    token: Token


class LinkPublic(BaseModel):
    """Whose link that is, and the second factor that comes with it."""

    account: str
    label_zh: str
    label_en: str
    factor: FactorPublic


class FactorPublic(BaseModel):
    """What an authenticator program takes up, by its camera or typed."""

    secret: str
    qr_svg: str


class FactorOffer(BaseModel):
    """A new second factor, until it is taken or left."""

    offer: str
    factor: FactorPublic


class Beginning(BaseModel):
    """What its holder begins an account with."""

    token: Token
    password: Secret
    code: Code


class PasswordChange(BaseModel):
    """The present password and the next one."""

    password: Secret
    new: Secret


class FactorChange(BaseModel):
    """An offer that is taken: the code shows that the authenticator has it."""

    password: Secret
    offer: Token
    code: Code


_WORDS: dict[type[AccountError], tuple[int, str, str]] = {
    SignInRefused: (401, "refused", "账号、密码或验证码不正确。"),
    LinkEnded: (410, "link_ended", "此链接已使用或已过期，请向系统管理员索取新链接。"),
    WeakPassword: (422, "weak_password", "密码须为 12 至 256 个字符，不含账号名，且不易被猜到。"),
    WrongCode: (422, "wrong_code", "验证码不正确，请输入验证器当前显示的六位数字。"),
}


def refuse(error: AccountError) -> NoReturn:
    """In the person's words, the same whether an account exists or not.

    Raises:
        HTTPException: always.
    """
    if isinstance(error, SignInLocked):
        seconds = -(-error.wait_us // SECOND_US)
        detail = {"code": "locked", "message": f"失败次数过多，已暂时锁定。{error}"}
        raise HTTPException(429, detail, headers={"Retry-After": str(seconds)}) from None
    status, code, words = _WORDS.get(type(error), (422, "account", "未能保存，请核对填写的内容。"))
    raise HTTPException(status, {"code": code, "message": f"{words}{error}"}) from None


def login_public(login: Login, this_id: str) -> LoginPublic:
    return LoginPublic(
        id=login.id,
        made_us=login.made_us,
        seen_us=login.seen_us,
        ends_us=login.ends_us,
        origin=login.origin,
        agent=login.agent,
        second_factor=login.second_factor,
        this=login.id == this_id,
    )


def factor_public(factor: SecondFactor, account_id: str) -> FactorPublic:
    """The secret and its QR code, drawn here: it never is part of an address that somebody might log."""
    drawn = io.BytesIO()
    segno.make(factor.uri(account_id), error="m").save(
        drawn, kind="svg", scale=5, border=2, xmldecl=False, svgns=True, light="#fff", omitsize=True
    )
    return FactorPublic(secret=factor.secret, qr_svg=drawn.getvalue().decode())


def given_to(role: Role) -> list[str]:
    """Actions that a role is given, whatever their conditions."""
    matrix = access_matrix()
    actions = [action for action, roles in matrix.actions.items() if role in roles]
    return [*actions, WATCH] if matrix.watching.get(role) else actions


def page_here(to: str) -> str:
    """A page of ours; whatever else was asked for, the first one (no open redirect). Pure."""
    ours = to.startswith("/") and not to.startswith(("//", "/\\", "/api/")) and to.isprintable()
    return to if ours and "\\" not in to else "/"


def sign_in_router(
    catalogue: Catalogue, clock: Clock, gate: Gate, people: People | None, reach: Reach
) -> APIRouter:
    """The routes; without people most of them say so."""
    router = APIRouter(prefix="/api", tags=["signing in"])
    _add_me(router, gate, people)
    _add_ways(router, catalogue, gate, people)
    cookies = Cookies(reach)
    _add_sign_in(router, gate, people, cookies)
    _add_links(router, gate, people)
    _add_own(router, catalogue, clock, gate, people)
    if people is not None and people.provider is not None:
        _add_provider(router, gate, people, people.provider, cookies)
    if people is not None and people.demo:
        _add_demo(router, gate, people, cookies)
    return router


def there(people: People | None) -> People:
    """Raises: HTTPException: there are no accounts here."""
    if people is None:
        message = "本服务未启用账号。This server has no accounts."
        raise HTTPException(404, {"code": "no_accounts", "message": message})
    return people


class Cookies:
    """Sets the cookie that holds a login's token: not for scripts, for this host only, from no other site."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    def put(self, response: Response, token: str) -> None:
        response.set_cookie(
            self._reach.cookie, token, path="/", secure=self._reach.https, httponly=True, samesite="strict"
        )
        response.headers.update(_NOT_KEPT)

    def drop(self, response: Response) -> None:
        response.delete_cookie(
            self._reach.cookie, path="/", secure=self._reach.https, httponly=True, samesite="strict"
        )

    def put_begun(self, response: Response, browser: str) -> None:
        """Lax: the provider sends the browser back from another site."""
        response.set_cookie(
            _OIDC_COOKIE,
            browser,
            max_age=PENDING_SECONDS,
            path=_OIDC_PATH,
            secure=self._reach.https,
            httponly=True,
            samesite="lax",
        )

    def drop_begun(self, response: Response) -> None:
        response.delete_cookie(_OIDC_COOKIE, path=_OIDC_PATH, secure=self._reach.https, httponly=True)


def from_of(request: Request, gate: Gate) -> From:
    return From(origin=gate.person().origin[:100], agent=request.headers.get("user-agent", ""))


def _signed_in(gate: Gate, catalogue: Catalogue) -> SignedIn:
    """Who asks; 403 for the local user, who has no account."""
    person = gate.person()
    login = catalogue.logins.get(person.login_id) if person.login_id else None
    if person.account is None or login is None:
        raise HTTPException(403, {"code": "no_account", "message": "本机用户没有账号。No account here."})
    return SignedIn(login=login, account=person.account)


def _add_ways(router: APIRouter, catalogue: Catalogue, gate: Gate, people: People | None) -> None:
    @router.get("/sign-in", dependencies=[gate.everyone()])
    def ways() -> Ways:
        """How somebody can sign in here."""
        provider = people.provider.name if people and people.provider else None
        demo = [_demo_account(one) for one in catalogue.accounts.all() if one.active]
        shown = demo if people is not None and people.demo else None
        return Ways(local=people is None or people.demo, provider=provider, demo=shown)


def _demo_account(account: Account) -> DemoAccount:
    return DemoAccount(
        account=account.id,
        role=account.role,
        label_zh=account.label_zh,
        label_en=account.label_en,
        department=account.department,
    )


def _add_me(router: APIRouter, gate: Gate, people: People | None) -> None:
    demo = people is not None and people.demo

    @router.get("/me", dependencies=[gate.signed_in()])
    def me(response: Response) -> Me:
        """Who is signed in, and what they may do."""
        response.headers.update(_NOT_KEPT)
        person = gate.person()
        if person.account is None:
            return _local(person.id, demo=demo)
        one = person.account
        return Me(
            account=one.id,
            role=one.role,
            label_zh=one.label_zh,
            label_en=one.label_en,
            department=one.department,
            regions=list(one.regions),
            industries=list(one.industries),
            all_industries=one.all_industries,
            may=given_to(one.role),
            local=False,
            demo=demo,
            second_factor=one.second_factor,
            login=person.login_id,
        )


def _local(name: str, *, demo: bool) -> Me:
    return Me(
        account=name,
        role=None,
        label_zh="本机用户",
        label_en="Local user",
        department="",
        regions=[],
        industries=[],
        all_industries=True,
        may=[*access_matrix().actions, WATCH],
        local=True,
        demo=demo,
        second_factor=False,
        login="",
    )


def _add_sign_in(router: APIRouter, gate: Gate, people: People | None, cookies: Cookies) -> None:
    @router.post("/sign-in", status_code=204, dependencies=[gate.everyone()])
    def sign_in(asked: SignInAsked, request: Request, response: Response) -> None:
        """Sign in; the answer sets a cookie, a new one each time."""
        where = from_of(request, gate)
        there(people).rates.of_address(where.origin)
        there(people).rates.of_account(asked.account)
        try:
            token = there(people).sign_in.by_password(asked.account, asked.password, asked.code, where)
        except AccountError as error:
            refuse(error)
        cookies.put(response, token)

    @router.post("/sign-out", status_code=204, dependencies=[gate.everyone()])
    def sign_out(request: Request, response: Response) -> None:
        """Sign out; the cookie is worth nothing any more."""
        found = there(people).who(request.cookies.get(gate.cookie, ""))
        if found is not None:
            there(people).sign_in.out(found)
        cookies.drop(response)


def _add_links(router: APIRouter, gate: Gate, people: People | None) -> None:
    @router.post("/begin/link", dependencies=[gate.everyone()])
    def look(told: LinkToken, response: Response) -> LinkPublic:
        """Whose one-time link that is; the secret is in the body, for addresses are logged."""
        there(people).rates.of_address(gate.person().origin)
        response.headers.update(_NOT_KEPT)
        account = there(people).sign_in.invited(told.token)
        if account is None:
            refuse(LinkEnded())
        factor = factor_public(there(people).sign_in.factor_of(told.token), account.id)
        return LinkPublic(
            account=account.id, label_zh=account.label_zh, label_en=account.label_en, factor=factor
        )

    @router.post("/begin", status_code=204, dependencies=[gate.everyone()])
    def begin(told: Beginning) -> None:
        """Set password and second factor; the link is used up by it."""
        there(people).rates.of_address(gate.person().origin)
        factor = there(people).sign_in.factor_of(told.token)
        try:
            there(people).sign_in.begin(told.token, told.password, factor, told.code)
        except AccountError as error:
            refuse(error)


def _add_own(
    router: APIRouter, catalogue: Catalogue, clock: Clock, gate: Gate, people: People | None
) -> None:
    @router.get("/me/logins", dependencies=[gate.signed_in()])
    def logins() -> list[LoginPublic]:
        """Where I am signed in, the newest first."""
        person = gate.person()
        found = catalogue.logins.of_account(person.id, clock.now_us())
        return [login_public(one, person.login_id) for one in found]

    @router.post("/me/logins/{login_id}/end", status_code=204, dependencies=[gate.signed_in()])
    def end(login_id: str) -> None:
        """Sign out somewhere else."""
        login = catalogue.logins.get(login_id)
        if login is None or login.account_id != gate.person().id:
            raise HTTPException(404, "没有这个登录。No such login.")
        catalogue.logins.end(login_id, LoginEnd.ENDED, By(principal=login.account_id, at_us=clock.now_us()))

    @router.post("/me/password", status_code=204, dependencies=[gate.signed_in()])
    def password(told: PasswordChange) -> None:
        """Change my password; I am signed out everywhere else."""
        found = _signed_in(gate, catalogue)
        there(people).rates.of_account(found.account.id)
        try:
            there(people).sign_in.change_password(found, told.password, told.new)
        except AccountError as error:
            refuse(error)

    @router.post("/me/factor/offer", dependencies=[gate.signed_in()])
    def offer(response: Response) -> FactorOffer:
        """A new second factor to take up."""
        response.headers.update(_NOT_KEPT)
        found, token = _signed_in(gate, catalogue), new_token()
        factor = factor_public(there(people).sign_in.factor_of(token), found.account.id)
        return FactorOffer(offer=token, factor=factor)

    @router.post("/me/factor", status_code=204, dependencies=[gate.signed_in()])
    def change_factor(told: FactorChange) -> None:
        """Take the second factor that was offered; I am signed out everywhere else."""
        found = _signed_in(gate, catalogue)
        there(people).rates.of_account(found.account.id)
        try:
            there(people).sign_in.change_factor(found, told.password, told.offer, told.code)
        except AccountError as error:
            refuse(error)


_WHY: dict[type[AccountError], str] = {
    NotBegun: "not_begun",
    NotLinked: "not_linked",
    ProviderUnreachable: "unreachable",
}
"""Why somebody came back from the provider and is not signed in; the page has words for each."""


def _add_provider(
    router: APIRouter, gate: Gate, people: People, provider: Provider, cookies: Cookies
) -> None:
    @router.get("/oidc/start", include_in_schema=False, dependencies=[gate.everyone()])
    def start(request: Request, to: Annotated[str, Query(max_length=500)] = "/") -> Response:
        """Go to the provider of identities."""
        people.rates.of_address(gate.person().origin)
        back = f"{request.url.scheme}://{request.headers.get('host', '')}{_OIDC_PATH}/back"
        try:
            begun = provider.begin(back, page_here(to))
        except ProviderUnreachable:
            return RedirectResponse("/sign-in?why=unreachable", 303)
        response = RedirectResponse(begun.url, 303)
        cookies.put_begun(response, begun.browser)
        return response

    @router.get("/oidc/back", include_in_schema=False, dependencies=[gate.everyone()])
    def back(
        request: Request,
        state: Annotated[str, Query(max_length=200)] = "",
        code: Annotated[str, Query(max_length=4000)] = "",
    ) -> Response:
        """Come back from it, signed in or with the reason why not."""
        where = from_of(request, gate)
        people.rates.of_address(where.origin)
        try:
            vouched = provider.finish(state, code, request.cookies.get(_OIDC_COOKIE, ""))
            token = people.sign_in.vouched(vouched.identity, where)
        except (NotVouched, SignInRefused) as error:
            why = _WHY.get(type(error), "not_vouched")
            response = RedirectResponse(f"/sign-in?why={why}", 303)
        else:
            response = RedirectResponse(vouched.to, 303)
            cookies.put(response, token)
        cookies.drop_begun(response)
        return response


def _add_demo(router: APIRouter, gate: Gate, people: People, cookies: Cookies) -> None:
    @router.post("/demo/enter", status_code=204, include_in_schema=False, dependencies=[gate.everyone()])
    def enter(told: Entering, request: Request, response: Response) -> None:
        """Enter as one of the sample's accounts, to see what its role sees."""
        try:
            token = people.sign_in.as_in_demo(told.account, from_of(request, gate))
        except AccountError as error:
            refuse(error)
        cookies.put(response, token)
