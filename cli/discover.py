"""``jianzheng discover``: which ONVIF devices are there, as a table and as entries of ``cameras.yaml``."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from capture.onvif.discovery import discover, local_addresses
from capture.onvif.profiles import Profile
from capture.onvif.survey import Surveyed, survey
from cli.camera_entries import Entry, appended, as_text, entries, new_file
from kernel.clock import Clock
from kernel.durable import fsync_directory
from kernel.errors import SettingsError
from kernel.settings import CaptureSettings, SourceSpec, load_cameras

_out = Console(soft_wrap=True, highlight=False)
_errors = Console(stderr=True)
NOBODY = (
    "没有设备应答 No device answered. Check that ONVIF and discovery are turned on at the devices, and that "
    "this machine is on their network: routers do not pass the question on. --interface chooses a network."
)


def find(
    interface: str, seconds: float, username: str, password: str, settings: CaptureSettings, clock: Clock
) -> list[Surveyed]:
    """Ask the networks, then the devices."""

    async def ask() -> list[Surveyed]:
        devices = await discover(local_addresses(interface), clock, seconds=seconds)
        return await survey(devices, username, password, settings, clock)

    with _errors.status(f"正在搜索设备 Asking the network for {seconds:g} s ..."):
        return asyncio.run(ask())


def show(devices: Sequence[Surveyed]) -> None:
    """The table for people."""
    if not devices:
        _out.print(NOBODY)
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("地址 address", "厂商型号 made by", "名称 name", "位置 location", "码流 profiles"):
        table.add_column(heading, overflow="fold")
    for one in devices:
        addresses = "\n".join([one.found.uri, *one.found.addresses[1:]])
        streams = "\n".join(_profile(profile) for profile in one.profiles) or one.problem
        row = (addresses, one.maker, one.name, one.found.scope("location"), streams)
        table.add_row(*(escape(text) for text in row))
    _out.print(table)


def _profile(one: Profile) -> str:
    codec = one.codec.value if one.codec else "?"
    sound = f" + {one.audio.value}" if one.audio else ""
    rate = f" {one.frame_rate:g}/s" if one.frame_rate else ""
    return f"{one.token}: {codec} {one.width}x{one.height}{rate}{sound}"


def new_entries(devices: Sequence[Surveyed], cameras: Path, username: str, password: str) -> list[Entry]:
    """What the file lacks.

    Raises:
        SettingsError: the file is there and cannot be read.
    """
    known: list[SourceSpec] = load_cameras(cameras).specs() if cameras.exists() else []
    return entries(devices, known, username, password)


def show_entries(made: Sequence[Entry]) -> None:
    """Ready to paste below a room's ``sources``; without passwords (invariant 16)."""
    for one in made:
        _out.print(escape(as_text(one, indent=4, with_password=False)), end="")


def write(made: Sequence[Entry], cameras: Path) -> None:
    """Put the entries into the file, or make it.

    What is there stays byte for byte, and the file is replaced only by one that can be read and still has all
    its sources.

    Raises:
        SettingsError: nothing can be put into this file.
    """
    before = load_cameras(cameras).specs() if cameras.exists() else []
    text = appended(cameras.read_bytes().decode("utf-8"), made) if cameras.exists() else new_file(made)
    mode = cameras.stat().st_mode & 0o777 if cameras.exists() else 0o600  # passwords are in it
    directory = cameras.absolute().parent
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=directory, newline="", delete=False) as file:
        fresh = Path(file.name)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        after = load_cameras(fresh).specs()
        if [one for one in after if one in before] != before or len(after) != len(before) + len(made):
            raise SettingsError(f"{cameras} would not be the same with these entries; it was left alone.")
        fresh.chmod(mode)
        fresh.replace(cameras)
        fsync_directory(directory)
    finally:
        fresh.unlink(missing_ok=True)
