"""The receiver's interface: who may speak, how much, how slowly, and what the answers mean to an agent."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import uvicorn

from agent.link import open_client
from agent.settings import AgentSettings
from kernel.clock import FakeClock
from kernel.errors import CatalogError, RecorderError, RecorderRefuses, SegmentRefused
from kernel.model.agent import API, END_REASON_HEADER, SHA256_HEADER, AgentGap
from kernel.model.footage import GapCause
from kernel.timerange import TimeRange
from player_api import agents
from player_api.agents import PatientProtocol, SegmentIntake, create_agent_app
from player_api.trading import trading_router
from tests.support.agent import SOURCE, Computer, recorded_computer
from tests.support.catalogue import open_catalogue
from tests.support.receiver import OTHER, OTHER_TOKEN, TOKEN, Receiver, receiver

EVER = TimeRange(start_us=0, end_us=1 << 62)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def centre(tmp_path: Path, clock: FakeClock) -> Iterator[Receiver]:
    with receiver(tmp_path / "centre", clock) as made:
        yield made


@pytest.fixture
def computer(tmp_path: Path, clock: FakeClock) -> Computer:
    return recorded_computer(tmp_path / "agent", clock)


REQUESTS = [
    ("GET", "/time", b""),
    ("POST", "/report", b"{}"),
    ("POST", "/segments/known", b"[]"),
    ("PUT", "/segments/seg-1", b"x"),
    ("PUT", "/gaps/gap-1", b"{}"),
]


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
def test_nobody_speaks_for_a_source_without_its_token(
    centre: Receiver, method: str, path: str, body: bytes
) -> None:
    with centre.client() as client:
        for token in ("", "wrong", OTHER_TOKEN, TOKEN + "0", "é"):
            headers: Any = {"authorization": f"Bearer {token}".encode(), "content-type": "application/json"}
            answer = client.request(method, f"{API}/{SOURCE}{path}", content=body, headers=headers)
            assert answer.status_code == 401
            unknown = client.request(method, f"{API}/nobody{path}", content=body, headers=headers)
            assert (unknown.status_code, unknown.content) == (answer.status_code, answer.content)


class BrokenKeys:
    """Stands in for the catalogue's keys while its database is out of order."""

    def of_key(self, _key: str) -> str | None:
        raise CatalogError("The catalogue cannot be read: no such table: trading_system.")


async def test_trouble_of_the_database_is_told_to_the_log_and_to_nobody_who_asks(
    tmp_path: Path, clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """Keys are looked up in the catalogue: who has none must not hear how it is built."""
    with closing(open_catalogue(tmp_path)) as catalogue:
        app = create_agent_app(
            cast("SegmentIntake", None),
            {},
            clock,
            trading=trading_router(catalogue.reports, BrokenKeys(), clock),
        )
        transport = httpx.ASGITransport(app=app)
        headers = {"authorization": "Bearer anything"}
        async with httpx.AsyncClient(transport=transport, base_url="https://recorder") as client:
            answer = await client.post("/api/trading/events", json=[], headers=headers)
    said = capsys.readouterr()
    assert answer.status_code == 503
    assert answer.json() == {"detail": "the catalogue cannot be used now; try again."}
    assert "no such table" in said.out + said.err


def test_an_agent_is_told_that_its_token_is_wrong(centre: Receiver) -> None:
    with pytest.raises(RecorderRefuses):
        centre.link(token="wrong").now_us()


def test_a_segment_is_received_whole(centre: Receiver, computer: Computer) -> None:
    (entry,) = computer.shelf.waiting()
    link = centre.link()
    assert link.known([entry.claim]).missing == (entry.claim.segment_id,)
    receipt = link.send(entry.claim, computer.shelf.path_of(entry))
    receipt.check(entry.claim)
    assert link.known([entry.claim]).receipts == (receipt,)
    assert link.send(entry.claim, computer.shelf.path_of(entry)) == receipt  # the answer was lost


def test_what_can_never_be_taken_is_told_apart_from_what_can_be_later(
    centre: Receiver, computer: Computer
) -> None:
    (entry,) = computer.shelf.waiting()
    path = computer.shelf.path_of(entry)
    with pytest.raises(SegmentRefused, match="another source"):
        centre.link(OTHER, OTHER_TOKEN).send(entry.claim, path)
    centre.free = 0
    with pytest.raises(RecorderError, match="507") as full:
        centre.link().send(entry.claim, path)
    assert full.value.retryable
    centre.free = 1 << 40
    damaged = computer.home / "damaged"
    damaged.write_bytes(bytes(entry.claim.size_bytes))
    with pytest.raises(RecorderError, match="400") as torn:
        centre.link().send(entry.claim, damaged)
    assert torn.value.retryable
    centre.link().send(entry.claim, path)


@pytest.mark.parametrize("name", ["..%2f..%2fx", "a.b", "%00", "x" * 65, "a/b", "-"])
def test_an_id_is_never_a_path(centre: Receiver, name: str) -> None:
    headers = {SHA256_HEADER: "0" * 64, END_REASON_HEADER: "length"}
    with centre.client() as client:
        segment = client.put(f"{API}/{SOURCE}/segments/{name}", content=b"x", headers=headers)
        assert segment.status_code in (404, 405, 422)
        gap = client.put(f"{API}/{SOURCE}/gaps/{name}", json={})
        assert gap.status_code in (404, 405, 422)
    assert [path.name for path in centre.ring.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    "headers",
    [{}, {SHA256_HEADER: "x"}, {SHA256_HEADER: "0" * 64}, {SHA256_HEADER: "0" * 64, END_REASON_HEADER: "x"}],
)
def test_a_claim_that_makes_no_sense_is_refused(centre: Receiver, headers: dict[str, str]) -> None:
    with centre.client() as client:
        answer = client.put(f"{API}/{SOURCE}/segments/seg-1", content=b"x", headers=headers)
    assert answer.status_code == 422


def test_bodies_say_their_length_and_only_segments_are_large(centre: Receiver) -> None:
    with centre.client() as client:
        large = client.post(f"{API}/{SOURCE}/report", content=b"x" * ((1 << 20) + 1))
        assert large.status_code == 413
        headers = {"transfer-encoding": "chunked"}
        chunked = client.put(f"{API}/{SOURCE}/segments/seg-1", content=iter([b"x"]), headers=headers)
        assert chunked.status_code == 413


@pytest.mark.parametrize("change", [{"detail": "x" * 501}, {"end_us": 1}, {"cause": "weather"}])
def test_a_gap_that_makes_no_sense_is_refused(centre: Receiver, change: dict[str, Any]) -> None:
    told = {"start_us": 5, "end_us": None, "cause": "disk_full", "detail": "full", **change}
    with centre.client() as client:
        assert client.put(f"{API}/{SOURCE}/gaps/gap-1", json=told).status_code == 422
    centre.link().tell_gap("gap-1", AgentGap(start_us=5, end_us=6, cause=GapCause.DISK_FULL, detail="full"))
    (gap,) = centre.catalogue.footage.gaps_of(SOURCE, EVER)
    assert gap.cause is GapCause.DISK_FULL


def test_a_certificate_other_than_the_pinned_one_is_told_the_token_by_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Shown:
        closed = False

        def getpeercert(self, *, binary_form: bool) -> bytes:
            return b"a certificate"

        def close(self) -> None:
            Shown.closed = True

    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", lambda *_, **__: Shown())
    settings = AgentSettings(recorder="https://r", certificate_sha256="0" * 64)
    with open_client(settings) as client:
        context: Any = client._transport._pool._ssl_context  # type: ignore[attr-defined]
        with pytest.raises(ssl.SSLCertVerificationError):
            context.wrap_socket(None)
    assert Shown.closed


# --- slow ones, over real sockets


async def served(app: Any, talk: Any) -> None:
    """Serve on a free port while somebody talks to it."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, http=PatientProtocol, log_level="critical", lifespan="off", timeout_keep_alive=1
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listening]))
    port = listening.getsockname()[1]
    try:
        await talk(port)
    finally:
        server.should_exit = True
        await serving


async def test_headers_that_never_end_are_cut_off(centre: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "_HEADER_SECONDS", 0.2)

    async def dribble(port: int) -> None:
        for begun in (b"", b"GET /", b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" + b"GET /"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(begun)
            with suppress(ConnectionResetError):
                async with asyncio.timeout(20):
                    await reader.read(-1)  # to its end
            writer.close()

    await served(create_agent_app(centre.intake, {SOURCE: TOKEN}, centre.clock), dribble)


async def test_a_body_that_stops_coming_leaves_nothing(centre: Receiver) -> None:
    head = (
        f"PUT {API}/{SOURCE}/segments/seg-1 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n"
        f"{SHA256_HEADER}: {'0' * 64}\r\n{END_REASON_HEADER}: length\r\ncontent-length: 1000\r\n\r\n"
    )

    async def stop_sending(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.encode() + b"the first few")
        async with asyncio.timeout(20):
            answer = await reader.read(-1)
        assert b" 400 " in answer.splitlines()[0]
        writer.close()

    app = create_agent_app(centre.intake, {SOURCE: TOKEN}, centre.clock, piece_seconds=0.2)
    await served(app, stop_sending)
    assert [path.name for path in centre.ring.rglob("*") if path.is_file()] == []
    assert centre.catalogue.footage.segments_of(SOURCE, EVER) == []
