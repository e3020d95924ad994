"""Fragments of a source that somebody watches live: shorter while it is so, and nothing else is different."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from pathlib import Path

import pytest

from capture.fragmenter import Fragment, Fragmenter
from capture.memory_rows import MemoryRows
from capture.run_clock import RunClock
from capture.segment_writer import Ring, SegmentWriter
from capture.watched import Watched
from kernel.clock import FakeClock
from kernel.model.footage import EndReason, Run
from kernel.segments.readable import read_segment
from kernel.settings import RingSettings
from kernel.watched import say_unwatched, say_watched, watched_now


def test_what_is_said_counts_for_seconds_and_not_for_ever(tmp_path: Path, clock: FakeClock) -> None:
    live = tmp_path / "live"
    assert watched_now(live, clock.now_us()) == frozenset()  # nobody ever watched
    say_watched(live, "seat-1", clock.now_us())
    clock.advance(4)
    assert watched_now(live, clock.now_us()) == {"seat-1"}
    clock.advance(2)  # whoever said it was killed
    assert watched_now(live, clock.now_us()) == frozenset()


def test_the_last_watcher_takes_it_back(tmp_path: Path, clock: FakeClock) -> None:
    say_watched(tmp_path, "seat-1", clock.now_us())
    say_watched(tmp_path, "seat-2", clock.now_us())
    say_unwatched(tmp_path, "seat-1")
    say_unwatched(tmp_path, "never-said")
    assert watched_now(tmp_path, clock.now_us()) == {"seat-2"}


def test_a_clock_that_was_set_back_leaves_nobody_watched_for_ever(tmp_path: Path, clock: FakeClock) -> None:
    say_watched(tmp_path, "seat-1", clock.now_us())
    clock.step_wall(-3600)
    assert watched_now(tmp_path, clock.now_us()) == frozenset()


def test_a_recorder_without_the_directory_watches_nobody(clock: FakeClock) -> None:
    nobody = Watched()
    nobody.look(clock)
    assert "seat-1" not in nobody


def fragments(video, watched_from: int, watched_until: int) -> list[Fragment]:
    """Of 250 pictures at 25 a second, watched between two of them."""
    number = 0
    fragmenter = Fragmenter(
        video=video.started.info,
        reorder=video.started.reorder,
        audio=None,
        clock=RunClock(90_000, 5),
        fragment_seconds=1,
        hole_seconds=2,
        hurried=lambda: 0.08 if watched_from <= number < watched_until else None,
    )
    made = []
    for number, packet in enumerate(video.packets()):  # noqa: B007 - the fragmenter asks for it
        made += fragmenter.add_video(packet)
    return made + fragmenter.flush()


def test_fragments_are_short_only_while_somebody_watches(video) -> None:
    made = fragments(video, 100, 150)
    short = [one for one in made if len(one.video.samples) <= 2]
    assert sum(len(one.video.samples) for one in made) == 250
    assert 20 <= len(short) <= 28
    assert max(len(one.video.samples) for one in made) == 25


def test_not_a_picture_and_not_a_microsecond_is_lost_between_short_fragments(video) -> None:
    made = fragments(video, 30, 200)
    for one, after in pairwise(made):
        assert one.end == after.video.base_dts
        assert one.wall.end_us == after.wall.start_us


def test_a_file_is_the_same_footage_watched_or_not(tmp_path: Path, clock: FakeClock, video) -> None:
    def written(name: str, made: list[Fragment]) -> MemoryRows:
        rows = MemoryRows()
        rows.start_run(Run(id="run-1", source_id=name, started_us=0, ended_us=None, end_reason=None))
        ring = Ring(root=tmp_path, settings=RingSettings(segment_seconds=3, reserve_bytes=0), clock=clock)
        writer = SegmentWriter(
            ring=ring, rows=rows, run_id="run-1", source_id=name, video=video.started.info, audio=None
        )
        for one in made:
            writer.write(one)
        writer.close(EndReason.STOPPED)
        return rows

    watched, unwatched = written("a", fragments(video, 0, 250)), written("b", fragments(video, 0, 0))
    assert [one.wall for one in watched.segments] == [one.wall for one in unwatched.segments]
    assert [one.media_duration for one in watched.segments] == [
        one.media_duration for one in unwatched.segments
    ]
    for one in watched.segments:
        path = tmp_path / one.path
        assert hashlib.sha256(path.read_bytes()).hexdigest() == one.sha256
        readable = read_segment(path)
        assert readable is not None and readable.size == one.size_bytes and readable.wall == one.wall


@pytest.mark.parametrize("longest", [0.05, 5.0])
def test_watching_never_makes_a_fragment_longer(video, longest: float) -> None:
    fragmenter = Fragmenter(
        video=video.started.info,
        reorder=0,
        audio=None,
        clock=RunClock(90_000, 5),
        fragment_seconds=1,
        hole_seconds=2,
        hurried=lambda: longest,
    )
    made = [one for packet in video.packets(100) for one in fragmenter.add_video(packet)]
    assert max(len(one.video.samples) for one in made) <= 25
