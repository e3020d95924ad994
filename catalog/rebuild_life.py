"""Holds and disposals as rows, read from their objects in the store (``docs/design/retention.md``)."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from catalog.certificate import CERTIFICATE, ORDER, checked
from catalog.destruction import CERTIFICATE_NAME, ORDER_NAME
from catalog.life_records import EXTENDED, HOLD_LIFTED, HOLD_MADE
from catalog.rebuild_rows import Rows, checked_row
from catalog.tables import METADATA
from kernel.errors import FixityError
from kernel.model.life import DisposalState

_HOLD, _DISPOSAL, _OBJECT = (METADATA.tables[name] for name in ("hold", "disposal", "disposal_object"))
_OPTIONAL = {"source": "source_id", "session": "session_id", "project": "project_id"}


def holds_of(contents: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """Rows of what one act holds, with how each was let go of.

    Args:
        contents: all records of the act, by key.

    Raises:
        FixityError: a record makes no sense, or is of something else.
    """
    made: dict[str, dict[str, Any]] = {}
    lifted: list[dict[str, Any]] = []
    for content in contents.values():
        told = _json(content)
        if told.get("format") == HOLD_MADE:
            made |= {row["id"]: row for row in (_hold(one, told) for one in _list(told, "holds"))}
        elif told.get("format") == HOLD_LIFTED:
            lifted.append(told)
        else:
            raise FixityError(f"its format {told.get('format')!r} is not known")
    for told in lifted:
        for name in _list(told, "holds"):
            if not isinstance(name, str) or name not in made:
                raise FixityError(f"it lets go of {name}, which it does not hold")
            made[name] |= {
                "released_us": told.get("released_us"),
                "released_by": told.get("principal"),
                "release_reason": told.get("reason"),
            }
    return [checked_row(_HOLD, row) for row in made.values()]


def _hold(one: Any, told: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(one, dict) or not isinstance(one.get("id"), str):
        raise FixityError("a hold of it is none")
    return {
        "id": one.get("id"),
        "kind": one.get("kind"),
        **{column: one.get(name) or None for name, column in _OPTIONAL.items()},
        "agency": one.get("agency"),
        "wall_start_us": one.get("start_us"),
        "wall_end_us": one.get("end_us"),
        "reason": one.get("reason"),
        "tag_id": one.get("tag"),
        "act_id": told.get("act"),
        "made_us": told.get("made_us"),
        "principal": told.get("principal"),
        "released_us": None,
        "released_by": "",
        "release_reason": "",
    }


@dataclass(kw_only=True, slots=True)
class FoundDisposals:
    """What the store tells of appraisals, by project."""

    disposals: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    objects: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    going: set[str] = field(default_factory=set)  # keys that are destroyed, or are to be
    done: dict[str, int] = field(default_factory=dict)  # when all was gone, by key

    def add(self, disposal_id: str, contents: Mapping[str, bytes]) -> None:
        """Take in the records of one appraisal.

        Raises:
            FixityError: a record is not what was signed, or makes no sense.
        """
        row, objects = _disposal(disposal_id, contents)
        if row is None:
            return
        found, listed = checked_row(_DISPOSAL, row), [checked_row(_OBJECT, one) for one in objects]
        self.disposals[found["project_id"]].append(found)
        self.objects[found["project_id"]] += listed
        self.going |= {one["key"] for one in listed}
        if found["done_us"] is not None:
            self.done |= {one["key"]: found["done_us"] for one in listed}

    def merged(self, rows: Rows) -> Rows:
        """Rows of a project, with appraisals as far as they have come by what was recorded last."""
        project_id = str(rows["project"][0]["id"])
        told = {one["id"]: one for one in self.disposals.get(project_id, [])}
        kept = [
            one
            for one in rows.get("disposal", [])
            if one["id"] not in told or told[one["id"]]["state"] == one["state"]
        ]
        known = {one["id"] for one in kept}
        return {**rows, "disposal": kept + [one for name, one in told.items() if name not in known]}

    def objects_of(self, project_id: str, archives: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
        """Rows of a project's objects that are to be destroyed or are gone.

        Args:
            archives: id and prefix of its archives.
        """
        prefixes = {f"{prefix}/": archive_id for archive_id, prefix in archives}
        return [
            {**one, "archive_id": next((i for p, i in prefixes.items() if one["key"].startswith(p)), None)}
            for one in self.objects.get(project_id, [])
        ]


def _disposal(
    disposal_id: str, contents: Mapping[str, bytes]
) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """The row of an appraisal and those of its objects, by the record that says most."""
    named = {key.rpartition("/")[2]: content for key, content in contents.items()}
    if CERTIFICATE_NAME in named:
        told = _statement(named[CERTIFICATE_NAME], CERTIFICATE, disposal_id)
        digest = hashlib.sha256(named[CERTIFICATE_NAME]).hexdigest()
        done = {"done_us": told.get("done_us"), "certificate_sha256": digest}
        return _row(told, DisposalState.DONE) | done, _objects(told)
    if ORDER_NAME in named:
        told = _statement(named[ORDER_NAME], ORDER, disposal_id)
        return _row(told, DisposalState.ORDERED), _objects(told)
    if "extended.json" in named:
        told = _json(named["extended.json"])
        if (told.get("format"), told.get("disposal")) != (EXTENDED, disposal_id):
            raise FixityError(
                f"its format {told.get('format')!r} is not known, or it is of another appraisal"
            )
        project = {"id": told.get("project")}
        by = {"project": project, "proposed_by": told.get("principal"), "proposed_us": told.get("at_us")}
        return _row(told | by, DisposalState.EXTENDED), []
    return None, []


def _row(told: Mapping[str, Any], state: DisposalState) -> dict[str, Any]:
    project = told.get("project")
    return {
        "id": told.get("disposal"),
        "project_id": project.get("id") if isinstance(project, dict) else None,
        "version": told.get("version"),
        "state": state.value,
        "class_code": told.get("class"),
        "new_class": told.get("new_class", ""),
        "last_day": told.get("last_day"),
        "grounds": told.get("grounds"),
        "reason": told.get("reason"),
        "proposed_by": told.get("proposed_by"),
        "proposed_us": told.get("proposed_us"),
        "signed_by": told.get("signed_by", ""),
        "signed_us": told.get("signed_us"),
        "ordered_us": told.get("ordered_us"),
        "stopped": "",
        "done_us": None,
        "certificate_sha256": "",
        "withdrawn_by": "",
        "withdrawn_reason": "",
        "withdrawn_us": None,
    }


def _objects(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of what is gone nobody wrote down since when nothing stopped its deletion: then, at the latest."""
    found = []
    for one in _list(told, "objects"):
        if not isinstance(one, dict):
            raise FixityError("an object of it is none")
        gone_us = one.get("gone_us")
        row = {name: one.get(name) for name in ("key", "size_bytes", "sha256", "sm3")}
        times = {"going_us": gone_us, "gone_us": gone_us}
        found.append({**row, **times, "disposal_id": told.get("disposal"), "archive_id": None})
    return found


def _statement(content: bytes, form: str, disposal_id: str) -> dict[str, Any]:
    told = checked(content)
    if (told.get("format"), told.get("disposal")) != (form, disposal_id):
        raise FixityError(f"its format {told.get('format')!r} is not known, or it is of another appraisal")
    return told


def _json(content: bytes) -> dict[str, Any]:
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        raise FixityError("it is no JSON") from None
    if not isinstance(told, dict):
        raise FixityError("it is no JSON object")
    return told


def _list(told: Mapping[str, Any], name: str) -> list[Any]:
    found = told.get(name)
    if not isinstance(found, list):
        raise FixityError(f"it has no {name}")
    return found


def subject_of(key: str) -> str:
    """Act or appraisal that a record's key names."""
    parts = key.split("/")
    return unquote(parts[1]) if len(parts) == 3 else ""
