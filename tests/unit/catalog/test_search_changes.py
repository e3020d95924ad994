"""A search misses nothing that is committed, whoever wrote it; paging repeats and skips nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unicodedata import normalize

import pytest
from alembic import command
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from catalog.catalogue import Catalogue
from catalog.database import alembic_config, reading, writing
from catalog.search import columns as columns_module
from catalog.search.filters import SearchFilter
from catalog.search.search import Search
from catalog.search.words import Field, Word, find, index_project, normal, rebuild, words
from kernel.errors import NameTaken, SearchRefused
from kernel.model.cut import Clip, ClipGap, CutList
from kernel.model.footage import GapCause
from kernel.model.timeline import Section, SessionState, Tag
from kernel.timerange import TimeRange
from tests.support.catalogue import PROJECT, add_session, open_catalogue

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
START_US = 1_772_420_400_000_000


@pytest.fixture
def search(catalogue: Catalogue) -> Search:
    """Of another program than that which writes; it has looked already."""
    other = Search(catalogue._engine)
    other.warm()
    return other


def names(search: Search, by: SearchFilter | None = None) -> list[str]:
    return [hit.project.id for hit in search.projects(by or SearchFilter()).projects]


def put(catalogue: Catalogue, name: str, title: str = "样例项目") -> None:
    project = replace(PROJECT, id=name, project_code=f"code-{name}", name_zh=title)
    catalogue.projects.add_project(project, [], principal="test")


def cut(catalogue: Catalogue, gap_us: int = 0) -> None:
    """The session of ``add_session`` has a clip, perhaps with a gap."""
    wall = TimeRange(start_us=START_US, end_us=START_US + HOUR_US)
    lost = TimeRange(start_us=START_US, end_us=START_US + gap_us)
    gaps = (ClipGap(wall=lost, cause=GapCause.NETWORK, detail=""),) if gap_us else ()
    clip = Clip(id=f"c{gap_us}", session_id="P-O", source_id="cam", part=1, wall=wall, slices=(), gaps=gaps)
    session = catalogue.sessions.get("P-O")
    assert session is not None
    catalogue.clips.record(CutList(session_id="P-O", clips=(clip,), change_number=session.change_number))


def test_each_step_of_a_project_is_found_at_once(catalogue: Catalogue, search: Search) -> None:
    assert names(search) == []
    add_session(catalogue, START_US, START_US + HOUR_US)
    ended = SearchFilter(states=frozenset({SessionState.ENDED}))
    assert names(search, ended) == ["P"]
    assert search.projects(SearchFilter()).projects[0].clip_count == 0
    cut(catalogue, gap_us=90_000_000)
    assert names(search, ended) == []
    [hit] = search.clips(SearchFilter(gap_seconds=60)).clips
    assert (hit.source_id, hit.longest_gap_us) == ("cam", 90_000_000)
    assert search.clips(SearchFilter(gap_seconds=90)).clips == ()


def test_a_clip_that_a_later_cut_replaced_is_not_found(catalogue: Catalogue, search: Search) -> None:
    add_session(catalogue, START_US, START_US + HOUR_US)
    cut(catalogue, gap_us=90_000_000)
    assert search.clips(SearchFilter()).total.value == 1
    catalogue.sessions.add_sources("P-O", ["cam"], principal="test", at_us=START_US)
    cut(catalogue)
    [hit] = search.clips(SearchFilter()).clips
    assert hit.longest_gap_us == 0


def test_what_other_programs_write_by_hand_is_found(catalogue: Catalogue, search: Search) -> None:
    """Triggers mark it: no way of writing has to think of searching."""
    add_session(catalogue, START_US, START_US + HOUR_US)
    assert names(search, SearchFilter(states=frozenset({SessionState.ENDED}))) == ["P"]
    with writing(catalogue._engine) as session:
        session.connection().execute(text("UPDATE session SET state = 'archived' WHERE id = 'P-O'"))
    assert names(search, SearchFilter(states=frozenset({SessionState.ARCHIVED}))) == ["P"]
    with writing(catalogue._engine) as session:
        session.connection().execute(text("UPDATE source SET content_kind = 'screen' WHERE id = 'cam'"))
    cut_row = "INSERT INTO clip (id, session_id, source_id, part, wall_start_us, wall_end_us, revision) "
    with writing(catalogue._engine) as session:
        session.connection().execute(text(f"{cut_row} VALUES ('c', 'P-O', 'cam', 1, 5, 9, 1)"))
    assert [one.content_kind for one in search.clips(SearchFilter()).clips] == ["screen"]
    with writing(catalogue._engine) as session:
        session.connection().execute(text("DELETE FROM clip"))
    assert search.clips(SearchFilter()).clips == ()


def test_what_was_undone_is_not_found(catalogue: Catalogue, search: Search) -> None:
    put(catalogue, "P1")
    with pytest.raises(RuntimeError, match="fell"), writing(catalogue._engine) as session:
        session.connection().execute(text("UPDATE project SET industry_code = 'B01'"))
        raise RuntimeError("fell")
    assert names(search, SearchFilter(industries=frozenset({"B"}))) == []
    put(catalogue, "P2")
    assert sorted(names(search)) == ["P1", "P2"]


def test_new_tags_sections_and_names_are_found_and_old_names_are_not(
    catalogue: Catalogue, search: Search
) -> None:
    put(catalogue, "P1", "旧桥")
    put(catalogue, "P1", "新路")
    assert (names(search, SearchFilter(text="旧桥")), names(search, SearchFilter(text="新路"))) == (
        [],
        ["P1"],
    )
    section = Section(
        project_id="P1", number=1, section_code="S-1", name_zh="第一标段", unified_deal_code="D-1"
    )
    project = replace(PROJECT, id="P1", project_code="code-P1", name_zh="新路")
    catalogue.projects.add_project(project, [], sections=[section], principal="test")
    tag = Tag(id="T", project_id="P1", at_us=5, kind="note", text="评标区", principal="w", recorded_us=5)
    catalogue.tags.add(tag)
    for by in (
        SearchFilter(section="标段"),
        SearchFilter(code="s-1"),
        SearchFilter(tag="评标"),
        SearchFilter(tag="评标", tag_kinds=frozenset({"note"})),
        SearchFilter(text="新路 评标"),
    ):
        assert names(search, by) == ["P1"], by
    assert names(search, SearchFilter(tag="评标", tag_kinds=frozenset({"fault"}))) == []


def test_much_that_was_replaced_is_dropped_and_all_is_found_still(
    catalogue: Catalogue, search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns_module, "_BATCH", 20)
    add_session(catalogue, START_US, START_US + HOUR_US)
    put(catalogue, "P1")
    cut(catalogue, gap_us=90_000_000)
    for number in range(60):
        with writing(catalogue._engine) as session:
            changed = text("UPDATE session SET change_number = :number")
            session.connection().execute(changed, {"number": number + 100})
        assert search.clips(SearchFilter(gap_seconds=60)).total.value == 1
    assert search._columns.clips.count < 60
    assert sorted(names(search)) == ["P", "P1"]


def test_a_page_neither_repeats_nor_skips_what_was_there_while_more_comes(
    catalogue: Catalogue, search: Search
) -> None:
    before = [f"P{number:02}" for number in range(0, 40, 2)]
    for name in before:
        put(catalogue, name)
    seen: list[str] = []
    page, number = None, 1
    while True:
        found = search.projects(SearchFilter(), page=page, limit=3)
        seen += [hit.project.id for hit in found.projects]
        put(catalogue, f"P{number:02}")
        put(catalogue, f"P{39 - number:02}" if (39 - number) % 2 else f"Q{number}")
        page, number = found.next_page, number + 2
        if page is None:
            break
    assert len(seen) == len(set(seen))
    assert set(before) <= set(seen)


def test_migrating_keeps_the_triggers(catalogue: Catalogue, own_url: str, tmp_path: Path) -> None:
    """SQLite makes a table anew to alter it, and its triggers are gone with the old one."""
    other = open_catalogue(tmp_path, own_url)
    command.downgrade(alembic_config(other._engine), "0005")
    command.upgrade(alembic_config(other._engine), "head")
    search = Search(other._engine)
    search.warm()
    put(other, "P1")
    assert names(search) == ["P1"]
    other.close()


def test_projects_of_before_are_found_after_the_update(own_url: str, tmp_path: Path) -> None:
    other = open_catalogue(tmp_path, own_url)
    put(other, "P1", "老项目")
    command.downgrade(alembic_config(other._engine), "0005")
    command.upgrade(alembic_config(other._engine), "head")
    assert names(Search(other._engine), SearchFilter(text="老项")) == ["P1"]
    other.close()


def test_an_index_that_lost_its_words_is_made_anew(catalogue: Catalogue, search: Search) -> None:
    put(catalogue, "P1", "桥")
    with writing(catalogue._engine) as session:
        session.connection().execute(text("DELETE FROM search_text"))
        session.connection().execute(text("DELETE FROM search_project"))
    assert names(search, SearchFilter(text="桥")) == []
    with writing(catalogue._engine) as session:
        assert rebuild(session.connection()) == 1
    assert names(Search(catalogue._engine), SearchFilter(text="桥")) == ["P1"]


CHARACTERS = st.text(
    st.sampled_from("桥评标污水厂aA1０Ａ第-－/()《》\"'*:^ \n\t.,ßéİ①㍿ﬁ𠮷𬭊😀\u3000\u0301\ufffe\x00"),
    max_size=12,
)


@settings(max_examples=100, deadline=None)
@given(title=CHARACTERS, said=CHARACTERS, wide=st.booleans())
def test_a_word_is_found_exactly_where_its_characters_are(
    centre_of_words: Catalogue, title: str, said: str, wide: bool
) -> None:
    """Whatever is entered, it is no syntax."""
    with writing(centre_of_words._engine) as session:
        name = title.replace("\x00", "")  # no database takes it
        session.connection().execute(text("UPDATE project SET name_zh = :name"), {"name": name})
        index_project(session, "zz")
    fields = tuple(Field) if wide else (Field.NAME,)
    for word in words(said):
        with reading(centre_of_words._engine) as session:
            found = find(session, [Word(word=word, fields=fields)])
        assert bool(found) == (word in normal(name)), (word, normal(name))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def centre_of_words(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Catalogue]:
    server = request.getfixturevalue("postgresql") if request.param == "postgresql" else None
    catalogue = open_catalogue(tmp_path_factory.mktemp("words"), server.new() if server else "")
    project = replace(PROJECT, id="zz", project_code="zz", name_en="", agency="")
    catalogue.projects.add_project(project, [], principal="test")
    with writing(catalogue._engine) as session:  # nothing but the name has words
        session.connection().execute(text("UPDATE project SET project_code = '', tender_project_code = ''"))
    yield catalogue
    url = catalogue._engine.url
    catalogue.close()
    if server is not None:
        server.give_back(url.render_as_string(hide_password=False))


@pytest.mark.parametrize(
    ("said", "same"),
    [
        ("Ａ０１标段", "a01标段"),
        ("ＡＢＣ－１", "abc-1"),
        (" 评　标\t", "评 标"),
        ("①", "1"),
        ("Straße", "STRASSE"),
    ],
)
def test_width_case_and_blanks_do_not_matter(said: str, same: str) -> None:
    assert normal(said) == normal(same)
    assert normal(normal(said)) == normal(said) == normalize("NFKC", normal(said))


def test_nobody_sees_deletes_or_overwrites_anothers_saved_search(catalogue: Catalogue) -> None:
    mine = catalogue.saved_searches.save("i-1", "桥", {"text": "桥"}, 5)
    catalogue.saved_searches.save("i-2", "桥", {"text": "路"}, 6)
    assert catalogue.saved_searches.of("i-1") == [mine]
    assert not catalogue.saved_searches.delete("i-2", mine.id)
    with pytest.raises(NameTaken):
        catalogue.saved_searches.save("i-1", "桥", {}, 7)
    assert catalogue.saved_searches.delete("i-1", mine.id)
    assert not catalogue.saved_searches.delete("i-1", mine.id)
    assert catalogue.saved_searches.of("i-1") == []
    assert len(catalogue.saved_searches.of("i-2")) == 1


def test_nobody_fills_the_catalogue_with_saved_searches(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.search.saved.MOST_SAVED", 2)
    for number in range(2):
        catalogue.saved_searches.save("i-1", str(number), {}, 5)
    with pytest.raises(SearchRefused, match="2"):
        catalogue.saved_searches.save("i-1", "one more", {}, 5)
