"""An agent on a desktop that we draw (Xvfb), and its receiver: killed, cut off and started again."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import av
import pytest

from agent.link import RecorderLink, open_client
from agent.settings import load_agent_settings
from catalog.catalogue import Catalogue
from cli.check import chain_faults
from kernel.errors import RecorderRefuses, RecorderUnreachable
from kernel.isobmff.reader import read_fragments, read_init
from kernel.model.footage import ClockBasis, EndReason, Gap, GapCause, RunOrigin, Segment, SourceState
from kernel.segments.readable import read_segment
from kernel.timerange import TimeRange
from simulator import timestrip
from tests.support.desktop import DrawnDesktop, desktop
from tests.support.peers import free_port, missing

SOURCE, TOKEN = "desk-1", "a-token-of-the-tests-0123456789"
EVER = TimeRange(start_us=0, end_us=1 << 62)
CAMERAS = f"""
sites:
- id: T
  region: '530602'
  name_zh: 测试
  rooms:
  - id: R
    kind: evaluation_room
    name_zh: 评标室
    seats: [{{id: seat-01, ordinal: 1}}]
    sources:
    - id: {SOURCE}
      seat: seat-01
      content_kind: seat_desktop
      uri: 'agent:'
      password: {TOKEN}
      label_zh: 桌面
"""


class Centre:
    """A recorder's machine and an expert's computer, both in one directory."""

    def __init__(self, home: Path, screen: DrawnDesktop | None) -> None:
        self.home = home
        self.screen = screen
        self.ring = home / "var" / "ring"
        self.agent_dir = home / "agent"
        self.logs = home / "logs"
        self.logs.mkdir()
        self._port = free_port()
        self._processes: list[subprocess.Popen[bytes]] = []
        (home / "cameras.yaml").write_text(CAMERAS, encoding="utf-8")
        self._places = ("--cameras", str(home / "cameras.yaml"), "--data-dir", str(home / "var"))

    def jianzheng(self, *arguments: str) -> subprocess.Popen[bytes]:
        return self._start("cli.main", *arguments, *self._places)

    def _start(self, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        log = self.logs / f"{len(self._processes)}-{module}.log"
        with log.open("wb") as said:
            process = subprocess.Popen(
                [sys.executable, "-c", f"from {module} import main; main()", *arguments],
                stdout=said,
                stderr=said,
                env={
                    **os.environ,
                    "JIANZHENG_RING__RESERVE_BYTES": "0",
                    "JIANZHENG_RECEIVER__LOST_SECONDS": "2",
                },
            )
        self._processes.append(process)
        return process

    def start_receiver(self) -> subprocess.Popen[bytes]:
        return self.jianzheng("receive", "--host", "127.0.0.1", "--port", str(self._port))

    def enrol(self) -> Path:
        recorder = f"https://127.0.0.1:{self._port}"
        config = self.home / "agent.toml"
        done = self.jianzheng("enrol", SOURCE, "--recorder", recorder, "--output", str(config))
        assert done.wait(60) == 0, self.said()
        assert config.stat().st_mode & 0o077 == 0  # it holds the token
        with config.open("a", encoding="utf-8") as file:
            file.write(
                f'data_dir = "{self.agent_dir}"\ndevice = "{self.screen.name if self.screen else ""}"\n'
                "segment_seconds = 2\n"
                "hole_seconds = 10\n"  # a busy machine is no gap here
                "key_seconds = 1\nexchange_seconds = 0.3\npatience_seconds = 3\nreserve_bytes = 0\n"
            )
        return config

    def start_agent(self) -> subprocess.Popen[bytes]:
        return self._start("agent.main", "--config", str(self.home / "agent.toml"), "--as", "tester")

    @contextmanager
    def catalogue(self) -> Iterator[Catalogue]:
        opened = Catalogue.open(f"sqlite:///{self.home / 'var' / 'catalogue.sqlite'}")
        try:
            yield opened
        finally:
            opened.close()

    def segments(self) -> list[Segment]:
        with self.catalogue() as catalogue:
            return catalogue.footage.segments_of(SOURCE, EVER)

    def gaps(self) -> list[Gap]:
        with self.catalogue() as catalogue:
            gaps = catalogue.footage.gaps_of(SOURCE, EVER)
            return [gap for gap in gaps if gap.cause is not GapCause.NOT_RECORDING]

    def time_before_footage(self) -> Gap:
        """From the receiver's start to the first frame; ``gaps`` are all others."""
        with self.catalogue() as catalogue:
            (first,) = set(catalogue.footage.gaps_of(SOURCE, EVER)) - set(self.gaps())
            return first

    def state(self) -> SourceState | None:
        with self.catalogue() as catalogue:
            health = catalogue.footage.health().get(SOURCE)
            return health.state if health else None

    def sealed_at_agent(self) -> list[Path]:
        return sorted((self.agent_dir / "segments").glob("*.mp4"))

    def open_at_agent(self) -> list[Path]:
        """Those that hold more than their header."""
        found = (self.agent_dir / "segments").glob("*.part")
        return [path for path in found if read_segment(path) is not None]

    def said(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-2000:] for path in sorted(self.logs.iterdir()))

    def end(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
                process.wait()


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    with desktop(tmp_path / "screen") as screen, drawing_the_time(screen):
        made = Centre(tmp_path, screen)
        try:
            yield made
        finally:
            made.end()


@contextmanager
def drawing_the_time(screen: DrawnDesktop) -> Iterator[None]:
    """The strip of the time, ten times a second."""
    stop = threading.Event()

    def draw() -> None:
        while not stop.wait(0.1):
            screen.draw_time(time.time_ns() // 1_000_000)

    artist = threading.Thread(target=draw)
    artist.start()
    try:
        yield
    finally:
        stop.set()
        artist.join()


def eventually(centre: Centre, what: str, is_so: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, f"{what} did not come to be\n{centre.said()}"
        time.sleep(0.2)


def frames_with_strips(path: Path) -> list[tuple[int, int]]:
    """Wall time by the file and time on the screen of every frame, milliseconds."""
    with path.open("rb") as file:
        init = read_init(file)
        walls = [
            fragment.producer_time.wall_us // 1000 + sample.pts - fragment.producer_time.media_time
            for fragment in read_fragments(file, init.size)
            if fragment.producer_time is not None
            for sample in fragment.runs[init.video.id]
        ]
    with av.open(path) as container:
        pictures = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert len(pictures) == len(walls)
    times = [timestrip.read(picture) for picture in pictures]
    return [(wall, told) for wall, told in zip(walls, times, strict=True) if told is not None]


def holes(segments: list[Segment], gaps: list[Gap]) -> list[tuple[int, int]]:
    """Stretches between first and last footage that are neither footage nor a gap, or both."""
    parts = [(one.wall.start_us, one.wall.end_us) for one in segments]
    parts += [(gap.start_us, gap.end_us) for gap in gaps if gap.end_us is not None]
    return [(a[1], b[0]) for a, b in pairwise(sorted(parts)) if a[1] != b[0]]


def plays(path: Path) -> str:
    """What ffmpeg complains of."""
    if shutil.which("ffmpeg") is None:
        missing("ffmpeg", "on Debian, apt install ffmpeg")
    # In the file's own ticks: in those of a guessed frame rate two frames may fall on one.
    command = ["ffmpeg", "-v", "error", "-xerror", "-i", str(path), "-enc_time_base", "-1", "-f", "null", "-"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


def test_nothing_is_lost_twice_or_unexplained_when_receiver_agent_and_network_fall(centre: Centre) -> None:
    receiver = centre.start_receiver()
    centre.enrol()
    agent = centre.start_agent()
    eventually(centre, "a segment", lambda: bool((centre.home / "var" / "catalogue.sqlite").exists()))
    eventually(centre, "two segments", lambda: len(centre.segments()) >= 2)

    receiver.send_signal(signal.SIGKILL)
    receiver.wait()
    kept = len(centre.sealed_at_agent())
    eventually(centre, "segments kept", lambda: len(centre.sealed_at_agent()) >= kept + 2)
    receiver = centre.start_receiver()
    eventually(centre, "what was kept", lambda: len(centre.segments()) >= kept + 2)

    eventually(centre, "an open segment", lambda: bool(centre.open_at_agent()))
    agent.send_signal(signal.SIGKILL)
    agent.wait()
    (torn,) = centre.open_at_agent()
    on_the_disk = read_segment(torn)
    eventually(centre, "the agent being missed", lambda: centre.state() is SourceState.LOST)
    assert [gap.cause for gap in centre.gaps()] == [GapCause.NETWORK]  # until somebody knows better
    before = len(centre.segments())
    agent = centre.start_agent()
    eventually(centre, "more segments", lambda: len(centre.segments()) >= before + 3)

    receiver.send_signal(signal.SIGSTOP)  # a network that swallows everything
    kept = len(centre.sealed_at_agent())
    eventually(centre, "segments kept", lambda: len(centre.sealed_at_agent()) >= kept + 2)
    receiver.send_signal(signal.SIGCONT)
    eventually(centre, "what was kept", lambda: len(centre.segments()) >= kept + 2)

    agent.send_signal(signal.SIGTERM)
    assert agent.wait(60) == 0, centre.said()
    eventually(centre, "the last word", lambda: any(gap.cause is GapCause.STOPPED for gap in centre.gaps()))
    receiver.send_signal(signal.SIGTERM)
    assert receiver.wait(60) == 0, centre.said()

    segments, gaps = centre.segments(), centre.gaps()
    in_ring = {hashlib.sha256((centre.ring / one.path).read_bytes()).hexdigest() for one in segments}
    at_agent = {hashlib.sha256(path.read_bytes()).hexdigest() for path in centre.sealed_at_agent()}
    assert in_ring == at_agent == {one.sha256 for one in segments}
    assert len(in_ring) == len(segments)  # nothing twice
    assert sorted(path.name for path in centre.ring.rglob("*.mp4")) == sorted(
        Path(one.path).name for one in segments
    )
    assert not list(centre.ring.rglob("*.incoming"))

    assert [(gap.cause, gap.end_us is None) for gap in gaps] == [
        (GapCause.CRASH, False),
        (GapCause.STOPPED, True),
    ]
    assert "tester" in gaps[1].detail
    assert holes(segments, gaps) == []
    assert on_the_disk is not None
    (recovered,) = (one for one in segments if one.id == on_the_disk.label.segment_id)
    assert recovered.wall == on_the_disk.wall  # every whole fragment that had reached the disk
    assert gaps[0].start_us == recovered.wall.end_us
    assert centre.time_before_footage().end_us == min(one.wall.start_us for one in segments)
    assert gaps[1].start_us == max(one.wall.end_us for one in segments)
    assert {one.clock_basis for one in segments} == {ClockBasis.AGENT}

    with centre.catalogue() as catalogue:
        assert list(chain_faults(SOURCE, catalogue.footage.chain_of(SOURCE))) == []
        runs = [catalogue.footage.run(run_id) for run_id in {one.run_id for one in segments}]
        assert {run.origin for run in runs if run} == {RunOrigin.AGENT}
        assert sorted(run.end_reason for run in runs if run and run.end_reason) == [
            EndReason.CRASH,
            EndReason.STOPPED,
        ]
    seen = [pair for one in segments for pair in frames_with_strips(centre.ring / one.path)]
    assert len(seen) > 50
    late = sorted(wall - told for wall, told in seen)
    assert late[0] > -100  # no frame is dated before what it shows
    assert late[len(late) // 2] < 300  # drawn every 100 ms, grabbed every 125; a busy machine draws later
    assert [plays(centre.ring / one.path) for one in segments] == [""] * len(segments)
    assert TOKEN not in centre.said()  # invariant 16


def test_a_screen_that_goes_away_is_a_gap_until_it_is_back(tmp_path: Path) -> None:
    with desktop(tmp_path / "screen") as screen:
        centre = Centre(tmp_path, screen)
        try:
            centre.start_receiver()
            centre.enrol()
            agent = centre.start_agent()
            eventually(centre, "the catalogue", lambda: (tmp_path / "var" / "catalogue.sqlite").exists())
            eventually(centre, "a segment", lambda: len(centre.segments()) >= 1)
            screen.end()  # logged out
            eventually(centre, "a gap", lambda: [gap.end_us for gap in centre.gaps()] == [None])
            assert centre.state() is SourceState.LOST
            with desktop(tmp_path / "again", number=screen.name):
                eventually(
                    centre, "its end", lambda: [gap.end_us is None for gap in centre.gaps()] == [False]
                )
                agent.send_signal(signal.SIGTERM)
                assert agent.wait(60) == 0, centre.said()
            lost, stopped = centre.gaps()
            assert (lost.cause, stopped.cause) == (GapCause.CAMERA_LOST, GapCause.STOPPED)
            assert holes(centre.segments(), centre.gaps()) == []
        finally:
            centre.end()


def test_only_the_receiver_with_the_pinned_certificate_is_believed(tmp_path: Path) -> None:
    centre = Centre(tmp_path, None)
    try:
        centre.start_receiver()
        config = centre.enrol()
        twice = centre.jianzheng("enrol", SOURCE, "--recorder", "https://r", "--output", str(config))
        assert twice.wait(60) == 1  # nothing is overwritten
        settings = load_agent_settings(config)

        def ask(**changed: str) -> int:
            with open_client(settings.model_copy(update=changed)) as client:
                return RecorderLink(client, SOURCE).now_us()

        def answers() -> bool:
            try:
                return ask() > 0
            except RecorderUnreachable:
                return False

        eventually(centre, "an answer", answers)
        with pytest.raises(RecorderRefuses, match="certificate"):
            ask(certificate_sha256="0" * 64)
        with pytest.raises(RecorderRefuses, match="certificate"):
            ask(certificate_sha256="")  # no authority of this computer vouches for it
        with pytest.raises(RecorderRefuses, match="certificate"):
            # vouched for, but of another host
            ask(certificate_sha256="", authority=str(tmp_path / "var" / "keys" / "receiver.crt"))
    finally:
        centre.end()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("uri: 'agent:'", "uri: 'rtsp://h/x'"), "no source that an agent sends"),
        ((TOKEN, "short"), "needs 16 letters"),
    ],
)
def test_a_receiver_without_agents_or_with_a_short_token_does_not_start(
    tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    centre = Centre(tmp_path, None)
    try:
        (tmp_path / "cameras.yaml").write_text(CAMERAS.replace(*change), encoding="utf-8")
        assert centre.start_receiver().wait(60) == 1
        assert said in centre.said()
    finally:
        centre.end()
