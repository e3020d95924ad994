"""The catalogue card (著录卡) of a project's file: what an archivist writes down of it.

Fields: DA/T 63-2017 and DA/T 78-2019 in the words of this product. Per clip they are read from its receipt,
so that a card made before the archive's row and one made years later say the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from catalog.catalogue import Catalogue
from kernel.clock import BEIJING, SECOND_US, to_datetime
from kernel.model.archive import Rendition
from kernel.model.document import Document
from kernel.model.footage import Hold, HoldKind
from kernel.model.timeline import Project, Session
from kernel.timerange import TimeRange
from kernel.values import fields_of

FORMAT = "jianzheng-card/1"
_CONTAINER = "MP4 (ISO/IEC 14496-12)"
_SOUND = re.compile(r"(\d+) Hz (mono|stereo)")
_CHANNELS = {"mono": 1, "stereo": 2}


@dataclass(frozen=True, kw_only=True, slots=True)
class Filed:
    """A session as its package holds it, or is going to."""

    session: Session
    version: int | None  # of its archive; None while that is being made
    key_prefix: str
    principal: str  # whose account answers for it
    intake_us: int | None  # when it was taken into the archive
    renditions: Sequence[Rendition]


def project_card(catalogue: Catalogue, project_id: str, at_us: int) -> dict[str, Any] | None:
    """The card of a project's file with its newest archives; None where there is no such project.

    Args:
        at_us: now: how long the file is kept is seen from here.
    """
    project = catalogue.projects.project(project_id)
    if project is None:
        return None
    filed = [_filed(catalogue, session) for session in catalogue.sessions.of_project(project_id)]
    return card(catalogue, project, [one for one in filed if one is not None], at_us)


def _filed(catalogue: Catalogue, session: Session) -> Filed | None:
    archive = catalogue.archives.newest(session.id)
    if archive is None:
        return None
    return Filed(
        session=session,
        version=archive.version,
        key_prefix=archive.key_prefix,
        principal=archive.principal,
        intake_us=archive.verified_us,
        renditions=catalogue.archives.renditions_of(archive.id),
    )


def card(catalogue: Catalogue, project: Project, filed: Sequence[Filed], at_us: int) -> dict[str, Any]:
    """The card of a project with these sessions. Times are microseconds, and in words Beijing time."""
    number = catalogue.archive_numbers.of_project(project.id)
    versions = catalogue.archives.file_sets_of(project.id)
    holds = catalogue.holds.all()
    documents = catalogue.documents.of_project(project.id)
    return {
        "format": FORMAT,
        "archive_number": number.number if number else None,
        "title_zh": project.name_zh,
        "title_en": project.name_en,
        "project_id": project.id,
        "project_code": project.project_code,
        "tender_project_code": project.tender_project_code,
        "sections": [
            {name: value for name, value in fields_of(one).items() if name != "project_id"}
            for one in catalogue.projects.sections_of(project.id)
        ],
        **_places(catalogue, project),
        "agency": project.agency,
        "file_version": versions[-1].version if versions else None,
        **_rules(catalogue, project, at_us),
        "sessions": [_session(catalogue, one, holds) for one in filed],
        "documents": [_document(one) for one in documents],
    }


def _places(catalogue: Catalogue, project: Project) -> dict[str, Any]:
    regions = {one.code: one.name_zh for one in catalogue.places.regions()}
    industries = {one.code: one.name_zh for one in catalogue.places.industries()}
    return {
        "region_code": project.region_code,
        "region": regions.get(project.region_code, ""),
        "trade_place_code": project.trade_place,
        "trade_place": regions.get(project.trade_place, ""),
        "industry_code": project.industry_code,
        "industry": industries.get(project.industry_code, ""),
    }


def _rules(catalogue: Catalogue, project: Project, at_us: int) -> dict[str, Any]:
    """How long it is kept, and who may see it."""
    kept = retention_of(catalogue, project, at_us)
    return {
        "retention_class": kept.class_code,
        "permanent": kept.permanent,
        "due": kept.last_day.isoformat() if kept.last_day else None,
        "held": catalogue.holds.is_held(project.id),
        "secrecy": "confidential" if project.result_published_us is None else "published",
        "published": _beijing(project.result_published_us),
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """How long a project's file is kept, as far as is known."""

    class_code: str
    permanent: bool = False
    last_day: date | None = None  # last Beijing day on which it has to be there


def retention_of(catalogue: Catalogue, project: Project, at_us: int) -> Kept:
    """How long a project's file is kept, seen on a day: by the class that governs, else as reported."""
    governing = catalogue.retention.of_project(project.id, at_us).governing
    if governing is None:
        return Kept(class_code=project.retention_class)
    return Kept(class_code=governing.class_code, permanent=governing.permanent, last_day=governing.last_day)


def _session(catalogue: Catalogue, filed: Filed, holds: Sequence[Hold]) -> dict[str, Any]:
    session, places = filed.session, catalogue.places
    room = places.rooms()[session.room_id]
    site = places.sites()[room.site_id]
    sources = places.sources()
    members = {one.seat_id: one.member for one in session.seats}
    clips = []
    for one in filed.renditions:
        source = sources[one.source_id]
        place = {"content_kind": source.content_kind.value, "device": source.id, "seat": source.seat_id}
        seat = {"member": members.get(source.seat_id or "")}
        clips.append({**place, **seat, **clip_card(one, holds)})
    return {
        "session": session.id,
        "phase": session.phase.value,
        "sections": list(session.section_numbers),
        "venue": site.name_zh,
        "venue_id": site.id,
        "room": room.name_zh,
        "room_id": room.id,
        "start": _beijing(session.start_us),
        "end": _beijing(session.end_us),
        "archive_version": filed.version,
        "package": filed.key_prefix,
        "account": filed.principal,
        "intake": _beijing(filed.intake_us),
        "clips": clips,
    }


def clip_card(one: Rendition, holds: Sequence[Hold] = ()) -> dict[str, Any]:
    """What a card says of one file."""
    told, result = one.receipt, one.receipt["result"]
    encoder, clip = told.get("encoder", {}), told["clip"]
    sound = _SOUND.search(encoder.get("audio") or "")
    measured = told.get("measured", {})
    return {
        "file": result["file"],
        "start": _beijing(one.wall.start_us),
        "end": _beijing(one.wall.end_us),
        "start_us": one.wall.start_us,
        "end_us": one.wall.end_us,
        "clock_offset_us": _offsets(clip["slices"]),
        "duration_us": result.get("duration_us"),
        "container": _CONTAINER,
        "codec": one.video_codec,
        "width": one.width,
        "height": one.height,
        "fps": _per_second(measured.get("frames"), measured.get("seconds")),
        "bit_rate_kbps": _per_second(one.size_bytes * 8 / 1000, measured.get("seconds")),
        "audio_codec": one.audio_codec,
        "sample_rate_hz": int(sound[1]) if sound and one.audio_codec else None,
        "channels": _CHANNELS[sound[2]] if sound and one.audio_codec else None,
        "size_bytes": one.size_bytes,
        "sha256": one.sha256,
        "sm3": result.get("sm3"),
        "parents_sha256": list(dict.fromkeys(used["sha256"] for used in clip["slices"] if "sha256" in used)),
        "encoder": encoder.get("video"),
        "encoder_parameters": encoder.get("video_options"),
        "gaps": [_gap(gap) for gap in clip["gaps"]],
        "holds": [hold.id for hold in holds if _holds(hold, one.source_id, one.wall)],
    }


def _offsets(slices: Sequence[Mapping[str, Any]]) -> list[int] | None:
    """Least and greatest offset of the device's clock from ours."""
    found = [used["clock_offset_us"] for used in slices if "clock_offset_us" in used]
    return [min(found), max(found)] if found else None


def _per_second(count: float | None, seconds: float | None) -> float | None:
    return round(count / seconds, 3) if count is not None and seconds else None


def _gap(gap: Mapping[str, Any]) -> dict[str, Any]:
    wall = gap["wall"]
    return {
        "start": _beijing(wall["start_us"]),
        "end": _beijing(wall["end_us"]),
        "seconds": round((wall["end_us"] - wall["start_us"]) / SECOND_US, 3),
        "cause": str(gap["cause"]),
    }


def _holds(hold: Hold, source_id: str, wall: TimeRange) -> bool:
    of_source = hold.kind is HoldKind.SOURCE and hold.source_id == source_id
    return of_source and bool(hold.wall.intersect(wall))


def _document(one: Document) -> dict[str, Any]:
    return {**one.told(), "at": _beijing(one.at_us)}


def _beijing(us: int | None) -> str | None:
    """Beijing time to the millisecond, with its offset."""
    if us is None:
        return None
    return to_datetime(us).astimezone(BEIJING).isoformat(timespec="milliseconds")
