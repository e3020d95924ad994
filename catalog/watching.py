"""Who has footage open, and what of it was on the screen (invariant 14).

A watch is opened together with its record in the audit chain, before a byte of footage is sent. While it
lasts its page tells what it shows. When it ends, the record of its end bears a hash over all that it showed:
an interval that is changed, put in or taken away later does not fit it any more (``catalog.watch_check``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine
from sqlmodel import Session as Transaction
from sqlmodel import col, select

from catalog.audit import append
from catalog.database import reading, writing
from catalog.tables import WatchIntervalRow, WatchRow, WatchThingRow
from kernel.errors import WatchRefused
from kernel.model.audit import Act, Action, ActResult
from kernel.model.watching import (
    LASTS_US,
    Seen,
    Shown,
    Watch,
    Watched,
    WatchEnd,
    WatchKind,
    intervals_sha256,
    joined,
    placed,
    seen_us,
)
from kernel.values import fields_of

_TOLD = 50  # intervals that the record of an end tells; the hash is over all


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """Somebody was refused footage."""

    principal: str
    at_us: int
    subject: str  # the clip, source or session; empty: unknown
    need: str  # what would be needed, or what was wrong
    before: int = 0  # refusals of the same person since the last record that none tells of


class Watches:
    """The catalogue's watches. All times are wall time, UTC microseconds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def open(self, watch: Watch, token_sha256: str) -> None:
        """Note that somebody is about to watch; when this returns, row and record are on the disk."""
        told = fields_of(watch)
        things, end = told.pop("things"), told.pop("end")
        with writing(self._engine) as session:
            session.add(WatchRow(**told, end_reason=end, token_sha256=token_sha256))
            session.flush()
            for position, one in enumerate(things):
                session.add(WatchThingRow(watch_id=watch.id, position=position, **fields_of(one)))
            append(session, _opened(watch))

    def find(self, token_sha256: str) -> Watch | None:
        """The watch of a token, whether it lasts or not; None: nobody was ever given that one."""
        with reading(self._engine) as session:
            row = session.exec(select(WatchRow).where(WatchRow.token_sha256 == token_sha256)).first()
            return None if row is None else _watch(session, row)

    def get(self, watch_id: str) -> Watch | None:
        with reading(self._engine) as session:
            row = session.get(WatchRow, watch_id)
            return None if row is None else _watch(session, row)

    def intervals(self, watch_id: str) -> list[Seen]:
        """What a watch showed, in the order in which it was told."""
        with reading(self._engine) as session:
            return intervals_in(session, watch_id)

    def beat(self, watch_id: str, shown: Sequence[Shown], now_us: int) -> None:
        """Take in what was on the screen since the last time; so long the watch goes on.

        Raises:
            WatchRefused: there is no such watch, it is over, or it is not of that source.
        """
        with writing(self._engine) as session:
            row = _lasting(session, watch_id, now_us)
            known = set(
                session.exec(select(WatchThingRow.source_id).where(WatchThingRow.watch_id == watch_id)).all()
            )
            if strange := [one.source_id for one in shown if one.source_id not in known]:
                raise WatchRefused(f"this watch is not of source {strange[0]}.")
            _keep(session, watch_id, placed(shown, row.beat_us, now_us))
            row.beat_us = max(row.beat_us, now_us)

    def still(self, watch_id: str, source_id: str, footage_us: int, now_us: int) -> None:
        """Note that somebody is about to make a still picture.

        Raises:
            WatchRefused: there is no such watch, it is over, or it is not of that source.
        """
        with writing(self._engine) as session:
            row = _lasting(session, watch_id, now_us)
            if source_id not in {one.source_id for one in _things(session, [watch_id])[watch_id]}:
                raise WatchRefused(f"this watch is not of source {source_id}.")
            told = {"source": source_id, "footage_us": footage_us}
            append(session, _act(row, Action.WATCH_STILL, now_us, told))

    def close(self, watch_id: str, end: WatchEnd, now_us: int, shown: Sequence[Shown] = ()) -> bool:
        """End a watch; False where it was over already, or never was.

        Args:
            shown: what was on the screen since its page told of it last.
        """
        with writing(self._engine) as session:
            row = session.get(WatchRow, watch_id, with_for_update=True)
            if row is None or row.closed_us is not None:
                return False
            if now_us >= row.beat_us + LASTS_US:
                _end(session, row, WatchEnd.LOST, row.beat_us, now_us)
                return False
            known = {one.source_id for one in _things(session, [watch_id])[watch_id]}
            _keep(
                session,
                watch_id,
                placed([one for one in shown if one.source_id in known], row.beat_us, now_us),
            )
            _end(session, row, end, max(row.beat_us, now_us), now_us)
            return True

    def sweep(self, now_us: int) -> int:
        """End all watches that nobody tells of any more, when they were told of last; how many."""
        lost = select(WatchRow).where(
            col(WatchRow.closed_us).is_(None), col(WatchRow.beat_us) <= now_us - LASTS_US
        )
        with reading(self._engine) as session:
            if session.exec(lost.limit(1)).first() is None:
                return 0  # nobody else waits for nothing
        with writing(self._engine) as session:
            rows = session.exec(lost.order_by(col(WatchRow.beat_us)).limit(1000)).all()
            for row in rows:
                _end(session, row, WatchEnd.LOST, row.beat_us, now_us)
            return len(rows)

    def refused(self, refusal: Refusal) -> None:
        """Note that somebody was refused footage."""
        told: dict[str, Any] = {"need": refusal.need}
        if refusal.before:
            told["unrecorded_before"] = refusal.before
        with writing(self._engine) as session:
            append(
                session,
                Act(
                    at_us=refusal.at_us,
                    principal=refusal.principal,
                    action=Action.WATCH_REFUSED,
                    subject=refusal.subject,
                    result=ActResult.REFUSED,
                    details=told,
                ),
            )


def _lasting(session: Transaction, watch_id: str, now_us: int) -> WatchRow:
    row = session.get(WatchRow, watch_id, with_for_update=True)
    if row is None:
        raise WatchRefused("there is no such watch.")
    if row.closed_us is not None or now_us >= row.beat_us + LASTS_US:
        raise WatchRefused("this watch is over.")
    return row


def _keep(session: Transaction, watch_id: str, pieces: Iterable[Seen]) -> None:
    """Add intervals; one that goes on with the last one of its source makes that longer."""
    rows = session.exec(
        select(WatchIntervalRow)
        .where(WatchIntervalRow.watch_id == watch_id)
        .order_by(col(WatchIntervalRow.number))
    ).all()
    newest = {row.source_id: row for row in rows}
    number = rows[-1].number if rows else 0
    for piece in pieces:
        last = newest.get(piece.source_id)
        whole = None if last is None else joined(_seen(last), piece)
        if whole is not None and last is not None:
            last.seen_to_us, last.footage_to_us = whole.seen_to_us, whole.footage_to_us
            continue
        number += 1
        row = WatchIntervalRow(watch_id=watch_id, number=number, **fields_of(piece))
        session.add(row)
        newest[piece.source_id] = row


def _end(session: Transaction, row: WatchRow, end: WatchEnd, ended_us: int, now_us: int) -> None:
    row.closed_us, row.end_reason = ended_us, end
    session.flush()
    found = intervals_in(session, row.id)
    told = {
        "end": end.value,
        "opened_us": row.opened_us,
        "closed_us": ended_us,
        "seen_us": seen_us(found),
        "shown": [[one.source_id, one.footage_from_us, one.footage_to_us] for one in found[:_TOLD]],
        "intervals": len(found),
        "intervals_sha256": intervals_sha256(found),
    }
    append(session, _act(row, Action.WATCH_CLOSED, now_us, told))


def _act(row: WatchRow, action: Action, at_us: int, details: dict[str, Any]) -> Act:
    return Act(at_us=at_us, principal=row.account_id, action=action, subject=row.id, details=details)


def opened_details(watch: Watch) -> dict[str, Any]:
    """What the record of an opened watch tells."""
    told: dict[str, Any] = {
        "kind": watch.kind.value,
        "role": watch.role,
        "login": watch.login_id,
        "address": watch.origin,
        "projects": sorted({one.project_id for one in watch.things if one.project_id}),
        "sessions": sorted({one.session_id for one in watch.things if one.session_id}),
        "sources": sorted(watch.sources),
        "clips": sorted(watch.clips),
    }
    if watch.wall_start_us is not None or watch.wall_end_us is not None:
        told["limited_to"] = [watch.wall_start_us, watch.wall_end_us]
    return told


def _opened(watch: Watch) -> Act:
    return Act(
        at_us=watch.opened_us,
        principal=watch.account_id,
        action=Action.WATCH_OPENED,
        subject=watch.id,
        details=opened_details(watch),
    )


def _things(session: Transaction, watch_ids: Sequence[str]) -> dict[str, tuple[Watched, ...]]:
    query = (
        select(WatchThingRow)
        .where(col(WatchThingRow.watch_id).in_(watch_ids))
        .order_by(col(WatchThingRow.watch_id), col(WatchThingRow.position))
    )
    found: dict[str, tuple[Watched, ...]] = dict.fromkeys(watch_ids, ())
    for row in session.exec(query).all():
        one = Watched(**{name: getattr(row, name) for name in Watched.__dataclass_fields__})
        found[row.watch_id] += (one,)
    return found


def watches_in(session: Transaction, ids: Sequence[str]) -> list[Watch]:
    """Watches by their ids, in no order; what is not there is left out."""
    rows = session.exec(select(WatchRow).where(col(WatchRow.id).in_(ids))).all()
    things = _things(session, [row.id for row in rows])
    return [_watch_of(row, things[row.id]) for row in rows]


def _watch(session: Transaction, row: WatchRow) -> Watch:
    return _watch_of(row, _things(session, [row.id])[row.id])


def _watch_of(row: WatchRow, things: tuple[Watched, ...]) -> Watch:
    plain = Watch.__dataclass_fields__.keys() - {"things", "kind", "end"}
    return Watch(
        **{name: getattr(row, name) for name in plain},
        things=things,
        kind=WatchKind(row.kind),
        end=None if row.end_reason is None else WatchEnd(row.end_reason),
    )


def intervals_in(session: Transaction, watch_id: str) -> list[Seen]:
    """What a watch showed, in the order in which it was told."""
    query = (
        select(WatchIntervalRow)
        .where(WatchIntervalRow.watch_id == watch_id)
        .order_by(col(WatchIntervalRow.number))
    )
    return [_seen(row) for row in session.exec(query).all()]


def _seen(row: WatchIntervalRow) -> Seen:
    return Seen(**{name: getattr(row, name) for name in Seen.__dataclass_fields__})
