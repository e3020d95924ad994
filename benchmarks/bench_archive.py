"""Archiving within a budget, against what users do today: ffmpeg, x264 medium in two passes, equal split.

A small project (``small_project.py``) is archived at 165, 120 and 53 kbit/s a stream, sound included:
probed, planned, encoded, measured, packaged, stored and read back. The other side gets the same bytes for
each stream, and encodes sound as AAC. Both are then judged alike, by programs that know nothing of us: VMAF
of each fifth picture at the source's rate, each archived picture held until the next; the text of desktops by
OCR of whole pictures.
Processor time is that of all processes of each side.

``scale_1_to_2`` is what a second local worker gains, over what a second bare encoder gains in the same run.
Length in seconds by ``JIANZHENG_BENCH_SECONDS`` (300), budgets by ``JIANZHENG_BENCH_KBPS`` ("165 120 53"): on
two cores somewhat more than an hour. Two minutes are probed as much as ten.
Prints tables; the last line is one JSON object, of the first budget.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import imageio_ffmpeg
import numpy as np
from rapidocr import RapidOCR
from rich.console import Console
from rich.table import Table
from small_project import FOOTAGE, SESSION, START_US, STREAMS, record

from archiver.begun import Begun
from archiver.encode import VideoResult, VideoStep, encode_video
from archiver.equipment import Tools
from archiver.local_pool import LocalPool
from archiver.session_works import clip_works
from archiver.signing import PackageSigner
from archiver.steps import StepRunner, once
from archiver.worker import Archiver
from catalog.catalogue import Catalogue
from catalog.objects import DirectoryStore
from kernel.clock import SECOND_US, FakeClock
from kernel.model.source import ContentKind
from kernel.settings import ArchiveCodec, ArchiveSettings
from kernel.signing_key import signing_key

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
SOUND_KBPS = 24
console = Console(width=110)


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """What one way of archiving made."""

    files: dict[str, Path]
    bytes: int
    cpu_seconds: float
    wall_seconds: float
    told: dict[str, Any]  # what the side says itself


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """What is left of one stream."""

    vmaf: float
    p5: float
    text: float | None
    kbps: float


def cpu_seconds() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def tools_for(catalogue: Catalogue, directory: Path, settings: ArchiveSettings, runner: StepRunner) -> Tools:
    """What the product's archiver works with; its output lies in a directory of its own."""
    work = Path(tempfile.mkdtemp(dir=directory))
    clock = FakeClock(START_US + 7200 * SECOND_US)
    return Tools(
        catalogue=catalogue,
        store=DirectoryStore(work / "store"),
        runner=runner,
        settings=settings,
        ring=directory / "ring",
        work=work / "work",
        clock=clock,
        principal="bench",
        signer=PackageSigner(key=signing_key(work / "keys" / "archiver.pem"), clock=clock),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Noted:
    """A step's function that notes beside the step's output what processor time it took."""

    function: Callable[[Any], Any]
    notes: Path

    def __call__(self, step: Any) -> Any:
        before = cpu_seconds()
        try:
            return self.function(step)
        finally:
            with self.notes.open("a", encoding="utf-8") as file:
                file.write(f"{cpu_seconds() - before}\t{getattr(step, 'target', '')}\n")


class NotingPool(LocalPool):
    """Two processes of this machine."""

    def __init__(self, notes: Path) -> None:
        super().__init__(2)
        self._notes = notes

    def wrapped(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return Noted(function=function, notes=self._notes)


def show_speed(notes: Path, seconds: int) -> None:
    """Stream-hours a core-hour by content kind: probing, encoding and measuring, of pictures and sound."""
    steps = [line.split("\t") for line in notes.read_text(encoding="utf-8").splitlines()]
    told = []
    for kind in dict.fromkeys(one.kind for one in STREAMS):
        ids = [one.id for one in STREAMS if one.kind is kind]
        took = sum(float(cpu) for cpu, target in steps if any(name in target for name in ids))
        told.append(f"{kind} {len(ids) * seconds / took:.2f}")
    console.print(f"stream-hours a core-hour: {', '.join(told)}")


def ours(catalogue: Catalogue, directory: Path, kbps: float, codec: ArchiveCodec) -> Side:
    """The session, archived by the product."""
    runner = StepRunner(pool=NotingPool(directory / "steps.txt"))
    tools = tools_for(catalogue, directory, ArchiveSettings(budget_kbps=kbps, codec=codec), runner)
    before, begun = cpu_seconds(), time.perf_counter()
    archive = Archiver(tools).run_once()
    runner.close()
    assert archive is not None
    cpu, wall = cpu_seconds() - before, time.perf_counter() - begun
    renditions = catalogue.archives.renditions_of(archive.id)
    return Side(
        files={one.source_id: tools.work.parent / "store" / one.object_key for one in renditions},
        bytes=archive.size_bytes,
        cpu_seconds=cpu,
        wall_seconds=wall,
        told={
            "budget": archive.budget_bytes,
            "overrun": archive.overrun_reason,
            **{one.source_id: one.receipt for one in renditions},
        },
    )


def naive(footage: dict[str, Path], directory: Path, kbps: float, seconds: int) -> Side:
    """Every stream with the same rate, in two passes; two files at a time."""
    target = Path(tempfile.mkdtemp(dir=directory))
    before, begun = cpu_seconds(), time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        made = list(
            pool.map(lambda item: _two_pass(item[1], target / f"{item[0]}.mp4", kbps), footage.items())
        )
    return Side(
        files=dict(zip(footage, made, strict=True)),
        bytes=sum(path.stat().st_size for path in made),
        cpu_seconds=cpu_seconds() - before,
        wall_seconds=time.perf_counter() - begun,
        told={},
    )


def _two_pass(source: Path, target: Path, kbps: float) -> Path:
    sound = has_sound(source)
    rate = f"{kbps - (SOUND_KBPS if sound else 0):g}k"
    common = [FFMPEG, "-v", "error", "-y", "-threads", "1", "-i", str(source)]
    encoder = ["-c:v", "libx264", "-preset", "medium", "-b:v", rate, "-threads", "1"]
    log = ["-passlogfile", str(target.with_suffix(".log"))]
    subprocess.run([*common, "-an", *encoder, "-pass", "1", *log, "-f", "null", "-"], check=True)
    with_sound = ["-c:a", "aac", "-ac", "1", "-ar", "16000", "-b:a", f"{SOUND_KBPS}k"] if sound else ["-an"]
    subprocess.run([*common, *encoder, "-pass", "2", *log, *with_sound, str(target)], check=True)
    return target


def has_sound(path: Path) -> bool:
    said = subprocess.run([FFMPEG, "-i", str(path)], capture_output=True, text=True, check=False).stderr
    return "Audio:" in said


def judge(side: Side, footage: dict[str, Path], directory: Path, seconds: int) -> dict[str, Judged]:
    """All streams of a side."""
    with ThreadPoolExecutor(2) as pool:
        scores = dict(
            zip(
                footage,
                pool.map(lambda name: _vmaf(side.files[name], footage[name], directory), footage),
                strict=True,
            )
        )
    kinds = {one.id: one.kind for one in STREAMS}
    return {
        name: Judged(
            vmaf=mean(found),
            p5=float(np.percentile(found, 5)),
            text=_text(side.files[name], footage[name], seconds)
            if kinds[name] is ContentKind.SEAT_DESKTOP
            else None,
            kbps=side.files[name].stat().st_size * 8 / 1000 / seconds,
        )
        for name, found in scores.items()
    }


def _vmaf(archived: Path, source: Path, directory: Path) -> list[float]:
    log = Path(tempfile.mkdtemp(dir=directory)) / "vmaf.json"
    size = "scale=1920:1080" if "desk" in source.name else "scale=1280:720"
    graph = (
        f"[0]fps=25:start_time=0,settb=1/25,setpts=N,{size}:flags=bicubic[a];"
        "[1]fps=25:start_time=0,settb=1/25,setpts=N[b];"
        f"[a][b]libvmaf=n_subsample=5:log_fmt=json:log_path={log}"
    )
    subprocess.run(
        [FFMPEG, "-v", "error", "-i", str(archived), "-i", str(source), "-lavfi", graph, "-f", "null", "-"],
        check=True,
    )
    frames = json.loads(log.read_bytes())["frames"]
    return [one["metrics"]["vmaf"] for one in frames if "vmaf" in one["metrics"]]


def _text(archived: Path, source: Path, seconds: int) -> float:
    """Share of the characters of whole pictures that are read again, in the order of reading."""
    engine = RapidOCR(params={"Global.log_level": "error"})
    shares = []
    for moment in (seconds * 0.3, seconds * 0.7):
        before, after = (_read(engine, path, moment) for path in (source, archived))
        blocks = SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
        shares.append(sum(block.size for block in blocks) / max(1, len(before)))
    return min(shares)


def _read(engine: Any, path: Path, moment: float) -> str:
    """All text of the picture that is shown at a moment: lines from top to bottom, left to right."""
    command = [FFMPEG, "-v", "error", "-i", str(path), "-vf", f"fps=25:start_time=0,trim=start={moment}"]
    raw = subprocess.run(
        [*command, "-frames:v", "1", "-s", "1920x1080", "-pix_fmt", "bgr24", "-f", "rawvideo", "-"],
        capture_output=True,
        check=True,
    ).stdout
    found = engine(np.frombuffer(raw, np.uint8).reshape(1080, 1920, 3))
    lines = [] if found.boxes is None else list(zip(found.boxes, found.txts, strict=True))
    lines.sort(key=lambda line: (round(float(line[0][0][1]) / 12), float(line[0][0][0])))
    return "".join("".join(text.split()) for _, text in lines)


def scale(catalogue: Catalogue, directory: Path) -> float:
    """Gain of a second worker over that of a second bare encoder; both encode the same footage."""
    clips = [one for one in catalogue.clips.of_session(SESSION) if one.source_id in ("face-1", "face-4")]
    ids = {used.segment_id for clip in clips for used in clip.slices}
    segments = catalogue.footage.segments_by_id(ids)
    session = catalogue.sessions.get(SESSION)
    assert session is not None
    tools = tools_for(catalogue, directory, ArchiveSettings(), StepRunner(1))
    works = clip_works(tools, session, clips, segments, Begun())
    steps = [work.video_step(chunk.stretch, 45, 1) for work in works for chunk in work.chunks]

    def workers(count: int) -> float:
        runner = StepRunner(count)
        runner.run(str, [0] * count)  # processes are there before the clock starts
        begun = time.perf_counter()
        runner.run(partial(once, encode_video, VideoResult), [_renamed(one, count) for one in steps])
        took = time.perf_counter() - begun
        runner.close()
        return took

    return (workers(1) / workers(2)) / (_bare(directory, 1) / _bare(directory, 2))


def _renamed(step: VideoStep, count: int) -> VideoStep:
    return replace(step, target=step.target.with_stem(f"{step.target.stem}-{count}"))


def _bare(directory: Path, count: int) -> float:
    def encode(name: str) -> None:
        source, target = directory / f"{name}.mkv", directory / f"bare-{name}-{count}.mp4"
        encoder = ["-c:v", "libsvtav1", "-preset", "10", "-crf", "45", "-svtav1-params", "lp=1"]
        subprocess.run(
            [FFMPEG, "-v", "error", "-y", "-threads", "1", "-i", str(source), "-an", *encoder, str(target)],
            check=True,
            env={**os.environ, "SVT_LOG": "1"},
        )

    begun = time.perf_counter()
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(encode, ("face-1", "face-4")))
    return time.perf_counter() - begun


def show(kbps: float, sides: dict[str, tuple[Side, dict[str, Judged]]]) -> None:
    table = Table(title=f"{kbps:g} kbit/s a stream")
    for head in (
        "stream",
        *(f"{name} {what}" for name in sides for what in ("kbit/s", "VMAF", "p5", "text")),
    ):
        table.add_column(head, justify="right")
    for stream in STREAMS:
        cells = []
        for _, judged in sides.values():
            one = judged[stream.id]
            cells += [
                f"{one.kbps:.0f}",
                f"{one.vmaf:.1f}",
                f"{one.p5:.1f}",
                "" if one.text is None else f"{one.text:.3f}",
            ]
        table.add_row(stream.id, *cells)
    console.print(table)


def compare(
    catalogue: Catalogue, footage: dict[str, Path], directory: Path, kbps: float, seconds: int
) -> dict[str, float]:
    """One budget; returns the figures."""
    our_side = ours(catalogue, directory, kbps, ArchiveCodec.AV1)
    show_speed(directory / "steps.txt", seconds)
    their_side = naive(footage, directory, kbps, seconds)
    mine, theirs = (judge(side, footage, directory, seconds) for side in (our_side, their_side))
    show(kbps, {"ours": (our_side, mine), "naive": (their_side, theirs)})
    budget = our_side.told["budget"]
    console.print(
        f"ours {our_side.bytes:,} of {budget:,} bytes, CPU {our_side.cpu_seconds:.0f} s, "
        f"{our_side.wall_seconds:.0f} s; naive {their_side.bytes:,} bytes, "
        f"CPU {their_side.cpu_seconds:.0f} s, {their_side.wall_seconds:.0f} s. "
        f"{our_side.told['overrun']}"
    )
    figures = {
        "worst_vmaf_gain": min(one.vmaf for one in mine.values()) - min(one.vmaf for one in theirs.values()),
        "mean_vmaf_gain": mean(one.vmaf for one in mine.values()) - mean(one.vmaf for one in theirs.values()),
        "text_agreement": min(one.text for one in mine.values() if one.text is not None),
        "budget_used": our_side.bytes / budget,
        "cpu_ratio": our_side.cpu_seconds / their_side.cpu_seconds,
    }
    console.print({name: round(value, 3) for name, value in figures.items()})
    return figures


def main() -> None:
    if not FOOTAGE.is_dir():
        sys.exit("This benchmark needs footage of people and screens, which is not part of the project.")
    seconds = int(os.environ.get("JIANZHENG_BENCH_SECONDS", "300"))
    budgets = [float(one) for one in os.environ.get("JIANZHENG_BENCH_KBPS", "165 120 53").split()]
    os.environ["SVT_LOG"] = "1"
    with tempfile.TemporaryDirectory(prefix="bench-archive-") as name:
        found = []
        for kbps in budgets:
            directory = Path(name) / f"{kbps:g}"
            catalogue, footage = record(directory, seconds)
            found.append(compare(catalogue, footage, directory, kbps, seconds))
            if kbps == budgets[-1]:
                found[0]["scale_1_to_2"] = scale(catalogue, directory)
            catalogue.close()
    print(json.dumps({key: round(value, 3) for key, value in found[0].items()}))


if __name__ == "__main__":
    main()
