"""What inspectors and supervisors do, as they do it: by the API of a running server and in a terminal.

Each test quotes its task. What is about watching (I2, I5, I6, I12, I20) is in ``test_watch_log.py``. That a
search over a million clips takes less than two seconds is measured, not asserted: ``make bench NAME=search``.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from capture.eviction import EvictionRules, Evictor
from capture.ring_disk import MARKER, RingDisk
from catalog.catalogue import Catalogue
from catalog.certificate import checked
from cli.sample.files import SampleProject, read_sample
from kernel.clock import BEIJING, FakeClock
from kernel.errors import DiskFull
from kernel.settings import CATALOGUE_FILE, CutSettings
from tests.support.inspected import OLD, OLD_FILE, OTHER_OLD, Centre, centre_after_the_month
from tests.support.postgresql import PostgresServer, name_in
from tests.support.sample_month import at

PROJECTS = read_sample().projects
MARCH = {"date_from": "2026-03-01", "date_to": "2026-03-31"}
AGENCY = "样例代理机构丁"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    """One for all: what a test changes, it puts back or is about a project of its own."""
    with centre_after_the_month(tmp_path_factory.mktemp("sqlite")) as made:
        yield made


@pytest.fixture(scope="module")
def on_postgresql(postgresql: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    url = postgresql.new_own()
    with centre_after_the_month(tmp_path_factory.mktemp("postgresql"), url) as made:
        yield made
    postgresql.drop(url)


@pytest.fixture(scope="module", params=["here", "on_postgresql"], ids=["sqlite", "postgresql"])
def centre(request: pytest.FixtureRequest) -> Centre:
    """Each of both."""
    made = request.getfixturevalue(request.param)
    assert isinstance(made, Centre)
    return made


def those(fit: Callable[[SampleProject], bool]) -> set[str]:
    """Projects of the sample's files of which something is true: what a search should find."""
    return {one.id for one in PROJECTS if fit(one)}


def days_of(project: SampleProject) -> set[date]:
    """Beijing days on which something happened in it."""
    return {event.at.astimezone(BEIJING).date() for event in project.events}


# --- I1: search


def _within(code: str, *codes: str) -> bool:
    """By what a prefecture's and a county's codes look like."""
    stem = code.removesuffix("00")
    return any(one.startswith(stem) for one in codes)


I1: list[tuple[dict[str, Any], set[str]]] = [
    ({"code": "530629-A-2026-0018"}, {"P18"}),
    ({"code": "2026-0018"}, {"P18"}),
    ({"name": "排水管网"}, {"P02"}),
    ({"name": "公路"}, those(lambda one: "公路" in one.name_zh)),
    ({"name": "渔"}, those(lambda one: "渔" in one.name_zh)),
    ({"text": "排水 凤凰"}, {"P02"}),
    ({"section": "第二标段"}, those(lambda one: any("第二标段" in s.name_zh for s in one.sections))),
    ({"code": "530600-A-2026-0002-002"}, {"P02"}),
    ({"code": "A03-SAMPLE000000000000-20260210-000031-0"}, {"P03"}),
    (
        {"region": "530627", "date_from": "2026-01-01"},
        those(lambda one: _within("530627", one.region, one.trade_place)),
    ),
    (
        {"region": "530600", "date_from": "2026-01-01"},
        those(lambda one: _within("530600", one.region, one.trade_place)),
    ),
    ({"industry": "D", "date_from": "2026-01-01"}, those(lambda one: one.industry.startswith("D"))),
    ({"industry": "A03"}, those(lambda one: one.industry == "A03")),
    (
        {"date_from": "2026-03-09", "date_to": "2026-03-09"},
        those(lambda one: date(2026, 3, 9) in days_of(one)),
    ),
    ({"room": "ZX-RR1"}, those(lambda one: any(s.room == "ZX-RR1" for s in one.sessions))),
    ({"agency": "样例代理机构乙"}, those(lambda one: one.agency == "样例代理机构乙")),
    ({"agency": "乙", "industry": "A02", "date_to": "2026-03-05"}, {"P02"}),
]


@pytest.mark.parametrize(("query", "expected"), I1, ids=[" ".join(map(str, one.values())) for one, _ in I1])
def test_i1_each_way_of_searching_finds_the_right_set(
    centre: Centre, query: dict[str, Any], expected: set[str]
) -> None:
    """I1: "Search by project code, part of the name, section, unified code, region, industry, dates, room,
    agency -> right set"."""
    assert expected
    assert centre.found(**query) == expected


def test_i1_the_same_in_a_terminal(here: Centre) -> None:
    """I1."""
    told = here.told("search", "公路", "--from", "2026-03-01", "--to", "2026-03-31")
    assert {line.split()[0] for line in told.splitlines() if line.startswith("P")} == {"P03", "P05"}
    none = here.run("search", "没有这样的项目")
    assert (none.status, "found: 0" in none.output) == (1, True)


# --- V13, I17: which region


def test_v13_a_search_by_region_says_which_filter_hit(centre: Centre) -> None:
    """V13: "Search: region 530623, industry A03, last month -> P03 (project's region) and with "trade place"
    530600 also; state which filter hit"."""

    def hits(**query: Any) -> dict[str, list[tuple[str, str, str]]]:
        found = centre.get("/api/search/projects", industry="A03", **MARCH, **query)["projects"]
        return {
            one["id"]: [(m["asked"], m["hit"], m["value"]) for m in one["matched"] if m["filter"] == "region"]
            for one in found
        }

    assert hits(region="530623") == {"P03": [("530623", "region", "530623")]}
    by_trade_place = hits(region="530600", region_of="trade_place")
    assert by_trade_place["P03"] == [("530600", "trade_place", "530600")]
    assert hits(region="530623", region_of="trade_place") == {}
    told = centre.told(
        "search", "--region", "530623", "--industry", "A03", "--from", "2026-03-01", "--to", "2026-03-31"
    )
    assert "region 530623" in told
    assert "found: 1" in told
    held_there = centre.told("search", "--region", "530600", "--region-of", "trade_place")
    assert "trade_place 530600" in held_there


def test_i17_an_archive_of_a_former_county_is_found_by_its_code_of_today(centre: Centre) -> None:
    """I17: "Old Shuifu archive under 530630 found by searching 530681"."""
    query = {"region": "530681", "date_to": "2011-12-31"}
    [found] = centre.get("/api/search/projects", **query)["projects"]
    assert (found["id"], found["region_code"]) == (OLD, "530630")
    assert ("former_code", "530630", "530681") in {
        (one["hit"], one["value"], one["today"]) for one in found["matched"]
    }
    assert OLD in centre.told("search", "--region", "530681", "--to", "2011-12-31")
    assert OLD in centre.told("due", "--region", "530681", "--class", "Y15", "--year", "2025")
    assert centre.found(region="530623", date_to="2011-12-31") == set()


# --- I11, I13, I14, W22: who, and how much


def test_i11_who_exported_anything_of_a_project_ever(centre: Centre) -> None:
    """I11: "Who exported anything of P06, ever"."""
    uses = [json.loads(line) for line in centre.told("request", "uses", "P06", "--json").splitlines()]
    assert [(one["principal"], one["action"]) for one in reversed(uses)] == [
        ("i-jw-1", "use.asked"),
        ("boss-1", "use.approved"),
        ("i-jw-1", "use.done"),
    ]
    [out] = [one for one in uses if one["action"] == "use.done"]
    assert out["details"]["basis_no"] == "样例调取字〔2026〕1号"
    assert set(out["details"]["scope"]["sources"]) == {"ZT-SH1-04-F", "ZT-SH1-04-D"}
    by_page = centre.get("/api/projects/P06/uses")
    assert [one["number"] for one in by_page] == [one["number"] for one in uses]


def test_i13_recordings_with_long_gaps_by_site(centre: Centre) -> None:
    """I13: "Which recordings have gaps > 60 s, by site". QJS-03 came in as a file of four seconds."""
    asked = {"longer_seconds": 60, "date_from": "2026-03", "date_to": "2026-03"}
    gaps = centre.get("/api/statistics/gaps", **asked)["gaps"]
    told = {one["site_id"]: (one["source_id"], one["start_us"], one["end_us"]) for one in gaps}
    assert set(told) == {"QJS", "WX"}
    assert told["WX"] == ("WX-ER1-03-D", at("19 13:20"), at("19 13:26"))
    filled = centre.get("/api/statistics/gaps", **asked, backfilled=True)["gaps"]
    [more] = [one for one in filled if one["backfilled"] and one["site_id"] == "WX"]
    assert (more["source_id"], more["project_id"]) == ("WX-ER1-P1", "P18")
    assert (more["start_us"], more["end_us"]) == (at("19 12:03"), at("19 12:41"))
    assert [one["site_id"] for one in filled] == sorted(one["site_id"] for one in filled)
    lines = centre.told("statistics", "--gaps", "60", "--from", "2026-03", "--to", "2026-03").splitlines()
    assert sorted(line.split()[:2] for line in lines) == [["QJS", "QJS-03"], ["WX", "WX-ER1-03-D"]]
    assert centre.found(gap_seconds=60) == {"P18", "P20"}
    assert centre.found(gap_seconds=7 * 60) == {"P20"}


def test_i14_w22_statistics_add_up(centre: Centre) -> None:
    """I14: "Statistics by region x industry x month: projects, sections, hours, GB, mean GB, mean files";
    W22: "Monthly report: projects, tags, irregularities, gaps, mean GB, mean files"."""
    march = {"date_from": "2026-03", "date_to": "2026-03"}
    told = centre.get("/api/statistics", **march)
    whole, cells = told["total"], told["cells"]
    means = {"mean_bytes", "mean_files"}
    for name in whole.keys() - means:
        assert sum(cell["figures"][name] for cell in cells) == whole[name], name
    assert whole["projects"] == len(PROJECTS)
    assert whole["sections"] == sum(len(one.sections) for one in PROJECTS)
    assert whole["tags"] == len(read_sample().tags)
    assert whole["irregularities"] == sum(one.kind == "irregular" for one in read_sample().tags)
    assert whole["gaps"] == 2
    assert whole["mean_files"] == whole["files"] / whole["projects"] > 10
    by_cell = {(c["region_code"], c["industry_code"]): c["figures"]["projects"] for c in cells}
    for project in PROJECTS:
        assert by_cell[project.region, project.industry] == sum(
            (one.region, one.industry) == (project.region, project.industry) for one in PROJECTS
        )
    tops = {cell["industry_code"][0] for cell in cells}  # halls have one of their own
    parts = [centre.get("/api/statistics", **march, industry=one)["total"] for one in sorted(tops)]
    assert sum(one["recorded_us"] for one in parts) == whole["recorded_us"]
    old = centre.get("/api/statistics", region="530681", date_to="2010-12")
    assert [(one["region_code"], one["month"]) for one in old["cells"]] == [("530681", "2010-12")]


def test_i14_w22_the_spreadsheet_and_the_terminal_say_the_same(here: Centre, tmp_path: Path) -> None:
    """I14, W22."""
    whole = here.get("/api/statistics", date_from="2026-03", date_to="2026-03")
    months = ("--from", "2026-03", "--to", "2026-03")
    last = here.told("statistics", *months).splitlines()[-1].split("\t")
    assert last[0] == "合计 total"
    assert int(last[3]) == whole["total"]["projects"]
    assert float(last[5]) == pytest.approx(whole["total"]["recorded_us"] / 3.6e9, abs=0.05)
    here.told("statistics", *months, "--csv", str(tmp_path / "march.csv"))
    text = (tmp_path / "march.csv").read_text(encoding="utf-8-sig")
    assert len(list(csv.reader(io.StringIO(text)))) >= len(whole["cells"]) + 1
    assert "exists" in here.refused("statistics", *months, "--csv", str(tmp_path / "march.csv"))


def test_i14_a_code_that_is_none_counts_nothing_and_says_so(here: Centre) -> None:
    """I14 and I11, done wrongly: a slip of the pen must not look like a county without projects."""
    for query in ("region=999999", "industry=Q9", "date_from=2026-05&date_to=2026-03", "date_from=2026-13"):
        assert here.ask(f"/api/statistics?{query}").status_code == 422
    assert "999999" in here.refused("statistics", "--region", "999999")
    assert "P99" in here.refused("request", "uses", "P99")


# --- I15: holds on an agency


def test_i15_all_projects_of_an_agency_are_held_and_let_go_of_with_a_reason(centre: Centre) -> None:
    """I15: "Hold all projects of one agency in a date range; later lift with a reason"."""
    first, last = date(2026, 3, 9), date(2026, 3, 11)
    expected = those(lambda one: one.agency == AGENCY and any(first <= day <= last for day in days_of(one)))
    assert len(expected) > 1
    said = {"agency": AGENCY, "first_day": str(first), "last_day": str(last), "reason": "线索 4 号"}
    made = centre.post("/api/holds/agencies", **said)
    assert made.status_code == 201, made.text
    act = made.json()["act_id"]
    assert {one["project_id"] for one in made.json()["holds"] if one["kind"] == "project"} == expected
    assert centre.found(held=True) >= expected
    listed = centre.told("holds")
    assert all(f"project {one}" in listed for one in expected)
    assert "reason" in centre.refused("release", act, "--reason", "  ")
    assert centre.post(f"/api/holds/acts/{act}/release", reason="").status_code == 422
    assert "is released" in centre.told("release", act, "--reason", "线索查结", "--as", "i-jw-1")
    assert act not in centre.told("holds")
    assert "线索查结" in centre.told("holds", "--all")
    assert "released already" in centre.refused("release", act, "--reason", "线索查结")
    [record] = centre.get("/api/audit", action="hold.released", subject=act)["records"]
    assert (record["principal"], record["details"]["reason"]) == ("i-jw-1", "线索查结")
    assert not centre.found(held=True) & expected - {"P06"}


def test_i15_a_slip_of_the_pen_holds_nothing(here: Centre) -> None:
    """I15, done wrongly."""
    before = here.get("/api/holds")
    days = ("2026-03-01", "2026-03-31")
    assert AGENCY in here.refused("hold", "agency", "样例代理机构", *days, "--reason", "r")
    here.refused("hold", "agency", AGENCY, *reversed(days), "--reason", "r")
    here.refused("hold", "agency", AGENCY, *days, "--reason", " ")
    said = {"agency": AGENCY, "first_day": days[1], "last_day": days[0], "reason": "r"}
    assert here.post("/api/holds/agencies", **said).status_code == 422
    assert here.post("/api/holds/projects", project_ids=["P99"], reason="r").status_code == 404
    assert here.post("/api/holds/projects", project_ids=["P10"], reason=" ").status_code == 422
    assert here.get("/api/holds") == before


# --- I18: disposal


def test_i18_destruction_takes_two_signatures_and_leaves_a_record_with_hashes(
    centre: Centre, tmp_path: Path
) -> None:
    """I18: "DSP-02: destruction with one signature is refused; with two it runs, leaves a record with
    hashes"."""
    fleet = centre.get("/api/fleet")
    rests = centre.data_dir / "store"
    hashes = {
        path.relative_to(rests).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in rests.rglob("*")
        if path.is_file() and path.relative_to(rests).as_posix().startswith(f"{OLD}/")
    }
    assert len(hashes) == 3
    proposed = centre.told("disposal", "propose", OLD, "--reason", "期满", "--as", "arch-1")
    disposal = proposed.split()[0]
    assert "two signatures" in centre.refused("disposal", "run", disposal)
    assert "two people" in centre.refused("disposal", "sign", disposal, "--as", " ARCH-1 ")
    assert "not finished" in centre.refused("disposal", "propose", OLD, "--reason", "期满", "--as", "boss-1")
    assert all((rests / key).is_file() for key in hashes)
    centre.told("disposal", "sign", disposal, "--as", "boss-1")
    assert "done" in centre.told("disposal", "run", disposal, "--as", "arch-1")
    assert not any((rests / key).exists() for key in hashes)
    centre.told("disposal", "certificate", disposal, str(tmp_path))
    content = (tmp_path / f"{disposal}-certificate.json").read_bytes()
    statement = checked(content)
    assert (statement["proposed_by"], statement["signed_by"]) == ("arch-1", "boss-1")
    assert {one["key"]: one["sha256"] for one in statement["objects"]} == hashes
    proof = hashlib.sha256(content).hexdigest()
    assert centre.get(f"/api/disposals/{disposal}")["certificate_sha256"] == proof
    assert "done" in centre.told("disposal", "run", disposal)  # again: nothing is left to do
    _check_that_it_is_told(centre, disposal, proof)
    after = centre.get("/api/fleet")
    assert after["project_count"] == fleet["project_count"] - 1
    assert after["size_bytes"] < fleet["size_bytes"]


def _check_that_it_is_told(centre: Centre, disposal: str, proof: str) -> None:
    """Who asks for the file learns by what it was destroyed; the project is still known."""
    for path in (f"/media/renditions/{OLD_FILE}", f"/api/renditions/{OLD_FILE}/index"):
        answer = centre.ask(path)
        assert answer.status_code == 410
        said = answer.json()["detail"]
        assert "Destroyed by arch-1 and boss-1" in said
        assert disposal in said
        assert f"certificate SHA-256 {proof}" in said
    assert centre.found(region="530681", date_to="2011-12-31") == {OLD}
    assert OLD not in centre.told("due")


def test_i18_what_is_not_due_is_not_destroyed(here: Centre) -> None:
    """I18, done wrongly."""
    assert "not due" in here.refused("disposal", "propose", "P11", "--reason", "r")
    assert "no appraisal" in here.refused("disposal", "run", "nothing")
    assert here.post("/api/disposals", project_id="P99", reason="r").status_code == 409
    assert here.post("/api/disposals", project_id=OTHER_OLD, reason=" ").status_code == 422
    assert here.get("/api/disposals", project_id="P11") == []


def test_i18_of_two_who_sign_at_once_one_does(here: Centre) -> None:
    """I18, from two terminals."""
    made = here.post("/api/disposals", project_id=OTHER_OLD, reason="期满").json()
    people = ("boss-1", "arch-1")
    both = [here.start("disposal", "sign", made["id"], "--as", who) for who in people]
    said = [one.communicate(timeout=120)[1] for one in both]
    assert sorted(one.returncode for one in both) == [0, 1]
    assert "waits for no signature" in "".join(said)
    address = f"/api/disposals/{made['id']}"
    assert both[people.index(here.get(address)["signed_by"])].returncode == 0
    assert here.post(f"{address}/withdraw", reason="有争议").status_code == 200


# --- V15: holds and clean-ups


def test_v15_what_is_held_is_touched_by_no_clean_up(centre: Centre) -> None:
    """V15: "Place a hold (LK-02) -> no clean-up touches the project". Every clean-up that there is."""
    told = centre.told("hold", "project", "P09", OTHER_OLD, "--reason", "LK-02 复评", "--as", "s-sw-1")
    act = told.split(".")[0]
    files = _originals_of(centre, "P09")
    for path in files:
        path.write_bytes(b"footage")
    assert _force_clean_up(centre) > 100
    assert {path.read_bytes() for path in files} == {b"footage"}
    assert "held" in centre.refused("disposal", "propose", OTHER_OLD, "--reason", "期满", "--as", "arch-1")
    assert centre.get(f"/api/retention/projects/{OTHER_OLD}")["held"]
    centre.told("release", act, "--reason", "复评结果已公布", "--as", "s-sw-1")
    assert _force_clean_up(centre) > 0  # it was the hold
    assert not any(path.exists() for path in files)


def _opened(centre: Centre) -> closing[Catalogue]:
    url = centre.database_url or f"sqlite:///{centre.data_dir / CATALOGUE_FILE}"
    return closing(Catalogue.open(url))


def _originals_of(centre: Centre, project_id: str) -> list[Path]:
    """Files in the ring that clips of a project use."""
    with _opened(centre) as catalogue:
        clips = [
            clip
            for session in catalogue.sessions.of_project(project_id)
            for clip in catalogue.clips.of_session(session.id)
        ]
        used = {used.segment_id for clip in clips for used in clip.slices}
        found = catalogue.footage.segments_by_id(sorted(used))
        return [centre.data_dir / "ring" / one.path for one in found.values()]


def _force_clean_up(centre: Centre) -> int:
    """What the recorder does when its disk is full to the brim, until it says that nothing may go."""
    ring, clock, removed = centre.data_dir / "ring", FakeClock(at("30 12:00")), 0
    full = EvictionRules(
        keep_us=0, young_us=0, make_room_bytes=1 << 60, reserve_bytes=1 << 60, cut=CutSettings().rules()
    )
    with _opened(centre) as catalogue:
        if not (ring / MARKER).exists():
            (ring / MARKER).write_text("disk\n", encoding="utf-8")
            catalogue.ring_disks.add("disk", clock.now_us(), "recorder")
        evictor = Evictor(
            root=ring,
            disk=RingDisk(ring, catalogue.ring_disks.current),
            rows=catalogue.removal,
            rules=full,
            clock=clock,
            principal="recorder",
            free=lambda _: 0,
        )
        with pytest.raises(DiskFull, match="held or belongs"):
            while True:
                removed += evictor.run_once()
                clock.advance(1)
    return removed


# --- I19: the audit chain


def test_i19_the_chain_is_intact_and_a_changed_row_is_named(
    centre: Centre, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """I19: "Audit chain check over a year: intact; after one row is changed in the database: names the row".
    The chain of the sample is that of a month and of what was done since."""
    whole = centre.run("audit", "check")
    assert (whole.status, "the chain is whole" in whole.output) == (0, True)
    change = _change_postgresql if centre.database_url else _change_sqlite
    found = change(centre, request, tmp_path)
    assert found.status == 1
    assert "record 77 " in found.output
    assert "the chain is whole" not in found.output
    again = centre.run("audit", "check")
    assert again.status == 0


def _change_sqlite(centre: Centre, _request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Of a copy, by SQLite's own tool: guards away, then another name under an act."""
    copy = tmp_path / "copy"
    copy.mkdir()
    with closing(sqlite3.connect(centre.data_dir / CATALOGUE_FILE)) as own:
        own.execute("VACUUM INTO ?", [str(copy / CATALOGUE_FILE)])
    with closing(sqlite3.connect(copy / CATALOGUE_FILE)) as own, own:
        with pytest.raises(sqlite3.IntegrityError):
            own.execute("UPDATE audit SET principal = 'somebody' WHERE number = 77")
        for guard in ("audit_follows", "audit_never_changes", "audit_never_goes"):
            own.execute(f"DROP TRIGGER {guard}")
        own.execute("UPDATE audit SET principal = 'somebody' WHERE number = 77")
    return centre.run("audit", "check", data_dir=copy)


def _change_postgresql(centre: Centre, request: pytest.FixtureRequest, _tmp_path: Path) -> Any:
    """By PostgreSQL's own tool as its administrator; put back afterwards."""
    server, database = request.getfixturevalue("postgresql"), name_in(centre.database_url)

    def say(name: str) -> None:
        change = f"UPDATE audit SET principal = '{name}' WHERE number = 77"
        guards = "ALTER TABLE audit {} TRIGGER USER"
        server.execute(guards.format("DISABLE"), change, guards.format("ENABLE"), database=database)

    [[before]] = server.execute("SELECT principal FROM audit WHERE number = 77", database=database)
    say("somebody")
    try:
        return centre.run("audit", "check")
    finally:
        say(before)
