"""What the agent records of a desktop: runs, segments, and the gaps between them."""

from __future__ import annotations

import errno
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from agent.main import CRASHED
from agent.shelf import Entry
from kernel.clock import SECOND_US
from kernel.errors import SourceUnreachable
from kernel.isobmff.reader import read_fragments, read_init
from kernel.isobmff.tracks import FragmentRef
from kernel.model.agent import Receipt
from kernel.model.footage import ClockBasis, EndReason, GapCause, RunOrigin
from kernel.segments.readable import read_segment
from kernel.segments.segment_file import open_new
from tests.support.agent import SOURCE, Computer, Over

TICK_S = 0.125


def still() -> bool:
    return False


def moving() -> bool:
    return True


def record(computer: Computer, script: list[Any]) -> None:
    """Until the script is over, then ended in order."""
    stop = threading.Event()

    def last() -> bool:
        stop.set()
        return False

    computer.recorder([*script, last]).run(stop, "tester")


def shelved(computer: Computer) -> list[Entry]:
    return computer.shelf.waiting()


def fragments(computer: Computer, entry: Entry) -> list[FragmentRef]:
    with computer.shelf.path_of(entry).open("rb") as file:
        return list(read_fragments(file, read_init(file).size))


def gaps(computer: Computer) -> list[tuple[GapCause, str]]:
    return [(gap.cause, gap.detail) for _, gap in computer.ledger.untold()]


def fail() -> bool:
    raise SourceUnreachable("the screen went away.")


def die() -> bool:
    raise Over


def test_a_still_desktop_has_a_frame_in_every_second_and_no_more(computer: Computer) -> None:
    record(computer, [still] * 80)
    (entry,) = shelved(computer)
    parts = fragments(computer, entry)
    frames = [sample for part in parts for sample in part.runs[1]]
    assert max(b.pts - a.pts for a, b in pairwise(frames)) <= 1000
    assert len(frames) <= 14  # of 80 pictures


@pytest.mark.parametrize("picture", [still, moving])
def test_fragments_are_never_longer_than_a_second(computer: Computer, picture: Any) -> None:
    record(computer, [picture] * 200)
    for entry in shelved(computer):
        for part in fragments(computer, entry):
            assert sum(sample.duration for sample in part.runs[1]) <= 1000


def test_segments_begin_with_a_key_frame_where_their_predecessor_ends(computer: Computer) -> None:
    """Invariant 6: one microsecond, whatever is encoded in between."""
    computer.settings = computer.settings.model_copy(update={"segment_seconds": 3})
    computer.start()
    record(computer, [moving, still, still] * 60)
    entries = shelved(computer)
    assert len(entries) >= 6
    for before, after in pairwise(entries):
        assert before.end_us == after.start_us
    for number, entry in enumerate(entries):
        said = read_segment(computer.shelf.path_of(entry))
        assert said is not None
        assert fragments(computer, entry)[0].starts_with_key(1)
        assert (said.wall.start_us, said.wall.end_us) == (entry.start_us, entry.end_us)
        assert (said.label.source_id, said.label.sequence) == (SOURCE, number)
        assert (said.label.origin, said.basis) == (RunOrigin.AGENT, ClockBasis.AGENT)
    reasons = [entry.claim.end_reason for entry in entries]
    assert reasons == [EndReason.LENGTH] * (len(entries) - 1) + [EndReason.STOPPED]


def test_a_stop_names_who_stopped(computer: Computer) -> None:
    record(computer, [moving] * 20)
    ((_, gap),) = computer.ledger.untold()
    assert (gap.cause, gap.detail) == (GapCause.STOPPED, "Stopped by tester.")
    assert (gap.start_us, gap.end_us) == (shelved(computer)[-1].end_us, None)


def test_time_without_an_agent_is_a_gap_up_to_the_first_frame(computer: Computer) -> None:
    record(computer, [moving] * 20)
    stopped_us = shelved(computer)[-1].end_us
    computer.clock.advance(3600)
    computer.start()
    record(computer, [moving] * 20)
    (_, first), _ = computer.ledger.untold()
    assert (first.cause, first.start_us) == (GapCause.STOPPED, stopped_us)
    assert first.end_us == shelved(computer)[-1].start_us >= stopped_us + 3600 * SECOND_US


def test_a_kill_costs_what_was_not_yet_a_fragment_and_is_a_gap_of_its_own(computer: Computer) -> None:
    """Invariants 2 and 5."""
    with pytest.raises(Over):
        computer.recorder([moving] * 60 + [die]).run_once(threading.Event())
    # What a killed process leaves: no seal. The recorder above sealed on its way out, so undo that.
    (entry,) = shelved(computer)
    sealed = computer.shelf.path_of(entry)
    sealed.rename(sealed.with_name(sealed.name + ".part"))
    (sealed.with_suffix(".json")).unlink()
    (computer.home / "gaps.json").unlink()
    with sealed.with_name(sealed.name + ".part").open("ab") as file:
        file.write(b"\0\0\1\0moof")
    computer.clock.advance(10)
    computer.start()
    (recovered,) = shelved(computer)
    assert recovered.end_us == entry.end_us
    assert recovered.claim == entry.claim
    assert gaps(computer) == [(GapCause.CRASH, CRASHED)]
    assert [path.read_bytes() for path in (computer.home / "aside").glob("*.tail")] == [b"\0\0\1\0moof"]


def test_every_torn_file_is_kept_up_to_its_last_whole_fragment(computer: Computer) -> None:
    record(computer, [moving] * 30)
    (entry,) = shelved(computer)
    whole = computer.shelf.path_of(entry).read_bytes()
    parts = fragments(computer, entry)
    for size in range(0, len(whole), 53):
        torn = Computer(computer.home / f"torn-{size}", computer.clock)
        directory = torn.home / "segments"
        directory.mkdir(parents=True)
        (directory / f"{entry.name}.mp4.part").write_bytes(whole[:size])
        torn.start()
        kept = [part for part in parts if part.offset + part.size <= size]
        bytes_kept = [torn.shelf.path_of(one).read_bytes() for one in torn.shelf.waiting()]
        assert bytes_kept == ([whole[: kept[-1].offset + kept[-1].size]] if kept else [])
        aside = [p for p in (torn.home / "aside").glob("*") if not p.name.endswith(".reason.txt")]
        assert sum(path.stat().st_size for path in aside) == size - sum(map(len, bytes_kept))


def test_a_lost_screen_is_a_gap_with_its_cause(computer: Computer) -> None:
    stop = threading.Event()
    recorder = computer.recorder([moving] * 20 + [fail])
    computer.clock.sleep = lambda seconds: (computer.clock.advance(seconds), stop.set())  # type: ignore
    recorder.run(stop, "tester")
    assert gaps(computer)[0] == (GapCause.CAMERA_LOST, "the screen went away.")
    assert shelved(computer)[-1].claim.end_reason is EndReason.SOURCE_LOST


def test_sleep_is_a_gap_and_not_time_of_a_frame(computer: Computer) -> None:
    def sleep() -> bool:
        computer.slept_us += 600 * SECOND_US
        computer.clock.step_wall(600)  # monotonic time stands still in sleep, the wall clock does not
        return False

    record(computer, [moving] * 20 + [sleep] + [moving] * 20)
    before, after = shelved(computer)
    (_, gap), *_ = computer.ledger.untold()
    assert (gap.cause, gap.detail) == (GapCause.NOT_RECORDING, "The computer slept.")
    assert (gap.start_us, gap.end_us) == (before.end_us, after.start_us)
    assert after.start_us - before.end_us == pytest.approx(600 * SECOND_US, abs=SECOND_US // 2)


@pytest.mark.parametrize("step_s", [3600, -3600])
def test_a_step_of_the_computers_clock_splits_the_run_and_moves_no_time(
    computer: Computer, step_s: int
) -> None:
    """Invariant 17."""

    def step() -> bool:
        computer.clock.step_wall(step_s)
        return False

    record(computer, [moving] * 20 + [step] + [moving] * 20)
    before, after = shelved(computer)
    assert before.claim.end_reason is EndReason.DISCONTINUITY
    assert before.end_us == after.start_us  # nothing is missing, nothing is reordered
    assert [cause for cause, _ in gaps(computer)] == [GapCause.STOPPED]
    offsets = [read_segment(computer.shelf.path_of(one)).label.clock_offset_us for one in (before, after)]  # type: ignore
    assert offsets[1] - offsets[0] == step_s * SECOND_US


def test_a_corrected_time_begins_a_new_run(computer: Computer) -> None:
    """Within a run wall time is never bent."""

    def correct() -> bool:
        computer.times.measure(lambda: computer.clock.now_us() + 2 * SECOND_US)
        return False

    record(computer, [moving] * 20 + [correct] + [moving] * 20)
    before, after = shelved(computer)
    assert after.start_us - before.end_us == 2 * SECOND_US
    assert gaps(computer)[0][0] is GapCause.DISCONTINUITY


def test_a_changed_size_of_the_screen_opens_it_anew(computer: Computer) -> None:
    computer.settings = computer.settings.model_copy(update={"segment_seconds": 1})
    computer.start()

    def grow() -> bool:
        computer.size = (128, 96)
        return False

    computer.recorder([moving] * 10 + [grow] + [moving] * 90).run_once(threading.Event())
    assert shelved(computer)[-1].claim.end_reason is EndReason.FORMAT_CHANGE


def test_a_full_disk_ends_the_run_and_keeps_what_is_whole(computer: Computer) -> None:
    """Invariant 8."""
    stop = threading.Event()

    def fill() -> bool:
        computer.free = 0
        return True

    computer.clock.sleep = lambda seconds: (computer.clock.advance(seconds), stop.set())  # type: ignore
    computer.recorder([moving] * 30 + [fill] + [moving] * 30).run(stop, "tester")
    (entry,) = shelved(computer)
    assert entry.claim.end_reason is EndReason.DISK_FULL
    assert len(fragments(computer, entry)) >= 3
    assert gaps(computer)[0][0] is GapCause.DISK_FULL


def test_a_write_without_room_leaves_a_readable_segment(computer: Computer) -> None:
    class Small:
        """A file on a disk that takes so many bytes."""

        def __init__(self, path: Path) -> None:
            self._file: Any = open_new(path)
            self._left = 2000

        def write(self, data: Any) -> int:
            if len(data) > self._left:
                self._file.write(data[: self._left])
                raise OSError(errno.ENOSPC, "No space left on device")
            self._left -= len(data)
            return int(self._file.write(data))

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

    computer.opener = Small
    stop = threading.Event()
    computer.clock.sleep = lambda seconds: (computer.clock.advance(seconds), stop.set())  # type: ignore
    computer.recorder([moving] * 300).run(stop, "tester")
    (entry,) = shelved(computer)
    said = read_segment(computer.shelf.path_of(entry))
    assert said is not None and said.size == entry.claim.size_bytes
    assert computer.shelf.is_whole(entry)


def test_what_has_no_receipt_is_never_removed_for_want_of_room(computer: Computer) -> None:
    """Invariant 3: recording stops instead."""
    computer.settings = computer.settings.model_copy(update={"segment_seconds": 1, "limit_bytes": 20_000})
    computer.start()
    stop = threading.Event()
    computer.clock.sleep = lambda seconds: (computer.clock.advance(seconds), stop.set())  # type: ignore
    computer.recorder([moving] * 1000).run(stop, "tester")
    entries = shelved(computer)
    assert gaps(computer)[0][0] is GapCause.DISK_FULL
    assert all(computer.shelf.is_whole(entry) for entry in entries)
    oldest = entries[0]
    receipt = Receipt(
        segment_id=oldest.claim.segment_id, sha256=oldest.claim.sha256, chain="0" * 64, number=1
    )
    computer.shelf.received(oldest, receipt, 0)
    computer.shelf.need_room(0)  # the recorder has that one
    assert not computer.shelf.path_of(oldest).exists()
    assert all(computer.shelf.is_whole(entry) for entry in entries[1:])


def test_an_agent_that_never_heard_its_recorder_waits_for_the_time(computer: Computer) -> None:
    computer.offset_us = None
    computer.start()
    stop = threading.Event()
    computer.clock.sleep = lambda seconds: (computer.clock.advance(seconds), stop.set())  # type: ignore
    computer.recorder([moving]).run(stop, "tester")
    assert shelved(computer) == []


def test_a_burst_of_pictures_is_one_and_its_change_is_kept(computer: Computer) -> None:
    """A grabber that was held up delivers at once what it owes."""

    def at_once() -> bool:
        computer.clock.advance(0.001 - TICK_S)
        return True

    record(computer, [still] * 3 + [at_once, at_once, still] + [still] * 3)
    (entry,) = shelved(computer)
    frames = [sample for part in fragments(computer, entry) for sample in part.runs[1]]
    assert [frame.pts for frame in frames[:2]] == [0, 377]
    assert min(b.pts - a.pts for a, b in pairwise(frames)) > 1000 * TICK_S / 2


def test_a_key_frame_always_begins_a_fragment(computer: Computer) -> None:
    computer.settings = computer.settings.model_copy(update={"key_seconds": 1.5})
    computer.start()
    record(computer, [moving] * 100)
    (entry,) = shelved(computer)
    keys = [[sample.key for sample in part.runs[1]] for part in fragments(computer, entry)]
    assert sum(first for first, *_ in keys) > 5
    assert not any(any(rest) for _, *rest in keys)
