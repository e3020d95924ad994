"""What every object store does, and what it says of how it protects what rests there."""

from __future__ import annotations

import errno
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from kernel.errors import FixityError, ObjectMissing, StorageError
from kernel.settings import LockMode

READ_BYTES = 1 << 20
NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})
INCOMING = ".incoming"
"""Where a store keeps what has no key yet, and what it tries itself with; no key begins with it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Protection:
    """What a store says that it does for all its objects."""

    versioning: bool = False  # a second object under a key does not replace the first
    object_lock: bool = False  # objects can be locked until a date, and held without one
    default_mode: LockMode | None = None  # how each new object is locked by itself
    default_days: int | None = None  # for how long
    removed_by: tuple[str, ...] = ()  # rules of the bucket that remove objects by themselves


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectProtection:
    """What protects one object now."""

    mode: LockMode | None = None  # None: no retention
    until_us: int | None = None  # end of its retention, wall time
    legal_hold: bool = False  # held until somebody releases it

    def locked_at(self, now_us: int) -> bool:
        """Whether it may not be deleted at a moment."""
        return self.legal_hold or (self.until_us is not None and now_us < self.until_us)


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """What was seen when a store was tried, whatever it says of itself. None: could not be tried."""

    written_once: bool  # a second object under a key was refused, and the first bytes were read back
    retention_held: bool | None = None  # an object under retention could not be deleted
    bypass_refused: bool | None = None  # nor by asking to bypass it
    hold_held: bool | None = None  # an object under legal hold could not be deleted
    marker_hides_nothing: bool | None = None  # deleted without naming a version, it was still read
    read_back: bool = True  # after all of it the object's bytes were as they had been put


class ObjectStore(Protocol):
    """Where archives rest. Keys are relative POSIX paths. Every method may raise ``StorageError``."""

    def put(self, key: str, source: BinaryIO) -> str:
        """Store all of ``source``, from where it stands, under a new key, durably.

        Returns the SHA-256 of what was sent. That it rests there is known once it was read back
        (invariant 10). Of several that put one key at once, exactly one succeeds (invariant 9).

        Raises:
            ObjectExists: the key is taken.
            DiskFull: no room.
            StorageError: anything else; nothing is left under the key, or all of it where an answer was lost.
        """

    def size(self, key: str) -> int:
        """Bytes of an object.

        Raises:
            ObjectMissing: no object has that key.
        """

    def open(self, key: str) -> BinaryIO:
        """A seekable reader of an object; it reads ahead, and what it raises while reading is ours as well.

        Raises:
            ObjectMissing: no object has that key.
        """

    def list_keys(self, prefix: str = "") -> Iterator[str]:
        """Keys that start with a prefix, in order.

        Raises:
            StorageError: the store cannot be listed.
        """

    def presigned_url(self, key: str, seconds: int) -> str:
        """An address that gives the object, whole or by range, to whoever has it, for so long.

        It is a credential: it must not reach a log (invariant 16).

        Raises:
            ObjectMissing: no object has that key.
            StorageError: the store gives no addresses.
        """

    def protection(self) -> Protection:
        """What the store says that it does for all objects."""

    def protection_of(self, key: str) -> ObjectProtection:
        """What protects one object, read from the store.

        Raises:
            ObjectMissing: no object has that key.
        """

    def lock(self, key: str, until_us: int) -> None:
        """Keep an object from being deleted before a wall time, at least: a longer retention stays as it is.

        Raises:
            ObjectMissing: no object has that key.
            NotProtected: the store cannot lock, or did not.
        """

    def legal_hold(self, key: str, on: bool) -> None:
        """Keep an object from being deleted until the hold is taken off.

        Raises:
            ObjectMissing: no object has that key.
            NotProtected: the store cannot hold, or did not.
        """

    def destroy_forever(self, key: str) -> None:
        """Delete an object with all its versions. For disposal by decision only; nothing brings it back.

        Raises:
            ObjectMissing: no object has that key.
            ObjectLocked: retention or a legal hold forbids it; nothing was deleted.
        """

    def clear_abandoned(self, before_us: int) -> int:
        """Remove what uploads left that began before a wall time and never ended; returns how many."""

    def prove(self) -> Proof:
        """Try what the store protects, on an object of its own that no listing shows."""


def check_key(key: str) -> None:
    """Refuse keys that could leave the store or mean two things.

    Raises:
        StorageError: the key is empty, absolute, or has empty, ``.`` or ``..`` parts.
    """
    if not is_relative(key):
        raise StorageError(f"the key {key!r} is not a relative path without '.' or '..'.")
    if key.split("/")[0] == INCOMING:
        raise StorageError(f"the key {key!r} is reserved.")


def is_relative(key: str) -> bool:
    """Whether a key is a relative POSIX path that means one thing."""
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
    try:
        with store.open(key) as reader:
            found = reader.seek(0, io.SEEK_END)
            if found != size_bytes:
                raise FixityError(f"{key} has {found} bytes instead of {size_bytes}.")
            reader.seek(0)
            digest = sha256_of(reader)
    except OSError as error:
        raise unreadable(key, error) from error
    if digest != sha256:
        raise FixityError(f"{key} has SHA-256 {digest} instead of {sha256}.")


def unreadable(key: str, error: OSError) -> StorageError:
    """What an error of the system means for an object that is to be read."""
    if error.errno in NOT_THERE:
        return ObjectMissing(f"{key} is not in the store.")
    return StorageError(f"{key} cannot be read: {error}.", hint="Check the store's disk.")
