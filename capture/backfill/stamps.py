"""Keeps the time stamps of a replay with the times that the device kept beside them. Pure."""

from __future__ import annotations

from capture.run_clock import STEP_US
from kernel.clock import SECOND_US
from kernel.model.footage import Packet

_NEAR_US = SECOND_US // 10  # so far they may part before they are moved together again


class Stamps:
    """For cameras whose stamps do not run as time does (``docs/design/time.md``, stamps that are not time).

    The kept times are the truth; stamps tell them more finely. Where both part slowly, the stamps are moved
    in small steps, so that media time lasts as long as wall time. A real break is left as it is.
    """

    def __init__(self, timescale: int) -> None:
        self._timescale = timescale
        self._anchor_us: int | None = None  # kept time minus stamp
        self._shift = 0  # ticks

    def follow(self, packet: Packet) -> Packet:
        """A picture with its stamp where its kept time, which it must have, wants it."""
        anchor_us = (packet.wall_us or 0) - (packet.pts + self._shift) * SECOND_US // self._timescale
        parted_us = 0 if self._anchor_us is None else anchor_us - self._anchor_us
        if self._anchor_us is None or abs(parted_us) > STEP_US:
            self._anchor_us = anchor_us
        elif abs(parted_us) > _NEAR_US:
            self._shift += parted_us * self._timescale // SECOND_US
        return packet._replace(pts=packet.pts + self._shift) if self._shift else packet
