"""Tags: kept as they were made, once, and never of something unknown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from catalog.catalogue import Catalogue
from kernel.errors import TimelineError
from kernel.model.timeline import Tag
from tests.support.catalogue import PROJECT, add_session

TAG = Tag(
    id="T1",
    project_id="P",
    session_id="P-O",
    source_id="cam",
    at_us=150,
    kind="irregular",
    severity="major",
    text="评委离席",
    principal="witness",
    recorded_us=160,
)


def test_tags_come_back_as_they_were_made_by_the_moment_they_mark(catalogue: Catalogue) -> None:
    add_session(catalogue, 100, 200)
    early = replace(TAG, id="T2", at_us=120, session_id=None, source_id=None, severity="")
    for tag in (TAG, early):
        catalogue.tags.add(tag)
    assert catalogue.tags.of_project("P") == [early, TAG]


def test_a_sessions_tags_are_its_own_and_those_of_its_project_as_a_whole(catalogue: Catalogue) -> None:
    add_session(catalogue, 100, 200)
    whole = replace(TAG, id="T2", at_us=120, session_id=None)
    for tag in (TAG, whole):
        catalogue.tags.add(tag)
    assert catalogue.tags.of_session("P-O") == [whole, TAG]
    assert catalogue.tags.of_session("another") == []


def test_a_tag_told_twice_stays_as_it_was(catalogue: Catalogue) -> None:
    add_session(catalogue, 100, 200)
    catalogue.tags.add(TAG)
    catalogue.tags.add(replace(TAG, text="something else"))
    assert catalogue.tags.of_project("P") == [TAG]


def test_a_tag_opens_nothing_that_ended(catalogue: Catalogue) -> None:
    add_session(catalogue, 100, 200)
    before = catalogue.sessions.get("P-O")
    catalogue.tags.add(TAG)
    assert catalogue.sessions.get("P-O") == before


@pytest.mark.parametrize(
    ("unknown", "named"),
    [
        ({"project_id": "X"}, "project X"),
        ({"session_id": "X"}, "session X"),
        ({"source_id": "X"}, "source X"),
    ],
)
def test_a_tag_of_something_unknown_is_refused_and_named(
    catalogue: Catalogue, unknown: dict[str, str], named: str
) -> None:
    add_session(catalogue, 100, 200)
    with pytest.raises(TimelineError, match=f"{named}, which does not exist"):
        catalogue.tags.add(replace(TAG, **unknown))  # type: ignore[arg-type]
    assert catalogue.tags.of_project("P") == []


def test_tags_of_one_project_hold_none_of_another(catalogue: Catalogue) -> None:
    add_session(catalogue, 100, 200)
    catalogue.projects.add_project(replace(PROJECT, id="Q", project_code="Q"), [])
    catalogue.tags.add(TAG)
    assert catalogue.tags.of_project("Q") == []
