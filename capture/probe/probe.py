"""Probes a source: opens it as the recorder does, watches it for some seconds, asks its device."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from capture.openers import open_source
from capture.probe.answering import mixed_up
from capture.probe.judge import REPORT_WAIT_S
from capture.probe.measure import Measured, Meter
from kernel.clock import SECOND_US, Clock
from kernel.errors import SourceError, SourceNotFound, SourceRefused
from kernel.settings import ONVIF_SCHEMES, CaptureSettings, SourceSpec

Progress = Callable[[float, float], None]
"""Told how many seconds of how many have passed; there may become more of them."""
_WITH_REPORTS = frozenset({"rtsp", "rtsps"}) | ONVIF_SCHEMES
_PORTS = {"rtsp": 554, "rtsps": 322, "onvif": 80, "onvifs": 443, "rtmp": 1935}
_KNOCKS = 3
_KEY_FRAMES = 2  # of which the interval can be told


@dataclass(frozen=True, kw_only=True, slots=True)
class AboutDevice:
    """What an ONVIF device says of itself."""

    manufacturer: str
    model: str
    firmware: str
    serial: str
    profile: str  # the one that is recorded
    profiles: tuple[str, ...]  # all there are
    declared_rate: float | None  # pictures a second, as that profile has it
    clock_offset_us: int  # its clock minus ours
    clock_error_us: int  # how far that may be off
    keeps: bool  # it offers its own memory (profile G): gaps can be fetched
    snapshot: str  # address of a still picture, without credentials; empty where it offers none


@dataclass(frozen=True, kw_only=True, slots=True)
class Probed:
    """All that was found."""

    measured: Measured
    round_trip_us: int | None  # of a TCP connection, the least of some; None for sources without an address
    device: AboutDevice | None  # of ONVIF sources


async def probe(
    spec: SourceSpec, settings: CaptureSettings, clock: Clock, *, seconds: float, progress: Progress
) -> Probed:
    """Raises: SourceError: it cannot be opened, or ended before anything could be measured."""
    try:
        device = await _ask_device(spec, settings, clock) if spec.scheme in ONVIF_SCHEMES else None
        round_trip_us = await _round_trip_us(spec, settings, clock)
        measured = await _watch(spec, settings, clock, seconds, progress)
    except (SourceRefused, SourceNotFound):
        raise  # who says so speaks the right protocol
    except SourceError as error:
        port = _port(spec)
        raise (error if port is None else await mixed_up(spec, port, error)) from None
    return Probed(measured=measured, round_trip_us=round_trip_us, device=device)


async def _watch(
    spec: SourceSpec, settings: CaptureSettings, clock: Clock, seconds: float, progress: Progress
) -> Measured:
    """For so many seconds, and on while what takes longer to be seen may still come."""
    meter = Meter(clock.now_us(), paced=spec.scheme != "file")
    source = await open_source(spec, settings, clock)
    began_us = clock.monotonic_us()
    whole = seconds
    try:
        while (passed := (clock.monotonic_us() - began_us) / SECOND_US) < whole:
            progress(passed, whole)
            for one in await source.read():
                meter.take(one)
            whole = max(seconds, REPORT_WAIT_S) if _awaits(spec, meter) else seconds
    except SourceError:
        if meter.measured().video is None:
            raise
    finally:
        await source.close()
    progress(whole, whole)
    return meter.measured()


def _awaits(spec: SourceSpec, meter: Meter) -> bool:
    """Whether it is too early to say that something does not come."""
    return meter.key_frames < _KEY_FRAMES or (spec.scheme in _WITH_REPORTS and not meter.told_time)


def _port(spec: SourceSpec) -> int | None:
    parts = urlsplit(spec.uri)
    return parts.port or _PORTS.get(parts.scheme)


async def _round_trip_us(spec: SourceSpec, settings: CaptureSettings, clock: Clock) -> int | None:
    """Of opening a TCP connection: one packet there and one back."""
    host, port = urlsplit(spec.uri).hostname, _port(spec)
    if not host or port is None:
        return None
    least: int | None = None
    for _ in range(_KNOCKS):
        began_us = clock.monotonic_us()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(settings.connect_seconds):
                _, writer = await asyncio.open_connection(host, port)
            took_us = clock.monotonic_us() - began_us
            least = took_us if least is None else min(least, took_us)
            writer.close()
    return least


async def _ask_device(spec: SourceSpec, settings: CaptureSettings, clock: Clock) -> AboutDevice:
    from capture.onvif import soap
    from capture.onvif.client import OnvifClient
    from capture.onvif.device import information, media
    from capture.onvif.profiles import choose
    from capture.onvif.source import wanted_profile
    from capture.onvif.survey import snapshot

    async with OnvifClient(spec, settings, clock) as device:
        told = await information(device)
        streams = await media(device)
        chosen = choose(streams.profiles, wanted_profile(spec), spec.id)
        looked = await device.exact_clock()
        services = await device.services()
        still = await snapshot(device, streams, chosen.token)
    return AboutDevice(
        manufacturer=told.manufacturer,
        model=told.model,
        firmware=told.firmware,
        serial=told.serial,
        profile=chosen.token,
        profiles=tuple(one.token for one in streams.profiles),
        declared_rate=chosen.frame_rate or None,
        clock_offset_us=looked.offset_us,
        clock_error_us=looked.error_us + looked.round_trip_us // 2,
        keeps=soap.SEARCH in services and soap.REPLAY in services,
        snapshot=still,
    )
