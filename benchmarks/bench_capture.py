"""What recording costs: ``jianzheng capture`` against what a user would pick instead, FFmpeg copying streams.

Nine sources of 720p25 at 2 Mbit/s, real RTSP over loopback, the same for both, one after the other. Prints
processor time of a running recorder (its start apart) and memory of each, and their ratio; the last line is
one JSON object. Reads ``/proc``, so it runs on Linux.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from rich.console import Console
from rich.table import Table

START_SECONDS = 8
SECONDS = 30
SOURCES = [
    "hall-camera",
    "hall-screen",
    "extraction-room",
    *(f"seat-0{number}-{kind}" for number in (1, 2, 3) for kind in ("face", "desktop")),
]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a recorder used."""

    start_cpu_seconds: float
    cpu_seconds: float  # after the start
    peak_bytes: int
    stored_bytes: int


def make_footage(directory: Path) -> None:
    """Ten seconds of noise over a moving pattern, 720p25 at about 2 Mbit/s."""
    random = np.random.default_rng(1)
    with av.open(str(directory / "room.mp4"), "w") as container:
        stream: Any = container.add_stream("libx264", rate=25, options={"preset": "veryfast", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        stream.bit_rate, stream.gop_size = 2_000_000, 25
        base = np.tile(np.linspace(40, 200, 1280, dtype=np.uint8), (720, 1))
        for number in range(250):
            noise = random.integers(0, 12, (720, 1280), dtype=np.uint8)
            gray = np.roll(base, number * 4, axis=1) + noise
            container.mux(stream.encode(av.VideoFrame.from_ndarray(gray, format="gray")))
        container.mux(stream.encode(None))


def measure(commands: list[list[str]], stored: Path, environment: dict[str, str]) -> Cost:
    """Run recorders for a while, end them as their users would, and add up what the system says they used."""
    running = [
        subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for command in commands
    ]
    time.sleep(START_SECONDS)
    start = sum(cpu_seconds(process.pid) for process in running)
    time.sleep(SECONDS)
    end = sum(cpu_seconds(process.pid) for process in running)
    for process in running:
        process.send_signal(signal.SIGINT)
    peak = 0
    for process in running:
        _, _, used = os.wait4(process.pid, 0)
        process.returncode = 0  # it was waited for already
        peak += used.ru_maxrss * 1024
    size = sum(path.stat().st_size for path in stored.rglob("*.mp4"))
    return Cost(start_cpu_seconds=start, cpu_seconds=end - start, peak_bytes=peak, stored_bytes=size)


def cpu_seconds(process: int) -> float:
    """Processor time that a process used so far (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cameras_yaml(port: int) -> str:
    """A site with all nine sources."""
    lines = ["sites:", "- id: B", "  region: '530602'", "  name_zh: B", "  rooms:"]
    lines += ["  - id: R", "    kind: opening_hall", "    name_zh: R", "    sources:"]
    for source in SOURCES:
        uri = f"rtsp://127.0.0.1:{port}/{source}"
        lines.append(f"    - {{id: {source}, content_kind: room, uri: '{uri}', label_zh: {source}}}")
    return "\n".join(lines) + "\n"


def jianzheng(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from cli.main import main; main()", *arguments]


def main() -> None:
    """Measure both and print."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        sys.exit("This benchmark compares with FFmpeg, which is missing: on Debian, apt install ffmpeg.")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        make_footage(directory)
        serve = jianzheng("simulate", "--port", "0", "--username", "", "--footage", str(directory))
        with subprocess.Popen(serve, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as centre:
            assert centre.stdout is not None
            port = int(centre.stdout.readline().split()[1])
            (directory / "cameras.yaml").write_text(cameras_yaml(port), encoding="utf-8")
            ours = measure(
                [jianzheng("capture")],
                directory / "data",
                {
                    "JIANZHENG_DATA_DIR": str(directory / "data"),
                    "JIANZHENG_CAMERAS": str(directory / "cameras.yaml"),
                },
            )
            target = directory / "ffmpeg"
            target.mkdir()
            theirs = measure([copy_command(ffmpeg, port, source, target) for source in SOURCES], target, {})
            centre.terminate()
    report(ours, theirs)


def copy_command(ffmpeg: str, port: int, source: str, target: Path) -> list[str]:
    """FFmpeg, copying one stream into segments of a minute."""
    read = [ffmpeg, "-v", "error", "-rtsp_transport", "tcp", "-i", f"rtsp://127.0.0.1:{port}/{source}"]
    return [*read, "-c", "copy", "-f", "segment", "-segment_time", "60", str(target / f"{source}-%03d.mp4")]


def report(ours: Cost, theirs: Cost) -> None:
    """A table for people, then one line for machines."""
    table = Table(title=f"Recording {len(SOURCES)} sources of 720p25 for {SECONDS} s")
    for heading in ("", "jianzheng capture", "ffmpeg -c copy", "ratio"):
        table.add_column(heading, justify="right")
    cpu = ours.cpu_seconds / theirs.cpu_seconds
    memory = ours.peak_bytes / theirs.peak_bytes
    table.add_row("CPU, s", f"{ours.cpu_seconds:.2f}", f"{theirs.cpu_seconds:.2f}", f"{cpu:.2f}")
    table.add_row(
        "CPU of the start, s", f"{ours.start_cpu_seconds:.2f}", f"{theirs.start_cpu_seconds:.2f}", ""
    )
    table.add_row(
        "peak memory, MB", f"{ours.peak_bytes / 1e6:.0f}", f"{theirs.peak_bytes / 1e6:.0f}", f"{memory:.2f}"
    )
    table.add_row("stored, MB", f"{ours.stored_bytes / 1e6:.1f}", f"{theirs.stored_bytes / 1e6:.1f}", "")
    Console().print(table)
    figures = {
        "benchmark": "capture",
        "sources": len(SOURCES),
        "seconds": SECONDS,
        "cpu_seconds": round(ours.cpu_seconds, 2),
        "ffmpeg_cpu_seconds": round(theirs.cpu_seconds, 2),
        "cpu_ratio": round(cpu, 3),
        "memory_ratio": round(memory, 3),
    }
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
