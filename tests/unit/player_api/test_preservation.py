"""Archives by the API: whether they are safe, who asks for them, and what there is."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from kernel.settings import PreservationSettings
from player_api.app import create_app
from tests.support.catalogue import open_catalogue
from tests.support.kept import KEYS, Kept

YEAR_2026 = "2026-03"  # the fake clock's month


@dataclass(frozen=True, kw_only=True)
class Site:
    kept: Kept
    client: httpx.AsyncClient

    async def get(self, path: str, **query: Any) -> Any:
        answer = await self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def request(self, **changed: Any) -> dict[str, Any]:
        asked = {
            "project_id": "P",
            "kind": "export",
            "role": "inspector",
            "scope": {"session_ids": ["P-O"], "source_ids": ["cam"], "start_us": 5, "end_us": 9},
            "reason": "问题线索核查",
            "basis_no": "样例调取字〔2026〕1号",
            "principal": "i-jw-1",
        }
        return {**asked, **changed}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    kept = Kept(catalogue=open_catalogue(tmp_path))
    settings = PreservationSettings(copies=("file:///mnt/second",))
    app = create_app(kept.catalogue, kept.store, kept.clock, static=tmp_path / "none", preservation=settings)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield Site(kept=kept, client=client)
    kept.catalogue.close()


def damage(site: Site) -> None:
    site.kept.catalogue.preservation.enrol()
    site.kept.store.lose(KEYS[0])
    site.kept.clock.advance(91 * 24 * 3600)
    site.kept.sweep().run(site.kept.clock)


# --- preservation


async def test_a_lost_object_is_an_alarm_for_pages_and_for_machines(site: Site) -> None:
    assert not (await site.get("/api/preservation"))["alarm"]
    damage(site)
    told = await site.get("/api/preservation")
    [trouble] = told["troubles"]
    assert (told["alarm"], told["troubled"], told["copies_missing"]) == (True, 1, 1)
    assert (trouble["key"], trouble["store"], trouble["result"]) == (KEYS[0], "main", "missing")
    metrics = {
        sample.name: sample.value
        for family in parse((await site.client.get("/metrics")).text)
        for sample in family.samples
        if not sample.labels
    }
    assert metrics["jianzheng_archive_objects_troubled"] == 1
    assert metrics["jianzheng_archive_copies_missing"] == 1
    assert metrics["jianzheng_restore_drills_failed"] == 0


async def test_the_media_report_names_stores_and_copies(site: Site) -> None:
    site.kept.catalogue.preservation.enrol()
    main, second = await site.get("/api/preservation/stores")
    assert (main["store"], main["packages"], main["objects"]) == ("main", 1, 3)
    assert (second["store"], second["packages_missing"]) == ("file:///mnt/second", 1)
    page = await site.get("/api/preservation/media", project_id="P")
    assert (page["total"], [one["store"] for one in page["lines"][0]["copies"]]) == (1, ["main"])
    assert (await site.get("/api/preservation/media", project_id="none"))["total"] == 0
    assert await site.get("/api/preservation/drills") == []


# --- requests


async def test_a_request_is_asked_approved_by_somebody_else_and_told_for_ever(site: Site) -> None:
    """Tasks I7, I11."""
    made = await site.client.post("/api/requests", json=site.request())
    assert made.status_code == 201, made.text
    address = f"/api/requests/{made.json()['id']}/decision"
    own = await site.client.post(address, json={"approved": True, "principal": "i-jw-1"})
    assert own.status_code == 403
    done = await site.client.post(address, json={"approved": True, "principal": "boss-1"})
    assert (done.status_code, done.json()["state"], done.json()["decided_by"]) == (200, "approved", "boss-1")
    again = await site.client.post(address, json={"approved": False, "principal": "x", "reason": "y"})
    assert (again.status_code, "boss-1" in again.json()["detail"]) == (409, True)
    uses = await site.get("/api/projects/P/uses")
    assert [(one["principal"], one["action"], one["result"]) for one in reversed(uses)] == [
        ("i-jw-1", "use.asked", "done"),
        ("i-jw-1", "use.approved", "refused"),
        ("boss-1", "use.approved", "done"),
    ]
    assert await site.get("/api/requests", state="approved") == [done.json()]
    assert await site.get("/api/requests", state="asked") == []
    site.kept.clock.advance(31 * 24 * 3600)
    [late] = await site.get("/api/requests", project_id="P")
    assert late["state"] == "expired"


async def test_without_a_basis_number_the_attempt_is_refused_in_words_and_logged(site: Site) -> None:
    """Task I2, RQ-04."""
    for basis in ("", "   "):
        refused = await site.client.post("/api/requests", json=site.request(basis_no=basis))
        assert (refused.status_code, "basis number" in refused.json()["detail"]) == (403, True)
    assert await site.get("/api/requests") == []
    uses = await site.get("/api/projects/P/uses")
    assert [(one["result"], one["details"]["denied"]) for one in uses] == [("refused", "no_basis")] * 2


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"project_id": "none"}, 409),
        ({"scope": {"session_ids": ["none"]}}, 409),
        ({"scope": {"start_us": 5}}, 409),
        ({"reason": " "}, 422),
        ({"principal": ""}, 422),
        ({"role": "king"}, 422),
        ({"role": "public"}, 403),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused(
    site: Site, changed: dict[str, Any], status: int
) -> None:
    answer = await site.client.post("/api/requests", json=site.request(**changed))
    assert answer.status_code == status, answer.text
    assert await site.get("/api/requests") == []


async def test_what_is_not_there_is_told(site: Site) -> None:
    assert (await site.client.get("/api/projects/none/uses")).status_code == 404
    decision = {"approved": True, "principal": "boss-1"}
    assert (await site.client.post("/api/requests/none/decision", json=decision)).status_code == 409


# --- statistics


async def test_figures_add_up_and_filters_narrow_them(site: Site) -> None:
    whole = await site.get("/api/statistics")
    [cell] = whole["cells"]
    assert (cell["region_code"], cell["industry_code"], cell["month"]) == ("530602", "A01", YEAR_2026)
    assert cell["figures"] == whole["total"]
    assert (whole["total"]["projects"], whole["total"]["clips"]) == (1, 1)
    assert whole["total"]["mean_bytes"] == whole["total"]["size_bytes"]
    for query in (
        {"date_from": YEAR_2026, "date_to": YEAR_2026},
        {"region": "530600"},
        {"industry": "A"},
    ):
        assert await site.get("/api/statistics", **query) == whole
    for query in ({"date_from": "2026-04"}, {"date_to": "2026-02"}, {"region": "530621"}, {"industry": "D"}):
        narrowed = await site.get("/api/statistics", **query)
        assert (narrowed["cells"], narrowed["total"]["projects"]) == ([], 0)


async def test_the_spreadsheet_opens_in_excel(site: Site) -> None:
    answer = await site.client.get("/api/statistics.csv", params={"date_from": YEAR_2026})
    assert answer.status_code == 200
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [row[0] for row in rows] == ["行政区域代码", "530602", "合计"]


async def test_long_gaps_are_listed(site: Site) -> None:
    assert await site.get("/api/statistics/gaps", longer_seconds=5) == {"gaps": [], "more": False}


@pytest.mark.parametrize(
    "query",
    [
        {"date_from": "2026-13"},
        {"date_from": "2026"},
        {"date_from": "2026-03", "date_to": "2026-02"},
        {"date_to": "9999-12"},
        {"unknown": "x" * 21, "region": "x" * 21},
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(site: Site, query: dict[str, str]) -> None:
    for path in ("/api/statistics", "/api/statistics.csv", "/api/statistics/gaps"):
        assert (await site.client.get(path, params=query)).status_code == 422
