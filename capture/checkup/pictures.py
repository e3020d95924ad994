"""The pictures that were judged: ``<root>/<check-up>/<source>.jpg``. People would rather look than read."""

from __future__ import annotations

from pathlib import Path

from kernel.durable import storage_error, write_whole
from kernel.model.checkup import Checkup


def keep_picture(root: Path, checkup_id: str, source_id: str, jpeg: bytes) -> None:
    """Raises: StorageError: it could not be written."""
    path = _path(root, checkup_id, source_id)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error) from error
    write_whole(path, jpeg)


def kept_picture(root: Path, checkup: Checkup, source_id: str) -> bytes | None:
    """The picture of a source of that check-up; None where there is none."""
    if source_id not in {one.source_id for one in checkup.results if one.source_id}:
        return None
    try:
        return _path(root, checkup.id, source_id).read_bytes()
    except OSError:
        return None


def _path(root: Path, checkup_id: str, source_id: str) -> Path:
    return root / checkup_id / f"{source_id}.jpg"
