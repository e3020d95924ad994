"""The guide for trading systems shows what the server really takes and answers, in both its editions."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from catalog.catalogue import Catalogue
from catalog.objects import MemoryStore
from kernel.clock import SECOND_US, FakeClock
from kernel.event_notices import NoticeCode
from kernel.settings import load_cameras
from player_api.app import create_app
from tests.support.peers import REPOSITORY

GUIDES = ("timeline.md", "timeline.zh-CN.md")
DAY_AFTER_US = 1_772_496_000 * SECOND_US
EVENTS = "/api/trading/events"


def text_of(name: str) -> str:
    return (REPOSITORY / "docs" / "guide" / name).read_text(encoding="utf-8")


def shown(name: str) -> tuple[dict[str, Any], list[Any]]:
    """The requests by their file's name, and the answers in their order."""
    blocks = re.findall(r"^```json (\S+)\n(.*?)^```$", text_of(name), re.MULTILINE | re.DOTALL)
    requests = {file: json.loads(body) for file, body in blocks if file != "answer"}
    return requests, [json.loads(body) for file, body in blocks if file == "answer"]


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    catalogue = Catalogue.open(f"sqlite:///{tmp_path / 'catalogue.sqlite'}")
    catalogue.places.register(load_cameras(REPOSITORY / "cameras.yaml"))
    key = catalogue.trading_systems.add("etrade", "", principal="test", at_us=DAY_AFTER_US)
    transport = httpx.ASGITransport(app=create_app(catalogue, MemoryStore(), FakeClock(DAY_AFTER_US)))
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as opened:
        yield opened
    catalogue.close()


@pytest.mark.parametrize("guide", GUIDES)
async def test_the_day_of_the_guide_goes_as_it_says(client: httpx.AsyncClient, guide: str) -> None:
    requests, answers = shown(guide)
    project = requests["project.json"]
    address = f"/api/trading/projects/{project['id']}"
    assert (await client.put(address, json=project)).status_code == 204
    said = [await client.post(EVENTS, json=requests[f"{name}.json"]) for name in ("events", "odd")]
    assert [one.status_code for one in said] == [200, 409]
    corrected = await client.post(EVENTS, json=requests["corrections.json"])
    assert corrected.status_code == 200
    assert not any(one["notices"] for one in corrected.json()["events"])
    seats = await client.put("/api/trading/sessions/2026-0001-E/seats", json=requests["seats.json"])
    assert seats.status_code == 204
    wrong_room = [{**one, "room": "OH-9"} for one in project["sessions"]]
    without_zone = [{**requests["events.json"][0], "at": "2026-03-02T09:00:00"}]
    said += [
        await client.post(EVENTS, json=[], headers={"Authorization": "Bearer wrong"}),
        await client.put(address, json={**project, "sessions": wrong_room}),
        await client.post(EVENTS, json=without_zone),
    ]
    assert [one.json() for one in said] == answers


def test_both_editions_show_the_same() -> None:
    assert shown(GUIDES[0]) == shown(GUIDES[1])
    commands = [re.findall(r"^report .*$", text_of(name), re.MULTILINE) for name in GUIDES]
    assert commands[0] == commands[1]
    assert len(commands[0]) == 3


@pytest.mark.parametrize("guide", GUIDES)
def test_every_notice_is_explained(guide: str) -> None:
    assert [code for code in NoticeCode if f"| `{code}` |" not in text_of(guide)] == []
