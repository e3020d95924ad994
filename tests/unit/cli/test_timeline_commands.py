"""Timelines at a terminal: what was refused is named by its row, what is odd is told, nothing is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from catalog.catalogue import Catalogue
from cli.main import app
from cli.timelines import import_file
from kernel.clock import SystemClock
from kernel.settings import CATALOGUE_FILE, CamerasFile
from tests.support.catalogue import CAMERAS, PROJECT, add_session, open_catalogue

HEADS = "编号,场次,时间,类型\n"
Import = Callable[[str], tuple[bool, str]]


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    """One session, P-O, an opening from 2026-03-02T09:00 to 10:00 in Beijing."""
    opened = open_catalogue(tmp_path)
    add_session(opened, START_US, START_US + HOUR_US)
    yield opened
    opened.close()


START_US, HOUR_US = 1_772_413_200_000_000, 3_600_000_000


def no_cameras() -> CamerasFile:
    raise AssertionError("a file of events needs no places")


@pytest.fixture
def imported(catalogue: Catalogue, tmp_path: Path) -> Import:
    def run(rows: str) -> tuple[bool, str]:
        path, said = tmp_path / "t.csv", StringIO()
        path.write_text(HEADS + rows, encoding="gbk")
        console = Console(file=said, soft_wrap=True)
        whole = import_file(catalogue, path, "+08:00", "clerk", SystemClock(), console, no_cameras)
        return whole, said.getvalue()

    return run


def test_a_file_of_events_needs_no_cameras_and_writes_no_places(
    imported: Import, catalogue: Catalogue
) -> None:
    whole, said = imported("e1,P-O,2026/3/2 9:30,暂停\n")
    assert whole
    assert "1 events recorded" in said
    assert "was read as GB18030" in said
    assert "note" not in said
    assert [one.id for one in catalogue.sessions.events_of("P-O")][1:2] == ["e1"]


def test_what_is_refused_is_named_by_its_row_and_its_id(imported: Import) -> None:
    whole, said = imported("e1,P-O,2026/3/2 9:30,暂停\n\ne2,NONE,2026/3/2 9:30,暂停\n")
    assert not whole
    assert "refused row 4 (e2): event eval.pause names session NONE" in said
    assert "e1" not in said


def test_what_is_odd_is_noted_and_taken_in(imported: Import, catalogue: Catalogue) -> None:
    rows = "e1,P-O,2026/3/2 1:00,暂停\ne2,P-O,2026/3/2 9:10,eval.puase\ne3,P-O,2026/3/2 9:20,推选组长\n"
    whole, said = imported(rows)
    assert whole
    assert "note on row 2 (e1): event e1 (eval.pause) lies 8 h before the start of session P-O." in said
    assert "note on row 3 (e2): the type eval.puase of event e2 is not known." in said
    assert "note on row 4 (e3): event e3 (eval.leader_elected) belongs to evaluation" in said
    assert {"e1", "e2", "e3"} <= {one.id for one in catalogue.sessions.events_of("P-O")}


def test_a_name_of_several_kinds_is_of_the_session_s_phase(imported: Import, catalogue: Catalogue) -> None:
    assert imported("e1,P-O,2026/3/2 9:30,切换标段\n")[0]
    types = {one.id: one.type for one in catalogue.sessions.events_of("P-O")}
    assert types["e1"] == "opening.section_switch"


def test_a_file_with_projects_brings_its_places(tmp_path: Path) -> None:
    catalogue = Catalogue.open(f"sqlite:///{tmp_path / 'new.sqlite'}")
    path = tmp_path / "t.yaml"
    path.write_text(
        "projects: [{id: P1, project_code: C-9, name_zh: 样例, region: '530602', trade_place: '530602', "
        f"industry: {PROJECT.industry_code}, sessions: [{{id: P1-O, phase: 开标, room: OH}}]}}]",
        encoding="utf-8",
    )
    console = Console(file=StringIO())
    assert import_file(catalogue, path, None, "clerk", SystemClock(), console, lambda: CAMERAS)
    assert catalogue.sessions.get("P1-O") is not None
    catalogue.close()


def run(directory: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--data-dir", str(directory)], catch_exceptions=True)


def test_events_are_imported_where_cameras_yaml_is_not(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t.csv").write_text(HEADS + "e1,P-O,2026-03-02T09:30:00+08:00,暂停\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert not (tmp_path / "cameras.yaml").exists()
    result = run(tmp_path, "timeline", "import", "t.csv")
    assert result.exit_code == 0, result.output
    assert "e1" in {one.id for one in catalogue.sessions.events_of("P-O")}


def test_an_event_by_hand_tells_what_is_odd_about_it(catalogue: Catalogue, tmp_path: Path) -> None:
    at = "2026-03-02T01:00:00+08:00"
    result = run(tmp_path, "timeline", "event", "P-O", at, "暂停", "--reason", "电话")
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() in {one.id for one in catalogue.sessions.events_of("P-O")}
    assert "lies 8 h before the start of session P-O" in result.stderr


@pytest.mark.parametrize(
    ("kind", "said"), [("暂亭", "was 暂停 meant"), ("EVAL PAUSE", "makes no sense"), ("eval.pause", "NONE")]
)
def test_a_refusal_by_hand_does_not_speak_of_a_file(
    catalogue: Catalogue, tmp_path: Path, kind: str, said: str
) -> None:
    at = "2026-03-02T09:30:00+08:00"
    result = run(tmp_path, "timeline", "event", "NONE", at, kind, "--reason", "电话")
    assert result.exit_code != 0
    told = result.output + str(result.exception)
    assert said in told
    assert "file" not in told


def test_an_event_by_hand_in_a_mistyped_directory_makes_no_catalogue(tmp_path: Path) -> None:
    at = "2026-03-02T09:30:00+08:00"
    result = run(tmp_path / "mistyped", "timeline", "event", "P-O", at, "暂停", "--reason", "电话")
    assert result.exit_code != 0
    assert not (tmp_path / "mistyped" / CATALOGUE_FILE).exists()
