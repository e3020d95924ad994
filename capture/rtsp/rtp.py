"""RTP packets (RFC 3550, 5.1): header, sequence numbers and time stamps that never wrap."""

from __future__ import annotations

from dataclasses import dataclass

from kernel.errors import SourceProtocolError


@dataclass(slots=True)
class RtpPacket:
    """One packet, its header taken off. Not frozen: a hundred sources make 20 000 of them a second."""

    payload_type: int
    sequence: int  # 16 bits
    timestamp: int  # 32 bits
    ssrc: int
    marker: bool
    payload: bytes


def parse_rtp(data: bytes) -> RtpPacket:
    """Raises: SourceProtocolError: it is no RTP packet of version 2, or is cut off."""
    if len(data) < 12 or data[0] >> 6 != 2:
        raise SourceProtocolError("an RTP packet of the device is damaged.")
    first = data[0]
    start, end = 12 + 4 * (first & 15), len(data)
    if first & 0x10 and start + 4 <= end:  # header extension
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    if first & 0x20:  # padding, its length in the last byte
        end -= data[-1]
    if start > end:
        raise SourceProtocolError("an RTP packet of the device is cut off.")
    second = data[1]
    return RtpPacket(
        second & 127,
        data[2] << 8 | data[3],
        int.from_bytes(data[4:8], "big"),
        int.from_bytes(data[8:12], "big"),
        second > 127,
        data[start:end],
    )


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
    """Counts what was lost. Interleaved RTP keeps its order, so a late packet is a repeated one."""

    def __init__(self) -> None:
        self._numbers = Unwrapper(16)
        self.lost = 0  # packets, since the beginning

    def step(self, sequence: int) -> int | None:
        """Packets lost right before this one; None for a packet that is old or repeated."""
        last = self._numbers.last
        number = self._numbers.near(sequence)
        if last is not None and number <= last:
            return None
        self._numbers.last = number
        missing = 0 if last is None else number - last - 1
        self.lost += missing
        return missing
