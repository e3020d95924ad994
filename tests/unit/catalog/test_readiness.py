"""Whether everything that should be recorded is being recorded: what must never look healthy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from catalog.catalogue import Catalogue
from catalog.readiness import DiskState, Readiness, Shortfall, Watch, readiness, shortfall, watch_everything
from kernel.clock import SECOND_US
from kernel.desired import Around
from kernel.model.footage import Booking, Fault, GapCause, SourceState
from kernel.model.source import RecordMode, Wish
from kernel.timerange import TimeRange
from tests.support.catalogue import add_session
from tests.support.sources import gap, health, wish

NOW = 1_772_420_400 * SECOND_US
MINUTE_US = 60 * SECOND_US
BOOKED = [wish("cam", RecordMode.BOOKED), wish("screen", RecordMode.BOOKED)]


def look(catalogue: Catalogue, wishes: Sequence[Wish], now_us: int = NOW, **more: Any) -> Readiness:
    around = Around(before_us=MINUTE_US, after_us=MINUTE_US)
    return readiness(catalogue, Watch(wishes=lambda: wishes, around=around, **more), now_us)


def said(catalogue: Catalogue, *ids: str, **changed: object) -> None:
    catalogue.footage.set_health([health(one, NOW, **changed) for one in ids])


# --- one source


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({}, None),
        ({"updated_us": NOW - 11 * SECOND_US}, Shortfall.SILENT),  # killed without a word
        ({"updated_us": NOW + 11 * SECOND_US}, Shortfall.SILENT),  # and the clock was set back since
        ({"last_frame_us": NOW - 11 * SECOND_US}, Shortfall.NO_PICTURE),
        ({"last_frame_us": None}, Shortfall.NO_PICTURE),
        ({"state": SourceState.CONNECTING}, Shortfall.CONNECTING),
        ({"state": SourceState.LOST}, Shortfall.LOST),
        ({"state": SourceState.REFUSED}, Shortfall.REFUSED),
        ({"state": SourceState.LOST, "updated_us": NOW - MINUTE_US}, Shortfall.SILENT),
        ({"state": SourceState.STOPPED, "updated_us": NOW - MINUTE_US}, Shortfall.STOPPED),
    ],
)
def test_only_a_fresh_picture_told_of_by_a_living_recorder_counts(
    changed: dict[str, object], why: Shortfall | None
) -> None:
    assert shortfall(health("cam", NOW, **changed), NOW) is why


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"updated_us": NOW - 29 * SECOND_US, "last_frame_us": NOW - 29 * SECOND_US}, None),
        ({"updated_us": NOW - 31 * SECOND_US}, Shortfall.SILENT),
        ({"last_frame_us": NOW - 31 * SECOND_US}, Shortfall.NO_PICTURE),
        ({"state": SourceState.LOST, "updated_us": NOW - MINUTE_US}, Shortfall.LOST),  # said once
    ],
)
def test_an_agent_may_speak_more_seldom(changed: dict[str, object], why: Shortfall | None) -> None:
    assert shortfall(health("desk", NOW, **changed), NOW, 30 * SECOND_US) is why


def test_the_word_of_an_agent_does_not_make_a_dead_recorder_alive(catalogue: Catalogue) -> None:
    said(catalogue, "screen")
    now = look(catalogue, BOOKED, agents=lambda: frozenset({"screen"}))
    assert (now.recorder_alive, now.ready) == (False, False)


def test_a_source_that_no_recorder_ever_spoke_of_is_not_recorded() -> None:
    assert shortfall(None, NOW) is Shortfall.UNKNOWN


@pytest.mark.parametrize(
    ("changed", "since_us"),
    [
        ({}, NOW - MINUTE_US),
        ({"updated_us": NOW - 20 * SECOND_US}, NOW - 20 * SECOND_US),
        ({"last_frame_us": NOW - 30 * SECOND_US}, NOW - 30 * SECOND_US),
    ],
)
def test_a_silence_begins_with_the_last_word_not_with_the_state_before(
    catalogue: Catalogue, changed: dict[str, object], since_us: int
) -> None:
    said(catalogue, "cam", **changed)
    assert look(catalogue, [wish("cam")]).standings["cam"].since_us == since_us


def test_what_a_dead_recorder_said_last_is_no_rate(catalogue: Catalogue) -> None:
    said(catalogue, "cam")
    alive, dead = (look(catalogue, [wish("cam")], at).standings["cam"] for at in (NOW, NOW + MINUTE_US))
    assert (alive.bit_rate_kbps, alive.frame_rate) == (4000.0, 25.0)
    assert (dead.bit_rate_kbps, dead.frame_rate) == (None, None)


# --- all of them


def test_ready_means_that_everything_wanted_is_recorded(catalogue: Catalogue) -> None:
    said(catalogue, "cam", "screen")
    assert look(catalogue, [wish("cam"), wish("screen")]).ready
    said(catalogue, "screen", state=SourceState.LOST, detail="no answer")
    now = look(catalogue, [wish("cam"), wish("screen")])
    assert not now.ready
    assert [(one.source_id, one.detail) for one in now.missing] == [("screen", "no answer")]


def test_a_source_that_cameras_yaml_names_and_no_recorder_took_up_is_missing(catalogue: Catalogue) -> None:
    said(catalogue, "cam")
    now = look(catalogue, [wish("cam"), wish("new")])
    assert [(one.source_id, one.shortfall) for one in now.missing] == [("new", Shortfall.UNKNOWN)]


def test_a_source_that_cameras_yaml_names_no_longer_is_not_missed(catalogue: Catalogue) -> None:
    said(catalogue, "cam")
    said(catalogue, "screen", state=SourceState.STOPPED)
    now = look(catalogue, [wish("cam")])
    assert now.ready
    assert not now.standings["screen"].configured


@pytest.mark.parametrize(
    ("at_us", "missed"),
    [
        (NOW - 2 * MINUTE_US - 1, False),
        (NOW - MINUTE_US - 1, False),  # being connected already, but not wanted yet
        (NOW - MINUTE_US, True),  # with the pre-roll
        (NOW, True),
        (NOW + 11 * MINUTE_US - 1, True),  # with the post-roll
        (NOW + 11 * MINUTE_US, False),
    ],
)
def test_a_booked_source_is_missed_from_pre_roll_to_post_roll_only(
    catalogue: Catalogue, at_us: int, missed: bool
) -> None:
    wall = TimeRange(start_us=NOW, end_us=NOW + 10 * MINUTE_US)
    catalogue.bookings.book(Booking(id="B", room_id="OH", wall=wall, title="", principal="test"))
    assert {one.missing for one in look(catalogue, BOOKED, at_us).standings.values()} == {missed}


def test_a_session_that_runs_makes_booked_sources_wanted(catalogue: Catalogue) -> None:
    add_session(catalogue, NOW, NOW + 5 * MINUTE_US)
    assert len(look(catalogue, BOOKED, NOW + 3 * MINUTE_US).missing) == 2
    assert look(catalogue, BOOKED, NOW + 30 * MINUTE_US).missing == []


def test_without_a_living_recorder_nothing_is_ready_even_if_nothing_is_wanted_now(
    catalogue: Catalogue,
) -> None:
    """What is booked next would be lost."""
    said(catalogue, "cam", state=SourceState.STOPPED, last_frame_us=None)
    assert look(catalogue, BOOKED).ready
    dead = look(catalogue, BOOKED, NOW + MINUTE_US)
    assert (dead.missing, dead.recorder_alive, dead.ready) == ([], False, False)


@pytest.mark.parametrize("heard_us", [None, NOW - MINUTE_US])
def test_an_agent_of_which_nobody_speaks_has_no_receiver(catalogue: Catalogue, heard_us: int | None) -> None:
    """To start the recorder would not help; a camera of which nobody speaks has no recorder."""
    if heard_us is not None:
        said(catalogue, "screen", "cam", updated_us=heard_us, detail="source cam: the cable.")
    now = look(catalogue, [wish("screen"), wish("cam")], agents=lambda: frozenset({"screen"}))
    agent, camera = now.standings["screen"], now.standings["cam"]
    assert agent.fault is Fault.RECEIVER_SILENT
    assert "jianzheng receive" in agent.detail
    assert camera.fault is None
    assert "receive" not in camera.detail


def test_where_agents_record_everything_no_recorder_is_needed(catalogue: Catalogue) -> None:
    said(catalogue, "screen")
    assert look(catalogue, [wish("screen")], agents=lambda: frozenset({"screen"})).ready


def test_where_nothing_is_to_be_recorded_no_recorder_is_needed(catalogue: Catalogue) -> None:
    assert look(catalogue, []).ready


def test_without_cameras_yaml_every_source_ever_registered_counts(catalogue: Catalogue) -> None:
    now = readiness(catalogue, watch_everything(catalogue), NOW)
    assert [one.source_id for one in now.missing] == ["cam", "screen"]


# --- the disk


def test_the_disk_is_full_below_its_reserve(catalogue: Catalogue, tmp_path: Path) -> None:
    """Invariant 8."""
    plenty = look(catalogue, [], ring=tmp_path, reserve_bytes=0, days_left=lambda free: free / free)
    assert plenty.disk.state is DiskState.OK
    assert plenty.disk.days_left == 1.0
    short = look(catalogue, [], ring=tmp_path, reserve_bytes=1 << 62)
    assert short.disk.state is DiskState.FULL


@pytest.mark.parametrize(
    ("cause", "state"), [(GapCause.DISK_FULL, DiskState.FULL), (GapCause.DISK_LOST, DiskState.LOST)]
)
def test_the_disk_is_what_the_recorders_open_gaps_say(
    catalogue: Catalogue, tmp_path: Path, cause: GapCause, state: DiskState
) -> None:
    catalogue.footage.open_gap(gap("g", NOW, None, cause))
    assert look(catalogue, [], ring=tmp_path).disk.state is state
    catalogue.footage.close_gap("cam", NOW + 1)
    assert look(catalogue, [], ring=tmp_path).disk.state is DiskState.OK


def test_a_ring_that_is_not_there_is_a_lost_disk(catalogue: Catalogue, tmp_path: Path) -> None:
    assert look(catalogue, [], ring=tmp_path / "gone").disk.state is DiskState.LOST
