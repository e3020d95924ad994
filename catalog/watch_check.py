"""Whether what the tables say of watching is what the audit chain says of it (invariant 14).

The chain has a record of each watch that was opened, and, of each that is over, a hash over its intervals.
Records that left with an epoch are not here to be compared; watches of that time are left alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Engine
from sqlmodel import Session as Transaction
from sqlmodel import col, select

from catalog.audit import AuditChain, AuditFilter
from catalog.database import reading
from catalog.tables import AuditRow, WatchRow
from catalog.watching import intervals_in, opened_details, watches_in
from kernel.model.audit import Action, AuditFault, AuditRecord
from kernel.model.watching import Watch, intervals_sha256

_PAGE = 500  # watches at a time


def watch_faults(engine: Engine) -> Iterator[AuditFault]:
    """What does not fit; nothing where all is as it was recorded. Walks all records of watching."""
    chain = AuditChain(engine)
    before: int | None = None
    while True:
        page = chain.records(AuditFilter(action="watch."), before=before, limit=_PAGE)
        if not page:
            break
        yield from _of_records(engine, page)
        before = page[-1].number
    yield from _put_in(engine)


def _of_records(engine: Engine, records: list[AuditRecord]) -> Iterator[AuditFault]:
    told = [one for one in records if one.action in (Action.WATCH_OPENED, Action.WATCH_CLOSED)]
    ids = list({one.subject for one in told})
    with reading(engine) as session:
        known = {one.id: one for one in watches_in(session, ids)}
        for record in told:
            what = _fault(session, record, known.get(record.subject))
            if what:
                yield AuditFault(number=record.number, what=what)


def _fault(session: Transaction, record: AuditRecord, watch: Watch | None) -> str:
    """What is wrong with the watch that a record tells of; empty: nothing."""
    if watch is None:
        return f"tells of watch {record.subject}, which was removed"
    if watch.account_id != record.principal:
        return f"watch {watch.id} is another account's by now"
    if record.action == Action.WATCH_OPENED:
        same = watch.opened_us == record.at_us and opened_details(watch) == dict(record.details)
        return "" if same else f"watch {watch.id} was changed since it was opened"
    told = record.details
    if (watch.closed_us, watch.end) != (told.get("closed_us"), told.get("end")):
        return f"the end of watch {watch.id} was changed"
    if intervals_sha256(intervals_in(session, watch.id)) != told.get("intervals_sha256"):
        return f"the intervals of watch {watch.id} were changed"
    return ""


def _put_in(engine: Engine) -> Iterator[AuditFault]:
    """Watches, or ends of watches, that no record tells of."""
    with reading(engine) as session:
        first = session.exec(select(AuditRow).order_by(col(AuditRow.number)).limit(1)).first()
        if first is None:
            return
        for action, moment in (
            (Action.WATCH_OPENED, col(WatchRow.opened_us)),
            (Action.WATCH_CLOSED, col(WatchRow.closed_us)),
        ):
            recorded = select(AuditRow.subject).where(AuditRow.action == action)
            query = select(WatchRow.id).where(moment >= first.at_us, col(WatchRow.id).not_in(recorded))
            for watch_id in session.exec(query.order_by(col(WatchRow.id))).all():
                yield AuditFault(number=first.number, what=f"no record has {action} of {watch_id}: put in")
