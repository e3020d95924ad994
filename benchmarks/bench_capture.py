"""What recording costs: ``jianzheng capture`` against one ``ffmpeg -c copy`` per source.

16 and 64 sources of 1080p25 H.264 at 4 Mbit/s with AAC, real RTSP over loopback (``rtsp_load.py``), the same
for both, one after the other and again: other work on the machine then meets both. FFmpeg writes fragmented
MP4; we hash, chain, sync and keep a catalogue besides.

CPU is that of all processes of a recorder in the window, for each second of footage that it really wrote in
it: where the machine cannot keep up, less is written. Memory is that of all processes of a recorder together
at the end of the window: as resident set size (RSS), which counts what they share several times, and as
proportional set size (PSS), which counts it once. Lost packets are those that the recorder itself counted by
sequence numbers. Prints a table; the last line is one JSON object. Reads ``/proc``, so it runs on Linux.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import av
import numpy as np
from rich.console import Console
from rich.table import Table

from catalog.catalogue import Catalogue
from kernel.model.footage import GapCause
from kernel.settings import Settings
from kernel.timerange import TimeRange

COUNTS = (16, 64)
START_SECONDS = 12
SECONDS = 20
TAKES = 2
FOOTAGE_SECONDS = 10
SERVER = Path(__file__).with_name("rtsp_load.py")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a recorder used in the window."""

    cpu_ms: float  # for a second of one stream
    written: float  # seconds of footage written for each second of the window and source; 1 keeps up
    rss_mb: float
    pss_mb: float
    late_ms: float  # how late the server was at most
    lost: int = 0  # packets
    gaps: int = 0  # in the footage, those of starting and stopping apart


def make_footage(path: Path) -> int:
    """Ten seconds of noise over a moving pattern, a key frame every two; its bytes in a second."""
    random = np.random.default_rng(1)
    with av.open(str(path), "w") as container:
        options = {"preset": "ultrafast", "bf": "0", "threads": "1", "maxrate": "4M", "bufsize": "2M"}
        options["x264-params"] = "nal-hrd=cbr:scenecut=0"
        picture: Any = container.add_stream("libx264", rate=25, options=options)
        picture.width, picture.height, picture.pix_fmt = 1920, 1080, "yuv420p"
        picture.bit_rate, picture.gop_size = 4_000_000, 50
        sound: Any = container.add_stream("aac", rate=48_000)
        sound.bit_rate, sound.layout = 128_000, "stereo"
        base = np.tile(np.linspace(40, 200, 1920, dtype=np.uint8), (1080, 1))
        for number in range(25 * FOOTAGE_SECONDS):
            noise = random.integers(0, 12, (270, 480), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
            gray = np.roll(base, number * 4, axis=1) + noise
            container.mux(picture.encode(av.VideoFrame.from_ndarray(gray, format="gray")))
        container.mux(picture.encode(None))
        for number in range(48_000 * FOOTAGE_SECONDS // 1024):
            samples = random.integers(-2000, 2000, (1, 2048), dtype=np.int16)
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
            frame.sample_rate, frame.pts = 48_000, number * 1024
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return path.stat().st_size // FOOTAGE_SECONDS


@contextmanager
def cameras(footage: Path, count: int) -> Iterator[tuple[int, list[float]]]:
    """The port that they are served on, and a list that gets how late they were."""
    command = [sys.executable, str(SERVER), str(footage), str(count)]
    late: list[float] = []
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdin is not None and server.stdout is not None
        yield int(server.stdout.readline().split()[1]), late
        server.stdin.close()
        late.append(json.loads(server.stdout.readline())["late_ms"])


def ours(directory: Path, port: int, count: int) -> tuple[list[list[str]], dict[str, str]]:
    """Command and environment of our recorder."""
    lines = ["sites:", "- id: B", "  region: '530602'", "  name_zh: B", "  rooms:"]
    lines += ["  - id: R", "    kind: opening_hall", "    name_zh: R", "    sources:"]
    for number in range(count):
        name = f"s{number:02d}"
        uri = f"rtsp://127.0.0.1:{port}/{name}"
        lines.append(f"    - {{id: {name}, content_kind: room, uri: '{uri}', label_zh: {name}}}")
    (directory / "cameras.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    environment = {
        "JIANZHENG_DATA_DIR": str(directory / "data"),
        "JIANZHENG_CAMERAS": str(directory / "cameras.yaml"),
    }
    return [[sys.executable, "-c", "from cli.main import main; main()", "capture"]], environment


def theirs(directory: Path, port: int, count: int) -> tuple[list[list[str]], dict[str, str]]:
    """Commands of FFmpeg, one for each source."""
    read = ["ffmpeg", "-v", "error", "-nostdin", "-rtsp_transport", "tcp", "-i"]
    write = ["-c", "copy", "-f", "mp4", "-movflags", "frag_keyframe+empty_moov+default_base_moof"]
    names = [f"s{number:02d}" for number in range(count)]
    commands = [
        [*read, f"rtsp://127.0.0.1:{port}/{one}", *write, str(directory / f"{one}.mp4")] for one in names
    ]
    return commands, {}


def measure(kind: Any, footage: Path, count: int, bytes_per_second: int) -> Cost:
    """Run a recorder for a while, end it as its users would, and add up what the system says it used."""
    with tempfile.TemporaryDirectory() as name, cameras(footage, count) as (port, late):
        directory = Path(name)
        commands, environment = kind(directory, port, count)
        running = [
            subprocess.Popen(
                one,
                env={**os.environ, **environment},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for one in commands
        ]
        time.sleep(START_SECONDS)
        processes = [member for one in running for member in family(one.pid)]
        cpu, size, began = sum(map(cpu_seconds, processes)), stored(directory), time.monotonic()
        time.sleep(SECONDS)
        cpu = sum(map(cpu_seconds, processes)) - cpu
        written = (stored(directory) - size) / bytes_per_second
        window = time.monotonic() - began
        memory = [memory_mb(one) for one in processes]
        for one in running:
            one.send_signal(signal.SIGINT)
        for one in running:
            one.wait()
        lost, gaps = counted(directory) if kind is ours else (0, 0)
    return Cost(
        cpu_ms=1000 * cpu / written,
        written=written / window / count,
        rss_mb=sum(rss for rss, _ in memory) / count,
        pss_mb=sum(pss for _, pss in memory) / count,
        late_ms=late[0],
        lost=lost,
        gaps=gaps,
    )


def family(process: int) -> list[int]:
    """A process and all that it started."""
    tasks = Path(f"/proc/{process}/task").iterdir()
    children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    return [process, *(member for child in children for member in family(child))]


def cpu_seconds(process: int) -> float:
    """Processor time that a process used so far (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(process: int) -> tuple[float, float]:
    """RSS and PSS, MB."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    told = {line.split(":")[0]: int(line.split()[1]) * 1024 / 1e6 for line in lines}
    return told["Rss"], told["Pss"]


def stored(directory: Path) -> int:
    """Bytes of footage on the disk."""
    return sum(path.stat().st_size for path in directory.rglob("*.mp4*"))


def counted(directory: Path) -> tuple[int, int]:
    """Packets that the recorder missed, and gaps between its first and its last picture."""
    catalogue = Catalogue.open(Settings(data_dir=directory / "data").catalogue_url)
    try:
        footage, usual = catalogue.footage, (GapCause.NOT_RECORDING, GapCause.STOPPED)
        health, ever = footage.health(), TimeRange(start_us=0, end_us=1 << 62)
        gaps = [gap for source in health for gap in footage.gaps_of(source, ever) if gap.cause not in usual]
        return sum(one.lost_packets for one in health.values()), len(gaps)
    finally:
        catalogue.close()


def main() -> None:
    """Measure both and print."""
    if shutil.which("ffmpeg") is None:
        sys.exit("This benchmark compares with FFmpeg, which is missing: on Debian, apt install ffmpeg.")
    takes: dict[int, list[tuple[Cost, Cost]]] = {}
    with tempfile.TemporaryDirectory() as name:
        footage = Path(name) / "room.mp4"
        bytes_per_second = make_footage(footage)
        for count in COUNTS:
            takes[count] = [
                (
                    measure(ours, footage, count, bytes_per_second),
                    measure(theirs, footage, count, bytes_per_second),
                )
                for _ in range(TAKES)
            ]
    report(takes)


def report(takes: dict[int, list[tuple[Cost, Cost]]]) -> None:
    """A table for people, then one line for machines."""
    table = Table(title=f"Recording 1080p25, 4 Mbit/s, with sound: {TAKES} times {SECONDS} s each")
    for heading in ("sources", "recorder", "CPU ms/stream s", "kept up", "PSS MB/stream", "RSS MB/stream"):
        table.add_column(heading, justify="right")
    for heading in ("server late ms", "lost packets", "gaps"):
        table.add_column(heading, justify="right")
    for count, pairs in takes.items():
        for pair in pairs:
            for who, cost in zip(("jianzheng", "ffmpeg"), pair, strict=True):
                own = (f"{cost.lost}", f"{cost.gaps}") if who == "jianzheng" else ("", "")
                table.add_row(
                    f"{count}",
                    who,
                    f"{cost.cpu_ms:.2f}",
                    f"{cost.written:.3f}",
                    f"{cost.pss_mb:.2f}",
                    f"{cost.rss_mb:.2f}",
                    f"{cost.late_ms:.0f}",
                    *own,
                )
    Console(width=120).print(table)
    few, many = (takes[count] for count in COUNTS)
    figures = {
        "benchmark": "capture",
        "cpu_ratio_16": ratio(few),
        "cpu_ratio_64": ratio(many),
        "rss_mb_per_stream_64": round(mean(own.rss_mb for own, _ in many), 2),
        "pss_mb_per_stream_64": round(mean(own.pss_mb for own, _ in many), 2),
        "lost_packets": sum(own.lost for pairs in takes.values() for own, _ in pairs),
        "gaps": sum(own.gaps for pairs in takes.values() for own, _ in pairs),
        "cpu_ms_16": round(mean(own.cpu_ms for own, _ in few), 2),
        "cpu_ms_64": round(mean(own.cpu_ms for own, _ in many), 2),
    }
    sys.stdout.write(json.dumps(figures) + "\n")


def ratio(pairs: list[tuple[Cost, Cost]]) -> float:
    """Our processor time over FFmpeg's."""
    return round(mean(own.cpu_ms for own, _ in pairs) / mean(other.cpu_ms for _, other in pairs), 3)


if __name__ == "__main__":
    main()
