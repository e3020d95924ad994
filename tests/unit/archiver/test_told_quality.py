"""What the catalogue takes from a receipt: columns say what the receipt says, or nothing."""

from __future__ import annotations

import pytest

from archiver.receipt import quality_of
from archiver.session_archive import overrun_cause
from kernel.model.archive import Grade, OverrunCause

TOLD = {
    "measured": {
        "seconds": 40.5,
        "frames": 41,
        "frames_seen": 405,
        "quality": {
            "vmaf_mean": 90.0,
            "vmaf_p5": 79.9,
            "text_agreement": 0.99,
            "wanted": {"vmaf_p5": 80, "vmaf_mean": 97, "text_agreement": 0.95},
            "floors_reached": True,
        },
    }
}


def test_columns_say_what_the_receipt_says() -> None:
    """Invariant 11: who reads the list and who reads the receipt must not be told different things."""
    quality = quality_of(TOLD)
    assert quality is not None
    assert (quality.recorded_us, quality.frames, quality.frames_seen) == (40_500_000, 41, 405)
    assert (quality.vmaf_p5, quality.vmaf_floor) == (79.9, 80)
    assert (quality.text_agreement, quality.text_floor) == (0.99, 0.95)
    assert quality.grade is Grade.BELOW  # although the plan expected otherwise


def test_a_receipt_that_is_older_than_measuring_says_nothing_of_quality() -> None:
    assert quality_of({"measured": {"seconds": 1.0, "frames": 25}}) is None


@pytest.mark.parametrize(
    ("over", "floors", "cause"),
    [
        (False, "", OverrunCause.NONE),
        (False, "floors need more", OverrunCause.NONE),  # what was planned turned out to be lighter
        (True, "floors need more", OverrunCause.FLOORS),
        (True, "", OverrunCause.BESIDE),
    ],
)
def test_an_archive_has_a_cause_exactly_where_it_is_over(
    over: bool, floors: str, cause: OverrunCause
) -> None:
    assert overrun_cause(over, floors) is cause
