"""``jianzheng archives``: what people and scripts are told of budgets and quality."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from catalog.catalogue import Catalogue
from catalog.database import writing
from cli.archive_table import print_fleet, print_project
from cli.printing import PIPED_WIDTH
from kernel.errors import TimelineError
from tests.support.archived_project import BUDGET, REASON, SIZES, fill
from tests.support.catalogue import PROJECT, open_catalogue


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    opened = open_catalogue(tmp_path)
    fill(opened)
    yield opened
    opened.close()


def line(said: str, word: str) -> str:
    return next(one for one in said.splitlines() if one.startswith(word))


def test_a_file_below_a_floor_is_named_and_makes_the_exit_status_1(
    catalogue: Catalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    assert print_project(catalogue, "P", as_json=False) == 1
    said = capsys.readouterr().out
    for words in ("75.0%", "80", "84.0", "75.5", "1500/1500", "清晰 clear"):
        assert words in line(said, "cam ")
    for words in ("91.2%", "90/1500", "低于下限 below floor"):
        assert words in line(said, "screen ")
    assert max(len(one) for one in said.splitlines() if not one.startswith("超出")) <= PIPED_WIDTH


def test_an_overrun_is_told_with_its_reason(catalogue: Catalogue, capsys: pytest.CaptureFixture[str]) -> None:
    """Invariant 13."""
    print_project(catalogue, "P", as_json=False)
    said = capsys.readouterr().out
    assert f"超出预算 over its budget: {REASON}" in said
    assert "合计 in all: 0.91 / 0.80 MB, 超出 over 0.11 MB" in said


def test_what_is_being_archived_shows_how_far_it_has_come(
    catalogue: Catalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    assert print_project(catalogue, "W", as_json=False) == 0
    assert "W-O  11% probe 3/9" in capsys.readouterr().out


def test_a_project_is_found_by_its_code_and_one_that_is_not_there_is_refused(
    catalogue: Catalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    print_project(catalogue, PROJECT.project_code, as_json=True)
    assert json.loads(capsys.readouterr().out)["project"] == "P"
    with pytest.raises(TimelineError, match="there is no project nonsense"):
        print_project(catalogue, "nonsense", as_json=False)


def test_machines_get_whole_bytes_and_what_was_wanted_beside_what_was_measured(
    catalogue: Catalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    assert print_project(catalogue, "P", as_json=True) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["budget_bytes"], told["size_bytes"]) == (BUDGET, sum(SIZES.values()) + 10_000)
    (session,) = told["sessions"]
    assert (session["overrun_cause"], session["overrun_reason"]) == ("floors", REASON)
    files = {one["source"]: one for one in session["files"]}
    assert files["cam"]["kbit_per_second"] == 80
    assert (files["screen"]["text_agreement"], files["screen"]["text_floor"]) == (0.912, 0.95)
    assert (files["cam"]["grade"], files["screen"]["grade"]) == ("clear", "below")


def test_without_a_project_the_mean_of_all_is_held_against_its_limit(
    catalogue: Catalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    assert print_fleet(catalogue, as_json=False) == 0
    assert "平均 mean: 0.91 MB / 5,000.00 MB" in capsys.readouterr().out
    assert print_fleet(catalogue, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["below_count"] == 1


def test_a_mean_above_the_limit_makes_the_exit_status_1(
    catalogue: Catalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    over = 5_000_000_001 - 910_000
    with writing(catalogue._engine) as session:
        session.connection().execute(text(f"UPDATE archive SET size_bytes = size_bytes + {over}"))
    assert print_fleet(catalogue, as_json=True) == 1
    assert json.loads(capsys.readouterr().out)["within"] is False


def test_a_catalogue_without_archives_has_no_mean_and_nothing_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = open_catalogue(tmp_path)
    assert print_fleet(empty, as_json=False) == 0
    assert "No project is archived yet." in capsys.readouterr().out
    empty.close()
