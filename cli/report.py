"""What a project came to: totals, and how exactly its archived files tell the time."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from archiver.decode import archived_frames
from catalog.catalogue import Catalogue
from catalog.objects import ObjectStore, verify
from kernel.errors import FixityError, ObjectMissing
from kernel.model.archive import Rendition
from kernel.model.timeline import SessionState
from simulator import timestrip

FRAMES_PER_FILE = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectReport:
    """The figures of a project."""

    project: str
    sources: int
    clips: int
    gaps: int
    raw_bytes: int
    archive_bytes: int
    budget_bytes: int
    verified: bool  # every session archived, every object read back just now with its checksum
    max_sync_error_ms: float | None  # None where the pictures carry no strip


def project_report(catalogue: Catalogue, store: ObjectStore, project_id: str) -> ProjectReport:
    """Read everything of a project back and add it up."""
    summary = catalogue.summaries.of([project_id])[project_id]
    sessions = catalogue.sessions.of_project(project_id)
    clips = [clip for session in sessions for clip in catalogue.clips.of_session(session.id)]
    archives = [catalogue.archives.newest(session.id) for session in sessions]
    renditions = [
        rendition for one in archives if one for rendition in catalogue.archives.renditions_of(one.id)
    ]
    objects = [item for one in archives if one for item in one.objects]
    verified = summary.state is SessionState.ARCHIVED and bool(objects)
    try:
        for item in objects:
            verify(store, item.key, item.size_bytes, item.sha256)
    except (FixityError, ObjectMissing):
        verified = False
    return ProjectReport(
        project=project_id,
        sources=len({clip.source_id for clip in clips}),
        clips=len(clips),
        gaps=summary.gap_count,
        raw_bytes=summary.raw_bytes,
        archive_bytes=summary.size_bytes,
        budget_bytes=summary.budget_bytes,
        verified=verified,
        max_sync_error_ms=max_sync_error_ms(store, renditions),
    )


def max_sync_error_ms(store: ObjectStore, renditions: list[Rendition]) -> float | None:
    """Largest difference between a frame's strip and the wall time that its file gives it, milliseconds.

    At least twenty frames spread over each file are compared, or all if it has fewer. None where a file
    gives fewer than half of them: its pictures carry no strip.
    """
    worst = 0.0
    for rendition in renditions:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "file.mp4"
            with store.open(rendition.object_key) as source, path.open("wb") as target:
                shutil.copyfileobj(source, target)
            errors = _strip_errors_ms(path, rendition)
        if errors is None:
            return None
        worst = max([worst, *errors])
    return round(worst, 3)


def _strip_errors_ms(path: Path, rendition: Rendition) -> list[float] | None:
    frames = max(1, int(rendition.receipt["measured"]["frames"]))
    every = max(1, frames // (2 * FRAMES_PER_FILE))
    compared = []
    looked_at = 0
    for wall_us, frame in archived_frames(path, every):
        looked_at += 1
        strip_ms = timestrip.read(np.asarray(frame.to_ndarray(format="gray"), dtype=np.uint8))
        if strip_ms is not None:
            compared.append(abs(wall_us / 1000 - strip_ms))
    if len(compared) < min(FRAMES_PER_FILE, looked_at / 2):
        return None
    return compared
