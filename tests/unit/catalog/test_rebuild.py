"""The catalogue is rebuilt from the store alone, row by row (invariant 12)."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import select

from catalog.catalogue import Catalogue
from catalog.certificate import signed
from catalog.database import writing
from catalog.destruction import Destruction
from catalog.life_records import LifeRecords
from catalog.objects import MemoryStore, ObjectStore
from catalog.rebuild import Rebuilt
from catalog.rebuild_document import session_rows
from catalog.rebuild_package import find_package
from catalog.rebuild_records import StoreRecords
from catalog.rebuild_rows import Rows, checked_row, record_of
from catalog.rebuild_source import PROJECT_TABLES
from catalog.search.filters import SearchFilter
from catalog.tables import METADATA, IndustryRow, RetentionRuleRow
from kernel.clock import FakeClock
from kernel.errors import CatalogError, FixityError, StoreUnreachable
from kernel.model.archive import Archive
from kernel.model.footage import Hold, HoldKind
from kernel.model.life import TELLABLE, Disposal
from kernel.model.preservation import MAIN
from kernel.model.timeline import Session, SessionState
from kernel.signing_key import signing_key
from kernel.values import fields_of
from tests.support.bags import put_bag, put_clips
from tests.support.catalogue import migrated_file
from tests.support.centre import Centre, project
from tests.support.centre import session as planned
from tests.support.rebuilt import COMES_BACK, STAYS_AWAY, all_rows
from tests.support.sample_month import Month, _rendition

ORIGIN = "memory://store"


class PackedMonth(Month):
    """The sample's month whose archives are bags."""

    def _archive(self) -> None:
        for session in self.catalogue.sessions.in_state(SessionState.CUT):
            archive_bag(self.catalogue, self.store, session, self.clock.now_us())


def archive_bag(catalogue: Catalogue, store: ObjectStore, session: Session, now_us: int) -> Archive:
    """Stands in for the archiver."""
    version = catalogue.archives.next_version(session.id)
    prefix = f"archives/53/A/2026/03/{session.project_id}/{session.id}/v{version}"
    clips = [clip for clip in catalogue.clips.of_session(session.id) if clip.slices]
    objects, files = put_clips(store, prefix, clips)
    archive = Archive(
        id=f"archive-{session.id}-{version}",
        session_id=session.id,
        version=version,
        key_prefix=prefix,
        budget_bytes=1 << 32,
        size_bytes=sum(item.size_bytes for item in objects),
        raw_bytes=1,
        verified_us=now_us,
        principal="test",
        overrun_reason="",
        objects=tuple(objects),
        cut_number=session.cut_number,
        known_number=catalogue.archives.known_number(session.id),
    )
    renditions = [_rendition(clip, version, item) for clip, item in zip(clips, files, strict=True)]
    catalogue.archives.record(archive, renditions)
    return archive


def write_records(catalogue: Catalogue, store: ObjectStore, directory: Path, clock: FakeClock) -> None:
    StoreRecords(catalogue.kept_rows, store, signing_key(directory / "key.pem"), clock).write_missing()
    LifeRecords(catalogue.holds, catalogue.disposals, store).write_missing()


@contextmanager
def rebuilt(store: ObjectStore, url: str, clock: FakeClock) -> Iterator[tuple[Catalogue, Rebuilt]]:
    catalogue = Catalogue.open(url)
    try:
        yield catalogue, catalogue.rebuild(store, clock).run(ORIGIN, "操作员")
    finally:
        catalogue.close()


def test_each_table_comes_back_or_stands_with_the_reason_why_not() -> None:
    assert COMES_BACK.keys() | STAYS_AWAY.keys() == METADATA.tables.keys()
    assert not COMES_BACK.keys() & STAYS_AWAY.keys()


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PackedMonth]:
    made = PackedMonth(tmp_path_factory.mktemp("month"))
    made.live()
    for hold in (
        Hold(id="h1", kind=HoldKind.PROJECT, project_id="P01", reason="投诉", principal="纪检", made_us=5),
        Hold(id="h2", kind=HoldKind.SESSION, session_id="P02-O", reason="核查", principal="纪检", made_us=6),
    ):
        made.catalogue.holds.make(hold)
    made.catalogue.holds.release("h2", at_us=7, principal="纪检", reason="查结")
    yield made
    made.catalogue.close()


def test_the_sample_month_is_rebuilt_row_by_row(month: PackedMonth, url: str) -> None:
    write_records(month.catalogue, month.store, month.directory, month.clock)
    before = all_rows(month.catalogue)
    with rebuilt(month.store, url, month.clock) as (catalogue, found):
        assert found.damages == []
        after = all_rows(catalogue)
        for table, rows in before.items():
            if table == "rendition":  # the month's own rows have no receipts
                for one in after[table]:
                    assert one["receipt"] == {"clip": one["clip_id"]}
                    one["receipt"] = {}
            assert after[table] == rows, table


# --- small stores, spoilt


class Small:
    """Three projects, each with a session that was archived; the last one destroyed by decision."""

    def __init__(self, directory: Path) -> None:
        self.centre = Centre(directory)
        self.catalogue, self.clock = self.centre.catalogue, self.centre.clock
        self.store = MemoryStore(self.clock)
        self.key = signing_key(directory / "key.pem")
        self.archives = [self._archive(f"P{number}") for number in range(3)]
        self.records = StoreRecords(self.catalogue.kept_rows, self.store, self.key, self.clock)
        self.records.write_missing()

    def _archive(self, name: str) -> Archive:
        self.centre.plan(planned(f"{name}-E", project_id=name))
        self.centre.record("er-cam", 0, 200)
        self.centre.hold(f"{name}-E", 20, 100)
        self.centre.cut(500)
        return archive_bag(self.catalogue, self.store, self.centre.get(f"{name}-E"), self.clock.now_us())

    def make_due(self, project_id: str) -> None:
        """A project whose term is over."""
        now_us, table = self.clock.now_us(), self.catalogue.retention
        table.choose(project_id, "Y10", reason="r", principal="甲", at_us=now_us)
        for start in TELLABLE:
            table.tell_day(project_id, start, date(2010, 1, 1), reason="r", principal="甲", at_us=1)

    def sign(self, project_id: str) -> Disposal:
        """Its destruction, proposed and signed, long after."""
        self.make_due(project_id)
        self.clock.advance(31 * 366 * 86400)
        disposals, now_us = self.catalogue.disposals, self.clock.now_us()
        made = disposals.propose(project_id, reason="期满", principal="甲", at_us=now_us)
        return disposals.sign(made.id, principal="乙", at_us=now_us)

    def run(self, catalogue: Catalogue, store: MemoryStore, disposal_id: str) -> Disposal:
        destruction = Destruction(
            catalogue.disposals, catalogue.projects, {MAIN: store}, self.key, self.clock
        )
        return destruction.run_once(disposal_id, "程序")

    def destroy(self) -> Disposal:
        """The last project's file."""
        return self.run(self.catalogue, self.store, self.sign("P2").id)

    def copy(self) -> MemoryStore:
        """The store, to be spoilt."""
        copied = MemoryStore(self.clock)
        for key in self.store.list_keys():
            with self.store.open(key) as reader:
                copied.put(key, io.BytesIO(reader.read()))
        return copied


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    made = Small(tmp_path_factory.mktemp("small"))
    yield made
    made.centre.close()


def overwrite(store: MemoryStore, key: str, content: bytes) -> None:
    store.destroy_forever(key)
    store.put(key, io.BytesIO(content))


def read(store: MemoryStore, key: str) -> bytes:
    with store.open(key) as reader:
        return reader.read()


def key_of(store: MemoryStore, start: str, end: str = "") -> str:
    """The last key that begins and ends so."""
    return [key for key in store.list_keys(start) if key.endswith(end)][-1]


def test_a_catalogue_that_is_in_use_is_refused_and_left_alone(small: Small, tmp_path: Path) -> None:
    used = Centre(tmp_path)
    used.plan(planned("X-E", project_id="X"))
    before = len(used.catalogue.audit.records())
    with pytest.raises(CatalogError, match="only an empty one"):
        used.catalogue.rebuild(small.copy(), small.clock).run(ORIGIN, "操作员")
    assert len(used.catalogue.audit.records()) == before
    assert used.catalogue.projects.project("P0") is None
    used.close()


def test_the_act_begins_the_new_chain_and_says_what_came(small: Small, url: str) -> None:
    """Invariant 14."""
    with rebuilt(small.copy(), url, small.clock) as (catalogue, found):
        assert (found.damages, found.taken["archive"]) == ([], 3)
        last, first = catalogue.audit.records()
        assert (first.number, first.action, first.subject, first.principal) == (
            1,
            "catalogue.rebuilt",
            ORIGIN,
            "操作员",
        )
        assert last.details["rows"]["archive"] == 3
        assert list(catalogue.audit.faults()) == []


def test_what_is_rebuilt_is_found(small: Small, url: str) -> None:
    with rebuilt(small.copy(), url, small.clock) as (catalogue, _):
        page = catalogue.search.projects(SearchFilter(text="样例"))
        assert {one.project.id for one in page.projects} == {"P0", "P1", "P2"}


def test_code_tables_come_back_as_the_deployment_made_them(tmp_path: Path, url: str) -> None:
    """An industry of its own, a shipped one with another name, and a retention rule that was ended."""
    made = Small(tmp_path / "small")
    with writing(made.catalogue.footage._engine) as transaction:
        own = IndustryRow(code="Z99", name_zh="自有", name_en="Own", parent_code="A01")
        transaction.add(own)
        transaction.get_one(IndustryRow, "A01").name_zh = "改名"
        transaction.exec(select(RetentionRuleRow)).all()[0].valid_until = "2026-12-31"
    StoreRecords(made.catalogue.kept_rows, made.store, made.key, made.clock).write_missing()
    with rebuilt(made.store, url, made.clock) as (catalogue, found):
        assert found.damages == []
        for table in ("industry", "retention_rule", "region"):
            assert all_rows(catalogue)[table] == all_rows(made.catalogue)[table]
    made.centre.close()


def test_an_order_of_a_project_without_record_is_taken_in_or_named(tmp_path: Path) -> None:
    made = Small(tmp_path / "small")
    made.destroy()
    for key in list(made.store.list_keys("records/projects/P2/")):
        made.store.destroy_forever(key)
    with rebuilt(made.store, migrated_file(tmp_path / "new.sqlite"), made.clock) as (_, found):
        named = [one.name for one in found.damages]
        assert "P2" in named
        assert "disposals of P2: disposal" in named
        assert found.taken["archive"] == 2
    made.centre.close()


def test_a_rebuild_that_broke_off_goes_on(small: Small, url: str) -> None:
    class Falls(MemoryStore):
        left = 1 << 30

        def open(self, key: str) -> BinaryIO:
            self.left -= 1
            if self.left < 0:
                raise StoreUnreachable()
            return super().open(key)

    store = Falls(small.clock)
    for key in small.store.list_keys():
        store.put(key, io.BytesIO(read(small.store, key)))
    catalogue = Catalogue.open(url)
    opened = 0
    for left in (0, 3, 6, 9, 12):
        store.left = left
        with pytest.raises(StoreUnreachable):
            catalogue.rebuild(store, small.clock).run(ORIGIN, "操作员")
        opened = max(opened, len(catalogue.projects.projects()))
    assert 0 < opened < 3
    store.left = 1 << 30
    found = catalogue.rebuild(store, small.clock).run(ORIGIN, "操作员")
    assert found.damages == []
    assert all_rows(catalogue)["archive"] == all_rows(small.catalogue)["archive"]
    catalogue.close()


def spoil_manifest(store: MemoryStore, prefix: str) -> str:
    store.destroy_forever(f"{prefix}/manifest-sha256.txt")
    return "missing: manifest-sha256.txt"


def spoil_clip(store: MemoryStore, prefix: str) -> str:
    store.destroy_forever(key_of(store, f"{prefix}/data/clips/"))
    return "missing: data/clips/"


def shorten_clip(store: MemoryStore, prefix: str) -> str:
    overwrite(store, key_of(store, f"{prefix}/data/clips/"), b"x")
    return "other than its record tells: data/clips/"


def change_receipt(store: MemoryStore, prefix: str) -> str:
    key = key_of(store, f"{prefix}/data/receipts/")
    overwrite(store, key, read(store, key).replace(b"clip", b"clop", 1))
    return "is not what its manifest names"


def change_manifest(store: MemoryStore, prefix: str) -> str:
    key = f"{prefix}/manifest-sha256.txt"
    overwrite(store, key, read(store, key).replace(b"data/clips", b"data/clops", 1))
    return "manifest-sha256.txt is not what tagmanifest-sha256.txt names"


def put_stranger(store: MemoryStore, prefix: str) -> str:
    store.put(f"{prefix}/data/more", io.BytesIO(b"x"))
    return "no manifest names: data/more"


@pytest.mark.parametrize(
    "spoil", [spoil_manifest, spoil_clip, shorten_clip, change_receipt, change_manifest, put_stranger]
)
def test_a_damaged_package_is_named_and_stops_nothing(
    small: Small, tmp_path: Path, spoil: Callable[[MemoryStore, str], str]
) -> None:
    """Invariant 10: no row of an archive that is not whole. Restored, it comes with the next run."""
    store, prefix = small.copy(), small.archives[1].key_prefix
    said = spoil(store, prefix)
    catalogue = Catalogue.open(migrated_file(tmp_path / "new.sqlite"))
    found = catalogue.rebuild(store, small.clock).run(ORIGIN, "操作员")
    (damage, *more) = [one for one in found.damages if one.name == prefix]
    assert said in damage.what
    assert more == []
    archives = {row["key_prefix"] for row in all_rows(catalogue)["archive"]}
    assert archives == {one.key_prefix for one in small.archives} - {prefix}
    assert catalogue.projects.project("P1") is not None
    again = catalogue.rebuild(small.copy(), small.clock).run(ORIGIN, "操作员")
    assert (again.damages, again.taken["archive"]) == ([], 1)
    assert all_rows(catalogue)["file_set_archive"] == all_rows(small.catalogue)["file_set_archive"]
    catalogue.close()


def test_bytes_that_changed_without_their_size_are_found_by_verifying(small: Small, tmp_path: Path) -> None:
    store, prefix = small.copy(), small.archives[0].key_prefix
    key = key_of(store, f"{prefix}/data/clips/")
    overwrite(store, key, bytes(reversed(read(store, key))))
    quick, slow = (Catalogue.open(migrated_file(tmp_path / name)) for name in ("quick", "slow"))
    assert quick.rebuild(store, small.clock).run(ORIGIN, "p").damages == []
    (damage,) = slow.rebuild(store, small.clock, verify_all=True).run(ORIGIN, "p").damages[:1]
    assert (damage.name, "SHA-256" in damage.what) == (prefix, True)
    quick.close()
    slow.close()


def test_a_spoilt_newest_record_leaves_the_one_before_it(small: Small, tmp_path: Path) -> None:
    store = small.copy()
    newest = key_of(store, "records/projects/P1/")
    store.put(f"records/projects/P1/000002-{'0' * 32}.json", io.BytesIO(b"{"))
    with rebuilt(store, migrated_file(tmp_path / "new.sqlite"), small.clock) as (catalogue, found):
        assert [one.name for one in found.damages] == [f"records/projects/P1/000002-{'0' * 32}.json"]
        assert newest.startswith("records/projects/P1/000001-")
        assert all_rows(catalogue)["archive"] == all_rows(small.catalogue)["archive"]


def test_records_of_another_format_or_kind_or_key_are_named(small: Small, tmp_path: Path) -> None:
    store = small.copy()
    told = json.loads(read(store, key_of(store, "records/projects/P1/")))["statement"]
    wrong = [
        signed({**told, "format": "jianzheng.rows/2"}, small.key),
        signed({**told, "subject": "P2"}, small.key),
        signed({**told, "tables": {"audit": {"columns": [], "rows": []}}}, small.key),
        read(store, key_of(store, "records/projects/P1/")).replace(b"code-P1", b"code-P9"),
        b"\xff",
        b"[]",
    ]
    for number, content in enumerate(wrong, 2):
        store.put(f"records/projects/P1/{number:06d}-{'0' * 32}.json", io.BytesIO(content))
    store.put("records/strange.json", io.BytesIO(b"{}"))
    with rebuilt(store, migrated_file(tmp_path / "new.sqlite"), small.clock) as (catalogue, found):
        assert len(found.damages) == len(wrong) + 1
        said = " ".join(one.what for one in found.damages)
        assert "jianzheng.rows/2" in said
        assert "not what was signed" in said
        assert "'audit', which do not belong there" in said
        assert all_rows(catalogue)["archive"] == all_rows(small.catalogue)["archive"]


def test_stray_objects_are_named_and_stop_nothing(small: Small, tmp_path: Path) -> None:
    store = small.copy()
    strays = ["archives/stray", "addenda/a/b/c/1/x", "documents/53/A/P/nobody.pdf", "holds/x/made.json"]
    for key in strays:
        store.put(key, io.BytesIO(b"[1]"))
    with rebuilt(store, migrated_file(tmp_path / "new.sqlite"), small.clock) as (_, found):
        named = {one.name for one in found.damages}
        assert named == {"archives/stray", "addenda/a/b/c/1", "documents/53/A/P/nobody.pdf", "holds/x"}
        assert found.taken["archive"] == 3


def package_document(region: str) -> dict[str, Any]:
    return {
        "format": "jianzheng-session/3",
        "project": {**fields_of(project("Q")), "region_code": region},
        **{name: [] for name in ("sections", "venues", "shown_projects", "seatings", "events", "tags")},
        **{name: [] for name in ("sites", "rooms", "seats", "sources", "clips", "segments")},
        "session": {
            **fields_of(planned("Q-E", project_id="Q")),
            "start_us": 1,
            "end_us": 2,
            "cut_number": 1,
        },
        "budget_bytes": 1 << 20,
        "principal": "test",
    }


def put_document(store: MemoryStore, told: Any) -> str:
    prefix = "archives/53/A/2026/03/Q/Q-E/v1"
    put_bag(store, prefix, {"catalogue.json": json.dumps(told).encode()})
    return prefix


def test_a_package_that_names_an_unknown_region_is_named(small: Small, tmp_path: Path) -> None:
    store = small.copy()
    prefix = put_document(store, package_document("999999"))
    with rebuilt(store, migrated_file(tmp_path / "new.sqlite"), small.clock) as (catalogue, found):
        (damage,) = found.damages
        assert (damage.name, "region 999999" in damage.what) == (prefix, True)
        assert catalogue.projects.project("Q") is None
        assert found.taken["archive"] == 3


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_spoilt_document_of_a_package_stops_it(data: st.DataObject) -> None:
    """Whatever a stranger wrote there becomes rows that fit, or a ``FixityError``."""
    told = package_document("530602")
    told["clips"], told["segments"] = [{"wall": {}}], [{"id": "x"}]
    place = data.draw(st.sampled_from([("top",), ("project",), ("session",), ("clips",), ("segments",)]))[0]
    value = data.draw(_JSON)
    if place == "top":
        told[data.draw(st.sampled_from(sorted(told)))] = value
    elif isinstance(told[place], list):
        told[place] = [value]
    else:
        told[place][data.draw(st.sampled_from(sorted(told[place])))] = value
    store = MemoryStore(FakeClock(0))
    prefix = put_document(store, told)
    with suppress(FixityError):
        rows = session_rows(store, find_package(store, prefix), 1)
        assert rows["project"][0]["region_code"]


@settings(max_examples=60, deadline=None)
@given(value=_JSON, column=st.sampled_from(sorted(METADATA.tables["segment"].columns.keys())))
def test_no_row_gets_a_value_of_another_kind(value: Any, column: str) -> None:
    row = {one.name: 1 if one.type.python_type is int else "x" for one in METADATA.tables["segment"].columns}
    try:
        found = checked_row(METADATA.tables["segment"], {**row, column: value})
    except FixityError:
        return
    kinds = {type(one) for one in found.values()}
    assert kinds <= {int, str, type(None)}


def test_thousands_of_packages_are_read_in_order_and_none_twice(tmp_path: Path) -> None:
    clock = FakeClock(0)
    store, key = MemoryStore(clock), signing_key(tmp_path / "key.pem")
    row = {"region_code": "530602", "trade_place": "530602", "industry_code": "A01", "name_en": ""}
    tables: Rows = {name: [] for name in PROJECT_TABLES}
    for number in range(2000):
        name = f"P{number}"
        told = {**row, "id": name, "project_code": name, "name_zh": name}
        content = record_of("project", name, {**tables, "project": [told]}, at_us=1, key=key)
        store.put(f"records/projects/{name}/000001-{'0' * 32}.json", io.BytesIO(content))
    seen: list[str] = []
    catalogue = Catalogue.open(migrated_file(tmp_path / "new.sqlite"))
    catalogue.rebuild(store, clock, tell=lambda _done, _of, what: seen.append(what)).run(ORIGIN, "p")
    assert (len(seen), len(set(seen))) == (2000, 2000)
    assert len(catalogue.projects.projects()) == 2000
    catalogue.close()


def test_records_are_written_once_and_again_when_something_changes(tmp_path: Path) -> None:
    made = Small(tmp_path)
    before = list(made.store.list_keys("records/"))
    assert not made.records.run_once()
    another = StoreRecords(made.catalogue.kept_rows, made.store, made.key, made.clock)
    another.write_missing()  # one that was started anew
    assert list(made.store.list_keys("records/")) == before
    choose = made.catalogue.retention.choose
    choose("P1", "Y30", reason="r", principal="甲", at_us=made.clock.now_us())
    made.clock.advance(61)
    made.records.write_missing()
    new = set(made.store.list_keys("records/")) - set(before)
    assert [key.rpartition("/")[0] for key in new] == ["records/projects/P1"]
    made.centre.close()


def test_what_was_destroyed_stays_known(tmp_path: Path, url: str) -> None:
    """Invariant 12: an order outlives the objects, and so does what the catalogue says of them."""
    made = Small(tmp_path / "small")
    made.destroy()
    made.records.write_missing()
    before = all_rows(made.catalogue)
    with rebuilt(made.store, url, made.clock) as (catalogue, found):
        assert found.damages == []
        after = all_rows(catalogue)
    assert [row["state"] for row in after["disposal"]] == ["done"]
    for table in COMES_BACK:
        if table == "rendition":
            before[table] = [{**row, "receipt": {}} for row in before[table]]
            after[table] = [{**row, "receipt": {}} for row in after[table]]
        assert after[table] == before[table], table
    made.centre.close()


class Stubborn(MemoryStore):
    """Deletes so many objects and no more."""

    left = 1 << 30

    def destroy_forever(self, key: str) -> None:
        self.left -= 1
        if self.left < 0:
            raise StoreUnreachable()
        super().destroy_forever(key)


def test_a_destruction_that_broke_off_is_finished_by_the_rebuilt_catalogue(tmp_path: Path, url: str) -> None:
    made = Small(tmp_path / "small")
    order, store = made.sign("P2"), Stubborn(made.clock)
    made.records.write_missing()
    for key in made.store.list_keys():
        store.put(key, io.BytesIO(read(made.store, key)))
    store.left = 2
    with pytest.raises(StoreUnreachable):
        made.run(made.catalogue, store, order.id)
    store.left = 1 << 30
    with rebuilt(store, url, made.clock) as (catalogue, found):
        assert found.damages == []
        assert catalogue.disposals.find(order.id).state == "ordered"
        done = made.run(catalogue, store, order.id)
        assert (done.state, done.signed_by) == ("done", "乙")
        assert list(store.list_keys(made.archives[2].key_prefix)) == []
    made.centre.close()


def test_appraisals_come_back_as_far_as_they_had_come(tmp_path: Path, url: str) -> None:
    made = Small(tmp_path / "small")
    for name in ("P0", "P1"):
        made.make_due(name)
    signed_one = made.sign("P2")
    disposals, now_us = made.catalogue.disposals, made.clock.now_us()
    disposals.extend("P0", "PERM", reason="续存", principal="甲", at_us=now_us)
    gone = disposals.propose("P1", reason="期满", principal="甲", at_us=now_us)
    disposals.withdraw(gone.id, reason="有误", principal="甲", at_us=now_us)
    write_records(made.catalogue, made.store, tmp_path / "small", made.clock)
    with rebuilt(made.store, url, made.clock) as (catalogue, found):
        assert found.damages == []
        states = {row["project_id"]: row["state"] for row in all_rows(catalogue)["disposal"]}
        assert states == {"P0": "extended", "P1": "withdrawn", "P2": "signed"}
        assert catalogue.disposals.find(signed_one.id) == signed_one
        for table in ("disposal", "retention_choice", "project_day"):
            assert all_rows(catalogue)[table] == all_rows(made.catalogue)[table]
    made.centre.close()
