"""Legal holds in the bucket: what the catalogue holds is held there, too, as far as the store can.

A reconciler: it compares what should be held with what the store was asked for and confirmed, object by
object, and does what is missing. It may be stopped at any moment and run as often as one likes. A store that
cannot hold says so; the hold stands in the catalogue all the same, which alone lets go of objects (invariant
4).
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from catalog.database import reading, writing
from catalog.held import project_held
from catalog.objects import ObjectStore
from catalog.project_objects import objects_of
from catalog.tables import BucketHoldRow, DisposalObjectRow, DisposalRow, ProjectRow
from kernel.clock import Clock
from kernel.errors import NotProtected, ObjectMissing, StorageError


@dataclass(frozen=True, kw_only=True, slots=True)
class BucketHold:
    """A legal hold that was asked of the store."""

    key: str
    asked_us: int
    confirmed_us: int | None  # when the store said that it holds; None: it did not
    fault: str  # what it said instead


@dataclass(frozen=True, kw_only=True, slots=True)
class BucketReport:
    """What a run did."""

    held: int = 0  # objects that the store confirmed now
    lifted: int = 0
    standing: int = 0  # objects that are held there after it
    faults: tuple[str, ...] = ()  # what the store said of others, each once
    cannot: bool = False  # the store holds nothing by itself; the catalogue does


class BucketHolds:
    """The catalogue's knowledge of legal holds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def all(self) -> list[BucketHold]:
        """Every legal hold that was asked for and not lifted, by key."""
        with reading(self._engine) as session:
            rows = session.exec(select(BucketHoldRow).order_by(BucketHoldRow.key)).all()
            return [BucketHold(**row.model_dump()) for row in rows]

    def wanted(self) -> list[str]:
        """Keys of all objects that something holds, by key; those that are gone are none."""
        with reading(self._engine) as session:
            held = session.exec(select(ProjectRow.id).where(project_held())).all()
            return sorted(key for project_id in held for key in _keys_of(session, project_id))

    def ask(self, key: str, at_us: int) -> None:
        """Note that the store is about to be asked: what was asked for is lifted one day, whatever comes."""
        with writing(self._engine) as session:
            if session.get(BucketHoldRow, key) is None:
                session.add(BucketHoldRow(key=key, asked_us=at_us))

    def answer(self, key: str, *, confirmed_us: int | None, fault: str = "") -> None:
        """Note what the store said."""
        with writing(self._engine) as session:
            row = session.get_one(BucketHoldRow, key)
            row.confirmed_us, row.fault = confirmed_us, fault

    def forget(self, key: str) -> None:
        """The store holds it no longer."""
        with writing(self._engine) as session:
            if (row := session.get(BucketHoldRow, key)) is not None:
                session.delete(row)


def apply_bucket_holds(rows: BucketHolds, store: ObjectStore, clock: Clock) -> BucketReport:
    """Hold in the bucket what is held, and nothing else that we held there.

    Raises:
        StorageError: the store does not answer at all.
    """
    if not store.protection().object_lock:
        return BucketReport(cannot=True)
    known = {one.key: one for one in rows.all()}
    wanted = rows.wanted()
    faults: list[str] = []
    held = lifted = 0
    for key in wanted:
        before = known.get(key)
        if before is None or before.confirmed_us is None:
            fault = _hold(rows, store, key, clock)
            held += fault is None
            faults += [fault] if fault is not None else []
    for key in sorted(set(known).difference(wanted)):
        fault = _lift(rows, store, key)
        lifted += fault is None
        faults += [fault] if fault is not None else []
    standing = sum(one.confirmed_us is not None for one in rows.all())
    return BucketReport(held=held, lifted=lifted, standing=standing, faults=tuple(dict.fromkeys(faults)))


def _hold(rows: BucketHolds, store: ObjectStore, key: str, clock: Clock) -> str | None:
    """Hold one object and read back that it is; what is wrong with that, if something is."""
    rows.ask(key, clock.now_us())
    try:
        store.legal_hold(key, True)
        if not store.protection_of(key).legal_hold:
            raise NotProtected(f"the store does not hold {key}, though it said so.")
    except StorageError as error:
        rows.answer(key, confirmed_us=None, fault=str(error))
        return str(error)
    rows.answer(key, confirmed_us=clock.now_us())
    return None


def _lift(rows: BucketHolds, store: ObjectStore, key: str) -> str | None:
    try:
        store.legal_hold(key, False)
        if store.protection_of(key).legal_hold:
            raise NotProtected(f"the store still holds {key}.")
    except ObjectMissing:
        pass  # what is gone needs no hold
    except StorageError as error:
        return str(error)
    rows.forget(key)
    return None


def _keys_of(session: Session, project_id: str) -> list[str]:
    """Those on a list for destruction that are not gone included: a hold stops it."""
    listed = (
        select(DisposalObjectRow.key)
        .join(DisposalRow, col(DisposalRow.id) == col(DisposalObjectRow.disposal_id))
        .where(DisposalRow.project_id == project_id, col(DisposalObjectRow.gone_us).is_(None))
    )
    return [*(one.key for one in objects_of(session, project_id)), *session.exec(listed).all()]
