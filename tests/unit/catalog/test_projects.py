"""Projects, their sessions and events: told twice they stay once, and nothing is half done."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text

from catalog.catalogue import Catalogue
from catalog.database import writing
from catalog.projects import ProjectFilter
from kernel.errors import TimelineError
from kernel.model.timeline import (
    Phase,
    Project,
    ProjectKind,
    SeatOccupation,
    Section,
    Session,
    SessionState,
    TimelineEvent,
    Venue,
    VenueRole,
)
from kernel.settings import CamerasFile
from kernel.timerange import TimeRange
from tests.support.catalogue import CAMERAS, PROJECT

HOUR_US = 3_600_000_000


def planned(name: str = "P-O", project: str = "P", seats: tuple[SeatOccupation, ...] = ()) -> Session:
    return Session(
        id=name,
        project_id=project,
        phase=Phase.OPENING,
        room_id="OH",
        state=SessionState.PLANNED,
        start_us=None,
        end_us=None,
        seats=seats,
    )


def event(kind: str, at_us: int, *, name: str = "", session: str = "P-O") -> TimelineEvent:
    return TimelineEvent(
        id=name or f"{session} {kind} {at_us}",
        session_id=session,
        at_us=at_us,
        type=kind,
        reason="",
        principal="test",
        recorded_us=at_us + 7,
    )


def with_seats(catalogue: Catalogue) -> None:
    content = CAMERAS.model_dump(mode="json")
    for room in content["sites"][0]["rooms"]:
        room["seats"] = [{"id": "seat-01", "ordinal": 1}, {"id": "seat-02", "ordinal": 2}]
        for source in room["sources"]:
            source["password"] = ""
    catalogue.places.register(CamerasFile.model_validate(content))


def test_a_project_comes_back_as_it_was_put_in(catalogue: Catalogue) -> None:
    with_seats(catalogue)
    seats = (SeatOccupation(seat_id="seat-01", member="O1"), SeatOccupation(seat_id="seat-02", member="E1"))
    catalogue.projects.add_project(PROJECT, [planned(seats=seats)])
    assert catalogue.projects.project("P") == PROJECT
    assert catalogue.projects.projects() == [PROJECT]
    assert catalogue.sessions.of_project("P") == [planned(seats=seats)]
    assert catalogue.projects.project("Q") is None
    assert catalogue.sessions.get("Q-O") is None


def test_a_project_told_again_is_brought_up_to_date_and_keeps_its_sessions(catalogue: Catalogue) -> None:
    catalogue.projects.add_project(PROJECT, [planned()])
    catalogue.sessions.record_event(event("opening.start", 100))
    renamed = replace(PROJECT, name_zh="另一个", outcome="result", result_published_us=77)
    catalogue.projects.add_project(renamed, [planned(), planned("P-2")])
    assert catalogue.projects.projects() == [renamed]
    first, second = catalogue.sessions.of_project("P")
    assert (first.id, first.state, first.phase) == ("P-O", SessionState.RUNNING, Phase.OPENING)
    assert second == planned("P-2")


SECTIONS = [
    Section(project_id="P", number=number, section_code=f"S-{number}", name_zh="标段", unified_deal_code="T")
    for number in (1, 2)
]


def test_sections_and_venues_come_back_and_are_brought_up_to_date(catalogue: Catalogue) -> None:
    main = Venue(project_id="P", site_id="ZT", role=VenueRole.MAIN)
    catalogue.projects.add_project(PROJECT, [], sections=SECTIONS[::-1], venues=[main])
    assert catalogue.projects.sections_of("P") == SECTIONS
    assert catalogue.projects.venues_of("P") == [main]
    renamed, moved = replace(SECTIONS[1], name_zh="二标段"), replace(main, role=VenueRole.SECONDARY)
    catalogue.projects.add_project(PROJECT, [], sections=[renamed], venues=[moved])
    assert catalogue.projects.sections_of("P") == [SECTIONS[0], renamed]
    assert catalogue.projects.venues_of("P") == [moved]


def test_a_section_code_of_another_project_is_refused_and_nothing_is_taken_in(catalogue: Catalogue) -> None:
    catalogue.projects.add_project(PROJECT, [], sections=SECTIONS)
    other = replace(PROJECT, id="Q", project_code="other")
    with pytest.raises(TimelineError, match="S-1 belongs to project P already"):
        catalogue.projects.add_project(
            other, [planned("Q-O", "Q")], sections=[replace(SECTIONS[0], project_id="Q")]
        )
    assert catalogue.projects.projects() == [PROJECT]
    assert catalogue.sessions.get("Q-O") is None


def test_an_unknown_venue_is_named_and_leaves_the_known_ones(catalogue: Catalogue) -> None:
    main = Venue(project_id="P", site_id="ZT", role=VenueRole.MAIN)
    catalogue.projects.add_project(PROJECT, [], venues=[main])
    with pytest.raises(TimelineError, match="site NONE"):
        catalogue.projects.add_project(PROJECT, [], venues=[replace(main, site_id="NONE")])
    assert catalogue.projects.venues_of("P") == [main]


def test_the_record_of_a_hall_knows_its_projects_and_they_know_it(catalogue: Catalogue) -> None:
    hall = replace(PROJECT, id="H", project_code="H", kind=ProjectKind.HALL)
    for project in (PROJECT, hall):
        catalogue.projects.add_project(project, [])
    for _ in range(2):
        catalogue.projects.show_in_hall("H", ["P"], principal="w", at_us=1)
    assert (catalogue.projects.seen_in_hall("H"), catalogue.projects.halls_of("P")) == (["P"], ["H"])
    assert catalogue.projects.projects(ProjectFilter(kind=ProjectKind.TENDER)) == [PROJECT]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (replace(PROJECT, region_code="999999"), "region 999999"),
        (replace(PROJECT, trade_place="888888"), "region 888888"),
        (replace(PROJECT, industry_code="ZZ"), "industry ZZ"),
    ],
)
def test_an_unknown_code_is_named_and_nothing_is_taken_in(
    catalogue: Catalogue, wrong: Project, named: str
) -> None:
    with pytest.raises(TimelineError, match=named):
        catalogue.projects.add_project(wrong, [planned()])
    assert catalogue.projects.projects() == []


def test_an_unknown_room_is_named_and_nothing_is_taken_in(catalogue: Catalogue) -> None:
    with pytest.raises(TimelineError, match="room NONE"):
        catalogue.projects.add_project(PROJECT, [planned(), replace(planned("P-2"), room_id="NONE")])
    assert catalogue.projects.projects() == []
    assert catalogue.sessions.get("P-O") is None


def test_an_unknown_seat_is_named_and_nothing_is_taken_in(catalogue: Catalogue) -> None:
    seats = (SeatOccupation(seat_id="seat-99", member="E1"),)
    with pytest.raises(TimelineError, match="seat-99"):
        catalogue.projects.add_project(PROJECT, [planned(seats=seats)])
    assert catalogue.projects.projects() == []


def test_a_session_id_that_belongs_to_another_project_is_named(catalogue: Catalogue) -> None:
    catalogue.projects.add_project(PROJECT, [planned()])
    other = replace(PROJECT, id="Q", project_code="other")
    with pytest.raises(TimelineError, match="P-O"):
        catalogue.projects.add_project(other, [planned(project="Q")])
    assert catalogue.projects.projects() == [PROJECT]


def test_a_project_code_that_another_project_has_is_refused(catalogue: Catalogue) -> None:
    catalogue.projects.add_project(PROJECT, [])
    with pytest.raises(TimelineError, match="belongs to project P already"):
        catalogue.projects.add_project(replace(PROJECT, id="Q"), [])


def test_sessions_of_a_project_come_in_the_order_they_started_those_to_come_last(
    catalogue: Catalogue,
) -> None:
    catalogue.projects.add_project(PROJECT, [planned(name) for name in ("a", "b", "c", "d")])
    catalogue.sessions.record_event(event("opening.start", 300, session="b"))
    catalogue.sessions.record_event(event("opening.start", 200, session="d"))
    assert [one.id for one in catalogue.sessions.of_project("P")] == ["d", "b", "a", "c"]


def test_the_session_that_ended_first_is_served_first(catalogue: Catalogue) -> None:
    catalogue.projects.add_project(PROJECT, [planned(name) for name in ("a", "b", "c")])
    for name, end in (("a", 400), ("b", 300)):
        catalogue.sessions.record_event(event("opening.start", 100, session=name))
        catalogue.sessions.record_event(event("opening.end", end, session=name))
    assert [one.id for one in catalogue.sessions.in_state(SessionState.ENDED)] == ["b", "a"]
    assert [one.id for one in catalogue.sessions.in_state(SessionState.PLANNED)] == ["c"]


def three_projects(catalogue: Catalogue) -> None:
    """One of Zhaoyang; one of Ludian traded in Zhaoyang; one of Qujing, of another industry."""
    projects = (
        ("1", "530602", "530602", "A01", 10),
        ("2", "530621", "530602", "A02", 20),
        ("3", "530300", "530300", "B01", None),
    )
    for name, region, place, industry, start in projects:
        project = Project(
            id=name,
            project_code=f"code-{name}",
            name_zh=name,
            name_en=name,
            region_code=region,
            trade_place=place,
            industry_code=industry,
        )
        catalogue.projects.add_project(project, [planned(f"{name}-O", name)])
        if start is not None:
            catalogue.sessions.record_event(
                event("opening.start", start * HOUR_US, session=f"{name}-O"),
            )


@pytest.mark.parametrize(
    ("narrowed", "found"),
    [
        (ProjectFilter(), "123"),
        (ProjectFilter(region_codes=frozenset({"530602"})), "12"),
        (ProjectFilter(region_codes=frozenset({"530621"})), "2"),
        (ProjectFilter(region_codes=frozenset({"530621", "530300"})), "23"),
        (ProjectFilter(region_codes=frozenset()), ""),
        (ProjectFilter(industry_codes=frozenset({"A01", "B01"})), "13"),
        (ProjectFilter(sessions_within=TimeRange(start_us=10 * HOUR_US, end_us=20 * HOUR_US)), "1"),
        (ProjectFilter(sessions_within=TimeRange(start_us=0, end_us=21 * HOUR_US)), "12"),
        (
            ProjectFilter(
                region_codes=frozenset({"530602"}),
                industry_codes=frozenset({"A02"}),
                sessions_within=TimeRange(start_us=0, end_us=99 * HOUR_US),
            ),
            "2",
        ),
    ],
)
def test_a_list_holds_the_projects_that_pass_every_filter(
    catalogue: Catalogue, narrowed: ProjectFilter, found: str
) -> None:
    three_projects(catalogue)
    assert "".join(project.id for project in catalogue.projects.projects(narrowed)) == found


def test_a_project_with_two_sessions_on_a_day_is_listed_once(catalogue: Catalogue) -> None:
    catalogue.projects.add_project(PROJECT, [planned("a"), planned("b")])
    for name in ("a", "b"):
        catalogue.sessions.record_event(event("opening.start", 100, session=name))
    day = ProjectFilter(sessions_within=TimeRange(start_us=0, end_us=1000))
    assert catalogue.projects.projects(day) == [PROJECT]


def test_a_row_that_breaks_a_reference_is_refused_by_the_database_itself(catalogue: Catalogue) -> None:
    with pytest.raises(Exception, match=r"(?i)foreign key"), writing(catalogue._engine) as session:
        session.connection().execute(text("INSERT INTO session_room VALUES ('none', 'none')"))
