"""/readyz and /healthz: what a machine that watches over recording is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from catalog.catalogue import Catalogue
from catalog.objects import MemoryStore
from catalog.readiness import Watch
from kernel.clock import SECOND_US, FakeClock
from kernel.desired import Around
from kernel.errors import CatalogError
from kernel.model.footage import Fault, SourceState
from player_api.app import create_app
from tests.support.catalogue import open_catalogue
from tests.support.sources import health, wish


@dataclass(frozen=True, kw_only=True)
class Centre:
    """Two sources that are to be recorded always."""

    catalogue: Catalogue
    clock: FakeClock
    client: httpx.AsyncClient

    def said(self, source_id: str, **changed: object) -> None:
        self.catalogue.footage.set_health([health(source_id, self.clock.now_us(), **changed)])

    async def ready(self) -> tuple[int, dict[str, Any]]:
        answer = await self.client.get("/readyz")
        return answer.status_code, answer.json()


@pytest.fixture
async def centre(tmp_path: Path) -> AsyncIterator[Centre]:
    catalogue, clock = open_catalogue(tmp_path), FakeClock()
    watch = Watch(wishes=lambda: [wish("cam"), wish("screen")], around=Around(before_us=0, after_us=0))
    app = create_app(catalogue, MemoryStore(), clock, static=tmp_path / "none", watch=watch)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1"
    ) as client:
        yield Centre(catalogue=catalogue, clock=clock, client=client)
    catalogue.close()


async def test_ready_while_all_are_recorded(centre: Centre) -> None:
    centre.said("cam")
    centre.said("screen")
    status, body = await centre.ready()
    assert status == 200
    assert body == {
        "ready": True,
        "at_us": centre.clock.now_us(),
        "recorder_alive": True,
        "wanted": 2,
        "cameras_problem": "",
        "missing": [],
    }


async def test_a_lost_source_is_named_with_what_its_recorder_said(centre: Centre) -> None:
    centre.said("cam")
    centre.said("screen", state=SourceState.LOST, detail="no answer", fault=Fault.NOT_ANSWERING)
    status, body = await centre.ready()
    assert status == 503
    assert body["missing"] == [
        {
            "source_id": "screen",
            "shortfall": "lost",
            "fault": "not_answering",
            "detail": "no answer",
            "why_wanted": "always",
            "since_us": centre.clock.now_us() - 60 * SECOND_US,
        }
    ]


async def test_a_recorder_that_was_killed_does_not_stay_healthy(centre: Centre) -> None:
    """Nothing is written any more, so nothing says that it died but the age of its last word."""
    centre.said("cam")
    centre.said("screen")
    centre.clock.advance(9)
    assert (await centre.ready())[0] == 200
    centre.clock.advance(3)
    status, body = await centre.ready()
    assert (status, body["recorder_alive"]) == (503, False)
    assert {one["source_id"]: one["shortfall"] for one in body["missing"]} == {
        "cam": "silent",
        "screen": "silent",
    }


async def test_no_answer_is_kept_by_a_cache_on_the_way(centre: Centre) -> None:
    assert (await centre.client.get("/readyz")).headers["cache-control"] == "no-store"


async def test_a_catalogue_that_cannot_be_read_is_not_ready(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Any:
        raise CatalogError("The catalogue cannot be read.")

    monkeypatch.setattr(centre.catalogue.footage, "health", broken)
    status, body = await centre.ready()
    assert (status, body["detail"].startswith("The catalogue cannot be read.")) == (503, True)
    assert (await centre.client.get("/healthz")).status_code == 200


async def test_the_server_is_healthy_whatever_the_sources_do(centre: Centre) -> None:
    answer = await centre.client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert (await centre.ready())[0] == 503


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/api/sources", "/media/segments/x"])
async def test_a_page_of_another_site_reads_none_of_it(centre: Centre, path: str) -> None:
    """DNS rebinding: only the names of this machine are answered (invariant 15)."""
    answer = await centre.client.get(path, headers={"Host": "recorder.example.org"})
    assert answer.status_code == 400
