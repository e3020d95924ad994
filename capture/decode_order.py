"""Decode times of pictures that come in decoding order with presentation times only, as RTP sends them.

The n-th decode time is the n-th smallest presentation time. It is known once so many more packets have come
as the stream reorders at most: each of those may still be presented before it, no later one can.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import NamedTuple

from kernel.model.footage import Packet

_MOST_REORDER = 16  # H.264 A.3.1, H.265 A.4.1: pictures in the decoder at most


class Picture(NamedTuple):
    """A packet and when to decode it. A tuple, as packets are."""

    packet: Packet
    dts: int  # ticks, like the packet's pts
    after_loss: bool  # something is missing right before it
    closed: bool  # every earlier one is presented before it: a fragment may begin here


class DecodeOrder:
    """Packets in, pictures out, a few packets later."""

    def __init__(self, reorder: int) -> None:
        self._reorder = reorder
        self._waiting: deque[tuple[Packet, bool]] = deque()  # with: something is missing before it
        self._times: list[int] = []  # heap of the waiting packets' pts
        self._last_dts: int | None = None
        self._newest_pts: int | None = None  # of the pictures handed out

    def push(self, packet: Packet, after_loss: bool = False) -> list[Picture]:
        """The pictures whose decode time is now certain."""
        if self._waiting and self._waiting[-1][0].pts == packet.pts:
            self._join(packet, after_loss)
            return []
        self._waiting.append((packet, after_loss))
        heapq.heappush(self._times, packet.pts)
        ready = []
        while len(self._waiting) > self._reorder + 1:
            ready.append(self._pop())
        return ready

    def _join(self, packet: Packet, after_loss: bool) -> None:
        """Cameras that put a marker behind every slice send one picture as several access units."""
        last, last_after_loss = self._waiting.pop()
        joined = last._replace(data=last.data + packet.data, key=last.key or packet.key)
        # After a loss, a slice is missing in the middle of the picture.
        self._waiting.append((joined, last_after_loss or after_loss))

    def flush(self) -> list[Picture]:
        """All that wait; no more will come."""
        return [self._pop() for _ in range(len(self._waiting))]

    def _pop(self) -> Picture:
        packet, after_loss = self._waiting.popleft()
        dts = heapq.heappop(self._times)
        if self._last_dts is not None and dts <= self._last_dts:
            # The stream reorders more than it said. Presentation stays exact; decode times only need to rise.
            dts = self._last_dts + 1
            self._reorder = min(self._reorder + 1, _MOST_REORDER)
        newest, last = self._newest_pts, self._last_dts
        closed = newest is None or last is None or newest <= last
        self._last_dts = dts
        self._newest_pts = packet.pts if newest is None else max(newest, packet.pts)
        return Picture(packet, dts, after_loss, closed)
