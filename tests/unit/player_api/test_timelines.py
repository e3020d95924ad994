"""A project's timeline by API: shown as it is with every correction; corrected by hand, never overwritten."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from catalog.catalogue import Catalogue
from catalog.database import writing
from catalog.objects import MemoryStore
from catalog.sessions import AHEAD_US
from catalog.tables import SeatRow
from kernel.clock import SECOND_US, FakeClock
from kernel.model.cut import Clip, ClipGap, CutList
from kernel.model.footage import Booking, BookingStatus, GapCause
from kernel.model.timeline import (
    Phase,
    Project,
    ProjectKind,
    SeatOccupation,
    Session,
    SessionState,
    SessionTimeline,
    Tag,
    TimelineEvent,
)
from kernel.timerange import TimeRange
from player_api.app import create_app
from tests.support.catalogue import PROJECT, add_session, open_catalogue

START_US = 1_772_413_200_000_000
END_US = START_US + 3600 * SECOND_US
NOW_US = END_US + 3600 * SECOND_US
WALL = TimeRange(start_us=START_US, end_us=END_US)


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    opened = open_catalogue(tmp_path)
    add_session(opened, START_US, END_US)
    yield opened
    opened.close()


def as_it_lasted(session: Session) -> SessionTimeline:
    """Stands in for the segmenter: a pause in the middle of every session that lasts."""
    assert session.start_us is not None
    assert session.end_us is not None
    middle_us = (session.start_us + session.end_us) // 2
    return SessionTimeline(
        session_id=session.id,
        wall=TimeRange(start_us=session.start_us, end_us=session.end_us),
        expected=(),
        pauses=(TimeRange(start_us=middle_us, end_us=middle_us + SECOND_US),),
    )


@pytest.fixture
async def client(catalogue: Catalogue) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(catalogue, MemoryStore(), FakeClock(NOW_US), timeline_of=as_it_lasted)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as opened:
        yield opened


async def timeline(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.get("/api/projects/P/timeline")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def session(client: httpx.AsyncClient) -> dict[str, Any]:
    [found] = (await timeline(client))["sessions"]
    return dict(found)


async def enter(client: httpx.AsyncClient, **told: object) -> httpx.Response:
    body = {
        "at_us": START_US + 60 * SECOND_US,
        "type": "opening.objection",
        "reason": "said by the officer on duty",
        "principal": "w-zt-1",
        **told,
    }
    return await client.post("/api/sessions/P-O/events", json=body)


async def test_a_session_is_shown_with_its_place_its_pauses_and_its_events(client: httpx.AsyncClient) -> None:
    shown = await timeline(client)
    assert shown["project"] == {"id": "P", "name_zh": "样例项目", "name_en": "Sample"}
    assert shown["now_us"] == NOW_US
    [found] = shown["sessions"]
    assert (found["room_name_zh"], found["site_name_zh"]) == ("开标厅", "样例")
    assert (found["start_us"], found["end_us"]) == (START_US, END_US)
    assert len(found["pauses"]) == 1
    assert [(one["type"], one["effect"]) for one in found["events"]] == [
        ("opening.start", "session_start"),
        ("opening.end", "session_end"),
    ]


async def test_a_session_that_runs_has_no_end_but_its_pauses_so_far(client: httpx.AsyncClient) -> None:
    taken_back = await enter(client, type="opening.end", at_us=END_US, replaces="opening.end", withdrawn=True)
    assert taken_back.status_code == 201
    found = await session(client)
    assert (found["state"], found["end_us"]) == ("running", None)
    assert found["pauses"][0]["start_us"] == (START_US + NOW_US) // 2


async def test_gaps_say_their_cause_and_whether_they_were_filled(
    client: httpx.AsyncClient, catalogue: Catalogue
) -> None:
    lost = TimeRange(start_us=START_US, end_us=START_US + SECOND_US)
    filled = TimeRange(start_us=START_US + 2 * SECOND_US, end_us=START_US + 3 * SECOND_US)
    clip = Clip(
        id="P-O.cam.1",
        session_id="P-O",
        source_id="cam",
        part=1,
        wall=WALL,
        slices=(),
        gaps=(ClipGap(wall=lost, cause=GapCause.NETWORK, detail="no route"),),
        backfilled=(ClipGap(wall=filled, cause=GapCause.CAMERA_LOST, detail=""),),
    )
    catalogue.clips.record(CutList(session_id="P-O", clips=(clip,), change_number=2), at_us=NOW_US)
    [shown] = (await session(client))["clips"]
    assert [(gap["cause"], gap["detail"], gap["backfilled"]) for gap in shown["gaps"]] == [
        ("network", "no route", False),
        ("camera_lost", "", True),
    ]
    assert (shown["source_id"], shown["seat_id"]) == ("cam", None)


async def test_a_booking_that_was_moved_stays_in_sight(
    client: httpx.AsyncClient, catalogue: Catalogue
) -> None:
    catalogue.bookings.book(
        Booking(
            id="B1",
            room_id="OH",
            wall=WALL,
            title="",
            principal="test",
            status=BookingStatus.MOVED,
            project_id="P",
        )
    )
    [shown] = (await timeline(client))["bookings"]
    assert (shown["status"], shown["room_name_zh"]) == ("moved", "开标厅")


async def test_tags_are_shown_with_their_kind_and_severity(
    client: httpx.AsyncClient, catalogue: Catalogue
) -> None:
    catalogue.tags.add(
        Tag(
            id="T",
            project_id="P",
            at_us=START_US,
            kind="irregular",
            text="迟到",
            principal="w",
            recorded_us=NOW_US,
            severity="major",
        )
    )
    [shown] = (await timeline(client))["tags"]
    assert (shown["kind"], shown["severity"], shown["session_id"]) == ("irregular", "major", None)


async def test_a_project_and_the_record_of_its_hall_name_each_other(
    client: httpx.AsyncClient, catalogue: Catalogue
) -> None:
    hall = Project(
        id="HALL",
        project_code="HALL-1",
        name_zh="大厅",
        name_en="Hall",
        region_code=PROJECT.region_code,
        trade_place=PROJECT.trade_place,
        industry_code=PROJECT.industry_code,
        kind=ProjectKind.HALL,
    )
    catalogue.projects.add_project(hall, [])
    catalogue.projects.show_in_hall("HALL", ["P"], principal="w", at_us=1)
    assert [one["id"] for one in (await timeline(client))["halls"]] == ["HALL"]
    record = (await client.get("/api/projects/HALL/timeline")).json()
    assert [one["name_zh"] for one in record["shown"]] == ["样例项目"]


async def test_a_session_that_is_only_planned_has_no_times(
    client: httpx.AsyncClient, catalogue: Catalogue
) -> None:
    planned = Session(
        id="P-E",
        project_id="P",
        phase=Phase.EVALUATION,
        room_id="OH",
        state=SessionState.PLANNED,
        start_us=None,
        end_us=None,
        seats=(),
    )
    catalogue.sessions.add([planned])
    found = (await timeline(client))["sessions"][1]
    assert (found["state"], found["start_us"], found["pauses"], found["events"]) == ("planned", None, [], [])


async def test_every_kind_of_event_has_words_in_both_languages(client: httpx.AsyncClient) -> None:
    kinds = (await client.get("/api/event-kinds")).json()
    assert len(kinds) > 40
    assert all(kind["zh"] and kind["en"] for kind in kinds)


async def test_a_correction_keeps_the_old_and_the_new(client: httpx.AsyncClient) -> None:
    earlier_us = START_US - 300 * SECOND_US
    answer = await enter(client, type="opening.start", at_us=earlier_us, replaces="opening.start")
    assert answer.status_code == 201
    found = await session(client)
    by_id = {one["id"]: one for one in found["events"]}
    new = by_id[answer.json()["id"]]
    assert (new["at_us"], new["principal"], new["recorded_us"]) == (earlier_us, "w-zt-1", NOW_US)
    assert by_id["opening.start"]["at_us"] == START_US
    assert by_id["opening.start"]["replaced_by"] == new["id"]
    assert found["start_us"] == earlier_us


async def test_an_event_that_is_taken_back_stays_on_record(client: httpx.AsyncClient) -> None:
    wrong = (await enter(client)).json()["id"]
    assert (await enter(client, replaces=wrong, withdrawn=True)).status_code == 201
    events = {one["id"]: one for one in (await session(client))["events"]}
    assert events[events[wrong]["replaced_by"]]["withdrawn"] is True


@pytest.mark.parametrize("lacking", ["reason", "principal"])
@pytest.mark.parametrize("said", ["", "   "])
async def test_no_event_without_a_reason_and_a_name(
    client: httpx.AsyncClient, lacking: str, said: str
) -> None:
    assert (await enter(client, **{lacking: said})).status_code == 422
    assert len((await session(client))["events"]) == 2


async def test_the_reason_is_kept_without_the_blanks_around_it(client: httpx.AsyncClient) -> None:
    assert (await enter(client, reason="  电话核实 ")).json()["reason"] == "电话核实"


async def test_an_end_before_the_start_is_refused_and_nothing_changes(client: httpx.AsyncClient) -> None:
    answer = await enter(client, type="opening.end", at_us=START_US - SECOND_US, replaces="opening.end")
    assert answer.status_code == 409
    assert answer.json()["detail"]["code"] == "ends_before_start"
    assert answer.json()["detail"]["hint"]
    assert (await session(client))["end_us"] == END_US


async def test_who_comes_second_is_told_that_the_event_was_corrected_already(
    client: httpx.AsyncClient,
) -> None:
    first = await enter(client, type="opening.start", at_us=START_US - SECOND_US, replaces="opening.start")
    second = await enter(client, type="opening.start", at_us=START_US + SECOND_US, replaces="opening.start")
    assert (first.status_code, second.status_code) == (201, 409)
    assert second.json()["detail"]["code"] == "event_replaced"
    assert (await session(client))["start_us"] == START_US - SECOND_US


async def test_what_has_not_happened_yet_is_not_taken(client: httpx.AsyncClient) -> None:
    """A slip in the year would keep a session from being cut until then."""
    answer = await enter(client, type="opening.end", at_us=NOW_US + AHEAD_US + 1, replaces="opening.end")
    assert (answer.status_code, answer.json()["detail"]["code"]) == (409, "in_future")
    assert (await enter(client, at_us=NOW_US + AHEAD_US)).status_code == 201


@pytest.mark.parametrize(
    "said",
    [
        {"reason": "a\0b"},
        {"principal": "a\0b"},
        {"replaces": "a\0b"},
        {"details": {"a": ["b\0"]}},
        {"details": {"a": "x" * 4096}},
    ],
)
async def test_what_no_page_or_archive_can_hold_is_not_taken_by_hand_either(
    client: httpx.AsyncClient, said: dict[str, object]
) -> None:
    assert (await enter(client, **said)).status_code == 422
    assert len((await session(client))["events"]) == 2


async def test_an_event_of_the_future_that_a_system_reported_can_be_taken_back(
    client: httpx.AsyncClient, catalogue: Catalogue
) -> None:
    far_us = NOW_US + 365 * 86_400 * SECOND_US
    [start, _end] = catalogue.sessions.events_of("P-O")
    far = replace(start, id="far", at_us=far_us, type="opening.end", recorded_us=far_us)
    catalogue.sessions.record_event(far)  # by a version that took it, or a clock that was wrong itself
    assert (await session(client))["end_us"] == far_us
    answer = await enter(client, type="opening.end", at_us=far_us, replaces="far", withdrawn=True)
    assert answer.status_code == 201
    assert (await session(client))["end_us"] == END_US


async def test_another_refusal_is_passed_on_as_the_catalogue_says_it(client: httpx.AsyncClient) -> None:
    detail = (await enter(client, replaces="no-such-event")).json()["detail"]
    assert detail["code"] == "other"
    assert "no-such-event" in detail["message"]


async def test_a_project_that_does_not_exist_is_not_found(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/projects/none/timeline")).status_code == 404


async def test_no_event_for_a_session_that_does_not_exist(client: httpx.AsyncClient) -> None:
    told = {"at_us": START_US, "type": "eval.pause", "reason": "x", "principal": "x"}
    assert (await client.post("/api/sessions/none/events", json=told)).status_code == 404


async def test_without_the_cutting_rules_events_are_shown_all_the_same(catalogue: Catalogue) -> None:
    app = create_app(catalogue, MemoryStore(), FakeClock(NOW_US))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1") as bare:
        found = await session(bare)
    assert (found["pauses"], len(found["events"])) == ([], 2)


# --- who said it


@pytest.fixture
def etrade(catalogue: Catalogue) -> Catalogue:
    catalogue.trading_systems.add("etrade", "电子交易系统", principal="test", at_us=START_US)
    return catalogue


def event(event_id: str, principal: str) -> TimelineEvent:
    return TimelineEvent(
        id=event_id,
        session_id="P-O",
        at_us=START_US + SECOND_US,
        type="opening.objection",
        reason="",
        principal=principal,
        recorded_us=NOW_US,
    )


@pytest.mark.parametrize(
    ("event_id", "principal", "kind", "name"),
    [
        ("17-3", "system:etrade", "trading_system", "电子交易系统"),
        ("17-3", "system:unheard-of", "trading_system", "unheard-of"),
        ("row-9", "w-zt-1", "file", "w-zt-1"),
        ("event-0123456789abcdef0123456789abcdef", "w-zt-1", "person", "w-zt-1"),
        ("event-0123456789abcdef0123456789abcdef", "segmenter", "program", "segmenter"),
        ("event-0123456789abcdef0123456789abcdef", "", "unknown", ""),
    ],
)
async def test_an_event_says_who_reported_it_and_which_way(
    client: httpx.AsyncClient, etrade: Catalogue, event_id: str, principal: str, kind: str, name: str
) -> None:
    etrade.sessions.record_event(event(event_id, principal))
    events = {one["id"]: one for one in (await session(client))["events"]}
    assert events[event_id]["reporter"] == {"kind": kind, "name": name}


async def test_a_correction_by_hand_names_the_person_and_the_old_one_its_system(
    client: httpx.AsyncClient, etrade: Catalogue
) -> None:
    etrade.sessions.record_event(event("17-3", "system:etrade"))
    new = (await enter(client, replaces="17-3")).json()
    assert new["reporter"] == {"kind": "person", "name": "w-zt-1"}
    events = {one["id"]: one for one in (await session(client))["events"]}
    assert events["17-3"]["reporter"]["name"] == "电子交易系统"


# --- who sat where


@pytest.fixture
def seated(catalogue: Catalogue) -> Catalogue:
    """E2 and then E5 on the first seat of the hall, O1 on the second; said by a trading system."""
    with writing(catalogue._engine) as rows:
        for n in (1, 2, 3):
            rows.add(SeatRow(id=f"OH-0{n}", room_id="OH", ordinal=n))
    left_us = START_US + 600 * SECOND_US
    catalogue.sessions.set_seats(
        "P-O",
        [
            SeatOccupation(seat_id="OH-01", member="E2", expert_key="k2", to_us=left_us),
            SeatOccupation(seat_id="OH-01", member="E5", expert_key="k5", from_us=left_us),
            SeatOccupation(seat_id="OH-02", member="O1"),
        ],
        principal="system:etrade",
        reason="eval.expert_replaced",
        at_us=START_US,
    )
    return catalogue


async def seat(client: httpx.AsyncClient, **told: object) -> httpx.Response:
    body = {
        "seat_id": "OH-01",
        "member": "E2",
        "from_us": None,
        "to_us": START_US + 540 * SECOND_US,
        "reason": "left a minute earlier",
        "principal": "w-zt-1",
        **told,
    }
    return await client.post("/api/sessions/P-O/seatings", json=body)


def standing(shown: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What holds now, by member."""
    return {
        one["member"]: one for one in shown["seatings"] if one["replaced_us"] is None and not one["never"]
    }


async def test_a_seat_is_put_right_and_what_was_said_before_stays(
    client: httpx.AsyncClient, seated: Catalogue
) -> None:
    old = standing(await session(client))["E2"]
    assert (await seat(client, replaces=old["id"])).status_code == 201
    shown = await session(client)
    [before] = [one for one in shown["seatings"] if one["id"] == old["id"]]
    assert (before["replaced_us"], before["to_us"]) == (NOW_US, START_US + 600 * SECOND_US)
    new = standing(shown)["E2"]
    assert (new["to_us"], new["reason"]) == (START_US + 540 * SECOND_US, "left a minute earlier")
    assert new["reporter"] == {"kind": "person", "name": "w-zt-1"}
    assert {one["member"]: one["end_us"] for one in shown["seats"]}["E2"] == START_US + 540 * SECOND_US
    assert {one["member"]: one["seating_id"] for one in shown["seats"]}["E2"] == new["id"]


async def test_the_key_of_an_expert_outlives_a_correction_by_hand(
    client: httpx.AsyncClient, seated: Catalogue
) -> None:
    """People know no keys; without it the expert could no longer be followed over projects."""
    await seat(client, replaces=standing(await session(client))["E2"]["id"])
    found = seated.sessions.get("P-O")
    assert found is not None
    assert {one.member: one.expert_key for one in found.seats} == {"E2": "k2", "E5": "k5", "O1": ""}


@pytest.mark.parametrize("told", [{"member": "E3"}, {"seat_id": "OH-03"}, {"withdrawn": True}])
async def test_who_was_named_wrongly_is_said_never_to_have_sat_there(
    client: httpx.AsyncClient, seated: Catalogue, told: dict[str, object]
) -> None:
    old = standing(await session(client))["E2"]
    assert (await seat(client, replaces=old["id"], **told)).status_code == 201
    shown = await session(client)
    never = [one for one in shown["seatings"] if one["never"]]
    assert [(one["seat_id"], one["member"], one["reason"]) for one in never] == [
        ("OH-01", "E2", "left a minute earlier")
    ]
    now = {(one["seat_id"], one["member"]) for one in standing(shown).values()}
    other = {(told.get("seat_id", "OH-01"), told.get("member", "E2"))} if "withdrawn" not in told else set()
    assert now == {("OH-01", "E5"), ("OH-02", "O1"), *other}


async def test_somebody_more_is_named_and_the_others_stay(
    client: httpx.AsyncClient, seated: Catalogue
) -> None:
    assert (await seat(client, seat_id="OH-03", member="E4", to_us=None)).status_code == 201
    assert set(standing(await session(client))) == {"E2", "E5", "O1", "E4"}


async def test_a_seat_that_is_put_right_is_cut_anew(client: httpx.AsyncClient, seated: Catalogue) -> None:
    before = seated.sessions.get("P-O")
    await seat(client, replaces=standing(await session(client))["E2"]["id"])
    after = seated.sessions.get("P-O")
    assert before is not None
    assert after is not None
    assert after.change_number > before.change_number


async def test_of_two_who_put_a_seat_right_the_second_is_told_so_and_loses_nothing(
    client: httpx.AsyncClient, seated: Catalogue
) -> None:
    old = standing(await session(client))["E2"]["id"]
    assert (await seat(client, replaces=old)).status_code == 201
    second = await seat(client, replaces=old, to_us=START_US + SECOND_US)
    assert (second.status_code, second.json()["detail"]["code"]) == (409, "event_replaced")
    assert standing(await session(client))["E2"]["to_us"] == START_US + 540 * SECOND_US


@pytest.mark.parametrize(
    ("told", "status", "code"),
    [
        ({"from_us": START_US + 2, "to_us": START_US + 1}, 409, "ends_before_start"),
        ({"to_us": NOW_US + AHEAD_US + 1}, 409, "in_future"),
        ({"seat_id": "none"}, 409, "other"),
        ({"replaces": "none"}, 409, "other"),
        ({"withdrawn": True}, 409, "other"),
        ({"member": "张三"}, 422, None),
        ({"reason": "  "}, 422, None),
        ({"principal": ""}, 422, None),
    ],
)
async def test_what_cannot_be_said_of_a_seat_is_refused_and_nothing_changes(
    client: httpx.AsyncClient, seated: Catalogue, told: dict[str, object], status: int, code: str | None
) -> None:
    before = seated.sessions.seatings_of("P-O")
    answer = await seat(client, **told)
    assert answer.status_code == status
    assert code is None or answer.json()["detail"]["code"] == code
    assert seated.sessions.seatings_of("P-O") == before


async def test_no_seat_of_a_session_that_does_not_exist(client: httpx.AsyncClient) -> None:
    told = {"seat_id": "OH-01", "member": "E1", "reason": "x", "principal": "x"}
    assert (await client.post("/api/sessions/none/seatings", json=told)).status_code == 404


async def test_the_seats_that_can_be_named_are_those_of_the_room(
    client: httpx.AsyncClient, seated: Catalogue
) -> None:
    assert [one["id"] for one in (await session(client))["places"]] == ["OH-01", "OH-02", "OH-03"]
