"""What archiving must reach and may weigh, by content kind: read from ``archiver/data/archive.yaml``."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from archiver.thinning import Pace
from kernel.clock import SECOND_US
from kernel.errors import SettingsError
from kernel.model.source import ContentKind
from kernel.settings import ArchiveCodec, Closed

OPUS_RATE_HZ = 48_000
_FILE = Path(__file__).parent / "data" / "archive.yaml"


class KindRule(Closed):
    """What a stream of one content kind may weigh and must show; the words are explained in the file."""

    budget_kbps: float = Field(gt=0)
    most_kbps: float = Field(gt=0)
    floor: float = Field(ge=0, le=100)
    text_floor: float | None = Field(default=None, ge=0, le=1)
    ceiling: float = Field(ge=0, le=100)
    weight: float = Field(gt=0)
    screen: bool = False
    still_fps: float = Field(default=0, ge=0)
    moving_fps: float = Field(default=0, ge=0)
    key_seconds: float = Field(gt=0)
    copy_below_kbps: float = Field(default=0, ge=0)
    heights: tuple[float, ...] = Field(min_length=1)

    @property
    def pace(self) -> Pace:
        """How pictures are thinned out."""
        still, moving = (round(SECOND_US / fps) if fps else 0 for fps in (self.still_fps, self.moving_fps))
        return Pace(still_us=still, moving_us=moving)


class Tuning(Closed):
    """How an encoder is used for one sort of picture."""

    best_crf: int  # lower would spend bytes that nobody sees
    worst_crf: int  # higher is not legible any more
    probe_crfs: tuple[int, ...] = Field(min_length=2)
    options: dict[str, str]


class CodecRule(Closed):
    """An encoder and its range of quality."""

    encoder: str  # FFmpeg's name
    camera: Tuning
    screen: Tuning

    def of(self, rule: KindRule) -> Tuning:
        """How it is used for a content kind."""
        return self.screen if rule.screen else self.camera

    def options(self, rule: KindRule, crf: int) -> dict[str, str]:
        """Encoder options; single-threaded, because steps run side by side."""
        return {**self.of(rule).options, "crf": str(crf)}


class TaggedRule(Closed):
    """What a tag does to the pictures around it."""

    around_seconds: float = Field(ge=0)
    weight: float = Field(ge=1)


class OriginalsRule(Closed):
    """Whose original segments are kept beside the encoded files."""

    severities: frozenset[str]  # of tags
    around_seconds: float = Field(ge=0)
    held: bool
    most_share: float = Field(ge=0, le=1)


class SoundCodecRule(Closed):
    """How sound is encoded: mono."""

    encoder: Literal["libopus", "aac"]  # FFmpeg's name
    kbps: float = Field(gt=0)
    rate_hz: int = Field(gt=0)
    options: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _opus_counts_48000(self) -> SoundCodecRule:
        """Its track in MP4 does ("Opus in ISOBMFF", 4.3); Chromium refuses a ``dOps`` that says otherwise."""
        if self.encoder == "libopus" and self.rate_hz != OPUS_RATE_HZ:
            raise ValueError(f"rate_hz of libopus is {OPUS_RATE_HZ}")
        return self

    def told(self) -> str:
        """For receipts."""
        options = "".join(f", {name} {value}" for name, value in self.options.items())
        return f"{self.encoder}, {self.rate_hz} Hz mono, {self.kbps:g} kbit/s{options}"


class OneTrack(StrEnum):
    """When a seat's file goes without sound that its room's camera has, too."""

    WHEN_SHORT = "when_short"
    ALWAYS = "always"
    NEVER = "never"


class SoundRule(Closed):
    """What is kept of sound."""

    codecs: dict[ArchiveCodec, SoundCodecRule]
    one_track_per_room: OneTrack
    most_share: float = Field(gt=0)


class ProbingRule(Closed):
    """How much of a clip is tried before it is encoded."""

    seconds: float = Field(gt=0)
    every_seconds: float = Field(gt=0)
    least: int = Field(ge=1)
    most: int = Field(ge=1)
    measure_every: int = Field(ge=1)
    text_stretches: int = Field(ge=0)

    def windows(self, footage_seconds: float) -> int:
        """How many stretches of a clip of that length are tried."""
        return min(self.most, max(self.least, round(footage_seconds / self.every_seconds)))


class ArchiveRules(Closed):
    """All rules of archiving."""

    kinds: dict[ContentKind, KindRule]
    tagged: TaggedRule
    originals: OriginalsRule
    codecs: dict[ArchiveCodec, CodecRule]
    sound: SoundRule
    probing: ProbingRule


@cache
def archive_rules(path: Path | None = None) -> ArchiveRules:
    """The rules of a file, those that are shipped where none is named.

    Raises:
        SettingsError: the file is missing or says something that is not understood.
    """
    file = path or _FILE
    try:
        return ArchiveRules.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise SettingsError(
            f"{file.name}: {error}", hint="Compare it with archive.yaml as shipped."
        ) from None
