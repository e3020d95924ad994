"""The wall clock of one run: which wall time a media time stands for (``docs/design/time.md``).

Pure: packets in, times out. An *anchor* is a wall time minus a media time, so that wall = media + anchor.
"""

from __future__ import annotations

from kernel.clock import SECOND_US
from kernel.errors import TimestampDiscontinuity
from kernel.model.footage import ClockBasis, Packet

BELIEVED_US = 2 * SECOND_US
"""A source's clock is wall time for evidence only while it is so near to the recorder's."""
_DOUBTED_US = BELIEVED_US + SECOND_US // 2  # in mid-run, so that a clock at the border does not split runs
STEP_US = SECOND_US // 2
"""A larger change of a clock between two looks is a step, not drift."""
_BACKWARD_US = SECOND_US  # frames are presented out of decoding order by less than this
_FORWARD_US = 10 * SECOND_US
_LOOK_US = SECOND_US  # arrivals to compare a report with: a burst of old frames comes at once, then live ones
_WINDOW_US = 30 * SECOND_US
_SLEW_PPM = 2000
"""Fastest correction: never a visible jump, yet ten times what a poor crystal drifts."""


class LeastAnchor:
    """The least of the values of the last half to whole minute: the packet that was delayed least."""

    def __init__(self) -> None:
        self._until_us: int | None = None
        self._before: int | None = None
        self._current: int | None = None
        self.value = 0  # before the first is added, it means nothing

    def add(self, value: int, now_us: int) -> None:
        if self._until_us is None or now_us >= self._until_us:
            self._until_us = now_us + _WINDOW_US
            self._before, self._current = self._current, None
        if self._current is None or value < self._current:
            self._current = value
            self.value = value if self._before is None else min(value, self._before)


class Anchors:
    """The anchors of one track: by its source's reports and by arrival."""

    def __init__(self, timescale: int) -> None:
        self._timescale = timescale
        self._least = LeastAnchor()
        self.source_us: int | None = None  # None before the first report

    def media_us(self, ticks: int) -> int:
        return ticks * SECOND_US // self._timescale

    def add(self, packet: Packet) -> None:
        media_us = packet.pts * SECOND_US // self._timescale
        arrival_us, wall_us = packet.arrival_us, packet.wall_us
        self._least.add(arrival_us - media_us, arrival_us)
        if wall_us is not None:
            self.source_us = wall_us - media_us

    @property
    def arrival_us(self) -> int:
        return self._least.value


class RunClock:
    """Watches a run's video packets and says their wall times."""

    def __init__(self, timescale: int, report_seconds: float) -> None:
        self.anchors = Anchors(timescale)
        self._report_us = round(report_seconds * SECOND_US)
        self._first_arrival_us: int | None = None
        self._last: tuple[int, int] | None = None  # media time and arrival of the newest packet
        self._step = ""  # what happened to a clock; the run ends at the next key frame
        self._basis: ClockBasis | None = None
        self._anchor_us: int | None = None  # the one applied to the newest frame
        self._applied_media_us = 0

    def observe(self, packet: Packet) -> None:
        """Take note of a packet, in decoding order.

        Raises:
            TimestampDiscontinuity: this packet cannot belong to the run. A step of a clock is raised at a key
                frame only, so that no frame before it is left without the one it depends on.
        """
        if self._step:
            self._end_at_key(packet)
            return
        media_us = self.anchors.media_us(packet.pts)
        self._check_jump(media_us, packet.arrival_us)
        self._check_source_step(media_us, packet.wall_us)
        if self._step:
            self._end_at_key(packet)
            return
        if self._first_arrival_us is None:
            self._first_arrival_us = packet.arrival_us
        self._last = media_us, packet.arrival_us
        self.anchors.add(packet)
        if self._basis is None:
            self._consider(packet.arrival_us)
        elif self._basis is ClockBasis.SENDER_REPORT and abs(self.offset_us) > _DOUBTED_US:
            self._step = f"its clock drifted to {_seconds(self.offset_us)} from the recorder's"

    def recorder_stepped(self, step_us: int) -> None:
        """The recorder's own clock was set by so much; frames up to the next key frame keep the old time."""
        self._step = f"the recorder's clock was set by {_seconds(step_us)}"

    def _end_at_key(self, packet: Packet) -> None:
        if packet.key:
            raise TimestampDiscontinuity(f"a clock jumped: {self._step}.")

    def _check_jump(self, media_us: int, arrival_us: int) -> None:
        if self._last is None:
            return
        last_media_us, last_arrival_us = self._last
        jumped_us = media_us - last_media_us
        ahead_us = jumped_us - (arrival_us - last_arrival_us)
        if jumped_us < -_BACKWARD_US or ahead_us > _FORWARD_US:
            raise TimestampDiscontinuity(f"the source's time stamps jumped by {_seconds(ahead_us)}.")

    def _check_source_step(self, media_us: int, wall_us: int | None) -> None:
        """Two reports that disagree on the same RTP time: exact, whatever the network delays."""
        before = self.anchors.source_us
        if before is None or wall_us is None:
            return
        step_us = wall_us - media_us - before
        if abs(step_us) > STEP_US:
            self._step = f"the source's clock was set by {_seconds(step_us)}"

    def _consider(self, now_us: int) -> None:
        waited_us = now_us - (self._first_arrival_us or now_us)
        reported = self.anchors.source_us is not None
        if (reported and waited_us >= min(_LOOK_US, self._report_us)) or waited_us >= self._report_us:
            self.settle()

    @property
    def settled(self) -> bool:
        """Whether wall times can be told; until then a run's packets wait."""
        return self._basis is not None

    @property
    def waited_enough(self) -> bool:
        """Whether the time to wait for reports, of sound too, is over."""
        if self._first_arrival_us is None or self._last is None:
            return False
        return self._last[1] - self._first_arrival_us >= self._report_us

    def settle(self) -> None:
        """Decide with what is known: no longer wait for a report."""
        if self._basis is None:
            believed = self.anchors.source_us is not None and abs(self.offset_us) <= BELIEVED_US
            self._basis = ClockBasis.SENDER_REPORT if believed else ClockBasis.ARRIVAL

    @property
    def basis(self) -> ClockBasis:
        return self._basis or ClockBasis.ARRIVAL

    @property
    def offset_us(self) -> int:
        """Source clock minus recorder clock at the least delay seen lately; 0 while the source tells none."""
        source_us = self.anchors.source_us
        return 0 if source_us is None else source_us - self.anchors.arrival_us

    def wall_us(self, ticks: int) -> int:
        """Wall time of a media time; ask in order. Never runs backward; follows its basis by 0.2 %."""
        media_us = self.anchors.media_us(ticks)
        target_us = self._target_us()
        if self._anchor_us is None:
            self._anchor_us = target_us
        else:
            most_us = max(media_us - self._applied_media_us, 0) * _SLEW_PPM // 1_000_000
            self._anchor_us += max(-most_us, min(most_us, target_us - self._anchor_us))
        self._applied_media_us = media_us
        return media_us + self._anchor_us

    def _target_us(self) -> int:
        source_us = self.anchors.source_us
        if self.basis is ClockBasis.SENDER_REPORT and source_us is not None:
            return source_us
        return self.anchors.arrival_us


def _seconds(us: int) -> str:
    return f"{us / SECOND_US:+.3f} s"
