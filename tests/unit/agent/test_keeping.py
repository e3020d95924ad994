"""What the agent keeps between its starts: segments, receipts, gaps, settings."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from agent.gaps import GapLedger
from agent.settings import AgentSettings, load_agent_settings
from agent.shelf import Entry
from kernel.errors import FixityError, SettingsError, StorageError
from kernel.model.agent import AgentGap, Receipt, gap_of_segment
from kernel.model.footage import GapCause
from kernel.timerange import TimeRange
from tests.support.agent import Computer


def record(computer: Computer, pictures: int = 40) -> list[Entry]:
    stop = threading.Event()
    script = [lambda: True] * pictures + [lambda: bool(stop.set())]
    computer.recorder(script).run(stop, "tester")
    return computer.shelf.waiting()


def receipt(entry: Entry, **other: str) -> Receipt:
    claim = entry.claim
    told = {"segment_id": claim.segment_id, "sha256": claim.sha256, **other}
    return Receipt(**told, chain="0" * 64, number=1)


def test_a_receipt_outlives_the_agent(computer: Computer) -> None:
    (entry,) = record(computer)
    computer.shelf.received(entry, receipt(entry), 5)
    computer.start()
    assert computer.shelf.waiting() == []
    assert computer.shelf.path_of(entry).exists()


def test_a_receipt_of_something_else_is_none(computer: Computer) -> None:
    (entry,) = record(computer)
    with pytest.raises(FixityError):
        computer.shelf.received(entry, receipt(entry, sha256="0" * 64), 5)
    computer.start()
    assert computer.shelf.waiting() == [entry]


def test_only_what_the_recorder_has_had_for_long_is_removed(computer: Computer) -> None:
    """Invariant 3."""
    computer.settings = computer.settings.model_copy(update={"segment_seconds": 1})
    computer.start()
    old, young, *waiting = record(computer)
    computer.shelf.received(old, receipt(old), 100)
    computer.shelf.received(young, receipt(young), 200)
    computer.shelf.sweep(150)
    kept = [computer.shelf.path_of(entry).exists() for entry in (old, young, *waiting)]
    assert kept == [False, True] + [True] * len(waiting)
    computer.start()
    assert computer.shelf.waiting() == waiting


def test_a_removal_that_was_interrupted_is_finished(computer: Computer) -> None:
    (entry,) = record(computer)
    computer.shelf.received(entry, receipt(entry), 5)
    computer.shelf.path_of(entry).unlink()
    computer.start()
    assert list(computer.shelf.directory.iterdir()) == []


def test_a_segment_that_vanished_before_it_was_sent_is_told_of(computer: Computer) -> None:
    (entry,) = record(computer)
    computer.shelf.path_of(entry).unlink()
    computer.start()
    assert computer.shelf.waiting() == []
    reasons = [path.read_text() for path in (computer.home / "aside").glob("*.reason.txt")]
    assert reasons == ["its segment is gone, and the recorder never had it\n"]
    gap_id = gap_of_segment(entry.claim.segment_id)
    gap = dict(computer.ledger.untold())[gap_id]
    assert (gap.start_us, gap.end_us, gap.cause) == (entry.start_us, entry.end_us, GapCause.CRASH)
    computer.start()
    assert [one for one, _ in computer.ledger.untold()].count(gap_id) == 1


def test_a_refused_segment_is_kept_and_tried_again_at_the_next_start(computer: Computer) -> None:
    (entry,) = record(computer)
    computer.shelf.refuse(entry, "the label of another source", again_us=1 << 62)
    assert (computer.shelf.waiting(), computer.shelf.refused()) == ([], 1)
    computer.start()
    assert computer.shelf.waiting() == [entry]


def test_a_damaged_file_is_not_whole(computer: Computer) -> None:
    (entry,) = record(computer)
    path = computer.shelf.path_of(entry)
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    assert not computer.shelf.is_whole(entry)


# --- gaps


def ledger(tmp_path: Path) -> GapLedger:
    return GapLedger(tmp_path / "gaps.json")


def test_the_first_cause_of_an_outage_stays(tmp_path: Path) -> None:
    gaps = ledger(tmp_path)
    gaps.recorded(100)
    gaps.outage(GapCause.DISK_FULL, "full")
    gaps.outage(GapCause.CAMERA_LOST, "lost")
    gaps.resumed(300, GapCause.NOT_RECORDING, "starting")
    ((_, gap),) = ledger(tmp_path).untold()
    assert gap == AgentGap(start_us=100, end_us=300, cause=GapCause.DISK_FULL, detail="full")


def test_nothing_is_missing_before_the_first_footage(tmp_path: Path) -> None:
    gaps = ledger(tmp_path)
    gaps.outage(GapCause.NOT_RECORDING, "not running")
    gaps.resumed(300, GapCause.NOT_RECORDING, "starting")
    gaps.stopped("tester", 400)
    assert gaps.untold() == []


def test_a_gap_that_was_told_open_is_told_again_when_it_ends(tmp_path: Path) -> None:
    gaps = ledger(tmp_path)
    gaps.recorded(100)
    gaps.outage(GapCause.DISK_FULL, "full")
    ((gap_id, lasting),) = gaps.untold()
    gaps.told(gap_id, lasting)
    assert ledger(tmp_path).untold() == []
    gaps.resumed(300, GapCause.NOT_RECORDING, "starting")
    gaps.told(gap_id, lasting)  # an answer that came late
    ((again, ended),) = ledger(tmp_path).untold()
    assert (again, ended.end_us) == (gap_id, 300)
    gaps.told(again, ended)
    assert ledger(tmp_path).untold() == []


def test_a_gap_that_was_none_is_taken_back(tmp_path: Path) -> None:
    gaps = ledger(tmp_path)
    gaps.recorded(100)
    gaps.outage(GapCause.NOT_RECORDING, "not running")
    gaps.resumed(90, GapCause.NOT_RECORDING, "starting")  # the time was corrected backward
    ((_, gap),) = gaps.untold()
    assert gap.start_us == gap.end_us


def test_a_stop_during_an_outage_is_a_gap_of_its_own(tmp_path: Path) -> None:
    gaps = ledger(tmp_path)
    gaps.recorded(100)
    gaps.outage(GapCause.CAMERA_LOST, "lost")
    gaps.stopped("tester", 200)
    told = [(gap.start_us, gap.end_us, gap.cause) for _, gap in gaps.untold()]
    assert told == [(100, 200, GapCause.CAMERA_LOST), (200, None, GapCause.STOPPED)]


def test_a_damaged_ledger_is_an_error_and_not_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "gaps.json").write_text("{")
    with pytest.raises(StorageError):
        ledger(tmp_path)


def test_a_lasting_gap_begins_behind_footage_that_was_recovered(tmp_path: Path) -> None:
    gaps = ledger(tmp_path)
    gaps.recorded(100)
    gaps.outage(GapCause.DISK_LOST, "gone")
    ((gap_id, lasting),) = gaps.untold()
    gaps.told(gap_id, lasting)
    gaps.recorded(150)  # at the next start
    ((again, moved),) = gaps.untold()
    assert (again, moved.start_us, moved.end_us) == (gap_id, 150, None)


def test_a_lost_segment_stays_a_gap_until_it_arrives(tmp_path: Path) -> None:
    """Invariant 5; over starts of the agent, and however often it is said."""
    ledger(tmp_path).lost("seg-1", TimeRange(start_us=100, end_us=200), GapCause.GARBAGE, "refused")
    ((gap_id, gap),) = ledger(tmp_path).untold()
    assert gap == AgentGap(start_us=100, end_us=200, cause=GapCause.GARBAGE, detail="refused")
    ledger(tmp_path).told(gap_id, gap)
    gaps = ledger(tmp_path)
    gaps.lost("seg-1", TimeRange(start_us=100, end_us=200), GapCause.GARBAGE, "refused")
    gaps.arrived("seg-2")
    assert gaps.untold() == []
    gaps.arrived("seg-1")
    ((again, taken_back),) = ledger(tmp_path).untold()
    assert (again, taken_back.start_us, taken_back.end_us) == (gap_id, 100, 100)
    gaps.told(again, taken_back)
    gaps.arrived("seg-1")
    assert ledger(tmp_path).untold() == []


# --- settings

WRITTEN = 'recorder = "https://r:8443"\nsource = "desk-1"\ntoken = "hush-hush"\n'


def test_what_enrol_writes_can_be_used(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(WRITTEN)
    settings = load_agent_settings(path)
    assert settings == AgentSettings(recorder="https://r:8443", source="desk-1", token="hush-hush")  # type: ignore
    assert "hush" not in repr(settings)


@pytest.mark.parametrize(
    "more",
    [
        "unknown = 1\n",
        'recorder = "http://r"\n',
        'recorder = "https://user:hush-hush@r"\n',
        'certificate_sha256 = "hush-hush"\n',
        "token = hush-hush\n",
        'source = ""\n',
        "frames_per_second = 0\n",
    ],
)
def test_settings_that_cannot_be_used_are_refused_without_a_secret(tmp_path: Path, more: str) -> None:
    """Invariant 16."""
    path = tmp_path / "agent.toml"
    key = more.split(" ")[0]
    path.write_text("".join(line for line in WRITTEN.splitlines(True) if not line.startswith(key)) + more)
    with pytest.raises(SettingsError) as told:
        load_agent_settings(path)
    assert "hush" not in str(told.value)
