"""A slow line: whole key-frame groups go, nothing else, and never nearness to now."""

from __future__ import annotations

import struct

import pytest

from kernel.clock import FakeClock
from kernel.timerange import TimeRange
from player_api import live_queue
from player_api.live_queue import Kind, Message, PaneQueue

INIT = Message(kind=Kind.INIT, data=b"init", mime="video/mp4")


def fragment(number: int, *, key: bool | None = None, size: int = 10, sound: bool = False) -> Message:
    """Five a second, every fifth a key frame."""
    start_us = number * 200_000
    return Message(
        kind=Kind.FRAGMENT,
        data=bytes([number % 256]) * size,
        key=number % 5 == 0 if key is None else key,
        sound=sound,
        wall=TimeRange(start_us=start_us, end_us=start_us + 200_000),
        media_us=start_us,
    )


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def queue(clock: FakeClock) -> PaneQueue:
    return PaneQueue(clock, lambda: None)


def numbers(queue: PaneQueue) -> list[int]:
    taken = []
    while (message := queue.take()) is not None:
        taken.append(-1 if message.kind is Kind.INIT else message.media_us // 200_000)
    return taken


def test_nothing_comes_before_a_key_frame(queue: PaneQueue) -> None:
    queue.put(INIT)
    for number in (3, 4, 5, 6):
        queue.put(fragment(number))
    assert numbers(queue) == [-1, 5, 6]


def test_a_line_that_keeps_up_loses_nothing(queue: PaneQueue, clock: FakeClock) -> None:
    taken = []
    for number in range(50):
        queue.put(fragment(number))
        clock.advance(0.2)
        taken += numbers(queue)
    assert taken == list(range(50)) and queue.dropped_groups == 0


def test_a_line_that_stands_loses_whole_groups_and_starts_again_at_a_key_frame(
    queue: PaneQueue, clock: FakeClock
) -> None:
    queue.put(INIT)
    for number in range(38):
        queue.put(fragment(number))
        clock.advance(0.2)
    kept = numbers(queue)
    assert kept[0] == -1  # what the element needs first is kept
    assert kept[1] % 5 == 0 and kept[1:] == list(range(kept[1], 38))
    assert kept[1] >= 30  # within about a group of now, however long it stood
    assert queue.dropped_groups >= 5


def test_a_group_longer_than_the_patience_goes_as_a_whole(queue: PaneQueue, clock: FakeClock) -> None:
    for number in range(40):
        queue.put(fragment(number, key=number in (0, 30)))
        clock.advance(0.2)
        if number == 20:
            assert numbers(queue) == []  # not a broken piece of it
    kept = numbers(queue)
    assert kept == [] or kept[0] == 30


def test_what_waits_is_bounded_in_bytes(
    queue: PaneQueue, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_queue, "MOST_BYTES", 1000)
    for number in range(100):
        queue.put(fragment(number, size=300))
    waiting = 0
    while (message := queue.take()) is not None:
        waiting += len(message.data)
    assert waiting <= 1300 and queue.dropped_groups > 0


def test_an_init_between_two_groups_stays_before_the_group_that_needs_it(
    queue: PaneQueue, clock: FakeClock
) -> None:
    for number in (0, 1, 2):
        queue.put(fragment(number))
        clock.advance(0.2)
    queue.put(INIT)
    clock.advance(0.1)
    queue.put(fragment(5))
    clock.advance(0.6)
    queue.put(fragment(6))  # the first group is late by now
    assert numbers(queue) == [-1, 5, 6]


def test_another_source_begins_at_a_key_frame_again(queue: PaneQueue) -> None:
    queue.put(fragment(0))
    queue.clear()
    queue.put(fragment(1))
    assert queue.take() is None


def test_a_frame_says_what_it_is() -> None:
    data = fragment(7, sound=True).framed(3)
    kind, flags, pane, wall_us, media_us, length_us = struct.unpack_from(">BBHQqI", data)
    assert (kind, flags, pane, wall_us, media_us, length_us) == (2, 2, 3, 1_400_000, 1_400_000, 200_000)
    assert data[24:] == fragment(7).data
