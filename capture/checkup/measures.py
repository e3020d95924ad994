"""What a look at a source measures."""

from __future__ import annotations

from dataclasses import dataclass

NOTHING_DB = -200.0
"""Level of what is not there, dBFS."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureMeasures:
    """What was measured of the pictures of a look."""

    black: float  # share of the picture that is dark, 0..1; the least of the pictures looked at
    changed: float | None  # share of the picture that changes within 0.4 s, median; None: not looked at
    detail: float  # share of the picture with edges, 0..1; the most of the pictures looked at
    blur: float | None  # width of edges, pixels of at most 1280; median; None where there are no edges
    saturation: float  # mean, 0 is grey; the most
    cast: float  # distance of the mean colour from grey; median
    jpeg: bytes = b""  # the last picture, for people


@dataclass(frozen=True, kw_only=True, slots=True)
class SoundMeasures:
    """What was measured of the sound of a look. dBFS: 0 is the loudest that can be told."""

    level_db: float  # RMS
    hum_db: float  # RMS of the lines of 50 or 60 Hz and their harmonics; ``NOTHING_DB`` where there are none
    hum_hz: int  # 50 or 60; 0 where there is no hum
    clipped: float  # share of samples at the end of the scale, 0..1
