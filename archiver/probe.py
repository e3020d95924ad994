"""Tries a sampled stretch of a clip at several settings: what it weighs, and what is left of it.

The stretch is decoded once and kept in memory (three seconds of 1080p are 230 MB); every setting is encoded
from there, decoded again and measured against it at the source's rate, each archived picture held until the
next one, as a player shows it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from av.video.frame import VideoFrame

from archiver.decode import DecodeTally, archived_frames, video_frames
from archiver.encode import VideoStep, encode_frames, fit
from archiver.legibility import Picture, text_reader
from archiver.quality import Film, vmaf
from archiver.ring_reader import PictureFormat

Frames: TypeAlias = Sequence[tuple[int, VideoFrame]]
"""Pictures with their wall time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbeStep:
    """A stretch and the settings to try on it."""

    source: PictureFormat  # what everything is measured at
    tries: tuple[VideoStep, ...]  # of the same stretch
    every: int  # VMAF of every so many pictures
    text_floor: float | None  # compare the text of the middle picture too; None: do not
    target: Path  # where the result is noted


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """What one setting gave."""

    size_bytes: int
    key_bytes: int  # of these, the first picture: a longer stretch has few of its kind
    scores: tuple[float, ...]  # VMAF
    text: float | None = None  # share of characters that OCR still reads


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbeResult:
    """What all settings gave, in their order; empty where the stretch has no picture."""

    tried: tuple[Tried, ...]


def probe(step: ProbeStep) -> ProbeResult:
    """Try all settings on a stretch.

    Raises:
        EncodeError: the encoder or the measuring fails.
    """
    frames = list(video_frames(step.tries[0].stretch, DecodeTally()))
    if not frames:
        return ProbeResult(tried=())
    with tempfile.TemporaryDirectory() as directory:
        tries = [
            replace(one, target=Path(directory) / f"{number}.mp4") for number, one in enumerate(step.tries)
        ]
        tried = [_try(step, one, frames) for one in tries]
        return ProbeResult(tried=tuple(_with_text(step, tries, tried, frames)))


def _try(step: ProbeStep, one: VideoStep, frames: Frames) -> Tried:
    made = encode_frames(one, frames)
    scores = measured(frames, list(archived_frames(one.target)), step.source, step.every)
    return Tried(size_bytes=made.size_bytes, key_bytes=made.key_bytes, scores=tuple(scores))


def _with_text(
    step: ProbeStep, tries: Sequence[VideoStep], tried: Sequence[Tried], frames: Frames
) -> list[Tried]:
    """Read the text in the cheapest try first: where it can be read there, it can be read in all others."""
    reader = text_reader() if step.text_floor is not None else None
    if reader is None:
        return list(tried)
    moment_us, original = frames[len(frames) // 2]
    told: dict[int, float | None] = {}
    legible = False
    for number in sorted(range(len(tried)), key=lambda number: tried[number].size_bytes):
        if not legible:
            shown = picture_at(archived_frames(tries[number].target), moment_us)
            told[number] = reader.agreement(in_colour(original, step.source), in_colour(shown, step.source))
            best = told[number]
            legible = best is None or best >= (step.text_floor or 0)
        else:
            told[number] = best
    return [replace(one, text=told[number]) for number, one in enumerate(tried)]


def measured(
    frames: Frames,
    archived: Frames,
    source: PictureFormat,
    every: int,
) -> list[float]:
    """VMAF of archived pictures, each held until the next, against all pictures of the footage."""
    size = archived[0][1].width, archived[0][1].height
    held = (_planes(frame) for frame in _held([wall_us for wall_us, _ in frames], archived))
    originals = (_planes(fit(frame, source.width, source.height)) for _, frame in frames)
    reference = Film(width=source.width, height=source.height, pictures=originals)
    return vmaf(reference, Film(width=size[0], height=size[1], pictures=held), every)


def _held(moments: Iterable[int], archived: Frames) -> Iterator[VideoFrame]:
    """The picture that a player shows at each moment."""
    number = 0
    for moment_us in moments:
        # Archived wall times are rounded to ticks of 1/90000 s and to microseconds.
        while number + 1 < len(archived) and archived[number + 1][0] <= moment_us + 100:
            number += 1
        yield archived[number][1]


def picture_at(archived: Iterable[tuple[int, VideoFrame]], moment_us: int) -> VideoFrame:
    """The picture that a player shows at a moment."""
    return next(_held([moment_us], list(archived)))


def in_colour(frame: VideoFrame, size: PictureFormat) -> Picture:
    """A picture as a screen shows it, in that size, blue first."""
    plain = fit(frame, size.width, size.height)
    return plain.to_ndarray(format="bgr24").astype(np.uint8, copy=False)


def _planes(frame: VideoFrame) -> bytes:
    return frame.to_ndarray(format="yuv420p").tobytes()
