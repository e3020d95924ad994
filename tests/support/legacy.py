"""Projects of long ago, archived: rows and objects, as a catalogue has them that was moved in.

DSP-02 and DSP-03 are read from the sample's disposal list. Shuifu's old county code stays with its archives.
"""

from __future__ import annotations

import hashlib
import io
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from catalog.catalogue import Catalogue
from catalog.database import writing
from catalog.objects import ObjectStore
from catalog.tables import (
    ArchiveObjectRow,
    ArchiveRow,
    ClipRow,
    FileSetArchiveRow,
    FileSetRow,
    ProjectRow,
    SessionRow,
)
from kernel.clock import BEIJING, from_datetime, to_datetime
from kernel.model.life import TermStart
from kernel.model.timeline import SessionState
from kernel.retention import last_day
from kernel.timerange import TimeRange

_SAMPLE = Path(__file__).parents[2] / "cli" / "sample" / "data" / "disposal.yaml"
YEARS = {"Y10": 10, "Y15": 15, "Y30": 30}
HOUR_US = 3600 * 1_000_000


def legacy_rows() -> list[dict[str, Any]]:
    """The sample's legacy projects: DSP-02 and DSP-03."""
    told = yaml.safe_load(_SAMPLE.read_text(encoding="utf-8"))
    return [row for row in told if "legacy_project" in row]


def add_legacy(
    catalogue: Catalogue, store: ObjectStore, row: dict[str, Any], agency: str = "", **where: str
) -> str:
    """One of them: a day in an opening hall, archived with two objects and a manifest; its id.

    Its term started so that it ended on the sample's day, as somebody told from the paper file.
    """
    name, due = str(row["legacy_project"]), date.fromisoformat(str(row["due"]))
    start = due.replace(year=due.year - YEARS[str(row["retention_class"])])
    assert last_day(start, YEARS[str(row["retention_class"])], None) == due
    add_archived(catalogue, store, name, region=str(row["region"]), day=start, agency=agency, **where)
    catalogue.retention.tell_day(
        name, TermStart.PROCUREMENT_END, start, reason="纸质档案", principal="档案员", at_us=2
    )
    return name


def add_archived(
    catalogue: Catalogue,
    store: ObjectStore,
    name: str,
    *,
    day: date,
    region: str = "530602",
    industry: str = "D01",
    agency: str = "",
    outcome: str = "result",
    room: str = "OH",
    source: str = "cam",
) -> str:
    """A project with one archived session on a Beijing day, 9 to 11, whose originals are long gone."""
    nine = to_datetime(0).astimezone(BEIJING).replace(year=day.year, month=day.month, day=day.day, hour=9)
    wall = TimeRange(start_us=from_datetime(nine), end_us=from_datetime(nine) + 2 * HOUR_US)
    with writing(catalogue.footage._engine) as session:
        session.add(
            ProjectRow(
                id=name,
                project_code=f"code-{name}",
                name_zh=name,
                name_en=name,
                region_code=region,
                trade_place=region,
                industry_code=industry,
                agency=agency,
                outcome=outcome,
                result_published_us=wall.end_us,
            )
        )
        session.flush()
        session.add(
            SessionRow(
                id=f"{name}-O",
                project_id=name,
                phase="opening",
                room_id=room,
                state=SessionState.ARCHIVED,
                start_us=wall.start_us,
                end_us=wall.end_us,
                cut_number=1,
            )
        )
        session.flush()
        session.add(
            ClipRow(
                id=f"{name}-clip",
                session_id=f"{name}-O",
                source_id=source,
                part=1,
                wall_start_us=wall.start_us,
                wall_end_us=wall.end_us,
            )
        )
        _add_archive(session, store, name, wall.end_us)
    return name


def sm3(data: bytes) -> str:
    return hashlib.new("sm3", data).hexdigest()


def _add_archive(session: Any, store: ObjectStore, name: str, at_us: int) -> None:
    prefix = f"{name}/{name}-O/v1"
    videos = {f"{prefix}/data/{one}.mp4": f"{name} {one}".encode() for one in ("cam", "screen")}
    lines = [
        f"{hashlib.new('sm3', data).hexdigest()}  data/{key.rpartition('/')[2]}"
        for key, data in videos.items()
    ]
    objects = {**videos, f"{prefix}/manifest-sm3.txt": "\n".join(lines).encode()}
    archive_id = f"archive-{name}"
    session.add(
        ArchiveRow(
            id=archive_id,
            session_id=f"{name}-O",
            version=1,
            key_prefix=prefix,
            budget_bytes=1000,
            size_bytes=sum(map(len, objects.values())),
            raw_bytes=1000,
            verified_us=at_us,
            principal="test",
            overrun_reason="",
            cut_number=1,
        )
    )
    session.add(FileSetRow(project_id=name, version=1, sealed_us=at_us))
    session.flush()
    session.add(FileSetArchiveRow(project_id=name, version=1, archive_id=archive_id))
    for key, data in objects.items():
        sha256 = store.put(key, io.BytesIO(data))
        session.add(ArchiveObjectRow(key=key, archive_id=archive_id, size_bytes=len(data), sha256=sha256))
