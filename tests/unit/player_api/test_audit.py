"""Who did what, by the API; and where those who act by the page act from (invariant 14)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI

from catalog.catalogue import Catalogue
from catalog.objects import MemoryStore
from catalog.readiness import watch_everything
from kernel.acting import origin
from kernel.clock import FakeClock
from kernel.model.audit import Act, Action, AnchorState
from player_api.agents import create_agent_app
from player_api.app import create_app
from player_api.audit import ActingFrom
from player_api.trading import trading_router
from tests.support.catalogue import open_catalogue

NOW_US = 1_772_420_400_000_000


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    opened = open_catalogue(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def application(catalogue: Catalogue) -> FastAPI:
    return create_app(catalogue, MemoryStore(), FakeClock(NOW_US))


def client(application: FastAPI, address: str = "10.0.0.7") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(application, client=(address, 50_000))
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")


async def ask(application: FastAPI, **query: Any) -> Any:
    answer = await client(application).get("/api/audit", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def act(catalogue: Catalogue, number: int) -> None:
    principal = ("a", "b")[number % 2]
    told = Act(at_us=number, principal=principal, action=Action.HOLD_MADE, subject=f"P{number}")
    catalogue.audit.append(told)


async def test_a_hold_by_the_page_is_recorded_with_name_and_address(
    application: FastAPI, catalogue: Catalogue
) -> None:
    """The route is a plain function: it runs in a thread of the pool."""
    asked = {"source_id": "cam", "start_us": 100, "end_us": 200, "reason": "质疑", "principal": "sup-1"}
    answer = await client(application, "10.0.0.9").post("/api/holds", json=asked)
    assert answer.status_code == 201
    [record] = (await ask(application, action="hold.made"))["records"]
    assert (record["principal"], record["origin"], record["at_us"]) == ("sup-1", "10.0.0.9", NOW_US)
    assert catalogue.audit.head(0) is not None


async def test_requests_at_the_same_time_keep_their_own_address(
    application: FastAPI, catalogue: Catalogue
) -> None:
    async def book(number: int) -> None:
        asked = {
            "room_id": "OH",
            "start_us": NOW_US + 1_000_000,
            "end_us": NOW_US + 2_000_000,
            "title": "",
            "principal": f"p{number}",
        }
        answer = await client(application, f"10.0.0.{number}").post("/api/bookings", json=asked)
        assert answer.status_code == 201

    await asyncio.gather(*(book(number) for number in range(8)))
    made = [one for one in catalogue.audit.walk() if one.action == Action.BOOKING_MADE]
    assert {(one.principal, one.origin) for one in made} == {(f"p{n}", f"10.0.0.{n}") for n in range(8)}


async def test_an_address_lasts_no_longer_than_its_request() -> None:
    """In routes of the pool and of the loop alike."""
    bare = FastAPI()
    bare.add_middleware(ActingFrom)
    bare.get("/pool")(lambda: origin())

    @bare.get("/loop")
    async def loop() -> str:
        return origin()

    for path in ("/pool", "/loop"):
        assert (await client(bare, "10.1.1.1").get(path)).json() == "10.1.1.1"
    assert origin().startswith("host ")


async def test_records_are_narrowed_and_paged(application: FastAPI, catalogue: Catalogue) -> None:
    for number in range(1, 6):
        act(catalogue, number)
    first = await ask(application, action="hold.", limit=2)
    second = await ask(application, action="hold.", limit=2, before=first["before"])
    third = await ask(application, action="hold.", limit=2, before=second["before"])
    seen = [one["subject"] for page in (first, second, third) for one in page["records"]]
    assert (seen, third["before"]) == (["P5", "P4", "P3", "P2", "P1"], None)
    assert [
        one["subject"] for one in (await ask(application, principal="b", since_us=2, until_us=5))["records"]
    ] == ["P3"]
    assert await ask(application, subject="P9") == {"records": [], "before": None}


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=501", "before=0", "since_us=-1", "before=9999999999999999999"]
)
async def test_what_makes_no_sense_is_refused(application: FastAPI, query: str) -> None:
    assert (await client(application).get(f"/api/audit?{query}")).status_code == 422


async def test_the_head_is_the_newest_record(application: FastAPI, catalogue: Catalogue) -> None:
    act(catalogue, 1)
    [newest] = (await ask(application, limit=1))["records"]
    head = (await client(application).get("/api/audit/head")).json()
    assert head == {"number": newest["number"], "hash": newest["hash"], "at_us": NOW_US}


async def test_a_chain_without_a_record_has_no_head(tmp_path: Path) -> None:
    empty = Catalogue.open(f"sqlite:///{tmp_path / 'empty.sqlite'}")
    application = create_app(empty, MemoryStore(), FakeClock(NOW_US))
    assert (await client(application).get("/api/audit/head")).status_code == 404
    empty.close()


async def test_trading_systems_at_the_receiver_act_from_their_own_address(catalogue: Catalogue) -> None:
    """It is another application, and the one that other machines reach."""
    clock = FakeClock(NOW_US)
    key = catalogue.trading_systems.add("etrade", "", principal="w", at_us=1)
    trading = trading_router(catalogue.reports, catalogue.trading_systems, clock)
    receiver = create_agent_app(cast(Any, None), {}, clock, trading=trading)
    answer = await client(receiver, "10.0.0.8").put(
        "/api/trading/projects/P01",
        headers={"Authorization": f"Bearer {key}"},
        json={
            "id": "P01",
            "project_code": "530602-A-1",
            "name_zh": "样例",
            "region": "530602",
            "trade_place": "530602",
            "industry": "A01",
        },
    )
    assert answer.status_code == 204, answer.text
    [added] = [one for one in catalogue.audit.walk() if one.action == Action.PROJECT_ADDED]
    assert (added.principal, added.origin) == ("system:etrade", "10.0.0.8")


@pytest.mark.parametrize(("trouble", "ok"), [("", "1.0"), ("no disk", "0.0")])
async def test_how_the_anchor_stands_is_a_metric(catalogue: Catalogue, trouble: str, ok: str) -> None:
    state = AnchorState(checked_us=5_000_000, trouble=trouble)
    watch = replace(watch_everything(catalogue), anchor=lambda: state)
    application = create_app(catalogue, MemoryStore(), FakeClock(NOW_US), watch=watch)
    told = (await client(application).get("/metrics")).text
    assert f"jianzheng_audit_anchor_ok {ok}" in told
    assert "jianzheng_audit_anchor_timestamp_seconds 5.0" in told


async def test_where_no_anchor_is_wanted_no_metric_speaks_of_one(application: FastAPI) -> None:
    assert "anchor" not in (await client(application).get("/metrics")).text
