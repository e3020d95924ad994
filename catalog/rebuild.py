"""Rebuilds the catalogue of archives, holds and disposals from the object store alone (invariant 12).

How the store tells it, what comes back and what cannot: ``docs/design/rebuild.md``. A project is one
transaction; what is there is left alone, so that whoever broke off begins anew and goes on. Whatever is
damaged is named and stops nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Engine, Table, func, select
from sqlalchemy.exc import DataError, IntegrityError
from sqlmodel import Session as Transaction

from catalog.audit import append
from catalog.database import reading, writing
from catalog.file_sets import seal_file_set
from catalog.life_records import DISPOSALS, HOLDS
from catalog.objects import ObjectStore, verify
from catalog.rebuild_document import addendum_rows, session_rows
from catalog.rebuild_life import FoundDisposals, holds_of, subject_of
from catalog.rebuild_package import (
    PACKAGE_KEY,
    FoundPackage,
    check_package,
    find_package,
    is_damage,
    read_small,
)
from catalog.rebuild_records import ARCHIVE, RECORDS, RecordKey, parse_key
from catalog.rebuild_rows import Rows, put_absent, put_changed, read_record
from catalog.rebuild_source import ARCHIVE_TABLES, CODE_TABLES, PROJECT_TABLES
from catalog.search.words import index_project
from catalog.tables import METADATA
from kernel.clock import Clock
from kernel.errors import CatalogError, FixityError, StorageError
from kernel.model.audit import Act, Action
from kernel.model.footage import SegmentState

_T = METADATA.tables
_CROSSING = ("hall_project",)  # rows that name other projects: they wait for those
_AFTER_ARCHIVES = ("file_set_archive", "document", "document_copy")
_PUT = "put"  # in a transaction's ``info``: how many rows it put, by table
_AT_ONCE = 500  # keys that the catalogue is asked for
_REMOVAL = "rebuilt from the store, which does not hold the ring's files"
_BEFORE = (Action.CATALOGUE_REBUILT.value, Action.PLACES_CHANGED.value)
"""What may stand in the audit chain of a catalogue that is being rebuilt."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Damage:
    """Something in the store that could not be taken in."""

    name: str  # key or prefix, or what else it is
    what: str  # what is missing or wrong, for people


@dataclass(kw_only=True, slots=True)
class Rebuilt:
    """What came of a rebuild."""

    taken: Counter[str] = field(default_factory=Counter)  # rows that were put, by what they are
    damages: list[Damage] = field(default_factory=list)
    keys: Counter[str] = field(default_factory=Counter)  # ids of keys that records are signed with
    without_record: list[str] = field(default_factory=list)  # packages known from their own documents alone


class Rebuild:
    """One rebuild of an empty catalogue."""

    def __init__(
        self,
        engine: Engine,
        store: ObjectStore,
        clock: Clock,
        *,
        verify_all: bool = False,
        tell: Callable[[int, int, str], None] = lambda _done, _of, _what: None,
    ) -> None:
        """
        Args:
            verify_all: hash every object, instead of comparing names, sizes and manifests.
            tell: told how many of how many are done, and of what.
        """
        self._engine = engine
        self._store = store
        self._clock = clock
        self._verify_all = verify_all
        self._tell = tell
        self._found = Rebuilt()
        self._life = FoundDisposals()
        self._records: dict[str, list[RecordKey]] = defaultdict(list)  # of code tables and projects
        self._archives: dict[str, list[RecordKey]] = defaultdict(list)  # by project
        self._crossing: list[tuple[str, Rows]] = []
        self._named: set[str] = set()  # prefixes of packages and keys that are named already
        self._principal = ""

    def run(self, origin: str, principal: str) -> Rebuilt:
        """Take in all that the store tells.

        Args:
            origin: the store, without credentials, as the audit chain is to name it.

        Raises:
            CatalogError: the catalogue has projects or footage of its own.
            StorageError: the store is out of reach; run it again.
        """
        self._principal = principal
        self._begin(origin)
        self._list_records()
        self._read_life()
        self._take_tables()
        names = sorted((self._records.keys() | self._archives.keys()) - {""})
        for done, project_id in enumerate(names):
            self._tell(done, len(names), project_id)
            self._take_project(project_id)
        self._take_unrecorded()
        for name, rows in self._crossing:
            self._put_each(name, rows)
        self._take_disposals()
        self._take_holds()
        self._name_strays()
        self._end(origin)
        return self._found

    # The act.

    def _begin(self, origin: str) -> None:
        with writing(self._engine) as session:
            _refuse_used(session, origin)
            append(session, self._act(origin, {"step": "begun", "verify": self._verify_all}))

    def _end(self, origin: str) -> None:
        told = {
            "step": "ended",
            "rows": dict(sorted(self._found.taken.items())),
            "damages": len(self._found.damages),
        }
        with writing(self._engine) as session:
            append(session, self._act(origin, told))

    def _act(self, origin: str, details: Mapping[str, Any]) -> Act:
        return Act(
            at_us=self._clock.now_us(),
            principal=self._principal,
            action=Action.CATALOGUE_REBUILT,
            subject=origin,
            details=details,
        )

    # What the store has.

    def _list_records(self) -> None:
        for key in self._store.list_keys(RECORDS):
            one = parse_key(key)
            if one is None:
                self._damage(key, "no record has such a key")
            elif one.kind == ARCHIVE:
                self._archives[one.project_id].append(one)
            else:
                self._records[one.subject].append(one)

    def _read_life(self) -> None:
        for disposal_id, keys in _grouped(self._store.list_keys(DISPOSALS)).items():
            with self._named_if_damaged(f"{DISPOSALS}{disposal_id}"):
                self._life.add(disposal_id, self._contents(keys))

    def _contents(self, keys: Iterable[str]) -> dict[str, bytes]:
        return {key: read_small(self._store, key) for key in keys if key.endswith(".json")}

    def _newest(self, subject: str, tables: Collection[str]) -> Rows | None:
        """The newest record of a subject that is whole; those that are not are named."""
        for one in reversed(self._records.get(subject, [])):
            with self._named_if_damaged(one.key):
                return self._read(one, tables)
        return None

    def _read(self, one: RecordKey, tables: Collection[str]) -> Rows:
        rows, key = read_record(read_small(self._store, one.key), one.kind, one.subject, tables)
        self._found.keys[key] += 1
        return rows

    # Taking in.

    def _take_tables(self) -> None:
        """Tables that the product brings along are filled already: what the deployment made of them holds.

        Older records, too, are taken in behind the newest: of two sites each knows its own places.
        """
        newest = True
        for one in reversed(self._records.get("", [])):
            with self._named_if_damaged(one.key):
                rows = self._read(one, CODE_TABLES)
                self._put_each(one.key, rows)
                if newest:
                    with self._writing(one.key) as session:
                        session.info[_PUT] += put_changed(session.connection(), rows)
                newest = False

    def _take_project(self, project_id: str) -> None:
        """Read and check all of a project, then write it: nobody waits for a store within a transaction."""
        rows = self._newest(project_id, PROJECT_TABLES)
        if rows is None:
            self._damage(project_id, "no record of this project is whole; its packages tell of it")
            return
        with self._named_if_damaged(f"project {project_id}"):
            if [one["id"] for one in rows["project"]] != [project_id]:
                raise FixityError("its record is of another project")
            retired = {one["id"]: one["retired_us"] for one in rows.pop("clip")}
            self._crossing.append((project_id, {name: rows.pop(name) for name in _CROSSING}))
            rows = self._without_damaged(self._life.merged(rows))
            late = {name: rows.pop(name) for name in _AFTER_ARCHIVES}
            archives = self._archives_of(project_id, retired)
            prefixes = [(one["archive"][0]["id"], one["archive"][0]["key_prefix"]) for one in archives]
            late["disposal_object"] = self._life.objects_of(project_id, prefixes)
            with self._writing(project_id) as session:
                self._put(session, rows)
                for one in archives:
                    with self._named_if_damaged(one["archive"][0]["key_prefix"]), session.begin_nested():
                        self._put(session, one)
                self._put_late(session, project_id, late)
                index_project(session, project_id)

    def _archives_of(self, project_id: str, retired: Mapping[str, int]) -> list[Rows]:
        """Archives that are there whole, or were destroyed by decision; all others are named."""
        found = []
        for one in self._archives.get(project_id, []):
            with self._named_if_damaged(one.key) as at:
                rows = self._read(one, ARCHIVE_TABLES)
                if [row["id"] for row in rows["archive"]] != [one.subject]:
                    raise FixityError("its record is of another archive")
                at.name = rows["archive"][0]["key_prefix"]
                for clip in rows["clip"]:
                    clip["retired_us"] = retired.get(clip["id"], clip["retired_us"])
                self._check_archive(rows)
                found.append(self._as_tombstones(rows))
        return found

    def _check_archive(self, rows: Rows) -> None:
        """See that a package is whole, and fetch its receipts; one that was destroyed has none."""
        archive = rows["archive"][0]
        gone = {row["key"] for row in rows["archive_object"]} & self._life.going
        if gone:
            archive["disposed_us"] = self._life.done.get(min(gone))
            return
        prefix = archive["key_prefix"]
        found = self._check_objects(prefix, rows["archive_object"])
        for one in rows["rendition"]:
            name = one["object_key"].removeprefix(f"{prefix}/data/clips/")
            one["receipt"] = found.read_json(self._store, f"data/receipts/{name}.json")

    def _check_objects(self, prefix: str, objects: Iterable[Mapping[str, Any]]) -> FoundPackage:
        found = find_package(self._store, prefix)
        wanted = {one["key"]: (one["size_bytes"], one["sha256"]) for one in objects}
        check_package(self._store, found, wanted, verify_all=self._verify_all)
        return found

    def _without_damaged(self, rows: Rows) -> Rows:
        """Rows of a project without addenda and documents whose objects are not there; each is named."""
        damaged = set()
        for one in rows["addendum"]:
            own = [row for row in rows["addendum_object"] if row["addendum_id"] == one["id"]]
            if not self._life.going.isdisjoint(row["key"] for row in own):
                continue
            damaged.add(one["id"])
            with self._named_if_damaged(one["key_prefix"]):
                self._check_objects(one["key_prefix"], own)
                damaged.remove(one["id"])
        return {
            **rows,
            "addendum": [one for one in rows["addendum"] if one["id"] not in damaged],
            "addendum_object": [one for one in rows["addendum_object"] if one["addendum_id"] not in damaged],
            "document": self._there(rows["document"]),
        }

    def _there(self, documents: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Documents whose object is there, or was destroyed by decision; all others are named."""
        found = []
        for one in documents:
            with self._named_if_damaged(one["object_key"]):
                if one["object_key"] not in self._life.going:
                    self._check_object(one["object_key"], one["size_bytes"], one["sha256"])
                found.append(one)
        return found

    def _check_object(self, key: str, size_bytes: int, sha256: str) -> None:
        if self._verify_all:
            verify(self._store, key, size_bytes, sha256)
        elif self._store.size(key) != size_bytes:
            raise FixityError(f"it has {self._store.size(key)} bytes instead of {size_bytes}")

    def _as_tombstones(self, rows: Rows) -> Rows:
        """Segments are known by their archives; whether a file of the ring is left, the store cannot say."""
        gone = {
            "state": SegmentState.REMOVED.value,
            "removed_us": self._clock.now_us(),
            "removal_reason": _REMOVAL,
            "removed_by": self._principal,
        }
        kept = [
            one if one.get("state", SegmentState.SEALED) == SegmentState.REMOVED else {**one, **gone}
            for one in rows["segment"]
        ]
        return {**rows, "segment": kept}

    # Packages without a record.

    def _take_unrecorded(self) -> None:
        """Packages that no record told of, the newest version of a session first: it knows most."""
        prefixes = {
            found["prefix"]
            for part in ("archives/", "addenda/")
            for key in self._unknown(self._store.list_keys(part))
            if (found := PACKAGE_KEY.fullmatch(key)) is not None
        }
        projects = set()
        for prefix in sorted(prefixes - self._named, key=_newest_first):
            with self._named_if_damaged(prefix):
                projects.add(self._take_package(prefix))
                self._found.without_record.append(prefix)
        for project_id in sorted(projects):
            with self._named_if_damaged(project_id), self._writing(project_id) as session:
                newest = select(func.max(_T["archive"].c.verified_us)).select_from(
                    _T["archive"].join(_T["session"], _T["session"].c.id == _T["archive"].c.session_id)
                )
                at_us = (
                    session.connection()
                    .execute(newest.where(_T["session"].c.project_id == project_id))
                    .scalar()
                )
                if at_us is not None:
                    seal_file_set(session, project_id, at_us)

    def _take_package(self, prefix: str) -> str:
        """Take in a package by its own documents; returns its project."""
        found = find_package(self._store, prefix)
        check_package(self._store, found, {}, verify_all=self._verify_all)
        told = addendum_rows if prefix.startswith("addenda/") else session_rows
        rows = told(self._store, found, self._clock.now_us())
        project_id = str(rows["project"][0]["id"])
        self._refuse_unknown_codes(rows)
        rows["document"] = self._there(rows["document"])
        kept = {one["id"] for one in rows["document"]}
        rows["document_copy"] = [one for one in rows["document_copy"] if one["document_id"] in kept]
        self._crossing.append((project_id, {name: rows.pop(name, []) for name in _CROSSING}))
        with self._writing(project_id) as session:
            self._put(session, self._as_tombstones({"segment": [], **rows}))
            index_project(session, project_id)
        return project_id

    def _refuse_unknown_codes(self, rows: Rows) -> None:
        project = rows["project"][0]
        wanted = {
            ("region", project["region_code"]),
            ("region", project["trade_place"]),
            ("industry", project["industry_code"]),
            *(("region", one["region_code"]) for one in rows.get("site", [])),
        }
        with reading(self._engine) as session:
            for table, code in sorted(wanted):
                query = select(_T[table].c.code).where(_T[table].c.code == code)
                if session.connection().execute(query).first() is None:
                    raise FixityError(f"it names {table} {code}, which the table does not have")

    # Holds and the rest.

    def _take_disposals(self) -> None:
        """Appraisals of projects of which there is no whole record; of all others they are there already."""
        archive, of = _T["archive"].c, _T["session"].c
        for project_id, told in self._life.disposals.items():
            query = select(archive.id, archive.key_prefix).join(_T["session"], of.id == archive.session_id)
            with reading(self._engine) as session:
                found = session.connection().execute(query.where(of.project_id == project_id)).all()
            archives = [(one.id, one.key_prefix) for one in found]
            objects = self._life.objects_of(project_id, archives)
            self._put_each(f"disposals of {project_id}", {"disposal": told, "disposal_object": objects})

    def _take_holds(self) -> None:
        for act_id, keys in _grouped(self._store.list_keys(HOLDS)).items():
            rows: list[dict[str, Any]] = []
            with self._named_if_damaged(f"{HOLDS}{act_id}"):
                rows = holds_of(self._contents(keys))
            self._put_each(f"{HOLDS}{act_id}", {"hold": rows})

    def _name_strays(self) -> None:
        """Whatever lies below packages and documents that nothing told of."""
        for part in ("archives/", "addenda/", "documents/"):
            for key in self._unknown(self._store.list_keys(part)):
                found = PACKAGE_KEY.fullmatch(key)
                named = {key} if found is None else {key, found["prefix"]}
                if not named & self._named:
                    self._damage(key, "nothing tells what this is")

    def _unknown(self, keys: Iterator[str]) -> Iterator[str]:
        """Keys that no row of the catalogue names."""
        tables = ("archive_object", "addendum_object", "disposal_object")
        while some := list(islice(keys, _AT_ONCE)):
            columns = [*(_T[name].c.key for name in tables), _T["document"].c.object_key]
            with reading(self._engine) as session:
                connection = session.connection()
                known = {
                    key
                    for one in columns
                    for key in connection.execute(select(one).where(one.in_(some))).scalars()
                }
            yield from (key for key in some if key not in known)

    # Writing, and what cannot be written.

    @contextmanager
    def _writing(self, name: str) -> Iterator[Transaction]:
        """A transaction; what the tables refuse is damage of what was read.

        Raises:
            FixityError: a row contradicts others.
        """
        put: Counter[str] = Counter()  # counts only once they are kept
        with writing(self._engine) as session, _refused(name):
            session.info[_PUT] = put
            yield session
        self._found.taken += put

    def _put(self, session: Transaction, rows: Rows) -> None:
        with _refused("it"):
            session.info[_PUT] += put_absent(session.connection(), rows)

    def _put_late(self, session: Transaction, name: str, rows: Rows) -> None:
        """Put rows that refer to what may not be there; where that is so, each for itself."""
        try:
            with session.begin_nested():
                self._put(session, rows)
        except FixityError:
            for table in METADATA.sorted_tables:
                # A document comes before those that correct it.
                for row in sorted(rows.get(table.name, []), key=lambda row: int(row.get("version", 0))):
                    with self._named_if_damaged(f"{name}: {table.name}"), session.begin_nested():
                        self._put(session, {table.name: [row]})

    def _put_each(self, name: str, rows: Rows) -> None:
        if any(rows.values()):
            with self._writing(name) as session:
                self._put_late(session, name, rows)

    @contextmanager
    def _named_if_damaged(self, name: str) -> Iterator[_At]:
        """What is damaged is named and left out; a store that is out of reach ends it all."""
        at = _At(name=name)
        try:
            yield at
        except StorageError as error:
            if not is_damage(error):
                raise
            self._damage(at.name, error.message)

    def _damage(self, name: str, what: str) -> None:
        self._named.add(name)
        self._found.damages.append(Damage(name=name, what=what))


@dataclass(slots=True)
class _At:
    """What is being read, so that it can be named as soon as more is known of it."""

    name: str


@contextmanager
def _refused(name: str) -> Iterator[None]:
    """What the tables refuse, as damage of what was read."""
    try:
        yield
    except (IntegrityError, DataError) as error:
        said = " ".join(str(error.orig).split())
        raise FixityError(f"{name} contradicts what is there: {said}") from error


def _refuse_used(session: Transaction, origin: str) -> None:
    """Only an empty catalogue is rebuilt, or one that such a rebuild left halfway."""
    connection = session.connection()
    used = [name for name in ("project", "segment") if not _is_empty(connection, _T[name])]
    audit = _T["audit"].c
    done = set(connection.execute(select(audit.action).distinct()).scalars())
    begun = select(audit.number).where(
        audit.action == Action.CATALOGUE_REBUILT.value, audit.subject == origin
    )
    ours = done.issubset(_BEFORE) and connection.execute(begun.limit(1)).first() is not None
    if used and not ours:
        raise CatalogError(
            f"The catalogue has a {used[0]} already: only an empty one is rebuilt.",
            hint="Name an empty data_dir, or an empty database; nothing was changed.",
        )


def _is_empty(connection: Connection, table: Table) -> bool:
    return connection.execute(select(*table.primary_key).limit(1)).first() is None


def _grouped(keys: Iterable[str]) -> dict[str, list[str]]:
    """Keys of records by the act or appraisal that they tell of."""
    found: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        found[subject_of(key)].append(key)
    return found


def _newest_first(prefix: str) -> tuple[bool, str, int]:
    """Sessions' packages first, the newest of each first; then addenda in their order."""
    base, _, number = prefix.rpartition("/")
    if prefix.startswith("addenda/"):
        return True, base, int(number)
    return False, base, -int(number.removeprefix("v"))
