"""Originals in a real Chromium, by byte range from ``jianzheng serve``: the time is read from the pixels."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from kernel.clock import SECOND_US
from kernel.model.cut import CutList
from kernel.timerange import TimeRange
from simulator import timestrip
from tests.support.catalogue import add_session, open_catalogue
from tests.support.originals import START_US, clip_of, taken_in, write_strips
from tests.support.peers import REPOSITORY, free_port

WITH_B_FRAMES = {"preset": "veryfast", "bf": "2", "sc_threshold": "0", "b_strategy": "0"}
PLAIN = {"preset": "ultrafast", "tune": "zerolatency"}
KINDS = {
    "plain": ("", "a.mp4", PLAIN),
    "aac-b-frames": ("aac", "a.mp4", WITH_B_FRAMES),
    "g711": ("pcm_alaw", "a.mov", PLAIN),
    "opus-b-frames": ("libopus", "a.mkv", WITH_B_FRAMES),
}
CUT = TimeRange(start_us=START_US + 1_310_000, end_us=START_US + 5_200_000)
FIRST_MS, LAST_MS = 1320, 5160  # pictures captured in the cut, since the start of the footage
FIND = """source => new Promise((ready, failed) => {
    const video = document.createElement('video')
    video.muted = true
    document.body.replaceChildren(video)
    video.requestVideoFrameCallback(() => ready(video.duration))
    video.onerror = () => failed(new Error(video.error.message))
    video.src = source
})"""
LOOK = """async at => {
    const video = document.querySelector('video')
    if (at !== null) await new Promise(done => { video.onseeked = done; video.currentTime = at })
    const canvas = document.createElement('canvas')
    canvas.width = video.videoWidth
    canvas.height = video.videoHeight
    canvas.getContext('2d').drawImage(video, 0, 0)
    return canvas.toDataURL('image/png')
}"""
PLAY = """() => new Promise((ready, failed) => {
    const video = document.querySelector('video')
    const times = []
    const next = (now, picture) => { times.push(picture.mediaTime); video.requestVideoFrameCallback(next) }
    video.requestVideoFrameCallback(next)
    video.onended = () => ready(times)
    video.onerror = () => failed(new Error(video.error.message))
    video.currentTime = 0
    video.play()
})"""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    page.set_default_timeout(20_000)
    yield page
    page.close()


@pytest.fixture(params=KINDS)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Address of an original."""
    sound, name, options = KINDS[request.param]
    recording = write_strips(tmp_path / name, sound=sound, options=options)
    catalogue = open_catalogue(tmp_path)
    clip = clip_of(taken_in(recording, catalogue, tmp_path), CUT)
    add_session(catalogue, CUT.start_us, CUT.end_us)
    catalogue.clips.record(CutList(session_id="P-O", clips=(clip,), change_number=2))
    catalogue.close()
    port = free_port()
    command = [
        sys.executable,
        "-c",
        "from cli.main import main; main()",
        "serve",
        "--without-accounts",
        "--port",
        str(port),
    ]
    environment = {**os.environ, "JIANZHENG_DATA_DIR": str(tmp_path)}
    with subprocess.Popen(command, cwd=REPOSITORY, env=environment) as server:
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(transport=httpx.HTTPTransport(retries=20), base_url=url, timeout=10) as client:
            (file,) = client.get(f"/api/clips/{clip.id}/originals").raise_for_status().json()["files"]
        yield f"{url}{file['url']}"
        server.terminate()


def strip_ms(page: Page, at: float | None) -> int | None:
    """The time in the picture that is shown, since the start of the footage."""
    shown: str = page.evaluate(LOOK, at)
    data = np.frombuffer(base64.b64decode(shown.partition(",")[2]), np.uint8)
    gray: Any = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    time_ms = timestrip.read(np.ascontiguousarray(gray))
    return None if time_ms is None else time_ms - START_US // 1000


def test_chromium_shows_the_cut_from_its_first_picture_to_its_last(page: Page, source: str) -> None:
    page.goto(source.partition("/api/")[0] + "/api/regions")
    duration = page.evaluate(FIND, source)
    # With sound, Chromium adds the time before the first picture to the length: less than a picture's.
    assert CUT.duration_us / SECOND_US - 0.001 <= duration < CUT.duration_us / SECOND_US + 0.04
    assert strip_ms(page, None) == FIRST_MS
    assert strip_ms(page, 0) == FIRST_MS
    assert strip_ms(page, 2.5) == 3800
    assert strip_ms(page, 1.0) == 2280
    assert strip_ms(page, duration) == LAST_MS
    times = page.evaluate(PLAY)
    assert max(times) == pytest.approx((LAST_MS - 1310) / 1000, abs=0.002)
    assert strip_ms(page, None) == LAST_MS
