"""The units of ``deploy/systemd``: commands that there are, started again whatever happens."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
import typer

from cli.main import app
from tests.support.peers import REPOSITORY, missing

UNITS = sorted((REPOSITORY / "deploy" / "systemd").glob("*.service"))
PROGRAM = "/opt/jianzheng/.venv/bin/jianzheng"


def unit(path: Path) -> ConfigParser:
    read = ConfigParser(interpolation=None, strict=True)
    read.optionxform = str  # type: ignore[assignment,method-assign]
    read.read_string(path.read_text(encoding="utf-8"))
    return read


def test_there_is_a_unit_for_each_program_that_is_kept_running() -> None:
    assert [path.stem for path in UNITS] == [
        f"jianzheng-{name}" for name in ("archive", "capture", "receive", "serve")
    ]


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_its_command_is_one_that_there_is(path: Path) -> None:
    program, name, *given = shlex.split(unit(path)["Service"]["ExecStart"])
    assert program == PROGRAM
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    context = commands[name].make_context(name, given)  # raises for an option that it does not have
    assert str(context.params["data_dir"]) == unit(path)["Service"]["ReadWritePaths"]
    assert context.params["json_log"] is True


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_it_is_started_again_for_ever_and_never_ended_for_a_sign_of_life_that_it_does_not_give(
    path: Path,
) -> None:
    read = unit(path)
    assert read["Unit"]["StartLimitIntervalSec"] == "0"
    assert read["Service"]["Restart"] == "always"
    assert "WatchdogSec" not in read["Service"]


def test_one_recording_process_that_runs_out_of_memory_does_not_end_the_others() -> None:
    read = unit(REPOSITORY / "deploy" / "systemd" / "jianzheng-capture.service")
    assert read["Service"]["OOMPolicy"] == "continue"
    assert read["Service"]["KillMode"] == "mixed"


def test_systemd_itself_finds_nothing_wrong(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        missing("systemd-analyze", "install systemd")
    for path in UNITS:
        text = path.read_text(encoding="utf-8").replace(PROGRAM, sys.executable)
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    command = ["systemd-analyze", "verify", *(str(tmp_path / path.name) for path in UNITS)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout + told.stderr) == (0, "")
