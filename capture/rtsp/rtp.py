"""RTP packets (RFC 3550, 5.1): header, sequence numbers and time stamps that never wrap."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from kernel.errors import SourceProtocolError

_HEAD = struct.Struct(">BBHII")
_PLAIN = 0x80  # version 2 and nothing else: no padding, extension or contributors


@dataclass(slots=True)
class RtpPacket:
    """One packet, its header taken off. Not frozen: one after the other is read into the same."""

    payload_type: int
    sequence: int  # 16 bits
    timestamp: int  # 32 bits
    ssrc: int
    marker: bool
    payload: bytes


def parse_rtp(data: bytes) -> RtpPacket:
    """Raises: SourceProtocolError: it is no RTP packet of version 2, or is cut off."""
    packet = RtpPacket(0, 0, 0, 0, False, b"")
    read_rtp(data, packet)
    return packet


def read_rtp(data: bytes, into: RtpPacket) -> None:
    """The same into a packet that is there already: a hundred sources send 40 000 a second.

    Raises:
        SourceProtocolError: it is no RTP packet of version 2, or is cut off.
    """
    if len(data) < _HEAD.size or data[0] >> 6 != 2:
        raise SourceProtocolError("an RTP packet of the device is damaged.")
    first, second, into.sequence, into.timestamp, into.ssrc = _HEAD.unpack_from(data)
    into.payload_type = second & 127
    into.marker = second > 127
    into.payload = data[12:] if first == _PLAIN else _payload(data, first)


def _payload(data: bytes, first: int) -> bytes:
    """What is left without contributors, header extension and padding."""
    start, end = 12 + 4 * (first & 15), len(data)
    if first & 0x10 and start + 4 <= end:  # header extension
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    if first & 0x20:  # padding, its length in the last byte
        end -= data[-1]
    if start > end:
        raise SourceProtocolError("an RTP packet of the device is cut off.")
    return data[start:end]


_HALF_16 = 0x7FFF
_MAX_MISORDER = 100
"""A packet from further behind may be the first of a device that counts anew, if the next one follows on it
(RFC 3550, A.1)."""


class Unwrapper:
    """Makes numbers of a few bits count on over their wrap: each is taken to be near the one before."""

    def __init__(self, bits: int) -> None:
        self._modulus = 1 << bits
        self._half = 1 << bits - 1
        self.last: int | None = None

    def near(self, value: int) -> int:
        """The unwrapped number, without moving on."""
        if self.last is None:
            return value
        step = (value - self.last) % self._modulus
        return self.last + (step - self._modulus if step >= self._half else step)

    def unwrap(self, value: int) -> int:
        """The unwrapped number; the next one is near it."""
        self.last = self.near(value)
        return self.last


class SequenceCounter:
    """Counts what was lost. The packets come in order, so a late one is a repeated one."""

    def __init__(self) -> None:
        self.expected: int | None = None  # the next number
        self._restart: int | None = None  # what follows on a packet from far behind
        self.first: int | None = None
        self.lost = 0  # packets, since the beginning

    def step(self, sequence: int) -> int | None:
        """Packets lost right before this one; None for a packet that is old or repeated."""
        if sequence == self.expected:
            self.expected = sequence + 1 & 0xFFFF
            return 0
        if self.first is None:
            self.first = sequence
        missing = 0 if self.expected is None else sequence - self.expected & 0xFFFF
        if missing >= _HALF_16:
            if sequence != self._restart:
                self._restart = sequence + 1 & 0xFFFF if missing < 0x10000 - _MAX_MISORDER else None
                return None
            missing = 1  # the first packet of the new count, at least
        self.expected = sequence + 1 & 0xFFFF
        self.lost += missing
        return missing

    def skip(self, count: int) -> None:
        """So many packets came as expected."""
        if self.expected is not None:
            self.expected = self.expected + count & 0xFFFF
