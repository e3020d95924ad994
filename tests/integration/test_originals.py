"""Originals of real footage: what FFmpeg, and a browser, show of them."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from kernel.clock import SECOND_US
from kernel.model.footage import Segment
from kernel.timerange import TimeRange
from segmenter.original_files import write
from segmenter.originals import Mark, Original, original, pieces
from tests.support.catalogue import open_catalogue
from tests.support.originals import (
    FRAME_US,
    START_US,
    clip_of,
    need,
    probed,
    shown,
    taken_in,
    write_strips,
)

WITH_B_FRAMES = {"preset": "veryfast", "bf": "2", "sc_threshold": "0", "b_strategy": "0"}
OPEN_GROUPS = {"preset": "veryfast", "x264-params": "open-gop=1:bframes=2:b-adapt=0:scenecut=0"}
H265 = {"preset": "ultrafast", "x265-params": "log-level=none:bframes=3:open-gop=1:scenecut=0:keyint=50"}
KINDS = {
    "h264-plain": ("libx264", "", "a.mp4", {"preset": "ultrafast", "tune": "zerolatency"}),
    "h264-b-aac": ("libx264", "aac", "a.mp4", WITH_B_FRAMES),
    "h264-open-g711": ("libx264", "pcm_alaw", "a.mov", OPEN_GROUPS),
    "h265-open-aac": ("libx265", "aac", "a.mp4", H265),
    "h265-opus": ("libx265", "libopus", "a.mkv", H265),
}
CUTS = [(1.31, 5.2), (0, 8), (2, 4), (3.99, 4.3), (6.52, 7.999)]


@dataclass(frozen=True)
class Recorded:
    """Eight seconds in a ring."""

    ring: Path
    segments: list[Segment]

    def original(self, start: float, end: float, marks: Sequence[Mark] = ()) -> Original:
        """Seconds from the start of the footage."""
        wall = TimeRange(
            start_us=START_US + round(start * SECOND_US), end_us=START_US + round(end * SECOND_US)
        )
        clip = clip_of(self.segments, wall)
        (piece,) = pieces(clip, {one.id: one for one in self.segments}, self.ring)
        found = original(clip, piece, self.ring, marks)
        assert found is not None
        return found


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Recorded]:
    """Footage by kind, made once."""

    @cache
    def make(kind: str) -> Recorded:
        codec, sound, name, options = KINDS[kind]
        directory = tmp_path_factory.mktemp(kind)
        recording = write_strips(directory / name, codec=codec, sound=sound, options=options)
        with closing(open_catalogue(directory)) as catalogue:
            return Recorded(ring=directory / "ring", segments=taken_in(recording, catalogue, directory))

    return make


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cut", CUTS, ids=str)
def test_first_and_last_picture_are_those_of_the_cut_to_the_frame(
    recorded: Callable[[str], Recorded], tmp_path: Path, kind: str, cut: tuple[float, float]
) -> None:
    found = recorded(kind).original(*cut)
    write(found, tmp_path)
    wall = found.piece.wall
    every = (START_US + number * FRAME_US for number in range(8 * 25))
    wanted = [moment for moment in every if wall.contains(moment)]
    seen = shown(tmp_path / found.name)
    assert [one.strip_ms for one in seen] == [moment // 1000 for moment in wanted]
    for one, moment in zip(seen, wanted, strict=True):
        assert abs(one.at_us - (moment - wall.start_us)) <= 12
