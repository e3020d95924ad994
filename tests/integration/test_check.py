"""``jianzheng check`` over a catalogue, a ring and a store: every fault is named, and nothing else is."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from capture.checkpoints import Signer
from capture.recorder_key import PRIVATE_NAME, PUBLIC_NAME
from capture.ring_disk import MARKER, open_ring
from catalog.catalogue import Catalogue
from catalog.objects import DirectoryStore
from cli import check, signed_heads
from cli.check import Fault, Finding, chain_faults, check_everything
from kernel.chain import GENESIS_CHAIN, chain_value
from kernel.checkpoints import read_statement
from kernel.clock import FakeClock
from kernel.model.archive import Archive, ArchiveObject
from kernel.model.cut import CutRules
from kernel.model.footage import ClockBasis, EndReason, Run, Segment
from kernel.timerange import TimeRange
from tests.support.catalogue import add_session, open_catalogue


@dataclass
class Site:
    """A ring and a store with their catalogue."""

    root: Path
    catalogue: Catalogue
    store: DirectoryStore
    segments: list[Segment] = field(default_factory=list)

    @property
    def ring(self) -> Path:
        return self.root / "ring"

    def new_segment(self, source: str = "cam") -> Segment:
        """A file in the ring; its row is for the caller."""
        number = len(self.segments)
        data = f"footage {source} {number}".encode()
        relative = f"{source}/{number:06d}.mp4"
        (self.ring / source).mkdir(parents=True, exist_ok=True)
        (self.ring / relative).write_bytes(data)
        digest = hashlib.sha256(data)
        made = Segment(
            id=f"seg-{number}",
            run_id=f"run-{source}",
            source_id=source,
            sequence=number,
            wall=TimeRange(start_us=number * 60, end_us=number * 60 + 60),
            media_start=0,
            media_duration=60,
            timescale=90_000,
            clock_basis=ClockBasis.SENDER_REPORT,
            clock_offset_us=0,
            path=relative,
            size_bytes=len(data),
            sha256=digest.hexdigest(),
            chain=chain_value(self.catalogue.footage.last_chain(source), digest.digest()),
            end_reason=EndReason.LENGTH,
        )
        self.segments.append(made)
        return made

    def record(self, source: str = "cam") -> Segment:
        """A file and its row."""
        made = self.new_segment(source)
        run = Run(id=made.run_id, source_id=source, started_us=0, ended_us=None, end_reason=None)
        self.catalogue.footage.start_run(run)
        self.catalogue.footage.add_segment(made)
        return made

    def sql(self, statement: str) -> None:
        """What somebody does to the catalogue behind our back."""
        with self.catalogue.footage._engine.begin() as connection:
            connection.execute(text(statement))

    def findings(self) -> list[Finding]:
        return self.check()[0]

    def check(self) -> tuple[list[Finding], int, list[str]]:
        return check_everything(self.catalogue, self.store, self.ring, self.keys)

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    def signer(self) -> Signer:
        return Signer(self.keys, self.catalogue.checkpoints, self.catalogue.footage, FakeClock())

    def remove(self, *segments: Segment) -> None:
        """By rule: the row, the file, the row again."""
        removal = self.catalogue.removal
        ids = [one.id for one in segments]
        rules = CutRules(pre_roll_us=0, post_roll_us=0)
        assert len(removal.release(ids, rules, at_us=1, reason="Too old.", principal="rule")) == len(ids)
        for one in segments:
            (self.ring / one.path).unlink()
        removal.finish(ids)

    def faults(self) -> list[tuple[Fault, str]]:
        return [(one.fault, one.name) for one in self.findings()]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "ring").mkdir()
    made = Site(tmp_path, open_catalogue(tmp_path), DirectoryStore(tmp_path / "store"))
    for source in ("cam", "screen", "cam", "cam", "cam", "screen"):
        made.record(source)
    yield made
    made.catalogue.close()


def test_a_whole_site_has_no_fault(site: Site) -> None:
    findings, counted, notes = site.check()
    assert (findings, counted) == ([], 6)
    assert notes == [
        "cam: the newest 4 segments are not signed yet",
        "screen: the newest 2 segments are not signed yet",
    ]


# --- disks that fail


class BadSector(io.BytesIO):
    """A file whose sectors cannot be read."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._handle = os.open(path, os.O_RDONLY)

    def fileno(self) -> int:
        return self._handle

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return os.fstat(self._handle).st_size if whence == io.SEEK_END else super().seek(offset, whence)

    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def close(self) -> None:
        if not self.closed:
            os.close(self._handle)
        super().close()


@pytest.fixture
def bad_sectors(monkeypatch: pytest.MonkeyPatch) -> set[Path]:
    """Files that open but cannot be read."""
    bad: set[Path] = set()
    whole = Path.open

    def opened(path: Path, *args: Any, **more: Any) -> Any:
        return BadSector(path) if path in bad and args[:1] == ("rb",) else whole(path, *args, **more)

    monkeypatch.setattr(Path, "open", opened)
    return bad


def test_a_bad_sector_is_a_finding_and_the_check_goes_on(site: Site, bad_sectors: set[Path]) -> None:
    bad_sectors.add(site.ring / site.segments[0].path)
    (site.ring / site.segments[5].path).unlink()
    one, other = site.findings()
    assert (one.fault, one.detail) == (Fault.UNREADABLE, "it cannot be read: Input/output error")
    assert one.name.endswith(site.segments[0].path)
    assert (other.fault, other.name.endswith(site.segments[5].path)) == (Fault.MISSING, True)


def test_a_bad_sector_in_the_store_is_a_finding(site: Site, bad_sectors: set[Path]) -> None:
    archived(site, "a/1")
    bad_sectors.add(site.root / "store" / "a" / "1")
    (one,) = site.findings()
    assert (one.fault, one.name) == (Fault.UNREADABLE, "store: a/1")
    assert "Input/output error" in one.detail


def test_a_directory_that_cannot_be_listed_is_a_finding(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def failing(path: Any = ".") -> Any:
        if Path(path) == site.ring / "screen":
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", failing)
    (one,) = site.findings()
    assert (one.fault, one.name) == (Fault.UNREADABLE, f"ring: {site.ring / 'screen'}")


def archived(site: Site, *keys: str) -> None:
    """An archive with these objects."""
    add_session(site.catalogue, 0, 60)
    store_objects(site, *keys)
    record_archive(site, *keys)


def store_objects(site: Site, *keys: str) -> None:
    for key in keys:
        site.store.put(key, io.BytesIO(key.encode()))


def record_archive(site: Site, *keys: str) -> None:
    site.sql("UPDATE session SET state = 'cut'")
    site.catalogue.archives.record(
        Archive(
            id="archive",
            session_id="P-O",
            version=1,
            key_prefix="a",
            budget_bytes=100,
            size_bytes=1,
            raw_bytes=1,
            verified_us=60,
            principal="test",
            overrun_reason="",
            objects=tuple(
                ArchiveObject(key=key, size_bytes=len(key), sha256=hashlib.sha256(key.encode()).hexdigest())
                for key in keys
            ),
        ),
        [],
    )


# --- while others work


def doing(site: Site, monkeypatch: pytest.MonkeyPatch, moment: str, work: Callable[[], object]) -> None:
    """Let others work once, right after the first of those steps of the check."""
    step: Callable[..., Any] = getattr(check, moment)
    done: list[object] = []

    def with_work(*args: Any) -> Any:
        result = step(*args)
        if not done:
            done.append(work())
        return result

    monkeypatch.setattr(check, moment, with_work)


@pytest.mark.parametrize("moment", ["_list", "_segment_fault"])
def test_what_is_sealed_while_the_check_runs_is_not_unknown(
    site: Site, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    doing(site, monkeypatch, moment, site.record)
    assert site.findings() == []


def test_a_file_whose_row_comes_while_the_check_runs_is_not_unknown(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invariant 1: the name comes before the row."""
    sealed = site.new_segment()
    doing(site, monkeypatch, "_segment_fault", lambda: site.catalogue.footage.add_segment(sealed))
    assert site.findings() == []


def test_a_file_that_goes_while_the_check_runs_is_not_unknown(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    stray = site.ring / "stray.mp4"
    stray.write_bytes(b"x")
    doing(site, monkeypatch, "_segment_fault", stray.unlink)
    assert site.findings() == []


def test_objects_whose_archive_is_recorded_while_the_check_runs_are_not_unknown(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_session(site.catalogue, 0, 60)
    store_objects(site, "a/1")
    doing(site, monkeypatch, "_segment_fault", lambda: record_archive(site, "a/1"))
    assert site.findings() == []


def test_what_no_row_names_is_unknown(site: Site) -> None:
    site.new_segment()
    store_objects(site, "a/stray")
    (site.ring / "cam" / "open.mp4.part").write_bytes(b"being written")
    assert site.faults() == [
        (Fault.UNKNOWN, f"ring: {site.ring / 'cam' / '000006.mp4'}"),
        (Fault.UNKNOWN, "store: a/stray"),
    ]


# --- quarantine


def test_what_lies_in_quarantine_is_told_in_the_words_of_its_reason(site: Site) -> None:
    aside = site.ring / "quarantine"
    aside.mkdir()
    for name in ("a.mp4", "b.mp4.part", "c.mp4.part.tail"):
        (aside / name).write_bytes(b"x")
        (aside / f"{name}.reason.txt").write_text(f"cam/{name}: torn off behind byte 7\n", encoding="utf-8")
    (aside / "d.mp4").write_bytes(b"x")
    found = site.findings()
    assert [one.fault for one in found] == [Fault.QUARANTINED] * 4
    assert [Path(one.name).name for one in found] == ["a.mp4", "b.mp4.part", "c.mp4.part.tail", "d.mp4"]
    assert found[2].detail == "cam/c.mp4.part.tail: torn off behind byte 7"
    assert found[3].detail == "no reason stands beside it"
    assert not any("capture" in one.detail for one in found)


# --- the chain


def test_a_changed_hash_in_a_row_breaks_the_chain_there(site: Site) -> None:
    """Whoever exchanges a file and its hash must also forge every later row."""
    forged = b"forged footage"
    path = site.ring / site.segments[2].path
    path.write_bytes(forged)
    sha256 = hashlib.sha256(forged).hexdigest()
    site.sql(f"UPDATE segment SET sha256 = '{sha256}', size_bytes = {len(forged)} WHERE id = 'seg-2'")
    assert site.faults() == [(Fault.CHAIN, "chain of cam: segment seg-2, number 2")]


@pytest.mark.parametrize(("removed", "named"), [("seg-0", "seg-2"), ("seg-2", "seg-3")])
def test_a_removed_row_is_found_at_the_next_one(site: Site, removed: str, named: str) -> None:
    gone = next(one for one in site.segments if one.id == removed)
    (site.ring / gone.path).unlink()
    site.sql(f"DELETE FROM segment WHERE id = '{removed}'")
    ((fault, name),) = site.faults()
    assert (fault, named in name) == (Fault.CHAIN, True)


def test_a_removed_row_is_found_even_if_the_rest_is_numbered_anew(site: Site) -> None:
    (site.ring / site.segments[2].path).unlink()
    site.sql("DELETE FROM segment WHERE id = 'seg-2'")
    site.sql(
        "UPDATE segment SET chain_number = chain_number - 1 WHERE source_id = 'cam' AND chain_number > 2"
    )
    assert site.faults() == [(Fault.CHAIN, "chain of cam: segment seg-3, number 2")]


def test_a_row_that_is_no_hash_breaks_the_chain_and_not_the_check(site: Site) -> None:
    site.sql("UPDATE segment SET chain = '见' WHERE id = 'seg-2'")
    assert [fault for fault, _ in site.faults()] == [Fault.CHAIN, Fault.CHAIN]


def test_reordered_rows_are_found(site: Site) -> None:
    links = list(site.catalogue.footage.chain_of("cam"))
    assert list(chain_faults("cam", links)) == []
    swapped = [links[0], (2, links[2][1]), (3, links[1][1]), links[3]]
    found = list(chain_faults("cam", swapped))
    assert [one.fault for one in found] == [Fault.CHAIN] * 3
    assert "seg-3, number 2" in found[0].name


def test_a_removed_row_is_found_even_if_the_chain_behind_it_is_forged(site: Site) -> None:
    """Numbers count, too."""
    forged, previous = [], GENESIS_CHAIN
    for number, segment in list(site.catalogue.footage.chain_of("cam"))[1:]:
        previous = chain_value(previous, bytes.fromhex(segment.sha256))
        forged.append((number, replace(segment, chain=previous)))
    (one,) = chain_faults("cam", forged)
    assert "number 1 was expected" in one.detail


def test_a_source_of_a_forged_first_row_is_named(site: Site) -> None:
    site.sql(f"UPDATE segment SET chain = '{GENESIS_CHAIN}' WHERE id = 'seg-5'")
    ((fault, name),) = site.faults()
    assert (fault, name) == (Fault.CHAIN, "chain of screen: segment seg-5, number 2")


# --- what was removed by rule


def test_a_chain_is_whole_over_tombstones_and_their_files_are_not_missing(site: Site) -> None:
    site.remove(site.segments[0], site.segments[2])
    findings, counted, _ = site.check()
    assert (findings, counted) == ([], 4)


def test_the_newest_segment_of_a_chain_may_be_a_tombstone(site: Site) -> None:
    site.signer().run_once()
    site.remove(site.segments[4])
    site.record()
    assert site.findings() == []


def test_a_removed_segments_row_that_was_changed_breaks_the_chain(site: Site) -> None:
    site.remove(site.segments[2])
    site.sql(f"UPDATE segment SET sha256 = '{'0' * 64}' WHERE id = 'seg-2'")
    assert site.faults() == [(Fault.CHAIN, "chain of cam: segment seg-2, number 2")]


def test_a_file_whose_row_says_removed_is_named(site: Site) -> None:
    site.remove(site.segments[0])
    path = site.ring / site.segments[0].path
    path.write_bytes(b"back again")
    (one,) = site.findings()
    assert (one.fault, one.name, one.detail) == (
        Fault.UNKNOWN,
        f"ring: {path}",
        "its row says that it was removed",
    )


def test_a_file_that_is_being_removed_is_no_fault(site: Site) -> None:
    rules = CutRules(pre_roll_us=0, post_roll_us=0)
    site.catalogue.removal.release(["seg-0"], rules, at_us=1, reason="r", principal="p")
    assert site.findings() == []


def test_what_is_removed_by_rule_while_the_check_runs_is_not_missing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    doing(site, monkeypatch, "_segment_fault", lambda: site.remove(site.segments[5]))
    assert site.findings() == []


# --- the ring's disk


def test_a_disk_that_is_not_there_is_one_finding_and_not_one_for_each_file(site: Site) -> None:
    open_ring(site.ring, site.catalogue.ring_disks, FakeClock(), "tester")
    assert site.findings() == []
    (site.ring / MARKER).unlink()
    for one in site.segments:
        (site.ring / one.path).unlink()
    assert [fault for fault, _ in site.faults()] == [Fault.DISK]


# --- what was signed


def test_what_was_signed_is_verified_and_what_is_newer_is_only_noted(site: Site) -> None:
    signer = site.signer()
    signer.run_once()
    site.record()
    signer.run_once()
    site.record("screen")
    findings, _, notes = site.check()
    assert (findings, notes) == ([], ["screen: the newest 1 segments are not signed yet"])


def test_rows_removed_at_the_very_end_of_a_chain_are_found(site: Site) -> None:
    """What the chain alone cannot show."""
    site.signer().run_once()
    (site.ring / site.segments[4].path).unlink()
    site.sql("DELETE FROM segment WHERE id = 'seg-4'")
    (one,) = site.findings()
    assert (one.fault, one.name) == (Fault.SIGNATURE, "signed chain of cam")
    assert one.detail == "number 4 was signed and is missing"


def test_a_whole_chain_that_was_forged_anew_is_found(site: Site) -> None:
    """Whoever can write the catalogue can make a chain that follows; not one that was signed."""
    site.signer().run_once()
    forged = hashlib.sha256(b"forged").hexdigest()
    path = site.ring / site.segments[5].path
    path.write_bytes(b"forged")
    chain = chain_value(site.segments[1].chain, bytes.fromhex(forged))
    site.sql(f"UPDATE segment SET sha256 = '{forged}', size_bytes = 6, chain = '{chain}' WHERE id = 'seg-5'")
    (one,) = site.findings()
    assert (one.fault, one.name) == (Fault.SIGNATURE, "signed chain of screen")
    assert "number 2 is not what was signed" in one.detail


def test_all_rows_of_a_source_gone_is_found(site: Site) -> None:
    site.signer().run_once()
    for one in site.segments:
        if one.source_id == "screen":
            (site.ring / one.path).unlink()
    site.sql("DELETE FROM segment WHERE source_id = 'screen'")
    assert site.faults() == [(Fault.SIGNATURE, "signed chain of screen")]


def test_a_source_that_was_hidden_from_the_signer_after_it_was_signed_is_found(site: Site) -> None:
    site.signer().run_once()
    for one in site.segments:
        if one.source_id == "screen":
            (site.ring / one.path).unlink()
    site.sql("DELETE FROM segment WHERE source_id = 'screen'")
    site.signer().run_once()
    details = [one.detail for one in site.findings()]
    assert any("do not add up" in one for one in details)
    assert "number 2 was signed and is missing" in details


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "UPDATE chain_checkpoint SET statement = replace(statement, 'cam', 'kam') WHERE number = 2",
            "signature",
        ),
        ("UPDATE chain_checkpoint SET signature = 'zz' WHERE number = 2", "signature does not fit"),
        ("UPDATE chain_checkpoint SET at_us = 1 WHERE number = 2", "another key, number or time"),
        ("UPDATE chain_checkpoint SET statement = '{}' WHERE number = 2", "makes no sense"),
        ("DELETE FROM chain_checkpoint WHERE number = 2", "number 2 was expected"),
        ("DELETE FROM chain_checkpoint WHERE number = 1", "number 1 was expected"),
    ],
)
def test_a_checkpoint_that_was_tampered_with_is_named(site: Site, statement: str, said: str) -> None:
    signer = site.signer()
    for _ in range(3):
        signer.run_once()
        site.record()
    site.sql(statement)
    found = site.findings()
    assert {one.fault for one in found} == {Fault.SIGNATURE}
    assert said in found[0].detail
    assert "checkpoint" in found[0].name


def test_a_removed_checkpoint_is_found_even_if_the_rest_is_numbered_anew(site: Site) -> None:
    signer = site.signer()
    for _ in range(3):
        signer.run_once()
    site.sql("DELETE FROM chain_checkpoint WHERE number = 2")
    site.sql("UPDATE chain_checkpoint SET number = 2 WHERE number = 3")
    (one,) = site.findings()
    assert "another key, number or time" in one.detail


def test_a_statement_signed_with_another_key_is_found(site: Site, tmp_path: Path) -> None:
    """An intruder who can write the catalogue has not the recorder's key."""
    site.signer().run_once()
    key_id = site.catalogue.checkpoints.recorder_keys()[0].id
    other = Signer(tmp_path / "other", site.catalogue.checkpoints, site.catalogue.footage, FakeClock())
    forged = other.run_once()
    assert read_statement(forged.statement).number == 1
    site.sql("DELETE FROM chain_checkpoint WHERE key_id = '" + key_id + "'")
    site.sql(f"UPDATE chain_checkpoint SET key_id = '{key_id}'")
    site.sql(f"DELETE FROM recorder_key WHERE id <> '{key_id}'")
    (one, *_) = site.findings()
    assert (one.fault, one.detail) == (Fault.SIGNATURE, "its signature does not fit")


def test_a_key_that_was_lost_is_noted_and_the_chain_of_statements_goes_on(site: Site) -> None:
    site.signer().run_once()
    for name in (PRIVATE_NAME, PUBLIC_NAME):
        (site.keys / name).unlink()
    site.signer().run_once()
    findings, _, notes = site.check()
    first, second = site.catalogue.checkpoints.recorder_keys()
    assert findings == []
    assert notes[0].startswith(f"key {first.id[:16]} was replaced by {second.id[:16]} at ")


def test_an_old_key_that_comes_back_goes_on_where_it_was(site: Site) -> None:
    site.signer().run_once()
    kept = {name: (site.keys / name).read_bytes() for name in (PRIVATE_NAME, PUBLIC_NAME)}
    for name in kept:
        (site.keys / name).unlink()
    site.signer().run_once()
    for name, content in kept.items():
        (site.keys / name).write_bytes(content)
    site.record()
    site.signer().run_once()
    assert site.findings() == []


def test_the_last_statements_of_a_lost_key_cannot_be_removed_unnoticed(site: Site) -> None:
    signer = site.signer()
    signer.run_once()
    signer.run_once()
    old = site.catalogue.checkpoints.recorder_keys()[0].id
    for name in (PRIVATE_NAME, PUBLIC_NAME):
        (site.keys / name).unlink()
    site.signer().run_once()
    site.sql(f"DELETE FROM chain_checkpoint WHERE key_id = '{old}' AND number = 2")
    (one,) = site.findings()
    assert one.detail == "the last statement of the key before it is missing"


def test_a_public_key_that_the_catalogue_does_not_know_is_found(site: Site, tmp_path: Path) -> None:
    """The catalogue's keys were exchanged, but not the one beside the recorder's own."""
    site.signer().run_once()
    other = Signer(tmp_path / "other", site.catalogue.checkpoints, site.catalogue.footage, FakeClock())
    other.run_once()
    site.sql(f"DELETE FROM chain_checkpoint WHERE key_id <> '{other.run_once().key_id}'")
    site.sql("DELETE FROM recorder_key WHERE id NOT IN (SELECT key_id FROM chain_checkpoint)")
    assert (Fault.SIGNATURE, str(site.keys / PUBLIC_NAME)) in site.faults()


def test_more_checkpoints_than_one_page_are_verified(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signed_heads, "_PAGE", 2)
    signer = site.signer()
    for _ in range(5):
        signer.run_once()
        site.record()
    assert site.findings() == []
    site.sql("DELETE FROM chain_checkpoint WHERE number = 3")
    assert [one.detail for one in site.findings()] == ["number 3 was expected: checkpoints are missing"]
