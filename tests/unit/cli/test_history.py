"""Old recordings and their lists come in in bulk; a bad row keeps no other one out."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from capture.ring_disk import open_ring
from catalog.catalogue import Catalogue
from cli.history import HistoryImport, ImportOptions, ImportResult, Outcome
from cli.history_list import BadRow, ListedFile, read_columns, read_list
from cli.history_report import as_csv, as_json, write_report
from kernel.clock import SECOND_US, FakeClock
from kernel.errors import SettingsError
from kernel.model.document import Property, PropertyVerdict
from kernel.model.timeline import Phase, SessionState
from kernel.settings import CutSettings, RingSettings, Settings
from kernel.timerange import TimeRange
from segmenter.worker import Segmenter
from tests.support.catalogue import add_session, open_catalogue
from tests.support.recordings import write

START = 1_551_488_400 * SECOND_US  # 2019-03-02 09:00:00 in Beijing
NOW = START + 7 * 365 * 86_400 * SECOND_US
HEADS = "文件,设备编号,开始时间,项目编号,项目名称,行政区域代码,行业代码,环节,校验值,场次编号"
ROW = "{file},{source},2019-03-02 09:00:00,SF-2019-1,水富县旧项目,530630,A01,开标,{sha},"
EVER = TimeRange(start_us=0, end_us=1 << 60)


class Desk:
    """A centre with a disk of old recordings."""

    def __init__(self, root: Path) -> None:
        self.root = root / "nvr"
        (self.root / "2019").mkdir(parents=True)
        self.settings = Settings(
            data_dir=root / "data", ring=RingSettings(reserve_bytes=0), cut=CutSettings(settle_seconds=0)
        )
        self.catalogue: Catalogue = open_catalogue(self.settings.data_dir)
        self.clock = FakeClock(NOW)
        self.disk = open_ring(self.settings.ring_dir, self.catalogue.ring_disks, self.clock, "clerk")
        for name in ("cam", "screen"):
            write(self.root / "2019" / f"{name}.mp4", codec="libx264")

    def listed(self, *rows: str, heads: str = HEADS, encoding: str = "utf-8") -> Path:
        path = self.root / "2019.csv"
        path.write_bytes("\r\n".join([heads, *rows, ""]).encode(encoding))
        return path

    def both(self, **more: str) -> Path:
        rows = [ROW.format(file=f"2019/{one}.mp4", source=one, sha=more.get(one, "")) for one in SOURCES]
        return self.listed(*rows)

    def take(self, path: Path, **more: Any) -> ImportResult:
        options = ImportOptions(root=self.root, **{"offset_us": 0, "principal": "王工", **more})
        importing = HistoryImport(self.catalogue, self.settings, self.clock, self.disk, options)
        return importing.run(read_list(path, read_columns(None)))

    def cut(self) -> None:
        Segmenter(self.catalogue, self.settings.cut, self.clock).run_once()

    def rows(self) -> tuple[int, ...]:
        """How much the catalogue knows."""
        catalogue = self.catalogue
        sessions = [one.id for project in catalogue.projects.projects() for one in self.sessions(project.id)]
        return (
            len(catalogue.footage.all_segments()),
            len(catalogue.projects.projects()),
            len(sessions),
            len(catalogue.sessions.events_of(*sessions)),
            len(catalogue.holds.all(released=True)),
            len(catalogue.audit.records(limit=1000)),
        )

    def sessions(self, project_id: str) -> list[Any]:
        return self.catalogue.sessions.of_project(project_id)


SOURCES = ("cam", "screen")
SESSION = "SF-2019-1-O-20190302-OH"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.catalogue.close()


# --- lists


def test_a_csv_in_gbk_is_read_and_its_times_are_beijing_time(desk: Desk) -> None:
    path = desk.listed(ROW.format(file="2019\\cam.mp4", source="cam", sha=""), encoding="gbk")
    told = read_list(path, read_columns(None))
    assert told.encoding == "gb18030"
    [row] = told.rows
    assert isinstance(row, ListedFile)
    assert (row.file, row.start_us, row.phase) == ("2019/cam.mp4", START, Phase.OPENING)
    assert row.texts["project_name"] == "水富县旧项目"


def test_excel_dates_are_beijing_time_and_whole_numbers_stay_whole(desk: Desk) -> None:
    book = Workbook()
    sheet: Any = book.active
    sheet.append(["文件", "设备编号", "开始时间", "项目编号", "环节", "标段号"])
    moment = datetime(2019, 3, 2, 9, 0, 0, 250_000)  # noqa: DTZ001 - Excel knows no zones
    sheet.append(["a.mp4", "cam", moment, 20190001, "评标", 2])
    book.save(desk.root / "a.xlsx")
    [row] = read_list(desk.root / "a.xlsx", read_columns(None)).rows
    assert isinstance(row, ListedFile)
    assert (row.start_us, row.project, row.section) == (START + 250_000, "20190001", 2)


@pytest.mark.parametrize(
    ("written", "after_us"),
    [
        ("2019/3/2 9:00", 0),
        ("2019年3月2日 9时00分30秒", 30 * SECOND_US),
        ("2019-03-02T01:00:00Z", 0),
        ("2019-03-02 10:00:00.5+09:00", 500_000),
    ],
)
def test_times_are_read_as_people_write_them(desk: Desk, written: str, after_us: int) -> None:
    row = ROW.format(file="a", source="cam", sha="").replace("2019-03-02 09:00:00", written)
    [told] = read_list(desk.listed(row), read_columns(None)).rows
    assert isinstance(told, ListedFile)
    assert told.start_us == START + after_us


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("2019-03-02 09:00:00", "2019-03-02", "no moment"),
        ("2019-03-02 09:00:00", "2019-02-30 09:00", "day"),
        ("开标", "打牌", "no phase"),
        ("cam,2019", ",2019", "source is empty"),
        ("A01,开标,", "A01,开标,abc", "no SHA-256"),
    ],
)
def test_a_row_that_makes_no_sense_is_named_with_the_remedy(desk: Desk, old: str, new: str, why: str) -> None:
    good = ROW.format(file="2019/cam.mp4", source="cam", sha="")
    bad, fine = read_list(desk.listed(good.replace(old, new), good), read_columns(None)).rows
    assert isinstance(bad, BadRow)
    assert isinstance(fine, ListedFile)
    assert why in bad.why
    assert (bad.place, bool(bad.remedy)) == ("row 2", True)


def test_a_list_with_other_heads_needs_a_mapping(desk: Desk, tmp_path: Path) -> None:
    path = desk.listed("a.mp4,cam,2019-03-02 09:00,1,评标", heads="路径,设备编号,开始时间,项目编号,环节")
    with pytest.raises(SettingsError, match="column for file"):
        read_list(path, read_columns(None))
    own = tmp_path / "columns.yaml"
    own.write_text(
        "zone: '+08:00'\ncolumns: {file: [路径], source: [设备编号], start: [开始时间], project: [项目编号],"
        " phase: [环节]}\n",
        encoding="utf-8",
    )
    assert len(read_list(path, read_columns(own)).rows) == 1
    own.write_text("zone: '+08:00'\ncolumns: {film: [路径]}\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="film"):
        read_columns(own)


# --- taking in


def test_projects_sessions_and_footage_come_in_and_are_cut(desk: Desk) -> None:
    """I17: the old code of the region stays."""
    result = desk.take(desk.both())
    assert [one.outcome for one in result.rows] == [Outcome.TAKEN_IN] * 2
    assert result.complete
    project = desk.catalogue.projects.project("SF-2019-1")
    assert project is not None
    assert project.region_code == "530630"
    session = desk.catalogue.sessions.get(SESSION)
    assert session is not None
    assert (session.state, session.start_us, session.source_ids) == (SessionState.ENDED, START, SOURCES)
    desk.cut()
    clips = desk.catalogue.clips.of_session(SESSION)
    assert {(one.source_id, one.wall.start_us, one.gaps) for one in clips} == {
        (one, START, ()) for one in SOURCES
    }  # nobody recorded before and after: that is no gap
    assert desk.catalogue.holds.all() == []  # the session keeps its footage itself by now


def test_each_file_has_its_four_properties(desk: Desk) -> None:
    desk.take(desk.both())
    for one in desk.catalogue.handed_files.of_session(SESSION):
        assert [each.property for each in one.check.results] == list(Property)
        assert not one.check.failed
        assert one.listed_in == "2019.csv"


def test_the_same_list_again_changes_nothing(desk: Desk) -> None:
    path = desk.both()
    desk.take(path)
    before = desk.rows()
    result = desk.take(path)
    assert [one.outcome for one in result.rows] == [Outcome.KNOWN] * 2
    assert result.complete
    assert desk.rows() == before


def test_w21_a_wrong_checksum_keeps_its_session_open_and_the_second_try_passes(desk: Desk) -> None:
    """W21: 47 s are taken off; the file that came damaged comes again, and only it is taken in then."""
    path = desk.root / "2019" / "cam.mp4"
    true = path.read_bytes()
    announced = hashlib.sha256(true).hexdigest()
    path.write_bytes(true[:-1] + bytes([true[-1] ^ 1]))
    listed = desk.both(cam=announced)
    first = desk.take(listed, offset_us=-47 * SECOND_US)
    assert [one.outcome for one in first.rows] == [Outcome.REFUSED, Outcome.TAKEN_IN]
    assert "SHA-256" in first.rows[0].why
    assert first.waiting_sessions == {SESSION: "2019/cam.mp4"}
    session = desk.catalogue.sessions.get(SESSION)
    assert session is not None
    assert session.state is SessionState.PLANNED
    assert [one.source_id for one in desk.catalogue.holds.all()] == ["cam", "screen"]
    path.write_bytes(true)
    second = desk.take(listed, offset_us=-47 * SECOND_US)
    assert [one.outcome for one in second.rows] == [Outcome.TAKEN_IN, Outcome.KNOWN]
    assert second.ended_sessions == [SESSION]
    taken = desk.catalogue.handed_files.of_session(SESSION)
    assert {one.wall_start_us for one in taken} == {START - 47 * SECOND_US}
    authentic = next(one for one in taken if one.source_id == "cam").check.results[0]
    assert (authentic.verdict, "announced" in authentic.reason) == (PropertyVerdict.PASSED, True)


BAD = {
    "missing": ("2019/none.mp4", "cam"),
    "outside": ("../../etc/passwd", "cam"),
    "no source": ("2019/cam.mp4", "nobody"),
    "no recording": ("2019/text.mp4", "cam"),
}


def test_bad_rows_keep_no_good_one_out_and_each_has_its_remedy(desk: Desk) -> None:
    (desk.root / "2019" / "text.mp4").write_text("no video at all")
    rows = [ROW.format(file=file, source=source, sha="") for file, source in BAD.values()]
    good = ROW.format(file="2019/screen.mp4", source="screen", sha="")
    result = desk.take(desk.listed(*rows, good))
    assert [one.outcome for one in result.rows] == [*[Outcome.REFUSED] * len(BAD), Outcome.TAKEN_IN]
    assert all(one.why and one.remedy for one in result.rows[:-1])
    assert not result.complete
    assert set(result.waiting_sessions[SESSION].split(", ")) == {file for file, _ in BAD.values()}
    done = desk.take(desk.listed(*rows, good), without_missing=True)
    assert done.ended_sessions == [SESSION]


@pytest.mark.parametrize(
    ("old", "new"), [("530630", "999999"), ("A01", "Z99"), ("水富县旧项目", ""), ("530630", "")]
)
def test_a_project_that_nobody_knows_needs_its_name_region_and_industry(
    desk: Desk, old: str, new: str
) -> None:
    row = ROW.format(file="2019/cam.mp4", source="cam", sha="").replace(old, new)
    [result] = desk.take(desk.listed(row)).rows
    assert result.outcome is Outcome.REFUSED
    assert desk.catalogue.footage.all_segments() == []


def test_a_dry_run_says_what_would_happen_and_changes_nothing(desk: Desk) -> None:
    before = desk.rows()
    result = desk.take(desk.both(), dry_run=True)
    assert [one.outcome for one in result.rows] == [Outcome.WOULD] * 2
    assert (result.made_projects, result.made_sessions) == (["SF-2019-1"], [SESSION])
    assert desk.rows() == before


def test_what_a_crash_left_in_the_middle_of_storing_is_settled_by_the_next_run(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invariants 1 and 2: the second segment's file is there, its row is not."""
    short = RingSettings(reserve_bytes=0, segment_seconds=1)
    desk.settings = Settings(data_dir=desk.settings.data_dir, ring=short, cut=desk.settings.cut)
    add, count = desk.catalogue.footage.add_segment, 0

    def fall(segment: Any) -> None:
        nonlocal count
        count += 1
        if count == 2:
            raise KeyboardInterrupt
        add(segment)

    monkeypatch.setattr(desk.catalogue.footage, "add_segment", fall)
    with pytest.raises(KeyboardInterrupt):
        desk.take(desk.both())
    monkeypatch.undo()
    assert desk.catalogue.handed_files.of_session(SESSION) == []
    result = desk.take(desk.both())
    assert [one.outcome for one in result.rows] == [Outcome.TAKEN_IN] * 2
    [kept] = [one for one in desk.catalogue.handed_files.of_session(SESSION) if one.source_id == "cam"]
    there = desk.catalogue.footage.segments_of("cam", EVER)
    assert {one.run_id for one in there} == {kept.run_id}
    assert len(there) == 4
    assert result.ended_sessions == [SESSION]


def test_a_crash_before_the_last_row_is_made_good(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """All footage is in, and nothing says yet whose file it was."""

    def fall(_handed: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(desk.catalogue.handed_files, "add", fall)
    with pytest.raises(KeyboardInterrupt):
        desk.take(desk.both())
    monkeypatch.undo()
    assert desk.take(desk.both()).complete
    assert len(desk.catalogue.footage.segments_of("cam", EVER)) == 1


def test_a_full_disk_ends_the_run_and_says_what_was_not_tried(desk: Desk) -> None:
    desk.settings = Settings(data_dir=desk.settings.data_dir, ring=RingSettings(reserve_bytes=1 << 60))
    result = desk.take(desk.both())
    assert [one.outcome for one in result.rows] == [Outcome.REFUSED, Outcome.NOT_TRIED]
    assert all(one.remedy for one in result.rows)


def test_a_file_for_a_session_of_a_room_leaves_its_other_devices_in_it(desk: Desk) -> None:
    """To name one source of it would take all others out of the session."""
    add_session(desk.catalogue, START, START + 4 * SECOND_US)
    row = ROW.format(file="2019/cam.mp4", source="cam", sha="").replace("SF-2019-1", "P") + "P-O"
    result = desk.take(desk.listed(row))
    assert [one.outcome for one in result.rows] == [Outcome.TAKEN_IN], result.rows
    session = desk.catalogue.sessions.get("P-O")
    assert session is not None
    assert session.source_ids == ()
    desk.cut()
    assert {one.source_id for one in desk.catalogue.clips.of_session("P-O")} == {"cam", "screen"}


# --- the report


def test_the_report_is_a_table_and_an_object(desk: Desk, tmp_path: Path) -> None:
    bad = ROW.format(file="=cmd|' /C calc'!A0", source="cam", sha="")
    good = ROW.format(file="2019/cam.mp4", source="cam", sha="")
    result = desk.take(desk.listed(bad, good))
    table = list(csv.DictReader(io.StringIO(as_csv(result))))
    assert [one["结果"] for one in table] == ["refused", "taken_in"]
    assert table[0]["文件"].startswith("'=")  # a program must not compute it
    assert table[0]["处理办法"]
    assert table[1]["真实"].startswith("passed")
    told = json.loads(as_json("2019.csv", result, dry_run=False))
    assert told["counts"]["taken_in"] == told["counts"]["refused"] == 1
    place = write_report(tmp_path / "history", "2019.csv", result, desk.clock, dry_run=False)
    assert place.read_bytes().startswith(b"\xef\xbb\xbf")
    assert json.loads(place.with_suffix(".json").read_bytes()) == told


def test_a_mapping_of_ours_names_each_field_once() -> None:
    assert {"file", "source", "start", "project", "phase"} <= set(read_columns(None).columns)
