"""Answers WS-Discovery probes for a simulated device (ONVIF Core 7.3): UDP 3702, 239.255.255.250."""

from __future__ import annotations

import asyncio
import re
import socket
import uuid
from collections.abc import Sequence
from typing import cast

from simulator.onvif_replies import probe_matches

GROUP = "239.255.255.250"
PORT = 3702
_MESSAGE_ID = re.compile(rb"MessageID[^>]*>\s*([^<\s]+)\s*<")


class DiscoveryAnswers(asyncio.DatagramProtocol):
    """Made by ``answer_probes``; ``close`` ends it."""

    def __init__(self, address: str, scopes: Sequence[str], endpoint: str) -> None:
        self._address = address
        self._scopes = scopes
        self._endpoint = endpoint
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        found = _MESSAGE_ID.search(data)
        if found is None or b"/Probe<" not in data or self._transport is None:
            return
        answer = probe_matches(
            relates_to=found[1].decode("utf-8", "replace"),
            message_id=f"urn:uuid:{uuid.uuid4()}",
            endpoint=self._endpoint,
            scope_list=self._scopes,
            address=self._address,
        )
        self._transport.sendto(answer, addr)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def answer_probes(host: str, *, address: str, scopes: Sequence[str], name: str) -> DiscoveryAnswers:
    """Listen for probes that come in on the interface of ``host``.

    Args:
        address: where the device's service is.

    Raises:
        OSError: the port or the group cannot be used.
    """
    endpoint = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{host}/{name}')}"
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("", PORT))
        membership = socket.inet_aton(GROUP) + socket.inet_aton(host)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        _, answers = await loop.create_datagram_endpoint(
            lambda: DiscoveryAnswers(address, scopes, endpoint), sock=sock
        )
    except BaseException:
        sock.close()
        raise
    return answers
