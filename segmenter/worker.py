"""Watches for sessions that have ended: shows their clips at once, fixes them when their footage is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from catalog.catalogue import Catalogue
from kernel.clock import SECOND_US, Clock
from kernel.errors import JianzhengError, TimelineChanged
from kernel.log import logger
from kernel.model.archive import Progress
from kernel.model.cut import Clip, CutList
from kernel.model.footage import Gap, GapCause, SegmentSpan
from kernel.model.timeline import Session, SessionState, SessionTimeline, TimelineEvent
from kernel.settings import CutSettings
from kernel.timerange import TimeRange
from segmenter.cut import cut, removed_gaps
from segmenter.empty_rooms import EmptyRooms
from segmenter.hall import HallRecords
from segmenter.late import LateFootage
from segmenter.neighbours import Neighbours
from segmenter.timeline import neighbour_uses, session_timeline

_log = logger("segmenter")
_HOLD_BACK_US = 10 * SECOND_US
_DAY_US = 24 * 3600 * SECOND_US


class Segmenter:
    """Cuts what is due. Everything it knows is in the catalogue: stopping and starting it loses nothing."""

    def __init__(self, catalogue: Catalogue, settings: CutSettings, clock: Clock) -> None:
        self._catalogue = catalogue
        self._rules = settings.rules()
        self._halls = HallRecords(catalogue, self._rules, clock)
        self._late = LateFootage(catalogue, clock, self._cut_now)
        self._empty = EmptyRooms(catalogue, clock)
        self._neighbours = Neighbours(catalogue, self._rules, clock, self.timeline_of)
        self._settle_us = round(settings.settle_seconds * SECOND_US)
        self._give_up_us = round(settings.give_up_seconds * SECOND_US)
        self._handover_us = round(settings.handover_days * _DAY_US)
        # What is shown of sessions that wait, and whose footage was still to come then.
        self._shown: dict[str, tuple[SessionTimeline, set[str]]] = {}
        self._followed: dict[str, Session] = {}  # sessions that the records of halls know as they are
        self._warned: set[str] = set()  # sessions whose waiting was told
        self._clock = clock

    def run_once(self) -> list[CutList]:
        """Cut every session that is due; returns what was cut.

        A session that is changed while it is looked at is looked at again in the next round.

        Raises:
            JianzhengError: a session cannot be cut; all others that are due were.
        """
        done: list[CutList] = []
        failed: list[JianzhengError] = []

        def attempt(step: Callable[[], None]) -> None:
            try:
                step()
            except TimelineChanged:
                pass  # whatever it is now, the next round sees it
            except JianzhengError as error:
                failed.append(error)

        attempt(self._late.reopen)
        attempt(self._empty.look)
        waiting = self._catalogue.sessions.in_state(SessionState.ENDED)
        for session in waiting:
            attempt(partial(self._follow, session))
            attempt(partial(self._cut_if_due, session, done))
        self._forget_all_but({session.id for session in waiting})
        attempt(self._halls.look)
        attempt(self._neighbours.watch)
        if failed:
            raise failed[-1]
        return done

    def _follow(self, session: Session) -> None:
        """Keep the record of its hall in step; looked at again only when the session changes."""
        if self._followed.get(session.id) != session:
            self._halls.follow(session)
            self._followed[session.id] = session

    def _forget_all_but(self, waiting: set[str]) -> None:
        for kept in (self._shown, self._followed):
            for gone in set(kept) - waiting:
                del kept[gone]  # it may come back changed
        self._warned &= waiting

    def timeline_of(self, session: Session) -> SessionTimeline:
        """The timeline of a session that has ended, with all that stands around it in the catalogue.

        Raises:
            TimelineError: it has not ended.
        """
        catalogue = self._catalogue
        rooms = (session.room_id, *session.extra_room_ids)
        sources = catalogue.places.sources_of(rooms, session.source_ids)
        kinds = catalogue.places.kinds_of({*rooms, *(source.room_id for source in sources)})
        near = self._neighbours.of(session)
        events: dict[str, list[TimelineEvent]] = {}
        for event in catalogue.sessions.events_of(session.id, *(other.id for other in near)):
            events.setdefault(event.session_id, []).append(event)
        return session_timeline(
            session,
            events.get(session.id, ()),
            sources,
            self._rules,
            room_kinds=kinds,
            neighbours=[
                use
                for other in near
                for use in neighbour_uses(other, events.get(other.id, ()), room_id=session.room_id)
            ],
        )

    def so_far(self, session: Session) -> Sequence[Clip]:
        """The clips of a session that still runs, as if it ended now: nothing of them is recorded.

        Raises:
            TimelineError: it has not begun.
        """
        return self._cut_now(replace(session, end_us=self._clock.now_us())).clips

    def _cut_if_due(self, session: Session, done: list[CutList]) -> None:
        timeline = self.timeline_of(session)
        waiting, unsealed = self._waiting(timeline)
        if self._due(timeline, waiting, unsealed):
            done.append(self._cut(timeline))
            self._neighbours.look_beside(session)
        elif self._shown.get(session.id) != (timeline, waiting):
            self._preview(timeline, waiting)
            self._shown[session.id] = timeline, waiting

    def _due(self, timeline: SessionTimeline, waiting: set[str], unsealed: set[str]) -> bool:
        """Whether all footage is in the ring, or waiting longer would not bring it."""
        late_us = self._clock.now_us() - timeline.needed.end_us
        if late_us < 0:
            return False
        if late_us >= (self._handover_us if timeline.awaits_files else self._give_up_us):
            return True
        if timeline.expected and not waiting:
            return True
        if timeline.awaits_files or late_us < self._settle_us:
            return False
        if not timeline.expected:  # its seats are told late, perhaps, or cameras.yaml lacks its sources
            self._warn(timeline, "has no sources. Say who sits where, or complete its room in cameras.yaml.")
            return False
        # A run without an end has footage that is not sealed: of a recorder at work, or of one that fell and
        # settles it when it starts again. Cut now, that footage would be missing until it is.
        held_up = sorted(unsealed & waiting)
        if held_up:
            names = ", ".join(held_up)
            self._warn(
                timeline, f"waits for unsealed footage of {names}. Start the recorder if it does not run."
            )
        return not held_up

    def _warn(self, timeline: SessionTimeline, why: str) -> None:
        """Say once why a session waits."""
        if timeline.session_id not in self._warned:
            self._warned.add(timeline.session_id)
            _log.error(f"Session {timeline.session_id} {why}", action="session.waits")

    def _waiting(self, timeline: SessionTimeline) -> tuple[set[str], set[str]]:
        """Sources whose footage is still to come, and those that have a run without an end."""
        unsealed = self._catalogue.footage.unsealed_sources(timeline.needed.end_us)
        # Footage of the end itself: a clock that was set back may have left some that is dated later.
        ends = {
            part.source_id: TimeRange(start_us=part.wall.end_us - 1, end_us=part.wall.end_us)
            for part in timeline.expected  # the last part of each source
        }
        there = self._catalogue.footage.spans_within(ends)
        rest = {source: end for source, end in ends.items() if not there[source]}
        gaps = self._catalogue.footage.gaps_within(rest)
        waiting = {
            source
            for source, end in rest.items()
            if source in unsealed or not self._nothing_more(gaps[source], end.end_us)
        }
        return waiting, unsealed

    def _nothing_more(self, gaps: Sequence[Gap], end_us: int) -> bool:
        # A gap that reaches beyond the end says that nothing more will come for this clip. One that still
        # lasts says so only after a while: a new run's first frames are held back until its first report.
        quiet = self._clock.now_us() >= end_us + _HOLD_BACK_US
        return any(quiet if gap.end_us is None else gap.end_us >= end_us for gap in gaps)

    def _footage(
        self, timeline: SessionTimeline
    ) -> tuple[dict[str, list[SegmentSpan]], dict[str, list[Gap]]]:
        """Segments and gaps of a session's sources, with what was recorded and removed since."""
        footage, removal = self._catalogue.footage, self._catalogue.removal
        walls = _walls(timeline)
        segments = footage.spans_within(walls)
        gaps = footage.gaps_within(walls)
        for source, gone in removal.tombstones_within(walls).items():
            gaps[source] += removed_gaps(gone, segments[source], gaps[source])
        return segments, gaps

    def _preview(self, timeline: SessionTimeline, waiting: set[str]) -> None:
        """Show the clips of a session that has just ended; what is still to come is said to be pending."""
        segments, gaps = self._footage(timeline)
        for source, wall in _walls(timeline).items():
            if source in waiting:
                until_us = max((one.wall.end_us for one in segments[source]), default=wall.start_us)
                gaps[source].append(_pending(source, until_us))
        self._catalogue.clips.preview(cut(timeline, segments, gaps))

    def _cut_now(self, session: Session) -> CutList:
        timeline = self.timeline_of(session)
        return cut(timeline, *self._footage(timeline))

    def _cut(self, timeline: SessionTimeline) -> CutList:
        cut_list = cut(timeline, *self._footage(timeline))
        changed = self._catalogue.clips.record(cut_list, self._clock.now_us())
        holes = sum(len(clip.gaps) for clip in cut_list.clips)
        detail = f"{len(cut_list.clips)} clips, {holes} gaps"
        self._catalogue.archives.report_progress(
            Progress(
                session_id=timeline.session_id,
                step="cut",
                fraction=0.0,
                detail=detail,
                updated_us=self._clock.now_us(),
            )
        )
        _log.info(
            f"Cut session {timeline.session_id}: {detail}, {len(changed)} of them new or changed.",
            action="session.cut",
        )
        return cut_list


def _walls(timeline: SessionTimeline) -> dict[str, TimeRange]:
    """From the first to the last expected moment of each source."""
    walls: dict[str, TimeRange] = {}
    for part in timeline.expected:
        first = walls.get(part.source_id, part.wall)
        walls[part.source_id] = TimeRange(
            start_us=min(first.start_us, part.wall.start_us), end_us=max(first.end_us, part.wall.end_us)
        )
    return walls


def _pending(source_id: str, since_us: int) -> Gap:
    return Gap(
        id=f"pending.{source_id}",
        source_id=source_id,
        start_us=since_us,
        end_us=None,
        cause=GapCause.PENDING,
        detail="",
    )
