"""A recorder that agents talk to, in this process: the real application, intake, ring and catalogue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from agent.link import RecorderLink
from capture.agent_intake import AgentIntake
from catalog.catalogue import Catalogue
from kernel.clock import FakeClock
from kernel.desired import Want
from kernel.settings import CamerasFile, ReceiverSettings, Settings, SourceSpec
from player_api.agents import create_agent_app
from tests.support.agent import SOURCE

TOKEN = "a-token-of-the-tests-0123456789"
OTHER, OTHER_TOKEN = "desk-2", "another-token-of-the-tests-0123"


def cameras() -> CamerasFile:
    sources = [
        {
            "id": name,
            "seat": f"seat-{number}",
            "content_kind": "seat_desktop",
            "uri": "agent:",
            "password": token,
            "label_zh": name,
        }
        for number, (name, token) in enumerate(((SOURCE, TOKEN), (OTHER, OTHER_TOKEN)), 1)
    ]
    seats = [{"id": f"seat-{number}", "ordinal": number} for number in (1, 2)]
    room = {"id": "R", "kind": "evaluation_room", "name_zh": "室", "seats": seats, "sources": sources}
    return CamerasFile.model_validate(
        {"sites": [{"id": "T", "region": "530602", "name_zh": "样例", "rooms": [room]}]}
    )


class InProcess(httpx.BaseTransport):
    """An ASGI application as a blocking transport: every request has an event loop of its own."""

    def __init__(self, app: Any) -> None:
        self._transport = httpx.ASGITransport(app)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def ask() -> httpx.Response:
            body = b"".join(request.stream)  # type: ignore[arg-type]
            asked = httpx.Request(request.method, request.url, headers=request.headers, stream=_Once(body))
            answer = await self._transport.handle_async_request(asked)
            return httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())

        return asyncio.run(ask())


class _Once(httpx.AsyncByteStream):
    """A body in one piece."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body


@dataclass
class Receiver:
    """A recorder's machine."""

    home: Path
    clock: FakeClock
    catalogue: Catalogue
    wanted: Callable[[], Mapping[str, Want]] | None = None  # None: as cameras.yaml says, always
    free: int = 1 << 40
    settings: Settings = field(init=False)
    specs: list[SourceSpec] = field(init=False)

    def __post_init__(self) -> None:
        receiver = ReceiverSettings(lost_seconds=30, segment_max_bytes=1 << 22)
        self.settings = Settings(data_dir=self.home, receiver=receiver)
        self.specs = cameras().specs()
        self.start()

    @property
    def ring(self) -> Path:
        return self.settings.ring_dir

    def start(self) -> None:
        """As a process does."""
        self.ring.mkdir(parents=True, exist_ok=True)
        self.intake = AgentIntake(
            self.settings, self.specs, self.catalogue.footage, self.clock, lambda _: self.free, self.wanted
        )
        self.intake.prepare()

    def client(self, token: str = TOKEN) -> httpx.Client:
        tokens = {spec.id: spec.password.get_secret_value() for spec in self.specs}
        app = create_agent_app(self.intake, tokens, self.clock)
        headers = {"authorization": f"Bearer {token}"}
        return httpx.Client(transport=InProcess(app), base_url="https://recorder", headers=headers)

    def link(self, source_id: str = SOURCE, token: str = TOKEN) -> RecorderLink:
        return RecorderLink(self.client(token), source_id)


@contextmanager
def receiver(home: Path, clock: FakeClock) -> Iterator[Receiver]:
    catalogue = Catalogue.open(f"sqlite:///{home / 'catalogue.sqlite'}")
    try:
        catalogue.places.register(cameras())
        yield Receiver(home, clock, catalogue)
    finally:
        catalogue.close()
