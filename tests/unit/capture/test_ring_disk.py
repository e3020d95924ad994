"""The ring's disk: a missing mount is never written through, and recording resumes when it is back."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from capture.disk import need_room
from capture.ring_disk import MARKER, adopt, open_ring, read_marker
from catalog.catalogue import Catalogue
from catalog.ring_disks import RingDisks
from kernel.clock import FakeClock
from kernel.errors import DiskLost, StorageError
from tests.support.catalogue import add_segments, open_catalogue
from tests.unit.catalog.test_footage import segment


@dataclass
class Rows:
    """What the catalogue would know."""

    ids: list[str] = field(default_factory=list)
    newest: str | None = None
    asked: int = 0

    def current(self) -> str | None:
        self.asked += 1
        return self.ids[-1] if self.ids else None

    def add(self, disk_id: str, made_us: int, principal: str) -> None:
        self.ids.append(disk_id)

    def newest_path(self) -> str | None:
        return self.newest


@pytest.fixture
def rows() -> Rows:
    return Rows()


def opened(root: Path, rows: Rows) -> Any:
    return open_ring(root, rows, FakeClock(), "tester")


def test_the_first_start_makes_the_ring_and_the_next_one_finds_it(tmp_path: Path, rows: Rows) -> None:
    opened(tmp_path / "ring", rows).check()
    opened(tmp_path / "ring", rows).check()
    assert rows.ids == [read_marker(tmp_path / "ring")]


def test_a_missing_mount_is_refused_with_the_remedy_and_nothing_is_made_there(
    tmp_path: Path, rows: Rows
) -> None:
    rows.ids = ["disk-1"]
    disk = opened(tmp_path / "ring", rows)
    with pytest.raises(DiskLost, match="is not in") as caught:
        disk.check()
    assert "ring adopt" in caught.value.remedy
    assert not (tmp_path / "ring").exists()


def test_another_disk_is_refused(tmp_path: Path, rows: Rows) -> None:
    opened(tmp_path, rows)
    rows.ids.append("disk-2")
    with pytest.raises(DiskLost, match="another disk"):
        opened(tmp_path, rows).check()


def test_a_mount_that_is_missing_at_the_first_start_after_an_upgrade_makes_no_ring(
    tmp_path: Path, rows: Rows
) -> None:
    """The catalogue has footage and knows no marker yet; the directory lacks that footage."""
    rows.newest = "cam/1.mp4"
    with pytest.raises(DiskLost):
        opened(tmp_path, rows).check()
    assert (rows.ids, list(tmp_path.iterdir())) == ([], [])
    (tmp_path / "cam").mkdir()
    (tmp_path / "cam" / "1.mp4").write_bytes(b"x")
    opened(tmp_path, rows).check()
    assert len(rows.ids) == 1


def test_a_ring_with_a_new_catalogue_is_taken_over(tmp_path: Path, rows: Rows) -> None:
    opened(tmp_path, Rows())
    before = read_marker(tmp_path)
    opened(tmp_path, rows).check()
    assert rows.ids == [before] == [read_marker(tmp_path)]


def test_recording_stops_when_the_marker_goes_and_resumes_when_it_is_back(tmp_path: Path, rows: Rows) -> None:
    disk = opened(tmp_path, rows)
    need_room(tmp_path, 0, disk.free_bytes)
    away = (tmp_path / MARKER).rename(tmp_path / "elsewhere")
    for _ in range(2):
        with pytest.raises(DiskLost):
            need_room(tmp_path, 0, disk.free_bytes)
    away.rename(tmp_path / MARKER)
    need_room(tmp_path, 0, disk.free_bytes)


def test_another_marker_in_the_same_place_is_noticed(tmp_path: Path, rows: Rows) -> None:
    disk = opened(tmp_path, rows)
    disk.check()
    (tmp_path / "new").write_text("disk-of-somebody\n")
    (tmp_path / "new").rename(tmp_path / MARKER)
    with pytest.raises(DiskLost, match="another disk"):
        disk.check()


def test_a_disk_that_gives_errors_is_lost(
    tmp_path: Path, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, stat = opened(tmp_path, rows), Path.stat

    def failing(path: Path, **more: Any) -> os.stat_result:
        if path.name == MARKER:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return stat(path, **more)

    monkeypatch.setattr(Path, "stat", failing)
    with pytest.raises(DiskLost, match="Input/output error"):
        disk.check()


def test_while_all_is_well_the_catalogue_is_not_asked(tmp_path: Path, rows: Rows) -> None:
    disk = opened(tmp_path, rows)
    disk.check()
    asked = rows.asked
    for _ in range(3):
        disk.check()
    assert rows.asked == asked


def test_a_new_disk_is_adopted_on_purpose_while_the_recorder_waits(tmp_path: Path, rows: Rows) -> None:
    rows.ids = ["disk-1"]
    disk = opened(tmp_path, rows)
    with pytest.raises(DiskLost):
        disk.check()
    made = adopt(tmp_path, rows, FakeClock(), "王工")
    assert rows.ids == ["disk-1", made]
    disk.check()


def test_a_directory_that_is_not_there_cannot_be_adopted(tmp_path: Path, rows: Rows) -> None:
    with pytest.raises(StorageError):
        adopt(tmp_path / "none", rows, FakeClock(), "王工")
    assert rows.ids == []


# --- what the catalogue knows


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    made = open_catalogue(tmp_path)
    yield made
    made.close()


def test_the_disk_adopted_last_is_in_force_even_if_the_clock_was_set_back(catalogue: Catalogue) -> None:
    disks: RingDisks = catalogue.ring_disks
    assert disks.current() is None
    disks.add("disk-1", 1000, "a")
    disks.add("disk-2", 500, "b")
    assert disks.current() == "disk-2"


def test_the_newest_footage_that_is_kept_tells_whether_it_is_the_ring(catalogue: Catalogue) -> None:
    assert catalogue.ring_disks.newest_path() is None
    made = [segment(number, number * 60, number * 60 + 60) for number in range(2)]
    add_segments(catalogue, made)
    assert catalogue.ring_disks.newest_path() == made[1].path
    with catalogue.footage._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE segment SET state = 'removed' WHERE sequence = 1")
    assert catalogue.ring_disks.newest_path() == made[0].path
