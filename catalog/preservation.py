"""檔案保存: which copies of archives there are, whether they are whole, and restore drills.

An object's place in the sweep is its row: when each of its copies was last read back. Nothing else remembers
how far a sweep has come, so it can be stopped at any moment.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Engine, case
from sqlalchemy import select as sqlalchemy_select
from sqlmodel import Session as Transaction
from sqlmodel import col, func, select
from sqlmodel.sql.expression import SelectOfScalar

from catalog.audit import append
from catalog.database import reading, writing
from catalog.packages import GOING, objects_of, package_of, packages
from catalog.tables import DisposalObjectRow, DrillRow, ObjectCopyRow, PackageCopyRow
from kernel.clock import SECOND_US
from kernel.model.archive import ArchiveObject
from kernel.model.audit import Act, Action
from kernel.model.preservation import (
    MAIN,
    Drill,
    DrilledFile,
    DrillResult,
    Fixity,
    FixityCheck,
    MediaLine,
    PackageCopy,
    PackageKind,
    Preserved,
    StoredCopy,
    StoredPackage,
    StoreReport,
    Trouble,
)
from kernel.settings import PreservationSettings, url_of_copy
from kernel.values import fields_of

_DAY_US = 24 * 3600 * SECOND_US
_TROUBLED = tuple(one for one in Fixity if one is not Fixity.OK)
_ENROL = 50  # packages in one transaction
_NAMED = 100  # troubles that are named where all are counted


@dataclass(frozen=True, kw_only=True, slots=True)
class Promise:
    """What the settings promise of preservation."""

    copies: tuple[str, ...]  # addresses of the stores beside MAIN
    sweep_us: int  # every copy of every object is read back within this time
    again_us: int  # one that is in trouble is looked at again after this time
    drill_us: int  # a project is restored as often as this

    @classmethod
    def of(cls, settings: PreservationSettings) -> Promise:
        return cls(
            copies=tuple(url_of_copy(one) for one in settings.copies),
            sweep_us=round(settings.sweep_days * _DAY_US),
            again_us=round(settings.again_days * _DAY_US),
            drill_us=round(settings.drill_days * _DAY_US),
        )

    @property
    def stores(self) -> tuple[str, ...]:
        return (MAIN, *self.copies)


class Preservation:
    """The catalogue's knowledge of copies. All times are wall time, UTC microseconds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    # --- what is to be done

    def enrol(self) -> int:
        """Take up packages that are new: each was read back from MAIN when it was recorded (invariant 10).

        Returns how many there were; where there were as many as one call takes, more may be left.
        """
        fresh = _not_held(MAIN, ()).limit(_ENROL)
        with reading(self._engine) as session:
            found = [package_of(row) for row in session.execute(fresh)]
        if found:  # whoever writes makes others wait
            with writing(self._engine) as session:
                for one in found:
                    if session.get(PackageCopyRow, (one.id, MAIN)) is None:
                        _enrol(session, one)
        return len(found)

    def due(self, promise: Promise, now_us: int, stores: Sequence[str], limit: int = 100) -> list[StoredCopy]:
        """Copies that are to be read back in these stores: those in trouble, then the oldest-checked."""
        with reading(self._engine) as session:
            again = _due(session, stores, _TROUBLED, now_us - promise.again_us, limit)
            late = _due(session, stores, (Fixity.OK,), now_us - promise.sweep_us, limit)
        return [*again, *late][:limit]

    def unread(
        self, stores: Sequence[str], since_us: int, *, troubled: bool = False, limit: int = 100
    ) -> list[StoredCopy]:
        """Copies that were not read back since a moment, the oldest-checked first, whether due or not.

        Args:
            troubled: only those in trouble.
        """
        results = _TROUBLED if troubled else tuple(Fixity)
        with reading(self._engine) as session:
            return _due(session, stores, results, since_us - 1, limit)

    def next_missing(self, store: str, skipped: Sequence[str] = ()) -> StoredPackage | None:
        """The oldest package that a store does not hold whole and that can be copied there now.

        Where its original is in trouble, or what lies in the copy is not what it should be, nothing can be
        done before a sweep has found that to be over.

        Args:
            skipped: packages that are left out, too.
        """
        hopeless = select(ObjectCopyRow.package_id).where(
            ((col(ObjectCopyRow.store) == MAIN) & col(ObjectCopyRow.result).in_(_TROUBLED))
            | (
                (col(ObjectCopyRow.store) == store)
                & col(ObjectCopyRow.result).in_((Fixity.BAD, Fixity.UNREADABLE))
            )
        )
        query = _not_held(store, skipped)
        query = query.where(query.selected_columns.id.not_in(hopeless))
        with reading(self._engine) as session:
            row = session.execute(query.limit(1)).first()
            return package_of(row) if row else None

    def objects_missing(self, package_id: str, store: str) -> list[ArchiveObject]:
        """Objects of a package that were not found whole in a store, by key."""
        whole = select(ObjectCopyRow.key).where(
            ObjectCopyRow.package_id == package_id,
            ObjectCopyRow.store == store,
            ObjectCopyRow.result == Fixity.OK,
        )
        with reading(self._engine) as session:
            there = set(session.exec(whole).all())
            return [one for one in objects_of(session, package_id) if one.key not in there]

    def holds_any(self, store: str) -> bool:
        """Whether anything was ever found whole in a store."""
        query = select(ObjectCopyRow.key).where(ObjectCopyRow.store == store).limit(1)
        with reading(self._engine) as session:
            return session.exec(query).first() is not None

    # --- what came of it

    def record(self, copy: StoredCopy, check: FixityCheck, principal: str) -> None:
        """Keep what came of reading a copy back; where that changed, it is an audit record, too."""
        with writing(self._engine) as session:
            row = session.get(ObjectCopyRow, (copy.key, copy.store), with_for_update=True)
            if session.exec(GOING.where(DisposalObjectRow.key == copy.key)).first() is not None:
                if row is not None:
                    session.delete(row)  # it was destroyed by decision while it was being read
                return
            before = Fixity(row.result) if row else Fixity.OK
            if row is None:
                row = _copy_row(copy, check.at_us)
                row.good_us = None  # until it is found whole
            row.checked_us, row.result, row.found = check.at_us, check.result, check.found
            if check.result is Fixity.OK:
                row.good_us = check.at_us
            session.add(row)
            if check.result is Fixity.MISSING and copy.store != MAIN:
                _not_whole(session, copy)  # so that it is copied again
            append(session, *_changes(copy, check, before, principal))

    def record_whole(self, package: StoredPackage, store: str, at_us: int, principal: str) -> bool:
        """Note that a store holds all of a package, if every object of it was found whole there."""
        if self.objects_missing(package.id, store):
            return False
        with writing(self._engine) as session:
            if session.get(PackageCopyRow, (package.id, store)) is None:
                session.add(PackageCopyRow(package_id=package.id, store=store, whole_us=at_us))
                act = Act(
                    at_us=at_us,
                    principal=principal,
                    action=Action.ARCHIVE_COPIED,
                    subject=package.project_id,
                    details={"package": package.id, "store": store},
                )
                append(session, act)
        return True

    # --- drills

    def candidates(self) -> list[str]:
        """Projects of which something is archived, by id."""
        found = packages()
        query = sqlalchemy_select(found.c.project_id).where(found.c.kind == PackageKind.ARCHIVE.value)
        with reading(self._engine) as session:
            return sorted(session.execute(query.distinct()).scalars())

    def record_drill(self, drill: Drill) -> None:
        """Keep the report of a drill."""
        files = [{**asdict(one), "faults": list(one.faults)} for one in drill.files]
        told = {
            "drill": drill.id,
            "seed": drill.seed,
            "candidates": drill.candidates,
            "result": drill.result.value,
        }
        with writing(self._engine) as session:
            session.add(DrillRow(**{**fields_of(drill), "files": files, "faults": list(drill.faults)}))
            act = Act(
                at_us=drill.ended_us,
                principal=drill.principal,
                action=Action.DRILL_DONE,
                subject=drill.project_id,
                details=told,
            )
            append(session, act)

    def drills(self, limit: int = 20) -> list[Drill]:
        """Drills, the newest first."""
        query = select(DrillRow).order_by(col(DrillRow.started_us).desc(), col(DrillRow.id)).limit(limit)
        with reading(self._engine) as session:
            return [_drill(row) for row in session.exec(query).all()]

    # --- reports

    def troubles(self) -> list[Trouble]:
        """Copies that are not as they should be, the newest findings first, in whichever store."""
        with reading(self._engine) as session:
            return _troubles(session, None)

    def failed_drills(self) -> list[Drill]:
        """Of each project the newest drill, where it failed."""
        with reading(self._engine) as session:
            return _failed_drills(session)

    def state(self, promise: Promise, now_us: int) -> Preserved:
        """Whether archives are safe; few figures, each from an index: they are asked for all the time."""
        with reading(self._engine) as session:
            last_us = session.exec(select(func.max(DrillRow.ended_us))).one()
            first_us = session.exec(select(func.min(PackageCopyRow.whole_us))).one()
            return Preserved(
                troubles=tuple(_troubles(session, promise.stores)),
                troubled=session.exec(_count(promise.stores, _TROUBLED)).one(),
                overdue=session.exec(_count(promise.stores, (Fixity.OK,), now_us - promise.sweep_us)).one(),
                oldest_check_us=session.exec(_oldest(promise.stores)).one(),
                copies_missing=sum(_missing(session, store) for store in promise.copies),
                failed_drills=tuple(_failed_drills(session)),
                last_drill_us=last_us,
                drill_overdue=_late(now_us, last_us if last_us is not None else first_us, promise.drill_us),
            )

    def stores(self, promise: Promise, now_us: int) -> list[StoreReport]:
        """What each store holds: the media report's head."""
        with reading(self._engine) as session:
            return [_store_report(session, store, now_us - promise.sweep_us) for store in promise.stores]

    def media(
        self, promise: Promise, *, project_id: str | None = None, offset: int = 0, limit: int = 100
    ) -> tuple[int, list[MediaLine]]:
        """How many packages there are, and where the copies of a page of them are, the newest first."""
        found = packages()
        query, count = sqlalchemy_select(found), sqlalchemy_select(func.count()).select_from(found)
        if project_id is not None:
            query, count = (one.where(found.c.project_id == project_id) for one in (query, count))
        query = query.order_by(found.c.verified_us.desc(), found.c.id).offset(offset).limit(limit)
        with reading(self._engine) as session:
            page = [package_of(row) for row in session.execute(query)]
            copies = _copies(session, [one.id for one in page], promise.stores)
            lines = [MediaLine(package=one, copies=tuple(copies[one.id])) for one in page]
            return session.execute(count).scalar_one(), lines


def _not_held(store: str, skipped: Sequence[str]) -> Any:
    """Packages that a store does not hold whole, the oldest first."""
    found = packages()
    held = select(PackageCopyRow.package_id).where(PackageCopyRow.store == store)
    return (
        sqlalchemy_select(found)
        .where(found.c.id.not_in(held), found.c.id.not_in(skipped))
        .order_by(found.c.verified_us, found.c.id)
    )


def _enrol(session: Transaction, package: StoredPackage) -> None:
    """Rows of its objects in MAIN; one that was looked at meanwhile keeps what was found."""
    session.add(PackageCopyRow(package_id=package.id, store=MAIN, whole_us=package.verified_us))
    seen = select(ObjectCopyRow.key).where(
        ObjectCopyRow.package_id == package.id, ObjectCopyRow.store == MAIN
    )
    known = set(session.exec(seen).all())
    for item in objects_of(session, package.id):
        if item.key in known:
            continue
        copy = StoredCopy(
            key=item.key,
            store=MAIN,
            package_id=package.id,
            project_id=package.project_id,
            size_bytes=item.size_bytes,
            sha256=item.sha256,
            checked_us=package.verified_us,
        )
        session.add(_copy_row(copy, package.verified_us))


def _copy_row(copy: StoredCopy, at_us: int) -> ObjectCopyRow:
    fields = {**fields_of(copy), "checked_us": at_us}
    return ObjectCopyRow(**fields, result=Fixity.OK, found="", good_us=at_us)


def _due(
    session: Transaction, stores: Sequence[str], results: Sequence[Fixity], before_us: int, limit: int
) -> list[StoredCopy]:
    query = (
        select(ObjectCopyRow)
        .where(
            col(ObjectCopyRow.store).in_(stores),
            col(ObjectCopyRow.result).in_(results),
            ObjectCopyRow.checked_us <= before_us,
            col(ObjectCopyRow.key).not_in(GOING),
        )
        .order_by(col(ObjectCopyRow.checked_us), col(ObjectCopyRow.key), col(ObjectCopyRow.store))
        .limit(limit)
    )
    kept = StoredCopy.__dataclass_fields__
    return [StoredCopy(**row.model_dump(include=set(kept))) for row in session.exec(query).all()]


def _not_whole(session: Transaction, copy: StoredCopy) -> None:
    row = session.get(PackageCopyRow, (copy.package_id, copy.store))
    if row is not None:
        session.delete(row)


def _changes(copy: StoredCopy, check: FixityCheck, before: Fixity, principal: str) -> Iterator[Act]:
    """A copy went bad, or is whole again; nothing where it is as it was."""
    if check.result is before:
        return
    told = {
        "package": copy.package_id,
        "key": copy.key,
        "store": copy.store,
        "before": before.value,
        "result": check.result.value,
        "found": check.found,
    }
    yield Act(
        at_us=check.at_us,
        principal=principal,
        action=Action.FIXITY_RESTORED if check.result is Fixity.OK else Action.FIXITY_LOST,
        subject=copy.project_id,
        details=told,
    )


def _count(
    stores: Sequence[str], results: Sequence[Fixity], before_us: int | None = None
) -> SelectOfScalar[int]:
    """Copies that were found so, or so before a moment; those that are being destroyed are none."""
    query = (
        select(func.count())
        .select_from(ObjectCopyRow)
        .where(col(ObjectCopyRow.store).in_(stores), col(ObjectCopyRow.result).in_(results))
        .where(col(ObjectCopyRow.key).not_in(GOING))
    )
    return query if before_us is None else query.where(col(ObjectCopyRow.checked_us) <= before_us)


def _oldest(stores: Sequence[str]) -> SelectOfScalar[Any]:
    return select(func.min(ObjectCopyRow.checked_us)).where(
        col(ObjectCopyRow.store).in_(stores), ObjectCopyRow.result == Fixity.OK
    )


def _missing(session: Transaction, store: str) -> int:
    found = _not_held(store, ()).order_by(None).subquery()
    return int(session.execute(sqlalchemy_select(func.count()).select_from(found)).scalar_one())


def _late(now_us: int, since_us: int | None, period_us: int) -> bool:
    """Twice the period has passed: a month's drill may come some days late."""
    return since_us is not None and now_us - since_us > 2 * period_us


def _troubles(session: Transaction, stores: Sequence[str] | None) -> list[Trouble]:
    """Those in these stores, or in all that there ever were."""
    query = select(ObjectCopyRow).where(
        col(ObjectCopyRow.result).in_(_TROUBLED), col(ObjectCopyRow.key).not_in(GOING)
    )
    if stores is not None:
        query = query.where(col(ObjectCopyRow.store).in_(stores))
    latest_first = (col(ObjectCopyRow.checked_us).desc(), col(ObjectCopyRow.key), col(ObjectCopyRow.store))
    rows = session.exec(query.order_by(*latest_first).limit(_NAMED)).all()
    good = _good_stores(session, {row.key for row in rows}, stores)
    told = {"key", "store", "package_id", "project_id", "found", "checked_us", "good_us"}
    return [
        Trouble(**row.model_dump(include=told), result=Fixity(row.result), good_stores=tuple(good[row.key]))
        for row in rows
    ]


def _good_stores(session: Transaction, keys: set[str], stores: Sequence[str] | None) -> dict[str, list[str]]:
    query = (
        select(ObjectCopyRow.key, ObjectCopyRow.store)
        .where(col(ObjectCopyRow.key).in_(keys), ObjectCopyRow.result == Fixity.OK)
        .order_by(col(ObjectCopyRow.store))
    )
    if stores is not None:
        query = query.where(col(ObjectCopyRow.store).in_(stores))
    found: dict[str, list[str]] = defaultdict(list)
    for key, store in session.exec(query).all():
        found[key].append(store)
    return found


def _failed_drills(session: Transaction) -> list[Drill]:
    """The newest drill of each project, where it failed."""
    newest = (
        select(DrillRow.project_id, func.max(DrillRow.ended_us).label("ended_us"))
        .group_by(col(DrillRow.project_id))
        .subquery()
    )
    same = (col(DrillRow.project_id) == newest.c.project_id) & (col(DrillRow.ended_us) == newest.c.ended_us)
    query = (
        select(DrillRow)
        .join(newest, same)
        .where(DrillRow.result == DrillResult.FAILED)
        .order_by(col(DrillRow.ended_us).desc(), col(DrillRow.id))
    )
    return [_drill(row) for row in session.exec(query).all()]


def _drill(row: DrillRow) -> Drill:
    files = tuple(DrilledFile(**{**one, "faults": tuple(one["faults"])}) for one in row.files)
    kept = row.model_dump(exclude={"files", "faults", "result"})
    return Drill(**kept, files=files, faults=tuple(row.faults), result=DrillResult(row.result))


def _store_report(session: Transaction, store: str, late_us: int) -> StoreReport:
    held = select(func.count()).select_from(PackageCopyRow).where(PackageCopyRow.store == store)
    whole = select(func.count(), func.coalesce(func.sum(ObjectCopyRow.size_bytes), 0)).where(
        ObjectCopyRow.store == store, ObjectCopyRow.result == Fixity.OK
    )
    objects, size = session.exec(whole).one()
    troubled = session.exec(_count([store], _TROUBLED)).one()
    return StoreReport(
        store=store,
        packages=session.exec(held).one(),
        packages_missing=_missing(session, store),
        size_bytes=int(size),
        objects=objects + troubled,
        troubled=troubled,
        overdue=session.exec(_count([store], (Fixity.OK,), late_us)).one(),
        oldest_check_us=session.exec(_oldest([store])).one(),
    )


def _copies(
    session: Transaction, package_ids: Sequence[str], stores: Sequence[str]
) -> dict[str, list[PackageCopy]]:
    """Where packages are whole, by package."""
    troubled = func.sum(case((col(ObjectCopyRow.result) == Fixity.OK, 0), else_=1))
    looked_at = (
        select(ObjectCopyRow.package_id, ObjectCopyRow.store, func.min(ObjectCopyRow.checked_us), troubled)
        .where(col(ObjectCopyRow.package_id).in_(package_ids))
        .group_by(col(ObjectCopyRow.package_id), col(ObjectCopyRow.store))
    )
    checks = {(one, store): (oldest, count) for one, store, oldest, count in session.exec(looked_at).all()}
    query = (
        select(PackageCopyRow)
        .where(col(PackageCopyRow.package_id).in_(package_ids), col(PackageCopyRow.store).in_(stores))
        .order_by(col(PackageCopyRow.store))
    )
    found: dict[str, list[PackageCopy]] = defaultdict(list)
    for row in session.exec(query).all():
        oldest_us, count = checks.get((row.package_id, row.store), (row.whole_us, 0))
        copy = PackageCopy(
            store=row.store, whole_us=row.whole_us, oldest_check_us=oldest_us, troubled=int(count)
        )
        found[row.package_id].append(copy)
    return found
