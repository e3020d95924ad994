"""What cutting costs in a full catalogue: a million segments of 429 sources in SQLite.

Ends an evaluation of four hours and 16 clips in room after room. Measured is what the segmenter takes from
the end event, its report included, to the clips as they are shown at once, and to the fixed clips when the
post-roll is in the ring: rows read, cut, written and committed, with fsync. Footage itself is neither read
nor written. Beside the time on the clock stands that of the processor, which other work on the machine does
not lengthen. Prints a table; the last line is one JSON object.
"""

from __future__ import annotations

import gc
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table
from sqlalchemy import insert

from catalog.catalogue import Catalogue
from catalog.database import open_engine, writing
from catalog.tables import METADATA
from kernel.clock import SECOND_US, FakeClock
from kernel.model.timeline import Phase, Project, SeatOccupation, Session, SessionState, TimelineEvent
from kernel.settings import CamerasFile, CutSettings
from segmenter.worker import Segmenter

SEGMENTS, SOURCES, IN_ROOM, SEATS = 1_000_000, 429, 16, 7
TAKES = 20
MINUTE_US = 60 * SECOND_US
LENGTH_US = 240 * MINUTE_US
END_US = 1_772_420_400 * SECOND_US  # of what is in the ring at first
PAGE = 50_000
SETTINGS = CutSettings()


def cameras() -> CamerasFile:
    """Rooms of two cameras and seven seats with face and desktop each."""
    rooms: list[dict[str, Any]] = []
    for first in range(0, SOURCES, IN_ROOM):
        room = f"room-{first // IN_ROOM:02}"
        seats = [f"{room}-seat-{number}" for number in range(1, SEATS + 1)]
        looks = [(None, "room")] * 2 + [
            (seat, kind) for seat in seats for kind in ("seat_face", "seat_desktop")
        ]
        sources = [
            {
                "id": f"{room}-{number:02}",
                "content_kind": kind,
                "uri": f"rtsp://127.0.0.1:9/{room}-{number}",
                "label_zh": "x",
                **({"seat": seat} if seat else {}),
            }
            for number, (seat, kind) in enumerate(looks[: min(IN_ROOM, SOURCES - first)])
        ]
        numbered = [{"id": seat, "ordinal": number} for number, seat in enumerate(seats, 1)]
        rooms.append(
            {"id": room, "kind": "evaluation_room", "name_zh": room, "seats": numbered, "sources": sources}
        )
    site = {"id": "site", "region": "530602", "name_zh": "site", "rooms": rooms}
    return CamerasFile.model_validate({"sites": [site]})


def segment_rows(source: str, first: int, last: int) -> Iterator[dict[str, Any]]:
    """Minutes of a source by number; minute 0 begins at ``END_US``."""
    for number in range(first, last):
        start_us = END_US + number * MINUTE_US
        yield {
            "id": f"{source}.{number}",
            "run_id": f"run-{source}",
            "source_id": source,
            "sequence": number + SEGMENTS,
            "wall_start_us": start_us,
            "wall_end_us": start_us + MINUTE_US,
            "media_start": 0,
            "media_duration": 60 * 90_000,
            "timescale": 90_000,
            "clock_basis": "sender_report",
            "clock_offset_us": 0,
            "path": f"{source}/{number}.mp4",
            "size_bytes": 30_000_000,
            "sha256": "0" * 64,
            "chain": "0" * 64,
            "chain_number": number + SEGMENTS,
            "end_reason": "length",
            "state": "sealed",
            "removal_reason": "",
            "removed_by": "",
        }


def fill(url: str, sources: list[str], minutes: int) -> None:
    """Runs and segments of all sources up to ``END_US``, in the order in which they are sealed."""
    engine = open_engine(url)
    runs = [
        {"id": f"run-{source}", "source_id": source, "started_us": 0, "origin": "live"} for source in sources
    ]
    with writing(engine) as session:
        session.connection().execute(insert(METADATA.tables["run"]), runs)
    per_page = PAGE // len(sources)
    for first in range(-minutes, 0, per_page):
        last = min(0, first + per_page)
        rows = [segment_rows(source, first, last) for source in sources]
        put(engine, [row for minute in zip(*rows, strict=True) for row in minute])
    engine.dispose()


def put(engine: Any, rows: list[dict[str, Any]]) -> None:
    with writing(engine) as session:
        session.connection().execute(insert(METADATA.tables["segment"]), rows)


def plan(catalogue: Catalogue, number: int) -> str:
    """An evaluation in a room of its own; its id."""
    session_id, room = f"P{number:02}-E", f"room-{number:02}"
    project = Project(
        id=f"P{number:02}",
        project_code=f"code-{number}",
        name_zh="x",
        name_en="x",
        region_code="530602",
        trade_place="530602",
        industry_code="A01",
    )
    session = Session(
        id=session_id,
        project_id=project.id,
        phase=Phase.EVALUATION,
        room_id=room,
        state=SessionState.PLANNED,
        start_us=None,
        end_us=None,
        seats=tuple(SeatOccupation(seat_id=f"{room}-seat-{n}", member=f"E{n}") for n in range(1, SEATS + 1)),
    )
    catalogue.projects.add_project(project, [session])
    return session_id


def tell(catalogue: Catalogue, session_id: str, kind: str, at_us: int) -> None:
    catalogue.sessions.record_event(
        TimelineEvent(
            id=f"{session_id} {kind}",
            session_id=session_id,
            at_us=at_us,
            type=kind,
            reason="",
            principal="bench",
            recorded_us=at_us,
        )
    )


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a piece of work took, milliseconds."""

    clock: float
    processor: float


def timed(work: Callable[[], object]) -> Cost:
    start, busy = time.perf_counter(), time.process_time()
    work()
    clock, processor = time.perf_counter() - start, time.process_time() - busy
    return Cost(clock=clock * 1000, processor=processor * 1000)


def take(catalogue: Catalogue, engine: Any, number: int) -> tuple[Cost, Cost]:
    """End a session: what it takes from its end event to the clips that are shown, and to cut it."""
    session_id = plan(catalogue, number)
    clock = FakeClock(END_US)
    segmenter = Segmenter(catalogue, SETTINGS, clock)
    tell(catalogue, session_id, "eval.start", END_US - LENGTH_US)

    def end() -> None:
        tell(catalogue, session_id, "eval.end", END_US)
        segmenter.run_once()

    shown = timed(end)
    expect(catalogue, session_id, SessionState.ENDED)
    sources = [clip.source_id for clip in catalogue.clips.of_session(session_id)]
    put(engine, [row for source in sources for row in segment_rows(source, 0, 6)])
    clock.advance(SETTINGS.post_roll_seconds)
    cut = timed(segmenter.run_once)
    expect(catalogue, session_id, SessionState.CUT)
    return shown, cut


def expect(catalogue: Catalogue, session_id: str, state: SessionState) -> None:
    """A measurement counts only if the work was done."""
    session = catalogue.sessions.get(session_id)
    clips = catalogue.clips.of_session(session_id)
    assert session is not None
    assert session.state is state
    assert len(clips) == IN_ROOM
    if state is SessionState.CUT:
        assert not any(clip.gaps for clip in clips)


def p95(values: list[float]) -> float:
    return sorted(values)[max(0, round(len(values) * 0.95) - 1)]


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="jianzheng-bench-") as directory:
        url = f"sqlite:///{Path(directory) / 'catalogue.sqlite'}"
        with closing(Catalogue.open(url)) as catalogue:
            catalogue.places.register(cameras())
            sources = list(catalogue.places.sources())
            cost = timed(lambda: fill(url, sources, SEGMENTS // len(sources) + 1))
            print(f"{SEGMENTS} segments of {len(sources)} sources written in {cost.clock / 1000:.0f} s.")
            engine = open_engine(url)
            gc.collect()
            gc.freeze()  # as ``archive --follow`` does
            takes = [take(catalogue, engine, number) for number in range(TAKES)]
            engine.dispose()
    result = {}
    table = Table("", "milliseconds: median", "p95", "most", "of the processor: median", "p95")
    for name, costs in zip(("preview", "cut"), zip(*takes, strict=True), strict=True):
        clock, processor = [cost.clock for cost in costs], [cost.processor for cost in costs]
        figures = (median(clock), p95(clock), max(clock), median(processor), p95(processor))
        table.add_row(name, *(f"{figure:.0f}" for figure in figures))
        result[f"{name}_ms_p95"] = round(p95(clock), 1)
        result[f"{name}_cpu_ms_p95"] = round(p95(processor), 1)
    Console().print(table)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
