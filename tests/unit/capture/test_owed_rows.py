"""A catalogue that cannot be written, its disk being full: nothing is lost, all is said once it can be."""

from __future__ import annotations

import pytest

from capture.gap_ledger import GapLedger
from capture.memory_rows import MemoryRows
from capture.owed_rows import OwedRows
from kernel.errors import CatalogError
from kernel.model.footage import Gap, GapCause


class FullRows(MemoryRows):
    """Takes nothing while it is full."""

    full = True

    def _refuse(self) -> None:
        if self.full:
            raise CatalogError("The catalogue cannot be written: its disk is full.")

    def open_gap(self, gap: Gap) -> None:
        self._refuse()
        super().open_gap(gap)


def test_what_is_owed_is_written_in_order_and_what_fails_again_stays_owed() -> None:
    owed, written, broken = OwedRows(), [], {"one", "two"}

    def write(name: str) -> None:
        if name in broken:
            raise CatalogError("It is full.")
        written.append(name)

    for name in ("one", "two"):
        with pytest.raises(CatalogError):
            owed.write(lambda name=name: write(name))
    broken.remove("two")
    with pytest.raises(CatalogError):
        owed.settle()
    assert written == ["two"]
    broken.clear()
    owed.settle()
    owed.settle()
    assert written == ["two", "one"]


@pytest.mark.parametrize("then", ["resumed", "stopped"])
def test_an_outage_that_could_not_be_declared_keeps_its_first_cause_and_its_begin(then: str) -> None:
    rows = FullRows()
    ledger = GapLedger("cam", rows)
    ledger.expect(1_000, None)
    for cause, detail in ((GapCause.DISK_FULL, "The disk is full."), (GapCause.CRASH, "Something else.")):
        with pytest.raises(CatalogError):
            ledger.outage(cause, detail)
    rows.full = False
    if then == "resumed":
        ledger.resumed(5_000)
    else:
        ledger.stopped(GapCause.STOPPED, "Stopped by tester.", 5_000)
    gap, *after = rows.gaps
    assert (gap.start_us, gap.end_us, gap.cause, gap.detail) == (
        1_000,
        5_000,
        GapCause.DISK_FULL,
        "The disk is full.",
    )
    assert [(one.start_us, one.cause) for one in after] == [(5_000, GapCause.STOPPED)] * (then == "stopped")
