"""A chain of audit records: whatever is done to it shows, and names the record (invariant 14)."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import pytest

from kernel.audit_chain import NO_RECORD, chain_faults, digest, record_hash, told_details
from kernel.model.audit import AuditHead, AuditRecord

LENGTH = 6


def record(number: int, previous: str, **other: Any) -> AuditRecord:
    told = AuditRecord(
        number=number,
        at_us=1_000_000 * number,
        principal="见证员",
        action="hold.made",
        subject=f"hold-{number}",
        origin="10.0.0.7",
        result="done",
        details={"reason": "质疑", "gone": 0, "wall": [1, 2]},
        previous=previous,
        hash="",
    )
    told = replace(told, **other)
    return replace(told, hash=record_hash(told))


def chain(length: int = LENGTH) -> list[AuditRecord]:
    made: list[AuditRecord] = []
    for number in range(1, length + 1):
        made.append(record(number, made[-1].hash if made else NO_RECORD))
    return made


def named(records: list[AuditRecord], **how: Any) -> list[int]:
    return [fault.number for fault in chain_faults(records, **how)]


def head(records: list[AuditRecord], number: int) -> AuditHead:
    return AuditHead(number=number, hash=records[number - 1].hash, at_us=0)


def test_a_chain_as_it_was_written_has_no_fault() -> None:
    assert named(chain()) == []
    assert named([]) == []


def test_a_hash_never_means_another_record_than_it_did_when_it_was_written() -> None:
    """Records of this version are verified for thirty years: neither fields nor their writing may change."""
    written = "0b98dc8fd625d991765d8be79e83f3d5d0e943b85775fa647f68643ab32c4113"
    assert chain(2)[1].hash == written


def test_every_field_counts() -> None:
    told = chain(1)[0]
    others: dict[str, Any] = {
        name: value + 1 if isinstance(value := getattr(told, name), int) else "other"
        for name in (field.name for field in fields(AuditRecord))
        if name not in ("hash", "details")
    }
    others["details"] = {**told.details, "gone": 1}
    assert len(others) == len(fields(AuditRecord)) - 1
    for name, other in others.items():
        assert record_hash(replace(told, **{name: other})) != told.hash, name


@pytest.mark.parametrize("which", [0, 2, LENGTH - 1])
def test_a_changed_record_is_named(which: int) -> None:
    records = chain()
    records[which] = replace(records[which], principal="somebody else")
    [fault] = chain_faults(records)
    assert (fault.number, "was changed" in fault.what) == (which + 1, True)


@pytest.mark.parametrize("which", [0, 2, LENGTH - 2])
def test_a_changed_record_with_a_hash_to_match_breaks_the_chain_behind_it(which: int) -> None:
    records = chain()
    records[which] = record(which + 1, records[which].previous, principal="somebody else")
    [fault] = chain_faults(records)
    assert fault.number == which + 2
    assert f"record {which + 1}" in fault.what


@pytest.mark.parametrize("which", [0, 2])
def test_a_missing_record_is_named_once(which: int) -> None:
    records = chain()
    del records[which]
    assert [fault.what for fault in chain_faults(records)] == ["is missing"]
    assert named(records) == [which + 1]


def test_all_of_several_that_are_missing_are_named() -> None:
    records = chain()
    del records[1:4]
    assert named(records) == [2, 3, 4]


def test_a_record_that_is_missing_at_the_end_only_a_head_shows() -> None:
    records = chain()
    kept = records[:-1]
    assert named(kept) == []
    assert named(kept, heads=[head(records, LENGTH)]) == [LENGTH]


def test_two_that_were_exchanged_are_both_named() -> None:
    records = chain()
    first, second = records[1], records[3]
    records[1], records[3] = replace(second, number=2), replace(first, number=4)
    assert set(named(records)) >= {2, 4}


def test_a_chain_that_was_rewritten_as_a_whole_only_a_head_shows() -> None:
    records = chain()
    forged = [record(1, NO_RECORD, principal="somebody else")]
    for number in range(2, LENGTH + 1):
        forged.append(record(number, forged[-1].hash))
    assert named(forged) == []
    assert named(forged, heads=[head(records, 4)]) == [4]


def test_of_two_heads_of_one_record_each_counts() -> None:
    records = chain()
    forged = replace(head(records, 3), hash=NO_RECORD)
    assert named(records, heads=[head(records, 3), forged]) == [3]
    assert named(records, heads=[forged, head(records, 3)]) == [3]


def test_behind_a_closed_epoch_the_chain_goes_on_from_its_last_hash() -> None:
    records = chain()
    assert named(records[3:], after=3, previous=records[2].hash) == []
    assert named(records[3:], after=3, previous=NO_RECORD) == [4]
    assert named(records[3:], after=2, previous=records[1].hash) == [3]


def test_content_that_no_json_can_say_is_a_change_and_no_crash() -> None:
    """SQLite takes bytes for a text."""
    records = chain()
    records[2] = replace(records[2], principal=b"\xff")  # type: ignore[arg-type]
    assert named(records) == [3]


@pytest.mark.parametrize(
    "details", [{"a": (1, 2)}, {"b": {2: "x", 10: "y"}}, {"c": 1e300, "d": -0.5}, {"e": "\ud800"}]
)
def test_details_hash_as_they_read_back(details: dict[str, Any]) -> None:
    told = told_details(details)
    assert told_details(told) == told
    assert record(1, NO_RECORD, details=told).hash == record(1, NO_RECORD, details=told_details(told)).hash


@pytest.mark.parametrize("details", [{"a": math.nan}, {"b": math.inf}, {"c": object()}])
def test_details_that_a_database_could_not_give_back_are_refused(details: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        told_details(details)


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
