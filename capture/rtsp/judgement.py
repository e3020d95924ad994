"""Whether what a source sends as pictures can be any.

Only what no decoder can use is left out and counted. One picture that looks possible among much that is not
may be chance (random bytes look like a slice now and then): after something bad, pictures count again once
three in succession are good.
"""

from __future__ import annotations

from capture.rtsp.access_unit import AccessUnit
from capture.rtsp.formats import VideoFormat
from capture.rtsp.nal_builder import NalDepacketizer

_IN_SUCCESSION = 3


class Judgement:
    """Of one video track."""

    def __init__(self, video: VideoFormat, depacketizer: NalDepacketizer) -> None:
        self._video = video
        self._depacketizer = depacketizer
        self._malformed = 0  # payloads, until the last unit
        self._succession = _IN_SUCCESSION
        self._bad = 0  # units of no use, since the last picture that counts
        self._known_malformed = 0  # payloads, until the last picture that counts
        self.pictures = 0  # that count, since the beginning

    @property
    def rubbish(self) -> int:
        """Units and payloads of no use since the last picture that counts."""
        return self._bad + self._depacketizer.malformed - self._known_malformed

    def passes(self, unit: AccessUnit, *, known: bool) -> bool:
        """Whether a decoder may be able to use the unit; ``known``: all that it needs to know was sent."""
        malformed, self._malformed = self._malformed, self._depacketizer.malformed
        possible = known and self._video.is_plausible(unit)
        if not possible:
            self._bad += 1
        if not possible or self._malformed != malformed:
            self._succession = 0
        else:
            self._succession += 1
        if possible and self._succession >= _IN_SUCCESSION:
            self.pictures += 1
            self._bad, self._known_malformed = 0, self._malformed
        return possible
