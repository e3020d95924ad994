"""Timelines come in files: what makes no sense is named with its row, and nothing of it is taken in."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import pytest
from openpyxl import Workbook

from kernel.clock import BEIJING
from kernel.errors import TimelineError
from kernel.model.timeline import Phase
from segmenter.timeline_file import PHASES, read_timeline_file

HEADS = "场次,时间,类型,事由,标段\n"


def write(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_csv_with_chinese_heads_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, "t.csv", HEADS + "P-E,2026-03-02T10:00:00+08:00,eval.start,,2\n")
    (event,) = read_timeline_file(path).events
    assert (event.session, event.type, event.details) == ("P-E", "eval.start", {"section": 2})
    assert event.at == datetime(2026, 3, 2, 10, tzinfo=BEIJING)


def test_the_same_row_has_the_same_id_in_whichever_file(tmp_path: Path) -> None:
    row = "P-E,2026-03-02T10:00:00+08:00,eval.start,,\n"
    other = "P-E,2026-03-02T11:00:00+08:00,eval.start,,\n"
    one = read_timeline_file(write(tmp_path, "a.csv", HEADS + row)).events
    two = read_timeline_file(write(tmp_path, "b.csv", HEADS + other + row)).events
    assert one[0].id == two[1].id != two[0].id


def test_excel_times_need_a_zone_to_be_told(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.create_sheet(index=0)
    sheet.append(["session", "at", "type", "section", "seat"])
    sheet.append(["P-E", datetime(2026, 3, 2, 10), "eval.section_switch", 3.0, None])  # noqa: DTZ001
    path = tmp_path / "t.xlsx"
    book.save(path)
    with pytest.raises(TimelineError, match=r"row 2: .*no time zone"):
        read_timeline_file(path)
    (event,) = read_timeline_file(path, BEIJING).events
    assert event.at == datetime(2026, 3, 2, 10, tzinfo=BEIJING)
    assert event.details == {"section": 3}


def test_yaml_brings_projects_and_corrections(tmp_path: Path) -> None:
    text = """
projects:
- {id: P, project_code: C-1, name_zh: 样例, region: '530602', trade_place: '530602', industry: A01,
   sessions: [{id: P-O, phase: opening, room: OH}]}
events:
- {id: e1, session: P-O, at: '2026-03-02T09:00:00+08:00', type: opening.start}
- {id: e2, session: P-O, at: '2026-03-02T09:05:00+08:00', type: opening.start, replaces: e1, reason: 更正}
"""
    told = read_timeline_file(write(tmp_path, "t.yaml", text))
    assert [one.id for one in told.projects] == ["P"]
    assert told.events[1].replaces == "e1"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("t.csv", "场次,类型\nP-E,eval.start\n", "时间"),
        ("t.csv", HEADS + "P-E,yesterday,eval.start,,\n", "row 2"),
        ("t.csv", HEADS + "P-E,2026-03-02T10:00:00+08:00,EVAL START,,\n", r"row 2: column 类型 \(type\)"),
        ("t.csv", HEADS + "P-E,2026-03-02T10:00:00+08:00,暂亭,,\n", "row 2: column 类型 .*was 暂停 meant"),
        ("t.csv", HEADS + "P-E,2026-03-02T10:00:00+08:00,切换标段,,\n", "opening.section_switch or eval"),
        ("t.csv", HEADS + "P-E,,eval.start,,\n", r"row 2: column 时间 \(at\): Field required"),
        ("t.csv", "id,session,at,type\ne7,P-E,now,a\n", r"row 2 \(e7\): column at: now is no moment"),
        ("t.yaml", "events: [{id: e7, session: P, at: now, type: a}]", r"event 1 \(e7\): at: now is no"),
        ("t.csv", "", "session"),
        ("t.csv", "场次,时间,类型,replace\n", "column replace is not known"),
        ("t.csv", "场次,时间,类型,at\n", "column at is there twice"),
        ("t.csv", "场次,,时间,类型\n", "column 2 without a head is not known"),
        ("t.csv", HEADS + "P-E,2026-03-02T10:00:00+08:00,eval.start,,,e1\n", "row 2: a value stands in no"),
        ("t.csv", "场次,时间,类型,撤回\nP-E,2026-03-02T10:00:00+08:00,eval.start,maybe\n", "withdrawn"),
        ("t.yaml", "events: [{session: P, at: 2026-03-02T10:00:00Z, type: a, replace: e1}]", "replace"),
        ("t.yaml", "events: [{session: P, at: 2026-03-02T10:00:00Z, type: a, section: 1}]", "section"),
        ("t.yaml", "events: [{session: P, at: 2026-03-02, type: a}]", "date without a time"),
        ("t.csv", HEADS + "P-E,2026-03-02,eval.start,,\n", "row 2: .*date without a time"),
        ("t.yaml", "projects: [{id: P}]", "project_code"),
        ("t.yaml", "- 1", "t.yaml"),
        ("t.yaml", "a: [", "t.yaml"),
        ("t.xlsx", "not a workbook", "t.xlsx"),
        ("t.doc", "", "xlsx"),
    ],
)
def test_what_makes_no_sense_is_named(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(TimelineError, match=said):
        read_timeline_file(write(tmp_path, name, text))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TimelineError, match="none"):
        read_timeline_file(tmp_path / "none.csv")


def test_a_date_without_a_time_is_not_midnight_even_with_a_zone(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.create_sheet(index=0)
    sheet.append(["session", "at", "type"])
    sheet.append(["P-E", date(2026, 3, 2), "eval.start"])
    path = tmp_path / "t.xlsx"
    book.save(path)
    with pytest.raises(TimelineError, match=r"row 2: .*date without a time"):
        read_timeline_file(path, BEIJING)
    sheet["B2"].number_format = "yyyy-mm-dd hh:mm"
    book.save(path)
    (event,) = read_timeline_file(path, BEIJING).events
    assert event.at == datetime(2026, 3, 2, tzinfo=BEIJING)


def test_the_same_moment_makes_the_same_id_in_whichever_zone_and_file(tmp_path: Path) -> None:
    table = (
        HEADS + "P-E,2026-03-02T10:00:00+08:00,eval.start,,2\nP-E,2026-03-02T02:00:00.000Z,eval.start,,2\n"
    )
    text = "events: [{session: P-E, at: 2026-03-02T02:00:00Z, type: eval.start, details: {section: 2}}]"
    one, two = read_timeline_file(write(tmp_path, "a.csv", table)).events
    (three,) = read_timeline_file(write(tmp_path, "b.yaml", text)).events
    assert one.id == two.id == three.id
    assert one.id.startswith("file-")


def test_a_withdrawal_without_an_id_is_not_taken_for_what_it_takes_back(tmp_path: Path) -> None:
    heads, row = "场次,时间,类型,更正,撤回\n", "P-E,2026-03-02T10:00:00+08:00,eval.pause,"
    (wrong,) = read_timeline_file(write(tmp_path, "a.csv", heads + row + ",否\n")).events
    (back,) = read_timeline_file(write(tmp_path, "b.csv", f"{heads}{row}{wrong.id},是\n")).events
    assert (back.replaces, back.withdrawn) == (wrong.id, True)
    assert back.id != wrong.id


def test_ids_that_excel_takes_for_numbers_are_read_as_they_are_shown(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.create_sheet(index=0)
    sheet.append(["编号", "场次", "时间", "类型", "更正"])
    sheet.append([17, "P-E", "2026-03-02T10:00:00+08:00", "eval.start", 16.0])
    path = tmp_path / "t.xlsx"
    book.save(path)
    (event,) = read_timeline_file(path).events
    assert (event.id, event.replaces) == ("17", "16")


# --- as people in trading centres write them


def test_kinds_may_be_called_by_their_chinese_names(tmp_path: Path) -> None:
    at = "2026-03-02T10:00:00+08:00"
    rows = "".join(f"P-E,{at},{name},,\n" for name in ("开始", "评标开始", "暂停", "恢复评标", "评标结束"))
    types = [one.type for one in read_timeline_file(write(tmp_path, "t.csv", HEADS + rows)).events]
    assert types == ["session.start", "eval.start", "eval.pause", "eval.resume", "eval.end"]
    text = f"events: [{{session: P-E, at: '{at}', type: 隔夜封存}}]"
    (event,) = read_timeline_file(write(tmp_path, "t.yaml", text)).events
    assert event.type == "eval.overnight_seal"


def test_the_phase_decides_where_a_name_is_of_several_kinds(tmp_path: Path) -> None:
    row = "P-{},2026-03-02T10:00:00+08:00,切换标段,,2\n"
    path = write(tmp_path, "t.csv", HEADS + row.format("O") + row.format("E"))
    phases = {"P-O": Phase.OPENING, "P-E": Phase.EVALUATION}
    events = read_timeline_file(path, phase_of=phases.get).events
    assert [one.type for one in events] == ["opening.section_switch", "eval.section_switch"]
    with pytest.raises(TimelineError, match=r"切换标段 may be .*write one of them"):
        read_timeline_file(path, phase_of=lambda _session: Phase.EXTRACTION)


def test_phases_in_chinese_are_those_of_the_interface(tmp_path: Path) -> None:
    """And the file's own sessions say which kind a name is of."""
    text = """
projects:
- {id: P, project_code: C-1, name_zh: 样例, region: '530602', trade_place: '530602', industry: A01,
   sessions: [{id: P-O, phase: 开标, room: OH}, {id: P-E, phase: 评标, room: ER}]}
events:
- {session: P-E, at: '2026-03-02T09:00:00+08:00', type: 切换标段}
"""
    told = read_timeline_file(write(tmp_path, "t.yaml", text))
    assert [one.phase for one in told.projects[0].sessions] == [Phase.OPENING, Phase.EVALUATION]
    assert told.events[0].type == "eval.section_switch"
    assert set(PHASES.values()) == set(Phase) - {Phase.HALL}  # nobody reports the record of a hall


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030"])
def test_a_csv_is_read_as_excel_writes_it_in_chinese(tmp_path: Path, encoding: str) -> None:
    text = HEADS + "P-E,2026/3/2 9:05,评标暂停,电话告知,2\n"
    path = tmp_path / "t.csv"
    path.write_bytes(text.replace("\n", "\r\n").encode(encoding))
    (event,) = read_timeline_file(path, BEIJING).events
    assert (event.type, event.reason) == ("eval.pause", "电话告知")
    assert event.at == datetime(2026, 3, 2, 9, 5, tzinfo=BEIJING)


def test_the_encoding_is_named_where_a_file_cannot_be_read_in_it(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(HEADS.encode("utf-16"))
    with pytest.raises(TimelineError, match=r"neither in UTF-8 nor in GB18030 \(GBK\)"):
        read_timeline_file(path)
    path.write_bytes("场次,时间,类形\n".encode("gbk"))
    with pytest.raises(TimelineError, match=r"read as GB18030\): column 类形 is not known"):
        read_timeline_file(path)
    with pytest.raises(TimelineError, match="neither in UTF-8"):
        (tmp_path / "t.yaml").write_bytes(b"events: [\xff]")
        read_timeline_file(tmp_path / "t.yaml")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026/3/2 9:05", "2026-03-02T09:05:00+08:00"),
        ("2026-3-2 09:05:07", "2026-03-02T09:05:07+08:00"),
        ("2026/12/31 23:59:59.5", "2026-12-31T23:59:59.500000+08:00"),
        ("2026/3/2 9:05+00:00", "2026-03-02T09:05:00+00:00"),
    ],
)
def test_times_as_excel_shows_them_are_read(tmp_path: Path, written: str, meant: str) -> None:
    path = write(tmp_path, "t.csv", HEADS + f"P-E,{written},eval.start,,\n")
    assert read_timeline_file(path, BEIJING).events[0].at.isoformat() == meant


@pytest.mark.parametrize("written", ["2026/3/2", "2026/13/2 9:05", "3/2/2026 9:05", "2026/3/2 9"])
def test_what_may_be_another_time_is_refused(tmp_path: Path, written: str) -> None:
    path = write(tmp_path, "t.csv", HEADS + f"P-E,{written},eval.start,,\n")
    with pytest.raises(TimelineError, match="row 2: column 时间"):
        read_timeline_file(path, BEIJING)


def test_every_row_that_makes_no_sense_is_named_at_once(tmp_path: Path) -> None:
    row = "P-E,2026-03-02T10:00:00+08:00,{},,\n"
    path = write(tmp_path, "t.csv", HEADS + "".join(map(row.format, ["A B", "eval.start", "C D"])))
    with pytest.raises(TimelineError, match=r"row 2: .*; row 4: ") as told:
        read_timeline_file(path)
    assert "row 3" not in str(told.value)
    assert "import it again" in told.value.remedy
    path = write(tmp_path, "t.csv", HEADS + row.format("A B") * 30)
    with pytest.raises(TimelineError, match=r"row 21: .*; and 10 more"):
        read_timeline_file(path)


def test_all_sheets_are_read_and_named(tmp_path: Path) -> None:
    """What stands on the second day's sheet is not lost in silence."""
    book = Workbook()
    for number, title in enumerate(("第一天", "第二天"), start=2):
        sheet = book.create_sheet(title)
        sheet.append(["场次", "时间", "类型"])
        sheet.append(["P-E", f"2026-03-0{number}T10:00:00+08:00", "暂停"])
    path = tmp_path / "t.xlsx"
    book.save(path)
    told = read_timeline_file(path)
    assert told.places == ("sheet 第一天, row 2", "sheet 第二天, row 2")
    assert [one.at.day for one in told.events] == [2, 3]
    book["第二天"]["C2"] = "暂亭"
    book.save(path)
    with pytest.raises(TimelineError, match="sheet 第二天, row 2: column 类型"):
        read_timeline_file(path)
    book["第二天"]["C1"] = "类形"
    book.save(path)
    with pytest.raises(TimelineError, match="sheet 第二天: column 类形"):
        read_timeline_file(path)


def test_a_workbook_that_says_nothing_is_refused(tmp_path: Path) -> None:
    Workbook().save(tmp_path / "t.xlsx")
    with pytest.raises(TimelineError, match="has no rows"):
        read_timeline_file(tmp_path / "t.xlsx")
