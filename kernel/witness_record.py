"""Witness records: the lists of ``kernel/data/witness_record.yaml``, and how a record stands. Pure.

A record is a fold over its entries. Nothing is changed: a tick that was wrong is taken back by another entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

import yaml

from kernel.model.timeline import Phase
from kernel.model.witness import WitnessAct, WitnessEntry

_FILE = Path(__file__).parent / "data" / "witness_record.yaml"


@dataclass(frozen=True, kw_only=True, slots=True)
class WitnessItem:
    """A point of the list of a phase."""

    id: str
    zh: str
    en: str
    mandatory: bool  # without it the record cannot be closed


@dataclass(frozen=True, kw_only=True, slots=True)
class WitnessRecord:
    """How the record of a session stands."""

    items: tuple[WitnessItem, ...]
    ticks: Mapping[str, WitnessEntry]  # that stand, by item
    closed: WitnessEntry | None  # None: it is open
    entries: tuple[WitnessEntry, ...]  # all that was ever entered, in order

    @property
    def missing(self) -> list[WitnessItem]:
        """What has to be ticked before it can be closed."""
        return [one for one in self.items if one.mandatory and one.id not in self.ticks]


@cache
def witness_items() -> Mapping[Phase, tuple[WitnessItem, ...]]:
    """The list of each phase that has one."""
    told = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return {Phase(phase): tuple(WitnessItem(**row) for row in rows) for phase, rows in told.items()}


def record_of(phase: Phase, entries: Iterable[WitnessEntry]) -> WitnessRecord:
    """How a record stands after all that was entered."""
    told = tuple(sorted(entries, key=lambda entry: entry.number))
    ticks: dict[str, WitnessEntry] = {}
    closed = None
    for entry in told:
        match entry.act:
            case WitnessAct.TICK:
                ticks[entry.item] = entry
            case WitnessAct.UNTICK:
                ticks.pop(entry.item, None)
            case WitnessAct.CLOSE:
                closed = entry
            case WitnessAct.REOPEN:
                closed = None
    return WitnessRecord(items=witness_items().get(phase, ()), ticks=ticks, closed=closed, entries=told)


class Objection(StrEnum):
    """Why an entry cannot be added; the page has words for each."""

    NO_LIST = "no_list"
    """The phase has no list: nothing is to be recorded."""
    UNKNOWN_ITEM = "unknown_item"
    TICKED = "ticked"
    """It is ticked already: take that back first."""
    NOT_TICKED = "not_ticked"
    MISSING = "missing"
    """Something mandatory is not ticked."""
    CLOSED = "closed"
    """Open it again first, with a reason."""
    NOT_CLOSED = "not_closed"
    NO_REASON = "no_reason"


def objection(record: WitnessRecord, entry: WitnessEntry) -> Objection | None:
    """Why an entry cannot be added to a record as it stands; None: it can."""
    if not record.items:
        return Objection.NO_LIST
    if (record.closed is not None) != (entry.act is WitnessAct.REOPEN):
        return Objection.NOT_CLOSED if record.closed is None else Objection.CLOSED
    if entry.act in (WitnessAct.REOPEN, WitnessAct.UNTICK) and not entry.text:
        return Objection.NO_REASON
    if entry.act is WitnessAct.CLOSE:
        return Objection.MISSING if record.missing else None
    return None if entry.act is WitnessAct.REOPEN else _of_an_item(record, entry)


def _of_an_item(record: WitnessRecord, entry: WitnessEntry) -> Objection | None:
    if entry.item not in {one.id for one in record.items}:
        return Objection.UNKNOWN_ITEM
    ticked = entry.item in record.ticks
    if ticked == (entry.act is WitnessAct.TICK):
        return Objection.TICKED if ticked else Objection.NOT_TICKED
    return None
