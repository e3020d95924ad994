"""Rows of fragments in the bytes of a connection: most packets are such, and a row is read in one go.

A picture is one NAL unit or a few, each sent in fragments (RFC 6184, 5.8; RFC 7798, 4.4.3). These lie one
behind the other and are of one size but for the last; their headers differ by the sequence number and, in the
first and the last one, by a bit.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

STARTS, ENDS = 0x80, 0x40
"""Bits of a fragment's header, in both codecs; nine packets of ten have neither."""

HEADERS = struct.Struct(">HHHHII")
"""What stands before a payload: dollar sign and channel, size (RFC 2326, 10.12); flags with marker and
payload type, sequence number, time stamp, sender (RFC 3550, 5.1)."""
FRAME_BYTES = 4
"""Of these, what does not count to the size."""
PLAIN = 0x8000
"""Of the flags: version 2 and nothing else, no padding, extension or contributors."""
MARKER = 0x0080


class Row(NamedTuple):
    """Fragments of one NAL unit."""

    head: bytes  # of the first, before its piece of the unit
    pieces: list[bytes]
    behind: int  # offset in the bytes
    last: bool = False  # the unit ends with them
    marker: bool = False  # the access unit, too


class RowReader:
    """Reads the rows of one track."""

    def __init__(self, head_bytes: int) -> None:
        """``head_bytes``: of a fragment, before its piece of the unit."""
        self._head_bytes = head_bytes
        self._packet = struct.Struct("")  # one of the row

    def read(self, data: bytes, start: int) -> Row:
        """The fragments from there on, as far as they follow on each other and have come.

        The first of them is whole, and not the one that ends its unit.
        """
        _, size, _, number, _, _ = HEADERS.unpack_from(data, start)
        length = FRAME_BYTES + size
        begin = start + HEADERS.size + self._head_bytes
        head = data[start + HEADERS.size : begin]
        if self._packet.size != length:
            self._packet = struct.Struct(f">6sH{8 + len(head)}s{start + length - begin}s")
        before, behind = data[start : start + 6], data[start + 8 : begin - 1] + bytes((head[-1] & ~STARTS,))
        whole = (len(data) - start) // length * length
        packets = self._packet.iter_unpack(memoryview(data)[start : start + whole])
        pieces = [next(packets)[3]]
        for its_before, its_number, its_behind, piece in packets:
            number += 1  # where it wraps, the row ends
            if its_number != number or its_before != before or its_behind != behind:
                break
            pieces.append(piece)
        return self._with_last(data, start, Row(head, pieces, start + len(pieces) * length))

    def _with_last(self, data: bytes, start: int, row: Row) -> Row:
        """And with the one that ends the unit, if that comes next."""
        head, pieces, at, _, _ = row
        begin = at + HEADERS.size + self._head_bytes
        if begin > len(data):
            return row
        channel, _, flags, number, stamp, sender = HEADERS.unpack_from(data, start)
        its_channel, size, its_flags, its_number, its_stamp, its_sender = HEADERS.unpack_from(data, at)
        behind = at + FRAME_BYTES + size
        if (
            (its_number, its_stamp, its_sender) != (number + len(pieces), stamp, sender)
            or (its_channel, its_flags & ~MARKER) != (channel, flags)
            or data[begin - self._head_bytes : begin] != head[:-1] + bytes((head[-1] & ~STARTS | ENDS,))
            or not begin <= behind <= len(data)
        ):
            return row
        pieces.append(data[begin:behind])
        return Row(head, pieces, behind, last=True, marker=bool(its_flags & MARKER))
