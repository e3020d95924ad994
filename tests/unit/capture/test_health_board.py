"""What the recorder says of its sources: whoever reads it must tell a living recorder from a dead one."""

from __future__ import annotations

from pathlib import Path

from capture.health import HealthBoard
from capture.memory_rows import MemoryRows
from kernel.clock import SECOND_US, FakeClock
from kernel.model.footage import SourceState
from tests.unit.capture.conftest import START_US
from tests.unit.capture.test_booked import Bookings, follow, stopped
from tests.unit.capture.test_recorder import Script


def test_a_source_that_stays_lost_is_told_of_again_and_again(clock: FakeClock) -> None:
    board = HealthBoard(clock)
    board.say("cam", SourceState.LOST, "no answer")
    board.take_changed()
    began_us = clock.now_us()
    clock.advance(60)
    board.still_here()
    (row,) = board.take_changed()
    assert (row.state, row.since_us, row.updated_us) == (SourceState.LOST, began_us, clock.now_us())


def test_a_source_that_is_introduced_late_keeps_what_was_said_of_it(clock: FakeClock) -> None:
    board = HealthBoard(clock)
    board.say("cam", SourceState.RECORDING)
    board.introduce(["cam", "desk"])
    assert {row.source_id: row.state for row in board.take_changed()} == {
        "cam": SourceState.RECORDING,
        "desk": SourceState.STOPPED,
    }


async def test_a_recorder_of_which_nothing_is_wanted_yet_shows_that_it_lives(
    tmp_path: Path, clock: FakeClock
) -> None:
    rows, script = MemoryRows(), Script(clock)
    tomorrow_us = START_US + 86_400 * SECOND_US
    bookings = Bookings(tomorrow_us, tomorrow_us + SECOND_US)
    await follow(script, rows, tmp_path, clock, bookings, lambda: stopped(rows))
    assert script.opened == 0
