"""The chain of hashes over audit records: any change, gap or other order shows, and names the record.

A record's hash is SHA-256 over canonical JSON (sorted keys, no spaces, UTF-8) of all its fields, the hash of
the record before among them. Whoever may write to the database may also write a whole new chain: that shows
against a head that was exported before (``AuditHead``), which is therefore kept elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields

from kernel.model.audit import AuditFault, AuditHead, AuditRecord

NO_RECORD = "0" * 64
"""Hash before the first record."""


def record_hash(record: AuditRecord) -> str:
    """SHA-256 over all fields of a record but its own hash, lower-case hex."""
    told = {one.name: getattr(record, one.name) for one in fields(record) if one.name != "hash"}
    told["details"] = dict(record.details)
    text = json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


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
        heads: heads that were exported before.
    """
    exported = {head.number: head for head in heads}
    for record in records:
        for number in range(after + 1, record.number):
            yield AuditFault(number=number, what="is missing")
        if record_hash(record) != record.hash:
            yield AuditFault(number=record.number, what="was changed: its content is not what its hash says")
        elif record.number == after + 1 and record.previous != previous:
            # After a missing record this says nothing new.
            what = "does not follow on the record before: one of the two was put in, exchanged or made anew"
            yield AuditFault(number=record.number, what=what)
        head = exported.pop(record.number, None)
        if head is not None and head.hash != record.hash:
            yield AuditFault(number=record.number, what="is not the record of which the head was exported")
        after, previous = record.number, record.hash
    for number in sorted(exported):
        if number > after:
            yield AuditFault(number=number, what="is missing at the end: its head was exported")
