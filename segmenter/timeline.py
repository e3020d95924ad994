"""From a session and its events to the timeline that is cut by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kernel.errors import TimelineError
from kernel.model.source import Source
from kernel.model.timeline import EventType, Session, SessionTimeline, TimelineEvent
from kernel.timerange import TimeRange


def session_timeline(
    session: Session, events: Sequence[TimelineEvent], sources: Iterable[Source]
) -> SessionTimeline:
    """The timeline of a session that has ended.

    Its sources are those of its room that look at no seat, and those of the seats that it occupies
    (one clip for each session part and source).

    Raises:
        TimelineError: the session has not ended.
    """
    if session.start_us is None or session.end_us is None:
        raise TimelineError(f"session {session.id} has not ended and cannot be cut.")
    wall = TimeRange(start_us=session.start_us, end_us=session.end_us)
    return SessionTimeline(
        session_id=session.id,
        wall=wall,
        source_ids=tuple(source.id for source in sources_of(session, sources)),
        pauses=tuple(pauses(events, wall)),
    )


def sources_of(session: Session, sources: Iterable[Source]) -> list[Source]:
    """The sources whose footage belongs to a session, by id."""
    seats = {occupation.seat_id for occupation in session.seats}
    mine = (
        source
        for source in sources
        if source.room_id == session.room_id and (source.seat_id is None or source.seat_id in seats)
    )
    return sorted(mine, key=lambda source: source.id)


def pauses(events: Iterable[TimelineEvent], wall: TimeRange) -> list[TimeRange]:
    """The pauses of a session; one that is never resumed lasts to its end."""
    found: list[TimeRange] = []
    since: int | None = None
    for event in sorted(events, key=lambda event: event.at_us):
        if event.type == EventType.EVALUATION_PAUSE and since is None:
            since = event.at_us
        elif event.type == EventType.EVALUATION_RESUME and since is not None:
            found.append(TimeRange(start_us=since, end_us=event.at_us))
            since = None
    if since is not None:
        found.append(TimeRange(start_us=since, end_us=max(since, wall.end_us)))
    return [inside for pause in found if (inside := pause.intersect(wall)) is not None]
