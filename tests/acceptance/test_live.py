"""Live in a real Chromium: W2, W3, V2 and V3 of the tasks on the sample's month, and a real recorder at work.

On the month the ring's files are made by ``GrowingRun``; with the recorder, cameras are simulated.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from catalog.audit import AuditFilter
from catalog.readiness import Watch
from kernel.desired import Around
from kernel.ids import new_id
from kernel.model.footage import Codec, Run
from kernel.model.source import ContentKind
from kernel.model.timeline import SessionState, TimelineEvent
from simulator import timestrip
from simulator.source import SimulatedSource
from tests.support.growing import FRAME_US, GrowingRun
from tests.support.live_centre import LiveCentre, Room, live_centre
from tests.support.people import Served, served

WITNESS, SUPERVISOR = "w-zt-1", "s-zj-1"
PATIENCE_MS = 60_000
PLAYING = "count => window.__live?.panes().filter(one => one.state === 'playing').length >= count"


@dataclass
class Recorded:
    """A served month whose sources are recorded right now, as far as the ring can tell."""

    served: Served
    ring: Path
    runs: dict[str, GrowingRun] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    over: threading.Event = field(default_factory=threading.Event)

    def begin(self, source_id: str) -> None:
        """A run of that source begins now."""
        now_us = self.served.clock.now_us()
        run = GrowingRun(self.ring, source_id, new_id("run"), wall_us=now_us)
        self.served.catalogue.footage.start_run(
            Run(id=run.run_id, source_id=source_id, started_us=now_us, ended_us=None, end_reason=None)
        )
        self.runs[source_id] = run

    def keep_on(self) -> None:
        """Until it is over: every file as long as its time."""
        while not self.over.is_set():
            for source_id, run in list(self.runs.items()):
                while source_id not in self.lost and run.end_us + FRAME_US <= self.served.clock.now_us():
                    run.grow()
            time.sleep(0.05)

    def listed(self, account_id: str, *projects: str) -> list[dict[str, Any]]:
        with self.served.client(account_id) as client:
            answer = client.get("/api/live/sources", params={"project_id": list(projects)})
            sessions: list[dict[str, Any]] = answer.raise_for_status().json()["sessions"]
            return sessions


def sources_of(sessions: list[dict[str, Any]]) -> list[str]:
    return [one["source_id"] for item in sessions for room in item["rooms"] for one in room["sources"]]


@contextmanager
def recorded(directory: Path, moment: str, begin: Callable[[Recorded], None]) -> Iterator[Recorded]:
    ring, around = directory / "ring", Around(before_us=0, after_us=0)
    ring.mkdir(parents=True)
    watch = Watch(wishes=list, around=around, ring=ring, live=directory / "live")
    with served(directory / "month", moment, watch=watch) as month:
        made = Recorded(served=month, ring=ring)
        begin(made)
        growing = threading.Thread(target=made.keep_on)
        growing.start()
        try:
            yield made
        finally:
            made.over.set()
            growing.join()


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """9 March, 13:21: P06 and P07 in one hall, P08 opening next door, and a fourth project begins."""

    def begin(made: Recorded) -> None:
        catalogue, now_us = made.served.catalogue, made.served.clock.now_us()
        fourth = next(
            one
            for one in catalogue.sessions.in_state(SessionState.PLANNED)
            if one.room_id.startswith("ZT-") and one.project_id not in ("P06", "P07", "P08")
        )
        catalogue.sessions.record_event(
            TimelineEvent(
                id="fourth",
                session_id=fourth.id,
                at_us=now_us,
                type="session.start",
                reason="",
                principal="test",
                recorded_us=now_us,
            )
        )
        for source_id in sources_of(made.listed(WITNESS)):
            made.begin(source_id)

    with recorded(tmp_path_factory.mktemp("hall"), "09 13:21", begin) as made:
        yield made


@pytest.fixture
def page(hall: Recorded, browser: Browser) -> Iterator[Page]:
    page = hall.served.page(browser, WITNESS)
    yield page
    page.context.close()


def play(page: Page, count: int) -> list[dict[str, Any]]:
    """Wait until so many panes show a picture; the panes."""
    page.wait_for_function(PLAYING, arg=count, timeout=PATIENCE_MS)
    panes: list[dict[str, Any]] = page.evaluate("window.__live.panes()")
    return panes


def test_w2_p06_shows_its_five_seats_and_desktops_and_nothing_of_p07(page: Page, hall: Recorded) -> None:
    page.goto("/live?project=P06")
    panes = play(page, 10)
    shown = {one["sourceId"] for one in panes}
    own = set(sources_of(hall.listed(WITNESS, "P06")))
    assert shown == own and len(own) == 10
    assert not shown & set(sources_of(hall.listed(WITNESS, "P07")))
    assert {one.rsplit("-", 1)[1] for one in shown} == {"F", "D"}  # five faces, five desktops


def test_v5_who_sees_live_pictures_is_there_from_afar(hall: Recorded, browser: Browser) -> None:
    page = hall.served.page(browser, "s-zj-1")
    said = "/api/projects/P06/presence"
    with page.expect_response(
        lambda one: one.url.endswith(said) and one.request.method == "POST", timeout=PATIENCE_MS
    ) as marked:
        page.goto("/live?project=P06")
        play(page, 1)
    assert marked.value.status == 201
    assert "s-zj-1" in {one.account_id for one in hall.served.catalogue.presences.of_project("P06")}
    page.context.close()


def test_a_supervisor_of_another_industry_is_never_offered_p07(hall: Recorded, browser: Browser) -> None:
    page = hall.served.page(browser, SUPERVISOR)
    page.goto("/live")
    panes = play(page, 9)
    page.get_by_test_id("pick").click()
    expect(page.get_by_test_id("picker")).to_be_visible()
    assert page.get_by_test_id("choose-P07").count() == 0
    of_p07 = set(sources_of(hall.listed(WITNESS, "P07")))
    assert of_p07 and not of_p07 & {one["sourceId"] for one in panes}
    assert not of_p07 & set(sources_of(hall.listed(SUPERVISOR)))
    page.context.close()


def test_w3_four_projects_on_nine_panes_and_a_desktop_in_one_click(page: Page, hall: Recorded) -> None:
    projects = {one["project_id"] for one in hall.listed(WITNESS)}
    assert len(projects) == 4
    page.goto("/live?" + "&".join(f"project={one}" for one in sorted(projects)))
    play(page, 9)
    shown = page.locator("[data-testid^=live-pane-]")
    assert shown.count() == 9
    of = {one.get_attribute("data-session") for one in shown.all()}
    assert {str(one).split("-")[0] for one in of} == projects
    pane = page.locator("[data-testid^=live-pane-][data-session=P06-E]").first
    number = pane.get_attribute("data-testid")
    pane.get_by_test_id("desktop-ZT-SH1-09-D").click()  # one click
    changed = page.get_by_test_id(str(number))
    expect(changed).to_have_attribute("data-source", "ZT-SH1-09-D")
    expect(changed).to_have_attribute("data-state", "playing", timeout=PATIENCE_MS)


def test_v3_wall_room_seat_desktop_in_three_clicks_and_back(page: Page) -> None:
    page.goto("/live?project=P06&project=P08")
    play(page, 2)
    page.locator("[data-testid^=live-pane-][data-session=P06-E]").first.get_by_test_id("nearer").click()
    room = play(page, 5)
    assert {one["sourceId"].rsplit("-", 1)[1] for one in room} == {"F"}
    page.locator("[data-source=ZT-SH1-04-F]").get_by_test_id("nearer").click()
    play(page, 2)
    expect(page.locator("[data-source=ZT-SH1-04-D]")).to_be_visible()
    page.locator("[data-source=ZT-SH1-04-D]").get_by_test_id("nearer").click()
    play(page, 1)
    assert [one["sourceId"] for one in page.evaluate("window.__live.panes()")] == ["ZT-SH1-04-D"]
    for _ in range(3):
        page.keyboard.press("Escape")
    assert len(page.evaluate("window.__live.panes()")) > 5


def test_a_lost_camera_is_shown_as_lost_and_comes_back(page: Page, hall: Recorded) -> None:
    page.goto("/live?project=P06")
    play(page, 10)
    hall.lost.add("ZT-SH1-01-F")
    pane = page.locator("[data-source=ZT-SH1-01-F]")
    expect(pane).to_have_attribute("data-state", "lost", timeout=PATIENCE_MS)
    expect(pane.get_by_test_id("cover")).to_contain_text("画面中断")
    expect(pane.get_by_test_id("cover")).to_contain_text("自 13:")
    hall.lost.discard("ZT-SH1-01-F")
    hall.runs["ZT-SH1-01-F"].seal()
    hall.begin("ZT-SH1-01-F")  # connected anew: another run
    expect(pane).to_have_attribute("data-state", "playing", timeout=PATIENCE_MS)


def test_everything_by_keyboard(page: Page) -> None:
    page.goto("/live?project=P06")
    play(page, 10)
    assert len(page.evaluate("window.__live.panes()")) == 10
    page.keyboard.press("-")
    page.wait_for_function("window.__live.panes().length === 9")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_test_id("live-pane-1")).to_have_class("pane is-playing focused", timeout=PATIENCE_MS)
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("live-pane-0")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("live-pane-0")).to_be_visible()
    before = page.get_by_test_id("live-pane-1").get_attribute("data-source")
    page.keyboard.press("d")
    expect(page.get_by_test_id("live-pane-1")).not_to_have_attribute("data-source", str(before))
    page.keyboard.press("?")
    expect(page.get_by_test_id("keys-help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("keys-help")).to_have_count(0)
    page.get_by_test_id("live-pane-3").locator(".stage").dblclick()
    expect(page.get_by_test_id("live-pane-0")).to_be_hidden()


def test_watching_is_on_record(page: Page, hall: Recorded) -> None:
    page.goto("/live?project=P06")
    play(page, 10)
    page.context.close()
    of = AuditFilter(principal=WITNESS, action="watch.opened")
    opened = hall.served.catalogue.audit.records(of, limit=500)
    assert len(opened) >= 10


def test_v2_three_venues_of_p03_within_a_second(
    tmp_path_factory: pytest.TempPathFactory, browser: Browser
) -> None:
    who = "s-jt-1"  # highways, the whole prefecture

    def begin(made: Recorded) -> None:
        for source_id in sources_of(made.listed(who, "P03")):
            made.begin(source_id)

    with recorded(tmp_path_factory.mktemp("venues"), "04 11:30", begin) as made:
        sites = {room["site_id"] for one in made.listed(who, "P03") for room in one["rooms"]}
        assert len(sites) == 3
        page = made.served.page(browser, who)
        page.goto("/live?project=P03")
        play(page, 3)
        apart = """() => {
            const shown = window.__live.panes().flatMap(one => one.state === 'playing' ? [one.frameUs] : [])
            return shown.length >= 3 && Math.max(...shown) - Math.min(...shown) < 1e6 }"""
        page.wait_for_function(apart, timeout=PATIENCE_MS)
        page.context.close()


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCentre]:
    """A real recorder: H.264 with telephone sound, H.265, and one to be lost."""

    def camera(name: str, **more: Any) -> SimulatedSource:
        shape = {"width": 320, "height": 192, "fps": 5, **more}
        return SimulatedSource(id=name, content_kind=ContentKind.ROOM, label_zh=name, **shape)

    rooms = [
        Room(id="A", kind="opening_hall", sources=(camera("heard", audio=Codec.G711A),)),
        Room(id="B", kind="opening_hall", sources=(camera("h265", codec=Codec.H265),)),
        Room(id="C", kind="opening_hall", sources=(camera("weak"),)),
    ]
    with live_centre(tmp_path_factory.mktemp("live"), rooms) as made:
        yield made


@pytest.fixture(scope="module")
def wall(centre: LiveCentre, browser: Browser) -> Iterator[Page]:
    page = browser.new_page(base_url=centre.address, viewport={"width": 1366, "height": 768}, locale="zh-CN")
    page.goto("/live")
    play(page, 3)
    yield page
    page.close()


def strip_ms(page: Page, source_id: str) -> int | None:
    """The time in the picture of a pane, as it is on the screen."""
    video = page.locator(f"[data-source={source_id}] video")
    frame = cv2.imdecode(np.frombuffer(video.screenshot(), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert frame is not None
    height = frame.shape[1] * 192 // 320
    top = max(0, (frame.shape[0] - height) // 2)
    width = min(frame.shape[1], frame.shape[0] * 320 // 192)
    left = (frame.shape[1] - width) // 2
    return timestrip.read(np.ascontiguousarray(frame[top : top + height, left : left + width], np.uint8))


def test_the_picture_says_the_time_that_is_in_it(wall: Page) -> None:
    for _ in range(40):
        told = strip_ms(wall, "weak")
        panes = {one["sourceId"]: one for one in wall.evaluate("window.__live.panes()")}
        if told is not None and panes["weak"]["frameUs"] is not None:
            assert abs(panes["weak"]["frameUs"] / 1000 - told) < 3000
            return
        wall.wait_for_timeout(200)
    raise AssertionError("the strip was never readable")


def test_h265_comes_as_h264_and_the_page_says_so(wall: Page) -> None:
    pane = wall.locator("[data-source=h265]")
    expect(pane).to_have_attribute("data-state", "playing", timeout=PATIENCE_MS)
    plays = "MediaSource.isTypeSupported('video/mp4; codecs=\"hvc1.1.6.L120.B0\"')"
    if not wall.evaluate(plays):
        expect(pane).to_contain_text("转换画面")


def test_sound_of_one_pane(wall: Page) -> None:
    wall.locator("[data-source=heard]").get_by_test_id("hear").click()
    heard = "() => { const a = document.querySelector('audio'); return a.currentTime > 0.5 && !a.paused }"
    wall.wait_for_function(heard, timeout=PATIENCE_MS)
    wall.locator("[data-source=weak]").get_by_test_id("hear").click()
    expect(wall.locator("[data-source=weak]")).to_contain_text("该来源没有声音")


def test_a_camera_without_power_is_lost_with_its_cause_and_comes_back(wall: Page, centre: LiveCentre) -> None:
    pane = wall.locator("[data-source=weak]")
    centre.tell("lose weak")
    expect(pane).to_have_attribute("data-state", "lost", timeout=PATIENCE_MS)
    expect(pane.get_by_test_id("cover")).to_contain_text("自 ")
    centre.tell("restore weak")
    expect(pane).to_have_attribute("data-state", "playing", timeout=PATIENCE_MS)
