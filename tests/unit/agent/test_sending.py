"""Sending: what is lost on the way is sent again, what is here already is not."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.sender import Sender
from agent.shelf import Entry
from agent.timekeeper import KeptOffset
from kernel.clock import SECOND_US
from kernel.errors import RecorderError, RecorderUnreachable, SegmentNotYet, SegmentRefused
from kernel.model.agent import AgentGap, AgentReport, Known, Receipt, SegmentClaim, gap_of_segment
from kernel.model.footage import GapCause
from tests.support.agent import Computer


@dataclass
class Recorder:
    """What a recorder answers, and what can go wrong on the way there and back."""

    computer: Computer
    there: dict[str, Receipt] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    reports: list[AgentReport] = field(default_factory=list)
    gaps: dict[str, AgentGap] = field(default_factory=dict)
    refuses: set[str] = field(default_factory=set)
    conflicts: set[str] = field(default_factory=set)
    puts_off: set[str] = field(default_factory=set)
    heard: list[str] = field(default_factory=list)  # of what it was told, in order
    answers: bool = True
    loses_receipts: bool = False

    def now_us(self) -> int:
        if not self.answers:
            raise RecorderUnreachable
        return self.computer.clock.now_us() - 3 * SECOND_US

    def report(self, report: AgentReport) -> None:
        self.reports.append(report)
        self.heard.append("report")

    def known(self, claims: Sequence[SegmentClaim]) -> Known:
        ids = [claim.segment_id for claim in claims]
        return Known(
            receipts=tuple(self.there[one] for one in ids if one in self.there),
            missing=tuple(one for one in ids if one not in self.there),
            conflicts=tuple(one for one in ids if one in self.conflicts),
        )

    def send(self, claim: SegmentClaim, path: Path) -> Receipt:
        if claim.segment_id in self.refuses:
            raise SegmentRefused
        if claim.segment_id in self.puts_off:
            raise SegmentNotYet
        assert path.stat().st_size == claim.size_bytes
        self.sent.append(claim.segment_id)
        receipt = Receipt(
            segment_id=claim.segment_id, sha256=claim.sha256, chain="0" * 64, number=len(self.sent)
        )
        self.there[claim.segment_id] = receipt
        if self.loses_receipts:
            raise RecorderUnreachable
        return receipt

    def tell_gap(self, gap_id: str, gap: AgentGap) -> None:
        self.gaps[gap_id] = gap
        self.heard.append(gap_id)


@pytest.fixture
def computer(computer: Computer) -> Computer:
    """With some segments of one run."""
    computer.settings = computer.settings.model_copy(update={"segment_seconds": 1})
    computer.start()
    stop = threading.Event()
    computer.recorder([lambda: True] * 40 + [lambda: bool(stop.set())]).run(stop, "tester")
    return computer


def sender(computer: Computer, recorder: Recorder) -> Sender:
    return Sender(
        settings=computer.settings,
        link=recorder,
        shelf=computer.shelf,
        ledger=computer.ledger,
        times=computer.times,
        status=computer.status,
        clock=computer.clock,
        offset=KeptOffset(computer.home / "clock_offset_us.json"),
    )


def ids(entries: list[Entry]) -> list[str]:
    return [entry.claim.segment_id for entry in entries]


def test_everything_is_sent_once_oldest_first(computer: Computer) -> None:
    recorder = Recorder(computer)
    waiting = ids(computer.shelf.waiting())
    for _ in range(3):
        assert sender(computer, recorder).run_once() is False
    assert recorder.sent == waiting
    assert computer.shelf.waiting() == []
    assert [gap.cause for gap in recorder.gaps.values()] == [GapCause.STOPPED]
    assert computer.times.offset_us == 3 * SECOND_US


def test_a_lost_receipt_is_asked_for_and_nothing_is_sent_twice(computer: Computer) -> None:
    recorder = Recorder(computer, loses_receipts=True)
    waiting = ids(computer.shelf.waiting())
    for _ in waiting:
        with pytest.raises(RecorderUnreachable):
            sender(computer, recorder).run_once()
        computer.start()  # and the agent falls, too
    recorder.loses_receipts = False
    sender(computer, recorder).run_once()
    assert recorder.sent == waiting
    assert computer.shelf.waiting() == []


def test_one_bad_segment_holds_up_no_other(computer: Computer) -> None:
    refused, conflicting, damaged, *good = computer.shelf.waiting()
    computer.shelf.path_of(damaged).write_bytes(b"\0" * damaged.claim.size_bytes)
    recorder = Recorder(
        computer, refuses={refused.claim.segment_id}, conflicts={conflicting.claim.segment_id}
    )
    sender(computer, recorder).run_once()
    assert recorder.sent == ids(good)
    assert computer.shelf.refused() == 3
    assert all(computer.shelf.path_of(one).exists() for one in (refused, conflicting, damaged))
    sender(computer, recorder).run_once()
    assert recorder.reports[-1].refused == 3


def test_what_the_recorder_does_not_get_is_a_gap_before_its_run_is_over(computer: Computer) -> None:
    """Invariant 5: refused, in conflict, damaged, gone."""
    lost = refused, conflicting, damaged, gone = computer.shelf.waiting()[:4]
    computer.shelf.path_of(damaged).write_bytes(b"\0" * damaged.claim.size_bytes)
    computer.shelf.path_of(gone).unlink()
    recorder = Recorder(
        computer, refuses={refused.claim.segment_id}, conflicts={conflicting.claim.segment_id}
    )
    sender(computer, recorder).run_once()
    assert recorder.reports[-1].unfinished_runs == (refused.run_id,)
    recorder.heard.clear()
    sender(computer, recorder).run_once()
    told = [recorder.gaps[gap_of_segment(one.claim.segment_id)] for one in lost]
    assert [(gap.start_us, gap.end_us) for gap in told] == [(one.start_us, one.end_us) for one in lost]
    assert [gap.cause for gap in told] == [GapCause.GARBAGE] * 3 + [GapCause.CRASH]
    assert recorder.reports[-1].unfinished_runs == ()
    assert recorder.heard[-1] == "report"
    assert len(recorder.heard) == 5


def test_what_was_refused_is_tried_again_later_and_its_gap_taken_back(computer: Computer) -> None:
    refused = computer.shelf.waiting()[0]
    segment_id = refused.claim.segment_id
    recorder = Recorder(computer, refuses={segment_id})
    made = sender(computer, recorder)
    made.run_once()
    recorder.refuses.clear()
    made.run_once()
    assert segment_id not in recorder.sent
    assert recorder.gaps[gap_of_segment(segment_id)].end_us == refused.end_us
    computer.clock.advance(3601)
    made.run_once()
    assert segment_id in recorder.sent
    assert computer.shelf.refused() == 0
    made.run_once()
    assert recorder.gaps[gap_of_segment(segment_id)].end_us == refused.start_us
    assert computer.ledger.untold() == []


def test_a_segment_that_is_put_off_holds_up_no_other_and_waits_for_its_turn(computer: Computer) -> None:
    """The recorder's clock was set back: its run is not over, and nothing of it is lost."""
    early, *good = computer.shelf.waiting()
    recorder = Recorder(computer, puts_off={early.claim.segment_id})
    made = sender(computer, recorder)
    made.run_once()
    assert recorder.sent == ids(good)
    recorder.puts_off.clear()
    made.run_once()
    assert recorder.reports[-1].unfinished_runs == (early.run_id,)
    assert (computer.shelf.waiting(), computer.shelf.refused()) == ([early], 0)
    assert gap_of_segment(early.claim.segment_id) not in recorder.gaps
    computer.clock.advance(301)
    made.run_once()
    assert computer.shelf.waiting() == []


def test_runs_are_named_as_unfinished_until_all_of_them_is_sent(computer: Computer) -> None:
    recorder = Recorder(computer)
    run_id = computer.shelf.waiting()[0].run_id
    sender(computer, recorder).run_once()
    sender(computer, recorder).run_once()
    assert [report.unfinished_runs for report in recorder.reports] == [(run_id,), ()]
    computer.status.recording("run-now", 5, 64, 48)
    sender(computer, recorder).run_once()
    assert recorder.reports[-1].unfinished_runs == ("run-now",)


def test_an_exchange_ends_in_time_and_says_that_more_is_waiting(computer: Computer) -> None:
    recorder = Recorder(computer)
    waiting = len(computer.shelf.waiting())
    slow = recorder.send

    def send_slowly(claim: SegmentClaim, path: Path) -> Receipt:
        computer.clock.advance(computer.settings.exchange_seconds + 1)
        return slow(claim, path)

    recorder.send = send_slowly  # type: ignore[method-assign]
    rounds = 0
    while sender(computer, recorder).run_once():
        rounds += 1
    assert len(recorder.sent) == waiting
    assert rounds == waiting - 1  # with a report before each


def test_a_fault_is_told_once_and_sending_goes_on_after_it(computer: Computer) -> None:
    recorder = Recorder(computer, answers=False)
    stop = threading.Event()
    asked: list[float] = []

    def sleep(seconds: float) -> None:
        computer.clock.advance(seconds)
        asked.append(seconds)
        recorder.answers = len(asked) > 1000
        if not computer.shelf.waiting():
            stop.set()

    computer.clock.sleep = sleep  # type: ignore[method-assign]
    sender(computer, recorder).run(stop)
    assert computer.shelf.waiting() == []


def test_an_error_that_is_no_refusal_is_tried_again(computer: Computer) -> None:
    recorder = Recorder(computer)
    send = recorder.send

    def full(claim: SegmentClaim, path: Path) -> Receipt:
        raise RecorderError("the recorder answers 507")

    recorder.send = full  # type: ignore[method-assign]
    with pytest.raises(RecorderError):
        sender(computer, recorder).run_once()
    assert computer.shelf.refused() == 0
    recorder.send = send  # type: ignore[method-assign]
    sender(computer, recorder).run_once()
    assert computer.shelf.waiting() == []


def test_a_screen_that_hangs_is_reported_within_ten_seconds(computer: Computer) -> None:
    recorder = Recorder(computer)
    sender(computer, recorder).run_once()  # the time is known from now on
    computer.status.recording("run-now", computer.times.now_us(), 64, 48)
    sender(computer, recorder).run_once()
    computer.clock.advance(11)
    sender(computer, recorder).run_once()
    assert [report.recording for report in recorder.reports] == [False, True, False]
    assert "no picture" in recorder.reports[-1].detail


def test_the_offset_is_kept_for_a_start_without_network(computer: Computer) -> None:
    sender(computer, Recorder(computer)).run_once()
    assert KeptOffset(computer.home / "clock_offset_us.json").value_us == 3 * SECOND_US
