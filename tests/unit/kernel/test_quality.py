"""How a file is graded: by what was measured and by the floors that it was held to, never by one alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kernel.model.archive import Fleet, Grade, Quality

FACE = Quality(
    recorded_us=40_000_000,
    frames=1000,
    frames_seen=1000,
    vmaf_mean=84.0,
    vmaf_p5=75.0,
    text_agreement=None,
    vmaf_floor=70,
    vmaf_ceiling=95,
    text_floor=None,
    floors_reached=True,
)
DESKTOP = replace(FACE, vmaf_mean=96.0, vmaf_p5=90.0, text_agreement=0.97, vmaf_floor=80, text_floor=0.95)


@pytest.mark.parametrize(
    ("quality", "grade"),
    [
        (FACE, Grade.CLEAR),
        (replace(FACE, vmaf_mean=82.4), Grade.LEGIBLE),  # half-way from 70 to 95 is 82.5
        (replace(FACE, vmaf_p5=70.0, vmaf_mean=72.0), Grade.LEGIBLE),
        (replace(FACE, vmaf_p5=69.9), Grade.BELOW),
        (DESKTOP, Grade.CLEAR),
        (replace(DESKTOP, text_agreement=0.949), Grade.BELOW),
        (replace(DESKTOP, text_agreement=None), Grade.CLEAR),  # without OCR nobody knows of its text
        (replace(DESKTOP, text_floor=None, text_agreement=0.5), Grade.CLEAR),
        (replace(FACE, vmaf_mean=None, vmaf_p5=None), None),
    ],
)
def test_a_file_is_below_as_soon_as_one_floor_is_missed(quality: Quality, grade: Grade | None) -> None:
    assert quality.grade is grade


def test_the_plan_saying_that_floors_are_out_of_reach_does_not_hide_that_they_were_reached() -> None:
    assert replace(FACE, floors_reached=False).grade is Grade.CLEAR


def test_a_fleet_without_projects_has_no_mean() -> None:
    empty = Fleet(project_count=0, size_bytes=0, budget_bytes=0, recorded_us=0, file_count=0, below_count=0)
    assert empty.mean_bytes is None
    assert replace(empty, project_count=2, size_bytes=7).mean_bytes == 3
    assert empty.mean_bytes_limit == 5 * 10**9
