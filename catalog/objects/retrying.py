"""A store that tries again what trying again can help."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import BinaryIO, TypeVar

from catalog.objects.contract import ObjectProtection, ObjectStore, Proof, Protection, sha256_of
from kernel.clock import Clock
from kernel.errors import DiskFull, ObjectExists, StorageError
from kernel.log import logger

_log = logger("store")
_BUFFER_BYTES = 64 << 10
_Out = TypeVar("_Out")


class Retrying:
    """A store around a store: errors that say so are tried again, with pauses that double.

    A store that is full stays full for longer than that, and is told at once.
    """

    def __init__(self, store: ObjectStore, clock: Clock, *, attempts: int, pause_seconds: float) -> None:
        self._store = store
        self._clock = clock
        self._attempts = attempts  # in all
        self._pause_seconds = pause_seconds  # before the second

    def put(self, key: str, source: BinaryIO) -> str:
        """A source that cannot be read again from where it stands is put once."""
        if not source.seekable():
            return self._store.put(key, source)
        start, failed = source.tell(), False

        def put_from_start() -> str:
            nonlocal failed
            source.seek(start)
            try:
                return self._store.put(key, source)
            except ObjectExists:
                if not failed:
                    raise
                return self._settled(key, source, start)
            except StorageError:
                failed = True
                raise

        return self._again(key, put_from_start)

    def _settled(self, key: str, source: BinaryIO, start: int) -> str:
        """An attempt whose answer was lost: the key is taken, perhaps by ourselves.

        Raises:
            ObjectExists: it holds something else.
        """
        source.seek(start)
        wanted = sha256_of(source)
        with self.open(key) as reader:
            if sha256_of(reader) != wanted:
                raise ObjectExists(f"{key} exists and holds something else; keys are never overwritten.")
        return wanted

    def size(self, key: str) -> int:
        return self._again(key, lambda: self._store.size(key))

    def open(self, key: str) -> BinaryIO:
        inner = self._again(key, lambda: self._store.open(key))
        patient = _PatientReader(inner, lambda read: self._again(key, read))
        return io.BufferedReader(patient, _BUFFER_BYTES)  # type: ignore[type-var]

    def list_keys(self, prefix: str = "") -> Iterator[str]:
        return iter(self._again(prefix, lambda: list(self._store.list_keys(prefix))))

    def presigned_url(self, key: str, seconds: int) -> str:
        return self._again(key, lambda: self._store.presigned_url(key, seconds))

    def protection(self) -> Protection:
        return self._again("protection", self._store.protection)

    def protection_of(self, key: str) -> ObjectProtection:
        return self._again(key, lambda: self._store.protection_of(key))

    def lock(self, key: str, until_us: int) -> None:
        self._again(key, lambda: self._store.lock(key, until_us))

    def legal_hold(self, key: str, on: bool) -> None:
        self._again(key, lambda: self._store.legal_hold(key, on))

    def destroy_forever(self, key: str) -> None:
        """Never tried again by itself: whoever decides on it looks first at what is left."""
        self._store.destroy_forever(key)

    def clear_abandoned(self, before_us: int) -> int:
        return self._again("uploads", lambda: self._store.clear_abandoned(before_us))

    def prove(self) -> Proof:
        return self._store.prove()

    def _again(self, what: str, work: Callable[[], _Out]) -> _Out:
        for attempt in range(1, self._attempts):
            try:
                return work()
            except DiskFull:
                raise
            except StorageError as error:
                if not error.retryable:
                    raise
                pause = self._pause_seconds * 2 ** (attempt - 1)
                _log.warning(
                    f"{error.message} Trying again in {pause:g} s.", action="store.retry", subject=what
                )
                self._clock.sleep(pause)
        return work()


class _PatientReader(io.RawIOBase):
    """Reads on where a read failed."""

    def __init__(self, inner: BinaryIO, again: Callable[[Callable[[], bytes]], bytes]) -> None:
        self._inner = inner
        self._again = again

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._inner.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._inner.seek(offset, whence)

    def readinto(self, buffer: bytearray, /) -> int:  # type: ignore[override]
        place = self._inner.tell()

        def read() -> bytes:
            self._inner.seek(place)
            return self._inner.read(len(buffer))

        data = self._again(read)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._inner.close()
        super().close()
