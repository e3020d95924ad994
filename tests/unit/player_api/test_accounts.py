"""Signing in over HTTP, what everybody does with their account, and the three administrators."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyotp
import pytest

from catalog.audit import AuditFilter
from kernel.clock import SECOND_US
from kernel.model.account import Role
from kernel.settings import AccountSettings
from player_api.sign_in_routes import given_to, page_here
from tests.support.desk import ADMINISTRATORS, PASSWORD, WITNESS, Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.catalogue.close()


def code_of(answer: httpx.Response) -> str:
    """Which refusal it is; it has to be told in words, too."""
    detail = answer.json()["detail"]
    assert re.search(r"[\u4e00-\u9fff]", detail["message"])
    assert re.search(r"[a-z]{3}", detail["message"])
    return str(detail["code"])


# --- signing in and out


async def test_who_signs_in_is_known_until_signing_out(desk: Desk) -> None:
    async with desk.browser() as browser:
        assert (await browser.get("/api/me")).status_code == 401
        answer = await browser.post("/api/sign-in", json=desk.told("w-zt-1"))
        assert (answer.status_code, answer.content) == (204, b"")
        me = (await browser.get("/api/me")).json()
        assert (me["account"], me["role"], me["local"], me["demo"]) == ("w-zt-1", "witness", False, False)
        assert {"tag.add", "watch", "project.see"} <= set(me["may"])
        assert not {"directive.issue", "accounts.manage"} & set(me["may"])
        token = browser.cookies["jianzheng"]
        assert (await browser.post("/api/sign-out")).status_code == 204
        browser.cookies.set("jianzheng", token)  # whoever kept it has nothing
        assert (await browser.get("/api/me")).status_code == 401


async def test_the_cookie_is_for_no_script_no_other_site_and_no_other_host(desk: Desk) -> None:
    async with desk.browser() as browser:
        answer = await browser.post("/api/sign-in", json=desk.told("w-zt-1"))
    told = answer.headers["set-cookie"].lower()
    assert {"httponly", "samesite=strict", "path=/"} <= {part.strip() for part in told.split(";")}
    assert "domain" not in told
    assert answer.headers["cache-control"] == "no-store"


async def test_a_token_that_somebody_planted_is_not_taken_over(desk: Desk) -> None:
    """No session fixation: each signing in makes a new token, whatever the browser brings."""
    planted = "planted-by-somebody-else"
    async with desk.browser() as browser:
        browser.cookies.set("jianzheng", planted)
        answer = await browser.post("/api/sign-in", json=desk.told("w-zt-1"))
        assert planted not in answer.headers["set-cookie"]
    async with desk.browser() as other:
        other.cookies.set("jianzheng", planted)
        assert (await other.get("/api/me")).status_code == 401


WRONG: list[dict[str, str]] = [
    {"password": "wrong"},
    {"code": "000000"},
    {"code": ""},
    {"account": "nobody"},
    {"account": "sys-2", "password": "x"},
    {"account": "' OR 1=1 --"},
    {"account": "\u0000"},
]


@pytest.mark.parametrize("wrong", WRONG)
async def test_whatever_is_wrong_the_words_are_the_same(desk: Desk, wrong: dict[str, str]) -> None:
    """No account enumeration."""
    async with desk.browser() as browser:
        known = await browser.post("/api/sign-in", json=desk.told("aud-1", password="not this one"))
        answer = await browser.post("/api/sign-in", json=desk.told("w-zt-1", **wrong))
    assert (answer.status_code, answer.content) == (401, known.content)
    assert code_of(answer) == "refused"
    assert "set-cookie" not in answer.headers


async def test_a_closed_account_is_refused_in_the_same_words(desk: Desk) -> None:
    told = desk.told("w-zt-1")
    desk.catalogue.accounts.change("w-zt-1", desk.by(), disabled_us=1)
    async with desk.browser() as browser:
        answer = await browser.post("/api/sign-in", json=told)
    assert code_of(answer) == "refused"


@pytest.mark.parametrize("account", ["w-zt-1", "nobody"])
async def test_guessing_locks_an_account_that_there_is_like_one_that_there_is_not(
    desk: Desk, account: str
) -> None:
    told = {"account": account, "password": "guess", "code": "1"}
    async with desk.browser() as browser:
        answers = [await browser.post("/api/sign-in", json=told) for _ in range(6)]
    assert [one.status_code for one in answers] == [401] * 5 + [429]
    assert code_of(answers[5]) == "locked"
    assert answers[5].headers["retry-after"] == "60"
    assert account not in answers[5].text


async def test_many_attempts_from_one_address_are_not_looked_at_until_some_time_has_passed(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path, accounts=AccountSettings(attempts_per_address=5))
    async with desk.browser() as browser:
        told = [{"account": f"a{n}", "password": "p", "code": ""} for n in range(7)]
        answers = [await browser.post("/api/sign-in", json=one) for one in told]
        assert [one.status_code for one in answers] == [401] * 5 + [429] * 2
        assert code_of(answers[5]) == "too_many"
        assert (answers[5].headers["retry-after"], "5 分钟" in answers[5].text) == ("300", True)
        async with desk.browser("w-zt-1", address="10.0.0.8") as other:  # elsewhere nobody is bothered
            assert (await other.get("/api/me")).status_code == 200
        desk.clock.advance(300)
        assert (await browser.post("/api/sign-in", json=desk.told("aud-1"))).status_code == 204
    desk.catalogue.close()


async def test_a_code_is_good_once(desk: Desk) -> None:
    """RFC 6238, 5.2."""
    told = desk.told("w-zt-1")
    async with desk.browser() as browser, desk.browser() as other:
        assert (await browser.post("/api/sign-in", json=told)).status_code == 204
        assert code_of(await other.post("/api/sign-in", json=told)) == "refused"


CROSS_SITE: list[dict[str, str]] = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1"},
]


@pytest.mark.parametrize("headers", CROSS_SITE)
@pytest.mark.parametrize("path", ["/api/sign-in", "/api/sign-out", "/api/me/password", "/api/accounts"])
async def test_another_site_makes_a_browser_change_nothing(
    desk: Desk, path: str, headers: dict[str, str]
) -> None:
    """CSRF, signing in included: nobody is to act in somebody else's account without knowing."""
    async with desk.browser("sys-1") as browser:
        answer = await browser.post(path, json=desk.told("w-zt-1"), headers=headers)
        assert code_of(answer) == "another_site"
        assert (await browser.get("/api/me")).json()["account"] == "sys-1"


async def test_the_page_itself_may(desk: Desk) -> None:
    own = {"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "same-origin"}
    async with desk.browser() as browser:
        answer = await browser.post("/api/sign-in", json=desk.told("w-zt-1"), headers=own)
        assert answer.status_code == 204


@pytest.mark.parametrize("to", ["/", "/projects/P06?tab=1#x", "/sessions/中/replay"])
def test_after_signing_in_the_page_that_was_asked_for_is_shown(to: str) -> None:
    assert page_here(to) == to


@pytest.mark.parametrize(
    "to",
    [
        "",
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil",
        "javascript:x",
        "/a\nb",
        "/api/me",
    ],
)
def test_no_other_site_is_shown_after_signing_in(to: str) -> None:
    assert page_here(to) == "/"


# --- one-time links


async def test_a_link_tells_whose_it_is_and_is_good_once(desk: Desk) -> None:
    link = {"token": desk.people.sign_in.invite("w-zt-1", "sys-1")}
    async with desk.browser() as browser:
        answer = await browser.post("/api/begin/link", json=link)
        told, again = answer.json(), (await browser.post("/api/begin/link", json=link)).json()
        assert (told["account"], told["label_zh"]) == ("w-zt-1", "见证员")
        assert told["factor"] == again["factor"], "whoever loads the page again has the same QR code"
        assert told["factor"]["qr_svg"].startswith("<svg")
        assert answer.headers["cache-control"] == "no-store"
        totp = pyotp.TOTP(told["factor"]["secret"])
        code = totp.generate_otp(desk.clock.now_us() // (30 * SECOND_US))
        begun = {**link, "password": "another long password", "code": code}
        assert (await browser.post("/api/begin", json=begun)).status_code == 204
        for path in ("/api/begin", "/api/begin/link"):
            refused = await browser.post(path, json=begun)
            assert (refused.status_code, code_of(refused)) == (410, "link_ended")


async def test_a_link_that_was_never_made_is_refused_like_one_that_ended(desk: Desk) -> None:
    async with desk.browser() as browser:
        for token in ("x", "\u0000", "é" * 50):
            answer = await browser.post("/api/begin/link", json={"token": token})
            assert code_of(answer) == "link_ended"


@pytest.mark.parametrize(
    ("password", "code", "why"),
    [
        ("short", None, "weak_password"),
        ("w-zt-1 is my own name", None, "weak_password"),
        (PASSWORD, "000000", "wrong_code"),
    ],
)
async def test_a_weak_password_or_a_wrong_code_does_not_use_the_link_up(
    desk: Desk, password: str, code: str | None, why: str
) -> None:
    token = desk.people.sign_in.invite("w-zt-1", "sys-1")
    secret = desk.people.sign_in.factor_of(token).secret
    shown = pyotp.TOTP(secret).generate_otp(desk.clock.now_us() // (30 * SECOND_US))
    async with desk.browser() as browser:
        told = {"token": token, "password": password, "code": code or shown}
        answer = await browser.post("/api/begin", json=told)
        assert (answer.status_code, code_of(answer)) == (422, why)
        assert password not in answer.text
        assert (await browser.post("/api/begin/link", json={"token": token})).status_code == 200


# --- my own account


async def test_i_end_my_login_elsewhere_and_it_stops_at_once(desk: Desk) -> None:
    async with desk.browser("w-zt-1") as here, desk.browser("w-zt-1", address="10.0.0.9") as there:
        logins = (await here.get("/api/me/logins")).json()
        assert [(one["origin"], one["this"]) for one in logins] == [("10.0.0.9", False), ("10.0.0.7", True)]
        assert (await here.post(f"/api/me/logins/{logins[0]['id']}/end")).status_code == 204
        assert (await there.get("/api/me")).status_code == 401
        assert (await here.get("/api/me")).status_code == 200


async def test_nobody_ends_the_login_of_somebody_else_as_if_it_were_his(desk: Desk) -> None:
    async with desk.browser("w-zt-1") as mine, desk.browser("aud-1") as other:
        login = (await other.get("/api/me")).json()["login"]
        assert (await mine.post(f"/api/me/logins/{login}/end")).status_code == 404
        assert (await other.get("/api/me")).status_code == 200


async def test_a_new_password_needs_the_old_one_and_ends_all_other_logins(desk: Desk) -> None:
    async with desk.browser("w-zt-1") as here, desk.browser("w-zt-1") as there:
        wrong = {"password": "not it", "new": "bridge cloud violin"}
        assert code_of(await here.post("/api/me/password", json=wrong)) == "refused"
        right = {**wrong, "password": PASSWORD}
        assert (await here.post("/api/me/password", json=right)).status_code == 204
        assert (await here.get("/api/me")).status_code == 200
        assert (await there.get("/api/me")).status_code == 401
        again = await there.post("/api/sign-in", json=desk.told("w-zt-1"))
        assert again.status_code == 401
        told = desk.told("w-zt-1", password="bridge cloud violin")
        assert (await there.post("/api/sign-in", json=told)).status_code == 204
    assert desk.catalogue.audit.records(AuditFilter(action="account.secret_changed"))


async def test_who_finds_an_open_browser_cannot_guess_the_password_in_it(desk: Desk) -> None:
    async with desk.browser("w-zt-1") as browser:
        told = {"password": "guess", "new": "bridge cloud violin"}
        answers = [await browser.post("/api/me/password", json=told) for _ in range(6)]
    assert [one.status_code for one in answers] == [401] * 5 + [429]


async def test_a_new_second_factor_is_taken_when_its_code_was_given(desk: Desk) -> None:
    async with desk.browser("w-zt-1") as here, desk.browser("w-zt-1") as there:
        offer = (await here.post("/api/me/factor/offer")).json()
        told = {"password": PASSWORD, "offer": offer["offer"], "code": desk.code("w-zt-1")}
        assert code_of(await here.post("/api/me/factor", json=told)) == "wrong_code"
        desk.secrets["w-zt-1"] = offer["factor"]["secret"]
        told["code"] = desk.code("w-zt-1")
        assert (await here.post("/api/me/factor", json=told)).status_code == 204
        assert (await there.get("/api/me")).status_code == 401
        desk.clock.advance(30)
        assert (await there.post("/api/sign-in", json=desk.told("w-zt-1"))).status_code == 204


# --- administration


async def made(browser: httpx.AsyncClient, account_id: str = "s-zj-9") -> Any:
    answer = await browser.post("/api/accounts", json={"id": account_id, "label_zh": "住建监督员09"})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_an_account_may_do_nothing_before_the_security_administrator_says_what(desk: Desk) -> None:
    async with desk.browser("sys-1") as system, desk.browser("sec-1") as security:
        account = await made(system)
        assert (account["role"], account["begun"]) == ("unassigned", False)
        desk.begin("s-zj-9")
        async with desk.browser("s-zj-9") as holder:
            assert (await holder.get("/api/me")).json()["may"] == []
            assert (await holder.get("/api/projects")).status_code == 403
        told = {"role": "supervisor", "regions": ["530600"], "industries": ["A01", "A02"]}
        assert (await system.post("/api/accounts/s-zj-9/role", json=told)).status_code == 403
        answer = await security.post("/api/accounts/s-zj-9/role", json=told)
        assert answer.status_code == 200, answer.text
        async with desk.browser("s-zj-9") as holder:
            me = (await holder.get("/api/me")).json()
            assert (me["role"], me["regions"], me["industries"]) == ("supervisor", ["530600"], ["A01", "A02"])
            assert (await holder.get("/api/projects")).status_code == 200


@pytest.mark.parametrize(
    ("who", "method", "path"),
    [
        (who, method, path)
        for who, paths in {
            "w-zt-1": ["GET ", "POST ", "POST /aud-1/invite", "POST /aud-1/role", "GET /aud-1/logins"],
            "sec-1": ["POST ", "POST /w-zt-1", "POST /w-zt-1/invite", "GET /w-zt-1/logins"],
            "aud-1": [
                "POST ",
                "POST /w-zt-1/invite",
                "POST /w-zt-1/role",
                "POST /w-zt-1/disable",
                "POST /w-zt-1/identity",
            ],
            "sys-1": ["POST /w-zt-1/role"],
        }.items()
        for method, path in (one.split(" ") for one in paths)
    ],
)
async def test_each_administrator_does_only_their_own_part(
    desk: Desk, who: str, method: str, path: str
) -> None:
    told = {"id": "x", "label_zh": "x", "role": "inspector", "identity": "x"}
    async with desk.browser(who) as browser:
        answer = await browser.request(method, f"/api/accounts{path}", json=told)
        assert (answer.status_code, code_of(answer)) == (403, "another_role")
    async with desk.browser() as nobody:
        assert (await nobody.request(method, f"/api/accounts{path}", json=told)).status_code == 401


async def test_nobody_gives_a_role_to_himself(desk: Desk) -> None:
    async with desk.browser("sec-1") as security:
        answer = await security.post("/api/accounts/sec-1/role", json={"role": "system_admin"})
        assert (answer.status_code, code_of(answer)) == (403, "own_account")
    async with desk.browser("sys-1") as system:
        assert code_of(await system.post("/api/accounts/sys-1/disable")) == "own_account"


@pytest.mark.parametrize(("account", "role"), [("w-zt-1", "audit_admin"), ("aud-1", "witness")])
async def test_administration_and_business_are_never_one_account(desk: Desk, account: str, role: str) -> None:
    async with desk.browser("sec-1") as security:
        answer = await security.post(f"/api/accounts/{account}/role", json={"role": role})
    assert answer.status_code == 422
    assert "business users" in answer.text


async def test_the_first_security_administrator_is_appointed_and_the_next_is_not(tmp_path: Path) -> None:
    desk = Desk(tmp_path, people=(ADMINISTRATORS[0],))
    async with desk.browser("sys-1") as system:
        await made(system, "sec-9")
        await made(system, "sec-8")
        assert (await system.get("/api/accounts")).json()["appoint"] == ["audit_admin", "security_admin"]
        first = await system.post("/api/accounts/sec-9/role", json={"role": "security_admin"})
        second = await system.post("/api/accounts/sec-8/role", json={"role": "security_admin"})
        business = await system.post("/api/accounts/sec-8/role", json={"role": "witness"})
    assert [one.status_code for one in (first, second, business)] == [200, 403, 403]
    desk.catalogue.close()


async def test_a_closed_account_is_signed_out_at_once_and_can_be_opened_again(desk: Desk) -> None:
    async with desk.browser("w-zt-1") as witness, desk.browser("sys-1") as system:
        assert (await system.post("/api/accounts/w-zt-1/disable")).json()["disabled_us"] is not None
        assert (await witness.get("/api/me")).status_code == 401
        assert (await system.post("/api/accounts/w-zt-1/enable")).json()["disabled_us"] is None
        desk.clock.advance(30)
        assert (await witness.post("/api/sign-in", json=desk.told("w-zt-1"))).status_code == 204


async def test_another_name_signs_nobody_out(desk: Desk) -> None:
    async with desk.browser("w-zt-1") as witness, desk.browser("sys-1") as system:
        await system.post("/api/accounts/w-zt-1", json={"label_zh": "见证员甲", "department": "见证科"})
        me = (await witness.get("/api/me")).json()
        assert (me["label_zh"], me["department"]) == ("见证员甲", "见证科")


async def test_the_system_administrator_ends_somebodys_login(desk: Desk) -> None:
    async with desk.browser("w-zt-1") as witness, desk.browser("sys-1") as system:
        (login,) = (await system.get("/api/accounts/w-zt-1/logins")).json()
        assert (await system.post(f"/api/accounts/aud-1/logins/{login['id']}/end")).status_code == 404
        assert (await system.post(f"/api/accounts/w-zt-1/logins/{login['id']}/end")).status_code == 204
        assert (await witness.get("/api/me")).status_code == 401
    ended = desk.catalogue.audit.records(AuditFilter(action="login.ended"))[0]
    assert (ended.principal, ended.subject) == ("sys-1", login["id"])


async def test_an_invitation_is_a_link_whose_secret_no_server_is_sent(desk: Desk) -> None:
    async with desk.browser("sys-1") as system:
        link = (await system.post("/api/accounts/w-zt-1/invite")).json()["link"]
        address, _, token = link.partition("#")
        assert address == "http://127.0.0.1/begin"
        assert (await system.post("/api/begin/link", json={"token": token})).json()["account"] == "w-zt-1"
    assert all(token not in str(one) for one in desk.catalogue.audit.records(AuditFilter(), limit=500))


@pytest.mark.parametrize(
    "told",
    [
        {"id": "w-zt-1", "label_zh": "x"},
        {"id": "", "label_zh": "x"},
        {"id": "a b", "label_zh": "x"},
        {"id": "../x", "label_zh": "x"},
        {"id": "x", "label_zh": " "},
        {"id": "x", "label_zh": "x", "site_id": "nowhere"},
    ],
)
async def test_an_account_that_makes_no_sense_is_refused(desk: Desk, told: dict[str, str]) -> None:
    async with desk.browser("sys-1") as system:
        assert (await system.post("/api/accounts", json=told)).status_code == 422


async def test_a_scope_of_unknown_codes_is_refused(desk: Desk) -> None:
    async with desk.browser("sec-1") as security:
        for scope in ({"regions": ["999999"]}, {"industries": ["ZZ"]}, {"regions": ["5306*"]}):
            answer = await security.post("/api/accounts/w-zt-1/role", json={"role": "witness", **scope})
            assert answer.status_code == 422, scope


# --- without accounts, and in the demo


async def test_the_demo_is_entered_without_a_password_and_left_to_the_local_user(tmp_path: Path) -> None:
    desk = Desk(tmp_path, demo=True)
    async with desk.browser() as browser:
        ways = (await browser.get("/api/sign-in")).json()
        assert (ways["local"], {one["account"] for one in ways["demo"]}) == (
            True,
            {WITNESS.id, *(one.id for one in ADMINISTRATORS)},
        )
        assert (await browser.get("/api/me")).json()["local"]
        assert (await browser.post("/api/demo/enter", json={"account": "aud-1"})).status_code == 204
        me = (await browser.get("/api/me")).json()
        assert (me["role"], me["demo"], me["local"]) == ("audit_admin", True, False)
        assert (await browser.get("/api/projects")).status_code == 403
        assert code_of(await browser.post("/api/demo/enter", json={"account": "nobody"})) == "refused"
        await browser.post("/api/sign-out")
        assert (await browser.get("/api/me")).json()["local"]
    desk.catalogue.close()


async def test_nobody_enters_without_a_password_where_there_is_no_demo(desk: Desk) -> None:
    async with desk.browser() as browser:
        assert (await browser.get("/api/sign-in")).json() == {"local": False, "provider": None, "demo": None}
        answer = await browser.post("/api/demo/enter", json={"account": "w-zt-1"})
        assert answer.status_code in (404, 405)


@pytest.mark.parametrize("role", Role)
def test_only_who_has_no_role_among_people_may_do_nothing(role: Role) -> None:
    assert bool(given_to(role)) is (role not in (Role.UNASSIGNED, Role.PUBLIC, Role.SERVICE))
