"""The object store: written once, read back, never overwritten (invariant 9).

``ObjectStore`` is the interface; ``tests/contract/test_object_store.py`` is what every backend must pass.
S3-compatible storage joins behind the same interface.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import secrets
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from kernel.errors import DiskFull, FixityError, ObjectExists, ObjectMissing, StorageError

READ_BYTES = 1 << 20
INCOMING = ".incoming"
"""Where a directory keeps what has no key yet; no key begins with it, in any store."""


class ObjectStore(Protocol):
    """Where archives rest. Keys are relative POSIX paths."""

    def put(self, key: str, source: BinaryIO) -> str:
        """Store all of ``source`` under a new key, durably; returns the SHA-256 of what was written.

        Raises:
            ObjectExists: the key is taken.
            DiskFull: no room.
            StorageError: anything else; nothing is left under the key.
        """

    def size(self, key: str) -> int:
        """Bytes of an object.

        Raises:
            ObjectMissing: no object has that key.
        """

    def open(self, key: str) -> BinaryIO:
        """A seekable reader of an object.

        Raises:
            ObjectMissing: no object has that key.
        """

    def list_keys(self, prefix: str = "") -> Iterator[str]:
        """Keys that start with a prefix, in order."""


def check_key(key: str) -> None:
    """Refuse keys that could leave the store or mean two things.

    Raises:
        StorageError: the key is empty, absolute, or has empty, ``.`` or ``..`` parts.
    """
    parts = key.split("/")
    if not key or any(part in ("", ".", "..") for part in parts) or "\\" in key or "\0" in key:
        raise StorageError(f"the key {key!r} is not a relative path without '.' or '..'.")
    if parts[0] == INCOMING:
        raise StorageError(f"the key {key!r} is reserved.")


def sha256_of(source: BinaryIO) -> str:
    """SHA-256 of everything a reader gives from here on, lower-case hex."""
    digest = hashlib.sha256()
    while block := source.read(READ_BYTES):
        digest.update(block)
    return digest.hexdigest()


def verify(store: ObjectStore, key: str, size_bytes: int, sha256: str) -> None:
    """Read an object back and compare it with what it should be (invariant 10).

    Raises:
        ObjectMissing: it is not there.
        FixityError: its size or SHA-256 differs.
    """
    found = store.size(key)
    if found != size_bytes:
        raise FixityError(f"{key} has {found} bytes instead of {size_bytes}.")
    with store.open(key) as reader:
        digest = sha256_of(reader)
    if digest != sha256:
        raise FixityError(f"{key} has SHA-256 {digest} instead of {sha256}.")


class MemoryStore:
    """Objects in memory, for tests."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}

    def put(self, key: str, source: BinaryIO) -> str:
        check_key(key)
        if key in self._objects:
            raise ObjectExists(f"{key} exists; keys are never overwritten.")
        try:
            data = source.read()
        except OSError as error:
            raise StorageError(f"{key} cannot be stored: {error}.") from None
        self._objects[key] = data
        return hashlib.sha256(data).hexdigest()

    def size(self, key: str) -> int:
        return len(self._get(key))

    def open(self, key: str) -> BinaryIO:
        return io.BytesIO(self._get(key))

    def list_keys(self, prefix: str = "") -> Iterator[str]:
        return iter(sorted(key for key in self._objects if key.startswith(prefix)))

    def _get(self, key: str) -> bytes:
        check_key(key)
        if key not in self._objects:
            raise ObjectMissing(f"{key} is not in the store.")
        return self._objects[key]


class DirectoryStore:
    """Objects as files below a directory: temporary name, fsync, link to the final name, fsync directory."""

    def __init__(self, root: Path) -> None:
        self._root = root
        try:
            (root / INCOMING).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"the store {root} cannot be used: {error}.") from None

    def put(self, key: str, source: BinaryIO) -> str:
        check_key(key)
        target = self._root / PurePosixPath(key)
        incoming = self._root / INCOMING / secrets.token_hex(8)
        try:
            digest = _write_durably(incoming, source)
            _make_directories(self._root, target.parent)
            # A hard link fails where the name is taken, which a rename would not.
            os.link(incoming, target)
            _sync_directory(target.parent)
        except FileExistsError:
            raise ObjectExists(f"{key} exists; keys are never overwritten.") from None
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull(f"the store {self._root} is full; {key} was not stored.") from None
            raise StorageError(f"{key} cannot be stored: {error}.") from None
        finally:
            incoming.unlink(missing_ok=True)
        return digest

    def size(self, key: str) -> int:
        return self._path(key).stat().st_size

    def open(self, key: str) -> BinaryIO:
        return self._path(key).open("rb")

    def list_keys(self, prefix: str = "") -> Iterator[str]:
        found = (path.relative_to(self._root) for path in self._root.rglob("*") if path.is_file())
        keys = (path.as_posix() for path in found if path.parts[0] != INCOMING)
        return iter(sorted(key for key in keys if key.startswith(prefix)))

    def _path(self, key: str) -> Path:
        check_key(key)
        path = self._root / PurePosixPath(key)
        try:
            there = path.is_file()
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise StorageError(f"{key} cannot be looked up: {error}.") from None
            there = False
        if not there:
            raise ObjectMissing(f"{key} is not in the store.")
        return path


def _write_durably(path: Path, source: BinaryIO) -> str:
    digest = hashlib.sha256()
    with path.open("xb") as target:
        while block := source.read(READ_BYTES):
            digest.update(block)
            target.write(block)
        target.flush()
        os.fsync(target.fileno())
    return digest.hexdigest()


def _make_directories(root: Path, directory: Path) -> None:
    """Make a directory and its parents up to the root, each durable in its own parent."""
    missing = []
    while directory != root and not directory.exists():
        missing.append(directory)
        directory = directory.parent
    for new in reversed(missing):
        new.mkdir(exist_ok=True)
        _sync_directory(new.parent)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def open_store(url: str, directory: Path) -> ObjectStore:
    """The store that a setting names: empty or ``file:///PATH`` for a directory.

    Raises:
        StorageError: the URL names no store that this version knows.
    """
    if not url:
        return DirectoryStore(directory)
    if url.startswith("file://"):
        return DirectoryStore(Path(url.removeprefix("file://")))
    scheme = url.split(":", 1)[0]
    raise StorageError(
        f"store_url names a store of kind {scheme}, which this version does not know.",
        hint="Use file:///PATH, or leave it empty for a directory below data_dir.",
    )
