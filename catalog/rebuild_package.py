"""A package as it rests in the store: what its manifests name, and whether all of that is there."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from catalog.objects import ObjectStore, verify
from kernel.errors import (
    BucketMissing,
    DiskFull,
    FixityError,
    StorageError,
    StoreRefuses,
    StoreUnreachable,
)

PACKAGE_KEY = re.compile(r"(?P<prefix>archives/(?:[^/]+/){6}v\d+|addenda/(?:[^/]+/){3}\d+)/(?P<name>.+)")
"""Keys of packages' objects (``docs/design/archive-package.md``, ``documents.md``)."""
_LINE = re.compile(r"(?P<digest>[0-9a-f]{64}) [ *](?P<name>[^\0]+)")
_MOST_BYTES = 256 << 20  # a document or manifest that is larger is none of ours
_TAG_MANIFEST, _MANIFEST, _OTHER_TAG_MANIFEST = (
    "tagmanifest-sha256.txt",
    "manifest-sha256.txt",
    "tagmanifest-sha512.txt",
)
_NOBODYS_FAULT = (StoreUnreachable, StoreRefuses, BucketMissing, DiskFull)
_NAMED = 5  # files in a message


def is_damage(error: StorageError) -> bool:
    """Whether one object is hurt, rather than the whole store out of reach."""
    return not isinstance(error, _NOBODYS_FAULT)


def read_small(store: ObjectStore, key: str) -> bytes:
    """A document of the store.

    Raises:
        FixityError: it is far too large to be one.
        StorageError: it cannot be read.
    """
    if store.size(key) > _MOST_BYTES:
        raise FixityError(f"{key} is too large to be a document.")
    with store.open(key) as reader:
        return reader.read()


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundPackage:
    """A package whose every object is there."""

    prefix: str
    sizes: Mapping[str, int]  # of every object, by key
    sha256: Mapping[str, str]  # as the manifests name it, by key

    def read_json(self, store: ObjectStore, name: str) -> dict[str, Any]:
        """A document of the package, compared with its manifest.

        Raises:
            FixityError: the package has none, it was changed, or is no JSON object.
            StorageError: it cannot be read.
        """
        key = f"{self.prefix}/{name}"
        if key not in self.sha256:
            raise FixityError(f"the package has no {name}")
        content = read_small(store, key)
        if hashlib.sha256(content).hexdigest() != self.sha256[key]:
            raise FixityError(f"{name} is not what its manifest names")
        try:
            told = json.loads(content)
        except (ValueError, RecursionError):
            raise FixityError(f"{name} is no JSON") from None
        if not isinstance(told, dict):
            raise FixityError(f"{name} is no JSON object")
        return told


def find_package(store: ObjectStore, prefix: str) -> FoundPackage:
    """Read a package's manifests and see that each object that they name is there, and no other.

    Raises:
        FixityError: something is missing, too much, or another manifest than its tag manifest names.
        StorageError: the store does not give it.
    """
    there = set(store.list_keys(f"{prefix}/"))
    tags = _manifest(store, prefix, _TAG_MANIFEST, there)
    found = {f"{prefix}/{name}": digest for name, digest in tags.items()}
    if _MANIFEST not in tags:
        raise FixityError(f"{_TAG_MANIFEST} does not name {_MANIFEST}")
    payload = _manifest(store, prefix, _MANIFEST, there, tags[_MANIFEST])
    found |= {f"{prefix}/{name}": digest for name, digest in payload.items()}
    for name in (_TAG_MANIFEST, _OTHER_TAG_MANIFEST):
        if f"{prefix}/{name}" in there:
            found[f"{prefix}/{name}"] = hashlib.sha256(read_small(store, f"{prefix}/{name}")).hexdigest()
    if missing := sorted(found.keys() - there):
        raise FixityError(f"missing: {_few(missing, prefix)}")
    if more := sorted(there - found.keys()):
        raise FixityError(f"no manifest names: {_few(more, prefix)}")
    return FoundPackage(prefix=prefix, sizes={key: store.size(key) for key in found}, sha256=found)


def check_package(
    store: ObjectStore, found: FoundPackage, wanted: Mapping[str, tuple[int, str]], *, verify_all: bool
) -> None:
    """Compare a package with what is known of its objects; without ``verify_all`` no payload is hashed.

    Args:
        wanted: size and SHA-256 by key; nothing: only its own bag-info is known.

    Raises:
        FixityError: something differs.
        StorageError: the store does not give it.
    """
    if wanted:
        told = {key: (found.sizes[key], digest) for key, digest in found.sha256.items()}
        differ = [key for key in told.keys() | wanted.keys() if told.get(key) != wanted.get(key)]
        if differ:
            raise FixityError(f"other than its record tells: {_few(sorted(differ), found.prefix)}")
    else:
        _check_weight(store, found)
    if verify_all:
        for key, digest in sorted(found.sha256.items()):
            verify(store, key, found.sizes[key], digest)


def _check_weight(store: ObjectStore, found: FoundPackage) -> None:
    """Size and number of payload files, as bag-info tells them (RFC 8493, 2.2.2)."""
    info = read_small(store, f"{found.prefix}/bag-info.txt").decode("utf-8", "replace")
    payload = [size for key, size in found.sizes.items() if key.startswith(f"{found.prefix}/data/")]
    oxum = f"Payload-Oxum: {sum(payload)}.{len(payload)}"
    if oxum not in info.splitlines():
        raise FixityError(f"its payload weighs {sum(payload)} in {len(payload)} files, not what it tells")


def _manifest(
    store: ObjectStore, prefix: str, name: str, there: set[str], sha256: str | None = None
) -> dict[str, str]:
    if f"{prefix}/{name}" not in there:
        raise FixityError(f"missing: {name}")
    content = read_small(store, f"{prefix}/{name}")
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise FixityError(f"{name} is not what {_TAG_MANIFEST} names")
    found = {}
    for line in content.decode("utf-8", "replace").splitlines():
        told = _LINE.fullmatch(line)
        if told is None:
            raise FixityError(f"{name} has a line that is none: {line[:40]!r}")
        found[_decoded(told["name"])] = told["digest"]
    return found


def _decoded(name: str) -> str:
    """A name as files have it (RFC 8493, 2.1.3)."""
    for code, character in (("%0A", "\n"), ("%0D", "\r"), ("%25", "%")):
        name = name.replace(code, character)
    return name


def _few(keys: list[str], prefix: str) -> str:
    names = [key.removeprefix(f"{prefix}/") for key in keys[:_NAMED]]
    more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
    return ", ".join(names) + more
