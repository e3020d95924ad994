"""The page of searching in a real Chromium, over the sample's month (tasks I1, I4, I13, I17, V13)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, Route, expect, sync_playwright

from catalog.catalogue import Catalogue
from kernel.clock import SystemClock
from kernel.model.timeline import Project
from player_api.app import create_app
from tests.acceptance.test_sources_in_words import serving
from tests.support.peers import chromium, free_port
from tests.support.sample_month import Month, at

NOW = "2026-04-10T09:00:00+08:00"
"""When somebody searches: March is last month."""
CHINESE = re.compile("[\u4e00-\u9fff]")


@dataclass(frozen=True, kw_only=True)
class Searching:
    """A page over the month."""

    page: Page
    catalogue: Catalogue
    errors: list[str]

    def at(self, address: str = "") -> Page:
        """The page with this address, its results there."""
        self.page.goto(f"/search{address}")
        self.done()
        return self.page

    def done(self) -> None:
        """Wait until the results are those of what was asked last."""
        expect(self.page.get_by_test_id("results")).to_be_visible()
        expect(self.page.locator("section.results[aria-busy=false]")).to_be_visible()

    def found(self) -> set[str]:
        """Projects on the page."""
        hits = self.page.locator("[data-hit]")
        return {hit.get_attribute("data-id") or "" for hit in hits.all()}

    def finds(self, *projects: str) -> None:
        """The page shows these projects, and no others."""
        expect(self.page.locator("[data-hit]")).to_have_count(len(projects))
        assert self.found() == set(projects)

    def asked(self) -> dict[str, list[str]]:
        """What the address says."""
        return parse_qs(urlsplit(self.page.url).query)


def fill(month: Month) -> None:
    """The month, over; with what was filed under Shuifu's former code."""
    month.live()
    old = Project(
        id="Q1",
        project_code="530630-X-Q1",
        name_zh="水富县旧桥(A01标段)",
        name_en="Old bridge of Shuifu county",
        region_code="530630",
        trade_place="530630",
        industry_code="A03",
        agency="代理机构甲(样例)",
    )
    month.catalogue.projects.add_project(old, [], principal="test")


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Month]:
    lived = Month(tmp_path_factory.mktemp("month"))
    fill(lived)
    yield lived
    lived.catalogue.close()


@pytest.fixture(scope="module")
def url(month: Month) -> Iterator[str]:
    port = free_port()
    with serving(create_app(month.catalogue, month.store, SystemClock()), port):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def searching(url: str, month: Month) -> Iterator[Searching]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1366, "height": 768}, locale="zh-CN", base_url=url)
        page.clock.set_fixed_time(NOW)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield Searching(page=page, catalogue=month.catalogue, errors=errors)
        browser.close()
    assert errors == []


def row(page: Page, group: str, value: str) -> Locator:
    """A value of a filter with its count: a code of a tree, or a line with a box to tick."""
    return page.get_by_test_id(group).locator(f'[data-code="{value}"], label:has([data-value="{value}"])')


def test_last_months_road_of_a_county_is_found_by_its_region_and_by_its_trade_place(
    searching: Searching,
) -> None:
    """Task V13: said is which of the two it was."""
    page = searching.at()
    row(page, "group-region", "530623").click()
    row(page, "group-industry", "A03").click()
    page.get_by_test_id("last-month").click()
    searching.finds("P03")
    assert searching.asked() == {
        "region": ["530623"],
        "industry": ["A03"],
        "date_from": ["2026-03-01"],
        "date_to": ["2026-03-31"],
        "month": ["2026-03"],
    }
    reasons = page.get_by_test_id("hit-P03").get_by_test_id("reasons")
    expect(reasons).to_have_text("项目所在区域盐津县 530623")
    row(page, "group-region", "530623").click()
    row(page, "group-region", "530600").click()
    searching.finds("P03", "P05", "P20")
    expect(reasons).to_contain_text("项目所在区域盐津县 530623")
    expect(reasons).to_contain_text("交易发生地昭通市 530600")
    page.get_by_test_id("region-of-trade_place").check()
    expect(reasons).to_have_text("交易发生地昭通市 530600")
    page.get_by_test_id("region-of-region").check()
    row(page, "group-region", "530600").click()
    row(page, "group-region", "530623").click()
    searching.finds("P03")
    page.get_by_test_id("region-of-trade_place").check()
    expect(page.get_by_test_id("empty")).to_be_visible()


def test_an_old_county_is_found_by_its_code_of_today(searching: Searching) -> None:
    """Task I17: whoever writes the code as a word is asked whether he means the region."""
    page = searching.at()
    page.get_by_test_id("words").fill("530681")
    searching.finds("P12")  # by the project's own code
    hint = page.get_by_test_id("hint-530681")
    expect(hint).to_contain_text("含曾用代码 530630")
    hint.click()
    searching.finds("P12", "Q1")
    expect(page.get_by_test_id("hit-Q1")).to_contain_text("水富县 530630（曾用代码，今水富市 530681）")
    expect(row(page, "group-region", "530630")).to_contain_text("曾用代码")
    expect(page.get_by_test_id("words")).to_have_value("")


@pytest.mark.parametrize(
    ("field", "entered", "found", "said"),
    [
        ("words", "530627-d-2026-0019", {"P19"}, "编号530627-D-2026-0019"),
        ("words", "桥", {"Q1"}, "项目名称水富县旧桥(A01标段)"),
        ("words", "Ａ０１标段", {"Q1"}, "项目名称水富县旧桥(A01标段)"),
        ("words", "电子设备", {"P06"}, "标签04席使用未登记的电子设备"),
        ("field-name", "中学食堂", {"P19"}, "项目名称【样例】镇雄县样例中学食堂改造(政府采购工程)"),
        (
            "field-code",
            "d02-sample000000000000-20260210-000191",
            {"P19"},
            "编号D02-SAMPLE000000000000-20260210-000191-0",
        ),
        ("field-section", "第二标段", {"P02"}, "标段"),
        ("field-tag", "迟到", {"P03"}, "标签副场专家迟到7分钟"),
    ],
)
def test_an_inspector_finds_a_project_by_what_he_knows_and_reads_why(
    searching: Searching, field: str, entered: str, found: set[str], said: str
) -> None:
    """Task I1: what was entered is marked where it was found, as it is written there."""
    page = searching.at()
    page.get_by_test_id(field).fill(entered)
    page.get_by_test_id(field).press("Enter")
    searching.finds(*found)
    for project in found:
        reasons = page.get_by_test_id(f"hit-{project}").get_by_test_id("reasons")
        expect(reasons).to_contain_text(said)
        expect(reasons.locator("mark").first).to_be_visible()


def test_a_search_by_room_phase_agency_and_days_survives_a_reload_and_can_be_sent_on(
    searching: Searching,
) -> None:
    page = searching.at()
    page.get_by_test_id("room").select_option("ZX-ER1")
    row(page, "group-phase", "evaluation").click()
    page.get_by_test_id("field-agency").fill("代理机构丁")
    page.get_by_test_id("date-from").fill("2026年3月1日")
    page.get_by_test_id("date-to").fill("20260331")
    page.get_by_test_id("date-to").press("Enter")
    searching.finds("P19")
    page.get_by_test_id("toggle-P19").click()
    expect(page.get_by_test_id("clips")).to_be_visible()
    assert searching.asked()["date_from"] == ["2026-03-01"]
    page.reload()
    searching.done()
    searching.finds("P19")
    expect(page.get_by_test_id("clips")).to_be_visible()
    for name in ("chip-room", "chip-phase", "chip-agency", "chip-days"):
        expect(page.get_by_test_id(name)).to_be_visible()
    page.get_by_test_id("chip-agency").get_by_role("button").click()
    assert "agency" not in searching.asked()
    page.go_back()
    expect(page.get_by_test_id("chip-agency")).to_be_visible()
    page.get_by_test_id("clear").click()
    expect(page.get_by_test_id("view-projects")).to_have_text("22 个项目")


def test_an_expert_is_shown_when_he_sat_and_the_replay_opens_at_that_moment(searching: Searching) -> None:
    """Task I4: the clip goes on with somebody else on the seat."""
    page = searching.at("?expert_key=e8a507419efb717315fba479f17c9a12&open=P19")
    searching.finds("P19")
    expect(page.get_by_test_id("hit-P19")).to_contain_text(
        "席位 ZX-ER1-03（E2） 2026-03-20 10:10:00 – 11:22:00"
    )
    clips = page.get_by_test_id("clips").locator("tbody tr")
    expect(clips).to_have_count(2)
    expect(clips.first).to_contain_text("10:10:00 – 11:22:00")
    link = clips.first.get_by_role("link", name="回放").get_attribute("href")
    assert link == f"/sessions/P19-E/replay?t={at('20 10:10')}"


def test_recordings_with_long_gaps_are_listed_as_clips_by_site(searching: Searching) -> None:
    """Task I13."""
    page = searching.at()
    page.get_by_test_id("field-gap").fill("60")
    page.get_by_test_id("field-gap").press("Enter")
    page.get_by_test_id("view-clips").click()
    clips = page.get_by_test_id("clips").locator("tbody tr")
    expect(page.get_by_test_id("view-clips")).to_have_text("2 个片段")
    expect(clips).to_have_count(2)
    expect(clips.filter(has_text="威信县评标室03席桌面")).to_contain_text("6:00")
    row(page, "group-site", "WX").click()
    expect(clips).to_have_count(1)


def test_held_footage_is_found(searching: Searching) -> None:
    page = searching.at()
    page.get_by_test_id("held").select_option("true")
    expect(page.get_by_test_id("chip-held")).to_contain_text("有冻结")
    expect(page.get_by_test_id("hit-P06")).to_be_visible()
    page.get_by_test_id("tag-kind").select_option("irregular")
    page.get_by_test_id("toggle-P06").click()
    expect(page.get_by_test_id("clips")).to_contain_text("ZT-SH1-04")


def test_the_calendar_marks_days_with_footage_under_the_other_filters_and_a_click_asks_for_one(
    searching: Searching,
) -> None:
    page = searching.at("?region=530627")
    calendar = page.get_by_test_id("calendar")
    expect(calendar.get_by_test_id("month")).to_have_text("2026 年 03 月")
    marked = calendar.locator(".has")
    expect(marked).to_have_count(3)
    day = calendar.locator('[data-day="2026-03-20"]')
    expect(day).to_have_accessible_name("2026-03-20：1 个项目，18 个片段")
    day.click()
    searching.finds("P19")
    expect(page.get_by_test_id("date-from")).to_have_value("2026-03-20")
    expect(marked).to_have_count(3)  # the days that were chosen do not narrow the calendar
    day.click()
    expect(page.get_by_test_id("chip-days")).to_have_count(0)
    day.press("ArrowUp")
    expect(calendar.locator('[data-day="2026-03-13"]')).to_be_focused()
    calendar.get_by_test_id("month-before").click()
    expect(calendar.get_by_test_id("month")).to_have_text("2026 年 02 月")
    expect(marked).to_have_count(0)


def test_a_facet_finds_as_many_as_it_says(searching: Searching) -> None:
    page = searching.at()
    for group, value in (("group-phase", "auction"), ("group-kind", "seat_face"), ("group-site", "YS")):
        page = searching.at()
        line = row(page, group, value)
        number = int(line.locator("small.num").inner_text())
        line.click()
        expect(page.get_by_test_id("view-projects")).to_have_text(f"{number} 个项目")
        expect(page.locator("[data-hit]")).to_have_count(number)


def test_more_come_behind_what_is_shown(searching: Searching) -> None:
    page = searching.at()
    expect(page.locator("[data-hit]")).to_have_count(20)
    before = searching.found()
    page.get_by_test_id("more").click()
    expect(page.locator("[data-hit]")).to_have_count(22)
    assert before < searching.found()
    expect(page.get_by_test_id("more")).to_have_count(0)


def test_nothing_found_says_which_filter_to_leave_out(searching: Searching) -> None:
    page = searching.at("?region=530300&text=桥")
    expect(page.get_by_test_id("empty")).to_contain_text("没有找到")
    expect(page.get_by_test_id("relax-text")).to_have_count(0)  # there is nothing in Qujing
    page.get_by_test_id("relax-region").click()
    searching.finds("Q1")
    searching.at("?text=桥 水富县 不存在")
    way = page.get_by_test_id("relax-text")
    expect(way).to_have_text("去掉“不存在” · 1 个项目")
    way.click()
    searching.finds("Q1")
    assert searching.asked() == {"text": ["桥 水富县"]}


def test_what_cannot_be_searched_for_is_said_at_its_field_and_not_asked(searching: Searching) -> None:
    page = searching.page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/search?date_from=2026-03-31&date_to=2026-03-01&gap_seconds=long")
    expect(page.get_by_test_id("group-days").get_by_role("alert")).to_have_text("结束日期早于开始日期。")
    expect(page.get_by_test_id("faulty")).to_contain_text("缺口：请填写秒数")
    assert not [one for one in asked if "/api/search/" in one]
    page.get_by_test_id("date-to").fill("2026-03-31")
    page.get_by_test_id("field-gap").fill("60")
    page.get_by_test_id("field-gap").press("Enter")
    expect(page.get_by_test_id("faulty")).to_have_count(0)
    searching.finds()
    page.goto("/search?region=999999")
    expect(page.get_by_test_id("group-region").get_by_role("alert")).to_have_text(
        "没有代码 999999，请更正或去掉。"
    )
    page.get_by_test_id("chip-region").get_by_role("button").click()
    expect(page.get_by_test_id("view-projects")).to_have_text("22 个项目")


def test_a_search_is_kept_under_a_name_used_again_and_deleted(searching: Searching) -> None:
    page = searching.at("?text=桥&region=530681&gap_seconds=60")
    page.get_by_test_id("saved").click()
    page.get_by_test_id("saved-who").fill("王芳")
    page.get_by_test_id("saved-name").fill("水富的桥")
    page.get_by_test_id("saved-save").click()
    expect(page.get_by_test_id("saved-one")).to_contain_text("水富的桥")
    page.get_by_test_id("saved-name").fill("水富的桥")
    page.get_by_test_id("saved-save").click()
    expect(page.get_by_test_id("saved-sheet").get_by_role("alert")).to_contain_text("已有同名的保存检索")
    searching.at()
    page.get_by_test_id("saved").click()
    page.get_by_role("button", name="水富的桥", exact=True).click()
    expect(page.get_by_test_id("chip-gap_seconds")).to_be_visible()
    assert searching.asked() == {"text": ["桥"], "region": ["530681"], "gap_seconds": ["60"]}
    page.get_by_test_id("saved").click()
    page.get_by_test_id("saved-delete").click()
    page.get_by_test_id("saved-confirm").click()
    expect(page.get_by_test_id("saved-one")).to_have_count(0)
    assert searching.catalogue.saved_searches.of("王芳") == []


def test_the_keys_go_from_the_words_through_the_results_and_open_one(searching: Searching) -> None:
    page = searching.at("?region=530681")
    page.get_by_test_id("view-projects").focus()
    page.keyboard.press("/")
    expect(page.get_by_test_id("words")).to_be_focused()
    page.keyboard.type("地块")
    searching.finds("P12")
    page.keyboard.press("ArrowDown")
    expect(page.locator('[data-id="P12"]')).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_test_id("clips")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_test_id("clips")).to_have_count(0)
    page.keyboard.press("ArrowUp")
    expect(page.get_by_test_id("words")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/projects/P12$"))


def test_an_answer_that_was_overtaken_is_not_shown(searching: Searching) -> None:
    """The first word's answer is held back until the second one's is there."""
    page = searching.at()
    held: list[Route] = []

    def hold(route: Route) -> None:
        if "text=%E6%B0%B4&" in f"{route.request.url}&":
            held.append(route)
        else:
            route.continue_()

    page.route("**/api/search/projects**", hold)
    page.get_by_test_id("words").fill("水")
    with page.expect_event("requestfailed"):  # given up by the page itself
        expect(page.locator("section.results[aria-busy=true]")).to_be_visible()
        page.get_by_test_id("words").fill("桥")
    searching.finds("Q1")
    assert len(held) == 1


def test_nothing_moves_away_while_somebody_types_or_clicks(searching: Searching) -> None:
    page = searching.at()
    expect(row(page, "group-site", "ZT")).to_be_visible()

    def tops() -> list[float]:
        parts = ("results", "group-industry", "group-days", "group-site", "group-state")
        boxes = [page.get_by_test_id(part).bounding_box() for part in parts]
        scrolled: float = page.evaluate("window.scrollY")
        return [box["y"] + scrolled for box in boxes if box is not None]

    before = tops()
    page.get_by_test_id("words").fill("530681")
    expect(page.get_by_test_id("hint-530681")).to_be_visible()
    searching.finds("P12")
    assert tops() == before
    row(page, "group-phase", "auction").click()
    expect(page.get_by_test_id("chip-phase")).to_be_visible()
    searching.done()
    assert len(before) == 5
    assert tops() == before


def test_the_tree_of_regions_is_used_by_keys(searching: Searching) -> None:
    page = searching.at()
    page.get_by_test_id("find-tree-region").fill("盐津")
    page.get_by_test_id("group-region").locator('.el-tree-node:has(> * [data-code="530000"])').focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    expect(page.get_by_test_id("chip-region")).to_contain_text("盐津县 530623")
    searching.finds("P03")


def test_the_page_has_english_words_and_is_no_wider_than_its_window(searching: Searching) -> None:
    page = searching.at("?region=530600&industry=A03&open=P03&gap_seconds=1")
    page.get_by_test_id("language").click()
    searching.at("?region=530600&industry=A03&open=P03")
    expect(page.get_by_test_id("clips")).to_be_visible()
    assert not CHINESE.search(page.locator("main aside").inner_text())
    assert not CHINESE.search(page.get_by_test_id("hit-P03").get_by_test_id("reasons").inner_text())
    assert page.evaluate("document.documentElement.scrollWidth") <= 1366
