"""Clips, archives and totals: recorded once, in order, and only when it is their turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import text

from catalog.catalogue import Catalogue
from catalog.database import writing
from kernel.errors import TimelineChanged, TimelineError
from kernel.model.archive import (
    Archive,
    ArchiveObject,
    OverrunCause,
    Progress,
    Quality,
    Rendition,
    RenditionFacts,
)
from kernel.model.cut import Clip, ClipGap, CutList, SegmentSlice
from kernel.model.footage import ClockBasis, EndReason, GapCause, Segment
from kernel.model.timeline import Phase, Session, SessionState, TimelineEvent
from kernel.timerange import TimeRange
from tests.support.catalogue import PROJECT, add_segments, add_session

START, END = 1_000_000, 9_000_000


def wall(start: int, end: int) -> TimeRange:
    return TimeRange(start_us=start, end_us=end)


def segment(name: str = "s1", source: str = "cam") -> Segment:
    return Segment(
        id=name,
        run_id=f"run-{source}",
        source_id=source,
        sequence=0,
        wall=wall(START, 5_000_000),
        media_start=0,
        media_duration=360_000,
        timescale=90_000,
        clock_basis=ClockBasis.ARRIVAL,
        clock_offset_us=0,
        path=f"{name}.mp4",
        size_bytes=1,
        sha256="0" * 64,
        chain="0" * 64,
        end_reason=EndReason.LENGTH,
    )


def clip(source: str = "cam", name: str = "s1", session: str = "P-O") -> Clip:
    return Clip(
        id=f"{session}.{source}.1",
        session_id=session,
        source_id=source,
        part=1,
        wall=wall(START, END),
        slices=(SegmentSlice(segment_id=name, wall=wall(START, 5_000_000)),),
        gaps=(ClipGap(wall=wall(5_000_000, END), cause=GapCause.CAMERA_LOST, detail="no answer"),),
    )


def archive(version: int = 1, *, size: int = 100, session: str = "P-O", cut: int = 1) -> Archive:
    prefix = f"archives/{session}/v{version}"
    return Archive(
        id=f"archive-{session}-{version}",
        session_id=session,
        version=version,
        key_prefix=prefix,
        budget_bytes=size * 2,
        size_bytes=size,
        raw_bytes=size * 10,
        verified_us=END,
        principal="test",
        overrun_reason="",
        objects=(
            ArchiveObject(key=f"{prefix}/data/a.mp4", size_bytes=size - 10, sha256="a" * 64),
            ArchiveObject(key=f"{prefix}/manifest", size_bytes=10, sha256="b" * 64),
        ),
        cut_number=cut,
    )


def rendition(version: int = 1) -> Rendition:
    return Rendition(
        id=f"rendition-{version}",
        clip_id="P-O.cam.1",
        session_id="P-O",
        source_id="cam",
        wall=wall(START, END),
        object_key=f"archives/P-O/v{version}/data/a.mp4",
        video_codec="av01.0.00M.08",
        audio_codec=None,
        width=320,
        height=192,
        size_bytes=90,
        sha256="a" * 64,
        receipt={"result": {"sha256": "a" * 64}, "测量": [1, 2.5, None]},
    )


def quality(**changed: float | int | bool | None) -> Quality:
    measured = Quality(
        recorded_us=4_000_000,
        frames=50,
        frames_seen=100,
        vmaf_mean=91.25,
        vmaf_p5=80.5,
        text_agreement=0.97,
        vmaf_floor=80,
        vmaf_ceiling=97,
        text_floor=0.95,
        floors_reached=True,
    )
    return replace(measured, **changed)  # type: ignore[arg-type]


def cut_session(catalogue: Catalogue) -> None:
    add_session(catalogue, START, END)
    add_segments(catalogue, [segment()])
    catalogue.clips.record(CutList(session_id="P-O", clips=(clip(),), change_number=2))


def state(catalogue: Catalogue) -> SessionState:
    session = catalogue.sessions.get("P-O")
    assert session is not None
    return session.state


def set_state(catalogue: Catalogue, to: SessionState) -> None:
    with writing(catalogue._engine) as session:
        session.connection().execute(text("UPDATE session SET state = :to"), {"to": to.value})


def test_clips_come_back_as_they_were_cut_and_mark_their_session(catalogue: Catalogue) -> None:
    add_session(catalogue, START, END)
    add_segments(catalogue, [segment(), segment("s2", "screen")])
    filled = ClipGap(wall=wall(START, START + 1), cause=GapCause.NETWORK, detail="fetched afterwards")
    clips = (clip("screen", "s2"), replace(clip(), backfilled=(filled,)))
    catalogue.clips.record(CutList(session_id="P-O", clips=clips, change_number=2))
    assert catalogue.clips.of_session("P-O") == [clips[1], clips[0]]
    assert state(catalogue) is SessionState.CUT


@pytest.mark.parametrize("now", [one for one in SessionState if one is not SessionState.ENDED])
def test_a_session_that_does_not_wait_for_it_is_not_cut(catalogue: Catalogue, now: SessionState) -> None:
    add_session(catalogue, START, END)
    add_segments(catalogue, [segment()])
    set_state(catalogue, now)
    with pytest.raises(TimelineError, match=f"P-O is {now}; only one that has ended can be cut"):
        catalogue.clips.record(CutList(session_id="P-O", clips=(clip(),), change_number=2))
    assert catalogue.clips.of_session("P-O") == []
    assert state(catalogue) is now


def test_a_clip_of_a_segment_without_a_row_leaves_the_session_uncut(catalogue: Catalogue) -> None:
    """Invariant 11: every slice leads to a segment."""
    add_session(catalogue, START, END)
    add_segments(catalogue, [segment()])
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        catalogue.clips.record(
            CutList(session_id="P-O", clips=(clip(), clip("screen", "none")), change_number=2)
        )
    assert catalogue.clips.of_session("P-O") == []
    assert state(catalogue) is SessionState.ENDED


def test_an_archive_comes_back_as_it_was_recorded_with_its_receipts(catalogue: Catalogue) -> None:
    cut_session(catalogue)
    catalogue.archives.record(archive(), [rendition()])
    assert catalogue.archives.newest("P-O") == archive()
    assert catalogue.archives.renditions_of("archive-P-O-1") == [rendition()]
    assert catalogue.archives.rendition("rendition-1") == rendition()
    assert catalogue.archives.rendition("none") is None
    assert catalogue.archives.all_objects() == list(archive().objects)
    assert state(catalogue) is SessionState.ARCHIVED


def test_lists_of_files_are_had_without_their_receipts(catalogue: Catalogue) -> None:
    """A receipt names every chunk and segment: a list of a hundred of them would be megabytes."""
    cut_session(catalogue)
    made = replace(rendition(), quality=quality())
    catalogue.archives.record(archive(), [made])
    (facts,) = catalogue.archives.facts_of("archive-P-O-1")
    assert facts == RenditionFacts(
        **{name: getattr(made, name) for name in RenditionFacts.__dataclass_fields__}
    )
    assert catalogue.archives.facts("rendition-1") == facts
    assert catalogue.archives.facts("none") is None
    assert not hasattr(facts, "receipt")


@pytest.mark.parametrize(
    "measured",
    [
        quality(),
        quality(floors_reached=False, text_agreement=0.0),  # nothing legible is not: nothing measured
        quality(vmaf_mean=None, vmaf_p5=None, text_agreement=None, text_floor=None),
        None,  # archived before quality was measured
    ],
)
def test_what_was_measured_comes_back_as_it_was(catalogue: Catalogue, measured: Quality | None) -> None:
    cut_session(catalogue)
    catalogue.archives.record(archive(), [replace(rendition(), quality=measured)])
    assert catalogue.archives.renditions_of("archive-P-O-1")[0].quality == measured


def test_why_an_archive_is_over_its_budget_comes_back_as_a_word(catalogue: Catalogue) -> None:
    """Invariant 13."""
    cut_session(catalogue)
    over = replace(archive(), budget_bytes=1, overrun_reason="Floors.", overrun_cause=OverrunCause.FLOORS)
    catalogue.archives.record(over, [])
    found = catalogue.archives.newest("P-O")
    assert found == over
    assert found.overrun_cause is OverrunCause.FLOORS


@pytest.mark.parametrize("now", [one for one in SessionState if one is not SessionState.CUT])
def test_only_a_session_that_is_cut_can_be_archived(catalogue: Catalogue, now: SessionState) -> None:
    cut_session(catalogue)
    set_state(catalogue, now)
    with pytest.raises(TimelineError, match=f"P-O is {now}; only one that is cut can be archived"):
        catalogue.archives.record(archive(), [rendition()])
    assert catalogue.archives.newest("P-O") is None
    assert catalogue.archives.all_objects() == []


def test_an_archive_of_clips_that_changed_meanwhile_is_refused(catalogue: Catalogue) -> None:
    """Encoding takes long: a correction may come, and be cut, before it is done."""
    cut_session(catalogue)
    catalogue.sessions.advance("P-O", SessionState.ENDED, was=SessionState.CUT)
    longer = replace(clip(), gaps=(), slices=(SegmentSlice(segment_id="s1", wall=wall(START, END)),))
    catalogue.clips.record(CutList(session_id="P-O", clips=(longer,), change_number=2))
    with pytest.raises(TimelineChanged, match="cut anew while it was being archived"):
        catalogue.archives.record(archive(), [rendition()])
    assert catalogue.archives.newest("P-O") is None
    assert state(catalogue) is SessionState.CUT


def corrections(catalogue: Catalogue) -> list[Callable[[], object]]:
    """What may become known of a session that is cut and is cut by none of it; each adds to its document."""
    told = replace(
        catalogue.sessions.events_of("P-O")[0],
        id="mark",
        type="a mark",
        at_us=START + 1,
        recorded_us=END,
    )

    def insert(statement: str) -> None:
        with writing(catalogue._engine) as session:
            session.connection().execute(text(statement))

    seating = "INSERT INTO seating (id, session_id, seat_id, member) VALUES ('g', 'P-O', 's', 'E1')"
    return [
        lambda: catalogue.sessions.record_event(told),
        lambda: catalogue.sessions.record_event(replace(told, id="again", replaces="mark")),
        lambda: insert("INSERT INTO seat (id, room_id, ordinal) VALUES ('s', 'OH', 1)") or insert(seating),
        lambda: insert("UPDATE seating SET replaced_us = 5"),
        lambda: insert("INSERT INTO session_section (session_id, number) VALUES ('P-O', 1)"),
        lambda: insert("UPDATE session SET change_number = change_number + 1"),
    ]


def test_an_archive_whose_document_lacks_a_correction_is_refused(catalogue: Catalogue) -> None:
    """Not every correction changes a clip; what it says must not be missing in the package (invariant 12)."""
    cut_session(catalogue)
    for correct in corrections(catalogue):
        late = replace(archive(), known_number=catalogue.archives.known_number("P-O"))
        correct()
        with pytest.raises(TimelineChanged, match="was corrected while it was being archived"):
            catalogue.archives.record(late, [rendition()])
        assert catalogue.archives.newest("P-O") is None
        assert state(catalogue) is SessionState.CUT

    again = replace(archive(), known_number=catalogue.archives.known_number("P-O"))
    catalogue.archives.record(again, [rendition()])
    assert catalogue.archives.newest("P-O") == again


def test_an_archive_whose_rendition_names_no_object_is_not_recorded_at_all(catalogue: Catalogue) -> None:
    """Invariant 10: a row exists only for what was stored and read back."""
    cut_session(catalogue)
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        catalogue.archives.record(archive(), [replace(rendition(), object_key="none")])
    assert catalogue.archives.newest("P-O") is None
    assert state(catalogue) is SessionState.CUT


def test_a_new_version_is_the_newest_and_the_older_one_stays(catalogue: Catalogue) -> None:
    """Invariant 9."""
    cut_session(catalogue)
    assert catalogue.archives.next_version("P-O") == 1
    catalogue.archives.record(archive(), [rendition()])
    assert catalogue.archives.next_version("P-O") == 2
    set_state(catalogue, SessionState.CUT)
    catalogue.archives.record(archive(2, size=50), [rendition(2)])
    assert catalogue.archives.newest("P-O") == archive(2, size=50)
    assert catalogue.archives.renditions_of("archive-P-O-1") == [rendition()]
    assert len(catalogue.archives.all_objects()) == 4


def test_the_same_key_is_not_recorded_for_two_archives(catalogue: Catalogue) -> None:
    """Invariant 9."""
    cut_session(catalogue)
    catalogue.archives.record(archive(), [])
    set_state(catalogue, SessionState.CUT)
    again = replace(archive(2), objects=archive().objects)
    with pytest.raises(Exception, match=r"(?i)unique"):
        catalogue.archives.record(again, [])
    assert catalogue.archives.newest("P-O") == archive()


def test_progress_is_what_was_last_said(catalogue: Catalogue) -> None:
    add_session(catalogue, START, END)
    assert catalogue.archives.progress("P-O") is None
    told = Progress(session_id="P-O", step="encode", fraction=0.5, detail="3/6", updated_us=1)
    catalogue.archives.report_progress(told)
    later = replace(told, step="failed", fraction=0.0, detail="磁盘已满", updated_us=2)
    catalogue.archives.report_progress(later)
    assert catalogue.archives.progress("P-O") == later


def two_sessions(catalogue: Catalogue) -> None:
    names = ("P-1", "P-2")
    sessions = [
        Session(
            id=name,
            project_id="P",
            phase=Phase.OPENING,
            room_id="OH",
            state=SessionState.PLANNED,
            start_us=None,
            end_us=None,
            seats=(),
        )
        for name in names
    ]
    catalogue.projects.add_project(PROJECT, sessions)
    add_segments(catalogue, [segment()])
    for name, start in (("P-1", START + 500), ("P-2", START)):
        for kind, at_us in (("opening.start", start), ("opening.end", END)):
            catalogue.sessions.record_event(
                TimelineEvent(
                    id=f"{name} {kind}",
                    session_id=name,
                    at_us=at_us,
                    type=kind,
                    reason="",
                    principal="test",
                    recorded_us=at_us,
                )
            )


def test_a_project_is_as_far_as_its_session_that_is_furthest_behind(catalogue: Catalogue) -> None:
    two_sessions(catalogue)
    assert catalogue.summaries.of(["P"])["P"].state is SessionState.ENDED
    for name in ("P-1", "P-2"):
        catalogue.clips.record(CutList(session_id=name, clips=(clip(session=name),), change_number=2))
    catalogue.archives.record(archive(session="P-1"), [])
    assert catalogue.summaries.of(["P"])["P"].state is SessionState.CUT
    catalogue.archives.record(archive(session="P-2"), [])
    assert catalogue.summaries.of(["P"])["P"].state is SessionState.ARCHIVED


def test_totals_count_the_newest_version_of_each_session_only(catalogue: Catalogue) -> None:
    two_sessions(catalogue)
    for name in ("P-1", "P-2"):
        catalogue.clips.record(CutList(session_id=name, clips=(clip(session=name),), change_number=2))
        catalogue.archives.record(archive(session=name), [])
    with writing(catalogue._engine) as session:
        session.connection().execute(text("UPDATE session SET state = 'cut' WHERE id = 'P-1'"))
    catalogue.archives.record(archive(2, size=30, session="P-1"), [])
    total = catalogue.summaries.of(["P"])["P"]
    assert (total.size_bytes, total.budget_bytes, total.raw_bytes) == (130, 260, 1300)
    assert (total.session_count, total.clip_count, total.gap_count) == (2, 2, 2)
    assert total.first_session_us == START


def test_a_project_without_sessions_or_archives_weighs_nothing(catalogue: Catalogue) -> None:
    catalogue.projects.add_project(PROJECT, [])
    total = catalogue.summaries.of(["P"])["P"]
    assert (total.session_count, total.size_bytes, total.first_session_us) == (0, 0, None)
    assert total.state is SessionState.PLANNED


def test_totals_of_one_project_hold_nothing_of_another(catalogue: Catalogue) -> None:
    cut_session(catalogue)
    catalogue.archives.record(archive(), [rendition()])
    catalogue.projects.add_project(replace(PROJECT, id="Q", project_code="other"), [])
    totals = catalogue.summaries.of(["Q", "P"])
    assert (totals["Q"].clip_count, totals["Q"].size_bytes) == (0, 0)
    assert (totals["P"].clip_count, totals["P"].size_bytes) == (1, 100)
