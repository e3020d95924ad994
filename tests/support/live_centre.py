"""A centre that is live: simulated cameras, a recorder and a page, each a process of its own.

As a program (``python -m tests.support.live_centre FILE``) it serves the sources pickled there by RTSP.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml

from catalog.catalogue import Catalogue
from cli.children import Child, Children
from kernel.clock import SystemClock
from kernel.model.footage import SourceState
from simulator.run import SimulatorSettings, run
from simulator.source import SimulatedSource
from tests.support.peers import REPOSITORY, free_port

_PATIENCE_S = 60


@dataclass(frozen=True, kw_only=True)
class Room:
    """A room of the one site, its own sources and those of its seats."""

    id: str
    kind: str
    sources: tuple[SimulatedSource, ...] = ()
    seats: tuple[tuple[SimulatedSource, ...], ...] = ()  # of seat 1, 2, ...; seat ids are ROOM-01, ...


@dataclass(kw_only=True)
class LiveCentre:
    """What runs."""

    address: str
    data_dir: Path
    catalogue: Catalogue
    simulator: subprocess.Popen[str]
    server: Child
    children: Children

    def tell(self, line: str) -> None:
        """A command of the simulator: ``lose ID``, ``restore ID``."""
        assert self.simulator.stdin is not None
        self.simulator.stdin.write(line + "\n")
        self.simulator.stdin.flush()


def _source(one: SimulatedSource, port: int, seat: str | None) -> dict[str, object]:
    told: dict[str, object] = {
        "id": one.id,
        "content_kind": one.content_kind.value,
        "uri": f"rtsp://127.0.0.1:{port}/{one.id}",
        "label_zh": one.label_zh,
    }
    return told if seat is None else {**told, "seat": seat}


def _room(room: Room, port: int) -> dict[str, object]:
    seats = [{"id": f"{room.id}-{number:02d}", "ordinal": number} for number in range(1, len(room.seats) + 1)]
    sources = [_source(one, port, None) for one in room.sources]
    for seat, shown in zip(seats, room.seats, strict=True):
        sources += [_source(one, port, str(seat["id"])) for one in shown]
    return {"id": room.id, "kind": room.kind, "name_zh": room.id, "seats": seats, "sources": sources}


def _all_sources(rooms: Sequence[Room]) -> tuple[SimulatedSource, ...]:
    return tuple(
        one for room in rooms for one in (*room.sources, *(one for seat in room.seats for one in seat))
    )


@contextmanager
def _simulated(
    directory: Path, sources: tuple[SimulatedSource, ...], port: int
) -> Iterator[subprocess.Popen[str]]:
    told = directory / "sources.pickle"
    told.write_bytes(pickle.dumps((port, sources)))
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.live_centre", str(told)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("ready")
            yield process
        finally:
            process.terminate()


@contextmanager
def live_centre(
    directory: Path,
    rooms: Sequence[Room],
    *,
    prepare: Callable[[Catalogue], None] = lambda _: None,
    serve: Sequence[str] = ("--without-accounts",),
) -> Iterator[LiveCentre]:
    """Running until the block ends; all sources are being recorded when it begins.

    Args:
        prepare: enters projects and sessions before the page is served.
        serve: further arguments of ``jianzheng serve``.
    """
    port, page, sources = free_port(), free_port(), _all_sources(rooms)
    site = {
        "id": "LC",
        "region": "530602",
        "name_zh": "直播中心",
        "rooms": [_room(one, port) for one in rooms],
    }
    cameras, data_dir = directory / "cameras.yaml", directory / "data"
    cameras.write_text(yaml.safe_dump({"sites": [site]}, allow_unicode=True), encoding="utf-8")
    environment = {
        "JIANZHENG_DATA_DIR": str(data_dir),
        "JIANZHENG_CAMERAS": str(cameras),
        "JIANZHENG_RING__SEGMENT_SECONDS": "10",
        "JIANZHENG_RING__RESERVE_BYTES": "0",
    }
    children = Children(directory / "logs", environment)
    with _simulated(directory, sources, port) as simulator:
        try:
            capture = children.start("capture")
            catalogue = _recorded(data_dir, len(sources), capture)
            prepare(catalogue)
            server = children.start("serve", "--port", str(page), *serve)
            address = f"http://127.0.0.1:{page}"
            _wait_for(address, server)
            yield LiveCentre(
                address=address,
                data_dir=data_dir,
                catalogue=catalogue,
                simulator=simulator,
                server=server,
                children=children,
            )
            catalogue.close()
        finally:
            children.stop()


def _wait_for(address: str, server: Child) -> None:
    clock = SystemClock()
    for _ in range(_PATIENCE_S * 5):
        server.check()
        try:
            httpx.get(f"{address}/healthz").raise_for_status()
            return
        except httpx.TransportError:
            clock.sleep(0.2)
    raise AssertionError("the page is not served")


def _recorded(data_dir: Path, count: int, capture: Child) -> Catalogue:
    """The catalogue, once so many sources are being recorded."""
    clock, catalogue = SystemClock(), None
    for _ in range(_PATIENCE_S * 5):
        capture.check()
        clock.sleep(0.2)
        if catalogue is None:
            if not (data_dir / "catalogue.sqlite").is_file():
                continue
            clock.sleep(1)  # its recorder migrates it
            catalogue = Catalogue.open(f"sqlite:///{data_dir / 'catalogue.sqlite'}")
        health = catalogue.footage.health().values()
        if sum(one.state is SourceState.RECORDING for one in health) >= count:
            return catalogue
    lost = [f"{one.source_id}: {one.detail}" for one in health if one.state is not SourceState.RECORDING]
    raise AssertionError(f"not all sources came to be recorded: {lost}")


if __name__ == "__main__":
    served, painted = pickle.loads(Path(sys.argv[1]).read_bytes())
    run(SimulatorSettings(port=served, sources=painted), SystemClock())
