"""A recording in a file: opened for intake, and what it says of its own time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import av
from av.error import FFmpegError

from capture.libav.demuxer import Demuxer
from capture.libav.errors import source_error
from kernel.clock import SECOND_US, Clock, from_datetime
from kernel.errors import BoxError, IntakeRefused, SourceError
from kernel.isobmff.reader import read_fragments, read_init


class ToldBy(StrEnum):
    """What of a file tells when it begins."""

    PRINCIPAL = "principal"
    """Not the file: whoever handed it in."""
    PRODUCER_TIME = "prft"
    """The wall clock in every fragment of our own files (ISO/IEC 14496-12, 8.16.5)."""
    CREATION_TIME = "creation_time"
    """The header's time of making, which some devices set at the end of the recording, or in local time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnStart:
    """When a file says that it begins."""

    start_us: int
    told_by: ToldBy


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """An opened file."""

    demuxer: Demuxer
    duration_us: int  # as its header says; 0 where it does not


@contextmanager
def open_recording(path: Path, clock: Clock) -> Iterator[Recording]:
    """The file, while it is read.

    Raises:
        IntakeRefused: it cannot be read as a recording, or what it holds cannot be recorded.
    """
    try:
        with av.open(str(path), "r") as container:
            length = (container.duration or 0) * SECOND_US // av.time_base
            yield Recording(demuxer=Demuxer(container, f"file {path.name}", clock), duration_us=length)
    except FFmpegError as error:
        raise IntakeRefused(source_error(f"file {path.name}", error).message) from None
    except SourceError as error:
        raise IntakeRefused(error.message) from None


def own_start(path: Path) -> OwnStart | None:
    """When the file says that it begins; None where it says nothing.

    Raises:
        IntakeRefused: it cannot be read.
    """
    told_us = _producer_time(path)
    if told_us is not None:
        return OwnStart(start_us=told_us, told_by=ToldBy.PRODUCER_TIME)
    try:
        with av.open(str(path), "r") as container:
            made = container.metadata.get("creation_time", "")
    except FFmpegError as error:
        raise IntakeRefused(source_error(f"file {path.name}", error).message) from None
    try:
        start_us = from_datetime(datetime.fromisoformat(made))
    except ValueError:
        return None
    # Zero, of 1904 or of 1970, is what writers put who do not know.
    return OwnStart(start_us=start_us, told_by=ToldBy.CREATION_TIME) if start_us > 0 else None


def _producer_time(path: Path) -> int | None:
    try:
        with path.open("rb") as file:
            first = next(read_fragments(file, read_init(file).size), None)
    except (BoxError, OSError):
        return None
    return first.producer_time.wall_us if first is not None and first.producer_time is not None else None
