"""One recorder a ring: a second one would take the first one's open files for those of a crash."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kernel.errors import StorageError

_NAME = ".recorder.lock"


@contextmanager
def sole_recorder(ring: Path) -> Iterator[None]:
    """Hold the ring; the system lets go of it when the process ends, however that comes.

    Raises:
        StorageError: another recorder holds it.
    """
    ring.mkdir(parents=True, exist_ok=True)
    with (ring / _NAME).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"another recorder is recording into {ring}."
            raise StorageError(message, hint="Stop it first, or give this one another data_dir.") from None
        yield
