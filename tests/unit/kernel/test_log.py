"""No credential is written to the log (invariant 16)."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator

import pytest
import structlog

from kernel.log import configure_logging, logger


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize("machine", [False, True])
@pytest.mark.parametrize("field", ["password", "Password", "token", "SECRET", "Authorization", "credentials"])
def test_a_field_named_like_a_secret_is_never_written(
    capsys: pytest.CaptureFixture[str], field: str, machine: bool
) -> None:
    configure_logging(machine=machine)
    logger("capture").warning("The device refuses.", action="source.refused", **{field: "hunter2"})
    said = capsys.readouterr()
    assert "hunter2" not in said.out + said.err
    assert "The device refuses." in said.err
    assert "source.refused" in said.err


@pytest.mark.parametrize("field", ["camera_password", "access_token", "rtsp_password"])
def test_a_secret_with_a_longer_name_is_not_written_either(
    capsys: pytest.CaptureFixture[str], field: str
) -> None:
    configure_logging(machine=True)
    logger("capture").warning("The device refuses.", action="source.refused", **{field: "hunter2"})
    assert "hunter2" not in capsys.readouterr().err


def test_a_machine_gets_one_json_object_a_line_and_nothing_on_standard_output(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging(machine=True)
    logger("capture").info("开始录制。", action="run.started", source="cam")
    logger("capture").info("停止。", action="run.ended")
    said = capsys.readouterr()
    lines = [json.loads(line) for line in said.err.splitlines()]
    assert said.out == ""
    assert [(one["event"], one["action"], one["room"]) for one in lines] == [
        ("开始录制。", "run.started", "capture"),
        ("停止。", "run.ended", "capture"),
    ]


def test_a_line_goes_to_standard_error_as_it_is_when_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test or a progress bar put in its place meanwhile may be closed by then."""
    first, second = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", first)
    configure_logging()
    room = logger("capture")
    room.info("one")
    monkeypatch.setattr(sys, "stderr", second)
    first.close()
    room.info("two")
    assert "two" in second.getvalue()
