"""How each content kind is encoded. Data, not code paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from kernel.model.source import ContentKind
from kernel.settings import ArchiveCodec

Options: TypeAlias = dict[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """An encoder and its range of quality."""

    codec: ArchiveCodec
    encoder: str  # FFmpeg's name
    best_crf: int  # lower would spend bytes that nobody sees
    worst_crf: int  # higher is not legible any more
    probe_crfs: tuple[int, int]  # two points of the rate curve

    def options(self, kind: ContentKind, crf: int) -> Options:
        """Encoder options for a content kind; single-threaded, because steps run side by side."""
        if self.codec is ArchiveCodec.AV1:
            screen = "1" if kind in SCREENS else "0"
            return {"preset": "10", "crf": str(crf), "svtav1-params": f"lp=1:scm={screen}:tune=0"}
        tune = {} if kind in SCREENS else {"tune": "film"}
        # Without B-frames: FFmpeg shows them late in fragments, by as much as they are reordered.
        return {"preset": "medium", "crf": str(crf), "bf": "0", "forced-idr": "1", "threads": "1", **tune}


SCREENS = frozenset({ContentKind.SCREEN, ContentKind.SEAT_DESKTOP, ContentKind.EXTRACTION_TERMINAL})
"""Kinds that show a computer's picture: text and flat areas, encoded with screen-content tools."""

PROFILES = {
    ArchiveCodec.AV1: Profile(
        codec=ArchiveCodec.AV1, encoder="libsvtav1", best_crf=24, worst_crf=63, probe_crfs=(36, 54)
    ),
    ArchiveCodec.H264: Profile(
        codec=ArchiveCodec.H264, encoder="libx264", best_crf=18, worst_crf=45, probe_crfs=(24, 36)
    ),
}

KEY_INTERVAL_SECONDS = 5
"""A key frame at least so often: what a seek may cost, and what the picture steps by above 4x."""

AUDIO_RATE_HZ = 16_000
AUDIO_KBPS = 24
"""Mono AAC-LC: speech stays intelligible."""
