"""The page of a project's timeline in a real Chromium: what happened is seen, and put right with a reason.

An evaluation over two days with a pause, a night, two sections, a seat that changes hands, a gap and a tag.
Every test puts another event right, and holds what the page shows against what the API says.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from playwright.sync_api import Browser, Locator, Page, expect

from catalog.catalogue import Catalogue
from kernel.clock import FakeClock, from_datetime
from kernel.model.cut import Clip, ClipGap, CutList
from kernel.model.footage import Booking, BookingStatus, GapCause
from kernel.model.timeline import (
    Phase,
    SeatOccupation,
    Section,
    Session,
    SessionState,
    SessionTimeline,
    Tag,
    TimelineEvent,
)
from kernel.settings import CATALOGUE_FILE, CutSettings, load_cameras
from kernel.timerange import TimeRange
from segmenter.worker import Segmenter
from tests.support.catalogue import PROJECT
from tests.support.peers import REPOSITORY, free_port

EVENTS: list[tuple[str, str, str, dict[str, Any]]] = [
    ("start", "04 14:00", "eval.start", {"section": 1}),
    ("leader", "04 14:05", "eval.leader_elected", {}),
    ("pause", "04 15:00", "eval.pause", {}),
    ("resume", "04 15:30", "eval.resume", {}),
    ("switch", "04 16:00", "eval.section_switch", {"section": 2}),
    ("fault", "04 16:10", "fault.start", {"camera": "ER1-P"}),
    ("mended", "04 16:20", "fault.end", {"camera": "ER1-P"}),
    ("unwell", "04 17:00", "eval.expert_unwell", {"seat": "ER1-02"}),
    ("seal", "04 18:00", "eval.overnight_seal", {}),
    ("unseal", "05 08:30", "eval.overnight_unseal", {}),
    ("scored", "05 10:00", "eval.scoring_complete", {}),
    ("end", "05 10:30", "eval.end", {}),
]

FROM_FILE = "scored"
"""What came in by a file; everything else was reported by the trading system."""


def at(moment: str) -> int:
    """Wall time of a day and time of March 2024, Beijing time."""
    return from_datetime(datetime.fromisoformat(f"2024-03-{moment[:2]}T{moment[3:]}+08:00"))


@dataclass(frozen=True, kw_only=True)
class Served:
    """A catalogue behind a running server."""

    url: str

    def events(self) -> dict[str, dict[str, Any]]:
        timeline = httpx.get(f"{self.url}/api/projects/P/timeline").json()
        return {event["id"]: event for session in timeline["sessions"] for event in session["events"]}

    def seatings(self) -> list[dict[str, Any]]:
        timeline = httpx.get(f"{self.url}/api/projects/P/timeline").json()
        return [one for session in timeline["sessions"] for one in session["seatings"]]

    def seated(self) -> dict[str, dict[str, Any]]:
        """Who is said to sit somewhere now, by member."""
        standing = [one for one in self.seatings() if one["replaced_us"] is None and not one["never"]]
        return {one["member"]: one for one in standing}

    def enter(self, **told: object) -> dict[str, Any]:
        """As somebody else does, at another computer."""
        body = {"reason": "told by telephone", "principal": "w-2", **told}
        answer = httpx.post(f"{self.url}/api/sessions/P-E/events", json=body).raise_for_status()
        entered: dict[str, Any] = answer.json()
        return entered


def write_cameras(home: Path) -> None:
    def source(name: str, kind: str, label: str) -> dict[str, str]:
        uri = f"rtsp://127.0.0.1:9/{name}"
        return {"id": name, "content_kind": kind, "uri": uri, "label_zh": label, "label_en": label}

    seats = [{"id": f"ER1-0{n}", "ordinal": n} for n in (1, 2)]
    faces = [
        {**source(f"{seat['id']}-F", "seat_face", f"{seat['ordinal']}席人像"), "seat": seat["id"]}
        for seat in seats
    ]
    room = {
        "id": "ER1",
        "kind": "evaluation_room",
        "name_zh": "第1评标室",
        "name_en": "Room 1",
        "sources": [source("ER1-P", "room", "全景"), *faces],
        "seats": seats,
    }
    site = {"id": "ZT", "region": "530602", "name_zh": "样例中心", "name_en": "Sample", "rooms": [room]}
    (home / "cameras.yaml").write_text(yaml.safe_dump({"sites": [site]}), encoding="utf-8")


def fill(home: Path) -> None:
    """The project with its evaluation, cut, with a gap that stays and one that was filled."""
    (home / "data").mkdir()
    catalogue = Catalogue.open(f"sqlite:///{home / 'data' / CATALOGUE_FILE}")
    catalogue.places.register(load_cameras(home / "cameras.yaml"))
    catalogue.trading_systems.add("etrade", "云岭电子交易系统", principal="test", at_us=at("01 00:00"))
    replaced_us = at("04 17:10")
    session = Session(
        id="P-E",
        project_id="P",
        phase=Phase.EVALUATION,
        room_id="ER1",
        state=SessionState.PLANNED,
        start_us=None,
        end_us=None,
        seats=(
            SeatOccupation(seat_id="ER1-01", member="E1"),
            SeatOccupation(seat_id="ER1-02", member="E2", to_us=replaced_us),
            SeatOccupation(seat_id="ER1-02", member="E5", from_us=replaced_us),
        ),
        section_numbers=(1, 2),
    )
    sections = [
        Section(
            project_id="P", number=n, section_code=f"S-{n}", name_zh=f"第{word}标段", unified_deal_code=""
        )
        for n, word in ((1, "一"), (2, "二"))
    ]
    catalogue.projects.add_project(
        PROJECT, [session], sections=sections, principal="system:etrade", at_us=at("04 13:00")
    )
    for name, moment, kind, details in EVENTS:
        catalogue.sessions.record_event(
            TimelineEvent(
                id=name,
                session_id="P-E",
                at_us=at(moment),
                type=kind,
                reason="",
                principal="w-9" if name == FROM_FILE else "system:etrade",
                recorded_us=at(moment),
                details=details,
            )
        )
    add_surroundings(catalogue)
    segmenter = Segmenter(catalogue, CutSettings(), FakeClock(at("06 00:00")))
    ended = catalogue.sessions.get("P-E")
    assert ended is not None
    cut_with_gaps(catalogue, segmenter.timeline_of(ended))
    catalogue.close()


def add_surroundings(catalogue: Catalogue) -> None:
    booking = Booking(
        id="B2",
        room_id="ER1",
        wall=TimeRange(start_us=at("04 14:00"), end_us=at("04 18:00")),
        title="",
        principal="test",
        project_id="P",
    )
    moved = TimeRange(start_us=at("04 09:00"), end_us=at("04 12:00"))
    catalogue.bookings.book(booking)
    catalogue.bookings.book(replace(booking, id="B1", wall=moved, status=BookingStatus.MOVED))
    catalogue.tags.add(
        Tag(
            id="T",
            project_id="P",
            session_id="P-E",
            source_id="ER1-02-F",
            at_us=at("04 16:58"),
            kind="irregular",
            severity="major",
            text="2席专家身体不适",
            principal="w-1",
            recorded_us=at("04 16:58"),
        )
    )


def cut_with_gaps(catalogue: Catalogue, timeline: SessionTimeline) -> None:
    lost = ClipGap(
        wall=TimeRange(start_us=at("04 16:10"), end_us=at("04 16:20")),
        cause=GapCause.CAMERA_LOST,
        detail="no answer",
    )
    filled = replace(lost, cause=GapCause.NETWORK)
    clips = [
        Clip(
            id=f"P-E.{one.source_id}.{one.part}",
            session_id="P-E",
            source_id=one.source_id,
            part=one.part,
            wall=one.wall,
            slices=(),
            gaps=(lost,) if one.source_id == "ER1-P" else (),
            backfilled=(filled,) if (one.source_id, one.part) == ("ER1-01-F", 1) else (),
        )
        for one in timeline.expected
    ]
    made = CutList(session_id="P-E", clips=tuple(clips), change_number=timeline.change_number)
    catalogue.clips.record(made, at_us=at("06 00:00"))


@contextmanager
def serving(home: Path, port: int) -> Iterator[None]:
    command = [
        sys.executable,
        "-c",
        "from cli.main import main; main()",
        "serve",
        "--without-accounts",
        "--port",
        str(port),
    ]
    environment = {"JIANZHENG_CAMERAS": str(home / "cameras.yaml"), "JIANZHENG_DATA_DIR": str(home / "data")}
    with (home / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, env={**os.environ, **environment}, stdout=log, stderr=log
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("timeline")
    write_cameras(home)
    fill(home)
    port = free_port()
    with serving(home, port):
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(transport=httpx.HTTPTransport(retries=20), base_url=url, timeout=20) as client:
            client.get("/healthz").raise_for_status()
        yield Served(url=url)


@pytest.fixture(scope="module")
def browser_page(served: Served, browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1366, "height": 768}, locale="zh-CN", base_url=served.url)
    yield page
    page.close()


@pytest.fixture
def page(browser_page: Page) -> Page:
    """The page as somebody finds it."""
    browser_page.goto("/projects/P/timeline")
    expect(browser_page.get_by_test_id("timeline-chart")).to_be_visible()
    return browser_page


def tips(page: Page) -> list[str]:
    """What the chart says when it is pointed at."""
    found: list[str] = page.locator("[data-tip]").evaluate_all("all => all.map(one => one.dataset.tip)")
    return found


def choose(page: Page, event_id: str) -> Locator:
    """The event in the list, chosen."""
    card = page.get_by_test_id(f"event-{event_id}")
    card.get_by_role("button").first.click()
    return card


def fill_in(page: Page, *, time: str = "", reason: str = "电话核实", name: str = "w-zt-1") -> None:
    if time:
        page.get_by_test_id("field-time").fill(time)
    page.get_by_test_id("field-reason").fill(reason)
    page.get_by_test_id("field-name").fill(name)


def test_the_project_page_leads_to_its_timeline(page: Page) -> None:
    page.goto("/projects/P")
    page.get_by_test_id("timeline-link").click()
    expect(page.get_by_test_id("timeline-chart")).to_be_visible()


def test_everything_that_happened_is_on_the_axis_in_words(page: Page) -> None:
    said = "\n".join(tips(page))
    for words in (
        "评标 · 待归档",
        "会前预录",
        "会后延录",
        "暂停\n2024-03-04 15:00:00 – 15:30:00 (30:00)",
        "隔夜封存\n2024-03-04 18:00:00 – 2024-03-05 08:30:00 (14:30:00)",
        "第一标段\n2024-03-04 14:00:00 – 16:00:00",
        "第二标段\n2024-03-04 16:00:00 – 2024-03-05 10:30:00",
        "2 号席 · E2\n2024-03-04 14:00:00 – 17:10:00",
        "2 号席 · E5\n2024-03-04 17:10:00 – 2024-03-05 10:30:00",
        "全景 · 缺口 · 摄像机断开\n2024-03-04 16:10:00 – 16:20:00 (10:00)",
        "1席人像 · 事后补录 · 网络中断",
        "故障 摄像机 全景",
        "16:58:00 异常行为 · 严重\n2席专家身体不适",
        "第1评标室 · 已改期",
        "第1评标室 · 已预约",
        "17:00:00 专家身体不适\n席位 2 号席",
    ):
        assert words in said, words
    head = page.get_by_test_id("group-P-E")
    expect(head).to_contain_text("缺口 1 处，共 10:00")
    expect(head).to_contain_text("事后补录 1 处，共 10:00")


def test_the_night_is_folded_and_can_be_unfolded(page: Page) -> None:
    def night() -> float:
        box = page.locator('[data-tip^="隔夜封存"] rect').first.bounding_box()
        assert box is not None
        return box["width"]

    folded = night()
    page.get_by_label("折叠空闲时段").uncheck()
    assert night() > 2 * folded


def test_pointing_says_the_exact_time(page: Page) -> None:
    page.locator('[data-tip^="15:00:00"] .hit').hover(position={"x": 6, "y": 8})
    expect(page.get_by_test_id("hover-time")).to_have_text(re.compile(r"03-04 (14:5\d|15:0\d):\d\d"))
    expect(page.get_by_test_id("tip")).to_contain_text("15:00:00 暂停评标")


def test_wheel_buttons_and_keys_zoom_and_reset(page: Page) -> None:
    def width() -> float:
        box = page.locator('[data-tip^="暂停"] rect').first.bounding_box()
        assert box is not None
        return box["width"]

    whole = width()
    chart = page.get_by_test_id("timeline-chart")
    box = page.locator('[data-tip^="暂停"] rect').first.bounding_box()
    ruler = chart.bounding_box()
    assert box is not None
    assert ruler is not None
    page.mouse.move(box["x"] + 5, ruler["y"] + 30)
    page.mouse.wheel(0, -100)
    expect(page.get_by_test_id("zoom-reset")).to_be_enabled()
    by_wheel = width()
    assert by_wheel > 1.3 * whole
    chart.focus()
    page.keyboard.press("+")
    assert width() > 1.3 * by_wheel
    page.keyboard.press("-")
    page.get_by_test_id("zoom-out").click()
    assert width() == pytest.approx(whole, abs=1)
    page.get_by_test_id("zoom-in").click()
    chart.focus()
    page.keyboard.press("0")
    expect(page.get_by_test_id("zoom-reset")).to_be_disabled()
    assert width() == pytest.approx(whole, abs=1)


def test_what_is_chosen_on_the_axis_is_shown_in_the_list_and_the_other_way_round(page: Page) -> None:
    page.locator('[data-pick="event:scored"]').click()
    expect(page.locator('#timeline-list [data-chosen="true"]')).to_contain_text("评分完成")
    choose(page, "leader")
    expect(page.locator('[data-pick="event:leader"]')).to_have_class(re.compile("chosen"))
    expect(page.locator('[data-pick="event:leader"] path')).to_be_in_viewport()
    page.locator('[data-pick^="gap:"]').first.click()
    expect(page.locator('#timeline-list [data-chosen="true"]')).to_contain_text(re.compile("缺口|补录"))
    page.locator('[data-pick="tag:T"]').click()
    expect(page.locator('#timeline-list [data-chosen="true"]')).to_contain_text("2席专家身体不适")


def test_a_corrected_pause_stands_beside_what_was_said_before(served: Served, page: Page) -> None:
    choose(page, "pause")
    page.get_by_test_id("correct").click()
    fill_in(page, time="2024-03-04T14:55:30", reason="值班员的钟慢了")
    page.get_by_test_id("save").click()
    expect(page.get_by_test_id("event-dialog")).to_have_count(0)
    expect(page.get_by_role("status").filter(has_text="已保存：暂停评标")).to_be_visible()
    new = served.events()["pause"]["replaced_by"]
    card = page.get_by_test_id(f"event-{new}")
    expect(card).to_contain_text("14:55:30 暂停评标")
    expect(card).to_contain_text("值班员的钟慢了")
    expect(card).to_contain_text("w-zt-1（人工）上报")
    expect(card.locator("s")).to_contain_text("15:00:00 暂停评标")
    expect(card).to_contain_text("已更正")
    told = "\n".join(tips(page))
    assert "暂停\n2024-03-04 14:55:30 – 15:30:00 (34:30)" in told
    assert "已更正为 14:55:30" in told
    assert served.events()[new]["at_us"] == at("04 14:55:30")


def test_an_end_before_the_start_is_refused_in_words_and_nothing_is_lost(served: Served, page: Page) -> None:
    choose(page, "end")
    page.get_by_test_id("correct").click()
    fill_in(page, time="2024-03-04T13:00:00", reason="试一试")
    page.get_by_test_id("save").click()
    expect(page.get_by_test_id("refusal")).to_contain_text("场次的结束会早于开始")
    expect(page.get_by_test_id("field-reason")).to_have_value("试一试")
    assert served.events()["end"]["replaced_by"] is None


def test_what_has_not_happened_yet_is_refused_in_words(page: Page) -> None:
    choose(page, "end")
    page.get_by_test_id("correct").click()
    fill_in(page, time="2124-03-05T10:30:00")
    expect(page.get_by_role("alert")).to_contain_text("请核对日期")
    page.get_by_test_id("save").click()
    expect(page.get_by_test_id("refusal")).to_contain_text("时间晚于现在")


@pytest.mark.parametrize(
    ("field", "words"),
    [("field-reason", "请填写事由"), ("field-name", "请填写姓名"), ("field-time", "请填写完整的日期和时间")],
)
def test_nothing_is_sent_without_time_reason_and_name(
    served: Served, page: Page, field: str, words: str
) -> None:
    before = len(served.events())
    choose(page, "leader")
    page.get_by_test_id("correct").click()
    fill_in(page, time="2024-03-04T14:06:00")
    page.get_by_test_id(field).fill("")
    page.get_by_test_id("save").click()
    expect(page.get_by_test_id("wanting")).to_contain_text(words)
    assert len(served.events()) == before


def test_who_comes_second_is_told_so_and_sees_the_newer_one(served: Served, page: Page) -> None:
    choose(page, "resume")
    page.get_by_test_id("correct").click()
    first = served.enter(type="eval.resume", at_us=at("04 15:31"), replaces="resume")
    fill_in(page, time="2024-03-04T15:29:00")
    page.get_by_test_id("save").click()
    expect(page.get_by_test_id("refusal")).to_contain_text("已被他人更正或撤回")
    page.get_by_role("button", name="取消").click()
    expect(page.get_by_test_id(f"event-{first['id']}")).to_contain_text("15:31:00 恢复评标")


def test_an_event_that_is_withdrawn_stays_struck_through(served: Served, page: Page) -> None:
    choose(page, "scored")
    page.get_by_test_id("withdraw").click()
    fill_in(page, reason="没有这回事")
    page.get_by_test_id("save").click()
    expect(page.get_by_test_id("event-dialog")).to_have_count(0)
    by = served.events()["scored"]["replaced_by"]
    card = page.get_by_test_id(f"event-{by}")
    expect(card.locator("s")).to_contain_text("10:00:00 评分完成")
    expect(card).to_contain_text("已撤回")
    expect(card).to_contain_text("没有这回事")
    expect(card.get_by_test_id("correct")).to_have_count(0)


def test_an_event_is_added_with_its_section(served: Served, page: Page) -> None:
    page.get_by_test_id("add-event").click()
    page.get_by_test_id("field-type").click()
    page.get_by_role("option", name="切换标段 eval.section_switch").click()
    fill_in(page, time="2024-03-05T09:30:00")
    page.get_by_test_id("save").click()
    expect(page.get_by_test_id("wanting")).to_contain_text("请选择标段")
    page.get_by_test_id("field-section").select_option(label="第一标段")
    page.get_by_test_id("save").click()
    expect(page.get_by_test_id("timeline-list")).to_contain_text("09:30:00 切换标段 · 第一标段")
    assert "第一标段\n2024-03-05 09:30:00 – 10:30:00 (1:00:00)" in tips(page)
    [new] = [one for one in served.events().values() if one["at_us"] == at("05 09:30")]
    assert (new["details"], new["principal"]) == ({"section": 1}, "w-zt-1")


def test_a_correction_keeps_the_details_that_it_does_not_show(served: Served, page: Page) -> None:
    choose(page, "unwell")
    page.get_by_test_id("correct").click()
    fill_in(page, time="2024-03-04T17:01:00")
    page.get_by_test_id("save").click()
    expect(page.get_by_test_id("event-dialog")).to_have_count(0)
    new = served.events()[served.events()["unwell"]["replaced_by"]]
    assert new["details"] == {"seat": "ER1-02"}


def test_what_others_enter_appears_by_itself(served: Served, page: Page) -> None:
    entered = served.enter(type="eval.report_signed", at_us=at("05 10:20"))
    expect(page.get_by_test_id(f"event-{entered['id']}")).to_contain_text("10:20:00 评标报告签署")
    expect(page.get_by_test_id(f"event-{entered['id']}")).to_contain_text("told by telephone")


def test_the_keyboard_alone_chooses_and_corrects(served: Served, page: Page) -> None:
    card = page.get_by_test_id("event-mended").get_by_role("button").first
    card.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("event-dialog")).to_be_visible()
    page.get_by_test_id("field-time").fill("2024-03-04T16:21:00")
    page.get_by_test_id("field-reason").focus()
    page.keyboard.type("by keyboard")
    page.keyboard.press("Tab")
    page.keyboard.type("w-3")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("event-dialog")).to_have_count(0)
    assert served.events()["mended"]["replaced_by"] is not None


def test_both_pages_call_an_event_by_the_same_words(page: Page) -> None:
    """Those of kernel/data/event_kinds.yaml, in either language."""
    kinds = {one["type"]: one for one in page.request.get("/api/event-kinds").json()}
    for word, language in (("zh", "en"), ("en", "zh")):
        page.goto("/projects/P/timeline")
        listed = page.get_by_test_id("timeline-list")
        expect(listed).to_contain_text(kinds["eval.expert_unwell"][word])
        page.goto("/projects/P")
        events = page.get_by_test_id("session-P-E").locator("ol").first
        for name in ("eval.leader_elected", "eval.expert_unwell", "eval.overnight_seal"):
            expect(events).to_contain_text(kinds[name][word])
        page.get_by_test_id("language").click()
        expect(page.locator("html")).to_have_attribute("lang", {"en": "en", "zh": "zh-CN"}[language])


def test_the_project_page_says_the_day_of_what_lasts_over_a_night(page: Page) -> None:
    page.goto("/projects/P")
    session = page.get_by_test_id("session-P-E")
    expect(session.locator("header")).to_contain_text(re.compile(r"2024-03-04 \S+ – 2024-03-05 10:30:00"))
    expect(session.locator("ol").first).to_contain_text("03-05 08:30:00")
    expect(session.get_by_test_id("clips")).to_contain_text("2024-03-05 08:25:00 – 10:35:00")


def test_everything_says_who_reported_it(page: Page) -> None:
    expect(page.get_by_test_id("event-leader")).to_contain_text("交易系统“云岭电子交易系统”上报")
    listed = page.get_by_test_id("timeline-list")
    expect(listed).to_contain_text("w-9（导入文件）上报")
    assert "交易系统“云岭电子交易系统”上报" in "\n".join(tips(page))
    page.get_by_test_id("tab-tag").click()
    expect(listed).to_contain_text("w-1（人工）标记")
    page.get_by_test_id("tab-seat").click()
    expect(listed).to_contain_text("交易系统“云岭电子交易系统”上报")


def test_what_is_odd_about_an_event_is_said_and_the_event_is_there(served: Served, page: Page) -> None:
    page.get_by_test_id("add-event").click()
    page.get_by_test_id("field-type").click()
    page.get_by_role("option", name="暂停评标 eval.pause").click()
    fill_in(page, time="2024-03-05T11:30:00")
    page.get_by_test_id("save").click()
    expect(page.get_by_test_id("notices")).to_contain_text("“2024-03-05 11:30:00 暂停评标”不在场次时间之内")
    [new] = [one for one in served.events().values() if one["at_us"] == at("05 11:30")]
    expect(page.get_by_test_id(f"event-{new['id']}")).to_contain_text("11:30:00 暂停评标")
    page.get_by_test_id("withdraw").click()  # what was saved is chosen
    expect(page.get_by_test_id("notices")).to_have_count(0)


def test_a_seat_is_chosen_on_the_axis_put_right_with_a_reason_and_the_old_stays(
    served: Served, page: Page
) -> None:
    old = served.seated()["E2"]
    page.locator(f'[data-pick="seat:{old["id"]}"]').click()
    page.get_by_test_id("correct-seat").click()
    expect(page.get_by_test_id("field-member")).to_have_value("E2")
    expect(page.get_by_test_id("field-from")).to_have_value("")
    page.get_by_test_id("save").click()
    expect(page.get_by_test_id("wanting")).to_contain_text("都没有改变")
    page.get_by_test_id("field-to").fill("2024-03-04T17:05:00")
    page.get_by_test_id("save").click()
    expect(page.get_by_test_id("wanting")).to_contain_text("请填写事由")
    fill_in(page, reason="监控显示提前离席")
    page.get_by_test_id("save").click()
    expect(page.get_by_test_id("seat-dialog")).to_have_count(0)
    card = page.get_by_test_id("seat-P-E-ER1-02")
    expect(card).to_contain_text("2 号席 · E2 · 场次开始 – 2024-03-04 17:05:00")
    expect(card).to_contain_text("监控显示提前离席")
    expect(card).to_contain_text("w-zt-1（人工）上报")
    expect(card.locator("s")).to_contain_text("E2 · 场次开始 – 2024-03-04 17:10:00")
    assert any(tip.startswith("2 号席 · E2") and "17:05:00" in tip for tip in tips(page))
    told = {one["id"]: one for one in served.seatings()}
    assert told[old["id"]]["replaced_us"] is not None
    assert served.seated()["E2"]["to_us"] == at("04 17:05")


def test_another_member_is_named_and_the_wrong_one_never_sat_there(served: Served, page: Page) -> None:
    page.get_by_test_id("tab-seat").click()
    card = page.get_by_test_id("seat-P-E-ER1-01")
    card.get_by_role("button").first.click()
    page.get_by_test_id("correct-seat").click()
    page.get_by_test_id("field-member").fill("e5")
    expect(page.get_by_role("alert")).to_contain_text("已在别的席位")  # said, and not kept from being saved
    page.get_by_test_id("field-member").fill("e3")
    fill_in(page, reason="签到表为 E3")
    page.get_by_test_id("save").click()
    expect(card).to_contain_text("1 号席 · E3 · 整个场次")
    expect(card).to_contain_text("1 号席 · E1 未曾就座")
    assert served.seated()["E3"]["seat_id"] == "ER1-01"
    assert "E1" not in served.seated()


def test_who_comes_second_to_a_seat_is_told_so(served: Served, page: Page) -> None:
    page.get_by_test_id("tab-seat").click()
    old = served.seated()["E5"]
    page.locator(f'[data-pick="seat:{old["id"]}"]').click()
    page.get_by_test_id("correct-seat").click()
    body = {"seat_id": "ER1-02", "member": "E5", "from_us": at("04 17:20"), "replaces": old["id"]}
    told = {**body, "reason": "told by telephone", "principal": "w-2"}
    httpx.post(f"{served.url}/api/sessions/P-E/seatings", json=told).raise_for_status()
    page.get_by_test_id("field-from").fill("2024-03-04T17:15:00")
    fill_in(page)
    page.get_by_test_id("save").click()
    expect(page.get_by_test_id("refusal")).to_contain_text("已被他人更正或撤回")
    expect(page.get_by_test_id("field-reason")).to_have_value("电话核实")
    assert served.seated()["E5"]["from_us"] == at("04 17:20")


def test_somebody_more_on_a_seat_is_added_and_taken_back_and_both_are_seen(
    served: Served, page: Page
) -> None:
    page.get_by_test_id("tab-seat").click()
    page.get_by_test_id("add-seat").click()
    page.get_by_test_id("field-seat").select_option("ER1-01")
    page.get_by_test_id("field-member").fill("O2")
    page.get_by_test_id("field-from").fill("2024-03-04T14:10:00")
    page.get_by_test_id("field-to").fill("2024-03-04T14:05:00")
    fill_in(page, reason="补记")
    page.get_by_test_id("save").click()
    expect(page.get_by_test_id("wanting")).to_contain_text("离席时间应晚于入席时间")
    page.get_by_test_id("field-to").fill("2024-03-04T14:20:00")
    expect(page.get_by_role("alert").first).to_contain_text("已有人就座")
    page.get_by_test_id("save").click()
    card = page.get_by_test_id("seat-P-E-ER1-01")
    expect(card).to_contain_text("O2 · 2024-03-04 14:10:00 – 14:20:00")
    assert "O2" in served.seated()
    page.get_by_test_id("withdraw-seat").click()
    fill_in(page, reason="没有这个人")
    page.get_by_test_id("save").click()
    expect(card).to_contain_text("1 号席 · O2 未曾就座")
    expect(card).to_contain_text("没有这个人")
    expect(card.locator("s", has_text="O2")).to_be_visible()
    assert "O2" not in served.seated()


@pytest.mark.parametrize("width", [1366, 1920, 1000])
def test_nothing_is_cut_off_in_either_language(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 768})
    for words in ("补记事件", "Add an event"):
        expect(page.get_by_test_id("add-event")).to_have_text(words)
        expect(page.get_by_test_id("timeline-chart")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.get_by_test_id("language").click()
    page.set_viewport_size({"width": 1366, "height": 768})


def test_labels_on_the_axis_do_not_lie_on_each_other(page: Page) -> None:
    boxes = json.loads(
        page.evaluate(
            """() => JSON.stringify([...document.querySelectorAll('.row-events .point text')]
                .map(one => one.getBoundingClientRect())
                .map(({ left, right, top }) => ({ left, right, top: Math.round(top) })))"""
        )
    )
    assert len(boxes) >= 8
    for number, one in enumerate(boxes):
        for other in boxes[number + 1 :]:
            if abs(one["top"] - other["top"]) < 8:
                assert one["right"] <= other["left"] or other["right"] <= one["left"]
