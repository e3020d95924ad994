"""A clip with all that its steps need: how it is probed, encoded in chunks, and put together again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from archiver.copy_stream import CopyStep, WeighStep
from archiver.encode import VideoStep
from archiver.plan import Limits
from archiver.probe import ProbeStep
from archiver.ring_reader import PictureFormat
from archiver.rules import ArchiveRules, CodecRule, KindRule, SoundCodecRule
from archiver.stretches import Stretch, chunks, narrow, samples_for_probing, windows_around
from kernel.clock import SECOND_US
from kernel.model.cut import Clip
from kernel.model.source import Source
from kernel.settings import ArchiveCodec
from kernel.timerange import TimeRange

_WAVE_OF = (3, 0, 3, 2, 3, 1, 3, 2)
"""The wave of each of eight chunks of a clip in a row: an eighth, an eighth, a quarter, a half."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """A piece of a clip that is encoded as one step."""

    clip_id: str
    piece: int  # which unbroken stretch of the clip it belongs to
    stretch: Stretch
    tagged: bool  # a tag is near: it gets more

    @property
    def seconds(self) -> float:
        return self.stretch.wall.duration_us / SECOND_US

    @property
    def demand_id(self) -> str:
        """What the plan calls all chunks that are encoded alike."""
        return f"{self.clip_id}, tagged" if self.tagged else self.clip_id


@dataclass(frozen=True, kw_only=True)
class ClipWork:
    """A clip and the rules that it is encoded by."""

    clip: Clip
    source: Source
    pieces: tuple[Stretch, ...]
    picture: PictureFormat  # of the footage
    directory: Path
    rules: ArchiveRules
    codec: ArchiveCodec
    copied: bool = False  # its footage is kept as it is
    tagged: tuple[TimeRange, ...] = ()  # tagged moments with what lies around them
    busiest: tuple[int, ...] = ()  # moments at which most changes, the busiest first
    probed: tuple[TimeRange, ...] = ()  # stretches that were tried already, while the session ran

    @property
    def kind(self) -> KindRule:
        return self.rules.kinds[self.source.content_kind]

    @property
    def encoder(self) -> CodecRule:
        return self.rules.codecs[self.codec]

    @property
    def sound(self) -> SoundCodecRule:
        return self.rules.sound.codecs[self.codec]

    @property
    def seconds(self) -> float:
        return sum(piece.wall.duration_us for piece in self.pieces) / SECOND_US

    @property
    def file_name(self) -> str:
        return f"{self.source.content_kind}-{self.source.id}-p{self.clip.part}.mp4"

    @cached_property
    def chunks(self) -> tuple[Chunk, ...]:
        """All pieces to encode, in order; unbroken stretches where nothing is to encode."""
        if self.copied:
            return tuple(
                Chunk(clip_id=self.clip.id, piece=number, stretch=piece, tagged=False)
                for number, piece in enumerate(self.pieces)
            )
        return tuple(
            Chunk(
                clip_id=self.clip.id,
                piece=number,
                stretch=stretch,
                tagged=any(moment.intersect(stretch.wall) for moment in self.tagged),
            )
            for number, piece in enumerate(self.pieces)
            for stretch in chunks(piece)
        )

    def limits(self, *, tagged: bool) -> Limits:
        """What the plan must keep to."""
        kind, tuning = self.kind, self.encoder.of(self.kind)
        return Limits(
            floor=kind.floor,
            text_floor=kind.text_floor,
            ceiling=kind.ceiling,
            weight=kind.weight * (self.rules.tagged.weight if tagged else 1),
            most_bits_per_second=kind.most_kbps * 1000,
            best_crf=tuning.best_crf,
            worst_crf=tuning.worst_crf,
        )

    def video_step(self, stretch: Stretch, crf: int, height: float) -> VideoStep:
        """Encode a stretch with a setting."""
        name = f"chunk-crf{crf}-h{height:g}-{stretch.wall.start_us}-{stretch.wall.end_us}.mp4"
        return VideoStep(
            stretch=stretch,
            clip_start_us=self.clip.wall.start_us,
            picture=shrunk(self.picture, height),
            encoder=self.encoder.encoder,
            options=self.encoder.options(self.kind, crf),
            key_seconds=self.kind.key_seconds,
            target=self.directory / self.codec / name,
            pace=self.kind.pace,
        )

    def weigh_step(self) -> WeighStep:
        """Ask whether the footage is small enough to be kept as it is."""
        return WeighStep(
            pieces=self.pieces,
            picture=self.picture,
            most_bytes=int(self.kind.copy_below_kbps * 125 * self.seconds),
            target=self.directory / "weighed.mp4",
        )

    def copy_step(self, chunk: Chunk) -> CopyStep:
        """Keep a piece as it is."""
        wall = chunk.stretch.wall
        return CopyStep(
            piece=chunk.stretch,
            clip_start_us=self.clip.wall.start_us,
            picture=self.picture,
            fingerprint_seconds=self.kind.key_seconds,
            target=self.directory / f"copied-{wall.start_us}-{wall.end_us}.mp4",
        )

    def windows(self) -> list[Stretch]:
        """Stretches spread over the clip, that are measured when it is encoded.

        A screen stands still most of the time: half of its stretches lie where most changes, for there a
        setting shows what it costs.
        """
        probing = self.rules.probing
        count = probing.windows(self.seconds)
        moments = self.busiest if self.kind.screen else ()
        busy = windows_around(self.pieces, probing.seconds, moments)[: max(1, count // 2)]
        spread = samples_for_probing(self.pieces, probing.seconds, max(1, count - len(busy)))
        free = [one for one in busy if not any(one.wall.intersect(other.wall) for other in spread)]
        return [*spread, *free]

    def tries(self) -> list[Stretch]:
        """The stretches that are tried before: those of when the session ran, if they are still there."""
        there = [
            narrow(piece, wall)
            for wall in self.probed
            for piece in self.pieces
            if piece.wall.intersect(wall) == wall
        ]
        return there or self.windows()

    def settings(self) -> list[tuple[float, int]]:
        """Heights and quality settings that are tried."""
        crfs = self.encoder.of(self.kind).probe_crfs
        return [(height, crf) for height in self.kind.heights for crf in crfs]

    def probe_steps(self) -> list[ProbeStep]:
        """A step for each stretch; text is read in the first ones only, for it is slow."""
        return [
            ProbeStep(
                source=self.picture,
                tries=tuple(self.video_step(window, crf, height) for height, crf in self.settings()),
                every=self.rules.probing.measure_every,
                text_floor=self.kind.text_floor if number < self.rules.probing.text_stretches else None,
                target=self.directory / self.codec / f"probe-{window.wall.start_us}.mp4",
            )
            for number, window in enumerate(self.tries())
        ]


def shrunk(picture: PictureFormat, height: float) -> PictureFormat:
    """A format with so much of the height, and of the width; both stay even."""
    if height == 1:
        return picture
    width, lines = (max(2, round(side * height / 2) * 2) for side in (picture.width, picture.height))
    return replace(picture, width=width, height=lines)


def waves(chunks: Sequence[Chunk]) -> list[list[Chunk]]:
    """Chunks in groups that are spread over the whole time of each clip: what one weighs tells of the rest.

    The first groups are small: a curve that promises too much has spent little when that is seen.
    """
    ordered: list[list[Chunk]] = [[] for _ in range(max(_WAVE_OF) + 1)]
    counts: dict[str, int] = {}
    for chunk in chunks:
        number = counts[chunk.clip_id] = counts.get(chunk.clip_id, -1) + 1
        ordered[_WAVE_OF[number % len(_WAVE_OF)]].append(chunk)
    return [group for group in ordered if group]
