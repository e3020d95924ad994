"""Appraisal and disposal: what was decided of files whose term is over, and what is left of them.

States are drawn in ``docs/design/retention.md``. Objects are let go of one by one, by one conditional
statement each: a hold that was made before it wins (invariant 4). The rows of archives and their objects stay
as tombstones. Deleting itself is ``catalog.destruction``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Engine, delete, exists, not_, update
from sqlmodel import Session, col, func, select

from catalog.audit import append
from catalog.database import reading, writing
from catalog.held import project_held
from catalog.project_objects import objects_of
from catalog.retention import choose_class, retention_in, same_person
from catalog.tables import (
    ArchiveRow,
    DisposalObjectRow,
    DisposalRow,
    FileSetRow,
    ObjectCopyRow,
    ProjectRow,
    SessionRow,
)
from kernel.audit_chain import digest
from kernel.errors import DisposalRefused
from kernel.ids import new_id
from kernel.model.audit import Act, Action, ActResult
from kernel.model.life import (
    OPEN_DISPOSALS,
    Claim,
    Disposal,
    DisposalState,
    DisposedObject,
    Retention,
    Standing,
)
from kernel.model.preservation import MAIN
from kernel.model.timeline import SessionState
from kernel.retention import beijing_day

HELD = "有冻结,不得销毁。It is held; nothing of it may be destroyed."
_NOTHING = "Nothing was changed."
_OVER = (SessionState.ARCHIVED, SessionState.CANCELLED)


class Disposals:
    """The catalogue's appraisals. All times are wall time, UTC microseconds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def propose(self, project_id: str, *, reason: str, principal: str, at_us: int) -> Disposal:
        """Propose to destroy a project's file: nothing happens before another person signs.

        Raises:
            DisposalRefused: it is not due, held, not whole, or appraised already; or there is no reason.
        """
        with writing(self._engine) as session:
            refusal, kept = _why_not(session, project_id, reason, at_us)
            made = None
            if refusal is None and kept is not None:
                made = _decided(session, project_id, kept, DisposalState.PROPOSED, reason, principal, at_us)
            append(session, _act(Action.DISPOSAL_PROPOSED, project_id, principal, at_us, made, refusal))
        if made is None:
            raise DisposalRefused(refusal)
        return made

    def extend(self, project_id: str, new_class: str, *, reason: str, principal: str, at_us: int) -> Disposal:
        """Keep a file whose term is over for longer, under another class. One person may do that.

        Raises:
            DisposalRefused: it is not due or appraised already, there is no reason, or the class does not
                keep it any longer.
        """
        with writing(self._engine) as session:
            refusal, kept = _why_not(session, project_id, reason, at_us, extending=True)
            if refusal is not None or kept is None:
                raise DisposalRefused(refusal, hint=_NOTHING)
            made = _decided(
                session, project_id, kept, DisposalState.EXTENDED, reason, principal, at_us, new_class
            )
            append(session, _act(Action.DISPOSAL_EXTENDED, project_id, principal, at_us, made, None))
            choice = choose_class(session, project_id, new_class, reason, principal, at_us)
            session.flush()
            after = retention_in(session, project_id, beijing_day(at_us))
            if choice.shorter or after.standing is Standing.DUE:
                why = f"新期限不更长。Class {new_class} does not keep {project_id} any longer."
                raise DisposalRefused(why, hint=_NOTHING)
            return made

    def sign(self, disposal_id: str, *, principal: str, at_us: int) -> Disposal:
        """The second signature, of another person than the one who proposed.

        Raises:
            DisposalRefused: it is the same person, or nothing that waits for a signature.
        """
        with writing(self._engine) as session:
            row = _get(session, disposal_id)
            refusal = None
            if row.state != DisposalState.PROPOSED:
                refusal = f"鉴定不待签。{disposal_id} is {row.state}; it waits for no signature."
            elif same_person(row.proposed_by, principal):
                refusal = "销毁须两人签字,提出人不能再签。Destroying needs two people; you proposed it."
            else:
                row.state, row.signed_by, row.signed_us = DisposalState.SIGNED, principal, at_us
            append(
                session,
                _act(Action.DISPOSAL_SIGNED, row.project_id, principal, at_us, _disposal(row), refusal),
            )
            signed = _disposal(row)
        if refusal is not None:
            raise DisposalRefused(refusal)
        return signed

    def withdraw(self, disposal_id: str, *, reason: str, principal: str, at_us: int) -> Disposal:
        """Take a proposal back, signed or not, as long as the order is not given.

        Raises:
            DisposalRefused: it is too late, or there is no reason.
        """
        if not reason.strip():
            raise DisposalRefused("须写明理由。It needs a reason.")
        with writing(self._engine) as session:
            row = _get(session, disposal_id)
            if row.state not in (DisposalState.PROPOSED, DisposalState.SIGNED):
                raise DisposalRefused(f"{disposal_id} is {row.state}; it cannot be withdrawn.")
            row.state, row.withdrawn_by = DisposalState.WITHDRAWN, principal
            row.withdrawn_us, row.withdrawn_reason = at_us, reason
            append(
                session,
                _act(Action.DISPOSAL_WITHDRAWN, row.project_id, principal, at_us, _disposal(row), None),
            )
            return _disposal(row)

    def find(self, disposal_id: str) -> Disposal:
        """Raises: DisposalRefused: there is no such appraisal."""
        with reading(self._engine) as session:
            return _disposal(_get(session, disposal_id))

    def all(self, *, project_id: str | None = None, open_only: bool = False) -> list[Disposal]:
        """Appraisals, the oldest first."""
        query = select(DisposalRow).order_by(col(DisposalRow.proposed_us), col(DisposalRow.id))
        if project_id is not None:
            query = query.where(DisposalRow.project_id == project_id)
        if open_only:
            query = query.where(col(DisposalRow.state).in_(OPEN_DISPOSALS))
        with reading(self._engine) as session:
            return [_disposal(row) for row in session.exec(query).all()]

    def to_destroy(self, disposal_id: str) -> list[DisposedObject]:
        """What an appraisal is about: once it is ordered its list, before that the project's objects now."""
        with reading(self._engine) as session:
            row = _get(session, disposal_id)
            listed = _listed(session, disposal_id)
            return listed or objects_of(session, row.project_id)

    def of_object(self, key: str) -> Disposal | None:
        """The appraisal by which a stored object was destroyed, or is about to be."""
        going = (
            select(DisposalRow)
            .join(DisposalObjectRow, col(DisposalObjectRow.disposal_id) == col(DisposalRow.id))
            .where(DisposalObjectRow.key == key, col(DisposalObjectRow.going_us).is_not(None))
        )
        with reading(self._engine) as session:
            row = session.exec(going).first()
            return None if row is None else _disposal(row)

    # --- execution

    def order(
        self, disposal_id: str, stores: Collection[str], sm3: Mapping[str, str], *, principal: str, at_us: int
    ) -> Disposal:
        """Give the order: from here on objects may be let go of. One that is given already changes nothing.

        Args:
            stores: names of the stores that can be reached; copies must not outlive the order.
            sm3: what packages tell of their objects, by key.

        Raises:
            DisposalRefused: it is not signed by two, held, no longer due, its file changed since, or a copy
                rests in a store that is not among these.
        """
        with writing(self._engine) as session:
            row = _get(session, disposal_id)
            if row.state == DisposalState.ORDERED:
                return _disposal(row)
            refusal = _why_not_order(session, row, stores, at_us)
            if refusal is None:
                row.state, row.ordered_us, row.stopped = DisposalState.ORDERED, at_us, ""
                for item in objects_of(session, row.project_id):
                    session.add(_object_row(item, disposal_id, sm3.get(item.key, item.sm3)))
            else:
                row.stopped = refusal
            session.flush()
            told = _act(Action.DISPOSAL_ORDERED, row.project_id, principal, at_us, _disposal(row), refusal)
            append(session, told)
            ordered = _disposal(row)
        if refusal is not None:
            raise DisposalRefused(refusal)
        return ordered

    def let_go(self, disposal_id: str, key: str, at_us: int) -> bool:
        """Let go of one object, if nothing holds its project: one conditional statement (invariant 4).

        Asked again for one that was let go of and is not gone, after a crash: a hold made meanwhile wins.
        """
        held = exists(
            select(ProjectRow.id)
            .join(DisposalRow, col(DisposalRow.project_id) == col(ProjectRow.id))
            .where(col(DisposalRow.id) == disposal_id, project_held())
        )
        mine = (col(DisposalObjectRow.key) == key) & (col(DisposalObjectRow.disposal_id) == disposal_id)
        waiting = col(DisposalObjectRow.gone_us).is_(None)
        going = update(DisposalObjectRow).where(mine, waiting, not_(held)).values(going_us=at_us)
        staying = update(DisposalObjectRow).where(mine, waiting).values(going_us=None)
        with writing(self._engine) as session:
            for step in (staying, going):
                session.connection().execute(step)
            # Asked for, since a driver counts no rows of a statement that begins with tables of its own.
            let = select(DisposalObjectRow.key).where(
                mine, waiting, col(DisposalObjectRow.going_us).is_not(None)
            )
            if session.exec(let).first() is None:
                return False
            # Nobody is to miss it: sweeps go by these rows.
            session.connection().execute(delete(ObjectCopyRow).where(col(ObjectCopyRow.key) == key))
            return True

    def let_stay(self, key: str) -> None:
        """Its store did not delete it: it is kept until it is let go of again."""
        staying = update(DisposalObjectRow).where(
            col(DisposalObjectRow.key) == key, col(DisposalObjectRow.gone_us).is_(None)
        )
        with writing(self._engine) as session:
            session.connection().execute(staying.values(going_us=None))

    def mark_gone(self, key: str, at_us: int) -> None:
        """The store says that it is gone: its row is a tombstone."""
        gone = update(DisposalObjectRow).where(
            col(DisposalObjectRow.key) == key, col(DisposalObjectRow.gone_us).is_(None)
        )
        with writing(self._engine) as session:
            session.connection().execute(gone.values(gone_us=at_us))

    def stop(self, disposal_id: str, why: str, *, principal: str, at_us: int) -> None:
        """Note why the execution stands still; said once, until something else does."""
        with writing(self._engine) as session:
            row = _get(session, disposal_id)
            if row.stopped == why:
                return
            row.stopped = why
            append(
                session, _act(Action.DISPOSAL_STOPPED, row.project_id, principal, at_us, _disposal(row), why)
            )

    def finish(self, disposal_id: str, certificate_sha256: str, *, principal: str, at_us: int) -> Disposal:
        """Everything is gone and the certificate is stored: the archives' rows say so, and stay."""
        with writing(self._engine) as session:
            row = _get(session, disposal_id)
            if row.state == DisposalState.DONE:
                return _disposal(row)
            listed = _listed(session, disposal_id)
            if any(one.gone_us is None for one in listed):
                raise DisposalRefused(f"{disposal_id}: not everything is gone yet.")
            row.state, row.stopped, row.certificate_sha256 = DisposalState.DONE, "", certificate_sha256
            row.done_us = done_us(listed)
            archives = {one.archive_id for one in listed if one.archive_id is not None}
            session.connection().execute(
                update(ArchiveRow).where(col(ArchiveRow.id).in_(archives)).values(disposed_us=row.done_us)
            )
            session.flush()
            append(
                session, _act(Action.DISPOSAL_DONE, row.project_id, principal, at_us, _disposal(row), None)
            )
            return _disposal(row)


def done_us(listed: Sequence[DisposedObject]) -> int:
    """When the last of them was gone."""
    return max((one.gone_us or 0 for one in listed), default=0)


def _why_not(
    session: Session, project_id: str, reason: str, at_us: int, *, extending: bool = False
) -> tuple[str | None, Retention | None]:
    """Why a project's file cannot be appraised now; the other one where it can."""
    if not reason.strip():
        return "须写明理由。It needs a reason.", None
    if session.get(ProjectRow, project_id) is None:
        return f"没有这个项目。There is no project {project_id}.", None
    open_one = select(DisposalRow.id).where(
        DisposalRow.project_id == project_id, col(DisposalRow.state).in_(OPEN_DISPOSALS)
    )
    if found := session.exec(open_one).first():
        return f"已有未完的鉴定。Appraisal {found} of it is not finished.", None
    kept = retention_in(session, project_id, beijing_day(at_us))
    refusal = _why_not_due(kept) or (None if extending else _why_not_whole(session, project_id))
    return refusal, kept


def _why_not_due(kept: Retention) -> str | None:
    if kept.standing is Standing.DUE:
        return None
    until = kept.governing.last_day if kept.governing else None
    more = f", until {until}" if until is not None else ""
    why = f"{kept.standing} ({kept.class_code or 'no class'}{more})"
    return f"保管期限未满。{kept.project_id} is not due: {why}."


def _why_not_whole(session: Session, project_id: str) -> str | None:
    """Whether a file can be destroyed as a whole: all of its sessions are over, and nothing holds it."""
    going_on = select(SessionRow.id).where(
        SessionRow.project_id == project_id, col(SessionRow.state).not_in(_OVER)
    )
    if found := session.exec(going_on).first():
        return f"场次尚未归档。Session {found} is not archived."
    if _newest_version(session, project_id) is None or not objects_of(session, project_id):
        return f"没有可销毁的档案。{project_id} has no file that could be destroyed."
    if session.exec(select(ProjectRow.id).where(ProjectRow.id == project_id, project_held())).first():
        return HELD
    return None


def _why_not_order(session: Session, row: DisposalRow, stores: Collection[str], at_us: int) -> str | None:
    if row.state != DisposalState.SIGNED or not row.signed_by or same_person(row.signed_by, row.proposed_by):
        return f"销毁须两人签字。Destroying needs two signatures; {row.id} is {row.state}."
    if row.version != _newest_version(session, row.project_id):
        return "档案在鉴定后有变化。The file changed since it was appraised; withdraw and appraise it anew."
    kept = retention_in(session, row.project_id, beijing_day(at_us))
    refusal = _why_not_due(kept) or _why_not_whole(session, row.project_id)
    if refusal is not None:
        return refusal
    copies = select(ObjectCopyRow.store).where(
        ObjectCopyRow.project_id == row.project_id, col(ObjectCopyRow.store).not_in([MAIN, *stores])
    )
    if found := session.exec(copies).first():
        return f"另有副本。A copy rests in {found}, which is not among the stores in use."
    return None


def _newest_version(session: Session, project_id: str) -> int | None:
    query = select(func.max(FileSetRow.version)).where(FileSetRow.project_id == project_id)
    return session.exec(query).one()


def _decided(
    session: Session,
    project_id: str,
    kept: Retention,
    state: DisposalState,
    reason: str,
    principal: str,
    at_us: int,
    new_class: str = "",
) -> Disposal:
    assert kept.governing is not None
    assert kept.governing.last_day is not None
    row = DisposalRow(
        id=new_id("disposal"),
        project_id=project_id,
        version=_newest_version(session, project_id) or 0,
        state=state,
        class_code=kept.class_code,
        new_class=new_class,
        last_day=kept.governing.last_day.isoformat(),
        grounds=_grounds(kept, beijing_day(at_us)),
        reason=reason,
        proposed_by=principal,
        proposed_us=at_us,
    )
    session.add(row)
    session.flush()
    return _disposal(row)


def _grounds(kept: Retention, today: date) -> dict[str, Any]:
    """By which versions of which rules it was due, so that it can be told when they have changed."""
    return {"looked_at": today.isoformat(), "claims": [_claim(one) for one in kept.claims]}


def _claim(claim: Claim) -> dict[str, Any]:
    return {
        "class": claim.class_code,
        "origin": str(claim.origin),
        "rule": claim.rule_id,
        "term": claim.term_id,
        "starts": str(claim.starts or ""),
        "start": claim.start.day.isoformat() if claim.start else "",
        "start_told": claim.start.told if claim.start else False,
        "last_day": claim.last_day.isoformat() if claim.last_day else "",
        "reason_zh": claim.reason_zh,
        "reason_en": claim.reason_en,
        "basis": claim.basis,
    }


def _get(session: Session, disposal_id: str) -> DisposalRow:
    row = session.get(DisposalRow, disposal_id)
    if row is None:
        raise DisposalRefused(f"没有这项鉴定。There is no appraisal {disposal_id}.")
    return row


def _listed(session: Session, disposal_id: str) -> list[DisposedObject]:
    query = select(DisposalObjectRow).where(DisposalObjectRow.disposal_id == disposal_id)
    rows = session.exec(query.order_by(DisposalObjectRow.key)).all()
    return [DisposedObject(**row.model_dump(exclude={"disposal_id"})) for row in rows]


def _object_row(item: DisposedObject, disposal_id: str, sm3: str) -> DisposalObjectRow:
    return DisposalObjectRow(
        key=item.key,
        disposal_id=disposal_id,
        archive_id=item.archive_id,
        size_bytes=item.size_bytes,
        sha256=item.sha256,
        sm3=sm3,
    )


def _disposal(row: DisposalRow) -> Disposal:
    changed = {"state": DisposalState(row.state), "last_day": date.fromisoformat(row.last_day)}
    return Disposal(**{**row.model_dump(), **changed})


def _act(
    action: Action, project_id: str, principal: str, at_us: int, of: Disposal | None, refusal: str | None
) -> Act:
    told: dict[str, Any] = {"refused": refusal} if refusal is not None else {}
    if of is not None:
        told |= {"disposal": of.id, "version": of.version, "class": of.class_code, "state": str(of.state)}
        told |= {"reason": of.reason, "new_class": of.new_class, "grounds_sha256": digest(dict(of.grounds))}
        told |= {"certificate_sha256": of.certificate_sha256}
    return Act(
        at_us=at_us,
        principal=principal,
        action=action,
        subject=project_id,
        result=ActResult.DONE if refusal is None else ActResult.REFUSED,
        details=told,
    )
