"""Pictures of a screen are left out only where they show nothing new."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from av.video.frame import VideoFrame
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archiver.thinning import ALL_PICTURES, Pace, differs, thinned

UNTIMED = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
SCREEN = Pace(still_us=1_000_000, moving_us=200_000)
PACES = st.sampled_from([SCREEN, Pace(still_us=1_000_000, moving_us=80_000), Pace(moving_us=200_000)])


def page(number: int) -> VideoFrame:
    """A page of its own look for each number."""
    planes = np.full((96, 64), 128, np.uint8)
    planes[:64] = 16 + 3 * number
    return VideoFrame.from_ndarray(planes, format="yuv420p")


def number_of(frame: VideoFrame) -> int:
    return (int(frame.to_ndarray()[0, 0]) - 16) // 3


@st.composite
def shown(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Moments and pages: from a source that sends evenly, or only when something changes."""
    at, found = draw(st.integers(0, 10**9)), []
    for _ in range(draw(st.integers(1, 40))):
        found.append((at, draw(st.integers(0, 5))))
        at += draw(st.sampled_from([40_000, 40_000, 40_000, 120_000, 500_000, 9_000_000]))
    return found


@UNTIMED
@given(shown(), PACES)
def test_what_stays_on_the_screen_is_shown_at_the_latest_after_the_moving_time(
    pages: list[tuple[int, int]], pace: Pace
) -> None:
    """Nothing that a person could have read is lost, however seldom the source sends."""
    kept = [(at, number_of(frame)) for at, frame in thinned(((at, page(n)) for at, n in pages), pace)]
    assert set(kept) <= set(pages)  # pictures with their own, true time
    end = pages[-1][0] + 10_000_000
    for number, (at, look) in enumerate(pages):
        change = next((moment for moment, other in pages[number:] if other != look), end)
        if change - at > pace.moving_us:
            seen = [other for moment, other in kept if moment <= at + pace.moving_us]
            assert seen
            held = seen[-1]
            assert held == look


@UNTIMED
@given(shown())
def test_while_nothing_changes_a_picture_a_second_is_kept_if_the_source_sends_one(
    pages: list[tuple[int, int]],
) -> None:
    still = [(at, 0) for at, _ in pages]
    kept = [at for at, _ in thinned(((at, page(n)) for at, n in still), SCREEN)]
    assert kept[0] == still[0][0]
    assert all(after - before >= SCREEN.still_us for before, after in pairwise(kept))
    for at, _ in still:
        assert at - max(moment for moment in kept if moment <= at) < SCREEN.still_us


def test_a_click_between_two_pictures_that_are_kept_is_kept_too_if_the_source_then_falls_silent() -> None:
    """A desktop that sends only what changes: the page after the click stands for minutes."""
    pages = [(0, 0), (1_000_000, 1), (1_100_000, 2), (90_000_000, 2)]
    kept = [(at, number_of(frame)) for at, frame in thinned(((at, page(n)) for at, n in pages), SCREEN)]
    assert (1_100_000, 2) in kept


def test_the_last_picture_of_a_stretch_is_not_lost_for_coming_too_soon() -> None:
    pages = [(0, 0), (1_000_000, 1), (1_040_000, 2)]
    kept = [(at, number_of(frame)) for at, frame in thinned(((at, page(n)) for at, n in pages), SCREEN)]
    assert kept == pages


def test_people_keep_every_picture() -> None:
    frames = [(at * 40_000, page(0)) for at in range(50)]
    assert list(thinned(iter(frames), ALL_PICTURES)) == frames


@pytest.mark.parametrize("size", [(64, 96), (96, 64)])
def test_a_picture_of_another_size_is_another_picture(size: tuple[int, int]) -> None:
    assert differs(np.zeros((64, 64), np.uint8), np.zeros(size, np.uint8))


def test_one_changed_character_is_a_change_and_noise_is_none() -> None:
    before = np.full((1080, 1920), 200, np.uint8)
    typed, noisy = before.copy(), before.copy()
    typed[500:512, 900:908] = 30
    noisy[::2, ::2] += 2
    assert differs(typed, before)
    assert not differs(noisy, before)
