"""What was on the screen, and when (invariant 14)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kernel.clock import SECOND_US
from kernel.model.watching import (
    LASTS_US,
    Seen,
    Shown,
    Watch,
    WatchKind,
    intervals_sha256,
    joined,
    placed,
    seen_us,
)

S = SECOND_US


def seen(source: str, *times: float) -> Seen:
    a, b, c, d = (round(one * S) for one in times)
    return Seen(source_id=source, seen_from_us=a, seen_to_us=b, footage_from_us=c, footage_to_us=d)


def shown(source: str, start: float, end: float, rate: float = 1) -> Shown:
    return Shown(source_id=source, from_us=round(start * S), to_us=round(end * S), rate=rate)


def watch_of() -> Watch:
    """A watch of nothing, told of last at 10."""
    return Watch(
        id="w",
        account_id="a",
        role="",
        login_id="",
        origin="",
        kind=WatchKind.LIVE,
        things=(),
        opened_us=0,
        beat_us=10,
    )


def test_what_was_shown_ends_now_and_took_its_length_by_its_rate() -> None:
    pieces = placed([shown("a", 100, 110), shown("b", 100, 140, 4)], 1000 * S, 1010 * S)
    assert pieces == [seen("a", 1000, 1010, 100, 110), seen("b", 1000, 1010, 100, 140)]


def test_a_seek_between_two_beats_gives_two_pieces_behind_each_other() -> None:
    pieces = placed([shown("a", 100, 104), shown("a", 300, 306)], 1000 * S, 1010 * S)
    assert pieces == [seen("a", 1000, 1004, 100, 104), seen("a", 1004, 1010, 300, 306)]


def test_a_still_picture_takes_the_time_that_is_left() -> None:
    pieces = placed([shown("a", 100, 104), shown("a", 104, 104, 0)], 1000 * S, 1010 * S)
    assert pieces == [seen("a", 1000, 1004, 100, 104), seen("a", 1004, 1010, 104, 104)]


def test_a_page_that_claims_more_than_there_was_time_for_is_cut_back() -> None:
    [piece] = placed([shown("a", 0, 3600)], 1000 * S, 1010 * S)
    assert (piece.seen_from_us, piece.seen_to_us) == (1000 * S, 1010 * S)


def test_pieces_that_go_on_are_one_and_a_jump_is_not() -> None:
    first = seen("a", 1000, 1010, 100, 110)
    assert joined(first, seen("a", 1010, 1020, 110, 120)) == seen("a", 1000, 1020, 100, 120)
    assert joined(first, seen("a", 1010, 1020, 500, 510)) is None
    assert joined(first, seen("a", 1030, 1040, 110, 120)) is None, "nobody looked in between"
    assert joined(first, seen("a", 1010, 1020, 110, 150)) is None, "at another speed"
    assert joined(first, seen("b", 1010, 1020, 110, 120)) is None


def test_nine_pictures_at_once_are_one_time_of_looking() -> None:
    assert seen_us([seen(name, 1000, 1010, 0, 10) for name in "abcdefghi"]) == 10 * S


def test_every_change_of_an_interval_changes_the_hash_and_order_does_not() -> None:
    both = [seen("a", 1000, 1010, 100, 110), seen("b", 1000, 1010, 100, 110)]
    assert intervals_sha256(both) == intervals_sha256(reversed(both))
    assert intervals_sha256(both) != intervals_sha256(both[:1])
    assert intervals_sha256(both) != intervals_sha256([both[0], seen("b", 1000, 1010, 100, 111)])


def test_a_watch_lasts_as_long_as_it_is_told_of() -> None:
    watch = watch_of()
    assert watch.lasts(10 + LASTS_US - 1)
    assert not watch.lasts(10 + LASTS_US)


@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"),
            st.integers(0, 10**12),
            st.integers(0, 10**9),
            st.sampled_from([0.0, 0.5, 1, 16]),
        ),
        max_size=20,
    ),
    st.integers(0, 10**9),
)
def test_whatever_a_page_says_its_pieces_lie_between_two_beats_in_order(
    told: list[tuple[str, int, int, float]], took_us: int
) -> None:
    said = [Shown(source_id=a, from_us=b, to_us=b + c, rate=d) for a, b, c, d in told]
    pieces = placed(said, 10**15, 10**15 + took_us)
    assert sorted((one.source_id, one.footage_from_us) for one in pieces) == sorted(
        (a, b) for a, b, _, _ in told
    )
    for source in "ab":
        at = 10**15
        for one in (piece for piece in pieces if piece.source_id == source):
            assert at <= one.seen_from_us <= one.seen_to_us <= 10**15 + took_us
            at = one.seen_to_us
