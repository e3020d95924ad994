"""Which session is archived first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from archiver.urgency import HELD_US, turn_us
from kernel.model.cut import Clip, SegmentSlice
from kernel.model.footage import Hold
from kernel.model.timeline import Phase, Session, SessionState
from kernel.timerange import TimeRange

DAY_US = 86_400_000_000


def session(name: str, end_us: int) -> Session:
    return Session(
        id=name,
        project_id="P",
        phase=Phase.EVALUATION,
        room_id="ER",
        state=SessionState.CUT,
        start_us=end_us - 1000,
        end_us=end_us,
        seats=(),
    )


def clip(*walls: tuple[int, int], source: str = "cam") -> Clip:
    whole = TimeRange(start_us=min(start for start, _ in walls), end_us=max(end for _, end in walls))
    slices = tuple(
        SegmentSlice(segment_id=f"s-{start}", wall=TimeRange(start_us=start, end_us=end))
        for start, end in walls
    )
    return Clip(id="c", session_id="s", source_id=source, part=1, wall=whole, slices=slices, gaps=())


def hold(start_us: int, end_us: int, source: str = "cam") -> Hold:
    return Hold(
        id="h",
        source_id=source,
        wall=TimeRange(start_us=start_us, end_us=end_us),
        reason="complaint",
        principal="inspector",
        made_us=0,
    )


def test_the_session_whose_originals_are_removed_first_goes_first() -> None:
    """One that began early and ran for days goes before one that ended before it."""
    long = turn_us(session("long", 3 * DAY_US), [clip((0, 60), (60, 3 * DAY_US))], [])
    short = turn_us(session("short", DAY_US), [clip((DAY_US - 60, DAY_US))], [])
    assert long < short


def test_what_is_held_is_not_removed_and_can_wait_but_not_for_ever() -> None:
    ended = session("a", 100)
    free, held = (turn_us(ended, [clip((0, 100))], holds) for holds in ([], [hold(0, 100)]))
    assert held == free + HELD_US
    assert turn_us(ended, [clip((0, 100))], [hold(50, 100)]) == free  # held in part
    assert turn_us(ended, [clip((0, 100))], [hold(0, 100, "screen")]) == free


def test_a_session_nobody_recorded_has_its_turn_by_its_end() -> None:
    assert turn_us(session("a", 100), [], []) == 100


@given(
    waiting=st.integers(0, 30 * DAY_US),
    later=st.lists(st.integers(HELD_US + 1, 30 * DAY_US), max_size=5),
    held=st.booleans(),
)
def test_no_session_starves_whatever_is_handed_in_later(waiting: int, later: list[int], held: bool) -> None:
    """What is more than a week younger never goes before it, held or not."""
    holds = [hold(0, 10 * waiting + 1000)] if held else []
    own = turn_us(session("a", waiting + 100), [clip((waiting, waiting + 100))], holds)
    others = [
        turn_us(session("b", waiting + more + 100), [clip((waiting + more, waiting + more + 100))], [])
        for more in later
    ]
    assert all(own < other for other in others)
