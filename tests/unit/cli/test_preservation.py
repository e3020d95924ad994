"""``fixity``, ``copies``, ``drill``, ``request`` and ``statistics`` as people and scripts meet them."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from archiver.worker import Archiver
from catalog.catalogue import Catalogue
from catalog.fixity import SweepStopped
from catalog.objects import DirectoryStore
from cli.check import _preservation_faults
from cli.drilling import drill, drill_due
from cli.main import app
from cli.preservation_commands import bytes_of
from cli.preservation_jobs import preserving
from cli.preservation_words import lines_of
from cli.preserving import Keeping
from kernel.clock import FakeClock
from kernel.errors import JianzhengError, RequestDenied, RequestError, SettingsError
from kernel.model.preservation import DrillResult
from kernel.settings import PreservationSettings, Settings
from tests.support.packages import CLOCK_US, site
from tests.support.signing import signer

DAY_S = 24 * 3600


@pytest.fixture(scope="module")
def archived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data_dir with a session that the real archiver archived; its clips have a gap."""
    directory = tmp_path_factory.mktemp("archived")
    clock = FakeClock(CLOCK_US)
    with site(directory, signer(directory, clock), clock) as tools:
        assert Archiver(tools).run_once() is not None
    return directory


@pytest.fixture
def keeping(archived: Path, tmp_path: Path) -> Keeping:
    """The same as a site keeps it, with copies in a second directory."""
    shutil.copytree(archived, tmp_path / "data")
    copies = (f"file://{tmp_path / 'second'}",)
    settings = Settings(
        data_dir=tmp_path / "data", preservation=PreservationSettings(copies=copies, drill_days=30)
    )
    return Keeping(
        settings=settings,
        catalogue=Catalogue.open(settings.catalogue_url),
        store=DirectoryStore(settings.store_dir),
        clock=FakeClock(CLOCK_US),
        stop=threading.Event(),
        principal="test",
    )


def wait(keeping: Keeping, days: float) -> None:
    assert isinstance(keeping.clock, FakeClock)
    keeping.clock.advance(days * DAY_S)


def a_clip(keeping: Keeping) -> Path:
    return sorted(keeping.settings.store_dir.rglob("*.mp4"))[0]


# --- sweeps and copies


def test_a_round_copies_reads_back_and_tells_of_what_is_bad(keeping: Keeping) -> None:
    assert keeping.run_once().troubled == 0
    state = keeping.catalogue.preservation.state(keeping.promise, keeping.clock.now_us())
    assert (state.copies_missing, state.alarm) == (0, False)
    path = a_clip(keeping)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    wait(keeping, 91)
    assert keeping.run_once().troubled == 1
    state = keeping.catalogue.preservation.state(keeping.promise, keeping.clock.now_us())
    [line] = [one for one in lines_of(state) if "归档对象" in one]
    assert "已改变 CHANGED" in line
    assert f"a good copy is in file://{path.parents[0].anchor}" in line
    [fault] = list(_preservation_faults(keeping.catalogue))
    assert (fault.fault, path.name in fault.name) == ("changed", True)
    assert path.read_bytes() == bytes(data)  # invariant 9: nothing is repaired by overwriting


def test_while_there_is_other_work_nothing_is_read_but_what_is_far_too_late(keeping: Keeping) -> None:
    keeping.run_once()
    wait(keeping, 91)
    assert keeping.run_once(busy=lambda: True).objects == 0
    wait(keeping, 10)
    assert keeping.run_once(busy=lambda: True).objects > 0


def test_copies_are_not_begun_anew_where_their_medium_is_not_mounted(keeping: Keeping) -> None:
    keeping.run_once()
    second = Path(keeping.promise.copies[0].removeprefix("file://"))
    second.rename(second.with_name("unmounted"))
    wait(keeping, 91)
    keeping.run_once()
    assert [one for one in second.rglob("*") if one.is_file()] == []
    state = keeping.catalogue.preservation.state(keeping.promise, keeping.clock.now_us())
    assert "mark" in state.troubles[0].found


def test_what_runs_beside_other_work_ends_with_it(keeping: Keeping) -> None:
    with preserving(keeping, lambda: False):
        assert "APScheduler" in {one.name for one in threading.enumerate()}
    assert keeping.stop.is_set()
    assert "APScheduler" not in {one.name for one in threading.enumerate()}


# --- drills


def test_a_drill_fetches_verifies_decodes_and_is_told(keeping: Keeping) -> None:
    assert drill_due(keeping)
    done = drill(keeping, seed="lot 7")
    assert done is not None
    assert (done.result, done.project_id, done.seed, done.candidates) == (DrillResult.PASSED, "P", "lot 7", 1)
    clips = [one for one in done.files if one.key.endswith(".mp4")]
    assert len(clips) == 2
    assert all(one.pictures >= 3 for one in clips)
    assert keeping.catalogue.preservation.drills() == [done]
    assert list(keeping.settings.work_dir.glob("drill-*")) == []
    assert not drill_due(keeping)
    wait(keeping, 30)
    assert drill_due(keeping)


def test_a_changed_file_fails_the_drill_and_is_named(keeping: Keeping) -> None:
    path = a_clip(keeping)
    data = bytearray(path.read_bytes())
    data[-100] ^= 0xFF
    path.write_bytes(data)
    done = drill(keeping, "P")
    assert done is not None
    assert (done.result, done.seed) == (DrillResult.FAILED, "")
    [bad] = [one for one in done.files if one.faults]
    assert bad.key.endswith(path.name)
    assert keeping.catalogue.preservation.state(keeping.promise, 0).alarm


def test_a_missing_file_fails_the_drill(keeping: Keeping) -> None:
    path = a_clip(keeping)
    path.unlink()
    done = drill(keeping, "P")
    assert done is not None
    [bad] = [one for one in done.files if one.key.endswith(path.name)]
    assert "it cannot be fetched" in bad.faults[0]


def test_a_drill_that_is_told_to_stop_leaves_no_report_and_no_files(keeping: Keeping) -> None:
    keeping.stop.set()
    with pytest.raises(SweepStopped):
        drill(keeping, "P")
    assert keeping.catalogue.preservation.drills() == []
    assert list(keeping.settings.work_dir.glob("drill-*")) == []


def test_a_project_without_archives_is_not_drilled(keeping: Keeping) -> None:
    with pytest.raises(RequestError, match="none"):
        drill(keeping, "none")


# --- the command line


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Commands log to the standard error of their time, which is closed when they are over."""
    yield
    structlog.reset_defaults()


def run(keeping: Keeping, *words: str) -> tuple[int, str]:
    directory = str(keeping.settings.data_dir)
    done = CliRunner().invoke(app, [*words, "--data-dir", directory], catch_exceptions=True)
    if done.exception is not None and isinstance(done.exception, JianzhengError):
        raise done.exception
    return done.exit_code, done.stdout


def test_fixity_reads_all_as_far_as_the_budget_goes(keeping: Keeping) -> None:
    code, said = run(keeping, "fixity", "--all", "--json")
    told = json.loads(said)
    assert (code, told["alarm"], told["swept"]["troubled"]) == (0, False, 0)
    assert told["swept"]["objects"] > 10
    a_clip(keeping).unlink()
    code, said = run(keeping, "fixity", "--all", "--budget", "100GB")
    assert (code, "丢失 MISSING" in said) == (1, True)
    code, said = run(keeping, "fixity", "--all", "--budget", "1B", "--json")
    assert json.loads(said)["swept"]["objects"] == 1


def test_copies_says_which_store_holds_what(keeping: Keeping) -> None:
    code, said = run(keeping, "copies", "--json")
    assert (code, json.loads(said)[0]["packages"]) == (0, 1)
    code, said = run(keeping, "copies", "--project", "P")
    assert (code, "main (最早核对 oldest check 2026-" in said) == (0, True)


def test_drill_prints_its_report_and_lists_it(keeping: Keeping) -> None:
    code, said = run(keeping, "drill")
    assert (code, "通过 passed" in said, "种子 seed" in said) == (0, True, True)
    code, said = run(keeping, "drill", "--list", "--json")
    assert (code, json.loads(said)[0]["project_id"]) == (0, "P")


@pytest.mark.parametrize(
    ("text", "count"), [("10GB", 10**10), ("1.5 MB", 1_500_000), ("7", 7), ("2kB", 2000)]
)
def test_a_size_is_read_as_people_write_it(text: str, count: int) -> None:
    assert bytes_of(text) == count


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "10GiB", "ten"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="10GB"):
        bytes_of(text)


def test_a_request_is_asked_and_decided_by_two_people(keeping: Keeping) -> None:
    """Tasks I2, I7, I11."""
    ask = ("request", "ask", "P", "--reason", "lead", "--role", "inspector", "--as", "i-jw-1")
    with pytest.raises(RequestDenied, match="basis number"):
        run(keeping, *ask)
    part = ("--basis", "1号", "--from", "2026-03-02T11:00+08:00", "--to", "2026-03-02T11:30+08:00")
    code, said = run(keeping, *ask, *part)
    made = said.split()[1]
    with pytest.raises(RequestDenied, match="does not decide"):
        run(keeping, "request", "approve", made, "--as", "i-jw-1")
    assert run(keeping, "request", "approve", made, "--as", "boss-1")[0] == 0
    code, said = run(keeping, "request", "list")
    assert (code, "已批准 approved" in said, "11:00:00+08:00" in said) == (0, True, True)
    code, said = run(keeping, "request", "uses", "P")
    assert [line.split()[2:5] for line in reversed(said.splitlines())] == [
        ["i-jw-1", "use.asked", "refused"],
        ["i-jw-1", "use.asked", "done"],
        ["i-jw-1", "use.approved", "refused"],
        ["boss-1", "use.approved", "done"],
    ]


def test_statistics_are_printed_written_and_never_over_a_file(keeping: Keeping, tmp_path: Path) -> None:
    code, said = run(keeping, "statistics", "--from", "2026-03", "--to", "2026-03")
    assert (code, said.splitlines()[-1].split()[:3]) == (0, ["合计", "total", "1"])
    path = tmp_path / "march.csv"
    assert run(keeping, "statistics", "--csv", str(path))[0] == 0
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with pytest.raises(SettingsError, match="cannot be written"):
        run(keeping, "statistics", "--csv", str(path))
    code, said = run(keeping, "statistics", "--gaps", "1")
    assert (code, "ZT  cam  P-O" in said, "camera_lost" in said) == (0, True, True)
    assert run(keeping, "statistics", "--gaps", "60") == (0, "")
    with pytest.raises(SettingsError, match="before"):
        run(keeping, "statistics", "--from", "2026-04", "--to", "2026-03")


def test_the_keeping_of_other_settings_is_another_promise(keeping: Keeping) -> None:
    other = replace(keeping, settings=Settings(preservation=PreservationSettings(sweep_days=1)))
    assert other.promise.sweep_us == DAY_S * 1_000_000
