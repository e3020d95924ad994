"""Tags: kinds (``kernel/data/tag_kinds.yaml``), corrections, and what an irregularity locks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import yaml

from kernel.events import effect_of, in_force
from kernel.model.footage import Hold, HoldKind
from kernel.model.source import Source
from kernel.model.timeline import Effect, Session, Tag, TimelineEvent
from kernel.timerange import TimeRange

_FILE = Path(__file__).parent / "data" / "tag_kinds.yaml"


@dataclass(frozen=True, kw_only=True, slots=True)
class TagKind:
    """What somebody may mark."""

    type: str
    key: int  # digit that chooses it
    zh: str
    en: str
    severities: tuple[str, ...]  # those that it may have; none: no severity is asked for
    locks: bool = False  # it holds footage, and the supervisor is told


@dataclass(frozen=True, kw_only=True, slots=True)
class Severity:
    """How bad it is."""

    type: str
    key: int
    zh: str
    en: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TagWords:
    """All kinds and severities, by type."""

    kinds: Mapping[str, TagKind]
    severities: Mapping[str, Severity]


@cache
def tag_words() -> TagWords:
    """The file as values."""
    told = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    kinds = [TagKind(**{**row, "severities": tuple(row["severities"])}) for row in told["kinds"]]
    severities = [Severity(**row) for row in told["severities"]]
    return TagWords(kinds={one.type: one for one in kinds}, severities={one.type: one for one in severities})


def fits(kind: str, severity: str) -> bool:
    """Whether people may mark that: a kind that is known, with a severity if and only if it has any."""
    known = tag_words().kinds.get(kind)
    return known is not None and (severity in known.severities or not (severity or known.severities))


def tags_in_force(tags: Iterable[Tag]) -> list[Tag]:
    """The tags that hold now, in the order given: without those that another replaces or takes back."""
    told = list(tags)
    replaced = {tag.replaces for tag in told}
    return [tag for tag in told if tag.id not in replaced and not tag.withdrawn]


@dataclass(frozen=True, kw_only=True, slots=True)
class LockRule:
    """How much footage an irregularity locks."""

    before_us: int
    after_us: int


def needs_lock(tag: Tag, before: Tag | None) -> bool:
    """Whether a tag locks evidence; one that puts another right, only what that one has not locked already.

    Args:
        before: the tag that it replaces.
    """
    kind = tag_words().kinds.get(tag.kind)
    if tag.withdrawn or kind is None or not kind.locks:
        return False
    if before is None or before.kind != tag.kind:
        return True
    return (before.at_us, before.source_id, before.seat_id) != (tag.at_us, tag.source_id, tag.seat_id)


def locks(tag: Tag, sources: Iterable[Source], rule: LockRule, act_id: str) -> list[Hold]:
    """What a tag holds: all sources of its seat around the moment, else its source, else its whole session.

    Too much is held rather than too little. The time after the moment may still have to be recorded.
    """
    act = Hold(
        id=act_id,
        kind=HoldKind.SESSION if tag.session_id else HoldKind.PROJECT,
        session_id=tag.session_id or "",
        project_id="" if tag.session_id else tag.project_id,
        reason=f"异常证据锁定 {tag.text}".strip(),
        principal=tag.principal,
        made_us=tag.recorded_us,
        tag_id=tag.id,
        act_id=act_id,
    )
    shown = sorted(one.id for one in sources if one.seat_id is not None and one.seat_id == tag.seat_id)
    if not shown and tag.source_id is not None:
        shown = [tag.source_id]
    wall = TimeRange(start_us=tag.at_us - rule.before_us, end_us=tag.at_us + rule.after_us)
    of_source = replace(act, kind=HoldKind.SOURCE, session_id="", project_id="", wall=wall)
    held = [replace(of_source, id=f"{act_id}.{n}", source_id=one) for n, one in enumerate(shown, 1)]
    return held or [act]


def section_at(
    session: Session, sections: Sequence[int], events: Iterable[TimelineEvent], at_us: int
) -> int | None:
    """The section that a session dealt with at a moment; None where nobody said.

    Args:
        sections: all of its project.
        events: of the session, those that were put right included.
    """
    told = [
        event.details.get("section")
        for event in in_force(events)
        if event.at_us <= at_us and effect_of(event.type) in (Effect.SECTION, Effect.SESSION_START)
    ]
    named = [one for one in told if isinstance(one, int) and one in sections]
    if named:
        return named[-1]
    own = session.section_numbers or sections
    return own[0] if len(own) == 1 else None
