"""The recorder against FFmpeg as a pusher and as a server of RTMP (``../shared/footage``)."""

from __future__ import annotations

import asyncio
import io
import shutil
import signal
import socket
import statistics
import subprocess
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import pytest

from capture.libav.source import LibavSource, open_libav
from capture.memory_rows import MemoryRows
from capture.packets import TrackStarted
from capture.worker import record
from kernel.clock import SystemClock
from kernel.errors import JianzhengError, SourceUnreachable
from kernel.isobmff.reader import read_fragments, read_init
from kernel.model.footage import ClockBasis, EndReason, GapCause, Packet, Segment
from kernel.settings import CaptureSettings, RingSettings, Settings, SourceSpec
from simulator import timestrip
from tests.support.libav_threads import live_threads
from tests.support.peers import free_port, missing
from tests.support.segments import HEIGHT, WIDTH, picture

FOOTAGE = Path(__file__).parents[2].parent / "shared" / "footage"
ROOM = FOOTAGE / "room-panorama-h264-aac.mp4"
CAPTURE = CaptureSettings(connect_seconds=3, silence_seconds=2, retry_seconds=0.2, retry_max_seconds=0.5)


@pytest.fixture(autouse=True)
def _peers_are_there() -> None:
    if shutil.which("ffmpeg") is None:
        missing("ffmpeg", "on Debian, apt install ffmpeg")
    if not ROOM.exists():
        missing(str(ROOM), "the footage that comes with the project's tests")


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """A blocked thread ends by its time-out."""
    before = live_threads()
    yield
    for thread in threading.enumerate():
        if thread.name.startswith("libav "):
            thread.join(30)
    assert live_threads() <= before


def spec(uri: str) -> SourceSpec:
    return SourceSpec(id="cam", content_kind="room", uri=uri, label_zh="x")


@contextmanager
def ffmpeg(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    command = ["ffmpeg", "-nostdin", "-loglevel", "error", *arguments]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def until_listening(port: int) -> None:
    """Without calling: FFmpeg's server serves one caller."""
    for _ in range(200):
        listening = Path("/proc/net/tcp").read_text()
        if f":{port:04X} 00000000:0000 0A" in listening:
            return
        threading.Event().wait(0.05)
    raise AssertionError(f"nobody listens on {port}")


def push(port: int, *options: str) -> subprocess.Popen[bytes]:
    until_listening(port)
    command = ["ffmpeg", "-nostdin", "-loglevel", "error", "-re", "-i", str(ROOM)]
    command += [*(options or ("-c", "copy")), "-f", "flv", f"rtmp://127.0.0.1:{port}/live/x"]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


async def pushed(port: int, *options: str) -> subprocess.Popen[bytes]:
    return await asyncio.to_thread(push, port, *options)


async def until(met: Callable[[], bool]) -> None:
    while not met():  # noqa: ASYNC110 - rows change on another thread
        await asyncio.sleep(0.1)


async def recorded(
    root: Path, uri: str, work: Callable[[MemoryRows], Coroutine[None, None, None]]
) -> MemoryRows:
    """Record while the work goes on."""
    rows, stop = MemoryRows(), asyncio.Event()
    settings = Settings(data_dir=root, ring=RingSettings(segment_seconds=3, reserve_bytes=0), capture=CAPTURE)
    recording = asyncio.create_task(
        record([spec(uri)], settings, rows, SystemClock(), stop, open_source=open_libav)
    )
    async with asyncio.timeout(60):
        await work(rows)
        stop.set()
        await recording
    return rows


def joined(ring: Path, segments: list[Segment]) -> io.BytesIO:
    data = (ring / segments[0].path).read_bytes()
    for one in segments[1:]:
        with (ring / one.path).open("rb") as file:
            file.seek(read_init(file).size)
            data += file.read()
    return io.BytesIO(data)


def frames(data: Path | io.BytesIO, kind: str, seconds: float = 1e9) -> list[int]:
    """What is decoded, each frame by a sum over its bytes."""
    with av.open(data) as container:
        stream = next(one for one in container.streams if one.type == kind)
        stream.codec_context.thread_type = "NONE"
        found = []
        for frame in container.decode(stream):
            if (frame.time or 0) > seconds:
                break
            found.append(int(frame.to_ndarray().astype("int64").sum()))
        return found


async def wait_for_packets(source: LibavSource, pictures: int) -> list[Packet | TrackStarted]:
    found: list[Packet | TrackStarted] = []
    while sum(isinstance(one, Packet) and one.codec.is_video for one in found) < pictures:
        found += await source.read()  # type: ignore[arg-type]
    return found


async def test_what_is_pushed_is_recorded_whole_and_again_after_the_pusher_came_back(tmp_path: Path) -> None:
    port = free_port()

    async def two_pushes(rows: MemoryRows) -> None:
        for _ in range(2):
            known = len(rows.runs)
            process = await pushed(port, "-t", "7", "-c", "copy")
            await until(lambda: sum(run.ended_us is not None for run in rows.runs.values()) > known)  # noqa: B023
            process.wait()

    rows = await recorded(tmp_path, f"push+rtmp://127.0.0.1:{port}/live/x", two_pushes)
    assert len(rows.runs) == 2
    assert {run.end_reason for run in rows.runs.values()} == {EndReason.SOURCE_LOST}
    original = frames(ROOM, "video", 6.9)
    for run in rows.runs.values():
        segments = [one for one in rows.segments if one.run_id == run.id]
        assert len(segments) >= 2
        assert {one.clock_basis for one in segments} == {ClockBasis.ARRIVAL}
        kept = frames(joined(tmp_path / "ring", segments), "video")
        assert len(kept) >= 170
        assert kept[:170] == original[:170]
    between = [gap for gap in rows.gaps if gap.cause is GapCause.CAMERA_LOST and gap.end_us is not None]
    first, second = rows.runs.values()
    assert (first.ended_us, second.started_us) in [(gap.start_us, gap.end_us) for gap in between]


async def test_sound_lies_where_the_pusher_put_it(tmp_path: Path) -> None:
    """Picture and sound of RTMP share one clock: no estimate stands between them."""
    port = free_port()

    async def one_push(rows: MemoryRows) -> None:
        process = await pushed(port, "-t", "8", "-c", "copy")
        await until(lambda: any(run.ended_us for run in rows.runs.values()))
        process.wait()

    rows = await recorded(tmp_path, f"push+rtmp://127.0.0.1:{port}/live/x", one_push)
    with av.open(ROOM) as container:
        sent = {bytes(one): float(one.pts * one.time_base) for one in container.demux(audio=0) if one.size}
    ring = tmp_path / "ring"
    differences = []
    for segment in rows.segments:
        with (ring / segment.path).open("rb") as file:
            init = read_init(file)
            assert init.audio is not None
            for fragment in read_fragments(file, init.size):
                for sample in fragment.runs.get(2, ()):
                    file.seek(sample.offset)
                    told = sent[file.read(sample.size)]
                    differences.append(sample.pts / init.audio.timescale - told)
    assert len(differences) > 50
    assert max(differences) - min(differences) < 0.002
    assert max(map(abs, differences)) < 0.09  # the picture's first frame is 80 ms into the stream


def push_live(port: int, seconds: float) -> None:
    """Pictures with the time of their making drawn into them, sent as they are made."""
    until_listening(port)
    raw = ("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{WIDTH}x{HEIGHT}", "-r", "15", "-i", "-")
    coded = ("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "15", "-f", "flv")
    command = ["ffmpeg", "-loglevel", "error", *raw, *coded, f"rtmp://127.0.0.1:{port}/live/x"]
    clock = SystemClock()
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for _ in range(round(15 * seconds)):
            process.stdin.write(picture(clock.now_us()).to_ndarray().tobytes())
            process.stdin.flush()
            clock.sleep(1 / 15)


async def test_wall_time_is_that_of_the_pictures_making(tmp_path: Path) -> None:
    """Least-delay arrival, although FFmpeg hands out the first seconds late and all at once."""
    port = free_port()

    async def one_push(rows: MemoryRows) -> None:
        await asyncio.to_thread(push_live, port, 12)
        await until(lambda: any(run.ended_us for run in rows.runs.values()))

    rows = await recorded(tmp_path, f"push+rtmp://127.0.0.1:{port}/live/x", one_push)
    errors_ms = []
    for segment in rows.segments:
        with av.open(tmp_path / "ring" / segment.path) as container:
            for frame in container.decode(video=0):
                drawn_ms = timestrip.read(frame.to_ndarray(format="yuv420p")[: frame.height])
                ticks = frame.pts - segment.media_start
                wall_us = segment.wall.start_us + ticks * 1_000_000 // segment.timescale
                errors_ms.append(wall_us / 1000 - drawn_ms)
    assert len(errors_ms) > 100
    assert abs(statistics.median(errors_ms)) < 250


async def test_a_stream_is_pulled_from_a_server(tmp_path: Path) -> None:
    port = free_port()
    arguments = ("-re", "-i", str(ROOM), "-c", "copy", "-f", "flv", "-listen", "1")
    with ffmpeg(*arguments, f"rtmp://127.0.0.1:{port}/live/x"):
        await asyncio.to_thread(until_listening, port)
        source = await open_libav(spec(f"rtmp://127.0.0.1:{port}/live/x"), CAPTURE, SystemClock())
        found = await wait_for_packets(source, 60)
        await source.close()
    started = [one.info.codec.value for one in found if isinstance(one, TrackStarted)]
    assert sorted(started) == ["aac", "h264"]
    pictures = [one for one in found if isinstance(one, Packet) and one.codec.is_video]
    assert pictures[0].key
    assert {one.wall_us for one in pictures} == {None}


async def test_a_stream_without_sound_and_one_with_mp3_are_recorded_without_sound() -> None:
    """Invariant 7."""
    for sound in (("-an",), ("-c:a", "libmp3lame", "-ar", "22050")):
        port = free_port()
        opening = asyncio.create_task(
            open_libav(spec(f"push+rtmp://127.0.0.1:{port}/live/x"), slow(), SystemClock())
        )
        process = await pushed(port, "-c:v", "copy", *sound)
        source = await opening
        found = await wait_for_packets(source, 50)
        await source.close()
        process.kill()
        process.wait()
        assert {one.codec.value for one in found if isinstance(one, Packet)} == {"h264"}


def slow() -> CaptureSettings:
    return CAPTURE.model_copy(update={"silence_seconds": 8.0})


async def test_a_pusher_that_freezes_is_lost_within_the_silence() -> None:
    port = free_port()
    opening = asyncio.create_task(
        open_libav(spec(f"push+rtmp://127.0.0.1:{port}/live/x"), slow(), SystemClock())
    )
    process = await pushed(port)
    source = await opening
    source._settings = CAPTURE  # two seconds from here on
    await wait_for_packets(source, 50)
    process.send_signal(signal.SIGSTOP)
    try:
        async with asyncio.timeout(8):
            with pytest.raises(SourceUnreachable, match=r"no picture|ended|connection"):
                await wait_for_packets(source, 10_000)
        await source.close()
    finally:
        process.kill()
        process.wait()


async def test_a_server_that_accepts_and_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"rtmp://127.0.0.1:{silent.getsockname()[1]}/live/x"
        async with asyncio.timeout(20):
            with pytest.raises(JianzhengError, match="source cam"):
                await open_libav(spec(uri), CAPTURE, SystemClock())


async def test_credentials_are_in_no_message() -> None:
    """Invariant 16."""
    secret = SourceSpec(
        id="cam",
        content_kind="room",
        uri=f"rtmp://127.0.0.1:{free_port()}/live/x?token=hidden",
        username="admin",
        password="secret",
        label_zh="x",
    )
    with pytest.raises(SourceUnreachable) as raised:
        await open_libav(secret, CAPTURE, SystemClock())
    assert "secret" not in str(raised.value)
    assert "hidden" not in str(raised.value)


async def test_a_pusher_that_comes_while_the_recorder_pauses_is_answered() -> None:
    uri = f"push+rtmp://127.0.0.1:{free_port()}/live/x"
    with pytest.raises(SourceUnreachable, match="nobody pushes"):
        await open_libav(spec(uri), CAPTURE.model_copy(update={"silence_seconds": 1.0}), SystemClock())
    process = await pushed(int(uri.rsplit(":", 1)[1].split("/")[0]))
    await asyncio.sleep(0.5)
    source = await open_libav(spec(uri), slow(), SystemClock())
    found = await wait_for_packets(source, 25)
    await source.close()
    process.kill()
    process.wait()
    first = next(one for one in found if isinstance(one, Packet) and one.codec.is_video)
    assert first.key


async def test_a_pusher_that_came_and_went_in_the_pause_is_not_lost() -> None:
    port = free_port()
    uri = f"push+rtmp://127.0.0.1:{port}/live/x"
    with pytest.raises(SourceUnreachable, match="nobody pushes"):
        await open_libav(spec(uri), CAPTURE.model_copy(update={"silence_seconds": 1.0}), SystemClock())
    process = await pushed(port, "-t", "2", "-c", "copy")
    await asyncio.to_thread(process.wait)
    source = await open_libav(spec(uri), slow(), SystemClock())
    found = await wait_for_packets(source, 50)
    with pytest.raises(SourceUnreachable):
        await wait_for_packets(source, 10_000)
    await source.close()
    assert any(isinstance(one, TrackStarted) for one in found)


async def test_a_source_that_is_closed_while_it_listens_gives_its_port_back() -> None:
    port = free_port()
    opening = asyncio.create_task(
        open_libav(spec(f"push+rtmp://127.0.0.1:{port}/live/x"), slow(), SystemClock())
    )
    await asyncio.to_thread(until_listening, port)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    for thread in threading.enumerate():
        if thread.name == "libav cam":
            thread.join(5)
    with socket.create_server(("127.0.0.1", port), reuse_port=False):
        pass


async def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        uri = f"push+rtmp://127.0.0.1:{other.getsockname()[1]}/live/x"
        with pytest.raises(SourceUnreachable, match="cannot be listened on"):
            await open_libav(spec(uri), CAPTURE, SystemClock())
