"""What shall be recorded now: a pure function of the sources, the bookings, the sessions and the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kernel.clock import SECOND_US
from kernel.model.footage import Booking
from kernel.model.source import RecordMode, Wish
from kernel.timerange import TimeRange, merge

_LEAD_US = 60 * SECOND_US
"""A booked source is connected so much before it is wanted: a camera may need that long to deliver."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomUse:
    """A session that was begun in a room."""

    room_id: str
    session_id: str
    start_us: int
    end_us: int | None  # None while it runs: however long it overruns, it is recorded


@dataclass(frozen=True, kw_only=True, slots=True)
class Around:
    """How much is recorded before and after the booked or used time."""

    before_us: int
    after_us: int

    @classmethod
    def of(cls, pre_roll_seconds: float, post_roll_seconds: float) -> Around:
        """Enough for what the cutter keeps around a session."""
        return cls(
            before_us=round(pre_roll_seconds * SECOND_US),
            after_us=round(post_roll_seconds * SECOND_US),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Want:
    """Why a source shall be recorded, and since when."""

    why: str  # for people
    since_us: int | None  # start of the booked or used time, pre-roll included; None: always


ALWAYS = Want(why="always", since_us=None)


def wanted(
    wishes: Sequence[Wish], bookings: Sequence[Booking], uses: Sequence[RoomUse], around: Around, now_us: int
) -> Mapping[str, Want]:
    """The sources that shall be recorded at that moment.

    A recorder that starts late joins in, and a session that overruns its booking is recorded on: both follow
    from asking again every second.
    """
    rooms = _busy_rooms(bookings, uses, around, now_us)
    found: dict[str, Want] = {}
    for wish in wishes:
        if wish.record is RecordMode.ALWAYS:
            found[wish.source_id] = ALWAYS
        elif wish.room_id in rooms:
            found[wish.source_id] = rooms[wish.room_id]
    return found


def _busy_rooms(
    bookings: Sequence[Booking], uses: Sequence[RoomUse], around: Around, now_us: int
) -> dict[str, Want]:
    """By room, what has kept it busy for longest."""
    found: list[tuple[str, Want]] = []
    for booking in bookings:
        since_us = booking.wall.start_us - around.before_us
        if since_us - _LEAD_US <= now_us < booking.wall.end_us + around.after_us:
            found.append((booking.room_id, Want(why=f"booking {booking.id}", since_us=since_us)))
    for use in uses:
        if use.start_us <= now_us and (use.end_us is None or now_us < use.end_us + around.after_us):
            since_us = use.start_us - around.before_us
            found.append((use.room_id, Want(why=f"session {use.session_id}", since_us=since_us)))
    return dict(sorted(found, key=lambda one: -(one[1].since_us or 0)))


def was_wanted(
    wish: Wish, bookings: Sequence[Booking], uses: Sequence[RoomUse], around: Around, now_us: int
) -> list[TimeRange]:
    """The times that are over in which a booked source should have been recorded; none for one of always."""
    if wish.record is RecordMode.ALWAYS:
        return []
    walls = [one.wall for one in bookings if one.room_id == wish.room_id]
    walls += [
        TimeRange(start_us=one.start_us, end_us=one.end_us)
        for one in uses
        if one.room_id == wish.room_id and one.end_us is not None
    ]
    rolled = merge(
        TimeRange(start_us=one.start_us - around.before_us, end_us=one.end_us + around.after_us)
        for one in walls
    )
    return [one for one in rolled if one.end_us <= now_us]
