"""``jianzheng discover``: which ONVIF devices are there, as a table and as entries of ``cameras.yaml``."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from capture.onvif.discovery import discover, local_addresses
from capture.onvif.profiles import Profile
from capture.onvif.survey import Surveyed, survey
from cli.camera_entries import NEW_ROOM, Entry, appended, as_text, entries, new_file
from cli.printing import console
from kernel.clock import Clock
from kernel.durable import fsync_directory
from kernel.errors import SettingsError
from kernel.settings import CaptureSettings, SourceSpec, load_cameras

_out = console()
_errors = Console(stderr=True)
REMEDY = (
    "[red]{} 台设备未给出码流 did not tell their streams (✗ above).[/] Give user and password of each by "
    "--username and --password, a few tries only: devices lock an account after some wrong ones."
)
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
    """Some lines for each device: its address alone and whole, since it is copied."""
    if not devices:
        _out.print(NOBODY)
    for one in devices:
        told = (one.name, one.maker, one.found.scope("location"))
        _out.print(f"[bold]{escape(one.found.uri)}[/]")
        _out.print(f"  {escape(' · '.join(dict.fromkeys(part for part in told if part)))}")
        for address in one.found.addresses[1:]:
            _out.print(f"  也在 also at {escape(address)}")
        for profile in one.profiles:
            _out.print(f"  {escape(_profile(profile))}")
        if one.snapshot_uri:
            _out.print(f"  快照 snapshot {escape(one.snapshot_uri)}")
        if one.problem:
            _out.print(f"  [red]✗ {escape(one.problem)}[/]")


def refused(devices: Sequence[Surveyed]) -> int:
    """Say what to do about devices that did not tell their streams; how many they are."""
    number = sum(bool(one.problem) for one in devices)
    if number:
        _errors.print(REMEDY.format(number), soft_wrap=True)
    return number


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


def show_written(made: Sequence[Entry], cameras: Path) -> None:
    """What was put into the file, and what of it is left to do by hand."""
    _out.print(f"已写入 {len(made)} entries were put into {escape(str(cameras))}, room {NEW_ROOM}:")
    for one in made:
        todo = ["choose content_kind"] if one.to_choose else []
        todo += [] if one.password else ["fill in the password"]
        _out.print(f"  {one.id}" + (f"  [yellow]← {', '.join(todo)}[/]" if todo else ""))
    _out.print("Correct room, kinds and labels in the file, then 'jianzheng probe ID' each.")


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
