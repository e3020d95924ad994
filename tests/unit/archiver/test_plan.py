"""The encode plan keeps to its budget, or says by how much it cannot (invariant 13)."""

from __future__ import annotations

import math
import re
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archiver.plan import Budget, ClipDemand, EncodePlan, RatePoint, budget_bytes, plan
from archiver.profile import PROFILES, SCREENS, Profile
from kernel.model.source import ContentKind
from kernel.settings import ArchiveCodec

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Machines are shared: no example is judged by the time it takes."""

AV1 = PROFILES[ArchiveCodec.AV1]
RATES = st.floats(min_value=100, max_value=20_000_000)
SECONDS = st.floats(min_value=0.04, max_value=4 * 3600)
PROFILE = st.sampled_from(list(PROFILES.values()))


@st.composite
def measured(draw: st.DrawFn) -> tuple[RatePoint, ...]:
    """One or two measurements, as probing gives them; the second may be higher by noise."""
    first, second = sorted(draw(st.sets(st.integers(18, 63), min_size=2, max_size=2)))
    points = [RatePoint(crf=first, bits_per_second=draw(RATES))]
    if draw(st.booleans()):
        points.append(RatePoint(crf=second, bits_per_second=draw(RATES)))
    return tuple(reversed(points)) if draw(st.booleans()) else tuple(points)


@st.composite
def demanded(draw: st.DrawFn) -> list[ClipDemand]:
    return [
        ClipDemand(
            clip_id=f"clip-{number}",
            seconds=draw(SECONDS),
            has_audio=draw(st.booleans()),
            points=draw(measured()),
        )
        for number in range(draw(st.integers(min_value=0, max_value=5)))
    ]


TOTALS = st.integers(min_value=0, max_value=10**10)
METADATA = st.integers(min_value=0, max_value=10**5)


def budget(total: int, metadata: int = 0, audio: float = 25_920) -> Budget:
    return Budget(total_bytes=total, metadata_bytes=metadata, audio_bits_per_second=audio)


def weight(demands: list[ClipDemand], made: EncodePlan, of: Budget) -> float:
    """What the plan would weigh, added up by hand."""
    video = sum(one.bits_per_second(made.crf[one.clip_id]) * one.seconds / 8 for one in demands)
    audio = sum(one.seconds for one in demands if one.has_audio) * of.audio_bits_per_second / 8
    return video + audio + of.metadata_bytes


@UNTIMED
@given(demanded(), TOTALS, METADATA, PROFILE)
def test_a_plan_is_never_over_its_budget_unless_it_says_why(
    demands: list[ClipDemand], total: int, metadata: int, profile: Profile
) -> None:
    given_budget = budget(total, metadata)
    made = plan(demands, given_budget, profile)
    real = weight(demands, made, given_budget)
    assert made.forecast_bytes == pytest.approx(real, rel=1e-9, abs=1)
    if not made.overrun_reason:
        assert real <= total
        assert made.forecast_bytes <= total


@UNTIMED
@given(demanded(), TOTALS, METADATA, PROFILE)
def test_a_plan_over_its_budget_has_the_worst_legible_quality_and_none_below_it(
    demands: list[ClipDemand], total: int, metadata: int, profile: Profile
) -> None:
    made = plan(demands, budget(total, metadata), profile)
    assert set(made.crf) == {one.clip_id for one in demands}
    assert all(profile.best_crf <= crf <= profile.worst_crf for crf in made.crf.values())
    if made.overrun_reason:
        assert set(made.crf.values()) <= {profile.worst_crf}


@UNTIMED
@given(demanded(), TOTALS, TOTALS, PROFILE)
def test_a_smaller_budget_never_gives_better_quality(
    demands: list[ClipDemand], one: int, other: int, profile: Profile
) -> None:
    small = plan(demands, budget(min(one, other)), profile)
    large = plan(demands, budget(max(one, other)), profile)
    assert all(small.crf[clip] >= large.crf[clip] for clip in small.crf)
    assert bool(small.overrun_reason) >= bool(large.overrun_reason)


@UNTIMED
@given(demanded(), TOTALS, PROFILE)
def test_no_clip_is_better_at_the_cost_of_another(
    demands: list[ClipDemand], total: int, profile: Profile
) -> None:
    assert len(set(plan(demands, budget(total), profile).crf.values())) <= 1


@UNTIMED
@given(measured(), st.integers(10, 70), st.integers(10, 70))
def test_a_worse_quality_never_weighs_more(points: tuple[RatePoint, ...], one: int, other: int) -> None:
    clip = ClipDemand(clip_id="c", seconds=1, has_audio=False, points=points)
    low, high = clip.bits_per_second(min(one, other)), clip.bits_per_second(max(one, other))
    assert high <= low * (1 + 1e-9)


@UNTIMED
@given(st.lists(RATES, min_size=1, max_size=5, unique=True), st.data())
def test_a_falling_curve_passes_through_what_was_measured(rates: list[float], data: st.DataObject) -> None:
    crfs = sorted(data.draw(st.sets(st.integers(18, 63), min_size=len(rates), max_size=len(rates))))
    points = tuple(
        RatePoint(crf=crf, bits_per_second=rate)
        for crf, rate in zip(crfs, sorted(rates, reverse=True), strict=True)
    )
    clip = ClipDemand(clip_id="c", seconds=1, has_audio=False, points=points)
    for point in points:
        assert clip.bits_per_second(point.crf) == pytest.approx(point.bits_per_second, rel=1e-6)
    curve = [clip.bits_per_second(crf) for crf in range(10, 71)]
    assert all(left >= right * (1 - 1e-9) for left, right in pairwise(curve))


def test_with_one_measurement_six_steps_halve_the_rate() -> None:
    clip = ClipDemand(
        clip_id="c", seconds=1, has_audio=False, points=(RatePoint(crf=30, bits_per_second=800),)
    )
    assert [clip.bits_per_second(crf) for crf in (24, 30, 36)] == pytest.approx([1600, 800, 400])


def test_a_curve_that_rises_by_noise_is_read_as_flat() -> None:
    points = (RatePoint(crf=36, bits_per_second=100), RatePoint(crf=54, bits_per_second=110))
    clip = ClipDemand(clip_id="c", seconds=1, has_audio=False, points=points)
    assert clip.bits_per_second(24) == clip.bits_per_second(63)


def test_an_overrun_names_the_bytes_that_are_needed_and_those_that_are_there() -> None:
    points = (RatePoint(crf=36, bits_per_second=8_000_000), RatePoint(crf=54, bits_per_second=4_000_000))
    clip = ClipDemand(clip_id="c", seconds=100, has_audio=True, points=points)
    made = plan([clip], budget(1_000_000, 10_000), AV1)
    needed = math.ceil(clip.bits_per_second(AV1.worst_crf) * 100 / 8)
    left = math.floor((1_000_000 - 10_000 - 100 * 25_920 / 8) * 0.94)
    assert [int(number) for number in re.findall(r"\d+", made.overrun_reason)] == [
        AV1.worst_crf,
        needed,
        left,
    ]
    assert made.forecast_bytes > 1_000_000


def test_sound_and_metadata_that_alone_are_over_the_budget_are_said_so() -> None:
    clip = ClipDemand(
        clip_id="c", seconds=100, has_audio=True, points=(RatePoint(crf=36, bits_per_second=1),)
    )
    made = plan([clip], budget(1_000, 10_000), AV1)
    assert "the budget leaves 0" in made.overrun_reason


def test_plenty_of_room_is_not_spent_on_what_nobody_sees() -> None:
    clip = ClipDemand(
        clip_id="c", seconds=10, has_audio=False, points=(RatePoint(crf=36, bits_per_second=100_000),)
    )
    made = plan([clip], budget(10**12), AV1)
    assert made.crf == {"c": AV1.best_crf}
    assert made.overrun_reason == ""


@UNTIMED
@given(st.floats(min_value=1, max_value=10_000), st.floats(min_value=0, max_value=10**6))
def test_a_budget_is_whole_bytes_and_never_more_than_its_rate_allows(kbps: float, seconds: float) -> None:
    total = budget_bytes(kbps, seconds)
    assert total <= kbps * 125 * seconds * (1 + 1e-12)
    assert kbps * 125 * seconds - total < 1 + 1e-6


def test_the_default_rate_keeps_a_day_of_three_hours_and_nine_streams_below_five_gigabytes() -> None:
    assert budget_bytes(165, 9 * 3 * 3600) < 5 * 10**9


@pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
def test_a_profile_probes_within_its_range_and_encodes_on_one_thread(profile: Profile) -> None:
    first, second = profile.probe_crfs
    assert profile.best_crf <= first < second <= profile.worst_crf
    for kind in ContentKind:
        options = profile.options(kind, 40)
        assert options["crf"] == "40"
        assert "lp=1" in options.get("svtav1-params", "") or options.get("threads") == "1"


def test_screens_are_encoded_as_screens_and_people_are_not() -> None:
    on = {kind for kind in ContentKind if "scm=1" in AV1.options(kind, 40)["svtav1-params"]}
    assert on == SCREENS
    assert ContentKind.SEAT_FACE not in SCREENS
