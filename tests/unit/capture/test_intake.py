"""Recordings that somebody hands in."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest

from capture.intake import ASIDE, Handed, IntakeReceipt, take_in
from capture.libav.recording import ToldBy, own_start
from capture.recover import recover
from catalog.catalogue import Catalogue
from catalog.footage import Footage
from cli.check import chain_faults
from kernel.clock import SECOND_US, FakeClock
from kernel.errors import FixityError, IntakeRefused, JianzhengError
from kernel.isobmff.reader import read_init
from kernel.model.cut import Clip
from kernel.model.footage import Backfill, ClockBasis, EndReason, Gap, GapCause, Run, RunOrigin, Segment
from kernel.model.timeline import ExpectedPart, SessionTimeline
from kernel.settings import RingSettings, Settings
from kernel.timerange import TimeRange
from segmenter.cut import cut
from tests.support.catalogue import open_catalogue
from tests.support.recordings import write
from tests.support.sources import segment as segment_row

START = 1_772_420_400 * SECOND_US
EVER = TimeRange(start_us=0, end_us=1 << 60)


def joined(ring: Path, segments: list[Segment]) -> io.BytesIO:
    """Segments of one run behind each other, the init segment once: their media times go on."""
    data = b""
    for one in segments:
        with (ring / one.path).open("rb") as file:
            file.seek(read_init(file).size if data else 0)
            data += file.read()
    return io.BytesIO(data)


class Desk:
    """Where recordings are handed in."""

    def __init__(self, root: Path) -> None:
        self.settings = Settings(data_dir=root, ring=RingSettings(segment_seconds=1, reserve_bytes=0))
        self.catalogue: Catalogue = open_catalogue(root)
        self.told: list[tuple[str, float]] = []

    def take(self, path: Path, start_us: int = START, **more: Any) -> IntakeReceipt:
        handed = Handed(
            path=path,
            source_id="cam",
            start_us=start_us,
            told_by=ToldBy.PRINCIPAL,
            **{"offset_us": 0, "sha256": "", "principal": "clerk", **more},
        )
        return take_in(
            handed,
            self.settings,
            self.catalogue.footage,
            FakeClock(START + 10**12),
            lambda step, done: self.told.append((step, done)),
        )

    def ring(self) -> list[str]:
        return sorted(
            path.relative_to(self.settings.ring_dir).as_posix()
            for path in self.settings.ring_dir.rglob("*")
            if path.is_file() and not path.name.startswith(".")
        )

    def nothing_is_left(self) -> bool:
        footage = self.catalogue.footage
        aside = self.settings.ring_dir / ASIDE
        return not self.ring() and not footage.all_segments() and not aside.exists()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "data")
    yield made
    made.catalogue.close()


@pytest.mark.parametrize(
    ("name", "codec", "sound", "kept"),
    [
        ("a.mp4", "libx264", "aac", "aac"),
        ("a.mkv", "libx264", "libopus", "opus"),
        ("a.ts", "libx264", "aac", "aac"),
        ("a.ts", "libx265", "", "none"),
        ("a.flv", "libx264", "aac", "aac"),
        ("a.flv", "libx265", "aac", "aac"),
        ("a.mov", "libx265", "pcm_alaw", "g711a"),
        ("a.mkv", "libx265", "", "none"),
        ("a.mkv", "libx264", "libmp3lame", "sound of type mp3float cannot be recorded."),
    ],
)
def test_a_recording_is_taken_whole(
    desk: Desk, tmp_path: Path, name: str, codec: str, sound: str, kept: str
) -> None:
    path = write(tmp_path / name, codec=codec, sound=sound)
    receipt = desk.take(path)
    assert receipt.sound == kept
    assert receipt.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    segments = desk.catalogue.footage.all_segments()
    assert [one.sha256 for one in segments] == list(receipt.segments)
    assert len(segments) >= 2
    assert {one.clock_basis for one in segments} == {ClockBasis.DECLARED}
    assert segments[0].wall.start_us == START
    assert segments[-1].wall.end_us == pytest.approx(START + 4 * SECOND_US, abs=1000)
    assert all(a.wall.end_us == b.wall.start_us for a, b in pairwise(segments))
    for one in segments:
        file = desk.settings.ring_dir / one.path
        assert hashlib.sha256(file.read_bytes()).hexdigest() == one.sha256
    with av.open(joined(desk.settings.ring_dir, segments)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 100
    assert receipt.pictures == 100


def test_the_run_is_an_intake_and_over_and_its_chain_holds(desk: Desk, tmp_path: Path) -> None:
    first = desk.take(write(tmp_path / "a.mp4"))
    desk.take(write(tmp_path / "b.mp4"), START + 3600 * SECOND_US)
    run = desk.catalogue.footage.run(first.run_id)
    assert run is not None
    assert (run.origin, run.end_reason, run.started_us) == (RunOrigin.INTAKE, EndReason.STOPPED, START)
    assert desk.catalogue.footage.unfinished_runs() == []
    assert list(chain_faults("cam", desk.catalogue.footage.chain_of("cam"))) == []


def test_pictures_out_of_order_keep_their_times(desk: Desk, tmp_path: Path) -> None:
    desk.take(write(tmp_path / "a.mp4", bframes=2))
    segments = desk.catalogue.footage.all_segments()
    assert segments[0].wall.start_us == START
    assert sum(one.wall.duration_us for one in segments) == pytest.approx(4 * SECOND_US, abs=1000)


def test_the_offset_moves_all_times_and_is_in_the_receipt(desk: Desk, tmp_path: Path) -> None:
    receipt = desk.take(write(tmp_path / "a.mp4"), offset_us=-1_500_000)
    assert desk.catalogue.footage.all_segments()[0].wall.start_us == START - 1_500_000
    kept = json.loads((desk.settings.data_dir / "intake" / f"{receipt.run_id}.json").read_text())
    assert (kept["offset_us"], kept["sha256"], kept["principal"]) == (-1_500_000, receipt.sha256, "clerk")


def test_progress_goes_from_nothing_to_all(desk: Desk, tmp_path: Path) -> None:
    desk.take(write(tmp_path / "a.mp4"))
    for step in ("hash", "read", "store"):
        told = [done for name, done in desk.told if name == step]
        assert told == sorted(told)
        assert told[-1] > 0.9


# --- what is refused is refused whole


@pytest.mark.parametrize("origin", [RunOrigin.LIVE, RunOrigin.AGENT])
def test_a_file_is_not_laid_over_a_run_that_is_not_over(
    desk: Desk, tmp_path: Path, origin: RunOrigin
) -> None:
    """Its newest footage has no row yet: after it is sealed, or a crash is settled, it would lie on top."""
    path, footage = write(tmp_path / "a.mp4"), desk.catalogue.footage
    began_us = START + 3 * SECOND_US
    footage.start_run(
        Run(id="r", source_id="cam", started_us=began_us, ended_us=None, end_reason=None, origin=origin)
    )
    with pytest.raises(IntakeRefused, match="not over") as told:
        desk.take(path)
    assert "start it" in str(told.value)
    assert desk.nothing_is_left()
    desk.take(path, began_us - 8 * SECOND_US)  # it was over before
    footage.end_run("r", began_us, EndReason.CRASH)
    desk.take(path)


def test_a_run_of_another_source_is_in_nobodys_way(desk: Desk, tmp_path: Path) -> None:
    run = Run(id="r", source_id="screen", started_us=START, ended_us=None, end_reason=None)
    desk.catalogue.footage.start_run(run)
    desk.take(write(tmp_path / "a.mp4"))


def test_a_file_that_is_not_the_announced_one_is_refused(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(FixityError):
        desk.take(write(tmp_path / "a.mp4"), sha256="0" * 64)
    assert desk.nothing_is_left()


@pytest.mark.parametrize("content", [b"", b"no recording at all" * 100])
def test_a_file_that_is_no_recording_is_refused(desk: Desk, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(IntakeRefused):
        desk.take(path)
    assert desk.nothing_is_left()


def test_a_file_that_is_not_there_is_refused(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(IntakeRefused):
        desk.take(tmp_path / "a.mp4")
    assert desk.nothing_is_left()


def test_a_codec_that_cannot_be_recorded_is_named(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(IntakeRefused, match="mpeg4"):
        desk.take(write(tmp_path / "a.mp4", codec="mpeg4"))
    assert desk.nothing_is_left()


def test_footage_that_is_there_is_not_laid_over(desk: Desk, tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4")
    desk.take(path)
    before = desk.ring()
    for shift in (-3, 0, 3):
        with pytest.raises(IntakeRefused, match="was recorded"):
            desk.take(path, START + shift * SECOND_US)
    assert desk.ring() == before


@pytest.mark.parametrize(
    ("gap_s", "marked"),
    [((5, 9), Backfill.WHOLE), ((6, 8), Backfill.WHOLE), ((4, 10), Backfill.PART), ((20, 22), Backfill.NONE)],
)
def test_a_gap_between_footage_is_filled_and_stays_declared(
    desk: Desk, tmp_path: Path, gap_s: tuple[int, int], marked: Backfill
) -> None:
    path = write(tmp_path / "a.mp4")
    desk.take(path)
    desk.take(path, START + 10 * SECOND_US)
    gap = Gap(
        id="gap",
        source_id="cam",
        start_us=START + gap_s[0] * SECOND_US,
        end_us=START + gap_s[1] * SECOND_US,
        cause=GapCause.CAMERA_LOST,
        detail="",
    )
    desk.catalogue.footage.add_gap(gap)
    desk.take(path, START + 5 * SECOND_US)
    assert desk.catalogue.footage.gaps_of("cam", EVER) == [replace(gap, backfill=marked)]


def test_a_gap_that_lasts_is_filled_in_part(desk: Desk, tmp_path: Path) -> None:
    """Else it would beat the file as soon as it is over."""
    gap = Gap(id="gap", source_id="cam", start_us=START, end_us=None, cause=GapCause.CAMERA_LOST, detail="")
    desk.catalogue.footage.open_gap(gap)
    desk.take(write(tmp_path / "a.mp4"))
    (found,) = desk.catalogue.footage.open_gaps()
    assert found.backfill is Backfill.PART


def test_what_fills_a_gap_is_cut_into_clips_and_told(desk: Desk, tmp_path: Path) -> None:
    """A declared gap beats the footage in it, but not what was taken in for it."""
    gap = Gap(
        id="gap",
        source_id="cam",
        start_us=START,
        end_us=START + 4 * SECOND_US,
        cause=GapCause.CAMERA_LOST,
        detail="",
    )
    desk.catalogue.footage.add_gap(gap)
    desk.take(write(tmp_path / "a.mp4"), START - 1000)
    segments = desk.catalogue.footage.all_segments()
    wall = TimeRange(start_us=START + SECOND_US, end_us=START + 3 * SECOND_US)
    expected = (ExpectedPart(source_id="cam", part=1, wall=wall),)
    timeline = SessionTimeline(session_id="s", wall=wall, expected=expected)
    gaps = desk.catalogue.footage.gaps_of("cam", EVER)
    (clip,) = cut(timeline, {"cam": segments}, {"cam": gaps}).clips
    assert clip.gaps == ()
    assert sum(used.wall.duration_us for used in clip.slices) == 2 * SECOND_US
    assert [told.cause for told in clip.backfilled] == [GapCause.CAMERA_LOST]


def test_a_hole_in_the_file_is_a_gap(desk: Desk, tmp_path: Path) -> None:
    """Invariant 5: no picture is stretched over it."""
    receipt = desk.take(write(tmp_path / "a.mkv", pts=[*range(50), *range(300, 350)], sound=""))
    assert receipt.holes == 1
    (gap,) = desk.catalogue.footage.gaps_of("cam", EVER)
    assert (gap.start_us, gap.end_us) == (START + 2 * SECOND_US, START + 12 * SECOND_US)


def test_time_stamps_that_jump_back_are_refused(desk: Desk, tmp_path: Path) -> None:
    one, other = write(tmp_path / "a.ts", sound=""), write(tmp_path / "b.ts", sound="")
    both = tmp_path / "both.ts"
    both.write_bytes(one.read_bytes() + other.read_bytes())
    with pytest.raises(IntakeRefused, match="jump back"):
        desk.take(both)
    assert desk.nothing_is_left()


def test_a_change_of_format_is_refused(desk: Desk, tmp_path: Path) -> None:
    one = write(tmp_path / "a.ts", sound="")
    other = write(tmp_path / "b.ts", sound="", size=(320, 192))
    both = tmp_path / "both.ts"
    both.write_bytes(one.read_bytes() + other.read_bytes())
    with pytest.raises(IntakeRefused):
        desk.take(both)
    assert desk.nothing_is_left()


def test_a_torn_file_is_taken_as_far_as_it_goes(desk: Desk, tmp_path: Path) -> None:
    path = write(tmp_path / "a.ts")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    receipt = desk.take(path)
    assert 40 < receipt.pictures < 90


def test_an_interrupted_intake_leaves_nothing(desk: Desk, tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4")

    def stop(step: str, done: float) -> None:
        if step == "read" and done > 0.5:
            raise KeyboardInterrupt

    handed = Handed(
        path=path,
        source_id="cam",
        start_us=START,
        told_by=ToldBy.PRINCIPAL,
        offset_us=0,
        sha256="",
        principal="clerk",
    )
    with pytest.raises(KeyboardInterrupt):
        take_in(handed, desk.settings, desk.catalogue.footage, FakeClock(START + 10**12), stop)
    assert desk.nothing_is_left()
    desk.take(path)


def test_no_room_on_the_disk_leaves_nothing(desk: Desk, tmp_path: Path) -> None:
    desk.settings = Settings(data_dir=desk.settings.data_dir, ring=RingSettings(reserve_bytes=1 << 60))
    with pytest.raises(JianzhengError, match="full"):
        desk.take(write(tmp_path / "a.mp4"))
    assert desk.nothing_is_left()


# --- what a file says of its own time


def test_our_own_files_know_when_they_begin(desk: Desk, tmp_path: Path) -> None:
    desk.take(write(tmp_path / "a.mp4"))
    first = desk.catalogue.footage.all_segments()[0]
    told = own_start(desk.settings.ring_dir / first.path)
    assert told is not None
    assert (told.start_us, told.told_by) == (START, ToldBy.PRODUCER_TIME)


def test_a_time_of_making_is_known_for_what_it_is(tmp_path: Path) -> None:
    told = own_start(write(tmp_path / "a.mp4", creation_time="2026-03-02T03:00:00Z"))
    assert told is not None
    assert (told.start_us, told.told_by) == (START, ToldBy.CREATION_TIME)


def test_a_file_that_does_not_say_when_it_begins_says_nothing(tmp_path: Path) -> None:
    assert own_start(write(tmp_path / "a.mp4")) is None


def fall_after(segments: int, footage: Footage, monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many rows of segments were added, the next one is the last thing that happens."""
    add, added = footage.add_segment, []

    def fall(segment: Segment) -> None:
        if len(added) == segments:
            raise KeyboardInterrupt
        added.append(segment)
        add(segment)

    monkeypatch.setattr(footage, "add_segment", fall)


@pytest.mark.parametrize("stored", [0, 1])
def test_a_crash_while_it_is_stored_leaves_no_hole_without_a_gap(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stored: int
) -> None:
    """Invariant 5: what is recovered spans the hole; and gaps that the file fills are known as filled."""
    footage = desk.catalogue.footage
    gap = Gap(
        id="gap",
        source_id="cam",
        start_us=START,
        end_us=START + SECOND_US,
        cause=GapCause.CAMERA_LOST,
        detail="",
    )
    footage.add_gap(gap)
    fall_after(stored, footage, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        desk.take(write(tmp_path / "a.mkv", pts=[*range(50), *range(300, 350)], sound=""))
    monkeypatch.undo()
    recover(desk.settings.ring_dir, footage)
    assert footage.all_segments()[-1].wall.end_us == pytest.approx(START + 14 * SECOND_US, abs=1000)
    filled, hole = footage.gaps_of("cam", EVER)
    assert filled == replace(gap, backfill=Backfill.WHOLE)
    assert (hole.start_us, hole.end_us) == (START + 2 * SECOND_US, START + 12 * SECOND_US)


def test_the_rest_of_an_interrupted_intake_is_not_laid_over(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no rows before the recorder starts; the same file again would be there twice."""
    path, footage = write(tmp_path / "a.mp4"), desk.catalogue.footage
    fall_after(0, footage, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        desk.take(path)
    monkeypatch.undo()
    with pytest.raises(IntakeRefused, match="not settled"):
        desk.take(path)
    recover(desk.settings.ring_dir, footage)
    assert [one.sequence for one in footage.all_segments()] == [0, 1, 2, 3]


def test_what_a_crash_of_the_recorder_left_is_not_laid_over(desk: Desk, tmp_path: Path) -> None:
    elsewhere = Desk(tmp_path / "elsewhere")
    elsewhere.take(write(tmp_path / "c.mp4"), START + SECOND_US)
    elsewhere.catalogue.close()
    left = desk.settings.ring_dir / (elsewhere.ring()[0] + ".part")
    left.parent.mkdir(parents=True)
    (elsewhere.settings.ring_dir / elsewhere.ring()[0]).rename(left)
    with pytest.raises(IntakeRefused, match="not settled"):
        desk.take(write(tmp_path / "a.mp4"))
    desk.take(write(tmp_path / "b.mp4"), START - 60 * SECOND_US)


def test_a_crash_while_it_is_stored_loses_nothing_and_opens_no_gap(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has no row yet is settled like any other file; no live footage ended with it."""
    footage = desk.catalogue.footage
    fall_after(1, footage, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        desk.take(write(tmp_path / "a.mp4"))
    monkeypatch.undo()
    found = recover(desk.settings.ring_dir, footage)
    segments = footage.all_segments()
    assert [one.sequence for one in segments] == [0, 1, 2, 3]
    assert (found.segments, found.left) == (3, 0)
    assert not (desk.settings.ring_dir / ASIDE).exists()
    assert {one.clock_basis for one in segments} == {ClockBasis.DECLARED}
    assert footage.gaps_of("cam", EVER) == []
    assert list(chain_faults("cam", footage.chain_of("cam"))) == []


def test_a_file_that_would_lie_in_the_future_is_refused(desk: Desk, tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4")
    with pytest.raises(IntakeRefused, match="in the future"):
        desk.take(path, START + 10**12)
    assert desk.nothing_is_left()


# --- gaps that are told later, and gaps of a run that goes on


def declared(start_s: float, end_s: float | None) -> Gap:
    return Gap(
        id=f"gap-{start_s}",
        source_id="cam",
        start_us=START + round(start_s * SECOND_US),
        end_us=None if end_s is None else START + round(end_s * SECOND_US),
        cause=GapCause.NOT_RECORDING,
        detail="",
    )


def clip_of(desk: Desk, start_s: float, end_s: float) -> Clip:
    wall = TimeRange(start_us=START + round(start_s * SECOND_US), end_us=START + round(end_s * SECOND_US))
    expected = (ExpectedPart(source_id="cam", part=1, wall=wall),)
    timeline = SessionTimeline(session_id="s", wall=wall, expected=expected)
    footage = desk.catalogue.footage
    rows = {"cam": footage.segments_of("cam", EVER)}, {"cam": footage.gaps_of("cam", EVER)}
    (clip,) = cut(timeline, *rows).clips
    return clip


@pytest.mark.parametrize(
    ("start_s", "end_s", "marked"),
    [(1, 3, Backfill.WHOLE), (-10, 3, Backfill.PART), (-10, 60, Backfill.PART), (5, 9, Backfill.NONE)],
)
def test_a_gap_that_is_declared_after_the_file_came_is_filled_all_the_same(
    desk: Desk, tmp_path: Path, start_s: float, end_s: float, marked: Backfill
) -> None:
    """So a recorder does that starts after the intake: unmarked the gap would hide the file."""
    footage = desk.catalogue.footage
    desk.take(write(tmp_path / "a.mp4"))
    footage.add_gap(declared(start_s, end_s))
    footage.open_gap(declared(start_s + 100, None))
    footage.close_gap("cam", START + 200 * SECOND_US)
    (gap, beside) = footage.gaps_of("cam", EVER)
    assert (gap.backfill, beside.backfill) == (marked, Backfill.NONE)
    if marked is not Backfill.NONE:
        assert clip_of(desk, 1, 3).gaps == ()


def test_a_gap_that_lasts_over_a_file_and_ends_later_is_filled(desk: Desk, tmp_path: Path) -> None:
    footage = desk.catalogue.footage
    desk.take(write(tmp_path / "a.mp4"))
    footage.open_gap(declared(1, None))
    (lasting,) = footage.open_gaps()
    assert lasting.backfill is Backfill.PART
    footage.close_gap("cam", START + 3 * SECOND_US)
    assert [gap.backfill for gap in footage.gaps_of("cam", EVER)] == [Backfill.WHOLE]


def test_a_hole_of_the_file_is_not_what_fills_a_gap(desk: Desk, tmp_path: Path) -> None:
    """Invariant 5."""
    footage = desk.catalogue.footage
    desk.take(write(tmp_path / "a.mkv", pts=[*range(50), *range(300, 350)], sound=""))
    footage.add_gap(declared(0, 14))
    footage.add_gap(declared(5, 6))
    told = {gap.id: gap.backfill for gap in footage.gaps_of("cam", EVER)}
    assert (told["gap-0"], told["gap-5"]) == (Backfill.PART, Backfill.NONE)
    assert [round(gap.wall.duration_us / SECOND_US) for gap in clip_of(desk, 0, 14).gaps] == [10]


def live_for_weeks(desk: Desk, origin: RunOrigin = RunOrigin.LIVE) -> None:
    """A run that began long ago and is not over; its newest sealed segment spans the file's time."""
    footage, week_us = desk.catalogue.footage, 7 * 24 * 3600 * SECOND_US
    footage.start_run(
        Run(
            id="r", source_id="cam", started_us=START - week_us, ended_us=None, end_reason=None, origin=origin
        )
    )
    footage.add_segment(segment_row(0, START - 30 * SECOND_US, START + 30 * SECOND_US, run_id="r"))


def test_a_file_may_fill_a_known_gap_of_a_run_that_goes_on(desk: Desk, tmp_path: Path) -> None:
    """Else an always recorded camera would have to be stopped for it."""
    live_for_weeks(desk)
    path, footage = write(tmp_path / "a.mp4"), desk.catalogue.footage
    footage.add_gap(declared(-1, 3.9))
    with pytest.raises(IntakeRefused, match="was recorded"):
        desk.take(path)  # the last picture would lie over live ones
    footage.add_gap(declared(3.9, 4.5))
    desk.take(path)
    with pytest.raises(IntakeRefused, match="was recorded"):
        desk.take(path)  # not twice
    clip = clip_of(desk, -10, 10)
    assert [(round(gap.wall.start_us - START, -4), gap.wall.end_us) for gap in clip.gaps] == [
        (-SECOND_US, START),
        (4 * SECOND_US, START + 4_500_000),
    ]
    assert sum(gap.wall.duration_us for gap in clip.backfilled) == pytest.approx(4 * SECOND_US, abs=1000)


def test_what_is_not_sealed_yet_is_in_the_way_outside_gaps_only(desk: Desk, tmp_path: Path) -> None:
    live_for_weeks(desk)
    path, footage = write(tmp_path / "a.mp4"), desk.catalogue.footage
    with pytest.raises(IntakeRefused, match="not over"):
        desk.take(path, START + 60 * SECOND_US)
    footage.add_gap(declared(59, 65))
    desk.take(path, START + 60 * SECOND_US)


def test_the_gap_of_an_agent_that_has_not_finished_may_be_taken_back(desk: Desk, tmp_path: Path) -> None:
    live_for_weeks(desk, RunOrigin.AGENT)
    desk.catalogue.footage.add_gap(declared(59, 65))
    with pytest.raises(IntakeRefused, match="not over"):
        desk.take(write(tmp_path / "a.mp4"), START + 60 * SECOND_US)
