"""Holds, the ring's disk and its proofs on the command line."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from capture.checkpoints import Signer
from capture.ring_disk import open_ring, read_marker
from catalog.catalogue import Catalogue
from cli import recording
from cli.main import app
from kernel.clock import SECOND_US, FakeClock
from kernel.errors import CatalogError, JianzhengError, StorageError, TimelineError
from kernel.model.cut import CutRules
from kernel.settings import RingSettings, Settings
from kernel.timerange import TimeRange
from tests.support.catalogue import add_segments, open_catalogue
from tests.support.peers import missing
from tests.unit.catalog.test_footage import segment

START_US = 1_772_420_400 * SECOND_US  # 2026-03-02T03:00Z


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    """Two minutes of a camera."""
    made = open_catalogue(tmp_path)
    minute = 60 * SECOND_US
    add_segments(made, [segment(n, START_US + n * minute, START_US + (n + 1) * minute) for n in range(2)])
    yield made
    made.close()


def run(tmp_path: Path, *words: str) -> str:
    result = CliRunner().invoke(app, [*words, "--data-dir", str(tmp_path)])
    if isinstance(result.exception, JianzhengError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_a_hold_is_made_listed_and_released_with_names_and_reasons(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    between = ("2026-03-02T11:00+08:00", "2026-03-02T11:01+08:00")
    run(tmp_path, "hold", "source", *between, "cam", "--reason", "案件", "--as", "纪检")
    (hold,) = catalogue.holds.all()
    assert (hold.wall.start_us, hold.wall.end_us) == (START_US, START_US + 60 * SECOND_US)
    listed = run(tmp_path, "holds")
    assert f"{hold.id}  cam  2026-03-02T11:00:00+08:00 - 2026-03-02T11:01:00+08:00  纪检: 案件" in listed
    run(tmp_path, "release", hold.id, "--reason", "结案", "--as", "监督")
    assert run(tmp_path, "holds") == ""
    assert "监督: 结案" in run(tmp_path, "holds", "--all")
    with pytest.raises(CatalogError, match="released already"):
        run(tmp_path, "release", hold.id, "--reason", "again")


def test_a_hold_says_which_part_of_its_range_is_gone(tmp_path: Path, catalogue: Catalogue) -> None:
    catalogue.removal.release(
        [catalogue.footage.all_segments()[0].id],
        CutRules(pre_roll_us=0, post_roll_us=0),
        at_us=START_US,
        reason="Room was needed.",
        principal="王工",
    )
    told = run(
        tmp_path, "hold", "source", "2026-03-02T03:00:30Z", "2026-03-02T03:02:00Z", "cam", "--reason", "案件"
    )
    assert "gone already  2026-03-02T11:00:30+08:00 - 2026-03-02T11:01:00+08:00  (30 s)" in told
    assert "Room was needed. (王工)" in told


@pytest.mark.parametrize("moment", ["2026-03-02T11:00", "tomorrow", "2026-03-02T13:00+08:00"])
def test_a_range_that_is_none_is_refused(tmp_path: Path, catalogue: Catalogue, moment: str) -> None:
    with pytest.raises(TimelineError):
        run(tmp_path, "hold", "source", moment, "2026-03-02T12:00+08:00", "cam", "--reason", "x")


def test_a_new_disk_is_adopted_in_somebodys_name(tmp_path: Path, catalogue: Catalogue) -> None:
    with pytest.raises(StorageError):
        run(tmp_path, "ring", "adopt", "--as", "王工")
    (tmp_path / "ring").mkdir()
    run(tmp_path, "ring", "adopt", "--as", "王工")
    assert catalogue.ring_disks.current() == read_marker(tmp_path / "ring")


def test_without_a_signature_there_is_nothing_to_show(tmp_path: Path, catalogue: Catalogue) -> None:
    for words in (("ring", "key"), ("ring", "checkpoint", str(tmp_path / "out"))):
        with pytest.raises(CatalogError, match="signed"):
            run(tmp_path, *words)


def test_an_outsider_verifies_a_checkpoint_with_openssl(tmp_path: Path, catalogue: Catalogue) -> None:
    """As ``docs/design/segments.md`` says."""
    openssl = shutil.which("openssl") or missing("openssl", "on Debian, apt install openssl")
    Signer(tmp_path / "keys", catalogue.checkpoints, catalogue.footage, FakeClock()).run_once()
    run(tmp_path, "ring", "checkpoint", str(tmp_path / "out"))
    (key,), (statement,), (signature,) = (
        list((tmp_path / "out").glob(f"*.{kind}")) for kind in ("pem", "json", "sig")
    )
    assert run(tmp_path, "ring", "key") == key.read_text()
    assert key.read_bytes() == (tmp_path / "keys" / "recorder.pub.pem").read_bytes()
    command = [openssl, "pkeyutl", "-verify", "-pubin", "-inkey", key, "-rawin"]
    command += ["-in", statement, "-sigfile", signature]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    statement.write_bytes(statement.read_bytes().replace(b'"number":1', b'"number":2'))
    assert subprocess.run(command, check=False, capture_output=True).returncode != 0


def test_a_recorder_makes_room_and_signs_and_signs_once_more_at_its_end(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    settings = Settings(data_dir=tmp_path, ring=RingSettings(make_room_bytes=1 << 62))
    for one in catalogue.footage.all_segments():
        (tmp_path / "ring" / one.path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "ring" / one.path).write_bytes(b"x")
    clock = FakeClock(START_US + 100 * 3600 * SECOND_US)
    disk = open_ring(tmp_path / "ring", catalogue.ring_disks, clock, "王工")
    asked = recording.Recording(settings=settings, principal="王工", json_log=False)
    site = recording.Site(catalogue=catalogue, disk=disk)
    sweeps = recording._sweeps(asked, site, clock)
    assert [(one.seconds, one.at_end) for one in sweeps] == [(5, False), (60, True)]
    for one in sweeps:
        one.run_once()
    assert catalogue.footage.all_segments() == []
    (stone, _) = catalogue.removal.tombstones_of("cam", TimeRange(start_us=0, end_us=1 << 61))
    assert (stone.principal, stone.removed_us) == ("王工", clock.now_us())
    (key,) = catalogue.checkpoints.recorder_keys()
    signed = catalogue.checkpoints.newest(key.id)
    assert signed is not None
    assert "cam" in signed.statement
