"""Holds on projects, retention and disposal by the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from catalog.catalogue import Catalogue
from catalog.destruction import Destruction
from catalog.objects import MemoryStore
from kernel.clock import FakeClock
from kernel.signing_key import signing_key
from player_api.app import create_app
from tests.support.catalogue import open_catalogue
from tests.support.legacy import add_legacy, legacy_rows
from tests.unit.catalog.test_retention_table import noon

DSP_02, DSP_03 = "旧档样例-2010-007", "旧档样例-2010-008"


@dataclass(frozen=True, kw_only=True)
class Site:
    catalogue: Catalogue
    store: MemoryStore
    client: httpx.AsyncClient
    destruction: Destruction

    async def post(self, path: str, **said: Any) -> httpx.Response:
        return await self.client.post(path, json={"principal": "甲", "reason": "期满", **said})


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """DSP-02 and DSP-03, of two agencies."""
    clock = FakeClock(noon(2026, 11, 22))
    catalogue, store = open_catalogue(tmp_path), MemoryStore(clock)
    for row, agency in zip(legacy_rows(), ("甲", "乙"), strict=True):
        add_legacy(catalogue, store, row, agency=agency)
    app = create_app(catalogue, store, clock, static=tmp_path / "none")
    key = signing_key(tmp_path / "archiver.key")
    destruction = Destruction(catalogue.disposals, catalogue.projects, {"main": store}, key, clock)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield Site(catalogue=catalogue, store=store, client=client, destruction=destruction)
    catalogue.close()


async def test_what_is_due_is_listed_with_its_reasons(site: Site) -> None:
    told = (await site.client.get("/api/retention/due", params={"region": "530681"})).json()
    assert [(one["project_id"], one["class_code"], one["last_day"]) for one in told] == [
        (DSP_02, "Y15", "2025-12-31")
    ]
    (claim,) = told[0]["claims"]
    assert (claim["rule_id"], claim["start_day"], claim["start_told"]) == (
        "procurement-1",
        "2010-12-31",
        True,
    )
    one = (await site.client.get(f"/api/retention/projects/{DSP_02}")).json()
    assert (one["standing"], one["held"]) == ("due", False)
    assert (await site.client.get("/api/retention/projects/nobody")).status_code == 404
    classes = (await site.client.get("/api/retention/classes")).json()
    assert {one["code"]: one["terms"][0]["years"] for one in classes if one["code"][0] == "Y"} == {
        "Y10": 10,
        "Y15": 15,
        "Y30": 30,
    }


async def test_two_people_destroy_and_one_does_not(site: Site) -> None:
    """I18."""
    made = (await site.post("/api/disposals", project_id=DSP_02)).json()
    address = f"/api/disposals/{made['id']}"
    assert made["grounds"]["claims"][0]["term"] == "Y15-1"
    assert (await site.post(f"{address}/sign")).status_code == 409
    assert (await site.client.get(f"{address}/certificate")).status_code == 404
    signed = await site.post(f"{address}/sign", principal="乙")
    assert (signed.status_code, signed.json()["state"]) == (200, "signed")
    site.destruction.run_once(made["id"], "程序")
    done = (await site.client.get(address)).json()
    assert (done["state"], done["stopped"]) == ("done", "")
    stones = (await site.client.get(f"{address}/objects")).json()
    assert len(stones) == 3
    assert all(one["gone_us"] for one in stones)
    page = await site.client.get(f"{address}/certificate.html")
    assert done["certificate_sha256"] in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    told = (await site.client.get(f"{address}/certificate")).json()
    assert (told["statement"]["proposed_by"], told["statement"]["signed_by"]) == ("甲", "乙")
    listed = (await site.client.get("/api/disposals", params={"open_only": True})).json()
    assert listed == []


async def test_refusals_are_said_in_words(site: Site) -> None:
    await site.post("/api/holds/projects", project_ids=[DSP_02])
    refused = await site.post("/api/disposals", project_id=DSP_02)
    assert (refused.status_code, "held" in refused.json()["detail"]) == (409, True)
    for path, said in (
        ("/api/disposals", {"project_id": "nobody"}),
        ("/api/disposals/extensions", {"project_id": DSP_03, "new_class": "Y15"}),
        (f"/api/retention/projects/{DSP_03}/choices", {"class_code": "Y99"}),
        (f"/api/retention/projects/{DSP_03}/days", {"kind": "recording", "day": "2020-01-01"}),
        ("/api/retention/choices/nothing/confirm", {}),
    ):
        answer = await site.post(path, **said)
        assert (path, answer.status_code) == (path, 409)
        assert answer.json()["detail"]
    for action in ("sign", "withdraw"):
        assert (await site.post(f"/api/disposals/nothing/{action}")).status_code == 404


async def test_a_file_is_kept_longer_or_its_proposal_withdrawn(site: Site) -> None:
    """DSP-03."""
    longer = await site.post("/api/disposals/extensions", project_id=DSP_03, new_class="Y30")
    assert (longer.status_code, longer.json()["state"]) == (201, "extended")
    found = (await site.client.get(f"/api/retention/projects/{DSP_03}")).json()
    assert (found["class_code"], found["standing"]) == ("Y30", "running")
    made = (await site.post("/api/disposals", project_id=DSP_02)).json()
    gone = await site.post(f"/api/disposals/{made['id']}/withdraw")
    assert gone.json()["state"] == "withdrawn"


async def test_a_shorter_class_is_confirmed_by_another(site: Site) -> None:
    path = f"/api/retention/projects/{DSP_02}/choices"
    made = (await site.post(path, class_code="Y10")).json()
    assert (made["shorter"], made["counts"]) == (True, False)
    confirm = f"/api/retention/choices/{made['id']}/confirm"
    assert (await site.post(confirm)).status_code == 409
    assert (await site.post(confirm, principal="乙")).json()["counts"]
    assert [one["class_code"] for one in (await site.client.get(path)).json()] == ["Y10"]


async def test_a_day_that_is_told_moves_the_term(site: Site) -> None:
    path = f"/api/retention/projects/{DSP_02}/days"
    told = await site.post(path, kind="procurement_end", day="2020-02-29")
    assert (told.status_code, told.json()["last_day"], told.json()["standing"]) == (
        201,
        "2035-02-28",
        "running",
    )


async def test_sessions_projects_and_agencies_are_held_and_let_go_of_in_one_act(site: Site) -> None:
    """I15."""
    agency = await site.post(
        "/api/holds/agencies", agency="甲", first_day="2010-01-01", last_day="2010-12-31"
    )
    assert agency.status_code == 201
    act = agency.json()
    assert [(one["kind"], one["project_id"]) for one in act["holds"]] == [("agency", ""), ("project", DSP_02)]
    session = await site.post("/api/holds/sessions", session_ids=[f"{DSP_03}-O"], tag_id="TAG-05")
    (held,) = session.json()["holds"]
    assert (held["session_id"], held["tag_id"], held["start_us"]) == (f"{DSP_03}-O", "TAG-05", None)
    seen = (await site.client.get("/api/holds", params={"source_id": "cam"})).json()
    assert {one["kind"] for one in seen} == {"project", "session"}
    released = await site.post(f"/api/holds/acts/{act['act_id']}/release")
    assert [one["released_by"] for one in released.json()] == ["甲", "甲"]
    assert (await site.post(f"/api/holds/acts/{act['act_id']}/release")).status_code == 409
    assert (await site.post("/api/holds/acts/nothing/release")).status_code == 404


@pytest.mark.parametrize(
    ("path", "said", "status"),
    [
        ("sessions", {"session_ids": ["nobody"]}, 404),
        ("projects", {"project_ids": ["nobody"]}, 404),
        ("projects", {"project_ids": []}, 422),
        ("agencies", {"agency": "丙", "first_day": "2010-01-01", "last_day": "2010-01-02"}, 404),
        ("agencies", {"agency": "甲", "first_day": "2010-01-02", "last_day": "2010-01-01"}, 422),
        ("agencies", {"agency": "甲", "first_day": "2010-01-02", "last_day": "9999-12-31"}, 422),
    ],
)
async def test_what_cannot_be_held_is_refused(
    site: Site, path: str, said: dict[str, Any], status: int
) -> None:
    assert (await site.post(f"/api/holds/{path}", **said)).status_code == status
    assert site.catalogue.holds.all(released=True) == []
