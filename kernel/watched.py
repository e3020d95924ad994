"""Which sources somebody watches live now: the page's process says it, the recorder looks.

One empty file per source below ``<data_dir>/live``; its time of change says until when it counts. A page's
process that is killed says nothing more, and its word is over within seconds. Nothing else hangs on it: where
the directory cannot be written or read, pictures come later and nothing is lost.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from kernel.clock import SECOND_US

SAID_US = SECOND_US
"""How often it is said again."""
_HOLDS_US = 5 * SECOND_US  # for so long after it was said


def say_watched(directory: Path, source_id: str, now_us: int) -> None:
    """Say that somebody watches that source; again every ``SAID_US`` while it is so."""
    mark = directory / source_id
    with suppress(OSError):
        directory.mkdir(parents=True, exist_ok=True)
        mark.touch()
        os.utime(mark, ns=(now_us * 1000, now_us * 1000))


def say_unwatched(directory: Path, source_id: str) -> None:
    """Nobody of this process watches it any more; who else does says it again within a second."""
    with suppress(OSError):
        (directory / source_id).unlink()


def watched_now(directory: Path, now_us: int) -> frozenset[str]:
    """The sources of which it was said lately."""
    found = set()
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            said_us = entry.stat().st_mtime_ns // 1000
            if abs(now_us - said_us) <= _HOLDS_US:  # one far ahead was said before the clock was set back
                found.add(entry.name)
    return frozenset(found)
