"""Replay as supervisors and inspectors use it, in a real Chromium: tags, sections, speeds, stills, venues.

The sample's month, with archived footage behind some minutes of it whose pictures carry their time: what is
seen is read from the pixels. Each test names its task.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from catalog.audit import AuditFilter
from kernel.clock import SECOND_US
from kernel.isobmff.reader import read_index, read_init
from kernel.model.audit import AuditRecord
from kernel.model.watching import Seen
from kernel.settings import ArchiveCodec
from simulator import timestrip
from tests.support.archived_footage import CAMERA, DESKTOP, Footage
from tests.support.people import Served, served
from tests.support.sample_month import at, wall

FACE, SCREEN = "ZT-SH1-04-F", "ZT-SH1-04-D"
TAG_US = at("09 11:20")
FRAME_US = SECOND_US // CAMERA.fps
ALL_SHOWN = "window.__wall && window.__wall.panes().every(one => one.state === 'playing')"


@dataclass
class Replayed:
    """A served month with footage, and what was asked of the server."""

    served: Served
    browser: Browser
    _pages: list[Page] = field(default_factory=list)

    def page(self, account: str, address: str, until: str = ALL_SHOWN) -> Page:
        """A window of somebody, with pictures in its panes."""
        page = self.served.page(self.browser, account)
        self._pages.append(page)
        page.goto(address)
        page.wait_for_function(until)
        return page

    def close(self) -> None:
        """All windows."""
        for page in self._pages:
            page.context.close()
        self._pages.clear()

    def chain(self, action: str) -> list[AuditRecord]:
        """Records of the audit chain of an action, in order."""
        return self.served.catalogue.audit.records(AuditFilter(action=action))[::-1]


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Replayed]:
    directory = tmp_path_factory.mktemp("replay")
    with served(directory, "19 12:00") as server:
        footage = Footage(server.month, directory)
        footage.give("P06-E", wall("09 11:19", "09 11:21"), sounding=(FACE,))
        footage.give("P02-E", wall("03 14:04", "03 14:06"))
        for session in ("P03-E1", "P03-E2", "P03-E3"):
            footage.give(session, wall("04 11:00", "04 11:01"))
        _give_parts(server, footage)
        Footage(server.month, tmp_path_factory.mktemp("h264"), ArchiveCodec.H264).give(
            "P10-E", wall("11 10:10", "11 10:11")
        )
        yield Replayed(server, browser)


PARTS = "P04-E"
EVENING, MORNING = wall("05 20:59", "05 21:00"), wall("06 08:31", "06 08:32")


def _give_parts(server: Served, footage: Footage) -> None:
    """A seat of two parts, of which only the second has sound."""
    for clips in server.month.clips(PARTS).values():
        if len(clips) == 2 and clips[0].source_id.endswith("-01-F"):
            for clip, part, sound in zip(clips, (EVENING, MORNING), (False, True), strict=True):
                footage.put(clip, footage.file(CAMERA, part, clip.wall.start_us, sound=sound), CAMERA)


@pytest.fixture
def replay(month: Replayed) -> Iterator[Replayed]:
    yield month
    month.close()


def seek(page: Page, us: int) -> None:
    """Move the clock and wait until every pane shows the picture of that moment."""
    page.evaluate("us => window.__wall.seekTo(us)", us)
    shown = """us => window.__wall.panes().every(one => one.state === 'gap' ||
        (one.frameUs !== null && one.frameUs <= us + 1000 && one.frameUs > us - 400000))"""
    page.wait_for_function(shown, arg=us)


def clock_us(page: Page) -> int:
    return int(page.evaluate("window.__wall.positionUs()"))


def strips_us(page: Page) -> dict[str, int]:
    """Times in the pictures that are wholly on the screen and large enough to be read."""
    screen = cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert screen is not None
    found = {}
    for pane in page.evaluate("window.__wall.panes()"):
        left, top, width, height = (round(pane["rect"][name]) for name in ("x", "y", "width", "height"))
        if width >= 200 and 0 <= top < screen.shape[0] - height:
            crop = np.ascontiguousarray(screen[top : top + height, left : left + width], dtype=np.uint8)
            time_ms = timestrip.read(crop)
            if time_ms is not None:
                found[pane["sourceId"]] = time_ms * 1000
    return found


# --- V8


def test_v8_a_tag_opens_five_seconds_before_with_face_desktop_and_sound_of_its_seat(replay: Replayed) -> None:
    """V8: "Jump in the replay to TAG-05, five seconds before, seat 04 face + desktop + seat sound together".

    Both are large, the others beside them.
    """
    page = replay.page("s-zj-1", "/sessions/P06-E/replay?tag=TAG-05")
    assert clock_us(page) == TAG_US - 5 * SECOND_US
    shown = strips_us(page)
    assert shown[FACE] == shown[SCREEN] == TAG_US - 5 * SECOND_US
    expect(page.get_by_test_id(f"sound-{FACE}")).to_have_attribute("aria-pressed", "true")
    boxes = {one["sourceId"]: one["rect"]["width"] for one in page.evaluate("window.__wall.panes()")}
    assert min(boxes[FACE], boxes[SCREEN]) > 1.3 * max(
        width for source, width in boxes.items() if source not in (FACE, SCREEN)
    )
    expect(page.get_by_test_id("tag-TAG-05")).to_contain_text("04席使用未登记的电子设备")


def test_v8_a_tag_is_gone_to_from_the_axis_the_list_and_by_key(replay: Replayed) -> None:
    page = replay.page("s-zj-1", f"/sessions/P06-E/replay?at={at('09 11:19') + SECOND_US}")
    ways: list[Callable[[], None]] = [
        lambda: page.keyboard.press("n"),
        lambda: page.get_by_test_id("tag-mark-TAG-05").click(),
        lambda: page.get_by_test_id("tag-TAG-05").click(),
        lambda: page.get_by_test_id("tag-on").click(),
    ]
    page.get_by_test_id("tags").click()
    for go in ways:
        seek(page, at("09 11:19") + SECOND_US)
        go()
        page.wait_for_function(f"window.__wall.positionUs() === {TAG_US - 5 * SECOND_US}")
    page.keyboard.press("Escape")
    seek(page, TAG_US + 20 * SECOND_US)
    page.keyboard.press("p")
    page.wait_for_function(f"window.__wall.positionUs() === {TAG_US - 5 * SECOND_US}")


# --- I3


def test_i3_a_section_opens_where_it_began(replay: Replayed) -> None:
    """I3: "Replay P02 by section 2: three-section recording opens at 14:05"."""
    for address in ("/sessions/P02-E/replay?section=2", "/projects/P02/replay?section=2"):
        page = replay.page("i-sj-1", address)
        assert clock_us(page) == at("03 14:05")
        page.locator("[data-testid^='pane-ZT-ER1-0'] .stage").first.dblclick()
        page.wait_for_timeout(300)  # the picture grows
        shown = strips_us(page)
        assert shown
        assert set(shown.values()) == {at("03 14:05")}


# --- V9

WATCHED = """([from, until]) => new Promise(done => {
    const wall = window.__wall
    const seen = new Map()
    const note = () => {
        for (const { sourceId, frameUs } of wall.panes()) {
            if (frameUs === null) continue
            if (!seen.has(sourceId)) seen.set(sourceId, new Set())
            seen.get(sourceId).add(frameUs)
        }
        if (wall.positionUs() < until) return requestAnimationFrame(note)
        wall.pause()
        done([...seen].map(([source, times]) => [source, [...times].sort((a, b) => a - b)]))
    }
    wall.seekTo(from)
    wall.play()
    note()
})"""


@pytest.mark.parametrize("rate", [1, 2, 4, 8, 16])
def test_v9_at_every_speed_panes_show_pictures_of_the_clocks_time(replay: Replayed, rate: int) -> None:
    """V9: "Replay speeds 1/2/4/8/16x". The clock waits for whoever is late, so nothing depends on how fast
    this machine is: at 16x, where a second of the viewer's is 16 of footage, four pictures a second are one
    in four seconds of it."""
    page = replay.page("s-zj-1", f"/sessions/P06-E/replay?at={at('09 11:19') + SECOND_US}")
    page.get_by_test_id("rate").locator(f"[data-rate='{rate}']").click()
    start_us = at("09 11:19") + 5 * SECOND_US
    seen = dict(page.evaluate(WATCHED, [start_us, start_us + 5 * SECOND_US * rate]))
    assert len(seen) == 10
    for source, times in seen.items():
        gaps = np.diff([start_us, *times, start_us + 5 * SECOND_US * rate])
        if rate > 4:
            assert np.median(gaps) <= rate / 4 * SECOND_US, source
        assert len(times) >= 5, source


def test_an_archive_of_h264_is_replayed_in_step_at_each_speed_and_after_a_seek(replay: Replayed) -> None:
    begin_us = at("11 10:10")
    page = replay.page("s-cz-1", f"/sessions/P10-E/replay?at={begin_us + SECOND_US}")
    seek(page, begin_us + 40 * SECOND_US)
    assert {us - begin_us for us in strips_us(page).values()} == {40 * SECOND_US}
    for rate in (1, 8):
        page.get_by_test_id("rate").locator(f"[data-rate='{rate}']").click()
        start_us = begin_us + 5 * SECOND_US
        seen = dict(page.evaluate(WATCHED, [start_us, start_us + 5 * SECOND_US * rate]))
        assert len(seen) == 7
        for source, times in seen.items():
            assert len(times) >= 5, source


def test_v9_a_step_shows_the_very_next_frame_and_back_the_one_before(replay: Replayed) -> None:
    page = replay.page("s-zj-1", "/sessions/P06-E/replay?tag=TAG-05")
    page.keyboard.press("Escape")
    page.locator(f"[data-testid='pane-{FACE}'] .stage").dblclick()
    seek(page, TAG_US + 30_000)  # in the middle of a picture

    def shows(us: int) -> None:
        page.wait_for_function(
            "([source, us]) => window.__wall.panes().find(one => one.sourceId === source).frameUs === us",
            arg=[FACE, us],
        )
        assert strips_us(page)[FACE] == us

    for number in (1, 2, 3):
        page.keyboard.press(".")
        shows(TAG_US + number * FRAME_US)
    for number in (2, 1, 0, -1):  # over a key frame, which is in another fragment
        page.keyboard.press(",")
        shows(TAG_US + number * FRAME_US)
    page.get_by_test_id("frame-on").click()
    shows(TAG_US)


def test_v9_a_still_has_time_camera_project_and_account_and_is_on_record(
    replay: Replayed, tmp_path: Path
) -> None:
    """V9: "still picture with time and camera burned into the *copy* only"."""
    page = replay.page("s-zj-1", "/sessions/P06-E/replay?tag=TAG-05")
    with page.expect_download() as taking:
        page.get_by_test_id(f"still-{FACE}").click()
    name = taking.value.suggested_filename
    assert name == "530600-A-2026-0006_市级分散评标厅04席人像_2026-03-09_11-19-55-000.png"
    taking.value.save_as(tmp_path / "still.png")
    still: Any = cv2.imdecode(np.fromfile(tmp_path / "still.png", np.uint8), cv2.IMREAD_GRAYSCALE)
    height, width = still.shape
    assert width == CAMERA.width
    assert height > CAMERA.height
    band = still[CAMERA.height :]
    assert 0.005 < (band > 200).mean() < 0.3  # letters
    strip = timestrip.read(np.ascontiguousarray(still[: CAMERA.height]))
    assert strip == (TAG_US - 5 * SECOND_US) // 1000
    [record] = replay.chain("watch.still")
    assert (record.principal, record.details["source"]) == ("s-zj-1", FACE)


def test_a_still_that_cannot_be_put_on_record_is_not_made(replay: Replayed) -> None:
    page = replay.page("s-zj-1", "/sessions/P06-E/replay?tag=TAG-05")
    page.route("**/api/watches/*/stills", lambda route: route.fulfill(status=503, json={"detail": "全满"}))
    taken: list[object] = []
    page.on("download", lambda one: taken.append(one))
    page.get_by_test_id(f"still-{FACE}").click()
    expect(page.get_by_role("alert").filter(has_text="未截图")).to_contain_text("全满")
    assert taken == []


# --- V2, several venues


def test_v2_three_venues_are_replayed_side_by_side_on_one_clock(replay: Replayed) -> None:
    """V2: "watch P03 over three venues side by side, same second" - afterwards, as it was."""
    moment = at("04 11:00") + 30 * SECOND_US
    page = replay.page("s-jt-1", f"/sessions/P03-E1/replay?at={moment}")
    page.get_by_test_id("all-venues").click()
    page.wait_for_function(f"window.__wall?.panes().length === 13 && ({ALL_SHOWN})")
    expect(page.get_by_test_id("venue")).to_have_count(3)
    expect(page.get_by_test_id("venue").first).to_contain_text("市级第1远程评标室")
    assert clock_us(page) == moment
    page.wait_for_function("us => window.__wall.panes().every(one => one.frameUs === us)", arg=moment)


# --- what a source is made of


def test_parts_of_a_source_with_and_without_sound_are_both_played(replay: Replayed) -> None:
    """One media source holds one set of tracks: it is built anew where the play head comes to another."""
    page = replay.page("s-sw-1", f"/sessions/{PARTS}/replay", "window.__wall")
    source = next(
        one["sourceId"] for one in page.evaluate("window.__wall.panes()") if one["sourceId"].endswith("-01-F")
    )
    page.locator(f"[data-testid='pane-{source}'] .stage").dblclick()
    for moment in (EVENING.start_us, MORNING.start_us, EVENING.start_us, MORNING.start_us):
        wanted = moment + 20 * SECOND_US
        page.evaluate("us => { window.__wall.seekTo(us); window.__wall.play() }", wanted)
        page.wait_for_function(
            "([source, us]) => window.__wall.panes().find(one => one.sourceId === source).frameUs > us",
            arg=[source, wanted + SECOND_US],
        )
        page.evaluate("window.__wall.pause()")
        exact = "source => { const pane = window.__wall.panes().find(one => one.sourceId === source);"
        page.wait_for_function(
            f"{exact} const late = window.__wall.positionUs() - pane.frameUs;"
            f" return late >= 0 && late < {FRAME_US} }}",
            arg=source,
        )
        assert abs(strips_us(page)[source] - clock_us(page)) <= FRAME_US
        state = page.locator(f"[data-testid='pane-{source}']").get_attribute("data-state")
        assert state == "playing"


def test_a_small_picture_of_the_moment_under_the_pointer_is_shown(replay: Replayed) -> None:
    page = replay.page("s-zj-1", f"/sessions/P06-E/replay?at={TAG_US}")
    head = page.get_by_test_id("playhead").bounding_box()
    assert head is not None
    page.mouse.move(head["x"] + 1, head["y"] + 60)
    small = page.get_by_test_id("thumbnail")
    expect(small).to_be_visible()
    shown_us = int(small.get_attribute("data-us") or 0)
    assert at("09 11:19") <= shown_us <= TAG_US + 20 * SECOND_US
    levels = "one => { const { data } = one.getContext('2d').getImageData(0, 0, one.width, one.height);"
    levels += " return [Math.min(...data), Math.max(...data)] }"
    darkest, brightest = small.locator("canvas").evaluate(levels)
    assert brightest - darkest > 150


# --- invariant 14


def test_watching_is_on_record_before_the_first_byte_and_with_what_was_shown(replay: Replayed) -> None:
    """Invariant 14."""
    asked: list[str] = []
    before = len(replay.chain("watch.opened"))
    page = replay.served.page(replay.browser, "s-zj-1")
    page.on("request", lambda one: asked.append(one.url))
    page.goto(f"/sessions/P06-E/replay?at={TAG_US}")
    page.wait_for_function(ALL_SHOWN)
    opened = replay.chain("watch.opened")
    assert len(opened) == before + 1
    assert opened[-1].principal == "s-zj-1"
    media = [number for number, url in enumerate(asked) if "/media/" in url or "/api/renditions/" in url]
    assert media
    assert next(n for n, url in enumerate(asked) if url.endswith("/api/watches")) < media[0]
    assert all("?watch=" in asked[number] for number in media)
    page.evaluate("window.__wall.play()")
    page.wait_for_function(f"window.__wall.positionUs() > {TAG_US + 4 * SECOND_US}")
    watch = opened[-1].subject
    page.goto("about:blank")  # what the page says last, no tool of the browser tells
    seen = _seen(replay, watch)
    page.context.close()
    mine = [one for one in seen if one.source_id == FACE]
    assert min(one.footage_from_us for one in mine) >= TAG_US - SECOND_US
    assert max(one.footage_to_us for one in mine) > TAG_US + 2 * SECOND_US


def _seen(replay: Replayed, watch: str) -> list[Seen]:
    """What a watch that was closed has on record."""
    for _ in range(100):
        found = replay.served.catalogue.watches.get(watch)
        if found is not None and found.closed_us is not None:
            return replay.served.catalogue.watches.intervals(watch)
        replay.served.clock.sleep(0.05)
    raise AssertionError("the watch was not closed")


def test_the_viewers_name_comes_back_when_it_is_taken_out_or_hidden(replay: Replayed) -> None:
    page = replay.page("s-zj-1", "/sessions/P06-E/replay?tag=TAG-05")
    mark = page.locator(f"[data-testid='pane-{FACE}'] [data-testid='watermark']")
    attacks = [
        "one => one.remove()",
        "one => one.style.setProperty('display', 'none', 'important')",
        "one => { one.textContent = '' }",
        "one => one.getAnimations().forEach(walk => walk.cancel())",
        "one => { one.parentElement.append(Object.assign(document.createElement('style'), {textContent:"
        " '[data-testid=watermark] { opacity: 0 !important; visibility: hidden !important }' })) }",
    ]
    for attack in attacks:
        mark.evaluate(attack)
        expect(mark).to_be_visible()
        expect(mark).to_have_text("住建监督员01 s-zj-1")
        page.wait_for_function(
            """selector => { const one = document.querySelector(selector);
               if (!one || Number(getComputedStyle(one).opacity) < 0.29) return false;
               return one.getAnimations().length > 0 }""",
            arg=f"[data-testid='pane-{FACE}'] [data-testid='watermark']",
        )


def test_the_footage_of_these_tests_has_far_fewer_key_frames_than_pictures(month: Replayed) -> None:
    """Else fast forward and seeks would prove nothing."""
    facts = month.served.catalogue.archives.facts("P06-E.ZT-SH1-04-F.1.v1")
    assert facts is not None
    with month.served.month.store.open(facts.object_key) as file:
        read_init(file)
        index = read_index(file)
    assert index is not None
    assert len(index.subsegments) == 12
    assert DESKTOP.fps < CAMERA.fps
