"""Directories that a power cut does not take back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kernel.durable import make_directory


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Directories whose names were made durable, in order."""
    told: list[Path] = []
    fsync = os.fsync

    def watch(handle: int) -> None:
        told.append(Path(f"/proc/self/fd/{handle}").resolve())
        fsync(handle)

    monkeypatch.setattr(os, "fsync", watch)
    return told


def test_each_new_directory_is_durable_in_its_parent(tmp_path: Path, synced: list[Path]) -> None:
    make_directory(tmp_path / "a" / "b" / "c", tmp_path)
    assert (tmp_path / "a" / "b" / "c").is_dir()
    assert synced == [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]


def test_a_directory_that_is_there_costs_nothing(tmp_path: Path, synced: list[Path]) -> None:
    make_directory(tmp_path, tmp_path)
    (tmp_path / "a").mkdir()
    make_directory(tmp_path / "a", tmp_path)
    assert synced == []


def test_a_file_in_the_way_stays_and_is_told_by_whoever_writes_below_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    with pytest.raises(NotADirectoryError):
        make_directory(tmp_path / "a", tmp_path)
        (tmp_path / "a" / "file").open("xb")
    assert (tmp_path / "a").read_bytes() == b"x"
