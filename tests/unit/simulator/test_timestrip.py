"""The time strip survives what happens to pictures on their way, and never lies."""

from __future__ import annotations

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from kernel.model.source import ContentKind
from simulator import timestrip
from simulator.picture import Picture
from simulator.scenes.shot import Shot
from simulator.source import SimulatedSource

START_MS = 1_772_420_400_123
FACE = SimulatedSource(id="face", content_kind=ContentKind.SEAT_FACE, label_zh="席位", fps=15, seed=2)
DESKTOP = SimulatedSource(
    id="desktop", content_kind=ContentKind.SEAT_DESKTOP, label_zh="桌面", width=1280, height=720, seed=1
)
ROOM = SimulatedSource(
    id="room", content_kind=ContentKind.ROOM, label_zh="大厅", width=960, height=540, fps=15, seed=3
)
FRAMES = 30

Gray = NDArray[np.uint8]


def _times(source: SimulatedSource) -> list[int]:
    return [START_MS + index * 1000 // source.fps for index in range(FRAMES)]


def _coded(source: SimulatedSource, encoder: str, options: dict[str, str]) -> list[Gray]:
    """The luma of a source's pictures after encoding and decoding."""
    context = av.CodecContext.create(encoder, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = source.width, source.height, "yuv420p"
    context.framerate, context.time_base = Fraction(source.fps), Fraction(1, source.fps)
    context.gop_size = 10 * source.fps
    context.options = options
    decoder = av.CodecContext.create({"libsvtav1": "libdav1d", "libx264": "h264"}[encoder], "r")
    assert isinstance(decoder, av.VideoCodecContext)
    shot = Shot(source)
    frames = []
    for index, at_ms in enumerate([*_times(source), None]):
        frame = None if at_ms is None else _frame(shot.picture(at_ms, index), index)
        for packet in context.encode(frame):
            frames += decoder.decode(packet)
    frames += decoder.decode(None)
    return [_luma(frame) for frame in frames]


def _frame(picture: Picture, index: int) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(picture.data, format="yuv420p")
    frame.pts = index
    return frame


def _luma(frame: av.VideoFrame) -> Gray:
    return np.asarray(frame.to_ndarray(format="yuv420p")[: frame.height], np.uint8)


def _strip(width: int, height: int, at_ms: int = START_MS) -> Gray:
    luma = np.full((height, width), 90, np.uint8)
    timestrip.draw(luma, at_ms)
    return luma


@pytest.mark.parametrize("size", [(640, 360), (960, 540), (1280, 720), (320, 180), (1920, 1080), (484, 276)])
def test_a_time_drawn_is_the_time_read(size: tuple[int, int]) -> None:
    assert timestrip.read(_strip(*size)) == START_MS


@pytest.mark.parametrize("at_ms", [0, 1, (1 << timestrip.TIME_BITS) - 1])
def test_the_first_and_the_last_time_fit(at_ms: int) -> None:
    assert timestrip.read(_strip(640, 360, at_ms)) == at_ms


@pytest.mark.parametrize("at_ms", [-1, 1 << timestrip.TIME_BITS])
def test_a_time_that_does_not_fit_is_refused(at_ms: int) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        timestrip.draw(np.zeros((360, 640), np.uint8), at_ms)


def test_an_array_that_is_no_grey_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        timestrip.read(np.zeros((360, 640, 3), np.uint8))


@pytest.mark.parametrize(
    ("encoder", "options"),
    [
        ("libsvtav1", {"preset": "10", "crf": "55", "svtav1-params": "lp=1"}),
        ("libx264", {"preset": "veryfast", "crf": "40"}),
    ],
)
@pytest.mark.parametrize("source", [FACE, ROOM, DESKTOP], ids=lambda source: source.id)
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_the_strip_survives_heavy_encoding(
    source: SimulatedSource, encoder: str, options: dict[str, str], scale: float
) -> None:
    pictures = _coded(source, encoder, options)
    if scale != 1.0:
        small = (round(source.width * scale), round(source.height * scale))
        pictures = [
            np.asarray(cv2.resize(one, small, interpolation=cv2.INTER_AREA), np.uint8) for one in pictures
        ]
    read = [timestrip.read(one) for one in pictures]
    right = sum(found == at_ms for found, at_ms in zip(read, _times(source), strict=True))
    wrong = sum(found not in (None, at_ms) for found, at_ms in zip(read, _times(source), strict=True))
    assert wrong == 0
    assert right >= 0.98 * FRAMES


def test_a_screenshot_of_a_small_pane_with_imprecise_borders_is_read() -> None:
    coded = _coded(FACE, "libx264", {"preset": "veryfast", "crf": "36"})[FRAMES // 2]
    pane = cv2.resize(coded, (300, 169), interpolation=cv2.INTER_LINEAR)
    page = cv2.copyMakeBorder(pane, 12, 12, 12, 12, cv2.BORDER_CONSTANT, value=38)
    at_ms = _times(FACE)[FRAMES // 2]
    rng = np.random.default_rng(5)
    for left, right, top, bottom in rng.integers(-5, 6, (60, 4)):
        crop = page[12 + min(top, 2) : 12 + 169 + bottom, 12 + left : 12 + 300 + right]
        assert timestrip.read(np.asarray(crop, np.uint8)) == at_ms


def test_noise_is_never_taken_for_a_time() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        assert timestrip.read(rng.integers(0, 256, (180, 320)).astype(np.uint8)) is None


def test_random_cells_are_never_taken_for_a_time() -> None:
    rng = np.random.default_rng(2)
    for _ in range(40):
        luma = _strip(640, 360)
        cells = rng.integers(0, 2, (2, timestrip.COLUMNS)).repeat(20, axis=1) * 219 + 16
        luma[:24] = cells.repeat(12, axis=0)
        assert timestrip.read(luma) is None


def test_a_strip_with_one_cell_turned_is_not_read() -> None:
    for cell in range(timestrip.COLUMNS):
        luma = _strip(640, 360)
        part = luma[:12, cell * 20 : cell * 20 + 20]
        part[:] = 251 - part
        assert timestrip.read(luma) is None


def test_a_picture_without_a_strip_has_no_time() -> None:
    assert timestrip.read(np.full((360, 640), 128, np.uint8)) is None
    shot = Shot(ROOM).picture(START_MS, 0).y
    assert timestrip.read(shot[80:].copy()) is None
