"""A small centre for tests of timelines: rooms, seats, projects, events, footage as rows, a segmenter."""

from __future__ import annotations

from pathlib import Path

from catalog.catalogue import Catalogue
from kernel.clock import SECOND_US, FakeClock
from kernel.model.archive import Archive, ArchiveObject, Rendition
from kernel.model.cut import Clip, CutList
from kernel.model.footage import ClockBasis, EndReason, Segment
from kernel.model.timeline import Phase, Project, SeatOccupation, Session, SessionState, TimelineEvent
from kernel.settings import CamerasFile, CutSettings
from kernel.timerange import TimeRange
from segmenter.worker import Segmenter
from tests.support.catalogue import PROJECT, add_segments, migrated_file

START = 1_772_413_200 * SECOND_US  # 2 March 2026, 09:00 in Beijing
SETTINGS = CutSettings(pre_roll_seconds=10, post_roll_seconds=30, settle_seconds=60)


def _source(name: str, kind: str, seat: str | None = None) -> dict[str, object]:
    more = {} if seat is None else {"seat": seat}
    return {"id": name, "content_kind": kind, "uri": f"rtsp://127.0.0.1:9/{name}", "label_zh": name, **more}


def _room(name: str, kind: str, sources: list[dict[str, object]], *seats: str) -> dict[str, object]:
    numbered = [{"id": seat, "ordinal": number} for number, seat in enumerate(seats, 1)]
    return {"id": name, "kind": kind, "name_zh": name, "seats": numbered, "sources": sources}


CAMERAS = CamerasFile.model_validate(
    {
        "sites": [
            {
                "id": "ZT",
                "region": "530602",
                "name_zh": "样例",
                "rooms": [
                    _room(
                        "ER",
                        "evaluation_room",
                        [_source("er-cam", "room"), _source("er-face", "seat_face", "er-1")],
                        "er-1",
                    ),
                    _room("CO", "corridor", [_source("co-cam", "room")]),
                    _room(
                        "HALL",
                        "scattered_hall",
                        [
                            _source("hall-cam", "room"),
                            _source("hall-1-face", "seat_face", "hall-1"),
                            _source("hall-2-face", "seat_face", "hall-2"),
                        ],
                        "hall-1",
                        "hall-2",
                    ),
                    _room("EXT", "external_venue", [_source("ext-1", "room"), _source("ext-2", "room")]),
                ],
            }
        ]
    }
)


def project(name: str) -> Project:
    fields = {field: getattr(PROJECT, field) for field in PROJECT.__dataclass_fields__}
    return Project(**{**fields, "id": name, "project_code": f"code-{name}"})


def session(name: str, room: str = "ER", *seats: str, project_id: str = "P", **more: object) -> Session:
    """A planned evaluation."""
    occupied = tuple(SeatOccupation(seat_id=seat, member=f"E{n}") for n, seat in enumerate(seats, 1))
    fields: dict[str, object] = {
        "id": name,
        "project_id": project_id,
        "phase": Phase.EVALUATION,
        "room_id": room,
        "state": SessionState.PLANNED,
        "start_us": None,
        "end_us": None,
        "seats": occupied,
    }
    return Session(**{**fields, **more})  # type: ignore[arg-type]


def moment(seconds: float) -> int:
    """Wall time that many seconds after nine."""
    return START + round(seconds * SECOND_US)


class Centre:
    """A centre's catalogue and what happens there; times are seconds after nine."""

    def __init__(self, directory: Path, url: str = "") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.catalogue = Catalogue.open(url or migrated_file(directory / "catalogue.sqlite"))
        self.catalogue.places.register(CAMERAS)
        self.clock = FakeClock(START)
        self.segmenter = Segmenter(self.catalogue, SETTINGS, self.clock)
        self._count = 0

    def close(self) -> None:
        self.catalogue.close()

    def plan(self, *sessions: Session) -> None:
        for one in sessions:
            self.catalogue.projects.add_project(project(one.project_id), [one])

    def tell(
        self,
        session_id: str,
        kind: str,
        seconds: float,
        *,
        name: str = "",
        replaces: str | None = None,
        withdrawn: bool = False,
    ) -> str:
        """Report an event; its id."""
        self._count += 1
        event_id = name or f"event-{self._count}"
        self.catalogue.sessions.record_event(
            TimelineEvent(
                id=event_id,
                session_id=session_id,
                at_us=moment(seconds),
                type=kind,
                reason="",
                principal="test",
                recorded_us=max(self.clock.now_us(), moment(seconds)),
                replaces=replaces,
                withdrawn=withdrawn,
            )
        )
        return event_id

    def hold(self, session_id: str, start: float, end: float) -> str:
        """A session from start to end; the id of its end event."""
        self.tell(session_id, "session.start", start)
        return self.tell(session_id, "session.end", end)

    def record(
        self, source: str, start: float, end: float, basis: ClockBasis = ClockBasis.SENDER_REPORT
    ) -> str:
        """A sealed segment of an ended run; its id."""
        self._count += 1
        segment = Segment(
            id=f"segment-{self._count}",
            run_id=f"run-{self._count}",
            source_id=source,
            sequence=0,
            wall=TimeRange(start_us=moment(start), end_us=moment(end)),
            media_start=0,
            media_duration=1,
            timescale=90_000,
            clock_basis=basis,
            clock_offset_us=0,
            path=f"segment-{self._count}.mp4",
            size_bytes=1,
            sha256="0" * 64,
            chain="0" * 64,
            end_reason=EndReason.LENGTH,
        )
        add_segments(self.catalogue, [segment])
        return segment.id

    def cut(self, seconds: float) -> list[CutList]:
        """What the segmenter cuts at that time."""
        self.clock.advance((moment(seconds) - self.clock.now_us()) / SECOND_US)
        return self.segmenter.run_once()

    def archive(self, session_id: str) -> Archive:
        """Record an archive of the clips that have footage, in place of the archiver."""
        told = self.get(session_id)
        version = self.catalogue.archives.next_version(session_id)
        clips = [clip for clip in self.clips(session_id) if clip.slices]
        objects = [
            ArchiveObject(key=f"{session_id}/v{version}/{clip.id}", size_bytes=1, sha256="a" * 64)
            for clip in clips
        ]
        archive = Archive(
            id=f"archive-{session_id}-{version}",
            session_id=session_id,
            version=version,
            key_prefix=f"{session_id}/v{version}",
            budget_bytes=1,
            size_bytes=1,
            raw_bytes=1,
            verified_us=self.clock.now_us(),
            principal="test",
            overrun_reason="",
            objects=tuple(objects),
            cut_number=told.cut_number,
        )
        renditions = [
            Rendition(
                id=f"rendition-{clip.id}-{version}",
                clip_id=clip.id,
                session_id=session_id,
                source_id=clip.source_id,
                wall=clip.wall,
                object_key=item.key,
                video_codec="av01",
                audio_codec=None,
                width=1,
                height=1,
                size_bytes=1,
                sha256=item.sha256,
                receipt={},
            )
            for clip, item in zip(clips, objects, strict=True)
        ]
        self.catalogue.archives.record(archive, renditions)
        return archive

    def get(self, session_id: str) -> Session:
        found = self.catalogue.sessions.get(session_id)
        assert found is not None
        return found

    def state(self, session_id: str) -> SessionState:
        return self.get(session_id).state

    def clips(self, session_id: str) -> list[Clip]:
        return self.catalogue.clips.of_session(session_id)

    def clip(self, session_id: str, source: str) -> Clip:
        (found,) = [one for one in self.clips(session_id) if one.source_id == source]
        return found

    def span(self, session_id: str, source: str) -> tuple[float, float]:
        """A clip's expected time, in seconds after nine."""
        wall = self.clip(session_id, source).wall
        return (wall.start_us - START) / SECOND_US, (wall.end_us - START) / SECOND_US
