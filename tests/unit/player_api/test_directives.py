"""Who may order, answer, close, be there and take notice, over HTTP (invariant 15; W8, V5, V6, V11)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from catalog.accounts import By
from catalog.audit import AuditFilter
from catalog.catalogue import Catalogue
from catalog.objects import MemoryStore
from kernel.clock import SECOND_US, FakeClock
from kernel.ids import new_id
from kernel.model.account import Account, Login, Role
from kernel.model.alert import Alert, AlertRule
from kernel.model.timeline import TimelineEvent
from kernel.settings import AccountSettings, OidcSettings
from player_api.app import create_app
from player_api.gate import COOKIE
from player_api.passwords import new_token, token_hash
from player_api.people import people_of
from tests.support.catalogue import add_session, open_catalogue

ACCOUNTS = {
    one.id: one
    for one in (
        Account(id="s-1", role=Role.SUPERVISOR, label_zh="监督员", regions=("530602",), industries=("A01",)),
        Account(id="s-3", role=Role.SUPERVISOR, label_zh="同行", regions=("530602",), industries=("A01",)),
        Account(id="s-2", role=Role.SUPERVISOR, label_zh="外行", regions=("530602",), industries=("D",)),
        Account(id="w-1", role=Role.WITNESS, label_zh="见证员", regions=("530602",), all_industries=True),
        Account(id="w-2", role=Role.WITNESS, label_zh="外地见证员", regions=("530627",), all_industries=True),
        Account(id="i-1", role=Role.INSPECTOR, label_zh="核查员", regions=("530602",), all_industries=True),
        Account(id="sys-1", role=Role.SYSTEM_ADMIN, label_zh="系统管理员"),
    )
}
TOLD = {"id": "directive-1", "kind": "verify", "text": "请核实04席", "minutes": 15, "session_id": "P-O"}


@dataclass(frozen=True)
class Desk:
    """A server whose only project has an opening that runs."""

    app: FastAPI
    catalogue: Catalogue
    clock: FakeClock
    tokens: dict[str, str]  # by account

    def ask(self, who: str, method: str, path: str, **said: Any) -> Any:
        """The answer's body, or the status of a refusal."""
        answer = asyncio.run(self._answer(who, method, path, **said))
        return answer.json() if answer.status_code < 400 else answer.status_code

    async def _answer(self, who: str, method: str, path: str, **said: Any) -> httpx.Response:
        there = httpx.ASGITransport(app=self.app)
        async with httpx.AsyncClient(transport=there, base_url="http://127.0.0.1") as http:
            return await http.request(
                method, path, headers={"Cookie": f"{COOKIE}={self.tokens[who]}"}, **said
            )

    def post(self, who: str, path: str, **told: Any) -> Any:
        return self.ask(who, "POST", path, json=told)

    def issue(self, who: str = "s-1", **told: Any) -> Any:
        return self.post(who, "/api/projects/P/directives", **{**TOLD, **told})


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    catalogue, clock = open_catalogue(tmp_path), FakeClock(1_000 * SECOND_US)
    for account in ACCOUNTS.values():
        catalogue.accounts.add(account, By(principal="test", at_us=0))
    add_session(catalogue, 500 * SECOND_US, 600 * SECOND_US)
    catalogue.sessions.record_event(_runs_again())
    people = people_of(catalogue, tmp_path, clock, accounts=AccountSettings(), oidc=OidcSettings())
    tokens = {one: _signed_in(catalogue, clock, one) for one in ACCOUNTS}
    yield Desk(create_app(catalogue, MemoryStore(), clock, people=people), catalogue, clock, tokens)
    catalogue.close()


def _signed_in(catalogue: Catalogue, clock: FakeClock, account_id: str) -> str:
    token, now_us = new_token(), clock.now_us()
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
    catalogue.logins.open(login, token_hash(token))
    return token


def _runs_again() -> TimelineEvent:
    return TimelineEvent(
        id="again",
        session_id="P-O",
        at_us=700 * SECOND_US,
        type="opening.start",
        reason="",
        principal="test",
        recorded_us=700 * SECOND_US,
    )


def _ends_again(at_us: int) -> TimelineEvent:
    return replace(_runs_again(), id="ends again", type="opening.end", at_us=at_us, recorded_us=at_us)


def test_only_a_supervisor_of_the_scope_issues(desk: Desk) -> None:
    assert {who: desk.issue(who) for who in ("s-2", "w-1", "i-1", "sys-1")} == dict.fromkeys(
        ("s-2", "w-1", "i-1", "sys-1"), 403
    )
    issued = desk.issue()
    assert (issued["label"], issued["issued_by"], issued["state"]) == ("DIR-01", "s-1", "issued")
    assert issued["due_us"] == desk.clock.now_us() + 900 * SECOND_US
    assert desk.issue()["number"] == 1  # sent again
    assert desk.issue(text="anything else") == 409


def test_only_a_witness_of_the_venue_answers_and_only_the_issuer_closes(desk: Desk) -> None:
    desk.issue()
    path = "/api/directives/directive-1"
    for who in ("w-2", "s-1", "s-2", "i-1", "sys-1"):
        assert desk.post(who, f"{path}/answer", text="x") == 403
    assert desk.post("w-1", f"{path}/answer", text="  ") == 422
    assert desk.post("w-1", f"{path}/answer", text="已收存")["answered_by_label"] == "见证员"
    assert desk.post("w-1", f"{path}/answer", text="别的") == 409
    assert desk.post("w-1", f"{path}/close", note="") == 403
    assert desk.post("s-3", f"{path}/close", note="") == 409  # another supervisor of the same scope
    assert desk.post("s-1", f"{path}/close", note="")["state"] == "closed"
    assert desk.post("w-1", "/api/directives/none/answer", text="x") == 403  # as if it were elsewhere


def test_each_sees_what_is_in_his_scope_and_what_waits_for_him(desk: Desk) -> None:
    desk.issue()
    seen = {who: desk.ask(who, "GET", "/api/directives?open=true") for who in ACCOUNTS}
    assert {who for who, found in seen.items() if found and found != 403} == {"s-1", "s-3", "w-1", "i-1"}
    assert seen["sys-1"] == 403
    assert [one["may_answer"] for one in seen["w-1"]] == [True]
    assert [one["may_close"] for one in seen["s-3"]] == [False]
    waiting = {who: desk.ask(who, "GET", "/api/attention") for who in ACCOUNTS}
    assert {who for who, told in waiting.items() if told["waiting"]} == {"w-1"}
    desk.post("w-1", "/api/directives/directive-1/answer", text="已收存")
    waiting = {who: desk.ask(who, "GET", "/api/attention") for who in ACCOUNTS}
    assert {who for who, told in waiting.items() if told["answered"]} == {"s-1"}


def test_an_unanswered_one_turns_overdue_as_time_goes_by(desk: Desk) -> None:
    desk.issue()
    desk.clock.advance(901)
    [directive] = desk.ask("s-1", "GET", "/api/directives")
    assert directive["state"] == "overdue"


def test_a_room_shows_only_what_is_meant_for_it(desk: Desk) -> None:
    desk.issue()
    desk.issue(id="directive-2", to_room=True)
    shown = desk.ask("w-1", "GET", "/api/rooms/OH/directives")
    assert [one["id"] for one in shown] == ["directive-2"]
    assert desk.ask("w-2", "GET", "/api/rooms/OH/directives") == []


def test_presence_is_marked_by_oneself_or_on_site_by_a_witness(desk: Desk) -> None:
    path = "/api/projects/P/presence"
    assert {who: desk.post(who, path, mode="remote") for who in ("s-2", "w-2", "i-1", "sys-1")} == (
        dict.fromkeys(("s-2", "w-2", "i-1", "sys-1"), 403)
    )
    here = desk.post("s-1", path, mode="remote")
    assert (here["account_label"], here["end_us"]) == ("监督员", None)
    assert desk.post("s-3", path, mode="on_site", room_id="OH", account_id="s-1") == 409
    assert desk.post("w-1", path, mode="remote", account_id="s-1") == 409
    assert desk.post("w-1", path, mode="on_site", room_id="OH", account_id="s-2") == 409  # not of this scope
    on_site = desk.post("w-1", path, mode="on_site", room_id="OH", account_id="s-1")
    assert (on_site["account_id"], on_site["marked_by_label"]) == ("s-1", "见证员")
    assert desk.post("s-3", f"/api/presence/{on_site['id']}/leave") == 409
    assert desk.post("w-1", f"/api/presence/{on_site['id']}/leave")["end_us"] == desk.clock.now_us()
    assert desk.post("s-3", f"/api/presence/{here['id']}/beat") == 409
    desk.clock.advance(60)
    assert desk.post("s-1", f"/api/presence/{here['id']}/beat")["end_us"] is None
    desk.clock.advance(181)
    assert desk.post("s-1", f"/api/presence/{here['id']}/beat") == 409


def test_presence_from_afar_is_refused_in_words_while_nothing_runs(desk: Desk) -> None:
    """I5: replay after the end leaves the supervisor absent."""
    path = "/api/projects/P/presence"
    here = desk.post("s-1", path, mode="remote")
    desk.catalogue.sessions.record_event(_ends_again(desk.clock.now_us() + SECOND_US))
    desk.clock.advance(60)
    answer = asyncio.run(desk._answer("s-1", "POST", path, json={"mode": "remote"}))
    assert (answer.status_code, "没有正在进行的场次" in answer.json()["detail"]) == (409, True)
    assert desk.post("s-1", f"/api/presence/{here['id']}/beat") == 409
    assert desk.post("w-1", path, mode="remote", session_id="P-O") == 409


def test_alerts_are_seen_and_taken_notice_of_within_the_scope(desk: Desk) -> None:
    told = Alert(id="alert-1", rule=AlertRule.SEAL_DUE, subject="P-O", since_us=1, project_id="P")
    desk.catalogue.alerts.put(told)
    seen = {who: desk.ask(who, "GET", "/api/alerts") for who in ACCOUNTS}
    assert {who for who, found in seen.items() if found and found != 403} == {"s-1", "s-3", "w-1", "i-1"}
    path = "/api/alerts/alert-1/acknowledge"
    assert {desk.post(who, path, note="x") for who in ("s-2", "w-2", "i-1", "sys-1")} == {403}
    assert desk.post("s-1", path, note="已通知")["acknowledged_by_label"] == "监督员"
    assert desk.post("w-1", path, note="别的") == 409
    [record] = desk.catalogue.audit.records(AuditFilter(action="alert."))
    assert record.principal == "s-1"


def test_a_place_without_a_project_is_the_business_of_its_venue(desk: Desk) -> None:
    told = Alert(
        id="alert-2", rule=AlertRule.STREAM_LOST, subject="cam", since_us=1, source_id="cam", room_id="OH"
    )
    desk.catalogue.alerts.put(told)
    seen = {who: desk.ask(who, "GET", "/api/alerts") for who in ("w-1", "w-2", "s-1")}
    assert {who: len(found) for who, found in seen.items()} == {"w-1": 1, "w-2": 0, "s-1": 0}
