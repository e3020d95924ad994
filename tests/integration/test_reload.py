"""``cameras.yaml`` edited while ``jianzheng capture`` runs: who is not meant must not notice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from catalog.catalogue import Catalogue
from kernel.model.footage import EndReason, Gap, GapCause, SourceState
from kernel.settings import CATALOGUE_FILE
from kernel.timerange import TimeRange
from tests.support.peers import free_port

PROGRAM = [sys.executable, "-c", "from cli.main import main; main()"]
PATIENCE_S = 60
HALL, SCREEN, ROOM, SEAT = "hall-camera", "hall-screen", "extraction-room", "seat-01-face"
PUSHED = "a-device-that-calls"
EVER = TimeRange(start_us=0, end_us=1 << 60)


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


class Site:
    """A recorder that runs, and its file."""

    def __init__(self, root: Path, centre: int) -> None:
        self.cameras = root / "cameras.yaml"
        self._centre = centre
        self._root = root
        self._process: subprocess.Popen[bytes] | None = None
        self._catalogue: Catalogue | None = None

    def write(self, *sources: str, moved: str = "") -> None:
        """Sources by id; one of them may have another address."""
        lines = ["sites:", "- id: B", "  region: '530602'", "  name_zh: B", "  rooms:"]
        lines += ["  - id: R", "    kind: opening_hall", "    name_zh: R", "    sources:"]
        for source in sources:
            host = "localhost" if source == moved else "127.0.0.1"
            uri = f"rtsp://{host}:{self._centre}/{source}"
            if source == PUSHED:
                uri = f"push+rtmp://127.0.0.1:{free_port()}/x/y"
            lines.append(f"    - {{id: {source}, content_kind: room, uri: '{uri}', label_zh: {source}}}")
        self.cameras.write_text("\n".join(lines), encoding="utf-8")

    def start(self, sources_per_process: int) -> None:
        environment = {
            **os.environ,
            "JIANZHENG_DATA_DIR": str(self._root),
            "JIANZHENG_CAMERAS": str(self.cameras),
            "JIANZHENG_CAPTURE__SOURCES_PER_PROCESS": str(sources_per_process),
            "JIANZHENG_CAPTURE__REPORT_SECONDS": "1",
            "JIANZHENG_RING__RESERVE_BYTES": "0",
            "JIANZHENG_RING__SEGMENT_SECONDS": "3",
        }
        log = (self._root / "log").open("wb")
        with log:
            self._process = subprocess.Popen(
                [*PROGRAM, "capture", "--as", "王工", "--json-log"], env=environment, stderr=log
            )
        database = self._root / CATALOGUE_FILE
        self.wait(database.exists)
        self._catalogue = Catalogue.open(f"sqlite:///{database}")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def footage(self):
        assert self._catalogue is not None
        return self._catalogue.footage

    def log(self) -> str:
        return (self._root / "log").read_text(encoding="utf-8")

    def wait(self, what: Callable[[], bool]) -> None:
        assert self._process is not None
        deadline = time.monotonic() + PATIENCE_S
        while not what():
            assert self._process.poll() is None, f"the recorder ended: {self.log()}"
            assert time.monotonic() < deadline, f"it did not come: {self.log()}"
            time.sleep(0.1)

    def runs(self) -> dict[str, str]:
        """Of the sources that are being recorded."""
        return {run.source_id: run.id for run in self.footage.unfinished_runs()}

    def recorded(self, *sources: str) -> None:
        """Wait until these are, and no others."""

        def there() -> bool:
            states = {one: row.state for one, row in self.footage.health().items()}
            found = {one for one, state in states.items() if state is SourceState.RECORDING}
            return found == set(sources) and set(self.runs()) == set(sources)

        self.wait(there)

    def stop(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(PATIENCE_S) == 0, self.log()

    def gaps(self, source: str) -> Sequence[Gap]:
        return self.footage.gaps_of(source, EVER)

    def close(self) -> None:
        if self._catalogue is not None:
            self._catalogue.close()
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def unbroken(self, source: str) -> None:
        """One run from start to stop, each segment where the one before ended, and no gap but that stop."""
        segments = sorted(
            (one for one in self.footage.all_segments() if one.source_id == source),
            key=lambda one: one.sequence,
        )
        assert len({one.run_id for one in segments}) == 1
        assert [one.sequence for one in segments] == list(range(len(segments)))
        for before, after in pairwise(segments):
            assert before.wall.end_us == after.wall.start_us
            assert before.media_start + before.media_duration == after.media_start
        asked = [gap for gap in self.gaps(source) if gap.start_us > segments[0].wall.start_us]
        assert [gap.detail for gap in asked] == ["Stopped by 王工."]


@pytest.fixture
def site(tmp_path: Path, centre: int) -> Iterator[Site]:
    made = Site(tmp_path, centre)
    yield made
    made.close()


def processes(pid: int) -> set[int]:
    return {int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def test_one_process_adds_removes_and_changes_sources_and_the_rest_loses_nothing(site: Site) -> None:
    site.write(HALL, SCREEN)
    site.start(sources_per_process=64)
    site.recorded(HALL, SCREEN)
    first = site.runs()
    site.write(HALL, SCREEN, ROOM)
    site.recorded(HALL, SCREEN, ROOM)
    site.write(HALL, ROOM)
    site.recorded(HALL, ROOM)
    [removed] = [one for one in site.footage.all_segments() if one.source_id == SCREEN][-1:]
    assert (removed.run_id, removed.end_reason) == (first[SCREEN], EndReason.STOPPED)
    room = site.runs()[ROOM]
    site.write(HALL, ROOM, moved=ROOM)
    site.wait(lambda: site.runs().get(ROOM, room) != room)
    site.recorded(HALL, ROOM)
    site.stop()
    site.unbroken(HALL)
    assert [gap for gap in site.gaps(SCREEN) if gap.end_us is None] == []  # not wanted any more: no gap
    changed = [gap for gap in site.gaps(ROOM) if "cameras.yaml" in gap.detail]
    assert [gap.cause for gap in changed] == [GapCause.STOPPED]
    assert changed[0].end_us is not None


def test_a_file_that_cannot_be_used_changes_nothing_and_is_told_of_once(site: Site) -> None:
    site.write(HALL)
    site.start(sources_per_process=64)
    site.recorded(HALL)
    good = site.cameras.read_text(encoding="utf-8")
    site.cameras.write_text(good.replace("content_kind: room", "content_kind: rum"), encoding="utf-8")
    site.wait(lambda: "cameras.unusable" in site.log())
    os.kill(site.pid, signal.SIGHUP)
    site.cameras.write_text(good, encoding="utf-8")
    site.wait(lambda: "cameras.mended" in site.log())
    site.recorded(HALL)
    site.stop()
    assert site.log().count("cameras.unusable") == 1
    site.unbroken(HALL)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux: reads /proc")
def test_groups_that_are_not_meant_are_not_started_again(site: Site) -> None:
    site.write(HALL, SCREEN, ROOM)  # two in the first process, one in the second
    site.start(sources_per_process=2)
    site.recorded(HALL, SCREEN, ROOM)
    before = processes(site.pid)
    assert len(before) == 2
    for pid in before:
        os.kill(pid, signal.SIGHUP)  # as a terminal that closes does: not theirs to heed
    site.write(HALL, ROOM, SEAT)  # one leaves the first, and there is room in both
    site.recorded(HALL, ROOM, SEAT)
    assert processes(site.pid) == before
    site.write(HALL, ROOM, SEAT, SCREEN, "seat-02-face")  # room for one more only
    os.kill(site.pid, signal.SIGHUP)
    site.recorded(HALL, ROOM, SEAT, SCREEN, "seat-02-face")
    assert before < processes(site.pid)
    assert len(processes(site.pid)) == 3
    site.stop()
    site.unbroken(HALL)
    site.unbroken(ROOM)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux: reads /proc")
def test_a_process_that_falls_while_the_file_is_broken_comes_back(site: Site) -> None:
    site.write(HALL, SCREEN)
    site.start(sources_per_process=1)
    site.recorded(HALL, SCREEN)
    site.cameras.write_text("sites: [", encoding="utf-8")
    site.wait(lambda: "cameras.unusable" in site.log())
    runs = site.runs()
    for pid in processes(site.pid):
        os.kill(pid, signal.SIGKILL)
    site.wait(lambda: all(site.runs().get(one, runs[one]) != runs[one] for one in (HALL, SCREEN)))
    site.stop()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux: reads /proc")
def test_what_is_read_by_another_library_gets_a_process_of_its_own_beside_a_single_one(site: Site) -> None:
    """A crash of libav takes no other source down, however the file was edited."""
    site.write(HALL)
    site.start(sources_per_process=64)
    site.recorded(HALL)
    assert processes(site.pid) == set()
    site.write(HALL, PUSHED)
    site.wait(lambda: len(processes(site.pid)) == 1)
    site.wait(lambda: PUSHED in site.footage.health())
    site.stop()
    site.unbroken(HALL)
