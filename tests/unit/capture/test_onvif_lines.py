"""ONVIF by HTTPS, by IPv6, and the still pictures of devices: against the simulated one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest

from capture.onvif import device as asking
from capture.onvif import quirks
from capture.onvif.client import OnvifClient
from capture.onvif.discovery import Found, answering, parse_matches
from capture.onvif.source import resolve
from capture.onvif.survey import Surveyed, survey
from capture.openers import open_source
from cli.camera_entries import entries
from kernel.clock import SystemClock
from kernel.errors import CertificateRefused, SourceProtocolError, SourceRefused
from kernel.model.footage import Codec
from kernel.settings import CaptureSettings, SourceSpec
from simulator.centre import SimulatedCentre
from simulator.onvif_centre import onvif_device
from simulator.onvif_device import OnvifDevice, OnvifSettings
from simulator.onvif_replies import Stream
from simulator.source import DEFAULT_CENTRE

PASSWORD = "s3cret-word"
JPEG = b"\xff\xd8\xff\xe0 a picture"
STREAM = Stream(token="hall", name="hall", codec=Codec.H264, audio=None, width=1280, height=720, fps=25)
SETTINGS = CaptureSettings(connect_seconds=3)
BY_HTTPS = OnvifSettings(username="admin", password=PASSWORD, tls=True)


def spec(uri: str, pin: str = "") -> SourceSpec:
    return SourceSpec(
        id="cam",
        content_kind="room",
        uri=uri,
        username="admin",
        password=PASSWORD,
        label_zh="cam",
        certificate_sha256=pin,
    )


class Heard:
    """A device, and what was ever asked of it."""

    def __init__(self, device: OnvifDevice) -> None:
        self.device = device
        self.bodies: list[bytes] = []

    @property
    def pin(self) -> str:
        assert self.device.certificate is not None
        return self.device.certificate.sha256


Serve = Callable[..., Awaitable[Heard]]


@pytest.fixture
async def serve(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Serve]:
    running: list[OnvifDevice] = []

    async def start(settings: OnvifSettings, host: str = "127.0.0.1", picture: bytes | None = JPEG) -> Heard:
        made = OnvifDevice(
            [STREAM],
            stream_url=lambda token: f"rtsp://192.168.1.64:8554/{token}",
            replay_url=lambda token: f"rtsp://192.168.1.64:8554/{token}",
            now_us=SystemClock().now_us,
            settings=settings,
            snapshot=None if picture is None else lambda _: picture,
        )
        await made.start(host, 0)
        running.append(made)
        heard = Heard(made)
        answer = made._answer

        async def listening(request, base):
            heard.bodies.append(request.body)
            return await answer(request, base)

        monkeypatch.setattr(made, "_answer", listening)
        return heard

    yield start
    for one in running:
        await one.stop()


async def test_a_device_by_https_is_asked_where_its_certificate_is_pinned(serve: Serve) -> None:
    heard = await serve(BY_HTTPS)
    found = await resolve(spec(f"onvifs://127.0.0.1:{heard.device.port}", heard.pin), SETTINGS, SystemClock())
    assert found.uri == "rtsp://127.0.0.1:8554/hall"
    assert found.certificate_sha256 == heard.pin


@pytest.mark.parametrize(
    ("pin", "what"), [("", "cannot be verified"), ("0" * 64, "is not the pinned one")], ids=["none", "other"]
)
async def test_no_request_reaches_a_device_that_has_not_proved_who_it_is(
    serve: Serve, pin: str, what: str
) -> None:
    """Invariant 16; the remedy names the fingerprint, so that it can be compared and pinned."""
    heard = await serve(BY_HTTPS)
    with pytest.raises(CertificateRefused, match=what) as caught:
        await resolve(spec(f"onvifs://127.0.0.1:{heard.device.port}", pin), SETTINGS, SystemClock())
    assert heard.pin in caught.value.remedy
    assert heard.bodies == []


async def test_https_to_a_device_that_has_none_says_so(serve: Serve) -> None:
    heard = await serve(OnvifSettings())
    with pytest.raises(SourceProtocolError, match="does not speak HTTPS") as caught:
        await resolve(spec(f"onvifs://127.0.0.1:{heard.device.port}"), SETTINGS, SystemClock())
    assert "onvif://" in caught.value.remedy


async def test_a_device_that_wants_https_is_not_followed_there_and_the_remedy_is_named() -> None:
    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 301 Moved\r\nLocation: https://127.0.0.1/x\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(redirect, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with OnvifClient(spec(f"onvif://127.0.0.1:{port}"), SETTINGS, SystemClock()) as device:
            with pytest.raises(SourceProtocolError, match="HTTPS only") as caught:
                await device.exact_clock()
    assert "onvifs://" in caught.value.remedy


@pytest.mark.parametrize("tls", [False, True])
async def test_a_device_with_an_ipv6_address_is_asked_and_its_stream_is_there_too(
    serve: Serve, tls: bool
) -> None:
    heard = await serve(replace(BY_HTTPS, tls=tls, told_host="fe80::1"), host="::1")
    scheme = "onvifs" if tls else "onvif"
    pin = heard.pin if tls else ""
    found = await resolve(spec(f"{scheme}://[::1]:{heard.device.port}", pin), SETTINGS, SystemClock())
    assert found.uri == "rtsp://[::1]:8554/hall"


async def test_pictures_come_from_a_device_with_an_ipv6_address() -> None:
    clock = SystemClock()
    async with SimulatedCentre(DEFAULT_CENTRE[:1], clock=clock, host="::1") as centre:
        device = onvif_device(centre, OnvifSettings(tls=True), clock)
        await device.start("::1", 0)
        assert device.certificate is not None
        try:
            uri = f"onvifs://[::1]:{device.port}"
            source = await open_source(spec(uri, device.certificate.sha256), SETTINGS, clock)
            deliveries = [one for _ in range(10) for one in await source.read()]
            await source.close()
        finally:
            await device.stop()
    assert deliveries


async def test_a_still_picture_is_fetched_with_the_password_and_told_without(serve: Serve) -> None:
    heard = await serve(BY_HTTPS)
    where = f"127.0.0.1:{heard.device.port}"
    async with OnvifClient(spec(f"onvifs://{where}", heard.pin), SETTINGS, SystemClock()) as device:
        service = await asking.media(device)
        told = await asking.snapshot_uri(device, service, service.profiles[0])
        assert await device.picture(told) == JPEG
    assert told == f"https://{where}/snapshot/hall"


async def test_what_is_no_picture_is_refused(serve: Serve) -> None:
    heard = await serve(OnvifSettings(), picture=b"<html>")
    async with OnvifClient(spec(f"onvif://127.0.0.1:{heard.device.port}"), SETTINGS, SystemClock()) as device:
        with pytest.raises(SourceProtocolError, match="no JPEG"):
            await device.picture(f"http://127.0.0.1:{heard.device.port}/snapshot/hall")


async def test_a_still_picture_for_another_password_is_refused(serve: Serve) -> None:
    heard = await serve(OnvifSettings(username="admin", password="other"))
    async with OnvifClient(spec(f"onvif://127.0.0.1:{heard.device.port}"), SETTINGS, SystemClock()) as device:
        with pytest.raises(SourceRefused):
            await device.picture(f"http://127.0.0.1:{heard.device.port}/snapshot/hall")


@pytest.mark.parametrize("picture", [JPEG, None])
async def test_a_survey_tells_the_address_of_a_still_picture_only_where_there_is_one(
    serve: Serve, picture: bytes | None
) -> None:
    heard = await serve(OnvifSettings(username="admin", password=PASSWORD), picture=picture)
    address = f"http://127.0.0.1:{heard.device.port}"
    found = Found(endpoint="e", addresses=(f"{address}/onvif/device_service",), scopes=())
    [told] = await survey([found], "admin", PASSWORD, SETTINGS, SystemClock())
    assert told.problem == ""
    assert told.snapshot_uri == (f"{address}/snapshot/hall" if picture else "")


async def test_a_survey_of_a_device_by_https_shows_what_to_pin(serve: Serve) -> None:
    heard = await serve(BY_HTTPS)
    address = f"https://127.0.0.1:{heard.device.port}/onvif/device_service"
    found = Found(endpoint="e", addresses=(address,), scopes=())
    assert found.uri == f"onvifs://127.0.0.1:{heard.device.port}"
    [told] = await survey([found], "admin", PASSWORD, SETTINGS, SystemClock())
    assert heard.pin in told.problem
    assert PASSWORD not in json.dumps(told.problem)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://h/cgi?channel=1&loginuse=admin&loginpas=s3cret", "http://h/cgi?channel=1"),
        ("http://admin:s3cret@h/snap.jpg", "http://h/snap.jpg"),
        ("http://h/snap.jpg?Pwd=s3cret", "http://h/snap.jpg"),
    ],
)
def test_credentials_behind_the_question_mark_are_not_shown(address: str, shown: str) -> None:
    """Invariant 16."""
    assert quirks.shown_address(address) == shown


def matches(addresses: str) -> bytes:
    return (
        "<e:Envelope xmlns:e='u'><e:Header><e:RelatesTo>q-1</e:RelatesTo></e:Header><e:Body><e:ProbeMatches>"
        "<e:ProbeMatch><e:EndpointReference><e:Address>urn:d</e:Address></e:EndpointReference>"
        f"<e:XAddrs>{addresses}</e:XAddrs></e:ProbeMatch></e:ProbeMatches></e:Body></e:Envelope>"
    ).encode()


@pytest.mark.parametrize(
    ("told", "uri"),
    [
        ("https://10.0.0.9/onvif/device_service", "onvifs://10.0.0.9"),
        ("http://[fd00::9]:8000/onvif/device_service", "onvif://[fd00::9]:8000"),
        ("https://10.0.0.9/x http://10.0.0.9:8000/x", "onvif://10.0.0.9:8000"),
        ("http://[fe80::1]/onvif/device_service", "onvif://10.0.0.9"),
        ("http://[fe80::1%25eth0]/onvif/device_service", "onvif://10.0.0.9"),
        ("http://[nonsense/ ftp://10.0.0.9/", "onvif://10.0.0.9"),
        ("", "onvif://10.0.0.9"),
    ],
)
def test_a_device_is_found_whatever_addresses_it_tells(told: str, uri: str) -> None:
    """A link-local address of IPv6 means nothing without an interface: where it answered from is tried."""
    [found] = parse_matches(matches(told), {"q-1"})
    assert answering(found, "10.0.0.9").uri == uri


@pytest.mark.parametrize("known", ["onvif://10.0.0.9", "onvifs://10.0.0.9:443", "onvifs://10.0.0.9"])
def test_a_device_that_is_known_by_one_of_its_addresses_is_not_offered_again(known: str) -> None:
    addresses = ("http://10.0.0.9/x", "https://10.0.0.9/x")
    told = Surveyed(
        found=Found(endpoint="e", addresses=addresses, scopes=()), information=None, profiles=(), problem=""
    )
    assert entries([told], [spec(known)], "admin", PASSWORD) == []
    assert len(entries([told], [spec("onvifs://10.0.0.9:8443")], "admin", PASSWORD)) == 1
