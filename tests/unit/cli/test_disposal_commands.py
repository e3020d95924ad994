"""Holds, retention and disposal on the command line, on an installation with its own store."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from catalog.catalogue import Catalogue
from catalog.certificate import checked
from catalog.objects import DirectoryStore
from cli.holding import HoldSweep
from cli.main import app
from kernel.clock import SECOND_US, FakeClock
from kernel.errors import CatalogError, DisposalRefused, JianzhengError, UnknownCode
from kernel.model.footage import Hold, HoldKind
from kernel.settings import Settings
from tests.support.catalogue import open_catalogue
from tests.support.legacy import add_legacy, legacy_rows

DSP_02, DSP_03 = "旧档样例-2010-007", "旧档样例-2010-008"


@pytest.fixture(autouse=True)
def _no_log_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would keep this test's output for all that follow."""
    monkeypatch.setattr("cli.main.configure_logging", lambda **_: None)


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(Settings(data_dir=tmp_path).store_dir)


@pytest.fixture
def catalogue(tmp_path: Path, store: DirectoryStore) -> Iterator[Catalogue]:
    """DSP-02 and DSP-03, of two agencies."""
    made = open_catalogue(tmp_path)
    for row, agency in zip(legacy_rows(), ("甲", "乙"), strict=True):
        add_legacy(made, store, row, agency=agency)
    yield made
    made.close()


def run(tmp_path: Path, *words: str) -> str:
    result = CliRunner().invoke(app, [*words, "--data-dir", str(tmp_path)])
    if isinstance(result.exception, JianzhengError):
        raise result.exception
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def disposal_in(told: str) -> str:
    found = re.search(r"disposal-\w+", told)
    assert found, told
    return found[0]


def test_a_region_that_there_is_not_is_named(tmp_path: Path, catalogue: Catalogue) -> None:
    with pytest.raises(UnknownCode, match="no region or industry 999999"):
        run(tmp_path, "due", "--region", "999999")


def test_destruction_takes_two_people_and_leaves_a_certificate(
    tmp_path: Path, catalogue: Catalogue, store: DirectoryStore
) -> None:
    """I18."""
    assert DSP_02 in run(tmp_path, "due", "--region", "530681", "--class", "Y15", "--year", "2025")
    disposal = disposal_in(run(tmp_path, "disposal", "propose", DSP_02, "--reason", "期满", "--as", "甲"))
    with pytest.raises(DisposalRefused, match="two signatures"):
        run(tmp_path, "disposal", "run", disposal)
    with pytest.raises(DisposalRefused, match="two people"):
        run(tmp_path, "disposal", "sign", disposal, "--as", "甲")
    assert "销毁须两人签字" in run(tmp_path, "disposal", "list")
    run(tmp_path, "disposal", "sign", disposal, "--as", "乙")
    assert "done" in run(tmp_path, "disposal", "run", disposal)
    assert not [key for key in store.list_keys() if key.startswith(DSP_02)]
    run(tmp_path, "disposal", "certificate", disposal, str(tmp_path / "out"))
    told = checked((tmp_path / "out" / f"{disposal}-certificate.json").read_bytes())
    assert (told["proposed_by"], told["signed_by"], len(told["objects"])) == ("甲", "乙", 3)
    assert disposal in run(tmp_path, "disposal", "list", "--all")
    assert run(tmp_path, "disposal", "list") == ""
    assert DSP_02 not in run(tmp_path, "check")


def test_a_file_is_kept_longer_and_the_store_knows(
    tmp_path: Path, catalogue: Catalogue, store: DirectoryStore
) -> None:
    """DSP-03."""
    disposal = disposal_in(run(tmp_path, "disposal", "extend", DSP_03, "Y30", "--reason", "仍需利用"))
    assert list(store.list_keys("disposals/")) == [f"disposals/{disposal}/extended.json"]
    shown = run(tmp_path, "retention", "show", DSP_03)
    assert "Y30" in shown
    assert "2040-12-31" in shown
    assert DSP_03 not in run(tmp_path, "due")


def test_a_proposal_is_withdrawn(tmp_path: Path, catalogue: Catalogue) -> None:
    disposal = disposal_in(run(tmp_path, "disposal", "propose", DSP_02, "--reason", "期满"))
    assert "withdrawn" in run(tmp_path, "disposal", "withdraw", disposal, "--reason", "有争议")


def test_an_agencys_projects_are_held_in_one_act_and_let_go_of_in_one(
    tmp_path: Path, catalogue: Catalogue, store: DirectoryStore
) -> None:
    """I15."""
    told = run(
        tmp_path, "hold", "agency", "甲", "2010-12-31", "2010-12-31", "--reason", "案件", "--as", "纪检"
    )
    assert DSP_02 in told
    assert "store cannot hold by itself" in told
    assert "held" in run(tmp_path, "due", "--region", "530681")
    with pytest.raises(DisposalRefused, match="held"):
        run(tmp_path, "disposal", "propose", DSP_02, "--reason", "期满")
    (act,) = {one.act_id for one in catalogue.holds.all()}
    run(tmp_path, "release", act, "--reason", "查结")
    assert run(tmp_path, "holds") == ""
    assert run(tmp_path, "holds", "--all").count("查结") == 2
    kinds = [key.split("/")[-1].split("-")[0] for key in store.list_keys("holds/")]
    assert sorted(kinds) == ["lifted", "made.json"]


def test_sessions_projects_and_patterns_of_sources_are_held(tmp_path: Path, catalogue: Catalogue) -> None:
    run(tmp_path, "hold", "project", DSP_02, DSP_03, "--reason", "r", "--tag", "TAG-05")
    run(tmp_path, "hold", "session", f"{DSP_02}-O", "--reason", "r")
    run(tmp_path, "hold", "source", "2010-12-31T09:00+08:00", "2010-12-31T10:00+08:00", "*", "--reason", "r")
    listed = run(tmp_path, "holds")
    for words in (f"project {DSP_03}", f"session {DSP_02}-O", "  cam  ", "  screen  ", "[TAG-05]"):
        assert words in listed
    with pytest.raises(CatalogError, match="no source"):
        run(tmp_path, "hold", "source", "2010-12-31T09:00Z", "2010-12-31T10:00Z", "X*", "--reason", "r")


def test_a_class_is_chosen_and_a_shorter_one_confirmed_by_another(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    told = run(tmp_path, "retention", "choose", DSP_02, "Y10", "--reason", "鉴定", "--as", "甲")
    assert "waits for another person" in told
    choice = told.split()[0]
    assert "waits for another person" in run(tmp_path, "retention", "show", DSP_02)
    run(tmp_path, "retention", "confirm", choice, "--as", "乙")
    assert "Y10" in run(tmp_path, "due", "--class", "Y10", "--year", "2020")


def test_a_day_and_a_term_are_told(tmp_path: Path, catalogue: Catalogue) -> None:
    run(tmp_path, "retention", "day", DSP_02, "procurement_end", "2020-01-01", "--reason", "验收")
    assert DSP_02 not in run(tmp_path, "due")
    run(
        tmp_path, "retention", "term", "Y10", "2999-01-01",
        "--years", "12", "--starts", "project_end", "--basis", "新规",
    )  # fmt: skip
    assert "since 2999-01-01: 12 y 0 d" in run(tmp_path, "retention", "table")


def test_those_whose_start_nobody_knows_are_listed_by_themselves(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    with catalogue.footage._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE project SET outcome = ''")
        connection.exec_driver_sql("DELETE FROM project_day")
    assert DSP_02 in run(tmp_path, "due", "--unknown")
    assert DSP_02 not in run(tmp_path, "due")


def test_a_store_that_was_not_told_is_told_by_the_next_sweep(
    catalogue: Catalogue, store: DirectoryStore
) -> None:
    clock = FakeClock()
    sweep = HoldSweep(catalogue, store, clock)
    assert not sweep.run_once()
    catalogue.holds.make(
        Hold(id="h", kind=HoldKind.PROJECT, project_id=DSP_02, reason="r", principal="p", made_us=SECOND_US)
    )
    assert not sweep.run_once()
    clock.advance(60)
    assert sweep.run_once()
    assert list(store.list_keys("holds/")) == ["holds/h/made.json"]
