"""A cable that is cut between recorder and camera: two network hosts made of namespaces (Linux, root)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from catalog.catalogue import Catalogue
from kernel.model.footage import EndReason, GapCause, SourceState
from kernel.settings import CATALOGUE_FILE
from kernel.timerange import TimeRange, subtract
from tests.support.peers import missing

NETNS = Path(__file__).parents[2].parent / "shared" / "peers" / "onvif" / "netns.sh"
PROGRAM = [sys.executable, "-c", "from cli.main import main; main()"]
SOURCE = "hall-camera"
PATIENCE_S = 90


def network(what: str) -> None:
    subprocess.run(["bash", str(NETNS), what], check=True)


@pytest.fixture
def two_hosts() -> Iterator[None]:
    if not NETNS.exists() or shutil.which("ip") is None or os.geteuid() != 0:
        missing("A network to cut", "run as root on Linux with iproute2 and the shared peers")
    network("up")
    yield
    network("down")


def at(host: str, *arguments: str) -> list[str]:
    return ["ip", "netns", "exec", host, *PROGRAM, *arguments]


@pytest.fixture
def camera(two_hosts: None) -> Iterator[int]:
    """The port of a simulated centre on the other host."""
    with subprocess.Popen(
        at("cam", "simulate", "--host", "10.99.0.2", "--port", "18554", "--username", ""),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline().split()[1])
        process.kill()


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.2)


def test_a_cut_cable_is_a_gap_of_the_network_and_every_missing_second_is_declared(
    camera: int, tmp_path: Path
) -> None:
    text = f"""
sites:
- id: B
  region: '530602'
  name_zh: B
  rooms:
  - id: R
    kind: opening_hall
    name_zh: R
    sources:
    - {{id: {SOURCE}, content_kind: room, uri: 'rtsp://10.99.0.2:{camera}/{SOURCE}', label_zh: x}}
"""
    (tmp_path / "cameras.yaml").write_text(text, encoding="utf-8")
    environment = {
        **os.environ,
        "JIANZHENG_CAPTURE__REPORT_SECONDS": "1",
        "JIANZHENG_CAPTURE__RETRY_MAX_SECONDS": "2",
        "JIANZHENG_CAPTURE__CONNECT_SECONDS": "3",
        "JIANZHENG_RING__RESERVE_BYTES": "0",
    }
    options = ["--data-dir", str(tmp_path), "--cameras", str(tmp_path / "cameras.yaml")]
    with subprocess.Popen(at("nvr", "capture", *options), env=environment) as recorder:
        wait_for((tmp_path / CATALOGUE_FILE).exists)
        time.sleep(1)
        catalogue = Catalogue.open(f"sqlite:///{tmp_path / CATALOGUE_FILE}")

        def state_is(wanted: SourceState) -> Callable[[], bool]:
            def look() -> bool:
                health = catalogue.footage.health().get(SOURCE)
                return health is not None and health.state is wanted

            return look

        def lost_by_the_network() -> bool:
            return [gap.cause for gap in catalogue.footage.open_gaps()] == [GapCause.NETWORK]

        wait_for(state_is(SourceState.RECORDING))
        time.sleep(2)
        network("cut")
        wait_for(state_is(SourceState.LOST))
        wait_for(lost_by_the_network)
        network("heal")
        wait_for(state_is(SourceState.RECORDING))
        time.sleep(2)
        recorder.send_signal(signal.SIGTERM)
        assert recorder.wait(PATIENCE_S) == 0
    segments = catalogue.footage.all_segments()
    gaps = catalogue.footage.gaps_of(SOURCE, TimeRange(start_us=0, end_us=1 << 60))
    catalogue.close()
    assert [one.end_reason for one in segments] == [EndReason.SOURCE_LOST, EndReason.STOPPED]
    whole = TimeRange(start_us=segments[0].wall.start_us, end_us=segments[-1].wall.end_us)
    declared = [TimeRange(start_us=gap.start_us, end_us=gap.end_us or whole.end_us) for gap in gaps]
    assert subtract(whole, [one.wall for one in segments] + declared) == []
    (cut,) = [gap for gap in gaps if gap.cause is GapCause.NETWORK]
    assert (cut.start_us, cut.end_us) == (segments[0].wall.end_us, segments[1].wall.start_us)
