"""Verifies footage that was kept as it is: the source's own units, bit by bit, in file and segments."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from archiver.archive_file import to_micros
from archiver.findings import Aspect, Findings
from archiver.package import PAYLOAD
from archiver.ring_reader import SegmentReader
from archiver.told import Slice, ToldChunk, ToldCopied, ToldReceipt
from archiver.verify_bag import Bag
from archiver.verify_links import Links
from kernel.clock import iso_utc
from kernel.errors import BoxError, JianzhengError
from kernel.isobmff.reader import read_fragments, read_init
from kernel.timerange import TimeRange

_Unit: TypeAlias = tuple[int, bytes]
"""Wall time and data of a picture."""
_ROUNDING_US = 6  # half a tick: a time may be told as so much before a border that it lies at


def verify_copied(links: Links, bag: Bag, findings: Findings) -> None:
    """The units in each file that its receipt calls the source's own."""
    for name, receipt in links.receipts.items():
        place = f"{PAYLOAD}/clips/{name}"
        for chunk, copied in _copied(receipt):
            hashes = [used.sha256 for used in _slices(receipt, chunk)]
            said = f"the units kept at {iso_utc(chunk.start_us)}"
            same = [*copied.segments] == hashes
            findings.compare(Aspect.RECEIPTS, place, same, f"{said} are said to be of other segments")
            try:
                found = _digest(_file_units(bag.directory / place), chunk, copied)
            except (BoxError, OSError) as error:
                findings.compare(Aspect.CONTENT, place, False, f"its units cannot be read: {error}")
                continue
            same = found == (copied.units, copied.units_sha256)
            findings.compare(Aspect.CONTENT, place, same, f"{said} are not those of the receipt")


def verify_copied_sources(links: Links, found: Mapping[str, Path], findings: Findings) -> None:
    """The same units in the original segments, where all of these are still there."""
    for name, receipt in links.receipts.items():
        place = f"{PAYLOAD}/clips/{name}"
        for chunk, copied in _copied(receipt):
            used = _slices(receipt, chunk)
            if any(one.segment not in found for one in used):
                continue  # which is told of already
            said = f"the units kept at {iso_utc(chunk.start_us)}"
            try:
                units = [unit for one in used for unit in _segment_units(found[one.segment], one.wall.range)]
            except JianzhengError as error:
                findings.compare(Aspect.RING, place, False, f"{said} cannot be read: {error}")
                continue
            same = _digest(units, chunk, copied) == (copied.units, copied.units_sha256)
            findings.compare(Aspect.RING, place, same, f"{said} are not those of the segments")


def _copied(receipt: ToldReceipt) -> Iterator[tuple[ToldChunk, ToldCopied]]:
    for chunk in receipt.chunks:
        if chunk.copied is not None:
            yield chunk, chunk.copied


def _slices(receipt: ToldReceipt, chunk: ToldChunk) -> list[Slice]:
    wall = TimeRange(start_us=chunk.start_us, end_us=chunk.end_us)
    return [one for one in receipt.clip.slices if one.wall.range.intersect(wall)]


def _digest(units: Iterable[_Unit], chunk: ToldChunk, copied: ToldCopied) -> tuple[int, str]:
    """Number and SHA-256 of the units of a chunk that were not encoded."""
    wall = TimeRange(start_us=chunk.start_us, end_us=chunk.end_us)
    encoded = [one.range for one in copied.encoded]
    digest, count = hashlib.sha256(), 0
    for wall_us, data in units:
        moment_us = wall_us + _ROUNDING_US
        if wall.contains(moment_us) and not any(one.contains(moment_us) for one in encoded):
            digest.update(data)
            count += 1
    return count, digest.hexdigest()


def _file_units(path: Path) -> Iterator[_Unit]:
    """Wall time and data of each picture of an archived file."""
    with path.open("rb") as file:
        track = read_init(file).video
        for found in read_fragments(file):
            time = found.producer_time
            if time is None:
                raise BoxError("a fragment tells no wall time.")
            start_us = time.wall_us - to_micros(time.media_time, track.timescale)
            for one in found.runs.get(track.id, ()):
                file.seek(one.offset)
                yield start_us + to_micros(one.pts, track.timescale), file.read(one.size)


def _segment_units(path: Path, wall: TimeRange) -> Iterator[_Unit]:
    with SegmentReader(path) as reader:
        for unit in reader.video(wall.start_us, wall.end_us):
            if wall.contains(unit.wall_us):
                yield unit.wall_us, unit.data
