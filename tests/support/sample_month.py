"""The sample's month as a centre lives it: rooms are recorded, events come in, sessions are cut and archived.

Footage is rows, no files, but for one file that a venue hands in. Rooms are recorded from an hour before each
session to an hour after it, all sources of them, so that only the cut says what belongs to whom.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from capture.intake import Handed, IntakeReceipt, take_in
from capture.libav.recording import ToldBy
from catalog.catalogue import Catalogue
from catalog.database import writing
from catalog.objects import MemoryStore, ObjectStore
from catalog.tables import RunRow, SegmentRow
from cli.sample.files import SampleProject, read_sample
from cli.sample.load import load_projects
from kernel.clock import SECOND_US, FakeClock, from_datetime
from kernel.errors import FixityError
from kernel.events import bounds
from kernel.model.archive import Archive, ArchiveObject, Rendition
from kernel.model.cut import Clip
from kernel.model.footage import (
    Backfill,
    ClockBasis,
    EndReason,
    Gap,
    GapCause,
    RunOrigin,
)
from kernel.model.timeline import Phase, Session, SessionState
from kernel.settings import CutSettings, RingSettings, Settings
from kernel.timerange import EVER_US, TimeRange, merge
from segmenter.hall import local_day
from segmenter.worker import Segmenter
from tests.support.catalogue import migrated_file
from tests.support.recordings import write

HOUR_US = 3600 * SECOND_US
PIECE_US = 110 * 60 * SECOND_US
CUTTING = CutSettings()
HANDED_IN = "2026-03-27T15:36+08:00"
EXTERNAL = ("QJS-01", "QJS-02", "QJS-03", "QJS-04", "QJS-05")


def at(moment: str) -> int:
    """Wall time of a moment with its zone, or of one in March 2026, Beijing time: ``09 14:06``."""
    if moment[2] == " ":
        moment = f"2026-03-{moment[:2]}T{moment[3:]}+08:00"
    return from_datetime(datetime.fromisoformat(moment))


def wall(start: str, end: str) -> TimeRange:
    return TimeRange(start_us=at(start), end_us=at(end))


class Month:
    """The month, over."""

    def __init__(self, directory: Path, url: str = "") -> None:
        self.directory = directory
        self.clock = FakeClock(at("02 06:00"))
        self.catalogue = Catalogue.open(url or migrated_file(directory / "catalogue.sqlite"))
        self.store: ObjectStore = MemoryStore()
        self.sample = read_sample()
        self.catalogue.places.register(self.sample.places, principal="sample", at_us=self.clock.now_us())
        self.refused = ""  # what was said of the file that was damaged on its way
        self.receipt: IntakeReceipt | None = None
        self._rows: list[RunRow | SegmentRow] = []
        self._links: Counter[str] = Counter()  # of each source's chain
        self._sources = list(self.catalogue.places.sources().values())
        self._segmenter = Segmenter(self.catalogue, CUTTING, self.clock)
        for source_id, spans in self._used().items():
            self._record(source_id, spans)
        self._keep()

    def live(self, until_us: int = EVER_US) -> None:
        """From one moment at which something is due to the next, and no further than until then."""
        for moment_us in self._moments():
            if moment_us > until_us:
                break
            self.clock.advance((moment_us - self.clock.now_us()) / SECOND_US)
            day = local_day(moment_us)
            near = [p for p in self.sample.projects if _happens(p, day)]
            known = replace(self.sample, projects=tuple(near), tags=(), locks=())
            load_projects(self.catalogue, known, moment_us)
            if moment_us == at(HANDED_IN):
                self._hand_in()
            while self._segmenter.run_once():
                pass
            self._archive()
        load_projects(self.catalogue, self.sample, until_us)

    def _used(self) -> dict[str, list[TimeRange]]:
        """When each source is recorded."""
        rooms: dict[str, list[TimeRange]] = defaultdict(list)
        for project in self.sample.projects:
            for session in project.sessions:
                told = bounds(e.event("", 0) for e in project.events if e.session == session.id)
                assert told.start_us is not None
                assert told.end_us is not None
                span = TimeRange(start_us=told.start_us - HOUR_US, end_us=told.end_us + HOUR_US)
                for room in (session.room, *session.extra_rooms):
                    rooms[room].append(span)
        return {
            source.id: merge(rooms[source.room_id])
            for source in self._sources
            if source.room_id in rooms and source.id not in EXTERNAL
        }

    def _record(self, source_id: str, spans: list[TimeRange]) -> None:
        holes = []
        for project in self.sample.projects:
            for one in project.deviations:
                if one.get("source") == source_id:
                    hole = wall(str(one["start"]), str(one["end"]))
                    holes.append(hole)
                    self._lose(source_id, hole, fetched=bool(one["nvr_has_it"]))
        for span in spans:
            cursor_us = span.start_us
            for hole in holes:
                if span.start_us <= hole.start_us < span.end_us:
                    self._run(source_id, TimeRange(start_us=cursor_us, end_us=hole.start_us))
                    cursor_us = hole.end_us
            self._run(source_id, TimeRange(start_us=cursor_us, end_us=span.end_us))

    def _lose(self, source_id: str, hole: TimeRange, *, fetched: bool) -> None:
        self.catalogue.footage.add_gap(
            Gap(
                id=f"gap-{source_id}",
                source_id=source_id,
                start_us=hole.start_us,
                end_us=hole.end_us,
                cause=GapCause.CAMERA_LOST,
                detail="no answer",
                backfill=Backfill.WHOLE if fetched else Backfill.NOTHING,
            )
        )
        if fetched:
            around = TimeRange(start_us=hole.start_us - SECOND_US, end_us=hole.end_us + SECOND_US)
            self._run(source_id, around, ClockBasis.REPLAY, RunOrigin.BACKFILL)

    def _run(
        self,
        source_id: str,
        span: TimeRange,
        basis: ClockBasis = ClockBasis.SENDER_REPORT,
        origin: RunOrigin = RunOrigin.LIVE,
    ) -> None:
        """A run of segments that fill a span."""
        run_id = f"run-{source_id}-{origin}-{span.start_us}"
        self._rows.append(
            RunRow(
                id=run_id,
                source_id=source_id,
                started_us=span.start_us,
                ended_us=span.end_us,
                end_reason=EndReason.STOPPED,
                origin=origin,
            )
        )
        for number, start_us in enumerate(range(span.start_us, span.end_us, PIECE_US)):
            self._links[source_id] += 1
            piece = TimeRange(start_us=start_us, end_us=min(start_us + PIECE_US, span.end_us))
            self._rows.append(_segment(run_id, source_id, number, piece, basis, self._links[source_id]))

    def _keep(self) -> None:
        """All rows in one transaction: thousands of their own take their time."""
        with writing(self.catalogue._engine) as session:
            for kind in (RunRow, SegmentRow):
                session.add_all(row for row in self._rows if isinstance(row, kind))
                session.flush()
        self._rows.clear()

    def _moments(self) -> Iterator[int]:
        """When a session's post-roll is over, and when files are handed in, in order."""
        ends = [
            bounds(e.event("", 0) for e in project.events if e.session == session.id).end_us or 0
            for project in self.sample.projects
            for session in project.sessions
        ]
        late_us = round((CUTTING.post_roll_seconds + CUTTING.settle_seconds) * SECOND_US)
        yield from sorted({*(end_us + late_us for end_us in ends), at(HANDED_IN), at("30 12:00")})

    def _hand_in(self) -> None:
        """P20's five files: four as rows; the third is a file, which is damaged when it comes first."""
        for source_id in EXTERNAL:
            if source_id != "QJS-03":
                span = wall("23 10:28", "23 16:07")
                self._run(source_id, span, ClockBasis.DECLARED, RunOrigin.INTAKE)
        self._keep()
        path = write(self.directory / "QJS-P20-03.mp4")
        true = path.read_bytes()
        damaged = bytearray(true)
        damaged[len(true) // 2] ^= 1
        path.write_bytes(damaged)
        announced = hashlib.sha256(true).hexdigest()
        try:
            self._take_in(path, announced)
        except FixityError as error:
            self.refused = str(error)
        path.write_bytes(true)
        self.receipt = self._take_in(path, announced)
        self.catalogue.sessions.add_sources("P20-E2", EXTERNAL, principal="w-zt-1", at_us=at(HANDED_IN))

    def _take_in(self, path: Path, sha256: str) -> IntakeReceipt:
        """The venue's recorder was 47 s ahead: it named the first picture of 10:28:00 so much later."""
        handed = Handed(
            path=path,
            source_id="QJS-03",
            start_us=at("23 10:28:47"),
            told_by=ToldBy.PRINCIPAL,
            offset_us=-47 * SECOND_US,
            sha256=sha256,
            principal="w-zt-1",
        )
        settings = Settings(data_dir=self.directory, ring=RingSettings(reserve_bytes=0))
        settings.ring_dir.mkdir(exist_ok=True)
        return take_in(handed, settings, self.catalogue.footage, self.clock, lambda _step, _done: None)

    def _archive(self) -> None:
        """Stands in for the archiver: an object for each clip that has footage, and the rows."""
        for session in self.catalogue.sessions.in_state(SessionState.CUT):
            version = self.catalogue.archives.next_version(session.id)
            prefix = f"{session.project_id}/{session.id}/v{version}"
            clips = [clip for clip in self.catalogue.clips.of_session(session.id) if clip.slices]
            objects = [self._stored(f"{prefix}/{clip.id}.mp4") for clip in clips]
            archive = Archive(
                id=f"archive-{session.id}-{version}",
                session_id=session.id,
                version=version,
                key_prefix=prefix,
                budget_bytes=1,
                size_bytes=1,
                raw_bytes=1,
                verified_us=self.clock.now_us(),
                principal="test",
                overrun_reason="",
                objects=tuple(objects),
                cut_number=session.cut_number,
            )
            renditions = [_rendition(clip, version, item) for clip, item in zip(clips, objects, strict=True)]
            self.catalogue.archives.record(archive, renditions)

    def _stored(self, key: str) -> ArchiveObject:
        data = key.encode()
        sha256 = self.store.put(key, io.BytesIO(data))
        return ArchiveObject(key=key, size_bytes=len(data), sha256=sha256)

    # What the tests ask for.

    def project(self, project_id: str) -> SampleProject:
        return next(one for one in self.sample.projects if one.id == project_id)

    def session(self, session_id: str) -> Session:
        found = self.catalogue.sessions.get(session_id)
        assert found is not None
        return found

    def clips(self, session_id: str) -> dict[str, list[Clip]]:
        """Clips of a session by source, their parts in order."""
        found: dict[str, list[Clip]] = defaultdict(list)
        for clip in self.catalogue.clips.of_session(session_id):
            found[clip.source_id].append(clip)
        return found

    def clip(self, session_id: str, source_id: str) -> Clip:
        """The only clip of a source."""
        [found] = self.clips(session_id)[source_id]
        return found

    def all_clips(self, project_id: str, *phases: Phase) -> list[Clip]:
        """Clips of a project, of these phases or of all but supervision."""
        return [
            clip
            for session in self.catalogue.sessions.of_project(project_id)
            if (session.phase in phases if phases else session.phase is not Phase.SUPERVISION)
            for clip in self.catalogue.clips.of_session(session.id)
        ]


def _happens(project: SampleProject, day: TimeRange) -> bool:
    """Whether anything of a project becomes known on a day."""
    moments = [
        *(event.at for event in project.events),
        *(session.known_at for session in project.sessions),
        *(booking.known_at for booking in project.bookings),
        *(booking.changed_at for booking in project.bookings),
        project.result_published_at,
    ]
    return any(moment is not None and day.contains(from_datetime(moment)) for moment in moments)


def _segment(
    run_id: str, source_id: str, number: int, span: TimeRange, basis: ClockBasis, link: int
) -> SegmentRow:
    return SegmentRow(
        id=f"{run_id}-{number}",
        run_id=run_id,
        source_id=source_id,
        sequence=number,
        wall_start_us=span.start_us,
        wall_end_us=span.end_us,
        media_start=0,
        media_duration=span.duration_us,
        timescale=1_000_000,
        clock_basis=basis,
        clock_offset_us=0,
        path=f"{run_id}-{number}.mp4",
        size_bytes=1,
        sha256="0" * 64,
        chain="0" * 64,
        chain_number=link,
        end_reason=EndReason.LENGTH,
    )


def _rendition(clip: Clip, version: int, item: ArchiveObject) -> Rendition:
    return Rendition(
        id=f"{clip.id}.v{version}",
        clip_id=clip.id,
        session_id=clip.session_id,
        source_id=clip.source_id,
        wall=clip.wall,
        object_key=item.key,
        video_codec="av01.0.05M.08",
        audio_codec=None,
        width=1,
        height=1,
        size_bytes=item.size_bytes,
        sha256=item.sha256,
        receipt={},
    )
