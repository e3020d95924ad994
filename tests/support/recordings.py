"""Recordings as other devices make them, for tests of taking them in."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np


def picture(number: int, size: tuple[int, int]) -> Any:
    planes = np.full((size[1] * 3 // 2, size[0]), (number * 7) % 200 + 20, np.uint8)
    return av.VideoFrame.from_ndarray(planes, format="yuv420p")


def write(
    path: Path,
    *,
    codec: str = "libx264",
    sound: str = "aac",
    pts: list[int] | None = None,
    bframes: int = 0,
    size: tuple[int, int] = (160, 96),
    **metadata: str,
) -> Path:
    """A recording of 25 pictures a second, a key frame a second."""
    with av.open(path, "w") as container:
        container.metadata.update(metadata)
        video: Any = container.add_stream(codec, rate=25)
        video.width, video.height, video.pix_fmt, video.gop_size = *size, "yuv420p", 25
        if codec == "libx264":
            video.options = {"preset": "veryfast", "bf": str(bframes), "sc_threshold": "0"}
        heard: Any = container.add_stream(sound, rate=48_000, layout="mono") if sound else None
        for number in pts if pts is not None else range(100):
            frame = picture(number, size)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(video.encode(frame))
            if heard is not None:
                samples = (np.sin(np.arange(1920) * 0.05) * 8000).astype(np.int16).reshape(1, -1)
                block = av.AudioFrame.from_ndarray(samples, "s16", "mono")
                block.sample_rate, block.pts, block.time_base = 48_000, number * 1920, Fraction(1, 48_000)
                container.mux(heard.encode(block))
        container.mux(video.encode(None))
        if heard is not None:
            container.mux(heard.encode(None))
    return path
