"""Documents by the API: brought as a form, listed, handed out so that nothing in them acts."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from catalog.catalogue import Catalogue
from catalog.document_intake import DocumentIntake
from catalog.objects import MemoryStore
from kernel.clock import FakeClock
from player_api.app import create_app
from player_api.documents import disposition
from tests.support import papers
from tests.support.archived_project import fill
from tests.support.catalogue import open_catalogue

FORM = {"kind": "opening_record", "principal": "李娜", "session_id": "P-O"}
DOCUMENTS = "/api/projects/P/documents"


@dataclass(frozen=True, kw_only=True)
class Site:
    """A project, and a page that takes documents of up to 100 kB."""

    catalogue: Catalogue
    store: MemoryStore
    staging: Path
    client: httpx.AsyncClient

    async def bring(self, content: bytes, name: str = "开标记录.pdf", **form: str) -> httpx.Response:
        return await self.client.post(
            DOCUMENTS, data={**FORM, **form}, files={"file": (name, content, "application/x-evil")}
        )


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    catalogue, store, clock = open_catalogue(tmp_path), MemoryStore(), FakeClock()
    fill(catalogue)
    staging = tmp_path / "incoming"
    intake = DocumentIntake(catalogue, store, clock, staging, 100_000, scan=lambda _path: None)
    app = create_app(catalogue, store, clock, static=tmp_path / "none", documents=intake)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8480") as client:
        yield Site(catalogue=catalogue, store=store, staging=staging, client=client)
    catalogue.close()


async def test_a_document_is_brought_listed_and_handed_out(site: Site) -> None:
    answer = await site.bring(papers.pdf())
    assert answer.status_code == 201, answer.text
    told = answer.json()["document"]
    assert (told["name"], told["file_type"], told["principal"]) == ("开标记录.pdf", "pdf", "李娜")
    assert [one["property"] for one in told["checks"]] == ["authentic", "complete", "usable", "safe"]
    assert (await site.client.get(DOCUMENTS)).json() == [told]
    got = await site.client.get(told["url"])
    assert got.content == papers.pdf()
    assert got.headers["content-disposition"].endswith(
        "filename*=UTF-8''" + "%E5%BC%80%E6%A0%87%E8%AE%B0%E5%BD%95.pdf"
    )
    assert list(site.staging.iterdir()) == []


async def test_opening_is_recorded_before_the_first_byte(site: Site) -> None:
    """Invariant 14."""
    told = (await site.bring(papers.pdf())).json()["document"]
    await site.client.get(told["url"])
    [record] = site.catalogue.audit.records(limit=1)
    assert (record.action, record.subject, record.origin) == ("document.opened", told["id"], "127.0.0.1")


async def test_nothing_in_a_document_acts_in_the_browser(site: Site) -> None:
    told = (await site.bring(papers.pdf())).json()["document"]
    saved, shown = [await site.client.get(told["url"] + more) for more in ("", "?show=true")]
    assert saved.headers["content-disposition"].startswith("attachment;")
    assert saved.headers["content-type"] == "application/octet-stream"
    assert shown.headers["content-disposition"].startswith("inline;")
    assert shown.headers["content-type"] == "application/pdf"
    for one in (saved, shown):
        assert one.headers["x-content-type-options"] == "nosniff"
        assert one.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    text = (await site.bring(b"<script>alert(1)</script>", "a.txt")).json()["document"]
    got = await site.client.get(text["url"] + "?show=true")
    assert got.headers["content-disposition"].startswith("attachment;")


async def test_the_same_again_is_told_with_200(site: Site) -> None:
    await site.bring(papers.pdf())
    again = await site.bring(papers.pdf(), "b.pdf")
    assert (again.status_code, again.json()["new"]) == (200, False)


async def test_a_correction_is_a_new_version_and_both_are_listed(site: Site) -> None:
    first = (await site.bring(papers.pdf())).json()["document"]
    await site.bring(papers.pdf(b"/X 1"), supersedes=first["id"], reason="金额有误")
    versions = [(one["version"], one["superseded"]) for one in (await site.client.get(DOCUMENTS)).json()]
    assert versions == [(1, True), (2, False)]


@pytest.mark.parametrize(
    ("content", "form", "status"),
    [
        (papers.image(), {}, 409),  # not what its name says
        (b"%PDF-1.4" + b"x" * 200_000, {}, 413),
        (papers.pdf(), {"kind": "secret"}, 422),
        (papers.pdf(), {"session_id": "none"}, 409),
        (papers.pdf(), {"shoe_size": "42"}, 422),
        (papers.pdf(), {"reason": "x" * 5000}, 400),
    ],
)
async def test_what_does_not_fit_is_refused_in_words(
    site: Site, content: bytes, form: dict[str, str], status: int
) -> None:
    answer = await site.bring(content, **form)
    assert answer.status_code == status, answer.text
    assert isinstance(answer.json()["detail"], str)
    assert list(site.store.list_keys()) == []
    assert not site.staging.is_dir() or list(site.staging.iterdir()) == []


HEAD = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n'


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b""),
        ("multipart/form-data; boundary=x", b"nonsense"),
        ("multipart/form-data; boundary=x", HEAD + b"%PDF-1.7 broken off"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n',
        ),
        ("multipart/form-data; boundary=x", HEAD + b"a\r\n" + HEAD + b"b\r\n--x--\r\n"),
    ],
)
async def test_what_is_no_form_with_one_file_is_refused(site: Site, kind: str, body: bytes) -> None:
    answer = await site.client.post(DOCUMENTS, content=body, headers={"Content-Type": kind})
    assert answer.status_code == 400, answer.text
    assert site.catalogue.documents.of_project("P") == []


async def test_a_form_of_another_site_is_refused(site: Site) -> None:
    for origin, status in (("http://evil.example", 403), ("null", 403), ("http://127.0.0.1:8480", 201)):
        answer = await site.client.post(
            DOCUMENTS, data=FORM, files={"file": ("a.pdf", papers.pdf())}, headers={"Origin": origin}
        )
        assert answer.status_code == status


async def test_what_is_not_there_is_404_and_what_is_lost_410(site: Site) -> None:
    assert (await site.client.get("/api/projects/none/documents")).status_code == 404
    assert (await site.client.get("/media/documents/none")).status_code == 404
    told = (await site.bring(papers.pdf())).json()["document"]
    site.store._objects.clear()
    assert (await site.client.get(told["url"])).status_code == 410


async def test_the_card_is_an_object_and_a_page_without_scripts(site: Site) -> None:
    await site.bring(papers.pdf(), "<img src=x onerror=alert(1)>.pdf")
    card = (await site.client.get("/api/projects/P/card")).json()
    [session] = card["sessions"]
    by_device: dict[str, Any] = {one["device"]: one for one in session["clips"]}
    camera = by_device["cam"]
    assert camera["start"] == "2026-03-02T11:00:00.000+08:00"
    assert (camera["width"], camera["height"], camera["codec"]) == (1280, 720, "av01.0.05M.08")
    assert (camera["sha256"], camera["sm3"], camera["encoder"]) == (f"{'cam':a<64}", "5" * 64, "libsvtav1")
    assert [gap["cause"] for gap in camera["gaps"]] == ["camera_lost"]
    assert [one["sha256"] for one in card["documents"]] == [hashlib.sha256(papers.pdf()).hexdigest()]
    page = await site.client.get("/api/projects/P/card.html")
    assert "<img" not in page.text
    assert "档号 Archive number" in page.text
    assert "script" not in page.headers["content-security-policy"]


def test_a_name_cannot_leave_its_header() -> None:
    told = disposition('a"; filename=x\r\nSet-Cookie: y.pdf', inline=False)
    assert "\r" not in told and "\n" not in told
    assert told.startswith('attachment; filename="a_filename_x_Set-Cookie_y.pdf"; ')
