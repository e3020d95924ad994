"""``jianzheng status``: what people and scripts are told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len

from catalog.catalogue import Catalogue
from catalog.readiness import Watch
from cli.printing import PIPED_WIDTH
from cli.status import print_status
from kernel.clock import SECOND_US
from kernel.desired import Around
from kernel.model.footage import SourceState
from tests.support.catalogue import open_catalogue
from tests.support.sources import gap, health, wish

NOW = 1_772_420_400 * SECOND_US


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    opened = open_catalogue(tmp_path)
    yield opened
    opened.close()


def status(catalogue: Catalogue, *wanted: str, now_us: int = NOW, as_json: bool = False) -> int:
    watch = Watch(wishes=lambda: [wish(one) for one in wanted], around=Around(before_us=0, after_us=0))
    return print_status(catalogue, watch, now_us, as_json=as_json)


def test_the_exit_status_is_0_only_when_all_that_is_wanted_is_recorded(catalogue: Catalogue) -> None:
    catalogue.footage.set_health([health("cam", NOW)])
    assert status(catalogue, "cam") == 0
    assert status(catalogue, "cam", "screen") == 1
    assert status(catalogue, "cam", now_us=NOW + 60 * SECOND_US) == 1


def test_people_see_state_figures_and_what_the_recorder_said(
    catalogue: Catalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    catalogue.footage.add_gap(gap("g", NOW - 90 * SECOND_US, NOW - 30 * SECOND_US))
    detail = "source screen: nothing answers at [::1]:554 [/bold]."
    catalogue.footage.set_health(
        [health("cam", NOW), health("screen", NOW, state=SourceState.LOST, detail=detail)]
    )
    status(catalogue, "cam", "screen")
    said = capsys.readouterr().out
    cam, screen = (next(line for line in said.splitlines() if name in line) for name in ("cam", "screen "))
    for words in ("✓", "录制中 recording", "4000", "25.0", "-12 ms", "1 s", "1 / 1 min"):
        assert words in cam
    assert "✗" in screen
    assert f"✗ screen 自 since 2026-03-02T10:59:00+08:00: {detail}" in said  # brackets are no markup
    assert "未就绪 NOT READY: 1 / 2" in said


def test_machines_get_one_object_with_every_source(
    catalogue: Catalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    catalogue.footage.set_health([health("cam", NOW)])
    status(catalogue, "cam", as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["ready"], told["recorder_alive"], told["disk"]["state"]) == (True, True, "unknown")
    cam, screen = told["sources"]
    assert {"id": "cam", "recorded": True, "shortfall": None, "frame_rate": 25.0}.items() <= cam.items()
    assert (screen["should_record"], screen["shortfall"]) == (False, "unknown")


@pytest.mark.parametrize("columns", [None, 100, 80, 40])
def test_every_figure_is_whole_and_no_line_of_them_is_wider_than_its_reader(
    catalogue: Catalogue,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    columns: int | None,
) -> None:
    """Piped it was 251 columns wide; on 80 columns every name stood letter below letter."""
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", str(columns))
    catalogue.footage.set_health([health("cam", NOW)])
    status(catalogue, "cam")
    figures, _, _ = capsys.readouterr().out.partition("就绪")
    for words in ("cam", "录制中 recording", "4000", "25.0", "-12 ms"):
        assert words in figures
    if columns != 40:  # there a line is broken where the terminal breaks it
        assert max(cell_len(line) for line in figures.splitlines()) <= (columns or PIPED_WIDTH)


def test_people_are_told_beijing_time_and_machines_utc(
    catalogue: Catalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    status(catalogue)
    assert "2026-03-02T11:00:00+08:00" in capsys.readouterr().out
    status(catalogue, as_json=True)
    assert json.loads(capsys.readouterr().out)["at_us"] == NOW


def test_how_long_the_disk_lasts_is_said_only_when_it_is_known(
    catalogue: Catalogue, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for days, said in ((None, "尚不可知 not known yet"), (2.5, "2.5 天后写满 days until full")):
        watch = Watch(
            wishes=lambda: [],
            around=Around(before_us=0, after_us=0),
            ring=tmp_path,
            days_left=lambda _, days=days: days,
        )
        print_status(catalogue, watch, NOW, as_json=False)
        assert said in capsys.readouterr().out
