"""A day of witness staff in Chromium on the sample: today, tags, the witness record; each named by its task.

The sample's 9 March at 11:20, while P06 and P07 are evaluated side by side in one hall; and the same evening,
when it is replayed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from catalog.readiness import Watch
from cli.sample.files import read_sample
from kernel.clock import SECOND_US, SystemClock
from kernel.desired import Around
from kernel.model.footage import SourceHealth, SourceState
from kernel.model.source import RecordMode, Wish
from kernel.model.timeline import Phase, TimelineEvent
from kernel.settings import TagSettings
from kernel.tags import tags_in_force
from kernel.witness_record import witness_items
from tests.support.people import Served, served
from tests.support.sample_month import at

STATIC = Path(os.environ.get("JIANZHENG_TEST_STATIC", Path(__file__).parents[2] / "player_api" / "static"))
SOON_MS = 15_000
"""A page hears of changes by itself: how fast, no test says, for machines differ; nobody reloads."""
SEAT_4 = "ZT-SH1-04-F"
LOST = "ZT-SH1-09-F"
EVALUATION = [one.id for one in witness_items()[Phase.EVALUATION] if one.mandatory]
OF_P06 = "[data-testid=today-P06]"


def patient_watch() -> Watch:
    """All sources are wanted, and what was once said of them counts for as long as the tests last."""
    sources = read_sample().places.sources_public()
    wishes = [Wish(source_id=one.id, room_id=one.room_id, record=RecordMode.ALWAYS) for one in sources]
    return Watch(
        wishes=lambda: wishes,
        around=Around(before_us=0, after_us=0),
        agents=lambda: frozenset(one.id for one in sources),
        agent_patience_us=10**15,
    )


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """P06 and P07 in one hall; all of it is recorded but the face at seat 9."""
    directory = tmp_path_factory.mktemp("hall")
    with served(directory, "09 11:20", static=STATIC, watch=patient_watch()) as opened:
        now_us = opened.clock.now_us()
        told = [
            SourceHealth(
                source_id=source.id,
                state=SourceState.LOST if source.id == LOST else SourceState.RECORDING,
                detail="",
                since_us=now_us,
                updated_us=now_us,
                last_frame_us=now_us,
            )
            for source in opened.catalogue.places.sources().values()
        ]
        opened.catalogue.footage.set_health(told)
        yield opened


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("evening"), "09 18:00", static=STATIC) as opened:
        yield opened


def projects(page: Page) -> list[str | None]:
    shown = page.locator("[data-project]")
    expect(shown.first).to_be_visible()
    return [one.get_attribute("data-testid") for one in shown.all()]


def sessions(page: Page, project: str) -> list[str]:
    rows = page.get_by_test_id(f"today-{project}").locator("tr[data-state]")
    return [(one.get_attribute("data-testid") or "").removeprefix("session-") for one in rows.all()]


def test_w1_today_shows_the_three_projects_of_the_day_and_how_each_stands(
    hall: Served, browser: Browser
) -> None:
    with hall.window(browser, "w-zt-1", "/today") as page:
        assert projects(page) == ["today-P06", "today-P07", "today-P08"]
        assert sessions(page, "P06") == ["P06-X", "P06-O", "P06-E"]
        row = page.get_by_test_id("session-P06-E")
        expect(row).to_contain_text("评标")
        expect(row).to_contain_text("市级分散评标厅")
        expect(row).to_contain_text("进行中")
        expect(row.locator(".seat")).to_have_text(["1O1", "4E1", "9E2", "14E3", "19E4"])
        venue = page.get_by_test_id("venue-P06-E")
        expect(venue).to_contain_text("1 路未录")
        expect(venue).to_contain_text("09席人像")
        expect(page.get_by_test_id("venue-P07-E")).to_contain_text("录制正常")
        expect(page.get_by_test_id("session-P08-E")).to_contain_text("待开始")
        expect(page.get_by_test_id("session-P06-O")).to_contain_text("08:30 – 09:20")


def test_w1_another_day_is_asked_for_and_shows_nothing_of_this_one(hall: Served, browser: Browser) -> None:
    with hall.window(browser, "w-zt-1", "/today?day=2026-03-02") as page:
        assert projects(page) == ["today-P01"]
        page.get_by_test_id("day-today").click()
        expect(page.get_by_test_id("today-P06")).to_be_visible()
        expect(page.get_by_test_id("today-P01")).to_have_count(0)


def test_v1_a_supervisor_sees_his_own_industries_only(hall: Served, browser: Browser) -> None:
    """P07 (finance) sits in the same hall as P06 (housing)."""
    with hall.window(browser, "s-zj-1", "/today") as page:
        assert projects(page) == ["today-P06"]
    with hall.window(browser, "s-cz-1", "/today") as page:
        assert projects(page) == ["today-P07", "today-P08"]
    with hall.client("s-zj-1") as client:
        assert "P07" not in client.get("/api/today").text


def test_w13_a_county_sees_its_own_venue_and_the_city_all_three(hall: Served, browser: Browser) -> None:
    day = "/today?day=2026-03-04"
    with hall.window(browser, "w-zx-1", day) as page:
        assert projects(page) == ["today-P03"]
        assert sessions(page, "P03") == ["P03-E3"]
    with hall.window(browser, "w-zt-1", day) as page:
        assert "today-P03" in projects(page)
        assert {"P03-E1", "P03-E2", "P03-E3"} <= set(sessions(page, "P03"))


@pytest.mark.parametrize("account", ["sys-1", "sec-1", "aud-1"])
def test_administrators_have_no_today(hall: Served, account: str) -> None:
    with hall.client(account) as client:
        assert client.get("/api/today").status_code == 403


def record_item(page: Page, item: str) -> Locator:
    return page.get_by_test_id(f"tick-{item}")


def test_w5_a_phase_is_not_closed_while_a_mandatory_tick_is_missing(hall: Served, browser: Browser) -> None:
    left_out = "evaluation.report"
    with hall.window(browser, "w-zt-1", "/today") as page:
        page.get_by_test_id("witness-P06-E").click()
        for item in EVALUATION:
            if item != left_out:
                record_item(page, item).click()
                expect(page.get_by_test_id(f"item-{item}")).to_have_attribute("data-ticked", "true")
        page.get_by_test_id("witness-close").click()
        expect(page.get_by_test_id("witness-refused")).to_contain_text(
            "必填项未确认，不能关闭：评标报告已签署"
        )
        record_item(page, left_out).click()
        expect(page.get_by_test_id(f"item-{left_out}")).to_contain_text("w-zt-1 于 11:2")
        page.get_by_test_id("witness-close").click()
        expect(page.get_by_test_id("witness-closed")).to_contain_text("w-zt-1")
        page.keyboard.press("Escape")
        expect(page.get_by_test_id("witness-P06-E")).to_have_text("已关闭")
    record = hall.catalogue.witness_records.of_session("P06-E")
    assert record is not None
    assert record.closed is not None
    assert {entry.principal for entry in record.entries} == {"w-zt-1"}
    assert len(record.entries) == len(EVALUATION) + 1


def test_w5_a_tick_is_put_right_by_adding(hall: Served, browser: Browser) -> None:
    item = "opening.time"
    with hall.window(browser, "w-zt-1", "/today") as page:
        page.get_by_test_id("witness-P06-O").click()
        record_item(page, item).click()
        page.get_by_test_id(f"untick-{item}").click()
        page.get_by_test_id("witness-reason").fill("点错了")
        page.get_by_test_id("witness-untick").click()
        expect(page.get_by_test_id(f"item-{item}")).to_have_attribute("data-ticked", "false")
        page.get_by_text("全部记录").click()
        expect(page.locator(".history li")).to_have_count(2)
        expect(page.locator(".history li").last).to_contain_text("点错了")


def test_w5_only_witness_staff_of_the_venue_fill_it_in(hall: Served, browser: Browser) -> None:
    with hall.window(browser, "s-zj-1", "/today") as page:
        page.get_by_test_id("witness-P06-X").click()
        expect(page.get_by_test_id("witness-dialog")).to_contain_text("仅本场所的见证人员可以填写")
        expect(page.get_by_test_id("witness-close")).to_have_count(0)
    told = {"act": "tick", "item": "extraction.conditions"}
    for account, expected in (("s-zj-1", 403), ("w-zx-1", 403), ("w-zt-1", 201)):
        with hall.client(account) as client:
            answer = client.post("/api/sessions/P06-X/witness-record", json=told)
            assert answer.status_code == expected, account


def event(name: str, moment_us: int, kind: str) -> TimelineEvent:
    return TimelineEvent(
        id=name,
        session_id="P06-E",
        at_us=moment_us,
        type=kind,
        reason="午餐" if kind == "eval.pause" else "",
        principal="system:api-tender",
        recorded_us=moment_us,
    )


def test_w7_a_pause_comes_by_itself_and_is_put_right_by_hand_with_a_reason(
    hall: Served, browser: Browser
) -> None:
    """Old and new both stay."""
    with hall.window(browser, "w-zt-1", "/today") as page:
        row = page.get_by_test_id("session-P06-E")
        expect(row).not_to_contain_text("暂停中")
        paused_us = hall.clock.now_us()
        hall.catalogue.sessions.record_event(event("w7-pause", paused_us, "eval.pause"))
        expect(row).to_contain_text("暂停中", timeout=SOON_MS)
        page.goto("/projects/P06/timeline")
        page.get_by_test_id("directive-banner").get_by_role("button", name="取消").click()
        card = page.get_by_test_id("event-w7-pause")
        card.locator("button").first.click()
        page.get_by_test_id("correct").click()
        page.get_by_test_id("field-time").fill("2026-03-09T11:19:00")
        page.get_by_test_id("field-reason").fill("监控画面为准")
        page.get_by_test_id("save").click()
        expect(page.get_by_test_id("event-dialog")).to_have_count(0)
    told = {one.id: one for one in hall.catalogue.sessions.events_of("P06-E")}
    (right,) = [one for one in told.values() if one.replaces == "w7-pause"]
    assert told["w7-pause"].at_us == paused_us
    assert (right.at_us, right.principal, right.reason) == (at("09 11:19:00"), "w-zt-1", "监控画面为准")
    hall.catalogue.sessions.record_event(event("w7-resume", hall.clock.now_us(), "eval.resume"))


def mark(page: Page, *digits: str, text: str = "") -> None:
    """Kind, severity where there is any, words, Enter: keys only."""
    for digit in digits:
        page.keyboard.press(digit)
    expect(page.get_by_test_id("tag-palette")).to_have_attribute("data-step", "text")
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def to_moment(page: Page, moment: str) -> None:
    """The replay of P06's evaluation, standing at a moment."""
    page.goto(f"/sessions/P06-E/replay?at={at(moment)}")
    expect(page.get_by_test_id(f"pane-{SEAT_4}")).to_be_visible()


def test_w4_two_keys_mark_the_frame_with_project_section_camera_second_and_account(
    evening: Served, browser: Browser
) -> None:
    """TAG-05 as it is marked: kind, severity, Enter; no click."""
    with evening.window(browser, "w-zt-2", "/today") as page:
        to_moment(page, "09 11:20:00")
        page.get_by_test_id(f"pane-{SEAT_4}").locator(".stage").dblclick()
        page.keyboard.press("3")
        expect(page.get_by_test_id("tag-moment")).to_have_text("11:20:00.000")
        expect(page.get_by_test_id("tag-where")).to_contain_text("04席人像")
        mark(page, "1")
        expect(page.get_by_test_id("tag-saved")).to_contain_text("已标记 11:20:00 故障")
    (tag,) = [one for one in evening.catalogue.tags.of_project("P06") if one.kind == "fault"]
    assert (tag.project_id, tag.session_id, tag.section_number) == ("P06", "P06-E", 1)
    assert (tag.source_id, tag.seat_id) == (SEAT_4, "ZT-SH1-04")
    assert (tag.at_us, tag.severity, tag.principal) == (at("09 11:20:00"), "minor", "w-zt-2")
    assert tag.recorded_us >= at("09 18:00")
    assert evening.catalogue.holds.acts_of_tags([tag.id]) == {}


def test_w4_the_live_wall_marks_with_the_same_keys(hall: Served, browser: Browser) -> None:
    """No picture comes here, as of a lost camera: then the moment is now."""
    behind_ms = (SystemClock().now_us() - hall.clock.now_us()) // 1000
    page = hall.page(browser, "w-zt-1")
    page.add_init_script(f"{{ const now = Date.now.bind(Date); Date.now = () => now() - {behind_ms} }}")
    page.goto("/live?project=P06")
    page.get_by_text("选择画面").click()
    page.get_by_test_id(f"show-{LOST}").click()
    page.keyboard.press("Escape")
    page.keyboard.press("3")
    expect(page.get_by_test_id("tag-where")).to_contain_text("09席人像")
    mark(page, "2", text="没有画面")
    expect(page.get_by_test_id("tag-saved")).to_contain_text("故障 · 严重")
    page.get_by_test_id("tag-toggle").click()
    expect(page.get_by_test_id("tag-side")).to_contain_text("没有画面")
    page.context.close()
    (tag,) = [one for one in hall.catalogue.tags.of_project("P06") if one.kind == "fault"]
    assert (tag.session_id, tag.source_id, tag.seat_id) == ("P06-E", LOST, "ZT-SH1-09")
    assert abs(tag.at_us - tag.recorded_us) < 60 * SECOND_US
    assert tag.principal == "w-zt-1"


def test_w4_the_samples_own_tag_has_all_of_it_too(evening: Served) -> None:
    tag = evening.catalogue.tags.get("TAG-05")
    assert tag is not None
    assert (tag.project_id, tag.section_number, tag.source_id, tag.seat_id) == (
        "P06",
        1,
        SEAT_4,
        "ZT-SH1-04",
    )
    assert (tag.at_us, tag.severity, tag.principal) == (at("09 11:20:00"), "major", "w-zt-2")


def test_w4_keys_go_back_and_nothing_is_kept_of_what_was_cancelled(evening: Served, browser: Browser) -> None:
    before = len(evening.catalogue.tags.of_project("P06"))
    with evening.window(browser, "w-zt-1", "/today") as page:
        to_moment(page, "09 11:00:00")
        page.keyboard.press("t")
        palette = page.get_by_test_id("tag-palette")
        expect(palette).to_have_attribute("data-step", "kind")
        page.keyboard.press("1")
        expect(palette).to_have_attribute("data-step", "text")
        page.keyboard.type("说明里的 t 和 2 只是字")
        expect(page.get_by_test_id("tag-text")).to_have_value("说明里的 t 和 2 只是字")
        page.get_by_test_id("tag-text").fill("")
        page.keyboard.press("Backspace")
        expect(palette).to_have_attribute("data-step", "kind")
        page.keyboard.press("2")
        expect(palette).to_have_attribute("data-step", "severity")
        page.keyboard.press("Escape")
        expect(palette).to_have_count(0)
    assert len(evening.catalogue.tags.of_project("P06")) == before


def test_w12_an_irregularity_locks_its_seat_and_is_on_the_supervisors_screen(
    evening: Served, browser: Browser
) -> None:
    with (
        evening.window(browser, "s-zj-1", "/today") as supervisor,
        evening.window(browser, "w-zt-2", "/today") as page,
    ):
        expect(supervisor.locator(OF_P06)).to_be_visible()
        to_moment(page, "09 11:20:00")
        page.get_by_test_id(f"pane-{SEAT_4}").locator(".stage").dblclick()
        page.keyboard.press("2")
        page.keyboard.press("2")
        expect(page.get_by_test_id("tag-locks")).to_contain_text("锁定该席位")
        mark(page, text="04席使用未登记的电子设备")
        expect(page.get_by_test_id("tag-saved")).to_contain_text("已锁定 2 路录像，已通知监督人员")
        notice = supervisor.locator(OF_P06).get_by_test_id("alert-irregularity")
        expect(notice).to_contain_text("04席使用未登记的电子设备", timeout=SOON_MS)
        expect(notice).to_contain_text(re.compile("11:20:00.*严重.*4"))
    rule = TagSettings().lock_rule()
    mine = [one for one in evening.catalogue.tags.of_project("P06") if one.recorded_us >= at("09 18:00")]
    (tag,) = [one for one in mine if one.kind == "irregular"]
    held = [one for one in evening.catalogue.holds.all() if one.tag_id == tag.id]
    assert {one.source_id for one in held} == {"ZT-SH1-04-F", "ZT-SH1-04-D"}
    for one in held:
        assert one.wall.start_us == tag.at_us - rule.before_us
        assert one.wall.end_us == tag.at_us + rule.after_us
        assert (one.principal, one.released_us) == ("w-zt-2", None)
    assert rule.before_us + rule.after_us > 10 * 60 * SECOND_US


def test_w12_a_tag_that_is_put_right_or_taken_back_stays_with_its_hold(
    evening: Served, browser: Browser
) -> None:
    with evening.window(browser, "w-zt-1", "/today") as page:
        to_moment(page, "09 13:00:00")
        mark(page, "2", "1")
        expect(page.get_by_test_id("tag-saved")).to_contain_text("已锁定整个场次的录像")
        (first,) = [one for one in evening.catalogue.tags.of_project("P06") if one.at_us == at("09 13:00:00")]
        page.keyboard.press("l")
        page.get_by_test_id(f"tag-correct-{first.id}").click()
        page.get_by_test_id("correction-text").fill("二人交谈")
        page.get_by_test_id("correction-reason").fill("补充说明")
        page.get_by_test_id("correction-save").click()
        expect(page.get_by_test_id("tag-form")).to_have_count(0)
        expect(page.get_by_test_id("tag-list")).to_contain_text("二人交谈")
        expect(page.get_by_test_id(f"tag-{first.id}")).to_have_count(0)
    told = [one for one in evening.catalogue.tags.of_project("P06") if one.at_us == at("09 13:00:00")]
    right = next(one for one in told if one.replaces == first.id)
    assert (right.text, right.reason, right.severity) == ("二人交谈", "补充说明", "minor")
    with evening.client("w-zt-1") as client:
        answer = client.post(f"/api/tags/{right.id}/withdrawal", json={"reason": "误标"})
        assert answer.status_code == 201
        again = client.post(f"/api/tags/{right.id}/withdrawal", json={"reason": "误标"})
        assert (again.status_code, again.json()["detail"]["code"]) == (409, "tag_replaced")
    everything = evening.catalogue.tags.of_project("P06")
    ours = [one for one in everything if one.at_us == at("09 13:00:00")]
    assert (len(ours), tags_in_force(ours)) == (3, [])
    (hold,) = [one for one in evening.catalogue.holds.all() if one.tag_id == first.id]
    assert hold.session_id == "P06-E"


def test_a_tag_is_seen_by_everybody_entitled_by_itself(evening: Served, browser: Browser) -> None:
    with evening.window(browser, "s-zj-1", "/today") as page:
        to_moment(page, "09 12:00:00")
        page.keyboard.press("l")
        expect(page.get_by_test_id("tag-list")).to_be_visible()
        with evening.client("w-zt-1") as client:
            told = {"at_us": at("09 12:00:30"), "kind": "note", "text": "评标区内用餐", "source_id": SEAT_4}
            added = client.post("/api/sessions/P06-E/tags", json=told)
            assert added.status_code == 201, added.text
        expect(page.get_by_test_id(f"tag-{added.json()['id']}")).to_be_visible(timeout=SOON_MS)


@pytest.mark.parametrize(
    ("account", "status"),
    [("w-zt-1", 201), ("s-zj-1", 201), ("s-cz-1", 403), ("w-zx-1", 403), ("i-jw-1", 403)],
)
def test_who_may_mark_is_decided_by_venue_region_and_industry(
    evening: Served, account: str, status: int
) -> None:
    with evening.client(account) as client:
        told = {"at_us": at("09 14:00"), "kind": "note", "text": account}
        assert client.post("/api/sessions/P06-E/tags", json=told).status_code == status
        seen = client.get("/api/sessions/P06-E/tags").status_code
        assert seen == (200 if account in ("w-zt-1", "s-zj-1", "i-jw-1") else 403)


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"source_id": "ZT-SH1-05-F"}, "elsewhere"),  # P07's seat in the same hall
        ({"source_id": "ZX-RR1-P1"}, "elsewhere"),
        ({"source_id": "nowhere"}, "elsewhere"),
        ({"at_us": at("20 11:00")}, "in_future"),
        ({"kind": "irregular", "severity": "terrible"}, "unknown_kind"),
        ({"section_number": 7}, "other"),
    ],
)
def test_what_cannot_be_marked_is_refused_and_holds_nothing(
    evening: Served, told: dict[str, object], code: str
) -> None:
    tags, holds = len(evening.catalogue.tags.of_project("P06")), len(evening.catalogue.holds.all())
    body = {"at_us": at("09 11:20"), "kind": "irregular", "severity": "major", **told}
    with evening.client("w-zt-1") as client:
        answer = client.post("/api/sessions/P06-E/tags", json=body)
    assert (answer.status_code, answer.json()["detail"]["code"]) == (409, code)
    assert len(evening.catalogue.tags.of_project("P06")) == tags
    assert len(evening.catalogue.holds.all()) == holds


def test_a_tag_sent_twice_over_a_bad_line_is_kept_once(evening: Served) -> None:
    told = {"id": f"tag-{'a' * 32}", "at_us": at("09 11:21"), "kind": "irregular", "severity": "minor"}
    with evening.client("w-zt-1") as client:
        first, second = (client.post("/api/sessions/P06-E/tags", json=told).json() for _ in range(2))
    assert first["hold_act_id"] == second["hold_act_id"]
    assert len([one for one in evening.catalogue.tags.of_project("P06") if one.id == told["id"]]) == 1
    with evening.client("w-zt-2") as client:
        assert client.post("/api/sessions/P06-E/tags", json=told).status_code == 409
