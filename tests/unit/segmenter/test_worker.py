"""The segmenter cuts when the footage is there, not before, and does not wait for ever."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.catalogue import Catalogue
from kernel.clock import SECOND_US, FakeClock
from kernel.model.cut import Clip, CutList
from kernel.model.footage import ClockBasis, EndReason, Gap, GapCause, Segment
from kernel.model.timeline import SeatOccupation, SessionState
from kernel.settings import CutSettings
from kernel.timerange import TimeRange
from segmenter.worker import Segmenter
from tests.support.catalogue import add_segments, add_session, open_catalogue
from tests.support.centre import Centre, moment, session

START = 1_772_420_400 * SECOND_US
SETTINGS = CutSettings(pre_roll_seconds=10, post_roll_seconds=30, settle_seconds=60)
ENDS = 130  # seconds after START: the end event at 100 and the post-roll


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    opened = open_catalogue(tmp_path)
    add_session(opened, START, START + 100 * SECOND_US)
    yield opened
    opened.close()


def at(catalogue: Catalogue, seconds: float) -> list[CutList]:
    clock = FakeClock(START + round(seconds * SECOND_US))
    return Segmenter(catalogue, SETTINGS, clock).run_once()


def record(
    catalogue: Catalogue, source: str, start: float, end: float, number: int = 0, ended: bool = True
) -> None:
    segment = Segment(
        id=f"{source}-{number}",
        run_id=f"run-{source}-{number}",
        source_id=source,
        sequence=number,
        wall=TimeRange(start_us=START + round(start * SECOND_US), end_us=START + round(end * SECOND_US)),
        media_start=0,
        media_duration=1,
        timescale=90_000,
        clock_basis=ClockBasis.SENDER_REPORT,
        clock_offset_us=0,
        path=f"{source}-{number}.mp4",
        size_bytes=1,
        sha256="0" * 64,
        chain="0" * 64,
        end_reason=EndReason.LENGTH,
    )
    add_segments(catalogue, [segment], ended=ended)


def lose(catalogue: Catalogue, source: str, start: float, end: float | None) -> None:
    gap = Gap(
        id=f"gap-{source}",
        source_id=source,
        start_us=START + round(start * SECOND_US),
        end_us=None if end is None else START + round(end * SECOND_US),
        cause=GapCause.CAMERA_LOST,
        detail="no answer",
    )
    if end is None:
        catalogue.footage.open_gap(gap)
    else:
        catalogue.footage.add_gap(gap)


def state(catalogue: Catalogue) -> SessionState:
    session = catalogue.sessions.get("P-O")
    assert session is not None
    return session.state


def clip(cuts: list[CutList], source: str = "cam") -> Clip:
    (cut,) = cuts
    return next(one for one in cut.clips if one.source_id == source)


def test_nothing_is_cut_before_the_post_roll_is_over(catalogue: Catalogue) -> None:
    for source in ("cam", "screen"):
        record(catalogue, source, -20, 200)
    assert at(catalogue, ENDS - 0.001) == []
    assert state(catalogue) is SessionState.ENDED
    assert len(at(catalogue, ENDS)) == 1


def test_a_session_whose_footage_is_in_the_ring_is_cut_at_once_and_once_only(catalogue: Catalogue) -> None:
    for source in ("cam", "screen"):
        record(catalogue, source, -20, ENDS)
    found = at(catalogue, ENDS)
    assert clip(found).gaps == clip(found, "screen").gaps == ()
    assert catalogue.clips.of_session("P-O") == list(found[0].clips)
    assert state(catalogue) is SessionState.CUT
    assert at(catalogue, ENDS + 1) == []
    progress = catalogue.archives.progress("P-O")
    assert progress is not None
    assert (progress.step, progress.detail) == ("cut", "2 clips, 0 gaps")


def test_footage_that_is_not_sealed_yet_is_waited_for(catalogue: Catalogue) -> None:
    record(catalogue, "screen", -20, ENDS)
    record(catalogue, "cam", -20, 110)
    assert at(catalogue, ENDS + 5) == []
    record(catalogue, "cam", 110, ENDS + 1, 1)
    assert clip(at(catalogue, ENDS + 5)).gaps == ()


def test_footage_that_never_comes_is_not_waited_for_longer_than_the_set_time(catalogue: Catalogue) -> None:
    record(catalogue, "screen", -20, ENDS)
    record(catalogue, "cam", -20, 110)
    assert at(catalogue, ENDS + 59.999) == []
    missing = clip(at(catalogue, ENDS + 60)).gaps
    assert [(gap.cause, gap.wall.duration_us) for gap in missing] == [
        (GapCause.NOT_RECORDING, 20 * SECOND_US)
    ]


def test_footage_that_is_not_sealed_yet_is_waited_for_far_longer(catalogue: Catalogue) -> None:
    """A recorder that fell seals its last minute when it starts again; cut before, it would be missing."""
    record(catalogue, "screen", -20, ENDS)
    record(catalogue, "cam", -20, 110, ended=False)
    assert at(catalogue, ENDS + 60) == []
    assert at(catalogue, ENDS + 6 * 3600 - 1) == []
    assert len(at(catalogue, ENDS + 6 * 3600)) == 1


def test_a_hole_over_the_end_does_not_hide_footage_that_is_not_sealed(catalogue: Catalogue) -> None:
    record(catalogue, "screen", -20, ENDS)
    record(catalogue, "cam", -20, 100, ended=False)
    lose(catalogue, "cam", ENDS - 5, ENDS + 5)
    assert at(catalogue, ENDS + 10) == []


def test_a_gap_that_reaches_beyond_the_end_says_that_nothing_more_will_come(catalogue: Catalogue) -> None:
    record(catalogue, "screen", -20, ENDS)
    record(catalogue, "cam", -20, 110)
    lose(catalogue, "cam", 110, ENDS + 2)
    missing = clip(at(catalogue, ENDS + 3)).gaps
    assert [gap.cause for gap in missing] == [GapCause.CAMERA_LOST]


def test_a_gap_that_is_over_before_the_end_says_nothing_of_what_follows(catalogue: Catalogue) -> None:
    record(catalogue, "screen", -20, ENDS)
    record(catalogue, "cam", -20, 110)
    lose(catalogue, "cam", 110, ENDS - 1)
    assert at(catalogue, ENDS + 20) == []


def test_a_gap_that_lasts_counts_only_after_a_new_run_could_have_shown_itself(catalogue: Catalogue) -> None:
    record(catalogue, "screen", -20, ENDS)
    record(catalogue, "cam", -20, 110)
    lose(catalogue, "cam", 110, None)
    assert at(catalogue, ENDS + 9.999) == []
    assert [gap.cause for gap in clip(at(catalogue, ENDS + 10)).gaps] == [GapCause.CAMERA_LOST]


def test_one_source_that_lags_holds_up_the_whole_session(catalogue: Catalogue) -> None:
    record(catalogue, "cam", -20, ENDS)
    assert at(catalogue, ENDS + 5) == []
    record(catalogue, "screen", -20, ENDS)
    assert len(at(catalogue, ENDS + 5)) == 1


def test_footage_dated_after_the_session_does_not_stand_for_its_missing_end(catalogue: Catalogue) -> None:
    """A clock that ran ahead and was set back (invariant 17): the last minutes are still on their way."""
    record(catalogue, "screen", -20, ENDS)
    record(catalogue, "cam", 3600, 3660, 0)
    record(catalogue, "cam", -20, 110, 1)
    assert at(catalogue, ENDS + 5) == []
    record(catalogue, "cam", 110, ENDS, 2)
    assert clip(at(catalogue, ENDS + 5)).gaps == ()


def test_a_session_that_changes_while_it_is_cut_is_cut_as_it_is_then(
    centre: Centre, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The correction came after its timeline was read; fixed now, it would be lost."""
    centre.plan(session("S", "CO"))
    centre.record("co-cam", 0, 500)
    end = centre.hold("S", 100, 200)
    record = centre.catalogue.clips.record

    def correct_first(cut: CutList, at_us: int = 0) -> list[Clip]:
        monkeypatch.undo()
        centre.tell("S", "session.end", 220, replaces=end)
        return record(cut, at_us)

    monkeypatch.setattr(centre.catalogue.clips, "record", correct_first)
    assert centre.cut(260) == []
    assert centre.state("S") is SessionState.ENDED
    assert "[error" not in capsys.readouterr().out
    assert len(centre.cut(261)) == 1
    assert centre.span("S", "co-cam") == (90, 250)


def test_a_session_without_sources_is_not_cut_to_nothing_at_once(
    centre: Centre, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who sits where is often told after the end."""
    centre.plan(session("S", "HALL"))
    centre.record("hall-1-face", 0, 500)
    centre.hold("S", 100, 200)
    for seconds in (200, 261, 400):
        centre.cut(seconds)
        assert centre.state("S") is SessionState.ENDED
    assert capsys.readouterr().out.count("Session S has no sources") == 1
    seats = [SeatOccupation(seat_id="hall-1", member="E1")]
    centre.catalogue.sessions.set_seats("S", seats, principal="test", reason="late", at_us=moment(401))
    centre.cut(402)
    assert centre.state("S") is SessionState.CUT
    assert [clip.source_id for clip in centre.clips("S")] == ["hall-1-face"]


def test_a_session_without_sources_is_not_waited_for_for_ever(centre: Centre) -> None:
    centre.plan(session("S", "HALL"))
    centre.hold("S", 100, 200)
    centre.cut(200 + 6 * 3600 - 1)
    assert centre.state("S") is SessionState.ENDED
    centre.cut(200 + 6 * 3600)
    assert (centre.state("S"), centre.clips("S")) == (SessionState.CUT, [])


def test_a_session_that_still_runs_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    catalogue = open_catalogue(tmp_path / "new")
    assert at(catalogue, 10_000) == []
    catalogue.close()


def test_a_segmenter_that_starts_anew_loses_nothing(catalogue: Catalogue) -> None:
    clock = FakeClock(START + ENDS * SECOND_US)
    assert Segmenter(catalogue, SETTINGS, clock).run_once() == []
    clock.sleep(60)
    assert len(Segmenter(catalogue, SETTINGS, clock).run_once()) == 1
