"""How quickly and how closely the replay wall follows: nine panes over archived footage, in Chromium.

The footage is what an evaluation of one panorama, four faces and four desktops is archived as, by the rules
that are shipped (AV1; key frames every ten and twenty seconds), and every picture carries its time. Server
and browser run on this machine. Measured are, of several takes each:

- from opening the page's address to the first picture in every pane;
- at 1x, how far the panes are apart: by the times read from pixels of screenshots, where a picture stands for
  the time from its capture to the next one's;
- from a seek anywhere into the footage to the picture of that moment in every pane;
- at 16x, how many different pictures a second the pane with the fewest shows, and the speed that was reached.

Prints a table; the last line is one JSON object.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # the sample's month of tests is replayed here, too

import cv2
import numpy as np
from playwright.sync_api import Page, sync_playwright
from rich.console import Console
from rich.table import Table

from kernel.clock import SECOND_US
from kernel.model.source import ContentKind
from kernel.timerange import TimeRange
from simulator import timestrip
from tests.acceptance.test_replay_wall import CHROMIUM_FLAGS
from tests.support.archived_footage import Footage, Look
from tests.support.peers import chromium
from tests.support.people import Served, served

SESSION, ACCOUNT, PANES = "P01-E", "s-zj-1", 9
LENGTH_US = 180 * SECOND_US
CAMERA = Look(width=640, height=360, fps=25, kind=ContentKind.SEAT_FACE)
DESKTOP = Look(width=1280, height=720, fps=5, kind=ContentKind.SEAT_DESKTOP)
OPENINGS, SEEKS, LOOKS, FAST_SECONDS = 9, 40, 40, 8
SEED = 7
SEEK = """us => new Promise(done => {
    const from = performance.now()
    window.__wall.seekTo(us)
    const shown = ({ sourceId, frameUs }) =>
        frameUs !== null && frameUs <= us + 1000 && frameUs > us - (sourceId.endsWith('-D') ? 201000 : 41000)
    const look = () => {
        if (window.__wall.panes().every(shown)) done(performance.now() - from)
        else requestAnimationFrame(look)
    }
    requestAnimationFrame(look)
})"""
FIRST = """() => new Promise(done => {
    const look = () => {
        const panes = window.__wall?.panes() ?? []
        if (panes.length && panes.every(one => one.state === 'playing')) done(performance.now())
        else requestAnimationFrame(look)
    }
    look()
})"""
FAST = """([us, seconds]) => new Promise(done => {
    const wall = window.__wall
    const seen = new Map(wall.panes().map(one => [one.sourceId, new Set()]))
    wall.seekTo(us)
    wall.setRate(16)
    wall.play()
    const from = performance.now()
    const look = () => {
        for (const one of wall.panes()) if (one.frameUs !== null) seen.get(one.sourceId).add(one.frameUs)
        const took = (performance.now() - from) / 1000
        if (took < seconds) return requestAnimationFrame(look)
        wall.pause()
        wall.setRate(1)
        const pictures = [...seen.values()].map(one => one.size / took)
        done({ speed: (wall.positionUs() - us) / 1e6 / took, pictures })
    }
    requestAnimationFrame(look)
})"""


@contextmanager
def wall_of(directory: Path) -> Iterator[tuple[Served, TimeRange]]:
    """The session, served, with nine panes' footage somewhere in its middle."""
    with served(directory, "19 12:00") as server:
        clips = [one for own in server.month.clips(SESSION).values() for one in own]
        start_us = clips[0].wall.start_us + 600 * SECOND_US
        length = TimeRange(start_us=start_us, end_us=start_us + LENGTH_US)
        Footage(server.month, directory).give(SESSION, length, camera=CAMERA, desktop=DESKTOP)
        yield server, length


def only_nine(page: Page) -> None:
    """The session has eleven sources: the last two are left out of the server's answer."""

    def fewer(route: Any) -> None:
        answer = route.fetch()
        told = answer.json()
        sources = list(dict.fromkeys(one["source"]["id"] for one in told["clips"]))[:PANES]
        told["clips"] = [one for one in told["clips"] if one["source"]["id"] in sources]
        route.fulfill(response=answer, json=told)

    page.route(f"**/api/sessions/{SESSION}", fewer)


def opened(page: Page, at_us: int) -> float:
    """Milliseconds from the address to a picture in every pane."""
    page.goto("about:blank")
    page.goto(f"/sessions/{SESSION}/replay?at={at_us}", wait_until="commit")
    return float(page.evaluate(FIRST))


def apart_ms(page: Page) -> float | None:
    """How far apart the panes of a screenshot are; None where fewer than all could be read."""
    panes = page.evaluate("window.__wall.panes()")
    screen = cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert screen is not None
    spans = []
    for pane in panes:
        rect = {name: round(pane["rect"][name]) for name in ("x", "y", "width", "height")}
        crop = screen[rect["y"] : rect["y"] + rect["height"], rect["x"] : rect["x"] + rect["width"]]
        time_ms = timestrip.read(np.ascontiguousarray(crop, dtype=np.uint8))
        if time_ms is None:
            return None
        fps = DESKTOP.fps if pane["sourceId"].endswith("-D") else CAMERA.fps
        spans.append((time_ms, time_ms + 1000 / fps))
    return max(0.0, max(start for start, _ in spans) - min(end for _, end in spans))


def skews(page: Page, start_us: int) -> list[float]:
    """While it plays at 1x, from a second after its start."""
    page.evaluate(
        "us => { window.__wall.seekTo(us); window.__wall.setRate(1); window.__wall.play() }", start_us
    )
    page.wait_for_function("us => window.__wall.positionUs() > us", arg=start_us + 2 * SECOND_US)
    found = [apart_ms(page) for _ in range(LOOKS)]
    page.evaluate("window.__wall.pause()")
    return [one for one in found if one is not None]


def percentile(values: list[float], share: float) -> float:
    return float(np.percentile(values, 100 * share))


def measured(page: Page, wall: TimeRange) -> dict[str, Any]:
    random = Random(SEED)
    moments = [
        random.randrange(wall.start_us + SECOND_US, wall.end_us - 20 * SECOND_US) for _ in range(SEEKS)
    ]
    first = [opened(page, moment) for moment in moments[:OPENINGS]]
    apart = skews(page, wall.start_us + 10 * SECOND_US)
    seeks = []
    for moment in moments:
        seeks.append(float(page.evaluate(SEEK, moment)))
        page.wait_for_timeout(500)
    fast = page.evaluate(FAST, [wall.start_us + 5 * SECOND_US, FAST_SECONDS])
    return {
        "replay_first_ms": round(median(first)),
        "replay_first_worst_ms": round(max(first)),
        "replay_skew_p95_ms": round(percentile(apart, 0.95), 1),
        "replay_skew_max_ms": round(max(apart), 1),
        "replay_looks": len(apart),
        "seek_p95_ms": round(percentile(seeks, 0.95)),
        "seek_median_ms": round(median(seeks)),
        "pictures_a_second_at_16x": round(min(fast["pictures"]), 1),
        "speed_at_16x": round(fast["speed"], 1),
    }


def main() -> None:
    """Build, measure, print."""
    with (
        tempfile.TemporaryDirectory() as name,
        wall_of(Path(name)) as (server, wall),
        sync_playwright() as play,
    ):
        browser = play.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)
        page = server.page(browser, ACCOUNT)
        page.set_viewport_size({"width": 1600, "height": 900})
        only_nine(page)
        found = measured(page, wall)
        browser.close()
    table = Table(box=None)
    table.add_column("figure")
    table.add_column("measured", justify="right")
    for key, value in found.items():
        table.add_row(key, str(value))
    Console().print(table)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
