"""A project's page in a real Chromium: its budget, how it was divided, and the quality of each file.

A project whose opening is archived over its budget, with a file that misses a floor, and another one that is
being archived. What the pages show is held against what the catalogue was told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from playwright.sync_api import Browser, Page, expect

from catalog.catalogue import Catalogue
from catalog.objects import MemoryStore
from kernel.clock import SystemClock
from player_api.app import create_app
from tests.acceptance.test_sources_in_words import serving
from tests.support.archived_project import PROBING, REASON, fill
from tests.support.catalogue import open_catalogue
from tests.support.peers import free_port


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A page over a catalogue that tests may tell more."""

    page: Page
    catalogue: Catalogue


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Shown]:
    catalogue = open_catalogue(tmp_path_factory.mktemp("project"))
    fill(catalogue)
    port = free_port()
    app = create_app(catalogue, MemoryStore(), SystemClock())
    with serving(app, port):
        page = browser.new_page(
            viewport={"width": 1024, "height": 768}, locale="zh-CN", base_url=f"http://127.0.0.1:{port}"
        )
        yield Shown(page=page, catalogue=catalogue)
        page.close()
    catalogue.close()


def project_page(shown: Shown) -> Page:
    shown.page.goto("/projects/P")
    expect(shown.page.get_by_test_id("files")).to_be_visible()
    return shown.page


def test_while_it_is_archived_the_page_says_in_words_what_is_being_done(shown: Shown) -> None:
    page = shown.page
    page.goto("/projects/W")
    status = page.get_by_test_id("session-W-O")
    expect(status).to_contain_text("试编码")
    expect(status).to_contain_text("3/9")
    expect(page.get_by_test_id("files")).to_have_count(0)
    expect(page.get_by_test_id("division")).to_have_count(0)
    failed = replace(PROBING, step="failed", detail="libsvtav1 failed.")
    shown.catalogue.archives.report_progress(failed)
    expect(status).to_contain_text("稍后自动重试")
    expect(status.get_by_text("libsvtav1 failed.")).to_be_hidden()  # in English: folded up
    cancelled = replace(failed, step="cancelled", detail="cancelled by w-1: wrong day.")
    shown.catalogue.archives.report_progress(cancelled)
    expect(status).to_contain_text("已由人取消")


def test_the_division_adds_up_to_what_is_stored_and_says_why_it_is_over(shown: Shown) -> None:
    """Invariant 13: the overrun and its reason stand in the report."""
    division = project_page(shown).get_by_test_id("division")
    expect(division).to_contain_text("800 kB")  # the budget
    expect(division.get_by_test_id("division-over")).to_contain_text("110 kB")
    expect(division).to_contain_text("场地音视频600 kB75.0 %")
    expect(division).to_contain_text("收据与清单10 kB1.3 %")
    expect(division.locator("svg rect title")).to_have_count(3)
    reason = division.get_by_test_id("overrun")
    expect(reason).to_contain_text("超出预算 110 kB：画面可读性下限优先于预算")
    expect(reason).to_contain_text("占用最多：cam、screen")
    expect(reason.get_by_text(REASON)).to_be_hidden()


def test_each_file_shows_its_share_its_rate_its_measured_quality_and_whether_floors_were_reached(
    shown: Shown,
) -> None:
    page = project_page(shown)
    cells = page.get_by_test_id("file-cam").locator("td")
    assert [text.split("\n")[0].strip() for text in cells.all_inner_texts()] == [
        "cam", "600 kB", "75.0 %", "80", "清晰", "84.0", "75.5", "—", "达到", "1500 / 1500", "详情",
    ]  # fmt: skip
    below = page.get_by_test_id("file-screen")
    expect(below.locator("[data-grade=below]")).to_have_text("低于下限")
    expect(below).to_contain_text("91.2 %")
    expect(below).to_contain_text("无法达到")
    expect(below).to_contain_text("90 / 1500")
    title = below.locator("[data-grade]").get_attribute("title") or ""
    assert "70" in title  # the limits are those that it was held to, and are told
    assert "82.5" in title
    assert "95.0 %" in title


def test_the_receipt_of_a_file_is_fetched_when_asked_for_and_drawn_over_time(shown: Shown) -> None:
    asked: list[str] = []
    page = project_page(shown)
    page.on("request", lambda request: asked.append(request.url))
    assert not any(url.endswith("/receipt") for url in asked)
    page.get_by_test_id("detail-cam").click()
    detail = page.get_by_test_id("receipt-cam")
    expect(detail.get_by_test_id("sha256")).to_have_text(f"{'cam':a<64}")
    expect(detail).to_contain_text("5" * 64)
    expect(detail).to_contain_text("libsvtav1 preset=10")
    expect(detail).to_contain_text("libavcodec 62.28.102")
    expect(detail).to_contain_text("11:00:01 – 11:00:04")  # measured, Beijing time
    expect(detail).to_contain_text("摄像机断开")
    rate = detail.locator("path.rate").get_attribute("d") or ""
    assert rate.count("M") == 2  # the gap is not bridged
    page.get_by_test_id("detail-cam").click()
    expect(detail).to_have_count(0)


def test_a_list_of_projects_shows_the_mean_of_the_fleet_against_its_limit(shown: Shown) -> None:
    shown.page.goto("/")
    fleet = shown.page.get_by_test_id("fleet")
    expect(fleet).to_contain_text("平均每个 910 kB（上限 5.00 GB）")
    expect(fleet).to_contain_text("1 个文件低于下限")


def test_the_page_is_no_wider_than_its_window_and_has_english_words_for_all_of_it(shown: Shown) -> None:
    page = project_page(shown)
    page.get_by_test_id("detail-screen").click()
    expect(page.get_by_test_id("receipt-chart")).to_be_visible()
    page.get_by_test_id("language").click()
    expect(page.get_by_test_id("file-screen")).to_contain_text("Below floor")
    said = page.get_by_test_id("division").inner_text() + page.get_by_test_id("file-screen").inner_text()
    assert not any("\u4e00" <= letter <= "\u9fff" for letter in said)
    assert page.evaluate("document.documentElement.scrollWidth") <= 1024
    page.get_by_test_id("language").click()
