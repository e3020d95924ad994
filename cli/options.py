"""Options and habits that commands share."""

from __future__ import annotations

import getpass
import os
import signal
from pathlib import Path
from typing import Annotated, Any

import typer

from kernel.settings import Settings, load_settings

DataDir = Annotated[
    Path | None,
    typer.Option(help="Directory of ring, catalogue and store, instead of the setting `data_dir`."),
]
CamerasOption = Annotated[
    Path | None,
    typer.Option(help="File of sites, rooms, seats and sources, instead of the setting `cameras`."),
]
PrincipalOption = Annotated[
    str | None,
    typer.Option("--as", metavar="NAME", help="Who acts; recorded with what is done. [default: this user]"),
]
MachineLog = Annotated[bool, typer.Option("--json-log", help="Log one JSON object a line, for machines.")]


def this_user() -> str:
    """Who is at the command line, as the system knows them."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container may run as a number without a name
        return f"cli:uid-{os.getuid()}"


def read_settings(data_dir: Path | None, cameras: Path | None = None) -> Settings:
    given: dict[str, Any] = {"data_dir": data_dir, "cameras": cameras}
    return load_settings(**{name: value for name, value in given.items() if value is not None})


def stop_on_signal(stop: Any) -> None:
    """Set an event on SIGTERM and SIGINT: the work in hand is finished first."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
