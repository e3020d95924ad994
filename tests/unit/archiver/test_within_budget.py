"""Weighing and encoding again: what probes foretell is not what clips weigh."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import pytest

from archiver.archive_file import JoinStep
from archiver.encode import AudioResult, AudioStep, VideoResult, VideoStep
from archiver.plan import budget_bytes
from archiver.profile import PROFILES
from archiver.progress import ProgressTeller
from archiver.ring_reader import PictureFormat
from archiver.steps import StepRunner
from archiver.stretches import SlicePart, Stretch
from archiver.within_budget import ClipEncoder, ClipWork
from kernel.model.cut import Clip, SegmentSlice
from kernel.model.source import ContentKind, Source
from kernel.settings import ArchiveCodec
from kernel.timerange import TimeRange

WALL = TimeRange(start_us=0, end_us=60_000_000)


class Foundry:
    """Stands for the pool of processes: files of the size that a made-up encoder would give."""

    def __init__(self, probe_factor: float, bits_at_crf_0: float = 4_000_000) -> None:
        self.probe_factor = probe_factor  # by how much sampled windows are busier than the whole
        self.bits_at_crf_0 = bits_at_crf_0
        self.crfs: list[int] = []  # of whole clips, in the order they were encoded

    def run(
        self, _function: object, items: Iterable[Any], done: Callable[..., None] = lambda _: None
    ) -> list[Any]:
        return [self._make(item) for item in items]

    def _make(self, step: Any) -> Any:
        if isinstance(step, AudioStep):
            return AudioResult(
                path=None, size_bytes=0, padded_us=0, trimmed_us=0, undecodable_units=0, decoders=()
            )
        if isinstance(step, JoinStep):
            size = sum(path.stat().st_size for files in step.stretches for path in files)
            step.target.write_bytes(bytes(size))
            return 1
        assert isinstance(step, VideoStep)
        return self._encode(step)

    def _encode(self, step: VideoStep) -> VideoResult:
        crf = int(step.options["crf"])
        bits = self.bits_at_crf_0 * 2 ** (-crf / 8)
        if step.target.name.startswith("probe"):
            bits *= self.probe_factor
        else:
            self.crfs.append(crf)
        size = int(bits * step.stretch.wall.duration_us / 8e6)
        step.target.parent.mkdir(parents=True, exist_ok=True)
        step.target.write_bytes(bytes(size))
        return VideoResult(
            path=step.target,
            wall=step.stretch.wall,
            size_bytes=size,
            frames=1,
            undecodable_units=0,
            decoders=(),
        )


class Silent:
    """Stands for the teller of progress."""

    def counter(self, *_: object) -> Callable[..., None]:
        return lambda *_: None


def work(directory: Path) -> ClipWork:
    part = SlicePart(segment_id="s", run_id="r", path="p", sha256="", captured=True, wall=WALL)
    return ClipWork(
        clip=Clip(
            id="c",
            session_id="S",
            source_id="cam",
            part=1,
            wall=WALL,
            slices=(SegmentSlice(segment_id="s", wall=WALL),),
            gaps=(),
        ),
        source=Source(
            id="cam", room_id="R", seat_id=None, content_kind=ContentKind.ROOM, label_zh="", label_en=""
        ),
        pieces=(Stretch(wall=WALL, slices=(part,)),),
        picture=PictureFormat(width=2, height=2, rate=Fraction(25)),
        directory=directory,
    )


@pytest.mark.parametrize("probe_factor", [0.3, 0.7, 1.0, 1.5, 4.0])
def test_whatever_the_probes_foretold_the_budget_is_kept_and_used(
    tmp_path: Path, probe_factor: float
) -> None:
    foundry = Foundry(probe_factor)
    encoder = ClipEncoder(
        cast(StepRunner, foundry), PROFILES[ArchiveCodec.AV1], cast(ProgressTeller, Silent())
    )
    total = budget_bytes(165, 60)
    encoded, overrun = encoder.encode_within([work(tmp_path)], total)
    weight = sum(one.size_bytes for one in encoded) + 13_400
    assert overrun == ""
    assert 0.75 * total <= weight <= total
    assert len(foundry.crfs) <= 3


def test_what_is_small_at_the_best_quality_is_not_blown_up(tmp_path: Path) -> None:
    foundry = Foundry(1.0, bits_at_crf_0=200_000)
    encoder = ClipEncoder(
        cast(StepRunner, foundry), PROFILES[ArchiveCodec.AV1], cast(ProgressTeller, Silent())
    )
    encoder.encode_within([work(tmp_path)], budget_bytes(165, 60))
    assert foundry.crfs == [PROFILES[ArchiveCodec.AV1].best_crf]


def test_where_even_the_worst_legible_quality_is_too_much_the_reason_is_named(tmp_path: Path) -> None:
    """Invariant 13: legibility wins, and the report says by how much."""
    foundry = Foundry(1.0, bits_at_crf_0=400_000_000)
    encoder = ClipEncoder(
        cast(StepRunner, foundry), PROFILES[ArchiveCodec.AV1], cast(ProgressTeller, Silent())
    )
    _, overrun = encoder.encode_within([work(tmp_path)], budget_bytes(165, 60))
    assert "worst legible quality" in overrun
    assert foundry.crfs == [PROFILES[ArchiveCodec.AV1].worst_crf]
