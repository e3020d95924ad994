"""Sources that are recorded while their room is booked or used: what is expected then, and what is not."""

from __future__ import annotations

import asyncio
from pathlib import Path

from capture.gap_ledger import GapLedger
from capture.memory_rows import MemoryRows
from capture.worker import Duties, record
from kernel.clock import SECOND_US, FakeClock
from kernel.desired import RoomUse
from kernel.errors import CatalogError
from kernel.model.footage import (
    Booking,
    ClockBasis,
    EndReason,
    Gap,
    GapCause,
    Run,
    RunOrigin,
    Segment,
    SourceState,
)
from kernel.model.source import RecordMode, Wish
from kernel.settings import CutSettings
from kernel.timerange import TimeRange
from tests.unit.capture.conftest import START_US, EncodedVideo
from tests.unit.capture.test_recorder import Script, batches, settings_in, spec

WISH = Wish(source_id="seat-1", room_id="room", record=RecordMode.BOOKED)
ROLL = CutSettings(pre_roll_seconds=1, post_roll_seconds=1)


class Bookings:
    """One booking, and sessions as a test says."""

    def __init__(self, start_us: int, end_us: int) -> None:
        wall = TimeRange(start_us=start_us, end_us=end_us)
        self.all = [Booking(id="B", room_id="room", wall=wall, title="", principal="tester")]
        self.uses: list[RoomUse] = []
        self.fails = False

    def touching(self, wall: TimeRange) -> list[Booking]:
        if self.fails:
            raise CatalogError
        return self.all

    def uses_since(self, since_us: int) -> list[RoomUse]:
        return self.uses


async def follow(script: Script, rows: MemoryRows, root: Path, clock: FakeClock, bookings: Bookings, until):
    stop = asyncio.Event()
    settings = settings_in(root).model_copy(update={"cut": ROLL})
    work = asyncio.create_task(
        record(
            [spec()],
            settings,
            rows,
            clock,
            stop,
            principal="王工",
            open_source=script.open,
            duties=Duties(wishes=[WISH], bookings=bookings),
        )
    )
    async with asyncio.timeout(20):
        while not until():  # noqa: ASYNC110 - it looks at rows that nobody signals
            await asyncio.sleep(0.05)
        stop.set()
        await work


def stopped(rows: MemoryRows) -> bool:
    health = rows.health.get("seat-1")
    return health is not None and health.state is SourceState.STOPPED


async def test_the_end_of_a_booking_stops_recording_and_is_no_gap(
    video: EncodedVideo, tmp_path: Path, clock: FakeClock
) -> None:
    rows, bookings = MemoryRows(), Bookings(START_US, START_US + 8 * SECOND_US)
    script = Script(clock, [[video.started], *batches(video.packets())])
    await follow(script, rows, tmp_path, clock, bookings, lambda: stopped(rows))
    assert [run.end_reason for run in rows.runs.values()] == [EndReason.STOPPED]
    assert rows.gaps == [] or all(gap.end_us is not None for gap in rows.gaps)
    assert not [gap for gap in rows.gaps if gap.cause is GapCause.STOPPED]


async def test_a_session_that_overruns_keeps_its_sources_recorded(
    video: EncodedVideo, tmp_path: Path, clock: FakeClock
) -> None:
    rows, bookings = MemoryRows(), Bookings(START_US, START_US + SECOND_US)
    bookings.uses = [RoomUse(room_id="room", session_id="S", start_us=START_US, end_us=None)]
    script = Script(clock, [[video.started], *batches(video.packets())])
    await follow(script, rows, tmp_path, clock, bookings, script.done.is_set)
    assert clock.now_us() > START_US + 9 * SECOND_US
    assert [run.end_reason for run in rows.runs.values()] == [EndReason.STOPPED]
    assert [gap.detail for gap in rows.open_gaps()] == [
        "Stopped by 王工."
    ]  # by the stop at the end, not before


async def test_nothing_is_recorded_before_the_booking(
    video: EncodedVideo, tmp_path: Path, clock: FakeClock
) -> None:
    rows = MemoryRows()
    bookings = Bookings(START_US + 3600 * SECOND_US, START_US + 7200 * SECOND_US)
    script = Script(clock)
    ticks = iter(range(30))
    await follow(script, rows, tmp_path, clock, bookings, lambda: next(ticks, None) is None)
    assert script.opened == 0
    assert rows.gaps == []


async def test_while_the_catalogue_fails_recording_goes_on(
    video: EncodedVideo, tmp_path: Path, clock: FakeClock
) -> None:
    rows, bookings = MemoryRows(), Bookings(0, 1)
    bookings.fails = True
    script = Script(clock, [[video.started], *batches(video.packets())])
    await follow(script, rows, tmp_path, clock, bookings, script.done.is_set)
    assert rows.segments


def gaps(rows: MemoryRows) -> list[tuple[int, int | None, GapCause]]:
    return [(gap.start_us, gap.end_us, gap.cause) for gap in rows.gaps]


def test_a_recorder_that_starts_late_declares_the_booked_time_that_it_missed() -> None:
    rows = MemoryRows()
    ledger = GapLedger("cam", rows)
    ledger.expect(9_000, since_us=5_000)
    assert gaps(rows) == [(5_000, None, GapCause.NOT_RECORDING)]
    ledger.resumed(9_500)
    assert gaps(rows) == [(5_000, 9_500, GapCause.NOT_RECORDING)]


def test_a_recorder_that_is_early_declares_nothing() -> None:
    rows = MemoryRows()
    ledger = GapLedger("cam", rows)
    ledger.expect(9_000, since_us=10_000)
    ledger.resumed(9_500)
    assert rows.gaps == []


def test_a_gap_left_open_by_an_earlier_booking_ends_where_the_next_begins() -> None:
    rows = MemoryRows()
    rows.open_gap(Gap(id="g", source_id="cam", start_us=1_000, end_us=None, cause=GapCause.CRASH, detail=""))
    ledger = GapLedger("cam", rows)
    ledger.expect(9_000, since_us=5_000)
    assert gaps(rows) == [(1_000, 5_000, GapCause.CRASH), (5_000, None, GapCause.NOT_RECORDING)]


def test_an_outage_ends_when_nothing_more_is_expected() -> None:
    rows = MemoryRows()
    ledger = GapLedger("cam", rows)
    ledger.expect(1_000, None)
    ledger.outage(GapCause.CAMERA_LOST, "gone")
    ledger.released(4_000)
    assert gaps(rows) == [(1_000, 4_000, GapCause.CAMERA_LOST)]


def test_a_source_that_fell_silent_and_then_cannot_be_reached_was_lost_by_the_network() -> None:
    rows = MemoryRows()
    ledger = GapLedger("cam", rows)
    ledger.expect(1_000, None)
    ledger.outage(GapCause.CAMERA_LOST, "no picture")
    ledger.outage(GapCause.NETWORK, "nothing comes back")
    ledger.outage(GapCause.CAMERA_LOST, "refused")  # later causes of the same outage change nothing more
    assert gaps(rows) == [(1_000, None, GapCause.NETWORK)]


def test_a_source_that_is_away_when_recording_begins_is_not_said_to_miss_a_recorder() -> None:
    rows = MemoryRows()
    rows.open_gap(
        Gap(id="g", source_id="cam", start_us=1_000, end_us=None, cause=GapCause.STOPPED, detail="")
    )
    ledger = GapLedger("cam", rows)
    ledger.expect(9_000, None)
    ledger.outage(GapCause.REFUSED, "wrong password")
    ledger.outage(GapCause.CAMERA_LOST, "gone, too")
    ledger.resumed(12_000)
    assert gaps(rows) == [(1_000, 9_000, GapCause.STOPPED), (9_000, 12_000, GapCause.REFUSED)]


async def test_a_booking_during_which_no_recorder_ran_is_declared_once(
    tmp_path: Path, clock: FakeClock
) -> None:
    """Invariant 5: its room was booked, so the time was expected, pre-roll and post-roll included."""
    rows, bookings = MemoryRows(), Bookings(START_US - 7200 * SECOND_US, START_US - 3600 * SECOND_US)
    for _ in range(2):
        ticks = iter(range(5))
        await follow(
            Script(clock), rows, tmp_path, clock, bookings, lambda ticks=ticks: next(ticks, None) is None
        )
    missed = (START_US - 7201 * SECOND_US, START_US - 3599 * SECOND_US, GapCause.NOT_RECORDING)
    assert gaps(rows) == [missed]


def test_footage_that_was_handed_in_ends_no_outage() -> None:
    """A file of tomorrow must not hide what is missing today."""
    rows = MemoryRows()
    for run_id, origin, end_us in (("live", RunOrigin.LIVE, 5_000), ("file", RunOrigin.INTAKE, 90_000)):
        rows.start_run(
            Run(id=run_id, source_id="cam", started_us=0, ended_us=None, end_reason=None, origin=origin)
        )
        rows.add_segment(segment(run_id, end_us))
    ledger = GapLedger("cam", rows)
    ledger.expect(9_000, None)
    assert gaps(rows) == [(5_000, None, GapCause.NOT_RECORDING)]


def segment(run_id: str, end_us: int) -> Segment:
    return Segment(
        id=run_id,
        run_id=run_id,
        source_id="cam",
        sequence=0,
        wall=TimeRange(start_us=0, end_us=end_us),
        media_start=0,
        media_duration=1,
        timescale=90_000,
        clock_basis=ClockBasis.ARRIVAL,
        clock_offset_us=0,
        path=run_id,
        size_bytes=1,
        sha256="0" * 64,
        chain="0" * 64,
        end_reason=EndReason.STOPPED,
    )
