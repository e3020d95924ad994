"""The sample's twenty projects, lived through by the real segmenter: every case has a test of its name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
import yaml

from archiver.budget import budget_bytes
from archiver.rules import archive_rules
from catalog.catalogue import Catalogue
from catalog.places import with_descendants
from catalog.projects import ProjectFilter
from catalog.statistics import StatisticsFilter
from cli.sample.files import DATA, read_sample
from cli.sample.load import load_projects, load_sample
from kernel.clock import SECOND_US, FakeClock, from_datetime
from kernel.errors import TimelineError
from kernel.events import in_force
from kernel.model.cut import Clip
from kernel.model.footage import BookingStatus, ClockBasis, GapCause
from kernel.model.source import ContentKind
from kernel.model.timeline import (
    Effect,
    Phase,
    Project,
    ProjectKind,
    Session,
    SessionState,
    SessionTimeline,
    TimelineEvent,
    VenueRole,
)
from kernel.settings import CutSettings
from kernel.statistics import Cell, Figures, fold, total
from kernel.timerange import TimeRange, merge
from segmenter.timeline import spans
from segmenter.worker import Segmenter
from tests.support.sample_month import EXTERNAL, Month, at, wall

PROJECTS = [f"P{number:02d}" for number in range(1, 21)]
JUDGING = (Phase.EVALUATION, Phase.RE_EVALUATION, Phase.NEGOTIATION, Phase.CLARIFICATION)
MINUTE_US = 60 * SECOND_US


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def month(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Month]:
    server = request.getfixturevalue("postgresql") if request.param == "postgresql" else None
    url = server.new() if server else ""
    lived = Month(tmp_path_factory.mktemp("month"), url)
    lived.live()
    yield lived
    lived.catalogue.close()
    if server:
        server.give_back(url)


def events(month: Month, session_id: str) -> list[TimelineEvent]:
    return in_force(month.catalogue.sessions.events_of(session_id))


def moments(month: Month, session_id: str, kind: str) -> list[int]:
    return [event.at_us for event in events(month, session_id) if event.type == kind]


def timeline(month: Month, session_id: str) -> SessionTimeline:
    return Segmenter(month.catalogue, CutSettings(), month.clock).timeline_of(month.session(session_id))


def hours(clips: list[Clip]) -> float:
    return sum(clip.wall.duration_us for clip in clips) / (3600 * SECOND_US)


def rolled(start: str, end: str) -> TimeRange:
    """With five minutes before and after."""
    span = wall(start, end)
    return TimeRange(start_us=span.start_us - 5 * MINUTE_US, end_us=span.end_us + 5 * MINUTE_US)


# --- figures


@pytest.mark.parametrize("project_id", PROJECTS)
def test_the_clips_and_stream_hours_are_those_expected(month: Month, project_id: str) -> None:
    expected = month.project(project_id).expected
    clips = month.all_clips(project_id)
    assert len(clips) == expected.clips
    assert len(month.all_clips(project_id, *JUDGING)) == expected.evaluation_clips
    assert round(hours(clips), 1) == expected.stream_hours
    assert round(5e9 * 8 / (hours(clips) * 3600) / 1000) == expected.kbps_at_5gb


@pytest.mark.parametrize("project_id", PROJECTS)
def test_what_its_sources_send_weighs_what_is_expected(month: Month, project_id: str) -> None:
    equipment = yaml.safe_load((DATA / "equipment.yaml").read_text(encoding="utf-8"))["sources"]
    profiles = yaml.safe_load((DATA / "profiles.yaml").read_text(encoding="utf-8"))
    raw = 0.0
    for clip in month.all_clips(project_id):
        if clip.source_id not in EXTERNAL:  # nobody knows what the venue outside sends
            sends = profiles[equipment[clip.source_id]["profile"]]
            raw += (sends["kbps"] + sends["audio_kbps"]) * 125 * clip.wall.duration_us / SECOND_US
    assert round(raw / 1e9, 1) == month.project(project_id).expected.raw_gb


@pytest.mark.parametrize("project_id", PROJECTS)
def test_slices_and_gaps_fill_every_clip_exactly(month: Month, project_id: str) -> None:
    """Invariant 5."""
    for clip in month.all_clips(project_id):
        parts = [used.wall for used in clip.slices] + [gap.wall for gap in clip.gaps]
        assert merge(parts) == [clip.wall]
        assert sum(part.duration_us for part in parts) == clip.wall.duration_us


def test_evaluated_projects_have_more_than_ten_clips_each_on_average(month: Month) -> None:
    evaluated = [p for p in PROJECTS if month.all_clips(p, *JUDGING)]
    assert len(evaluated) == 15
    assert sum(len(month.all_clips(p)) for p in evaluated) / len(evaluated) > 10
    assert sum(len(month.all_clips(p, *JUDGING)) for p in evaluated) / len(evaluated) > 10


def test_every_project_is_archived_as_a_whole(month: Month) -> None:
    for project in month.sample.projects:
        sessions = month.catalogue.sessions.of_project(project.id)
        assert {one.state for one in sessions} == {SessionState.ARCHIVED}, project.id
        newest = month.catalogue.archives.file_sets_of(project.id)[-1]
        assert len(newest.archive_ids) == len(sessions)


def test_gaps_are_where_the_sample_has_them_and_nowhere_else(month: Month) -> None:
    found = {clip.source_id for p in PROJECTS for clip in month.all_clips(p) if clip.gaps}
    assert found == {"WX-ER1-03-D", "QJS-03"}  # the second was handed in as a file of four seconds


# --- why each is in the sample


def test_p01_one_day_one_section_five_seats(month: Month) -> None:
    clips = month.clips("P01-E")
    assert len(clips) == 11
    assert {found[0].wall for found in clips.values()} == {rolled("02 10:30", "02 15:20")}
    seats = [source for source in clips if source.startswith("ZY-ER1-0")]
    assert len(seats) == 10  # five faces, five desktops
    assert timeline(month, "P01-E").pauses == (wall("02 12:20", "02 12:55"),)  # inside the clip, as a mark


def test_p02_each_recording_is_found_under_each_section_and_counted_once(month: Month) -> None:
    """I3: section 2 opens at 14:05."""
    clips: dict[str, Clip] = {}
    for section in month.catalogue.projects.sections_of("P02"):
        sessions = [
            session
            for session in month.catalogue.sessions.of_project("P02")
            if section.number in session.section_numbers
        ]
        found = [clip for one in sessions for clip in month.catalogue.clips.of_session(one.id)]
        assert len(found) == 22
        clips |= {clip.id: clip for clip in found}
    assert len(clips) == 22
    assert {(one.number, one.wall) for one in timeline(month, "P02-E").sections} == {
        (1, wall("03 11:30", "03 14:05")),
        (2, wall("03 14:05", "03 16:40")),
        (3, wall("03 16:40", "03 19:05")),
    }
    covers = wall("03 14:05", "03 16:40")
    assert all(clip.wall.intersect(covers) == covers for clip in month.all_clips("P02", Phase.EVALUATION))


def test_p03_three_venues_line_up_on_one_clock(month: Month) -> None:
    venues = month.catalogue.projects.venues_of("P03")
    assert [(one.site_id, one.role) for one in venues] == [
        ("ZT", VenueRole.MAIN),
        ("YJ", VenueRole.SECONDARY),
        ("ZX", VenueRole.SECONDARY),
    ]
    room_views = {
        "P03-E1": ("ZT-RR1-P1", rolled("04 10:45", "04 16:30")),
        "P03-E2": ("YJ-RR1-P1", rolled("04 10:40", "04 16:25")),
        "P03-E3": ("ZX-RR1-P1", rolled("04 10:52", "04 16:28")),  # late by seven minutes
    }
    chair_elected = at("04 11:02")
    for session_id, (source, expected) in room_views.items():
        clip = month.clip(session_id, source)
        assert clip.wall == expected
        [used] = [one for one in clip.slices if one.wall.contains(chair_elected)]
        segment = month.catalogue.footage.segments_by_id([used.segment_id])[used.segment_id]
        assert segment.wall.contains(chair_elected)  # the same second of wall time in all three
    assert month.clip("P03-Q", "ZT-QR1-P1").wall == rolled("04 13:08", "04 13:34")


def test_p04_the_seats_stop_for_the_night_and_the_room_does_not(month: Month) -> None:
    """W17, without the reminder before the night (AL-06), which nothing gives yet."""
    night = wall("05 21:00", "06 08:30")
    assert timeline(month, "P04-E").nights == (night,)
    whole = rolled("05 14:50", "06 16:20")
    clips = month.clips("P04-E")
    for source, found in clips.items():
        if source.startswith("ZT-ER2-0"):
            parts = [rolled("05 14:50", "05 21:00"), rolled("06 08:30", "06 16:20")]
            assert [(one.part, one.wall) for one in found] == [(1, parts[0]), (2, parts[1])]
        else:
            assert [one.wall for one in found] == [whole]
            assert found[0].gaps == ()
    through = {source for source, found in clips.items() if len(found) == 1}
    assert through == {"ZT-ER2-P1", "ZT-ER2-P2", "ZT-CR1-P1", "ZT-CR1-P2"}
    [file_set] = month.catalogue.archives.file_sets_of("P04")  # part 2 is in the same file
    assert file_set.version == 1


def test_p05_the_county_leads_the_city_is_cut_off_and_records_on(month: Month) -> None:
    """W16, without the alarm, which nothing gives yet: a broken line makes no hole."""
    roles = {one.site_id: one.role for one in month.catalogue.projects.venues_of("P05")}
    assert roles == {"QJ": VenueRole.MAIN, "ZT": VenueRole.SECONDARY}
    [pause] = timeline(month, "P05-E1").pauses
    assert pause == wall("06 11:52", "06 13:02")
    assert pause.duration_us == 70 * MINUTE_US
    for found in month.clips("P05-E1").values():
        [clip] = found
        assert clip.wall.intersect(pause) == pause
    down = spans(events(month, "P05-E2"), Effect.FAULT_START, Effect.FAULT_END, wall("06 10:35", "06 15:38"))
    assert down == [wall("06 11:47", "06 13:00")]
    city = month.clips("P05-E2")
    assert len(city) == 7
    for [clip] in city.values():
        assert clip.gaps == ()
        assert merge(used.wall for used in clip.slices) == [rolled("06 10:35", "06 15:38")]


def test_p06_seats_of_two_projects_interleave_in_one_hall(month: Month) -> None:
    ours, theirs = month.clips("P06-E"), month.clips("P07-E")
    assert len(ours) == len(theirs) == 10
    assert not set(ours) & set(theirs)
    assert all("-P" not in source for source in (*ours, *theirs))  # panoramas belong to neither
    one, other = (next(iter(clips.values()))[0].wall for clips in (ours, theirs))
    assert one.intersect(other) is not None


def test_p06_the_supervisor_on_site_is_on_record_and_not_counted(month: Month) -> None:
    clips = month.clips("P06-S1")
    assert set(clips) == {"ZT-SR1-P1", "ZT-SR1-T1"}
    kinds = {month.catalogue.places.sources()[source].content_kind for source in clips}
    assert kinds == {ContentKind.SUPERVISION}
    assert month.clip("P06-S1", "ZT-SR1-P1").wall == rolled("09 09:35", "09 15:15")


def test_p07_its_seats_open_with_its_result_and_the_panoramas_with_the_last_of_all(month: Month) -> None:
    """V17, invariant 15: the record of the hall names whose results must be public."""
    [hall_id] = month.catalogue.projects.halls_of("P07")
    hall = month.catalogue.projects.project(hall_id)
    assert hall is not None
    assert hall.kind is ProjectKind.HALL
    shown = month.catalogue.projects.seen_in_hall(hall_id)
    assert shown == ["P06", "P07", "P08"]
    [session] = month.catalogue.sessions.of_project(hall_id)
    clips = month.clips(session.id)
    assert set(clips) == {f"ZT-SH1-P{number}" for number in range(1, 5)}
    assert {found[0].wall for found in clips.values()} == {rolled("09 09:40", "09 17:00")}
    public = {one: month.catalogue.projects.project(one) for one in shown}
    times = {one: project.result_published_us or 0 for one, project in public.items() if project}
    assert times["P07"] == at("10 17:00") < max(times.values()) == times["P06"] == at("16 09:00")


def test_p08_takes_over_seats_after_six_minutes_and_no_frame_is_in_both(month: Month) -> None:
    """W19."""
    before, after = month.clips("P07-E"), month.clips("P08-E")
    assert set(before) == set(after)
    for source in before:
        [first], [second] = before[source], after[source]
        assert first.wall.end_us == at("09 14:06")
        assert second.wall.start_us == at("09 14:08")
        assert first.wall.start_us == at("09 10:25")
        assert second.wall.end_us == at("09 17:05")


def test_p09_the_re_evaluation_makes_a_second_version_and_both_can_be_read(month: Month) -> None:
    """W20, invariant 9."""
    archives = month.catalogue.archives
    first, second = archives.file_sets_of("P09")
    assert (first.version, second.version) == (1, 2)
    assert first.sealed_us < at("11 00:00") < at("18 12:05") < second.sealed_us
    assert set(first.archive_ids) < set(second.archive_ids)
    [added] = set(second.archive_ids) - set(first.archive_ids)
    newest = archives.newest("P09-R")
    assert newest is not None
    assert newest.id == added
    for archive_id in second.archive_ids:
        renditions = archives.renditions_of(archive_id)
        assert renditions
        for one in renditions:
            assert month.store.open(one.object_key).read()
    assert month.session("P09-R").room_id != month.session("P09-E").room_id
    assert month.clip("P09-R", "ZT-ER1-P1").wall == rolled("18 09:30", "18 12:05")


def test_p10_three_seats_and_several_rounds_of_quotes(month: Month) -> None:
    seats = {one.seat_id for one in month.session("P10-E").seats}
    assert len(seats) == 3
    assert month.session("P10-E").phase is Phase.NEGOTIATION
    assert moments(month, "P10-E", "negotiation.round") == [at("11 10:10"), at("11 11:05")]
    assert moments(month, "P10-E", "negotiation.final_quote") == [at("11 11:40")]
    assert all(len(found) == 1 for found in month.clips("P10-E").values())  # rounds cut nothing


def test_p11_a_failed_bid_has_few_files_and_its_evaluation_room_is_released(month: Month) -> None:
    project = month.catalogue.projects.project("P11")
    assert project is not None
    assert project.outcome == "failed_bid"
    assert len(month.all_clips("P11")) == 6
    assert month.all_clips("P11", *JUDGING) == []
    booked = month.catalogue.bookings.of_project("P11")
    assert [one.status for one in booked] == [BookingStatus.CONFIRMED, BookingStatus.RELEASED]
    standing = month.catalogue.bookings.touching(booked[1].wall)
    assert booked[1].id not in {one.id for one in standing}
    assert month.clip("P11-X", "ZT-XR1-P1").wall == rolled("11 09:10", "11 09:30")  # drawn for a time


def test_p12_an_auction_is_one_session_without_experts(month: Month) -> None:
    [session] = month.catalogue.sessions.of_project("P12")
    assert (session.phase, session.seats) == (Phase.AUCTION, ())
    assert moments(month, "P12-A", "auction.hammer") == [at("12 10:38")]
    assert {clip.wall for clip in month.all_clips("P12")} == {rolled("12 10:00", "12 10:47")}


def test_p13_an_online_listing_has_its_room_on_record(month: Month) -> None:
    [session] = month.catalogue.sessions.of_project("P13")
    assert session.room_id == "YL-OH1"
    assert {clip.source_id[:6] for clip in month.all_clips("P13")} == {"YL-OH1"}
    assert {clip.wall for clip in month.all_clips("P13")} == {rolled("12 14:30", "12 16:05")}


def test_p14_state_property_in_a_county_of_low_rate_desktops(month: Month) -> None:
    sources = yaml.safe_load((DATA / "equipment.yaml").read_text(encoding="utf-8"))["sources"]
    desktops = {sources[one]["profile"] for one in sources if one.startswith("LD-") and one.endswith("-D")}
    assert desktops == {"desk_agent"}
    assert len(month.all_clips("P14")) == 3


def test_p15_the_cut_follows_what_happened_and_nothing_is_archived_for_abandoned_slots(
    month: Month,
) -> None:
    """W15, without the warning (AL-04), which nothing gives yet."""
    booked = month.catalogue.bookings.of_project("P15")
    assert [one.status for one in booked] == [
        BookingStatus.MOVED,
        BookingStatus.MOVED,
        BookingStatus.CONFIRMED,
    ]
    clips = month.all_clips("P15")
    assert {clip.wall for clip in clips} == {rolled("16 15:20", "16 16:35")}
    for abandoned in booked[:2]:
        assert not any(clip.wall.intersect(abandoned.wall) for clip in clips)
        assert abandoned.id not in {one.id for one in month.catalogue.bookings.touching(abandoned.wall)}
    [session] = month.catalogue.sessions.of_project("P15")
    newest = month.catalogue.archives.newest(session.id)
    assert newest is not None
    assert len(newest.objects) == 3


def test_p16_nine_seats_for_ten_hours_are_far_over_five_gigabytes_at_the_usual_rate(month: Month) -> None:
    clips = month.all_clips("P16")
    assert len({one.seat_id for one in month.session("P16-E").seats}) == 9
    sources = month.catalogue.places.sources()
    seconds: dict[ContentKind, float] = {}
    for clip in clips:
        kind = sources[clip.source_id].content_kind
        seconds[kind] = seconds.get(kind, 0) + clip.wall.duration_us / SECOND_US
    assert budget_bytes(seconds, archive_rules()) > 2 * 5e9
    assert timeline(month, "P16-E").pauses == (
        wall("17 12:10", "17 12:45"),
        wall("17 17:50", "17 18:25"),
    )
    assert all(len(found) == 1 for found in month.clips("P16-E").values())


def test_p17_venues_of_two_ways_of_access_are_cut_alike(month: Month) -> None:
    sources = yaml.safe_load((DATA / "equipment.yaml").read_text(encoding="utf-8"))["sources"]
    profiles = yaml.safe_load((DATA / "profiles.yaml").read_text(encoding="utf-8"))

    def access(session_id: str, ending: str) -> set[str]:
        seen = [one for one in month.clips(session_id) if one.endswith(ending)]
        assert seen
        return {profiles[sources[one]["profile"]]["access"] for one in seen}

    assert access("P17-E1", "-F") == access("P17-E1", "-P1") == {"gb28181_ps"}
    assert access("P17-E2", "-F") == access("P17-E2", "-P1") == {"onvif"}
    assert {f[0].wall for f in month.clips("P17-E1").values()} == {rolled("18 10:00", "18 13:10")}
    assert {f[0].wall for f in month.clips("P17-E2").values()} == {rolled("18 09:58", "18 13:08")}


def test_p18_one_gap_is_filled_and_marked_and_the_other_is_told(month: Month) -> None:
    filled, missing = month.clip("P18-E", "WX-ER1-P1"), month.clip("P18-E", "WX-ER1-03-D")
    [told] = filled.backfilled
    assert (told.wall, told.cause) == (wall("19 12:03", "19 12:41"), GapCause.CAMERA_LOST)
    assert filled.gaps == ()
    inside = [one for one in filled.slices if one.wall.intersect(told.wall)]
    segments = month.catalogue.footage.segments_by_id(one.segment_id for one in inside)
    assert {one.clock_basis for one in segments.values()} == {ClockBasis.REPLAY}
    [gap] = missing.gaps
    assert (gap.wall, gap.cause) == (wall("19 13:20", "19 13:26"), GapCause.CAMERA_LOST)
    assert missing.backfilled == ()


def test_p19_one_seat_shows_two_members_and_each_only_for_a_time(month: Month) -> None:
    """W18: a search for member E2 ends at 11:22."""
    session = month.session("P19-E")
    whole = wall("20 10:10", "20 17:05")
    seat = {one.member: one for one in session.seats if one.seat_id == "ZX-ER1-03"}
    assert set(seat) == {"E2", "E5"}
    assert seat["E2"].within(whole) == wall("20 10:10", "20 11:22")
    assert seat["E5"].within(whole) == wall("20 13:40", "20 17:05")
    assert seat["E2"].expert_key != seat["E5"].expert_key
    assert moments(month, "P19-E", "eval.expert_left") == [at("20 11:22")]
    assert moments(month, "P19-E", "eval.expert_replaced") == [at("20 13:40")]
    assert month.clip("P19-E", "ZX-ER1-03-F").wall == rolled("20 10:10", "20 17:05")  # one camera, one clip
    for member, until in (("E2", at("20 11:22")), ("E5", at("20 17:05"))):
        [seen] = month.catalogue.sessions.of_expert(seat[member].expert_key)
        [one] = [one for one in seen.seats if one.member == member]
        assert one.within(whole).end_us == until


def test_p20_files_of_a_venue_outside_are_checked_and_put_on_our_clock(month: Month) -> None:
    """W21: AL-05, then the second try; 47 s are taken off."""
    assert "QJS-P20-03.mp4 has the SHA-256" in month.refused
    assert month.receipt is not None
    assert month.receipt.offset_us == -47 * SECOND_US
    assert month.receipt.wall_start_us == at("23 10:28")
    clips = month.clips("P20-E2")
    assert set(clips) == set(EXTERNAL)
    assert {found[0].wall for found in clips.values()} == {wall("23 10:28", "23 16:07")}  # no rolls
    taken = month.clip("P20-E2", "QJS-03")
    assert taken.slices[0].wall.start_us == at("23 10:28")
    segments = month.catalogue.footage.segments_by_id(one.segment_id for one in taken.slices)
    assert {one.clock_basis for one in segments.values()} == {ClockBasis.DECLARED}
    assert {one.sha256 for one in segments.values()} == set(month.receipt.segments)
    assert all(not month.clip("P20-E2", one).gaps for one in EXTERNAL if one != "QJS-03")


# --- tasks of the three users


def test_w7_a_phase_changes_by_itself_and_a_correction_by_hand_keeps_the_old(tmp_path: Path) -> None:
    catalogue = Catalogue.open(f"sqlite:///{tmp_path / 'catalogue.sqlite'}")
    sample = replace(read_sample(), projects=read_sample().projects[:1], tags=(), locks=())
    load_sample(catalogue, sample, at("02 15:19"))
    assert catalogue.sessions.get("P01-E").state is SessionState.RUNNING  # type: ignore[union-attr]
    load_projects(catalogue, sample, at("02 18:00"))
    segmenter = Segmenter(catalogue, CutSettings(), FakeClock(at("02 18:00")))
    segmenter.run_once()
    assert catalogue.sessions.get("P01-E").state is SessionState.CUT  # type: ignore[union-attr]
    catalogue.sessions.record_event(
        TimelineEvent(
            id="by-hand",
            session_id="P01-E",
            at_us=at("02 15:30"),
            type="eval.end",
            reason="The chair closed the session ten minutes later.",
            principal="w-zt-1",
            recorded_us=at("02 18:00"),
            replaces="P01-E.09",
        )
    )
    ends = [event for event in catalogue.sessions.events_of("P01-E") if event.type == "eval.end"]
    assert [(one.at_us, one.principal) for one in ends] == [
        (at("02 15:20"), "system:api-tender"),
        (at("02 15:30"), "w-zt-1"),
    ]
    segmenter.run_once()
    clips = catalogue.clips.of_session("P01-E")
    assert {(clip.wall, clip.revision) for clip in clips} == {(rolled("02 10:30", "02 15:30"), 2)}
    catalogue.close()


def test_i4_one_expert_is_followed_over_three_projects_by_an_opaque_key(month: Month) -> None:
    keys = {seat.expert_key for seat in month.session("P06-E").seats if seat.expert_key}
    seen = {key: month.catalogue.sessions.of_expert(key) for key in keys}
    [key] = [key for key, found in seen.items() if len({one.project_id for one in found}) == 3]
    found = [
        (session.project_id, seat.seat_id, seat.within(wall_of(session)))
        for session in seen[key]
        for seat in session.seats
        if seat.expert_key == key
    ]
    assert found == [
        ("P01", "ZY-ER1-03", wall("02 10:30", "02 15:20")),
        ("P06", "ZT-SH1-14", wall("09 09:40", "09 15:10")),
        ("P16", "ZT-ER4-04", wall("17 11:15", "17 21:00")),
    ]


def wall_of(session: Session) -> TimeRange:
    assert session.start_us is not None
    assert session.end_us is not None
    return TimeRange(start_us=session.start_us, end_us=session.end_us)


def test_no_expert_is_in_two_places_at_once(month: Month) -> None:
    seats = [
        (seat.expert_key, seat.within(wall_of(session)))
        for project_id in PROJECTS
        for session in month.catalogue.sessions.of_project(project_id)
        for seat in session.seats
        if seat.expert_key
    ]
    assert not any(a[0] == b[0] and a[1].intersect(b[1]) for a, b in combinations(seats, 2))


def test_i17_an_old_archive_of_the_former_county_is_found_by_the_code_of_today(month: Month) -> None:
    catalogue = month.catalogue
    old = Project(
        id="LEGACY-2010-007",
        project_code="旧档样例-2010-007",
        name_zh="旧档样例",
        name_en="Legacy",
        region_code="530630",
        trade_place="530630",
        industry_code="D01",
    )
    catalogue.projects.add_project(old, [])
    assert catalogue.places.former_codes("530681") == ["530630"]
    for code in ("530681", "530630"):
        codes = frozenset(with_descendants(catalogue.places.regions(), code))
        found = {one.id for one in catalogue.projects.projects(ProjectFilter(region_codes=codes))}
        assert old.id in found
        assert ("P12" in found) == (code == "530681")


def test_what_is_known_is_never_taken_back(month: Month) -> None:
    with pytest.raises(TimelineError, match="knows the sample up to 2026-03-27"):
        load_projects(month.catalogue, read_sample(), at("09 12:00"))


def test_every_change_of_seats_comes_with_an_event_of_its_time() -> None:
    for project in read_sample().projects:
        for session in project.sessions:
            told = {from_datetime(event.at) for event in project.events if event.session == session.id}
            changes = {moment for seat in session.seats for moment in (seat.since, seat.until) if moment}
            assert {from_datetime(moment) for moment in changes} <= told


# --- statistics (tasks I13, I14, W22)


def figures_of(month: Month, **narrowed: frozenset[str]) -> dict[Cell, Figures]:
    found = month.catalogue.statistics.projects(StatisticsFilter(**narrowed))  # type: ignore[arg-type]
    return fold(found, month.catalogue.statistics.current_codes())


def test_the_months_report_counts_what_the_sample_holds(month: Month) -> None:
    """I14, W22. Beside the projects' own there are the hall's four files and two of a supervisor's visit."""
    told = total(figures_of(month).values())
    sample = month.sample.projects
    assert (told.projects, told.sections) == (len(sample), sum(len(one.sections) for one in sample))
    assert (told.projects, told.sections) == (20, 22)
    assert told.files == told.clips == sum(len(month.all_clips(one, *Phase)) for one in PROJECTS) + 4
    assert told.tags == len(month.sample.tags) == 7
    assert told.irregularities == sum(one.kind == "irregular" for one in month.sample.tags) == 3
    assert {cell.month for cell in figures_of(month)} == {"2026-03"}


@pytest.mark.parametrize("project_id", PROJECTS)
def test_the_hours_of_a_project_are_those_of_its_clips_without_gaps(month: Month, project_id: str) -> None:
    """I14: the same number from two sides."""
    [told] = [
        one for one in month.catalogue.statistics.projects(StatisticsFilter()) if one.project_id == project_id
    ]
    clips = month.all_clips(project_id, *Phase)
    gaps = [gap for clip in clips for gap in clip.gaps]
    assert told.figures.gaps == len(gaps)
    assert told.figures.gap_us == sum(gap.wall.duration_us for gap in gaps)
    whole_us = sum(clip.wall.duration_us for clip in clips)
    assert told.figures.recorded_us == whole_us - told.figures.gap_us


def test_regions_and_industries_add_up_to_the_whole(month: Month) -> None:
    whole = total(figures_of(month).values())
    regions = {one.code for one in month.catalogue.places.regions()}
    industries = {one.code for one in month.catalogue.places.industries()}
    for parts in (
        [figures_of(month, region_codes=frozenset({code})) for code in regions],
        [figures_of(month, industry_codes=frozenset({code})) for code in industries],
    ):
        assert total(one for part in parts for one in part.values()) == whole


def test_gaps_of_more_than_a_minute_are_listed_by_site(month: Month) -> None:
    """I13: P18's desktop; the camera that its device played back is none, unless asked for."""
    statistics = month.catalogue.statistics
    of_p18 = [
        (one.site_id, one.source_id, one.wall.duration_us // MINUTE_US)
        for one in statistics.gaps(StatisticsFilter(), MINUTE_US)
        if one.project_id == "P18"
    ]
    assert of_p18 == [("WX", "WX-ER1-03-D", 6)]
    every = statistics.gaps(StatisticsFilter(), MINUTE_US, backfilled=True)
    assert ("WX", "WX-ER1-P1", 38) in [
        (one.site_id, one.source_id, one.wall.duration_us // MINUTE_US) for one in every if one.backfilled
    ]
    assert [one.site_id for one in every] == sorted(one.site_id for one in every)
    assert statistics.gaps(StatisticsFilter(), 6 * 60 * MINUTE_US) == []
