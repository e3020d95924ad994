"""Perceptual fingerprints: what a picture looks like in 64 bits, however it was encoded.

The difference hash (dHash): the picture is shrunk to nine by eight, and each bit says whether a pixel is
brighter than its right neighbour. Two encodings of one picture differ in a few bits, other pictures in about
half of them; a receipt that holds both sides says which picture became which.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from av.video.frame import VideoFrame

from archiver.decode import DecodeTally, open_decoder, take_frames
from archiver.ring_reader import Unit
from kernel.isobmff.reader import read_fragments, read_init


@dataclass(frozen=True, kw_only=True, slots=True)
class Fingerprint:
    """The first picture of a group, before and after."""

    wall_us: int
    source: str  # 16 hexadecimal digits, of the picture that was decoded from the segment
    archived: str  # of the same picture, decoded from the archived file


def fingerprint(frame: VideoFrame) -> str:
    """The difference hash of a picture, 16 hexadecimal digits."""
    small = cv2.resize(frame.to_ndarray(format="gray"), (9, 8), interpolation=cv2.INTER_AREA)
    bits = np.packbits(small[:, :-1] > small[:, 1:])
    return bits.tobytes().hex()


def distance(one: str, other: str) -> int:
    """How many of the 64 bits of two fingerprints differ."""
    return (int(one, 16) ^ int(other, 16)).bit_count()


def key_frames(path: Path) -> Iterator[tuple[int, VideoFrame]]:
    """The first picture of each fragment of an archived file, with its media time in ticks."""
    with path.open("rb") as file:
        track = read_init(file).video
        for found in read_fragments(file):
            first = found.runs[track.id][0]
            file.seek(first.offset)
            unit = Unit(data=file.read(first.size), pts=first.pts, dts=first.dts, key=True, wall_us=0)
            context = open_decoder(track)
            frames = [
                frame for one in (unit, None) for frame in take_frames(context, track, one, DecodeTally())
            ]
            if frames:
                yield first.pts, frames[0]
