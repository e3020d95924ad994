"""Objects in memory, for tests."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from typing import BinaryIO

from catalog.objects.contract import ObjectProtection, Proof, Protection, check_key
from kernel.clock import Clock
from kernel.errors import NotProtected, ObjectExists, ObjectLocked, ObjectMissing, StorageError
from kernel.settings import LockMode


class MemoryStore:
    """Objects in memory. With a clock it locks and holds as a bucket with object lock does."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock
        self._objects: dict[str, bytes] = {}
        self._protection: dict[str, ObjectProtection] = {}

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

    def presigned_url(self, key: str, seconds: int) -> str:
        self._get(key)
        raise StorageError("a store in memory gives no addresses.")

    def protection(self) -> Protection:
        return Protection(object_lock=self._clock is not None)

    def protection_of(self, key: str) -> ObjectProtection:
        self._get(key)
        return self._protection.get(key, ObjectProtection())

    def lock(self, key: str, until_us: int) -> None:
        self._refuse_without_clock(key)
        found = self.protection_of(key)
        self._protection[key] = ObjectProtection(
            mode=LockMode.COMPLIANCE,
            until_us=max(until_us, found.until_us or until_us),
            legal_hold=found.legal_hold,
        )

    def legal_hold(self, key: str, on: bool) -> None:
        self._refuse_without_clock(key)
        found = self.protection_of(key)
        self._protection[key] = ObjectProtection(mode=found.mode, until_us=found.until_us, legal_hold=on)

    def destroy_forever(self, key: str) -> None:
        found = self.protection_of(key)
        if self._clock is not None and found.locked_at(self._clock.now_us()):
            raise ObjectLocked(f"{key} is locked and was not deleted.")
        del self._objects[key]
        self._protection.pop(key, None)

    def clear_abandoned(self, before_us: int) -> int:
        return 0

    def prove(self) -> Proof:
        held = True if self._clock is not None else None
        return Proof(written_once=True, retention_held=held, bypass_refused=held, hold_held=held)

    def _refuse_without_clock(self, key: str) -> None:
        self._get(key)
        if self._clock is None:
            raise NotProtected("a store in memory without a clock locks nothing.")

    def _get(self, key: str) -> bytes:
        check_key(key)
        if key not in self._objects:
            raise ObjectMissing(f"{key} is not in the store.")
        return self._objects[key]
