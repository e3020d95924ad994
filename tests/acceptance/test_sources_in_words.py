"""What the pages of sources say of each fault, and what people enter there, in a real Chromium.

The recorder is made up here: its rows are all that the pages know of one.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect

from catalog.catalogue import Catalogue
from catalog.objects import MemoryStore
from catalog.readiness import Watch
from kernel.clock import SECOND_US, SystemClock
from kernel.desired import Around
from kernel.ids import new_id
from kernel.model.checkup import Aspect, CheckResult, Checkup, Verdict
from kernel.model.footage import (
    Backfill,
    EndReason,
    Fault,
    Gap,
    GapCause,
    Run,
    RunOrigin,
    SourceHealth,
    SourceState,
)
from kernel.model.source import RecordMode, Wish
from kernel.settings import CamerasFile
from player_api.app import create_app
from tests.support.peers import free_port
from tests.support.segments import Recipe, make_segment
from tests.support.sources import health, segment

NOW_US = 1_772_420_400 * SECOND_US  # 2026-03-02 11:00 in Beijing
HOUR_US = 3600 * SECOND_US

WORDS = {
    Fault.NETWORK: ("lost", "网络不通", "检查录制机到设备的网络", "nothing comes back"),
    Fault.NOT_LISTENING: ("lost", "设备拒绝连接", "核对地址和端口", "Connection refused"),
    Fault.NOT_ANSWERING: ("lost", "设备不应答", "重启设备", "No answer"),
    Fault.NOT_CALLING: ("lost", "推流设备未连接", "推流地址", "pushing device"),
    Fault.CONNECTION_LOST: ("lost", "连接中断", "电源、网线和地址", "Connection lost"),
    Fault.NO_PICTURE: ("lost", "画面停滞", "重启设备", "Frozen"),
    Fault.NO_KEY_FRAMES: ("lost", "没有关键帧", "关键帧间隔设为 1 至 2 秒", "No key frames"),
    Fault.GARBAGE: ("lost", "无法解码", "更新固件", "cannot be decoded"),
    Fault.CREDENTIALS: ("refused", "用户名或密码错误（401）", "username 和 password", "Wrong username"),
    Fault.NO_SUCH_PATH: ("refused", "没有这个码流路径（404）", "uri 的路径", "No such stream"),
    Fault.CODEC: ("refused", "编码格式无法录制", "H.264 或 H.265", "cannot be recorded"),
    Fault.DISK_FULL: ("lost", "录制磁盘已满", "清理或扩容", "disk is full"),
    Fault.DISK_LOST: ("lost", "录制磁盘丢失", "重新挂载", "disk is lost"),
    Fault.RECORDER_FAILED: ("lost", "录制程序故障", "自动重试", "recorder failed"),
    Fault.AGENT_NEVER_HEARD: ("lost", "从未报到", "已安装并登记", "never heard"),
    Fault.AGENT_SILENT: ("lost", "已关机或断网", "自动补传", "off or disconnected"),
    Fault.AGENT_NOT_RECORDING: ("lost", "没有在录屏", "没有锁屏", "does not record"),
}
"""By fault: the source's state, what it is called, what to do, and a piece of the English name."""

ENGLISH = "source seat: what the recorder said, word for word."


class StillClock(SystemClock):
    """Wall time stands still, so that nothing grows old while a page is looked at."""

    def now_us(self) -> int:
        return NOW_US


class Checker:
    """Finds the seat's camera black."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def check(self, room_id: str, principal: str) -> Checkup:
        black = CheckResult(
            source_id="seat",
            aspect=Aspect.PICTURE_BLACK,
            verdict=Verdict.FAILED,
            measured="99.0 %",
            limit="≤ 90.0 %",
            remedy="Switch on the light.",
        )
        made = Checkup(
            id=new_id("checkup"), room_id=room_id, at_us=NOW_US, principal=principal, results=(black,)
        )
        self._catalogue.checkups.add(made)
        return made

    def picture(self, checkup: Checkup, source_id: str) -> bytes | None:
        return None


@dataclass(frozen=True, kw_only=True)
class Centre:
    """A room with a camera that is recorded, a seat that can be in any trouble, and a server."""

    catalogue: Catalogue
    url: str

    def say(self, *rows: SourceHealth) -> None:
        self.catalogue.footage.set_health([health("hall", NOW_US), *rows])

    def trouble(self, state: str, fault: Fault | None, detail: str = ENGLISH) -> None:
        told = {"state": SourceState(state), "fault": fault, "detail": detail}
        self.say(health("seat", NOW_US, **told))

    def get(self, path: str) -> Any:
        return httpx.get(f"{self.url}{path}").json()


def cameras() -> CamerasFile:
    def source(name: str, kind: str, label_zh: str, label_en: str) -> dict[str, str]:
        labels = {"label_zh": label_zh, "label_en": label_en}
        return {"id": name, "content_kind": kind, "uri": f"rtsp://127.0.0.1:9/{name}", **labels}

    sources = [
        source("hall", "room", "评标室全景", "Room camera"),
        source("seat", "supervision", "1号席摄像机", "Seat camera"),
    ]
    room = {"id": "ER1", "kind": "evaluation_room", "name_zh": "第1评标室", "name_en": "Room 1"}
    site = {"id": "S", "region": "530602", "name_zh": "样例中心", "name_en": "Sample"}
    return CamerasFile.model_validate({"sites": [{**site, "rooms": [{**room, "sources": sources}]}]})


def fill(catalogue: Catalogue, ring: Path) -> None:
    """An hour of the seat with a gap that was filled from its own memory, and a segment of the hall."""
    start_us = NOW_US - HOUR_US
    pieces = ((0, 20, RunOrigin.LIVE), (20, 30, RunOrigin.BACKFILL), (30, 59, RunOrigin.LIVE))
    for number, (first, last, origin) in enumerate(pieces):
        wall = (start_us + first * 60 * SECOND_US, start_us + last * 60 * SECOND_US)
        run = f"seat-{number}"
        catalogue.footage.start_run(
            Run(
                id=run,
                source_id="seat",
                started_us=wall[0],
                ended_us=wall[1],
                end_reason=EndReason.SOURCE_LOST,
                origin=origin,
            )
        )
        catalogue.footage.add_segment(segment(0, *wall, run_id=run, source_id="seat"))
    catalogue.footage.add_gap(
        Gap(
            id="filled",
            source_id="seat",
            start_us=start_us + 20 * 60 * SECOND_US,
            end_us=start_us + 30 * 60 * SECOND_US,
            cause=GapCause.CAMERA_LOST,
            detail=ENGLISH,
            backfill=Backfill.WHOLE,
            fault=Fault.NO_PICTURE,
        )
    )
    hall = make_segment(ring, Recipe(source_id="hall", run_id="hall-0", wall_start_us=NOW_US - 3 * SECOND_US))
    catalogue.footage.start_run(
        Run(id="hall-0", source_id="hall", started_us=hall.wall.start_us, ended_us=None, end_reason=None)
    )
    catalogue.footage.add_segment(hall)


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    home = tmp_path_factory.mktemp("centre")
    catalogue = Catalogue.open(f"sqlite:///{home / 'catalogue.sqlite'}")
    catalogue.places.register(cameras())
    fill(catalogue, home / "ring")
    wishes = [Wish(source_id=one, room_id="ER1", record=RecordMode.ALWAYS) for one in ("hall", "seat")]
    watch = Watch(wishes=lambda: wishes, around=Around(before_us=0, after_us=0), ring=home / "ring")
    app = create_app(catalogue, MemoryStore(), StillClock(), watch=watch, checker=Checker(catalogue))
    port = free_port()
    with serving(app, port):
        yield Centre(catalogue=catalogue, url=f"http://127.0.0.1:{port}")
    catalogue.close()


@contextmanager
def serving(app: Any, port: int) -> Iterator[None]:
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="server")
    thread.start()
    try:
        with httpx.Client(transport=httpx.HTTPTransport(retries=20)) as client:
            client.get(f"http://127.0.0.1:{port}/healthz").raise_for_status()
        yield
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def page(centre: Centre, browser: Browser) -> Iterator[Page]:
    """A Chinese browser that was never here."""
    centre.say(health("seat", NOW_US))
    size = {"width": 1366, "height": 768}
    # A browser elsewhere: what is entered is Beijing time all the same.
    page = browser.new_page(
        viewport=size, locale="zh-CN", timezone_id="America/New_York", base_url=centre.url
    )
    yield page
    page.close()


# --- faults


@pytest.mark.parametrize("fault", WORDS, ids=lambda one: one.value)
def test_each_fault_is_said_in_its_own_words_with_what_to_do(
    centre: Centre, page: Page, fault: Fault
) -> None:
    """And the recorder's English sentence is folded up, in both places that show it."""
    state, name, remedy, english = WORDS[fault]
    centre.trouble(state, fault)
    page.goto("/sources")
    told = page.get_by_test_id("source-seat").get_by_test_id("trouble")
    expect(told).to_contain_text(name)
    expect(told).to_contain_text(remedy)
    expect(page.get_by_test_id("alarm")).to_contain_text(name)
    expect(page.get_by_text(ENGLISH)).to_have_count(0)
    page.get_by_test_id("source-seat").click()
    why = page.get_by_test_id("why")
    expect(why).to_contain_text(name)
    expect(why.get_by_text(ENGLISH)).to_be_hidden()
    why.get_by_text("技术细节").click()
    expect(why.get_by_text(ENGLISH)).to_be_visible()
    page.get_by_test_id("language").click()
    expect(why).to_contain_text(english)


def test_a_source_that_nobody_ever_heard_of_and_a_fault_of_no_known_kind_are_said_too(
    centre: Centre, page: Page
) -> None:
    centre.trouble("lost", None)
    page.goto("/sources")
    told = page.get_by_test_id("source-seat").get_by_test_id("trouble")
    expect(told).to_contain_text("请检查设备的电源、网线和地址")
    expect(page.get_by_text(ENGLISH)).to_have_count(0)


def test_the_gaps_of_a_source_are_said_in_words_and_what_was_fetched_is_marked(page: Page) -> None:
    """Invariant 5: a gap that was filled stays visible as one."""
    page.goto("/sources/seat")
    row = page.get_by_test_id("gaps").locator("tbody tr")
    expect(row).to_contain_text("摄像机断开")
    expect(row).to_contain_text("画面停滞：已连接，但没有新画面")
    expect(row).to_contain_text("已全部补录")
    expect(row.get_by_text(ENGLISH)).to_be_hidden()
    part = page.get_by_test_id("axis-backfilled")
    expect(part).to_have_count(1)
    assert part.evaluate("one => one.getBoundingClientRect().width") > 3
    part.scroll_into_view_if_needed()
    box = part.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator(".hover")).to_contain_text("事后补录")


# --- languages


@pytest.mark.parametrize(
    ("browser_language", "title", "lang"),
    [("en-GB", "Sources", "en"), ("zh-CN", "来源", "zh-CN"), ("zh-HK", "来源", "zh-CN")],
)
def test_the_page_speaks_the_browsers_language_until_somebody_chooses(
    centre: Centre, browser: Browser, browser_language: str, title: str, lang: str
) -> None:
    context = browser.new_context(locale=browser_language, base_url=centre.url)
    page = context.new_page()
    page.goto("/sources")
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    assert page.evaluate("document.documentElement.lang") == lang
    page.get_by_test_id("language").click()
    other = "来源" if lang == "en" else "Sources"
    expect(page.get_by_role("heading", level=1)).to_have_text(other)
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text(other)
    context.close()


# --- addresses


def test_an_unknown_page_says_so_itself(page: Page) -> None:
    page.goto("/nowhere")
    expect(page.get_by_text("没有这个页面")).to_be_visible()
    answer = page.request.get("/api/nowhere", headers={"Accept": "text/html"})
    assert (answer.status, answer.headers["content-type"]) == (404, "application/json")


# --- the disk


def test_a_disk_of_which_nobody_knows_how_long_it_lasts_shows_no_number(page: Page) -> None:
    page.goto("/sources")
    main = page.get_by_test_id("tile-disk").locator(".main")
    expect(main).to_contain_text("尚不可知")
    assert not re.search(r"\d", main.inner_text())


# --- what people enter


def test_a_room_is_checked_on_the_page_and_a_failed_check_is_overridden_once(
    centre: Centre, page: Page
) -> None:
    page.goto("/sources")
    room = page.get_by_test_id("room-ER1")
    expect(room.get_by_test_id("checkup-last")).to_contain_text("尚未检查")
    room.locator("summary").first.focus()
    page.keyboard.press("Enter")
    room.get_by_test_id("checkup-run").click()  # without a name nothing is asked
    assert centre.get("/api/checkups") == []
    room.get_by_test_id("checkup-name").fill("王工")
    page.keyboard.press("Enter")
    expect(room.get_by_test_id("checkup-last")).to_contain_text("1 项未通过")
    result = room.get_by_test_id("checkup")
    expect(result).to_contain_text("1号席摄像机 · 黑屏")
    expect(result).to_contain_text("开灯、取下镜头盖")
    room.get_by_test_id("override-do").click()
    assert centre.get("/api/checkups")[0]["overridden_by"] == ""
    room.get_by_test_id("override-reason").fill("九点开灯")
    room.get_by_test_id("override-do").click()
    expect(room.get_by_test_id("checkup-last")).to_contain_text("已由 王工 放行")
    expect(room.get_by_test_id("override")).to_have_count(0)
    (kept,) = centre.get("/api/checkups")
    assert (kept["overridden_by"], kept["override_reason"]) == ("王工", "九点开灯")


def test_a_room_is_booked_and_the_booking_cancelled_by_keyboard_and_native_fields(
    centre: Centre, page: Page
) -> None:
    page.goto("/sources")
    room = page.get_by_test_id("room-ER1")
    room.locator("summary").first.click()
    room.get_by_test_id("booking-from").fill("2026-03-02T14:00:00")
    room.get_by_test_id("booking-to").fill("2026-03-02T17:30:00")
    room.get_by_test_id("booking-title").fill("云杉小学评标")
    room.get_by_test_id("booking-name").fill("李工")
    page.keyboard.press("Enter")
    expect(room.get_by_test_id("booking-next")).to_contain_text("下一场 2026-03-02 14:00:00")
    (booking,) = centre.get("/api/bookings")
    assert (booking["start_us"], booking["end_us"]) == (NOW_US + 3 * HOUR_US, NOW_US + 6.5 * HOUR_US)
    listed = room.get_by_test_id(f"booking-{booking['id']}")
    expect(listed).to_contain_text("2026-03-02 14:00:00 – 17:30:00")
    expect(listed).to_contain_text("云杉小学评标")
    listed.get_by_test_id("booking-cancel").press("Enter")
    listed.get_by_test_id("booking-confirm").press("Enter")
    expect(listed).to_have_count(0)
    assert centre.get("/api/bookings") == []


def test_a_booking_that_is_over_is_refused_in_words(centre: Centre, page: Page) -> None:
    page.goto("/sources/seat")
    room = page.get_by_test_id("room-ER1")
    room.locator("summary").first.click()
    room.get_by_test_id("booking-from").fill("2026-03-01T14:00:00")
    room.get_by_test_id("booking-to").fill("2026-03-01T17:30:00")
    room.get_by_test_id("booking-name").fill("李工")
    room.get_by_test_id("booking-add").click()
    expect(room.get_by_role("alert")).to_contain_text("预约的时间已经过去")
    assert centre.get("/api/bookings") == []


def test_a_stretch_of_a_source_is_held_and_released_with_names_and_reasons(
    centre: Centre, page: Page
) -> None:
    """Invariant 4."""
    page.goto("/sources/seat")
    holds = page.get_by_test_id("holds")
    expect(holds).to_contain_text("没有冻结的时段")
    holds.get_by_test_id("hold-from").fill("2026-03-02T10:05:00")
    holds.get_by_test_id("hold-to").fill("2026-03-02T10:15:00")
    holds.get_by_test_id("hold-name").fill("赵监督")
    holds.get_by_test_id("hold-add").click()
    assert centre.get("/api/holds") == []  # no reason
    holds.get_by_test_id("hold-reason").fill("投标人异议")
    holds.get_by_test_id("hold-add").click()
    expect(holds.get_by_test_id("hold-told")).to_have_text("已冻结。")
    (hold,) = centre.get("/api/holds?source_id=seat")
    assert (hold["start_us"], hold["end_us"]) == (NOW_US - 55 * 60 * SECOND_US, NOW_US - 45 * 60 * SECOND_US)
    assert (hold["principal"], hold["reason"]) == ("赵监督", "投标人异议")
    row = holds.get_by_test_id("hold-list").locator("tbody tr")
    expect(row).to_contain_text("2026-03-02 10:05:00 – 10:15:00")
    row.get_by_test_id("hold-release").click()
    row.get_by_test_id("release-reason").fill("异议已处理")
    row.get_by_test_id("release-confirm").click()
    expect(holds).to_contain_text("没有冻结的时段")
    (kept,) = centre.get("/api/holds?released=true")
    assert (kept["released_by"], kept["release_reason"]) == ("赵监督", "异议已处理")


# --- widths


@pytest.mark.parametrize("width", [1366, 800])
@pytest.mark.parametrize("path", ["/sources", "/sources/seat"])
@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_no_control_is_clipped(
    centre: Centre, browser: Browser, path: str, width: int, language: str
) -> None:
    centre.trouble("refused", Fault.CREDENTIALS)
    page = browser.new_page(viewport={"width": width, "height": 768}, locale=language, base_url=centre.url)
    page.goto(path)
    page.get_by_test_id("room-ER1").locator("summary").first.click()
    expect(page.get_by_test_id("booking-form")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    outside = """width => [...document.querySelectorAll('button, input, select, summary, a')]
        .filter(one => one.checkVisibility() && !one.classList.contains('skip'))
        .filter(one => !one.closest('.scroll'))
        .filter(one => { const box = one.getBoundingClientRect(); return box.left < 0 || box.right > width })
        .map(one => one.outerHTML.slice(0, 120))"""
    assert page.evaluate(outside, width) == []
    page.close()
