"""How old live pictures are, how soon the first one comes, and what forty watchers do to one process.

Simulated cameras (640x360, 25 pictures a second, a key frame a second, the capture time drawn into each
picture as a strip), a recorder and a page as processes of their own, all on loopback. Chromium shows four
panes; a script in the page copies the strip of what is on the screen ten times a second, with the time at
which it did so, and the strips are read here: the age is the difference. The first picture is counted from
the start of the navigation until all four panes show one, on pages that are opened anew.

Then forty clients watch the same four sources through one server process, read and discard. A stall is the
longest time between two fragments of one stream; memory is the resident set of the server. Reads ``/proc``,
so it runs on Linux. Prints a table; the last line is one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import websockets
from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))  # the centre of the tests is started here, too

from kernel.model.source import ContentKind
from simulator import timestrip
from simulator.source import SimulatedSource
from tests.support.live_centre import LiveCentre, Room, live_centre
from tests.support.peers import chromium

PANES = 4
WARM_SECONDS = 8
SECONDS = 30
OPENINGS = 5
WATCHERS = 40
WATCH_SECONDS = 30
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--autoplay-policy=no-user-gesture-required"]
COPY_STRIPS = """() => {
  const taken = window.__strips = [], canvas = document.createElement('canvas')
  const paint = canvas.getContext('2d', { willReadFrequently: true })
  window.__copying = setInterval(() => document.querySelectorAll('video').forEach((video, pane) => {
    if (video.readyState < 2) return
    const width = canvas.width = video.videoWidth, height = canvas.height = Math.ceil(video.videoHeight / 15)
    const atMs = performance.timeOrigin + performance.now()
    paint.drawImage(video, 0, 0)
    const rgba = paint.getImageData(0, 0, width, height).data, rows = []
    for (let row = 0; row < 2; row += 1) for (let column = 0; column < 32; column += 1) {
      const y = Math.floor((row + 0.5) * height / 2), x = Math.floor((column + 0.5) * width / 32)
      rows.push(rgba[4 * (y * width + x) + 1])
    }
    taken.push({ pane, atMs, rows })
  }), 100)
}"""


@dataclass(kw_only=True)
class Stream:
    """One source of one watcher."""

    first: Callable[[], None] = lambda: None
    last_s: float | None = None
    longest_s: float = 0.0
    fragments: int = 0

    def came(self) -> None:
        now_s = time.monotonic()
        if self.last_s is None:
            self.first()
        else:
            self.longest_s = max(self.longest_s, now_s - self.last_s)
        self.last_s = now_s
        self.fragments += 1


@dataclass(kw_only=True)
class Crowd:
    """What forty watchers saw."""

    stall_ms: float = 0.0
    grown_mb: float = 0.0
    fragments_s: float = 0.0
    megabits_s: float = 0.0
    dropped: int = 0
    bytes: int = 0
    opening_s: float = 0.0  # until all have their first picture
    streams: list[Stream] = field(default_factory=list)
    complete: asyncio.Event = field(default_factory=asyncio.Event)  # all are on record and have a picture

    def one_came(self) -> None:
        if sum(one.last_s is not None for one in self.streams) >= WATCHERS * PANES - 1:
            self.complete.set()


def rooms() -> list[Room]:
    def camera(number: int) -> SimulatedSource:
        return SimulatedSource(
            id=f"cam-{number}",
            content_kind=ContentKind.ROOM,
            label_zh=f"全景 {number}",
            width=640,
            height=360,
            fps=25,
            seed=number,
        )

    return [Room(id=f"R{number}", kind="opening_hall", sources=(camera(number),)) for number in range(PANES)]


def all_play(page: Page) -> None:
    page.wait_for_function(
        "count => window.__live?.panes().filter(one => one.state === 'playing').length >= count",
        arg=PANES,
        polling=20,
    )


def opened(browser: Browser, address: str) -> tuple[Page, float]:
    """A page of its own, and milliseconds from its navigation to a picture in every pane."""
    page = browser.new_page(viewport={"width": 1366, "height": 768}, locale="zh-CN")
    page.goto(f"{address}/live", wait_until="commit")
    all_play(page)
    return page, float(page.evaluate("performance.now()"))


def strip_time_ms(rows: Sequence[int]) -> int | None:
    """What a strip says, by the middles of its 64 cells."""
    picture = np.repeat(np.repeat(np.array(rows, np.uint8).reshape(2, 32), 20, axis=1), 12, axis=0)
    whole = np.zeros((360, 640), np.uint8)
    whole[:24] = picture
    return timestrip.read(whole)


def ages(page: Page) -> list[float]:
    """Of all pictures that were looked at, milliseconds."""
    page.wait_for_timeout(WARM_SECONDS * 1000)
    page.evaluate(COPY_STRIPS)
    page.wait_for_timeout(SECONDS * 1000)
    page.evaluate("clearInterval(window.__copying)")
    taken: list[dict[str, Any]] = page.evaluate("window.__strips")
    read = [(one["atMs"], strip_time_ms(one["rows"])) for one in taken]
    found = [at_ms - told_ms for at_ms, told_ms in read if told_ms is not None]
    if len(found) < 0.8 * len(taken) or len(found) < SECONDS * PANES * 4:
        raise SystemExit(f"only {len(found)} of {len(taken)} strips could be read")
    return found


def at_share(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


async def tell(line: websockets.ClientConnection, got: list[int]) -> None:
    """Say five times a second what has arrived, as the page does."""
    told = 0
    while True:
        await asyncio.sleep(0.2)
        if got[0] != told:
            told = got[0]
            await line.send(json.dumps({"do": "got", "bytes": told}))


async def watch(address: str, crowd: Crowd, over: asyncio.Event) -> None:
    """One watcher of all panes: reads and discards."""
    url = address.replace("http", "ws") + "/api/live"
    streams = {pane: Stream(first=crowd.one_came) for pane in range(PANES)}
    crowd.streams += streams.values()
    got = [0]
    async with websockets.connect(url, compression=None, max_size=None, open_timeout=30) as line:
        for pane in streams:
            order = {"do": "subscribe", "pane": pane, "source_id": f"cam-{pane}", "plays": ["avc1"]}
            await line.send(json.dumps(order))
        telling = asyncio.create_task(tell(line, got))
        while not over.is_set():
            message = await line.recv()
            if isinstance(message, str):
                crowd.dropped += json.loads(message)["say"] == "dropped"
                continue
            got[0] += len(message)
            crowd.bytes += len(message)
            if message[0] == 2:
                streams[int.from_bytes(message[2:4], "big")].came()
        telling.cancel()


async def crowd_of_watchers(centre: LiveCentre) -> Crowd:
    crowd, pid, over = Crowd(), centre.server.process.pid, asyncio.Event()
    watchers = [asyncio.create_task(watch(centre.address, crowd, over)) for _ in range(WATCHERS)]
    begun_s = time.monotonic()
    await asyncio.wait_for(crowd.complete.wait(), 120)
    crowd.opening_s = time.monotonic() - begun_s
    await asyncio.sleep(WARM_SECONDS)
    before_mb, before_bytes = resident_mb(pid), crowd.bytes
    for stream in crowd.streams:
        stream.longest_s, stream.fragments = 0.0, 0
    await asyncio.sleep(WATCH_SECONDS)
    crowd.grown_mb = resident_mb(pid) - before_mb
    crowd.fragments_s = sum(one.fragments for one in crowd.streams) / WATCH_SECONDS
    crowd.megabits_s = (crowd.bytes - before_bytes) * 8 / 1e6 / WATCH_SECONDS
    crowd.stall_ms = max(one.longest_s for one in crowd.streams) * 1000
    if any(one.fragments == 0 for one in crowd.streams):
        crowd.stall_ms = WATCH_SECONDS * 1000.0
    over.set()
    await asyncio.gather(*watchers)
    return crowd


def measured(centre: LiveCentre) -> dict[str, float]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        firsts = []
        for _ in range(OPENINGS):
            page, first_ms = opened(browser, centre.address)
            firsts.append(first_ms)
            page.close()
            time.sleep(7)  # until the recorder has forgotten that somebody watched
        page, _ = opened(browser, centre.address)
        found = ages(page)
        browser.close()
    crowd = asyncio.run(crowd_of_watchers(centre))
    return {
        "live_age_p95_ms": round(at_share(found, 0.95)),
        "live_age_p50_ms": round(at_share(found, 0.5)),
        "live_age_max_ms": round(max(found)),
        "live_first_ms": round(median(firsts)),
        "live_first_max_ms": round(max(firsts)),
        "watchers_stall_ms": round(crowd.stall_ms),
        "watchers_memory_growth_mb": round(crowd.grown_mb, 1),
        "watchers_fragments_s": round(crowd.fragments_s),
        "watchers_mbit_s": round(crowd.megabits_s),
        "watchers_dropped_groups": crowd.dropped,
        "watchers_opening_s": round(crowd.opening_s, 1),
    }


def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="bench-live-") as directory,
        live_centre(Path(directory), rooms()) as centre,
    ):
        figures = measured(centre)
    table = Table(title="live", title_justify="left", show_header=False, box=None)
    for name, value in figures.items():
        table.add_row(name, f"{value:g}")
    Console().print(table)
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
