"""Which rows records of the store are made of, and which projects have changed since somebody last looked."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Table, Text, cast, select, union

from catalog.database import reading
from catalog.rebuild_rows import Rows
from catalog.tables import METADATA
from kernel.errors import CatalogError

_T = METADATA.tables
CODE_TABLES = (
    "region",
    "region_alias",
    "industry",
    "site",
    "room",
    "seat",
    "source",
    "retention_class",
    "retention_term",
    "retention_rule",
)
"""Tables that a deployment edits, and places: one record tells all of them."""

_OF_PROJECT = {
    "project": "id",
    "hall_project": "hall_id",
    "section": "project_id",
    "venue": "project_id",
    "session": "project_id",
    "tag": "project_id",
    "booking": "project_id",
    "retention_choice": "project_id",
    "project_day": "project_id",
    "archive_number": "project_id",
    "file_set": "project_id",
    "file_set_archive": "project_id",
    "document": "project_id",
    "addendum": "project_id",
    "use_request": "project_id",
    "directive": "project_id",
    "presence": "project_id",
    "disposal": "project_id",
}
_OF_SESSION = (
    "session_section",
    "session_room",
    "session_source",
    "seating",
    "timeline_event",
    "witness_entry",
)
_RETIRED = "clip"
"""Of a project's clips only those that were retired: what a record of their archive could not know."""
PROJECT_TABLES = (*_OF_PROJECT, *_OF_SESSION, "addendum_object", "document_copy", _RETIRED)
ARCHIVE_TABLES = (
    "archive",
    "archive_object",
    "rendition",
    "clip",
    "clip_slice",
    "clip_gap",
    "run",
    "segment",
    "handed_file",
)
"""What an archive is made of. Receipts of renditions are not told again: they are in the package."""

_IN_PROJECT = ("session", "tag", "document", "disposal", "booking", "use_request", "addendum", "directive")
"""Tables whose ids audit records name, each with its project."""


class KeptRows:
    """Reads what records tell. Everything of one record is of one moment."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def audit_number(self) -> int:
        """Number of the newest audit record: where it is the same, nothing that records tell has changed."""
        query = select(_T["audit"].c.number).order_by(_T["audit"].c.number.desc()).limit(1)
        with reading(self._engine) as session:
            return session.connection().execute(query).scalar() or 0

    def code_tables(self) -> Rows:
        """Code tables and places as they are now."""
        with reading(self._engine) as session:
            connection = session.connection()
            return {name: _rows(connection, _T[name]) for name in CODE_TABLES}

    def projects(self) -> list[str]:
        """Projects of which the store has something: archived, held, appraised, shown or with documents."""
        session, hold = _T["session"].c, _T["hold"].c
        of_session = select(session.project_id).join(_T["archive"], _T["archive"].c.session_id == session.id)
        held = select(session.project_id).join(_T["hold"], hold.session_id == session.id)
        named = (
            select(_T["document"].c.project_id),
            select(_T["disposal"].c.project_id),
            select(_T["hall_project"].c.project_id),
            select(hold.project_id).where(hold.project_id.is_not(None)),
        )
        with reading(self._engine) as transaction:
            found = transaction.connection().execute(union(of_session, held, *named)).scalars()
            return sorted(found)

    def touched_since(self, number: int) -> set[str]:
        """Projects that audit records behind a number may be about: too many rather than too few."""
        audit = _T["audit"].c
        with reading(self._engine) as session:
            connection = session.connection()
            query = select(audit.subject, cast(audit.details, Text)).where(audit.number > number)
            ids: set[str] = set()
            for subject, details in connection.execute(query):
                ids |= {subject, *_words(details)}
            return _projects_of(connection, sorted(ids))

    def archives(self) -> dict[str, str]:
        """The project of each archive, by the archive's id."""
        archive, session = _T["archive"].c, _T["session"].c
        query = select(archive.id, session.project_id).join(_T["session"], session.id == archive.session_id)
        with reading(self._engine) as transaction:
            return {one.id: one.project_id for one in transaction.connection().execute(query)}

    def project(self, project_id: str) -> Rows:
        """All rows of a project that its archives' records do not tell."""
        sessions = select(_T["session"].c.id).where(_T["session"].c.project_id == project_id)
        with reading(self._engine) as session:
            connection = session.connection()
            rows = {
                name: _rows(connection, _T[name], _T[name].c[column] == project_id)
                for name, column in _OF_PROJECT.items()
            }
            for name in _OF_SESSION:
                rows[name] = _rows(connection, _T[name], _T[name].c.session_id.in_(sessions))
            clip, added, copy = _T[_RETIRED], _T["addendum_object"], _T["document_copy"]
            retired = clip.c.session_id.in_(sessions) & clip.c.retired_us.is_not(None)
            rows[_RETIRED] = _rows(connection, clip, retired)
            addenda = [one["id"] for one in rows["addendum"]]
            rows[added.name] = _rows(connection, added, added.c.addendum_id.in_(addenda))
            papers = [one["id"] for one in rows["document"]]
            rows[copy.name] = _rows(connection, copy, copy.c.document_id.in_(papers))
            return rows

    def archive(self, archive_id: str) -> Rows:
        """All rows that an archive is made of: the clips that it shows, and the segments that they use.

        Raises:
            CatalogError: there is no such archive.
        """
        clip, piece, run = _T["clip"].c, _T["clip_slice"].c, _T["run"].c
        with reading(self._engine) as session:
            connection = session.connection()
            archives = _rows(connection, _T["archive"], _T["archive"].c.id == archive_id)
            if not archives:
                raise CatalogError(f"there is no archive {archive_id}.")
            shown = select(_T["rendition"].c.clip_id).where(_T["rendition"].c.archive_id == archive_id)
            of_session = clip.session_id == archives[0]["session_id"]
            # Clips without any footage have no rendition, and hold until a later cut.
            clips = select(clip.id).where(of_session, clip.retired_us.is_(None) | clip.id.in_(shown))
            used = select(piece.segment_id).where(piece.clip_id.in_(clips))
            runs = select(_T["segment"].c.run_id).where(_T["segment"].c.id.in_(used))
            of_archive: Mapping[str, ColumnElement[bool]] = {
                "archive_object": _T["archive_object"].c.archive_id == archive_id,
                "rendition": _T["rendition"].c.archive_id == archive_id,
                "clip": clip.id.in_(clips),
                "clip_slice": piece.clip_id.in_(clips),
                "clip_gap": _T["clip_gap"].c.clip_id.in_(clips),
                "run": run.id.in_(runs),
                "segment": _T["segment"].c.id.in_(used),
                "handed_file": _T["handed_file"].c.run_id.in_(runs),
            }
            rows = {name: _rows(connection, _T[name], which) for name, which in of_archive.items()}
            return {"archive": archives, **rows, "rendition": [_brief(one) for one in rows["rendition"]]}


def _brief(rendition: dict[str, Any]) -> dict[str, Any]:
    return {**rendition, "receipt": {}}


def _rows(connection: Connection, table: Table, *which: ColumnElement[bool]) -> list[dict[str, Any]]:
    """Rows in the order of their keys: the same rows are always told the same."""
    query = select(table).where(*which).order_by(*table.primary_key)
    return [dict(row._mapping) for row in connection.execute(query)]


def _words(details: str) -> set[str]:
    """Strings that stand in details, at the top: ids are among them."""
    try:
        told = json.loads(details)
    except ValueError:  # somebody wrote over it: the chain tells
        return set()
    return {one for one in told.values() if isinstance(one, str)} if isinstance(told, dict) else set()


def _projects_of(connection: Connection, ids: Collection[str]) -> set[str]:
    found: set[str] = set()
    names = list(ids)
    for start in range(0, len(names), 500):
        some = names[start : start + 500]
        found |= set(
            connection.execute(select(_T["project"].c.id).where(_T["project"].c.id.in_(some))).scalars()
        )
        for name in _IN_PROJECT:
            table = _T[name].c
            of = select(table.project_id).where(table.id.in_(some), table.project_id.is_not(None))
            found |= set(connection.execute(of).scalars())
    return found
