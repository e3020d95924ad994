"""Puts NAL units together to access units, for H.264 and H.265 alike (RFC 6184, 5; RFC 7798, 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from capture.rtsp.access_unit import AccessUnit
from capture.rtsp.rows import ENDS, STARTS, Row
from capture.rtsp.rtp import RtpPacket

_MOST_BYTES = 16 << 20
"""More than any picture has: a device that never ends one must not fill the memory."""


class NalSyntax(Protocol):
    """What the builder must know of a codec."""

    def is_picture(self, nal: bytes) -> bool:
        """A coded slice."""

    def starts_picture(self, nal: bytes) -> bool:
        """The first slice of a picture."""


@dataclass(kw_only=True, slots=True)
class NalBuilder:
    """Collects the NAL units of one time stamp.

    A unit without a picture (parameter sets or SEI behind a marker of their own, as some cameras send) is
    not handed out but leads the next one, so that nothing of it is lost.
    """

    syntax: NalSyntax
    dropped: int = 0
    _timestamp: int | None = None
    _units: list[bytes] | None = None
    _pieces: list[bytes] | None = None  # of a fragmented NAL unit
    _damaged: bool = False
    _after_loss: bool = False
    _has_picture: bool = False
    _size: int = 0  # bytes since the last unit

    @property
    def under_way(self) -> bool:
        """Whether a fragmented NAL unit is."""
        return self._pieces is not None

    def begin(self, timestamp: int, lost: int) -> AccessUnit | None:
        """Start or go on with this time stamp; the unit before it, if it had no marker."""
        finished = None
        if lost and self._units:
            self._damaged = True  # its tail, or something within it, is missing
        if timestamp != self._timestamp:
            finished = self.finish() if self._units or self._pieces or self._damaged else None
            self._timestamp = timestamp
        if lost:
            self._after_loss = True
            self._pieces = None
        return finished

    def add(self, nal: bytes) -> None:
        """A whole NAL unit."""
        if not nal:
            return
        if self.syntax.is_picture(nal) and not self._has_picture:
            self._has_picture = True
            # After a loss, a picture is whole only if its first slice is here.
            if self._after_loss and not self.syntax.starts_picture(nal):
                self._damaged = True
        self._size += len(nal)
        if self._size > _MOST_BYTES:
            self._units, self._pieces, self._damaged = None, None, True
            return
        if self._units is None:
            self._units = []
        self._units.append(nal)

    def add_pieces(self, header: bytes, pieces: Sequence[bytes], first: bool, last: bool) -> None:
        """Pieces of a fragmented NAL unit, one behind the other; ``header`` is the unit's own, rebuilt."""
        if first:
            self._size += len(header)
            self._pieces = [header]
        elif self._pieces is None or self._size > _MOST_BYTES:
            self._damaged, self._pieces = True, None  # its beginning was lost, or there is no end of it
            self._after_loss = True
            return
        self._size += sum(map(len, pieces))
        self._pieces += pieces
        if last:
            nal, self._pieces = b"".join(self._pieces), None
            self._size -= len(nal)
            self.add(nal)

    def finish(self) -> AccessUnit | None:
        """End the access unit: by its marker, or because another time stamp begins."""
        if self._pieces is not None:
            self._damaged, self._pieces = True, None
        if self._damaged:
            self.dropped += 1
            self._reset()
            self._after_loss = True
            return None
        if not self._has_picture or self._units is None or self._timestamp is None:
            return None
        unit = AccessUnit(timestamp=self._timestamp, units=tuple(self._units), after_loss=self._after_loss)
        self._reset()
        self._after_loss = False
        return unit

    def _reset(self) -> None:
        self._units, self._has_picture, self._damaged, self._size = None, False, False, 0


class NalDepacketizer:
    """What the depacketizers of H.264 and H.265 have in common; see ``Depacketizer``."""

    head_bytes: ClassVar[int]
    """Of a fragment, before its piece of the unit; the last of them tells which piece it is."""

    def __init__(self, syntax: NalSyntax) -> None:
        self._builder = NalBuilder(syntax=syntax)
        self.malformed = 0  # payloads that no device of this codec sends

    @property
    def dropped(self) -> int:
        return self._builder.dropped

    def push(self, packet: RtpPacket, lost: int) -> Sequence[AccessUnit]:
        builder, payload = self._builder, packet.payload
        before = builder.begin(packet.timestamp, lost)
        if not payload or payload[0] & 0x80 or not self._take(payload):  # the forbidden bit, or an odd type
            self.malformed += 1
        return _both(before, builder.finish() if packet.marker else None)

    def push_row(self, timestamp: int, row: Row) -> Sequence[AccessUnit]:
        """The same as ``push`` for fragments in a row, none missing before them."""
        builder = self._builder
        before = builder.begin(timestamp, 0)
        header, starts = self.unit_header(row.head), bool(row.head[-1] & STARTS)
        builder.add_pieces(header, row.pieces, starts, row.last)
        return _both(before, builder.finish() if row.marker else None)

    def begins_row(self, data: bytes, start: int) -> bool:
        """Whether the payload there is a fragment to which more belong: one that does not end its unit, and
        begins it or goes on with what is under way."""
        flags = data[start + self.head_bytes - 1]
        return (
            not flags & ENDS
            and self.is_fragment(data[start])
            and (bool(flags & STARTS) or self._builder.under_way)
        )

    def is_fragment(self, first: int) -> bool:
        """Whether a payload with this first byte is one."""
        raise NotImplementedError

    def unit_header(self, head: bytes) -> bytes:
        """The header of a fragmented unit, of which each fragment's head has a part."""
        raise NotImplementedError

    def _take(self, payload: bytes) -> bool:
        """The NAL units in a payload; False for one that has none."""
        raise NotImplementedError


def _both(first: AccessUnit | None, second: AccessUnit | None) -> Sequence[AccessUnit]:
    """Those of the two that there are."""
    if first is None:
        return () if second is None else (second,)
    return (first,) if second is None else (first, second)
