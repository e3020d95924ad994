"""From a session, its events and its neighbours to the timeline that is cut by. Pure.

The rules, with pictures: ``docs/design/timeline.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from kernel.errors import TimelineError
from kernel.events import acting, effect_of
from kernel.model.cut import CutRules, PauseRule
from kernel.model.source import ContentKind, RoomKind, Source
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
from kernel.timerange import EVER_US, TimeRange, merge, subtract


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
        neighbours: uses of the same room and seats by other projects, before and after.

    Raises:
        TimelineError: the session has not ended.
    """
    if session.start_us is None or session.end_us is None:
        raise TimelineError(f"session {session.id} has not ended and cannot be cut.")
    wall = TimeRange(start_us=session.start_us, end_us=session.end_us)
    told = acting(events, wall)
    pauses = tuple(spans(told, Effect.PAUSE, Effect.RESUME, wall))
    nights = tuple(spans(told, Effect.NIGHT_START, Effect.NIGHT_END, wall))
    turn = seat_turn(told)
    expected: list[ExpectedPart] = []
    for source in sources_of(session, sources, rules, room_kinds):
        stops = _stops(source.content_kind, nights, pauses, rules)
        # What is handed over as files has no time before and after: nobody recorded it.
        rolls = room_kinds.get(source.room_id) not in rules.no_rolls and not session.source_ids
        walls = subtract(wall, stops)
        if rolls:
            others = _others_time(source, session, stops, turn, neighbours, rules)
            walls = _rolled(walls, rules, turn if source.seat_id is not None else SeatTurn())
            walls = [part for one in walls for part in subtract(one, others)]
        expected += _parts(source, walls)
    return SessionTimeline(
        session_id=session.id,
        wall=wall,
        expected=tuple(expected),
        pauses=pauses,
        nights=nights,
        sections=tuple(section_spans(session, told, wall)),
        change_number=session.change_number,
        awaits_files=room_kinds.get(session.room_id) in rules.no_rolls
        and not any(effect_of(event.type) is Effect.FILES_RECEIVED for event in told),
    )


def sources_of(
    session: Session, sources: Iterable[Source], rules: CutRules, room_kinds: Mapping[str, RoomKind]
) -> list[Source]:
    """The sources whose footage belongs to a session, by id.

    Those that it names; else those of its rooms that look at no seat and those of the seats that it occupies
    at any time. In a room that projects share, what looks at no seat belongs to the hall's own record.
    """
    rooms = {session.room_id, *session.extra_room_ids}
    seats = {one.seat_id for one in session.seats if _occupied(session, one.seat_id)}

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

    What lies outside the session counts for nothing: a session begins neither paused nor sealed. Else a pause
    that a wrong clock puts before the start would take its footage out.

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
        if not wall.start_us <= event.at_us <= wall.end_us:
            continue
        if effect is first and since is None:
            since = event.at_us
        elif effect is last and since is not None:
            found.append(TimeRange(start_us=since, end_us=event.at_us))
            since = None
    if since is not None:
        found.append(TimeRange(start_us=since, end_us=wall.end_us))
    return [span for span in found if not span.empty]


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


def _stops(
    kind: ContentKind, nights: Sequence[TimeRange], pauses: Sequence[TimeRange], rules: CutRules
) -> list[TimeRange]:
    """When a source of that kind shows nothing of a session that lasts."""
    stops: list[TimeRange] = []
    if kind in rules.night_stops:
        stops += nights
    if rules.pauses is PauseRule.OMIT:
        stops += pauses
    return stops


def _parts(source: Source, walls: Iterable[TimeRange]) -> list[ExpectedPart]:
    """One part, or several between nights, pauses and other projects."""
    return [
        ExpectedPart(source_id=source.id, part=part, wall=wall) for part, wall in enumerate(walls, start=1)
    ]


def _rolled(walls: Sequence[TimeRange], rules: CutRules, turn: SeatTurn) -> list[TimeRange]:
    """With pre-roll and post-roll; a break shorter than both is none.

    The first pre-roll begins when the seats were taken, at the earliest, and the last post-roll ends when
    they had been left, at the latest.
    """
    rolled = []
    for number, wall in enumerate(walls):
        start_us, end_us = wall.start_us - rules.pre_roll_us, wall.end_us + rules.post_roll_us
        if number == 0 and turn.entered_us is not None:
            start_us = max(start_us, min(turn.entered_us, wall.start_us))
        if number == len(walls) - 1 and turn.cleared_us is not None:
            end_us = min(end_us, max(turn.cleared_us, wall.end_us))
        rolled.append(TimeRange(start_us=start_us, end_us=end_us))
    return merge(rolled)


def _others_time(
    source: Source,
    session: Session,
    stops: Sequence[TimeRange],
    turn: SeatTurn,
    neighbours: Sequence[NeighbourUse],
    rules: CutRules,
) -> list[TimeRange]:
    """When a source shows other projects, on the same seat or in the same room, and not this session."""
    if session.phase is Phase.HALL or (source.seat_id is None and source.room_id != session.room_id):
        return []  # the record of a hall, or a corridor, shows everybody; a seat never does
    mine = _used(_occupied(session, source.seat_id), stops)
    found: list[TimeRange] = []
    for other in neighbours:
        if other.seat_id == source.seat_id:
            theirs = _used(other.walls, _stops(source.content_kind, other.nights, other.pauses, rules))
            found += _others_turns(mine, turn, theirs, other.turn)
    return found


def _used(walls: Sequence[TimeRange], stops: Sequence[TimeRange]) -> list[TimeRange]:
    return merge(part for wall in walls for part in subtract(wall, stops))


def _others_turns(
    mine: Sequence[TimeRange], my_turn: SeatTurn, theirs: Sequence[TimeRange], their_turn: SeatTurn
) -> list[TimeRange]:
    """Time around another project's use that is not ours; never any of our own use.

    Args:
        mine, theirs: uses of the same seat or room, sorted and disjoint. Where the two overlap, both keep it.
    """
    found = []
    for before, after in pairwise([None, *mine, None]):
        between = TimeRange(
            start_us=before.end_us if before else -EVER_US, end_us=after.start_us if after else EVER_US
        )
        used = [part for one in theirs if (part := one.intersect(between)) is not None]
        if not used:
            continue
        start_us, end_us = between.start_us, between.end_us
        if before is not None:
            cleared_us = my_turn.cleared_us if before is mine[-1] else None
            entered_us = their_turn.entered_us if used[0].start_us == theirs[0].start_us else None
            start_us = _handed_over(before.end_us, cleared_us, entered_us, used[0].start_us).start_us
        if after is not None:
            cleared_us = their_turn.cleared_us if used[-1].end_us == theirs[-1].end_us else None
            entered_us = my_turn.entered_us if after is mine[0] else None
            end_us = _handed_over(used[-1].end_us, cleared_us, entered_us, after.start_us).end_us
        found.append(TimeRange(start_us=start_us, end_us=end_us))
    return found


def _handed_over(end_us: int, cleared_us: int | None, entered_us: int | None, start_us: int) -> TimeRange:
    """Between two uses by different projects: the one before is shown until its start, the next from its end.

    No frame is in both files, whichever side is looked at; where nobody said when seats were left or taken,
    the middle divides them.
    """
    known = [moment for moment in (cleared_us, entered_us) if moment is not None]
    known = known or [(end_us + start_us) // 2]
    first, last = (min(max(moment, end_us), start_us) for moment in (min(known), max(known)))
    return TimeRange(start_us=first, end_us=last)


def _occupied(session: Session, seat_id: str | None) -> list[TimeRange]:
    """When a session that has started used a seat, or, without one, its room.

    All the time, where nobody said from when to when; not at all, where all that was said lies outside the
    session or ends before it begins.
    """
    start_us = session.start_us or 0
    wall = TimeRange(start_us=start_us, end_us=max(start_us, session.end_us or EVER_US))
    times = [one.within(wall) for one in session.seats if one.seat_id == seat_id]
    return [one for one in times if not one.empty] if times else [wall]


def neighbour_uses(
    session: Session, events: Sequence[TimelineEvent], *, room_id: str | None = None
) -> list[NeighbourUse]:
    """How another project's session used its room and seats, as the sessions before and after it see it.

    Args:
        session: the other session; one that has not started uses nothing, one that runs will for ever.
        events: its events.
        room_id: the room of the session that looks; to one in another room only the seats matter.
    """
    if session.start_us is None:
        return []
    (wall,) = _occupied(session, None)
    told = acting(events, wall)
    nights = tuple(spans(told, Effect.NIGHT_START, Effect.NIGHT_END, wall))
    pauses = tuple(spans(told, Effect.PAUSE, Effect.RESUME, wall))
    seats = sorted({one.seat_id for one in session.seats})
    whole = [None] if room_id in (None, session.room_id) else []
    return [
        NeighbourUse(
            seat_id=seat_id,
            walls=tuple(_occupied(session, seat_id)),
            turn=SeatTurn() if seat_id is None else seat_turn(told),
            nights=nights,
            pauses=pauses,
        )
        for seat_id in (*whole, *seats)
    ]


def seat_turn(events: Iterable[TimelineEvent]) -> SeatTurn:
    """When a session's members took their seats and when they had left them, as far as events say.

    Args:
        events: those that act on the session, by time.
    """
    entered_us: int | None = None
    cleared_us: int | None = None
    for event in events:
        effect = effect_of(event.type)
        if effect is Effect.SEATS_ENTERED and entered_us is None:
            entered_us = event.at_us
        elif effect is Effect.SEATS_CLEARED:
            cleared_us = event.at_us
    return SeatTurn(entered_us=entered_us, cleared_us=cleared_us)
