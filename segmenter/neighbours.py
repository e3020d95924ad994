"""Sessions of other projects beside a session, in its room or on its seats: where its rolls have to end.

A session that was cut before a neighbour came, moved or was withdrawn ends in the wrong place: it is opened
again, and only if its clips would change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from catalog.catalogue import Catalogue
from kernel.clock import SECOND_US, Clock
from kernel.errors import TimelineChanged
from kernel.log import logger
from kernel.model.cut import CutRules
from kernel.model.timeline import Session, SessionState, SessionTimeline
from kernel.timerange import EVER_US, TimeRange

_RECENT_US = 24 * 3600 * SECOND_US
"""Of sessions that ended longer ago only a new cut is noticed, and looked beside where they are then."""
_CUT = (SessionState.CUT, SessionState.ARCHIVED)
_log = logger("segmenter")


class Neighbours:
    """Finds neighbours, and watches them."""

    def __init__(
        self,
        catalogue: Catalogue,
        rules: CutRules,
        clock: Clock,
        timeline_of: Callable[[Session], SessionTimeline],
    ) -> None:
        """``timeline_of``: the timeline that a session would be cut by now."""
        self._catalogue = catalogue
        self._around_us = rules.pre_roll_us + rules.post_roll_us
        self._clock = clock
        self._timeline_of = timeline_of
        self._seen: dict[str, Session] | None = None  # recent ones as they were last; None: not looked yet
        self._unchecked: list[str] = []  # beside these something may have changed before this start

    def of(self, session: Session) -> list[Session]:
        """Other projects' sessions so shortly before or after that a roll may reach them."""
        if session.start_us is None:
            return []
        end_us = EVER_US if session.end_us is None else max(session.start_us, session.end_us)
        near = TimeRange(start_us=session.start_us - self._around_us, end_us=end_us + self._around_us)
        sessions = self._catalogue.sessions
        beside = sessions.in_room(session.room_id, near, not_of=session.project_id)
        seats = {occupation.seat_id for occupation in session.seats}
        if seats:
            beside += sessions.on_seats(seats, near, not_of=session.project_id)
        return list({other.id: other for other in beside}.values())

    def watch(self) -> None:
        """Look beside every session that changed since the last round, where it was and where it is.

        What changed before the first round nobody knows: all recent sessions are looked at then, one a round,
        so that no session that ends now waits for them.
        """
        before = self._seen
        now, changed = self._news(before or {})
        if before is None:
            self._unchecked = list(now)
        else:
            for session in [one[name] for one in (before, now) for name in changed if name in one]:
                self.look_beside(session)
            if self._unchecked and (one := self._catalogue.sessions.get(self._unchecked.pop())):
                self._look_at(one)
        self._seen = now

    def _news(self, before: Mapping[str, Session]) -> tuple[dict[str, Session], set[str]]:
        """Recent sessions as they are now, and the ids of those that changed or went."""
        since_us = self._clock.now_us() - _RECENT_US
        numbers = self._catalogue.sessions.change_numbers(since_us)
        changed = {
            name
            for name, number in numbers.items()
            if name not in before or before[name].change_number != number
        }
        now = {name: session for name, session in before.items() if name in numbers}
        if changed:
            now.update(self._catalogue.sessions.by_id(changed))
        gone = before.keys() - numbers.keys()
        withdrawn = {name for name in gone if (before[name].end_us or EVER_US) > since_us}
        return now, changed | withdrawn

    def look_beside(self, session: Session) -> None:
        """Open those again whose clips would now end elsewhere, because of this session."""
        for other in self.of(session):
            self._look_at(other)

    def _look_at(self, session: Session) -> None:
        if session.state not in _CUT:
            return
        clips = self._catalogue.clips.parts_of(session.id)
        wanted = self._timeline_of(session).expected
        # A camera that came or went since is no neighbour's doing.
        both = {clip.source_id for clip in clips} & {part.source_id for part in wanted}
        have, want = (
            {(one.source_id, one.part): one.wall for one in walls if one.source_id in both}
            for walls in (clips, wanted)
        )
        if have == want:
            return
        try:
            self._catalogue.sessions.advance(
                session.id,
                SessionState.ENDED,
                was=session.state,
                reason="Another project's use of its room or seats has changed.",
                at_us=self._clock.now_us(),
            )
        except TimelineChanged:
            return  # it changed meanwhile, and is looked at again for that
        _log.warning(
            f"Session {session.id} is cut again: another project's use of its room or seats has changed.",
            action="session.recut",
        )
