"""From the clips of a session to what its steps need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from archiver.begun import Begun
from archiver.clip_work import ClipWork
from archiver.equipment import Tools
from archiver.ring_reader import busiest_moments, picture_format
from archiver.rules import archive_rules
from archiver.stretches import stretches
from kernel.clock import SECOND_US
from kernel.model.cut import Clip
from kernel.model.footage import Segment
from kernel.model.source import ContentKind
from kernel.model.timeline import Session
from kernel.timerange import TimeRange


def working_directory(tools: Tools, session: Session) -> Path:
    """Where what is made of a session lies until it is stored."""
    return tools.work / session.id


def clip_works(
    tools: Tools, session: Session, clips: Sequence[Clip], segments: Mapping[str, Segment], begun: Begun
) -> list[ClipWork]:
    """The clips that have footage, each with the rules of its kind.

    Raises:
        FootageError: a segment is missing or is none.
    """
    sources = tools.catalogue.places.sources()
    ring, rules = str(tools.ring), archive_rules(tools.settings.rules)
    tagged = _tagged(tools, session, round(rules.tagged.around_seconds * SECOND_US))
    works = []
    for clip in clips:
        pieces = tuple(stretches(clip, segments, ring))
        if pieces:
            paths = [Path(used.path) for piece in pieces for used in piece.slices]
            works.append(
                ClipWork(
                    clip=clip,
                    source=sources[clip.source_id],
                    pieces=pieces,
                    picture=picture_format(paths),
                    directory=working_directory(tools, session) / f"{clip.source_id}-p{clip.part}",
                    rules=rules,
                    codec=tools.settings.codec,
                    tagged=tagged,
                    busiest=tuple(busiest_moments(paths, clip.wall)),
                    probed=tuple(begun.probed.get(clip.id, ())),
                )
            )
    return works


def _tagged(tools: Tools, session: Session, around_us: int) -> tuple[TimeRange, ...]:
    """Moments with a tag, and what lies around them."""
    own = tools.catalogue.tags.of_session(session.id)
    return tuple(TimeRange(start_us=tag.at_us - around_us, end_us=tag.at_us + around_us) for tag in own)


def seconds_by_kind(works: Sequence[ClipWork]) -> dict[ContentKind, float]:
    """Recorded footage by content kind, in seconds."""
    found: dict[ContentKind, float] = {}
    for work in works:
        kind = work.source.content_kind
        found[kind] = found.get(kind, 0.0) + work.seconds
    return found
