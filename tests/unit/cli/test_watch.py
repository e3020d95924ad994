"""What the server knows of cameras.yaml: as it is now, without addresses; and how long the disk lasts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from catalog.catalogue import Catalogue
from catalog.objects import MemoryStore
from catalog.readiness import readiness
from cli.watch import DaysLeft, open_watch
from kernel.clock import FakeClock
from kernel.errors import SettingsError
from kernel.model.footage import Run
from kernel.settings import RingSettings, Settings
from player_api.app import create_app
from tests.support.catalogue import CAMERAS, open_catalogue
from tests.support.sources import segment


def write(path: Path, *sources: str, scheme: str = "rtsp://127.0.0.1:9/") -> None:
    content: dict[str, Any] = CAMERAS.model_dump(mode="json")
    room = content["sites"][0]["rooms"][0]
    room["sources"] = [
        {"id": one, "content_kind": "room", "uri": f"{scheme}{one}", "password": "x" * 16, "label_zh": one}
        for one in sources
    ]
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    told = path.stat()
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns + len(sources)))  # two writes within a tick differ


def ids(catalogue: Catalogue, settings: Settings) -> Any:
    wishes = open_watch(settings, catalogue, FakeClock()).wishes
    return lambda: [one.source_id for one in wishes()]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, cameras=tmp_path / "cameras.yaml")


def test_a_source_that_is_added_counts_without_a_new_start(tmp_path: Path, settings: Settings) -> None:
    catalogue = open_catalogue(tmp_path)
    write(settings.cameras, "cam")
    named = ids(catalogue, settings)
    assert named() == ["cam"]
    write(settings.cameras, "cam", "added")
    assert named() == ["cam", "added"]
    assert "added" in catalogue.places.sources()  # the page can name it although no recorder took it up
    catalogue.close()


@pytest.mark.parametrize("content", ["sites: [", "sites: 5"])
def test_a_file_that_is_being_edited_does_not_make_sources_forgotten(
    tmp_path: Path, settings: Settings, content: str
) -> None:
    catalogue = open_catalogue(tmp_path)
    write(settings.cameras, "cam")
    named = ids(catalogue, settings)
    settings.cameras.write_text(content, encoding="utf-8")
    assert named() == ["cam"]
    settings.cameras.unlink()
    assert named() == ["cam"]
    catalogue.close()


async def test_a_file_that_cannot_be_used_is_told_of_until_it_is_mended(
    tmp_path: Path, settings: Settings
) -> None:
    catalogue, clock = open_catalogue(tmp_path), FakeClock()
    write(settings.cameras, "cam")
    watch = open_watch(settings, catalogue, clock)
    app = create_app(catalogue, MemoryStore(), clock, static=tmp_path / "none", watch=watch)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        assert (await client.get("/readyz")).json()["cameras_problem"] == ""
        assert "jianzheng_cameras_file_usable 1.0" in (await client.get("/metrics")).text
        settings.cameras.write_text("sites: 5", encoding="utf-8")
        assert "sites" in (await client.get("/readyz")).json()["cameras_problem"]
        assert "jianzheng_cameras_file_usable 0.0" in (await client.get("/metrics")).text
        write(settings.cameras, "cam")
        assert (await client.get("/readyz")).json()["cameras_problem"] == ""
    catalogue.close()


def test_a_file_that_cannot_be_used_is_refused_at_the_start(tmp_path: Path, settings: Settings) -> None:
    catalogue = open_catalogue(tmp_path)
    settings.cameras.write_text("sites: 5", encoding="utf-8")
    with pytest.raises(SettingsError):
        open_watch(settings, catalogue, FakeClock())
    catalogue.close()


def test_without_a_file_every_registered_source_counts(tmp_path: Path, settings: Settings) -> None:
    catalogue = open_catalogue(tmp_path)
    assert ids(catalogue, settings)() == ["cam", "screen"]
    catalogue.close()


def test_a_file_that_is_taken_in_by_hand_is_waited_for_by_nobody(tmp_path: Path, settings: Settings) -> None:
    catalogue = open_catalogue(tmp_path)
    write(settings.cameras, "film", scheme="file:///media/")
    clock = FakeClock()
    watch = open_watch(settings, catalogue, clock)
    assert readiness(catalogue, watch, clock.now_us()).missing == []
    catalogue.close()


def test_desktops_that_record_themselves_are_known_as_such(tmp_path: Path, settings: Settings) -> None:
    catalogue = open_catalogue(tmp_path)
    write(settings.cameras, "cam")
    watch = open_watch(settings, catalogue, FakeClock())
    assert watch.agents() == frozenset()
    write(settings.cameras, "desk", "desk-2", scheme="agent:")
    assert watch.agents() == {"desk", "desk-2"}
    assert len(watch.wishes()) == 2
    catalogue.close()


def test_how_fast_the_ring_fills_is_measured_once_a_minute(tmp_path: Path) -> None:
    catalogue, clock = open_catalogue(tmp_path), FakeClock()
    settings = Settings(data_dir=tmp_path, ring=RingSettings(reserve_bytes=0))
    start_us = clock.now_us() - 7200 * 1_000_000
    run = Run(id="run-1", source_id="cam", started_us=start_us, ended_us=None, end_reason=None)
    catalogue.footage.start_run(run)
    left = DaysLeft(settings, catalogue, clock)
    assert left(86_400) is None  # nothing is recorded, nothing fills
    catalogue.footage.add_segment(segment(0, start_us, clock.now_us()))  # 1000 bytes in 7200 s
    assert left(86_400) is None
    clock.advance(61)
    days = left(86_400)
    assert days is not None
    assert days == pytest.approx((86_400 + 1000) / (1000 / 7261) / 86_400)
    catalogue.close()
