"""Segments from agents on their way into the ring: whole or not at all, once, and in nobody else's name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.shelf import Entry
from capture.agent_intake import IncomingSegment
from capture.recover import recover
from cli.check import chain_faults
from kernel.clock import SECOND_US, FakeClock
from kernel.desired import Want
from kernel.errors import (
    CatalogError,
    DiskFull,
    DiskLost,
    FixityError,
    FootageConflict,
    FootageError,
    SegmentNotYet,
)
from kernel.model.agent import AgentGap, AgentReport, SegmentClaim, gap_of_segment
from kernel.model.footage import ClockBasis, EndReason, Fault, GapCause, Run, RunOrigin, SourceState
from kernel.timerange import TimeRange
from tests.support.agent import SOURCE, Computer, recorded_computer
from tests.support.receiver import OTHER, Receiver, receiver

EVER = TimeRange(start_us=0, end_us=1 << 62)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def centre(tmp_path: Path, clock: FakeClock) -> Iterator[Receiver]:
    with receiver(tmp_path / "centre", clock) as made:
        yield made


@pytest.fixture
def computer(tmp_path: Path, clock: FakeClock) -> Computer:
    return recorded_computer(tmp_path / "agent", clock, segment_seconds=1)


def begin(centre: Receiver, computer: Computer, entry: Entry, source: str = SOURCE) -> IncomingSegment:
    upload = centre.intake.begin(source, entry.claim)
    upload.write(computer.shelf.path_of(entry).read_bytes())
    return upload


def send(centre: Receiver, computer: Computer, entry: Entry) -> None:
    upload = begin(centre, computer, entry)
    try:
        upload.finish()
    finally:
        upload.close()


def files(centre: Receiver) -> list[str]:
    return sorted(path.name for path in centre.ring.rglob("*") if path.is_file() and path.name[0] != ".")


def report(*runs: str, recording: bool = True) -> AgentReport:
    return AgentReport(
        recording=recording,
        detail="",
        last_frame_us=5,
        clock_offset_us=-7,
        waiting=0,
        refused=0,
        unfinished_runs=runs,
    )


def test_what_comes_late_is_chained_in_the_order_of_sealing(centre: Receiver, computer: Computer) -> None:
    entries = computer.shelf.waiting()
    for entry in reversed(entries):
        send(centre, computer, entry)
    footage = centre.catalogue.footage
    rows = footage.segments_of(SOURCE, EVER)
    assert [row.id for row in rows] == [entry.claim.segment_id for entry in entries]
    assert [(row.wall.start_us, row.wall.end_us) for row in rows] == [(e.start_us, e.end_us) for e in entries]
    assert {row.clock_basis for row in rows} == {ClockBasis.AGENT}
    assert list(chain_faults(SOURCE, footage.chain_of(SOURCE))) == []
    chained = [row.id for _, row in footage.chain_of(SOURCE)]
    assert chained == [entry.claim.segment_id for entry in reversed(entries)]
    for row, entry in zip(rows, entries, strict=True):
        assert (centre.ring / row.path).read_bytes() == computer.shelf.path_of(entry).read_bytes()
    run = footage.run(entries[0].run_id)
    assert run is not None
    assert (run.origin, run.started_us) == (RunOrigin.AGENT, entries[0].start_us)
    assert (run.ended_us, run.end_reason) == (entries[-1].end_us, EndReason.STOPPED)


def test_a_segment_sent_twice_has_one_row_one_file_one_receipt(centre: Receiver, computer: Computer) -> None:
    entry = computer.shelf.waiting()[0]
    first, second = begin(centre, computer, entry), begin(centre, computer, entry)
    receipts = [first.finish(), second.finish(), centre.intake.receipt(SOURCE, entry.claim)]
    first.close()
    second.close()
    assert receipts[0] == receipts[1] == receipts[2]
    assert files(centre) == [entry.name + ".mp4"]
    assert len(centre.catalogue.footage.segments_of(SOURCE, EVER)) == 1


def test_other_content_under_an_id_is_refused(centre: Receiver, computer: Computer) -> None:
    entry, another = computer.shelf.waiting()[:2]
    send(centre, computer, entry)
    changed = replace(entry.claim, sha256=another.claim.sha256)
    with pytest.raises(FootageConflict):
        centre.intake.receipt(SOURCE, changed)
    known = centre.intake.known(SOURCE, [entry.claim, changed, another.claim])
    assert [one.segment_id for one in known.receipts] == [entry.claim.segment_id]
    assert known.conflicts == (entry.claim.segment_id,)
    assert known.missing == (another.claim.segment_id,)


def test_the_segment_of_another_source_is_no_receipt(centre: Receiver, computer: Computer) -> None:
    entry = computer.shelf.waiting()[0]
    send(centre, computer, entry)
    with pytest.raises(FootageConflict):
        centre.intake.receipt(OTHER, entry.claim)


@pytest.mark.parametrize("size", [0, 1, 700, -1])
def test_a_torn_upload_leaves_nothing(centre: Receiver, computer: Computer, size: int) -> None:
    entry = computer.shelf.waiting()[0]
    upload = centre.intake.begin(SOURCE, entry.claim)
    upload.write(computer.shelf.path_of(entry).read_bytes()[:size])
    with pytest.raises(FixityError):
        upload.finish()
    upload.close()
    assert files(centre) == []
    send(centre, computer, entry)


def test_an_upload_that_a_crash_cut_off_is_cleared_at_the_next_start(
    centre: Receiver, computer: Computer
) -> None:
    begin(centre, computer, computer.shelf.waiting()[0])._file.close()  # and no more
    (left,) = files(centre)
    assert left.endswith(".incoming")
    assert recover(centre.ring, centre.catalogue.footage).segments == 0  # the recorder starts meanwhile
    assert files(centre) == [left]
    centre.start()
    assert files(centre) == []


def test_a_crash_between_name_and_row_is_settled_by_the_receiver_alone(
    centre: Receiver, computer: Computer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invariant 2; the recorder's ``recover`` would give it another origin and clock."""
    entry = computer.shelf.waiting()[0]
    with monkeypatch.context() as broken:
        broken.setattr(centre.catalogue.footage, "add_segment", _fail)
        with pytest.raises(CatalogError):
            send(centre, computer, entry)
    assert files(centre) == [entry.name + ".mp4"]
    assert recover(centre.ring, centre.catalogue.footage).segments == 0
    centre.start()
    (row,) = centre.catalogue.footage.segments_of(SOURCE, EVER)
    assert (row.sha256, row.clock_basis) == (entry.claim.sha256, ClockBasis.AGENT)
    receipt = centre.intake.receipt(SOURCE, entry.claim)
    assert receipt is not None and receipt.number == 1


def test_a_file_without_a_row_gets_it_when_the_segment_is_sent_again(
    centre: Receiver, computer: Computer, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = computer.shelf.waiting()[0]
    with monkeypatch.context() as broken:
        broken.setattr(centre.catalogue.footage, "add_segment", _fail)
        with pytest.raises(CatalogError):
            send(centre, computer, entry)
    send(centre, computer, entry)
    assert files(centre) == [entry.name + ".mp4"]
    assert len(centre.catalogue.footage.segments_of(SOURCE, EVER)) == 1


def _fail(*_: object) -> None:
    raise CatalogError


def test_a_start_of_the_recorder_ends_no_agents_run(centre: Receiver, computer: Computer) -> None:
    send(centre, computer, computer.shelf.waiting()[0])
    recover(centre.ring, centre.catalogue.footage)
    assert [run.id for run in centre.catalogue.footage.unfinished_runs()] == [
        computer.shelf.waiting()[0].run_id
    ]
    assert centre.catalogue.footage.open_gaps() == []


# --- what is no segment of that agent


def test_a_label_of_another_source_is_refused(centre: Receiver, computer: Computer) -> None:
    upload = begin(centre, computer, computer.shelf.waiting()[0], source=OTHER)
    with pytest.raises(FootageError, match="label of another source"):
        upload.finish()
    upload.close()
    assert files(centre) == []


def _refused(centre: Receiver, claim: SegmentClaim, data: bytes, why: str) -> None:
    claim = replace(claim, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
    upload = centre.intake.begin(SOURCE, claim)
    upload.write(data)
    with pytest.raises(FootageError, match=why):
        upload.finish()
    upload.close()
    assert files(centre) == []
    assert centre.catalogue.footage.segments_of(SOURCE, EVER) == []


def test_bytes_that_are_no_whole_segment_are_refused(centre: Receiver, computer: Computer) -> None:
    entry = computer.shelf.waiting()[0]
    data = computer.shelf.path_of(entry).read_bytes()
    _refused(centre, entry.claim, data + b"\0\0\0\1", "behind its last fragment")
    _refused(centre, entry.claim, b"<html>" * 100, "nothing that can be read")
    _refused(centre, replace(entry.claim, segment_id="seg-1"), data, "another id")
    label_run = entry.run_id.encode()
    _refused(centre, entry.claim, data.replace(label_run, b"../../../../etc/x" + label_run[17:]), "run's id")
    _refused(centre, entry.claim, data.replace(b'"agent"', b'"live"' + b" "), "not an agent's")


def test_a_time_that_cannot_be_is_refused(centre: Receiver, computer: Computer) -> None:
    entry = computer.shelf.waiting()[0]
    data = computer.shelf.path_of(entry).read_bytes()
    centre.clock.step_wall(-3600)
    _refused(centre, entry.claim, data, "in the future")


def test_what_lies_in_the_future_is_refused_for_now_only(centre: Receiver, computer: Computer) -> None:
    """The recorder's clock was set back for a while; an agent must not take that for the last word."""
    entry = computer.shelf.waiting()[0]
    centre.clock.step_wall(-3600)
    with pytest.raises(SegmentNotYet, match="in the future"):
        centre.link().send(entry.claim, computer.shelf.path_of(entry))
    centre.clock.step_wall(3600)
    centre.link().send(entry.claim, computer.shelf.path_of(entry))


def test_more_than_was_said_is_refused_while_it_comes(centre: Receiver, computer: Computer) -> None:
    entry = computer.shelf.waiting()[0]
    upload = begin(centre, computer, entry)
    with pytest.raises(FootageError, match="longer"):
        upload.write(b"\0")
    upload.close()


def test_a_segment_beyond_the_limit_is_refused_before_it_comes(centre: Receiver, computer: Computer) -> None:
    claim = replace(computer.shelf.waiting()[0].claim, size_bytes=1 << 23)
    with pytest.raises(FootageError, match="segment_max_bytes"):
        centre.intake.begin(SOURCE, claim)


def test_the_rings_reserve_is_respected(centre: Receiver, computer: Computer) -> None:
    """Invariant 8."""
    centre.free = centre.settings.ring.reserve_bytes
    with pytest.raises(DiskFull):
        centre.intake.begin(SOURCE, computer.shelf.waiting()[0].claim)
    assert files(centre) == []


def test_nothing_is_written_through_a_missing_mount(centre: Receiver, computer: Computer) -> None:
    def gone(_: Path) -> int:
        raise DiskLost

    centre.intake._free = gone
    with pytest.raises(DiskLost):
        centre.intake.begin(SOURCE, computer.shelf.waiting()[0].claim)
    assert list(centre.ring.iterdir()) == []


# --- health, runs and gaps


def test_an_agent_that_falls_silent_is_lost_until_it_is_heard(centre: Receiver, computer: Computer) -> None:
    entries = computer.shelf.waiting()
    send(centre, computer, entries[0])
    centre.intake.heard(SOURCE, report(entries[0].run_id))
    footage = centre.catalogue.footage
    assert footage.health()[SOURCE].state is SourceState.RECORDING
    assert footage.health()[SOURCE].clock_offset_us == -7
    centre.clock.advance(31)
    centre.intake.watch()
    assert footage.health()[SOURCE].state is SourceState.LOST
    (gap,) = footage.gaps_of(SOURCE, EVER)
    assert (gap.start_us, gap.end_us, gap.cause) == (entries[0].end_us, None, GapCause.NETWORK)
    centre.intake.heard(SOURCE, report(entries[0].run_id))
    assert footage.gaps_of(SOURCE, EVER) == []  # what is missing is on its way
    assert footage.health()[SOURCE].state is SourceState.RECORDING


def test_an_agent_that_was_never_heard_is_missing_from_the_start(centre: Receiver) -> None:
    started_us = centre.clock.now_us()
    centre.clock.advance(31)
    centre.intake.watch()
    (gap,) = centre.catalogue.footage.gaps_of(OTHER, EVER)
    assert (gap.start_us, gap.end_us, gap.cause) == (started_us, None, GapCause.NOT_RECORDING)
    told = centre.catalogue.footage.health()[OTHER]
    assert told.state is SourceState.LOST
    for remedy in ("never heard", "jianzheng-agent", "enrol", "port 8443", "firewall", "token"):
        assert remedy in told.detail
    assert "cable" not in told.detail
    assert gap.fault is told.fault is Fault.AGENT_NEVER_HEARD


def first_gap(centre: Receiver) -> tuple[int, int | None, GapCause]:
    (gap,) = [gap for gap in centre.catalogue.footage.gaps_of(SOURCE, EVER) if gap.id.startswith("assumed")]
    return gap.start_us, gap.end_us, gap.cause


@pytest.mark.parametrize("contact_s", [5, 3600])
def test_the_time_before_the_first_footage_of_an_agent_is_a_gap(
    centre: Receiver, tmp_path: Path, contact_s: int
) -> None:
    """Invariant 5: to be heard takes nothing of it back, whether it was thought lost by then or not."""
    started_us = centre.clock.now_us()
    centre.intake.watch()
    centre.clock.advance(contact_s)
    centre.intake.watch()
    centre.intake.heard(SOURCE, report(recording=False))
    centre.clock.advance(7)
    computer = recorded_computer(tmp_path / "late", centre.clock, segment_seconds=1)
    entries = computer.shelf.waiting()
    centre.intake.heard(SOURCE, report(entries[0].run_id))
    assert first_gap(centre) == (started_us, None, GapCause.NOT_RECORDING)
    for entry in entries:
        send(centre, computer, entry)
    assert first_gap(centre) == (started_us, entries[0].start_us, GapCause.NOT_RECORDING)
    centre.intake.watch()
    assert centre.catalogue.footage.open_gaps() == [
        gap for gap in centre.catalogue.footage.open_gaps() if gap.source_id == OTHER
    ]


def test_a_new_start_of_the_receiver_does_not_shorten_the_time_before_the_first_footage(
    centre: Receiver, tmp_path: Path
) -> None:
    started_us = centre.clock.now_us()
    centre.intake.watch()
    centre.clock.advance(100)
    centre.start()
    centre.intake.watch()
    computer = recorded_computer(tmp_path / "late", centre.clock, segment_seconds=1)
    send(centre, computer, computer.shelf.waiting()[0])
    assert first_gap(centre)[:2] == (started_us, computer.shelf.waiting()[0].start_us)


def test_what_was_recorded_before_the_receiver_was_there_takes_back_what_was_assumed(
    centre: Receiver, computer: Computer
) -> None:
    """A declared gap would hide it when clips are cut."""
    centre.start()
    centre.intake.watch()
    for entry in reversed(computer.shelf.waiting()):
        send(centre, computer, entry)
    assert centre.catalogue.footage.gaps_of(SOURCE, EVER) == []


def test_an_agent_that_lost_its_disk_leaves_no_time_untold(centre: Receiver, tmp_path: Path) -> None:
    """It knows nothing of what it was before, and tells no gap (invariant 5)."""
    old = recorded_computer(tmp_path / "old", centre.clock, segment_seconds=1)
    for entry in old.shelf.waiting():
        send(centre, old, entry)
    centre.clock.advance(600)
    centre.intake.watch()
    new = recorded_computer(tmp_path / "new", centre.clock, segment_seconds=1)
    first, *others = new.shelf.waiting()
    centre.intake.heard(SOURCE, report(first.run_id))
    for entry in (first, *others):
        send(centre, new, entry)
    assert first_gap(centre) == (old.shelf.waiting()[-1].end_us, first.start_us, GapCause.NOT_RECORDING)


def test_what_an_agent_tells_itself_is_not_assumed_as_well(centre: Receiver, tmp_path: Path) -> None:
    old = recorded_computer(tmp_path / "agent", centre.clock, segment_seconds=1)
    for entry in old.shelf.waiting():
        send(centre, old, entry)
    centre.clock.advance(600)
    new = recorded_computer(tmp_path / "agent", centre.clock, segment_seconds=1)
    told = new.ledger.untold()
    fresh = [entry for entry in new.shelf.waiting() if entry.start_us > old.shelf.waiting()[-1].end_us]
    for entry in fresh:  # before its word, and then the word
        send(centre, new, entry)
    for gap_id, gap in told:
        centre.intake.told_gap(SOURCE, gap_id, gap)
    gaps = centre.catalogue.footage.gaps_of(SOURCE, EVER)
    assert [gap.cause for gap in gaps] == [GapCause.STOPPED, GapCause.STOPPED]
    assert (gaps[0].end_us, gaps[1].end_us) == (fresh[0].start_us, None)


def test_an_older_run_that_comes_late_is_not_hidden_by_what_was_assumed(
    centre: Receiver, tmp_path: Path
) -> None:
    computers = []
    for name in ("one", "two", "three"):
        computers.append(recorded_computer(tmp_path / name, centre.clock, segment_seconds=1))
        centre.clock.advance(100)
    for computer in (computers[0], computers[2], computers[1]):
        for entry in computer.shelf.waiting():
            send(centre, computer, entry)
    one, two, three = (made.shelf.waiting() for made in computers)
    gaps = centre.catalogue.footage.gaps_of(SOURCE, EVER)
    assert [(gap.start_us, gap.end_us) for gap in gaps] == [
        (one[-1].end_us, two[0].start_us),
        (two[-1].end_us, three[0].start_us),
    ]


def test_a_booked_agent_is_missed_while_it_is_wanted_only(centre: Receiver, tmp_path: Path) -> None:
    wants: dict[str, Want] = {}
    centre.wanted = lambda: wants
    centre.start()
    centre.clock.advance(100)
    centre.intake.watch()
    footage = centre.catalogue.footage
    assert footage.gaps_of(SOURCE, EVER) == []
    since_us = centre.clock.now_us()
    wants[SOURCE] = Want(why="booking 1", since_us=since_us)
    centre.clock.advance(50)
    centre.intake.watch()
    assert first_gap(centre) == (since_us, None, GapCause.NOT_RECORDING)
    wants.clear()
    centre.clock.advance(5)
    centre.intake.watch()
    assert first_gap(centre) == (since_us, since_us + 55 * SECOND_US, GapCause.NOT_RECORDING)
    assert footage.open_gaps() == []


def test_a_booked_agent_whose_footage_comes_after_the_booking_missed_nothing(
    centre: Receiver, tmp_path: Path
) -> None:
    wants = {SOURCE: Want(why="booking 1", since_us=centre.clock.now_us())}
    centre.wanted = lambda: wants
    centre.start()
    computer = recorded_computer(tmp_path / "unheard", centre.clock, segment_seconds=1)
    centre.intake.watch()
    wants.clear()
    centre.intake.watch()
    for entry in computer.shelf.waiting():
        send(centre, computer, entry)
    (gap,) = centre.catalogue.footage.gaps_of(SOURCE, EVER)
    assert gap.end_us == computer.shelf.waiting()[0].start_us


def test_an_agent_that_said_why_it_stops_is_not_lost(centre: Receiver) -> None:
    told = AgentGap(start_us=5, end_us=None, cause=GapCause.STOPPED, detail="Stopped by tester.")
    centre.intake.heard(SOURCE, report(recording=False))
    centre.intake.told_gap(SOURCE, "gap-1", told)
    centre.clock.advance(31)
    centre.intake.watch()
    told_by_it = [gap for gap in centre.catalogue.footage.gaps_of(SOURCE, EVER) if gap.id == "gap-1"]
    assert [gap.cause for gap in told_by_it] == [GapCause.STOPPED]
    assert "never heard" not in centre.catalogue.footage.health()[SOURCE].detail


def test_a_long_upload_is_a_sign_of_life(centre: Receiver, computer: Computer) -> None:
    entry = computer.shelf.waiting()[0]
    upload = centre.intake.begin(SOURCE, entry.claim)
    centre.clock.advance(29)
    upload.write(b"\0")
    centre.clock.advance(29)
    centre.intake.watch()
    upload.close()
    health = centre.catalogue.footage.health()
    assert [one for one, row in health.items() if row.state is SourceState.LOST] == [OTHER]


def test_a_run_stays_open_while_the_agent_may_have_more_of_it(centre: Receiver, computer: Computer) -> None:
    """The cutter waits for it; a run that a crash ended has no segment that says so."""
    entry = computer.shelf.waiting()[0]
    send(centre, computer, entry)
    footage = centre.catalogue.footage
    centre.intake.heard(SOURCE, report(entry.run_id))
    assert [run.id for run in footage.unfinished_runs()] == [entry.run_id]
    centre.intake.heard(SOURCE, report("run-of-the-next-start"))
    run = footage.run(entry.run_id)
    assert run is not None
    assert (run.ended_us, run.end_reason) == (entry.end_us, EndReason.CRASH)


def test_a_gap_is_the_same_however_often_it_is_told(centre: Receiver) -> None:
    lasting = AgentGap(start_us=10 * SECOND_US, end_us=None, cause=GapCause.DISK_FULL, detail="full")
    footage = centre.catalogue.footage
    for told in (lasting, lasting, replace(lasting, end_us=20 * SECOND_US)):
        centre.intake.told_gap(SOURCE, "gap-1", told)
    assert [(gap.start_us, gap.end_us) for gap in footage.gaps_of(SOURCE, EVER)] == [
        (10 * SECOND_US, 20 * SECOND_US)
    ]
    with pytest.raises(CatalogError):
        centre.intake.told_gap(OTHER, "gap-1", lasting)
    centre.intake.told_gap(SOURCE, "gap-1", replace(lasting, end_us=lasting.start_us))
    assert footage.gaps_of(SOURCE, EVER) == []


def test_the_gap_of_a_segment_hides_nothing_that_is_here_under_its_id(
    centre: Receiver, computer: Computer
) -> None:
    """A declared gap beats footage when clips are cut."""
    entry, missing = computer.shelf.waiting()[:2]
    send(centre, computer, entry)
    for one in (entry, missing):
        told = AgentGap(start_us=one.start_us, end_us=one.end_us, cause=GapCause.GARBAGE, detail="")
        centre.intake.told_gap(SOURCE, gap_of_segment(one.claim.segment_id), told)
    (gap,) = centre.catalogue.footage.gaps_of(SOURCE, EVER)
    assert (gap.start_us, gap.end_us) == (missing.start_us, missing.end_us)


def test_a_gap_that_the_agent_told_is_not_taken_back_when_it_is_heard(centre: Receiver) -> None:
    """Invariant 5: only what was supposed for want of news is."""
    lasting = AgentGap(start_us=10 * SECOND_US, end_us=None, cause=GapCause.DISK_FULL, detail="full")
    centre.intake.told_gap(SOURCE, "gap-1", lasting)
    centre.intake.heard(SOURCE, report(recording=False))
    (gap,) = centre.catalogue.footage.gaps_of(SOURCE, EVER)
    assert (gap.id, gap.cause) == ("gap-1", GapCause.DISK_FULL)


def test_a_run_of_another_source_takes_no_segment(centre: Receiver, computer: Computer) -> None:
    others = "run-" + "f" * 32
    centre.catalogue.footage.start_run(
        Run(id=others, source_id=OTHER, started_us=1, ended_us=None, end_reason=None, origin=RunOrigin.AGENT)
    )
    entry = computer.shelf.waiting()[0]
    data = computer.shelf.path_of(entry).read_bytes().replace(entry.run_id.encode(), others.encode())
    _refused(centre, entry.claim, data, "not this agent's")
