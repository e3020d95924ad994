"""Which sources share a process, and what becomes of a process that dies."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from capture.groups import assign
from capture.keeper import Keeper
from kernel.clock import SystemClock
from kernel.model.source import ContentKind
from kernel.settings import CaptureSettings, SourceSpec

SETTINGS = CaptureSettings(sources_per_process=2, libav_sources_per_process=1)


def spec(source_id: str, uri: str) -> SourceSpec:
    return SourceSpec(id=source_id, content_kind=ContentKind.ROOM, uri=uri, label_zh="x")


def cameras(count: int) -> list[SourceSpec]:
    return [spec(f"cam{number}", f"rtsp://127.0.0.1/{number}") for number in range(count)]


def names(specs: list[SourceSpec]) -> dict[str, list[str]]:
    return {group.name: [one.id for one in group.specs] for group in assign(specs, SETTINGS)}


def test_no_process_has_more_sources_than_its_crash_may_cost() -> None:
    assert names(cameras(5)) == {"rtsp-1": ["cam0", "cam1"], "rtsp-2": ["cam2", "cam3"], "rtsp-3": ["cam4"]}


def test_sources_of_libav_are_kept_from_all_others() -> None:
    mixed = [spec("a", "rtmp://h/x/y"), *cameras(1), spec("b", "push+rtmp://0.0.0.0:1935/x/y")]
    assert names(mixed) == {"rtsp-1": ["cam0"], "libav-1": ["a"], "libav-2": ["b"]}


def test_devices_that_push_share_the_process_that_listens() -> None:
    pushing = [spec(f"p{number}", f"push+rtsp:///p{number}") for number in range(5)]
    assert names(pushing) == {"push-1": [f"p{number}" for number in range(5)]}


def test_a_desktop_with_an_agent_and_a_file_are_not_recorded_by_us() -> None:
    assert names([spec("desk", "agent:"), spec("file", "file:///x.mp4")]) == {}


def test_a_camera_added_at_the_end_moves_no_other() -> None:
    before, after = names(cameras(3)), names(cameras(4))
    assert before["rtsp-1"] == after["rtsp-1"]
    assert after["rtsp-2"] == [*before["rtsp-2"], "cam3"]


CHILD = """
import sys, pathlib
note = pathlib.Path(sys.argv[1])
starts = note.read_text().count("start") if note.exists() else 0
with note.open("a") as file:
    file.write("start\\n")
if starts == 0:
    sys.exit(7)
print(".", flush=True)
sys.stdin.read()
with note.open("a") as file:
    file.write("sealed\\n")
"""


async def test_a_process_that_dies_is_started_again_and_one_that_is_told_to_stop_seals_first(
    tmp_path: Path,
) -> None:
    note, stop = tmp_path / "note", asyncio.Event()
    keeper = Keeper(
        {"g": b"what to record\n"}, lambda _: [sys.executable, "-c", CHILD, str(note)], SystemClock()
    )
    running = asyncio.create_task(keeper.run(stop))
    while not note.exists() or note.read_text().count("start") < 2:
        await SystemClock().wait(0.05)
        assert not running.done()
    stop.set()
    await running
    assert note.read_text().split() == ["start", "start", "sealed"]
