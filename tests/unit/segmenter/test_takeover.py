"""Seats and rooms that pass to another project, as the catalogue learns of it, early or late."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from kernel.errors import TimelineError
from kernel.model.footage import Booking, GapCause
from kernel.model.source import RoomKind
from kernel.model.timeline import SessionState
from kernel.settings import CamerasFile
from kernel.timerange import TimeRange, merge
from segmenter.hall import HallRecords
from segmenter.worker import Segmenter
from tests.support.centre import CAMERAS, SETTINGS, Centre, moment, session


@pytest.fixture
def two(centre: Centre) -> Centre:
    """Two projects planned for the same seat of a hall, recorded throughout."""
    centre.plan(
        session("A", "HALL", "hall-1", project_id="PA"), session("B", "HALL", "hall-1", project_id="PB")
    )
    for source in ("hall-cam", "hall-1-face", "hall-2-face"):
        centre.record(source, 0, 3000)
    return centre


def spans(centre: Centre) -> tuple[tuple[float, float], tuple[float, float]]:
    return centre.span("A", "hall-1-face"), centre.span("B", "hall-1-face")


def test_a_session_that_was_cut_is_cut_again_when_its_seat_turns_out_to_be_taken(two: Centre) -> None:
    two.hold("A", 100, 200)
    two.cut(230)
    two.archive("A")
    assert two.span("A", "hall-1-face") == (90, 230)
    two.tell("B", "seats.entered", 208)
    two.hold("B", 210, 300)
    two.cut(330)
    assert two.state("A") is SessionState.ENDED  # opened again by the cut of B
    two.cut(331)
    assert spans(two) == ((90, 208), (208, 330))
    assert two.clip("A", "hall-1-face").revision == 2
    assert (two.state("A"), two.state("B")) == (SessionState.CUT, SessionState.CUT)
    assert two.cut(332) == []  # and it is over


def test_a_neighbour_whose_clips_stay_as_they_are_is_left_alone(two: Centre) -> None:
    two.hold("A", 100, 200)
    two.cut(230)
    two.archive("A")
    two.hold("B", 241, 300)  # their rolls meet at 231
    two.cut(330)
    assert two.state("A") is SessionState.ARCHIVED
    assert two.span("B", "hall-1-face") == (231, 330)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_order_in_which_events_arrive_changes_neither_clips_nor_states(
    two: Centre, order: tuple[int, ...]
) -> None:
    """Each step is told when the one before has been cut."""
    steps = [
        lambda: two.hold("A", 100, 200),
        lambda: two.hold("B", 210, 300),
        lambda: two.tell("A", "seats.cleared", 203),
    ]
    for number, step in enumerate(order):
        steps[step]()
        two.cut(1000 + number)
    two.cut(1010)
    two.cut(1011)
    assert spans(two) == ((90, 203), (203, 330))
    assert {two.state(name) for name in ("A", "B")} == {SessionState.CUT}


def test_one_project_on_a_seat_twice_shares_its_rolls_with_nobody(centre: Centre) -> None:
    centre.plan(session("A", "HALL", "hall-1"), session("B", "HALL", "hall-1"))
    centre.record("hall-1-face", 0, 1000)
    centre.hold("A", 100, 200)
    centre.hold("B", 210, 300)
    centre.cut(400)
    assert spans(centre) == ((90, 230), (200, 330))


def test_rooms_that_pass_on_are_divided_in_the_middle(centre: Centre) -> None:
    centre.plan(session("A", project_id="PA"), session("B", project_id="PB"))
    for source in ("er-cam", "er-face"):
        centre.record(source, 0, 1000)
    centre.hold("A", 100, 200)
    centre.hold("B", 220, 300)
    centre.cut(400)
    centre.cut(401)
    assert (centre.span("A", "er-cam"), centre.span("B", "er-cam")) == ((90, 210), (210, 330))


def test_a_corridor_that_is_recorded_with_two_sessions_is_whole_in_both(centre: Centre) -> None:
    centre.plan(
        session("A", project_id="PA", extra_room_ids=("CO",)),
        session("B", project_id="PB", extra_room_ids=("CO",)),
    )
    centre.hold("A", 100, 200)
    centre.hold("B", 220, 300)
    centre.cut(10_000)
    centre.cut(10_001)
    assert (centre.span("A", "co-cam"), centre.span("B", "co-cam")) == ((90, 230), (210, 330))


def test_files_of_an_external_venue_are_cut_to_the_session_without_rolls(centre: Centre) -> None:
    centre.plan(session("X", "EXT", source_ids=("ext-1",)), session("Y", "EXT", project_id="PY"))
    centre.hold("Y", 205, 300)
    centre.hold("X", 100, 200)
    centre.record("ext-1", 110, 200)
    centre.cut(10_000)
    clip = centre.clip("X", "ext-1")
    assert centre.span("X", "ext-1") == (100, 200)
    assert [(gap.cause, gap.wall.start_us, gap.wall.end_us) for gap in clip.gaps] == [
        (GapCause.NOT_RECORDING, moment(100), moment(110))
    ]


def test_which_rooms_hand_their_footage_over_is_a_setting(centre: Centre) -> None:
    """A deployment may run an external venue as a site of its own, or get the files of a corridor."""
    rooms = {"handed_over_rooms": (RoomKind.CORRIDOR,)}
    centre.segmenter = Segmenter(centre.catalogue, SETTINGS.model_copy(update=rooms), centre.clock)
    centre.plan(session("X", "EXT", project_id="PX"), session("C", "CO", project_id="PC"))
    centre.hold("X", 100, 200)
    centre.hold("C", 100, 200)
    centre.record("co-cam", 100, 200)
    centre.cut(10_000)
    assert (centre.span("X", "ext-1"), centre.span("C", "co-cam")) == ((90, 230), (100, 200))


def test_files_that_are_handed_over_after_the_cut_open_the_session_again(centre: Centre) -> None:
    centre.plan(session("X", "EXT", source_ids=("ext-1",)))
    centre.hold("X", 100, 200)
    centre.record("ext-1", 100, 200)
    centre.cut(300)
    centre.archive("X")
    centre.catalogue.sessions.add_sources("X", ["ext-1"], principal="w", at_us=1)  # known already
    centre.cut(301)
    assert centre.state("X") is SessionState.ARCHIVED
    centre.catalogue.sessions.add_sources("X", ["ext-2"], principal="w", at_us=1)
    centre.record("ext-2", 100, 200)
    centre.cut(302)
    assert [clip.source_id for clip in centre.clips("X")] == ["ext-1", "ext-2"]
    assert centre.state("X") is SessionState.CUT


def taken_over(two: Centre) -> tuple[str, str]:
    """A and B, cut and archived, on the same seat one after the other; B's start and end events."""
    two.hold("A", 100, 200)
    start, end = two.tell("B", "session.start", 210), two.tell("B", "session.end", 300)
    for seconds in (330, 331, 332):
        two.cut(seconds)
    for name in ("A", "B"):
        two.archive(name)
    assert spans(two) == ((90, 205), (205, 330))
    return start, end


def test_a_neighbour_that_is_moved_away_gives_the_roll_back(centre: Centre) -> None:
    centre.plan(session("A", project_id="PA"), session("B", project_id="PB"))
    centre.record("er-cam", 0, 3000)
    centre.hold("A", 100, 200)
    start, end = centre.tell("B", "session.start", 210), centre.tell("B", "session.end", 300)
    for seconds in (330, 331, 332):
        centre.cut(seconds)
    assert (centre.span("A", "er-cam"), centre.span("B", "er-cam")) == ((90, 205), (205, 330))
    centre.tell("B", "session.end", 900, replaces=end)
    centre.tell("B", "session.start", 800, replaces=start)
    for seconds in (930, 931, 932):
        centre.cut(seconds)
    assert (centre.span("A", "er-cam"), centre.span("B", "er-cam")) == ((90, 230), (790, 930))
    assert {centre.state(name) for name in ("A", "B")} == {SessionState.CUT}


def test_a_neighbour_that_is_withdrawn_gives_the_roll_back(two: Centre) -> None:
    """It was never to be cut again: nobody but its neighbours can notice."""
    start, end = taken_over(two)
    two.tell("B", "session.end", 300, replaces=end, withdrawn=True)
    two.tell("B", "session.start", 210, replaces=start, withdrawn=True)
    for seconds in (333, 334):
        two.cut(seconds)
    assert two.state("B") is SessionState.PLANNED
    assert two.span("A", "hall-1-face") == (90, 230)


def test_a_neighbour_that_was_withdrawn_while_no_segmenter_ran_is_noticed(two: Centre) -> None:
    start, end = taken_over(two)
    two.tell("B", "session.end", 300, replaces=end, withdrawn=True)
    two.tell("B", "session.start", 210, replaces=start, withdrawn=True)
    two.segmenter = Segmenter(two.catalogue, SETTINGS, two.clock)
    for seconds in range(333, 338):
        two.cut(seconds)
    assert two.span("A", "hall-1-face") == (90, 230)


def test_a_camera_that_came_since_opens_no_session_again(two: Centre) -> None:
    """What a session was recorded by stays as it was: the camera has nothing of it."""
    taken_over(two)
    more = CAMERAS.model_dump(mode="json", exclude_unset=True)
    hall = next(room for room in more["sites"][0]["rooms"] if room["id"] == "HALL")
    hall["sources"].append({**hall["sources"][1], "id": "hall-1-new", "uri": "rtsp://127.0.0.1:9/new"})
    two.catalogue.places.register(CamerasFile.model_validate(more))
    two.segmenter = Segmenter(two.catalogue, SETTINGS, two.clock)
    for seconds in range(333, 338):
        two.cut(seconds)
    assert {two.state(name) for name in ("A", "B")} == {SessionState.ARCHIVED}


def test_a_seat_in_an_extra_room_is_shared_with_whoever_holds_that_room(centre: Centre) -> None:
    """Whichever of them is known first."""
    centre.plan(
        session("A", "HALL", "hall-1", project_id="PA"),
        session("B", "ER", "hall-1", project_id="PB", extra_room_ids=("HALL",)),
        session("C", "HALL", "hall-1", project_id="PC"),
    )
    centre.record("hall-1-face", 0, 3000)
    centre.hold("A", 100, 200)
    centre.hold("C", 310, 400)
    centre.cut(900)
    assert centre.span("A", "hall-1-face") == (90, 230)
    centre.hold("B", 210, 300)
    for seconds in (901, 902, 903):
        centre.cut(seconds)
    walls = [centre.span(name, "hall-1-face") for name in "ABC"]
    assert walls == [(90, 205), (205, 305), (305, 430)]


# --- records of a shared hall

RECORD = "HALL-HALL-20260302"


def test_nothing_is_recorded_of_a_hall_while_a_session_runs_in_it(two: Centre) -> None:
    two.hold("A", 100, 200)
    two.tell("B", "session.start", 150)
    two.cut(230)
    assert two.catalogue.projects.project(RECORD) is None


def book(centre: Centre, project_id: str | None, start: float, end: float) -> None:
    centre.catalogue.bookings.book(
        Booking(
            id=f"booking-{project_id}",
            room_id="HALL",
            wall=TimeRange(start_us=moment(start), end_us=moment(end)),
            title="",
            principal="test",
            project_id=project_id,
        )
    )


def recorded(centre: Centre, seconds: float) -> bool:
    """Whether there is a record of the hall at that time."""
    centre.cut(seconds)
    return centre.catalogue.projects.project(RECORD) is not None


def test_nothing_is_recorded_of_a_hall_while_another_session_is_still_to_come(two: Centre) -> None:
    """Else it is made, and archived, several times a day."""
    two.hold("A", 100, 200)
    assert not recorded(two, 240)
    two.hold("B", 900, 1000)
    assert recorded(two, 1040)
    assert two.cut(1041)  # the record
    assert two.span(f"{RECORD}-H", "hall-cam") == (90, 1030)
    assert two.clip(f"{RECORD}-H", "hall-cam").revision == 1


def test_a_session_that_is_planned_for_another_day_is_not_waited_for(two: Centre) -> None:
    book(two, "PB", 30 * 3600, 31 * 3600)
    two.hold("A", 100, 200)
    assert recorded(two, 240)


@pytest.mark.parametrize("project_id", ["PB", None])
def test_a_booking_is_waited_for_as_long_as_it_may_begin(two: Centre, project_id: str | None) -> None:
    two.tell("B", "session.cancelled", 50)
    book(two, project_id, 600, 1200)
    two.hold("A", 100, 200)
    assert not recorded(two, 300)
    assert not recorded(two, 1199)
    assert recorded(two, 1240)


def test_when_the_day_is_over_its_record_is_made_whatever_was_planned(two: Centre) -> None:
    two.hold("A", 100, 200)
    midnight = 15 * 3600  # seconds are counted from nine
    assert not recorded(two, midnight - 31)
    assert recorded(two, midnight + 30)


def test_a_record_that_was_owed_when_the_segmenter_stopped_is_made_after_its_start(two: Centre) -> None:
    two.hold("A", 100, 200)
    assert not recorded(two, 240)
    two.segmenter = Segmenter(two.catalogue, SETTINGS, two.clock)
    assert recorded(two, 16 * 3600)


def three(centre: Centre) -> None:
    """Three overlapping sessions of three projects, cut."""
    centre.plan(session("C", "HALL", "hall-2", project_id="PC"))
    centre.hold("A", 100, 200)
    centre.hold("B", 210, 300)
    centre.hold("C", 150, 250)
    for seconds in (330, 331, 332):
        centre.cut(seconds)


def test_overlapping_sessions_in_a_hall_make_one_record_that_names_their_projects(two: Centre) -> None:
    """Invariant 15: it opens when all of them may be seen."""
    three(two)
    assert two.catalogue.projects.seen_in_hall(RECORD) == ["PA", "PB", "PC"]
    assert two.catalogue.projects.halls_of("PC") == [RECORD]
    assert [clip.source_id for clip in two.clips(f"{RECORD}-H")] == ["hall-cam"]
    assert two.span(f"{RECORD}-H", "hall-cam") == (90, 330)
    seats = {clip.source_id for name in ("A", "B", "C") for clip in two.clips(name)}
    assert seats == {"hall-1-face", "hall-2-face"}


def test_a_later_session_extends_the_record_and_its_archive_gets_a_new_version(two: Centre) -> None:
    three(two)
    two.archive(f"{RECORD}-H")
    two.plan(session("D", "HALL", "hall-2", project_id="PD"))
    two.hold("D", 400, 500)
    for seconds in (530, 531):
        two.cut(seconds)
    clip = two.clip(f"{RECORD}-H", "hall-cam")
    assert (two.span(f"{RECORD}-H", "hall-cam"), clip.revision) == ((90, 530), 2)
    assert two.state(f"{RECORD}-H") is SessionState.CUT
    assert "PD" in two.catalogue.projects.seen_in_hall(RECORD)
    assert two.catalogue.archives.next_version(f"{RECORD}-H") == 2


def test_a_session_that_is_moved_to_later_moves_the_record(two: Centre) -> None:
    two.tell("B", "session.cancelled", 50)
    end = two.hold("A", 100, 200)
    two.cut(230)
    two.cut(231)
    assert two.span(f"{RECORD}-H", "hall-cam") == (90, 230)
    start = two.catalogue.sessions.events_of("A")[0].id
    two.tell("A", "session.end", 900, replaces=end)
    two.tell("A", "session.start", 800, replaces=start)
    two.cut(930)
    two.cut(931)
    assert two.span(f"{RECORD}-H", "hall-cam") == (790, 930)


def test_a_record_that_goes_on_past_midnight_names_who_came_the_next_day(two: Centre) -> None:
    """Invariant 15: else it would open while it shows a project that is closed."""
    day = 24 * 3600
    two.hold("A", 100, day + 400)  # overnight
    two.hold("B", day + 200, day + 300)
    for seconds in (day + 500, day + 600, day + 700):
        two.cut(seconds)
    assert two.catalogue.projects.seen_in_hall(RECORD) == ["PA", "PB"]
    assert two.catalogue.projects.seen_in_hall("HALL-HALL-20260303") == ["PA", "PB"]


def test_a_fault_of_one_record_does_not_hold_up_the_cut(two: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise TimelineError("no hall")

    monkeypatch.setattr(HallRecords, "follow", fail)
    two.hold("A", 100, 200)
    with pytest.raises(TimelineError, match="no hall"):
        two.cut(230)
    assert two.state("A") is SessionState.CUT


def test_every_moment_of_an_interleaved_day_is_in_one_project_file_only(centre: Centre) -> None:
    """Six sessions of three projects on one seat, told from the last to the first."""
    times = [(100, 200), (205, 300), (304, 420), (421, 500), (540, 600), (600, 700)]
    names = [f"S{number}" for number in range(len(times))]
    centre.plan(*(session(name, "HALL", "hall-1", project_id=f"P{n % 3}") for n, name in enumerate(names)))
    for name, (start, end) in reversed(list(zip(names, times, strict=True))):
        centre.hold(name, start, end)
        centre.cut(10_000 - start)
    for seconds in range(10):
        centre.cut(10_000 + seconds)
    walls = [centre.clip(name, "hall-1-face").wall for name in names]
    by_project = [merge(walls[first::3]) for first in range(3)]
    shown = [wall for mine in by_project for wall in mine]
    assert sum(wall.duration_us for wall in merge(shown)) == sum(wall.duration_us for wall in shown)
    for wall, (start, end) in zip(walls, times, strict=True):
        whole = TimeRange(start_us=moment(start), end_us=moment(end))
        assert wall.intersect(whole) == whole


def test_who_moves_to_another_seat_leaves_the_first_to_whoever_sat_there_before(two: Centre) -> None:
    two.hold("A", 100, 200)
    two.hold("B", 210, 300)
    two.cut(400)
    two.cut(401)
    assert two.span("A", "hall-1-face") == (90, 205)
    (seat,) = two.get("B").seats
    other = [replace(seat, seat_id="hall-2"), replace(seat, from_us=moment(210), to_us=moment(210))]
    two.catalogue.sessions.set_seats("B", other, principal="witness", reason="moved", at_us=moment(402))
    two.cut(403)
    two.cut(404)
    assert two.span("A", "hall-1-face") == (90, 230)
    assert [clip.source_id for clip in two.clips("B")] == ["hall-2-face"]
