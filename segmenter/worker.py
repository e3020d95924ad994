"""Watches for sessions that have ended and cuts each as soon as its footage is in the ring."""

from __future__ import annotations

from catalog.catalogue import Catalogue
from kernel.clock import SECOND_US, Clock
from kernel.errors import JianzhengError
from kernel.log import logger
from kernel.model.archive import Progress
from kernel.model.cut import CutList, CutRules
from kernel.model.timeline import Session, SessionState, SessionTimeline
from kernel.settings import CutSettings
from kernel.timerange import TimeRange
from segmenter.cut import cut, expected_range, removed_gaps
from segmenter.timeline import session_timeline

_log = logger("segmenter")
_HOLD_BACK_US = 10 * SECOND_US


def cut_rules(settings: CutSettings) -> CutRules:
    """The settings as the cutter takes them."""
    return CutRules(
        pre_roll_us=round(settings.pre_roll_seconds * SECOND_US),
        post_roll_us=round(settings.post_roll_seconds * SECOND_US),
    )


class Segmenter:
    """Cuts what is due. Everything it knows is in the catalogue: stopping and starting it loses nothing."""

    def __init__(self, catalogue: Catalogue, settings: CutSettings, clock: Clock) -> None:
        self._catalogue = catalogue
        self._rules = cut_rules(settings)
        self._settle_us = round(settings.settle_seconds * SECOND_US)
        self._give_up_us = round(settings.give_up_seconds * SECOND_US)
        self._warned: set[str] = set()  # sessions whose waiting was told
        self._clock = clock

    def run_once(self) -> list[CutList]:
        """Cut every session that is due; returns what was cut.

        Raises:
            JianzhengError: a session cannot be cut; all others that are due were.
        """
        done: list[CutList] = []
        failed: JianzhengError | None = None
        for session in self._catalogue.projects.sessions_in(SessionState.ENDED):
            try:
                done += self._cut_if_due(session)
            except JianzhengError as error:
                failed = error
        if failed is not None:
            raise failed
        return done

    def _cut_if_due(self, session: Session) -> list[CutList]:
        timeline = self._timeline(session)
        wall = expected_range(timeline, self._rules)
        return [self._cut(timeline, wall)] if self._due(timeline, wall) else []

    def _timeline(self, session: Session) -> SessionTimeline:
        events = self._catalogue.projects.events_of(session.id)
        return session_timeline(session, events, self._catalogue.places.sources().values())

    def _due(self, timeline: SessionTimeline, wall: TimeRange) -> bool:
        """Whether all footage is in the ring, or waiting longer would not bring it."""
        late_us = self._clock.now_us() - wall.end_us
        if late_us < 0:
            return False
        unsealed = {
            run.source_id for run in self._catalogue.footage.unfinished_runs() if run.started_us < wall.end_us
        }
        waiting = [one for one in timeline.source_ids if not self._settled(one, wall, one in unsealed)]
        if not waiting or late_us >= self._give_up_us:
            return True
        if late_us < self._settle_us:
            return False
        # A run without an end has footage that is not sealed: of a recorder at work, or of one that fell and
        # settles it when it starts again. Cut now, that footage would be missing for ever.
        held_up = sorted(unsealed & set(waiting))
        if held_up and timeline.session_id not in self._warned:
            self._warned.add(timeline.session_id)
            _log.error(
                f"Session {timeline.session_id} waits for unsealed footage of {', '.join(held_up)}. "
                "Start the recorder if it does not run.",
                action="session.waits",
            )
        return not held_up

    def _settled(self, source_id: str, wall: TimeRange, unsealed: bool) -> bool:
        # Footage of the end itself: a clock that was set back may have left some that is dated later.
        end = TimeRange(start_us=wall.end_us - 1, end_us=wall.end_us)
        if self._catalogue.footage.segments_of(source_id, end):
            return True
        if unsealed:
            return False
        # A gap that reaches beyond the end says that nothing more will come for this clip. One that still
        # lasts says so only after a while: a new run's first frames are held back until its first report.
        quiet = self._clock.now_us() >= wall.end_us + _HOLD_BACK_US
        gaps = self._catalogue.footage.gaps_of(source_id, wall)
        return any(quiet if gap.end_us is None else gap.end_us >= wall.end_us for gap in gaps)

    def _cut(self, timeline: SessionTimeline, wall: TimeRange) -> CutList:
        footage, removal = self._catalogue.footage, self._catalogue.removal
        segments = {source: footage.segments_of(source, wall) for source in timeline.source_ids}
        gaps = {source: footage.gaps_of(source, wall) for source in timeline.source_ids}
        for source in timeline.source_ids:
            gone = removal.tombstones_of(source, wall)
            gaps[source] += removed_gaps(gone, segments[source], gaps[source])
        cut_list = cut(timeline, segments, gaps, self._rules)
        self._catalogue.clips.record(cut_list)
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
        _log.info(f"Cut session {timeline.session_id}: {detail}.", action="session.cut")
        return cut_list
