"""Trading systems report by HTTP: with their key only, as often as they like, in any order."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from catalog.catalogue import Catalogue
from catalog.objects import MemoryStore
from kernel.clock import SECOND_US, FakeClock
from kernel.errors import TimelineError
from kernel.model.report import ProjectReport
from kernel.model.timeline import ProjectKind, SessionState
from player_api.agents import create_agent_app
from player_api.app import create_app
from player_api.trading import trading_router
from tests.support.catalogue import open_catalogue

NOW_US = 1_772_420_400_000_000  # 2 March 2026, 11:00 in Beijing
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
    assert found.start_us == NOW_US + (300 - 7200) * SECOND_US


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
    catalogue.trading_systems.revoke("etrade", principal="w", at_us=NOW_US)
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


async def test_a_report_that_is_refused_leaves_nothing_behind(
    client: httpx.AsyncClient, catalogue: Catalogue
) -> None:
    """A booking is the last thing that is looked at: the project before it must not stay."""
    lost = {**PROJECT["bookings"][0], "room": "NONE"}
    assert await put(client, bookings=[PROJECT["bookings"][0], lost]) == 409
    assert catalogue.projects.project("P01") is None
    assert catalogue.sessions.get("P01-O") is None
    assert catalogue.bookings.of_project("P01") == []


@pytest.fixture
async def other(catalogue: Catalogue) -> AsyncIterator[httpx.AsyncClient]:
    """Another trading system."""
    key = catalogue.trading_systems.add("other", "", principal="test", at_us=NOW_US)
    transport = httpx.ASGITransport(app=create_app(catalogue, MemoryStore(), FakeClock(NOW_US)))
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as opened:
        yield opened


async def test_another_system_changes_nothing_of_a_project(
    client: httpx.AsyncClient, other: httpx.AsyncClient, catalogue: Catalogue
) -> None:
    assert await put(client) == 204
    assert await put(other, outcome="failed_bid", bookings=[]) == 409
    sent = await other.post("/api/trading/events", json=[event("e1", "opening.start", "09:00:00")])
    assert (sent.status_code, sent.json()["events"][0]["outcome"]) == (409, "refused")
    seats = await other.put("/api/trading/sessions/P01-O/seats", json={"seats": [], "reason": "x"})
    assert seats.status_code == 409
    project = catalogue.projects.project("P01")
    assert project is not None
    assert project.outcome == ""
    assert state(catalogue) is SessionState.PLANNED
    assert await put(client, outcome="result") == 204


async def test_a_booking_of_another_project_is_not_taken_over(
    client: httpx.AsyncClient, other: httpx.AsyncClient, catalogue: Catalogue
) -> None:
    await put(client)
    theirs = {
        "id": "P02",
        "project_code": "530602-A-2026-0002",
        "sections": [],
        "sessions": [],
        "bookings": [{**PROJECT["bookings"][0], "status": "released"}],
    }
    answer = await other.put("/api/trading/projects/P02", json={**PROJECT, **theirs})
    assert answer.status_code == 409
    assert "B1" in answer.json()["detail"]
    assert catalogue.projects.project("P02") is None
    assert [one.status for one in catalogue.bookings.of_project("P01")] == ["confirmed"]


async def test_a_project_of_no_system_belongs_to_the_first_that_reports_it(
    client: httpx.AsyncClient, other: httpx.AsyncClient, catalogue: Catalogue
) -> None:
    report = ProjectReport.model_validate(PROJECT)
    catalogue.reports.take_project(report, principal="clerk", at_us=NOW_US)
    assert await put(other) == 204
    assert await put(client) == 409
    catalogue.reports.take_project(report, principal="clerk", at_us=NOW_US)  # a file by the operator
    assert await put(client) == 409


async def test_a_system_that_replaces_another_takes_over_its_projects(
    client: httpx.AsyncClient, catalogue: Catalogue
) -> None:
    await put(client)
    key = catalogue.trading_systems.add("etrade-2", "", principal="test", at_us=NOW_US, instead_of="etrade")
    assert await put(client) == 401
    client.headers["Authorization"] = f"Bearer {key}"
    assert await put(client, outcome="result") == 204
    with pytest.raises(TimelineError, match="no trading system nobody"):
        catalogue.trading_systems.add("etrade-3", "", principal="test", at_us=NOW_US, instead_of="nobody")
    assert [one.id for one in catalogue.trading_systems.all()] == ["etrade", "etrade-2"]


@pytest.mark.parametrize(
    "changed",
    [
        {"id": "HALL-OH-20260302"},
        {"project_code": "HALL-OH-20260302"},
        {"sessions": [{"id": "HALL-OH-20260302-H", "phase": "opening", "room": "OH"}]},
        {"sessions": [{"id": "P01-H", "phase": "hall", "room": "OH"}]},
    ],
)
async def test_nobody_reports_what_would_be_the_record_of_a_hall(
    client: httpx.AsyncClient, changed: dict[str, object]
) -> None:
    told = {**PROJECT, **changed}
    answer = await client.put(f"/api/trading/projects/{told['id']}", json=told)
    assert answer.status_code == 422
    assert "hall" in str(answer.json()["detail"]).lower()


async def test_nobody_reports_on_the_record_of_a_hall(
    client: httpx.AsyncClient, catalogue: Catalogue
) -> None:
    report = ProjectReport.model_validate(PROJECT)
    hall = replace(report.project(), kind=ProjectKind.HALL)
    catalogue.projects.add_project(hall, report.session_values())
    assert await put(client) == 409
    sent = await client.post("/api/trading/events", json=[event("e1", "opening.start", "09:00:00")])
    assert sent.json()["events"][0]["outcome"] == "refused"
    seats = await client.put("/api/trading/sessions/P01-O/seats", json={"seats": [], "reason": "x"})
    assert seats.status_code == 409
    project = catalogue.projects.project("P01")
    assert project is not None
    assert project.kind is ProjectKind.HALL
    assert catalogue.sessions.events_of("P01-O") == []


async def test_what_has_not_happened_yet_is_refused_but_may_be_taken_back(
    client: httpx.AsyncClient, catalogue: Catalogue
) -> None:
    """A slip in the year would keep a session from being cut until then."""
    await put(client)
    sent = [event("e1", "opening.start", "11:00:59"), event("e2", "opening.end", "11:01:01")]
    answer = await client.post("/api/trading/events", json=sent)
    assert [one["outcome"] for one in answer.json()["events"]] == ["recorded", "refused"]
    assert "has not come yet" in answer.json()["events"][1]["message"]
    back = event("e3", "opening.start", "23:00:00", replaces="e1", withdrawn=True)
    assert (await client.post("/api/trading/events", json=[back])).status_code == 200
    assert state(catalogue) is SessionState.PLANNED


async def test_a_session_moves_in_whichever_order_its_corrections_are_sent(
    client: httpx.AsyncClient, catalogue: Catalogue
) -> None:
    """The new start lies behind the old end: taken first, the session would end before it starts."""
    await put(client)
    was = [event("e1", "opening.start", "08:00:00"), event("e2", "opening.end", "08:30:00")]
    await client.post("/api/trading/events", json=was)
    moved = [
        event("e1b", "opening.start", "09:00:00", replaces="e1"),
        event("e2b", "opening.end", "09:30:00", replaces="e2"),
    ]
    answer = await client.post("/api/trading/events", json=moved)
    assert answer.status_code == 200
    assert [one["id"] for one in answer.json()["events"]] == ["e1b", "e2b"]
    found = catalogue.sessions.get("P01-O")
    assert found is not None
    assert (found.start_us, found.end_us) == (NOW_US - 7200 * SECOND_US, NOW_US - 5400 * SECOND_US)


async def test_corrections_may_stand_before_what_they_put_right(
    client: httpx.AsyncClient, catalogue: Catalogue
) -> None:
    await put(client)
    chain = [event("e0", "opening.start", "09:00:00")]
    for number in range(1, 40):
        at = f"09:00:{number:02d}"
        chain.append(event(f"e{number}", "opening.start", at, replaces=f"e{number - 1}"))
    lost = event("lost", "opening.end", "10:00:00", replaces="never")
    answer = await client.post("/api/trading/events", json=[lost, *chain[::-1]])
    told = answer.json()["events"]
    assert [one["id"] for one in told] == ["lost", *(one["id"] for one in chain[::-1])]
    assert [one["outcome"] for one in told] == ["refused"] + ["recorded"] * 40
    found = catalogue.sessions.get("P01-O")
    assert found is not None
    assert found.start_us == NOW_US + (39 - 7200) * SECOND_US


@pytest.mark.parametrize(
    "said",
    [
        r'"reason": "a\ud800b"',
        r'"reason": "a\u0000b"',
        r'"details": {"a": ["\ud800"]}',
        r'"details": {"\udfff": 1}',
        r'"details": {"a": {"\u0000": 1}}',
        r'"details": {"a": NaN}',
        r'"details": {"a": [-Infinity]}',
        r'"details": {"a": 1e999}',
        r'"details": {"a": "%s"}' % ("中" * 1400),
        r'"\ud800": 1',
    ],
)
@pytest.mark.parametrize("far", [False, True])
async def test_what_no_page_or_archive_can_hold_is_refused(
    client: httpx.AsyncClient, catalogue: Catalogue, said: str, far: bool
) -> None:
    """By the page's server and by the receiver, each with an answer that can be read."""
    await put(client)
    first = json.dumps(event("e1", "opening.start", "09:00:00"))[:-1]
    headers = {**client.headers, "content-type": "application/json"}
    routes = trading_router(catalogue.reports, catalogue.trading_systems, FakeClock(NOW_US))
    app = create_agent_app(NoFootage(), {}, FakeClock(NOW_US), trading=routes)
    receiver = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="https://recorder")
    async with receiver:
        answer = await (receiver if far else client).post(
            "/api/trading/events", content=f"[{first}, {said}}}]", headers=headers
        )
    assert answer.status_code == 422
    assert answer.json()["detail"]
    assert catalogue.sessions.events_of("P01-O") == []


@pytest.mark.parametrize(
    "changed",
    [
        {"name_zh": "a\0"},
        {"sections": [{"number": 1, "section_code": "S\0", "name_zh": ""}]},
        {"committee_size": 100},
        {"committee_size": 1 << 63},
        {"sections": [{"number": 1000, "section_code": "S-1"}], "sessions": []},
        {"sections": [{"number": 1 << 63, "section_code": "S-1"}], "sessions": []},
    ],
)
async def test_what_no_database_can_hold_is_refused(
    client: httpx.AsyncClient, catalogue: Catalogue, changed: dict[str, object]
) -> None:
    assert await put(client, **changed) == 422
    assert catalogue.projects.project("P01") is None


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


async def test_what_is_odd_about_events_is_told_and_they_are_kept(
    client: httpx.AsyncClient, catalogue: Catalogue
) -> None:
    """A pause that a system reports in the wrong zone, a slip of the pen, a word of another phase."""
    await put(client)
    sent = [
        event("e1", "opening.start", "09:00:00"),
        event("e2", "eval.pause", "01:30:00"),
        event("e3", "opening.read_price", "09:30:00"),
        event("e4", "eval.leader_elected", "09:40:00"),
        event("e5", "opening.end", "10:00:00"),
    ]
    for outcome in ("recorded", "known"):
        answer = await client.post("/api/trading/events", json=sent)
        told = answer.json()["events"]
        assert answer.status_code == 200
        assert [one["outcome"] for one in told] == [outcome] * 5
        assert [[notice["code"] for notice in one["notices"]] for one in told] == [
            [],
            ["outside_session"],
            ["unknown_kind"],
            ["other_phase"],
            [],
        ]
    assert "lies 7 h 30 min before the start of session P01-O" in told[1]["notices"][0]["message"]
    assert "time zone" in told[1]["notices"][0]["hint"]
    assert "opening.read_prices was meant" in told[2]["notices"][0]["hint"]
    assert len(catalogue.sessions.events_of("P01-O")) == 5
    right = event("e2b", "eval.pause", "09:30:00", replaces="e2")
    answer = await client.post("/api/trading/events", json=[right])
    assert answer.json()["events"][0]["notices"] == []


async def test_a_start_tells_of_what_was_reported_before_and_lies_outside(client: httpx.AsyncClient) -> None:
    await put(client)
    first = await client.post("/api/trading/events", json=[event("e2", "eval.pause", "01:00:00")])
    assert first.json()["events"][0]["notices"] == []  # nobody knows yet when it begins
    start = await client.post("/api/trading/events", json=[event("e1", "opening.start", "09:00:00")])
    (notice,) = start.json()["events"][0]["notices"]
    assert (notice["event"], notice["code"]) == ("e2", "outside_session")
    assert "lies 8 h before" in notice["message"]


async def test_nothing_of_the_interface_is_fetched_from_the_internet(client: httpx.AsyncClient) -> None:
    """Trading centres have no way out: FastAPI's own pages would stay white."""
    assert (await client.get("/api/docs")).status_code == 404
    for path in ("/docs", "/redoc", "/api/openapi.json"):
        assert "cdn." not in (await client.get(path)).text


@pytest.mark.parametrize("trades", [True, False])
async def test_the_receiver_describes_the_interface_for_trading_systems_only(
    catalogue: Catalogue, trades: bool
) -> None:
    clock = FakeClock(NOW_US)
    routes = trading_router(catalogue.reports, catalogue.trading_systems, clock) if trades else None
    app = create_agent_app(NoFootage(), {}, clock, trading=routes)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="https://recorder"
    ) as nobody:
        answer = await nobody.get("/api/openapi.json")
        pages = [(await nobody.get(path)).status_code for path in ("/docs", "/redoc", "/openapi.json")]
    assert pages == [404] * 3
    assert answer.status_code == (200 if trades else 404)
    if trades:
        assert set(answer.json()["paths"]) == {
            "/api/trading/projects/{project_id}",
            "/api/trading/events",
            "/api/trading/sessions/{session_id}/seats",
        }


async def test_what_is_described_of_refusals_is_what_is_answered(client: httpx.AsyncClient) -> None:
    described = (await client.get("/api/openapi.json")).json()
    body = {"$ref": "#/components/schemas/Refused"}
    for path, methods in described["paths"].items():
        if path.startswith("/api/trading"):
            (route,) = methods.values()
            said = {code: answer for code, answer in route["responses"].items() if code in ("401", "422")}
            if not path.endswith("/events"):
                said["409"] = route["responses"]["409"]
            schemas = [one["content"]["application/json"]["schema"] for one in said.values()]
            assert schemas == [body] * len(said)
            assert "409" in route["responses"]
    refused = [
        await client.put("/api/trading/projects/P01", json={**PROJECT, "name_zh": ""}),
        await client.put("/api/trading/projects/P02", json=PROJECT),
        await client.put("/api/trading/projects/P01", json={**PROJECT, "region": "999999"}),
        await client.post("/api/trading/events", content=b"{"),
        await client.post("/api/trading/events", json=[], headers={"Authorization": "Bearer wrong"}),
    ]
    assert [one.status_code for one in refused] == [422, 422, 409, 422, 401]
    for answer in refused:
        assert set(answer.json()) == {"detail"}
        assert isinstance(answer.json()["detail"], str)


async def test_a_hint_fits_whoever_reports(client: httpx.AsyncClient) -> None:
    answer = await client.put("/api/trading/projects/P01", json={**PROJECT, "region": "999999"})
    assert "file" not in answer.json()["detail"]
    assert "try again" in answer.json()["detail"]


class NoFootage:
    """A receiver without agents: nobody has a token, so nothing is asked of it."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was asked for")
