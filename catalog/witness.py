"""Witness records: entries of sessions, only ever added to."""

from __future__ import annotations

from sqlalchemy import Engine
from sqlmodel import Session as Transaction
from sqlmodel import col, select

from catalog.audit import append
from catalog.database import reading, writing
from catalog.locks import locked_session
from catalog.tables import SessionRow, WitnessEntryRow
from kernel.errors import WitnessRefused
from kernel.model.audit import Act, Action
from kernel.model.timeline import Phase
from kernel.model.witness import WitnessAct, WitnessEntry
from kernel.values import fields_of
from kernel.witness_record import Objection, WitnessRecord, objection, record_of

_ACTIONS = {
    WitnessAct.TICK: Action.WITNESS_TICKED,
    WitnessAct.UNTICK: Action.WITNESS_UNTICKED,
    WitnessAct.CLOSE: Action.WITNESS_CLOSED,
    WitnessAct.REOPEN: Action.WITNESS_REOPENED,
}


class EntryRefused(WitnessRefused):
    """An entry of a witness record was not taken."""

    def __init__(self, code: Objection, record: WitnessRecord) -> None:
        self.code = code
        self.missing = [one.id for one in record.missing] if code is Objection.MISSING else []
        named = ", ".join(one.en for one in record.missing) if self.missing else ""
        super().__init__(f"the witness record refuses that ({code}){f': {named}' if named else ''}.")


class WitnessRecords:
    """The catalogue's witness records."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def enter(
        self, session_id: str, act: WitnessAct, *, item: str = "", text: str = "", principal: str, at_us: int
    ) -> WitnessRecord:
        """Add an entry; how the record stands after it.

        Raises:
            TimelineError: there is no such session.
            EntryRefused: the record does not take it as it stands.
        """
        with writing(self._engine) as session:
            row = locked_session(session, session_id)
            record = _record(session, row)
            entry = WitnessEntry(
                session_id=session_id,
                number=len(record.entries) + 1,
                act=act,
                item=item,
                text=text.strip(),
                principal=principal,
                recorded_us=at_us,
            )
            if code := objection(record, entry):
                raise EntryRefused(code, record)
            session.add(WitnessEntryRow(**fields_of(entry)))
            append(session, _told(entry, row.project_id))
            return record_of(Phase(row.phase), (*record.entries, entry))

    def of_session(self, session_id: str) -> WitnessRecord | None:
        """The record of a session; None where there is no such session."""
        with reading(self._engine) as session:
            row = session.get(SessionRow, session_id)
            return None if row is None else _record(session, row)


def _record(session: Transaction, row: SessionRow) -> WitnessRecord:
    query = select(WitnessEntryRow).where(WitnessEntryRow.session_id == row.id)
    rows = session.exec(query.order_by(col(WitnessEntryRow.number))).all()
    entries = [WitnessEntry(**{**one.model_dump(), "act": WitnessAct(one.act)}) for one in rows]
    return record_of(Phase(row.phase), entries)


def _told(entry: WitnessEntry, project_id: str) -> Act:
    return Act(
        at_us=entry.recorded_us,
        principal=entry.principal,
        action=_ACTIONS[entry.act],
        subject=entry.session_id,
        details={"project": project_id, "number": entry.number, "item": entry.item, "text": entry.text},
    )
