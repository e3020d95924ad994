"""Witness records: closed only when nothing mandatory is missing, edited only by adding."""

from __future__ import annotations

import pytest

from kernel.model.timeline import Phase
from kernel.model.witness import WitnessAct, WitnessEntry
from kernel.witness_record import Objection, WitnessRecord, objection, record_of, witness_items

ITEMS = witness_items()[Phase.EVALUATION]
MANDATORY = [one.id for one in ITEMS if one.mandatory]


def entry(number: int, act: WitnessAct, item: str = "", text: str = "") -> WitnessEntry:
    return WitnessEntry(
        session_id="S", number=number, act=act, item=item, text=text, principal="w", recorded_us=number
    )


def record(*told: tuple[WitnessAct, str]) -> WitnessRecord:
    entries = [entry(number, act, item, "why") for number, (act, item) in enumerate(told, 1)]
    return record_of(Phase.EVALUATION, entries)


ALL_TICKED = [(WitnessAct.TICK, one) for one in MANDATORY]


def refused(of: WitnessRecord, act: WitnessAct, item: str = "", text: str = "") -> Objection | None:
    return objection(of, entry(len(of.entries) + 1, act, item, text))


def test_every_point_has_an_id_of_its_own_and_words() -> None:
    for phase, items in witness_items().items():
        ids = [one.id for one in items]
        assert len(set(ids)) == len(ids), phase
        assert all(one.zh and one.en for one in items)
        assert any(one.mandatory for one in items)


@pytest.mark.parametrize("left_out", MANDATORY)
def test_it_cannot_be_closed_while_a_mandatory_tick_is_missing(left_out: str) -> None:
    """W5: leave one mandatory tick out."""
    told = record(*(one for one in ALL_TICKED if one[1] != left_out))
    assert refused(told, WitnessAct.CLOSE) is Objection.MISSING
    assert [one.id for one in told.missing] == [left_out]


def test_what_is_not_mandatory_may_be_left_out() -> None:
    assert any(not one.mandatory for one in ITEMS)
    assert refused(record(*ALL_TICKED), WitnessAct.CLOSE) is None


def test_a_tick_that_was_taken_back_is_missing_again_and_both_entries_stay() -> None:
    told = record(*ALL_TICKED, (WitnessAct.UNTICK, MANDATORY[0]))
    assert [one.id for one in told.missing] == [MANDATORY[0]]
    assert refused(told, WitnessAct.CLOSE) is Objection.MISSING
    assert len(told.entries) == len(ALL_TICKED) + 1


def test_a_closed_record_takes_nothing_until_it_is_opened_again_with_a_reason() -> None:
    closed = record(*ALL_TICKED, (WitnessAct.CLOSE, ""))
    assert closed.closed is not None
    for act in (WitnessAct.TICK, WitnessAct.UNTICK, WitnessAct.CLOSE):
        assert refused(closed, act, MANDATORY[0], "why") is Objection.CLOSED
    assert refused(closed, WitnessAct.REOPEN) is Objection.NO_REASON
    assert refused(closed, WitnessAct.REOPEN, text="勾选有误") is None
    again = record(*ALL_TICKED, (WitnessAct.CLOSE, ""), (WitnessAct.REOPEN, ""))
    assert again.closed is None
    assert refused(again, WitnessAct.UNTICK, MANDATORY[0], "why") is None


def test_what_makes_no_sense_is_refused() -> None:
    empty = record()
    assert refused(empty, WitnessAct.TICK, "nonsense") is Objection.UNKNOWN_ITEM
    assert refused(empty, WitnessAct.UNTICK, MANDATORY[0], "why") is Objection.NOT_TICKED
    assert refused(empty, WitnessAct.REOPEN, text="why") is Objection.NOT_CLOSED
    ticked = record((WitnessAct.TICK, MANDATORY[0]))
    assert refused(ticked, WitnessAct.TICK, MANDATORY[0]) is Objection.TICKED
    assert refused(ticked, WitnessAct.UNTICK, MANDATORY[0]) is Objection.NO_REASON


def test_a_phase_without_a_list_has_no_record() -> None:
    told = record_of(Phase.HALL, [])
    assert refused(told, WitnessAct.CLOSE) is Objection.NO_LIST
