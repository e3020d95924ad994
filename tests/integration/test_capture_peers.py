"""The recorder against cameras that we did not write (GStreamer's RTSP server; ``../shared/peers``)."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import socket
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import pytest

from capture.memory_rows import MemoryRows
from capture.packets import Delivery
from capture.rtsp.stream import RtspStream, open_rtsp
from capture.worker import record
from kernel.clock import Clock, SystemClock
from kernel.isobmff.reader import read_fragments, read_init
from kernel.model.footage import ClockBasis, EndReason, GapCause, Packet, Segment, SourceState
from kernel.settings import CaptureSettings, RingSettings, Settings, SourceSpec

SHARED = Path(__file__).parents[2].parent / "shared"
START = SHARED / "peers" / "rtsp" / "start.sh"
PASSWORD = "secret"
CODECS = {
    "room": ("h264", "aac"),
    "seat-g711a": ("h264", "pcm_alaw"),
    "g711u": ("h264", "pcm_mulaw"),
    "seat-h265": ("hevc", None),
    "bframes": ("h264", "aac"),
    "mjpeg": ("mjpeg", None),
}


@dataclass
class Cameras:
    """A peer that runs."""

    port: int
    home: Path

    def tell(self, command: str) -> None:
        (self.home / f"ctl-{self.port}").write_text(command + "\n")


def start(home: Path, *options: str) -> Cameras:
    if (
        not START.exists()
        or not Path("/usr/lib/x86_64-linux-gnu/girepository-1.0/GstRtspServer-1.0.typelib").exists()
    ):
        message = f"no RTSP peer: {START} and Debian's gir1.2-gst-rtsp-server-1.0 are needed, see its README"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(START), str(port), "--user", f"admin:{PASSWORD}", *options]
    subprocess.run(command, check=True, env={**os.environ, "PEER_DIR": str(home)}, timeout=60)
    return Cameras(port=port, home=home)


def end(cameras: Cameras) -> None:
    pid = int((cameras.home / f"cams-{cameras.port}.pid").read_text())
    os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def cameras(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cameras]:
    """Digest, a clock that is right."""
    peer = start(tmp_path_factory.mktemp("peer"))
    yield peer
    end(peer)


@pytest.fixture(scope="module")
def skewed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cameras]:
    """Basic, a clock that is 90 s ahead, sessions that end after 6 s without a sign of life."""
    peer = start(tmp_path_factory.mktemp("skewed"), "--basic", "--skew", "90", "--session-timeout", "6")
    yield peer
    end(peer)


def spec(cameras: Cameras, name: str, *, source_id: str = "", password: str = PASSWORD) -> SourceSpec:
    return SourceSpec(
        id=source_id or name,
        content_kind="room",
        uri=f"rtsp://127.0.0.1:{cameras.port}/{name}",
        username="admin",
        password=password,
        label_zh="x",
    )


class Overheard:
    """What the sources delivered, by source and codec."""

    def __init__(self) -> None:
        self.packets: dict[tuple[str, str], list[Packet]] = defaultdict(list)

    async def open(self, one: SourceSpec, settings: CaptureSettings, clock: Clock) -> RtspStream:
        stream = await open_rtsp(one, settings, clock)
        read = stream.read

        async def listen() -> list[Delivery]:
            found = list(await read())
            for packet in found:
                if isinstance(packet, Packet):
                    kind = "video" if packet.codec.is_video else "sound"
                    if kind == "sound" or packet.key or self.packets[one.id, kind]:
                        self.packets[one.id, kind].append(packet)
            return found

        stream.read = listen  # type: ignore[method-assign]
        return stream


@dataclass
class Recording:
    rows: MemoryRows
    ring: Path
    heard: Overheard

    def of(self, source_id: str) -> list[Segment]:
        return [one for one in self.rows.segments if one.source_id == source_id]

    def sound(self, source_id: str) -> list[bytes]:
        data = []
        for one in self.of(source_id):
            with (self.ring / one.path).open("rb") as file:
                for fragment in read_fragments(file, read_init(file).size):
                    for sample in fragment.runs.get(2, ()):
                        file.seek(sample.offset)
                        data.append(file.read(sample.size))
        return data


async def run(
    root: Path, specs: list[SourceSpec], until: Callable[[MemoryRows], bool] | float, **capture: float
) -> Recording:
    rows, heard, stop = MemoryRows(), Overheard(), asyncio.Event()
    settings = Settings(
        data_dir=root,
        ring=RingSettings(segment_seconds=3, reserve_bytes=0),
        capture=CaptureSettings(
            **{"retry_seconds": 0.2, "retry_max_seconds": 0.5, "silence_seconds": 1.5, **capture}
        ),
    )
    work = asyncio.create_task(record(specs, settings, rows, SystemClock(), stop, open_source=heard.open))
    async with asyncio.timeout(40):
        if callable(until):
            while not until(rows):  # noqa: ASYNC110 - rows change on another thread
                await asyncio.sleep(0.1)
        else:
            await asyncio.sleep(until)
        stop.set()
        await work
    return Recording(rows=rows, ring=settings.ring_dir, heard=heard)


def joined(ring: Path, segments: list[Segment]) -> io.BytesIO:
    """Segments of one run behind each other, the init segment once: their media times go on."""
    data = (ring / segments[0].path).read_bytes()
    for one in segments[1:]:
        with (ring / one.path).open("rb") as file:
            file.seek(read_init(file).size)
            data += file.read()
    return io.BytesIO(data)


def decoded(path: Path | io.BytesIO, kind: str) -> tuple[str, int]:
    with av.open(path) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        stream.codec_context.thread_type = "NONE"
        return stream.codec_context.name, sum(1 for _ in container.decode(stream))


@pytest.fixture(scope="module")
def recording(cameras: Cameras, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Eight seconds of every codec at once."""
    root = tmp_path_factory.mktemp("codecs")
    return asyncio.run(run(root, [spec(cameras, name) for name in CODECS], 8.0))


@pytest.mark.parametrize("name", CODECS)
def test_all_that_was_received_decodes(recording: Recording, name: str) -> None:
    segments = recording.of(name)
    assert len(segments) >= 2
    codec, frames = decoded(joined(recording.ring, segments), "video")
    received = recording.heard.packets[name, "video"]
    # Pictures shown before the very first key frame need one that was sent before we came (open GOP).
    expected = [one for one in received if one.pts >= received[0].pts]
    assert (codec, frames) == (CODECS[name][0], len(expected))


@pytest.mark.parametrize("name", [name for name, codecs in CODECS.items() if codecs[1]])
def test_sound_is_kept_as_sent(recording: Recording, name: str) -> None:
    kept = recording.sound(name)
    sent = [packet.data for packet in recording.heard.packets[name, "sound"]]
    start = sent.index(kept[0])
    assert kept == sent[start : start + len(kept)]
    assert len(kept) > 0.6 * len(sent)
    codec, frames = decoded(recording.ring / recording.of(name)[0].path, "audio")
    assert codec == CODECS[name][1]
    assert frames > 0


@pytest.mark.parametrize("name", CODECS)
def test_wall_time_is_the_cameras_by_its_reports(recording: Recording, name: str) -> None:
    segments = recording.of(name)
    assert {one.clock_basis for one in segments} == {ClockBasis.SENDER_REPORT}
    assert all(abs(one.clock_offset_us) < 500_000 for one in segments)
    told = [one for one in recording.heard.packets[name, "video"] if one.wall_us is not None]
    first = recording.heard.packets[name, "video"][0]
    expected_us = told[0].wall_us - (told[0].pts - first.pts) * 100 // 9
    assert abs(segments[0].wall.start_us - expected_us) < 2_000
    for one, after in pairwise(segments):
        assert one.wall.end_us == after.wall.start_us


async def test_basic_and_a_clock_that_is_off_is_measured_not_believed(
    skewed: Cameras, tmp_path: Path
) -> None:
    made = await run(tmp_path, [spec(skewed, "g711u")], 7.0)
    (only,) = {one.run_id for one in made.rows.segments}
    first = made.rows.segments[0]
    assert first.clock_basis is ClockBasis.ARRIVAL
    assert abs(made.rows.segments[-1].clock_offset_us - 90_000_000) < 500_000
    heard = made.heard.packets["g711u", "video"][0]
    assert abs(first.wall.start_us - heard.arrival_us) < 500_000
    assert made.rows.runs[only].end_reason is EndReason.STOPPED


async def test_wrong_password_and_path_are_told_while_others_go_on(
    cameras: Cameras, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = "wr0ng-Pa55"
    specs = [
        spec(cameras, "seat", source_id="locked", password=wrong),
        spec(cameras, "nothing", source_id="absent"),
        spec(cameras, "seat"),
    ]
    made = await run(tmp_path, specs, lambda rows: len(rows.health) == 3 and bool(rows.segments))
    details = {gap.source_id: gap.detail for gap in made.rows.gaps if gap.cause is GapCause.REFUSED}
    assert "refuses username or password" in details["locked"]
    assert "no such stream" in details["absent"]
    assert made.of("seat")
    said = capsys.readouterr()
    everything = said.out + said.err + str(made.rows.gaps) + str(made.rows.health)
    assert wrong not in everything
    assert f"admin:{PASSWORD}" not in everything


async def test_drop_freeze_and_off_are_outages_with_new_runs(cameras: Cameras, tmp_path: Path) -> None:
    def runs(rows: MemoryRows) -> int:
        return len(rows.runs)

    stage = {"at": 0}

    def script(rows: MemoryRows) -> bool:
        """Each fault as soon as the run after the one before it has begun."""
        recording = rows.health.get("seat") and rows.health["seat"].state is SourceState.RECORDING
        lost = rows.health.get("seat") and rows.health["seat"].state in (
            SourceState.LOST,
            SourceState.REFUSED,
        )
        steps: list[tuple[bool, str]] = [
            (bool(recording) and runs(rows) == 1, "drop seat"),
            (bool(recording) and runs(rows) == 2, "freeze seat"),
            (bool(lost), "thaw seat"),
            (bool(recording) and runs(rows) == 3, "off seat"),
            (bool(lost), "on seat"),
            (bool(recording) and runs(rows) == 4, ""),
        ]
        ready, command = steps[stage["at"]]
        if ready:
            stage["at"] += 1
            if command:
                cameras.tell(command)
        return stage["at"] == len(steps)

    made = await run(tmp_path, [spec(cameras, "seat")], script, report_seconds=1)
    runs_made = list(made.rows.runs.values())
    assert [one.end_reason for one in runs_made[:3]] == [EndReason.SOURCE_LOST] * 3
    outages = [gap for gap in made.rows.gaps if gap.cause is GapCause.CAMERA_LOST]
    assert len(outages) == 3
    for before, after in pairwise(runs_made):
        assert any((gap.start_us, gap.end_us) == (before.ended_us, after.started_us) for gap in outages)
    frames = sum(decoded(made.ring / one.path, "video")[1] for one in made.rows.segments)
    assert frames <= len(made.heard.packets["seat", "video"])
    assert frames >= 0.5 * len(made.heard.packets["seat", "video"])
