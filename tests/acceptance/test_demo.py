"""The demo, as its user sees it: one project goes the whole way."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import av
import bagit
import pytest

from tests.acceptance.conftest import FinishedDemo
from tests.support.peers import missing


def archived_files(demo: FinishedDemo) -> list[Path]:
    return sorted((demo.data_dir / "store").rglob("data/clips/*.mp4"))


def test_the_demo_ends_with_a_verified_archive_within_its_budget(demo: FinishedDemo) -> None:
    assert demo.status == 0, demo.output[-3000:]
    report = demo.report
    assert report["verified"] is True
    assert report["sources"] == 9
    assert report["clips"] == 9
    assert 0 < report["archive_bytes"] <= report["budget_bytes"] < report["raw_bytes"]


def test_the_camera_that_was_lost_has_a_gap_and_nothing_else_has(demo: FinishedDemo) -> None:
    assert demo.report["gaps"] == 1
    assert "seat-02-face" in demo.output
    assert "camera_lost" in demo.output


def test_archived_frames_tell_the_time_that_is_in_their_picture(demo: FinishedDemo) -> None:
    # A frame's strip is cut to whole milliseconds; wall time is kept to the millisecond (invariant 6).
    assert demo.report["max_sync_error_ms"] is not None
    assert demo.report["max_sync_error_ms"] <= 2


def test_every_package_validates_as_a_bag(demo: FinishedDemo) -> None:
    """One of each session, and the addendum with the project's card and archive number."""
    bags = [path.parent for path in (demo.data_dir / "store").rglob("bagit.txt")]
    assert sorted(bag.relative_to(demo.data_dir / "store").parts[0] for bag in bags) == [
        "addenda",
        *["archives"] * 3,
    ]
    for bag in bags:
        bagit.Bag(str(bag)).validate()


def test_archived_files_decode_from_start_to_end(demo: FinishedDemo) -> None:
    files = archived_files(demo)
    assert len(files) == 9
    for path in files:
        with av.open(str(path)) as container:
            frames = sum(1 for _ in container.decode(video=0))
        assert frames > 50, path.name


def test_ffmpeg_reads_the_archived_files(demo: FinishedDemo) -> None:
    ffmpeg = shutil.which("ffmpeg") or missing("ffmpeg", "on Debian, apt install ffmpeg")
    for path in archived_files(demo):
        command = [ffmpeg, "-v", "error", "-xerror", "-i", str(path), "-f", "null", "-"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), path.name


@pytest.mark.parametrize("where", ["store", "ring"])
def test_a_flipped_byte_is_found_and_named(demo: FinishedDemo, where: str) -> None:
    assert demo.run("check").returncode == 0
    victim = sorted((demo.data_dir / where).rglob("*.mp4"))[0]
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    try:
        found = demo.run("check")
    finally:
        data[len(data) // 2] ^= 1
        victim.write_bytes(data)
    assert found.returncode == 1
    assert victim.name in found.stdout
    assert "changed" in found.stdout
    assert demo.run("check").returncode == 0


def test_a_missing_file_is_found_and_named(demo: FinishedDemo, tmp_path: Path) -> None:
    victim = archived_files(demo)[0]
    shutil.move(victim, tmp_path / "away")
    try:
        found = demo.run("check")
    finally:
        shutil.move(tmp_path / "away", victim)
    assert found.returncode == 1
    assert f"missing  store: {victim.relative_to(demo.data_dir / 'store').as_posix()}" in found.stdout


def test_a_mistyped_directory_is_not_one_where_all_is_well(demo: FinishedDemo, tmp_path: Path) -> None:
    for command in ("check", "archive"):
        done = demo.run(command, "--data-dir", str(tmp_path / "nowhere"))
        assert done.returncode == 1
        assert "there is no catalogue" in done.stderr
        assert not (tmp_path / "nowhere").exists()


def test_archived_files_tell_other_players_their_whole_length(demo: FinishedDemo) -> None:
    for path in archived_files(demo):
        with av.open(str(path)) as container:
            last = max(packet.pts * packet.time_base for packet in container.demux(video=0) if packet.pts)
        with av.open(str(path)) as container:
            assert container.duration is not None
            assert container.duration / 1e6 == pytest.approx(float(last), abs=1.5), path.name
