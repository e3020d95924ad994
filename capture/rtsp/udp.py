"""RTP and RTCP as datagrams (RFC 3550, 11; RFC 2326, 12.39): a pair of ports for each track.

The ports are looked at now and then, as ``capture.rtsp.line`` is: what comes meanwhile gathers in the system.
Datagrams from elsewhere than the device are passed over; from which of its ports they come does not matter,
as some devices tell others than they use. What comes in another order than it was sent is put right as long
as it is not too late; the rest counts as lost.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from functools import cache

from capture.rtsp.message import Frames
from capture.rtsp.rtp import Unwrapper
from kernel.errors import SourceUnreachable
from kernel.log import logger

_BUFFER_BYTES = 4 << 20  # asked for; the system may give less
_LEAST_BUFFER_BYTES = 1 << 20  # a key frame of a large picture comes as a burst of hundreds of datagrams
_DATAGRAM_BYTES = 65_536
_MOST_AT_ONCE = 4096  # datagrams of one look at one port
_PORT_TRIES = 50
_LONGEST_WAIT_US = 250_000  # for a packet that others have overtaken
_MOST_WAITING = 512  # packets; more have overtaken it than any network reorders
_FAR_BEHIND = 1000  # a packet from so far behind is of a device that counts anew, not late
_PUNCH_RTP = struct.pack(">BBHII", 0x80, 0, 0, 0, 0)
_PUNCH_RTCP = struct.pack(">BBHI", 0x80, 201, 1, 0)

_log = logger("capture")


class Reorderer:
    """Hands packets out in the order of their sequence numbers; waits for a missing one within bounds."""

    def __init__(self) -> None:
        self._numbers = Unwrapper(16)
        self._next: int | None = None
        self._waiting: dict[int, tuple[bytes, int]] = {}  # by number: packet, when it came (monotonic)
        self.late = 0  # packets that came when their place was gone, or twice

    def push(self, packet: bytes, now_us: int) -> list[bytes]:
        """The packets that are in order with this one; what is no RTP goes through as it is."""
        if len(packet) < 4:
            return [packet]
        number = self._numbers.near(packet[2] << 8 | packet[3])
        if self._next is None or number < self._next - _FAR_BEHIND:
            ready = self._all_waiting()
            self._numbers.last = number
            self._next = number + 1
            return [*ready, packet]
        if number == self._next and not self._waiting:
            self._numbers.last, self._next = number, number + 1
            return [packet]
        if number < self._next or number in self._waiting:
            self.late += 1
            return []
        self._numbers.last = max(number, self._numbers.last or number)
        self._waiting[number] = packet, now_us
        ready = list(self._in_order())
        if len(self._waiting) > _MOST_WAITING:
            ready += self._give_up_first_gap()
        return ready

    def overdue(self, now_us: int) -> list[bytes]:
        """The packets that have waited long enough for one that is missing."""
        ready: list[bytes] = []
        while self._waiting and now_us - self._waiting[min(self._waiting)][1] > _LONGEST_WAIT_US:
            ready += self._give_up_first_gap()
        return ready

    def _give_up_first_gap(self) -> list[bytes]:
        self._next = min(self._waiting)
        return list(self._in_order())

    def _in_order(self) -> Iterator[bytes]:
        while self._next is not None and self._next in self._waiting:
            yield self._waiting.pop(self._next)[0]
            self._next += 1

    def _all_waiting(self) -> list[bytes]:
        waiting, self._waiting = self._waiting, {}
        return [waiting[number][0] for number in sorted(waiting)]


class UdpPorts:
    """The two ports of one track. Made by ``open_ports``."""

    def __init__(self, rtp: socket.socket, rtcp: socket.socket, channel: int) -> None:
        self._rtp = rtp
        self._rtcp = rtcp
        self.channel = channel  # under which its packets are handed out; RTCP under the next
        self._order = Reorderer()
        self._hosts: frozenset[str] = frozenset()
        self._ports: tuple[int, int] | None = None  # of the device; None while it has not told them
        self._device: str = ""
        self.port = int(rtp.getsockname()[1])

    def expect(self, hosts: list[str], ports: tuple[int, int] | None) -> None:
        """Take datagrams from these addresses only; send ours to the first, to these ports.

        Firewalls and address translation on the way let the device's datagrams in after ours have gone out.
        """
        self._hosts, self._ports, self._device = frozenset(hosts), ports, hosts[0]
        if ports is not None:
            self._send(self._rtp, _PUNCH_RTP, ports[0])
            self._send(self._rtcp, _PUNCH_RTCP, ports[1])

    def take(self, frames: Frames, now_us: int) -> int:
        """Hand out what has come, media in order; how many packets that was."""
        ready = [one for data in self._received(self._rtp) for one in self._order.push(data, now_us)]
        ready += self._order.overdue(now_us)
        reports = list(self._received(self._rtcp))
        for data in ready:
            frames.take(self.channel, data)
        for data in reports:
            frames.take(self.channel + 1, data)
        return len(ready) + len(reports)

    def _received(self, port: socket.socket) -> Iterator[bytes]:
        for _ in range(_MOST_AT_ONCE):
            try:
                data, address = port.recvfrom(_DATAGRAM_BYTES)
            except BlockingIOError:
                return
            except OSError:
                continue  # the device's port was closed for a moment; the control connection tells more
            if address[0] in self._hosts:
                yield data

    def report(self, packet: bytes) -> None:
        """Send RTCP to the device."""
        if self._ports is not None:
            self._send(self._rtcp, packet, self._ports[1])

    def _send(self, port: socket.socket, packet: bytes, to: int) -> None:
        try:
            port.sendto(packet, (self._device, to))
        except OSError:
            return  # whether the device is there, its packets tell

    def close(self) -> None:
        self._rtp.close()
        self._rtcp.close()


def open_ports(local: str, channel: int, *, name: str) -> UdpPorts:
    """An even port and the next one, on the address from which the device is reached (RFC 3550, 11).

    Raises:
        SourceUnreachable: the system has no such pair left.
    """
    family = socket.AF_INET6 if ":" in local else socket.AF_INET
    for _ in range(_PORT_TRIES):
        rtp = _bound(family, local, 0)
        port = rtp.getsockname()[1] if rtp is not None else 1
        rtcp = _bound(family, local, port + 1) if port % 2 == 0 else None
        if rtp is not None and rtcp is not None:
            _judge_buffer(rtp.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF))
            return UdpPorts(rtp, rtcp, channel)
        for one in (rtp, rtcp):
            if one is not None:
                one.close()
    raise SourceUnreachable(f"source {name}: this machine has no pair of free UDP ports.")


@cache
def _judge_buffer(size: int) -> None:
    """Say once what the system's limit may cost."""
    if size < _LEAST_BUFFER_BYTES:
        _log.warning(
            f"the system keeps only {size} bytes of datagrams; pictures that come in bursts may be lost. "
            f"Set net.core.rmem_max to {_BUFFER_BYTES}, or the sources to TCP.",
            action="udp.buffer",
        )


def _bound(family: socket.AddressFamily, local: str, port: int) -> socket.socket | None:
    made = socket.socket(family, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        made.bind((local, port))
    except (OSError, OverflowError):
        made.close()
        return None
    return made
