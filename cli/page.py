"""Which sources the web page was built from: told by the build, asked by the doctor."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

STAMP = ".built-from"
"""Beside the built page: ``tree_hash`` of the sources that it was built from."""
_NOT_SOURCE = {"node_modules", "__pycache__", "dist", ".vite"}


def tree_hash(web: Path, *names: str) -> str:
    """SHA-256 over the paths and bytes of the front end's files, or of the named ones."""
    digest = hashlib.sha256()
    for path in sorted(_sources(web)):
        name = path.relative_to(web).as_posix()
        if not names or name in names:
            digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _sources(web: Path) -> Iterator[Path]:
    for place, directories, files in os.walk(web):
        directories[:] = set(directories) - _NOT_SOURCE
        yield from (Path(place, name) for name in files)


def built_from(static: Path) -> str:
    """What the page says that it was built from; empty where it does not say so."""
    stamp = static / STAMP
    return stamp.read_text(encoding="utf-8").strip() if stamp.is_file() else ""
