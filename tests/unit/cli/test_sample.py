"""The sample loads as far as it was known, loading again changes nothing, and it is what was handed to us."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from catalog.catalogue import Catalogue
from catalog.database import reading
from catalog.reports import principal_of
from catalog.tables import METADATA
from cli.main import app
from cli.sample.files import DATA, LATER, Sample, SampleProject, read_sample
from cli.sample.life import load_appraisals
from cli.sample.load import PRINCIPAL, load_sample
from kernel.clock import from_datetime, iso_utc
from kernel.errors import TimelineError
from kernel.events import bounds
from kernel.model.footage import BookingStatus, HoldKind
from kernel.model.source import ContentKind
from kernel.model.timeline import Phase, SessionState
from kernel.model.use import RequestState
from kernel.settings import CutSettings
from kernel.timerange import EVER_US
from tests.support.peers import REPOSITORY, missing

SHARED = REPOSITORY.parent / "shared" / "domain" / "sample"
PROJECTS = {project.id: project for project in read_sample().projects}


def at(moment: str) -> int:
    """A moment in March 2026, Beijing time: ``09 12:00``."""
    return from_datetime(datetime.fromisoformat(f"2026-03-{moment[:2]}T{moment[3:]}+08:00"))


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    opened = Catalogue.open(f"sqlite:///{tmp_path / 'catalogue.sqlite'}")
    yield opened
    opened.close()


def only(project_id: str) -> Sample:
    """The sample with one project, for tests that ask for no other."""
    return replace(read_sample(), projects=(PROJECTS[project_id],), tags=(), locks=())


def everything(catalogue: Catalogue) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables."""
    with reading(catalogue._engine) as session:
        return {
            table.name: sorted(map(tuple, session.connection().execute(table.select()).all()), key=repr)
            for table in METADATA.sorted_tables
        }


# --- loading


def test_loading_twice_changes_nothing(catalogue: Catalogue) -> None:
    assert load_sample(catalogue, read_sample()) == sum(len(one.events) for one in PROJECTS.values())
    before = everything(catalogue)
    assert load_sample(catalogue, read_sample()) == 0
    assert everything(catalogue) == before


def test_only_what_was_known_at_a_moment_is_loaded(catalogue: Catalogue) -> None:
    load_sample(catalogue, read_sample(), at("09 12:00"))
    states = {
        session.id: session.state
        for project in PROJECTS
        for session in catalogue.sessions.of_project(project)
    }
    assert states["P05-E1"] is SessionState.ENDED
    assert states["P06-E"] is states["P06-S1"] is SessionState.RUNNING
    assert states["P08-E"] is SessionState.PLANNED
    assert not {"P09-R", "P19-X2"} & set(states)  # nobody had thought of them
    assert [tag.id for tag in catalogue.tags.of_project("P06")] == ["TAG-05"]
    assert catalogue.tags.of_project("P19") == []
    published = {one: catalogue.projects.project(one) for one in ("P01", "P03")}
    assert {one: project.outcome for one, project in published.items() if project} == {
        "P01": "result",
        "P03": "",
    }
    assert {session.start_us for session in catalogue.sessions.of_project("P20")} == {None}


@pytest.mark.parametrize(
    ("until", "known"),
    [
        ("13 09:10", [BookingStatus.CONFIRMED]),
        ("13 09:30", [BookingStatus.MOVED, BookingStatus.CONFIRMED]),
        ("16 09:10", [BookingStatus.MOVED, BookingStatus.MOVED, BookingStatus.CONFIRMED]),
    ],
)
def test_a_booking_is_moved_when_it_is_moved(
    catalogue: Catalogue, until: str, known: list[BookingStatus]
) -> None:
    load_sample(catalogue, only("P15"), at(until))
    assert [one.status for one in catalogue.bookings.of_project("P15")] == known


def test_a_seat_changes_hands_when_it_does_and_what_was_said_before_stays(catalogue: Catalogue) -> None:
    def seated() -> list[tuple[str, int | None, int | None]]:
        session = catalogue.sessions.get("P19-E")
        assert session is not None
        return [(s.member, s.from_us, s.to_us) for s in session.seats if s.seat_id == "ZX-ER1-03"]

    sample = only("P19")
    load_sample(catalogue, sample, at("20 11:21"))
    assert seated() == [("E2", None, None)]
    load_sample(catalogue, sample, at("20 11:22"))
    assert seated() == [("E2", None, at("20 11:22"))]
    load_sample(catalogue, sample)
    assert seated() == [("E2", None, at("20 11:22")), ("E5", at("20 13:40"), None)]
    rows = [row for row in everything(catalogue)["seating"] if "ZX-ER1-03" in row and "P19-E" in row]
    assert len(rows) == 3


def test_step_by_step_or_at_once_makes_no_difference(catalogue: Catalogue, tmp_path: Path) -> None:
    at_once = Catalogue.open(f"sqlite:///{tmp_path / 'at-once.sqlite'}")
    load_sample(at_once, read_sample())
    for day in ("05 20:00", "09 12:00", "16 12:00", "20 12:00"):
        load_sample(catalogue, read_sample(), at(day))
    load_sample(catalogue, read_sample())
    stepped, whole = everything(catalogue), everything(at_once)
    at_once.close()
    # Random ids, some learnt of earlier; random keys; the order in which things became known.
    for table in ("seating", "trading_system", "search_key", "audit", "search_change"):
        del stepped[table], whole[table]
    assert stepped == whole


def test_what_is_known_is_never_taken_back(catalogue: Catalogue) -> None:
    load_sample(catalogue, only("P06"), at("09 12:00"))
    with pytest.raises(TimelineError, match="knows the sample up to 2026-03-09T01:40"):
        load_sample(catalogue, only("P06"), at("09 09:39"))


def test_a_lock_holds_the_sources_that_it_names_until_it_is_released(catalogue: Catalogue) -> None:
    sample = replace(
        read_sample(), projects=(PROJECTS["P06"], PROJECTS["P09"]), tags=(), locks=read_sample().locks
    )
    load_sample(catalogue, sample, at("18 10:00"))
    held = catalogue.holds.all()
    of_seat = [hold for hold in held if hold.id.startswith("LK-01.")]
    assert {hold.source_id for hold in of_seat} == {"ZT-SH1-04-F", "ZT-SH1-04-D"}
    assert all(hold.wall.contains(at("09 09:35")) and hold.wall.contains(at("09 15:15")) for hold in of_seat)
    assert all(hold.made_us == at("09 11:24") for hold in of_seat)
    assert {(hold.act_id, hold.tag_id) for hold in of_seat} == {("LK-01", "TAG-05")}
    [whole] = [hold for hold in held if hold.id == "LK-02"]
    assert (whole.kind, whole.project_id, whole.made_us) == (HoldKind.PROJECT, "P09", at("16 16:10"))
    load_sample(catalogue, sample)
    assert {hold.id for hold in catalogue.holds.all()} == {hold.id for hold in of_seat}
    assert len(catalogue.holds.all(released=True)) == len(held)


def test_requests_come_as_far_as_they_had_come(catalogue: Catalogue) -> None:
    def states(moment: str) -> dict[str, RequestState]:
        return {one.id: one.state(at(moment)) for one in catalogue.requests.all()}

    sample = replace(read_sample(), tags=(), locks=())
    load_sample(catalogue, sample, at("17 09:00"))
    assert states("17 09:00") == {"RQ-01": RequestState.ASKED}
    load_sample(catalogue, sample, at("18 14:30"))
    assert states("18 14:30") == {
        "RQ-01": RequestState.USED,
        "RQ-02": RequestState.APPROVED,
        "RQ-03": RequestState.ASKED,
    }
    load_sample(catalogue, sample)
    assert catalogue.requests.get("RQ-03").state(0) is RequestState.REFUSED
    [tried] = catalogue.requests.uses("P03")  # RQ-04 has no basis number
    assert (tried.principal, tried.result, tried.details["denied"]) == ("i-jw-1", "refused", "no_basis")


def test_of_the_disposal_list_what_needs_no_file_is_decided(catalogue: Catalogue) -> None:
    """DSP-01 is due by rule, DSP-02 has no file that could be destroyed, DSP-03 is kept for longer."""
    sample = replace(read_sample(), projects=(PROJECTS["P11"],), tags=(), locks=(), retrievals=())
    for _ in range(2):  # the second time changes nothing
        load_sample(catalogue, sample)
        load_appraisals(catalogue, sample, EVER_US)
    kept = catalogue.retention
    due = [(one.project_id, one.retention.class_code) for one in kept.due(at("02 10:00"))]
    assert due == [("OLD-2010-007", "Y15")]
    told = {row["id"]: row["due"] for row in ours("disposal")}
    last = {
        one: governing.last_day.isoformat()
        for one in ("OLD-2010-007", "OLD-2010-008")
        if (governing := kept.of_project(one, at("30 12:00")).governing) and governing.last_day
    }
    assert last == {
        "OLD-2010-007": told["DSP-02"],
        "OLD-2010-008": "2040-12-31",
    }
    assert kept.of_project("P11", at("30 12:00")).class_code == "Y10"  # its end is that of its archive
    [made] = catalogue.disposals.all()
    assert (made.project_id, made.new_class, made.proposed_by) == ("OLD-2010-008", "Y30", "arch-1")
    assert list(catalogue.audit.faults()) == []


def test_the_command_loads_and_says_what_is_not_loaded_yet(tmp_path: Path) -> None:
    told = CliRunner().invoke(
        app, ["sample", "load", "--data-dir", str(tmp_path), "--until", "2026-03-09T12:00+08:00"]
    )
    assert told.exit_code == 0, told.output
    assert "2026-03-09T04:00:00" in told.output
    assert re.search(r"P06 +4/4 +7 ", told.output)
    assert re.search(r"new events +90\b", told.output)
    assert "certificates" in told.output
    opened = Catalogue.open(f"sqlite:///{tmp_path / 'catalogue.sqlite'}")
    try:
        assert len(opened.projects.projects()) == 22  # and two old ones, of which only the files are left
    finally:
        opened.close()


# --- the data


def test_everything_that_screens_name_has_a_name_in_both_languages(catalogue: Catalogue) -> None:
    load_sample(catalogue, only("P01"))
    places = catalogue.places
    named: list[tuple[str, str, str]] = [
        *((one.id, one.name_zh, one.name_en) for one in places.sites().values()),
        *((one.id, one.name_zh, one.name_en) for one in places.rooms().values()),
        *((one.id, one.label_zh, one.label_en) for one in places.sources().values()),
        *((one.code, one.name_zh, one.name_en) for one in places.regions()),
        *((one.code, one.name_zh, one.name_en) for one in places.industries()),
        *((one.id, one.name_zh, one.name_en) for one in PROJECTS.values()),
    ]
    assert len(named) > 550
    assert [one for one in named if not re.search(r"[\u4e00-\u9fff]", one[1])] == []
    assert [one for one in named if not one[2] or not one[2].isascii()] == []
    rooms = places.rooms().values()
    assert len({one.name_en for one in rooms}) == len({one.name_zh for one in rooms}) == len(rooms)


def test_the_trading_system_of_the_sample_is_shown_by_its_name(catalogue: Catalogue) -> None:
    load_sample(catalogue, only("P01"))
    [system] = catalogue.trading_systems.all()
    assert (principal_of(system.id), system.name_zh) == (PRINCIPAL, "电子交易系统(样例)")


def test_every_file_is_loaded_or_said_not_to_be() -> None:
    assert {path.stem for path in DATA.glob("*.yaml")} == {
        *LATER,
        *("accounts", "disposal", "legacy", "locks", "requests", "retrievals", "sites", "tags"),
        *("alerts", "alert_ends", "directives", "presence"),
    }


def test_no_member_has_a_name_and_every_seated_expert_a_key() -> None:
    for project in PROJECTS.values():
        keys: dict[str, set[str]] = {}
        for session in project.sessions:
            for seat in session.seats:
                keys.setdefault(seat.member, set()).add(seat.expert_key)
        for member, found in keys.items():
            assert len(found) == 1  # one person, one key, in all sessions of the project
            assert bool(found.pop()) == member.startswith("E")


def test_some_experts_sit_in_several_projects() -> None:
    seen: Counter[str] = Counter()
    for project in PROJECTS.values():
        seen.update({seat.expert_key for one in project.sessions for seat in one.seats if seat.expert_key})
    assert sorted(seen.values(), reverse=True)[:3] == [3, 3, 2]


def test_expected_figures_suit_the_shipped_rules() -> None:
    assert (CutSettings().pre_roll_seconds, CutSettings().post_roll_seconds) == (300, 300)


# --- the data and what was handed to us


@pytest.fixture(scope="module")
def handed() -> dict[str, Any]:
    if not SHARED.is_dir():
        missing("the sample that was handed to us", f"put it into {SHARED}")
    return {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in SHARED.glob("*.yaml")}


def ours(name: str) -> Any:
    return yaml.safe_load((DATA / f"{name}.yaml").read_text(encoding="utf-8"))


def same(value: Any) -> Any:
    """Without what only the writing differs in: names of keys, seconds of moments."""
    renamed = {"camera": "source", "clip_scope": "sources", "external_site": "site"}
    if isinstance(value, dict):
        return {renamed.get(key, key): same(one) for key, one in value.items()}
    if isinstance(value, list):
        return [same(one) for one in value]
    if isinstance(value, str) and re.match(r"2\d{3}-\d\d-\d\dT", value):
        return iso_utc(from_datetime(datetime.fromisoformat(value)))
    return value


def test_places_are_those_handed_to_us(handed: dict[str, Any]) -> None:
    places, equipment = read_sample().places, ours("equipment")
    inside = [site for site in places.sites if site.id != "QJS"]
    assert [(s.id, s.region, s.name_zh, s.name_en) for s in inside] == [
        (s["id"], s["region"], s["name_zh"], s["name_en"]) for s in handed["sites"]["sites"]
    ]
    rooms = [(s["id"], room) for s in handed["sites"]["sites"] for room in s["rooms"]]
    assert [(r.site_id, r.id, r.kind, r.name_zh) for r in places.rooms_public() if r.site_id != "QJS"] == [
        (site, room["id"], room["kind"], room["name_zh"]) for site, room in rooms
    ]
    assert [seat.id for seat in places.seats_public()] == [x for _, room in rooms for x in room["seats"]]
    cameras = [(room["id"], camera) for _, room in rooms for camera in room["cameras"]]
    sources = [one for one in places.sources_public() if one.room_id != "QJS-EXT"]
    assert len(sources) == 429
    assert [(one.room_id, one.id, one.seat_id, one.label_zh) for one in sources] == [
        (room, camera["id"], camera.get("seat"), camera["label_zh"]) for room, camera in cameras
    ]
    assert equipment["sources"] == {
        camera["id"]: {"profile": camera["profile"], "gb_id": camera["gb_id"]} for _, camera in cameras
    }
    assert set(equipment["remote_rooms"]) == {room["id"] for _, room in rooms if room["remote_capable"]}
    assert ours("profiles") == handed["camera_profiles"]["profiles"]
    [outside] = handed["sites"]["external_sites"]
    [venue] = [site for site in places.sites if site.id == outside["id"]]
    assert (venue.region, venue.name_zh) == (outside["region"], outside["name_zh"])


def test_content_kinds_follow_the_kinds_of_cameras(handed: dict[str, Any]) -> None:
    sources = {one.id: one.content_kind for one in read_sample().places.sources_public()}
    kinds: dict[tuple[str, str], set[ContentKind]] = {}
    for site in handed["sites"]["sites"]:
        for room in site["rooms"]:
            for camera in room["cameras"]:
                where = "supervision" if room["kind"] == "supervision_room" else "elsewhere"
                kinds.setdefault((where, camera["kind"]), set()).add(sources[camera["id"]])
    assert kinds == {
        ("elsewhere", "panorama"): {ContentKind.ROOM},
        ("elsewhere", "host"): {ContentKind.ROOM},
        ("elsewhere", "screen"): {ContentKind.SCREEN},
        ("elsewhere", "terminal"): {ContentKind.EXTRACTION_TERMINAL},
        ("elsewhere", "seat_face"): {ContentKind.SEAT_FACE},
        ("elsewhere", "seat_desktop"): {ContentKind.SEAT_DESKTOP},
        ("supervision", "panorama"): {ContentKind.SUPERVISION},
        ("supervision", "terminal"): {ContentKind.SUPERVISION},
    }


@pytest.mark.parametrize("project_id", sorted(PROJECTS))
def test_a_project_is_the_one_handed_to_us(handed: dict[str, Any], project_id: str) -> None:
    [theirs] = [one for one in handed["projects"]["projects"] if one["id"] == project_id]
    project = PROJECTS[project_id]
    assert project.why == theirs["why_in_sample"]
    assert project.expected.model_dump() == theirs["expected"]
    assert (project.industry, project.supervising_account) == (
        theirs["sub_industry"],
        theirs["supervising_account"] or "",
    )
    for name in ("project_code", "tender_project_code", "name_zh", "region", "trade_place", "method"):
        assert getattr(project, name) == theirs[name]
    for name in ("evaluation_mode", "committee_size", "outcome", "retention_class"):
        assert getattr(project, name) == theirs[name]
    assert project.result_published_at == datetime.fromisoformat(theirs["result_published_at"])
    assert [(s.number, s.section_code, s.name_zh, s.unified_deal_code) for s in project.sections] == [
        (s["section_no"], s["section_code"], s["name_zh"], s["unified_deal_code"]) for s in theirs["sections"]
    ]
    assert [venue.site for venue in project.venues] == [
        theirs["venues"]["main"],
        *theirs["venues"]["secondary"],
    ]
    booked = [(b.room, b.start, (b.end - b.start).total_seconds() / 3600, b.status) for b in project.bookings]
    assert booked == [
        (b["room"], datetime.fromisoformat(b["planned_start"]), b["planned_hours"], b["status"])
        for b in theirs["bookings"]
    ]
    assert same([dict(one) for one in project.deviations]) == same(theirs.get("deviations", []))


@pytest.mark.parametrize("project_id", sorted(PROJECTS))
def test_sessions_and_events_are_those_handed_to_us(handed: dict[str, Any], project_id: str) -> None:
    [theirs] = [one for one in handed["projects"]["projects"] if one["id"] == project_id]
    project = PROJECTS[project_id]
    sessions = [one for one in project.sessions if one.phase is not Phase.SUPERVISION]
    assert [one.id for one in sessions] == [one["id"] for one in theirs["sessions"]]
    for one, told in zip(sessions, theirs["sessions"], strict=True):
        assert (one.phase, one.room) == (told["phase"], told["room"] or "QJS-EXT")
        assert one.venue_role == ("external" if told.get("external_site") else told["venue"])
        assert list(one.sections) == told.get("sections", [])
        assert list(one.extra_rooms) == told.get("extra_rooms", [])
        assert [
            (s.seat, s.member, s.since and s.since.isoformat(), s.until and s.until.isoformat())
            for s in one.seats
        ] == [(s["seat"], s["member"], s.get("from"), s.get("to")) for s in told.get("seats", [])]
        assert events_of(project, one.id) == [same(event) for event in told["events"]]
        ends = bounds(event.event("", 0) for event in project.events if event.session == one.id)
        assert (ends.start_us, ends.end_us) == tuple(
            from_datetime(datetime.fromisoformat(told[name])) for name in ("start", "end")
        )


def events_of(project: SampleProject, session_id: str) -> list[dict[str, Any]]:
    """As they were handed to us: without the session.start and session.end that we had to add."""
    return [
        {
            "at": iso_utc(from_datetime(event.at)),
            "type": event.type,
            **same(event.details),
            **({"reason": event.reason} if event.reason else {}),
        }
        for event in project.events
        if event.session == session_id and not event.type.startswith("session.")
    ]


def test_what_people_did_is_what_was_handed_to_us(handed: dict[str, Any]) -> None:
    activity = handed["activity"]
    for name in ("alerts", "directives", "retrievals", "certificates", "disposal"):
        assert same(ours(name)) == same(activity[name]), name
    assert same(ours("presence")) == same(activity["supervisor_presence"])
    assert ours("accounts") == handed["users"]["users"]
    assert ours("retention") == handed["retention"]["classes"]
    tags = [(t.id, t.project, t.kind, t.text, t.severity, t.source) for t in read_sample().tags]
    assert tags == [
        (t["id"], t["project"], t["type"], t["label_zh"], t.get("severity", ""), t.get("camera"))
        for t in activity["tags"]
    ]
    for tag, told in zip(read_sample().tags, activity["tags"], strict=True):
        assert tag.at == datetime.fromisoformat(told["at"])
        assert tag.by == (f"auto:{told['source']}" if told["by"] == "auto" else told["by"])
    assert [(one.id, one.project, one.sources, one.by, one.reason) for one in read_sample().locks] == [
        (one["id"], one["project"], one["clip_scope"], one["by"], one["reason_zh"])
        for one in activity["locks"]
    ]


def test_the_supervisor_on_site_has_a_session_of_that_time() -> None:
    [visit] = [row for row in ours("presence") if row["mode"] == "on_site"]
    [session] = [one for one in PROJECTS[visit["project"]].sessions if one.phase is Phase.SUPERVISION]
    told = [event for event in PROJECTS[visit["project"]].events if event.session == session.id]
    assert session.room == visit["room"]
    assert [event.at for event in told] == [
        datetime.fromisoformat(visit["joined"]),
        datetime.fromisoformat(visit["left"]),
    ]


def test_divisions_and_industries_that_the_sample_names_are_known(
    handed: dict[str, Any], catalogue: Catalogue
) -> None:
    regions = {one.code: one.name_zh for one in catalogue.places.regions()}
    assert {one["code"]: one["name_zh"] for one in handed["regions"]["regions"]}.items() <= regions.items()
    for old in handed["regions"]["historical"]:
        assert catalogue.places.former_codes(old["new"]) == [old["old"]]
    known = {one.code for one in catalogue.places.industries()}
    for one in handed["industries"]["industries"]:
        assert {one["code"], *(sub["code"] for sub in one["sub"])} <= known
    rules = handed["cut_rules"]["cut_rules"]
    settings = CutSettings()
    assert (settings.pre_roll_seconds, settings.post_roll_seconds) == (
        rules["pre_roll_seconds"],
        rules["post_roll_seconds"],
    )
