"""Which original segments an archive keeps: a pure choice, within a share of the budget."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.kept_originals import KeptOriginals, Wanted, Why, choose_originals, wanted_originals
from archiver.rules import archive_rules
from kernel.clock import SECOND_US
from kernel.model.cut import Clip, SegmentSlice
from kernel.model.footage import Hold, Segment
from kernel.model.source import ContentKind, Source
from kernel.model.timeline import Tag
from kernel.timerange import TimeRange
from tests.support.archived_project import segment as any_segment

MINUTE = 60 * SECOND_US
RULE = archive_rules().originals


def minutes(start: float, end: float) -> TimeRange:
    return TimeRange(start_us=round(start * MINUTE), end_us=round(end * MINUTE))


def source(name: str, seat: str | None = None) -> Source:
    return Source(
        id=name,
        room_id="ER",
        seat_id=seat,
        content_kind=ContentKind.SEAT_FACE,
        label_zh=name,
        label_en=name,
    )


SOURCES = {one.id: one for one in (source("face", "s1"), source("desk", "s1"), source("hall"))}
TAG = Tag(
    id="t",
    project_id="P",
    session_id="S",
    source_id="face",
    at_us=10 * MINUTE,
    kind="irregular",
    severity="major",
    text="",
    principal="w",
    recorded_us=11 * MINUTE,
)
HOLD = Hold(id="h", source_id="hall", wall=minutes(3, 5), reason="r", principal="i", made_us=0)


def segment(source_id: str, minute: int, size: int = 100) -> Segment:
    return replace(
        any_segment(source_id),
        id=f"{source_id}-{minute}",
        wall=minutes(minute, minute + 1),
        size_bytes=size,
    )


def clip_of(source_id: str, wall: TimeRange, segments: list[Segment]) -> Clip:
    used = [(one, one.wall.intersect(wall)) for one in segments if one.source_id == source_id]
    return Clip(
        id=f"c-{source_id}",
        session_id="S",
        source_id=source_id,
        part=1,
        wall=wall,
        slices=tuple(SegmentSlice(segment_id=one.id, wall=part) for one, part in used if part is not None),
        gaps=(),
    )


def chosen(wall: TimeRange, wanted: list[Wanted], most: int = 10**9) -> KeptOriginals:
    segments = [segment(name, minute) for name in SOURCES for minute in range(20)]
    clips = [clip_of(name, wall, segments) for name in SOURCES]
    return choose_originals(clips, {one.id: one for one in segments}, wanted, most)


def names(found: KeptOriginals) -> list[str]:
    return [one.segment.id for one in found.kept]


def test_a_major_tag_on_a_seat_keeps_face_and_desktop_two_minutes_around_it() -> None:
    wanted = wanted_originals(RULE, [TAG], [], SOURCES)
    assert {(one.source_id, one.wall) for one in wanted} == {
        ("face", minutes(8, 12)),
        ("desk", minutes(8, 12)),
    }
    kept = names(chosen(minutes(0, 20), wanted))
    assert kept == [f"{name}-{minute}" for minute in range(8, 12) for name in ("desk", "face")]


@pytest.mark.parametrize("changed", [{"severity": "minor"}, {"severity": ""}, {"source_id": None}])
def test_lesser_tags_and_those_on_no_source_keep_nothing(changed: dict[str, str | None]) -> None:
    assert wanted_originals(RULE, [replace(TAG, **changed)], [], SOURCES) == []  # type: ignore[arg-type]


def test_what_is_held_is_kept_where_the_rule_says_so() -> None:
    wanted = wanted_originals(RULE, [], [HOLD], SOURCES)
    assert names(chosen(minutes(0, 20), wanted)) == ["hall-3", "hall-4"]
    assert wanted_originals(RULE.model_copy(update={"held": False}), [], [HOLD], SOURCES) == []


def test_a_segment_that_reaches_over_the_cut_is_never_kept() -> None:
    """What is before the cut may show another project (invariant 15)."""
    wanted = [Wanted(source_id="hall", wall=minutes(0, 20), why=Why.HELD)]
    assert names(chosen(minutes(3.5, 6.5), wanted)) == ["hall-4", "hall-5"]


def test_tags_come_before_holds_and_what_has_no_room_is_named() -> None:
    wanted = wanted_originals(RULE, [TAG], [HOLD], SOURCES)
    found = chosen(minutes(0, 20), wanted, most=900)
    assert [one.why for one in found.kept] == [Why.TAGGED] * 8 + [Why.HELD]
    assert [one.segment.id for one in found.no_room] == ["hall-4"]
    assert [one["segment"] for one in found.document()["no_room"]] == ["hall-4"]


@given(
    st.lists(st.tuples(st.sampled_from([*SOURCES]), st.integers(0, 19), st.integers(0, 19)), max_size=6),
    st.integers(0, 3000),
)
def test_never_more_than_the_share_and_nothing_is_kept_twice_or_forgotten(
    ranges: list[tuple[str, int, int]], most: int
) -> None:
    """Invariant 13: originals take their bytes from the budget, not beside it."""
    wanted = [
        Wanted(source_id=name, wall=minutes(min(a, b), max(a, b) + 1), why=Why.HELD) for name, a, b in ranges
    ]
    found = chosen(minutes(0, 20), wanted, most)
    assert found.size_bytes <= most
    both = [one.segment.id for one in (*found.kept, *found.no_room)]
    assert len(both) == len(set(both))
    assert set(both) == {
        f"{one.source_id}-{minute}"
        for one in wanted
        for minute in range(20)
        if one.wall.intersect(minutes(minute, minute + 1))
    }
