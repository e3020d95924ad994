"""Documents on a page in a real Chromium: brought, refused in words, corrected, saved by their name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from catalog.catalogue import Catalogue
from catalog.document_intake import DocumentIntake
from catalog.objects import MemoryStore
from kernel.clock import SystemClock
from player_api.app import create_app
from tests.acceptance.test_sources_in_words import serving
from tests.support import papers
from tests.support.archived_project import fill
from tests.support.catalogue import open_catalogue
from tests.support.peers import chromium, free_port


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A project's page, and papers to bring."""

    page: Page
    catalogue: Catalogue
    papers: Path

    def bring(self, name: str, content: bytes) -> None:
        (self.papers / name).write_bytes(content)
        self.page.get_by_test_id("document-file").set_input_files(self.papers / name)
        self.page.get_by_test_id("document-who").fill("李娜")
        self.page.get_by_test_id("document-bring").click()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    catalogue, store, clock = open_catalogue(tmp_path), MemoryStore(), SystemClock()
    fill(catalogue)
    intake = DocumentIntake(catalogue, store, clock, tmp_path / "incoming", 1 << 20, scan=lambda _path: None)
    port = free_port()
    with (
        serving(create_app(catalogue, store, clock, documents=intake), port),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(locale="zh-CN", base_url=f"http://127.0.0.1:{port}")
        page.goto("/projects/P")
        (tmp_path / "papers").mkdir()
        yield Desk(page=page, catalogue=catalogue, papers=tmp_path / "papers")
        browser.close()
    catalogue.close()


def test_a_document_is_brought_corrected_and_saved_under_its_name(desk: Desk) -> None:
    page = desk.page
    desk.bring("开标记录.pdf", papers.pdf())
    expect(page.get_by_test_id("document-told")).to_contain_text("开标记录.pdf")
    row = page.get_by_test_id("document-list")
    expect(row).to_contain_text("待归档")
    for word in ("真实", "完整", "可用", "安全"):
        expect(row).to_contain_text(word)
    with page.expect_download() as saving:
        row.get_by_role("link", name="开标记录.pdf").click()
    assert saving.value.suggested_filename == "开标记录.pdf"
    assert Path(saving.value.path()).read_bytes() == papers.pdf()
    page.get_by_role("button", name="更正").click()
    page.get_by_label("更正原因").fill("唱标金额有误")
    desk.bring("开标记录.pdf", papers.pdf(b"/X 1"))
    expect(row).to_contain_text("已被更正")
    expect(row).to_contain_text("唱标金额有误")
    assert [one.version for one in desk.catalogue.documents.of_project("P")] == [1, 2]


def test_a_document_that_acts_is_refused_in_words(desk: Desk) -> None:
    desk.bring("a.pdf", papers.pdf(b"/OpenAction << /S /JavaScript /JS (x) >>"))
    expect(desk.page.get_by_test_id("documents").get_by_role("alert")).to_contain_text("四性检测未通过")
    assert desk.catalogue.documents.of_project("P") == []
