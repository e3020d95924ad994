"""One sound track per room: a seat goes without its own only where nothing is lost by it."""

from __future__ import annotations

import pytest

from archiver.room_sound import SoundTrack, heard_in, left_out
from archiver.rules import OneTrack, SoundRule, archive_rules
from kernel.model.source import ContentKind
from kernel.timerange import TimeRange

SECOND = 1_000_000


def track(
    clip_id: str,
    kind: ContentKind,
    *heard: tuple[float, float],
    room: str = "R1",
    size: int = 30,
    may: float = 100,
    source: str = "",
    mute: bool = False,
) -> SoundTrack:
    walls = tuple(TimeRange(start_us=round(a * SECOND), end_us=round(b * SECOND)) for a, b in heard)
    return SoundTrack(
        clip_id=clip_id,
        source_id=source or clip_id,
        mute=mute,
        file_name=f"{clip_id}.mp4",
        room_id=room,
        kind=kind,
        size_bytes=size,
        may_weigh=may,
        heard=walls,
    )


def rule(when: OneTrack, share: float = 0.25) -> SoundRule:
    return archive_rules().sound.model_copy(update={"one_track_per_room": when, "most_share": share})


ROOM = track("room", ContentKind.ROOM, (0, 100))
SEAT = track("seat", ContentKind.SEAT_FACE, (0.05, 99.9))


def test_a_seat_that_its_room_hears_all_the_time_names_the_rooms_file() -> None:
    assert heard_in(SEAT, [ROOM, SEAT]) == ("room.mp4",)


@pytest.mark.parametrize(
    "room",
    [
        track("room", ContentKind.ROOM, (0, 50), (51, 100)),  # deaf for a second
        track("room", ContentKind.ROOM, (1, 100)),
        track("room", ContentKind.ROOM, (0, 100), room="R2"),
        track("room", ContentKind.SUPERVISION, (0, 100)),
        track("room", ContentKind.SEAT_FACE, (0, 100)),
        track("room", ContentKind.ROOM),  # its microphone sends digital silence
    ],
)
def test_a_word_that_only_the_seat_heard_keeps_the_seats_track(room: SoundTrack) -> None:
    assert heard_in(SEAT, [room, SEAT]) == ()
    assert left_out([room, SEAT], rule(OneTrack.ALWAYS), floors_missed=True) == {}


def test_time_that_the_seat_did_not_hear_either_is_not_asked_of_the_room() -> None:
    seat = track("seat", ContentKind.SEAT_FACE, (0, 40), (60, 100))
    room = track("room", ContentKind.ROOM, (0, 45), (55, 100))
    assert heard_in(seat, [room, seat]) == ("room.mp4",)


def test_two_files_of_the_room_are_both_named_where_only_both_hear_all() -> None:
    parts = [track("p1", ContentKind.ROOM, (0, 60)), track("p2", ContentKind.ROOM, (60, 100))]
    other = track("p3", ContentKind.ROOM, (200, 300))
    assert heard_in(SEAT, [*parts, other, SEAT]) == ("p1.mp4", "p2.mp4")


def test_what_a_computer_played_is_not_what_the_room_heard() -> None:
    desktop = track("desktop", ContentKind.SEAT_DESKTOP, (0, 100))
    assert left_out([ROOM, desktop], rule(OneTrack.ALWAYS), floors_missed=True) == {}


def test_the_rooms_own_track_stays_whatever_the_rule() -> None:
    other = track("other", ContentKind.ROOM, (0, 100))
    assert left_out([ROOM, other], rule(OneTrack.ALWAYS), floors_missed=True) == {}


@pytest.mark.parametrize(
    ("when", "share", "floors_missed", "expected"),
    [
        (OneTrack.ALWAYS, 1.0, False, True),
        (OneTrack.NEVER, 0.01, True, False),
        (OneTrack.WHEN_SHORT, 0.31, False, False),
        (OneTrack.WHEN_SHORT, 0.29, False, True),  # 30 of 100 bytes
        (OneTrack.WHEN_SHORT, 0.31, True, True),
    ],
)
def test_the_rule_says_when(when: OneTrack, share: float, floors_missed: bool, expected: bool) -> None:
    found = left_out([ROOM, SEAT], rule(when, share), floors_missed=floors_missed)
    assert found == ({"seat": ("room.mp4",)} if expected else {})


def test_digital_silence_is_in_no_file() -> None:
    mute = track("seat", ContentKind.SEAT_FACE, mute=True)
    assert left_out([ROOM, mute], rule(OneTrack.NEVER), floors_missed=False) == {"seat": ()}


def test_all_clips_of_a_source_have_a_track_or_none() -> None:
    """Browsers refuse a file with another number of tracks than the one before it in the same pane."""
    parts = [
        track("seat-p1", ContentKind.SEAT_FACE, (0, 50), source="seat"),
        track("seat-p2", ContentKind.SEAT_FACE, (50, 101), source="seat"),  # a second longer than the room
        track("seat-p3", ContentKind.SEAT_FACE, source="seat", mute=True),
    ]
    assert left_out([ROOM, *parts], rule(OneTrack.ALWAYS), floors_missed=False) == {}
    found = left_out([ROOM, parts[0], parts[2]], rule(OneTrack.ALWAYS), floors_missed=False)
    assert found == {"seat-p1": ("room.mp4",), "seat-p3": ()}
