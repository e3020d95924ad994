"""Trying what a bucket protects: objects of our own are locked or held, and then we try to be rid of them.

Their names lie below ``.incoming/``, so that no listing shows them. Where the bucket locks each new object
for years, each is put with a retention of its own of some seconds. What cannot be taken away at once is taken
away by ``clear_abandoned`` when its retention is over.
"""

from __future__ import annotations

import io
import secrets
from typing import TYPE_CHECKING, Any

from catalog.objects.contract import INCOMING, Proof
from kernel.clock import SECOND_US
from kernel.errors import NotProtected, ObjectExists, ObjectMissing

if TYPE_CHECKING:
    from catalog.objects.s3 import S3Store

_LOCKED_SECONDS = 10
_SHORTLY_SECONDS = 2
_FIRST, _OTHER = b"Jianzheng tries what this bucket protects.", b"Something else."


def prove(store: S3Store) -> Proof:
    """Try it; see ``Proof``.

    Raises:
        StorageError: the bucket cannot be used at all.
    """
    said = store.protection()
    by_default = said.default_mode is not None
    tried = _Tried(store, store.shortly(_SHORTLY_SECONDS) if by_default else {})
    once, marker = tried.written_once(), tried.marker_hides_nothing() if said.versioning else None
    whole = tried.is_whole()
    if not said.object_lock:
        tried.remove()
        return Proof(written_once=once, marker_hides_nothing=marker, read_back=whole)
    held = tried.hold_held(wait=by_default)
    locked = _Tried(store, store.shortly(_LOCKED_SECONDS) if by_default else {})
    retained, bypass = locked.retention_held(lock=not by_default)
    tells = held is not None or not retained
    return Proof(
        written_once=once,
        marker_hides_nothing=marker,
        hold_held=held,
        retention_held=retained if tells else None,
        bypass_refused=bypass if tells else None,
        read_back=whole and (locked.is_whole() or not (retained and bypass)),
    )


class _Tried:
    """An object that is tried."""

    def __init__(self, store: S3Store, protect: dict[str, Any]) -> None:
        self._store = store
        self._protect = protect
        self._key = f"{INCOMING}/proof-{secrets.token_hex(8)}"
        store.put_protected(self._key, io.BytesIO(_FIRST), protect)
        self._found = store.look(self._key)

    def written_once(self) -> bool:
        """Whether a second object under the key is refused."""
        try:
            self._store.put_protected(self._key, io.BytesIO(_OTHER), self._protect)
        except ObjectExists:
            return True
        return False

    def marker_hides_nothing(self) -> bool:
        """Whether it is still read after a deletion that names no version."""
        self._store.delete_version(self._found.name, None)
        return self.is_whole()

    def retention_held(self, *, lock: bool) -> tuple[bool, bool]:
        """Whether a deletion is refused under retention, and one that asks to bypass it."""
        if lock:
            try:
                until_us = self._store.clock.now_us() + _LOCKED_SECONDS * SECOND_US
                self._store.lock_found(self._key, self._found, until_us)
            except NotProtected:
                return False, False
        refused = not self._deleted()
        return refused, refused and not self._deleted(bypass=True)

    def hold_held(self, *, wait: bool) -> bool | None:
        """Whether a deletion is refused under a hold, when no retention does it, and is not without the hold.

        None: it is refused without, too: these credentials may not delete, so that nothing can be concluded.
        """
        try:
            self._store.hold_found(self._key, self._found, True)
        except NotProtected:
            return False
        if wait:
            self._store.clock.sleep(_SHORTLY_SECONDS + 1)
        if self._deleted():
            return False
        self._store.hold_found(self._key, self._found, False)
        self.remove()
        return None if self.is_whole() else True

    def is_whole(self) -> bool:
        """Whether the first bytes are still read under the key."""
        try:
            found = self._store.look(self._key)
            return self._store.fetch(self._key, found, 0, found.size_bytes) == _FIRST
        except ObjectMissing:
            return False

    def remove(self) -> None:
        """With markers and all; what is locked stays for ``clear_abandoned``."""
        for name, version_id in self._store.all_versions(self._found):
            self._store.delete_version(name, version_id)

    def _deleted(self, *, bypass: bool = False) -> bool:
        return self._store.delete_version(self._found.name, self._found.version_id, bypass)
