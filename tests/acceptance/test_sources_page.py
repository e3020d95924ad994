"""The page of sources in a real Chromium, beside a recorder of cameras that we did not write.

What the page shows is held against what machines are told by /readyz and people by ``jianzheng status``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from playwright.sync_api import Browser, Page, Route, expect

from tests.acceptance.conftest import jianzheng
from tests.integration.test_capture_peers import PASSWORD, Cameras, end, start
from tests.support.peers import REPOSITORY, free_port

SOURCES = {
    "room": ("room", "开标厅全景", "Hall camera"),  # H.264 and AAC
    "g711u": ("screen", "开标厅大屏", "Hall screen"),  # H.264 and G.711
    "seat-h265": ("seat_face", "评标席", "Seat"),
    "mjpeg": ("screen", "旧摄像机", "Old camera"),
}
FAST = {
    "JIANZHENG_RING__SEGMENT_SECONDS": "3",
    "JIANZHENG_RING__RESERVE_BYTES": "1000000",
    "JIANZHENG_CAPTURE__RETRY_SECONDS": "0.2",
    "JIANZHENG_CAPTURE__RETRY_MAX_SECONDS": "0.5",
}
PICTURE = """video => {
    const canvas = document.createElement('canvas'); canvas.width = 64; canvas.height = 36;
    const context = canvas.getContext('2d'); context.drawImage(video, 0, 0, 64, 36);
    const grey = context.getImageData(0, 0, 64, 36).data.filter((_, i) => i % 4 === 1);
    return { time: video.currentTime, width: video.videoWidth, greys: new Set(grey).size,
             frames: video.getVideoPlaybackQuality().totalVideoFrames };
}"""


@dataclass(frozen=True, kw_only=True)
class Centre:
    """A recorder, its server and the cameras before it."""

    cameras: Cameras
    home: Path
    url: str
    recorder: subprocess.Popen[bytes]

    def ready(self) -> tuple[int, dict[str, Any]]:
        answer = httpx.get(f"{self.url}/readyz")
        return answer.status_code, answer.json()

    def missing(self) -> dict[str, str]:
        return {one["source_id"]: one["shortfall"] for one in self.ready()[1]["missing"]}

    def overview(self) -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{self.url}/api/sources").json()
        return found

    def status(self) -> tuple[int, dict[str, Any]]:
        done = jianzheng("status", "--json", environment=self.environment, timeout=60)
        return done.returncode, json.loads(done.stdout)

    @property
    def environment(self) -> dict[str, str]:
        return environment(self.home)


def environment(home: Path) -> dict[str, str]:
    return {**FAST, "JIANZHENG_CAMERAS": str(home / "cameras.yaml"), "JIANZHENG_DATA_DIR": str(home / "data")}


def eventually(condition: Callable[[], Any], seconds: float = 40) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.2)
    return found


def write_cameras(home: Path, port: int) -> None:
    sources = [
        {
            "id": name,
            "content_kind": kind,
            "uri": f"rtsp://127.0.0.1:{port}/{name}",
            "username": "admin",
            "password": PASSWORD,
            "label_zh": label_zh,
            "label_en": label_en,
            "seat": "seat-01" if kind.startswith("seat_") else None,
        }
        for name, (kind, label_zh, label_en) in SOURCES.items()
    ]
    room = {
        "id": "R",
        "kind": "opening_hall",
        "name_zh": "第1开标厅",
        "name_en": "Hall 1",
        "seats": [{"id": "seat-01", "ordinal": 1}],
        "sources": sources,
    }
    site = {"id": "S", "region": "530602", "name_zh": "样例中心", "name_en": "Sample", "rooms": [room]}
    (home / "cameras.yaml").write_text(yaml.safe_dump({"sites": [site]}), encoding="utf-8")


@contextmanager
def running(home: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command of ours as a process; killed if it does not end when asked to."""
    command = [sys.executable, "-c", "from cli.main import main; main()", *arguments]
    with (home / f"{arguments[0]}.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, env={**os.environ, **environment(home)}, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    """Four cameras that are recorded well, with two sealed segments of each."""
    home = tmp_path_factory.mktemp("centre")
    cameras = start(home)
    write_cameras(home, cameras.port)
    port = free_port()
    with running(home, "capture", "--as", "tester") as recorder:
        eventually((home / "data" / "catalogue.sqlite").exists)
        with running(home, "serve", "--without-accounts", "--port", str(port)):
            url = f"http://127.0.0.1:{port}"
            with httpx.Client(transport=httpx.HTTPTransport(retries=20), base_url=url, timeout=20) as client:
                client.get("/healthz").raise_for_status()
            made = Centre(cameras=cameras, home=home, url=url, recorder=recorder)
            eventually(lambda: made.ready()[0] == 200)
            eventually(lambda: all(one["newest_segment"] for one in made.overview()["sources"]))
            yield made
    end(cameras)


@pytest.fixture(scope="module")
def page(centre: Centre, browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 800}, locale="zh-CN", base_url=centre.url)
    yield page
    page.close()


def test_healthy_sources_are_shown_in_words_with_figures_and_units(centre: Centre, page: Page) -> None:
    page.goto("/")
    page.get_by_test_id("nav-sources").click()
    for name, (_, label, _) in SOURCES.items():
        card = page.get_by_test_id(f"source-{name}")
        expect(card).to_contain_text(label)
        expect(card.get_by_test_id("state")).to_have_text("录制中")
        expect(card.get_by_test_id("bit-rate")).to_have_text(re.compile(r"码率\s*[\d.]+ [kM]bit/s"))
        expect(card.get_by_test_id("frame-rate")).to_have_text(re.compile(r"帧率\s*[\d.]+ 帧/秒"))
        expect(card.get_by_test_id("clock")).to_have_text(re.compile(r"时钟偏差\s*[+-][\d.]+ m?s"))
        expect(card.get_by_test_id("last-frame")).to_have_text(re.compile(r"最近画面\s*\d s 前"))
    expect(page.get_by_test_id("alarm")).to_have_count(0)
    expect(page.get_by_test_id("tile-wanted")).to_contain_text("4 / 4")
    expect(page.get_by_test_id("tile-disk")).to_contain_text("写满")
    code, told = centre.status()
    assert (code, told["ready"]) == (0, True)


def test_stills_show_the_cameras_pictures(page: Page) -> None:
    page.goto("/sources")
    still = page.get_by_test_id("source-room").locator("canvas")
    expect(still).to_be_visible(timeout=20_000)
    greys = """canvas => new Set(canvas.getContext('2d')
        .getImageData(0, 0, canvas.width, canvas.height).data.filter((_, i) => i % 4 === 1)).size"""
    assert still.evaluate(greys) > 50
    expect(page.get_by_test_id("source-seat-h265")).to_contain_text("不能显示 H.265", timeout=20_000)


@pytest.mark.parametrize(("name", "width"), [("room", 1280), ("g711u", 640)])
def test_a_recording_of_the_sample_footage_plays(page: Page, name: str, width: int) -> None:
    page.goto(f"/sources/{name}")
    video = page.get_by_test_id("video")
    page.get_by_test_id("video-play").click()
    page.wait_for_function(
        "() => document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames > 5"
    )
    first = video.evaluate(PICTURE)
    page.wait_for_function(
        "time => document.querySelector('video').currentTime > time + 0.5", arg=first["time"]
    )
    later = video.evaluate(PICTURE)
    assert (first["width"], later["width"]) == (width, width)
    assert later["time"] > first["time"]
    assert later["frames"] > first["frames"]
    assert min(first["greys"], later["greys"]) > 30
    expect(page.get_by_test_id("video-trouble")).to_have_count(0)
    assert abs(shown_us(page) - time.time() * 1e6) < 3600e6


def shown_us(page: Page) -> float:
    """The Beijing time beside the picture, as wall time."""
    text = page.get_by_test_id("video-time").inner_text()
    return datetime.fromisoformat(f"{text}+08:00").timestamp() * 1e6


def test_h265_is_said_in_words_instead_of_a_black_picture(page: Page) -> None:
    page.goto("/sources/seat-h265")
    expect(page.get_by_test_id("video-trouble")).to_contain_text("此浏览器不能显示 H.265 画面")
    expect(page.get_by_test_id("video-trouble")).to_contain_text("录像本身完好")


def test_mjpeg_is_said_in_words_and_its_recording_can_be_downloaded(centre: Centre, page: Page) -> None:
    """No browser plays it in MP4: to try another one is no remedy. What was recorded stays on the axis."""
    page.goto("/sources/mjpeg")
    trouble = page.get_by_test_id("video-trouble")
    expect(trouble).to_contain_text("此浏览器不能显示 MJPEG 画面")
    expect(trouble).to_contain_text("归档后可以在此回放")
    expect(trouble).not_to_contain_text("请换用能播放")
    expect(page.locator(".plot rect.recorded").first).to_be_attached()
    with page.expect_download() as download:
        page.get_by_test_id("video-download").click()
    data = Path(download.value.path()).read_bytes()
    sealed = httpx.get(f"{centre.url}/api/sources/mjpeg").json()["segments"]
    assert hashlib.sha256(data).hexdigest() in {one["sha256"] for one in sealed}


def test_a_recording_is_judged_by_itself_not_by_what_its_source_sends_now(page: Page) -> None:
    """A recorder that was started again knows no codec of a lost source: nothing is broken by that."""

    def forget(route: Route) -> None:
        answer = route.fetch()
        detail = answer.json()
        detail["source"]["codec"] = ""
        route.fulfill(response=answer, json=detail)

    page.route("**/api/sources/mjpeg?*", forget)
    page.goto("/sources/mjpeg")
    expect(page.get_by_test_id("video-trouble")).to_contain_text("此浏览器不能显示 MJPEG 画面")
    page.unroute("**/api/sources/mjpeg?*")


@pytest.mark.parametrize("width", [1280, 800])
@pytest.mark.parametrize("path", ["/sources", "/sources/room"])
def test_nothing_is_cut_off_in_either_language(page: Page, path: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 600})
    page.goto(path)
    for words in ("来源", "ources"):
        expect(page.get_by_text(words).first).to_be_visible()
        expect(page.get_by_test_id("last-frame").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.get_by_test_id("language").click()
    page.set_viewport_size({"width": 1280, "height": 800})


def test_a_source_that_breaks_is_named_and_its_gap_stays(centre: Centre, page: Page) -> None:
    page.goto("/sources")
    centre.cameras.tell("off g711u")
    alarm = page.get_by_test_id("alarm")
    expect(alarm).to_contain_text("1 个来源应录未录", timeout=30_000)
    expect(alarm).to_contain_text("开标厅大屏")
    card = page.get_by_test_id("source-g711u")
    expect(card).to_have_attribute("data-recorded", "false")
    expect(card.get_by_test_id("bit-rate")).to_contain_text("—")
    expect(page.get_by_test_id("source-room").get_by_test_id("state")).to_have_text("录制中")
    status, body = centre.ready()
    assert (status, [one["source_id"] for one in body["missing"]]) == (503, ["g711u"])
    code, told = centre.status()
    assert (code, [one["id"] for one in told["sources"] if not one["recorded"]]) == (1, ["g711u"])

    centre.cameras.tell("on g711u")
    expect(alarm).to_have_count(0, timeout=40_000)
    assert eventually(lambda: centre.ready()[0] == 200)
    card.click()
    gaps = page.get_by_test_id("gaps")
    gap = gaps_of(centre, "g711u")[-1]
    words = {"camera_lost": "摄像机断开", "refused": "来源拒绝连接"}[gap["cause"]]
    eventually(lambda: segment_at(centre, "g711u", gap["start_us"] - 3_000_000))
    gaps.locator("tr", has_text=words).get_by_role("button").click()
    page.wait_for_function("() => document.querySelector('video').videoWidth > 0")
    page.wait_for_function("() => document.querySelector('video').currentTime > 0")
    expect(page.get_by_test_id("video-time")).to_be_visible()
    assert eventually(lambda: gap["start_us"] - 5_000_000 < shown_us(page) < gap["start_us"] + 1_000_000)


def gaps_of(centre: Centre, source_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.get(f"{centre.url}/api/sources/{source_id}").json()["gaps"]
    return found


def segment_at(centre: Centre, source_id: str, at_us: int) -> bool:
    query = {"start_us": at_us, "end_us": at_us + 1}
    return bool(httpx.get(f"{centre.url}/api/sources/{source_id}", params=query).json()["segments"])


def test_a_recorder_that_is_killed_does_not_stay_healthy_on_any_side(centre: Centre, page: Page) -> None:
    """It changes nothing in the catalogue any more, so nobody is told: the page has to ask."""
    page.goto("/sources")
    expect(page.get_by_test_id("alarm")).to_have_count(0)
    centre.recorder.send_signal(signal.SIGKILL)
    expect(page.get_by_test_id("alarm-recorder")).to_be_visible(timeout=40_000)
    expect(page.get_by_test_id("alarm")).to_contain_text("4 个来源应录未录")
    expect(page.get_by_test_id("tile-recorder")).to_contain_text("无响应")
    assert centre.missing() == dict.fromkeys(SOURCES, "silent")
    assert centre.ready()[0] == 503
    assert centre.status()[0] == 1
