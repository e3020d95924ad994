"""Directories that a power cut does not take back: names are durable once their directory is synced."""

from __future__ import annotations

import os
from pathlib import Path


def fsync_directory(directory: Path) -> None:
    """Make names in a directory durable."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_directory(directory: Path, root: Path) -> None:
    """Make a directory below a root and those between them, each durable in its own parent.

    Where something else has one of the names, nothing is made: whoever writes there is told by the system.
    """
    missing = []
    while directory != root and not directory.exists():
        missing.append(directory)
        directory = directory.parent
    for new in reversed(missing):
        new.mkdir(parents=True, exist_ok=True)
        fsync_directory(new.parent)
