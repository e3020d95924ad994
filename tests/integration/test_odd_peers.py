"""Datagrams, odd codecs and pushes with programs that we did not write: GStreamer's RTSP server and client,
and FFmpeg. What they send is compared with what FFmpeg itself reads of it."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import pytest

from archiver.decode import DecodeTally, audio_frames, open_decoder, video_frames
from archiver.stretches import SlicePart, Stretch
from capture.memory_rows import MemoryRows
from capture.push.listener import PushListener
from capture.recorder import OpenSource
from capture.rtsp.stream import open_rtsp
from capture.worker import record
from kernel.clock import SystemClock
from kernel.codec import g726
from kernel.isobmff.reader import read_fragments, read_init
from kernel.model.footage import GapCause, Segment, SourceState
from kernel.settings import CaptureSettings, RingSettings, Settings, SourceSpec, Transport
from kernel.timerange import TimeRange
from tests.support.peers import REPOSITORY, free_port, missing

SHARED = REPOSITORY.parent / "shared"
CAMERAS = SHARED / "peers" / "rtsp" / "gst_cams.py"
SMALL = SHARED / "footage" / "small"
PASSWORD = "secret"
CLOCK = SystemClock()


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        missing(name, "on Debian, apt install ffmpeg gstreamer1.0-tools gstreamer1.0-rtsp")
    return found


def made(path: Path, *options: str) -> Path:
    """A file made by FFmpeg from the sample footage."""
    source = SMALL / "cam-h264-aac.mp4"
    if not source.exists():
        missing(str(source), "the sample footage beside the repository is needed")
    command = [program("ffmpeg"), "-v", "error", "-t", "4", "-i", str(source), *options, str(path)]
    subprocess.run(command, check=True, timeout=60)
    return path


@dataclass
class Footage:
    """Files to be sent."""

    mjpeg_opus: Path
    h264_opus: Path
    g726: Path
    aac: Path


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Footage:
    home = tmp_path_factory.mktemp("footage")
    sound = ("-ar", "8000", "-ac", "1", "-code_size", "3")
    jpeg = (
        "-c:v",
        "mjpeg",
        "-huffman",
        "default",
        "-q:v",
        "4",
        "-vf",
        "scale=320:176",
        "-pix_fmt",
        "yuvj420p",
    )
    return Footage(
        mjpeg_opus=made(home / "mjpeg.mkv", *jpeg, "-c:a", "libopus", "-ac", "2"),
        h264_opus=made(home / "opus.mkv", "-c:v", "copy", "-c:a", "libopus", "-frame_duration", "60"),
        g726=made(home / "g726.mkv", "-c:v", "copy", "-c:a", "g726", *sound),
        aac=made(home / "aac.mp4", "-c", "copy"),
    )


@dataclass
class Peer:
    """GStreamer's RTSP server."""

    port: int
    process: subprocess.Popen[str]


def served(footage: Footage, *options: str) -> Peer:
    typelib = Path("/usr/lib/x86_64-linux-gnu/girepository-1.0/GstRtspServer-1.0.typelib")
    if not (CAMERAS.exists() and typelib.exists()):
        missing("the RTSP peer", f"{CAMERAS} and Debian's gir1.2-gst-rtsp-server-1.0, see its README")
    port = free_port()
    command = ["/usr/bin/python3", str(CAMERAS), "--port", str(port), "--user", f"admin:{PASSWORD}", *options]
    command += [f"odd={footage.mjpeg_opus}", f"plain={footage.h264_opus}"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line).get("event") == "ready":
            return Peer(port=port, process=process)
    raise AssertionError("the RTSP peer did not start")


@pytest.fixture(scope="module", params=["tcp", "udp"])
def peer(request: pytest.FixtureRequest, footage: Footage) -> Iterator[tuple[Peer, Transport]]:
    """Digest where all comes by TCP, Basic where all comes by UDP; the other way is not offered."""
    basic = ["--basic"] if request.param == "udp" else []
    running = served(footage, "--protocols", request.param, *basic)
    yield running, Transport(request.param)
    running.process.kill()
    running.process.communicate()


@dataclass
class Recording:
    rows: MemoryRows
    ring: Path

    def of(self, source_id: str) -> list[Segment]:
        return [one for one in self.rows.segments if one.source_id == source_id]

    def joined(self, source_id: str) -> io.BytesIO:
        """All of a run as one file: segments behind each other, the init segment once."""
        data = b""
        for one in self.of(source_id):
            with (self.ring / one.path).open("rb") as file:
                file.seek(read_init(file).size if data else 0)
                data += file.read()
        return io.BytesIO(data)

    def stretch(self, source_id: str) -> Stretch:
        """All of it, as the archiver takes it."""
        parts = tuple(
            SlicePart(
                segment_id=one.id,
                run_id=one.run_id,
                path=str(self.ring / one.path),
                sha256=one.sha256,
                captured=True,
                wall=one.wall,
            )
            for one in self.of(source_id)
        )
        wall = TimeRange(start_us=parts[0].wall.start_us, end_us=parts[-1].wall.end_us)
        return Stretch(wall=wall, slices=parts)

    def samples(self, source_id: str, track: int) -> list[bytes]:
        file = self.joined(source_id)
        found = []
        for fragment in read_fragments(file, read_init(file).size):
            for sample in fragment.runs.get(track, ()):
                file.seek(sample.offset)
                found.append(file.read(sample.size))
        return found


async def run(
    root: Path,
    specs: Sequence[SourceSpec],
    until: Callable[[MemoryRows], bool],
    opener: OpenSource = open_rtsp,
) -> Recording:
    rows, stop = MemoryRows(), asyncio.Event()
    settings = Settings(
        data_dir=root,
        ring=RingSettings(segment_seconds=2, reserve_bytes=0),
        capture=CaptureSettings(retry_seconds=0.2, retry_max_seconds=0.5, silence_seconds=2),
    )
    work = asyncio.create_task(record(specs, settings, rows, CLOCK, stop, open_source=opener))
    async with asyncio.timeout(40):
        while not until(rows):  # noqa: ASYNC110 - rows change on another thread
            await asyncio.sleep(0.1)
        stop.set()
        await work
    return Recording(rows=rows, ring=settings.ring_dir)


def hashes(file: Path | io.BytesIO | str, kind: str, limit: int = 10_000, **options: str) -> list[int]:
    """The decoded pictures or sound blocks as FFmpeg sees them."""
    found: list[int] = []
    with av.open(file, options=options) as container:
        stream = next(one for one in container.streams if one.type == kind)
        for frame in container.decode(stream):
            found.append(hash(frame.to_ndarray().tobytes()))
            if len(found) == limit:
                break
    return found


@pytest.fixture(scope="module")
def recording(peer: tuple[Peer, Transport], tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Some seconds of both cameras at once."""
    running, transport = peer
    specs = [
        SourceSpec(
            id=name,
            content_kind="room",
            uri=f"rtsp://127.0.0.1:{running.port}/{name}",
            username="admin",
            password=PASSWORD,
            label_zh="x",
            transport=transport,
        )
        for name in ("odd", "plain")
    ]

    def enough(rows: MemoryRows) -> bool:
        return all(sum(one.source_id == spec.id for one in rows.segments) >= 3 for spec in specs)

    return asyncio.run(run(tmp_path_factory.mktemp("ring"), specs, enough))


def test_nothing_is_lost_on_the_way(recording: Recording) -> None:
    lost = [gap for gap in recording.rows.gaps if gap.cause is GapCause.DISCONTINUITY]
    assert not lost
    assert len(recording.rows.runs) == 2


def test_jpeg_pictures_are_those_of_the_file_in_its_order(recording: Recording, footage: Footage) -> None:
    sent = hashes(footage.mjpeg_opus, "video")
    kept = hashes(recording.joined("odd"), "video")
    assert len(kept) > 60
    start = sent.index(kept[0])
    assert kept == [sent[(start + number) % len(sent)] for number in range(len(kept))]


def test_jpeg_pictures_are_decoded_by_the_archiver_as_by_ffmpeg(recording: Recording) -> None:
    context = open_decoder(read_init(recording.joined("odd")).video)
    frames = [frame for one in recording.samples("odd", 1) for frame in context.decode(av.Packet(one))]
    assert [hash(frame.to_ndarray().tobytes()) for frame in frames] == hashes(
        recording.joined("odd"), "video"
    )


@pytest.mark.parametrize("name", ["odd", "plain"])
def test_the_archiver_has_every_picture_and_all_sound_with_its_time(recording: Recording, name: str) -> None:
    stretch, tally = recording.stretch(name), DecodeTally()
    shown = list(video_frames(stretch, tally))
    heard = list(audio_frames(stretch, tally))
    assert len(shown) == len(recording.samples(name, 1))
    steps = [after - before for (before, _), (after, _) in pairwise(shown)]
    assert all(39_000 < step < 60_000 for step in steps)  # 40 ms, and once a pass the seam of the peer's loop
    ends = [at_us + frame.samples * 1_000_000 // frame.sample_rate for at_us, frame in heard]
    assert len(heard) > 30
    assert all(abs(end - after) < 30_000 for end, (after, _) in zip(ends, heard[1:], strict=False))
    assert tally.undecodable_units == 0


def test_jpeg_pictures_are_what_ffmpeg_reads_of_the_same_stream(
    peer: tuple[Peer, Transport], recording: Recording
) -> None:
    running, transport = peer
    url = f"rtsp://admin:{PASSWORD}@127.0.0.1:{running.port}/odd"
    read = hashes(url, "video", limit=30, rtsp_transport=transport.value)
    assert len(set(read) & set(hashes(recording.joined("odd"), "video"))) >= 25  # but for FFmpeg's first ones


@pytest.mark.parametrize("name", ["odd", "plain"])
def test_opus_is_kept_as_sent(recording: Recording, footage: Footage, name: str) -> None:
    path = footage.mjpeg_opus if name == "odd" else footage.h264_opus
    with av.open(str(path)) as container:
        sent = [bytes(one) for one in container.demux(audio=0) if one.size]
    kept = recording.samples(name, 2)
    assert len(kept) > 30
    start = sent.index(kept[0])
    assert kept == [sent[(start + number) % len(sent)] for number in range(len(kept))]
    assert len(hashes(recording.joined(name), "audio")) >= len(kept)


def test_pictures_beside_opus_are_those_of_the_file(recording: Recording, footage: Footage) -> None:
    sent, kept = hashes(footage.h264_opus, "video"), hashes(recording.joined("plain"), "video")
    assert len(kept) > 60
    assert set(kept) <= set(sent)


async def pushed(root: Path, command: Callable[[str], list[str]]) -> Recording:
    """What a program pushes for as long as it does."""
    listener = PushListener(CaptureSettings(push_host="127.0.0.1", push_port=0), CLOCK)
    await listener.start()
    spec = SourceSpec(
        id="hall",
        content_kind="room",
        uri="push+rtsp:///hall/1",
        username="cam",
        password=PASSWORD,
        label_zh="x",
    )
    process = None
    try:

        async def begin() -> asyncio.subprocess.Process:
            while not listener._desks:  # noqa: ASYNC110 - before, the path is not found, and programs give up
                await asyncio.sleep(0.05)
            return await asyncio.create_subprocess_exec(
                *command(f"127.0.0.1:{listener.port}/hall/1"),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )

        began = asyncio.create_task(begin())

        def over(rows: MemoryRows) -> bool:
            health = rows.health.get("hall")
            return bool(rows.segments) and health is not None and health.state is SourceState.LOST

        recording = await run(root, [spec], over, listener.open_source)
        process = await began
    finally:
        await listener.stop()
        if process is not None and process.returncode is None:
            process.kill()
        if process is not None:
            await process.wait()
    return recording


def ffmpeg_pushing(path: Path, *options: str) -> Callable[[str], list[str]]:
    command = [program("ffmpeg"), "-v", "error", "-re", "-i", str(path), "-c", "copy", *options, "-f", "rtsp"]
    return lambda where: [*command, f"rtsp://cam:{PASSWORD}@{where}"]


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_what_ffmpeg_pushes_is_recorded_whole(footage: Footage, tmp_path: Path, transport: str) -> None:
    recording = await pushed(tmp_path, ffmpeg_pushing(footage.h264_opus, "-rtsp_transport", transport))
    assert hashes(recording.joined("hall"), "video") == hashes(footage.h264_opus, "video")
    with av.open(str(footage.h264_opus)) as container:
        sent = [bytes(one) for one in container.demux(audio=0) if one.size]
    kept = recording.samples("hall", 2)
    assert kept == sent[sent.index(kept[0]) :]
    assert len(kept) > 0.9 * len(sent)


async def test_what_gstreamer_pushes_is_recorded_whole(footage: Footage, tmp_path: Path) -> None:
    def command(where: str) -> list[str]:
        source = f"filesrc location={footage.h264_opus} ! matroskademux ! h264parse ! identity sync=true ! s."
        sink = f"rtspclientsink name=s location=rtsp://{where} user-id=cam user-pw={PASSWORD} protocols=tcp"
        return [program("gst-launch-1.0"), "-q", *source.split(), *sink.split()]

    recording = await pushed(tmp_path, command)
    sent, kept = hashes(footage.h264_opus, "video"), hashes(recording.joined("hall"), "video")
    assert kept == sent[: len(kept)]
    assert len(kept) >= len(sent) - 1  # its last packet may be cut off by the end of the connection


async def test_g726_pushed_by_ffmpeg_is_kept_code_by_code(footage: Footage, tmp_path: Path) -> None:
    recording = await pushed(tmp_path, ffmpeg_pushing(footage.g726))
    with av.open(str(footage.g726)) as container:
        sent = b"".join(bytes(one) for one in container.demux(audio=0))
    kept = b"".join(recording.samples("hall", 2))
    assert kept in sent
    assert len(kept) > 0.8 * len(sent)


async def test_g726_in_rtps_own_packing_is_kept_code_by_code(footage: Footage, tmp_path: Path) -> None:
    options = ("-c:a", "g726le", "-code_size", "3", "-ar", "8000", "-ac", "1")
    raw = made(tmp_path / "codes", "-vn", *options, "-f", "g726le").read_bytes()
    recording = await pushed(tmp_path, ffmpeg_pushing(footage.aac, *options))
    sent, kept = g726.from_little_endian(raw, 3), b"".join(recording.samples("hall", 2))
    assert kept[:-600] in sent  # its source ends some milliseconds after that of the raw codes
    assert len(kept) > 0.8 * len(sent)


async def test_aac_as_latm_is_kept_as_sent(footage: Footage, tmp_path: Path) -> None:
    recording = await pushed(tmp_path, ffmpeg_pushing(footage.aac, "-rtpflags", "latm"))
    with av.open(str(footage.aac)) as container:
        sent = [bytes(one) for one in container.demux(audio=0) if one.size]
    kept = recording.samples("hall", 2)
    start = sent.index(kept[0])
    assert kept == sent[start : start + len(kept)]
    assert len(kept) > 0.8 * len(sent)
    assert len(hashes(recording.joined("hall"), "audio")) == len(kept)
