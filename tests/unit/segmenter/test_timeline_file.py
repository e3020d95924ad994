"""Timelines come in files: what makes no sense is named with its row, and nothing of it is taken in."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import pytest
from openpyxl import Workbook

from kernel.clock import BEIJING
from kernel.errors import TimelineError
from segmenter.timeline_file import read_timeline_file

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
        ("t.csv", HEADS + "P-E,2026-03-02T10:00:00+08:00,EVAL START,,\n", "row 2"),
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
