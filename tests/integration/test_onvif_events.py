"""What an ONVIF device reports while it is recorded, from the device to the catalogue's row."""

from __future__ import annotations

import asyncio
from pathlib import Path

from structlog.testing import capture_logs

from capture.memory_rows import MemoryRows
from capture.worker import record
from kernel.clock import SystemClock
from kernel.model.footage import EndReason, SourceState
from kernel.settings import CaptureSettings, RingSettings, Settings, SourceSpec
from simulator.centre import SimulatedCentre
from simulator.onvif_centre import onvif_device
from simulator.onvif_device import OnvifSettings
from simulator.source import DEFAULT_CENTRE

PASSWORD = "s3cret-word"


async def until(what) -> None:
    async with asyncio.timeout(30):
        while not what():  # noqa: ASYNC110 - it looks at rows that nobody signals
            await asyncio.sleep(0.05)


async def test_a_camera_that_is_covered_is_told_of_and_recorded_on(tmp_path: Path) -> None:
    clock, rows, stop = SystemClock(), MemoryRows(), asyncio.Event()
    login = {"username": "admin", "password": PASSWORD}
    async with SimulatedCentre(DEFAULT_CENTRE[:1], clock=clock, **login) as centre:
        device = onvif_device(centre, OnvifSettings(**login), clock)
        await device.start("127.0.0.1", 0)
        cam = SourceSpec(
            id="cam", content_kind="room", uri=f"onvif://127.0.0.1:{device.port}", label_zh="cam", **login
        )
        settings = Settings(
            data_dir=tmp_path,
            ring=RingSettings(reserve_bytes=0),
            capture=CaptureSettings(report_seconds=1),
        )
        with capture_logs() as logged:
            recording = asyncio.create_task(record([cam], settings, rows, clock, stop))
            await until(lambda: device.subscribers and rows.runs)
            device.report("tns1:RuleEngine/TamperDetector/Tamper", IsTamper="true")
            await until(lambda: "tamper" in rows.health["cam"].detail)
            await device.stop()  # who reports is gone; the pictures still come
            seen_us = rows.health["cam"].last_frame_us or 0
            await until(lambda: (rows.health["cam"].last_frame_us or 0) > seen_us)
            assert rows.health["cam"].state is SourceState.RECORDING
            stop.set()
            await recording
    assert [run.end_reason for run in rows.runs.values()] == [EndReason.STOPPED]
    assert [one["source"] for one in logged if one["action"] == "onvif.event"] == ["cam"]
    assert PASSWORD not in repr(logged)
