"""One project, one file: a version when all its sessions are archived or cancelled; older ones stay."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from catalog.database import writing
from kernel.model.archive import FileSet
from kernel.model.timeline import SessionState
from tests.support.centre import Centre, moment, session


def versions(centre: Centre) -> list[tuple[int, tuple[str, ...]]]:
    sets: list[FileSet] = centre.catalogue.archives.file_sets_of("P")
    return [(one.version, one.archive_ids) for one in sets]


@pytest.fixture
def planned(centre: Centre) -> Centre:
    """Two planned sessions, one after the other, recorded throughout."""
    centre.plan(session("O"), session("E"))
    centre.record("er-cam", 0, 2000)
    return centre


def file(centre: Centre, name: str, start: float) -> None:
    """Hold, cut and archive a session."""
    centre.hold(name, start, start + 100)
    centre.cut(start + 130)
    centre.archive(name)


def test_nothing_is_complete_while_a_session_is_still_to_come(planned: Centre) -> None:
    file(planned, "O", 100)
    assert versions(planned) == []


def test_the_archive_of_the_last_session_completes_the_file(planned: Centre) -> None:
    file(planned, "O", 100)
    file(planned, "E", 300)
    assert versions(planned) == [(1, ("archive-E-1", "archive-O-1"))]
    (made,) = planned.catalogue.archives.file_sets_of("P")
    assert made.sealed_us == planned.clock.now_us()


def test_the_cancelling_of_the_last_session_completes_the_file(planned: Centre) -> None:
    """A failed bid: the evaluation never takes place."""
    file(planned, "O", 100)
    planned.tell("E", "session.cancelled", 300)
    assert versions(planned) == [(1, ("archive-O-1",))]


def test_an_extraction_that_is_cancelled_before_it_begins_holds_up_no_file(planned: Centre) -> None:
    """Its trading system tells the end of what never began."""
    file(planned, "O", 100)
    planned.tell("E", "extraction.cancelled", 300)
    assert planned.state("E") is SessionState.CANCELLED
    assert versions(planned) == [(1, ("archive-O-1",))]


def test_a_session_that_is_cancelled_while_it_runs_is_part_of_the_file(planned: Centre) -> None:
    """What happened before it was broken off is evidence."""
    file(planned, "O", 100)
    planned.tell("E", "session.start", 300)
    planned.tell("E", "session.cancelled", 350)
    assert (planned.state("E"), planned.get("E").end_us) == (SessionState.ENDED, moment(350))
    planned.cut(380)
    planned.archive("E")
    assert versions(planned) == [(1, ("archive-E-1", "archive-O-1"))]


def test_a_project_of_which_everything_was_cancelled_has_no_file(planned: Centre) -> None:
    for name in ("O", "E"):
        planned.tell(name, "session.cancelled", 100)
    assert versions(planned) == []


def test_a_session_that_is_added_later_makes_a_second_version_and_the_first_stays(planned: Centre) -> None:
    """Re-evaluation days later (invariant 9)."""
    file(planned, "O", 100)
    planned.tell("E", "session.cancelled", 300)
    planned.plan(session("R"))
    assert len(versions(planned)) == 1
    file(planned, "R", 1000)
    assert versions(planned) == [(1, ("archive-O-1",)), (2, ("archive-O-1", "archive-R-1"))]


def test_a_correction_makes_a_version_with_the_new_archive_only_when_it_is_there(planned: Centre) -> None:
    file(planned, "O", 100)
    file(planned, "E", 300)
    planned.tell("E", "session.end", 500)
    planned.cut(530)
    assert len(versions(planned)) == 1
    planned.archive("E")
    assert versions(planned)[1:] == [(2, ("archive-E-2", "archive-O-1"))]


def test_a_correction_that_changed_nothing_makes_no_version(planned: Centre) -> None:
    file(planned, "O", 100)
    file(planned, "E", 300)
    planned.tell("E", "eval.pause", 350)
    planned.cut(531)
    assert planned.state("E") is SessionState.ARCHIVED
    assert len(versions(planned)) == 1


def test_a_file_that_a_correction_delayed_is_completed_when_the_correction_changed_nothing(
    planned: Centre,
) -> None:
    file(planned, "O", 100)
    planned.tell("O", "eval.pause", 150)  # opens it again
    file(planned, "E", 300)  # cuts both; O is archived as it was
    assert versions(planned) == [(1, ("archive-E-1", "archive-O-1"))]


def test_a_session_that_never_took_place_leaves_the_next_version(planned: Centre) -> None:
    file(planned, "O", 100)
    file(planned, "E", 300)
    start, end = planned.catalogue.sessions.events_of("E")
    planned.tell("E", "session.cancelled", 300)
    for old in (end, start):
        planned.tell("E", old.type, 300, replaces=old.id, withdrawn=True)
    assert planned.state("E") is SessionState.CANCELLED
    assert versions(planned) == [(1, ("archive-E-1", "archive-O-1")), (2, ("archive-O-1",))]


def fleet(centre: Centre) -> tuple[int, int, int | None]:
    found = centre.catalogue.archives.fleet()
    return found.project_count, found.size_bytes, found.mean_bytes


def test_a_project_counts_in_the_fleet_only_when_its_file_is_whole(planned: Centre) -> None:
    """Half a project would make the mean look better than it is (invariant 13)."""
    assert fleet(planned) == (0, 0, None)
    file(planned, "O", 100)
    assert fleet(planned) == (0, 0, None)
    file(planned, "E", 300)
    assert fleet(planned) == (1, 2, 2)


def test_of_an_archive_with_versions_the_fleet_weighs_the_newest_only(planned: Centre) -> None:
    file(planned, "O", 100)
    file(planned, "E", 300)
    with writing(planned.catalogue._engine) as transaction:
        transaction.connection().execute(text("UPDATE session SET state = 'cut' WHERE id = 'E'"))
    planned.archive("E")
    assert len(versions(planned)) == 2
    assert fleet(planned) == (1, 2, 2)


def test_the_record_of_a_hall_weighs_in_the_fleet_and_is_no_project(planned: Centre) -> None:
    file(planned, "O", 100)
    file(planned, "E", 300)
    with writing(planned.catalogue._engine) as transaction:
        transaction.connection().execute(text("UPDATE project SET kind = 'hall'"))
    assert fleet(planned) == (0, 2, None)


def test_files_below_a_floor_are_counted_and_those_that_nobody_measured_are_not(planned: Centre) -> None:
    planned.hold("O", 100, 200)
    planned.cut(230)
    planned.tell("E", "session.cancelled", 300)
    planned.archive("O")
    columns = {
        "plain": "",
        "pictures": "vmaf_p5 = 69, vmaf_floor = 70",
        "text": "vmaf_p5 = 99, vmaf_floor = 70, text_agreement = 0.9, text_floor = 0.95",
        "good": "vmaf_p5 = 70, vmaf_floor = 70, text_agreement = 0.95, text_floor = 0.95",
    }
    counts = {}
    for name, change in columns.items():
        with writing(planned.catalogue._engine) as transaction:
            if change:
                transaction.connection().execute(text(f"UPDATE rendition SET {change}"))
        counts[name] = planned.catalogue.archives.fleet().below_count
    assert counts == {"plain": 0, "pictures": 1, "text": 1, "good": 0}
