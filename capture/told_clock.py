"""The wall clock of a run whose times are told, not measured: a file taken in, a device's own memory.

Beside ``RunClock``: nothing is compared with arrivals, nothing waits for a report. Pure.
"""

from __future__ import annotations

from capture.run_clock import STEP_US, Anchors
from kernel.clock import SECOND_US
from kernel.errors import TimestampDiscontinuity
from kernel.model.footage import ClockBasis, Packet


class ToldClock:
    """Takes each packet's ``wall_us`` as its wall time; packets without one follow the last that had one.

    The first packet must have one. Wall time never runs backward.
    """

    def __init__(self, timescale: int, basis: ClockBasis) -> None:
        self.anchors = Anchors(timescale)
        self._basis = basis
        self._newest_us: int | None = None  # wall time told last

    def observe(self, packet: Packet) -> None:
        """Take note of a video packet, in decoding order.

        Raises:
            TimestampDiscontinuity: since the packet before it, wall time and media time parted by more than
                half a second: it belongs to another run.
        """
        before = self.anchors.source_us
        if before is not None and packet.wall_us is not None:
            step_us = packet.wall_us - self.anchors.media_us(packet.pts) - before
            if abs(step_us) > STEP_US:
                raise TimestampDiscontinuity(
                    f"its wall times jumped by {step_us / SECOND_US:+.3f} s against its time stamps."
                )
        self.anchors.add(packet)

    @property
    def settled(self) -> bool:
        """Whether wall times can be told."""
        return self.anchors.source_us is not None

    @property
    def waited_enough(self) -> bool:
        """Nothing is waited for."""
        return True

    def settle(self) -> None:
        """Nothing is to be decided."""

    @property
    def basis(self) -> ClockBasis:
        return self._basis

    @property
    def offset_us(self) -> int:
        """No clock runs beside the recorder's."""
        return 0

    def wall_us(self, ticks: int) -> int:
        """Wall time of a media time; ask in order.

        Raises:
            TimestampDiscontinuity: no packet has told a wall time yet.
        """
        if self.anchors.source_us is None:
            raise TimestampDiscontinuity("its packets tell no wall time.")
        told_us = self.anchors.media_us(ticks) + self.anchors.source_us
        self._newest_us = told_us if self._newest_us is None else max(told_us, self._newest_us)
        return self._newest_us
