"""Objects as files below a directory."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from catalog.objects.contract import (
    INCOMING,
    NOT_THERE,
    READ_BYTES,
    ObjectProtection,
    Proof,
    Protection,
    check_key,
    is_relative,
    unreadable,
)
from kernel.durable import fsync_directory, make_directory
from kernel.errors import DiskFull, NotProtected, ObjectExists, ObjectMissing, StorageError

_CANNOT = "a directory cannot lock or hold: whoever may write there may delete."


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
            raise unreadable(key, error) from error

    def open(self, key: str) -> BinaryIO:
        path = self._path(key)
        try:
            return path.open("rb")
        except OSError as error:
            raise unreadable(key, error) from error

    def list_keys(self, prefix: str = "") -> Iterator[str]:
        directory = prefix.rpartition("/")[0]
        if directory and (not is_relative(directory) or directory.split("/")[0] == INCOMING):
            return iter(())
        keys = (path.relative_to(self._root).as_posix() for path in self._files(directory))
        return iter(sorted(key for key in keys if key.startswith(prefix)))

    def presigned_url(self, key: str, seconds: int) -> str:
        self._path(key)
        raise StorageError("a directory gives no addresses.", hint="Serve the object by 'jianzheng serve'.")

    def protection(self) -> Protection:
        return Protection()

    def protection_of(self, key: str) -> ObjectProtection:
        self._path(key)
        return ObjectProtection()

    def lock(self, key: str, until_us: int) -> None:
        self._path(key)
        raise NotProtected(_CANNOT)

    def legal_hold(self, key: str, on: bool) -> None:
        self._path(key)
        raise NotProtected(_CANNOT)

    def destroy_forever(self, key: str) -> None:
        path = self._path(key)
        try:
            path.unlink()
            fsync_directory(path.parent)
        except OSError as error:
            raise StorageError(
                f"{key} cannot be deleted: {error}.", hint="Check the store's disk."
            ) from error

    def clear_abandoned(self, before_us: int) -> int:
        """Files of attempts that a crash ended; each attempt has a file of its own and never takes it up."""
        cleared = 0
        try:
            for path in (self._root / INCOMING).iterdir():
                if path.stat().st_mtime_ns // 1000 < before_us:
                    path.unlink(missing_ok=True)
                    cleared += 1
        except OSError as error:
            raise StorageError(f"the store {self._root} cannot be tidied: {error}.") from error
        return cleared

    def prove(self) -> Proof:
        """Only that a name is taken once: nothing else is claimed, so nothing else is tried."""
        first, other = (self._root / INCOMING / f"proof-{secrets.token_hex(8)}" for _ in range(2))
        try:
            for path, data in ((first, b"first"), (other, b"other")):
                path.write_bytes(data)
            return Proof(written_once=self._refuses(other, first), read_back=first.read_bytes() == b"first")
        except OSError as error:
            raise StorageError(f"the store {self._root} cannot be used: {error}.") from error
        finally:
            for path in (first, other):
                path.unlink(missing_ok=True)

    @staticmethod
    def _refuses(path: Path, taken: Path) -> bool:
        try:
            os.link(path, taken)
        except FileExistsError:
            return True
        return False

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
    if error.errno not in NOT_THERE:
        raise error
