"""Invariant 14 over HTTP: no footage without an open watch of this login that names it."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from catalog.accounts import By
from catalog.audit import AuditFilter
from catalog.catalogue import Catalogue
from catalog.objects import MemoryStore
from catalog.requests import Decision
from catalog.watch_check import watch_faults
from kernel.clock import SECOND_US, FakeClock
from kernel.ids import new_id
from kernel.model.account import Account, Login, LoginEnd, Role
from kernel.model.audit import AuditRecord
from kernel.model.use import Scope, UseKind, UseRequest
from kernel.settings import AccountSettings, OidcSettings
from player_api.app import create_app
from player_api.gate import COOKIE
from player_api.passwords import new_token, token_hash
from player_api.people import people_of
from player_api.schemas import FragmentPublic, RenditionIndex
from player_api.watch_limits import check_range, limited
from player_api.watching import WatchDenied
from tests.support.centre import Centre, session
from tests.unit.kernel.test_watching import watch_of

S = SECOND_US
ACCOUNTS = [
    Account(id="s-1", role=Role.SUPERVISOR, label_zh="监督员", regions=("530602",), industries=("A01",)),
    Account(id="s-2", role=Role.SUPERVISOR, label_zh="外行业监督员", regions=("530602",), industries=("D",)),
    Account(id="w-1", role=Role.WITNESS, label_zh="见证员", regions=("530602",), all_industries=True),
    Account(id="i-1", role=Role.INSPECTOR, label_zh="核查员", regions=("530602",), all_industries=True),
    Account(id="sys-1", role=Role.SYSTEM_ADMIN, label_zh="系统管理员"),
    Account(id="aud-1", role=Role.AUDIT_ADMIN, label_zh="安全审计员"),
]


@dataclass(frozen=True, kw_only=True)
class Place:
    """A centre with one archived evaluation, served with accounts."""

    centre: Centre
    http: httpx.AsyncClient
    clips: dict[str, str]  # by source
    renditions: dict[str, str]

    @property
    def catalogue(self) -> Catalogue:
        return self.centre.catalogue

    @property
    def clock(self) -> FakeClock:
        return self.centre.clock

    def sign_in(self, account_id: str) -> Visitor:
        token, now_us = new_token(), self.clock.now_us()
        login = Login(
            id=new_id("login"),
            account_id=account_id,
            made_us=now_us,
            seen_us=now_us,
            ends_us=now_us + 10**12,
            origin="127.0.0.1",
            agent="test",
            second_factor=True,
        )
        self.catalogue.logins.open(login, token_hash(token))
        return Visitor(place=self, login_id=login.id, headers={"Cookie": f"{COOKIE}={token}"})

    def refusals(self) -> list[AuditRecord]:
        return list(reversed(self.catalogue.audit.records(AuditFilter(action="watch.refused"))))


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """Somebody who is signed in."""

    place: Place
    login_id: str
    headers: dict[str, str]

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.place.http.get(path, params=query, headers=self.headers)

    async def post(self, path: str, **said: Any) -> httpx.Response:
        return await self.place.http.post(path, json=said, headers=self.headers)

    async def open(self, **said: Any) -> dict[str, Any]:
        answer = await self.post("/api/watches", kind="replay", **said)
        assert answer.status_code == 201, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def media(self, source: str, token: str | None) -> httpx.Response:
        query = {} if token is None else {"watch": token}
        return await self.get(f"/media/renditions/{self.place.renditions[source]}", **query)


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    made = Centre(tmp_path / "centre")
    yield made
    made.close()


def _archive(centre: Centre, store: MemoryStore) -> None:
    """An evaluation of a minute, two sources, archived; each file is one byte."""
    centre.plan(session("P-E", "ER", "er-1"))
    for source in ("er-cam", "er-face"):
        centre.record(source, -20, 120)
    centre.hold("P-E", 0, 60)
    centre.cut(400)
    archive = centre.archive("P-E")
    for item in archive.objects:
        store.put(item.key, io.BytesIO(b"x"))


@pytest.fixture
async def place(centre: Centre, tmp_path: Path) -> AsyncIterator[Place]:
    store = MemoryStore()
    _archive(centre, store)
    centre.plan(session("Q-E", "HALL", project_id="Q"))
    for one in ACCOUNTS:
        centre.catalogue.accounts.add(one, By(principal="test", at_us=centre.clock.now_us()))
    people = people_of(
        centre.catalogue, tmp_path, centre.clock, accounts=AccountSettings(), oidc=OidcSettings()
    )
    app = create_app(centre.catalogue, store, centre.clock, static=tmp_path / "none", people=people)
    async with _client(app) as http:
        yield _place(centre, http)


@pytest.fixture
async def open_place(centre: Centre, tmp_path: Path) -> AsyncIterator[Place]:
    """The same without accounts."""
    store = MemoryStore()
    _archive(centre, store)
    app = create_app(centre.catalogue, store, centre.clock, static=tmp_path / "none")
    async with _client(app) as http:
        yield _place(centre, http)


def _client(app: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")


def _place(centre: Centre, http: httpx.AsyncClient) -> Place:
    clips = {one.source_id: one.id for one in centre.clips("P-E")}
    renditions = {one: f"rendition-{clip}-1" for one, clip in clips.items()}
    return Place(centre=centre, http=http, clips=clips, renditions=renditions)


def code(answer: httpx.Response) -> str:
    assert answer.status_code == 403, answer.text
    told = answer.json()["detail"]
    assert told["message"], "in words"
    return str(told["code"])


# --- opening


async def test_nothing_is_sent_before_a_watch_is_open_and_its_record_is_first(place: Place) -> None:
    visitor = place.sign_in("s-1")
    assert code(await visitor.media("er-cam", None)) == "watch_needed"
    opened = await visitor.open(clip_ids=[place.clips["er-cam"]])
    [record] = place.catalogue.audit.records(AuditFilter(action="watch.opened"))
    assert (record.principal, record.subject) == ("s-1", opened["watch_id"])
    assert record.details["login"] == visitor.login_id
    assert record.details["clips"] == [place.clips["er-cam"]]
    assert record.details["projects"] == ["P"]
    answer = await visitor.media("er-cam", opened["token"])
    assert (answer.status_code, answer.content) == (200, b"x")


async def test_of_a_session_all_that_may_be_seen_is_opened(place: Place) -> None:
    visitor = place.sign_in("s-1")
    opened = await visitor.open(session_id="P-E")
    assert {one["source_id"] for one in opened["things"]} >= {"er-cam", "er-face"}
    for source in ("er-cam", "er-face"):
        assert (await visitor.media(source, opened["token"])).status_code == 200


async def test_a_record_that_cannot_be_written_means_nothing_is_opened(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, a database that is away: the answer is an error, and there is no token."""
    from catalog import audit
    from kernel.errors import DiskFull

    def full(*_: object) -> None:
        raise DiskFull("no room.")

    visitor = place.sign_in("s-1")
    monkeypatch.setattr(audit, "_write", full)
    answer = await visitor.post("/api/watches", kind="replay", session_id="P-E")
    assert answer.status_code >= 500
    assert "token" not in answer.text
    assert place.catalogue.audit.records(AuditFilter(action="watch.opened")) == []


# --- tokens


async def test_a_token_that_nobody_gave_out_is_refused_and_that_is_on_record(place: Place) -> None:
    visitor = place.sign_in("s-1")
    opened = await visitor.open(session_id="P-E")
    forged = opened["token"][:-2] + ("AA" if not opened["token"].endswith("AA") else "BB")
    assert code(await visitor.media("er-cam", forged)) == "watch_unknown"
    [record] = place.refusals()
    assert (record.principal, record.details["need"]) == ("s-1", "watch_unknown")
    assert opened["token"] not in str(record), "invariant 16"


async def test_a_token_is_worth_nothing_with_another_login(place: Place) -> None:
    """Neither another person's nor another login of the same person."""
    opened = await place.sign_in("s-1").open(session_id="P-E")
    for other in ("w-1", "s-1"):
        visitor = place.sign_in(other)
        assert code(await visitor.media("er-cam", opened["token"])) == "watch_of_another"
        assert code(await visitor.post(f"/api/watches/{opened['watch_id']}/beat")) == "watch_of_another"
        assert code(await visitor.post(f"/api/watches/{opened['watch_id']}/close")) == "watch_of_another"
    assert {one.principal for one in place.refusals()} == {"w-1", "s-1"}


async def test_a_token_is_worth_nothing_for_other_things(place: Place) -> None:
    visitor = place.sign_in("s-1")
    opened = await visitor.open(clip_ids=[place.clips["er-cam"]])
    assert code(await visitor.media("er-face", opened["token"])) == "watch_of_other_things"


async def test_a_token_ends_when_its_page_falls_silent(place: Place) -> None:
    visitor = place.sign_in("s-1")
    opened = await visitor.open(session_id="P-E")
    for _ in range(3):
        place.clock.advance(25)
        assert (await visitor.post(f"/api/watches/{opened['watch_id']}/beat")).status_code == 200
        assert (await visitor.media("er-cam", opened["token"])).status_code == 200
    place.clock.advance(30)
    assert code(await visitor.media("er-cam", opened["token"])) == "watch_over"
    assert code(await visitor.post(f"/api/watches/{opened['watch_id']}/beat")) == "watch_over"


async def test_a_closed_watch_sends_nothing_any_more(place: Place) -> None:
    visitor = place.sign_in("s-1")
    opened = await visitor.open(session_id="P-E")
    assert (await visitor.post(f"/api/watches/{opened['watch_id']}/close")).status_code == 204
    assert code(await visitor.media("er-cam", opened["token"])) == "watch_over"


async def test_who_is_signed_out_gets_nothing_at_once(place: Place) -> None:
    visitor = place.sign_in("s-1")
    opened = await visitor.open(session_id="P-E")
    by = By(principal="sys-1", at_us=place.clock.now_us())
    place.catalogue.logins.end(visitor.login_id, LoginEnd.ENDED, by)
    assert (await visitor.media("er-cam", opened["token"])).status_code == 401


async def test_leave_that_is_withdrawn_ends_what_is_open_at_once(place: Place) -> None:
    """The account gets another industry; its logins end with that, and what it had open is worth nothing."""
    visitor = place.sign_in("s-1")
    opened = await visitor.open(session_id="P-E")
    by = By(principal="sys-1", at_us=place.clock.now_us())
    place.catalogue.accounts.change("s-1", by, industries=("D",))
    assert (await visitor.media("er-cam", opened["token"])).status_code == 401
    again = place.sign_in("s-1")
    answer = await again.post("/api/watches", kind="replay", session_id="P-E")
    assert code(answer) == "scope"


# --- who may


@pytest.mark.parametrize("who", ["sys-1", "s-2", "i-1", "aud-1"])
async def test_who_may_not_watch_is_refused_in_words_and_on_record(place: Place, who: str) -> None:
    """I20 and I2: the record tells who, of what, and what would be needed."""
    visitor = place.sign_in(who)
    answer = await visitor.post("/api/watches", kind="replay", session_id="P-E")
    needed = code(answer)
    [record] = place.refusals()
    assert (record.principal, record.result) == (who, "refused")
    assert record.details["need"] == needed
    assert "P-E" in record.subject


async def test_what_is_not_there_is_refused_like_what_may_not_be_seen(place: Place) -> None:
    visitor = place.sign_in("s-2")
    there = await visitor.post("/api/watches", kind="replay", clip_ids=[place.clips["er-cam"]])
    not_there = await visitor.post("/api/watches", kind="replay", clip_ids=["no-such-clip"])
    assert (there.status_code, there.json()) == (not_there.status_code, not_there.json())
    for path in ("/media/renditions/none", "/media/segments/none", "/api/renditions/none/index"):
        assert (await visitor.get(path)).status_code == 403


async def test_nobody_can_fill_the_chain_by_being_refused(place: Place) -> None:
    """The same thing once a minute, a person thirty times a minute; what is left out is counted."""
    visitor = place.sign_in("sys-1")
    for _ in range(20):
        await visitor.post("/api/watches", kind="replay", session_id="P-E")
    assert len(place.refusals()) == 1
    for number in range(60):
        await visitor.post("/api/watches", kind="replay", session_id=f"none-{number}")
    assert len(place.refusals()) == 2, "what does not exist is all one thing"
    place.clock.advance(61)
    await visitor.post("/api/watches", kind="replay", session_id="P-E")
    told = [one.details.get("unrecorded_before", 0) for one in place.refusals()]
    assert told == [0, 19, 59]


async def test_refusals_are_listed_for_the_audit_administrator_only(place: Place) -> None:
    await place.sign_in("sys-1").post("/api/watches", kind="replay", session_id="P-E")
    answer = await place.sign_in("aud-1").get("/api/watch-log/refused")
    [told] = answer.json()["refused"]
    assert (told["account_id"], told["account_label_zh"], told["need"]) == (
        "sys-1",
        "系统管理员",
        "another_role",
    )
    assert (await place.sign_in("i-1").get("/api/watch-log/refused")).status_code == 403


def ask(place: Place, scope: Scope, basis: str = "字1号") -> None:
    """The inspector asks, somebody else approves."""
    now_us = place.clock.now_us()
    request = UseRequest(
        id=new_id("request"),
        project_id="P",
        kind=UseKind.VIEW,
        role=Role.INSPECTOR,
        scope=scope,
        reason="线索",
        basis_no=basis,
        principal="i-1",
        asked_us=now_us,
    )
    place.catalogue.requests.ask(request)
    yes = Decision(approved=True, principal="boss-1", reason="", at_us=now_us, expires_us=now_us + 3600 * S)
    place.catalogue.requests.decide(request.id, yes)


async def test_an_inspector_watches_what_was_approved_and_for_as_long(place: Place) -> None:
    """I2: "Nothing opens without a basis number"."""
    visitor = place.sign_in("i-1")
    asked = {"kind": "replay", "session_id": "P-E"}
    assert code(await visitor.post("/api/watches", **asked)) == "grant"
    ask(place, Scope(session_ids=("P-E",), source_ids=("er-face",)))
    opened = await visitor.open(session_id="P-E")
    assert [one["source_id"] for one in opened["things"]] == ["er-face"]
    assert "grant" in {one["code"] for one in opened["left_out"]}
    assert (await visitor.media("er-face", opened["token"])).status_code == 200
    assert code(await visitor.media("er-cam", opened["token"])) == "watch_of_other_things"
    assert (
        code(await visitor.post("/api/watches", kind="replay", clip_ids=[place.clips["er-cam"]])) == "grant"
    )
    for _ in range(124):
        place.clock.advance(29)
        await visitor.post(f"/api/watches/{opened['watch_id']}/beat")
    assert (await visitor.media("er-face", opened["token"])).status_code == 200
    place.clock.advance(29)
    assert code(await visitor.media("er-face", opened["token"])) == "watch_withdrawn"
    assert code(await visitor.post("/api/watches", **asked)) == "grant"


async def test_leave_for_another_session_or_project_opens_nothing(place: Place) -> None:
    ask(place, Scope(source_ids=("hall-cam",)))
    assert code(await place.sign_in("i-1").post("/api/watches", kind="replay", session_id="P-E")) == "grant"


async def test_leave_for_a_time_opens_that_time_only(place: Place) -> None:
    clip = place.centre.clip("P-E", "er-cam")
    start_us, end_us = clip.wall.start_us + 10 * S, clip.wall.start_us + 20 * S
    ask(place, Scope(start_us=start_us, end_us=end_us))
    visitor = place.sign_in("i-1")
    opened = await visitor.open(session_id="P-E")
    assert (opened["start_us"], opened["end_us"]) == (start_us, end_us)
    still = f"/api/watches/{opened['watch_id']}/stills"
    assert (await visitor.post(still, source_id="er-cam", at_us=start_us)).status_code == 204
    assert code(await visitor.post(still, source_id="er-cam", at_us=end_us)) == "watch_of_other_things"


def index_of_four() -> RenditionIndex:
    fragments = [
        FragmentPublic(start_us=n * 10 * S, end_us=(n + 1) * 10 * S, offset=100 + 50 * n, size=50)
        for n in range(4)
    ]
    return RenditionIndex(
        rendition_id="r",
        mime="",
        wall_start_us=0,
        wall_end_us=40 * S,
        init_size=90,
        size_bytes=300,
        media_url="",
        fragments=fragments,
    )


def test_of_a_limited_watch_only_bytes_of_its_time_are_sent() -> None:
    watch = replace(watch_of(), wall_start_us=12 * S, wall_end_us=25 * S)
    index = limited(index_of_four(), watch)
    assert [one.start_us for one in index.fragments] == [10 * S, 20 * S]
    for good in ("bytes=0-89", "bytes=150-249", "bytes=150-150", "bytes=200-249"):
        check_range(index, good)
    for bad in (
        None,
        "bytes=0-",
        "bytes=0-99",
        "bytes=149-160",
        "bytes=200-250",
        "bytes=-50",
        "bytes=0-89,150-199",
    ):
        with pytest.raises(WatchDenied):
            check_range(index, bad)
    assert limited(index_of_four(), watch_of()) == index_of_four()


# --- telling


async def test_what_a_page_tells_is_in_ones_own_record(place: Place) -> None:
    """V4: "project, source, from, to, address; visible in "my record"."""
    visitor = place.sign_in("s-1")
    opened = await visitor.open(session_id="P-E")
    clip = place.centre.clip("P-E", "er-cam")
    place.clock.advance(10)
    shown = {"source_id": "er-cam", "from_us": clip.wall.start_us, "to_us": clip.wall.start_us + 10 * S}
    beat = await visitor.post(f"/api/watches/{opened['watch_id']}/beat", shown=[shown])
    assert beat.json() == {"expires_us": place.clock.now_us() + 30 * S}
    [mine] = (await visitor.get("/api/my-watches")).json()["watches"]
    assert mine["projects"][0]["id"] == "P"
    assert (mine["kind"], mine["origin"], mine["seen_us"]) == ("replay", "127.0.0.1", 10 * S)
    [piece] = mine["shown"]
    assert (piece["footage_from_us"], piece["footage_to_us"]) == (shown["from_us"], shown["to_us"])
    assert (await place.sign_in("w-1").get("/api/my-watches")).json()["watches"] == []
    assert list(watch_faults(place.catalogue.watches._engine)) == []


async def test_a_line_that_breaks_closes_the_watch_at_its_last_word(place: Place) -> None:
    visitor = place.sign_in("s-1")
    await visitor.open(session_id="P-E")
    opened_us = place.clock.now_us()
    place.clock.advance(100)
    [mine] = (await visitor.get("/api/my-watches")).json()["watches"]
    assert (mine["closed_us"], mine["end"]) == (opened_us, "lost")


@pytest.mark.parametrize(
    "said",
    [
        {"shown": [{"source_id": "er-cam", "from_us": -1, "to_us": 5}]},
        {"shown": [{"source_id": "er-cam", "from_us": 1, "to_us": 10**30}]},
        {"shown": [{"source_id": "er-cam", "from_us": 1, "to_us": 5, "rate": 1000}]},
        {"shown": [{"source_id": "er-cam"}] * 2},
        {"shown": [{"source_id": "er-cam", "from_us": 1, "to_us": 5}] * 501},
        {"shown": "x"},
        {"what": 1},
    ],
)
async def test_what_makes_no_sense_is_refused_and_the_watch_goes_on(
    place: Place, said: dict[str, Any]
) -> None:
    visitor = place.sign_in("s-1")
    opened = await visitor.open(session_id="P-E")
    answer = await visitor.post(f"/api/watches/{opened['watch_id']}/beat", **said)
    assert answer.status_code == 422
    assert (await visitor.media("er-cam", opened["token"])).status_code == 200


async def test_a_page_of_another_site_cannot_open_or_close(place: Place) -> None:
    visitor = place.sign_in("s-1")
    opened = await visitor.open(session_id="P-E")
    for path in ("/api/watches", f"/api/watches/{opened['watch_id']}/close"):
        elsewhere = {**visitor.headers, "Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
        answer = await place.http.post(path, json={"kind": "replay", "session_id": "P-E"}, headers=elsewhere)
        assert answer.status_code == 403
    here = {**visitor.headers, "Origin": "http://127.0.0.1", "Sec-Fetch-Site": "same-origin"}
    answer = await place.http.post(f"/api/watches/{opened['watch_id']}/close", json={}, headers=here)
    assert answer.status_code == 204, "as a page's last word comes"


# --- the log


async def test_the_log_is_for_inspectors_of_the_region_and_the_audit_administrator(place: Place) -> None:
    await place.sign_in("s-1").open(session_id="P-E")
    for who in ("i-1", "aud-1"):
        [one] = (await place.sign_in(who).get("/api/watch-log")).json()["watches"]
        assert (one["account_id"], one["account_label_zh"], one["role"]) == ("s-1", "监督员", "supervisor")
    for who in ("s-1", "w-1", "sys-1"):
        assert (await place.sign_in(who).get("/api/watch-log")).status_code == 403
        assert (await place.sign_in(who).get("/api/projects/P/watch-log")).status_code == 403
    by_account = await place.sign_in("aud-1").get("/api/watch-log", account="w-1")
    assert by_account.json()["watches"] == []


async def test_pages_of_the_log_go_on(place: Place) -> None:
    visitor = place.sign_in("s-1")
    ids = [(await visitor.open(session_id="P-E"))["watch_id"] for _ in range(5)]
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = (await visitor.get("/api/my-watches", **query)).json()
        seen += [one["id"] for one in page["watches"]]
        if page["before"] is None:
            break
        query["before"] = page["before"]
    assert sorted(seen) == sorted(ids)


async def test_what_no_supervisor_watched_is_told(place: Place) -> None:
    """I12."""
    times = {
        "from_us": place.centre.clock.now_us() - 90 * 86400 * S,
        "to_us": place.centre.clock.now_us() + S,
    }
    inspector = place.sign_in("i-1")
    [unwatched] = (await inspector.get("/api/watch-log/unwatched", **times)).json()
    assert unwatched["project"]["id"] == "P"
    visitor = place.sign_in("s-1")
    opened = await visitor.open(session_id="P-E")
    place.clock.advance(5)
    shown = {"source_id": "er-face", "from_us": 10**15, "to_us": 10**15 + 5 * S}
    await visitor.post(f"/api/watches/{opened['watch_id']}/beat", shown=[shown])
    assert (await inspector.get("/api/watch-log/unwatched", **times)).json() == []
    [row] = (await inspector.get("/api/watch-log/supervision", **times)).json()
    assert (row["account_id"], row["replay_us"], row["seats"]) == ("s-1", 5 * S, [1])
    to_come = {"from_us": times["to_us"] + 86400 * S, "to_us": times["to_us"] + 2 * 86400 * S}
    for who, path in ((inspector, "/api/watch-log/supervision"), (visitor, "/api/my-supervision")):
        assert (await who.get(path, **to_come)).json() == []


# --- without accounts


async def test_without_accounts_a_request_opens_a_watch_by_itself(open_place: Place) -> None:
    place = open_place
    path = f"/media/renditions/{place.renditions['er-cam']}"
    assert (await place.http.get(path)).content == b"x"
    [record] = place.catalogue.audit.records(AuditFilter(action="watch.opened"))
    assert (record.principal, record.details["clips"]) == ("local user", [place.clips["er-cam"]])
    for _ in range(5):
        place.clock.advance(20)
        assert (await place.http.get(path)).status_code == 200
    assert len(place.catalogue.audit.records(AuditFilter(action="watch."))) == 1, "one watch all along"
    place.clock.advance(31)
    await place.http.get("/api/my-watches")
    assert [one.action for one in place.catalogue.audit.records(AuditFilter(action="watch."))] == [
        "watch.closed",
        "watch.opened",
    ]
    assert (await place.http.get(path)).status_code == 200
    assert len(place.catalogue.audit.records(AuditFilter(action="watch.opened"))) == 2


async def test_without_accounts_a_page_opens_watches_as_well(open_place: Place) -> None:
    place = open_place
    answer = await place.http.post("/api/watches", json={"kind": "replay", "session_id": "P-E"})
    token = answer.json()["token"]
    path = f"/media/renditions/{place.renditions['er-cam']}"
    assert (await place.http.get(path, params={"watch": token})).status_code == 200
    assert (await place.http.get(path, params={"watch": token[:-1]})).status_code == 403
    assert (
        await place.http.post("/api/watches", json={"kind": "replay", "clip_ids": ["none"]})
    ).status_code == 404
    assert len(place.catalogue.audit.records(AuditFilter(action="watch.opened"))) == 1
