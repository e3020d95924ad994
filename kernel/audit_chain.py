"""The chain of hashes over audit records: any change, gap or other order shows, and names the record.

A record's hash is SHA-256 over canonical JSON (sorted keys, no spaces, UTF-8) of all its fields, the hash of
the record before among them. Whoever may write to the database may also write a whole new chain: that shows
against a head that was exported before (``AuditHead``), which is therefore kept elsewhere. For an outsider:
``docs/design/audit.md``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from kernel.model.audit import AuditFault, AuditHead, AuditRecord

NO_RECORD = "0" * 64
"""Hash before the first record."""
_HASHED = (
    "action",
    "at_us",
    "details",
    "number",
    "origin",
    "previous",
    "principal",
    "result",
    "subject",
)
"""Fields of a record that its hash is over. Never another list: each record ever written is hashed by it."""


def canonical(value: object) -> str:
    """JSON with sorted keys and no spaces.

    Raises:
        TypeError: it cannot be said in JSON.
    """
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def digest(value: object) -> str:
    """SHA-256 over the canonical JSON of a value, lower-case hex; for what is too long to say."""
    return _sha256(canonical(value))


def told_details(details: Mapping[str, Any]) -> dict[str, Any]:
    """Details as they are once they were stored: the hash is over what a reader finds.

    Raises:
        TypeError, ValueError: they cannot be said in JSON.
    """
    told: dict[str, Any] = json.loads(json.dumps(dict(details), allow_nan=False))
    return told


def record_hash(record: AuditRecord) -> str:
    """SHA-256 over all fields of a record but its own hash, lower-case hex."""
    told = {name: getattr(record, name) for name in _HASHED}
    return _sha256(canonical(told | {"details": dict(record.details)}))


def chain_faults(
    records: Iterable[AuditRecord],
    *,
    after: int = 0,
    previous: str = NO_RECORD,
    heads: Sequence[AuditHead] = (),
) -> Iterator[AuditFault]:
    """What is wrong with a chain; nothing where it is as it was written.

    Args:
        records: by number, ascending, from the first one behind ``after``.
        after: number of the last record that left the chain with a closed epoch; 0: none did.
        previous: its hash.
        heads: heads that were exported before, none of them of a record that left.
    """
    exported: dict[int, list[AuditHead]] = {}
    for head in heads:
        exported.setdefault(head.number, []).append(head)
    for record in records:
        for number in range(after + 1, record.number):
            yield AuditFault(number=number, what="is missing")
        if wrong := _own_fault(record) or _place_fault(record, after, previous):
            yield AuditFault(number=record.number, what=wrong)
        if any(head.hash != record.hash for head in exported.pop(record.number, ())):
            yield AuditFault(number=record.number, what="is not the record of which the head was exported")
        after, previous = record.number, record.hash
    for number in sorted(exported):
        if number > after:
            yield AuditFault(number=number, what="is missing at the end: its head was exported")


def _own_fault(record: AuditRecord) -> str:
    """What is wrong with a record by itself."""
    try:
        same = record_hash(record) == record.hash
    except (TypeError, ValueError):  # its details are nothing that was ever written
        same = False
    return "" if same else "was changed: its content is not what its hash says"


def _place_fault(record: AuditRecord, after: int, previous: str) -> str:
    """Behind a missing record it says nothing new that a record does not follow."""
    if record.number != after + 1 or record.previous == previous:
        return ""
    return f"does not follow on record {after}: one of the two was changed, put in, exchanged or made anew"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
