"""The socket: who may see what, what is on record before the first byte (invariants 14, 15), how it ends."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, HTTPException
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from catalog.objects import MemoryStore
from catalog.readiness import Watch
from kernel.clock import SystemClock
from kernel.desired import Around
from kernel.errors import CatalogError
from kernel.model.footage import Run
from kernel.model.watching import Shown, WatchEnd
from player_api import live as live_module
from player_api.app import create_app
from player_api.gate import AtTheGate, Gate
from player_api.live import live_from, live_router
from tests.support.catalogue import open_catalogue
from tests.support.growing import FRAMES, START_US, GrowingRun
from tests.support.peers import free_port
from tests.support.sources import wish


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """Its address, as host and port."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@dataclass
class Records:
    """Watches in memory, in place of the catalogue's."""

    opened: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    refuse: dict[str, Exception] = field(default_factory=dict)  # by source: at opening
    withdraw: dict[str, Exception] = field(default_factory=dict)  # by watch: at the next look

    def open(self, person: object, kind: object, *, source_ids: Sequence[str]) -> Any:
        (source_id,) = source_ids
        if source_id in self.refuse:
            raise self.refuse[source_id]
        self.opened.append(source_id)
        return SimpleNamespace(id=f"{source_id}-{len(self.opened)}")

    def check(self, watch_id: str, person: object) -> None:
        if watch_id in self.withdraw:
            raise self.withdraw[watch_id]

    def beat(self, watch_id: str, shown: Sequence[Shown], person: object = None) -> None:
        self.shown += shown

    def close(self, watch_id: str, shown: Sequence[Shown] = (), end: WatchEnd = WatchEnd.CLOSED) -> None:
        self.shown += shown
        self.closed.append(watch_id)


@dataclass
class Served:
    host: str
    records: Records
    runs: dict[str, GrowingRun]

    def connect(self, **headers: str) -> ClientConnection:
        return connect(f"ws://{self.host}/api/live", additional_headers=headers, compression=None)

    def closes(self, count: int) -> None:
        """Wait until so many records are closed: the server hears of a lost line by itself."""
        for _ in range(500):
            if len(self.records.closed) >= count:
                return
            time.sleep(0.01)
        raise AssertionError(f"only {self.records.closed} were closed")


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(live_module, "CHECK_S", 0.1)
    catalogue, clock, records = open_catalogue(tmp_path), SystemClock(), Records()
    runs = {one: GrowingRun(tmp_path / "ring", one, f"run-{one}") for one in ("cam", "screen")}
    for run in runs.values():
        run.grow(FRAMES)
        started = Run(
            id=run.run_id, source_id=run.source_id, started_us=START_US, ended_us=None, end_reason=None
        )
        catalogue.footage.start_run(started)
    around = Around(before_us=0, after_us=0)
    watch = Watch(wishes=lambda: [wish("cam")], around=around, ring=tmp_path / "ring", live=tmp_path / "live")
    gate = Gate(catalogue, clock, local_user="me")
    app = FastAPI()
    app.add_middleware(AtTheGate, gate=gate, who_is=None)
    app.include_router(live_router(live_from(catalogue, clock, gate, records, watch)))  # type: ignore[arg-type]
    with running(app) as host:
        yield Served(host=host, records=records, runs=runs)
    catalogue.close()


def word(socket: ClientConnection, said: str) -> dict[str, Any]:
    """The next word of that kind; frames and other words are passed over."""
    while True:
        message = socket.recv(10)
        if isinstance(message, str):
            told: dict[str, Any] = json.loads(message)
            if told["say"] == said:
                return told


def frame(socket: ClientConnection) -> bytes:
    while True:
        message = socket.recv(10)
        if isinstance(message, bytes):
            return message


def tell(socket: ClientConnection, order: dict[str, Any]) -> None:
    socket.send(json.dumps(order))


def subscribe(socket: ClientConnection, source_id: str = "cam", pane: int = 0) -> None:
    tell(socket, {"do": "subscribe", "pane": pane, "source_id": source_id, "plays": ["avc1"]})


def test_a_page_of_another_site_gets_no_socket(served: Served) -> None:
    for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
        with pytest.raises((InvalidStatus, ConnectionClosed)), served.connect(**headers) as socket:
            socket.recv(5)
    assert served.records.opened == []


def test_our_own_page_gets_its_pictures(served: Served) -> None:
    with served.connect(origin=f"http://{served.host}") as socket:
        subscribe(socket)
        assert word(socket, "begins")["mime"].startswith('video/mp4; codecs="avc1.')
        assert frame(socket)[24 + 4 : 24 + 8] == b"ftyp"
        assert frame(socket)[0] == 2


def test_it_is_on_record_before_the_first_byte(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    opened = served.records.open

    def open_watch(*args: Any, **more: Any) -> Any:
        order.append("record")
        return opened(*args, **more)

    monkeypatch.setattr(served.records, "open", open_watch)
    with served.connect() as socket:
        subscribe(socket)
        frame(socket)
        order.append("byte")
    assert order == ["record", "byte"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (HTTPException(403, {"code": "venue", "message": "仅限您所在场所的场次。"}), "venue"),
        (CatalogError("the catalogue cannot be written."), "unrecorded"),
    ],
)
def test_what_is_refused_or_cannot_be_recorded_sends_not_a_byte(
    served: Served, error: Exception, code: str
) -> None:
    served.records.refuse["cam"] = error
    with served.connect() as socket:
        subscribe(socket)
        refused = word(socket, "refused")
        assert (refused["code"], refused["pane"]) == (code, 0) and refused["message"]
        subscribe(socket, "screen", pane=1)  # the other pane is none of its business
        assert frame(socket)[2:4] == b"\x00\x01"


def test_a_source_that_does_not_exist_is_refused_in_words(served: Served) -> None:
    with served.connect() as socket:
        subscribe(socket, "../../etc/passwd")
        assert "没有这个来源" in word(socket, "refused")["message"]
    assert served.records.opened == []


def test_leave_that_ends_closes_the_pane_within_seconds(served: Served) -> None:
    with served.connect() as socket:
        subscribe(socket)
        frame(socket)
        served.records.withdraw["cam-1"] = HTTPException(
            403, {"code": "watch_withdrawn", "message": "已收回"}
        )
        assert word(socket, "refused")["code"] == "watch_withdrawn"
        assert served.records.closed == ["cam-1"]


def test_a_camera_that_turns_to_another_session_is_asked_for_anew(served: Served) -> None:
    with served.connect() as socket:
        subscribe(socket)
        word(socket, "subscribed")
        served.records.withdraw["cam-1"] = HTTPException(403, {"code": "shows_another", "message": "换场"})
        assert word(socket, "subscribed")["pane"] == 0
        assert served.records.opened == ["cam", "cam"]


def test_a_lost_connection_closes_all_records_with_what_was_sent(served: Served) -> None:
    with served.connect() as socket:
        subscribe(socket)
        subscribe(socket, "screen", pane=1)
        panes: set[int] = set()
        while panes != {0, 1}:
            data = frame(socket)
            if data[0] == 2:
                panes.add(data[3])
    served.closes(2)
    assert sorted(served.records.closed) == ["cam-1", "screen-2"]
    assert {one.source_id for one in served.records.shown} == {"cam", "screen"}
    assert all(one.from_us >= START_US and one.to_us > one.from_us for one in served.records.shown)


def test_another_source_in_the_same_pane_ends_the_record_of_the_first(served: Served) -> None:
    with served.connect() as socket:
        subscribe(socket)
        frame(socket)
        subscribe(socket, "screen")
        while word(socket, "subscribed")["source_id"] != "screen":
            pass
        assert served.records.closed == ["cam-1"]


@pytest.mark.parametrize(
    "nonsense",
    [
        "",
        "[]",
        '{"do":"subscribe"}',
        '{"do":"subscribe","pane":99,"source_id":"cam","plays":[]}',
        '{"do":"subscribe","pane":0,"source_id":"cam","plays":["avc1"],"more":1}',
        '{"do":"got","bytes":-1}',
        '{"do":"fly"}',
        '{"do":"listen","pane":"\\ud800"}',
    ],
)
def test_nonsense_is_refused_and_the_line_stays(served: Served, nonsense: str) -> None:
    with served.connect() as socket:
        socket.send(nonsense)
        word(socket, "misunderstood")
        subscribe(socket)
        frame(socket)


def test_an_endless_word_ends_the_line(served: Served) -> None:
    with served.connect() as socket:
        socket.send("x" * 10_000)
        with pytest.raises(ConnectionClosed):
            word(socket, "misunderstood")


def test_who_does_not_take_what_was_sent_gets_no_more_until_then(served: Served) -> None:
    with served.connect() as socket:
        tell(socket, {"do": "got", "bytes": 0})  # it tells: from here on it is waited for
        subscribe(socket)
        sent = 0
        for _ in range(1 + FRAMES - 4):
            sent += len(frame(socket))
        tell(socket, {"do": "got", "bytes": sent})
        served.runs["cam"].grow()
        assert frame(socket)


def test_without_the_ring_it_is_said(tmp_path: Path) -> None:
    catalogue = open_catalogue(tmp_path)
    app = create_app(catalogue, MemoryStore(), SystemClock(), static=tmp_path / "none")
    with running(app) as host, connect(f"ws://{host}/api/live") as socket:
        subscribe(socket)
        assert word(socket, "refused")["code"] == "no_ring"
    catalogue.close()


def test_only_what_is_asked_for_is_listed(served: Served) -> None:
    url = f"http://{served.host}/api/live/sources"
    listed = httpx.get(url).json()
    assert [room["room_id"] for room in listed["rooms"]] == ["OH"]
    assert {one["source_id"] for one in listed["rooms"][0]["sources"]} == {"cam", "screen"}
    assert httpx.get(url, params={"project_id": "P"}).json()["rooms"] == []
