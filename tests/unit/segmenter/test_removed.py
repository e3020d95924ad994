"""A session that becomes known after its footage was removed by rule: the clip says so, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from catalog.catalogue import Catalogue
from kernel.clock import SECOND_US, FakeClock
from kernel.model.cut import Clip, CutRules
from kernel.model.footage import Gap, GapCause, Segment
from kernel.settings import CutSettings
from kernel.timerange import TimeRange
from segmenter.worker import Segmenter
from tests.support.catalogue import add_segments, add_session, open_catalogue
from tests.unit.catalog.test_footage import segment

NO_ROLL = CutRules(pre_roll_us=0, post_roll_us=0)
SETTINGS = CutSettings(pre_roll_seconds=0, post_roll_seconds=0, settle_seconds=0)


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    opened = open_catalogue(tmp_path)
    yield opened
    opened.close()


def made(number: int, start_s: int, end_s: int, run: str = "run-1") -> Segment:
    return segment(number, start_s * SECOND_US, end_s * SECOND_US, run_id=run)


def removed(catalogue: Catalogue, *segments: Segment) -> None:
    ids = [one.id for one in segments]
    catalogue.removal.release(
        ids, NO_ROLL, at_us=500 * SECOND_US, reason="Room was needed.", principal="王工"
    )
    catalogue.removal.finish(ids)


def clip_of_late_session(catalogue: Catalogue) -> Clip:
    """A session from 0 to 180 s, reported when its footage is gone."""
    add_session(catalogue, 0, 180 * SECOND_US)
    Segmenter(catalogue, SETTINGS, FakeClock(10_000 * SECOND_US)).run_once()
    return next(one for one in catalogue.clips.of_session("P-O") if one.source_id == "cam")


def causes(clip: Clip) -> list[tuple[int, int, GapCause]]:
    return [(gap.wall.start_us // SECOND_US, gap.wall.end_us // SECOND_US, gap.cause) for gap in clip.gaps]


def test_removed_time_is_no_slice_and_the_gap_says_who_removed_it_and_why(catalogue: Catalogue) -> None:
    segments = [made(number, number * 60, number * 60 + 60) for number in range(3)]
    add_segments(catalogue, segments)
    removed(catalogue, segments[0], segments[2])
    clip = clip_of_late_session(catalogue)
    assert [used.segment_id for used in clip.slices] == [segments[1].id]
    assert causes(clip) == [(0, 60, GapCause.REMOVED), (120, 180, GapCause.REMOVED)]
    assert clip.gaps[0].detail == (
        "Recorded, and removed at 1970-01-01T00:08:20.000Z by 王工: Room was needed."
    )


def test_what_was_never_recorded_is_not_called_removed(catalogue: Catalogue) -> None:
    one = made(0, 30, 90)
    add_segments(catalogue, [one])
    lost = Gap(
        id="gap",
        source_id="cam",
        start_us=50 * SECOND_US,
        end_us=60 * SECOND_US,
        cause=GapCause.DISCONTINUITY,
        detail="",
    )
    catalogue.footage.add_gap(lost)
    catalogue.footage.open_gap(replace(lost, id="open", start_us=90 * SECOND_US, end_us=None))
    removed(catalogue, one)
    assert causes(clip_of_late_session(catalogue)) == [
        (0, 30, GapCause.NOT_RECORDING),
        (30, 50, GapCause.REMOVED),
        (50, 60, GapCause.DISCONTINUITY),
        (60, 90, GapCause.REMOVED),
        (90, 180, GapCause.DISCONTINUITY),
    ]


def test_footage_of_the_same_time_that_is_kept_is_used(catalogue: Catalogue) -> None:
    """Two runs of a source overlap after a clock was set back, and one of them is gone."""
    gone, kept = made(0, 0, 180), made(0, 60, 120, "run-2")
    add_segments(catalogue, [gone, kept])
    removed(catalogue, gone)
    clip = clip_of_late_session(catalogue)
    assert [(used.segment_id, used.wall) for used in clip.slices] == [
        (kept.id, TimeRange(start_us=60 * SECOND_US, end_us=120 * SECOND_US))
    ]
    assert causes(clip) == [(0, 60, GapCause.REMOVED), (120, 180, GapCause.REMOVED)]
