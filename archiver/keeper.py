"""Decides which clips of a session are kept as they are, and keeps them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

from archiver.chunk_encoder import ChunkEncoder, EncodedChunk
from archiver.clip_work import ClipWork
from archiver.copy_stream import CopyResult, Weighed, copy_stream, weigh, worth_copying
from archiver.plan import Choice
from archiver.steps import StepRunner, once
from kernel.log import logger

_log = logger("archiver")


class Keeper:
    """Weighs footage against what the plan would make of it."""

    def __init__(self, runner: StepRunner, encoder: ChunkEncoder) -> None:
        self._runner = runner
        self._encoder = encoder

    def keep(self, works: Sequence[ClipWork], room: int) -> list[ClipWork]:
        """Keep the clips that weigh no more as they are; gives them as they are worked on from then on.

        Args:
            works: clips whose rules allow it.
            room: bytes for all pictures.
        """
        found = self._runner.run(partial(once, weigh, Weighed), [work.weigh_step() for work in works])
        weights = {
            work.clip.id: one.size_bytes
            for work, one in zip(works, found, strict=True)
            if not one.refused and one.size_bytes
        }
        if not weights:
            return []

        def planned(kept: Collection[str]) -> Mapping[str, float]:
            return self._encoder.planned(room - sum(weights[name] for name in kept), kept)

        chosen = worth_copying(weights, planned)
        return [kept for work in works if work.clip.id in chosen for kept in self._copied(work)]

    def _copied(self, work: ClipWork) -> list[ClipWork]:
        """The clip, copied; nothing where a closer look says that it cannot be."""
        kept = replace(work, copied=True)
        steps = [kept.copy_step(chunk) for chunk in kept.chunks]
        results = self._runner.run(partial(once, copy_stream, CopyResult), steps)
        refused = next((one.refused for one in results if one.refused), "")
        if refused:
            _log.info(
                f"{work.file_name} would be small enough to be kept as it is, but {refused}",
                action="archive.copy_refused",
            )
            return []
        for chunk, result in zip(kept.chunks, results, strict=True):
            choice = Choice(crf=0, height=1, bytes=result.size_bytes, mean=100, unreachable=False)
            video = result.video(chunk.stretch.wall)
            self._encoder.copied[chunk] = EncodedChunk(chunk=chunk, choice=choice, video=video, copied=result)
        return [kept]
