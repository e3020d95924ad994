"""The audit chain's head is kept elsewhere, and old records leave as whole files (invariant 14)."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from catalog.audit import append
from catalog.catalogue import Catalogue
from catalog.database import writing
from catalog.objects import MemoryStore
from catalog.readiness import watch_everything
from cli.audit_anchor import KEY, Anchor, anchor_state, anchoring, export_head, read_anchors
from cli.audit_check import check_audit
from cli.audit_epochs import close_epoch
from cli.check import Fault, check_everything
from cli.doctor import _anchor
from cli.main import app
from cli.status import print_status
from kernel.audit_head import read_line, signed_line
from kernel.clock import SECOND_US, FakeClock
from kernel.errors import CatalogError, FixityError, SettingsError, StorageError
from kernel.model.audit import Act, Action, AnchorState, AuditHead
from kernel.settings import AuditSettings, Settings
from kernel.signing_key import signing_key

DAY_US = 86_400 * SECOND_US
NOW_US = 1_000 * DAY_US
OLD, YOUNG = 6, 3  # records that may leave, and that may not


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, audit=AuditSettings(anchor_file=tmp_path / "heads.jsonl"))


@pytest.fixture
def catalogue(settings: Settings) -> Iterator[Catalogue]:
    """With ``OLD`` records of the first days and ``YOUNG`` ones of today."""
    opened = Catalogue.open(settings.catalogue_url)
    fill(opened, *(number * DAY_US for number in range(1, OLD + 1)), *(NOW_US for _ in range(YOUNG)))
    yield opened
    opened.close()


def fill(catalogue: Catalogue, *moments: int) -> None:
    acts = [Act(at_us=us, principal="见证员", action=Action.HOLD_MADE, subject="P01") for us in moments]
    with writing(catalogue._engine) as session:
        append(session, *acts)


def tamper(catalogue: Catalogue, statement: str) -> None:
    with catalogue._engine.begin() as connection:
        for guard in ("audit_never_changes", "audit_never_goes", "audit_follows"):
            connection.execute(text(f"DROP TRIGGER IF EXISTS {guard}"))
        connection.execute(text(statement))


def run(settings: Settings, *arguments: str) -> Any:
    return CliRunner().invoke(app, ["audit", *arguments, "--data-dir", str(settings.data_dir)])


def anchor_file(settings: Settings) -> Path:
    assert settings.audit.anchor_file is not None
    return settings.audit.anchor_file


# Signed heads.


def test_a_head_is_signed_and_read_back(tmp_path: Path) -> None:
    head, key = AuditHead(number=7, hash="ab" * 32, at_us=3), signing_key(tmp_path / "k.pem")
    signed = read_line(signed_line(head, key))
    assert (signed.head, signed.key_id) == (head, key.public.id)


@pytest.mark.parametrize("part", ["number", "hash", "at_us", "of", "version"])
def test_a_head_that_was_changed_is_refused(tmp_path: Path, part: str) -> None:
    told = json.loads(
        signed_line(AuditHead(number=7, hash="ab" * 32, at_us=3), signing_key(tmp_path / "k.pem"))
    )
    statement = json.loads(told["statement"])
    told["statement"] = json.dumps({**statement, part: 8})
    with pytest.raises(FixityError):
        read_line(json.dumps(told))


def test_another_statement_of_the_same_key_is_no_head(tmp_path: Path) -> None:
    key = signing_key(tmp_path / "k.pem")
    statement = json.dumps(
        {"at_us": 1, "hash": "ab", "key": key.public.id, "number": 1, "of": "ring", "version": 1}
    )
    line = {"statement": statement, "signature": key.sign(statement), "key": key.public.public_key}
    with pytest.raises(FixityError, match="no head"):
        read_line(json.dumps(line))


@pytest.mark.parametrize("line", ["", "{}", "[]", "null", "x", '{"key": "zz"}', '{"key": 3}'])
def test_what_is_no_signed_head_is_refused(line: str) -> None:
    with pytest.raises(FixityError):
        read_line(line)


def test_a_damaged_line_of_a_file_is_named(settings: Settings, catalogue: Catalogue, tmp_path: Path) -> None:
    path = tmp_path / "kept"
    export_head(catalogue, settings, NOW_US, path)
    path.write_text(path.read_text() + "x\n")
    with pytest.raises(FixityError, match="line 2"):
        read_anchors(path)


# Exporting it.


def test_each_export_is_a_line_behind_those_before(settings: Settings, catalogue: Catalogue) -> None:
    for _ in range(2):
        assert run(settings, "head", "--to", str(anchor_file(settings))).exit_code == 0
        fill(catalogue, NOW_US)
    heads = [one.head for one in read_anchors(anchor_file(settings))]
    assert [head.number for head in heads] == [OLD + YOUNG, OLD + YOUNG + 1]
    assert not any(catalogue.audit.lost(head) for head in heads)


def test_a_missing_disk_is_not_made_up(settings: Settings, catalogue: Catalogue, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="heads"):
        export_head(catalogue, settings, NOW_US, tmp_path / "not mounted" / "heads")


class Listener(BaseHTTPRequestHandler):
    """Takes heads, or refuses them."""

    taken: list[bytes]
    status: int

    def do_POST(self) -> None:
        self.taken.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture(params=[204])
def listener(request: pytest.FixtureRequest) -> Iterator[tuple[str, list[bytes]]]:
    taken: list[bytes] = []
    handler = type("Own", (Listener,), {"taken": taken, "status": request.param})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://user:secret@127.0.0.1:{server.server_port}/heads?token=t", taken
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_head_is_posted(
    settings: Settings, catalogue: Catalogue, listener: tuple[str, list[bytes]]
) -> None:
    url, taken = listener
    export_head(catalogue, settings, NOW_US, url)
    assert read_line(taken[0].decode()).head.number == OLD + YOUNG


@pytest.mark.parametrize("listener", [500], indirect=True)
def test_a_refused_head_is_said_without_the_addresses_secrets(
    settings: Settings, catalogue: Catalogue, listener: tuple[str, list[bytes]]
) -> None:
    """Invariant 16."""
    with pytest.raises(StorageError, match="500") as told:
        export_head(catalogue, settings, NOW_US, listener[0])
    assert "secret" not in str(told.value)
    assert "token" not in str(told.value)


def test_an_address_where_nobody_listens_is_said(settings: Settings, catalogue: Catalogue) -> None:
    with pytest.raises(StorageError, match="ConnectError"):
        export_head(catalogue, settings, NOW_US, "http://127.0.0.1:9/")


# Again and again.


def test_the_head_is_exported_when_it_is_due_and_new(settings: Settings, catalogue: Catalogue) -> None:
    clock = FakeClock(NOW_US)
    anchor = Anchor(settings, catalogue, clock)
    assert anchor.run_once()
    assert not anchor.run_once()
    clock.advance(3600)
    assert anchor.run_once()  # nothing new
    assert len(read_anchors(anchor_file(settings))) == 1
    fill(catalogue, NOW_US)
    clock.advance(3600)
    assert anchor.run_once()
    assert len(read_anchors(anchor_file(settings))) == 2
    assert anchor_state(settings).checked_us == clock.now_us()


def test_two_programs_do_it_once(settings: Settings, catalogue: Catalogue) -> None:
    clock = FakeClock(NOW_US)
    assert Anchor(settings, catalogue, clock).run_once()
    assert not Anchor(settings, catalogue, clock).run_once()


def test_what_does_not_go_is_told_once_tried_again_and_stops_nothing(
    settings: Settings, catalogue: Catalogue, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    away = settings.model_copy(update={"audit": AuditSettings(anchor_file=tmp_path / "away" / "heads")})
    clock = FakeClock(NOW_US)
    anchor = Anchor(away, catalogue, clock)
    for _ in range(3):
        anchor.run_once()
        clock.advance(61)
    assert capsys.readouterr().out.count("not kept elsewhere") == 1
    assert "heads" in anchor_state(away).trouble
    (tmp_path / "away").mkdir()
    anchor.run_once()
    assert anchor_state(away).trouble == ""
    assert anchor_state(away).head is not None


def test_a_head_that_is_lost_is_trouble_and_is_not_replaced(settings: Settings, catalogue: Catalogue) -> None:
    """Else whoever removes the newest records would have his own chain anchored an hour later."""
    clock = FakeClock(NOW_US)
    anchor = Anchor(settings, catalogue, clock)
    anchor.run_once()
    tamper(catalogue, f"DELETE FROM audit WHERE number = {OLD + YOUNG}")
    clock.advance(3600)
    anchor.run_once()
    assert "was exported" in anchor_state(settings).trouble
    assert len(read_anchors(anchor_file(settings))) == 1


def test_it_goes_on_in_a_thread_while_a_program_runs(settings: Settings, catalogue: Catalogue) -> None:
    with anchoring(settings, catalogue, FakeClock(NOW_US)):
        pass  # it looks at once
    assert len(read_anchors(anchor_file(settings))) in (0, 1)
    assert not [one for one in threading.enumerate() if one.name == "audit-anchor"]


def test_a_state_that_is_no_state_is_as_if_there_was_none(settings: Settings) -> None:
    (settings.data_dir / "audit-anchor.json").write_text("[1]")
    assert anchor_state(settings).head is None


# Checking.


def test_a_whole_chain_is_said_to_be(settings: Settings, catalogue: Catalogue) -> None:
    told = run(settings, "check")
    assert (told.exit_code, "whole" in told.output) == (0, True)
    assert "no anchor" in told.output


def test_a_row_that_was_changed_is_named_and_fails_the_check(
    settings: Settings, catalogue: Catalogue
) -> None:
    """I19."""
    tamper(catalogue, "UPDATE audit SET principal = 'sys-1' WHERE number = 4")
    told = run(settings, "check")
    assert (told.exit_code, "record 4 was changed" in told.output) == (1, True)


def test_a_chain_that_lost_its_end_fails_against_an_anchor(settings: Settings, catalogue: Catalogue) -> None:
    export_head(catalogue, settings, NOW_US, anchor_file(settings))
    tamper(catalogue, f"DELETE FROM audit WHERE number = {OLD + YOUNG}")
    assert check_audit(catalogue, settings) == 1  # by the setting's file
    with pytest.raises(SettingsError, match="none"):
        check_audit(catalogue, settings, [settings.data_dir / "none"], [])


def test_an_anchor_of_another_machine_is_told(
    settings: Settings, catalogue: Catalogue, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = catalogue.audit.head(NOW_US)
    assert head is not None
    key = signing_key(tmp_path / "other.pem")
    anchor_file(settings).write_text(signed_line(head, key) + "\n")
    assert check_audit(catalogue, settings) == 0
    assert key.public.id in capsys.readouterr().out.replace("\n", "")


def test_the_check_of_everything_walks_the_chain(settings: Settings, catalogue: Catalogue) -> None:
    tamper(catalogue, "UPDATE audit SET principal = 'sys-1' WHERE number = 4")
    keys, ring = settings.keys_dir, settings.ring_dir
    findings, _, _ = check_everything(catalogue, MemoryStore(), ring, keys)
    assert [(one.fault, one.name) for one in findings] == [(Fault.AUDIT, "audit record 4")]


def test_the_doctor_says_how_the_anchor_stands(settings: Settings, catalogue: Catalogue) -> None:
    clock = FakeClock(NOW_US)
    nowhere = settings.model_copy(update={"audit": AuditSettings()})
    assert "nowhere else" in _anchor(nowhere, clock).found
    assert not _anchor(settings, clock).well  # it was never kept
    Anchor(settings, catalogue, clock).run_once()
    assert _anchor(settings, clock).well
    clock.advance(4 * 3600)
    assert not _anchor(settings, clock).well


def test_the_status_says_why_the_anchor_is_not_kept(
    catalogue: Catalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    watch = replace(watch_everything(catalogue), anchor=lambda: AnchorState(trouble="no [disk]"))
    print_status(catalogue, watch, NOW_US, as_json=False)
    assert "no [disk]" in capsys.readouterr().out
    print_status(catalogue, watch, NOW_US, as_json=True)
    assert json.loads(capsys.readouterr().out)["audit_anchor"]["trouble"] == "no [disk]"


def test_a_time_that_is_none_is_listed_all_the_same(settings: Settings, catalogue: Catalogue) -> None:
    tamper(catalogue, f"UPDATE audit SET at_us = {1 << 62} WHERE number = 4")
    assert str(1 << 62) in run(settings, "list").output.replace("\n", "").replace(" ", "")


def test_an_outsider_needs_nothing_of_ours(settings: Settings, catalogue: Catalogue) -> None:
    """The program in the design document, as it stands there."""
    page = (Path(__file__).parents[3] / "docs/design/audit.md").read_text(encoding="utf-8")
    program = page.partition("```python\n")[2].partition("```")[0]
    database = settings.catalogue_url.removeprefix("sqlite:///")

    def verify() -> str:
        command = [sys.executable, "-c", program, database]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    head = catalogue.audit.head(0)
    assert head is not None
    assert verify() == f"head {head.hash}\n"
    tamper(catalogue, "UPDATE audit SET principal = 'sys-1' WHERE number = 4")
    assert verify().startswith("4 is not as it was written\n")


# Epochs.


def close(catalogue: Catalogue, settings: Settings, path: Path, **other: Any) -> Any:
    given = {"until_us": 800 * DAY_US, "principal": "aud-1", "now_us": NOW_US, **other}
    if "heads" not in given:
        given["heads"] = [one.head for one in read_anchors(anchor_file(settings))]
    return close_epoch(catalogue, settings.audit, path, **given)


@pytest.fixture
def anchored(settings: Settings, catalogue: Catalogue) -> Catalogue:
    export_head(catalogue, settings, NOW_US, anchor_file(settings))
    return catalogue


def test_old_records_leave_into_a_file_that_holds_them(
    settings: Settings, anchored: Catalogue, tmp_path: Path
) -> None:
    before = list(anchored.audit.walk(until=OLD))
    epoch = close(anchored, settings, tmp_path / "epoch")
    lines = [json.loads(line) for line in (tmp_path / "epoch").read_text().splitlines()]
    assert [line["hash"] for line in lines] == [record.hash for record in before]
    assert (epoch.first, epoch.last, anchored.audit.count()) == (1, OLD, YOUNG + 1)
    assert check_audit(anchored, settings, [], [tmp_path / "epoch"]) == 0
    fill(anchored, NOW_US)
    assert check_audit(anchored, settings, [], []) == 0


def test_epochs_follow_each_other(settings: Settings, anchored: Catalogue, tmp_path: Path) -> None:
    close(anchored, settings, tmp_path / "one", until_us=3 * DAY_US + 1)
    close(anchored, settings, tmp_path / "two")
    assert check_audit(anchored, settings, [], [tmp_path / "one", tmp_path / "two"]) == 0


def test_young_records_stay(settings: Settings, anchored: Catalogue, tmp_path: Path) -> None:
    """网络安全法: six months at least; the setting cannot say less."""
    with pytest.raises(CatalogError, match="stay"):
        close(anchored, settings, tmp_path / "epoch", until_us=NOW_US - 179 * DAY_US)
    with pytest.raises(ValueError, match="180"):
        AuditSettings(keep_days=179)
    assert not (tmp_path / "epoch").exists()


def test_records_that_nothing_elsewhere_anchors_stay(
    settings: Settings, catalogue: Catalogue, tmp_path: Path
) -> None:
    early = AuditHead(number=2, hash=list(catalogue.audit.walk())[1].hash, at_us=0)
    with pytest.raises(CatalogError, match=f"record {OLD}"):
        close(catalogue, settings, tmp_path / "epoch", heads=[early])
    assert catalogue.audit.count() == OLD + YOUNG


def test_a_chain_that_is_not_whole_stays_whole_as_evidence(
    settings: Settings, anchored: Catalogue, tmp_path: Path
) -> None:
    tamper(anchored, "UPDATE audit SET principal = 'sys-1' WHERE number = 4")
    with pytest.raises(CatalogError, match="not as it was written"):
        close(anchored, settings, tmp_path / "epoch")
    assert anchored.audit.count() == OLD + YOUNG


def test_a_file_that_is_there_is_never_written_over(
    settings: Settings, anchored: Catalogue, tmp_path: Path
) -> None:
    (tmp_path / "epoch").write_text("kept")
    with pytest.raises(StorageError, match="stay in the catalogue"):
        close(anchored, settings, tmp_path / "epoch")
    assert (tmp_path / "epoch").read_text() == "kept"
    assert anchored.audit.count() == OLD + YOUNG


def test_a_disk_that_lies_keeps_the_records_here(
    settings: Settings, anchored: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what was read back may leave."""
    from cli import audit_epochs

    written = audit_epochs._write

    def lying(path: Path, *given: Any) -> tuple[str, str]:
        told = written(path, *given)
        path.write_text(path.read_text().replace("P01", "P02", 1))
        return told

    monkeypatch.setattr(audit_epochs, "_write", lying)
    with pytest.raises(StorageError, match="does not hold"):
        close(anchored, settings, tmp_path / "epoch")
    assert anchored.audit.count() == OLD + YOUNG


def test_nothing_old_is_nothing_to_close(settings: Settings, anchored: Catalogue, tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="that old"):
        close(anchored, settings, tmp_path / "epoch", until_us=0)


def spoil_line(path: Path) -> None:
    path.write_text(path.read_text().replace("P01", "P02", 1))


def spoil_order(path: Path) -> None:
    lines = path.read_text().splitlines(keepends=True)
    lines[1], lines[2] = lines[2], lines[1]
    path.write_text("".join(lines))


def spoil_end(path: Path) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def spoil_spaces(path: Path) -> None:
    path.write_text(path.read_text().replace(":", ": ", 1))


@pytest.mark.parametrize("spoil", [spoil_line, spoil_order, spoil_end, spoil_spaces])
def test_a_file_of_an_epoch_that_was_changed_fails(
    settings: Settings, anchored: Catalogue, tmp_path: Path, spoil: Any
) -> None:
    path = tmp_path / "epoch"
    close(anchored, settings, path)
    spoil(path)
    assert check_audit(anchored, settings, [], [path]) == 1


@pytest.mark.parametrize("content", ["", "{}\n", "x\n"])
def test_a_file_that_is_no_epoch_of_this_catalogue_is_refused(
    settings: Settings, anchored: Catalogue, tmp_path: Path, content: str
) -> None:
    close(anchored, settings, tmp_path / "epoch")
    (tmp_path / "other").write_text(content)
    with pytest.raises(FixityError):
        check_audit(anchored, settings, [], [tmp_path / "other"])


def test_anchors_of_records_that_left_are_told_with_the_file_only(
    settings: Settings, anchored: Catalogue, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A forged epoch, with a record that tells of it, shows against an anchor within it."""
    true = list(anchored.audit.walk())[2]
    early = signed_line(AuditHead(number=3, hash=true.hash, at_us=0), signing_key(settings.keys_dir / KEY))
    with anchor_file(settings).open("a") as file:
        file.write(early + "\n")
    close(anchored, settings, tmp_path / "epoch")
    assert check_audit(anchored, settings, [], []) == 0
    assert "1 个锚点" in capsys.readouterr().out
    assert check_audit(anchored, settings, [], [tmp_path / "epoch"]) == 0
    assert "个锚点在已移出" not in capsys.readouterr().out


# The commands.


def test_records_are_listed_for_people_and_machines(settings: Settings, catalogue: Catalogue) -> None:
    assert "hold.made" in run(settings, "list").output
    lines = run(settings, "list", "--json", "--by", "见证员", "--limit", "2").output.splitlines()
    assert [json.loads(line)["number"] for line in lines] == [OLD + YOUNG, OLD + YOUNG - 1]
    assert run(settings, "list", "--json", "--since", "2100-01-01T00:00+08:00").output == ""


def test_an_epoch_is_closed_by_command(settings: Settings, anchored: Catalogue, tmp_path: Path) -> None:
    told = run(
        settings,
        "close-epoch",
        "--until",
        "1972-03-01T00:00+08:00",
        "--to",
        str(tmp_path / "epoch"),
        "--anchor",
        str(anchor_file(settings)),
        "--as",
        "aud-1",
    )
    assert told.exit_code == 0, told.output
    assert anchored.audit.epochs()[0].principal == "aud-1"
    assert run(settings, "check", "--epoch", str(tmp_path / "epoch")).exit_code == 0
