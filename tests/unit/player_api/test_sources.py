"""Sources for people, and the ring's files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from catalog.catalogue import Catalogue
from catalog.objects import MemoryStore
from catalog.readiness import Watch
from kernel.clock import SECOND_US, FakeClock
from kernel.desired import Around
from kernel.model.cut import CutRules
from kernel.model.footage import Backfill, Fault, Gap, GapCause, Run, RunOrigin, SourceState
from player_api.app import create_app
from tests.support.catalogue import open_catalogue
from tests.support.sources import gap, health, segment, wish

HOUR_US = 3600 * SECOND_US
CONTENT = bytes(range(250)) * 4


@dataclass(frozen=True, kw_only=True)
class Centre:
    """A camera with two segments and a run that lasts; the screen is not wanted."""

    catalogue: Catalogue
    clock: FakeClock
    client: httpx.AsyncClient
    ring: Path

    async def get(self, path: str, **query: int) -> Any:
        answer = await self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
async def centre(tmp_path: Path) -> AsyncIterator[Centre]:
    catalogue, clock = open_catalogue(tmp_path), FakeClock()
    now_us, ring = clock.now_us(), tmp_path / "ring"
    catalogue.footage.set_health([health("cam", now_us)])
    start_us = now_us - 30 * SECOND_US
    catalogue.footage.start_run(
        Run(id="run-1", source_id="cam", started_us=start_us, ended_us=None, end_reason=None)
    )
    (ring / "cam").mkdir(parents=True)
    for number in (0, 1):
        at_us = start_us + number * 10 * SECOND_US
        one = segment(number, at_us, at_us + 10 * SECOND_US)
        catalogue.footage.add_segment(one)
        (ring / one.path).write_bytes(CONTENT)
    watch = Watch(wishes=lambda: [wish("cam")], around=Around(before_us=0, after_us=0), ring=ring)
    app = create_app(catalogue, MemoryStore(), clock, static=tmp_path / "none", watch=watch)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1"
    ) as client:
        yield Centre(catalogue=catalogue, clock=clock, client=client, ring=ring)
    catalogue.close()


# --- the list


async def test_the_list_shows_each_source_with_its_place_figures_and_newest_segment(centre: Centre) -> None:
    overview = await centre.get("/api/sources")
    now_us = centre.clock.now_us()
    assert (overview["at_us"], overview["ready"], overview["recorder_alive"]) == (now_us, True, True)
    cam, screen = overview["sources"]
    assert {
        "id": "cam",
        "site_name_zh": "样例",
        "room_name_zh": "开标厅",
        "content_kind": "room",
        "state": "recording",
        "should_record": True,
        "configured": True,
        "shortfall": None,
        "bit_rate_kbps": 4000.0,
        "frame_rate": 25.0,
        "lost_packets": 3,
        "clock_offset_us": -12_000,
        "last_frame_us": now_us - SECOND_US,
        "codec": "h264",
        "gaps_day": [],
    }.items() <= cam.items()
    assert cam["newest_segment"]["media_url"] == "/media/segments/segment-run-1-1"
    assert (screen["should_record"], screen["configured"], screen["shortfall"]) == (False, False, "unknown")


async def test_gaps_of_the_last_day_are_added_up_for_each_source(centre: Centre) -> None:
    now_us = centre.clock.now_us()
    centre.catalogue.footage.add_gap(gap("yesterday", now_us - 30 * HOUR_US, now_us - 25 * HOUR_US))
    centre.catalogue.footage.add_gap(gap("today", now_us - 2 * HOUR_US, now_us - HOUR_US))
    cam = (await centre.get("/api/sources"))["sources"][0]
    assert cam["gaps_day"] == [{"cause": "camera_lost", "count": 1, "duration_us": HOUR_US}]


async def test_a_source_whose_recorder_died_is_shown_as_missing_since_its_last_word(centre: Centre) -> None:
    died_us = centre.clock.now_us() - SECOND_US // 2
    centre.clock.advance(60)
    overview = await centre.get("/api/sources")
    cam = overview["sources"][0]
    assert (overview["ready"], cam["shortfall"], cam["since_us"]) == (False, "silent", died_us)
    assert (cam["bit_rate_kbps"], cam["frame_rate"]) == (None, None)


async def test_a_wrong_password_and_a_wrong_path_are_told_apart_by_a_word(centre: Centre) -> None:
    """The page has a sentence for each; it never reads the recorder's English one."""
    now_us = centre.clock.now_us()
    told = {"state": SourceState.REFUSED, "detail": "refused"}
    centre.catalogue.footage.set_health(
        [
            health("cam", now_us, fault=Fault.CREDENTIALS, **told),
            health("screen", now_us, fault=Fault.NO_SUCH_PATH, **told),
        ]
    )
    found = (await centre.get("/api/sources"))["sources"]
    assert [(one["shortfall"], one["fault"]) for one in found] == [
        ("refused", "credentials"),
        ("refused", "no_such_path"),
    ]


# --- one source


async def test_a_source_shows_what_it_recorded_up_to_the_picture_that_is_not_sealed_yet(
    centre: Centre,
) -> None:
    now_us = centre.clock.now_us()
    detail = await centre.get("/api/sources/cam")
    assert (detail["start_us"], detail["end_us"]) == (now_us - 24 * HOUR_US, now_us)
    assert [(one["start_us"] - now_us, one["end_us"] - now_us) for one in detail["stretches"]] == [
        (-30 * SECOND_US, -10 * SECOND_US),
        (-10 * SECOND_US, -SECOND_US),
    ]
    assert [one["id"] for one in detail["runs"]] == ["run-1"]
    assert [one["media_start_us"] for one in detail["segments"]] == [SECOND_US, 0]


async def test_nothing_is_shown_as_recorded_after_the_last_seal_of_a_dead_recorder(centre: Centre) -> None:
    """What it wrote after that is known only once a recorder settles it."""
    centre.clock.advance(60)
    detail = await centre.get("/api/sources/cam")
    assert len(detail["stretches"]) == 1
    assert detail["stretches"][0]["end_us"] == centre.clock.now_us() - 70 * SECOND_US


async def test_a_gap_that_was_filled_afterwards_stays_visible_with_its_mark(centre: Centre) -> None:
    """Invariant 5, and the issue's back-fill."""
    now_us = centre.clock.now_us()
    start_us, end_us = now_us - 200 * SECOND_US, now_us - 190 * SECOND_US
    centre.catalogue.footage.add_gap(
        Gap(
            id="filled",
            source_id="cam",
            start_us=start_us,
            end_us=end_us,
            cause=GapCause.NETWORK,
            fault=Fault.NETWORK,
            detail="cable",
            backfill=Backfill.WHOLE,
        )
    )
    centre.catalogue.footage.start_run(
        Run(
            id="run-2",
            source_id="cam",
            started_us=start_us,
            ended_us=end_us,
            end_reason=None,
            origin=RunOrigin.BACKFILL,
        )
    )
    centre.catalogue.footage.add_segment(segment(0, start_us, end_us, run_id="run-2"))
    detail = await centre.get("/api/sources/cam")
    assert [(one["cause"], one["fault"], one["detail"], one["backfill"]) for one in detail["gaps"]] == [
        ("network", "network", "cable", "whole")
    ]
    filled = [one for one in detail["stretches"] if one["origin"] == "backfill"]
    assert filled == [{"start_us": start_us, "end_us": end_us, "origin": "backfill"}]


async def test_the_segment_of_a_moment_is_found_by_a_range_that_holds_only_it(centre: Centre) -> None:
    at_us = centre.clock.now_us() - 25 * SECOND_US
    detail = await centre.get("/api/sources/cam", start_us=at_us, end_us=at_us + 1, limit=1)
    assert [one["id"] for one in detail["segments"]] == ["segment-run-1-0"]
    assert detail["stretches"] == [{"start_us": at_us, "end_us": at_us + 1, "origin": "live"}]


@pytest.mark.parametrize(
    "query",
    [
        {"start_us": 5, "end_us": 5},
        {"start_us": 6, "end_us": 5},
        {"start_us": 0},
        {"limit": 0},
        {"limit": 1001},
    ],
)
async def test_a_range_that_makes_no_sense_is_refused(centre: Centre, query: dict[str, int]) -> None:
    assert (await centre.client.get("/api/sources/cam", params=query)).status_code == 422


async def test_an_unknown_source_is_404(centre: Centre) -> None:
    assert (await centre.client.get("/api/sources/none")).status_code == 404


async def test_no_answer_holds_the_address_of_a_device(centre: Centre) -> None:
    """Invariant 16: the server is given ids and record modes only."""
    for path in ("/api/sources", "/api/sources/cam", "/readyz", "/metrics"):
        assert "rtsp" not in (await centre.client.get(path)).text


# --- files of the ring

FILE = "/media/segments/segment-run-1-0"


async def test_a_segment_is_served_whole_and_by_range(centre: Centre) -> None:
    whole = await centre.client.get(FILE)
    assert (whole.status_code, whole.content) == (200, CONTENT)
    assert (whole.headers["content-type"], whole.headers["etag"]) == ("video/mp4", f'"{"ab" * 32}"')
    part = await centre.client.get(FILE, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, CONTENT[10:20])
    assert part.headers["content-range"] == "bytes 10-19/1000"
    assert (await centre.client.get(FILE, headers={"Range": "bytes=1000-"})).status_code == 416


async def test_a_segment_that_was_removed_by_rule_is_said_to_be_gone(centre: Centre) -> None:
    """Invariant 4: its row stays as a tombstone."""
    rules = CutRules(pre_roll_us=0, post_roll_us=0)
    removal = centre.catalogue.removal
    removal.release(["segment-run-1-0"], rules, at_us=9, reason="age", principal="test")
    assert (await centre.client.get(FILE)).status_code == 410  # although the file is there for a moment yet
    removal.finish(["segment-run-1-0"])
    assert (await centre.client.get(FILE)).status_code == 410
    detail = await centre.get("/api/sources/cam")
    assert {one["id"]: one["state"] for one in detail["segments"]} == {
        "segment-run-1-0": "removed",
        "segment-run-1-1": "sealed",
    }


async def test_a_file_that_is_not_what_its_row_says_is_not_served(centre: Centre) -> None:
    """Invariant 1."""
    path = centre.ring / "cam" / "run-1-000000.mp4"
    path.write_bytes(CONTENT[:-1])
    cut = await centre.client.get(FILE)
    assert (cut.status_code, "another size" in cut.json()["detail"]) == (503, True)
    path.unlink()
    gone = await centre.client.get(FILE)
    assert (gone.status_code, "No such file" in gone.json()["detail"]) == (503, True)


@pytest.mark.parametrize("name", ["none", "..%2F..%2Fcatalogue.sqlite", "cam%2Frun-1-000000.mp4"])
async def test_only_segments_by_their_ids_are_served(centre: Centre, name: str) -> None:
    assert (await centre.client.get(f"/media/segments/{name}")).status_code == 404


async def test_nothing_can_be_changed_here(centre: Centre) -> None:
    for path in ("/api/sources", "/api/sources/cam", FILE, "/readyz", "/metrics"):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert (await centre.client.request(method, path)).status_code == 405


async def test_a_source_that_is_stopped_and_not_wanted_is_no_alarm(centre: Centre) -> None:
    centre.catalogue.footage.set_health(
        [health("screen", centre.clock.now_us(), state=SourceState.STOPPED, detail="Stopped by test.")]
    )
    assert (await centre.get("/api/sources"))["ready"]
