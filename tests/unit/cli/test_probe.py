"""What ``probe`` is asked and what it shows: nothing secret, one line for machines."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from capture.probe.judge import Aspect, Verdict
from capture.probe.measure import Measured, VideoFigures
from capture.probe.probe import AboutDevice, Probed
from cli.probe import as_json, fails, look, show, source_of, verdicts
from kernel.clock import FakeClock
from kernel.errors import SettingsError, SourceError, SourceNotFound, SourceRefused
from kernel.model.footage import Codec
from kernel.settings import CaptureSettings

SAMPLE = Path(__file__).parents[3] / "cameras.yaml"
SECRET = "hunter2"
PROBED = Probed(
    measured=Measured(
        seconds=10,
        video=VideoFigures(
            codec=Codec.H264,
            profile="High, level 4.1",
            width=1920,
            height=1080,
            pictures=210,
            frame_rate=21.0,
            stamped_rate=25.0,
            key_frames=1,
            key_interval_s=None,
            bit_rate_kbps=4096.0,
            b_frames=True,
        ),
        sound=None,
        packets_lost=3,
        reports=False,
        clock_offset_us=None,
        first_picture_us=400_000,
    ),
    round_trip_us=1500,
    device=AboutDevice(
        manufacturer="Maker",
        model="M1 [/bold]",
        firmware="1",
        serial="2",
        profile="main",
        profiles=("main", "sub"),
        declared_rate=25.0,
        clock_offset_us=90_000_000,
        clock_error_us=50_000,
        keeps=False,
        snapshot="http://10.0.0.5/snapshot?...",
    ),
)


def test_a_source_is_named_by_its_id_and_keeps_its_own_login() -> None:
    spec = source_of("seat-01-face", SAMPLE, "", "")
    assert (spec.username, spec.password.get_secret_value()) == ("demo", "demo-only")


def test_another_login_can_be_tried_on_a_source_that_is_known() -> None:
    spec = source_of("seat-01-face", SAMPLE, "admin", SECRET)
    assert (spec.username, spec.password.get_secret_value()) == ("admin", SECRET)


def test_an_address_needs_no_file(tmp_path: Path) -> None:
    spec = source_of("rtsp://10.0.0.5/h264", tmp_path / "none.yaml", "admin", SECRET)
    assert spec.uri == "rtsp://10.0.0.5/h264"


def test_an_unknown_id_names_those_that_there_are() -> None:
    with pytest.raises(SettingsError, match="hall-camera"):
        source_of("nope", SAMPLE, "", "")


@pytest.mark.parametrize("uri", [f"rtsp://admin:{SECRET}@10.0.0.5/", f"http://{SECRET}/", "rtsp://"])
def test_an_address_that_cannot_be_used_is_not_repeated(uri: str) -> None:
    with pytest.raises(SettingsError) as caught:
        source_of(uri, SAMPLE, "", "")
    assert SECRET not in str(caught.value)


def test_machines_get_one_line_without_the_login() -> None:
    spec = source_of("rtsp://10.0.0.5/h264?password=hunter2", SAMPLE, "admin", SECRET)
    line = as_json(spec, PROBED, verdicts(spec, PROBED))
    told = json.loads(line)
    assert "\n" not in line
    assert SECRET not in line
    assert told["uri"] == "rtsp://10.0.0.5/h264"
    assert told["measured"]["video"]["frame_rate"] == 21.0
    assert {one["aspect"] for one in told["verdicts"]} == {
        "key_frames",
        "order",
        "frame_rate",
        "loss",
        "clock",
    }


def test_people_get_a_line_for_each_figure_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    spec = source_of("onvif://10.0.0.5", SAMPLE, "admin", SECRET)
    show(spec, PROBED, verdicts(spec, PROBED))
    shown = " ".join(capsys.readouterr().out.split())
    assert "M1 [/bold]" in shown  # a name of a device is no markup
    assert "NTP" in shown
    assert "http://10.0.0.5/snapshot?..." in shown
    assert "to be mended: 5; 2 项提示 to know" in shown
    assert SECRET not in shown


def test_what_is_worth_knowing_alone_fails_no_probe(capsys: pytest.CaptureFixture[str]) -> None:
    """B-frames ended it with status 1 although all is recorded."""
    spec = source_of("rtsp://10.0.0.5/h264", SAMPLE, "admin", SECRET)
    one = Verdict(aspect=Aspect.ORDER, said="B-frames.", remedy="Turn them off.", warning=True)
    assert not fails([one])
    assert fails([one, replace(one, warning=False)])
    show(spec, PROBED, [one])
    shown = capsys.readouterr().out
    assert "!  B 帧" in shown
    assert "fit to be recorded" in shown


async def _refuse(*_: object, **__: object) -> None:
    raise SourceRefused("source probed: the device refuses user name and password.")


async def _lose(*_: object, **__: object) -> None:
    raise SourceNotFound("source probed: the device has no such stream (404).")


@pytest.mark.parametrize(("fault", "remedy"), [(_refuse, "--username"), (_lose, "path of the address")])
def test_an_error_at_an_address_speaks_of_the_address_and_not_of_a_file(
    monkeypatch: pytest.MonkeyPatch, fault: object, remedy: str
) -> None:
    monkeypatch.setattr("cli.probe.probe", fault)
    spec = source_of("rtsp://10.0.0.5/h264", SAMPLE, "admin", SECRET)
    with pytest.raises(SourceError, match=r"^rtsp://10\.0\.0\.5/h264: ") as caught:
        look(spec, CaptureSettings(), FakeClock(), 1)
    assert remedy in caught.value.remedy
    assert "cameras.yaml" not in str(caught.value)
