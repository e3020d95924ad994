"""The reference client against a real server: what it reports arrives, once, whatever is sent again."""

from __future__ import annotations

import importlib.util
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import httpx
import pytest
import uvicorn

from catalog.catalogue import Catalogue
from catalog.objects import MemoryStore
from kernel.clock import SystemClock
from kernel.model.timeline import SessionState
from player_api.app import create_app
from tests.support.catalogue import open_catalogue

PROJECT = {
    "id": "P",
    "project_code": "C-1",
    "name_zh": "样例",
    "region": "530602",
    "trade_place": "530602",
    "industry": "A01",
    "sessions": [{"id": "P-O", "phase": "opening", "room": "OH"}],
}
START = {"id": "e1", "session": "P-O", "at": "2020-03-02T09:00:00+08:00", "type": "opening.start"}
END = {"id": "e2", "session": "P-O", "at": "2020-03-02T10:00:00+08:00", "type": "opening.end"}
STRAY = {"id": "e3", "session": "NONE", "at": "2020-03-02T10:00:00+08:00", "type": "opening.end"}


@pytest.fixture(scope="module")
def module() -> ModuleType:
    path = Path(__file__).parents[2] / "docs" / "clients" / "trading_client.py"
    spec = importlib.util.spec_from_file_location("trading_client", path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    opened = open_catalogue(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def address(catalogue: Catalogue) -> Iterator[str]:
    config = uvicorn.Config(create_app(catalogue, MemoryStore(), SystemClock()), port=0, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


def test_what_the_client_reports_arrives_once(module: ModuleType, catalogue: Catalogue, address: str) -> None:
    key = catalogue.trading_systems.add("etrade", "", principal="test", at_us=1)
    client = module.TradingClient(address, key)
    for _again in range(2):
        client.report_project(PROJECT)
        assert [one["id"] for one in client.report_events([END, STRAY, START])] == ["e3"]
    client.report_seats("P-O", [], "无席位")
    client.close()
    session = catalogue.sessions.get("P-O")
    assert session is not None
    assert session.state is SessionState.ENDED
    assert len(catalogue.sessions.events_of("P-O")) == 2


def test_the_client_hears_what_is_odd_about_events_that_were_taken_in(
    module: ModuleType, catalogue: Catalogue, address: str
) -> None:
    key = catalogue.trading_systems.add("etrade", "", principal="test", at_us=1)
    client = module.TradingClient(address, key)
    client.report_project(PROJECT)
    early = {"id": "e4", "session": "P-O", "at": "2020-03-02T01:20:00+08:00", "type": "eval.pause"}
    (odd,) = client.report_events([START, early, END])
    client.close()
    assert (odd["id"], odd["outcome"]) == ("e4", "recorded")
    assert [one["code"] for one in odd["notices"]] == ["outside_session"]


def test_a_key_that_does_not_hold_is_an_error_for_the_caller(module: ModuleType, address: str) -> None:
    client = module.TradingClient(address, "wrong")
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        client.report_project(PROJECT)
    client.close()
