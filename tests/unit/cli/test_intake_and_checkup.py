"""What the commands say of a file that is handed in, and of a room that was checked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from catalog.catalogue import Catalogue
from cli.checkup import ASPECTS, CheckerOnDemand, run_checkup
from cli.intake import IntakeOptions, run_intake
from kernel.clock import SECOND_US, FakeClock
from kernel.errors import DiskLost, IntakeRefused, SettingsError
from kernel.model.checkup import Aspect, CheckResult, Checkup, Verdict
from kernel.model.source import ContentKind
from kernel.settings import RingSettings, Settings
from tests.support.catalogue import open_catalogue
from tests.support.recordings import write

START = 1_772_420_400 * SECOND_US  # 2026-03-02 11:00 in Beijing
LATER = START + 24 * 3600 * SECOND_US


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", ring=RingSettings(reserve_bytes=0))


@pytest.fixture
def catalogue(settings: Settings) -> Iterator[Catalogue]:
    made = open_catalogue(settings.data_dir)
    yield made
    made.close()


def options(file: Path | str, **changed: str | float | None) -> IntakeOptions:
    told = {
        "source_id": "cam",
        "start": "2026-03-02T11:00:00+08:00",
        "offset_seconds": 0.0,
        "sha256": "",
        "principal": "clerk",
    }
    return IntakeOptions(file=str(file), **{**told, **changed})  # type: ignore[arg-type]


def test_a_file_is_taken_in_by_path_or_uri_and_its_receipt_printed(
    settings: Settings, catalogue: Catalogue, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "a b.mp4")
    run_intake(options(path), settings, catalogue, FakeClock(LATER))
    later = options(path.as_uri(), start="2026-03-02T12:00:00+08:00", offset_seconds=1.5)
    run_intake(later, settings, catalogue, FakeClock(LATER))
    starts = [one.wall.start_us for one in catalogue.footage.all_segments()]
    assert starts == [START, START + 3600 * SECOND_US + 1_500_000]
    told = capsys.readouterr().out
    assert "2026-03-02T11:00:00+08:00" in told
    assert "+1.500 s" in told
    assert "clerk" in told


def test_nothing_is_written_where_the_rings_disk_is_missing(
    settings: Settings, catalogue: Catalogue, tmp_path: Path
) -> None:
    """Invariant 8, and a mount that is gone."""
    path = write(tmp_path / "a.mp4")
    run_intake(options(path), settings, catalogue, FakeClock(LATER))
    settings.ring_dir.rename(tmp_path / "unmounted")
    settings.ring_dir.mkdir()
    with pytest.raises(DiskLost):
        run_intake(options(path, start="2026-03-02T12:00:00+08:00"), settings, catalogue, FakeClock(LATER))
    assert list(settings.ring_dir.iterdir()) == []


@pytest.mark.parametrize("start", ["2026-03-02T11:00:00", "yesterday", "11:00"])
def test_a_start_without_a_zone_is_no_time(
    settings: Settings, catalogue: Catalogue, tmp_path: Path, start: str
) -> None:
    """Invariant 17."""
    with pytest.raises(SettingsError, match="zone"):
        run_intake(options(write(tmp_path / "a.mp4"), start=start), settings, catalogue, FakeClock(LATER))


def test_a_source_that_nobody_knows_is_refused(
    settings: Settings, catalogue: Catalogue, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="no source"):
        run_intake(options(write(tmp_path / "a.mp4"), source_id="x"), settings, catalogue, FakeClock(LATER))


@pytest.mark.parametrize("made", ["", "2026-03-02T03:00:00Z"])
def test_a_time_of_making_is_not_taken_unasked(
    settings: Settings, catalogue: Catalogue, tmp_path: Path, made: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    path = write(tmp_path / "a.mp4", **({"creation_time": made} if made else {}))
    with pytest.raises(IntakeRefused, match="--start"):
        run_intake(options(path, start=None), settings, catalogue, FakeClock(LATER))
    assert catalogue.footage.all_segments() == []


def test_a_person_may_take_the_time_of_making(
    settings: Settings, catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda question: "2026-03-02T11:00:00+08:00" in question)
    path = write(tmp_path / "a.mp4", creation_time="2026-03-02T03:00:00Z")
    run_intake(options(path, start=None), settings, catalogue, FakeClock(LATER))
    assert catalogue.footage.all_segments()[0].wall.start_us == START


# --- check-up


class Checker:
    """Finds what it is told to find."""

    def __init__(self, verdict: Verdict) -> None:
        self._verdict = verdict

    async def check(self, room_id: str, principal: str) -> Checkup:
        result = CheckResult(
            source_id="cam",
            aspect=Aspect.PICTURE_BLACK,
            verdict=self._verdict,
            measured="99.0 %",
            limit="≤ 90.0 %",
            remedy="开灯",
        )
        return Checkup(id="checkup-1", room_id=room_id, at_us=5, principal=principal, results=(result,))


@pytest.mark.parametrize(
    ("verdict", "status"), [(Verdict.GOOD, 0), (Verdict.NOT_JUDGED, 0), (Verdict.FAILED, 1)]
)
def test_the_exit_status_says_whether_it_passed(
    verdict: Verdict, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_checkup(Checker(verdict), "OH", "clerk", as_json=False) == status  # type: ignore[arg-type]
    told = capsys.readouterr().out
    assert "99.0 %" in told
    assert ("jianzheng override checkup-1" in told) == bool(status)


def test_a_report_on_80_columns_is_read_across_and_says_what_is_normal_for_what(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids were folded into columns of a few letters."""
    monkeypatch.setattr("cli.checkup._out", Console(width=80, soft_wrap=True, highlight=False))
    kinds = {"cam": ContentKind.SUPERVISION}
    run_checkup(Checker(Verdict.FAILED), "OH", "clerk", as_json=False, kinds=kinds)  # type: ignore[arg-type]
    heading, line, remedy, *_ = capsys.readouterr().out.splitlines()
    assert heading == "cam  (正常 normal for 监督室 the supervision room →)"
    assert line.split() == ["✗", "明暗", "darkness", "99.0", "%", "≤", "90.0", "%"]
    assert remedy.strip() == "→ 开灯"


def test_json_is_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    run_checkup(Checker(Verdict.FAILED), "OH", "clerk", as_json=True)  # type: ignore[arg-type]
    told = json.loads(capsys.readouterr().out)
    assert (told["passed"], told["results"][0]["aspect"]) == (False, "picture_black")


def test_every_aspect_has_a_name_for_people() -> None:
    assert set(ASPECTS) == set(Aspect)


async def test_the_server_reads_cameras_yaml_when_it_is_asked(
    settings: Settings, catalogue: Catalogue, tmp_path: Path
) -> None:
    there = settings.model_copy(update={"cameras": tmp_path / "cameras.yaml"})
    checker = CheckerOnDemand(there, catalogue, FakeClock(LATER))
    with pytest.raises(SettingsError, match="does not exist"):
        await checker.check("OH", "clerk")
