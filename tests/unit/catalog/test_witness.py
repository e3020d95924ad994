"""Witness records in the catalogue: entry by entry, with time and account, on the audit chain."""

from __future__ import annotations

import pytest

from catalog.audit import AuditFilter
from catalog.catalogue import Catalogue
from catalog.witness import EntryRefused
from kernel.errors import TimelineError
from kernel.model.timeline import Phase
from kernel.model.witness import WitnessAct
from kernel.witness_record import Objection, witness_items
from tests.support.catalogue import add_session

MANDATORY = [one.id for one in witness_items()[Phase.OPENING] if one.mandatory]


def tick(catalogue: Catalogue, item: str, at_us: int = 300) -> None:
    catalogue.witness_records.enter("P-O", WitnessAct.TICK, item=item, principal="w-zt-1", at_us=at_us)


def test_a_tick_bears_its_time_and_account_and_is_on_the_chain(catalogue: Catalogue) -> None:
    add_session(catalogue, 100, 200)
    tick(catalogue, MANDATORY[0])
    record = catalogue.witness_records.of_session("P-O")
    assert record is not None
    assert (record.ticks[MANDATORY[0]].principal, record.ticks[MANDATORY[0]].recorded_us) == ("w-zt-1", 300)
    (told,) = catalogue.audit.records(AuditFilter(action="witness."))
    assert (told.action, told.subject, told.details["item"]) == ("witness.ticked", "P-O", MANDATORY[0])


def test_closing_names_what_is_missing_and_leaves_no_entry(catalogue: Catalogue) -> None:
    """W5."""
    add_session(catalogue, 100, 200)
    for item in MANDATORY[1:]:
        tick(catalogue, item)
    with pytest.raises(EntryRefused) as caught:
        catalogue.witness_records.enter("P-O", WitnessAct.CLOSE, principal="w-zt-1", at_us=400)
    assert (caught.value.code, caught.value.missing) == (Objection.MISSING, [MANDATORY[0]])
    record = catalogue.witness_records.of_session("P-O")
    assert record is not None
    assert len(record.entries) == len(MANDATORY) - 1
    tick(catalogue, MANDATORY[0])
    done = catalogue.witness_records.enter("P-O", WitnessAct.CLOSE, principal="w-zt-1", at_us=500)
    assert done.closed is not None
    assert [entry.number for entry in done.entries] == list(range(1, len(MANDATORY) + 2))


def test_a_session_that_does_not_exist_has_no_record(catalogue: Catalogue) -> None:
    assert catalogue.witness_records.of_session("nowhere") is None
    with pytest.raises(TimelineError, match="no session nowhere"):
        catalogue.witness_records.enter("nowhere", WitnessAct.TICK, item=MANDATORY[0], principal="w", at_us=1)
