"""Originals in an archive: the segments around what is held or marked, bit by bit as they were recorded.

A transcode shows what happened; who doubts it asks for the camera's own bits. The ring keeps those while a
hold lasts, the archive keeps them for good. A segment is kept as the file that it is, so its hash is the one
in the source's chain, and nothing need be believed of us. Only segments that lie within their clip are kept:
what is before a cut may show another project (``docs/design/originals.md``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

from archiver.receipt import wall_json
from archiver.rules import OriginalsRule
from kernel.clock import SECOND_US
from kernel.model.archive import ORIGINALS_PART
from kernel.model.cut import Clip
from kernel.model.footage import Hold, HoldKind, Segment
from kernel.model.source import Source
from kernel.model.timeline import Tag
from kernel.timerange import TimeRange

ORIGINALS = PurePosixPath(ORIGINALS_PART).name
"""Where they lie in a package's payload."""


class Why(StrEnum):
    """Why a segment is kept, the most urgent first."""

    TAGGED = "tagged"
    HELD = "held"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A stretch of a source whose originals are wanted."""

    source_id: str
    wall: TimeRange
    why: Why


@dataclass(frozen=True, kw_only=True, slots=True)
class Original:
    """A segment that is kept, or would be."""

    segment: Segment
    why: Why

    @property
    def file_name(self) -> str:
        return f"{self.segment.source_id}-{self.segment.id}.mp4"


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptOriginals:
    """What is kept, and what was wanted and has no room."""

    kept: tuple[Original, ...] = ()
    no_room: tuple[Original, ...] = ()

    @property
    def size_bytes(self) -> int:
        return sum(one.segment.size_bytes for one in self.kept)

    def document(self) -> dict[str, Any]:
        """As the package's document tells it."""
        return {
            "kept": [{"file": one.file_name, "segment": one.segment.id, "why": one.why} for one in self.kept],
            "no_room": [
                {"segment": one.segment.id, "wall": wall_json(one.segment.wall), "why": one.why}
                for one in self.no_room
            ],
        }


def wanted_originals(
    rule: OriginalsRule, tags: Sequence[Tag], holds: Sequence[Hold], sources: Mapping[str, Source]
) -> list[Wanted]:
    """The stretches that a rule wants kept: around tags, and what is held. Pure.

    A tag on one source of a seat is about the seat: face and desktop are kept together.
    """
    around_us = round(rule.around_seconds * SECOND_US)
    found = [
        Wanted(
            source_id=source_id,
            wall=TimeRange(start_us=tag.at_us - around_us, end_us=tag.at_us + around_us),
            why=Why.TAGGED,
        )
        for tag in tags
        if tag.severity in rule.severities and tag.source_id is not None
        for source_id in _of_the_seat(tag.source_id, sources)
    ]
    if rule.held:
        found += [
            Wanted(source_id=hold.source_id, wall=hold.wall, why=Why.HELD)
            for hold in holds
            if hold.kind is HoldKind.SOURCE  # all of a held session or project is kept by the ring
        ]
    return found


def _of_the_seat(source_id: str, sources: Mapping[str, Source]) -> list[str]:
    seat = sources[source_id].seat_id
    return [source_id] if seat is None else sorted(one.id for one in sources.values() if one.seat_id == seat)


def choose_originals(
    clips: Sequence[Clip],
    segments: Mapping[str, Segment],
    wanted: Sequence[Wanted],
    most_bytes: int,
) -> KeptOriginals:
    """The segments that are kept: those around tags first, each kind in the order of time. Pure.

    Args:
        clips: of the session, as they are archived.
        segments: those that the clips use, by id.
        most_bytes: what they may weigh together.
    """
    reasons: dict[str, Why] = {}
    for clip in clips:
        of_clip = [one for one in wanted if one.source_id == clip.source_id]
        for used in clip.slices:
            segment = segments[used.segment_id]
            whys = [one.why for one in of_clip if one.wall.intersect(segment.wall)]
            if whys and clip.wall.intersect(segment.wall) == segment.wall:
                reasons[segment.id] = min([*whys, reasons.get(segment.id, Why.HELD)], key=_ORDER.index)
    originals = [Original(segment=segments[name], why=why) for name, why in reasons.items()]
    kept, no_room, left = [], [], most_bytes
    for one in sorted(originals, key=_most_urgent):
        if one.segment.size_bytes <= left:
            kept.append(one)
            left -= one.segment.size_bytes
        else:
            no_room.append(one)
    return KeptOriginals(kept=tuple(kept), no_room=tuple(no_room))


_ORDER = tuple(Why)


def _most_urgent(one: Original) -> tuple[int, int, str]:
    return _ORDER.index(one.why), one.segment.wall.start_us, one.segment.id
