"""A source's recorder against a scripted source: outages, new runs, gaps, health, stopping."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from capture.figures import RecentFigures
from capture.fragmenter import Fragment, Fragmenter
from capture.gap_ledger import LOST_PACKETS
from capture.memory_rows import MemoryRows
from capture.packets import Delivery, PacketsLost, PacketSource
from capture.patience import Backoff, Complaints
from capture.roster import source_lock
from capture.run_clock import RunClock
from capture.worker import Duties, Share, record
from kernel.clock import SECOND_US, FakeClock
from kernel.errors import CatalogError, SettingsError, SourceRefused, SourceUnreachable, StorageError
from kernel.isobmff.reader import read_fragments, read_init
from kernel.lock import sole_user
from kernel.model.footage import Codec, EndReason, Gap, GapCause, SourceState
from kernel.settings import CaptureSettings, RingSettings, Settings, SourceSpec

START_US = 1_772_420_400 * SECOND_US
Step = Sequence[Delivery] | Exception | Callable[[], None]


class Script:
    """A source whose every connection follows the next list of steps; afterwards it stays silent."""

    def __init__(self, clock: FakeClock, *connections: Sequence[Step] | Exception) -> None:
        self._clock = clock
        self._connections = list(connections)
        self.opened = 0
        self.done = asyncio.Event()

    async def open(self, spec: SourceSpec, settings: CaptureSettings, clock: object) -> PacketSource:
        self.opened += 1
        if not self._connections:
            self.done.set()
            await asyncio.sleep(3600)
        following = self._connections.pop(0)
        if isinstance(following, Exception):
            raise following
        return Connection(self, list(following))


class Connection:
    def __init__(self, script: Script, steps: list[Step]) -> None:
        self._script = script
        self._steps = steps

    async def read(self) -> Sequence[Delivery]:
        await asyncio.sleep(0)
        if not self._steps:
            self._script.done.set()
            await asyncio.sleep(3600)
        step = self._steps.pop(0)
        if isinstance(step, Exception):
            raise step
        if callable(step):
            step()
            return []
        arrivals = [one.arrival_us for one in step if hasattr(one, "arrival_us")]
        if arrivals:
            self._script._clock.advance(max(arrivals[-1] - self._script._clock.now_us(), 0) / SECOND_US)
        return step

    async def close(self) -> None:
        pass


def spec(source_id: str = "seat-1") -> SourceSpec:
    return SourceSpec(id=source_id, content_kind="seat_face", uri="rtsp://h/x", label_zh="x")


def settings_in(root: Path, **ring: float) -> Settings:
    return Settings(
        data_dir=root,
        ring=RingSettings(**{"segment_seconds": 3, "reserve_bytes": 0, **ring}),
        capture=CaptureSettings(retry_seconds=0.01, retry_max_seconds=0.02),
    )


async def play(script: Script, rows: MemoryRows, root: Path, clock: FakeClock, **ring: float) -> None:
    stop = asyncio.Event()
    work = asyncio.create_task(
        record(
            [spec()], settings_in(root, **ring), rows, clock, stop, principal="王工", open_source=script.open
        )
    )
    async with asyncio.timeout(10):
        await script.done.wait()
        stop.set()
        await work


def batches(packets, size: int = 10) -> list[Step]:
    return [packets[i : i + size] for i in range(0, len(packets), size)]


def later(packets, seconds: float):
    """The same pictures, so much later."""
    us = round(seconds * SECOND_US)
    return [
        one._replace(
            arrival_us=one.arrival_us + us, wall_us=None if one.wall_us is None else one.wall_us + us
        )
        for one in packets
    ]


async def test_a_reconnect_starts_a_new_run_and_declares_the_gap(
    tmp_path, clock, video, count_frames
) -> None:
    lost = SourceUnreachable("source seat-1: the device closed the connection.")
    packets = video.packets(100)
    script = Script(
        clock,
        [[video.started], *batches(packets), lost],
        lost,
        [[video.started], *batches(later(packets, 20))],
    )
    rows = MemoryRows()
    await play(script, rows, tmp_path, clock)
    first, second = rows.runs.values()
    assert (first.end_reason, second.end_reason) == (EndReason.SOURCE_LOST, EndReason.STOPPED)
    outage = next(gap for gap in rows.gaps if gap.cause is GapCause.CAMERA_LOST)
    assert (outage.start_us, outage.end_us) == (first.ended_us, second.started_us)
    assert "closed the connection" in outage.detail
    assert sum(count_frames(tmp_path / "ring" / one.path) for one in rows.segments) == 200
    assert [one.sequence for one in rows.segments] == [0, 1, 0, 1]


async def test_stopping_seals_and_declares_who_stopped(tmp_path, clock, video) -> None:
    rows = MemoryRows()
    await play(Script(clock, [[video.started], *batches(video.packets(60))]), rows, tmp_path, clock)
    assert rows.segments[-1].end_reason is EndReason.STOPPED
    (gap,) = rows.open_gaps()
    assert (gap.cause, gap.detail) == (GapCause.STOPPED, "Stopped by 王工.")
    assert gap.start_us == rows.segments[-1].wall.end_us
    assert rows.health["seat-1"].state is SourceState.STOPPED
    assert not list(tmp_path.rglob("*.part"))


async def test_a_step_of_the_recorders_clock_splits_the_run_without_losing_a_frame(
    tmp_path, clock, video, count_frames
) -> None:
    packets = video.packets(200)
    after = [one._replace(arrival_us=one.arrival_us - 30 * SECOND_US) for one in packets[110:]]
    script = Script(
        clock, [[video.started], *batches(packets[:110]), lambda: clock.step_wall(-30), *batches(after)]
    )
    rows = MemoryRows()
    await play(script, rows, tmp_path, clock)
    assert [run.end_reason for run in rows.runs.values()] == [EndReason.DISCONTINUITY, EndReason.STOPPED]
    assert sum(count_frames(tmp_path / "ring" / one.path) for one in rows.segments) == 200
    assert script.opened == 1


async def test_a_change_of_format_starts_a_new_run(tmp_path, clock, video, make_video, count_frames) -> None:
    other = make_video(50, size=(80, 64))
    script = Script(
        clock,
        [[video.started], *batches(video.packets(75)), [other.started], *batches(later(other.packets(), 3))],
    )
    rows = MemoryRows()
    await play(script, rows, tmp_path, clock)
    assert [run.end_reason for run in rows.runs.values()] == [EndReason.FORMAT_CHANGE, EndReason.STOPPED]
    assert sum(count_frames(tmp_path / "ring" / one.path) for one in rows.segments) == 125


async def test_lost_packets_are_a_gap_and_the_run_goes_on(tmp_path, clock, video) -> None:
    packets = video.packets(100)
    word = PacketsLost(codec=Codec.H264, count=3)
    script = Script(clock, [[video.started], packets[:40], [word], packets[42:]])
    rows = MemoryRows()
    await play(script, rows, tmp_path, clock)
    assert len(rows.runs) == 1
    gap = next(gap for gap in rows.gaps if gap.cause is GapCause.DISCONTINUITY)
    assert gap.end_us - gap.start_us == 80_000


async def test_pictures_without_a_key_frame_are_a_gap_with_the_cause(tmp_path, clock, video) -> None:
    """And what follows once the source sends one is recorded."""
    packets = video.packets()
    keyless = [one for one in later(packets, 0) + later(packets, 10) if not one.key]
    again = later(packets[:100], 40)
    script = Script(clock, [[video.started], *batches(keyless)], [[video.started], *batches(again)])
    rows = MemoryRows()
    await play(script, rows, tmp_path, clock)
    gap = next(gap for gap in rows.gaps if gap.cause is GapCause.GARBAGE)
    assert "no key frame" in gap.detail
    assert gap.end_us == rows.segments[0].wall.start_us


async def test_health_keeps_the_format_and_counts_every_lost_packet(tmp_path, clock, video) -> None:
    packets = video.packets(100)
    words = [PacketsLost(codec=Codec.H264, count=3), PacketsLost(codec=Codec.AAC, count=2)]
    rows = MemoryRows()
    script = Script(clock, [[video.started], packets[:40], words, *batches(packets[40:])])
    await play(script, rows, tmp_path, clock)
    told = rows.health["seat-1"]
    assert (told.codec, told.width, told.height) == ("h264", 64, 48)
    assert (told.lost_packets, told.clock_offset_us) == (5, 80_000)
    assert (told.frame_rate, told.bit_rate_kbps) == (None, None)  # stopped: nothing comes any more


def test_rates_are_those_of_the_last_seconds_and_of_one_run(video) -> None:
    figures, packets = RecentFigures(), video.packets(250)
    slow = [*packets[:100], *(one for one in packets[100:] if one.pts % 7200 == 0)]
    told = [figures.of("run-1", video.started.info, [one]).frame_rate for one in fragments_of(video, slow)]
    assert told[0] == 25
    assert told[-1] == pytest.approx(12.5, abs=0.2)
    again = figures.of("run-2", video.started.info, fragments_of(video, packets)[:2])
    assert again.frame_rate == 25
    size = sum(len(one.data) for one in packets[:50])
    assert again.bit_rate_kbps == pytest.approx(size * 8 / 2000, abs=0.1)


def fragments_of(video, packets) -> list[Fragment]:
    fragmenter = Fragmenter(
        video=video.started.info,
        reorder=video.started.reorder,
        audio=None,
        clock=RunClock(90_000, 5),
        fragment_seconds=1,
        hole_seconds=2,
    )
    return [one for packet in packets for one in fragmenter.add_video(packet)] + fragmenter.flush()


async def test_a_refused_source_says_so_once_and_is_tried_again(tmp_path, clock, capsys) -> None:
    refused = SourceRefused("source seat-1: the device refuses username or password (401).")
    rows = MemoryRows()
    script = Script(clock, refused, refused, refused)
    await play(script, rows, tmp_path, clock)
    assert script.opened == 4
    said = capsys.readouterr()
    assert (said.out + said.err).count("refuses username or password") == 1
    closed = next(gap for gap in rows.gaps if gap.end_us is not None)
    assert closed.cause is GapCause.REFUSED


async def test_a_full_disk_ends_the_run_and_resumes_when_there_is_room(
    tmp_path, clock, video, monkeypatch
) -> None:
    room = {"bytes": 10**9}
    monkeypatch.setattr("capture.disk.os.statvfs", lambda _: FakeStat(room["bytes"]))
    packets = video.packets(200)
    script = Script(
        clock,
        [[video.started], *batches(packets[:60]), lambda: room.update(bytes=5), *batches(packets[60:])],
        [[video.started], *batches(later(packets, 30))],
    )

    async def refill() -> None:
        async with asyncio.timeout(30):
            while not any(gap.cause is GapCause.DISK_FULL for gap in rows.gaps):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        room.update(bytes=10**9)

    rows = MemoryRows()
    async with asyncio.TaskGroup() as group:
        group.create_task(refill())
        group.create_task(play(script, rows, tmp_path, clock, reserve_bytes=1000))
    assert [run.end_reason for run in rows.runs.values()] == [EndReason.DISK_FULL, EndReason.STOPPED]
    full = next(gap for gap in rows.gaps if gap.cause is GapCause.DISK_FULL)
    first, second = rows.runs.values()
    assert (full.start_us, full.end_us) == (first.ended_us, second.started_us)


class FakeStat:
    f_frsize = 1

    def __init__(self, free: int) -> None:
        self.f_bavail = free


async def test_an_error_nobody_foresaw_is_no_end_and_tells_no_text(tmp_path, clock, video, capsys) -> None:
    script = Script(clock, RuntimeError("password=hunter2"), [[video.started], *batches(video.packets(60))])
    rows = MemoryRows()
    await play(script, rows, tmp_path, clock)
    said = capsys.readouterr()
    assert "RuntimeError" in said.out + said.err
    assert "hunter2" not in said.out + said.err + str(rows.gaps) + str(rows.health)
    assert len(rows.runs) == 1


async def test_the_next_recorder_declares_the_time_in_which_none_ran(tmp_path, clock, video) -> None:
    rows = MemoryRows()
    await play(Script(clock, [[video.started], *batches(video.packets(60))]), rows, tmp_path, clock)
    rows.gaps.clear()
    until_us = rows.recorded_until("seat-1")
    again = [[video.started], *batches(later(video.packets(60), 100))]
    await play(Script(clock, again), rows, tmp_path, clock)
    gap = next(gap for gap in rows.gaps if gap.cause is GapCause.NOT_RECORDING)
    assert (gap.start_us, gap.end_us) == (until_us, rows.segments[-1].wall.start_us)
    chain = "0" * 64
    for one in rows.segments:
        chain = hashlib.sha256(bytes.fromhex(chain) + bytes.fromhex(one.sha256)).hexdigest()
        assert one.chain == chain


async def test_a_source_cannot_be_called_like_the_quarantine(tmp_path, clock) -> None:
    with pytest.raises(SettingsError, match="quarantine"):
        await record([spec("quarantine")], settings_in(tmp_path), MemoryRows(), clock, asyncio.Event())


async def test_a_ring_has_one_recorder(tmp_path, clock) -> None:
    with sole_user(tmp_path, "recorder"), pytest.raises(StorageError, match="another recorder"):
        await record([spec()], settings_in(tmp_path), MemoryRows(), clock, asyncio.Event())


def test_pauses_double_up_to_the_longest() -> None:
    backoff = Backoff(1, 8)
    pauses = [backoff.next_seconds() for _ in range(6)]
    assert all(
        abs(pause - wanted) <= wanted / 5 for pause, wanted in zip(pauses, (1, 2, 4, 8, 8, 8), strict=True)
    )
    backoff.reset()
    backoff.at_once_longest()
    assert backoff.next_seconds() > 6


def test_the_same_fault_is_news_once_a_period(clock) -> None:
    complaints = Complaints(clock)
    assert [complaints.is_news(fault) for fault in ("a", "a", "b", "b", "a")] == [
        True,
        False,
        True,
        False,
        True,
    ]
    clock.advance(601)
    assert complaints.is_news("a")


class SlowDisk:
    """Takes nothing more after so many fragments, until it is let go."""

    def __init__(self, fragments: int) -> None:
        self._left = fragments
        self.waits = threading.Event()
        self.go_on = threading.Event()

    def free(self, directory: Path) -> int:
        self._left -= 1
        if self._left < 0:
            self.waits.set()
            self.go_on.wait(30)
        return 10**12


async def test_what_waits_for_a_slow_disk_is_written_when_recording_is_stopped(
    tmp_path, clock, video, monkeypatch
) -> None:
    """Invariant 5: no hole inside a sealed segment, whatever is in hand when the stop comes."""
    disk = SlowDisk(2)
    monkeypatch.setattr("capture.segment_writer.need_room", lambda root, *_: disk.free(root))
    script = Script(clock, [[video.started], *batches(video.packets(), 1)])
    rows, stop = MemoryRows(), asyncio.Event()
    settings = settings_in(tmp_path, segment_seconds=60)
    work = asyncio.create_task(record([spec()], settings, rows, clock, stop, open_source=script.open))
    while not disk.waits.is_set():  # noqa: ASYNC110 - another thread sets it
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.3)  # the reader goes on until its next fragment waits, too
    stop.set()
    await asyncio.sleep(0.1)
    disk.go_on.set()
    await work
    (sealed,) = rows.segments
    times: list[int] = []
    with (settings.ring_dir / sealed.path).open("rb") as file:
        for fragment in read_fragments(file, read_init(file).size):
            times += [sample.dts for sample in fragment.runs[1]]
    assert len(times) >= 75
    assert {after - before for before, after in pairwise(times)} == {3600}


class Fussy(MemoryRows):
    """Refuses the first gap of lost packets."""

    def __init__(self) -> None:
        super().__init__()
        self.refused = 0

    def add_gap(self, gap: Gap) -> None:
        if gap.detail == LOST_PACKETS and not self.refused:
            self.refused += 1
            raise CatalogError
        super().add_gap(gap)


async def test_a_stretch_of_lost_pictures_that_the_catalogue_refused_is_declared_later(
    tmp_path, clock, video
) -> None:
    packets = video.packets(200)
    steps: list[Step] = [[video.started], *batches(packets[:60], 1)]
    steps += [[PacketsLost(codec=Codec.H264, count=15)], *batches(packets[75:], 1)]
    rows = Fussy()
    await play(Script(clock, steps), rows, tmp_path, clock)
    assert rows.refused == 1
    assert [gap.detail for gap in rows.gaps].count(LOST_PACKETS) == 1


async def test_two_recorders_never_have_the_same_source(tmp_path, clock) -> None:
    """Under whatever name of a group: one chain has one writer."""
    with sole_user(tmp_path / "locks", source_lock("seat-1")), pytest.raises(StorageError, match="seat-1"):
        await record(
            [spec()],
            settings_in(tmp_path),
            MemoryRows(),
            clock,
            asyncio.Event(),
            duties=Duties(share=Share(group="rtsp-2")),
        )


async def test_a_recorder_that_lost_its_keeper_says_so_and_not_that_somebody_stopped_it(
    tmp_path, clock, video
) -> None:
    rows, stop = MemoryRows(), asyncio.Event()
    script = Script(clock, [[video.started], *batches(video.packets(60))])
    duties = Duties(orphaned=lambda: True)
    work = asyncio.create_task(
        record([spec()], settings_in(tmp_path), rows, clock, stop, open_source=script.open, duties=duties)
    )
    await script.done.wait()
    stop.set()
    await work
    assert [gap.cause for gap in rows.open_gaps()] == [GapCause.CRASH]
