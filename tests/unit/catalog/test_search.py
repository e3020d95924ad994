"""Search over the sample's month, against a filter that looks at everything one by one; on both databases."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.search.filters import EVERYTHING, Count, Days, Hit, RegionOf, Scope, SearchFilter
from catalog.search.search import Search
from kernel.clock import BEIJING, SECOND_US
from kernel.errors import PageRefused, SearchRefused, UnknownCode
from kernel.model.cut import Clip
from kernel.model.footage import Hold, HoldKind
from kernel.model.source import Source
from kernel.model.timeline import Phase, Project, Section, Session, SessionState, Tag
from kernel.timerange import EVER_US, TimeRange
from tests.support.catalogue import migrated_file
from tests.support.sample_month import Month, at

E2_OF_P19 = "e8a507419efb717315fba479f17c9a12"


@dataclass(frozen=True, kw_only=True)
class Known:
    """All that there is of a project."""

    project: Project
    sections: list[Section]
    tags: list[Tag]
    sessions: list[Session]
    clips: list[Clip]


class Everything:
    """What a search is to find, by looking at all of it."""

    def __init__(self, month: Month) -> None:
        catalogue = month.catalogue
        self.known = [
            Known(
                project=project,
                sections=catalogue.projects.sections_of(project.id),
                tags=catalogue.tags.of_project(project.id),
                sessions=(sessions := catalogue.sessions.of_project(project.id)),
                clips=[clip for one in sessions for clip in catalogue.clips.of_session(one.id)],
            )
            for project in catalogue.projects.projects()
        ]
        self.sources = catalogue.places.sources()
        self.sites = {room.id: room.site_id for room in catalogue.places.rooms().values()}
        self.holds = catalogue.holds.all()
        self.regions = {
            one.code: catalogue.places.regions_within(one.code) for one in catalogue.places.regions()
        }
        self.parents = {one.code: one.parent_code for one in catalogue.places.industries()}

    def find(self, by: SearchFilter, scope: Scope = EVERYTHING) -> dict[str, tuple[set[str], set[str]]]:
        """Sessions and clips that match, by project that does."""
        found = {}
        for one in self.known:
            if not self._project(one, by, scope):
                continue
            sessions = {
                s.id for s in one.sessions if self._session(one, s, by) and self._stands(s, by, scope)
            }
            by_id = {session.id: session for session in one.sessions}
            clips = {
                clip.id
                for clip in one.clips
                if self._session(one, by_id[clip.session_id], by)
                and self._clip(clip, by_id[clip.session_id], by, scope)
            }
            if of_clips(by):
                matches = bool(clips)
            elif of_sessions(by) or scope.sites is not None:
                matches = bool(sessions or clips)
            else:
                matches = True
            if matches:
                found[one.project.id] = (sessions, clips)
        return found

    def _project(self, one: Known, by: SearchFilter, scope: Scope) -> bool:
        p = one.project
        names, codes = [p.name_zh, p.name_en], [p.id, p.project_code, p.tender_project_code]
        sections = [section.name_zh for section in one.sections]
        codes += [code for s in one.sections for code in (s.section_code, s.unified_deal_code)]
        anywhere = [*names, p.agency, *codes, *sections, *(tag.text for tag in one.tags)]
        return (
            has(anywhere, by.text)
            and has(names, by.name)
            and has(codes, by.code)
            and has([p.agency], by.agency)
            and (not (by.section.strip() or by.section_number) or any(meant(s, by) for s in one.sections))
            and (not (by.tag.strip() or by.tag_kinds) or any(marks(tag, by) for tag in one.tags))
            and all(self._lies(p, codes) for codes in (by.regions or None, scope.regions))
            and all(self._is_of(p, codes) for codes in (by.industries or None, scope.industries))
            and all(ids is None or p.id in ids for ids in (by.project_ids or None, scope.project_ids))
        )

    def _lies(self, project: Project, codes: frozenset[str] | None) -> bool:
        if codes is None:
            return True
        within = set[str]().union(*(self.regions[code] for code in codes))
        return bool(within & {project.region_code, project.trade_place})

    def _is_of(self, project: Project, codes: frozenset[str] | None) -> bool:
        at: str | None = project.industry_code
        while codes is not None and at is not None and at not in codes:
            at = self.parents[at]
        return codes is None or at is not None

    def _session(self, one: Known, session: Session, by: SearchFilter) -> bool:
        dealt = [
            s for s in one.sections if not session.section_numbers or s.number in session.section_numbers
        ]
        return (
            (not by.phases or session.phase in by.phases)
            and (not by.states or session.state in by.states)
            and (not (by.section.strip() or by.section_number) or any(meant(s, by) for s in dealt))
            and (not by.expert_key or bool(seats(session, by.expert_key)))
        )

    def _stands(self, session: Session, by: SearchFilter, scope: Scope) -> bool:
        site = self.sites[session.room_id]
        walls = [seat.wall for seat in seats(session, by.expert_key)] if by.expert_key else []
        return (
            (not by.rooms or session.room_id in by.rooms)
            and (not by.sites or site in by.sites)
            and (scope.sites is None or site in scope.sites)
            and touches(by.days, session.start_us, session.end_us)
            and (not walls or any(touches(by.days, wall.start_us, wall.end_us) for wall in walls))
        )

    def _clip(self, clip: Clip, session: Session, by: SearchFilter, scope: Scope) -> bool:
        source = self.sources[clip.source_id]
        site = self.sites[source.room_id]
        gaps = [gap for gap in clip.gaps if gap.cause != "pending"]
        held = any(_holds(hold, clip, session) for hold in self.holds)
        return (
            (not by.rooms or source.room_id in by.rooms)
            and (not by.sites or site in by.sites)
            and (scope.sites is None or site in scope.sites)
            and (not by.kinds or source.content_kind in by.kinds)
            and touches(by.days, clip.wall.start_us, clip.wall.end_us)
            and (by.held is None or held == by.held)
            and (by.gap_seconds is None or any(g.wall.duration_us > by.gap_seconds * 1e6 for g in gaps))
            and (not by.expert_key or self._shows(clip, source, session, by.expert_key))
        )

    @staticmethod
    def _shows(clip: Clip, source: Source, session: Session, expert_key: str) -> bool:
        there = [seat for seat in seats(session, expert_key) if seat.seat_id == source.seat_id]
        return any(seat.wall.intersect(clip.wall) for seat in there)


@dataclass(frozen=True, kw_only=True)
class Sat:
    seat_id: str
    wall: TimeRange


def seats(session: Session, expert_key: str) -> list[Sat]:
    """When an expert really sat there."""
    if session.start_us is None:
        return []
    whole = TimeRange(start_us=session.start_us, end_us=session.end_us or EVER_US)
    sat = [
        Sat(seat_id=one.seat_id, wall=one.within(whole))
        for one in session.seats
        if one.expert_key == expert_key
    ]
    return [one for one in sat if not one.wall.empty]


def of_clips(by: SearchFilter) -> bool:
    return bool(by.kinds) or by.gap_seconds is not None or by.held is not None


def of_sessions(by: SearchFilter) -> bool:
    """A section is the project's: one without sessions is found by it."""
    return any((by.phases, by.states, by.sites, by.rooms, by.days, by.expert_key))


def plain(said: str) -> str:
    return unicodedata.normalize("NFKC", said).casefold()


def has(texts: list[str], said: str) -> bool:
    return all(any(word in plain(one) for one in texts) for word in plain(said).split())


def meant(section: Section, by: SearchFilter) -> bool:
    texts = [section.name_zh, section.section_code, section.unified_deal_code]
    return has(texts, by.section) and by.section_number in (None, section.number)


def marks(tag: Tag, by: SearchFilter) -> bool:
    return has([tag.text], by.tag) and (not by.tag_kinds or tag.kind in by.tag_kinds)


def touches(days: Days | None, start_us: int | None, end_us: int | None) -> bool:
    if days is None:
        return True
    if start_us is None:
        return False
    first = day_at(start_us)
    last = day_at(max(start_us, (end_us or start_us) - 1))
    return first <= (days.last or date.max) and last >= (days.first or date.min)


def day_at(moment_us: int) -> date:
    if moment_us >= EVER_US:
        return date.max
    return datetime.fromtimestamp(moment_us // SECOND_US, BEIJING).date()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def month(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Month]:
    """The month, over; with what the sample has none of."""
    directory = tmp_path_factory.mktemp("month")
    server = None
    if request.param == "sqlite":
        url = migrated_file(directory / "catalogue.sqlite")
    else:
        server = request.getfixturevalue("postgresql")
        url = server.new()
    lived = Month(directory, url)
    lived.live()
    _add_more(lived)
    yield lived
    lived.catalogue.close()
    if server is not None:
        server.give_back(url)


def _add_more(month: Month) -> None:
    """A project of a former code, one that is planned only, one without any session, and a running hold."""
    for name, region, title in (
        ("Q1", "530630", "水富县旧桥(A01标段)"),
        ("Q2", "530681", "Ｐｌａｎｎｅｄ 项目"),
        ("Q3", "530602", "ＡＢＣ-桥"),
    ):
        project = Project(
            id=name,
            project_code=f"{region}-X-{name}",
            name_zh=title,
            name_en=title,
            region_code=region,
            trade_place=region,
            industry_code="A03",
        )
        planned = Session(
            id="Q2-O",
            project_id="Q2",
            phase=Phase.OPENING,
            room_id="ZT-OH1",
            state=SessionState.PLANNED,
            start_us=None,
            end_us=None,
            seats=(),
        )
        month.catalogue.projects.add_project(project, [planned] if name == "Q2" else [], principal="test")
    held = TimeRange(start_us=at("02 11:00"), end_us=at("05 12:00"))
    month.catalogue.holds.make(
        Hold(id="H", source_id="ZT-OH1-P1", wall=held, reason="r", principal="test", made_us=at("06 11:00"))
    )
    said = {"reason": "r", "principal": "test", "made_us": at("06 11:00")}
    month.catalogue.holds.make(Hold(id="H-P09", kind=HoldKind.PROJECT, project_id="P09", **said))
    month.catalogue.holds.make(Hold(id="H-S", kind=HoldKind.SESSION, session_id="P03-E2", **said))


def _holds(hold: Hold, clip: Clip, session: Session) -> bool:
    """Whether a hold is on a clip, on its session or on its project."""
    if hold.kind is HoldKind.SOURCE:
        return hold.source_id == clip.source_id and hold.wall.intersect(clip.wall) is not None
    return session.id == hold.session_id or session.project_id == hold.project_id


@pytest.fixture(scope="module")
def everything(month: Month) -> Everything:
    return Everything(month)


@pytest.fixture(scope="module")
def search(month: Month) -> Search:
    return month.catalogue.search


def found(search: Search, by: SearchFilter, scope: Scope = EVERYTHING) -> dict[str, tuple[int, int]]:
    """How many sessions and clips match, by project that does; over pages of an odd length."""
    counted: dict[str, tuple[int, int]] = {}
    page = None
    while True:
        some = search.projects(by, page=page, limit=7, scope=scope)
        assert some.total.value == len(search.projects(by, limit=200, scope=scope).projects)
        for hit in some.projects:
            assert hit.project.id not in counted
            counted[hit.project.id] = (hit.session_count, hit.clip_count)
        page = some.next_page
        if page is None:
            return counted


def found_clips(search: Search, by: SearchFilter, scope: Scope = EVERYTHING) -> list[str]:
    names: list[str] = []
    page = None
    while True:
        some = search.clips(by, page=page, limit=23, scope=scope)
        names += [clip.id for clip in some.clips]
        page = some.next_page
        if page is None:
            assert some.total.value == len(names) == len(set(names))
            return names


WORDS = (
    "桥", "项目", "样例", "评标", "污水", "标段", "a01标段", "Ａ01", "530627-D", "-", "《", "OF",
    "代理机构丁", "第二标段", "专家", "03席", "T5306", "ＡＢＣ",
    "无此词语", "镇雄 食堂", "'\"*", "a OR b", "】",
    "2026-0019", "SAMPLE0000", " ", "县",
)  # fmt: skip
DAY = st.dates(date(2026, 2, 27), date(2026, 4, 2))


@st.composite
def days(draw: st.DrawFn) -> Days:
    first, last = sorted([draw(DAY), draw(DAY)])
    return draw(st.sampled_from([Days(first=first), Days(last=last), Days(first=first, last=last)]))


def some(*values: Any) -> st.SearchStrategy[frozenset[Any]]:
    return st.frozensets(st.sampled_from(values), min_size=1, max_size=3)


WORD = st.sampled_from(WORDS)
REGIONS = some("530000", "530600", "530602", "530627", "530681", "530630", "530300", "530623")
INDUSTRIES = some("A", "A01", "A03", "B", "D", "D02", "E", "H")
SITES = some("ZT", "ZX", "YJ", "QJ", "WX", "SF", "NONE")
FILTERS = {
    "text": WORD,
    "name": WORD,
    "code": WORD,
    "section": WORD,
    "agency": WORD,
    "tag": WORD,
    "tag_kinds": some("irregular", "note", "fault", "none"),
    "regions": REGIONS,
    "industries": INDUSTRIES,
    "project_ids": some("P01", "P02", "P06", "P19", "Q2", "nobody"),
    "section_number": st.integers(1, 4),
    "phases": some(*Phase),
    "states": some(*SessionState),
    "sites": SITES,
    "rooms": some("ZT-OH1", "ZT-SH1", "ZX-ER1", "ZT-CR1", "YJ-RR1", "NONE"),
    "days": days(),
    "expert_key": st.sampled_from([E2_OF_P19, "b28533dc35d724dd548be9af8f618b2f", "nobody"]),
    "kinds": some("room", "screen", "seat_face", "seat_desktop"),
    "gap_seconds": st.sampled_from([0.0, 60.0, 600.0]),
    "held": st.booleans(),
}


@st.composite
def filters(draw: st.DrawFn) -> SearchFilter:
    """Any one to four of them, together."""
    names = draw(st.lists(st.sampled_from(sorted(FILTERS)), min_size=1, max_size=4, unique=True))
    return SearchFilter(**{name: draw(FILTERS[name]) for name in names})


@st.composite
def scopes(draw: st.DrawFn) -> Scope:
    limits = {
        "regions": REGIONS,
        "industries": INDUSTRIES,
        "sites": SITES,
        "project_ids": FILTERS["project_ids"],
    }
    names = draw(st.lists(st.sampled_from(sorted(limits)), max_size=2, unique=True))
    return Scope(**{name: draw(limits[name]) for name in names})


@settings(max_examples=100, deadline=None)
@given(by=filters(), scope=st.just(EVERYTHING) | scopes())
def test_a_search_finds_what_looking_at_everything_finds(
    by: SearchFilter, scope: Scope, search: Search, everything: Everything
) -> None:
    wanted = everything.find(by, scope)
    counted = {name: (len(sessions), len(clips)) for name, (sessions, clips) in wanted.items()}
    if of_clips(by):  # sessions are counted whether or not a clip of them matches
        assert {n: c for n, (_, c) in found(search, by, scope).items()} == {
            n: c for n, (_, c) in counted.items()
        }
    else:
        assert found(search, by, scope) == counted
    assert sorted(found_clips(search, by, scope)) == sorted(
        one for _, some in wanted.values() for one in some
    )


@settings(max_examples=15, deadline=None)
@given(by=filters(), scope=st.just(EVERYTHING) | scopes())
def test_each_facet_says_what_choosing_it_finds(
    by: SearchFilter, scope: Scope, search: Search, everything: Everything
) -> None:
    facets = search.facets(by, scope=scope)
    assert facets.total.value == len(everything.find(by, scope))
    for name, values in (
        ("regions", set(everything.regions)),
        ("industries", set(everything.parents)),
        ("phases", set(map(str, Phase))),
        ("sites", set(everything.sites.values())),
        ("states", set(map(str, SessionState))),
        ("kinds", {source.content_kind for source in everything.sources.values()}),
    ):
        chosen = {one: len(everything.find(replace(by, **{name: frozenset({one})}), scope)) for one in values}
        told = {one: count.value for one, count in getattr(facets, name).items()}
        assert told == {one: number for one, number in chosen.items() if number}, name
    for month in ("2026-02", "2026-03", "2026-04"):
        first = date.fromisoformat(f"{month}-01")
        last = date.fromordinal(first.replace(month=first.month + 1).toordinal() - 1)
        wanted = len(everything.find(replace(by, days=Days(first=first, last=last)), scope))
        assert (facets.months[month].value if month in facets.months else 0) == wanted


@settings(max_examples=15, deadline=None)
@given(by=filters())
def test_the_calendar_has_the_days_on_which_clips_match(
    by: SearchFilter, search: Search, everything: Everything
) -> None:
    told = {one.day: (one.projects.value, one.clips.value) for one in search.calendar(by, 2026, 3)}
    by_id = {clip.id: clip for one in everything.known for clip in one.clips}
    for number in range(1, 32):
        day = date(2026, 3, number)
        of_day = everything.find(replace(by, days=Days(first=day, last=day)))
        clips = {name: {c for c in some if by_id[c].slices} for name, (_, some) in of_day.items()}
        wanted = (sum(map(bool, clips.values())), sum(map(len, clips.values())))
        assert told.get(day, (0, 0)) == wanted


# Tasks of the three users.


def test_a_region_finds_projects_of_it_and_those_traded_there_and_says_which(search: Search) -> None:
    """Task V13."""
    of_region = SearchFilter(regions=frozenset({"530623"}), industries=frozenset({"A03"}), days=MARCH)
    [hit] = search.projects(of_region).projects
    assert hit.project.id == "P03"
    assert [(one.hit, one.value) for one in hit.matched] == [(Hit.REGION, "530623")]
    of_both = replace(of_region, regions=frozenset({"530600"}))
    hits = {one.project.id: one for one in search.projects(of_both).projects}
    assert (Hit.TRADE_PLACE, "530600") in {(one.hit, one.value) for one in hits["P03"].matched}


MARCH = Days(first=date(2026, 3, 1), last=date(2026, 3, 31))


def test_what_was_filed_under_a_former_code_is_found_by_the_code_of_today(search: Search) -> None:
    """Task I17."""
    hits = {
        one.project.id: one for one in search.projects(SearchFilter(regions=frozenset({"530681"}))).projects
    }
    former = [one for one in hits["Q1"].matched if one.hit is Hit.FORMER_CODE]
    assert {(one.asked, one.value, one.today) for one in former} == {("530681", "530630", "530681")}
    assert set(found(search, SearchFilter(regions=frozenset({"530630"})))) == {"Q1"}


def test_a_region_can_be_asked_for_as_the_projects_own_or_its_trade_places_only(search: Search) -> None:
    """Task V13; the facet counts what each would find."""
    of = {
        where: SearchFilter(regions=frozenset({"530623"}), industries=frozenset({"A03"}), region_of=where)
        for where in RegionOf
    }
    assert set(found(search, of[RegionOf.PROJECT])) == {"P03"}
    assert not found(search, of[RegionOf.TRADE_PLACE])
    traded = replace(of[RegionOf.TRADE_PLACE], regions=frozenset({"530600"}))
    hits = {one.project.id: one for one in search.projects(traded).projects}
    assert {one.hit for one in hits["P03"].matched} == {Hit.TRADE_PLACE}
    for by in of.values():
        count = search.facets(by).regions.get("530623", Count.of(0))
        assert count == search.projects(by).total


def test_an_expert_who_left_is_found_until_he_left(search: Search) -> None:
    """Tasks I4 and W18: the seat's later member is somebody else."""
    [hit] = search.projects(SearchFilter(expert_key=E2_OF_P19)).projects
    [span] = hit.spans
    assert (hit.project.id, span.seat_id, span.member) == ("P19", "ZX-ER1-03", "E2")
    assert (span.start_us, span.end_us) == (at("20 10:10"), at("20 11:22"))
    clips = search.clips(SearchFilter(expert_key=E2_OF_P19)).clips
    assert {clip.seat_id for clip in clips} == {"ZX-ER1-03"}
    assert {(one.member, one.start_us, one.end_us) for clip in clips for one in clip.spans} == {
        ("E2", at("20 10:10"), at("20 11:22"))
    }


def test_recordings_with_a_gap_of_more_than_a_minute_are_listed_by_site(search: Search) -> None:
    """Task I13; what was fetched afterwards is no gap any more."""
    clips = search.clips(SearchFilter(gap_seconds=60)).clips
    assert ("WX", "P18") in {(clip.site_id, clip.project_id) for clip in clips}
    assert all(clip.longest_gap_us > 60 * SECOND_US for clip in clips)
    assert set(search.facets(SearchFilter(gap_seconds=60)).sites) == {clip.site_id for clip in clips}


@pytest.mark.parametrize(
    ("by", "wanted"),
    [
        (SearchFilter(code="530627-d-2026-0019"), {"P19"}),
        (SearchFilter(name="中学食堂"), {"P19"}),
        (SearchFilter(code="d02-sample000000000000-20260210-000191"), {"P19"}),
        (SearchFilter(section="第二标段"), {"P02"}),
        (SearchFilter(agency="代理机构丁", regions=frozenset({"530627"})), {"P19"}),
        (SearchFilter(rooms=frozenset({"ZX-ER1"}), phases=frozenset({Phase.EVALUATION}), days=MARCH), None),
        (SearchFilter(text="桥"), {"Q1", "Q3"}),
        (SearchFilter(text="Ａ０１标段"), {"Q1"}),
        (SearchFilter(text="abc-桥"), {"Q3"}),
        (SearchFilter(text="abc桥"), set()),
        (SearchFilter(text="planned"), {"Q2"}),
    ],
)
def test_an_inspector_finds_the_right_set(
    search: Search, everything: Everything, by: SearchFilter, wanted: set[str] | None
) -> None:
    """Task I1."""
    names = set(found(search, by))
    assert names == set(everything.find(by))
    assert wanted is None or names == wanted
    assert names or wanted == set()


def test_words_tell_where_they_were_found(search: Search) -> None:
    [hit] = search.projects(SearchFilter(text="身体不适 530627-d-2026-0019")).projects
    assert {(one.asked, one.hit) for one in hit.matched} == {
        ("身体不适", Hit.TAG),
        ("530627-d-2026-0019", Hit.CODE),
    }
    assert "530627-D-2026-0019" in {one.value for one in hit.matched}  # as it was entered


@pytest.mark.parametrize(
    "asked", [SearchFilter(regions=frozenset({"999999"})), SearchFilter(industries=frozenset({"Z"}))]
)
def test_a_code_that_there_is_not_is_refused_by_name(search: Search, asked: SearchFilter) -> None:
    with pytest.raises(UnknownCode, match=r"999999|Z\."):
        search.projects(asked)


def test_more_words_than_anybody_enters_are_refused_not_left_out(search: Search) -> None:
    with pytest.raises(SearchRefused):
        search.projects(SearchFilter(text=" ".join(str(number) for number in range(17))))


def test_a_page_mark_holds_for_its_own_search_and_nobody_elses(search: Search) -> None:
    by = SearchFilter(industries=frozenset({"A"}))
    mark = search.projects(by, limit=2).next_page
    assert mark is not None
    assert search.projects(by, limit=2, page=mark).projects
    changed = mark[:-4] + ("AAAA" if mark[-4:] != "AAAA" else "BBBB")
    for forged in (changed, mark[:10], "", "x", "é", mark + "=", "A" * 3000):
        with pytest.raises(PageRefused):
            search.projects(by, page=forged)
    for narrowed, scope in (
        (replace(by, text="样例"), EVERYTHING),
        (by, Scope(project_ids=frozenset({"P01"}))),
    ):
        with pytest.raises(PageRefused):
            search.projects(narrowed, page=mark, scope=scope)
    with pytest.raises(PageRefused):
        search.clips(by, page=mark)
