"""The audit chain: who did what, appended within the transaction that did it (invariant 14)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Engine, delete, text
from sqlmodel import Session as Transaction
from sqlmodel import col, select

from catalog.database import reading, writing
from catalog.tables import AuditEpochRow, AuditRow
from kernel.acting import origin
from kernel.audit_chain import NO_RECORD, chain_faults, record_hash
from kernel.errors import CatalogError
from kernel.model.audit import Act, ActResult, AuditEpoch, AuditFault, AuditHead, AuditRecord
from kernel.values import fields_of

_PAGE = 1000  # records at a time
_CHAIN_LOCK = 0x6A7A_0002  # any number that nobody else takes in this database


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditFilter:
    """What a list of records is narrowed by; None narrows nothing."""

    principal: str | None = None
    subject: str | None = None
    action: str | None = None  # all that begin with it: "hold." finds hold.made and hold.released
    since_us: int | None = None
    until_us: int | None = None


def append(session: Transaction, act: Act) -> None:
    """Record an act in the transaction that does it: both are kept, or neither.

    The last statement of a transaction: from here to its end no other one can append.
    """
    session.flush()
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer at a time anyhow
        session.connection().execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _CHAIN_LOCK})
    number, previous = _end(session)
    record = AuditRecord(
        number=number + 1,
        at_us=act.at_us,
        principal=act.principal,
        action=act.action,
        subject=act.subject,
        origin=origin(),
        result=act.result,
        details=dict(act.details),
        previous=previous,
        hash="",
    )
    session.add(AuditRow(**fields_of(replace(record, hash=record_hash(record)))))
    session.flush()


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
        query = select(AuditRow).order_by(col(AuditRow.number).desc()).limit(limit)
        if by.principal is not None:
            query = query.where(AuditRow.principal == by.principal)
        if by.subject is not None:
            query = query.where(AuditRow.subject == by.subject)
        if by.action is not None:
            query = query.where(col(AuditRow.action).startswith(by.action, autoescape=True))
        if by.since_us is not None:
            query = query.where(AuditRow.at_us >= by.since_us)
        if by.until_us is not None:
            query = query.where(AuditRow.at_us < by.until_us)
        if before is not None:
            query = query.where(AuditRow.number < before)
        with reading(self._engine) as session:
            return [_record(row) for row in session.exec(query).all()]

    def head(self, at_us: int) -> AuditHead | None:
        """The newest link, to be kept elsewhere; None before the first."""
        with reading(self._engine) as session:
            number, last = _end(session)
        return AuditHead(number=number, hash=last, at_us=at_us) if number else None

    def faults(self, heads: Sequence[AuditHead] = ()) -> Iterator[AuditFault]:
        """Walk the whole chain; nothing where it is as it was written."""
        epochs = self.epochs()
        begins = AuditHead(number=0, hash=NO_RECORD, at_us=0)
        if epochs:
            begins = AuditHead(number=epochs[-1].last, hash=epochs[-1].last_hash, at_us=0)
        # Those that left are verified with the files that they are in.
        within = [head for head in heads if head.number > begins.number]
        yield from chain_faults(
            self.walk(begins.number), after=begins.number, previous=begins.hash, heads=within
        )

    def walk(self, after: int = 0, until: int | None = None) -> Iterator[AuditRecord]:
        """Records behind a number, in order; only some are held at a time."""
        while True:
            query = (
                select(AuditRow).where(AuditRow.number > after).order_by(col(AuditRow.number)).limit(_PAGE)
            )
            if until is not None:
                query = query.where(AuditRow.number <= until)
            with reading(self._engine) as session:
                page = [_record(row) for row in session.exec(query).all()]
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1].number

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
            told = {"first": epoch.first, "sha256": epoch.sha256}
            append(
                session,
                Act(
                    at_us=epoch.closed_us,
                    principal=epoch.principal,
                    action="audit.epoch_closed",
                    subject=str(epoch.last),
                    details=told,
                ),
            )


def _end(session: Transaction) -> tuple[int, str]:
    """Number and hash on which the next record follows."""
    newest = session.exec(select(AuditRow).order_by(col(AuditRow.number).desc()).limit(1)).first()
    if newest is not None:
        return newest.number, newest.hash
    epoch = session.exec(
        select(AuditEpochRow).order_by(col(AuditEpochRow.last_number).desc()).limit(1)
    ).first()
    return (epoch.last_number, epoch.last_hash) if epoch is not None else (0, NO_RECORD)


def _record(row: AuditRow) -> AuditRecord:
    return AuditRecord(**{**row.model_dump(), "result": ActResult(row.result)})


def _epoch(row: AuditEpochRow) -> AuditEpoch:
    return AuditEpoch(
        first=row.first_number,
        last=row.last_number,
        last_hash=row.last_hash,
        sha256=row.sha256,
        closed_us=row.closed_us,
        principal=row.principal,
    )
