"""Puts NAL units together to access units, for H.264 and H.265 alike (RFC 6184, 5; RFC 7798, 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from capture.rtsp.access_unit import AccessUnit


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

    def begin(self, timestamp: int, lost: int) -> AccessUnit | None:
        """Start or go on with this time stamp; the unit before it, if it had no marker."""
        finished = None
        if lost and self._units:
            self._damaged = True  # its tail, or something within it, is missing
        if timestamp != self._timestamp:
            finished = self.finish() if self._units or self._pieces else None
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
        if self._units is None:
            self._units = []
        self._units.append(nal)

    def add_piece(self, header: bytes, piece: bytes, first: bool, last: bool) -> None:
        """A piece of a fragmented NAL unit; ``header`` is the unit's own, rebuilt."""
        if first:
            self._pieces = [header, piece]
        elif self._pieces is None:
            self._damaged = True  # its beginning was lost
            self._after_loss = True
            return
        else:
            self._pieces.append(piece)
        if last:
            nal, self._pieces = b"".join(self._pieces), None
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
        self._units, self._has_picture, self._damaged = None, False, False
