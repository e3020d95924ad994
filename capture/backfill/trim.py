"""Cuts what a device replays to the stretch that is missing: whole groups of pictures, none twice. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from capture.packets import Delivery, TrackStarted
from kernel.model.footage import Packet
from kernel.timerange import TimeRange

_MOST_HELD = 16 << 20  # bytes of one group of pictures before the stretch; more is let go to the next key


class Trim:
    """Deliveries in, those of the stretch out.

    Devices begin a replay at a key frame before the asked time, some a minute before it. Of what lies before
    the stretch only the group of pictures that reaches into it is kept, since its pictures need their key.
    The first picture at or after the end is the last one; where pictures come in another order than they are
    shown, those that may still belong before it follow.
    """

    def __init__(self, stretch: TimeRange) -> None:
        self._stretch = stretch
        self._held: list[Delivery] = []  # from the last key frame before the stretch
        self._held_bytes = 0
        self._begun = False
        self._behind = 0  # pictures at or after the end that have come
        self._reorder = 0  # that may come before one that is shown earlier
        self.over = False  # nothing more is wanted

    def take(self, one: Delivery) -> Iterator[Delivery]:
        """What of it belongs to the stretch; of packets the wall time must be told."""
        if self.over:
            return
        if isinstance(one, TrackStarted):
            self._reorder = one.reorder if one.info.codec.is_video else self._reorder
            yield one
        elif self._begun:
            self._look(one)
            yield one
        else:
            yield from self._before(one)

    def _before(self, one: Delivery) -> Iterator[Delivery]:
        if isinstance(one, Packet) and one.codec.is_video:
            if one.key:
                self._held, self._held_bytes = [], 0
            if (one.wall_us or 0) >= self._stretch.start_us:
                self._begun = True
                self._look(one)
                yield from self._held
                yield one
                self._held = []
                return
        self._hold(one)

    def _hold(self, one: Delivery) -> None:
        if isinstance(one, Packet):
            self._held_bytes += len(one.data)
        if self._held_bytes > _MOST_HELD:
            self._held = []
        if self._held or (isinstance(one, Packet) and one.codec.is_video and one.key):
            self._held.append(one)

    def _look(self, one: Delivery) -> None:
        """Whether it is the last one that is wanted."""
        if isinstance(one, Packet) and one.codec.is_video and (one.wall_us or 0) >= self._stretch.end_us:
            self._behind += 1
            self.over = self._behind > self._reorder
