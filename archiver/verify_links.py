"""Verifies the links from segments to files: document, chain values, receipts and what the files hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from archiver.digests import has_sm3
from archiver.file_facts import FileFacts, file_facts
from archiver.findings import Aspect, Findings
from archiver.kept_originals import ORIGINALS
from archiver.package import INFO, PAYLOAD
from archiver.told import ToldClip, ToldReceipt, ToldSegment, ToldSession, read_told
from archiver.verify_bag import Bag, bag_info
from kernel.chain import GENESIS_CHAIN, chain_value
from kernel.clock import SECOND_US, iso_utc
from kernel.errors import BoxError, FixityError
from kernel.timerange import TimeRange, merge, subtract

DOCUMENT = f"{PAYLOAD}/catalogue.json"
_CLOSE_US = 1000  # ticks and microseconds are rounded; wall clock is kept to the millisecond
_SILENT_US = 2 * SECOND_US  # without a picture, a gap or a word of why


@dataclass(frozen=True, kw_only=True, slots=True)
class Links:
    """What a package tells of where its files come from."""

    session: ToldSession
    receipts: Mapping[str, ToldReceipt]  # by name of the file; those that could be read


def verify_links(bag: Bag, findings: Findings) -> Links | None:
    """Check document and receipts against each other and against the files; None without a document."""
    try:
        session, plain = read_told(ToldSession, bag.read(DOCUMENT))
    except FixityError as error:
        findings.compare(Aspect.DOCUMENT, DOCUMENT, False, error.message)
        return None
    identifier = f"{session.project.project_code}/{session.session.id}"
    same = bag_info(bag.read(INFO) or b"").get("External-Identifier") == identifier
    findings.compare(Aspect.DOCUMENT, INFO, same, f"the document is of {identifier}")
    segments = {one.id: one for one in session.segments}
    findings.compare(
        Aspect.DOCUMENT, DOCUMENT, len(segments) == len(session.segments), "it lists a segment twice"
    )
    for clip in session.clips:
        fault = clip_fault(clip, segments)
        findings.compare(Aspect.DOCUMENT, f"clip {clip.id}", not fault, fault)
    _verify_chain(session.segments, findings)
    _verify_originals(bag, session, segments, findings)
    receipts = _receipts(bag, {one["id"]: one for one in plain["clips"]}, findings)
    heard = {one.clip.id: one.sound.files for one in receipts.values()}
    why = "it names other files than the receipts in which clips are to be heard"
    findings.compare(Aspect.RECEIPTS, DOCUMENT, session.sound == heard, why)
    _tell_of_clips_without_file(session, receipts, findings)
    return Links(session=session, receipts=receipts)


def clip_fault(clip: ToldClip, segments: Mapping[str, ToldSegment]) -> str:
    """What is wrong with a clip: its slices and gaps fill it exactly, from segments that are listed."""
    for used in clip.slices:
        segment = segments.get(used.segment)
        if segment is None:
            return f"segment {used.segment} is not listed"
        source = clip.footage_of or clip.source
        if (used.sha256, used.chain, source) != (segment.sha256, segment.chain, segment.source):
            return f"segment {used.segment} is listed with another hash, chain value or source"
        if used.wall.range.intersect(segment.wall.range) != used.wall.range:
            return f"it uses time of segment {used.segment} that this does not have"
    gaps = merge(one.wall.range for one in clip.gaps)
    covered = merge([*gaps, *(one.wall.range for one in clip.slices)])
    if [*covered] != ([] if clip.wall.range.empty else [clip.wall.range]):
        return "slices and gaps do not fill its time"
    if any(used.wall.range.intersect(gap) for used in clip.slices for gap in gaps):
        return "a slice lies where a gap is"
    return ""


def _verify_chain(segments: Sequence[ToldSegment], findings: Findings) -> None:
    """Each link by itself, and each pair of neighbours of a source."""
    for one in segments:
        follows = one.chain == chain_value(one.chain_before, bytes.fromhex(one.sha256))
        first = one.number != 1 or one.chain_before == GENESIS_CHAIN
        why = "its chain value does not follow from its hash and the value before"
        findings.compare(Aspect.CHAIN, f"segment {one.id}", follows and first, why)
    ordered = sorted(segments, key=lambda one: (one.source, one.number))
    for before, after in pairwise(ordered):
        if before.source == after.source and after.number - before.number < 2:
            linked = after.number > before.number and after.chain_before == before.chain
            why = f"it does not follow segment {before.id} in the chain of {after.source}"
            findings.compare(Aspect.CHAIN, f"segment {after.id}", linked, why)


def _verify_originals(
    bag: Bag, session: ToldSession, segments: Mapping[str, ToldSegment], findings: Findings
) -> None:
    """Each kept original is the segment that the chain has, bit by bit, and none lies there unnamed."""
    named = {one.file: one.segment for one in session.originals.kept}
    for name in sorted({*named, *bag.payload(ORIGINALS)}):
        place = f"{PAYLOAD}/{ORIGINALS}/{name}"
        segment = segments.get(named.get(name, ""))
        fault = original_fault(bag.digests.get(place), segment, named=name in named)
        findings.compare(Aspect.ORIGINALS, place, not fault, fault)


def original_fault(digests: Mapping[str, str] | None, segment: ToldSegment | None, *, named: bool) -> str:
    """What is wrong with a kept original; empty where it is the segment."""
    if not named:
        return "the document does not name it"
    if segment is None:
        return "it is said to be a segment that is not listed"
    if digests is None:
        return "it is missing"
    if digests["sha256"] != segment.sha256:
        return f"it is not segment {segment.id} as it was recorded"
    return ""


def _receipts(bag: Bag, clips: Mapping[str, Any], findings: Findings) -> dict[str, ToldReceipt]:
    """Receipts by file; every file has one, every receipt has its file, and both tell of one clip."""
    files, told = set(bag.payload("clips")), set(bag.payload("receipts"))
    found: dict[str, ToldReceipt] = {}
    for name in sorted(files | {one.removesuffix(".json") for one in told}):
        place = f"{PAYLOAD}/receipts/{name}.json"
        if f"{name}.json" not in told:
            findings.compare(Aspect.RECEIPTS, f"{PAYLOAD}/clips/{name}", False, "it has no receipt")
            continue
        if name not in files:
            findings.compare(Aspect.RECEIPTS, place, False, "its file is missing")
            continue
        try:
            receipt, plain = read_told(ToldReceipt, bag.read(place))
        except FixityError as error:
            findings.compare(Aspect.RECEIPTS, place, False, error.message)
            continue
        fault = receipt_fault(name, receipt, plain["clip"], clips)
        findings.compare(Aspect.RECEIPTS, place, not fault, fault)
        _verify_content(bag, name, receipt, findings)
        found[name] = receipt
        missing = [one for one in receipt.sound.files if one not in files]
        findings.compare(Aspect.RECEIPTS, place, not missing, f"its sound is said to be in {missing}")
    for clip_id, names in _by_clip(found).items():
        why = f"clip {clip_id} has several files: {', '.join(names)}"
        findings.compare(Aspect.RECEIPTS, names[0], len(names) == 1, why)
    return found


def _by_clip(receipts: Mapping[str, ToldReceipt]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, receipt in receipts.items():
        found.setdefault(receipt.clip.id, []).append(name)
    return found


def receipt_fault(name: str, receipt: ToldReceipt, clip: Any, clips: Mapping[str, Any]) -> str:
    """What is wrong with a receipt: it tells of its own file, and of a clip as the document has it."""
    if receipt.result.file != name:
        return f"it is the receipt of {receipt.result.file}"
    known = clips.get(receipt.clip.id)
    if known is None:
        return f"the document knows no clip {receipt.clip.id}"
    wanted = {key: value for key, value in known.items() if key != "revision"}
    if clip != wanted:
        keys = sorted(key for key in clip.keys() | wanted.keys() if clip.get(key) != wanted.get(key))
        return f"its clip is not the document's: {', '.join(keys)}"
    recorded_us = sum(one.wall.range.duration_us for one in receipt.clip.slices)
    if abs(receipt.measured.seconds * SECOND_US - recorded_us) > _CLOSE_US:
        return "it says another length of footage than its slices have"
    return chunks_fault(receipt)


def chunks_fault(receipt: ToldReceipt) -> str:
    """Chunks follow each other and fill exactly what was recorded; each with a picture has a fingerprint."""
    walls = [TimeRange(start_us=one.start_us, end_us=one.end_us) for one in receipt.chunks]
    if any(before.end_us > after.start_us for before, after in pairwise(walls)):
        return "its chunks overlap"
    if [*merge(walls)] != [*merge(one.wall.range for one in receipt.clip.slices)]:
        return "its chunks do not fill what was recorded"
    empty = {one.range for one in receipt.measured.without_picture}
    for one, wall in zip(receipt.chunks, walls, strict=True):
        if not one.fingerprints and wall not in empty:
            return f"its chunk at {iso_utc(wall.start_us)} has no fingerprint"
        around = TimeRange(start_us=max(0, wall.start_us - _CLOSE_US), end_us=wall.end_us)
        if any(not around.contains(int(mark.split()[0])) for mark in one.fingerprints):
            return f"its chunk at {iso_utc(wall.start_us)} has a fingerprint of another time"
    return ""


def _verify_content(bag: Bag, name: str, receipt: ToldReceipt, findings: Findings) -> None:
    """A file against its receipt."""
    place, wanted = f"{PAYLOAD}/clips/{name}", receipt.result
    digests = bag.digests[place]
    findings.compare(
        Aspect.CONTENT, place, bag.sizes[place] == wanted.size_bytes, "its size is not the receipt's"
    )
    same = digests["sha256"] == wanted.sha256
    findings.compare(Aspect.CONTENT, place, same, "its SHA-256 is not the receipt's")
    if wanted.sm3 is None or not has_sm3():
        where = "the receipt" if wanted.sm3 is None else "this machine's OpenSSL"
        findings.note(Aspect.CONTENT, place, f"its SM3 was not compared: {where} has none")
    else:
        same = digests["sm3"] == wanted.sm3
        findings.compare(Aspect.CONTENT, place, same, "its SM3 is not the receipt's")
    try:
        facts = file_facts(bag.directory / place)
    except (BoxError, OSError) as error:
        findings.compare(Aspect.CONTENT, place, False, f"it is no archived file: {error}")
        return
    for same, why in facts_compared(facts, receipt):
        findings.compare(Aspect.CONTENT, place, same, why)
    for one in silent_times(facts, receipt):
        why = (
            f"it shows no picture from {iso_utc(one.start_us)} to {iso_utc(one.end_us)}, and no gap says why"
        )
        findings.note(Aspect.CONTENT, place, why)


def facts_compared(facts: FileFacts, receipt: ToldReceipt) -> list[tuple[bool, str]]:
    """Whether a file is what its receipt says, and what to say where it is not."""
    wall = receipt.clip.wall
    inside = TimeRange(start_us=max(0, wall.start_us - _CLOSE_US), end_us=wall.end_us + _CLOSE_US)
    gaps = [one.wall.range for one in receipt.clip.gaps]
    return [
        (
            facts.pictures == receipt.measured.frames,
            "it has another number of pictures than the receipt says",
        ),
        (
            facts.sound == (receipt.result.file in receipt.sound.files),
            "it has sound where the receipt says none, or none where it says some",
        ),
        (facts.duration_us == receipt.result.duration_us, "it has another length than the receipt says"),
        (
            all(abs(start - wall.start_us) <= _CLOSE_US for start in facts.starts_us),
            "its wall times (prft) do not begin with its clip",
        ),
        (
            all(one.intersect(inside) == one for one in facts.shown),
            "its wall times (prft) lie outside its clip",
        ),
        (
            not any(_overlap_us(one, gap) > _CLOSE_US for one in facts.shown for gap in gaps),
            "it shows pictures where a gap is",
        ),
    ]


def _overlap_us(one: TimeRange, other: TimeRange) -> int:
    return min(one.end_us, other.end_us) - max(one.start_us, other.start_us)


def silent_times(facts: FileFacts, receipt: ToldReceipt) -> list[TimeRange]:
    """Where a file shows nothing although footage was used and nothing says that it has no picture."""
    gaps = [one.wall.range for one in receipt.clip.gaps]
    empty = [one.range for one in receipt.measured.without_picture]
    silent = subtract(receipt.clip.wall.range, [*facts.shown, *gaps, *empty])
    return [one for one in silent if one.duration_us > _SILENT_US]


def _tell_of_clips_without_file(
    session: ToldSession, receipts: Mapping[str, ToldReceipt], findings: Findings
) -> None:
    """Footage of which not one picture could be decoded makes no file; a reader must know."""
    with_file = {one.clip.id for one in receipts.values()}
    for clip in session.clips:
        if clip.slices and clip.id not in with_file:
            findings.note(Aspect.DOCUMENT, f"clip {clip.id}", "it has footage and no file")
