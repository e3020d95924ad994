"""Check-ups by the API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from capture.checkup.pictures import keep_picture, kept_picture
from catalog.catalogue import Catalogue
from catalog.objects import MemoryStore
from kernel.clock import FakeClock
from kernel.errors import SettingsError
from kernel.ids import new_id
from kernel.model.checkup import Aspect, CheckResult, Checkup, Verdict
from player_api.app import create_app
from tests.support.catalogue import open_catalogue


class Checker:
    """Finds every room black."""

    def __init__(self, catalogue: Catalogue, pictures: Path) -> None:
        self._catalogue = catalogue
        self._pictures = pictures

    async def check(self, room_id: str, principal: str) -> Checkup:
        if room_id != "OH":
            raise SettingsError(f"there is no room {room_id}.")
        black = CheckResult(
            source_id="cam",
            aspect=Aspect.PICTURE_BLACK,
            verdict=Verdict.FAILED,
            measured="99 %",
            limit="≤ 90 %",
            remedy="开灯",
        )
        made = Checkup(id=new_id("checkup"), room_id=room_id, at_us=5, principal=principal, results=(black,))
        keep_picture(self._pictures, made.id, "cam", b"\xff\xd8picture")
        self._catalogue.checkups.add(made)
        return made

    def picture(self, checkup: Checkup, source_id: str) -> bytes | None:
        return kept_picture(self._pictures, checkup, source_id)


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    made = open_catalogue(tmp_path)
    yield made
    made.close()


@pytest.fixture
async def client(catalogue: Catalogue, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    checker = Checker(catalogue, tmp_path / "checkups")
    app = create_app(catalogue, MemoryStore(), FakeClock(), static=tmp_path / "none", checker=checker)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as made:
        yield made


async def test_a_checkup_is_asked_for_shown_and_overridden_once(client: httpx.AsyncClient) -> None:
    made = await client.post("/api/rooms/OH/checkups", json={"principal": "clerk"})
    assert made.status_code == 201, made.text
    checkup = made.json()
    assert (checkup["passed"], checkup["principal"]) == (False, "clerk")
    assert (await client.get("/api/rooms/OH/checkups")).json() == [checkup]
    assert (await client.get("/api/rooms/OH/checkups/latest")).json() == checkup
    assert (await client.get(f"/api/checkups/{checkup['id']}")).json() == checkup
    assert (await client.get("/api/checkups")).json() == [checkup]

    address = f"/api/checkups/{checkup['id']}/override"
    for missing in (
        {"name": "x"},
        {"reason": "y"},
        {"name": "", "reason": "y"},
        {"name": "x", "reason": " "},
    ):
        assert (await client.post(address, json=missing)).status_code == 422
    done = await client.post(address, json={"name": "主任", "reason": "九点开灯"})
    assert done.status_code == 200
    assert done.json()["overridden_by"] == "主任"
    again = await client.post(address, json={"name": "x", "reason": "y"})
    assert again.status_code == 409
    assert "主任" in again.json()["detail"]


async def test_the_picture_that_was_judged_is_shown(client: httpx.AsyncClient) -> None:
    checkup = (await client.post("/api/rooms/OH/checkups", json={"principal": "clerk"})).json()
    shown = await client.get(checkup["pictures"]["cam"])
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/jpeg")
    assert shown.content == b"\xff\xd8picture"


@pytest.mark.parametrize("source", ["screen", "..%2Fcam", "%2e%2e", "cam.jpg"])
async def test_no_other_file_is_shown(client: httpx.AsyncClient, source: str) -> None:
    checkup = (await client.post("/api/rooms/OH/checkups", json={"principal": "clerk"})).json()
    answer = await client.get(f"/api/checkups/{checkup['id']}/pictures/{source}")
    assert answer.status_code == 404


async def test_what_is_not_there_is_not_found(client: httpx.AsyncClient) -> None:
    for address in (
        "/api/rooms/OH/checkups/latest",
        "/api/checkups/none",
        "/api/checkups/none/pictures/cam",
    ):
        assert (await client.get(address)).status_code == 404
    assert (await client.post("/api/rooms/X/checkups", json={"principal": "clerk"})).status_code == 404
    override = {"name": "x", "reason": "y"}
    assert (await client.post("/api/checkups/none/override", json=override)).status_code == 404


async def test_a_server_that_knows_no_sources_says_so(catalogue: Catalogue, tmp_path: Path) -> None:
    app = create_app(catalogue, MemoryStore(), FakeClock(), static=tmp_path / "none")
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1"
    ) as client:
        answer = await client.post("/api/rooms/OH/checkups", json={"principal": "clerk"})
        assert answer.status_code == 503
        assert (await client.get("/api/rooms/OH/checkups")).json() == []


async def test_a_page_of_another_site_cannot_ask_for_one(client: httpx.AsyncClient) -> None:
    """What a form or a script of another site may send without asking the server first is no JSON to us."""
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        headers = {"Content-Type": kind}
        body = b'{"principal": "stranger"}'
        answer = await client.post("/api/rooms/OH/checkups", content=body, headers=headers)
        assert answer.status_code == 422
    assert (await client.get("/api/rooms/OH/checkups")).json() == []
