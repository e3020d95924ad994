"""The command ``jianzheng-agent``: two threads, one that records and one that sends."""

from __future__ import annotations

import getpass
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from agent.gaps import GapLedger
from agent.link import RecorderLink, open_client
from agent.recorder import DesktopRecorder, Surroundings
from agent.sender import GONE, Sender
from agent.settings import AgentSettings, load_agent_settings
from agent.shelf import Entry, Shelf
from agent.status import Status
from agent.timekeeper import KeptOffset, Timekeeper
from kernel.clock import Clock, SystemClock
from kernel.errors import JianzhengError, RecorderError, StorageError
from kernel.lock import sole_user
from kernel.log import configure_logging, logger
from kernel.model.footage import GapCause

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
_errors = Console(stderr=True)
CRASHED = "The agent or its computer ended without a stop."
_log = logger("agent")


@app.command()
def agent(
    config: Annotated[Path, typer.Option(help="The settings; 'jianzheng enrol' writes them.")] = Path(
        "agent.toml"
    ),
    principal: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="In whose name it stops. [default: this user]")
    ] = None,
    json_log: Annotated[bool, typer.Option("--json-log", help="Log one JSON object a line.")] = False,
) -> None:
    """Record this computer's screen, keep it, and send it to the recorder until told to stop.

    What a crash left is settled first. Without the recorder it goes on recording, and sends what is missing
    as soon as that answers again. Ctrl-C or SIGTERM seals what is open and ends.
    """
    configure_logging(machine=json_log)
    os.umask(0o077)  # what is evaluated here is for nobody else on this computer
    settings = load_agent_settings(config)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with sole_user(settings.data_dir, "agent"):
        record_and_send(settings, SystemClock(), stop, principal or _user())


def record_and_send(settings: AgentSettings, clock: Clock, stop: threading.Event, principal: str) -> None:
    """Until told to stop.

    Raises:
        SettingsError: the authority's certificate cannot be used.
        StorageError: the disk does not give or take what it must.
    """
    from agent.grab import Desktop, screen_size

    shelf = Shelf(settings.data_dir, limit_bytes=settings.limit_bytes, reserve_bytes=settings.reserve_bytes)
    ledger = GapLedger(settings.data_dir / "gaps.json")
    settle(shelf, ledger)
    offset = KeptOffset(settings.data_dir / "clock_offset_us.json")
    times = Timekeeper(clock, offset.value_us)
    status = Status()
    with open_client(settings) as client:
        sender = Sender(
            settings=settings,
            link=RecorderLink(client, settings.source),
            shelf=shelf,
            ledger=ledger,
            times=times,
            status=status,
            clock=clock,
            offset=offset,
        )
        sending = threading.Thread(target=sender.run, args=(stop,), name="send")
        sending.start()
        recorder = DesktopRecorder(
            Surroundings(
                settings=settings,
                shelf=shelf,
                ledger=ledger,
                times=times,
                status=status,
                clock=clock,
                open_screen=Desktop,
                screen_size=screen_size,
            )
        )
        try:
            recorder.run(stop, principal)
        finally:
            stop.set()
            sending.join()
        _say_goodbye(sender)


def settle(shelf: Shelf, ledger: GapLedger) -> None:
    """What was before: seal what a crash left, and open the gap since.

    An agent that ended in order has an open gap that says so.

    Raises:
        StorageError: the disk does not give or take what it must.
    """

    def tell_gone(entry: Entry) -> None:
        ledger.lost(entry.claim.segment_id, entry.wall, GapCause.CRASH, GONE)

    ends = [one for one in (ledger.ended_us, shelf.settle(tell_gone)) if one is not None]
    if ends:
        ledger.recorded(max(ends))
    ledger.outage(GapCause.CRASH, CRASHED)


def _say_goodbye(sender: Sender) -> None:
    """One last exchange, so that the recorder has the last minute and knows why no more comes."""
    try:
        sender.run_once()
    except (RecorderError, StorageError) as error:
        _log.warning(f"The rest is sent at the next start: {error}", action="agent.unsent")


def _user() -> str:
    try:
        return f"agent:{getpass.getuser()}"
    except (KeyError, OSError):
        return "agent:unknown"


def main() -> None:
    """Run; an error of ours is one sentence with its remedy, not a traceback."""
    try:
        app()
    except JianzhengError as error:
        _errors.print(f"[bold red]错误 Error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)
