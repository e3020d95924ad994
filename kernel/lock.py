"""One program at a time in a directory."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kernel.errors import StorageError


@contextmanager
def sole_user(directory: Path, what: str) -> Iterator[None]:
    """Hold a directory; the system lets go of it when the process ends, however that comes.

    Args:
        what: the kind of program, such as "recorder": different kinds do not keep each other out.

    Raises:
        StorageError: another program of that kind holds it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / f".{what}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"another {what} works in {directory}."
            raise StorageError(message, hint="Stop it first, or give this one another data_dir.") from None
        yield
