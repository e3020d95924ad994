"""Gaps are fetched from the device's own memory: once, whole groups, on the right clock, and still told."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import pytest

from capture.backfill.backfiller import Backfiller, Memory
from capture.backfill.fetch import MARGIN_US, Around
from capture.backfill.plan import correction_us, worth_fetching
from capture.backfill.replay_run import DEVICE_HAS_NONE
from capture.disk import WriterThread
from capture.packets import Delivery
from capture.recover import recover
from capture.segment_writer import Ring, SegmentWriter
from catalog.catalogue import Catalogue
from kernel.chain import chain_value
from kernel.clock import SECOND_US, FakeClock
from kernel.errors import DiskFull, SourceError, SourceNotFound, SourceUnreachable
from kernel.model.footage import (
    Backfill,
    ClockBasis,
    EndReason,
    Gap,
    GapCause,
    Packet,
    RunOrigin,
    Segment,
)
from kernel.settings import CaptureSettings, RingSettings, SourceSpec
from kernel.timerange import TimeRange
from tests.support.catalogue import add_segments, open_catalogue

START_US = 1_772_420_400 * SECOND_US
FRAME_US = 40_000
SPEC = SourceSpec(id="cam", content_kind="room", uri="onvif://127.0.0.1:9", label_zh="cam")


def at(seconds: float) -> int:
    return START_US + round(seconds * SECOND_US)


@dataclass
class FakeDevice:
    """Kept ten seconds from ``START_US`` on, by its own clock; plays them from the key frame before."""

    video: Any
    offset_us: int = 0  # its clock minus ours
    hole: tuple[float, float] | None = None  # seconds of which it kept nothing
    breaks_after: int | None = None  # packets, then the connection is lost
    fault: SourceError | None = None  # instead of playing
    stamps_go_on: bool = False  # its time stamps know nothing of the hole
    per_second: int = 25  # pictures that it took, whatever their time stamps say
    asked: list[TimeRange] = field(default_factory=list)
    closed: int = 0

    async def open_replay(
        self, spec: SourceSpec, settings: CaptureSettings, clock: Any, *, uri: str, wall: TimeRange
    ) -> FakeReplay:
        assert uri == "rtsp://device/replay"
        self.asked.append(wall)
        if self.fault is not None:
            raise self.fault
        return FakeReplay(self, self._played(wall))

    def _played(self, wall: TimeRange) -> list[Packet]:
        kept = [one for one in self.video.packets(reported=False) if not self._in_hole(one.pts)]
        stamped = 90_000 * self.per_second / 25
        told = [one._replace(wall_us=at(one.pts / stamped) + self.offset_us) for one in kept]
        if self.hole is not None and self.stamps_go_on:
            end, missing = self.hole[1] * 90_000, round((self.hole[1] - self.hole[0]) * 90_000)
            told = [one._replace(pts=one.pts - missing) if one.pts >= end else one for one in told]
        keys = [one.wall_us for one in told if one.key and one.wall_us <= wall.start_us]
        first_us = max(keys, default=wall.start_us)
        return [one for one in told if first_us <= one.wall_us < wall.end_us]

    def _in_hole(self, pts: int) -> bool:
        return self.hole is not None and self.hole[0] <= pts / 90_000 < self.hole[1]


class FakeReplay:
    """Delivers ten packets a read."""

    def __init__(self, device: FakeDevice, packets: list[Packet]) -> None:
        self._device = device
        self._packets = packets
        self._told = False
        self._read = 0

    def __aiter__(self) -> FakeReplay:
        return self

    async def __anext__(self) -> Sequence[Delivery]:
        await asyncio.sleep(0)
        if not self._told:
            self._told = True
            return [self._device.video.started]
        if self._device.breaks_after is not None and self._read >= self._device.breaks_after:
            raise SourceUnreachable("source cam: the device closed the connection.")
        if not self._packets:
            raise StopAsyncIteration
        batch, self._packets = self._packets[:10], self._packets[10:]
        self._read += len(batch)
        return batch

    async def close(self) -> None:
        self._device.closed += 1


@dataclass
class Bench:
    """A catalogue with live footage around a gap, a device, and a back-filler."""

    catalogue: Catalogue
    device: FakeDevice
    clock: FakeClock
    root: Path
    thread: WriterThread
    healthy: bool = True
    room_bytes: int = 1 << 40
    memory_offset_us: int | None = 0

    def backfiller(self) -> Backfiller:
        around = Around(
            ring=Ring(
                root=self.root,
                settings=RingSettings(segment_seconds=2),
                clock=self.clock,
                free=lambda _: self.room_bytes,
            ),
            rows=self.catalogue.footage,
            thread=self.thread,
            settings=CaptureSettings(),
            clock=self.clock,
            open_replay=self.device.open_replay,
        )
        return Backfiller([SPEC], around, find_memory=self.find, healthy=lambda _: self.healthy)

    async def find(self, spec: SourceSpec) -> Memory:
        return Memory(uri="rtsp://device/replay", offset_us=self.memory_offset_us)

    def declare(self, start: float = 3, end: float = 6, cause: GapCause = GapCause.CAMERA_LOST) -> str:
        gap = Gap(
            id=f"gap-{start}", source_id="cam", start_us=at(start), end_us=at(end), cause=cause, detail=""
        )
        self.catalogue.footage.add_gap(gap)
        return gap.id

    def gaps(self) -> list[Gap]:
        return self.catalogue.footage.gaps_of("cam", TimeRange(start_us=0, end_us=1 << 62))

    def mark(self, gap_id: str) -> Backfill:
        return next(gap.backfill for gap in self.gaps() if gap.id == gap_id)

    def fetched(self) -> list[Segment]:
        found = self.catalogue.footage.segments_of("cam", TimeRange(start_us=0, end_us=1 << 62))
        return [one for one in found if one.clock_basis is ClockBasis.REPLAY]

    def live(
        self, start: float, end: float, *, basis: ClockBasis = ClockBasis.SENDER_REPORT, offset_us: int = 0
    ) -> None:
        """A row of live footage; its file is not looked at."""
        segment = Segment(
            id=f"live-{start}",
            run_id=f"run-{start}",
            source_id="cam",
            sequence=0,
            wall=TimeRange(start_us=at(start), end_us=at(end)),
            media_start=0,
            media_duration=1,
            timescale=90_000,
            clock_basis=basis,
            clock_offset_us=offset_us,
            path=f"cam/live-{start}.mp4",
            size_bytes=1,
            sha256="00" * 32,
            chain=chain_value(self.catalogue.footage.last_chain("cam"), bytes(32)),
            end_reason=EndReason.SOURCE_LOST,
        )
        add_segments(self.catalogue, [segment])


@pytest.fixture
async def bench(tmp_path: Path, video: Any) -> AsyncIterator[Bench]:
    catalogue = open_catalogue(tmp_path)
    thread = WriterThread()
    ring = tmp_path / "ring"
    ring.mkdir()
    made = Bench(
        catalogue=catalogue, device=FakeDevice(video), clock=FakeClock(at(120)), root=ring, thread=thread
    )
    made.live(0, 3)
    yield made
    thread.close()
    catalogue.close()


async def test_a_gap_is_fetched_whole_and_stays_visible(
    bench: Bench, count_frames: Callable[[Path], int]
) -> None:
    gap = bench.declare(3.2, 6.5)
    assert await bench.backfiller().run_once()
    assert bench.mark(gap) is Backfill.WHOLE
    assert [one.start_us for one in bench.gaps()] == [at(3.2)]
    walls = [one.wall for one in bench.fetched()]
    assert walls[0].start_us == at(3)  # the key frame that the gap's first pictures need
    assert at(6.5) <= walls[-1].end_us <= at(6.5) + 2 * FRAME_US
    assert all(one.end_us == two.start_us for one, two in itertools.pairwise(walls))
    frames = sum(count_frames(bench.root / one.path) for one in bench.fetched())
    assert frames == 89  # 3.00 to 6.52, each once
    assert bench.device.closed == 1


async def test_no_picture_is_missing_at_the_end_where_they_come_in_another_order(
    bench: Bench, bframe_video: Any
) -> None:
    bench.device.video = bframe_video
    bench.declare(1, 2.6)  # the end lies between a picture and the two that come after it and show before it
    await bench.backfiller().run_once()
    [segment] = bench.fetched()
    with av.open(bench.root / segment.path) as container:
        shown = sorted(packet.pts for packet in container.demux(video=0) if packet.pts is not None)
    assert shown[:40] == [shown[0] + 3600 * number for number in range(40)]


async def test_fetched_runs_say_where_they_come_from_and_lengthen_the_chain(bench: Bench) -> None:
    bench.declare()
    await bench.backfiller().run_once()
    runs = {one.run_id for one in bench.fetched()}
    assert {bench.catalogue.footage.run(run).origin for run in runs} == {RunOrigin.BACKFILL}  # type: ignore[union-attr]
    assert bench.catalogue.footage.unfinished_runs() == []
    before = "00" * 32
    for _, segment in bench.catalogue.footage.chain_of("cam"):
        assert segment.chain == chain_value(before, bytes.fromhex(segment.sha256))
        before = segment.chain


async def test_a_gap_is_fetched_once(bench: Bench) -> None:
    bench.declare()
    assert await bench.backfiller().run_once()
    assert not await bench.backfiller().run_once()
    assert len(bench.device.asked) == 1


async def test_a_fetch_that_broke_off_goes_on_where_it_ended(
    bench: Bench, count_frames: Callable[[Path], int]
) -> None:
    gap = bench.declare(1, 9)
    bench.device.breaks_after = 120
    await bench.backfiller().run_once()
    had = bench.fetched()
    assert bench.mark(gap) is Backfill.NONE
    assert had
    bench.device.breaks_after = None
    await bench.backfiller().run_once()  # another process: it knows the catalogue only
    assert bench.mark(gap) is Backfill.WHOLE
    rest = bench.fetched()[len(had) :]
    overlap_us = had[-1].wall.end_us - rest[0].wall.start_us
    assert 0 <= overlap_us <= SECOND_US  # one group of pictures, so that it can be decoded
    assert bench.device.asked[1].start_us > bench.device.asked[0].start_us


async def test_a_crash_in_mid_fetch_declares_no_gap_and_leaves_no_open_run(bench: Bench) -> None:
    gap = bench.declare(1, 9)
    bench.device.breaks_after = 120
    broken = bench.backfiller()

    def fail(writer: SegmentWriter, _: EndReason) -> None:
        writer._open.file._file.close()  # type: ignore[union-attr]
        raise RuntimeError  # what kill -9 leaves: neither sealed nor ended

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("capture.segment_writer.SegmentWriter.close", fail)
        with pytest.raises(RuntimeError):
            await broken.run_once()
    declared = len(bench.gaps())
    recover(bench.root, bench.catalogue.footage)
    assert len(bench.gaps()) == declared
    assert bench.fetched()[-1].end_reason is EndReason.CRASH
    bench.device.breaks_after = None
    assert bench.catalogue.footage.unfinished_runs() == []
    await bench.backfiller().run_once()
    assert bench.mark(gap) is Backfill.WHOLE


async def test_what_the_device_did_not_keep_either_is_told(bench: Bench) -> None:
    gap = bench.declare(1, 9)
    bench.device.hole = (4, 6)
    await bench.backfiller().run_once()
    assert bench.mark(gap) is Backfill.PART
    told = [one for one in bench.gaps() if one.backfill is Backfill.NOTHING]
    assert [(one.start_us, one.end_us, one.detail) for one in told] == [(at(4), at(6), DEVICE_HAS_NONE)]


async def test_a_hole_that_time_stamps_do_not_show_ends_the_run(bench: Bench) -> None:
    gap = bench.declare(1, 9)
    bench.device.hole, bench.device.stamps_go_on = (4, 6), True
    await bench.backfiller().run_once()
    assert bench.mark(gap) is Backfill.PART
    assert len({one.run_id for one in bench.fetched()}) == 2
    hole = TimeRange(start_us=at(4.2), end_us=at(6))
    assert not any(one.wall.intersect(hole) for one in bench.fetched())


async def test_a_device_without_a_memory_is_asked_once(bench: Bench) -> None:
    gap = bench.declare()
    bench.device.fault = SourceNotFound("source cam: no such recording.")
    await bench.backfiller().run_once()
    assert bench.mark(gap) is Backfill.NOTHING
    assert not await bench.backfiller().run_once()


async def test_a_recording_of_another_time_fills_nothing(bench: Bench) -> None:
    gap = bench.declare(40, 50)
    await bench.backfiller().run_once()
    assert bench.mark(gap) is Backfill.NOTHING
    assert bench.fetched() == []


async def test_a_device_that_fails_is_tried_again_with_pauses_and_then_left_alone(bench: Bench) -> None:
    gap = bench.declare()
    bench.device.fault = SourceUnreachable("source cam: nothing answers.")
    backfiller = bench.backfiller()
    await backfiller.run_once()
    assert not await backfiller.run_once()  # not at once
    for _ in range(20):
        bench.clock.advance(600)
        await backfiller.run_once()
    assert len(bench.device.asked) == 5
    assert bench.mark(gap) is Backfill.NOTHING


async def test_live_recording_goes_first(bench: Bench) -> None:
    bench.declare()
    bench.healthy = False
    assert not await bench.backfiller().run_once()
    assert bench.device.asked == []


async def test_a_long_fetch_stops_where_live_recording_needs_the_device(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("capture.backfill.backfiller._PIECE_US", 2 * SECOND_US)
    gap = bench.declare(1, 9)
    answers = iter([True, True, True, False])
    backfiller = bench.backfiller()
    backfiller._healthy = lambda _: next(answers)
    await backfiller.run_once()
    assert len(bench.device.asked) == 2
    assert bench.mark(gap) is Backfill.NONE
    await bench.backfiller().run_once()
    assert bench.mark(gap) is Backfill.WHOLE
    assert bench.device.asked[2].start_us >= at(5) - MARGIN_US


async def test_a_gap_that_has_just_ended_waits_for_the_device_to_write(bench: Bench) -> None:
    bench.declare(100, 110)
    assert not await bench.backfiller().run_once()


async def test_a_gap_without_footage_beside_it_waits_for_some_that_tells_the_devices_clock(
    bench: Bench,
) -> None:
    bench.declare(5000, 5010)
    bench.clock.advance(4950)
    backfiller = bench.backfiller()
    assert await backfiller.run_once()
    assert bench.device.asked == []
    bench.clock.advance(300)
    assert await backfiller.run_once()
    assert len(bench.device.asked) == 1


async def test_what_somebody_stopped_is_not_fetched_behind_their_back(bench: Bench) -> None:
    bench.declare(cause=GapCause.STOPPED)
    assert not await bench.backfiller().run_once()


@pytest.mark.parametrize("cause", [cause for cause in GapCause if cause is not GapCause.PENDING])
def test_only_gaps_that_a_device_can_help_with_are_fetched(cause: GapCause) -> None:
    gap = Gap(id="g", source_id="cam", start_us=0, end_us=SECOND_US, cause=cause, detail="")
    helps = cause not in (
        GapCause.STOPPED,
        GapCause.DISK_FULL,
        GapCause.DISK_LOST,
        GapCause.REFUSED,
        GapCause.REMOVED,
    )
    assert worth_fetching(gap) is helps


async def test_a_full_disk_leaves_the_gap_for_later(bench: Bench) -> None:
    gap = bench.declare()
    bench.room_bytes = 0
    with pytest.raises(DiskFull):
        await bench.backfiller().run_once()
    assert bench.mark(gap) is Backfill.NONE


async def test_a_device_whose_clock_is_wrong_fills_the_right_time(bench: Bench) -> None:
    """Its clock is an hour ahead, as the live footage beside the gap has found."""
    hour_us = 3600 * SECOND_US
    bench.live(6.5, 7, basis=ClockBasis.ARRIVAL, offset_us=hour_us)
    bench.device.offset_us = hour_us
    gap = bench.declare(4, 6.4)
    await bench.backfiller().run_once()
    assert bench.mark(gap) is Backfill.WHOLE
    assert bench.fetched()[0].wall.start_us == at(4)
    assert {one.clock_offset_us for one in bench.fetched()} == {hour_us}
    assert bench.device.asked[0].contains(at(4) + hour_us)


async def test_a_camera_that_stamps_25_and_takes_21_pictures_a_second_is_fetched_in_one_run(
    bench: Bench, count_frames: Callable[[Path], int]
) -> None:
    bench.device.per_second = 21
    gap = bench.declare(1, 9)
    await bench.backfiller().run_once()
    assert bench.mark(gap) is Backfill.WHOLE
    assert len({one.run_id for one in bench.fetched()}) == 1
    frames = sum(count_frames(bench.root / one.path) for one in bench.fetched())
    first_us = bench.fetched()[0].wall.start_us
    assert frames == 21 * 9 + 1 - round((first_us - START_US) * 21 / SECOND_US)  # each picture once
    for one in bench.fetched():
        media_us = one.media_duration * SECOND_US // one.timescale
        assert abs(media_us - one.wall.duration_us) < SECOND_US // 5  # stamps are time again


@pytest.mark.parametrize(
    ("offset_us", "basis", "added_us"),
    [
        (700_000, ClockBasis.SENDER_REPORT, 0),  # believed live, believed now
        (700_000, ClockBasis.ARRIVAL, -700_000),  # live stands on the recorder's clock
        (700_000, None, 0),
        (5 * SECOND_US, None, -5 * SECOND_US),
    ],
)
def test_fetched_footage_stands_on_the_clock_of_the_footage_beside_it(
    offset_us: int, basis: ClockBasis | None, added_us: int
) -> None:
    assert correction_us(offset_us, basis) == added_us


async def test_it_goes_on_by_itself_until_cancelled(bench: Bench) -> None:
    gap = bench.declare()
    idle = asyncio.Event()

    async def wait(_: float) -> None:
        idle.set()
        await asyncio.Event().wait()

    bench.clock.wait = wait  # type: ignore[method-assign]
    task = asyncio.create_task(bench.backfiller().run())
    await idle.wait()
    assert bench.mark(gap) is Backfill.WHOLE
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.catalogue.footage.unfinished_runs() == []
