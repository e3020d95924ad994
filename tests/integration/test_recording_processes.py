"""``jianzheng capture`` as several processes: what kills one of them costs its own sources a moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest

from catalog.catalogue import Catalogue
from kernel.model.footage import EndReason, GapCause, SourceState
from kernel.settings import CATALOGUE_FILE

SOURCES = ("hall-camera", "hall-screen", "extraction-room")
PROGRAM = [sys.executable, "-c", "from cli.main import main; main()"]
PATIENCE_S = 60


def wait_for(what: Callable[[], bool], program: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert program.poll() is None, "the recorder ended"
        assert time.monotonic() < deadline, f"{what.__name__} did not come"
        time.sleep(0.1)


@pytest.fixture
def centre() -> Iterator[int]:
    """The port of a simulated centre."""
    with subprocess.Popen(
        [*PROGRAM, "simulate", "--port", "0", "--username", ""],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline().split()[1])
        process.terminate()


@pytest.fixture
def recorder(centre: int, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Two sources a process at most: two processes."""
    lines = ["sites:", "- id: B", "  region: '530602'", "  name_zh: B", "  rooms:"]
    lines += ["  - id: R", "    kind: opening_hall", "    name_zh: R", "    sources:"]
    for source in SOURCES:
        uri = f"rtsp://127.0.0.1:{centre}/{source}"
        lines.append(f"    - {{id: {source}, content_kind: room, uri: '{uri}', label_zh: {source}}}")
    (tmp_path / "cameras.yaml").write_text("\n".join(lines), encoding="utf-8")
    environment = {
        **os.environ,
        "JIANZHENG_DATA_DIR": str(tmp_path),
        "JIANZHENG_CAMERAS": str(tmp_path / "cameras.yaml"),
        "JIANZHENG_CAPTURE__SOURCES_PER_PROCESS": "2",
        "JIANZHENG_CAPTURE__REPORT_SECONDS": "1",
        "JIANZHENG_RING__RESERVE_BYTES": "0",
    }
    with subprocess.Popen([*PROGRAM, "capture", "--as", "王工"], env=environment) as process:
        yield process
        if process.poll() is None:
            process.kill()


def children(process: subprocess.Popen[bytes]) -> dict[str, int]:
    """Processes of groups, by name."""
    found = {}
    for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        if "--group" in words:
            found[words[words.index("--group") + 1]] = int(pid)
    return found


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux: reads /proc")
def test_a_killed_process_costs_its_own_sources_a_declared_gap_and_no_frame_that_was_written(
    recorder: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    database = tmp_path / CATALOGUE_FILE
    wait_for(database.exists, recorder)
    wait_for(lambda: len(children(recorder)) == 2, recorder)
    catalogue = Catalogue.open(f"sqlite:///{database}")
    footage = catalogue.footage

    def all_recorded() -> bool:
        health = footage.health()
        return all(name in health and health[name].state is SourceState.RECORDING for name in SOURCES)

    wait_for(all_recorded, recorder)
    runs = {run.source_id: run.id for run in footage.unfinished_runs()}
    time.sleep(3)
    killed = children(recorder)["rtsp-1"]
    os.kill(killed, signal.SIGKILL)

    def again() -> bool:
        now = {run.source_id: run.id for run in footage.unfinished_runs()}
        return all(name in now and now[name] != runs[name] for name in SOURCES[:2])

    wait_for(again, recorder)
    recorder.send_signal(signal.SIGTERM)
    assert recorder.wait(PATIENCE_S) == 0
    segments = footage.all_segments()
    for name in SOURCES[:2]:
        first = [one for one in segments if one.run_id == runs[name]]
        assert [one.end_reason for one in first] == [EndReason.CRASH]
        assert first[0].wall.duration_us > 2_000_000
        assert _decodes(tmp_path / "ring" / first[0].path) > 0
    assert {one.run_id for one in segments if one.source_id == SOURCES[2]} == {runs[SOURCES[2]]}
    causes = {gap.source_id for gap in _gaps(catalogue) if gap.cause is GapCause.CRASH}
    assert causes == set(SOURCES[:2])
    assert {gap.detail for gap in footage.open_gaps()} == {"Stopped by 王工."}
    catalogue.close()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux: reads /proc")
def test_a_killed_keeper_is_no_stop_by_somebody(recorder: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """Its children seal what is open and end: gaps that nobody asked for may be fetched afterwards."""
    database = tmp_path / CATALOGUE_FILE
    wait_for(lambda: database.exists() and len(children(recorder)) == 2, recorder)
    catalogue = Catalogue.open(f"sqlite:///{database}")
    wait_for(lambda: len(catalogue.footage.unfinished_runs()) == len(SOURCES), recorder)
    left = children(recorder).values()
    recorder.kill()
    recorder.wait()
    deadline = time.monotonic() + PATIENCE_S
    while any(Path(f"/proc/{pid}").exists() for pid in left):
        assert time.monotonic() < deadline, "a child outlives its keeper"
        time.sleep(0.1)
    assert [gap.cause for gap in catalogue.footage.open_gaps()] == [GapCause.CRASH] * len(SOURCES)
    assert catalogue.footage.unfinished_runs() == []
    catalogue.close()


def _gaps(catalogue: Catalogue):
    from kernel.timerange import TimeRange

    ever = TimeRange(start_us=0, end_us=1 << 60)
    return [gap for name in SOURCES for gap in catalogue.footage.gaps_of(name, ever)]


def _decodes(path: Path) -> int:
    with av.open(path) as container:
        return sum(1 for _ in container.decode(video=0))
