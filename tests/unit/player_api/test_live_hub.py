"""One tail a source however many watch; lost and found; what is made on demand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from pathlib import Path

import pytest

from kernel.clock import SECOND_US, FakeClock
from kernel.watched import watched_now
from player_api.live_hub import LiveHub, Lost
from player_api.live_queue import Kind, Message, PaneQueue
from player_api.live_tail import Place
from tests.support.growing import FRAMES, START_US, GrowingRun


class Pane:
    """A pane that keeps what it was told."""

    def __init__(self, clock: FakeClock, *plays: str) -> None:
        self.queue = PaneQueue(clock, lambda: None)
        self.plays = frozenset(plays or ("avc1",))
        self.listens = False
        self.words: list[object] = []

    def lost(self, lost: Lost) -> None:
        self.words.append(lost)

    def found(self) -> None:
        self.words.append("found")

    def unplayable(self, kind: str, *, sound: bool, busy: bool) -> None:
        self.words.append((kind, sound, busy))

    def taken(self) -> list[Message]:
        got = []
        while (message := self.queue.take()) is not None:
            got.append(message)
        return got


class Maker:
    """Makes nothing, and keeps what it is given."""

    def __init__(self, deliver: Callable[[Message], None]) -> None:
        self.deliver = deliver
        self.fed: list[Message] = []
        self.closed = False

    def feed(self, message: Message) -> None:
        self.fed.append(message)

    def close(self) -> None:
        self.closed = True


class Makers:
    def __init__(self, most: int = 9) -> None:
        self.most = most
        self.made: list[Maker] = []

    def picture(self, deliver: Callable[[Message], None]) -> Maker | None:
        if len([one for one in self.made if not one.closed]) >= self.most:
            return None
        self.made.append(Maker(deliver))
        return self.made[-1]

    sound = picture


class Centre:
    """A hub over files of the test's own; the clock stands unless told."""

    def __init__(self, ring: Path, makers: Makers | None = None) -> None:
        self.clock = FakeClock()
        self.live_dir = ring.parent / "live"
        self.places: dict[str, Place] = {}
        self.asked: list[list[str]] = []
        self.makers = makers
        self.hub = LiveHub(
            ring=ring, live_dir=self.live_dir, newest=self._newest, clock=self.clock, makers=makers
        )
        self._task: asyncio.Task[None] | None = None

    def _newest(self, source_ids: Collection[str]) -> Mapping[str, Place]:
        self.asked.append(sorted(source_ids))
        return {one: self.places[one] for one in source_ids if one in self.places}

    def recorded(self, run: GrowingRun) -> GrowingRun:
        wall_us = START_US if run.sequence == 0 else run.end_us
        self.places[run.source_id] = Place(run_id=run.run_id, sequence=run.sequence, wall_us=wall_us)
        return run

    async def look(self, seconds: float = 0.1) -> None:
        self.clock.advance(seconds)
        await self.hub.run_once()


@pytest.fixture
async def centre(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Centre]:
    async def nothing(_: LiveHub) -> None:
        """The test looks by itself."""

    monkeypatch.setattr(LiveHub, "run", nothing)
    made = Centre(tmp_path / "ring", Makers())
    yield made
    for source_id in made.hub.source_ids:
        stream = made.hub._streams[source_id]
        for pane in list(stream.watchers):
            made.hub.leave(source_id, pane)
    await made.hub.run_once()


async def test_forty_watchers_share_one_tail_and_the_same_bytes(tmp_path: Path, centre: Centre) -> None:
    run = centre.recorded(GrowingRun(tmp_path / "ring"))
    run.grow(FRAMES)
    panes = [Pane(centre.clock) for _ in range(40)]
    for pane in panes:
        centre.hub.watch("cam", pane)
    await centre.look()
    run.grow(2)
    await centre.look()
    assert centre.hub.source_ids == {"cam"}
    got = [pane.taken() for pane in panes]
    assert [one.kind for one in got[0]] == [Kind.INIT] + [Kind.FRAGMENT] * 7
    for messages in got[1:]:
        assert all(one is other for one, other in zip(messages, got[0], strict=True))  # not even a copy


async def test_who_comes_later_begins_with_the_newest_key_frame_at_once(
    tmp_path: Path, centre: Centre
) -> None:
    run = centre.recorded(GrowingRun(tmp_path / "ring"))
    run.grow(FRAMES + 2)
    first, later = Pane(centre.clock), Pane(centre.clock)
    centre.hub.watch("cam", first)
    await centre.look()
    centre.hub.watch("cam", later)  # nothing has grown since
    assert [(one.kind, one.key) for one in later.taken()] == [
        (Kind.INIT, True),
        (Kind.FRAGMENT, True),
        (Kind.FRAGMENT, False),
    ]


async def test_the_recorder_is_told_while_somebody_watches(tmp_path: Path, centre: Centre) -> None:
    pane = Pane(centre.clock)
    centre.hub.watch("cam", pane)
    await centre.look()
    assert watched_now(centre.live_dir, centre.clock.now_us()) == {"cam"}
    await centre.look(60)
    assert watched_now(centre.live_dir, centre.clock.now_us()) == {"cam"}
    centre.hub.leave("cam", pane)
    await centre.look()
    assert watched_now(centre.live_dir, centre.clock.now_us()) == frozenset()


async def test_a_lost_source_is_told_within_three_seconds_and_found_again(
    tmp_path: Path, centre: Centre
) -> None:
    run = centre.recorded(GrowingRun(tmp_path / "ring"))
    run.grow(FRAMES)
    pane = Pane(centre.clock)
    centre.hub.watch("cam", pane)
    await centre.look()
    for _ in range(19):
        await centre.look()
    assert pane.words == []
    for _ in range(10):
        await centre.look()
    assert pane.words == [Lost(since_us=run.end_us)]  # since its last picture, and said once
    other = centre.recorded(GrowingRun(tmp_path / "ring", run_id="run-2", wall_us=START_US))
    other.grow()
    for _ in range(6):
        await centre.look()
    assert pane.words[1:] == ["found"]
    assert [one.kind for one in pane.taken()][-2:] == [Kind.INIT, Kind.FRAGMENT]


async def test_a_source_that_never_came_is_lost_too(centre: Centre) -> None:
    pane = Pane(centre.clock)
    centre.hub.watch("cam", pane)
    for _ in range(30):
        await centre.look()
    assert pane.words == [Lost(since_us=None)]
    late = Pane(centre.clock)
    centre.hub.watch("cam", late)
    assert late.words == [Lost(since_us=None)]


async def test_a_growing_file_needs_no_catalogue(tmp_path: Path, centre: Centre) -> None:
    run = centre.recorded(GrowingRun(tmp_path / "ring"))
    run.grow()
    centre.hub.watch("cam", Pane(centre.clock))
    await centre.look()
    asked = len(centre.asked)
    for _ in range(100):
        run.grow()
        await centre.look()
    assert len(centre.asked) == asked


async def test_one_damaged_file_takes_no_other_source_down(tmp_path: Path, centre: Centre) -> None:
    good = centre.recorded(GrowingRun(tmp_path / "ring"))
    bad = centre.recorded(GrowingRun(tmp_path / "ring", "screen"))
    good.grow()
    bad.grow()
    panes = {one: Pane(centre.clock) for one in ("cam", "screen")}
    for one, pane in panes.items():
        centre.hub.watch(one, pane)
    await centre.look()
    bad.append((24).to_bytes(4, "big") + b"prft" + bytes(2) + b"\xff" * 14)
    good.grow()
    await centre.look()
    assert len(panes["cam"].taken()) == 3


async def test_what_a_browser_cannot_play_is_made_once_for_all(tmp_path: Path, centre: Centre) -> None:
    run = centre.recorded(GrowingRun(tmp_path / "ring"))
    run.grow(3)
    poor = [Pane(centre.clock, "none") for _ in range(3)]
    rich = Pane(centre.clock, "avc1")
    for pane in (*poor, rich):
        centre.hub.watch("cam", pane)
    await centre.look()
    assert centre.makers is not None
    (maker,) = centre.makers.made
    assert maker.fed[0].kind is Kind.INIT and len(maker.fed) >= 4
    maker.deliver(Message(kind=Kind.INIT, data=b"made", mime="video/mp4", derived=True))
    assert [[one.data for one in pane.taken()] for pane in poor] == [[b"made"]] * 3
    assert b"made" not in [one.data for one in rich.taken()]
    for pane in poor:
        centre.hub.leave("cam", pane)
    assert maker.closed


async def test_beyond_the_bound_a_pane_is_told_that_it_is_busy(tmp_path: Path, centre: Centre) -> None:
    assert centre.makers is not None
    centre.makers.most = 0
    run = centre.recorded(GrowingRun(tmp_path / "ring"))
    run.grow()
    pane = Pane(centre.clock, "none")
    centre.hub.watch("cam", pane)
    await centre.look()
    assert pane.words == [("avc1", False, True)] and pane.taken() == []


async def test_sound_goes_only_to_who_listens(tmp_path: Path, centre: Centre) -> None:
    run = centre.recorded(GrowingRun(tmp_path / "ring", sound=True))
    run.grow()
    deaf, hears = Pane(centre.clock), Pane(centre.clock)
    for pane in (deaf, hears):
        centre.hub.watch("cam", pane)
    await centre.look()
    hears.listens = True
    centre.hub.listen("cam", hears)
    assert centre.makers is not None
    (maker,) = centre.makers.made  # A-law: no browser plays it
    run.grow()
    await centre.look()
    assert [one.sound for one in maker.fed] == [True, True]
    maker.deliver(Message(kind=Kind.INIT, data=b"opus", mime="audio/mp4", sound=True, derived=True))
    assert [one.data for one in hears.taken() if one.sound] == [b"opus"]
    assert not any(one.sound for one in deaf.taken())
    hears.listens = False
    centre.hub.listen("cam", hears)
    assert maker.closed


async def test_a_source_without_sound_says_so(tmp_path: Path, centre: Centre) -> None:
    run = centre.recorded(GrowingRun(tmp_path / "ring"))
    run.grow()
    pane = Pane(centre.clock)
    pane.listens = True
    centre.hub.watch("cam", pane)
    await centre.look()
    assert pane.words == [("", True, False)]


async def test_seldom_pictures_are_given_time(tmp_path: Path, centre: Centre) -> None:
    """A still screen that is sent once in two seconds is not lost."""
    run = centre.recorded(GrowingRun(tmp_path / "ring"))
    run.grow()
    pane = Pane(centre.clock)
    centre.hub.watch("cam", pane)
    await centre.look()
    centre.hub._streams["cam"]._interval_us = 2 * SECOND_US
    await centre.look(5)
    assert pane.words == []
    await centre.look(2)
    assert len(pane.words) == 1
