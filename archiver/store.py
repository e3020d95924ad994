"""From package to store: put every file, read every object back (invariant 10)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import quote

from archiver.package import PackageFile
from catalog.objects import ObjectStore, verify
from kernel.clock import to_datetime
from kernel.errors import FixityError, ObjectExists, StorageError
from kernel.model.archive import ArchiveObject
from kernel.model.timeline import Project, Session


def key_prefix(project: Project, session: Session, version: int) -> str:
    """Where a version of a session's archive rests: by region, industry and month, as the catalogue is.

    Codes are opaque, so whatever could mean something to a path is quoted.
    """
    month = to_datetime(session.start_us or 0).strftime("%Y/%m")
    parts = (project.region_code, project.industry_code, month, project.project_code, session.id)
    quoted = "/".join(quote(part, safe="/" if part is month else "") for part in parts)
    return f"archives/{quoted}/v{version}"


class VersionTaken(StorageError):
    """Another package rests under this version's keys."""

    hint = "It is stored under the next version."


def store_package(
    store: ObjectStore, prefix: str, files: Sequence[PackageFile], done: Callable[[], None]
) -> list[ArchiveObject]:
    """Put all files of a package under a prefix, the tag manifest last: with it the package is complete.

    What an attempt that broke off left there, and is the same, is not put again.

    Raises:
        VersionTaken: a key holds something else; keys are never overwritten (invariant 9).
        FixityError: what the store took is not what the package holds.
        StorageError: the store refuses.
    """
    ordered = sorted(files, key=lambda file: (file.object.key.startswith("tagmanifest"), file.object.key))
    return [_put(store, prefix, file, done) for file in ordered]


def _put(store: ObjectStore, prefix: str, file: PackageFile, done: Callable[[], None]) -> ArchiveObject:
    key, wanted = f"{prefix}/{file.object.key}", file.object
    try:
        with file.path.open("rb") as source:
            digest = store.put(key, source)
    except ObjectExists:
        try:
            verify(store, key, wanted.size_bytes, wanted.sha256)
        except FixityError:
            raise VersionTaken(f"{key} holds something else.") from None
        digest = wanted.sha256
    if digest != wanted.sha256:
        raise FixityError(f"{key} changed on its way into the store.")
    done()
    return ArchiveObject(key=key, size_bytes=wanted.size_bytes, sha256=digest)


def verify_objects(store: ObjectStore, objects: Sequence[ArchiveObject], done: Callable[[], None]) -> None:
    """Read every object back.

    Raises:
        ObjectMissing, FixityError: one of them is not what its manifest names.
    """
    for item in objects:
        verify(store, item.key, item.size_bytes, item.sha256)
        done()
