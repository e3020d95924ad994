"""From a session, its events and its neighbours to the timeline that is cut by. Pure.

The rules, with pictures: ``docs/design/timeline.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kernel.errors import TimelineError
from kernel.events import effect_of, in_force
from kernel.model.cut import CutRules, PauseRule
from kernel.model.source import RoomKind, Source
from kernel.model.timeline import (
    Effect,
    ExpectedPart,
    NeighbourUse,
    Phase,
    SeatTurn,
    SectionSpan,
    Session,
    SessionTimeline,
    TimelineEvent,
)
from kernel.timerange import TimeRange, merge, subtract

_EVER_US = 1 << 62


def session_timeline(
    session: Session,
    events: Sequence[TimelineEvent],
    sources: Iterable[Source],
    rules: CutRules,
    *,
    room_kinds: Mapping[str, RoomKind],
    neighbours: Sequence[NeighbourUse] = (),
) -> SessionTimeline:
    """The timeline of a session that has ended.

    Args:
        session: the session, with start and end.
        events: all its events, those that were replaced included.
        sources: sources of its rooms at least.
        rules: how much is kept, and of what.
        room_kinds: kinds of the rooms of those sources, by room id.
        neighbours: uses of the same room by other projects, before and after.

    Raises:
        TimelineError: the session has not ended.
    """
    if session.start_us is None or session.end_us is None:
        raise TimelineError(f"session {session.id} has not ended and cannot be cut.")
    wall = TimeRange(start_us=session.start_us, end_us=session.end_us)
    told = in_force(events)
    stops = {
        Effect.PAUSE: spans(told, Effect.PAUSE, Effect.RESUME, wall),
        Effect.NIGHT_START: spans(told, Effect.NIGHT_START, Effect.NIGHT_END, wall),
    }
    turn = seat_turn(told)
    expected = [
        part
        for source in sources_of(session, sources, rules, room_kinds)
        for part in _parts(source, session, wall, stops, rules, room_kinds, turn, neighbours)
    ]
    return SessionTimeline(
        session_id=session.id,
        wall=wall,
        expected=tuple(expected),
        pauses=tuple(stops[Effect.PAUSE]),
        nights=tuple(stops[Effect.NIGHT_START]),
        sections=tuple(section_spans(session, told, wall)),
    )


def sources_of(
    session: Session, sources: Iterable[Source], rules: CutRules, room_kinds: Mapping[str, RoomKind]
) -> list[Source]:
    """The sources whose footage belongs to a session, by id.

    Those that it names; else those of its rooms that look at no seat and those of the seats that it occupies.
    In a room that projects share, what looks at no seat belongs to the hall's own record.
    """
    rooms = {session.room_id, *session.extra_room_ids}
    seats = {occupation.seat_id for occupation in session.seats}

    def belongs(source: Source) -> bool:
        if session.source_ids:
            return source.id in session.source_ids
        if source.room_id not in rooms:
            return False
        if source.seat_id is not None:
            return source.seat_id in seats and session.phase is not Phase.HALL
        shared = room_kinds.get(source.room_id) in rules.shared_rooms
        return shared == (session.phase is Phase.HALL)

    return sorted((source for source in sources if belongs(source)), key=lambda source: source.id)


def spans(events: Iterable[TimelineEvent], first: Effect, last: Effect, wall: TimeRange) -> list[TimeRange]:
    """Times between two effects within a session; one that is never ended lasts to the session's end.

    Args:
        events: those in force, by time.
        first: the effect that begins a span; while one lasts, another is the same.
        last: the effect that ends it; without a begun one it means nothing.
        wall: the session.
    """
    found: list[TimeRange] = []
    since: int | None = None
    for event in events:
        effect = effect_of(event.type)
        if effect is first and since is None:
            since = event.at_us
        elif effect is last and since is not None:
            found.append(TimeRange(start_us=since, end_us=event.at_us))
            since = None
    if since is not None:
        found.append(TimeRange(start_us=since, end_us=max(since, wall.end_us)))
    return [inside for span in found if (inside := span.intersect(wall)) is not None]


def section_spans(session: Session, events: Iterable[TimelineEvent], wall: TimeRange) -> list[SectionSpan]:
    """When which section was dealt with: from the event that names it to the next that does.

    A session that deals with one section only deals with it all the time.
    """
    turns = [
        (event.at_us, number)
        for event in events
        if effect_of(event.type) in (Effect.SECTION, Effect.SESSION_START)
        and isinstance(number := event.details.get("section"), int)
    ]
    if not turns and len(session.section_numbers) == 1:
        turns = [(wall.start_us, session.section_numbers[0])]
    ends = [at_us for at_us, _ in turns[1:]] + [wall.end_us]
    found = []
    for (start_us, number), end_us in zip(turns, ends, strict=False):
        span = TimeRange(start_us=start_us, end_us=max(start_us, end_us)).intersect(wall)
        if span is not None:
            found.append(SectionSpan(number=number, wall=span))
    return found


def _parts(
    source: Source,
    session: Session,
    wall: TimeRange,
    stops: Mapping[Effect, Sequence[TimeRange]],
    rules: CutRules,
    room_kinds: Mapping[str, RoomKind],
    turn: SeatTurn,
    neighbours: Sequence[NeighbourUse],
) -> list[ExpectedPart]:
    """What one source is expected to have recorded: one part, or several between nights and pauses."""
    omitted: list[TimeRange] = []
    if source.content_kind in rules.night_stops:
        omitted += stops[Effect.NIGHT_START]
    if rules.pauses is PauseRule.OMIT:
        omitted += stops[Effect.PAUSE]
    stretches = subtract(wall, omitted)
    if room_kinds.get(source.room_id) not in rules.no_rolls:
        turn = turn if source.seat_id is not None else SeatTurn()
        limits = _limits(source, session, wall, turn, neighbours)
        rolled = (
            _rolled(inside, rules, turn, limits) for one in stretches if (inside := one.intersect(limits))
        )
        stretches = merge(rolled)  # a break shorter than both rolls is none
    return [
        ExpectedPart(source_id=source.id, part=number, wall=stretch)
        for number, stretch in enumerate(stretches, start=1)
    ]


def _rolled(stretch: TimeRange, rules: CutRules, turn: SeatTurn, limits: TimeRange) -> TimeRange:
    """With pre-roll and post-roll, as far as the seats showed nobody else."""
    start_us, end_us = stretch.start_us - rules.pre_roll_us, stretch.end_us + rules.post_roll_us
    if turn.entered_us is not None and turn.entered_us <= stretch.start_us:
        start_us = max(start_us, turn.entered_us)
    if turn.cleared_us is not None and turn.cleared_us >= stretch.end_us:
        end_us = min(end_us, turn.cleared_us)
    return TimeRange(start_us=max(start_us, limits.start_us), end_us=min(end_us, limits.end_us))


def _limits(
    source: Source, session: Session, wall: TimeRange, turn: SeatTurn, neighbours: Sequence[NeighbourUse]
) -> TimeRange:
    """Between which moments a source shows this session and nobody else's.

    Towards another project on the same seat, or in the same room: to where *it* took or cleared its seats,
    else to where we did, else to the middle between the two. No frame is in both files, whichever side is
    looked at. Who is there at the same time sets no limit.
    """
    start_us, end_us = -_EVER_US, _EVER_US
    if source.room_id == session.room_id and session.phase is not Phase.HALL:  # a corridor shows everybody
        mine = _occupied(session, source.seat_id, wall)
        for other in neighbours:
            if other.seat_id != source.seat_id:
                continue
            if other.wall.end_us <= mine.start_us:
                middle_us = (other.wall.end_us + mine.start_us) // 2
                start_us = max(start_us, _first(other.turn.cleared_us, turn.entered_us, middle_us))
            elif other.wall.start_us >= mine.end_us:
                middle_us = (mine.end_us + other.wall.start_us) // 2
                end_us = min(end_us, _first(other.turn.entered_us, turn.cleared_us, middle_us))
    return TimeRange(start_us=start_us, end_us=max(start_us, end_us))


def _first(*known: int | None) -> int:
    return next(moment for moment in known if moment is not None)


def _occupied(session: Session, seat_id: str | None, wall: TimeRange) -> TimeRange:
    """From a seat's first to its last occupation in the session; the whole session for a room."""
    times = [one.within(wall) for one in session.seats if one.seat_id == seat_id]
    if not times:
        return wall
    return TimeRange(start_us=min(t.start_us for t in times), end_us=max(t.end_us for t in times))


def neighbour_uses(session: Session, events: Sequence[TimelineEvent], until_us: int) -> list[NeighbourUse]:
    """How another project's session used its room and seats, as the sessions before and after it see it.

    Args:
        session: the other session; one that has not started uses nothing.
        events: its events.
        until_us: where a session that still runs is taken to end.
    """
    if session.start_us is None:
        return []
    end_us = until_us if session.end_us is None else session.end_us
    wall = TimeRange(start_us=session.start_us, end_us=max(session.start_us, end_us))
    turn = seat_turn(events)
    seats = sorted({one.seat_id for one in session.seats})
    on_seats = [NeighbourUse(seat_id=seat, wall=_occupied(session, seat, wall), turn=turn) for seat in seats]
    return [NeighbourUse(seat_id=None, wall=wall, turn=SeatTurn()), *on_seats]


def seat_turn(events: Iterable[TimelineEvent]) -> SeatTurn:
    """When a session's members took their seats and when they had left them, as far as events say."""
    entered_us: int | None = None
    cleared_us: int | None = None
    for event in in_force(events):
        effect = effect_of(event.type)
        if effect is Effect.SEATS_ENTERED and entered_us is None:
            entered_us = event.at_us
        elif effect is Effect.SEATS_CLEARED:
            cleared_us = event.at_us
    return SeatTurn(entered_us=entered_us, cleared_us=cleared_us)
