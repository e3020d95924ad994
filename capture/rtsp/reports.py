"""Receiver reports (RFC 3550, 6.2 to 6.4): without them some devices stop sending."""

from __future__ import annotations

import random
import secrets
from dataclasses import dataclass, field

from capture.rtsp.rtcp import Reception, receiver_report
from capture.rtsp.rtp import Unwrapper
from capture.rtsp.track import RtpTrack
from kernel.clock import SECOND_US

_INTERVAL_S = 5.0  # 6.2; each one is between half and one and a half of it (6.3.1)


@dataclass(slots=True)
class _Told:
    """What the report before said of a track."""

    numbers: Unwrapper = field(default_factory=lambda: Unwrapper(16))
    expected: int = 0
    lost: int = 0


class Reports:
    """When, and what, one receiver reports of its tracks."""

    def __init__(self) -> None:
        self._ssrc = secrets.randbits(32)
        self._cname = secrets.token_hex(8)  # RFC 7022: unique, and tells nothing of this machine
        self._told: dict[int, _Told] = {}  # by the track's channel
        self._next_us = 0

    def due(self, now_us: int) -> bool:
        """Whether it is time to report; asked again, it is not before the next time. Monotonic."""
        if now_us < self._next_us:
            return False
        self._next_us = now_us + round(_INTERVAL_S * SECOND_US * random.uniform(0.5, 1.5))
        return True

    def report(self, channel: int, track: RtpTrack, now_us: int) -> bytes | None:
        """The report on a track; None while nothing has come of it."""
        if track.sequences is None:
            return None
        first, newest = track.sequences
        told = self._told.setdefault(channel, _Told())
        if told.numbers.last is None:
            told.numbers.unwrap(first)
        highest = told.numbers.unwrap(newest)
        expected, lost = highest - first + 1, track.lost
        since = max(expected - told.expected, 1)
        ntp, at_us = track.last_report
        received = Reception(
            ssrc=track.ssrc,
            lost_share=max(lost - told.lost, 0) / since,
            lost=lost,
            highest=highest,
            last_report_ntp=ntp,
            since_report_us=now_us - at_us,
        )
        told.expected, told.lost = expected, lost
        return receiver_report(self._ssrc, self._cname, received)
