"""One program at a time in a directory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from kernel.errors import StorageError

if sys.platform == "win32":
    import msvcrt

    def _hold(file: IO[str]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

    def _wait_for(file: IO[str]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)

else:
    import fcntl

    def _hold(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _wait_for(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX)


def lock_name(what: str) -> str:
    """The file that a program of that kind holds in a directory."""
    return f".{what}.lock"


@contextmanager
def sole_user(directory: Path, what: str) -> Iterator[None]:
    """Hold a directory; the system lets go of it when the process ends, however that comes.

    Args:
        what: the kind of program, such as "recorder": different kinds do not keep each other out.

    Raises:
        StorageError: another program of that kind holds it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / lock_name(what)).open("w") as file:
        try:
            _hold(file)
        except (BlockingIOError, PermissionError):
            message = f"another {what} works in {directory}."
            raise StorageError(message, hint="Stop it first, or give this one another data_dir.") from None
        yield


def in_use(directory: Path, what: str) -> bool:
    """Whether a program of that kind holds it now."""
    try:
        with sole_user(directory, what):
            return False
    except StorageError:
        return True


@contextmanager
def one_at_a_time(directory: Path, what: str) -> Iterator[None]:
    """Wait until nobody else is in the middle of the same short work, such as "chain".

    The directory must be there: where the ring's disk is gone, nothing is made in its place.

    Raises:
        StorageError: the directory is gone or cannot be written.
    """
    try:
        file = (directory / lock_name(what)).open("w")
    except OSError as error:
        message = f"{directory} cannot be written ({error.strerror})."
        raise StorageError(message, hint="Check the disk.") from error
    with file:
        _wait_for(file)
        yield
