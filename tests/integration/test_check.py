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

from catalog.catalogue import Catalogue
from catalog.objects import DirectoryStore
from cli import check
from cli.check import Fault, Finding, chain_faults, check_everything
from kernel.chain import GENESIS_CHAIN, chain_value
from kernel.model.archive import Archive, ArchiveObject
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
        return check_everything(self.catalogue, self.store, self.ring)[0]

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
    assert check_everything(site.catalogue, site.store, site.ring) == ([], 6)


# --- disks that fail


class BadSector(io.BytesIO):
    """A file whose sectors cannot be read."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._handle = os.open(path, os.O_RDONLY)

    def fileno(self) -> int:
        return self._handle

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
    links = site.catalogue.footage.chain_of("cam")
    assert list(chain_faults("cam", links)) == []
    swapped = [links[0], (2, links[2][1]), (3, links[1][1]), links[3]]
    found = list(chain_faults("cam", swapped))
    assert [one.fault for one in found] == [Fault.CHAIN] * 3
    assert "seg-3, number 2" in found[0].name


def test_a_removed_row_is_found_even_if_the_chain_behind_it_is_forged(site: Site) -> None:
    """Numbers count, too."""
    forged, previous = [], GENESIS_CHAIN
    for number, segment in site.catalogue.footage.chain_of("cam")[1:]:
        previous = chain_value(previous, bytes.fromhex(segment.sha256))
        forged.append((number, replace(segment, chain=previous)))
    (one,) = chain_faults("cam", forged)
    assert "number 1 was expected" in one.detail


def test_a_source_of_a_forged_first_row_is_named(site: Site) -> None:
    site.sql(f"UPDATE segment SET chain = '{GENESIS_CHAIN}' WHERE id = 'seg-5'")
    ((fault, name),) = site.faults()
    assert (fault, name) == (Fault.CHAIN, "chain of screen: segment seg-5, number 2")
