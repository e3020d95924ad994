"""The package: a bag (RFC 8493) with the clips, their receipts and all that is needed to understand them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bagit

from catalog.objects import sha256_of
from kernel.model.archive import ArchiveObject


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageStep:
    """A directory of payload that becomes a bag in place."""

    directory: Path
    info: dict[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageFile:
    """A file of a package."""

    path: Path
    object: ArchiveObject  # its key is relative to the package


def write_json(path: Path, content: Any) -> None:
    """Write a document of the package: UTF-8, sorted keys, readable by people."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_written(content))


def document_bytes(content: Any) -> int:
    """What a document of the package weighs."""
    return len(_written(content))


def _written(content: Any) -> bytes:
    return (json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()


def make_package(step: PackageStep) -> list[PackageFile]:
    """Turn a directory into a bag with SHA-256 manifests and list its files.

    Runs in a process of its own: bagit changes the working directory while it works.
    """
    bagit.make_bag(str(step.directory), bag_info=step.info, checksums=["sha256"], processes=1)
    files = sorted(path for path in step.directory.rglob("*") if path.is_file())
    return [_describe(path, step.directory) for path in files]


def _describe(path: Path, root: Path) -> PackageFile:
    with path.open("rb") as file:
        digest = sha256_of(file)
    key = path.relative_to(root).as_posix()
    return PackageFile(
        path=path, object=ArchiveObject(key=key, size_bytes=path.stat().st_size, sha256=digest)
    )
