"""The package: a bag (RFC 8493) with the clips, their receipts and all that is needed to understand them.

Written by this module and not by the ``bagit`` library, which writes drafts before the RFC (version 0.97,
tag manifests in no order and not as ``sha256sum`` reads them); tests validate with that library what is
written here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archiver.digests import digests_of
from kernel.model.archive import ArchiveObject

ALGORITHMS = ("sha256", "sha512")
PAYLOAD = "data"
DECLARATION = "bagit.txt"
DECLARED = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
INFO = "bag-info.txt"


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageStep:
    """A directory with the payload in ``data/`` that becomes a bag."""

    directory: Path
    info: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageFile:
    """A file of a package."""

    path: Path
    object: ArchiveObject  # its key is relative to the package


def manifest_name(algorithm: str) -> str:
    return f"manifest-{algorithm}.txt"


def tag_manifest_name(algorithm: str) -> str:
    return f"tagmanifest-{algorithm}.txt"


TAG_FILES = (INFO, DECLARATION, *(manifest_name(one) for one in ALGORITHMS))
"""What a package has beside payload, proof and tag manifests."""


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
    """Write the manifests of the payload and what else a bag needs; returns all files there are now.

    The tag manifests are missing: they come last, when the proof is there (``write_tag_manifests``).
    """
    directory = step.directory
    payload = files_below(directory, directory / PAYLOAD)
    size = sum((directory / name).stat().st_size for name in payload)
    made = _write_manifests(directory, payload, manifest_name)
    info = {**step.info, "Payload-Oxum": f"{size}.{len(payload)}"}
    lines = [f"{key}: {' '.join(value.split())}\n" for key, value in sorted(info.items())]
    (directory / INFO).write_bytes("".join(lines).encode())
    (directory / DECLARATION).write_bytes(DECLARED)
    return made + _described(directory, TAG_FILES)


def write_tag_manifests(directory: Path) -> list[PackageFile]:
    """Complete a bag; returns its tag manifests and what they name that no list of files has yet."""
    tags = [name for name in files_below(directory, directory) if is_tag_file(name)]
    made = _write_manifests(directory, tags, tag_manifest_name)
    new = [one for one in made if one.object.key not in TAG_FILES]
    return new + _described(directory, [tag_manifest_name(one) for one in ALGORITHMS])


def is_tag_file(name: str) -> bool:
    """Whether a tag manifest must name a file: all but payload and tag manifests (RFC 8493, 2.2.1)."""
    return not name.startswith((f"{PAYLOAD}/", "tagmanifest-"))


def files_below(root: Path, directory: Path) -> list[str]:
    """Files below a directory, sorted, relative to the root."""
    return sorted(path.relative_to(root).as_posix() for path in directory.rglob("*") if path.is_file())


def _write_manifests(
    directory: Path, names: Iterable[str], called: Callable[[str], str]
) -> list[PackageFile]:
    digests = {name: digests_of(directory / name, ALGORITHMS) for name in names}
    for algorithm in ALGORITHMS:
        lines = [f"{found[algorithm]}  {encoded_name(name)}\n" for name, found in digests.items()]
        (directory / called(algorithm)).write_bytes("".join(lines).encode())
    return [_file(directory, name, found["sha256"]) for name, found in digests.items()]


def encoded_name(name: str) -> str:
    """A name as manifests write it (RFC 8493, 2.1.3)."""
    return name.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def decoded_name(name: str) -> str:
    """A name as files have it."""
    for code, character in (("%0A", "\n"), ("%0a", "\n"), ("%0D", "\r"), ("%0d", "\r"), ("%25", "%")):
        name = name.replace(code, character)
    return name


def _described(directory: Path, names: Iterable[str]) -> list[PackageFile]:
    return [_file(directory, name, digests_of(directory / name, ["sha256"])["sha256"]) for name in names]


def _file(directory: Path, name: str, sha256: str) -> PackageFile:
    path = directory / name
    return PackageFile(
        path=path, object=ArchiveObject(key=name, size_bytes=path.stat().st_size, sha256=sha256)
    )
