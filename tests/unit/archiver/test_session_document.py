"""``catalogue.json``: what a package tells of its session is enough to rebuild its rows (invariant 12)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from archiver.session_document import session_document
from kernel.model.timeline import (
    Project,
    ProjectKind,
    Seating,
    SeatOccupation,
    Section,
    Session,
    Tag,
    TimelineEvent,
    Venue,
    VenueRole,
)
from kernel.model.witness import WitnessAct
from tests.support.centre import Centre, moment, project, session

SECTION = Section(
    project_id="P", number=1, section_code="P-001", name_zh="第一标段", unified_deal_code="B01-1"
)
VENUE = Venue(project_id="P", site_id="ZT", role=VenueRole.MAIN)
FIRST = SeatOccupation(seat_id="er-1", member="E1", expert_key="key-1")
LEFT = replace(FIRST, to_us=moment(20))
SECOND = SeatOccupation(seat_id="er-1", member="E2", expert_key="key-2", from_us=moment(20), to_us=moment(60))
TAG = Tag(
    id="tag-1",
    project_id="P",
    session_id="S",
    source_id="er-cam",
    at_us=moment(30),
    kind="irregular",
    severity="major",
    text="交谈",
    principal="inspector",
    recorded_us=moment(31),
)


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    """A session with everything that a session can have, cut."""
    made = Centre(tmp_path)
    planned = session(
        "S",
        seats=(FIRST,),
        venue_role=VenueRole.SECONDARY,
        section_numbers=(1,),
        extra_room_ids=("CO",),
        source_ids=("er-cam", "co-cam"),
    )
    made.catalogue.projects.add_project(
        project("P"),
        [planned, session("OTHER")],
        sections=[SECTION],
        venues=[VENUE],
        principal="trading",
        at_us=moment(-60),
    )
    wrong = made.tell("S", "session.start", 5)
    made.tell("S", "session.start", 0, replaces=wrong)
    made.tell("S", "session.end", 60)
    made.catalogue.sessions.set_seats(
        "S", [LEFT, SECOND], principal="clerk", reason="seats were swapped", at_us=moment(70)
    )
    made.catalogue.tags.add(TAG)
    made.catalogue.tags.add(replace(TAG, id="tag-2", session_id=None, source_id=None))
    made.catalogue.tags.add(replace(TAG, id="tag-3", session_id="OTHER"))
    made.catalogue.witness_records.enter(
        "S", WitnessAct.TICK, item="evaluation.devices", principal="w-zt-1", at_us=moment(32)
    )
    for source in ("er-cam", "co-cam"):
        made.record(source, -20, 100)
    made.cut(200)
    yield made
    made.close()


def document(centre: Centre) -> dict[str, Any]:
    """As somebody reads it who has nothing but the package."""
    clips = centre.clips("S")
    ids = {used.segment_id for clip in clips for used in clip.slices}
    segments = centre.catalogue.footage.segments_by_id(ids)
    told = session_document(centre.catalogue, centre.get("S"), clips, segments)
    read: dict[str, Any] = json.loads(json.dumps(told))
    return read


def test_a_session_can_be_rebuilt_from_its_document_alone(centre: Centre) -> None:
    told = document(centre)
    seats = [
        SeatOccupation(**{name: one[name] for name in SeatOccupation.__dataclass_fields__})
        for one in told["seatings"]
        if one["replaced_us"] is None
    ]
    lists = {
        name: tuple(told["session"][name]) for name in ("section_numbers", "extra_room_ids", "source_ids")
    }
    rebuilt = Session(**{**told["session"], **lists, "seats": tuple(seats)})
    assert replace(rebuilt, seats=()) == replace(centre.get("S"), seats=())
    assert set(seats) == set(centre.get("S").seats)
    assert Project(**{**told["project"], "kind": ProjectKind(told["project"]["kind"])}) == project("P")
    assert [Section(**one) for one in told["sections"]] == [SECTION]
    assert [Venue(**one) for one in told["venues"]] == [VENUE]


def test_who_sat_where_before_it_was_put_right_is_told_with_reason_and_principal(centre: Centre) -> None:
    first, left, second = document(centre)["seatings"]
    before, *after = centre.catalogue.sessions.seatings_of("S")
    assert (before.occupation, before.replaced_us) == (FIRST, moment(70))
    assert after == [
        Seating(
            id=told["id"],
            occupation=occupation,
            principal="clerk",
            reason="seats were swapped",
            recorded_us=moment(70),
            replaced_us=None,
        )
        for told, occupation in ((left, LEFT), (second, SECOND))
    ]
    assert (first["member"], first["principal"], first["replaced_us"]) == ("E1", "trading", moment(70))
    assert (second["member"], second["expert_key"], second["from_us"]) == ("E2", "key-2", moment(20))
    assert (second["to_us"], second["reason"], second["principal"]) == (
        moment(60),
        "seats were swapped",
        "clerk",
    )


def test_corrected_events_and_tags_of_the_session_and_its_project_are_told(centre: Centre) -> None:
    told = document(centre)
    events = [TimelineEvent(**one) for one in told["events"]]
    assert events == centre.catalogue.sessions.events_of("S")
    assert [one.replaces for one in events] == ["event-1", None, None]
    assert [one["id"] for one in told["tags"]] == ["tag-1", "tag-2"]
    assert Tag(**told["tags"][0]) == TAG


def test_rooms_seats_and_sources_that_are_referred_to_are_told_once(centre: Centre) -> None:
    told = document(centre)
    assert [one["id"] for one in told["sites"]] == ["ZT"]
    assert [one["id"] for one in told["rooms"]] == ["CO", "ER"]
    assert [one["id"] for one in told["seats"]] == ["er-1"]
    assert [one["id"] for one in told["sources"]] == ["co-cam", "er-cam"]


def test_projects_that_a_hall_shows_are_told_with_its_record(centre: Centre) -> None:
    """Invariant 15: whoever rebuilds the rows must know when the record opens."""
    centre.catalogue.projects.add_project(project("Q"), [])
    centre.catalogue.projects.show_in_hall("P", ["Q"], principal="w", at_us=1)
    assert document(centre)["shown_projects"] == ["Q"]


def test_the_names_in_the_document_change_only_with_its_format(centre: Centre) -> None:
    """Who changes a name here gives the format another number."""
    told = document(centre)
    assert told["format"] == "jianzheng-session/3"
    names = {
        key: sorted(value if isinstance(value, dict) else value[0])
        for key, value in told.items()
        if key not in ("format", "shown_projects")
    }
    assert {key: " ".join(value) for key, value in names.items()} == {
        "project": "agency committee_size evaluation_mode id industry_code kind method name_en name_zh "
        "outcome project_code region_code result_published_us retention_class supervising_account "
        "tender_project_code trade_place",
        "sections": "name_zh number project_id section_code unified_deal_code",
        "venues": "project_id role site_id",
        "session": "change_number cut_number end_us extra_room_ids id phase project_id room_id "
        "section_numbers source_ids start_us state venue_role",
        "seatings": "expert_key from_us id member principal reason recorded_us replaced_us seat_id to_us",
        "events": "at_us details id principal reason recorded_us replaces session_id type withdrawn",
        "tags": "at_us id kind principal project_id reason recorded_us replaces seat_id section_number "
        "session_id severity source_id text withdrawn",
        "witness_record": "act item number principal recorded_us session_id text",
        "sites": "id name_en name_zh region_code",
        "rooms": "id kind name_en name_zh site_id",
        "seats": "id ordinal room_id",
        "sources": "content_kind id label_en label_zh room_id seat_id",
        "clips": "backfilled gaps id part revision slices source wall",
        "segments": "chain chain_before id number path run sha256 size_bytes source wall",
    }
