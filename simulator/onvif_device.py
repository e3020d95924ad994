"""A simulated centre as one ONVIF device with a profile per source: for demo, training and tests.

Answers what a camera of profiles S, T and G answers to a recorder: device, Media, Media2, events by pull
point, recording search and replay. Not a certified device; what it does not know it refuses as cameras do.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import structlog

from kernel.clock import SECOND_US, from_datetime
from simulator import onvif_replies as say
from simulator.certificate import SelfSigned, self_signed
from simulator.digest import Guard
from simulator.onvif_replies import Report, Stream

SERVICE_PATH = "/onvif/device_service"
_WINDOW_US = 10 * SECOND_US  # how old a token may be, as cameras have it
_SUBSCRIPTION_US = 60 * SECOND_US
_MAX_BODY = 1 << 20
_MAX_HEADER_LINES = 100
_MAX_WAIT_S = 10.0
_BEFORE_LOGIN = frozenset(
    {"GetSystemDateAndTime", "GetServices", "GetCapabilities", "GetServiceCapabilities"}
)
"""What anybody may ask (ONVIF Core 5.12.1, access class PRE_AUTH)."""
_STATUS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 500: "Internal Server Error"}

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class OnvifSettings:
    """How the device behaves."""

    username: str = ""  # empty: nobody is asked
    password: str = field(default="", repr=False)  # never in a log (invariant 16)
    skew_s: float = 0.0  # its clock is so far ahead
    http_digest: bool = False  # challenges for HTTP digest, as devices of profile T do
    told_host: str = ""  # the address it believes to have, where that is wrong; empty: the true one
    name: str = "Simulated centre"
    tls: bool = False  # answers by HTTPS, under a certificate that it signs itself


@dataclass(kw_only=True, slots=True)
class _Subscription:
    """A pull point."""

    waiting: list[Report] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)


class _Refuse(Exception):
    """The request is answered by a fault of these subcodes."""

    def __init__(self, *subcodes: str) -> None:
        super().__init__(*subcodes)
        self.subcodes = subcodes


class OnvifDevice:
    """Listens on one port.

    Args:
        streams: what there is; tokens are the sources' ids.
        stream_url: address of a source's stream, without credentials.
        replay_url: address at which a source's recording is played back.
        now_us: wall time; the device adds its skew.
        snapshot: a still picture of a stream, JPEG; None: at its address is nothing, as on some cameras.
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        *,
        stream_url: Callable[[str], str],
        replay_url: Callable[[str], str],
        now_us: Callable[[], int],
        settings: OnvifSettings,
        snapshot: Callable[[str], bytes] | None = None,
    ) -> None:
        self._streams = tuple(streams)
        self._stream_url = stream_url
        self._replay_url = replay_url
        self._now_us = now_us
        self._settings = settings
        self._snapshot = snapshot
        self.certificate: SelfSigned | None = None  # while it answers by HTTPS
        self._guard = Guard(settings.username, settings.password)
        self._began_us = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._subscriptions: dict[str, _Subscription] = {}
        self._operations = self._all_operations()
        self.port = 0

    def _all_operations(self) -> dict[tuple[str, str], Callable[[Element, str], str]]:
        return {
            (say.DEVICE, "GetSystemDateAndTime"): lambda *_: say.date_and_time(self.now_us()),
            (say.DEVICE, "GetDeviceInformation"): lambda *_: say.device_information(self._settings.name),
            (say.DEVICE, "GetServices"): lambda _, base: say.services(self._addresses(base)),
            (say.DEVICE, "GetCapabilities"): lambda _, base: say.capabilities(self._addresses(base)),
            (say.DEVICE, "GetScopes"): lambda *_: say.scopes(self.scopes),
            (say.MEDIA, "GetProfiles"): lambda *_: say.profiles(self._streams),
            (say.MEDIA, "GetStreamUri"): self._media_stream,
            (say.MEDIA, "GetSnapshotUri"): self._media_snapshot,
            (say.MEDIA2, "GetProfiles"): lambda asked, _: say.profiles2(
                self._streams, whole=bool(_texts(asked, "Type"))
            ),
            (say.MEDIA2, "GetStreamUri"): self._media2_stream,
            (say.MEDIA2, "GetSnapshotUri"): self._media2_snapshot,
            (say.EVENTS, "CreatePullPointSubscription"): self._subscribe,
            (say.SEARCH, "FindRecordings"): lambda *_: say.search_begun("search-1"),
            (say.SEARCH, "GetRecordingSearchResults"): lambda *_: say.recordings(
                self._streams, self._began_us, self.now_us()
            ),
            (say.SEARCH, "EndSearch"): lambda *_: say.search_ended(self.now_us()),
            (say.REPLAY, "GetReplayUri"): self._replay,
        }

    @property
    def scopes(self) -> list[str]:
        """What it says of itself when it is discovered."""
        base = "onvif://www.onvif.org"
        name = self._settings.name.replace(" ", "%20")
        profiles = [f"{base}/Profile/{one}" for one in ("Streaming", "T", "G")]
        return [f"{base}/name/{name}", f"{base}/hardware/simulated", f"{base}/location/demo", *profiles]

    def now_us(self) -> int:
        """Time of the device's own clock."""
        return self._now_us() + round(self._settings.skew_s * SECOND_US)

    @property
    def subscribers(self) -> int:
        """How many listen to its events now."""
        return len(self._subscriptions)

    def report(self, topic: str, *, sensor: str = "", **data: str) -> None:
        """Tell subscribers of an event, such as ``report("tns1:VideoSource/MotionAlarm", State="true")``."""
        news = Report(at_us=self.now_us(), topic=topic, data=tuple(data.items()), sensor=sensor)
        for one in self._subscriptions.values():
            one.waiting.append(news)
            one.news.set()

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes any free one.

        Raises:
            OSError: the address cannot be used.
        """
        self._began_us = self.now_us()
        self.certificate = self_signed(host, self._now_us()) if self._settings.tls else None
        tls = self.certificate.context if self.certificate else None
        self._server = await asyncio.start_server(self._accept, host, port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close, in the middle of answers too."""
        if self._server is None:
            return
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:  # never inside a server's callback; keeps the type honest
            return
        self._tasks.add(task)
        try:
            while (request := await _read_request(reader)) is not None:
                host = writer.get_extra_info("sockname")[0]
                writer.write(await self._answer(request, self._base(host)))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, ValueError, asyncio.CancelledError):
            pass  # the client is gone, or writes no HTTP
        finally:
            self._tasks.discard(task)
            writer.close()

    def _base(self, host: str) -> str:
        shown = self._settings.told_host or host
        scheme = "https" if self._settings.tls else "http"
        return f"{scheme}://{f'[{shown}]' if ':' in shown else shown}:{self.port}"

    async def _answer(self, request: _Request, base: str) -> bytes:
        if request.method == "GET":
            return self._picture(request)
        try:
            root = ElementTree.fromstring(request.body)
            asked = root.find("{*}Body/*")
        except ElementTree.ParseError:
            return _response(400, say.fault("WellFormed", reason="not XML"))
        if asked is None:
            return _response(400, say.fault("WellFormed", reason="no request"))
        namespace, _, operation = asked.tag[1:].rpartition("}")
        if operation not in _BEFORE_LOGIN and (refusal := self._refusal(root, request)):
            return refusal
        try:
            return _response(200, say.envelope(await self._body(namespace, operation, asked, request, base)))
        except _Refuse as error:
            return _response(
                500 if len(error.subcodes) == 1 else 400, say.fault(*error.subcodes, reason=operation)
            )

    def _picture(self, request: _Request) -> bytes:
        """To who proves the password by HTTP digest: a GET carries no token."""
        proof = request.headers.get("authorization")
        if self._settings.username and not self._guard.admits("GET", proof):
            return _response(401, b"", {"WWW-Authenticate": self._guard.challenges(proof)[0]})
        directory, _, token = request.path.rpartition("/")
        if (
            self._snapshot is None
            or directory != "/snapshot"
            or token not in {s.token for s in self._streams}
        ):
            return _response(404, b"")
        return _response(200, self._snapshot(token), {"Content-Type": "image/jpeg"})

    async def _body(
        self, namespace: str, operation: str, asked: Element, request: _Request, base: str
    ) -> str:
        if request.path.startswith("/onvif/pull/"):
            return await self._pull_point(request.path.rpartition("/")[2], operation, asked)
        answer = self._operations.get((namespace, operation))
        if answer is None:
            raise _Refuse("ActionNotSupported")
        return answer(asked, base)

    def _refusal(self, root: Element, request: _Request) -> bytes | None:
        """A fault or a challenge; None for who may ask."""
        if not self._settings.username:
            return None
        if self._settings.http_digest:
            proof = request.headers.get("authorization")
            if self._guard.admits("POST", proof):
                return None
            return _response(401, b"", {"WWW-Authenticate": self._guard.challenges(proof)[0]})
        if self._token_is_right(root):
            return None
        return _response(400, say.fault("NotAuthorized", reason="sender not authorized"))

    def _token_is_right(self, root: Element) -> bool:
        """WS-UsernameToken: digest over nonce, time and password, the time near the device's own."""
        told = {one.tag.rpartition("}")[2]: one.text or "" for one in root.iterfind("{*}Header//*")}
        try:
            created = from_datetime(datetime.fromisoformat(told["Created"]))
            nonce = base64.b64decode(told["Nonce"])
        except (KeyError, ValueError):
            return False
        proof = nonce + told["Created"].encode() + self._settings.password.encode()
        expected = base64.b64encode(hashlib.sha1(proof, usedforsecurity=False).digest()).decode()
        right = hmac.compare_digest(expected.encode(), told.get("Password", "").encode())
        known = told.get("Username") == self._settings.username
        return right and known and abs(created - self.now_us()) <= _WINDOW_US

    def _addresses(self, base: str) -> dict[str, str]:
        paths = {
            say.DEVICE: SERVICE_PATH,
            say.MEDIA: "/onvif/media",
            say.MEDIA2: "/onvif/media2",
            say.EVENTS: "/onvif/events",
            say.SEARCH: "/onvif/search",
            say.REPLAY: "/onvif/replay",
        }
        return {namespace: base + path for namespace, path in paths.items()}

    def _stream(self, asked: Element, name: str = "ProfileToken") -> Stream:
        token = next(iter(_texts(asked, name)), "")
        for one in self._streams:
            if one.token == token:
                return one
        raise _Refuse("InvalidArgVal", "NoProfile" if name == "ProfileToken" else "NoRecording")

    def _media_stream(self, asked: Element, _: str) -> str:
        return say.media_uri("GetStreamUri", self._stream_url(self._stream(asked).token))

    def _media2_stream(self, asked: Element, _: str) -> str:
        return say.plain_uri("tr2", "GetStreamUri", self._stream_url(self._stream(asked).token))

    def _media_snapshot(self, asked: Element, base: str) -> str:
        return say.media_uri("GetSnapshotUri", f"{base}/snapshot/{self._stream(asked).token}")

    def _media2_snapshot(self, asked: Element, base: str) -> str:
        return say.plain_uri("tr2", "GetSnapshotUri", f"{base}/snapshot/{self._stream(asked).token}")

    def _replay(self, asked: Element, _: str) -> str:
        return say.plain_uri(
            "trp", "GetReplayUri", self._replay_url(self._stream(asked, "RecordingToken").token)
        )

    def _subscribe(self, _: Element, base: str) -> str:
        key = secrets.token_hex(8)
        self._subscriptions[key] = _Subscription()
        now_us = self.now_us()
        return say.pull_point(f"{base}/onvif/pull/{key}", now_us, now_us + _SUBSCRIPTION_US)

    async def _pull_point(self, key: str, operation: str, asked: Element) -> str:
        subscription = self._subscriptions.get(key)
        if subscription is None:
            raise _Refuse("InvalidArgVal", "NoSuchService")
        until_us = self.now_us() + _SUBSCRIPTION_US
        if operation == "PullMessages":
            await _wait(subscription.news, _seconds(next(iter(_texts(asked, "Timeout")), "")))
            reports, subscription.waiting = subscription.waiting, []
            subscription.news.clear()
            return say.messages(reports, self.now_us(), until_us)
        if operation == "Renew":
            return say.renewed(self.now_us(), until_us)
        if operation == "Unsubscribe":
            del self._subscriptions[key]
            return "<wsnt:UnsubscribeResponse/>"
        raise _Refuse("ActionNotSupported")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Request:
    """One HTTP request."""

    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes


async def _read_request(reader: asyncio.StreamReader) -> _Request | None:
    """The next request; None when the client has closed.

    Raises:
        ValueError: it is no HTTP request that we answer.
    """
    first = (await reader.readline()).split()
    if len(first) != 3:
        return None
    headers = {}
    for _ in range(_MAX_HEADER_LINES):
        name, colon, value = (await reader.readline()).decode("latin-1").partition(":")
        if not colon:
            break
        headers[name.strip().lower()] = value.strip()
    size = int(headers.get("content-length", "0"))
    if not 0 <= size <= _MAX_BODY:
        raise ValueError("too large")
    body = await reader.readexactly(size)
    path = first[1].decode("latin-1").partition("?")[0]
    return _Request(method=first[0].decode("latin-1"), path=path, headers=headers, body=body)


def _response(status: int, body: bytes, headers: dict[str, str] | None = None) -> bytes:
    fields = {
        "Content-Type": "application/soap+xml; charset=utf-8",
        "Content-Length": str(len(body)),
        **(headers or {}),
    }
    lines = [f"HTTP/1.1 {status} {_STATUS[status]}", *(f"{name}: {value}" for name, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def _texts(parent: Element, name: str) -> list[str]:
    return [(one.text or "").strip() for one in parent.iterfind(f".//{{*}}{name}")]


def _seconds(duration: str) -> float:
    """Of an xs:duration such as PT5S; longer ones than a few seconds are cut, as devices do."""
    digits = duration.removeprefix("PT").removesuffix("S")
    try:
        return min(max(float(digits), 0.0), _MAX_WAIT_S)
    except ValueError:
        return _MAX_WAIT_S


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
