"""What goes wrong at a centre: each time one clear sentence with the remedy, and everything else goes on.

The real command runs in processes of its own, against a simulated centre and against bad devices.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
import yaml

from catalog.catalogue import Catalogue
from kernel.chain import GENESIS_CHAIN, chain_value
from kernel.clock import SystemClock
from kernel.model.footage import EndReason, Gap, GapCause, Hold, Segment, SourceHealth, SourceState
from kernel.model.source import ContentKind
from kernel.segments.readable import read_segment
from kernel.timerange import TimeRange
from simulator.centre import SimulatedCentre, SimulatedSource
from tests.support.peers import REPOSITORY, free_port, missing

USERNAME, PASSWORD = "inspector", "Right-Passw0rd"
WRONG_PASSWORD = "Wr0ng-Passw0rd"
FAST = {
    "JIANZHENG_RING__SEGMENT_SECONDS": "2",
    "JIANZHENG_RING__RESERVE_BYTES": "1000000",
    "JIANZHENG_CAPTURE__CONNECT_SECONDS": "3",
    "JIANZHENG_CAPTURE__REPORT_SECONDS": "1",
    "JIANZHENG_CAPTURE__RETRY_SECONDS": "0.2",
    "JIANZHENG_CAPTURE__RETRY_MAX_SECONDS": "0.4",
}
"""As shipped, only less patient and with shorter segments."""
ALWAYS = TimeRange(start_us=0, end_us=1 << 60)


# --- a centre with good and bad devices ---------------------------------------------------------------------


def sdp_of(media: str) -> str:
    return f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\n{media}a=control:track0\r\n"


DESCRIPTIONS = {
    "/sound": sdp_of("m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"),
    "/vp8": sdp_of("m=video 0 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"),
}


class Street:
    """In a thread of its own: one good camera, a device that never answers, two without use."""

    def __init__(self) -> None:
        self.good = self.silent = self.odd = 0  # ports
        self.asked_in_vain = 0  # connections to the silent device
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="street")

    def __enter__(self) -> Street:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(20)

    async def _serve(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        source = SimulatedSource(
            id="good", content_kind=ContentKind.SEAT_FACE, label_zh="好", width=320, height=180
        )
        centre = SimulatedCentre([source], clock=SystemClock(), username=USERNAME, password=PASSWORD)
        silent = await asyncio.start_server(self._say_nothing, "127.0.0.1", 0)
        odd = await asyncio.start_server(self._describe, "127.0.0.1", 0)
        async with centre, silent, odd:
            self.good = centre.port
            self.silent, self.odd = (one.sockets[0].getsockname()[1] for one in (silent, odd))
            self._ready.set()
            await self._ended.wait()

    async def _say_nothing(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked_in_vain += 1
        with suppress(OSError):
            while await reader.read(4096):
                pass
        writer.close()

    async def _describe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                writer.write(_answer((await reader.readuntil(b"\r\n\r\n")).decode()))
        writer.close()


def _answer(request: str) -> bytes:
    method, uri = request.split()[:2]
    cseq = re.search(r"CSeq: *(\d+)", request, re.IGNORECASE)
    body = ""
    if method == "DESCRIBE":
        body = next(text for path, text in DESCRIPTIONS.items() if uri.endswith(path))
    head = f"RTSP/1.0 200 OK\r\nCSeq: {cseq.group(1) if cseq else 0}\r\nPublic: OPTIONS, DESCRIBE\r\n"
    return f"{head}Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


@pytest.fixture(scope="module")
def street() -> Iterator[Street]:
    with Street() as one:
        yield one


# --- the command, as a user runs it -------------------------------------------------------------------------


def surroundings(more: Mapping[str, str]) -> dict[str, str]:
    """Nothing of the developer's own settings, wherever the command is started from."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("JIANZHENG_")}
    return {**own, "PYTHONPATH": str(REPOSITORY), **more}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from cli.main import main; main()", *arguments]


def jianzheng(
    *arguments: str, home: Path, seconds: float = 60, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run to its end."""
    return subprocess.run(
        command(*arguments),
        cwd=home,
        env=surroundings(environment),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


class Recorder:
    """A running ``jianzheng capture``."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def said(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


@contextmanager
def recording(home: Path, **environment: str) -> Iterator[Recorder]:
    """``jianzheng capture`` on ``home/cameras.yaml`` and ``home/data``."""
    log = home / f"capture-{len(list(home.glob('capture-*')))}.log"
    arguments = ["capture", "--cameras", "cameras.yaml", "--data-dir", "data", "--as", "tester"]
    with log.open("wb") as said:
        process = subprocess.Popen(
            command(*arguments),
            cwd=home,
            env=surroundings({**FAST, **environment}),
            stdout=said,
            stderr=said,
        )
    try:
        yield Recorder(process, log)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def eventually(condition: Callable[[], Any], said: Callable[[], str] = str, seconds: float = 25) -> Any:
    """Wait until a condition holds; what was said meanwhile explains why it does not."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, said()[-3000:]
        time.sleep(0.1)
    return found


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence that a command failed with."""
    assert done.returncode == 1, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("错误 Error: "), line
    assert "Traceback" not in done.stdout
    return line.removeprefix("错误 Error: ")


def agrees(home: Path) -> None:
    checked = jianzheng("check", "--data-dir", "data", home=home)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def source_of(source_id: str, port: int, path: str = "good", password: str = PASSWORD) -> dict[str, str]:
    return {
        "id": source_id,
        "content_kind": "room",
        "uri": f"rtsp://127.0.0.1:{port}/{path}",
        "username": USERNAME,
        "password": password,
        "label_zh": source_id,
    }


def cameras_of(*sources: Mapping[str, str]) -> dict[str, Any]:
    room = {"id": "R", "kind": "opening_hall", "name_zh": "厅", "sources": list(sources)}
    return {"sites": [{"id": "S", "region": "530602", "name_zh": "样例", "rooms": [room]}]}


def write_cameras(home: Path, *sources: Mapping[str, str]) -> None:
    (home / "cameras.yaml").write_text(yaml.safe_dump(cameras_of(*sources)), encoding="utf-8")


class Kept:
    """What the catalogue and the ring of a data directory hold; looked at anew each time."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.ring = home / "data" / "ring"

    def _read(self, look: Callable[[Catalogue], Any], nothing: Any) -> Any:
        # The recorder makes and migrates the catalogue before it takes its lock.
        if not (self.home / "data" / ".recorder.lock").exists():
            return nothing
        with closing(Catalogue.open(f"sqlite:///{self.home / 'data' / 'catalogue.sqlite'}")) as catalogue:
            return look(catalogue)

    def health(self) -> dict[str, SourceHealth]:
        found: dict[str, SourceHealth] = self._read(lambda catalogue: catalogue.footage.health(), {})
        return found

    def state(self, source_id: str = "good") -> SourceState | None:
        row = self.health().get(source_id)
        return row.state if row else None

    def segments(self, source_id: str = "good") -> list[Segment]:
        found: list[Segment] = self._read(lambda one: one.footage.segments_of(source_id, ALWAYS), [])
        return found

    def hold_everything(self, source_id: str = "good") -> None:
        hold = Hold(
            id="hold",
            source_id=source_id,
            wall=ALWAYS,
            reason="a test of a full disk",
            principal="tester",
            made_us=0,
        )
        self._read(lambda catalogue: catalogue.holds.make(hold), None)

    def gaps(self, source_id: str = "good") -> list[Gap]:
        found: list[Gap] = self._read(lambda one: one.footage.gaps_of(source_id, ALWAYS), [])
        return sorted(found, key=lambda gap: gap.start_us)


def assert_valid(kept: Kept, segments: list[Segment]) -> None:
    """Each is what its row says, decodes whole, and the chain holds."""
    previous = GENESIS_CHAIN
    for segment in segments:
        data = (kept.ring / segment.path).read_bytes()
        digest = hashlib.sha256(data)
        assert (len(data), digest.hexdigest()) == (segment.size_bytes, segment.sha256)
        previous = chain_value(previous, digest.digest())
        assert segment.chain == previous
        assert frames_of(kept.ring / segment.path) > 0


def frames_of(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def assert_no_time_is_unaccounted_for(kept: Kept) -> None:
    """Between two segments of a source there is nothing, or a gap of exactly that time (invariant 5)."""
    segments, gaps = kept.segments(), kept.gaps()
    for one, after in pairwise(segments):
        if one.run_id != after.run_id:
            holes = [(gap.start_us, gap.end_us) for gap in gaps]
            assert (one.wall.end_us, after.wall.start_us) in holes


# --- bad sources beside a good one --------------------------------------------------------------------------

BAD = {
    "locked": (SourceState.REFUSED, GapCause.REFUSED, "refuses username or password", "Correct username"),
    "absent": (SourceState.REFUSED, GapCause.REFUSED, "has no such stream", "Correct the path"),
    "sound": (SourceState.REFUSED, GapCause.REFUSED, "carries no video", "Choose the device's video"),
    "vp8": (SourceState.REFUSED, GapCause.REFUSED, "codec VP8 cannot be recorded", "H.264 or H.265"),
    "dead": (
        SourceState.LOST,
        GapCause.CAMERA_LOST,
        "reached (Connection refused).",
        "Check address and port",
    ),
    "silent": (SourceState.LOST, GapCause.CAMERA_LOST, "no answer", "Restart the device"),
}
"""State, cause of the gap, what is said, and its remedy."""


@dataclass(frozen=True, kw_only=True)
class Day:
    """A recorder that ran with all of them for some seconds."""

    status: int
    said: str
    health: dict[str, SourceHealth]  # before it was stopped
    kept: Kept


@pytest.fixture(scope="module")
def day(street: Street, tmp_path_factory: pytest.TempPathFactory) -> Day:
    home = tmp_path_factory.mktemp("day")
    write_cameras(
        home,
        source_of("good", street.good),
        # The same device under another name: two sources of one uri are refused.
        {**source_of("locked", 0, password=WRONG_PASSWORD), "uri": f"rtsp://localhost:{street.good}/good"},
        source_of("absent", street.good, "nothing"),
        source_of("sound", street.odd, "sound"),
        source_of("vp8", street.odd, "vp8"),
        source_of("dead", free_port()),
        source_of("silent", street.silent),
    )
    kept = Kept(home)
    with recording(home) as recorder:
        eventually(
            lambda: len(kept.segments()) >= 2 and street.asked_in_vain >= 2 and len(kept.health()) == 7,
            lambda: recorder.said,
        )
        health = kept.health()
        status = recorder.end()
        return Day(status=status, said=recorder.said, health=health, kept=kept)


def test_a_recorder_with_bad_sources_ends_well_when_told_to(day: Day) -> None:
    assert day.status == 0, day.said
    assert "Traceback" not in day.said
    assert "Error" not in day.said


@pytest.mark.parametrize("name", BAD)
def test_a_bad_source_is_told_once_with_its_remedy(day: Day, name: str) -> None:
    _, _, said, remedy = BAD[name]
    (line,) = [line for line in day.said.splitlines() if f"source {name}:" in line]
    assert "[warning" in line
    assert said in line
    assert remedy in line


@pytest.mark.parametrize("name", BAD)
def test_a_bad_source_is_told_on_the_page_and_leaves_a_gap_with_its_cause(day: Day, name: str) -> None:
    state, cause, said, remedy = BAD[name]
    assert day.health[name].state is state
    assert said in day.health[name].detail
    assert remedy in day.health[name].detail
    outage, stopped = day.kept.gaps(name)
    assert (outage.cause, stopped.cause) == (cause, GapCause.STOPPED)
    assert said in outage.detail
    assert outage.end_us == stopped.start_us
    assert not day.kept.segments(name)


def test_the_good_source_beside_bad_ones_is_recorded_and_agrees(day: Day) -> None:
    assert day.health["good"].state is SourceState.RECORDING
    segments = day.kept.segments()
    assert len(segments) >= 2
    assert_valid(day.kept, segments)
    assert {gap.cause for gap in day.kept.gaps()} <= {GapCause.NOT_RECORDING, GapCause.STOPPED}
    agrees(day.kept.home)


def test_no_credential_is_said_or_kept(day: Day) -> None:
    kept = [path.read_bytes() for path in (day.kept.home / "data").rglob("*") if path.is_file()]
    for secret in (PASSWORD, WRONG_PASSWORD, f"{USERNAME}:", f"{USERNAME}@"):
        assert secret not in day.said
        assert not any(secret.encode() in data for data in kept)


# --- settings that cannot be used ---------------------------------------------------------------------------


def broken_files() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Name -> text of a cameras.yaml, and what must be said of it."""
    good = source_of("hall", 554)
    unknown = cameras_of({**good, "colour": "red"})
    twins = cameras_of(good, good)
    inside = cameras_of({**good, "uri": f"rtsp://{USERNAME}:{PASSWORD}@127.0.0.1/good"})
    port = cameras_of({**good, "uri": "rtsp://127.0.0.1:99999/good"})
    return {
        "not-yaml": ("sites:\n- id: S\n  name_zh: [\n", ("is not YAML in line 4", "Correct it")),
        "unknown-key": (yaml.safe_dump(unknown), ("unknown key", "colour", "Correct it")),
        "twins": (yaml.safe_dump(twins), ("source id hall is used more than once", "Correct it")),
        "credentials": (yaml.safe_dump(inside), ("must not carry credentials; put them in username",)),
        "port": (yaml.safe_dump(port), ("uri", "Correct it")),
        "empty": ("", ("cameras.yaml", "Correct it")),
    }


@pytest.mark.parametrize("name", broken_files())
def test_a_broken_cameras_file_is_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    text, expected = broken_files()[name]
    (tmp_path / "cameras.yaml").write_text(text, encoding="utf-8")
    said = sentence(jianzheng("capture", "--data-dir", "data", home=tmp_path, seconds=60))
    assert "cameras.yaml" in said
    for part in expected:
        assert part in said
    assert PASSWORD not in said
    assert not (tmp_path / "data").exists()


def test_a_missing_cameras_file_is_said_with_the_option_that_names_another(tmp_path: Path) -> None:
    said = sentence(jianzheng("capture", "--cameras", "none.yaml", home=tmp_path))
    assert said.startswith("none.yaml does not exist.")
    assert "--cameras" in said


def test_an_unknown_key_of_the_settings_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "jianzheng.toml").write_text("[ring]\nsegment_second = 60\n", encoding="utf-8")
    said = sentence(jianzheng("capture", home=tmp_path))
    assert "jianzheng.toml" in said
    assert "unknown key ring.segment_second." in said


def test_an_unknown_variable_of_the_environment_is_named(tmp_path: Path) -> None:
    said = sentence(jianzheng("capture", home=tmp_path, JIANZHENG_CAMERA="cameras.yaml"))
    assert "JIANZHENG_CAMERA names no setting" in said


# --- ports and addresses ------------------------------------------------------------------------------------


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        yield int(holder.getsockname()[1])


@pytest.mark.parametrize("name", ["serve", "simulate"])
def test_a_busy_port_is_said_with_the_option_that_names_another(
    tmp_path: Path, taken: int, name: str
) -> None:
    said = sentence(jianzheng(name, "--port", str(taken), home=tmp_path, seconds=60))
    assert f"127.0.0.1:{taken} (Address already in use)." in said
    assert "another port with --port" in said


@pytest.mark.parametrize("which", ["page", "centre"])
def test_a_demo_whose_port_is_busy_ends_at_once_and_leaves_nothing_running(
    tmp_path: Path, taken: int, which: str
) -> None:
    page, centre = (taken, free_port()) if which == "page" else (free_port(), taken)
    write_cameras(tmp_path, source_of("hall-camera", centre))
    data = str(tmp_path / "demo")
    done = jianzheng("demo", "--data-dir", data, "--port", str(page), home=tmp_path, seconds=30)
    said = sentence(done)
    assert f"127.0.0.1:{taken} (Address already in use)." in said
    assert ("--port" if which == "page" else "cameras.yaml") in said
    assert not processes_with(data)


def test_a_demo_that_is_told_to_end_leaves_nothing_running(tmp_path: Path) -> None:
    write_cameras(tmp_path, source_of("hall-camera", free_port()))
    data = str(tmp_path / "demo")
    arguments = command("demo", "--data-dir", data, "--port", str(free_port()))
    with subprocess.Popen(
        arguments, cwd=tmp_path, env=surroundings({}), stdout=subprocess.DEVNULL
    ) as process:
        eventually(lambda: len(processes_with(data)) >= 2)
        process.terminate()
        assert process.wait(20) == 0
    assert not processes_with(data)


def processes_with(word: str) -> list[str]:
    """Running programs that have a word among their arguments or variables."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if word.encode() in (process / "cmdline").read_bytes() + (process / "environ").read_bytes():
                found.append(process.name)
    return found


def test_a_port_that_is_none_is_a_usage_error(tmp_path: Path) -> None:
    done = jianzheng("serve", "--port", "70000", home=tmp_path)
    assert done.returncode == 2
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_page_is_not_served_to_the_network_and_why_is_said(tmp_path: Path) -> None:
    open_to_all = jianzheng("serve", "--without-accounts", "--host", "0.0.0.0", home=tmp_path)
    without_https = jianzheng("serve", "--host", "0.0.0.0", home=tmp_path)
    for said, why in (
        (sentence(open_to_all), "Without accounts"),
        (sentence(without_https), "Without HTTPS"),
    ):
        assert "loopback addresses only, not on 0.0.0.0" in said
        assert why in said
        assert "--host 127.0.0.1" in said


# --- a full disk --------------------------------------------------------------------------------------------

MEGABYTE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Disk:
    """A home, and the disk that its data directory is on."""

    home: Path
    small: bool  # a file system of its own, that can be filled to the last byte


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A data directory that is a file system of 24 MB; without the right to mount one, any."""
    place = tmp_path / "data"
    place.mkdir()
    options = ["-t", "tmpfs", "-o", "size=24m", "jianzheng-test", str(place)]
    mount = shutil.which("mount") if os.geteuid() == 0 else None
    if mount is None or subprocess.run([mount, *options], capture_output=True, check=False).returncode:
        yield Disk(home=tmp_path, small=False)
        return
    try:
        yield Disk(home=tmp_path, small=True)
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def reserve_of(disk: Disk, kind: str) -> int:
    """How many bytes the recorder shall leave free, so that a test can take the rest."""
    if disk.small:
        return 8 * MEGABYTE if kind == "reserve" else 0
    if kind != "reserve":
        missing("a disk that can be filled", "mounting a small one needs root and Linux")
    return free(disk.home) - 200 * MEGABYTE


def free(place: Path) -> int:
    told = os.statvfs(place)
    return told.f_bavail * told.f_frsize


def fill(place: Path, leave: int) -> Path:
    """Somebody else's file that takes all room but so many bytes."""
    path = place / "film.mkv"
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while (rest := free(place) - leave) > 0:
            file.write(bytes(min(rest, MEGABYTE)))
    return path


@pytest.mark.parametrize("kind", ["reserve", "last-byte"])
def test_a_full_disk_stops_recording_with_an_alarm_and_loses_nothing(
    street: Street, disk: Disk, kind: str
) -> None:
    write_cameras(disk.home, source_of("good", street.good))
    kept, data, reserve = Kept(disk.home), disk.home / "data", reserve_of(disk, kind)
    room = {"JIANZHENG_RING__RESERVE_BYTES": str(reserve), "JIANZHENG_RING__MAKE_ROOM_BYTES": "0"}
    with recording(disk.home, **room) as recorder:
        eventually(lambda: len(kept.segments()) >= 1, lambda: recorder.said)
        kept.hold_everything()  # so that nothing may be removed to make room (invariant 8)
        film = fill(data, reserve)
        eventually(lambda: "action=source.lost" in recorder.said, lambda: recorder.said)
        before = {path: path.read_bytes() for path in (data / "ring").rglob("*.mp4")}
        for _ in range(10):  # long enough for some more tries
            assert recorder.process.poll() is None, recorder.said
            time.sleep(0.1)
        if reserve:
            (row,) = kept.health().values()
            assert row.state is SourceState.LOST
            assert "disk" in row.detail
            assert "Free space" in row.detail
        film.unlink()
        lost = len(before)
        eventually(lambda: len(kept.segments()) > lost, lambda: recorder.said)
        assert kept.state() is SourceState.RECORDING
        assert recorder.end() == 0, recorder.said
        said = recorder.said
    alarms = [line for line in said.splitlines() if "[error" in line]
    assert len(alarms) <= 6, said  # of source, ring and catalogue: each once a period, not at each try
    assert any("is full" in line and "data/ring" in line for line in alarms), said
    remedies = ("Free space", "Run 'jianzheng doctor'", "release holds")
    assert all(any(remedy in line for remedy in remedies) for line in alarms), said
    assert "Traceback" not in said
    for path, content in before.items():
        assert path.read_bytes() == content
    assert_valid(kept, kept.segments())
    outage = next(gap for gap in kept.gaps() if "is full" in gap.detail)
    assert outage.cause is GapCause.DISK_FULL or "catalogue" in outage.detail
    assert_no_time_is_unaccounted_for(kept)
    agrees(disk.home)


# --- two recorders, and a recorder that is killed -----------------------------------------------------------


def test_a_second_recorder_is_refused_and_the_first_one_goes_on(street: Street, tmp_path: Path) -> None:
    write_cameras(tmp_path, source_of("good", street.good))
    kept = Kept(tmp_path)
    with recording(tmp_path) as first:
        eventually(lambda: kept.state() is SourceState.RECORDING, lambda: first.said)
        said = sentence(jianzheng("capture", "--data-dir", "data", home=tmp_path))
        assert "another recorder works in data." in said
        assert "another data_dir" in said
        assert first.process.poll() is None
        assert first.end() == 0
    assert_valid(kept, kept.segments())


def test_a_recorder_that_is_killed_loses_no_whole_fragment(street: Street, tmp_path: Path) -> None:
    write_cameras(tmp_path, source_of("good", street.good))
    kept = Kept(tmp_path)
    long = {"JIANZHENG_RING__SEGMENT_SECONDS": "60"}
    with recording(tmp_path, **long) as recorder:
        part = eventually(lambda: next(kept.ring.rglob("*.part"), None), lambda: recorder.said)
        two_seconds = 2_000_000
        eventually(lambda: (told := read_segment(part)) and told.wall.duration_us > two_seconds)
        recorder.end(signal.SIGKILL)
    told = read_segment(part)
    assert told is not None
    with recording(tmp_path, **long) as again:
        eventually(
            lambda: any(gap.cause is GapCause.CRASH and gap.end_us for gap in kept.gaps()), lambda: again.said
        )
        assert again.end() == 0, again.said
        assert "a crash was settled" in again.said
    recovered, after = kept.segments()
    assert recovered.end_reason is EndReason.CRASH
    assert (recovered.size_bytes, recovered.wall) == (told.size, told.wall)
    assert_valid(kept, [recovered, after])
    crash = next(gap for gap in kept.gaps() if gap.cause is GapCause.CRASH)
    assert (crash.start_us, crash.end_us) == (recovered.wall.end_us, after.wall.start_us)
    agrees(tmp_path)


# --- the doctor ---------------------------------------------------------------------------------------------


def test_the_doctor_finds_nothing_where_all_is_well(street: Street, tmp_path: Path) -> None:
    write_cameras(tmp_path, source_of("good", street.good))
    done = jianzheng("doctor", "--data-dir", "data", home=tmp_path, **FAST)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✗" not in done.stdout


def test_the_doctor_names_a_dead_source_and_a_directory_that_cannot_be_written(
    street: Street, tmp_path: Path
) -> None:
    port = free_port()
    write_cameras(tmp_path, source_of("good", street.good), source_of("dead", port))
    (tmp_path / "file").touch()
    done = jianzheng("doctor", "--data-dir", "file/data", home=tmp_path, **FAST)
    assert (done.returncode, done.stderr) == (1, "")
    ill = [line for line in done.stdout.splitlines() if "✗" in line]
    assert any(
        "source dead" in line and f"127.0.0.1:{port} " in line and "Check address and port" in line
        for line in ill
    )
    assert any("data_dir" in line and "file/data" in line and "another data_dir" in line for line in ill)
    assert not any("source good" in line for line in ill)
    assert PASSWORD not in done.stdout


@pytest.mark.parametrize("name", ["not-yaml", "unknown-key", "credentials", "port"])
def test_the_doctor_names_what_is_broken_in_a_cameras_file_and_looks_at_the_rest(
    tmp_path: Path, name: str
) -> None:
    text, expected = broken_files()[name]
    (tmp_path / "cameras.yaml").write_text(text, encoding="utf-8")
    done = jianzheng("doctor", "--data-dir", "data", home=tmp_path, **FAST)
    assert (done.returncode, done.stderr) == (1, "")
    (line,) = [line for line in done.stdout.splitlines() if "✗" in line]
    for part in expected:
        assert part in line
    assert PASSWORD not in done.stdout
    assert "catalogue" in done.stdout
