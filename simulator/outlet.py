"""How the packets of one track reach one client: between the RTSP messages, or as datagrams."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from simulator import rtp
from simulator.faults import Faults

_PORT_TRIES = 50


class Outlet(Protocol):
    """Where a track's packets go."""

    def media(self, packets: Sequence[bytes]) -> None:
        """Send RTP packets, in order."""

    def control(self, packet: bytes) -> None:
        """Send an RTCP packet."""

    def close(self) -> None:
        """Nothing more is sent."""


class InterleavedOutlet:
    """Over the RTSP connection (RFC 2326, 10.12): RTP on an even channel, RTCP on the next."""

    def __init__(self, transport: asyncio.WriteTransport, channel: int) -> None:
        self._transport = transport
        self.channel = channel

    def media(self, packets: Sequence[bytes]) -> None:
        self._transport.write(b"".join(rtp.interleaved(self.channel, one) for one in packets))

    def control(self, packet: bytes) -> None:
        self._transport.write(rtp.interleaved(self.channel + 1, packet))

    def close(self) -> None:
        """The connection is the server's."""


class DatagramOutlet:
    """A pair of UDP ports: RTP from the even one, RTCP from the next."""

    def __init__(self, client: tuple[str, int], faults: Faults) -> None:
        self._client = client  # its RTP port; RTCP goes to the next
        self._faults = faults
        self._sockets: list[asyncio.DatagramTransport] = []
        self._held: bytes | None = None  # a datagram that another one overtakes
        self._count = 0
        self.port = 0

    async def open(self, host: str, heard: Callable[[], None]) -> None:
        """Bind two neighbouring ports; ``heard`` is called for every receiver report.

        Raises:
            OSError: no two neighbouring ports are free.
        """
        loop = asyncio.get_running_loop()
        for _ in range(_PORT_TRIES):
            first, _ = await loop.create_datagram_endpoint(lambda: _Ear(None), local_addr=(host, 0))
            self.port = first.get_extra_info("sockname")[1]
            try:
                address = (host, self.port + 1)
                second, _ = await loop.create_datagram_endpoint(lambda: _Ear(heard), local_addr=address)
            except (OSError, OverflowError):
                first.close()
                continue
            self._sockets = [first, second]
            return
        raise OSError("no two neighbouring ports are free")

    def media(self, packets: Sequence[bytes]) -> None:
        for packet in packets:
            self._count += 1
            if self._hits(self._faults.lose_every):
                continue
            if self._hits(self._faults.swap_every) and self._held is None:
                self._held = packet
                continue
            self._send(packet)
            if self._held is not None:
                self._send(self._held)
                self._held = None

    def _hits(self, every: int) -> bool:
        return every > 0 and self._count % every == 0

    def _send(self, packet: bytes) -> None:
        if self._sockets:
            self._sockets[0].sendto(packet, self._client)

    def control(self, packet: bytes) -> None:
        if self._sockets:
            self._sockets[1].sendto(packet, (self._client[0], self._client[1] + 1))

    def close(self) -> None:
        for one in self._sockets:
            one.close()
        self._sockets = []


class _Ear(asyncio.DatagramProtocol):
    """Hears that the client is there."""

    def __init__(self, heard: Callable[[], None] | None) -> None:
        self._heard = heard

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._heard is not None and data:
            self._heard()
