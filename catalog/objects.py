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

from kernel.durable import fsync_directory, make_directory
from kernel.errors import DiskFull, FixityError, ObjectExists, ObjectMissing, StorageError

READ_BYTES = 1 << 20
_NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})
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
        """Keys that start with a prefix, in order.

        Raises:
            StorageError: the store cannot be listed.
        """


def check_key(key: str) -> None:
    """Refuse keys that could leave the store or mean two things.

    Raises:
        StorageError: the key is empty, absolute, or has empty, ``.`` or ``..`` parts.
    """
    if not _is_relative(key):
        raise StorageError(f"the key {key!r} is not a relative path without '.' or '..'.")
    if key.split("/")[0] == INCOMING:
        raise StorageError(f"the key {key!r} is reserved.")


def _is_relative(key: str) -> bool:
    clean = not any(part in ("", ".", "..") for part in key.split("/"))
    return clean and "\\" not in key and "\0" not in key


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
        StorageError: it cannot be read.
    """
    found = store.size(key)
    if found != size_bytes:
        raise FixityError(f"{key} has {found} bytes instead of {size_bytes}.")
    try:
        with store.open(key) as reader:
            digest = sha256_of(reader)
    except OSError as error:
        raise _unreadable(key, error) from error
    if digest != sha256:
        raise FixityError(f"{key} has SHA-256 {digest} instead of {sha256}.")


def _unreadable(key: str, error: OSError) -> StorageError:
    """What an error of the system means for an object that is to be read."""
    if error.errno in _NOT_THERE:
        return ObjectMissing(f"{key} is not in the store.")
    return StorageError(f"{key} cannot be read: {error}.", hint="Check the store's disk.")


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
            make_directory(target.parent, self._root)
            # A hard link fails where the name is taken, which a rename would not.
            os.link(incoming, target)
            fsync_directory(target.parent)
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
        path = self._path(key)
        try:
            return path.stat().st_size
        except OSError as error:
            raise _unreadable(key, error) from error

    def open(self, key: str) -> BinaryIO:
        path = self._path(key)
        try:
            return path.open("rb")
        except OSError as error:
            raise _unreadable(key, error) from error

    def list_keys(self, prefix: str = "") -> Iterator[str]:
        directory = prefix.rpartition("/")[0]
        if directory and (not _is_relative(directory) or directory.split("/")[0] == INCOMING):
            return iter(())
        keys = (path.relative_to(self._root).as_posix() for path in self._files(directory))
        return iter(sorted(key for key in keys if key.startswith(prefix)))

    def _files(self, directory: str) -> Iterator[Path]:
        """Files below a directory; one that vanishes meanwhile is none."""
        try:
            for found, below, names in os.walk(self._root / directory, onerror=_not_listed):
                if Path(found) == self._root and INCOMING in below:
                    below.remove(INCOMING)
                yield from (path for path in (Path(found, name) for name in names) if path.is_file())
        except OSError as error:
            raise StorageError(
                f"the store {self._root} cannot be listed: {error}.", hint="Check the store's disk."
            ) from error

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


def _not_listed(error: OSError) -> None:
    if error.errno not in _NOT_THERE:
        raise error


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
