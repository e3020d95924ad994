"""Disposal: two signatures or nothing, holds and locks win, the bucket knows it all (I18, DSP-02, DSP-03)."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.bucket_holds import apply_bucket_holds
from catalog.catalogue import Catalogue
from catalog.certificate import CERTIFICATE, ORDER, checked
from catalog.destruction import Destruction
from catalog.life_records import LifeRecords, disposal_key
from catalog.objects import DirectoryStore, MemoryStore
from catalog.objects.contract import ObjectProtection
from catalog.statistics import StatisticsFilter
from kernel.audit_chain import canonical
from kernel.clock import SECOND_US, FakeClock
from kernel.errors import (
    DisposalRefused,
    FixityError,
    NotProtected,
    ObjectMissing,
    RetentionRefused,
    StorageError,
)
from kernel.ids import new_id
from kernel.model.footage import Hold, HoldKind
from kernel.model.life import Disposal, DisposalState, Standing, Term, TermStart
from kernel.signing_key import signing_key
from kernel.timerange import TimeRange
from tests.support.legacy import add_archived, add_legacy, legacy_rows, sm3
from tests.unit.catalog.test_retention_table import noon

DSP_02, DSP_03 = "旧档样例-2010-007", "旧档样例-2010-008"
FIRST, SECOND = "档案员甲", "主任乙"


class Falling(MemoryStore):
    """A bucket that stops working after so many deletions, or puts, and keeps what it was told to keep."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.deletions, self.puts = 1 << 30, 1 << 30
        self.destroyed: list[str] = []
        self.lies = False  # says that it deleted, and did not
        self.before: Any = lambda _key: None  # called before each deletion

    def put(self, key: str, source: Any) -> str:
        self.puts -= 1
        if self.puts < 0:
            raise StorageError("the store fell.")
        return super().put(key, source)

    def destroy_forever(self, key: str) -> None:
        self.before(key)
        self.deletions -= 1
        if self.deletions < 0:
            raise StorageError("the store fell.")
        if not self.lies:
            super().destroy_forever(key)
        self.destroyed.append(key)


@dataclass
class Archive:
    """A catalogue with DSP-02 and DSP-03, both due, and the store with their objects."""

    catalogue: Catalogue
    keys: Path
    clock: FakeClock = field(default_factory=lambda: FakeClock(noon(2026, 11, 22)))

    def __post_init__(self) -> None:
        self.store = Falling(self.clock)
        for row in legacy_rows():
            add_legacy(self.catalogue, self.store, row)

    @property
    def now_us(self) -> int:
        self.clock.advance(1)
        return self.clock.now_us()

    def destruction(self, **more: Any) -> Destruction:
        return Destruction(
            self.catalogue.disposals,
            self.catalogue.projects,
            {"main": self.store, **more},
            signing_key(self.keys / "archiver.key"),
            self.clock,
        )

    def run(self, disposal_id: str, **more: Any) -> Disposal:
        return self.destruction(**more).run_once(disposal_id, "程序")

    def propose(self, project_id: str = DSP_02) -> Disposal:
        return self.catalogue.disposals.propose(
            project_id, reason="期满无保存价值", principal=FIRST, at_us=self.now_us
        )

    def signed(self, project_id: str = DSP_02) -> Disposal:
        made = self.propose(project_id)
        return self.catalogue.disposals.sign(made.id, principal=SECOND, at_us=self.now_us)

    def hold(self, project_id: str = DSP_02, kind: HoldKind = HoldKind.PROJECT) -> Hold:
        of_project, of_session = {"project_id": project_id}, {"session_id": f"{project_id}-O"}
        what: dict[str, Any] = of_project if kind is HoldKind.PROJECT else of_session
        made = Hold(
            id=new_id("hold"), kind=kind, reason="投诉", principal="纪检", made_us=self.now_us, **what
        )
        self.catalogue.holds.make(made)
        return made

    def release(self, hold: Hold) -> None:
        self.catalogue.holds.release(hold.id, at_us=self.now_us, principal="纪检", reason="查结")

    def objects(self, project_id: str = DSP_02) -> list[str]:
        return [key for key in self.store.list_keys() if key.startswith(f"{project_id}/")]

    def record(self, disposal_id: str, name: str) -> bytes:
        with self.store.open(disposal_key(disposal_id, name)) as reader:
            return reader.read()

    def acts(self) -> list[tuple[str, str]]:
        """What was done and refused of disposals, the oldest first."""
        found = [one for one in self.catalogue.audit.records() if one.action.startswith("disposal.")]
        return [(one.action.removeprefix("disposal."), one.result) for one in reversed(found)]


@pytest.fixture
def archive(catalogue: Catalogue, tmp_path: Path) -> Iterator[Archive]:
    yield Archive(catalogue, tmp_path)


# --- two signatures (I18)


def test_destruction_with_one_signature_is_refused_and_nothing_happens(archive: Archive) -> None:
    """I18, DSP-02."""
    made = archive.propose()
    before = archive.objects()
    with pytest.raises(DisposalRefused, match="two signatures"):
        archive.run(made.id)
    assert archive.objects() == before
    assert len(before) == 3
    assert list(archive.store.list_keys("disposals/")) == []
    assert archive.catalogue.disposals.find(made.id).state is DisposalState.PROPOSED
    assert archive.acts() == [("proposed", "done"), ("ordered", "refused")]


@pytest.mark.parametrize("same", [FIRST, f" {FIRST} ", "檔案員"])
def test_the_second_signature_is_another_persons(archive: Archive, same: str) -> None:
    proposer = same if same == "檔案員" else FIRST
    made = archive.catalogue.disposals.propose(DSP_02, reason="r", principal=proposer, at_us=archive.now_us)
    with pytest.raises(DisposalRefused, match="two people"):
        archive.catalogue.disposals.sign(made.id, principal=same, at_us=archive.now_us)
    assert archive.catalogue.disposals.find(made.id).state is DisposalState.PROPOSED
    assert archive.acts() == [("proposed", "done"), ("signed", "refused")]


def test_with_two_signatures_it_runs_and_leaves_a_record_with_hashes(archive: Archive) -> None:
    """I18."""
    listed = {one.key: one for one in archive.catalogue.archives.all_objects() if DSP_02 in one.key}
    done = archive.run(archive.signed().id)
    assert (done.state, archive.objects(), len(archive.objects(DSP_03))) == (DisposalState.DONE, [], 3)
    stones = archive.catalogue.disposals.to_destroy(done.id)
    assert {one.key: (one.size_bytes, one.sha256) for one in stones} == {
        key: (one.size_bytes, one.sha256) for key, one in listed.items()
    }
    assert all(one.gone_us for one in stones)
    row = archive.catalogue.archives.newest(f"{DSP_02}-O")
    assert row is not None
    assert row.disposed_us == done.done_us
    assert len(row.objects) == 3
    assert archive.acts() == [(one, "done") for one in ("proposed", "signed", "ordered", "done")]
    assert list(archive.catalogue.audit.faults()) == []


def test_what_was_destroyed_takes_no_room_in_the_statistics(archive: Archive) -> None:
    def stored() -> dict[str, int]:
        found = archive.catalogue.statistics.projects(StatisticsFilter())
        return {one.project_id: one.figures.size_bytes for one in found}

    before = stored()
    archive.run(archive.signed().id)
    assert before[DSP_02] > 0
    assert stored() == {**before, DSP_02: 0}


def test_the_certificate_lists_every_object_both_people_rule_and_basis(archive: Archive) -> None:
    done = archive.run(archive.signed().id)
    content = archive.record(done.id, "certificate.json")
    assert hashlib.sha256(content).hexdigest() == done.certificate_sha256
    told = checked(content)
    assert (told["format"], told["proposed_by"], told["signed_by"]) == (CERTIFICATE, FIRST, SECOND)
    (claim,) = told["grounds"]["claims"]
    assert (claim["rule"], claim["term"], claim["last_day"]) == ("procurement-1", "Y15-1", "2025-12-31")
    assert "政府采购法第四十二条" in claim["basis"]
    video = f"{DSP_02}/{DSP_02}-O/v1/data/cam.mp4"
    data = f"{DSP_02} cam".encode()
    (one,) = [item for item in told["objects"] if item["key"] == video]
    assert (one["sha256"], one["sm3"]) == (hashlib.sha256(data).hexdigest(), sm3(data))
    page = archive.record(done.id, "certificate.html").decode()
    for words in (
        FIRST,
        SECOND,
        done.certificate_sha256,
        one["sha256"],
        one["sm3"],
        "Certificate of destruction",
    ):
        assert words in page


def test_a_certificate_that_was_changed_is_found(archive: Archive) -> None:
    done = archive.run(archive.signed().id)
    content = archive.record(done.id, "certificate.json")
    told = json.loads(content)
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(told["signature"]["public_key"]))
    key.verify(bytes.fromhex(told["signature"]["signature"]), canonical(told["statement"]).encode())
    told["statement"]["signed_by"] = "somebody else"
    for wrong in (canonical(told).encode(), content[:-1], b"[]", b"{}"):
        with pytest.raises(FixityError):
            checked(wrong)


def test_the_order_is_stored_before_the_first_deletion(archive: Archive) -> None:
    """Invariant 12."""
    made = archive.signed()
    seen: list[dict[str, Any]] = []
    archive.store.before = lambda _key: seen.append(checked(archive.record(made.id, "order.json")))
    archive.run(made.id)
    assert [one["format"] for one in seen] == [ORDER] * 3
    assert [len(one["objects"]) for one in seen] == [3] * 3


def test_what_is_destroyed_is_missed_by_no_check(archive: Archive) -> None:
    archive.run(archive.signed().id)
    assert {one.key.split("/")[0] for one in archive.catalogue.archives.all_objects()} == {DSP_03}


# --- what is not destroyed


def test_what_is_destroyed_is_no_longer_due_nor_weighed_and_tells_by_what_it_went(archive: Archive) -> None:
    catalogue = archive.catalogue
    key, before = archive.objects()[0], catalogue.archives.fleet()
    assert catalogue.disposals.of_object(key) is None
    done = archive.run(archive.signed().id)
    assert catalogue.disposals.of_object(key) == done
    assert [one.project_id for one in catalogue.retention.due(archive.now_us)] == [DSP_03]
    after = catalogue.archives.fleet()
    assert (before.project_count, after.project_count) == (2, 1)
    assert 0 < after.size_bytes < before.size_bytes


def test_what_is_not_due_is_not_proposed(archive: Archive) -> None:
    add_archived(archive.catalogue, archive.store, "new", day=date(2026, 3, 11))
    with pytest.raises(DisposalRefused, match="2041-03-11"):
        archive.propose("new")
    assert archive.acts() == [("proposed", "refused")]
    assert archive.catalogue.disposals.all() == []


def test_a_second_appraisal_waits_for_the_first(archive: Archive) -> None:
    archive.propose()
    with pytest.raises(DisposalRefused, match="not finished"):
        archive.propose()


def test_a_proposal_that_is_withdrawn_destroys_nothing_and_another_may_follow(archive: Archive) -> None:
    made = archive.signed()
    archive.catalogue.disposals.withdraw(made.id, reason="有争议", principal="丙", at_us=archive.now_us)
    with pytest.raises(DisposalRefused):
        archive.run(made.id)
    assert len(archive.objects()) == 3
    assert archive.propose().state is DisposalState.PROPOSED


def test_a_class_that_was_lengthened_meanwhile_stops_what_was_signed(archive: Archive) -> None:
    made = archive.signed()
    longer = Term(
        id="Y15-2",
        class_code="Y15",
        valid_from=date(2026, 11, 23),
        years=30,
        days=None,
        starts=TermStart.PROCUREMENT_END,
    )
    archive.catalogue.retention.add_term(longer, principal="丙", at_us=archive.now_us)
    archive.clock.advance(86_400)
    with pytest.raises(DisposalRefused, match="not due"):
        archive.run(made.id)
    assert len(archive.objects()) == 3


def test_a_file_that_changed_since_it_was_appraised_is_appraised_anew(archive: Archive) -> None:
    made = archive.signed()
    with archive.catalogue.footage._engine.begin() as connection:
        connection.exec_driver_sql(
            f"INSERT INTO file_set (project_id, version, sealed_us) VALUES ('{DSP_02}', 2, 1)"
        )
    with pytest.raises(DisposalRefused, match="changed"):
        archive.run(made.id)
    assert len(archive.objects()) == 3


def test_a_file_whose_term_is_extended_is_kept_under_its_new_class(archive: Archive) -> None:
    """DSP-03."""
    row = next(one for one in legacy_rows() if one["id"] == "DSP-03")
    made = archive.catalogue.disposals.extend(
        DSP_03, row["new_class"], reason="仍有利用价值", principal=FIRST, at_us=archive.now_us
    )
    assert (made.state, made.class_code, made.new_class) == (DisposalState.EXTENDED, "Y15", "Y30")
    found = archive.catalogue.retention.of_project(DSP_03, archive.now_us)
    assert (found.standing, found.class_code) == (Standing.RUNNING, "Y30")
    assert [one.project_id for one in archive.catalogue.retention.due(archive.now_us)] == [DSP_02]
    with pytest.raises(DisposalRefused, match="not due"):
        archive.propose(DSP_03)


@pytest.mark.parametrize("code", ["Y15", "Y10", "Y99"])
def test_a_class_that_keeps_no_longer_extends_nothing(archive: Archive, code: str) -> None:
    with pytest.raises(RetentionRefused):
        archive.catalogue.disposals.extend(DSP_03, code, reason="r", principal=FIRST, at_us=archive.now_us)
    assert archive.catalogue.disposals.all() == []
    assert archive.catalogue.retention.choices_of(DSP_03) == []


# --- holds win (invariant 4)


@pytest.mark.parametrize("kind", [HoldKind.PROJECT, HoldKind.SESSION])
def test_a_hold_that_comes_after_the_signatures_wins(archive: Archive, kind: HoldKind) -> None:
    made = archive.signed()
    hold = archive.hold(kind=kind)
    with pytest.raises(DisposalRefused, match="held"):
        archive.run(made.id)
    assert len(archive.objects()) == 3
    assert "held" in archive.catalogue.disposals.find(made.id).stopped
    archive.release(hold)
    assert archive.run(made.id).state is DisposalState.DONE


def test_what_is_held_is_not_even_proposed(archive: Archive) -> None:
    archive.hold()
    with pytest.raises(DisposalRefused, match="held"):
        archive.propose()


def test_a_hold_made_during_the_destruction_saves_the_rest_and_is_told_what_is_gone(
    archive: Archive,
) -> None:
    made = archive.signed()
    holds: list[Hold] = []

    def hold_at_the_second(_key: str) -> None:
        if len(archive.store.destroyed) == 1 and not holds:
            holds.append(archive.hold())

    archive.store.before = hold_at_the_second
    with pytest.raises(DisposalRefused, match="held"):
        archive.run(made.id)
    assert len(archive.objects()) == 1
    again = Hold(
        id="again",
        kind=HoldKind.PROJECT,
        project_id=DSP_02,
        reason="r",
        principal="p",
        made_us=archive.now_us,
    )
    assert list(archive.catalogue.holds.make_all([again]).disposed) == sorted(archive.store.destroyed)
    with pytest.raises(DisposalRefused, match="held"):
        archive.run(made.id)
    for one in (*holds, again):
        archive.release(one)
    assert archive.run(made.id).state is DisposalState.DONE
    assert len(checked(archive.record(made.id, "certificate.json"))["objects"]) == 3


def test_of_a_hold_and_a_destruction_at_the_same_time_each_knows_of_the_other(archive: Archive) -> None:
    """Real threads on both databases: what is not told as gone is there."""
    made = archive.signed()
    started = threading.Event()
    told: list[str] = []

    def destroy() -> None:
        with suppress(DisposalRefused):
            archive.run(made.id)

    def hold() -> None:
        assert started.wait(10)
        one = Hold(id="h", kind=HoldKind.PROJECT, project_id=DSP_02, reason="r", principal="p", made_us=1)
        told.extend(archive.catalogue.holds.make_all([one]).disposed)

    archive.store.before = lambda _key: started.set()
    threads = [threading.Thread(target=one) for one in (destroy, hold)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    listed = {one.key for one in archive.catalogue.disposals.to_destroy(made.id)}
    assert set(told) == listed - set(archive.objects())


# --- the bucket's own locks


def test_an_object_that_the_bucket_locks_stops_all_of_it_before_the_first_deletion(
    archive: Archive,
) -> None:
    made = archive.signed()
    locked = archive.objects()[1]
    until_us = archive.now_us + 3600 * SECOND_US
    archive.store.lock(locked, until_us)
    with pytest.raises(DisposalRefused, match="locks") as caught:
        archive.run(made.id)
    assert locked in str(caught.value)
    assert (archive.store.destroyed, len(archive.objects())) == ([], 3)
    assert archive.catalogue.disposals.find(made.id).state is DisposalState.SIGNED
    archive.clock.advance(3600)
    assert archive.run(made.id).state is DisposalState.DONE


def test_an_object_that_is_locked_during_the_destruction_stays_and_the_rest_waits(archive: Archive) -> None:
    made = archive.signed()
    last = archive.objects()[2]

    def lock(_key: str) -> None:
        if not archive.store.destroyed:
            archive.store.legal_hold(last, True)

    archive.store.before = lock
    with pytest.raises(DisposalRefused, match="locked"):
        archive.run(made.id)
    assert archive.objects() == [last]
    kept = {one.key: one for one in archive.catalogue.disposals.to_destroy(made.id)}[last]
    assert (kept.going_us, kept.gone_us) == (None, None)
    archive.store.legal_hold(last, False)
    archive.store.before = lambda _key: None
    assert archive.run(made.id).state is DisposalState.DONE


def test_a_store_that_only_says_that_it_deleted_is_not_believed(archive: Archive) -> None:
    made = archive.signed()
    archive.store.lies = True
    with pytest.raises(StorageError, match="still there"):
        archive.run(made.id)
    assert all(one.gone_us is None for one in archive.catalogue.disposals.to_destroy(made.id))


# --- copies


def test_copies_in_other_stores_go_with_it(archive: Archive, tmp_path: Path) -> None:
    copy = DirectoryStore(tmp_path / "copy")
    for key in archive.objects()[:2]:
        with archive.store.open(key) as reader:
            copy.put(key, reader)
    done = archive.run(archive.signed().id, **{"file:///copy": copy})
    assert list(copy.list_keys()) == []
    assert checked(archive.record(done.id, "certificate.json"))["stores"] == ["file:///copy", "main"]


def test_a_copy_that_cannot_be_reached_stops_it(archive: Archive) -> None:
    with archive.catalogue.footage._engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO object_copy (key, store, package_id, project_id, size_bytes, sha256, checked_us, "
            f"result, found) VALUES ('k', 's3://far', 'a', '{DSP_02}', 1, 'x', 1, 'ok', '')"
        )
    with pytest.raises(DisposalRefused, match="s3://far"):
        archive.run(archive.signed().id)
    assert len(archive.objects()) == 3


# --- crashes


@pytest.mark.parametrize("deletions", [0, 1, 2])
def test_a_destruction_that_broke_off_is_taken_up_where_it_stood(archive: Archive, deletions: int) -> None:
    made = archive.signed()
    archive.store.deletions = deletions
    with pytest.raises(StorageError, match="fell"):
        archive.run(made.id)
    assert archive.catalogue.disposals.find(made.id).state is DisposalState.ORDERED
    assert len(archive.objects()) == 3 - deletions
    order = archive.record(made.id, "order.json")
    archive.store.deletions = 99
    assert archive.run(made.id).state is DisposalState.DONE
    assert archive.record(made.id, "order.json") == order
    assert archive.acts()[-2:] == [("ordered", "done"), ("done", "done")]


@pytest.mark.parametrize("puts", [0, 1, 2])
def test_a_store_that_takes_no_record_costs_nothing_but_time(archive: Archive, puts: int) -> None:
    """0: no order, so nothing is deleted. 1 and 2: the certificate is written by the next run."""
    made = archive.signed()
    archive.store.puts = puts
    with pytest.raises(StorageError, match="fell"):
        archive.run(made.id)
    assert len(archive.objects()) == (3 if puts == 0 else 0)
    archive.store.puts = 99
    done = archive.run(made.id)
    assert done.state is DisposalState.DONE
    assert archive.run(made.id) == done


def test_another_record_under_the_orders_key_stops_it(archive: Archive) -> None:
    made = archive.signed()
    archive.store.put(disposal_key(made.id, "order.json"), io.BytesIO(b"{}"))
    with pytest.raises(FixityError):
        archive.run(made.id)
    assert len(archive.objects()) == 3


ACTS = st.lists(st.sampled_from(["sign", "sign alone", "hold", "let go", "run", "fall", "lock"]), max_size=9)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS)
def test_whatever_is_done_in_whatever_order_nothing_goes_unsigned_held_or_locked(
    archive: Archive, acts: list[str]
) -> None:
    """Invariants 4 and 12."""
    name = add_archived(archive.catalogue, archive.store, new_id("P"), day=date(1990, 5, 1))
    made, holds, locked, signed = archive.propose(name), [], False, False
    for act in acts:
        before = len(archive.objects(name))
        if act == "sign" and not signed:
            archive.catalogue.disposals.sign(made.id, principal=SECOND, at_us=archive.now_us)
            signed = True
        elif act == "sign alone":
            with pytest.raises(DisposalRefused):
                archive.catalogue.disposals.sign(made.id, principal=FIRST, at_us=archive.now_us)
        elif act == "hold":
            holds.append(archive.hold(name))
        elif act == "let go" and holds:
            archive.release(holds.pop())
        elif act == "lock" and before:
            archive.store.lock(archive.objects(name)[0], archive.now_us + 10**12)
            locked = True
        elif act in ("run", "fall"):
            archive.store.deletions = 1 if act == "fall" else 99
            with suppress(DisposalRefused, StorageError):
                archive.run(made.id)
            if not signed or holds or locked:
                assert len(archive.objects(name)) == before
        done = archive.catalogue.disposals.find(made.id).state is DisposalState.DONE
        assert done <= (archive.objects(name) == [])
        if len(archive.objects(name)) < 3:
            assert len(checked(archive.record(made.id, "order.json"))["objects"]) == 3


# --- what the bucket holds and knows


def apply(archive: Archive) -> Any:
    return apply_bucket_holds(archive.catalogue.bucket_holds, archive.store, archive.clock)


def held_in_bucket(archive: Archive) -> list[str]:
    return [key for key in archive.store.list_keys() if archive.store.protection_of(key).legal_hold]


def test_what_is_held_is_held_in_the_bucket_and_let_go_of_there(archive: Archive) -> None:
    hold = archive.hold()
    report = apply(archive)
    assert (report.held, report.standing, report.faults) == (3, 3, ())
    assert held_in_bucket(archive) == archive.objects()
    assert apply(archive).held == 0
    second = archive.hold(kind=HoldKind.SESSION)
    archive.release(hold)
    assert (apply(archive).lifted, len(held_in_bucket(archive))) == (0, 3)
    archive.release(second)
    assert (apply(archive).lifted, held_in_bucket(archive)) == (3, [])
    assert archive.catalogue.bucket_holds.all() == []


def test_a_legal_hold_of_somebody_else_is_not_lifted(archive: Archive) -> None:
    archive.store.legal_hold(archive.objects()[0], True)
    apply(archive)
    assert held_in_bucket(archive) == archive.objects()[:1]


def test_a_store_that_holds_nothing_says_so_and_the_catalogue_still_holds(
    archive: Archive, tmp_path: Path
) -> None:
    archive.hold()
    directory = DirectoryStore(tmp_path / "objects")
    assert apply_bucket_holds(archive.catalogue.bucket_holds, directory, archive.clock).cannot
    assert archive.catalogue.holds.is_held(DSP_02)


def test_a_store_that_says_it_holds_and_does_not_is_found_by_reading_back(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.hold()
    monkeypatch.setattr(archive.store, "protection_of", lambda _key: ObjectProtection())
    report = apply(archive)
    assert (report.held, report.standing, len(report.faults)) == (0, 0, 3)
    assert all("does not hold" in one.fault for one in archive.catalogue.bucket_holds.all())
    monkeypatch.undo()
    assert (apply(archive).held, {one.fault for one in archive.catalogue.bucket_holds.all()}) == (3, {""})


def test_an_object_that_cannot_be_held_does_not_keep_the_others_from_it(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.hold()
    first, true = archive.objects()[0], archive.store.legal_hold

    def failing(key: str, on: bool) -> None:
        if key == first:
            raise NotProtected(f"{key}: no.")
        true(key, on)

    monkeypatch.setattr(archive.store, "legal_hold", failing)
    report = apply(archive)
    assert (report.held, len(report.faults)) == (2, 1)
    monkeypatch.undo()
    assert apply(archive).held == 1


def test_what_is_archived_later_of_a_held_project_is_held_by_the_next_run(archive: Archive) -> None:
    archive.catalogue.holds.make(
        Hold(
            id="h",
            kind=HoldKind.SOURCE,
            source_id="cam",
            wall=TimeRange(start_us=0, end_us=archive.now_us),
            reason="r",
            principal="p",
            made_us=1,
        )
    )
    assert apply(archive).standing == 6
    add_archived(archive.catalogue, archive.store, "late", day=date(2020, 1, 1))
    assert (apply(archive).held, apply(archive).standing) == (3, 9)


def records(archive: Archive) -> LifeRecords:
    return LifeRecords(archive.catalogue.holds, archive.catalogue.disposals, archive.store)


def told(archive: Archive, prefix: str) -> list[dict[str, Any]]:
    found = []
    for key in archive.store.list_keys(prefix):
        with archive.store.open(key) as reader:
            found.append(json.loads(reader.read()))
    return found


def test_every_hold_and_extension_is_a_record_of_the_bucket_and_written_once(archive: Archive) -> None:
    """Invariant 12: all that makes the rows again."""
    hold = archive.hold()
    assert (records(archive).write_missing(), records(archive).write_missing()) == (1, 0)
    archive.release(hold)
    archive.catalogue.disposals.extend(DSP_03, "Y30", reason="r", principal=FIRST, at_us=archive.now_us)
    assert records(archive).write_missing() == 2
    lifted, made = sorted(told(archive, "holds/"), key=lambda one: str(one["format"]))
    assert made == {
        "format": "jianzheng.hold/1",
        "act": hold.id,
        "made_us": hold.made_us,
        "principal": "纪检",
        "holds": [
            {
                "id": hold.id,
                "kind": "project",
                "source": "",
                "session": "",
                "project": DSP_02,
                "agency": "",
                "start_us": hold.wall.start_us,
                "end_us": hold.wall.end_us,
                "reason": "投诉",
                "tag": "",
            }
        ],
    }
    assert (lifted["holds"], lifted["principal"], lifted["reason"]) == ([hold.id], "纪检", "查结")
    (extended,) = told(archive, "disposals/")
    assert (extended["project"], extended["new_class"]) == (DSP_03, "Y30")


def test_records_that_a_fallen_store_did_not_take_are_written_later(archive: Archive) -> None:
    for _ in range(3):
        archive.release(archive.hold())
    archive.store.puts = 4
    with pytest.raises(StorageError):
        records(archive).write_missing()
    archive.store.puts = 99
    assert records(archive).write_missing() == 2
    assert len(told(archive, "holds/")) == 6


def test_what_is_gone_is_not_in_the_store(archive: Archive) -> None:
    done = archive.run(archive.signed().id)
    for one in archive.catalogue.disposals.to_destroy(done.id):
        with pytest.raises(ObjectMissing):
            archive.store.size(one.key)
