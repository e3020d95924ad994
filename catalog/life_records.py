"""Holds and disposals as small objects of the store, so that they can be read from it alone (invariant 12).

Each is written once and never changed; their formats are described in ``docs/design/retention.md``. What the
catalogue has and the store lacks is written by ``LifeRecords.write_missing``, in any order and as often as
one likes: the objects are the state.
"""

from __future__ import annotations

import hashlib
import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from catalog.disposal import Disposals
from catalog.holds import Holds
from catalog.objects import ObjectStore
from kernel.audit_chain import canonical
from kernel.errors import FixityError, ObjectExists
from kernel.model.footage import Hold
from kernel.model.life import Disposal, DisposalState

HOLDS, DISPOSALS = "holds/", "disposals/"
"""What keys of these records begin with; no archive's keys do."""
HOLD_MADE, HOLD_LIFTED = "jianzheng.hold/1", "jianzheng.hold-lifted/1"
EXTENDED = "jianzheng.extension/1"


class LifeRecords:
    """Writes to the store what the catalogue knows of holds and extensions."""

    def __init__(self, holds: Holds, disposals: Disposals, store: ObjectStore) -> None:
        self._holds = holds
        self._disposals = disposals
        self._store = store

    def write_missing(self) -> int:
        """Write every record that the store lacks; returns how many.

        Raises:
            StorageError: the store cannot be listed or written; what was written stays.
        """
        there = {*self._store.list_keys(HOLDS), *self._store.list_keys(DISPOSALS)}
        lacking = [(key, content) for key, content in self._records() if key not in there]
        for key, content in lacking:
            put_once(self._store, key, content)
        return len(lacking)

    def _records(self) -> Iterator[tuple[str, bytes]]:
        acts: dict[str, list[Hold]] = defaultdict(list)
        for hold in self._holds.all(released=True):
            acts[hold.act_id].append(hold)
        for act in acts.values():
            yield hold_record(act)
            yield from lifted_records(act)
        for one in self._disposals.all():
            if one.state is DisposalState.EXTENDED:
                yield extension_record(one)


def hold_record(act: Sequence[Hold]) -> tuple[str, bytes]:
    """Key and content of what one act holds."""
    first = act[0]
    told = {
        "format": HOLD_MADE,
        "act": first.act_id,
        "made_us": first.made_us,
        "principal": first.principal,
        "holds": [_hold(one) for one in sorted(act, key=lambda one: one.id)],
    }
    return f"{_folder(first.act_id)}made.json", canonical(told).encode("utf-8")


def lifted_records(act: Sequence[Hold]) -> Iterator[tuple[str, bytes]]:
    """Keys and contents of each time that something of an act was let go of."""
    times: dict[tuple[int, str, str], list[str]] = defaultdict(list)
    for one in act:
        if one.released_us is not None:
            times[one.released_us, one.released_by, one.release_reason].append(one.id)
    for (at_us, principal, reason), ids in times.items():
        told = {
            "format": HOLD_LIFTED,
            "act": act[0].act_id,
            "released_us": at_us,
            "principal": principal,
            "reason": reason,
            "holds": sorted(ids),
        }
        content = canonical(told).encode("utf-8")
        yield f"{_folder(act[0].act_id)}lifted-{hashlib.sha256(content).hexdigest()[:16]}.json", content


def extension_record(made: Disposal) -> tuple[str, bytes]:
    """Key and content of the decision to keep a file longer."""
    told = {
        "format": EXTENDED,
        "disposal": made.id,
        "project": made.project_id,
        "version": made.version,
        "class": made.class_code,
        "new_class": made.new_class,
        "last_day": made.last_day.isoformat(),
        "grounds": dict(made.grounds),
        "reason": made.reason,
        "principal": made.proposed_by,
        "at_us": made.proposed_us,
    }
    return disposal_key(made.id, "extended.json"), canonical(told).encode("utf-8")


def disposal_key(disposal_id: str, name: str) -> str:
    """Key of a record of an appraisal."""
    return f"{DISPOSALS}{quote(disposal_id, safe='')}/{name}"


def put_once(store: ObjectStore, key: str, content: bytes) -> None:
    """Store a record under its key and read it back; the same again changes nothing.

    Raises:
        FixityError: the key holds something else.
        StorageError: it cannot be stored or read.
    """
    with suppress(ObjectExists):  # of an attempt whose answer was lost: what is read back decides
        store.put(key, io.BytesIO(content))
    with store.open(key) as reader:
        if reader.read() != content:
            raise FixityError(f"{key} holds another record than the catalogue.", hint="Compare both.")


def _folder(act_id: str) -> str:
    return f"{HOLDS}{quote(act_id, safe='')}/"


def _hold(one: Hold) -> dict[str, Any]:
    """All that makes the row again; how it was let go of is another record."""
    return {
        "id": one.id,
        "kind": str(one.kind),
        "source": one.source_id,
        "session": one.session_id,
        "project": one.project_id,
        "agency": one.agency,
        "start_us": one.wall.start_us,
        "end_us": one.wall.end_us,
        "reason": one.reason,
        "tag": one.tag_id,
    }
