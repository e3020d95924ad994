"""Footage that is kept as it is, in a real Chromium: pictures encoded up to the first key frame, the camera's
own from there on, each read from the pixels."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from archiver.archive_file import JoinStep, join
from kernel.isobmff.reader import read_init
from kernel.isobmff.sample_entry import codec_string
from simulator import timestrip
from tests.support.segments import Recipe, make_segment
from tests.unit.archiver.test_copy_stream import SECOND, START, copied, pieces_of, wall

OPEN = """async ({ mime, data }) => {
    const video = document.createElement('video')
    video.muted = true
    document.body.replaceChildren(video)
    const media = new MediaSource()
    video.src = URL.createObjectURL(media)
    await new Promise(done => media.addEventListener('sourceopen', done, { once: true }))
    const buffer = media.addSourceBuffer(mime)
    buffer.appendBuffer(Uint8Array.from(atob(data), letter => letter.charCodeAt(0)))
    await new Promise(done => buffer.addEventListener('updateend', done, { once: true }))
    if (media.readyState === 'open') media.endOfStream()
    const { buffered } = buffer
    return [...Array(buffered.length).keys()].map(n => [buffered.start(n), buffered.end(n)])
}"""
LOOK = """async at => {
    const video = document.querySelector('video')
    await new Promise((done, failed) => {
        video.onseeked = done
        video.onerror = () => failed(new Error(video.error.message))
        video.currentTime = at
    })
    const canvas = document.createElement('canvas')
    canvas.width = video.videoWidth
    canvas.height = video.videoHeight
    canvas.getContext('2d').drawImage(video, 0, 0)
    return canvas.toDataURL('image/png')
}"""
PLAY = """until => new Promise((done, failed) => {
    const video = document.querySelector('video')
    const seen = []
    const next = (now, picture) => { seen.push(picture.mediaTime); video.requestVideoFrameCallback(next) }
    video.requestVideoFrameCallback(next)
    video.onerror = () => failed(new Error(video.error.message))
    video.ontimeupdate = () => { if (video.currentTime >= until) { video.pause(); done(seen) } }
    video.play().catch(failed)
})"""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    page.set_default_timeout(30_000)
    yield page
    page.close()


@pytest.fixture
def archived(tmp_path: Path) -> Path:
    """From 0.3 s on, 0.7 s before a key frame, to 5.5 s; from 2 s to 4 s nobody recorded."""
    ring, cut = tmp_path / "ring", wall(0.3, 5.5)
    segments = (
        make_segment(ring, Recipe()),
        make_segment(ring, Recipe(run_id="run-2", wall_start_us=START + 4 * SECOND)),
    )
    pieces = pieces_of(ring, cut, *segments)
    made = [copied(piece, cut, tmp_path / f"{number}.mp4") for number, piece in enumerate(pieces)]
    assert made[0].encoded
    target = tmp_path / "clip.mp4"
    files = tuple((one.path,) for one in made if one.path)
    join(JoinStep(stretches=files, audio=None, clip_start_us=cut.start_us, target=target))
    return target


def strip_ms(page: Page, at: float) -> int | None:
    """The time in the picture that is shown, since the start of the footage."""
    shown: str = page.evaluate(LOOK, at)
    data = np.frombuffer(base64.b64decode(shown.partition(",")[2]), np.uint8)
    gray: Any = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    time_ms = timestrip.read(np.ascontiguousarray(gray))
    return None if time_ms is None else time_ms - START // 1000


def test_chromium_plays_across_the_border_and_finds_each_picture(page: Page, archived: Path) -> None:
    with archived.open("rb") as file:
        codec = codec_string(read_init(file).video.sample_entry)
    data = base64.b64encode(archived.read_bytes()).decode()
    page.goto("about:blank")
    ranges = page.evaluate(OPEN, {"mime": f'video/mp4; codecs="{codec}"', "data": data})
    assert ranges == [
        [pytest.approx(0.02, abs=0.001), pytest.approx(1.7, abs=0.001)],
        [pytest.approx(3.7, abs=0.001), pytest.approx(5.2, abs=0.001)],
    ]
    # wanted moment of the clip, picture captured so long after the start of the footage
    for at, captured_ms in ((0.03, 320), (0.6, 880), (0.69, 960), (0.71, 1000), (1.5, 1800), (3.71, 4000)):
        assert strip_ms(page, at) == captured_ms
    assert strip_ms(page, 0.03) == 320
    seen = page.evaluate(PLAY, 1.4)
    assert max(seen) > 0.7  # it went on behind the border
