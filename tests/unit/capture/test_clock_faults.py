"""Clocks and time stamps that real devices have: drift that was recorded, stamps that lie, wraps, steps."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from capture.memory_rows import MemoryRows
from capture.rtsp.rtp import Unwrapper
from capture.run_clock import RunClock
from capture.stamp_rate import StampRate
from kernel.clock import SECOND_US, FakeClock
from kernel.errors import TimestampDiscontinuity
from kernel.isobmff.reader import read_fragments, read_init
from kernel.model.footage import ClockBasis, Codec, EndReason, Packet
from tests.unit.capture.conftest import EncodedVideo
from tests.unit.capture.test_recorder import Script, batches, play

START_US = 1_772_420_400 * SECOND_US
DRIFT = Path(__file__).parent / "data" / "drift-400ppm.csv.gz"
PPM = 400


def recorded_drift() -> Iterator[Packet]:
    """Every packet of a camera of GStreamer's whose clock runs 400 ppm fast, as it came over loopback."""
    with gzip.open(DRIFT, "rt", encoding="ascii") as file:
        for row in csv.DictReader(file):
            yield Packet(
                codec=Codec.H264,
                pts=int(row["pts"]),
                data=b"",
                key=row["key"] == "1",
                arrival_us=int(row["arrival_us"]),
                wall_us=int(row["wall_us"]) if row["wall_us"] else None,
            )


def test_recorded_drift_is_followed_and_kept_in_the_offset_never_averaged_away() -> None:
    """Golden: wall time follows the reports, and the offset grows by what the camera drifts."""
    clock = RunClock(90_000, report_seconds=5)
    errors: list[int] = []
    offsets: list[tuple[int, int]] = []
    for packet in recorded_drift():
        clock.observe(packet)
        if clock.settled and packet.wall_us is not None:
            errors.append(abs(clock.wall_us(packet.pts) - packet.wall_us))
            offsets.append((packet.arrival_us, clock.offset_us))
    assert clock.basis is ClockBasis.SENDER_REPORT
    assert max(errors) <= 2_500  # a report every few seconds, each at most some ms from the one before
    (first_us, first), (last_us, last) = offsets[len(offsets) // 4], offsets[-1]
    drifted_ppm = (last - first) * 1_000_000 / (last_us - first_us)
    assert drifted_ppm == pytest.approx(PPM, rel=0.1)


def lying(frames: int, per_second: float, stamped: float, *, report_every: int = 0) -> Iterator[Packet]:
    """Pictures stamped as if there were ``stamped``; a report tells the time of one stamp."""
    reported: tuple[int, int] | None = None
    for n in range(frames):
        at_us = START_US + round(n * SECOND_US / per_second)
        pts = round(n * 90_000 / stamped)
        if report_every and n % report_every == 0:
            reported = (at_us, pts)
        wall_us = None if reported is None else reported[0] + (pts - reported[1]) * SECOND_US // 90_000
        jitter_us = n * 7919 % 13_000
        yield Packet(
            codec=Codec.H264,
            pts=pts,
            data=b"",
            key=n % 25 == 0,
            arrival_us=at_us + 5_000 + jitter_us,
            wall_us=wall_us,
        )


def measured(packets: Iterable[Packet]) -> StampRate:
    stamps = StampRate(90_000)
    for packet in packets:
        stamps.observe(packet)
        if stamps.wrong and packet.key:
            stamps.adopt()
    return stamps


@pytest.mark.parametrize("report_every", [0, 105])
def test_a_camera_that_stamps_25_pictures_a_second_and_sends_21_is_put_right(report_every: int) -> None:
    assert measured(lying(600, 21, 25, report_every=report_every)).rate == pytest.approx(21 / 25, abs=0.004)


def test_a_camera_that_returns_to_the_rate_it_declares_is_believed_again() -> None:
    first = list(lying(600, 21, 25))
    shift_us, shift = first[-1].arrival_us - START_US, first[-1].pts
    after = [
        one._replace(pts=one.pts + shift, arrival_us=one.arrival_us + shift_us) for one in lying(900, 25, 25)
    ]
    assert measured([*first, *after]).rate == pytest.approx(1, abs=0.004)


def test_a_camera_that_declares_25_and_stamps_its_21_pictures_truly_is_left_alone() -> None:
    """What the SDP or the VUI declare is not even read."""
    assert measured(lying(900, 21, 21)).rate == 1.0


def test_a_jam_of_the_network_is_not_taken_for_wrong_stamps_where_reports_keep_step() -> None:
    late = [
        # A tenth later every second: the line is too narrow.
        one._replace(arrival_us=one.arrival_us + n * 4_000, wall_us=START_US + n * 40_000)
        for n, one in enumerate(lying(400, 25, 25))
    ]
    assert measured(late).rate == 1.0


def test_recorded_drift_of_a_crystal_is_not_taken_for_wrong_stamps() -> None:
    assert measured(recorded_drift()).rate == 1.0


async def test_wall_times_of_a_camera_with_wrong_stamps_keep_step_with_time(
    video: EncodedVideo, tmp_path: Path, clock: FakeClock
) -> None:
    """21 pictures a second stamped as 25: every fragment's wall time within half a second, no frame lost."""
    units = [video.units[n % 250] for n in range(750)]
    packets = [
        Packet(
            codec=Codec.H264,
            pts=n * 3600,
            data=data,
            key=key,
            arrival_us=START_US + round(n * SECOND_US / 21) + 10_000,
            wall_us=None,
        )
        for n, (_, data, key) in enumerate(units)
    ]
    rows = MemoryRows()
    await play(Script(clock, [[video.started], *batches(packets)]), rows, tmp_path, clock)
    stamped: list[int] = []
    frames = 0
    for segment in rows.segments:
        with (tmp_path / "ring" / segment.path).open("rb") as file:
            for fragment in read_fragments(file, read_init(file).size):
                assert fragment.producer_time is not None
                expected_us = START_US + round(frames * SECOND_US / 21) + 10_000
                stamped.append(abs(fragment.producer_time.wall_us - expected_us))
                frames += len(fragment.runs[1])
    assert frames == 750
    assert max(stamped[len(stamped) // 2 :]) < 60_000  # once it is known
    assert max(stamped) < 1_200_000  # while it is being measured
    assert EndReason.DISCONTINUITY in {run.end_reason for run in rows.runs.values()}


@pytest.mark.parametrize(("bits", "near"), [(32, 1 << 32), (33, 1 << 33)])
def test_time_stamps_that_wrap_go_on(bits: int, near: int) -> None:
    unwrapper = Unwrapper(bits)
    stamps = [unwrapper.unwrap((near - 9_000 + n * 3_600) % near) for n in range(10)]
    assert [after - before for before, after in pairwise(stamps)] == [3_600] * 9


@pytest.mark.parametrize("hours", [-1, 1])
async def test_an_hour_set_on_the_recorder_splits_the_run_and_loses_nothing(
    video: EncodedVideo, tmp_path: Path, clock: FakeClock, hours: int
) -> None:
    """Invariant 17: recorded as what it is, nothing renamed, nothing reordered."""
    packets = video.packets(reported=False)
    step_us = hours * 3600 * SECOND_US
    after = [one._replace(arrival_us=one.arrival_us + step_us) for one in packets[125:]]
    script = Script(
        clock,
        [
            [video.started],
            *batches(packets[:125]),
            lambda: clock.step_wall(hours * 3600),
            *batches(after),
        ],
    )
    rows = MemoryRows()
    await play(script, rows, tmp_path, clock)
    runs = list(rows.runs.values())
    assert [run.end_reason for run in runs] == [EndReason.DISCONTINUITY, EndReason.STOPPED]
    assert runs[1].started_us - runs[0].started_us == pytest.approx(step_us + 6 * SECOND_US, abs=SECOND_US)
    assert sum(_frames(tmp_path / "ring" / one.path) for one in rows.segments) == 250
    assert [one.sequence for one in rows.segments if one.run_id == runs[0].id] == [0, 1]


@pytest.mark.parametrize("hours", [-1, 1])
async def test_an_hour_set_on_the_camera_splits_the_run_and_its_time_is_no_longer_believed(
    video: EncodedVideo, tmp_path: Path, clock: FakeClock, hours: int
) -> None:
    packets = video.packets()
    step_us = hours * 3600 * SECOND_US
    after = [one._replace(wall_us=(one.wall_us or 0) + step_us) for one in packets[125:]]
    rows = MemoryRows()
    await play(
        Script(clock, [[video.started], *batches(packets[:125]), *batches(after)]), rows, tmp_path, clock
    )
    assert {one.clock_basis for one in rows.segments} == {ClockBasis.SENDER_REPORT, ClockBasis.ARRIVAL}
    last = rows.segments[-1]
    assert last.clock_offset_us == pytest.approx(step_us + 80_000, abs=1_000)
    assert abs(last.wall.end_us - clock.now_us()) < SECOND_US
    assert sum(_frames(tmp_path / "ring" / one.path) for one in rows.segments) == 250


def test_a_clock_that_is_set_is_told_from_stamps_that_are_wrong() -> None:
    """A step of the source's reports alone ends the run; arrivals keep step with the stamps."""
    stamps, clock = StampRate(90_000), RunClock(90_000, report_seconds=5)
    with pytest.raises(TimestampDiscontinuity, match="source's clock was set"):
        for n, packet in enumerate(lying(500, 25, 25, report_every=100)):
            stepped = packet.wall_us if packet.wall_us is None or n < 300 else packet.wall_us + SECOND_US
            moved = packet._replace(wall_us=stepped)
            stamps.observe(moved)
            clock.observe(moved)
    assert not stamps.wrong


def _frames(path: Path) -> int:
    with path.open("rb") as file:
        return sum(len(one.runs[1]) for one in read_fragments(file, read_init(file).size))
