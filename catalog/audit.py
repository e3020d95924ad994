"""The audit chain: who did what, appended within the transaction that did it (invariant 14).

Every function of this room that opens a writing transaction appends what it does, or stands in the list of
``tests/unit/catalog/test_audit_hooks.py`` with the reason why not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Engine, Row, Text, cast, delete, event, inspect, text
from sqlalchemy import select as sqlalchemy_select
from sqlmodel import Session as Transaction
from sqlmodel import col, func, select

from catalog.database import reading, writing
from catalog.tables import METADATA, AuditEpochRow, AuditRow
from catalog.tables.base import Table
from kernel.acting import origin
from kernel.audit_chain import NO_RECORD, chain_faults, record_hash, told_details
from kernel.errors import CatalogError
from kernel.model.audit import UNNAMED, Act, Action, AuditEpoch, AuditFault, AuditHead, AuditRecord
from kernel.values import fields_of

_PAGE = 1000  # records at a time
_CHAIN_LOCK = 0x6A7A_0002  # any number that nobody else takes in this database
_ACTS = "acts"  # in a transaction's ``info``: what it is to record
_NONE = AuditHead(number=0, hash=NO_RECORD, at_us=0)
_columns = METADATA.tables["audit"].columns
_number = _columns.number
# Details as they lie there: what somebody wrote over them may be no JSON.
_RECORDS = sqlalchemy_select(
    *(cast(one, Text).label("details") if one.name == "details" else one for one in _columns)
)


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditFilter:
    """What a list of records is narrowed by; None narrows nothing."""

    principal: str | None = None
    subject: str | None = None
    action: str | None = None  # all that begin with it: "hold." finds hold.made and hold.released
    since_us: int | None = None
    until_us: int | None = None


def append(session: Transaction, *acts: Act) -> None:
    """Record acts with the transaction that does them: all is kept, or nothing. No acts: nothing was done.

    They are written when it commits, as its last statements, whatever comes in between: whoever has the
    chain waits for nothing and nobody any more. Where they cannot be written, the commit fails.

    Raises:
        TypeError, ValueError: details of an act cannot be said in JSON. A mistake of ours.
    """
    if not acts:
        return
    for act in acts:
        told_details(act.details)  # said where the mistake is, not when all is done
    if _ACTS not in session.info:
        session.info[_ACTS] = []
        event.listen(session, "before_commit", _write)
    session.info[_ACTS].extend(acts)


def _write(session: Transaction) -> None:
    """Put what was appended behind the chain; to the end of the transaction no other one can."""
    acts: list[Act] = session.info[_ACTS]
    session.flush()
    # Whatever else writers wait for, of those who append each comes behind the one before. SQLite has one
    # writer at a time anyhow.
    if session.get_bind().dialect.name == "postgresql":
        session.connection().execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _CHAIN_LOCK})
    last = _end(session)
    while acts:
        record = _link(acts.pop(0), last)
        session.add(AuditRow(**fields_of(record)))
        session.flush()  # by number: the database itself takes no other order
        last = AuditHead(number=record.number, hash=record.hash, at_us=0)


def changed_fields(row: Table) -> dict[str, list[Any]]:
    """What a transaction has changed in a row so far: by column, what it was and what it is."""
    found = {}
    for one in inspect(row).attrs:
        if one.history.has_changes() and one.history.deleted:
            found[one.key] = [one.history.deleted[0], one.value]
    return found


class AuditChain:
    """The catalogue's audit records."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def append(self, act: Act) -> None:
        """Record what changes nothing in the catalogue: a view, a refusal, an export."""
        with writing(self._engine) as session:
            append(session, act)

    def records(
        self, narrowed: AuditFilter | None = None, *, before: int | None = None, limit: int = 100
    ) -> list[AuditRecord]:
        """Records that pass a filter, the newest first; ``before`` a number, to go on behind a page."""
        by = narrowed or AuditFilter()
        query = _RECORDS.order_by(_number.desc()).limit(limit)
        if by.principal is not None:
            query = query.where(_columns.principal == by.principal)
        if by.subject is not None:
            query = query.where(_columns.subject == by.subject)
        if by.action is not None:
            query = query.where(_columns.action.startswith(by.action, autoescape=True))
        if by.since_us is not None:
            query = query.where(_columns.at_us >= by.since_us)
        if by.until_us is not None:
            query = query.where(_columns.at_us < by.until_us)
        if before is not None:
            query = query.where(_number < before)
        with reading(self._engine) as session:
            return [_record(row) for row in session.connection().execute(query)]

    def head(self, at_us: int) -> AuditHead | None:
        """The newest link, to be kept elsewhere; None before the first."""
        with reading(self._engine) as session:
            last = _end(session)
        return replace(last, at_us=at_us) if last.number else None

    def count(self) -> int:
        """How many records are in the chain."""
        with reading(self._engine) as session:
            return session.exec(select(func.count()).select_from(AuditRow)).one()

    def lost(self, head: AuditHead) -> bool:
        """Whether a head that was exported is not in the chain any more, as it was; one look."""
        epochs = self.epochs()
        if epochs and head.number <= epochs[-1].last:
            return False  # its file tells
        with reading(self._engine) as session:
            row = session.get(AuditRow, head.number)
            return row is None or row.hash != head.hash

    def faults(
        self, heads: Sequence[AuditHead] = (), seen: Callable[[AuditRecord], None] = lambda _: None
    ) -> Iterator[AuditFault]:
        """Walk the whole chain; nothing where it is as it was written.

        Args:
            heads: heads that were exported before. Of records that left with an epoch only the last can be
                told without its file.
            seen: told of every record.

        Raises:
            CatalogError: somebody closes an epoch meanwhile.
        """
        epochs = self.epochs()
        begins = (
            _NONE if not epochs else AuditHead(number=epochs[-1].last, hash=epochs[-1].last_hash, at_us=0)
        )
        yield from _epoch_faults(epochs)
        for head in heads:
            if head.number == begins.number and head.hash != begins.hash:
                yield AuditFault(number=head.number, what="left with an epoch, and its head was another")
        for number in self._put_in_before(begins.number):
            yield AuditFault(number=number, what="was put in: records of that number left with an epoch")
        within = [head for head in heads if head.number > begins.number]
        untold = {epoch.last: epoch for epoch in epochs}

        def told() -> Iterator[AuditRecord]:
            for record in self.walk(begins.number):
                seen(record)
                if record.action == Action.EPOCH_CLOSED and record.subject.isdecimal():
                    _strike_out(untold, record)
                yield record

        yield from chain_faults(told(), after=begins.number, previous=begins.hash, heads=within)
        if self.epochs() != epochs:
            raise CatalogError("an epoch of the audit chain was closed meanwhile.", hint="Check again.")
        # Of epochs before the newest the record that tells of them may have left with a later one.
        if begins.number in untold:
            yield AuditFault(number=begins.number, what="left with an epoch that no record tells of")

    def walk(self, after: int = 0, until: int | None = None) -> Iterator[AuditRecord]:
        """Records behind a number, in order; only some are held at a time."""
        while True:
            query = _RECORDS.where(_number > after).order_by(_number).limit(_PAGE)
            if until is not None:
                query = query.where(_number <= until)
            with reading(self._engine) as session:
                page = [_record(row) for row in session.connection().execute(query)]
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1].number

    def last_before(self, moment_us: int) -> int:
        """Number of the last record such that it and all before it are older than a moment; 0: there is none.

        Clocks step: a record may be older than the one before it, which then keeps it here.
        """
        younger = select(func.min(AuditRow.number)).where(AuditRow.at_us >= moment_us)
        with reading(self._engine) as session:
            first_kept = session.exec(younger).one()
            return _end(session).number if first_kept is None else first_kept - 1

    def epochs(self) -> list[AuditEpoch]:
        """Closed epochs, the oldest first."""
        query = select(AuditEpochRow).order_by(col(AuditEpochRow.last_number))
        with reading(self._engine) as session:
            return [_epoch(row) for row in session.exec(query).all()]

    def close_epoch(self, epoch: AuditEpoch) -> None:
        """Let whole records go whose file is stored and anchored; the chain goes on from their last hash.

        Raises:
            CatalogError: they are not the oldest that are here, or not as the file has them.
        """
        with writing(self._engine) as session:
            oldest = session.exec(select(AuditRow).order_by(col(AuditRow.number)).limit(1)).first()
            last = session.get(AuditRow, epoch.last)
            if oldest is None or oldest.number != epoch.first or last is None or last.hash != epoch.last_hash:
                raise CatalogError(
                    f"records {epoch.first} to {epoch.last} are not the oldest of the audit chain.",
                    hint="Export them again.",
                )
            session.add(
                AuditEpochRow(
                    last_number=epoch.last,
                    first_number=epoch.first,
                    last_hash=epoch.last_hash,
                    sha256=epoch.sha256,
                    closed_us=epoch.closed_us,
                    principal=epoch.principal,
                )
            )
            session.flush()  # the table lets go only of what an epoch holds
            session.connection().execute(delete(AuditRow).where(col(AuditRow.number) <= epoch.last))
            append(
                session,
                Act(
                    at_us=epoch.closed_us,
                    principal=epoch.principal,
                    action=Action.EPOCH_CLOSED,
                    subject=str(epoch.last),
                    details=_told(epoch),
                ),
            )

    def _put_in_before(self, number: int) -> list[int]:
        """Numbers of records that should have left, or that no record has."""
        query = select(AuditRow.number).where(AuditRow.number <= number).order_by(col(AuditRow.number))
        with reading(self._engine) as session:
            return list(session.exec(query.limit(_PAGE)).all())


def _link(act: Act, last: AuditHead) -> AuditRecord:
    record = AuditRecord(
        number=last.number + 1,
        at_us=act.at_us,
        principal=act.principal or UNNAMED,
        action=str(act.action),
        subject=act.subject,
        origin=origin(),
        result=act.result,
        details=told_details(act.details),
        previous=last.hash,
        hash="",
    )
    return replace(record, hash=record_hash(record))


def _end(session: Transaction) -> AuditHead:
    """The link on which the next record follows."""
    newest = select(AuditRow.number, AuditRow.hash).order_by(col(AuditRow.number).desc()).limit(1)
    left = (
        select(AuditEpochRow.last_number, AuditEpochRow.last_hash)
        .order_by(col(AuditEpochRow.last_number).desc())
        .limit(1)
    )
    found = session.exec(newest).first() or session.exec(left).first()
    return _NONE if found is None else AuditHead(number=found[0], hash=found[1], at_us=0)


def _epoch_faults(epochs: Sequence[AuditEpoch]) -> Iterator[AuditFault]:
    """Epochs follow each other without holes, from the first record on."""
    after = 0
    for epoch in epochs:
        if epoch.first != after + 1:
            yield AuditFault(number=after + 1, what="left with an epoch that is missing")
        after = epoch.last


def _told(epoch: AuditEpoch) -> dict[str, Any]:
    return {"first": epoch.first, "last_hash": epoch.last_hash, "sha256": epoch.sha256}


def _strike_out(untold: dict[int, AuditEpoch], record: AuditRecord) -> None:
    """An epoch of which a record tells is told of, if the record says what the epoch's row says."""
    epoch = untold.get(int(record.subject))
    if epoch is not None and dict(record.details) == _told(epoch):
        del untold[epoch.last]


def _record(row: Row[Any]) -> AuditRecord:
    told = row._asdict()
    if type(told["number"]) is not int:  # SQLite takes anything
        raise CatalogError(f"audit record {told['number']!r} was put in or changed: that is no number.")
    return AuditRecord(**told | {"details": _details(told["details"])})


def _details(stored: str) -> dict[str, Any]:
    """Told as they are if they are no JSON object any more: no hash fits that."""
    try:
        found = json.loads(stored)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"stored": str(stored)}


def _epoch(row: AuditEpochRow) -> AuditEpoch:
    return AuditEpoch(
        first=row.first_number,
        last=row.last_number,
        last_hash=row.last_hash,
        sha256=row.sha256,
        closed_us=row.closed_us,
        principal=row.principal,
    )
