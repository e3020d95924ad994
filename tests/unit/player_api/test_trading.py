"""Trading systems report by HTTP: with their key only, as often as they like, in any order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from catalog.catalogue import Catalogue
from catalog.objects import MemoryStore
from kernel.clock import FakeClock
from kernel.model.timeline import SessionState
from player_api.agents import create_agent_app
from player_api.app import create_app
from player_api.trading import trading_router
from tests.support.catalogue import open_catalogue

NOW_US = 1_772_413_200_000_000
PROJECT: dict[str, Any] = {
    "id": "P01",
    "project_code": "530602-A-2026-0001",
    "name_zh": "样例项目",
    "region": "530602",
    "trade_place": "530602",
    "industry": "A01",
    "sections": [{"number": 1, "section_code": "S-1", "name_zh": "第一标段"}],
    "venues": [{"site": "ZT", "role": "main"}],
    "bookings": [
        {"id": "B1", "room": "OH", "start": "2026-03-02T09:00:00+08:00", "end": "2026-03-02T11:00:00+08:00"}
    ],
    "sessions": [{"id": "P01-O", "phase": "opening", "room": "OH", "sections": [1]}],
}


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    opened = open_catalogue(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
async def client(catalogue: Catalogue) -> AsyncIterator[httpx.AsyncClient]:
    key = catalogue.trading_systems.add("etrade", "电子交易系统", principal="test", at_us=NOW_US)
    transport = httpx.ASGITransport(app=create_app(catalogue, MemoryStore(), FakeClock(NOW_US)))
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as opened:
        yield opened


def event(name: str, kind: str, at: str, **more: object) -> dict[str, object]:
    return {"id": name, "session": "P01-O", "type": kind, "at": f"2026-03-02T{at}+08:00", **more}


async def put(client: httpx.AsyncClient, **changed: object) -> int:
    answer = await client.put("/api/trading/projects/P01", json={**PROJECT, **changed})
    return answer.status_code


def state(catalogue: Catalogue) -> SessionState:
    found = catalogue.sessions.get("P01-O")
    assert found is not None
    return found.state


async def test_a_project_is_taken_in_with_all_that_belongs_to_it(
    client: httpx.AsyncClient, catalogue: Catalogue
) -> None:
    assert await put(client) == 204
    assert [one.section_code for one in catalogue.projects.sections_of("P01")] == ["S-1"]
    assert [one.site_id for one in catalogue.projects.venues_of("P01")] == ["ZT"]
    assert [one.id for one in catalogue.bookings.of_project("P01")] == ["B1"]
    assert state(catalogue) is SessionState.PLANNED


async def test_a_project_reported_again_is_brought_up_to_date(
    client: httpx.AsyncClient, catalogue: Catalogue
) -> None:
    await put(client)
    moved = [{**PROJECT["bookings"][0], "status": "moved"}]
    assert await put(client, outcome="result", bookings=moved) == 204
    project = catalogue.projects.project("P01")
    assert project is not None
    assert project.outcome == "result"
    assert [one.status for one in catalogue.bookings.of_project("P01")] == ["moved"]


async def test_events_move_a_session_whatever_order_they_come_in(
    client: httpx.AsyncClient, catalogue: Catalogue
) -> None:
    await put(client)
    end = [event("e2", "opening.end", "10:00:00")]
    assert (await client.post("/api/trading/events", json=end)).json()["events"][0]["outcome"] == "recorded"
    assert state(catalogue) is SessionState.PLANNED
    await client.post("/api/trading/events", json=[event("e1", "opening.start", "09:00:00")])
    assert state(catalogue) is SessionState.ENDED


async def test_an_event_sent_again_changes_nothing(client: httpx.AsyncClient, catalogue: Catalogue) -> None:
    await put(client)
    for expected in ("recorded", "known"):
        answer = await client.post("/api/trading/events", json=[event("e1", "opening.start", "09:00:00")])
        assert (answer.status_code, answer.json()["events"][0]["outcome"]) == (200, expected)
    assert len(catalogue.sessions.events_of("P01-O")) == 1


async def test_one_refused_event_keeps_none_of_the_others_out(
    client: httpx.AsyncClient, catalogue: Catalogue
) -> None:
    await put(client)
    sent = [
        event("e1", "opening.start", "09:00:00"),
        {**event("e2", "opening.end", "10:00:00"), "session": "NONE"},
        event("e3", "opening.read_prices", "09:30:00", details={"bidders": 11}),
    ]
    answer = await client.post("/api/trading/events", json=sent)
    assert answer.status_code == 409
    assert [one["outcome"] for one in answer.json()["events"]] == ["recorded", "refused", "recorded"]
    assert "NONE" in answer.json()["events"][1]["message"]
    assert [one.principal for one in catalogue.sessions.events_of("P01-O")] == ["system:etrade"] * 2


async def test_a_correction_keeps_the_old_and_the_new(
    client: httpx.AsyncClient, catalogue: Catalogue
) -> None:
    await put(client)
    await client.post("/api/trading/events", json=[event("e1", "opening.start", "09:00:00")])
    right = event("e1b", "opening.start", "09:05:00", replaces="e1", reason="时钟偏差")
    assert (await client.post("/api/trading/events", json=[right])).status_code == 200
    assert [one.id for one in catalogue.sessions.events_of("P01-O")] == ["e1", "e1b"]
    found = catalogue.sessions.get("P01-O")
    assert found is not None
    assert found.start_us == NOW_US + 300_000_000


@pytest.mark.parametrize("key", ["", "wrong", "Bearer "])
async def test_without_a_key_that_holds_nothing_is_taken_in(
    client: httpx.AsyncClient, catalogue: Catalogue, key: str
) -> None:
    answer = await client.put(
        "/api/trading/projects/P01", json=PROJECT, headers={"Authorization": f"Bearer {key}"}
    )
    assert answer.status_code == 401
    assert catalogue.projects.project("P01") is None


async def test_a_revoked_key_holds_no_longer(client: httpx.AsyncClient, catalogue: Catalogue) -> None:
    catalogue.trading_systems.revoke("etrade", NOW_US)
    assert await put(client) == 401


@pytest.mark.parametrize(
    "changed",
    [
        {"region": "999999"},
        {"industry": "Z"},
        {"venues": [{"site": "NONE", "role": "main"}]},
        {"sessions": [{"id": "P01-O", "phase": "opening", "room": "NONE"}]},
        {"bookings": [{**PROJECT["bookings"][0], "end": "2026-03-02T08:00:00+08:00"}]},
    ],
)
async def test_what_the_catalogue_lacks_is_named(
    client: httpx.AsyncClient, changed: dict[str, object]
) -> None:
    answer = await client.put("/api/trading/projects/P01", json={**PROJECT, **changed})
    assert answer.status_code == 409
    assert "P01" in answer.json()["detail"]


@pytest.mark.parametrize(
    "changed",
    [
        {"sessions": [{"id": "P01-O", "phase": "opening", "room": "OH", "sections": [7]}]},
        {"sessions": [{"id": "P01-O", "phase": "party", "room": "OH"}]},
        {"expert_names": ["somebody"]},
        {"bookings": [{**PROJECT["bookings"][0], "start": "2026-03-02T09:00:00"}]},
    ],
)
async def test_a_report_that_makes_no_sense_is_refused(
    client: httpx.AsyncClient, changed: dict[str, object]
) -> None:
    assert await put(client, **changed) == 422


async def test_who_sits_where_is_said_anew_and_the_old_stays(
    client: httpx.AsyncClient, catalogue: Catalogue
) -> None:
    await put(client)
    answer = await client.put("/api/trading/sessions/P01-O/seats", json={"seats": [], "reason": "无席位"})
    assert answer.status_code == 204
    answer = await client.put("/api/trading/sessions/NONE/seats", json={"seats": [], "reason": "x"})
    assert answer.status_code == 409


async def test_the_receiver_takes_reports_from_other_machines_and_says_what_makes_no_sense(
    catalogue: Catalogue,
) -> None:
    key = catalogue.trading_systems.add("far", "", principal="test", at_us=NOW_US)
    clock = FakeClock(NOW_US)
    routes = trading_router(catalogue.reports, catalogue.trading_systems, clock)
    app = create_agent_app(NoFootage(), {}, clock, trading=routes)
    transport = httpx.ASGITransport(app=app)
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(transport=transport, base_url="https://recorder", headers=headers) as far:
        assert await put(far) == 204
        wrong = await far.put("/api/trading/projects/P01", json={**PROJECT, "name_zh": ""})
    assert wrong.status_code == 422
    assert "name_zh" in wrong.json()["detail"]


class NoFootage:
    """A receiver without agents: nobody has a token, so nothing is asked of it."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was asked for")
