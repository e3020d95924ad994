"""How the page may be reached: over which addresses and names, and what stands in front of it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from kernel.errors import ServerError
from kernel.settings import ServerSettings, is_loopback

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
"""How a browser on this machine may call the server."""
_A_YEAR_SECONDS = 365 * 24 * 3600
_NOT_TOLD = ("unknown", 0)
_WITH_CLIENTS = frozenset({"http", "websocket"})
_SECURE = {"http": "https", "https": "https", "ws": "wss", "wss": "wss"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """From where the page can be reached; as it stands here, from this machine only."""

    names: tuple[str, ...] = LOOPBACK_NAMES
    https: bool = False
    proxies: tuple[str, ...] = ()

    @property
    def cookie(self) -> str:
        """Name of the cookie; the prefix keeps a sister host from planting one (RFC 6265bis, 4.1.3.2)."""
        return "__Host-jianzheng" if self.https else "jianzheng"


def reach_of(settings: ServerSettings, host: str, *, accounts: bool) -> Reach:
    """How it is served on an address.

    Raises:
        ServerError: it could be reached from outside without accounts, without HTTPS, or by no name.
    """
    names = dict.fromkeys((*LOOPBACK_NAMES, *settings.names))
    if not is_loopback(host):
        if not accounts:
            raise ServerError(
                f"Without accounts the page is served on loopback addresses only, not on {host}: everybody "
                "who can reach it would see every recording.",
                hint="Serve it with accounts, or use --host 127.0.0.1.",
            )
        if not settings.https:
            raise ServerError(
                f"Without HTTPS the page is served on loopback addresses only, not on {host}: passwords and "
                "recordings would go over the network as they are.",
                hint="Set server.tls.certificate and server.tls.key, or server.behind_proxy with "
                "server.proxies, or use --host 127.0.0.1.",
            )
        names |= dict.fromkeys(_own_names(host))
        if len(names) == len(LOOPBACK_NAMES):
            raise ServerError(
                f"The page has no name that browsers could call it by on {host}.",
                hint="Name it in server.names, such as witness.example.gov.cn.",
            )
    return Reach(names=tuple(names), https=settings.https, proxies=settings.proxies)


def _own_names(host: str) -> list[str]:
    """An address is a name, too, if it is one of this machine's and not all of them."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return [host] if host else []
    if address.is_unspecified:
        return []
    return [f"[{address}]" if address.version == 6 else str(address)]


class Transport:
    """ASGI: who the client is, told by a proxy that is trusted and by no other; HTTPS where there is some."""

    def __init__(self, app: ASGIApp, reach: Reach) -> None:
        self._https = reach.https
        self._networks = [ipaddress.ip_network(one) for one in reach.proxies]
        self._inner = app
        self._app: ASGIApp = self._by_https
        if reach.proxies:  # uvicorn has narrower names for the same types
            self._app = cast(Any, ProxyHeadersMiddleware(cast(Any, self._by_https), list(reach.proxies)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._https or scope["type"] not in _WITH_CLIENTS:
            await self._inner(scope, receive, send)
            return
        if self._networks and self._is_proxy(scope) and not _tells_client(scope):
            scope["client"] = _NOT_TOLD  # else everybody would be taken for a program on the proxy's machine

        async def send_strictly(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Strict-Transport-Security"] = f"max-age={_A_YEAR_SECONDS}"
            await send(message)

        await self._app(scope, receive, send_strictly)

    async def _by_https(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Whatever a proxy says: cookies and links are for HTTPS."""
        scope["scheme"] = _SECURE[scope["scheme"]]
        await self._inner(scope, receive, send)

    def _is_proxy(self, scope: Scope) -> bool:
        client = cast(Sequence[str] | None, scope.get("client"))
        try:
            return client is not None and any(
                ipaddress.ip_address(client[0]) in one for one in self._networks
            )
        except ValueError:
            return False


def _tells_client(scope: Scope) -> bool:
    return "x-forwarded-for" in HTTPConnection(scope).headers
