"""Tags: kept as they were made, once, and never of something unknown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from catalog.audit import AuditFilter
from catalog.catalogue import Catalogue
from catalog.statistics import StatisticsFilter
from kernel.errors import CatalogError, EventReplaced, TimelineError
from kernel.model.alert import AlertRule
from kernel.model.footage import Hold
from kernel.model.timeline import Tag
from kernel.timerange import TimeRange
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


def test_a_correction_stands_beside_what_it_puts_right(catalogue: Catalogue) -> None:
    add_session(catalogue, 100, 200)
    right = replace(TAG, id="T2", at_us=151, replaces="T1", reason="时间有误", principal="another")
    back = replace(right, id="T3", replaces="T2", withdrawn=True, reason="误标")
    for tag in (TAG, right, back):
        catalogue.tags.add(tag)
    assert catalogue.tags.of_session("P-O") == [TAG, right, back]
    assert [record.action for record in catalogue.audit.records(AuditFilter(action="tag."))] == [
        "tag.withdrawn",
        "tag.corrected",
        "tag.added",
    ]


@pytest.mark.parametrize("again", [{}, {"withdrawn": True}])
def test_what_was_put_right_already_cannot_be_put_right_another_way(
    catalogue: Catalogue, again: dict[str, bool]
) -> None:
    """Two people at once: the second one is told, and sees the newest."""
    add_session(catalogue, 100, 200)
    catalogue.tags.add(TAG)
    catalogue.tags.add(replace(TAG, id="T2", replaces="T1"))
    with pytest.raises(EventReplaced, match="T1 was put right"):
        catalogue.tags.add(replace(TAG, id="T3", replaces="T1", **again))  # type: ignore[arg-type]
    assert len(catalogue.tags.of_project("P")) == 2


def test_a_tag_of_another_project_cannot_be_put_right_here(catalogue: Catalogue) -> None:
    add_session(catalogue, 100, 200)
    catalogue.projects.add_project(replace(PROJECT, id="Q", project_code="Q"), [])
    catalogue.tags.add(TAG)
    other = replace(TAG, id="T2", project_id="Q", session_id=None, replaces="T1")
    with pytest.raises(TimelineError, match="T1 is none of project Q"):
        catalogue.tags.add(other)


def test_a_section_that_the_project_lacks_is_refused(catalogue: Catalogue) -> None:
    add_session(catalogue, 100, 200)
    with pytest.raises(TimelineError, match="section 3"):
        catalogue.tags.add(replace(TAG, section_number=3))


HOLD = Hold(
    id="H.1",
    act_id="H",
    source_id="cam",
    wall=TimeRange(start_us=100, end_us=190),
    reason="异常证据锁定",
    principal="witness",
    made_us=160,
    tag_id="T1",
)


def test_an_irregularity_is_tag_hold_and_notice_in_one(catalogue: Catalogue) -> None:
    add_session(catalogue, 100, 200)
    catalogue.tags.report(TAG, [HOLD])
    assert catalogue.tags.of_project("P") == [TAG]
    assert [(one.act_id, one.source_id, one.wall) for one in catalogue.holds.all()] == [
        ("H", "cam", HOLD.wall)
    ]
    (alert,) = catalogue.alerts.all(project_id="P", only_open=True)
    assert (alert.rule, alert.subject, alert.session_id) == (AlertRule.IRREGULARITY, "T1", "P-O")
    assert alert.details["text"] == "评委离席"
    assert (alert.since_us, alert.over_us) == (TAG.at_us, None), "of the moment that was marked, and it lasts"
    assert catalogue.holds.acts_of_tags(["T1", "T2"]) == {"T1": "H"}


def test_the_notice_of_an_irregularity_lasts_until_somebody_takes_notice(catalogue: Catalogue) -> None:
    add_session(catalogue, 100, 200)
    catalogue.tags.report(TAG, [HOLD])
    (alert,) = catalogue.alerts.all(only_open=True)
    catalogue.alerts.acknowledge(alert.id, "已通知", principal="s-1", at_us=900)
    assert catalogue.alerts.all(only_open=True) == []
    (seen_to,) = catalogue.alerts.all()
    assert (seen_to.over_us, seen_to.acknowledged_us) == (900, 900)


def test_where_the_hold_fails_nothing_of_the_irregularity_is_kept(catalogue: Catalogue) -> None:
    """W12: nothing half done."""
    add_session(catalogue, 100, 200)
    records = catalogue.audit.count()
    with pytest.raises(CatalogError, match="no source nowhere"):
        catalogue.tags.report(TAG, [HOLD, replace(HOLD, id="H.2", source_id="nowhere")])
    assert catalogue.tags.of_project("P") == []
    assert catalogue.holds.all(released=True) == []
    assert catalogue.alerts.all() == []
    assert catalogue.audit.count() == records


def test_an_irregularity_sent_twice_is_held_and_told_once(catalogue: Catalogue) -> None:
    add_session(catalogue, 100, 200)
    catalogue.tags.report(TAG, [HOLD])
    catalogue.tags.report(TAG, [replace(HOLD, id="H2.1", act_id="H2")])
    assert len(catalogue.holds.all()) == len(catalogue.alerts.all()) == 1


def test_statistics_count_the_tags_that_stand(catalogue: Catalogue) -> None:
    add_session(catalogue, 100, 200)
    for tag in (TAG, replace(TAG, id="T2", replaces="T1"), replace(TAG, id="U")):
        catalogue.tags.add(tag)
    catalogue.tags.add(replace(TAG, id="U2", replaces="U", withdrawn=True))
    (figures,) = catalogue.statistics.projects(StatisticsFilter())
    assert (figures.figures.tags, figures.figures.irregularities) == (1, 1)
