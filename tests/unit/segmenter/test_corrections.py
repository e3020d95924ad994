"""Corrections: what changed is cut again, what did not stays, and what was archived can still be read."""

from __future__ import annotations

import pytest

from kernel.errors import TimelineChanged, TimelineError
from kernel.model.footage import GapCause
from kernel.model.timeline import SeatOccupation, SessionState
from segmenter.cut import cut
from tests.support.centre import Centre, moment, session

SOURCES = ("er-cam", "er-face")


@pytest.fixture
def held(centre: Centre) -> Centre:
    """A session from 100 to 200 whose footage of 0 to 600 is in the ring."""
    centre.plan(session("S", "ER", "er-1"))
    centre.hold("S", 100, 200)
    for source in SOURCES:
        centre.record(source, 0, 600)
    return centre


# --- at once


def test_clips_are_there_right_after_the_end_event_and_say_what_is_pending(centre: Centre) -> None:
    centre.plan(session("S", "ER", "er-1"))
    centre.record("er-cam", 0, 180)
    centre.hold("S", 100, 200)
    assert centre.cut(200) == []
    room, face = centre.clips("S")
    assert (room.source_id, face.source_id) == SOURCES
    assert centre.span("S", "er-cam") == (90, 230)
    assert [(gap.cause, gap.wall.start_us) for gap in room.gaps] == [(GapCause.PENDING, moment(180))]
    assert [(gap.cause, gap.wall.start_us) for gap in face.gaps] == [(GapCause.PENDING, moment(90))]
    assert centre.state("S") is SessionState.ENDED


def test_shown_clips_follow_the_timeline_until_they_are_fixed(centre: Centre) -> None:
    centre.plan(session("S"))
    end = centre.hold("S", 100, 200)
    centre.record("er-cam", 0, 215)  # covers what is shown first to its very end
    centre.cut(205)
    centre.tell("S", "session.end", 220, replaces=end)
    centre.cut(221)
    assert centre.span("S", "er-cam") == (90, 250)
    centre.record("er-cam", 215, 260)
    (cut,) = centre.cut(250)
    assert centre.clips("S") == list(cut.clips)
    assert [(clip.revision, clip.gaps) for clip in centre.clips("S")] == [(1, ())]


def test_shown_clips_follow_the_footage_as_it_arrives(centre: Centre) -> None:
    """Files of an external venue may be days apart."""
    centre.plan(session("S", "ER", "er-1"))
    centre.hold("S", 100, 200)
    centre.cut(231)
    assert [len(clip.gaps) for clip in centre.clips("S")] == [1, 1]
    centre.record("er-face", 0, 300)
    assert centre.cut(232) == []
    room, face = centre.clips("S")
    assert [gap.cause for gap in room.gaps] == [GapCause.PENDING]
    assert face.gaps == ()


def test_a_session_that_goes_on_after_all_shows_no_clips(centre: Centre) -> None:
    centre.plan(session("S"))
    end = centre.hold("S", 100, 200)
    centre.cut(200)
    assert len(centre.clips("S")) == 1
    centre.tell("S", "session.end", 200, replaces=end, withdrawn=True)
    assert centre.clips("S") == []
    assert centre.state("S") is SessionState.RUNNING
    centre.tell("S", "session.end", 300)
    centre.cut(300)
    assert centre.span("S", "er-cam") == (90, 330)


def test_fixed_clips_stay_until_the_new_cut_is_made(held: Centre) -> None:
    held.cut(230)
    fixed = held.clips("S")
    held.tell("S", "session.end", 700)
    held.cut(700)
    assert held.state("S") is SessionState.ENDED
    assert held.clips("S") == fixed


# --- after the cut and after the archive


@pytest.mark.parametrize("archived", [False, True])
def test_a_late_end_opens_the_session_again_and_makes_new_revisions(held: Centre, archived: bool) -> None:
    """Invariant 9: the archive that was made keeps its clips."""
    held.cut(230)
    before = held.clips("S")
    if archived:
        held.archive("S")
    held.tell("S", "session.end", 300)
    assert held.state("S") is SessionState.ENDED
    held.cut(330)
    now = held.clips("S")
    assert [clip.wall.end_us for clip in now] == [moment(330)] * 2
    assert [(clip.id, clip.revision) for clip in now] == [("S.er-cam.1.r2", 2), ("S.er-face.1.r2", 2)]
    assert [held.catalogue.clips.get(clip.id) for clip in before] == before
    assert held.state("S") is SessionState.CUT
    if archived:
        assert {one.clip_id for one in held.catalogue.archives.renditions_of("archive-S-1")} == {
            clip.id for clip in before
        }
        held.archive("S")
        assert held.catalogue.archives.next_version("S") == 3


def test_only_what_changed_gets_a_new_revision(held: Centre) -> None:
    """Seats stop at night, the room does not."""
    held.cut(230)
    held.archive("S")
    held.tell("S", "eval.overnight_seal", 120)
    held.tell("S", "eval.overnight_unseal", 170)
    held.cut(240)
    assert [(clip.source_id, clip.part, clip.revision) for clip in held.clips("S")] == [
        ("er-cam", 1, 1),
        ("er-face", 1, 2),
        ("er-face", 2, 1),
    ]
    held.archive("S")
    held.tell("S", "eval.overnight_unseal", 130, name="early")
    held.tell("S", "eval.overnight_unseal", 130, name="gone", replaces="early", withdrawn=True)
    held.cut(250)
    assert held.state("S") is SessionState.ARCHIVED


def test_a_part_that_is_no_more_is_left_behind_and_may_come_back(held: Centre) -> None:
    held.cut(230)
    seal = held.tell("S", "eval.overnight_seal", 110)
    held.tell("S", "eval.overnight_unseal", 170)
    held.cut(240)
    assert [clip.part for clip in held.clips("S") if clip.source_id == "er-face"] == [1, 2]
    held.tell("S", "eval.overnight_seal", 110, replaces=seal, withdrawn=True)
    held.cut(250)
    assert held.span("S", "er-face") == (90, 230)
    assert held.clip("S", "er-face").revision == 3


def test_a_cut_that_changes_nothing_leaves_the_session_archived(held: Centre) -> None:
    held.cut(230)
    held.archive("S")
    held.tell("S", "eval.pause", 150)  # kept inside the clips, as a mark
    assert held.state("S") is SessionState.ENDED
    held.cut(231)
    assert held.state("S") is SessionState.ARCHIVED
    assert [clip.revision for clip in held.clips("S")] == [1, 1]
    assert held.catalogue.archives.next_version("S") == 2


def test_a_clip_without_footage_that_changes_is_archived_too(centre: Centre) -> None:
    """A gap is part of the record (invariant 5)."""
    centre.plan(session("S"))
    centre.hold("S", 100, 200)
    centre.cut(1000)
    centre.archive("S")
    centre.tell("S", "session.end", 300)
    centre.cut(1001)
    assert centre.state("S") is SessionState.CUT


def test_marks_open_nothing(held: Centre) -> None:
    held.cut(230)
    held.tell("S", "eval.report_signed", 190)
    held.tell("S", "eval.section_switch", 150)
    assert held.state("S") is SessionState.CUT


def test_who_sat_where_is_put_right_after_the_cut(held: Centre) -> None:
    """Of seats that were not this session's nothing stays among its clips."""
    held.cut(230)
    never = [SeatOccupation(seat_id="er-1", member="E1", from_us=moment(100), to_us=moment(100))]
    held.catalogue.sessions.set_seats("S", never, principal="witness", reason="wrong seat", at_us=moment(231))
    assert held.state("S") is SessionState.ENDED
    held.cut(232)
    assert [clip.source_id for clip in held.clips("S")] == ["er-cam"]
    back = [SeatOccupation(seat_id="er-1", member="E1")]
    held.catalogue.sessions.set_seats("S", back, principal="witness", reason="right", at_us=moment(233))
    held.cut(234)
    assert held.clip("S", "er-face").revision == 2


CORRECTIONS = {
    "end": lambda centre: centre.tell("S", "session.end", 210),
    "night": lambda centre: centre.tell("S", "eval.overnight_seal", 150),
    "seats": lambda centre: centre.catalogue.sessions.set_seats(
        "S",
        [SeatOccupation(seat_id="er-1", member="E1", to_us=moment(150))],
        principal="w",
        reason="r",
        at_us=1,
    ),
    "plan": lambda centre: centre.plan(session("S", "ER", "er-1", extra_room_ids=("CO",))),
    "sources": lambda centre: centre.catalogue.sessions.add_sources("S", ["er-cam"], principal="w", at_us=1),
    "it goes on": lambda centre: centre.tell("S", "session.start", 220),
}


@pytest.mark.parametrize("how", CORRECTIONS)
@pytest.mark.parametrize("shown", [False, True])
def test_a_correction_that_comes_while_a_session_is_being_cut_is_not_lost(
    held: Centre, how: str, shown: bool
) -> None:
    """Read, cut, and then recorded: in between somebody put the timeline right."""
    stale = cut(held.segmenter.timeline_of(held.get("S")), {}, {})
    CORRECTIONS[how](held)
    write = held.catalogue.clips.preview if shown else held.catalogue.clips.record
    with pytest.raises(TimelineChanged, match="S changed while it was being cut"):
        write(stale)
    assert held.clips("S") == []
    assert held.get("S").cut_number == 0


def test_a_mark_that_comes_while_a_session_is_being_cut_stops_nothing(held: Centre) -> None:
    stale = cut(held.segmenter.timeline_of(held.get("S")), {}, {})
    held.tell("S", "eval.report_signed", 190)
    held.catalogue.clips.record(stale)
    assert held.state("S") is SessionState.CUT


def test_a_session_that_starts_again_after_the_cut_keeps_its_clips_until_it_ends(held: Centre) -> None:
    held.cut(230)
    fixed = held.clips("S")
    held.tell("S", "session.start", 240)
    assert held.state("S") is SessionState.RUNNING
    assert held.clips("S") == fixed
    held.tell("S", "session.end", 300)
    held.cut(330)
    assert held.span("S", "er-cam") == (90, 330)
    assert held.clip("S", "er-cam").gaps == ()


def test_an_end_before_the_start_is_refused_and_nothing_is_lost(held: Centre) -> None:
    held.cut(230)
    held.archive("S")
    events, clips = held.catalogue.sessions.events_of("S"), held.clips("S")
    with pytest.raises(TimelineError, match="cannot end before it starts"):
        held.tell("S", "session.end", 90, replaces=events[1].id)
    assert held.catalogue.sessions.events_of("S") == events
    assert held.clips("S") == clips
    assert held.state("S") is SessionState.ARCHIVED


@pytest.mark.parametrize("archived", [False, True])
def test_a_session_that_never_took_place_has_no_clips_and_its_archive_stays(
    held: Centre, archived: bool
) -> None:
    held.cut(230)
    if archived:
        held.archive("S")
    start = held.catalogue.sessions.events_of("S")[0]
    held.tell("S", "session.start", 100, replaces=start.id, withdrawn=True)
    assert held.state("S") is SessionState.PLANNED
    assert held.clips("S") == []
    assert (held.catalogue.archives.newest("S") is not None) is archived
    held.tell("S", "session.start", 100)  # it did
    held.cut(231)
    assert [clip.revision for clip in held.clips("S")] == [2, 2]
    assert held.state("S") is SessionState.CUT
