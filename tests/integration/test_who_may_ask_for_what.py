"""The server with accounts over the sample's month: each role, each route (invariants 14, 15 and 16)."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from catalog.accounts import By
from kernel.model.account import Role
from kernel.settings import AccountSettings
from tests.support.people import Served, served

SOMEBODY = {
    Role.AGENCY: "agt-1",
    Role.WITNESS: "w-zt-1",
    Role.SUPERVISOR: "s-zj-1",
    Role.INSPECTOR: "i-jw-1",
    Role.ARCHIVIST: "arch-1",
    Role.CENTRE_APPROVER: "boss-1",
    Role.SYSTEM_ADMIN: "sys-1",
    Role.SECURITY_ADMIN: "sec-1",
    Role.AUDIT_ADMIN: "aud-1",
    Role.SERVICE: "api-tender",
}
OPEN = ("/healthz", "/api/sign-", "/api/begin", "/api/openapi.json", "/api/trading/", "/{path")
"""Asked without anybody being signed in; ``test_every_route.py`` has the reasons."""
SECRETS = ("argon2", "password_hash", "totp_secret", "token_sha256", "key_sha256", "Traceback", 'File "/')


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The month is over, but the results of P09 and later ones are not public yet."""
    with served(tmp_path_factory.mktemp("month"), "12 12:00") as made:
        yield made


@pytest.fixture(scope="module")
def clients(centre: Served) -> Iterator[dict[str, httpx.Client]]:
    """A program for each role, and one that is not signed in."""
    made = {account: centre.client(account) for account in SOMEBODY.values()}
    made[""] = centre.client(None)
    yield made
    for one in made.values():
        one.close()


def listed(client: httpx.Client) -> set[str]:
    answer = client.get("/api/projects", params={"limit": 200})
    assert answer.status_code == 200, answer.text
    return {one["id"] for one in answer.json()["projects"] if one["id"].startswith("P")}  # no halls


def routes(centre: Served) -> list[tuple[str, str]]:
    """Method and path of each route, with names in the path that nothing has."""
    found = []
    for one in iter_route_contexts(centre.application.routes):
        path = str(one.path)
        if path.startswith(OPEN) or one.methods is None:
            continue
        for name in ("number:int",):
            path = path.replace("{" + name + "}", "1")
        found += [(method, "/".join(_plain(part) for part in path.split("/"))) for method in one.methods]
    return [(method, path) for method, path in found if method != "HEAD"]


def _plain(part: str) -> str:
    return "nothing" if part.startswith("{") else part


def test_who_is_not_signed_in_is_told_nothing(centre: Served, clients: dict[str, httpx.Client]) -> None:
    asked = routes(centre)
    assert len(asked) > 80
    told = {
        f"{method} {path}": clients[""].request(method, path, json={}).status_code for method, path in asked
    }
    # These two tell programs on the same machine how it is.
    machine = {"GET /metrics", "GET /readyz"}
    assert {path: status for path, status in told.items() if status != 401 and path not in machine} == {}


@pytest.mark.parametrize("account", ["sys-1", "sec-1", "aud-1", "api-tender"])
def test_administrators_and_programs_see_no_project(
    account: str, centre: Served, clients: dict[str, httpx.Client]
) -> None:
    """三员 are no business users."""
    for path in (
        "/api/projects",
        "/api/projects/P01",
        "/api/projects/P01/timeline",
        "/api/sessions/P01-O",
        "/api/search/projects",
        "/api/search/clips",
        "/api/statistics",
        "/api/projects/P01/documents",
    ):
        assert clients[account].get(path).status_code == 403, path


def test_a_supervisor_sees_the_projects_of_his_industries_and_no_others(
    centre: Served, clients: dict[str, httpx.Client]
) -> None:
    """V1: finance's project in the same hall is not his."""
    industries = {one.id: one.industry for one in centre.month.sample.projects}
    seen = listed(clients["s-zj-1"])
    assert seen
    assert {industries[one] for one in seen} <= {"A01", "A02"}
    assert "P06" in seen
    assert "P07" not in seen


def test_a_project_in_a_shared_hall_lists_its_own_seats_and_no_others(
    centre: Served, clients: dict[str, httpx.Client]
) -> None:
    sessions = centre.catalogue.sessions.of_project("P06")
    own = {seat.seat_id for session in sessions for seat in session.seats}
    rooms = {one.room_id for one in sessions}
    there = {one.seat_id for one in centre.catalogue.places.sources().values() if one.room_id in rooms}
    told = clients["i-jw-1"].get("/api/projects/P06").json()
    shown = {one["seat_id"] for one in told["sources"]}
    assert own < there - {None}
    assert shown == own | {None}


def test_a_witness_of_a_county_sees_what_is_held_there(centre: Served) -> None:
    """W13: and of a project over several venues his own one alone."""
    with centre.client("w-zx-1") as client:
        seen = listed(client)
        here = {
            project.id
            for project in centre.month.sample.projects
            if any(session.room.startswith("ZX-") for session in project.sessions)
        }
        assert "P03" in seen
        assert seen <= here | {one.id for one in centre.month.sample.projects if _has_venue(one, "ZX")}
        detail = client.get("/api/projects/P03").json()
        assert {one["room_id"].split("-")[0] for one in detail["sessions"]} == {"ZX"}
    with centre.client("w-zt-1") as city:
        rooms = {one["room_id"].split("-")[0] for one in city.get("/api/projects/P03").json()["sessions"]}
        assert len(rooms) > 1


def _has_venue(project: Any, site: str) -> bool:
    return any(one.site == site for one in project.venues)


@pytest.mark.parametrize("account", ["w-zx-1", "s-zj-1", "agt-1", "sys-1", "aud-1", "boss-1"])
@pytest.mark.parametrize(
    ("foreign", "nothing"),
    [
        ("/api/projects/P07", "/api/projects/P99"),
        ("/api/sessions/P07-E", "/api/sessions/P99-E"),
        ("/api/projects/P07/timeline", "/api/projects/P99/timeline"),
        ("/api/projects/P07/documents", "/api/projects/P99/documents"),
        ("/api/projects/P07/uses", "/api/projects/P99/uses"),
    ],
)
def test_a_refusal_does_not_tell_whether_it_exists(
    account: str, foreign: str, nothing: str, clients: dict[str, httpx.Client], centre: Served
) -> None:
    """P07 is a finance project of the city's, so neither a housing supervisor's nor of another county."""
    with centre.client(account) as client:
        there, not_there = client.get(foreign), client.get(nothing)
    if there.status_code == 200:  # an approver of the region may know of it, and all uses are audited
        assert account == "boss-1" or (account, foreign) == ("aud-1", "/api/projects/P07/uses")
        return
    assert (there.status_code, there.text) == (not_there.status_code, not_there.text)
    assert there.status_code == 403


def test_what_is_searched_for_is_found_within_ones_scope_only(
    centre: Served, clients: dict[str, httpx.Client]
) -> None:
    found = {
        account: {one["id"] for one in clients[account].get(path, params={"limit": 100}).json()["projects"]}
        for account in ("s-zj-1", "i-jw-1")
        for path in ("/api/search/projects",)
    }
    assert "P07" not in found["s-zj-1"]
    assert "P07" in found["i-jw-1"]
    assert found["s-zj-1"] < found["i-jw-1"]


def test_an_expert_is_searched_for_by_inspectors_only(clients: dict[str, httpx.Client]) -> None:
    asked = {"expert_key": "x"}
    assert clients["i-jw-1"].get("/api/search/projects", params=asked).status_code == 200
    for account in ("w-zt-1", "s-zj-1", "arch-1", "boss-1"):
        assert clients[account].get("/api/search/projects", params=asked).status_code == 403


def test_nobody_acts_in_somebody_elses_name(centre: Served, clients: dict[str, httpx.Client]) -> None:
    """Bodies may name a principal only where there are no accounts."""
    told = {"project_ids": ["P06"], "reason": "核实", "principal": "i-jw-1"}
    made = clients["s-zj-1"].post("/api/holds/projects", json=told)
    assert made.status_code == 201, made.text
    (hold,) = made.json()["holds"]
    assert hold["principal"] == "s-zj-1"


@pytest.mark.parametrize("lets", [True, False])
def test_witness_staff_watch_desktops_live_where_the_centre_lets_them(lets: bool, tmp_path: Path) -> None:
    accounts = AccountSettings(desktops_for_witnesses=lets)
    with served(tmp_path, "09 11:20", accounts=accounts) as centre, centre.client("w-zt-1") as client:
        face, desktop = (
            client.post("/api/watches", json={"kind": "live", "source_ids": [f"ZT-SH1-04-{one}"]})
            for one in "FD"  # an expert of P06 sits there
        )
    assert face.status_code == 201
    assert (desktop.status_code, "本中心未开放专家桌面直播" in desktop.text) == (
        (201, False) if lets else (403, True)
    )


def test_an_agency_that_changes_sees_its_projects_from_then_on_and_no_others(tmp_path: Path) -> None:
    with served(tmp_path, "12 12:00") as centre:
        seen = []
        for agency in ("样例代理机构甲", "样例代理机构乙"):
            by = By(principal="test", at_us=centre.clock.now_us())
            centre.catalogue.accounts.change("agt-1", by, agency=agency)
            with centre.client("agt-1") as client:
                seen.append(listed(client))
        own = [
            {
                one.id
                for one in centre.catalogue.projects.projects()
                if one.agency == agency and one.id[0] == "P"
            }
            for agency in ("样例代理机构甲", "样例代理机构乙")
        ]
    assert seen == own
    assert all(seen) and not seen[0] & seen[1]


def test_who_was_signed_out_is_refused_at_once(centre: Served) -> None:
    with centre.client("w-zt-2") as client:
        assert client.get("/api/projects").status_code == 200
        assert client.post("/api/sign-out").status_code in (200, 204)
        assert client.get("/api/projects").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://elsewhere.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "null"},
    ],
)
def test_another_site_makes_nobody_do_anything(headers: dict[str, str], centre: Served) -> None:
    """CSRF: the cookie is there, and what it would allow is refused all the same."""
    told = {"project_ids": ["P06"], "reason": "no"}
    with centre.client("s-zj-1") as client:
        answer = client.post("/api/holds/projects", json=told, headers=headers)
    assert answer.status_code == 403
    assert answer.json()["detail"]["code"] == "another_site"


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/assets/..%2f..%2f..%2fpyproject.toml",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/media/renditions/..%2f..%2fcatalogue.sqlite",
        "/media/segments/%2fetc%2fpasswd",
        "/media/renditions/%00",
        "/api/projects/%ff%fe",
    ],
)
@pytest.mark.parametrize("account", ["", "w-zt-1", "sys-1"])
def test_a_path_leads_nowhere_else(account: str, path: str, clients: dict[str, httpx.Client]) -> None:
    answer = clients[account].get(path)
    assert answer.status_code < 500
    assert "root:" not in answer.text
    assert "[project]" not in answer.text
    assert "SQLite format" not in answer.text


RANGES = [
    "bytes=0-",
    "bytes=-1",
    "bytes=5-1",
    "bytes=0-0,1-1,2-2",
    "bytes=" + ",".join(f"{n}-{n}" for n in range(2000)),
    "bytes=99999999999999999999999-",
    "bytes=0-99999999999999999999999999999999",
    "chapters=1-2",
    "bytes=a-b",
    "bytes=",
    "\xff",
]


@pytest.mark.parametrize("told", RANGES, ids=range(len(RANGES)))
def test_a_range_is_answered_or_refused_and_never_costs_more_than_the_file(
    told: str, centre: Served, clients: dict[str, httpx.Client]
) -> None:
    session = centre.catalogue.archives.newest("P01-E")
    assert session is not None
    rendition = centre.catalogue.archives.facts_of(session.id)[0]
    answer = clients["w-zt-1"].get(
        f"/media/renditions/{rendition.id}", headers={b"range": told.encode("latin-1")}
    )
    assert answer.status_code in (200, 206, 400, 403, 416), answer.text
    assert len(answer.content) <= max(rendition.size_bytes, 2000)


def test_ten_thousand_requests_of_nonsense_are_refused_in_words(
    centre: Served, clients: dict[str, httpx.Client]
) -> None:
    """Nothing leaks, nothing falls: no 500, no trace, and the server answers as before."""
    chance = random.Random(7)
    asked = routes(centre)
    accounts = list(clients)
    before = listed(clients["i-jw-1"])
    for number in range(10_000):
        method, path = chance.choice(asked)
        if path in ("/api/changes", "/readyz"):  # never ends; says no in its own way
            continue
        body = _nonsense(chance)
        client = clients[chance.choice(accounts)]
        kind = chance.choice(["application/json", "text/plain", "multipart/form-data; boundary=x", ""])
        answer = client.request(
            method, path, content=body, headers={"content-type": kind}, params=_query(chance)
        )
        assert answer.status_code < 500 or answer.status_code == 503, (
            number,
            method,
            path,
            body,
            answer.text,
        )
        assert not any(secret in answer.text for secret in SECRETS), (method, path, answer.text)
        if answer.status_code >= 400:
            assert answer.json().get("detail"), (method, path, answer.text)
    assert listed(clients["i-jw-1"]) == before


def _nonsense(chance: random.Random) -> bytes:
    if chance.random() < 0.3:
        return chance.randbytes(chance.randrange(200))
    return json.dumps(_value(chance, 3)).encode()


def _value(chance: random.Random, depth: int) -> Any:
    plain: list[Any] = [
        None,
        True,
        -1,
        1 << 70,
        1e300,
        "",
        "P06",
        "见证" * 50,
        "\u0000",
        "../..",
        "' OR 1=1 --",
    ]
    if not depth or chance.random() < 0.4:
        return chance.choice(plain)
    names = ["project_ids", "reason", "principal", "account", "password", "code", "session_id", "kind", "x"]
    if chance.random() < 0.3:
        return [_value(chance, depth - 1) for _ in range(chance.randrange(4))]
    return {chance.choice(names): _value(chance, depth - 1) for _ in range(chance.randrange(5))}


def _query(chance: random.Random) -> dict[str, str]:
    names = ["limit", "offset", "project_id", "region", "date_from", "before", "page", "day", "watch"]
    values = ["-1", "0", "99999999999999999999", "x", "见", "2026-03-09", "' OR 1=1"]
    return {chance.choice(names): chance.choice(values) for _ in range(chance.randrange(3))}


def test_secrets_are_in_no_answer_that_anybody_gets(
    centre: Served, clients: dict[str, httpx.Client], tmp_path: Path
) -> None:
    """Invariant 16: whatever is listed to administrators holds no hash and no seal."""
    for account in ("sys-1", "sec-1", "aud-1"):
        for path in ("/api/accounts", "/api/audit", "/api/me"):
            answer = clients[account].get(path)
            assert not any(secret in answer.text for secret in SECRETS), (account, path)
