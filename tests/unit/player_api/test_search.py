"""Search by the API: what the page sends, and what it is told where that makes no sense."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from catalog.catalogue import Catalogue
from catalog.objects import MemoryStore
from kernel.clock import FakeClock
from kernel.model.cut import Clip, CutList
from kernel.timerange import TimeRange
from player_api.app import create_app
from tests.support.catalogue import PROJECT, add_session, open_catalogue

START_US = 1_772_420_400_000_000  # 2026-03-02, 11:00 in Beijing
HOUR_US = 3_600_000_000


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Of a catalogue with a project that has a clip, and two that have nothing."""
    catalogue = open_catalogue(tmp_path)
    add_session(catalogue, START_US, START_US + HOUR_US)
    _cut(catalogue)
    for name in ("Q1", "Q2"):
        other = replace(PROJECT, id=name, project_code=name, name_zh="桥", region_code="530630")
        catalogue.projects.add_project(other, [], principal="test")
    transport = httpx.ASGITransport(create_app(catalogue, MemoryStore(), FakeClock()))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client
    catalogue.close()


def _cut(catalogue: Catalogue) -> None:
    wall = TimeRange(start_us=START_US, end_us=START_US + HOUR_US)
    clip = Clip(id="c", session_id="P-O", source_id="cam", part=1, wall=wall, slices=(), gaps=())
    session = catalogue.sessions.get("P-O")
    assert session is not None
    catalogue.clips.record(CutList(session_id="P-O", clips=(clip,), change_number=session.change_number))


async def get(client: httpx.AsyncClient, path: str, **asked: Any) -> Any:
    answer = await client.get(path, params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_projects_come_with_what_they_were_found_by(client: httpx.AsyncClient) -> None:
    found = await get(client, "/api/search/projects", region="530681", text="桥", limit=1)
    assert found["total"] == {"value": 2, "more": False}
    [hit] = found["projects"]
    assert (hit["id"], hit["clip_count"], hit["first_us"]) == ("Q2", 0, None)
    told = {(one["filter"], one["asked"], one["hit"], one["value"]) for one in hit["matched"]}
    assert told == {
        ("region", "530681", "region", "530630"),
        ("region", "530681", "former_code", "530630"),
        ("text", "桥", "name", "桥"),
    }
    assert [one["today"] for one in hit["matched"] if one["hit"] == "former_code"] == ["530681"]
    rest = await get(
        client, "/api/search/projects", region="530681", text="桥", limit=1, page=found["next_page"]
    )
    assert ([one["id"] for one in rest["projects"]], rest["next_page"]) == (["Q1"], None)


async def test_clips_facets_and_calendar_say_the_same(client: httpx.AsyncClient) -> None:
    asked = {"date_from": "2026-03-02", "date_to": "2026-03-02", "content_kind": "room", "phase": "opening"}
    found = await get(client, "/api/search/clips", **asked)
    assert [(one["id"], one["site_id"], one["phase"]) for one in found["clips"]] == [("c", "ZT", "opening")]
    facets = await get(client, "/api/search/facets", **asked)
    one = {"value": 1, "more": False}
    assert facets["total"] == one
    assert facets["month"] == [{"value": "2026-03", "count": one}]
    assert facets["content_kind"] == [{"value": "room", "count": one}]
    assert {"value": "530600", "count": one} in facets["region"]
    days = await get(client, "/api/search/calendar", year=2026, month=3, content_kind="screen")
    assert days == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"region": "999999"}, "999999"),
        ({"industry": "ZZ"}, "ZZ"),
        ({"date_from": "2026-03-02", "date_to": "2026-03-01"}, "结束日期早于开始日期"),
        ({"page": "forged"}, "页码标记"),
        ({"text": " ".join(str(number) for number in range(20))}, "无法这样检索"),
    ],
)
async def test_a_search_that_makes_no_sense_is_refused_in_words(
    client: httpx.AsyncClient, asked: dict[str, Any], said: str
) -> None:
    answer = await client.get("/api/search/projects", params=asked)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


@pytest.mark.parametrize(
    "asked",
    [
        {"date_from": "2026-02-30"},
        {"phase": "nonsense"},
        {"limit": 0},
        {"gap_seconds": "nan"},
        {"regoin": "530600"},
        {"text": "x" * 201},
    ],
)
async def test_what_no_filter_can_be_is_refused_not_left_out(
    client: httpx.AsyncClient, asked: dict[str, Any]
) -> None:
    answer = await client.get("/api/search/projects", params=asked)
    assert answer.status_code == 422


async def test_searches_are_kept_for_their_own_principal(client: httpx.AsyncClient) -> None:
    wanted = {"principal": "i-1", "name": "桥", "query": {"text": "桥", "region": ["530600"]}}
    saved = (await client.post("/api/saved-searches", json=wanted)).json()
    assert saved["query"] == {"text": "桥", "region": ["530600"]}
    assert await get(client, "/api/saved-searches", principal="i-1") == [saved]
    assert await get(client, "/api/saved-searches", principal="i-2") == []
    assert (await client.post("/api/saved-searches", json=wanted)).status_code == 422
    path = f"/api/saved-searches/{saved['id']}"
    assert (await client.delete(path, params={"principal": "i-2"})).status_code == 404
    assert (await client.delete(path, params={"principal": "i-1"})).status_code == 204
    assert await get(client, "/api/saved-searches", principal="i-1") == []
