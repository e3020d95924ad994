"""One device: requests and answers over HTTP, with the device's own clock in every token.

Credentials go two ways, since devices want one or the other: a WS-UsernameToken in each request (ONVIF Core
5.12.1) and, where the device challenges for it, HTTP digest (Profile T). Nothing here outlives ``close``.
"""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

import httpx

from capture.onvif import https, quirks, soap
from capture.onvif.bounded import BoundedTransport, UnboundedAnswerError
from capture.onvif.device_clock import DeviceClock, read_device_time
from kernel.clock import SECOND_US, Clock
from kernel.errors import (
    NetworkDown,
    NotAnswering,
    NotListening,
    SourceError,
    SourceProtocolError,
    SourceRefused,
    SourceUnreachable,
)
from kernel.settings import CaptureSettings, SourceSpec

DEVICE_PATH = "/onvif/device_service"
_HTTP = {"onvif": "http", "onvifs": "https"}
_PORTS = {"http": 80, "https": 443}
_CONTENT = 'application/soap+xml; charset=utf-8; action="{}"'
_NO_WAY = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN})
_REFUSED = frozenset({401, 403})
_JPEG = b"\xff\xd8\xff"
_EDGE_LOOKS = 12  # requests to find the moment at which the device's second changes


class DeviceFault(SourceProtocolError):
    """The device refuses a request that others answer."""

    def __init__(self, message: str, fault: soap.Fault) -> None:
        super().__init__(message)
        self.fault = fault


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A reply with the times between which the device made it."""

    body: Element
    asked_us: int  # wall time of the recorder
    answered_us: int  # wall time of the recorder
    round_trip_us: int  # by monotonic time


class OnvifClient:
    """Use it as ``async with OnvifClient(spec, settings, clock) as device``."""

    def __init__(self, spec: SourceSpec, settings: CaptureSettings, clock: Clock) -> None:
        self.name = spec.id
        parts = urlsplit(spec.uri)
        self.host = parts.hostname or ""
        self.address = f"{_HTTP.get(parts.scheme, 'http')}://{parts.netloc}{DEVICE_PATH}"
        self._where = f"{parts.scheme}://{parts.netloc}"
        self._clock = clock
        self._answer_seconds = settings.connect_seconds
        self._username = spec.username
        self._password = spec.password.get_secret_value()
        self._device_clock: DeviceClock | None = None
        self._services: dict[str, str] | None = None  # namespace -> address
        self._http = httpx.AsyncClient(
            auth=httpx.DigestAuth(self._username, self._password) if self._username else None,
            timeout=settings.connect_seconds,
            trust_env=False,
            transport=BoundedTransport(https.transport(spec.certificate_sha256), soap.MAX_BYTES),
        )

    async def __aenter__(self) -> OnvifClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def clock(self) -> DeviceClock:
        """How far the device's clock is from ours, to half a second; asked once.

        Quirk: some devices tell their time to nobody but users, some tell none. Then ours is taken for
        theirs: if that is wrong, they refuse the next request.
        """
        if self._device_clock is None:
            try:
                self._device_clock = await self._look_at_clock()
            except (SourceRefused, SourceProtocolError):
                now_us = self._clock.now_us()
                self._device_clock = DeviceClock(
                    told_us=now_us - SECOND_US // 2, at_us=now_us, round_trip_us=0
                )
        return self._device_clock

    async def exact_clock(self) -> DeviceClock:
        """The same to about a round trip: devices tell whole seconds, so look until one begins."""
        seen = await self._look_at_clock()
        for _ in range(_EDGE_LOOKS):
            await self._clock.wait(1.1 / _EDGE_LOOKS)
            now = await self._look_at_clock()
            if now.told_us > seen.told_us:
                return now.at_edge(seen)
            seen = now
        return seen

    async def _look_at_clock(self) -> DeviceClock:
        """Asked without a token at first, as ONVIF Core 5.12.1 allows: a token needs the time."""
        request = soap.element(soap.DEVICE, "GetSystemDateAndTime")
        answer = await self._ask(self.address, request, soap.DEVICE)
        told_us = read_device_time(answer.body)
        if told_us is None:
            raise SourceProtocolError(f"source {self.name}: the device tells no time.")
        return DeviceClock(
            told_us=told_us,
            at_us=(answer.asked_us + answer.answered_us) // 2,
            round_trip_us=answer.round_trip_us,
        )

    async def services(self) -> dict[str, str]:
        """Address of each service by its namespace: by GetServices, or GetCapabilities on older devices."""
        if self._services is None:
            try:
                found = await self.device(
                    "GetServices", soap.element(soap.DEVICE, "IncludeCapability", "false")
                )
                self._services = self._by_namespace(found)
            except DeviceFault as error:
                if not error.fault.not_offered:
                    raise
                found = await self.device("GetCapabilities", soap.element(soap.DEVICE, "Category", "All"))
                self._services = self._by_capability(found)
        return self._services

    def _by_namespace(self, reply: Element) -> dict[str, str]:
        return {
            soap.text(one, "Namespace").rstrip("/"): quirks.service_address(
                soap.text(one, "XAddr"), self.address
            )
            for one in soap.children(reply, "Service")
        }

    def _by_capability(self, reply: Element) -> dict[str, str]:
        """Devices from before GetServices (ONVIF 2.1) know these services only."""
        found = soap.child(reply, "Capabilities")
        services = {}
        for name, namespace in (("Device", soap.DEVICE), ("Media", soap.MEDIA), ("Events", soap.EVENTS)):
            told = soap.text(found, name, "XAddr") if found is not None else ""
            if told:
                services[namespace] = quirks.service_address(told, self.address)
        for name, namespace in (("Search", soap.SEARCH), ("Replay", soap.REPLAY)):
            told = soap.text(found, "Extension", name, "XAddr") if found is not None else ""
            if told:
                services[namespace] = quirks.service_address(told, self.address)
        return services

    async def device(self, operation: str, *parts: Element) -> Element:
        """An operation of the device service, which every device has."""
        return await self.call(soap.DEVICE, self.address, operation, *parts)

    async def call(self, namespace: str, address: str, operation: str, *parts: Element) -> Element:
        """The reply to an operation of a service.

        Raises:
            SourceUnreachable: nothing answers, or not in time.
            SourceRefused: the device does not accept the credentials.
            DeviceFault: it refuses the operation for another reason.
            SourceProtocolError: what it answers is no reply.
        """
        await self.clock()
        request = soap.element(namespace, operation, *parts)
        return (await self._ask(address, request, namespace)).body

    async def call_addressed(
        self, action: str, address: str, request: Element, *, wait_seconds: float = 0
    ) -> Element:
        """The same with WS-Addressing, as the event service wants it; the device may wait so long itself."""
        await self.clock()
        return (await self._ask(address, request, "", action=action, wait_seconds=wait_seconds)).body

    async def picture(self, address: str) -> bytes:
        """What is at an address of the device, by GET: a still picture.

        Raises:
            SourceUnreachable: nothing answers, or not in time.
            SourceRefused: the device does not accept the credentials.
            SourceProtocolError: it is no JPEG picture.
        """
        try:
            async with asyncio.timeout(self._answer_seconds):
                response = await self._http.get(address)
        except (TimeoutError, httpx.TimeoutException):
            raise NotAnswering(f"source {self.name}: its still picture does not come.") from None
        except UnboundedAnswerError as error:
            raise SourceProtocolError(f"source {self.name}: its still picture: {error}.") from None
        except httpx.HTTPError as error:
            raise await self._failure(error) from None
        if response.status_code in _REFUSED:
            raise self._refusal()
        if not response.content.startswith(_JPEG):
            raise SourceProtocolError(f"source {self.name}: its still picture is no JPEG picture.")
        return response.content

    async def _ask(
        self, address: str, request: Element, namespace: str, *, action: str = "", wait_seconds: float = 0
    ) -> Answer:
        data = soap.envelope(
            request,
            token=self._token(),
            to=address if action else "",
            action=action,
        )
        operation = request.tag.rpartition("}")[2]
        headers = {"Content-Type": _CONTENT.format(action or f"{namespace}/{operation}")}
        asked_us, began_us = self._clock.now_us(), self._clock.monotonic_us()
        response = await self._post(address, data, headers, self._answer_seconds + wait_seconds)
        took_us = self._clock.monotonic_us() - began_us
        body = self._body(response, operation)
        return Answer(body=body, asked_us=asked_us, answered_us=asked_us + took_us, round_trip_us=took_us)

    def _token(self) -> soap.Token | None:
        if not self._username or self._device_clock is None:
            return None
        return soap.Token(
            username=self._username,
            password=self._password,
            nonce=secrets.token_bytes(16),
            created_us=self._clock.now_us() + self._device_clock.offset_us,
        )

    async def _post(
        self, address: str, data: bytes, headers: dict[str, str], patience_seconds: float
    ) -> httpx.Response:
        try:
            async with asyncio.timeout(patience_seconds):
                return await self._http.post(address, content=data, headers=headers, timeout=patience_seconds)
        except (TimeoutError, httpx.TimeoutException):
            message = f"source {self.name}: nothing answers at {self._where} in {patience_seconds:g} s."
            raise NotAnswering(message) from None
        except UnboundedAnswerError as error:
            raise SourceProtocolError(f"source {self.name}: {self._where}: {error}.") from None
        except httpx.HTTPError as error:
            raise await self._failure(error) from None

    async def _failure(self, error: httpx.HTTPError) -> SourceError:
        by_tls = https.tls_error(error)
        if by_tls is not None:
            parts = urlsplit(self.address)
            port = parts.port or _PORTS[parts.scheme]
            wait = self._answer_seconds
            return await https.refusal(by_tls, self.host, port, name=self.name, seconds=wait)
        number = _errno(error)
        reason = os.strerror(number) if number else type(error).__name__
        kind = NetworkDown if number in _NO_WAY else SourceUnreachable
        if number == errno.ECONNREFUSED:
            kind = NotListening
        return kind(f"source {self.name}: {self._where} cannot be reached ({reason}).")

    def _body(self, response: httpx.Response, operation: str) -> Element:
        try:
            reply = soap.parse_reply(response.content)
        except SourceProtocolError as error:
            if response.status_code in _REFUSED:
                raise self._refusal() from None
            if response.headers.get("location", "").startswith("https:"):
                raise SourceProtocolError(
                    f"source {self.name}: the device answers by HTTPS only.",
                    hint="Write onvifs:// in the source's uri in cameras.yaml.",
                ) from None
            if response.status_code == 404:
                raise SourceProtocolError(f"source {self.name}: no ONVIF device answers there.") from None
            raise SourceProtocolError(f"source {self.name}: {operation}: {error.message}") from None
        if not isinstance(reply, soap.Fault):
            return reply
        if reply.refused or response.status_code in _REFUSED:
            raise self._refusal()
        said = ", ".join(reply.codes) or "no reason given"
        raise DeviceFault(f"source {self.name}: the device refuses {operation} ({said}).", reply)

    def _refusal(self) -> SourceRefused:
        off_us = self._device_clock.offset_us if self._device_clock else 0
        clock = ""
        if abs(off_us) > SECOND_US:
            clock = f" Its clock is {off_us / SECOND_US:+.0f} s from ours; that was taken into account."
        return SourceRefused(f"source {self.name}: the device refuses user name and password.{clock}")


def _errno(error: BaseException | None) -> int | None:
    """The system's number for what went wrong, which httpx keeps some causes deep."""
    while error is not None:
        if isinstance(error, OSError) and error.errno:
            return error.errno
        error = error.__cause__ or error.__context__
    return None
