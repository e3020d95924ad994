"""Holds and bookings by the API: what people enter on the page of sources."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from catalog.bookings import LONGEST_US, check_bookable
from catalog.catalogue import Catalogue
from catalog.objects import MemoryStore
from kernel.clock import SECOND_US, FakeClock
from kernel.errors import TimelineError
from kernel.model.cut import CutRules
from kernel.timerange import TimeRange
from player_api.app import create_app
from tests.support.catalogue import add_segments, open_catalogue
from tests.support.sources import segment

HOUR_US = 3600 * SECOND_US


@dataclass(frozen=True, kw_only=True)
class Centre:
    """A camera with two segments of ten seconds, from half a minute ago."""

    catalogue: Catalogue
    clock: FakeClock
    client: httpx.AsyncClient

    def hold(self, **changed: Any) -> dict[str, Any]:
        now_us = self.clock.now_us()
        asked = {
            "source_id": "cam",
            "start_us": now_us - 30 * SECOND_US,
            "end_us": now_us,
            "reason": "异议",
            "principal": "王工",
        }
        return {**asked, **changed}

    def booking(self, **changed: Any) -> dict[str, Any]:
        now_us = self.clock.now_us()
        asked = {
            "room_id": "OH",
            "start_us": now_us + HOUR_US,
            "end_us": now_us + 2 * HOUR_US,
            "title": "开标",
            "principal": "王工",
        }
        return {**asked, **changed}


@pytest.fixture
async def centre(tmp_path: Path) -> AsyncIterator[Centre]:
    catalogue, clock = open_catalogue(tmp_path), FakeClock()
    start_us = clock.now_us() - 30 * SECOND_US
    ten_us = 10 * SECOND_US
    add_segments(
        catalogue,
        [segment(one, start_us + one * ten_us, start_us + (one + 1) * ten_us) for one in (0, 1)],
    )
    app = create_app(catalogue, MemoryStore(), clock, static=tmp_path / "none")
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield Centre(catalogue=catalogue, clock=clock, client=client)
    catalogue.close()


# --- holds


async def test_what_is_held_on_the_page_is_not_removed(centre: Centre) -> None:
    """Invariant 4: one hold that covers the first segment only."""
    now_us = centre.clock.now_us()
    asked = centre.hold(end_us=now_us - 25 * SECOND_US)
    made = await centre.client.post("/api/holds", json=asked)
    assert made.status_code == 201, made.text
    hold = made.json()["hold"]
    assert (hold["source_id"], hold["reason"], hold["principal"]) == ("cam", "异议", "王工")
    rules = CutRules(pre_roll_us=0, post_roll_us=0)
    ids = ["segment-run-1-0", "segment-run-1-1"]
    centre.catalogue.removal.release(ids, rules, at_us=now_us, reason="age", principal="test")
    kept = {one: centre.catalogue.footage.is_kept(one) for one in ids}
    assert kept == {"segment-run-1-0": True, "segment-run-1-1": False}
    assert (await centre.client.get("/api/holds", params={"source_id": "cam"})).json() == [hold]
    assert (await centre.client.get("/api/holds", params={"source_id": "screen"})).json() == []


async def test_a_hold_tells_what_of_its_range_is_gone_already(centre: Centre) -> None:
    now_us = centre.clock.now_us()
    rules = CutRules(pre_roll_us=0, post_roll_us=0)
    centre.catalogue.removal.release(["segment-run-1-0"], rules, at_us=now_us, reason="age", principal="test")
    made = (await centre.client.post("/api/holds", json=centre.hold(start_us=now_us - 25 * SECOND_US))).json()
    assert made["gone"] == [{"start_us": now_us - 25 * SECOND_US, "end_us": now_us - 20 * SECOND_US}]


async def test_a_hold_is_released_once_with_a_name_and_a_reason_and_stays_listed(centre: Centre) -> None:
    hold = (await centre.client.post("/api/holds", json=centre.hold())).json()["hold"]
    address = f"/api/holds/{hold['id']}/release"
    assert (await centre.client.post(address, json={"principal": "主任", "reason": " "})).status_code == 422
    done = await centre.client.post(address, json={"principal": "主任", "reason": "结案"})
    assert (done.status_code, done.json()["released_by"], done.json()["release_reason"]) == (
        200,
        "主任",
        "结案",
    )
    again = await centre.client.post(address, json={"principal": "x", "reason": "y"})
    assert (again.status_code, "已经解除" in again.json()["detail"]) == (409, True)
    assert (await centre.client.get("/api/holds")).json() == []
    assert (await centre.client.get("/api/holds", params={"released": True})).json() == [done.json()]
    unknown = await centre.client.post("/api/holds/none/release", json={"principal": "x", "reason": "y"})
    assert unknown.status_code == 404


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"source_id": "none"}, 404),
        ({"reason": "  "}, 422),
        ({"principal": ""}, 422),
        ({"start_us": 5, "end_us": 5}, 422),
        ({"end_us": 1 << 62}, 422),
        ({"start_us": -1}, 422),
    ],
)
async def test_a_hold_that_makes_no_sense_is_refused(
    centre: Centre, changed: dict[str, Any], status: int
) -> None:
    answer = await centre.client.post("/api/holds", json=centre.hold(**changed))
    assert answer.status_code == status
    assert centre.catalogue.holds.all(released=True) == []


# --- bookings


async def test_a_room_is_booked_listed_and_cancelled(centre: Centre) -> None:
    later = centre.booking(
        start_us=centre.clock.now_us() + 5 * HOUR_US, end_us=centre.clock.now_us() + 6 * HOUR_US
    )
    second = (await centre.client.post("/api/bookings", json=later)).json()
    made = await centre.client.post("/api/bookings", json=centre.booking())
    assert made.status_code == 201, made.text
    first = made.json()
    assert (await centre.client.get("/api/bookings")).json() == [first, second]
    assert (await centre.client.get("/api/bookings", params={"room_id": "none"})).json() == []
    address = f"/api/bookings/{first['id']}/cancel"
    assert (await centre.client.post(address, json={"principal": "王工"})).status_code == 204
    assert (await centre.client.post(address, json={"principal": "王工"})).status_code == 404
    assert (await centre.client.get("/api/bookings")).json() == [second]


@pytest.mark.parametrize(("ends_in_us", "words"), [(-1, "已经过去"), (LONGEST_US, "最长31天")])
async def test_page_and_command_refuse_the_same_bookings_each_in_its_words(
    centre: Centre, ends_in_us: int, words: str
) -> None:
    now_us = centre.clock.now_us()
    wall = TimeRange(start_us=now_us - SECOND_US, end_us=now_us + ends_in_us)
    with pytest.raises(TimelineError):
        check_bookable(wall, now_us)
    asked = centre.booking(start_us=wall.start_us, end_us=wall.end_us)
    answer = await centre.client.post("/api/bookings", json=asked)
    assert (answer.status_code, words in answer.json()["detail"]) == (422, True)


async def test_a_booking_that_runs_is_listed_until_it_is_over(centre: Centre) -> None:
    made = (await centre.client.post("/api/bookings", json=centre.booking())).json()
    centre.clock.advance(1.5 * 3600)
    assert (await centre.client.get("/api/bookings")).json() == [made]
    centre.clock.advance(3600)
    assert (await centre.client.get("/api/bookings")).json() == []


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"room_id": "none"}, 404),
        ({"principal": " "}, 422),
        ({"start_us": 5, "end_us": 4}, 422),
        ({"start_us": 5, "end_us": 6}, 422),  # long over
        ({"end_us": 253_402_300_799 * SECOND_US}, 422),  # a year too many digits
    ],
)
async def test_a_booking_that_makes_no_sense_is_refused(
    centre: Centre, changed: dict[str, Any], status: int
) -> None:
    answer = await centre.client.post("/api/bookings", json=centre.booking(**changed))
    assert answer.status_code == status
    assert (await centre.client.get("/api/bookings")).json() == []


@pytest.mark.parametrize("path", ["/api/holds", "/api/bookings"])
async def test_a_form_of_another_site_changes_nothing(centre: Centre, path: str) -> None:
    """What a page of another site may send without asking the server first is no JSON to us."""
    body = centre.hold() if path == "/api/holds" else centre.booking()
    text = httpx.Request("POST", "http://127.0.0.1", json=body).content
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        answer = await centre.client.post(path, content=text, headers={"Content-Type": kind})
        assert answer.status_code == 422
    assert (await centre.client.get(path)).json() == []
