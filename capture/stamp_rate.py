"""Whether a source's time stamps run as fast as time does.

Some cameras stamp every picture 1/25 s after the one before, but in poor light send 21 a second: 60 s of time
then have 50 s of stamps, and no clock that follows a drift of crystals by some parts per million can follow
that. It shows in the arrivals: the least delayed one of each window falls back evenly.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import pairwise

from kernel.clock import SECOND_US
from kernel.model.footage import Packet

_WINDOW_US = 1_200_000
_WINDOWS = 5  # of which the first and every step after it count: 6 s
_LEAST_SLOPE = 0.02  # networks and crystals are far below it for so long
_EVEN = 0.5  # of the mean slope, that every single one may be off at most: a jam is not even
_LEAST_SHARE, _MOST_SHARE = 0.3, 2.0  # of what arrivals moved, that reports moved; they come every 5 s or so


@dataclass(frozen=True, kw_only=True, slots=True)
class _Window:
    """What a window of arrivals told."""

    least_us: int  # arrival minus stamp, of the least delayed picture
    source_us: int | None  # the source's own wall time minus stamp; None where it reports none


class StampRate:
    """Watches a connection's pictures and puts their stamps right once it is certain that they are wrong."""

    def __init__(self, timescale: int) -> None:
        self._timescale = timescale
        self._windows: deque[_Window] = deque(maxlen=_WINDOWS)
        self._until_us: int | None = None
        self._least_us: int | None = None
        self._source_us: int | None = None
        self.rate = 1.0  # of stamps against time, as applied: 0.84 for 21 pictures stamped as 25
        self._measured = 1.0

    def observe(self, packet: Packet) -> None:
        """Take note of a picture, as it came."""
        media_us = round(packet.pts / self.rate * SECOND_US / self._timescale)
        if self._until_us is None:
            self._until_us = packet.arrival_us + _WINDOW_US
        if packet.arrival_us >= self._until_us:
            self._close_window(packet.arrival_us)
        anchor_us = packet.arrival_us - media_us
        self._least_us = anchor_us if self._least_us is None else min(self._least_us, anchor_us)
        self._source_us = None if packet.wall_us is None else packet.wall_us - media_us

    def _close_window(self, now_us: int) -> None:
        assert self._until_us is not None
        self._until_us += _WINDOW_US
        if now_us >= self._until_us or self._least_us is None:  # nothing came for a whole window: begin anew
            self._windows.clear()
            self._until_us = now_us + _WINDOW_US
        else:
            self._windows.append(_Window(least_us=self._least_us, source_us=self._source_us))
            self._judge()
        self._least_us = None

    def _judge(self) -> None:
        if len(self._windows) < _WINDOWS:
            return
        steps = [after.least_us - before.least_us for before, after in pairwise(self._windows)]
        moved_us = sum(steps)
        slope = moved_us / len(steps) / _WINDOW_US
        even = all(abs(step / _WINDOW_US - slope) <= _EVEN * abs(slope) for step in steps)
        if abs(slope) >= _LEAST_SLOPE and even and self._reports_agree(moved_us):
            self._measured = self.rate * (1 - slope)

    def _reports_agree(self, moved_us: int) -> bool:
        """Where the source reports its time and that keeps step with its stamps, the network is in a jam."""
        first, last = self._windows[0].source_us, self._windows[-1].source_us
        return first is None or last is None or _LEAST_SHARE <= (last - first) / moved_us <= _MOST_SHARE

    @property
    def wrong(self) -> bool:
        """Whether another rate was measured than is applied; adopt it with the next key frame."""
        return self._measured != self.rate

    def adopt(self) -> None:
        """Put stamps right from here on; what was measured before says nothing of what follows."""
        self.rate = self._measured
        self._windows.clear()
        self._until_us = self._least_us = None

    def corrected(self, packet: Packet) -> Packet:
        """The packet with a stamp that keeps time.

        Where stamps were wrong, the source's reports tell the time of one stamp each and nothing of those
        between: the wall time is then that of the arrival.
        """
        if self.rate == 1.0:
            return packet
        return packet._replace(pts=round(packet.pts / self.rate), wall_us=None)
