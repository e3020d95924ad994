"""libav as oracle: what we record of a stream decodes to what FFmpeg's libraries record of it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest

from capture.disk import WriterThread
from capture.health import HealthBoard
from capture.memory_rows import MemoryRows
from capture.recorder import Recorder, Surroundings
from capture.rtsp.stream import open_rtsp
from capture.segment_writer import Ring
from kernel.clock import SECOND_US, SystemClock
from kernel.isobmff.reader import read_fragments, read_init
from kernel.model.footage import ClockBasis, Codec
from kernel.model.source import ContentKind
from kernel.settings import CaptureSettings, RingSettings, SourceSpec
from simulator import timestrip
from simulator.centre import SimulatedCentre, SimulatedSource

FRAMES = 60  # that the oracle copies


@dataclass(frozen=True)
class Shown:
    """A decoded picture."""

    digest: str
    at_s: float  # in the file's media time
    strip_ms: int | None  # the wall time that is drawn into it


def decoded(path: Path) -> list[Shown]:
    with av.open(str(path)) as container:
        frames = []
        for frame in container.decode(video=0):
            picture = frame.to_ndarray(format="yuv420p")
            strip = timestrip.read(np.ascontiguousarray(picture[: frame.height]))
            digest = hashlib.sha256(picture.tobytes()).hexdigest()
            frames.append(Shown(digest, float(frame.pts * frame.time_base), strip))
        return frames


def sound_of(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return []
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def copy(url: str, path: Path) -> None:
    """What ``ffmpeg -c copy`` does, with the same libraries."""
    with (
        av.open(url, options={"rtsp_transport": "tcp"}, timeout=20) as device,
        av.open(str(path), "w") as file,
    ):
        streams = [device.streams.video[0], *device.streams.audio[:1]]
        written = {one.index: file.add_stream_from_template(one) for one in streams}
        seen = 0
        for packet in device.demux(streams):
            if packet.dts is None:
                continue
            seen += packet.stream.type == "video"
            packet.stream = written[packet.stream.index]
            file.mux(packet)
            if seen == FRAMES:
                return


async def record_both(source: SimulatedSource, root: Path) -> tuple[Path, Path, MemoryRows]:
    """Our file and the oracle's, of the same seconds."""
    clock, rows, thread = SystemClock(), MemoryRows(), WriterThread()
    (root / "ring").mkdir()
    around = Surroundings(
        settings=CaptureSettings(report_seconds=1.5),
        ring=Ring(root=root / "ring", settings=RingSettings(reserve_bytes=0), clock=clock),
        rows=rows,
        thread=thread,
        health=HealthBoard(clock),
        clock=clock,
        open_source=open_rtsp,
    )
    async with SimulatedCentre([source], clock=clock) as centre:
        spec = SourceSpec(id=source.id, content_kind="room", uri=centre.url(source.id), label_zh="x")
        ours = asyncio.create_task(Recorder(spec, around).run())
        await asyncio.to_thread(copy, centre.url(source.id), root / "oracle.mp4")
        await clock.wait(2)  # so that ours lasts longer
        ours.cancel()
        with suppress(asyncio.CancelledError):
            await ours
    thread.close()
    (segment,) = rows.segments
    return root / "ring" / segment.path, root / "oracle.mp4", rows


SOURCES = [
    SimulatedSource(id="h264", content_kind=ContentKind.ROOM, label_zh="开标大厅", fps=15, audio=Codec.AAC),
    SimulatedSource(
        id="h265", content_kind=ContentKind.SEAT_FACE, label_zh="评标专家", fps=12, codec=Codec.H265
    ),
]


@pytest.mark.parametrize("source", SOURCES, ids=lambda one: one.id)
async def test_both_ways_give_the_same_frames_at_the_same_times(
    source: SimulatedSource, tmp_path: Path
) -> None:
    path, oracle, rows = await record_both(source, tmp_path)
    ours, theirs = decoded(path), decoded(oracle)
    mine, others = common(ours, theirs)
    assert len(mine) >= FRAMES // 2  # the oracle cannot decode what comes before its second key frame
    assert [one.digest for one in mine] == [one.digest for one in others]
    for one, other in zip(mine, others, strict=True):
        assert abs((one.at_s - mine[0].at_s) - (other.at_s - others[0].at_s)) < 0.001
    compare_sound(sound_of(path), sound_of(oracle), expected=source.audio is not None)
    assert not [gap for gap in rows.gaps if gap.start_us > rows.segments[0].wall.start_us]


def compare_sound(ours: list[bytes], theirs: list[bytes], *, expected: bool) -> None:
    assert bool(theirs) is bool(ours) is expected
    both = [one for one in theirs if one in set(ours)]
    assert len(both) >= len(theirs) // 2
    if both:
        first = ours.index(both[0])
        assert ours[first : first + len(both)] == both[: len(ours) - first]


def common(ours: Sequence[Shown], theirs: Sequence[Shown]) -> tuple[list[Shown], list[Shown]]:
    """The stretch that both have; every picture differs from all others by its strip."""
    places = {one.digest: index for index, one in enumerate(ours)}
    assert len(places) == len(ours)
    start = next(index for index, one in enumerate(theirs) if one.digest in places)
    mine = list(ours[places[theirs[start].digest] :])
    size = min(len(mine), len(theirs) - start)
    return mine[:size], list(theirs[start : start + size])


@pytest.mark.parametrize("source", SOURCES, ids=lambda one: one.id)
async def test_the_wall_time_of_every_frame_is_the_one_drawn_into_it(
    source: SimulatedSource, tmp_path: Path
) -> None:
    path, _, rows = await record_both(source, tmp_path)
    assert rows.segments[0].clock_basis is ClockBasis.SENDER_REPORT
    strips = [one.strip_ms for one in decoded(path)]
    walls = []
    with path.open("rb") as file:
        for fragment in read_fragments(file, read_init(file).size):
            told = fragment.producer_time
            assert told is not None
            for sample in fragment.runs[1]:
                walls.append(told.wall_us + (sample.pts - told.media_time) * SECOND_US // 90_000)
    assert len(walls) == len(strips) >= FRAMES
    for wall_us, strip_ms in zip(sorted(walls), strips, strict=True):
        assert strip_ms is not None
        assert abs(wall_us - strip_ms * 1000) <= 2000
