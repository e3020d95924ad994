"""Decodes an archived file here and there: whether somebody who is handed it can look at it."""

from __future__ import annotations

from pathlib import Path

from archiver.decode import archived_frames
from archiver.file_facts import file_facts
from archiver.verify_pictures import BROKEN


def spot_check(path: Path) -> tuple[int, str]:
    """Decode a picture at the start, one in the middle, and all from the last key picture to the end.

    Returns how many pictures were decoded, and what is wrong; empty where nothing is.
    """
    count = 0
    try:
        shown = file_facts(path).shown
        start_us, end_us = shown[0].start_us, shown[-1].end_us
        for place, moment_us in (("start", start_us), ("middle", (start_us + end_us) // 2)):
            if next(archived_frames(path, start_us=moment_us), None) is None:
                return count, f"it shows no picture at its {place}"
            count += 1
        last = sum(1 for _ in archived_frames(path, start_us=end_us - 1))
    except BROKEN as error:
        return count, f"it cannot be decoded: {error}"
    return count + last, "" if last else "it shows no picture at its end"
