"""Measures what was archived: quality and legibility of sampled stretches of the finished files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from av.video.frame import VideoFrame

from archiver.decode import DecodeTally, archived_frames, video_frames
from archiver.legibility import text_reader
from archiver.probe import in_colour, measured, picture_at
from archiver.ring_reader import PictureFormat
from archiver.stretches import Stretch
from kernel.timerange import TimeRange


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasureStep:
    """A stretch of footage and the archived chunks that show it."""

    stretch: Stretch
    source: PictureFormat
    chunks: tuple[Path, ...]
    every: int
    read_text: bool
    target: Path  # where the result is noted


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What is left of a stretch of footage."""

    wall: TimeRange
    scores: tuple[float, ...]  # VMAF of the sampled pictures; empty where the stretch has none
    text: float | None = None  # share of characters that OCR still reads


def measure(step: MeasureStep) -> Measured:
    """Compare archived pictures with the footage they were made of, each held as a player shows it.

    Raises:
        EncodeError: the measuring fails.
    """
    frames = list(video_frames(step.stretch, DecodeTally()))
    archived = list(_around(step))
    if not frames or not archived:
        return Measured(wall=step.stretch.wall, scores=())
    reader = text_reader() if step.read_text else None
    text = None
    if reader is not None:
        moment_us, original = frames[len(frames) // 2]
        shown = picture_at(archived, moment_us)
        text = reader.agreement(in_colour(original, step.source), in_colour(shown, step.source))
    scores = measured(frames, archived, step.source, step.every)
    return Measured(wall=step.stretch.wall, scores=tuple(scores), text=text)


def _around(step: MeasureStep) -> Iterator[tuple[int, VideoFrame]]:
    """Archived pictures of the stretch, with the one that is shown at its start; few are held at once."""
    wall = step.stretch.wall
    before: tuple[int, VideoFrame] | None = None
    for path in step.chunks:
        for moment_us, frame in archived_frames(path, start_us=wall.start_us):
            if moment_us <= wall.start_us:
                before = moment_us, frame
            elif moment_us < wall.end_us:
                if before is not None:
                    yield before
                before = None
                yield moment_us, frame
            else:
                break
    if before is not None:
        yield before
