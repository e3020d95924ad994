"""Verifies what pictures look like: fingerprints computed again from archived files and original segments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from av.error import FFmpegError
from av.video.frame import VideoFrame

from archiver.decode import DecodeTally, video_frames
from archiver.digests import digests_of
from archiver.encode import fit
from archiver.file_facts import file_facts
from archiver.findings import Aspect, Findings, Teller
from archiver.fingerprint import distance, fingerprint, key_frames
from archiver.package import PAYLOAD
from archiver.stretches import LEAD_IN_US, SlicePart, Stretch, narrow
from archiver.told import ToldReceipt, ToldSegment
from archiver.verify_bag import Bag
from archiver.verify_copied import verify_copied_sources
from archiver.verify_links import Links
from kernel.clock import iso_utc
from kernel.errors import JianzhengError
from kernel.isobmff.reader import read_init
from kernel.isobmff.tracks import Track
from kernel.timerange import TimeRange

TOLERANCE = 6
"""Bits of 64: scaling differs a little from one machine and library to another. Other pictures differ in
about 32; fewer than seven in one pair of 10^11."""
_CLOSE_US = 100  # times in a receipt are rounded to ticks of 1/90000 s
_AROUND_US = 1000
_ROUNDING_US = 6  # half a tick: a time may be told as so much before its segment's start
BROKEN = (JianzhengError, FFmpegError, OSError, ValueError, LookupError)
"""What reading a file may raise that somebody prepared."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Mark:
    """A fingerprint of a receipt."""

    wall_us: int
    source: str
    archived: str


def _marks(receipt: ToldReceipt) -> list[_Mark]:
    found = []
    for mark in (mark for chunk in receipt.chunks for mark in chunk.fingerprints):
        wall_us, source, archived = mark.split()
        found.append(_Mark(wall_us=int(wall_us), source=source, archived=archived))
    return found


def verify_pictures(bag: Bag, links: Links, findings: Findings, teller: Teller) -> None:
    """Compare the key pictures of each file with the fingerprints in its receipt."""
    teller.begin(Aspect.PICTURES, sum(len(_marks(one)) for one in links.receipts.values()))
    for name, receipt in links.receipts.items():
        place = f"{PAYLOAD}/clips/{name}"
        if place not in bag.whole:
            findings.note(Aspect.PICTURES, place, "its pictures were not looked at: the file is not whole")
            continue
        try:
            fault = _pictures_fault(bag.directory / place, _marks(receipt), teller)
        except BROKEN as error:
            fault = f"its pictures cannot be decoded: {error}"
        findings.compare(Aspect.PICTURES, place, not fault, fault)


def _pictures_fault(path: Path, marks: Sequence[_Mark], teller: Teller) -> str:
    """The first fingerprint that no key picture of the file bears out."""
    start_us = file_facts(path).starts_us[0]
    with path.open("rb") as file:
        timescale = read_init(file).video.timescale
    wanted = iter(marks)
    mark = next(wanted, None)
    for ticks, frame in key_frames(path):
        wall_us = start_us + ticks * 1_000_000 // timescale
        if mark is None or wall_us < mark.wall_us - _CLOSE_US:
            continue  # the encoder put a key picture where it was not asked for one
        if wall_us > mark.wall_us + _CLOSE_US:
            break
        if distance(fingerprint(frame), mark.archived) > TOLERANCE:
            return f"the picture at {iso_utc(mark.wall_us)} is not the one of the receipt"
        teller.advance(1)
        mark = next(wanted, None)
    return f"it has no key picture at {iso_utc(mark.wall_us)}" if mark else ""


# --- the original segments


def verify_ring(links: Links, ring: Path, bag: Bag, findings: Findings, teller: Teller) -> None:
    """Compare original segments, as far as they are still there, with hashes and fingerprints."""
    marks = sum(len(_marks(one)) for one in links.receipts.values())
    teller.begin(Aspect.RING, len(links.session.segments) + marks)
    found: dict[str, Path] = {}
    by_size = _files_by_size(ring)
    for segment in links.session.segments:
        path = _segment_file(segment, ring, by_size, findings)
        if path is not None:
            found[segment.id] = path
        teller.advance(1)
    verify_copied_sources(links, found, findings)
    segments = {one.id: one for one in links.session.segments}
    for name, receipt in links.receipts.items():
        place = f"{PAYLOAD}/clips/{name}"
        parts = tuple(_parts(receipt, segments, found))
        try:
            with (bag.directory / place).open("rb") as file:
                track = read_init(file).video
            for mark in _marks(receipt):
                _verify_source(place, parts, mark, track, findings)
                teller.advance(1)
        except BROKEN as error:
            findings.compare(Aspect.RING, place, False, f"the originals cannot be decoded: {error}")


def _files_by_size(ring: Path) -> dict[int, list[Path]]:
    found: dict[int, list[Path]] = {}
    for path in sorted(one for one in ring.rglob("*.mp4") if one.is_file()):
        found.setdefault(path.stat().st_size, []).append(path)
    return found


def _segment_file(
    segment: ToldSegment, ring: Path, by_size: Mapping[int, Sequence[Path]], findings: Findings
) -> Path | None:
    """The file of a segment: under its name, or wherever it was moved to; its hash tells."""
    named = (ring / segment.path).resolve()
    own = named.is_relative_to(ring.resolve()) and named.is_file()
    for path in [named] * own + [
        one for one in by_size.get(segment.size_bytes, ()) if one.resolve() != named
    ]:
        try:
            same = digests_of(path, ["sha256"])["sha256"] == segment.sha256
        except OSError:
            same = False
        if same:
            findings.compare(Aspect.RING, f"segment {segment.id}", True, "")
            return path
    if own:
        findings.compare(Aspect.RING, f"segment {segment.id}", False, f"{segment.path} was changed")
    else:
        findings.note(Aspect.RING, f"segment {segment.id}", "it is not in the ring any more")
    return None


def _parts(
    receipt: ToldReceipt, segments: Mapping[str, ToldSegment], found: Mapping[str, Path]
) -> Iterator[SlicePart]:
    for used in receipt.clip.slices:
        if used.segment in found:
            yield SlicePart(
                segment_id=used.segment,
                run_id=segments[used.segment].run,
                path=str(found[used.segment]),
                sha256=used.sha256,
                captured=True,
                wall=used.wall.range,
            )


def _verify_source(
    place: str, parts: Sequence[SlicePart], mark: _Mark, track: Track, findings: Findings
) -> None:
    """The source side of one fingerprint, from the picture of the original segment."""
    moment_us = mark.wall_us + _ROUNDING_US
    part = next((one for one in parts if one.wall.contains(moment_us)), None)
    if part is None:
        return  # its segment is gone, which is told of already
    frame = _picture(parts, moment_us)
    said = f"segment {part.segment_id}, at {iso_utc(mark.wall_us)}"
    if frame is not None:
        own = fingerprint(fit(frame, track.width, track.height))
        same = distance(own, mark.source) <= TOLERANCE
        findings.compare(Aspect.RING, place, same, f"{said}: it shows another picture than the receipt says")
    elif moment_us - part.wall.start_us < LEAD_IN_US:
        # Pictures that lead a key frame lean on the segment before it (ITU-T H.265, 3.117); it may be gone.
        findings.note(Aspect.RING, place, f"{said}: the picture cannot be decoded any more")
    else:
        findings.compare(Aspect.RING, place, False, f"{said}: it has no such picture")


def _picture(parts: Sequence[SlicePart], moment_us: int) -> VideoFrame | None:
    """The picture at a moment that a receipt names."""
    around = TimeRange(start_us=moment_us - _AROUND_US, end_us=moment_us + _AROUND_US)
    whole = Stretch(wall=around, slices=tuple(parts))
    frames = list(video_frames(narrow(whole, around), DecodeTally()))
    near = [(abs(at - moment_us), number) for number, (at, _) in enumerate(frames)]
    return frames[min(near)[1]][1] if near and min(near)[0] <= _CLOSE_US else None
