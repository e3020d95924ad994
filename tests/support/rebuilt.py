"""Compares a catalogue with what was rebuilt of it, row by row (invariant 12).

Each table stands in one of two lists: the rows that come back, or why they do not.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, select

from catalog.catalogue import Catalogue
from catalog.database import reading
from catalog.tables import METADATA

_T = METADATA.tables
_ARCHIVED_CLIPS = select(_T["clip"].c.id).where(
    _T["clip"].c.session_id.in_(select(_T["archive"].c.session_id)),
    _T["clip"].c.retired_us.is_(None) | _T["clip"].c.id.in_(select(_T["rendition"].c.clip_id)),
)
_USED = select(_T["clip_slice"].c.segment_id).where(_T["clip_slice"].c.clip_id.in_(_ARCHIVED_CLIPS))
_RUNS = select(_T["segment"].c.run_id).where(_T["segment"].c.id.in_(_USED))
_KNOWN = (
    select(_T["session"].c.project_id)
    .join(_T["archive"], _T["archive"].c.session_id == _T["session"].c.id)
    .union(
        select(_T["document"].c.project_id),
        select(_T["hold"].c.project_id).where(_T["hold"].c.project_id.is_not(None)),
        select(_T["hall_project"].c.project_id),
    )
)
_SESSIONS = select(_T["session"].c.id).where(_T["session"].c.project_id.in_(_KNOWN))


def _of_project(name: str, column: str = "project_id") -> ColumnElement[bool]:
    return _T[name].c[column].in_(_KNOWN)


def _of_session(name: str) -> ColumnElement[bool]:
    return _T[name].c.session_id.in_(_SESSIONS)


COMES_BACK: dict[str, ColumnElement[bool] | None] = {
    **dict.fromkeys(("region", "region_alias", "industry", "site", "room", "seat", "source")),
    **dict.fromkeys(("retention_class", "retention_term", "retention_rule")),
    **dict.fromkeys(("archive", "archive_object", "rendition", "file_set", "file_set_archive")),
    **dict.fromkeys(("document", "document_copy", "addendum", "addendum_object", "archive_number")),
    **dict.fromkeys(("hold", "disposal", "disposal_object", "hall_project")),
    "project": _of_project("project", "id"),
    **{
        name: _of_project(name)
        for name in (
            "section",
            "venue",
            "session",
            "tag",
            "booking",
            "retention_choice",
            "project_day",
            "use_request",
            "directive",
            "presence",
        )
    },
    **{
        name: _of_session(name)
        for name in (
            "session_section",
            "session_room",
            "session_source",
            "seating",
            "timeline_event",
            "witness_entry",
        )
    },
    "clip": _T["clip"].c.id.in_(_ARCHIVED_CLIPS),
    "clip_slice": _T["clip_slice"].c.clip_id.in_(_ARCHIVED_CLIPS),
    "clip_gap": _T["clip_gap"].c.clip_id.in_(_ARCHIVED_CLIPS),
    "segment": _T["segment"].c.id.in_(_USED),
    "run": _T["run"].c.id.in_(_RUNS),
    "handed_file": _T["handed_file"].c.run_id.in_(_RUNS),
}
"""Tables that come back, and which rows of them: those of projects that the store knows."""

STAYS_AWAY = {
    "alert": "of the moment; who took notice of what is in the audit chain",
    "account": "hashes of passwords do not belong into a bucket; accounts come back with a backup",
    "archive_request": "what was asked of the archiver; it is done",
    "audit": "a chain of its own begins; heads and epochs of the old one are kept elsewhere (audit.md)",
    "audit_epoch": "as audit",
    "bucket_hold": "what the bucket said; the next sweep asks it again",
    "chain_checkpoint": "signed heads of the ring's chains: kept elsewhere (segments.md)",
    "checkup": "of rooms, before sessions",
    "drill": "what was found of copies at that time",
    "invitation": "as account",
    "login": "who was signed in signs in again",
    "gap": "of sources; those of archived clips come back as clip_gap",
    "object_copy": "the next sweep reads every object anew",
    "package_copy": "as object_copy",
    "progress": "for people, never truth",
    "recorder_key": "lies in the recorder's own file and in each package's neighbourhood (segments.md)",
    "ring_disk": "of the ring, which adopts its marker again",
    "saved_search": "of people, not of archives",
    "search_change": "marks that programs follow; made by the rows that come back",
    "search_key": "random",
    "search_project": "numbers of the index of words; made by the rows that come back",
    "source_health": "of the moment",
    "watch": "as audit, which tells of each",
    "watch_interval": "as audit, which has their hash",
    "watch_thing": "as audit",
    "trading_system": "hashes of keys do not belong into a bucket; keys are given anew",
}

LOST_COLUMNS = {
    "segment": {"state", "removed_us", "removal_reason", "removed_by"},  # tombstones, whatever they were
    "disposal_object": {"going_us"},  # the certificate tells when each was gone
}


def rows_of(catalogue: Catalogue, table: str) -> list[dict[str, Any]]:
    """What of a table comes back, by key; without the columns that cannot."""
    lost, which = LOST_COLUMNS.get(table, set()), COMES_BACK[table]
    query = select(*(one for one in _T[table].columns if one.name not in lost))
    if which is not None:
        query = query.where(which)
    with reading(catalogue.footage._engine) as session:
        found = [dict(row._mapping) for row in session.connection().execute(query)]
    keys = [one.name for one in _T[table].primary_key]
    return sorted(found, key=lambda row: tuple(str(row[name]) for name in keys))


def all_rows(catalogue: Catalogue) -> dict[str, list[dict[str, Any]]]:
    return {name: rows_of(catalogue, name) for name in COMES_BACK}
