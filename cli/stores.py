"""The store that the settings name, and what a program that puts things into it tidies up first."""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from catalog.objects import ObjectStore, open_store
from kernel.clock import SECOND_US, Clock, SystemClock
from kernel.errors import DiskFull, ObjectMissing, StorageError
from kernel.log import logger
from kernel.settings import Settings

_log = logger("store")
_BLOCK_BYTES = 1 << 20


def own_store(settings: Settings, clock: Clock) -> ObjectStore:
    """Where this installation's archives rest.

    Raises:
        SettingsError: it cannot be used as it is set.
        StorageError: the directory cannot be used.
    """
    return open_store(settings.store_url, settings.store_dir, settings.store, clock)


@contextmanager
def fetched_package(settings: Settings, prefix: str) -> Iterator[Path]:
    """A copy of a stored package below ``data_dir``, for as long as it is needed.

    Raises:
        ObjectMissing: no key begins so.
        StorageError: the store does not give it, or there is no room for it.
    """
    store = own_store(settings, SystemClock())
    keys = list(store.list_keys(prefix.rstrip("/") + "/"))
    if not keys:
        raise ObjectMissing(f"{prefix} is no package in the store.")
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="verify-", dir=settings.data_dir) as directory:
        place = Path(directory) / PurePosixPath(prefix).name
        for key in keys:
            _fetch(store, key, place / PurePosixPath(key).relative_to(prefix))
        yield place


def _fetch(store: ObjectStore, key: str, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with store.open(key) as source, target.open("xb") as copy:
            shutil.copyfileobj(source, copy, _BLOCK_BYTES)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"there is no room for a copy of {key}.") from None
        raise StorageError(f"{key} cannot be copied: {error.strerror}.", hint="Check the disk.") from None


def clear_abandoned(store: ObjectStore, settings: Settings, clock: Clock) -> None:
    """Remove what uploads of long ago left; a store that does not answer now is asked when it is needed."""
    hours = settings.store.abandoned_hours
    try:
        cleared = store.clear_abandoned(clock.now_us() - round(hours * 3600 * SECOND_US))
    except StorageError as error:
        _log.warning(str(error), action="store.tidy_failed")
        return
    if cleared:
        _log.info(
            f"{cleared} uploads that ended nowhere more than {hours:g} h ago were cleared away.",
            action="store.tidied",
            count=cleared,
        )
