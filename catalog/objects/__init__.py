"""The object store: written once, read back, never overwritten (invariant 9).

``ObjectStore`` is the interface; ``tests/contract/test_object_store.py`` is what every backend must pass: a
directory, memory (for tests), and S3-compatible storage, which is an extra.
"""

from __future__ import annotations

from pathlib import Path

from catalog.objects.contract import (
    INCOMING,
    ObjectProtection,
    ObjectStore,
    Proof,
    Protection,
    check_key,
    sha256_of,
    verify,
)
from catalog.objects.directory import DirectoryStore
from catalog.objects.memory import MemoryStore
from catalog.objects.retrying import Retrying
from kernel.clock import Clock, SystemClock
from kernel.errors import SettingsError, StorageError
from kernel.settings import StoreSettings

__all__ = [
    "INCOMING",
    "DirectoryStore",
    "MemoryStore",
    "ObjectProtection",
    "ObjectStore",
    "Proof",
    "Protection",
    "Retrying",
    "check_key",
    "open_store",
    "sha256_of",
    "verify",
]


def open_store(
    url: str, directory: Path, options: StoreSettings | None = None, clock: Clock | None = None
) -> ObjectStore:
    """The store that a setting names: empty or ``file:///PATH`` for a directory, ``s3://BUCKET/PREFIX``.

    Args:
        options: how to reach a bucket; needed for ``s3://``.

    Raises:
        SettingsError: a setting cannot be used, or the extra for S3 is not installed.
        StorageError: the URL names no store that this version knows, or the directory cannot be used.
    """
    if not url:
        return DirectoryStore(directory)
    if url.startswith("file://"):
        return DirectoryStore(Path(url.removeprefix("file://")))
    if url.startswith("s3://"):
        return _open_s3(url, options or StoreSettings(), clock or SystemClock())
    scheme = url.split(":", 1)[0]
    raise StorageError(
        f"store_url names a store of kind {scheme}, which this version does not know.",
        hint="Use s3://BUCKET/PREFIX or file:///PATH, or leave it empty for a directory below data_dir.",
    )


def _open_s3(url: str, options: StoreSettings, clock: Clock) -> ObjectStore:
    try:
        from catalog.objects.s3 import open_s3
    except ImportError:
        raise SettingsError(
            "store_url names a bucket, and what talks to buckets is not installed.",
            hint="Install the extra: pip install 'jianzheng[s3]'.",
        ) from None
    return Retrying(
        open_s3(url, options, clock), clock, attempts=options.attempts, pause_seconds=options.retry_seconds
    )
