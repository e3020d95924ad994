"""Sources through FFmpeg's libraries, with files in the place of networks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from capture.libav import source as module
from capture.libav.source import LibavSource, open_libav
from capture.packets import TrackStarted
from kernel.clock import SystemClock
from kernel.errors import (
    CodecUnsupported,
    NotCalling,
    SourceError,
    SourceHasNoVideo,
    SourceNotFound,
    SourceSendsGarbage,
    SourceUnreachable,
)
from kernel.model.footage import Packet
from kernel.settings import CaptureSettings, SourceSpec
from tests.support.libav_threads import live_threads

SETTINGS = CaptureSettings(connect_seconds=2, silence_seconds=2)


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    for thread in threading.enumerate():
        if thread.name.startswith(module.THREAD_PREFIX):
            thread.join(10)
    assert live_threads() == 0


def recording(path: Path, *, codec: str = "libx264", pictures: int = 100) -> Path:
    with av.open(path, "w") as container:
        stream: Any = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 160, 96, "yuv420p", 25
        for number in range(pictures):
            frame = av.VideoFrame(160, 96, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([number % 250]) * plane.buffer_size)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


async def opened(path: Path) -> LibavSource:
    spec = SourceSpec(id="cam", content_kind="room", uri=path.as_uri(), label_zh="x")
    return await open_libav(spec, SETTINGS, SystemClock())


async def everything(source: LibavSource) -> list[Any]:
    found: list[Any] = []
    with pytest.raises(SourceUnreachable, match="ended"):
        while True:
            found += await source.read()
    return found


async def test_a_file_is_read_to_its_end_and_the_end_is_told(tmp_path: Path) -> None:
    source = await opened(recording(tmp_path / "a file, 100 %.mp4"))
    found = await everything(source)
    await source.close()
    assert isinstance(found[0], TrackStarted)
    packets = [one for one in found if isinstance(one, Packet)]
    assert len(packets) == 100
    assert sum(one.key for one in packets) == 4


async def test_what_gathers_is_bounded_and_nothing_of_it_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread waits; behind it TCP would hold the sender back."""
    monkeypatch.setattr(module, "_MOST_GATHERED_BYTES", 1000)
    source = await opened(recording(tmp_path / "a.mp4", pictures=300))
    sizes = []
    found: list[Any] = []
    with pytest.raises(SourceUnreachable, match="ended"):
        while True:
            got = await source.read()
            sizes.append(sum(len(one.data) for one in got[:-1] if isinstance(one, Packet)))
            found += got
    await source.close()
    assert max(sizes) <= 1000
    stamps = [one.pts for one in found if isinstance(one, Packet)]
    assert len(stamps) == 300


async def test_closing_lets_a_thread_go_that_waits_for_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_GATHERED_BYTES", 1)
    source = await opened(recording(tmp_path / "a.mp4"))
    await source.close()
    await source.close()


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("none.mp4", None, SourceNotFound),
        ("rubbish.mp4", b"no recording at all" * 100, SourceSendsGarbage),
    ],
)
async def test_what_cannot_be_opened_is_told_without_its_address(
    tmp_path: Path, name: str, content: bytes | None, error: type[SourceError]
) -> None:
    """Invariant 16: what FFmpeg says of an address repeats it."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error) as raised:
        await opened(path)
    assert str(tmp_path) not in str(raised.value)
    assert "cam" in str(raised.value)


async def test_a_codec_that_cannot_be_recorded_is_named(tmp_path: Path) -> None:
    with pytest.raises(CodecUnsupported, match="mpeg4"):
        await opened(recording(tmp_path / "a.mp4", codec="mpeg4"))


async def test_sound_alone_is_no_source(tmp_path: Path) -> None:
    path = tmp_path / "a.mov"
    with av.open(path, "w") as container:
        stream: Any = container.add_stream("pcm_alaw", rate=8000, layout="mono")
        frame = av.AudioFrame(format="s16", layout="mono", samples=800)
        frame.sample_rate, frame.pts, frame.time_base = 8000, 0, Fraction(1, 8000)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(SourceHasNoVideo):
        await opened(path)


async def test_what_to_do_about_a_lost_push_is_about_pushes(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no address here whose power and cable could be looked at."""

    def cut(*_: object, **__: object) -> None:
        raise av.error.ConnectionResetError(104, "rtmp://secret@h/x")

    monkeypatch.setattr(LibavSource, "_listen", lambda _: cut())
    spec = SourceSpec(id="cam", content_kind="room", uri="push+rtmp://127.0.0.1:9/live/x", label_zh="x")
    with pytest.raises(NotCalling, match="source cam: it cut the connection") as caught:
        await open_libav(spec, SETTINGS, SystemClock())
    assert "set to push" in caught.value.remedy
    assert "cable" not in caught.value.remedy
