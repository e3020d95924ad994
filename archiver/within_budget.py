"""Encodes the clips of a session so that together they weigh no more than their budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from archiver.archive_file import JoinStep, join
from archiver.encode import AudioResult, AudioStep, VideoResult, VideoStep, encode_audio, encode_video
from archiver.plan import Budget, ClipDemand, EncodePlan, RatePoint, plan
from archiver.profile import AUDIO_KBPS, Profile
from archiver.progress import ProgressTeller
from archiver.ring_reader import PictureFormat
from archiver.steps import StepRunner, once
from archiver.stretches import Stretch, chunks, samples_for_probing
from kernel.clock import SECOND_US
from kernel.errors import EncodeError
from kernel.log import logger
from kernel.model.cut import Clip
from kernel.model.source import Source

_log = logger("archiver")

PROBE_SECONDS = 5
PROBE_EVERY_SECONDS = 120
MOST_PROBES = 5
METADATA_BYTES = 6_000  # of a package without clips
METADATA_BYTES_PER_CLIP = 6_000  # receipt, entry in catalogue.json and in the manifests
METADATA_BYTES_PER_SLICE = 1_400  # in both
MOST_ATTEMPTS = 5
ENOUGH = 0.85
"""Share of the budget that is worth no further encoding."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipWork:
    """A clip with all that its steps need."""

    clip: Clip
    source: Source
    pieces: tuple[Stretch, ...]
    picture: PictureFormat
    directory: Path

    @property
    def seconds(self) -> float:
        return sum(piece.wall.duration_us for piece in self.pieces) / SECOND_US

    @property
    def file_name(self) -> str:
        return f"{self.source.content_kind}-{self.source.id}-p{self.clip.part}.mp4"


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedClip:
    """An encoded clip and what its steps said."""

    work: ClipWork
    crf: int
    path: Path
    size_bytes: int
    video: tuple[VideoResult, ...]
    audio: AudioResult


class ClipEncoder:
    """Probes, plans, encodes, weighs and, where it must, encodes again."""

    def __init__(self, runner: StepRunner, profile: Profile, progress: ProgressTeller) -> None:
        self._runner = runner
        self._profile = profile
        self._progress = progress

    def encode_within(self, works: Sequence[ClipWork], total: int) -> tuple[list[EncodedClip], str]:
        """Encode all clips; weigh them; encode again where they are over their budget, or far below it.

        Returns what fits at the best quality that was tried, and why it does not fit where nothing does.
        """
        audio = self._encode_audio(works)
        demands = self._probe(works, audio)
        budget = self._budget(works, total)
        best: list[EncodedClip] | None = None
        encoded: list[EncodedClip] = []
        chosen = plan(demands, budget, self._profile)
        for _ in range(MOST_ATTEMPTS):
            encoded = self._encode_video(works, audio, chosen)
            weight = sum(one.size_bytes for one in encoded) + budget.metadata_bytes
            if weight <= total:
                best = encoded
            if (weight <= total and weight >= ENOUGH * total) or not encoded:
                break
            demands = [_corrected(one, encoded) for one in demands]
            following = plan(demands, budget, self._profile)
            if not _worth_trying(following, chosen, best):
                break
            _log.info(
                f"The clips weigh {weight} bytes of {total}; they are encoded again.",
                action="archive.correct",
            )
            chosen = following
        return (encoded, chosen.overrun_reason) if best is None else (best, "")

    def _budget(self, works: Sequence[ClipWork], total: int) -> Budget:
        slices = sum(len(work.clip.slices) for work in works)
        metadata = METADATA_BYTES + METADATA_BYTES_PER_CLIP * len(works) + METADATA_BYTES_PER_SLICE * slices
        return Budget(
            total_bytes=total, metadata_bytes=metadata, audio_bits_per_second=AUDIO_KBPS * 1000 * 1.08
        )

    def _encode_audio(self, works: Sequence[ClipWork]) -> list[AudioResult]:
        steps = [
            AudioStep(
                stretches=work.pieces,
                clip_start_us=work.clip.wall.start_us,
                target=work.directory / "sound.mp4",
            )
            for work in works
        ]
        return self._runner.run(partial(once, encode_audio, AudioResult), steps)

    def _probe(self, works: Sequence[ClipWork], audio: Sequence[AudioResult]) -> list[ClipDemand]:
        """Measure the rate of each clip at two qualities on sampled windows."""
        probes = [
            (work, crf, window)
            for work in works
            for crf in self._profile.probe_crfs
            for window in samples_for_probing(
                work.pieces, PROBE_SECONDS, min(MOST_PROBES, 1 + int(work.seconds / PROBE_EVERY_SECONDS))
            )
        ]
        steps = [self._video_step(work, crf, window, "probe") for work, crf, window in probes]
        advance = self._progress.counter("encode", 0.02, 0.2, len(steps))
        results = self._runner.run(partial(once, encode_video, VideoResult), steps, advance)
        measured: dict[tuple[str, int], tuple[int, int]] = {}
        for (work, crf, window), result in zip(probes, results, strict=True):
            size, length = measured.get((work.clip.id, crf), (0, 0))
            measured[work.clip.id, crf] = (size + result.size_bytes, length + window.wall.duration_us)
        return [
            ClipDemand(
                clip_id=work.clip.id,
                seconds=work.seconds,
                has_audio=sound.path is not None,
                points=tuple(
                    # A screen may send no picture in a whole window: little, but not nothing.
                    RatePoint(crf=crf, bits_per_second=max(1.0, size * 8 * SECOND_US / length))
                    for (clip_id, crf), (size, length) in measured.items()
                    if clip_id == work.clip.id
                ),
            )
            for work, sound in zip(works, audio, strict=True)
        ]

    def _video_step(self, work: ClipWork, crf: int, piece: Stretch, label: str) -> VideoStep:
        name = f"{label}-crf{crf}-{piece.wall.start_us}-{piece.wall.end_us}.mp4"
        return VideoStep(
            stretch=piece,
            clip_start_us=work.clip.wall.start_us,
            picture=work.picture,
            encoder=self._profile.encoder,
            options=self._profile.options(work.source.content_kind, crf),
            target=work.directory / self._profile.codec / name,
        )

    def _encode_video(
        self, works: Sequence[ClipWork], audio: Sequence[AudioResult], chosen: EncodePlan
    ) -> list[EncodedClip]:
        tasks = [
            (work, number, self._video_step(work, chosen.crf[work.clip.id], chunk, "chunk"))
            for work in works
            for number, piece in enumerate(work.pieces)
            for chunk in chunks(piece)
        ]
        advance = self._progress.counter("encode", 0.2, 0.85, len(tasks))
        encode = partial(once, encode_video, VideoResult)
        results = self._runner.run(encode, [step for _, _, step in tasks], advance)
        by_clip: dict[str, list[tuple[int, VideoResult]]] = {work.clip.id: [] for work in works}
        for (work, number, _), result in zip(tasks, results, strict=True):
            by_clip[work.clip.id].append((number, result))
        parts = [
            (work, by_clip[work.clip.id], sound)
            for work, sound in zip(works, audio, strict=True)
            if any(result.path for _, result in by_clip[work.clip.id])
        ]
        steps = [self._join_step(work, made, sound) for work, made, sound in parts]
        counts = self._runner.run(join, steps)
        return [
            self._encoded(work, chosen.crf[work.clip.id], [result for _, result in made], sound, count)
            for (work, made, sound), count in zip(parts, counts, strict=True)
        ]

    def _join_step(
        self, work: ClipWork, video: Sequence[tuple[int, VideoResult]], sound: AudioResult
    ) -> JoinStep:
        files: list[list[Path]] = [[] for _ in work.pieces]
        for number, result in video:
            if result.path is not None:
                files[number].append(result.path)
        return JoinStep(
            stretches=tuple(tuple(chunk_files) for chunk_files in files if chunk_files),
            audio=sound.path,
            clip_start_us=work.clip.wall.start_us,
            target=work.directory / work.file_name,
        )

    def _encoded(
        self, work: ClipWork, crf: int, video: Sequence[VideoResult], sound: AudioResult, pictures: int
    ) -> EncodedClip:
        """What was made of a clip, if not one picture was lost on the way.

        Raises:
            EncodeError: the file has another number of pictures than its chunks.
        """
        wanted = sum(result.frames for result in video)
        if pictures != wanted:
            raise EncodeError(f"{work.file_name} has {pictures} pictures instead of {wanted}.")
        path = work.directory / work.file_name
        return EncodedClip(
            work=work, crf=crf, path=path, size_bytes=path.stat().st_size, video=tuple(video), audio=sound
        )


def _worth_trying(following: EncodePlan, last: EncodePlan, best: Sequence[EncodedClip] | None) -> bool:
    """Whether another plan can give something better than what is there."""
    if following.crf == last.crf:
        return False
    return best is None or any(following.crf[one.work.clip.id] < one.crf for one in best)


def _corrected(demand: ClipDemand, encoded: Sequence[EncodedClip]) -> ClipDemand:
    """A clip's rate curve after it was encoded, if it was."""
    made = next((one for one in encoded if one.work.clip.id == demand.clip_id), None)
    return demand if made is None else corrected(demand, made)


def corrected(demand: ClipDemand, encoded: EncodedClip) -> ClipDemand:
    """A clip's rate curve moved so that it passes through what was really measured."""
    actual = sum(result.size_bytes for result in encoded.video) * 8 / demand.seconds
    factor = actual / demand.bits_per_second(encoded.crf)
    points = tuple(replace(one, bits_per_second=one.bits_per_second * factor) for one in demand.points)
    return replace(demand, points=points)
