"""What devices that were found say of themselves, asked one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from pydantic import SecretStr

from capture.onvif import quirks
from capture.onvif.client import OnvifClient
from capture.onvif.device import DeviceInformation, MediaService, information, media, snapshot_uri
from capture.onvif.discovery import Found
from capture.onvif.profiles import Profile, choose
from kernel.clock import Clock
from kernel.errors import CertificateRefused, SourceError
from kernel.model.source import ContentKind
from kernel.settings import CaptureSettings, SourceSpec

_KNOCK_S = 1.0  # on the same network


@dataclass(frozen=True, kw_only=True, slots=True)
class Surveyed:
    """A device, as far as it tells."""

    found: Found
    information: DeviceInformation | None  # None: it was not asked, or does not tell
    profiles: tuple[Profile, ...]
    problem: str  # why it tells no more, for people; empty where all is well
    snapshot_uri: str = ""  # where a still picture of its best stream comes from; without credentials

    @property
    def name(self) -> str:
        """What to call it: its own name, its model, or nothing."""
        model = self.information.model if self.information else ""
        return self.found.scope("name") or model or self.found.scope("hardware")

    @property
    def maker(self) -> str:
        """Maker and model."""
        if self.information is None:
            return self.found.scope("hardware")
        return f"{self.information.manufacturer} {self.information.model}".strip()


async def survey(
    devices: Sequence[Found], username: str, password: str, settings: CaptureSettings, clock: Clock
) -> list[Surveyed]:
    """Where each device answers, and with a user name who it is and what streams it has."""
    there = [await _reachable(one) for one in devices]
    if not username:
        return [_unasked(one, "") for one in there]
    return [await _ask(one, username, password, settings, clock) for one in there]


async def _reachable(found: Found) -> Found:
    """With the first address at which something listens; as it was where nothing does."""
    for address in found.addresses:
        parts = urlsplit(address)
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(_KNOCK_S):
                port = parts.port or (443 if parts.scheme == "https" else 80)
                _, writer = await asyncio.open_connection(parts.hostname, port)
            writer.close()
            rest = [one for one in found.addresses if one != address]
            return replace(found, addresses=(address, *rest))
    return found


async def _ask(
    found: Found, username: str, password: str, settings: CaptureSettings, clock: Clock
) -> Surveyed:
    spec = SourceSpec(
        id="discovered",
        content_kind=ContentKind.ROOM,
        uri=found.uri,
        username=username,
        password=SecretStr(password),
        label_zh="discovered",
    )
    try:
        async with OnvifClient(spec, settings, clock) as device:
            told = await information(device)
            streams = await media(device)
            picture = await snapshot(device, streams)
    except CertificateRefused as error:  # what it shows is in the remedy
        return _unasked(found, str(error).removeprefix(f"source {spec.id}: "))
    except SourceError as error:
        return _unasked(found, error.message.removeprefix(f"source {spec.id}: "))
    return Surveyed(
        found=found, information=told, profiles=streams.profiles, problem="", snapshot_uri=picture
    )


async def snapshot(device: OnvifClient, streams: MediaService, wanted: str = "") -> str:
    """Only where a picture really comes: many devices tell an address at which there is none."""
    try:
        told = await snapshot_uri(device, streams, choose(streams.profiles, wanted, device.name))
        if told:
            await device.picture(told)
    except SourceError:
        return ""
    return quirks.shown_address(told)


def _unasked(found: Found, problem: str) -> Surveyed:
    return Surveyed(found=found, information=None, profiles=(), problem=problem)
