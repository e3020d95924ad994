"""An ONVIF device as a source: asks it where its stream is and opens that by RTSP."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from capture.onvif.client import OnvifClient
from capture.onvif.device import chosen_stream
from capture.packets import PacketSource
from capture.rtsp.stream import open_rtsp
from kernel.clock import Clock
from kernel.settings import CaptureSettings, SourceSpec


def wanted_profile(spec: SourceSpec) -> str:
    """The profile that ``onvif(s)://HOST[:PORT][/PROFILE]`` names; empty where it names none."""
    return unquote(urlsplit(spec.uri).path.strip("/"))


async def resolve(spec: SourceSpec, settings: CaptureSettings, clock: Clock) -> SourceSpec:
    """The same source with the RTSP address that its device tells now; nothing is kept open.

    Asked anew for each connection: addresses may change when a device starts again or is set otherwise.

    Raises:
        SourceError: the device does not answer, refuses, or has no such profile.
    """
    async with OnvifClient(spec, settings, clock) as device:
        _, uri = await chosen_stream(device, wanted_profile(spec))
    return spec.model_copy(update={"uri": uri})


async def open_onvif(spec: SourceSpec, settings: CaptureSettings, clock: Clock) -> PacketSource:
    """A playing stream of that device; a ``capture.recorder.OpenSource``.

    Raises:
        SourceError: it cannot be had; the message names the source and what to do.
    """
    return await open_rtsp(await resolve(spec, settings, clock), settings, clock)
