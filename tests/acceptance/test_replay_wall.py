"""The replay wall in a real Chromium, on a demo's archive: what a supervisor sees is read from the pixels."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from simulator import timestrip
from simulator.source import DEFAULT_CENTRE
from tests.acceptance.conftest import FinishedDemo
from tests.support.peers import REPOSITORY, free_port

FRAME_MS = {source.id: 1000 / source.fps for source in DEFAULT_CENTRE}


@pytest.fixture(scope="module")
def address(demo: FinishedDemo) -> Iterator[str]:
    """The demo's page, served by ``jianzheng serve``."""
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
    environment = {**os.environ, **demo.environment}
    with subprocess.Popen(command, cwd=REPOSITORY, env=environment) as server:
        url = f"http://127.0.0.1:{port}"
        transport = httpx.HTTPTransport(retries=20)
        with httpx.Client(transport=transport, base_url=url, timeout=10) as client:
            client.get("/api/regions").raise_for_status()
        yield url
        server.terminate()


@pytest.fixture(scope="module")
def page(address: str, browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1440, "height": 900}, locale="zh-CN", base_url=address)
    yield page
    page.close()


@pytest.fixture(scope="module")
def session(address: str, demo: FinishedDemo) -> dict[str, Any]:
    """The evaluation of the demo's project, as the API tells it."""
    project = httpx.get(f"{address}/api/projects/{demo.report['project']}").json()
    found: dict[str, Any] = next(one for one in project["sessions"] if one["phase"] == "evaluation")
    return found


@pytest.fixture
def wall(page: Page, session: dict[str, Any]) -> Page:
    """The session's wall, with pictures in all panes."""
    page.goto(f"/sessions/{session['id']}/replay")
    page.wait_for_function("window.__wall && window.__wall.panes().length === 6")
    # Half a second behind the start: pictures begin with their first frame, not with the clip.
    seek(page, session["clips"][0]["start_us"] + 1_000_000)
    return page


def seek(page: Page, wall_us: int) -> None:
    """Move the clock and wait until no pane is looking for its picture."""
    page.evaluate("us => window.__wall.seekTo(us)", wall_us)
    settled = """us => window.__wall.panes().every(pane =>
        pane.state === 'gap' || (pane.frameUs !== null && Math.abs(pane.frameUs - us) < 250000))"""
    page.wait_for_function(settled, arg=wall_us)


@dataclass(frozen=True)
class Look:
    """What was on the screen at one moment."""

    strips_ms: dict[str, int]  # by source; those that could be read
    states: dict[str, str]


def look(page: Page) -> Look:
    """Take a screenshot and read the time in every pane's picture."""
    panes = page.evaluate("window.__wall.panes()")
    screen = cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert screen is not None
    strips = {}
    for pane in panes:
        rect = {name: round(pane["rect"][name]) for name in ("x", "y", "width", "height")}
        crop = screen[rect["y"] : rect["y"] + rect["height"], rect["x"] : rect["x"] + rect["width"]]
        time_ms = timestrip.read(np.ascontiguousarray(crop, dtype=np.uint8))
        if time_ms is not None:
            strips[pane["sourceId"]] = time_ms
    return Look(strips_ms=strips, states={pane["sourceId"]: pane["state"] for pane in panes})


def skew_ms(strips_ms: dict[str, int]) -> float:
    """How far apart the panes are: zero if there is a moment at which all these pictures were current.

    A picture stands for the time from its capture to the next one's, so that cameras of different frame rates
    are not taken for late.
    """
    latest_start = max(strips_ms.values())
    earliest_end = min(time_ms + FRAME_MS[source] for source, time_ms in strips_ms.items())
    return max(0.0, latest_start - earliest_end)


def come_into_step(wall: Page, allowed_ms: float) -> dict[str, int]:
    """Look until the panes that show a picture are in step; how soon, a busy machine decides."""
    apart = []
    for _ in range(40):
        shown = look(wall).strips_ms
        if len(shown) >= 4:
            apart.append(skew_ms(shown))
            if apart[-1] <= allowed_ms:
                return shown
        wall.wait_for_timeout(300)
    raise AssertionError(f"the panes never came within {allowed_ms:g} ms of each other: {apart}")


def test_panes_play_within_100_ms_of_each_other(wall: Page) -> None:
    wall.evaluate("window.__wall.setRate(1)")
    wall.get_by_test_id("play").click()
    first = come_into_step(wall, 100)
    wall.wait_for_timeout(3000)
    later = come_into_step(wall, 100)
    wall.evaluate("window.__wall.pause()")
    assert min(later.values()) - max(first.values()) > 1000  # and they play


@pytest.mark.parametrize("into_us", [5_000_000, 22_000_000, 43_000_000])
def test_a_seek_shows_the_pictures_of_that_moment(wall: Page, session: dict[str, Any], into_us: int) -> None:
    target_us = session["clips"][0]["start_us"] + into_us
    seek(wall, target_us)
    shown = look(wall).strips_ms
    assert len(shown) >= 5
    for source, time_ms in shown.items():
        assert -10 <= target_us / 1000 - time_ms <= FRAME_MS[source] + 10, source


def test_a_gap_is_shown_as_a_gap_never_as_a_frozen_picture(wall: Page, session: dict[str, Any]) -> None:
    clip = next(one for one in session["clips"] if one["gaps"])
    source, gap = clip["source"]["id"], clip["gaps"][0]
    seek(wall, gap["start_us"] - 1_500_000)
    assert source in look(wall).strips_ms
    wall.get_by_test_id("play").click()
    expect(wall.get_by_test_id(f"pane-gap-{source}")).to_be_visible(timeout=10_000)
    wall.wait_for_timeout(500)
    inside = look(wall)
    assert inside.states[source] == "gap"
    assert source not in inside.strips_ms
    assert len(inside.strips_ms) >= 4  # the others go on
    expect(wall.get_by_test_id(f"pane-gap-{source}")).to_contain_text("缺口")
    # Behind the gap the picture comes back, of the right time.
    expect(wall.get_by_test_id(f"pane-gap-{source}")).to_be_hidden(timeout=20_000)
    after = come_into_step(wall, 100)
    wall.evaluate("window.__wall.pause()")
    assert after[source] * 1000 >= gap["end_us"] - 1000


@pytest.mark.parametrize("rate", [0.5, 2, 4, 8, 16])
def test_the_clock_keeps_the_chosen_speed_and_panes_stay_together(
    wall: Page, session: dict[str, Any], rate: float
) -> None:
    wall.evaluate("rate => window.__wall.setRate(rate)", rate)
    before = wall.evaluate("window.__wall.positionUs()")
    wall.get_by_test_id("play").click()
    # Above 4x the panes may step by key frames, which are five seconds apart.
    come_into_step(wall, 100 * max(1, rate) if rate <= 4 else 5_100)
    after = wall.evaluate("window.__wall.positionUs()")
    wall.evaluate("window.__wall.pause()")
    assert after > before


@pytest.mark.parametrize("rate", [4, 8, 16])
def test_the_wall_reaches_its_end_at_every_speed_and_plays_on_after_a_seek(
    wall: Page, session: dict[str, Any], rate: int
) -> None:
    """No key frame comes after the last one: whoever waits for it waits for ever."""
    end_us = max(clip["end_us"] for clip in session["clips"])
    wall.evaluate("rate => window.__wall.setRate(rate)", rate)
    wall.get_by_test_id("play").click()
    wall.wait_for_function("us => window.__wall.positionUs() >= us", arg=end_us, timeout=60_000)
    expect(wall.get_by_test_id("wall-status")).to_contain_text("已到结尾")
    seek(wall, session["clips"][0]["start_us"] + 5_000_000)
    wall.evaluate("window.__wall.play()")
    wall.wait_for_function(
        "us => window.__wall.positionUs() >= us",
        arg=session["clips"][0]["start_us"] + 9_000_000,
        timeout=30_000,
    )
    wall.evaluate("window.__wall.pause()")


def test_what_was_fetched_afterwards_is_marked_on_the_axis_and_at_the_pane(
    page: Page, session: dict[str, Any]
) -> None:
    """Invariant 5. The demo's cameras keep nothing: the server's answer is given a back-filled part."""
    clip = next(one for one in session["clips"] if not one["gaps"])
    source, start_us = clip["source"]["id"], clip["start_us"] + 5_000_000
    part = {"start_us": start_us, "end_us": start_us + 10_000_000, "cause": "network", "detail": "x"}
    told = [{**one, "backfilled": [part]} if one["id"] == clip["id"] else one for one in session["clips"]]
    address = f"**/api/sessions/{session['id']}"
    page.route(address, lambda route: route.fulfill(json={**session, "clips": told}))
    page.goto(f"/sessions/{session['id']}/replay")
    page.wait_for_function("window.__wall && window.__wall.panes().length === 6")
    expect(page.get_by_test_id("legend")).to_contain_text("事后补录")
    marked = page.get_by_test_id("axis-backfilled")
    expect(marked).to_have_count(1)
    fill = marked.evaluate("one => getComputedStyle(one).fill")
    assert fill.startswith("url")  # a texture of its own
    marked.scroll_into_view_if_needed()
    box = marked.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator(".hover")).to_contain_text("事后补录（当时：网络中断）")
    page.evaluate("window.scrollTo(0, 0)")  # a browser draws no video that is out of sight
    seek(page, start_us + 2_000_000)
    expect(page.get_by_test_id(f"pane-backfilled-{source}")).to_be_visible()
    seek(page, start_us + 17_000_000)
    expect(page.get_by_test_id(f"pane-backfilled-{source}")).to_have_count(0)
    page.unroute(address)


@pytest.mark.parametrize(("width", "height"), [(1366, 768), (800, 768)])
def test_no_control_of_the_wall_is_clipped(wall: Page, width: int, height: int) -> None:
    wall.set_viewport_size({"width": width, "height": height})
    outside = """([width, height]) => [...document.querySelectorAll('button, .controls > *')]
        .filter(one => one.checkVisibility())
        .filter(one => { const box = one.getBoundingClientRect();
                         return box.left < 0 || box.right > width || box.bottom > height })
        .map(one => one.outerHTML.slice(0, 120))"""
    for _ in range(2):  # in both languages
        wall.get_by_test_id("language").click()
        assert wall.evaluate(outside, [width, height]) == []
        overlap = (
            "[...document.querySelectorAll('.controls > *')].map(one => one.getBoundingClientRect().toJSON())"
        )
        boxes = wall.evaluate(overlap)
        for one in boxes:
            assert not any(overlapping(one, other) for other in boxes if other is not one)
    wall.set_viewport_size({"width": 1440, "height": 900})


def overlapping(one: dict[str, float], other: dict[str, float]) -> bool:
    beside = one["right"] <= other["left"] + 1 or other["right"] <= one["left"] + 1
    return not beside and one["bottom"] > other["top"] + 1 and other["bottom"] > one["top"] + 1


def test_space_plays_and_pauses_also_after_a_button_was_clicked(wall: Page) -> None:
    wall.get_by_test_id("rate").get_by_text("2×").click()
    wall.keyboard.press("Space")
    expect(wall.get_by_test_id("wall-status")).to_contain_text("同步播放")
    wall.keyboard.press("Space")
    expect(wall.get_by_test_id("wall-status")).to_contain_text("已暂停")


def test_the_project_page_shows_phases_gaps_and_size(page: Page, demo: FinishedDemo) -> None:
    page.goto(f"/projects/{demo.report['project']}")
    for words in ("开标", "专家抽取", "评标", "摄像机断开", "回放"):
        expect(page.get_by_text(words).filter(visible=True).first).to_be_visible()
    page.get_by_test_id("language").click()
    expect(page.get_by_text("Bid evaluation").filter(visible=True).first).to_be_visible()
    page.get_by_test_id("language").click()


def test_the_list_is_narrowed_by_region_industry_and_date(page: Page) -> None:
    page.goto("/?region=530600&industry=A")
    expect(page.get_by_test_id("projects").get_by_text("云杉小学")).to_be_visible()
    page.goto("/?region=150700")
    expect(page.get_by_test_id("empty")).to_be_visible()
    page.goto("/?industry=D")
    expect(page.get_by_test_id("empty")).to_be_visible()


def test_the_page_loads_without_an_error_on_the_console(page: Page) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto("/")
    expect(page.get_by_test_id("projects")).to_be_visible()
    assert said == []
