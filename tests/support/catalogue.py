"""A catalogue with a place, a project and an ended session, for tests of the stages behind capture."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from catalog.catalogue import Catalogue
from kernel.model.footage import Run, Segment
from kernel.model.timeline import Phase, Project, Session, SessionState, TimelineEvent
from kernel.settings import CamerasFile

CAMERAS = CamerasFile.model_validate(
    {
        "sites": [
            {
                "id": "ZT",
                "region": "530602",
                "name_zh": "样例",
                "rooms": [
                    {
                        "id": "OH",
                        "kind": "opening_hall",
                        "name_zh": "开标厅",
                        "sources": [
                            {
                                "id": name,
                                "content_kind": kind,
                                "uri": f"rtsp://127.0.0.1:9/{name}",
                                "label_zh": name,
                            }
                            for name, kind in (("cam", "room"), ("screen", "screen"))
                        ],
                    }
                ],
            }
        ]
    }
)

PROJECT = Project(
    id="P",
    project_code="530602-A-1",
    name_zh="样例项目",
    name_en="Sample",
    region_code="530602",
    trade_place="530602",
    industry_code="A01",
)


@cache
def _as_migrated() -> bytes:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "catalogue.sqlite"
        Catalogue.open(f"sqlite:///{path}").close()  # the last one to let go leaves a single file
        return path.read_bytes()


def migrated_file(path: Path) -> str:
    """URL of a catalogue in a file, which is made as a copy where there is none: migrating takes a second."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_as_migrated())
    return f"sqlite:///{path}"


def open_catalogue(directory: Path, url: str = "") -> Catalogue:
    """A new catalogue that knows the cameras above: at a URL, or in a file of that directory."""
    catalogue = Catalogue.open(url or migrated_file(directory / "catalogue.sqlite"))
    catalogue.places.register(CAMERAS)
    return catalogue


def add_session(catalogue: Catalogue, start_us: int, end_us: int) -> Session:
    """A project whose opening has ended."""
    session = Session(
        id="P-O",
        project_id="P",
        phase=Phase.OPENING,
        room_id="OH",
        state=SessionState.PLANNED,
        start_us=None,
        end_us=None,
        seats=(),
    )
    catalogue.projects.add_project(PROJECT, [session])
    for kind, at_us in (("opening.start", start_us), ("opening.end", end_us)):
        catalogue.sessions.record_event(
            TimelineEvent(
                id=kind,
                session_id="P-O",
                at_us=at_us,
                type=kind,
                reason="",
                principal="test",
                recorded_us=at_us,
            )
        )
    return session


def add_segments(catalogue: Catalogue, segments: Iterable[Segment], *, ended: bool = True) -> None:
    """Rows of segments and of their runs, which have ended unless told otherwise."""
    last: dict[str, Segment] = {}
    for segment in segments:
        if segment.run_id not in last:
            catalogue.footage.start_run(
                Run(
                    id=segment.run_id,
                    source_id=segment.source_id,
                    started_us=segment.wall.start_us,
                    ended_us=None,
                    end_reason=None,
                )
            )
        catalogue.footage.add_segment(segment)
        last[segment.run_id] = segment
    for run_id, segment in last.items() if ended else ():
        catalogue.footage.end_run(run_id, segment.wall.end_us, segment.end_reason)
