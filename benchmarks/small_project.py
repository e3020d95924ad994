"""A small evaluation of real people and real screens in a ring: four faces, four desktops, a room, sound.

The footage is looped to the wanted length and taken in as an external venue's files are.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg

from capture.intake import Handed, take_in
from capture.libav.recording import ToldBy
from catalog.catalogue import Catalogue
from kernel.clock import SECOND_US, FakeClock
from kernel.model.source import ContentKind
from kernel.model.timeline import Phase, Project, SeatOccupation, Session, SessionState, TimelineEvent
from kernel.settings import CamerasFile, CutSettings, RingSettings, Settings
from segmenter.worker import Segmenter

FOOTAGE = Path(__file__).parents[2] / "shared" / "footage"
START_US = 1_772_420_400 * SECOND_US
SESSION = "BENCH-E"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stream:
    """One source and the footage that it shows."""

    id: str
    kind: ContentKind
    file: str
    seat: str | None = None


STREAMS = (
    Stream(id="face-1", kind=ContentKind.SEAT_FACE, file="seat-face-h264.mp4", seat="s1"),
    Stream(id="face-2", kind=ContentKind.SEAT_FACE, file="seat-face-h264-g711a.mkv", seat="s2"),
    Stream(id="face-3", kind=ContentKind.SEAT_FACE, file="seat-face-h265.mp4", seat="s3"),
    Stream(id="face-4", kind=ContentKind.SEAT_FACE, file="seat-face-h265.mp4", seat="s4"),
    Stream(id="desk-1", kind=ContentKind.SEAT_DESKTOP, file="desktop-a-h264.mp4", seat="s1"),
    Stream(id="desk-2", kind=ContentKind.SEAT_DESKTOP, file="desktop-b-h264.mp4", seat="s2"),
    Stream(id="desk-3", kind=ContentKind.SEAT_DESKTOP, file="desktop-a-h264.mp4", seat="s3"),
    Stream(id="desk-4", kind=ContentKind.SEAT_DESKTOP, file="desktop-b-h264.mp4", seat="s4"),
    Stream(id="room", kind=ContentKind.ROOM, file="room-panorama-h264-aac.mp4"),
)


def looped(stream: Stream, directory: Path, seconds: int) -> Path:
    """The footage of a stream, so long, as it was encoded."""
    target = directory / f"{stream.id}.mkv"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-stream_loop", "-1"]
    command += ["-i", str(FOOTAGE / stream.file), "-t", str(seconds)]
    subprocess.run([*command, "-c", "copy", str(target)], check=True)
    return target


def cameras() -> CamerasFile:
    """The room with its seats and sources."""
    sources = [
        {
            "id": one.id,
            "content_kind": one.kind,
            "uri": f"rtsp://127.0.0.1:9/{one.id}",
            "label_zh": one.id,
            **({"seat": one.seat} if one.seat else {}),
        }
        for one in STREAMS
    ]
    room = {
        "id": "ER",
        "kind": "evaluation_room",
        "name_zh": "评标室",
        "seats": [{"id": f"s{number}", "ordinal": number} for number in range(1, 5)],
        "sources": sources,
    }
    site = {"id": "ZT", "region": "530602", "name_zh": "样例", "rooms": [room]}
    return CamerasFile.model_validate({"sites": [site]})


def record(directory: Path, seconds: int) -> tuple[Catalogue, dict[str, Path]]:
    """A catalogue and a ring (``ring/``) with the whole session, cut; and the footage by source."""
    directory.mkdir(parents=True, exist_ok=True)
    catalogue = Catalogue.open(f"sqlite:///{directory / 'catalogue.sqlite'}")
    catalogue.places.register(cameras())
    files = {one.id: looped(one, directory, seconds) for one in STREAMS}
    settings = Settings(data_dir=directory, ring=RingSettings(segment_seconds=60, reserve_bytes=0))
    clock = FakeClock(START_US + 3600 * SECOND_US)
    for name, path in files.items():
        handed = Handed(
            path=path,
            source_id=name,
            start_us=START_US,
            told_by=ToldBy.PRINCIPAL,
            offset_us=0,
            sha256="",
            principal="bench",
        )
        take_in(handed, settings, catalogue.footage, clock, lambda step, done: None)
    _hold_session(catalogue, seconds)
    Segmenter(
        catalogue, CutSettings(pre_roll_seconds=0, post_roll_seconds=0, settle_seconds=0), clock
    ).run_once()
    return catalogue, files


def _hold_session(catalogue: Catalogue, seconds: int) -> None:
    project = Project(
        id="BENCH",
        project_code="530602-A-BENCH",
        name_zh="基准",
        name_en="Benchmark",
        region_code="530602",
        trade_place="530602",
        industry_code="A",
    )
    seats = tuple(SeatOccupation(seat_id=f"s{number}", member=f"E{number}") for number in range(1, 5))
    session = Session(
        id=SESSION,
        project_id="BENCH",
        phase=Phase.EVALUATION,
        room_id="ER",
        state=SessionState.PLANNED,
        start_us=None,
        end_us=None,
        seats=seats,
    )
    catalogue.projects.add_project(project, [session])
    for kind, at_us in (("eval.start", START_US), ("eval.end", START_US + seconds * SECOND_US)):
        event = TimelineEvent(
            id=kind,
            session_id=SESSION,
            at_us=at_us,
            type=kind,
            reason="",
            principal="bench",
            recorded_us=at_us,
        )
        catalogue.sessions.record_event(event)
