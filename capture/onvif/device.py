"""What a device is and where its streams are: the operations that recording and probing need."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element

from capture.onvif import quirks, soap
from capture.onvif.client import DeviceFault, OnvifClient
from capture.onvif.profiles import Profile, choose, media2_profiles, media_profiles
from kernel.errors import SourceNotFound, SourceProtocolError
from kernel.log import logger

_log = logger("capture")


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceInformation:
    """Who made it and which one it is (GetDeviceInformation, ONVIF Core 8.3.1)."""

    manufacturer: str
    model: str
    firmware: str
    serial: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaService:
    """The profiles of a device, and the service that tells their addresses."""

    namespace: str  # soap.MEDIA or soap.MEDIA2
    address: str
    profiles: tuple[Profile, ...]


async def information(device: OnvifClient) -> DeviceInformation:
    told = await device.device("GetDeviceInformation")
    return DeviceInformation(
        manufacturer=soap.text(told, "Manufacturer"),
        model=soap.text(told, "Model"),
        firmware=soap.text(told, "FirmwareVersion"),
        serial=soap.text(told, "SerialNumber"),
    )


async def media(device: OnvifClient) -> MediaService:
    """Media2 where the device has it, since only that knows H.265; else Media.

    Raises:
        SourceNotFound: the device has no streams at all.
    """
    services = await device.services()
    if soap.MEDIA2 in services:
        try:
            return await _media2(device, services[soap.MEDIA2])
        except DeviceFault:
            if soap.MEDIA not in services:
                raise
    if soap.MEDIA in services:
        reply = await device.call(soap.MEDIA, services[soap.MEDIA], "GetProfiles")
        found = tuple(media_profiles(reply))
        return MediaService(namespace=soap.MEDIA, address=services[soap.MEDIA], profiles=found)
    raise SourceNotFound(f"source {device.name}: the device offers no media service: it is no camera.")


async def _media2(device: OnvifClient, address: str) -> MediaService:
    """Configurations are sent only if they are asked for (ONVIF Media2 5.2.2)."""
    kinds = [soap.element(soap.MEDIA2, "Type", "All")]
    found = media2_profiles(await device.call(soap.MEDIA2, address, "GetProfiles", *kinds))
    if not found:
        raise SourceProtocolError(f"source {device.name}: its Media2 service tells no profiles.")
    return MediaService(namespace=soap.MEDIA2, address=address, profiles=tuple(found))


async def stream_uri(device: OnvifClient, service: MediaService, profile: Profile) -> str:
    """Where the profile's stream is, by RTSP over TCP, at the host that was asked.

    Raises:
        SourceProtocolError: the device tells no RTSP address.
    """
    token = soap.element(service.namespace, "ProfileToken", profile.token)
    if service.namespace == soap.MEDIA2:
        protocol = soap.element(soap.MEDIA2, "Protocol", "RTSP")
        reply = await device.call(service.namespace, service.address, "GetStreamUri", protocol, token)
        told = soap.text(reply, "Uri")
    else:
        reply = await device.call(service.namespace, service.address, "GetStreamUri", stream_setup(), token)
        told = soap.text(reply, "MediaUri", "Uri")
    return rtsp_address(device, told)


def stream_setup(namespace: str = soap.MEDIA) -> Element:
    """RTP over RTSP over TCP, one stream for us (ONVIF Streaming 5.1.1)."""
    transport = soap.element(soap.SCHEMA, "Transport", soap.element(soap.SCHEMA, "Protocol", "RTSP"))
    stream = soap.element(soap.SCHEMA, "Stream", "RTP-Unicast")
    return soap.element(namespace, "StreamSetup", stream, transport)


def rtsp_address(device: OnvifClient, told: str) -> str:
    """An address that a device told, as it can be used."""
    try:
        used = quirks.stream_address(told, device.host)
    except ValueError:
        used = ""
    if not used.startswith(("rtsp://", "rtsps://")):
        raise SourceProtocolError(f"source {device.name}: the device tells no RTSP address of this profile.")
    if quirks.is_moved(told, used):
        _log.info(
            "the device tells another address than it answers at; the latter is used",
            action="onvif.address",
            source=device.name,
            used=device.host,
        )
    return used


async def snapshot_uri(device: OnvifClient, service: MediaService, profile: Profile) -> str:
    """Where a still picture of the profile is, by HTTP; empty where the device has none."""
    token = soap.element(service.namespace, "ProfileToken", profile.token)
    try:
        reply = await device.call(service.namespace, service.address, "GetSnapshotUri", token)
    except DeviceFault:
        return ""
    told = soap.text(reply, "Uri") or soap.text(reply, "MediaUri", "Uri")
    return quirks.service_address(told, device.address) if told else ""


async def chosen_stream(device: OnvifClient, wanted: str) -> tuple[Profile, str]:
    """The profile to be recorded and the address of its stream.

    Raises:
        SourceNotFound: there is no such profile.
    """
    service = await media(device)
    profile = choose(service.profiles, wanted, device.name)
    return profile, await stream_uri(device, service, profile)
