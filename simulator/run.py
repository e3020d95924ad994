"""The command ``jianzheng simulate``: a centre that serves until it is told to end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from kernel.clock import Clock
from kernel.errors import ServerError
from simulator.centre import SimulatedCentre
from simulator.commands import COMMANDS, obey_fault
from simulator.onvif_centre import served_by_onvif
from simulator.onvif_device import OnvifSettings
from simulator.source import DEFAULT_CENTRE, SimulatedSource

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatorSettings:
    """How a simulated centre is served."""

    host: str = "127.0.0.1"
    port: int = 8554  # 0 takes any free one
    username: str = ""  # empty: nobody is asked
    password: str = field(default="", repr=False)  # never in a log (invariant 16)
    footage: Path | None = None  # directory of the user's own files; None: painted scenes
    sources: tuple[SimulatedSource, ...] = DEFAULT_CENTRE
    onvif_port: int | None = None  # None: it is no ONVIF device; 0 takes any free one
    onvif_skew_s: float = 0.0  # the ONVIF device's clock is so far ahead
    discoverable: bool = False  # whether it answers WS-Discovery on the interface of ``host``


def run(settings: SimulatorSettings, clock: Clock) -> None:
    """Serve until SIGTERM, SIGINT, ``quit`` or the end of standard input.

    Writes one line ``ready PORT`` to standard output when clients can connect, then obeys the lines of
    standard input: ``quit``, ``lose ID``, ``restore ID`` and those of ``simulator.commands``.

    Raises:
        SettingsError: the footage directory has nothing that can be served.
        ServerError: host or port cannot be used.
    """
    asyncio.run(_serve(settings, clock))


async def _serve(settings: SimulatorSettings, clock: Clock) -> None:
    centre = SimulatedCentre(
        settings.sources,
        clock=clock,
        host=settings.host,
        port=settings.port,
        username=settings.username,
        password=settings.password,
        footage=settings.footage,
    )
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    try:
        await centre.start()
    except OSError as error:
        raise ServerError(
            f"The simulated centre cannot listen on {settings.host}:{settings.port} ({error.strerror}).",
            hint="Choose another port, or end the program that uses it.",
        ) from error
    try:
        async with contextlib.AsyncExitStack() as stack:
            if settings.onvif_port is not None:
                await _offer_onvif(stack, centre, settings, clock)
            sys.stdout.write(f"ready {centre.port}\n")
            sys.stdout.flush()
            _listen_to_stdin(loop, centre, ended)
            await ended.wait()
    finally:
        await centre.stop()


async def _offer_onvif(
    stack: contextlib.AsyncExitStack, centre: SimulatedCentre, settings: SimulatorSettings, clock: Clock
) -> None:
    device = OnvifSettings(
        username=settings.username, password=settings.password, skew_s=settings.onvif_skew_s
    )
    served = served_by_onvif(
        centre,
        device,
        clock,
        host=settings.host,
        port=settings.onvif_port or 0,
        discoverable=settings.discoverable,
    )
    try:
        await stack.enter_async_context(served)
    except OSError as error:
        raise ServerError(
            f"The simulated ONVIF device cannot listen on {settings.host} ({error.strerror}).",
            hint="Choose another port with --onvif-port, or leave --discoverable out.",
        ) from error


def _listen_to_stdin(loop: asyncio.AbstractEventLoop, centre: SimulatedCentre, ended: asyncio.Event) -> None:
    """Read commands in a daemon thread: nothing else ends a blocked read of terminal, pipe or file."""

    def read() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            for line in sys.stdin:
                loop.call_soon_threadsafe(obey, line, centre, ended)
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=read, name="simulator-stdin", daemon=True).start()


def obey(line: str, centre: SimulatedCentre, ended: asyncio.Event) -> None:
    """Carry out one line of standard input; what cannot be carried out is logged and left."""
    match line.split():
        case []:
            pass
        case ["quit"]:
            ended.set()
        case [("lose" | "restore") as verb, source_id] if any(one.id == source_id for one in centre.sources):
            action = centre.lose if verb == "lose" else centre.restore
            action(source_id)
            _log.info("a simulated source changed", action=f"source_{verb}", source=source_id)
        case words:
            if not obey_fault(words, centre):
                _log.warning(f"unknown command; there are: {COMMANDS}", action="command", line=line.strip())
