"""The page of sources with the whole sample, 434 of them, in a real Chromium: what is looked for is found."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event, Thread

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from catalog.catalogue import Catalogue
from cli.sample.files import DATA, read_sample
from kernel.clock import SystemClock
from kernel.model.footage import SourceState
from kernel.settings import CATALOGUE_FILE
from tests.acceptance.test_sources_page import running
from tests.support.peers import free_port
from tests.support.sources import health


@dataclass(frozen=True, kw_only=True)
class Region:
    """The whole sample behind a server, one of whose sources is recorded as it should be."""

    url: str
    catalogue: Catalogue
    states: dict[str, SourceState]

    def beat(self, over: Event) -> None:
        """Report every second, as a recorder does: what is older is no sign of life."""
        while not over.wait(1):
            now_us = SystemClock().now_us()
            told = [health(one, now_us, state=state) for one, state in self.states.items()]
            self.catalogue.footage.set_health(told)


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Region]:
    home = tmp_path_factory.mktemp("region")
    (home / "cameras.yaml").write_bytes((DATA / "sites.yaml").read_bytes())
    (home / "data").mkdir()
    catalogue = Catalogue.open(f"sqlite:///{home / 'data' / CATALOGUE_FILE}")
    catalogue.places.register(read_sample().places)
    port = free_port()
    states = {"ZT-OH1-P1": SourceState.RECORDING}
    made, over = Region(url=f"http://127.0.0.1:{port}", catalogue=catalogue, states=states), Event()
    recorder = Thread(target=made.beat, args=(over,))
    recorder.start()
    with running(home, "serve", "--without-accounts", "--port", str(port)):
        with httpx.Client(transport=httpx.HTTPTransport(retries=20), base_url=made.url, timeout=20) as client:
            client.get("/healthz").raise_for_status()
        yield made
    over.set()
    recorder.join()
    catalogue.close()


@pytest.fixture(scope="module")
def browser_page(region: Region, browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 800}, locale="zh-CN", base_url=region.url)
    yield page
    page.close()


@pytest.fixture
def many(browser_page: Page) -> Page:
    """The page as somebody finds it."""
    browser_page.goto("/sources")
    expect(browser_page.get_by_test_id("filter-shown")).to_have_text("显示 434 / 434 路")
    return browser_page


def cards(page: Page) -> Locator:
    return page.locator("[data-testid^='source-']")


def test_many_sources_are_shut_away_by_site_and_room_with_what_is_healthy_and_faulty(many: Page) -> None:
    expect(cards(many)).to_have_count(0)
    expect(many.locator("[data-testid^='site-']")).to_have_count(13)
    expect(many.locator("[data-testid^='group-']")).to_have_count(71)  # two rooms have no source
    hall = many.get_by_test_id("group-ZT-OH1")
    expect(hall).to_have_text(re.compile(r"市级第1开标厅\s*异常 3\s*正常 1"))
    expect(many.get_by_test_id("site-ZT")).to_contain_text("异常")
    hall.get_by_role("button").click()
    expect(cards(many)).to_have_count(4)
    expect(hall.get_by_test_id("room-ZT-OH1")).to_be_visible()


def test_sources_are_found_by_name_room_and_seat_and_the_address_keeps_it(many: Page) -> None:
    many.get_by_test_id("filter-text").fill("分散评标厅 4号席")
    expect(many.get_by_test_id("filter-shown")).to_have_text(re.compile("显示 [1-9][0-9]? / 434 路"))
    expect(many.get_by_test_id("source-ZT-SH1-04-F")).to_be_visible()
    many.get_by_test_id("filter-text").fill("zt-oh1")
    expect(cards(many)).to_have_count(4)
    many.get_by_test_id("filter-faulty").check()
    expect(cards(many)).to_have_count(3)
    many.get_by_test_id("group-ZT-OH1").get_by_role("button").first.click()
    expect(cards(many)).to_have_count(0)
    many.reload()
    expect(many.get_by_test_id("filter-text")).to_have_value("zt-oh1")
    expect(many.get_by_test_id("filter-faulty")).to_be_checked()
    expect(many.get_by_test_id("filter-shown")).to_have_text("显示 3 / 434 路")
    expect(cards(many)).to_have_count(0)
    many.get_by_test_id("filter-text").fill("没有这样的来源")
    expect(many.get_by_test_id("filter-none")).to_be_visible()


def test_what_changes_among_many_sources_is_seen_without_being_asked_for(region: Region, many: Page) -> None:
    hall = many.get_by_test_id("group-ZT-OH1")
    expect(hall).to_contain_text("正常 1")
    region.states["ZT-OH1-P2"] = SourceState.RECORDING
    expect(hall).to_contain_text("正常 2", timeout=20_000)
    region.states["ZT-OH1-P2"] = SourceState.LOST
    expect(hall).to_contain_text("正常 1", timeout=20_000)


def test_an_alarm_of_hundreds_names_a_few_and_leads_to_all(many: Page) -> None:
    alarm = many.get_by_test_id("alarm")
    expect(alarm).to_contain_text(re.compile("4[0-9]{2} 个来源应录未录"))
    expect(alarm.get_by_role("link")).to_have_count(6)
    many.get_by_test_id("alarm-all").click()
    expect(many.get_by_test_id("filter-faulty")).to_be_checked()


def test_the_english_page_of_the_sample_names_no_room_in_chinese(many: Page) -> None:
    many.get_by_test_id("language").click()
    many.goto("/sources?q=zt-oh1")
    expect(many.get_by_test_id("group-ZT-OH1")).to_contain_text("City opening hall 1")
    for group in many.locator("main [data-testid^='site-']").all_inner_texts():
        assert not re.search(r"[\u4e00-\u9fff]", group), group
    many.get_by_test_id("language").click()
