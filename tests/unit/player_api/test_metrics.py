"""/metrics as Prometheus reads it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from catalog.catalogue import Catalogue
from catalog.objects import MemoryStore
from catalog.readiness import Watch
from kernel.clock import SECOND_US, FakeClock
from kernel.desired import Around
from kernel.model.footage import Run
from player_api.app import create_app
from tests.support.catalogue import add_session, open_catalogue
from tests.support.sources import gap, health, segment, wish

HOUR_US = 3600 * SECOND_US
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@dataclass(frozen=True, kw_only=True)
class Centre:
    catalogue: Catalogue
    clock: FakeClock
    client: httpx.AsyncClient

    async def text(self, **headers: str) -> str:
        answer = await self.client.get("/metrics", headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.text

    async def samples(self) -> Samples:
        found: Samples = {}
        for family in parse(await self.text()):
            for sample in family.samples:
                found[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
        return found


@pytest.fixture
async def centre(tmp_path: Path) -> AsyncIterator[Centre]:
    """The camera is recorded, the screen was never heard of; one gap is over, one lasts."""
    catalogue, clock = open_catalogue(tmp_path), FakeClock()
    now_us = clock.now_us()
    catalogue.footage.set_health([health("cam", now_us)])
    run = Run(id="run-1", source_id="cam", started_us=now_us - HOUR_US, ended_us=None, end_reason=None)
    catalogue.footage.start_run(run)
    for number in range(3):
        start_us = now_us - HOUR_US + number * SECOND_US
        catalogue.footage.add_segment(segment(number, start_us, start_us + SECOND_US))
    catalogue.footage.add_gap(gap("old", now_us - 25 * HOUR_US, now_us - 23 * HOUR_US))
    catalogue.footage.open_gap(gap("open", now_us - 10 * SECOND_US, None))
    add_session(catalogue, now_us - HOUR_US, now_us - HOUR_US // 2)
    watch = Watch(
        wishes=lambda: [wish("cam"), wish("screen")],
        around=Around(before_us=0, after_us=0),
        ring=tmp_path,
        reserve_bytes=1000,
        days_left=lambda _: 2.5,
    )
    app = create_app(catalogue, MemoryStore(), clock, static=tmp_path / "none", watch=watch)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1"
    ) as client:
        yield Centre(catalogue=catalogue, clock=clock, client=client)
    catalogue.close()


def of(name: str, **labels: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    return f"jianzheng_{name}", tuple(sorted(labels.items()))


async def test_figures_of_a_source_are_in_base_units(centre: Centre) -> None:
    found, now_s = await centre.samples(), centre.clock.now_us() / SECOND_US
    cam = {"source": "cam"}
    assert {
        of("source_up", **cam): 1,
        of("source_should_record", **cam): 1,
        of("source_received_bytes_per_second", **cam): 500_000,
        of("source_frames_per_second", **cam): 25,
        of("source_lost_packets_total", **cam): 3,
        of("source_last_frame_timestamp_seconds", **cam): now_s - 1,
        of("source_last_report_timestamp_seconds", **cam): now_s - 0.5,
        of("source_clock_offset_seconds", **cam): -0.012,
        of("source_segments_sealed_total", **cam): 3,
        of("source_state", state="recording", **cam): 1,
        of("source_state", state="lost", **cam): 0,
    }.items() <= found.items()


async def test_a_source_that_should_be_recorded_and_was_never_heard_of_is_down(centre: Centre) -> None:
    found = await centre.samples()
    assert (found[of("source_up", source="screen")], found[of("source_should_record", source="screen")]) == (
        0,
        1,
    )
    assert of("source_frames_per_second", source="screen") not in found
    assert found[of("ready")] == 0


async def test_a_dead_recorder_is_down_and_its_rates_are_gone(centre: Centre) -> None:
    centre.clock.advance(30)
    found = await centre.samples()
    assert (found[of("source_up", source="cam")], found[of("recorder_alive")]) == (0, 0)
    assert of("source_received_bytes_per_second", source="cam") not in found
    assert of("source_frames_per_second", source="cam") not in found


async def test_gaps_are_counted_for_ever_and_for_the_last_day(centre: Centre) -> None:
    lost = {"source": "cam", "cause": "camera_lost"}
    found = await centre.samples()
    assert found[of("source_gaps_total", **lost)] == 1
    assert found[of("source_gap_seconds_total", **lost)] == 7200
    assert found[of("source_day_gaps", **lost)] == 2
    assert found[of("source_day_gap_seconds", **lost)] == 3600 + 10


async def test_what_only_grows_never_falls_when_a_gap_closes_earlier_than_it_looked(centre: Centre) -> None:
    lost = {"source": "cam", "cause": "camera_lost"}
    before = (await centre.samples())[of("source_gap_seconds_total", **lost)]
    centre.catalogue.footage.close_gap("cam", centre.clock.now_us() - 9 * SECOND_US)
    after = (await centre.samples())[of("source_gap_seconds_total", **lost)]
    assert (before, after) == (7200, 7201)


async def test_the_ring_and_the_archive_have_their_figures(centre: Centre) -> None:
    found = await centre.samples()
    assert found[of("ring_segments_bytes")] == 3000
    assert found[of("ring_disk_reserve_bytes")] == 1000
    assert found[of("ring_full_in_seconds")] == 2.5 * 86_400
    assert 0 < found[of("ring_disk_free_bytes")] <= found[of("ring_disk_size_bytes")]
    assert found[of("ring_disk_state", state="ok")] == 1
    assert found[of("sessions_unarchived")] == 1
    assert any(name == "jianzheng_build_info" and value == 1 for (name, _), value in found.items())


async def test_every_metric_says_what_it_is_and_is_named_as_prometheus_wants(centre: Centre) -> None:
    for family in parse(await centre.text()):
        assert family.documentation.endswith("."), family.name
        assert family.name.startswith("jianzheng_")
        assert not family.name.endswith(("_ms", "_us", "_kbps", "_days", "_percent"))
        if family.type == "counter":
            assert all(sample.name.endswith("_total") for sample in family.samples)


async def test_openmetrics_is_given_to_who_asks_for_it(centre: Centre) -> None:
    text = await centre.text(Accept="application/openmetrics-text; version=1.0.0")
    assert text.endswith("# EOF\n")
    assert any(family.name == "jianzheng_source_up" for family in parse_openmetrics(text))
