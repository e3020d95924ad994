"""Holds, requests and refusals on the pages of supervisors and inspectors, in Chromium.

The sample's 9 March at 11:20, while P06 is evaluated in the shared hall.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from kernel.model.footage import HoldKind
from tests.support.people import Served, served

STATIC = Path(os.environ.get("JIANZHENG_TEST_STATIC", Path(__file__).parents[2] / "player_api" / "static"))


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("hall"), "09 11:20", static=STATIC) as opened:
        yield opened


def shot(page: Page, name: str) -> None:
    """A picture for whoever wants to look at the page."""
    if directory := os.environ.get("JIANZHENG_TEST_SHOTS"):
        page.screenshot(path=Path(directory) / f"{name}.png")


def test_v15_a_project_is_held_with_a_reason_seen_by_an_inspector_and_released_with_a_reason(
    hall: Served, browser: Browser
) -> None:
    """V15, invariant 4: who held it, why, who let go of it and why stay on record."""
    with hall.window(browser, "s-zj-1", "/projects/P06") as page:
        panel = page.get_by_test_id("hold-panel")
        panel.get_by_test_id("hold-project").click()
        panel.get_by_test_id("hold-send").click()
        assert hall.catalogue.holds.all() == []  # without a reason nothing is held
        panel.get_by_test_id("hold-reason").fill("投诉处理,保全录像")
        panel.get_by_test_id("hold-send").click()
        expect(panel.get_by_test_id("hold-told")).to_have_text("已冻结。")
        expect(panel.get_by_test_id("hold-list")).to_contain_text("s-zj-1")
        expect(panel.get_by_test_id("hold-list")).to_contain_text("投诉处理,保全录像")
        shot(page, "hold-supervisor")
    [held] = hall.catalogue.holds.all()
    assert (held.kind, held.project_id, held.principal) == (HoldKind.PROJECT, "P06", "s-zj-1")
    with hall.window(browser, "i-jw-1", "/projects/P06") as page:
        panel = page.get_by_test_id("hold-panel")
        row = panel.locator(f'[data-hold="{held.id}"]')
        expect(row).to_contain_text("投诉处理,保全录像")
        expect(row).to_contain_text("冻结中")
        row.get_by_test_id("hold-release").click()
        panel.get_by_test_id("release-confirm").click()
        assert len(hall.catalogue.holds.all()) == 1  # nor released without one
        panel.get_by_test_id("release-reason").fill("投诉已办结")
        panel.get_by_test_id("release-confirm").click()
        expect(row).to_contain_text("i-jw-1")
        expect(row).to_contain_text("投诉已办结")
        expect(row.get_by_test_id("hold-release")).to_have_count(0)
        shot(page, "hold-inspector")
    [released] = hall.catalogue.holds.all(released=True)
    assert (released.released_by, released.release_reason) == ("i-jw-1", "投诉已办结")


def test_i2_a_project_is_asked_for_from_its_page_or_by_its_code(hall: Served, browser: Browser) -> None:
    project = hall.catalogue.projects.project("P06")
    assert project is not None
    with hall.window(browser, "i-jw-1", "/projects/P06") as page:
        expect(page.get_by_test_id("watch-log-link")).to_be_visible()
        page.get_by_test_id("ask-link").click()
        dialog = page.get_by_test_id("ask-dialog")
        expect(dialog.get_by_test_id("field-project")).to_have_value("P06")
        expect(dialog.get_by_test_id("project-found")).to_contain_text(project.name_zh)
        dialog.get_by_test_id("field-project").fill("nowhere")
        expect(dialog.get_by_test_id("project-missing")).to_be_visible()
        dialog.get_by_test_id("field-project").fill(project.project_code)
        expect(dialog.get_by_test_id("project-found")).to_contain_text(project.name_zh)
        dialog.get_by_test_id("session-P06-E").check()
        dialog.get_by_test_id("source-ZT-SH1-04-F").check()
        dialog.get_by_test_id("field-basis").fill("样例调阅字〔2026〕15号")
        dialog.get_by_test_id("field-reason").fill("问题线索核查")
        shot(page, "ask")
        dialog.get_by_test_id("send").click()
        row = page.locator("tr[data-request]").filter(has_text="〔2026〕15号")
        expect(row).to_contain_text("04席人像")
        expect(row).to_contain_text("P06")


def test_i2_what_needs_a_basis_number_says_so_and_where_to_ask(hall: Served, browser: Browser) -> None:
    """A refusal is no fault of the page: it has its own words, in one language, and nothing to try again."""
    with hall.window(browser, "i-jw-1", "/projects/P06") as page:
        documents = page.get_by_test_id("documents")
        expect(documents.get_by_test_id("forbidden")).to_have_text("需要有效的调取依据文号或经批准的申请。")
        expect(documents.get_by_test_id("document-form")).to_have_count(0)
        expect(page.get_by_text("无法载入")).to_have_count(0)
        documents.scroll_into_view_if_needed()
        shot(page, "documents")
        page.goto("/sessions/P06-O/replay")
        expect(page.get_by_test_id("forbidden")).to_contain_text("调取依据文号")
        expect(page.get_by_text("以下内容可能不是最新的")).to_have_count(0)
        shot(page, "replay-refused")
        page.get_by_test_id("ask-link").click()
        expect(page.get_by_test_id("ask-dialog").get_by_test_id("session-P06-O")).to_be_checked()


def test_w3_the_check_of_a_room_opens_that_room(hall: Served, browser: Browser) -> None:
    with hall.window(browser, "w-zt-1", "/sources?room=ZT-OH3") as page:
        room = page.get_by_test_id("group-ZT-OH3")
        expect(room.get_by_role("button").first).to_have_attribute("aria-expanded", "true")
        expect(room.locator("h3").first).to_be_in_viewport()
        alarm, name = page.get_by_test_id("alarm").bounding_box(), room.locator("h3").first.bounding_box()
        assert alarm is not None
        assert name is not None
        assert name["y"] >= alarm["y"] + alarm["height"]  # not under what stays in place
        shot(page, "room")
        room.get_by_role("button").first.click()
        expect(room.get_by_role("button").first).to_have_attribute("aria-expanded", "false")


def test_every_live_pane_bears_the_viewers_name(hall: Served, browser: Browser) -> None:
    """Whoever films the screen is known, live as in the replay (invariant 14)."""
    with hall.window(browser, "w-zt-1", "/live") as page:
        panes = page.locator("figure[data-testid^='live-pane-'][data-source]")
        expect(panes.first).to_be_visible()
        marks = panes.get_by_test_id("watermark")
        expect(marks).to_have_count(panes.count())
        expect(marks.first).to_contain_text("w-zt-1")
        expect(marks.first).to_be_visible()
        shot(page, "live")
