"""Reads the bits of a parameter set (ITU-T H.264 7.3, 9.1; H.265 7.3, 9.2)."""

from __future__ import annotations

from kernel.errors import SourceProtocolError


def without_emulation(nal: bytes) -> bytes:
    """A NAL unit without its emulation prevention bytes (H.264 7.4.1.1)."""
    parts = nal.split(b"\0\0\3")
    return b"\0\0".join(parts)


def first_numbers(data: bytes, count: int, *, behind: int = 0) -> list[int]:
    """The first so many ue(v) behind so many bits; fewer where the bytes end. For every picture: quick."""
    left = 8 * len(data) - behind
    value = int.from_bytes(data, "big") & (1 << max(left, 0)) - 1
    numbers: list[int] = []
    while value and len(numbers) < count:
        left -= 2 * (left - value.bit_length()) + 1
        if left < 0:
            break
        numbers.append((value >> left) - 1)
        value &= (1 << left) - 1
    return numbers


class BitReader:
    """Bits from the left; every read may raise ``SourceProtocolError`` at the end of the bytes."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._size = self._left = 8 * len(data)

    @property
    def position(self) -> int:
        """Bits read."""
        return self._size - self._left

    def bits(self, count: int) -> int:
        """An unsigned number of so many bits: u(n)."""
        if count > self._left:
            raise SourceProtocolError("a parameter set of the stream is cut off.")
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)

    def flag(self) -> bool:
        return bool(self.bits(1))

    def ue(self) -> int:
        """An unsigned Exp-Golomb number: ue(v)."""
        zeros = 0
        while not self.bits(1):
            zeros += 1
            if zeros > 32:
                raise SourceProtocolError("a parameter set of the stream is damaged.")
        return (1 << zeros) - 1 + self.bits(zeros)

    def se(self) -> int:
        """A signed Exp-Golomb number: se(v)."""
        code = self.ue()
        return (code + 1) // 2 if code % 2 else -(code // 2)
