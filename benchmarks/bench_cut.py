"""What an original costs: a quarter out of the middle of a long ring as one MP4 file, nothing encoded anew.

Against ``ffmpeg -ss -to -c copy`` on the same footage in one MP4 file, and against ``cp`` of the bytes that
we write. Segments are a minute of H.264 at 4 Mbit/s with AAC, in the ring's own layout. All that is read is
in memory (a first, uncounted take sees to it). Outputs go to the same disk, and nobody waits for it: neither
FFmpeg nor ``cp`` calls fsync, so for the comparison we do not either; they hash nothing, so we do not. What
writing costs with every segment proven by its hash, with and without fsync, is told beside it. Ours is
measured as a call in a running process, planning and head included; theirs are processes, which start in
some milliseconds. All take turns; ratios are of the fastest take of each, since other work on the machine
only ever adds time, and those of the medians are told beside them.

The first byte is that of a range request by HTTP to a server that has not seen the clip before: it reads the
rows, the headers of all fragments of the clip, makes the head and sends. Beside it stands that of the next
request, as a player makes while it plays: the head is kept.

Pictures carry the time strip where the clip begins and ends: the first and the last picture that FFmpeg shows
of our file must be the first and the last that were captured in the cut's time. All other segments repeat one
minute of the same kind under their own times. Prints a table; the last line is one JSON object.

40 minutes by default; 8 hours where ``JIANZHENG_BENCH_LONG=1`` says so (40 GB of disk, 16 GB of memory).
"""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any

import av
import numpy as np
import uvicorn
import yaml
from rich.console import Console
from rich.table import Table

from archiver.encode import sample_entry
from archiver.samples import h264_sample
from catalog.catalogue import Catalogue
from catalog.objects import MemoryStore
from kernel.chain import GENESIS_CHAIN
from kernel.clock import SystemClock
from kernel.isobmff.tracks import ProducerTime, Sample, Track, TrackRun
from kernel.isobmff.writer import fragment_parts, init_segment, producer_time
from kernel.model.cut import Clip, CutList, SegmentSlice
from kernel.model.footage import ClockBasis, EndReason, Run, Segment
from kernel.model.timeline import Phase, Project, Session, SessionState, TimelineEvent
from kernel.settings import CamerasFile
from kernel.timerange import TimeRange
from player_api.app import create_app
from segmenter.clip_originals import Originals
from segmenter.original_files import write
from segmenter.originals import original, pieces
from simulator import timestrip

MINUTES = 480 if os.environ.get("JIANZHENG_BENCH_LONG") == "1" else 40
TAKES = 5 if MINUTES > 60 else 15
FIRST_BYTES = 9
MINUTE_US = 60_000_000
START_US = 1_772_420_400_000_000
WIDTH, HEIGHT, FPS = 960, 540, 25
PICTURE_TICKS, FRAME_US = 3600, 40_000
SOUND_RATE, SOUND_FRAME = 48_000, 1024
CAMERAS = """
sites:
- id: B
  region: '530602'
  name_zh: B
  rooms:
  - id: R
    kind: opening_hall
    name_zh: R
    sources:
    - {id: cam, content_kind: room, uri: 'rtsp://127.0.0.1:9/cam', label_zh: cam}
"""


@dataclass(frozen=True, kw_only=True)
class Minute:
    """A minute of footage, encoded."""

    tracks: list[Track]
    pictures: list[Sample]
    sound: list[Sample]


def encode(start_us: int, sound: bool = True) -> Minute:
    """Noise under a time strip, held at 4 Mbit/s, a key frame every two seconds; tones beside it."""
    random = np.random.default_rng(1)
    noise = random.integers(40, 200, (8, HEIGHT * 3 // 2, WIDTH), dtype=np.uint8)
    header = io.BytesIO()
    options = {"preset": "ultrafast", "bf": "0", "maxrate": "3870k", "bufsize": "1M", "tune": "zerolatency"}
    options["x264-params"] = "nal-hrd=cbr:scenecut=0:filler=1"
    with av.open(
        header, "w", format="mp4", options={"movflags": "empty_moov+default_base_moof"}
    ) as container:
        video: Any = container.add_stream("libx264", rate=FPS, options=options)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.bit_rate, video.gop_size = 3_870_000, 2 * FPS
        container.start_encoding()
        packets = []
        for number in range(60 * FPS):
            planes = noise[number % 8].copy()
            timestrip.draw(planes[:HEIGHT], (start_us + number * FRAME_US) // 1000)
            packets += video.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p"))
        packets += video.encode(None)
        entry = sample_entry(header.getvalue())
    pictures = [
        Sample(data=h264_sample(bytes(one)), duration=PICTURE_TICKS, key=one.is_keyframe) for one in packets
    ]
    heard = tones() if sound else ([], b"")
    picture_track = Track(id=1, timescale=90_000, sample_entry=entry, width=WIDTH, height=HEIGHT)
    sound_track = Track(id=2, timescale=SOUND_RATE, sample_entry=heard[1])
    return Minute(tracks=[picture_track, sound_track], pictures=pictures, sound=heard[0])


def tones() -> tuple[list[Sample], bytes]:
    """AAC, 128 kbit/s, and its sample entry."""
    random = np.random.default_rng(2)
    header = io.BytesIO()
    with av.open(
        header, "w", format="mp4", options={"movflags": "empty_moov+default_base_moof"}
    ) as container:
        stream: Any = container.add_stream("aac", rate=SOUND_RATE, layout="stereo")
        stream.bit_rate = 128_000
        container.start_encoding()
        packets = []
        for number in range(60 * SOUND_RATE // SOUND_FRAME):
            values = random.normal(0, 0.1, (2, SOUND_FRAME)).astype(np.float32)
            block = av.AudioFrame.from_ndarray(values, format="fltp", layout="stereo")
            block.sample_rate, block.pts = SOUND_RATE, number * SOUND_FRAME
            block.time_base = Fraction(1, SOUND_RATE)
            packets += stream.encode(block)
        entry = sample_entry(header.getvalue())
    return [Sample(data=bytes(one), duration=SOUND_FRAME) for one in packets], entry


def segment_bytes(minute: Minute, number: int) -> bytes:
    """A segment of a run: a fragment a second, its sound with it, times going on from the one before."""
    parts = [init_segment(minute.tracks)]
    for second in range(60):
        at = number * 60 + second
        told = ProducerTime(
            track_id=1, wall_us=START_US + at * 1_000_000, media_time=at * 90_000, captured=True
        )
        pictures = TrackRun(
            track_id=1,
            base_dts=at * 90_000,
            samples=tuple(minute.pictures[second * FPS : second * FPS + FPS]),
        )
        first, behind = (-(-one * SOUND_RATE // SOUND_FRAME) for one in (at, at + 1))
        heard = tuple(minute.sound[one % len(minute.sound)] for one in range(first, behind))
        sound = TrackRun(track_id=2, base_dts=first * SOUND_FRAME, samples=heard)
        parts += [producer_time(told), *fragment_parts(at + 1, [pictures, sound])]
    return b"".join(parts)


def make_ring(ring: Path, cut: TimeRange) -> list[Segment]:
    """The ring's segments; those in which the cut begins and ends have strips of their own time."""
    repeated = encode(START_US)
    borders = {(moment - START_US) // MINUTE_US for moment in (cut.start_us, cut.end_us)}
    (ring / "cam").mkdir(parents=True)
    segments = []
    for number in range(MINUTES):
        minute = repeated
        if number in borders:
            own = encode(START_US + number * MINUTE_US, sound=False)
            minute = Minute(tracks=repeated.tracks, pictures=own.pictures, sound=repeated.sound)
        data = segment_bytes(minute, number)
        path = f"cam/run-{number:06d}.mp4"
        (ring / path).write_bytes(data)
        segments.append(segment_row(number, path, data))
    return segments


def segment_row(number: int, path: str, data: bytes) -> Segment:
    start_us = START_US + number * MINUTE_US
    return Segment(
        id=f"seg-{number}",
        run_id="run",
        source_id="cam",
        sequence=number,
        wall=TimeRange(start_us=start_us, end_us=start_us + MINUTE_US),
        media_start=number * 60 * 90_000,
        media_duration=60 * 90_000,
        timescale=90_000,
        clock_basis=ClockBasis.SENDER_REPORT,
        clock_offset_us=0,
        path=path,
        size_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        chain=GENESIS_CHAIN,
        end_reason=EndReason.LENGTH,
    )


def catalogue_of(directory: Path, segments: Sequence[Segment], cut: TimeRange) -> tuple[Catalogue, Clip]:
    """A catalogue in which the ring's rows are, and one clip."""
    catalogue = Catalogue.open(f"sqlite:///{directory / 'catalogue.sqlite'}")
    catalogue.places.register(CamerasFile.model_validate(yaml.safe_load(CAMERAS)))
    catalogue.projects.add_project(
        Project(
            id="P",
            project_code="P",
            name_zh="P",
            name_en="P",
            region_code="530602",
            trade_place="530602",
            industry_code="A01",
        ),
        [
            Session(
                id="S",
                project_id="P",
                phase=Phase.OPENING,
                room_id="R",
                state=SessionState.PLANNED,
                start_us=None,
                end_us=None,
                seats=(),
            )
        ],
    )
    for kind, at_us in (("opening.start", cut.start_us), ("opening.end", cut.end_us)):
        catalogue.sessions.record_event(
            TimelineEvent(
                id=kind, session_id="S", at_us=at_us, type=kind, reason="", principal="b", recorded_us=at_us
            )
        )
    catalogue.footage.start_run(
        Run(id="run", source_id="cam", started_us=START_US, ended_us=None, end_reason=None)
    )
    for segment in segments:
        catalogue.footage.add_segment(segment)
    slices = [
        SegmentSlice(segment_id=one.id, wall=wall) for one in segments if (wall := one.wall.intersect(cut))
    ]
    clip = Clip(
        id="S.cam.1", session_id="S", source_id="cam", part=1, wall=cut, slices=tuple(slices), gaps=()
    )
    catalogue.clips.record(CutList(session_id="S", clips=(clip,), change_number=2))
    return catalogue, clip


def one_file(ring: Path, segments: Sequence[Segment], target: Path) -> None:
    """The whole ring as one plain MP4, by FFmpeg: what it cuts from."""
    command = ["ffmpeg", "-v", "error", "-y", "-i", "pipe:", "-c", "copy", str(target)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as joining:
        assert joining.stdin is not None
        for number, segment in enumerate(segments):
            data = (ring / segment.path).read_bytes()
            first = data.index(b"prft") - 4 if number else 0
            joining.stdin.write(memoryview(data)[first:])


@dataclass(frozen=True, kw_only=True)
class Takes:
    """Seconds, each taken as often."""

    ours: list[float]
    ffmpeg: list[float]
    cp: list[float]
    proven: list[float]
    durable: list[float]  # proven, and forced to the disk


class Cutting:
    """The ways to get a clip out of the ring."""

    def __init__(self, directory: Path, clip: Clip, segments: Sequence[Segment], whole: Path) -> None:
        self._ring = directory / "ring"
        self._out = directory / "out"
        self._clip = clip
        self._segments = {one.id: one for one in segments}
        self._whole = whole
        self._out.mkdir()

    def write(self, prove: bool = False, sync: bool = False) -> Path:
        """Our file, from the rows on."""
        (piece,) = pieces(self._clip, self._segments, self._ring)
        made = original(self._clip, piece, self._ring)
        assert made is not None
        write(made, self._out, prove=prove, sync=sync)
        return self._out / made.name

    def ffmpeg(self) -> Path:
        """FFmpeg's file: it begins with a key frame, up to a group of pictures before the cut."""
        target = self._out / "ffmpeg.mp4"
        first, behind = (
            f"{(moment - START_US) / 1e6:.3f}"
            for moment in (self._clip.wall.start_us, self._clip.wall.end_us)
        )
        command = ["ffmpeg", "-v", "error", "-nostdin", "-ss", first, "-to", behind, "-i", str(self._whole)]
        subprocess.run([*command, "-c", "copy", str(target)], check=True)
        return target

    def cp(self, source: Path) -> Path:
        target = self._out / "copy.mp4"
        subprocess.run(["cp", str(source), str(target)], check=True)
        return target

    def takes(self) -> Takes:
        """All of them in turn, again and again; the first round only warms the cache."""
        model = self.write()
        kept = model.rename(self._out / "model.mp4")
        found = Takes(ours=[], ffmpeg=[], cp=[], proven=[], durable=[])
        for number in range(TAKES + 1):
            rounds: list[tuple[list[float], Callable[[], Path]]] = [
                (found.ours, self.write),
                (found.cp, lambda: self.cp(kept)),
                (found.ffmpeg, self.ffmpeg),
                (found.proven, lambda: self.write(prove=True)),
            ]
            if number <= 3:
                rounds.append((found.durable, lambda: self.write(prove=True, sync=True)))
            for seconds, way in rounds:
                os.sync()  # what others left to be written does not fall into this one's time
                began = time.perf_counter()
                made = way()
                took = time.perf_counter() - began
                made.unlink()
                if number:
                    seconds.append(took)
        kept.unlink()
        return found


def serve(directory: Path) -> None:
    """A server of its own process, which forgets all clips when it is told to."""
    catalogue = Catalogue.open(f"sqlite:///{directory / 'catalogue.sqlite'}")
    application: list[Any] = []

    def forget() -> None:
        originals = Originals(catalogue, directory / "ring")
        application[:] = [create_app(catalogue, MemoryStore(), SystemClock(), originals=originals)]

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/forget":
            forget()
        await application[0](scope, receive, send)

    forget()
    listening = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    config = uvicorn.Config(answer, log_level="error", lifespan="off")
    uvicorn.Server(config).run(sockets=[listening])


def first_bytes(directory: Path, clip: Clip) -> tuple[list[float], list[float]]:
    """Seconds from a range request to its first byte: of a clip that the server has not seen, and has."""
    unseen, seen = [], []
    command = [sys.executable, __file__, "serve", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        for number in range(FIRST_BYTES + 1):
            took = [
                first_byte(port, clip, "/forget", "/api/regions"),  # connection and application are there
                first_byte(port, clip, "/api/regions"),
            ]
            if number:
                unseen.append(took[0])
                seen.append(took[1])
        server.terminate()
    return unseen, seen


def first_byte(port: int, clip: Clip, *before: str) -> float:
    """Seconds that it takes, on a connection that has asked for other things before."""
    with closing(http.client.HTTPConnection("127.0.0.1", port)) as client:
        for path in before:
            client.request("GET", path)
            client.getresponse().read()
        began = time.perf_counter()
        client.request("GET", f"/api/clips/{clip.id}/originals/1.mp4", headers={"Range": "bytes=0-"})
        answer = client.getresponse()
        assert answer.status == 206, answer.status
        assert len(answer.read(1)) == 1
        return time.perf_counter() - began


def check_ends(path: Path, cut: TimeRange) -> tuple[int, int]:
    """Strips of the first and the last picture that FFmpeg shows, milliseconds; both must be the cut's."""
    first_us = -(-(cut.start_us - START_US) // FRAME_US) * FRAME_US + START_US
    last_us = (cut.end_us - 1 - START_US) // FRAME_US * FRAME_US + START_US
    told = probed(path, "format=duration")
    assert abs(float(told["format"]["duration"]) * 1e6 - cut.duration_us) < 20, told
    seen = pictures(path, "-t", "2")[0], pictures(path, "-ss", f"{cut.duration_us / 1e6 - 3:.3f}")[-1]
    if seen != (first_us // 1000, last_us // 1000):
        sys.exit(f"The ends are wrong: pictures of {seen}, not of {(first_us // 1000, last_us // 1000)} ms.")
    return seen


def probed(path: Path, entries: str) -> Any:
    command = ["ffprobe", "-v", "error", "-show_entries", entries, "-of", "json", str(path)]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def pictures(path: Path, *part: str) -> list[int | None]:
    """The times in the pictures of a part of a file."""
    command = ["ffmpeg", "-v", "error", "-xerror", *part, "-i", str(path), "-map", "0:v"]
    output = ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    raw = subprocess.run([*command, *output], capture_output=True, check=True).stdout
    return [timestrip.read(one) for one in np.frombuffer(raw, np.uint8).reshape(-1, HEIGHT, WIDTH)]


def main() -> None:
    """Measure and print."""
    for program in ("ffmpeg", "ffprobe", "cp"):
        if shutil.which(program) is None:
            sys.exit(f"This benchmark needs {program}: on Debian, apt install ffmpeg.")
    quarter_us = MINUTES * MINUTE_US // 4
    start_us = START_US + MINUTES * MINUTE_US * 3 // 8 + 1_310_000
    cut = TimeRange(start_us=start_us, end_us=start_us + quarter_us)
    with tempfile.TemporaryDirectory(dir=os.environ.get("JIANZHENG_BENCH_DIR")) as name:
        directory = Path(name)
        segments = make_ring(directory / "ring", cut)
        catalogue, clip = catalogue_of(directory, segments, cut)
        with closing(catalogue):
            one_file(directory / "ring", segments, directory / "whole.mp4")
            cutting = Cutting(directory, clip, segments, directory / "whole.mp4")
            made = cutting.write()
            size, ends = made.stat().st_size, check_ends(made, cut)
            made.unlink()
            report(size, ends, cutting.takes(), *first_bytes(directory, clip))


def report(
    size: int, ends: tuple[int, int], takes: Takes, unseen: Sequence[float], seen: Sequence[float]
) -> None:
    """A table for people, then one line for machines."""
    minutes = MINUTES // 4
    table = Table(title=f"{minutes} of {MINUTES} minutes, {size / 1e6:.0f} MB; {TAKES} takes, seconds")
    for heading in ("way", "median", "fastest", "MB/s"):
        table.add_column(heading, justify="right")
    ways = {
        "jianzheng": takes.ours,
        "cp of the same bytes": takes.cp,
        "ffmpeg -ss -to -c copy": takes.ffmpeg,
        "jianzheng, every segment proven": takes.proven,
        "jianzheng, proven, with fsync": takes.durable,
    }
    for way, seconds in ways.items():
        fastest = min(seconds)
        table.add_row(way, f"{median(seconds):.3f}", f"{fastest:.3f}", f"{size / fastest / 1e6:.0f}")
    for way, waits in (("first byte by HTTP", unseen), ("of a clip that it has seen", seen)):
        table.add_row(way, f"{median(waits):.3f}", f"{min(waits):.3f}", "")
    Console(width=110).print(table)
    figures = {
        "benchmark": "cut",
        "minutes": minutes,
        "ratio_ffmpeg": round(min(takes.ours) / min(takes.ffmpeg), 3),
        "ratio_cp": round(min(takes.ours) / min(takes.cp), 3),
        "median_ratio_ffmpeg": round(median(takes.ours) / median(takes.ffmpeg), 3),
        "median_ratio_cp": round(median(takes.ours) / median(takes.cp), 3),
        "first_byte_ms": round(median(unseen) * 1000, 1),
        "first_byte_seen_ms": round(median(seen) * 1000, 1),
        "first_picture_ms": ends[0],
        "last_picture_ms": ends[1],
    }
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(Path(sys.argv[2]))
    else:
        main()
