"""The encode plan: bytes divided so that the worst is as good as it can be, never over the room untold."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archiver.curve import Curve, Point, curve_through
from archiver.plan import Choice, Demand, Limits, Menu, plan

UNTIMED = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
"""Machines are shared: no example is judged by the time it takes."""

ROOMS = st.floats(min_value=-0.1, max_value=1) | st.floats(min_value=1, max_value=10)
"""As shares of what the least that is allowed weighs."""


@st.composite
def curve(draw: st.DrawFn, height: float) -> Curve:
    """Three settings; rate and quality fall, and some screens show their text."""
    rate, mean, text = draw(st.floats(1_000, 2_000_000)), draw(st.floats(60, 100)), draw(st.floats(0.9, 1))
    spread = draw(st.floats(0, 15))
    with_text = draw(st.booleans())
    points = []
    for crf in (30, 42, 54):
        points.append(
            Point(
                crf=crf,
                bits_per_second=rate,
                mean=mean,
                p5=max(0.0, mean - spread),
                text=text if with_text else None,
            )
        )
        rate *= draw(st.floats(0.2, 1))
        mean -= draw(st.floats(0, 20))
        text -= draw(st.floats(0, 0.1))
    return curve_through(height, points)


@st.composite
def limits(draw: st.DrawFn) -> Limits:
    return Limits(
        floor=draw(st.sampled_from([0, 40, 70])),
        text_floor=draw(st.sampled_from([None, 0.95])),
        ceiling=draw(st.floats(85, 98)),
        weight=draw(st.sampled_from([0.8, 1, 2])),
        most_bits_per_second=draw(st.sampled_from([200_000, 400_000, 10_000_000])),
        best_crf=20,
        worst_crf=60,
    )


@st.composite
def demands(draw: st.DrawFn) -> list[Demand]:
    heights = st.sampled_from([(1.0,), (1.0, 0.75)])
    return [
        Demand(
            id=f"clip-{number}",
            seconds=draw(st.floats(1, 20_000)),
            limits=draw(limits()),
            curves=tuple(draw(curve(height)) for height in draw(heights)),
            correction=draw(st.floats(0.5, 2)),
        )
        for number in range(draw(st.integers(1, 6)))
    ]


def bytes_of(demand: Demand, choice: Choice) -> float:
    """What a demand weighs, by hand."""
    [used] = [one for one in demand.curves if one.height == choice.height]
    return used.bits_per_second(choice.crf) * demand.correction * demand.seconds / 8


def legal(demand: Demand) -> dict[tuple[float, int], float]:
    """Bytes of all settings that keep the floors at a rate that may be spent, by hand."""
    asked, found = demand.limits, {}
    for one in demand.curves:
        for crf in range(asked.best_crf, asked.worst_crf + 1):
            rate = one.bits_per_second(crf) * demand.correction
            text = one.text(crf)
            if one.p5(crf) < asked.floor:
                continue
            if asked.text_floor is not None and text is not None and text < asked.text_floor:
                continue
            if rate <= max(
                asked.most_bits_per_second, one.bits_per_second(asked.worst_crf) * demand.correction
            ):
                found[one.height, crf] = rate * demand.seconds / 8
    return found


def room_of(given_demands: Sequence[Demand], share: float) -> float:
    """So many times what the least that is allowed weighs."""
    return plan(given_demands, -1e9).bytes * share


def deficit(demand: Demand, choice: Choice) -> float:
    return (100 - choice.mean) * demand.limits.weight


@UNTIMED
@given(demands(), ROOMS)
def test_a_plan_is_never_over_its_room_unless_it_says_why_and_by_how_much(
    given_demands: list[Demand], share: float
) -> None:
    """Invariant 13."""
    room = room_of(given_demands, share)
    made = plan(given_demands, room)
    real = sum(bytes_of(one, made.choices[one.id]) for one in given_demands)
    assert made.bytes == pytest.approx(real)
    if made.overrun_reason:
        assert made.overrun_bytes == pytest.approx(real - room, abs=1.01)
        assert str(made.overrun_bytes) in made.overrun_reason
        least = [min(legal(one).values(), default=0.0) for one in given_demands]
        assert real == pytest.approx(sum(least), abs=1) or any(
            one.unreachable for one in made.choices.values()
        )
    else:
        assert real <= room
        assert made.overrun_bytes == 0


@UNTIMED
@given(demands(), ROOMS)
def test_floors_are_kept_unless_no_setting_that_is_allowed_reaches_them(
    given_demands: list[Demand], share: float
) -> None:
    room = room_of(given_demands, share)
    made = plan(given_demands, room)
    for one in given_demands:
        choice, allowed = made.choices[one.id], legal(one)
        assert choice.unreachable == (not allowed)
        assert choice.unreachable or (choice.height, choice.crf) in allowed


@UNTIMED
@given(demands())
def test_an_unreachable_floor_is_chased_as_far_as_may_be_spent_and_no_further(
    given_demands: list[Demand],
) -> None:
    made = plan(given_demands, 0)
    for one in given_demands:
        if made.choices[one.id].unreachable:
            rate = made.choices[one.id].bytes * 8 / one.seconds
            worst = max(each.bits_per_second(one.limits.worst_crf) * one.correction for each in one.curves)
            assert rate <= max(one.limits.most_bits_per_second, worst) * (1 + 1e-9)


@UNTIMED
@given(demands(), ROOMS)
def test_nobody_is_more_than_a_step_above_the_ceiling(given_demands: list[Demand], share: float) -> None:
    room = room_of(given_demands, share)
    made = plan(given_demands, room)
    for one in given_demands:
        choice = made.choices[one.id]
        worse = Menu(one).worse(choice)
        assert worse is None or worse.mean < one.limits.ceiling


@UNTIMED
@given(demands(), ROOMS)
def test_nobody_can_be_better_but_at_the_cost_of_one_who_is_worse_off(
    given_demands: list[Demand], share: float
) -> None:
    """Max-min up to one step: a step does not fit, or it would go past where a worse-off one's step leads."""
    room = room_of(given_demands, share)
    made = plan(given_demands, room)
    if made.overrun_reason:
        return
    left = room - made.bytes
    steps = {one.id: Menu(one).better(made.choices[one.id]) for one in given_demands}
    too_dear = [
        deficit(one, step)
        for one in given_demands
        if (step := steps[one.id]) is not None and step.bytes - made.choices[one.id].bytes > left
    ]
    for one in given_demands:
        step = steps[one.id]
        if step is not None and step.bytes - made.choices[one.id].bytes <= left * (1 - 1e-9):
            assert any(bound >= deficit(one, step) for bound in too_dear)


@UNTIMED
@given(demands(), ROOMS, ROOMS)
def test_more_room_never_makes_the_worst_worse(given_demands: list[Demand], one: float, other: float) -> None:
    small, large = (plan(given_demands, room_of(given_demands, share)) for share in sorted((one, other)))
    worst = [max(deficit(each, made.choices[each.id]) for each in given_demands) for made in (small, large)]
    assert worst[1] <= worst[0] + 1e-6
    assert bool(small.overrun_reason) >= bool(large.overrun_reason)


@UNTIMED
@given(demands(), ROOMS, st.randoms(use_true_random=False))
def test_the_order_of_demands_does_not_matter(
    given_demands: list[Demand], share: float, chance: object
) -> None:
    room = room_of(given_demands, share)
    shuffled = list(given_demands)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = plan(given_demands, room), plan(shuffled, room)
    assert one.choices == other.choices


@UNTIMED
@given(demands(), ROOMS, st.floats(1, 2_000))
def test_what_is_tagged_is_never_worse_than_the_rest_of_its_clip(
    given_demands: list[Demand], share: float, seconds: float
) -> None:
    rest = given_demands[0]
    weight = rest.limits.weight * 2
    tagged = replace(rest, id="clip-0, tagged", seconds=seconds, limits=replace(rest.limits, weight=weight))
    room = room_of(given_demands, share)
    made = plan([tagged, *given_demands], room)
    before, after = made.choices[tagged.id], made.choices[rest.id]
    step = Menu(tagged).better(before)
    assert before.mean >= after.mean or (step is not None and step.mean >= after.mean)


@UNTIMED
@given(demands(), ROOMS)
def test_bytes_that_show_nothing_are_not_spent(given_demands: list[Demand], share: float) -> None:
    """A setting that is chosen shows more than all that are cheaper at its height, floors aside."""
    room = room_of(given_demands, share)
    made = plan(given_demands, room)
    for one in given_demands:
        choice = made.choices[one.id]
        [used] = [each for each in one.curves if each.height == choice.height]
        cheaper = [crf for height, crf in legal(one) if height == choice.height and crf > choice.crf]
        assert all(used.mean(crf) < choice.mean for crf in cheaper)


def point(crf: int, kbps: float, mean: float, p5: float | None = None, text: float | None = None) -> Point:
    return Point(crf=crf, bits_per_second=kbps * 1000, mean=mean, p5=mean if p5 is None else p5, text=text)


FACE = Limits(
    floor=70,
    text_floor=None,
    ceiling=95,
    weight=1,
    most_bits_per_second=400_000,
    best_crf=20,
    worst_crf=63,
)


def demand(name: str, points: Sequence[Point], given_limits: Limits = FACE, seconds: float = 8.0) -> Demand:
    return Demand(id=name, seconds=seconds, limits=given_limits, curves=(curve_through(1, points),))


def test_a_screen_that_no_rate_makes_better_does_not_hold_the_faces_down() -> None:
    """Thinned-out scrolling lacks points for good; its curve is flat, and the faces go past it."""
    scrolling = demand("desktop", [point(38, 120, 80.2), point(60, 30, 80.1)])
    face = demand("face", [point(38, 300, 92), point(50, 100, 80), point(60, 50, 70)])
    made = plan([scrolling, face], 330_000)
    assert made.choices["desktop"].bytes < 31_000
    assert made.choices["face"].mean > 91


def test_a_moment_of_little_footage_does_not_climb_on_what_its_clip_could_not_use() -> None:
    points = [point(38, 300, 92), point(50, 100, 80), point(60, 50, 71)]
    tagged = demand("tagged", points, replace(FACE, weight=2), seconds=8_000)
    rest = demand("rest", points, seconds=8)
    step = Menu(tagged)
    [*_, base] = step.row(1)
    better = step.better(base)
    assert better is not None
    room = base.bytes + (better.bytes - base.bytes) * 0.99
    made = plan([tagged, rest], room)
    assert made.choices["tagged"].crf == base.crf
    assert made.choices["rest"].mean <= better.mean


def test_floors_that_do_not_fit_are_kept_and_the_reason_names_bytes_and_clips() -> None:
    """Invariant 13."""
    made = plan([demand("face", [point(38, 300, 92), point(50, 100, 75, 71), point(60, 50, 60)])], 40_000)
    assert made.choices["face"].crf == 50
    assert made.overrun_bytes == pytest.approx(60_000, abs=1)
    over, room, needed = (int(number) for number in re.findall(r"\d+", made.overrun_reason))
    assert (over, room, needed) == (made.overrun_bytes, 40_000, over + 40_000)
    assert f"face {needed} bytes" in made.overrun_reason


def test_text_that_must_stay_legible_is_a_floor_of_its_own() -> None:
    screen = replace(FACE, floor=0, text_floor=0.95)
    made = plan([demand("desk", [point(40, 90, 97, text=0.99), point(60, 30, 90, text=0.91)], screen)], 0)
    assert made.choices["desk"].crf == 50
    assert made.overrun_reason


def test_a_screen_without_text_is_held_to_its_picture_alone() -> None:
    screen = replace(FACE, floor=0, text_floor=0.95)
    made = plan([demand("desk", [point(40, 90, 97), point(60, 30, 90)], screen)], 0)
    assert made.choices["desk"].crf == screen.worst_crf


def test_fewer_and_better_pixels_are_taken_where_bytes_are_few() -> None:
    low = replace(FACE, floor=0)
    curves = (
        curve_through(1, [point(38, 300, 92), point(60, 60, 60)]),
        curve_through(0.75, [point(38, 220, 82), point(60, 40, 66)]),
    )
    face = Demand(id="face", seconds=8, limits=low, curves=curves)
    assert plan([face], 50_000).choices["face"].height == 0.75
    assert plan([face], 290_000).choices["face"].height == 1


def test_nothing_to_encode_is_a_plan_that_fits() -> None:
    assert plan([], 0).overrun_reason == ""
    assert plan([], -1).overrun_bytes == 1


def test_ten_times_the_demands_are_ten_times_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, not timed: how often a curve is asked does not grow with the square."""
    asked = 0
    along = Curve.mean

    def counted(self: Curve, crf: float) -> float:
        nonlocal asked
        asked += 1
        return along(self, crf)

    monkeypatch.setattr(Curve, "mean", counted)
    points = [point(38, 300, 92), point(50, 100, 80), point(60, 50, 70)]
    counts = []
    for many in (10, 100):
        asked = 0
        plan([demand(f"c{n}", points, seconds=1 + n) for n in range(many)], many * 5_000.0)
        counts.append(asked)
    assert counts[1] == 10 * counts[0]
    assert math.isfinite(counts[0])
