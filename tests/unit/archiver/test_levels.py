"""Levels of black and white on their way into an archived file."""

from __future__ import annotations

import av
import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame

from archiver.encode import fit


def jpeg_frame(level: int) -> VideoFrame:
    coded = cv2.imencode(".jpg", np.full((48, 64, 3), level, np.uint8))[1].tobytes()
    context = av.CodecContext.create("mjpeg", "r")
    assert isinstance(context, av.VideoCodecContext)
    return context.decode(av.Packet(coded))[0]


@pytest.mark.parametrize("size", [(64, 48), (32, 24), (64, 64)])
@pytest.mark.parametrize(("level", "luma"), [(255, 235), (0, 16)])
def test_full_levels_of_jpeg_become_usual_ones(size: tuple[int, int], level: int, luma: int) -> None:
    picture = fit(jpeg_frame(level), *size).to_ndarray()[: size[1]]
    assert picture[size[1] // 2, size[0] // 2] == luma


def test_usual_levels_stay() -> None:
    frame = VideoFrame.from_ndarray(np.full((72, 64), 235, np.uint8), format="yuv420p")
    assert fit(frame, 32, 24).to_ndarray()[0, 0] == 235
