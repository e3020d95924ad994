"""Rate-quality curves: through what was measured, and never the wrong way."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from archiver.curve import Curve, Point, curve_through

RATES = st.floats(1, 20_000_000)
SCORES = st.floats(0, 100)


@st.composite
def points(draw: st.DrawFn) -> list[Point]:
    """As probing gives them: in any order, noise included."""
    crfs = draw(st.lists(st.integers(16, 63), min_size=2, max_size=4, unique=True))
    text = draw(st.booleans())
    return [
        Point(
            crf=crf,
            bits_per_second=draw(RATES),
            mean=draw(SCORES),
            p5=draw(SCORES),
            text=draw(st.floats(0, 1)) if text else None,
        )
        for crf in crfs
    ]


@given(points())
@example([Point(crf=53, bits_per_second=1e7, mean=0, p5=0), Point(crf=54, bits_per_second=1, mean=0, p5=0)])
def test_a_worse_setting_never_weighs_more_nor_shows_more(measured: list[Point]) -> None:
    curve = curve_through(1, measured)
    for better, worse in pairwise(range(10, 71)):
        assert curve.bits_per_second(worse) <= curve.bits_per_second(better) * (1 + 1e-9)
        assert curve.mean(worse) <= curve.mean(better) + 1e-9
        assert curve.p5(worse) <= curve.p5(better) + 1e-9
        before, after = curve.text(better), curve.text(worse)
        assert before is None or after is None or after <= before + 1e-9


@given(points(), st.integers(10, 70))
def test_shares_and_scores_stay_in_their_range(measured: list[Point], crf: int) -> None:
    curve = curve_through(1, measured)
    text = curve.text(crf)
    assert 0 <= curve.p5(crf) <= 100
    assert 0 <= curve.mean(crf) <= 100
    assert text is None or 0 <= text <= 1
    assert curve.bits_per_second(crf) > 0


@given(points())
def test_nothing_is_promised_that_was_not_measured(measured: list[Point]) -> None:
    """A score that rises where it must fall is noise: the lower one counts."""
    curve = curve_through(1, measured)
    for point in measured:
        assert curve.mean(point.crf) <= point.mean + 1e-6
        assert curve.p5(point.crf) <= point.p5 + 1e-6


def falling() -> Curve:
    ones = [(38, 400_000, 92.0), (50, 100_000, 80.0), (60, 50_000, 60.0)]
    return curve_through(
        1, [Point(crf=crf, bits_per_second=rate, mean=mean, p5=mean) for crf, rate, mean in ones]
    )


def test_a_falling_curve_passes_through_what_was_measured() -> None:
    curve = falling()
    assert [curve.bits_per_second(crf) for crf in (38, 50, 60)] == pytest.approx([400_000, 100_000, 50_000])
    assert [curve.mean(crf) for crf in (38, 50, 60)] == pytest.approx([92, 80, 60])


def test_between_points_the_rate_is_a_straight_line_on_a_logarithmic_scale() -> None:
    assert falling().bits_per_second(44) == pytest.approx(200_000)
    assert falling().mean(44) == pytest.approx(86)


def test_beyond_the_points_the_nearest_piece_goes_on() -> None:
    curve = falling()
    assert curve.bits_per_second(32) == pytest.approx(800_000)
    assert curve.mean(26) == 100
    assert curve.mean(62) == pytest.approx(56)


def test_text_that_was_not_looked_for_somewhere_is_not_guessed() -> None:
    some = [
        Point(crf=38, bits_per_second=2, mean=90, p5=90, text=0.99),
        Point(crf=50, bits_per_second=1, mean=80, p5=80),
    ]
    assert curve_through(1, some).text(40) is None
