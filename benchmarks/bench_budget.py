"""What the sample's projects may weigh, what that shows of them, and the processors that it takes.

Stream-hours by content kind come from the sample's month as the product's own cutter cuts it. How rate and
quality depend on each other is measured by the product's own probe on footage of people and screens, for AV1
and for H.264; what has no footage of its own stands on what is most like it. Each project is then planned by
the product's solver within its budget. Processor time is that of encoding a chunk with the planned setting.

Prints tables; the last line is one JSON object. ``JIANZHENG_BENCH_CURVES`` names a file that measured curves
are kept in: with it, a second run measures nothing.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # the sample's month is part of the tests

from rich.console import Console
from rich.table import Table
from small_project import FOOTAGE, SESSION, record

from archiver.budget import budget_bytes
from archiver.chunk_encoder import SAFETY, curves
from archiver.clip_work import ClipWork
from archiver.curve import Curve, Point
from archiver.encode import encode_video
from archiver.plan import Choice, Demand, EncodePlan, Limits, plan
from archiver.probe import ProbeResult, probe
from archiver.ring_reader import picture_format
from archiver.rules import ArchiveRules, KindRule, archive_rules
from archiver.steps import StepRunner, once
from archiver.stretches import chunks, stretches
from archiver.within_budget import METADATA_BYTES_PER_CLIP
from kernel.clock import SECOND_US
from kernel.model.source import ContentKind
from kernel.model.timeline import Phase
from kernel.settings import ArchiveCodec
from tests.support.sample_month import Month

FLEET_MEAN_BYTES = 5 * 10**9
PROJECTS_A_DAY = 10
EVALUATED = frozenset({Phase.EVALUATION, Phase.NEGOTIATION})
STAND_INS = {
    ContentKind.SEAT_FACE: ("face-1", "face-3"),
    ContentKind.ROOM: ("room",),
    ContentKind.SUPERVISION: ("room",),
    ContentKind.SEAT_DESKTOP: ("desk-1", "desk-2"),
    ContentKind.SCREEN: ("desk-1", "desk-2"),
    ContentKind.EXTRACTION_TERMINAL: ("desk-1", "desk-2"),
}
"""Footage that curves are measured on; the streams of a kind are shared out over it."""
WITH_SOUND = frozenset({ContentKind.SEAT_FACE, ContentKind.ROOM, ContentKind.SUPERVISION})
"""Every stream of these is reckoned to have sound of its own: more than there is going to be."""
WINDOWS = 4  # of each file
FOOTAGE_SECONDS = 120
console = Console(width=118)


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What was measured on a file for a codec and a content kind."""

    curves: tuple[Curve, ...]
    probe_cpu: float  # seconds of processor for each second of footage that was tried, with all its settings


def cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def stream_seconds() -> dict[str, dict[ContentKind, float]]:
    """Recorded footage of each project that got as far as its evaluation, by content kind."""
    with tempfile.TemporaryDirectory(prefix="bench-budget-") as directory:
        month = Month(Path(directory))
        month.live()
        found: dict[str, dict[ContentKind, float]] = {}
        kinds = {source.id: source.content_kind for source in month.catalogue.places.sources().values()}
        for project in month.sample.projects:
            sessions = month.catalogue.sessions.of_project(project.id)
            seconds: dict[ContentKind, float] = defaultdict(float)
            for session in sessions:
                for clip in month.catalogue.clips.of_session(session.id):
                    seconds[kinds[clip.source_id]] += (
                        sum(used.wall.duration_us for used in clip.slices) / SECOND_US
                    )
            if any(session.phase in EVALUATED for session in sessions):
                found[project.id] = dict(seconds)
        month.catalogue.close()
        return found


class Footage:
    """Real people and screens in a ring, as clips to work on."""

    def __init__(self, directory: Path, rules: ArchiveRules, seconds: int = FOOTAGE_SECONDS) -> None:
        self._directory = directory
        self._rules = rules
        self._catalogue, _ = record(directory, seconds)
        self._clips = {one.source_id: one for one in self._catalogue.clips.of_session(SESSION)}
        ids = {used.segment_id for clip in self._clips.values() for used in clip.slices}
        self._segments = self._catalogue.footage.segments_by_id(ids)

    def work(self, name: str, kind: ContentKind, codec: ArchiveCodec) -> ClipWork:
        """The footage of a stream, to be archived as a content kind."""
        clip = self._clips[name]
        pieces = tuple(stretches(clip, self._segments, str(self._directory / "ring")))
        return ClipWork(
            clip=clip,
            source=replace(self._catalogue.places.sources()[name], content_kind=kind),
            pieces=pieces,
            picture=picture_format([Path(used.path) for piece in pieces for used in piece.slices]),
            directory=self._directory / f"{name}-{kind}",
            rules=self._rules,
            codec=codec,
        )

    def measure(self, name: str, kind: ContentKind, codec: ArchiveCodec) -> Measured:
        """The curves of a stream, by the product's own probe."""
        work = self.work(name, kind, codec)
        steps = work.probe_steps()
        before = cpu_seconds()
        runner = StepRunner(2)
        results = runner.run(partial(once, probe, ProbeResult), steps)
        runner.close()
        lengths = [step.tries[0].stretch.wall.duration_us / SECOND_US for step in steps]
        return Measured(
            curves=curves(work, list(zip(lengths, results, strict=True))),
            probe_cpu=(cpu_seconds() - before) / sum(lengths),
        )

    def encoding_cpu(self, name: str, kind: ContentKind, codec: ArchiveCodec, choice: Choice) -> float:
        """Seconds of processor that a second of footage takes, decoding included."""
        work = self.work(name, kind, codec)
        chunk = chunks(work.pieces[0])[1]
        step = work.video_step(chunk, choice.crf, choice.height)
        step.target.parent.mkdir(parents=True, exist_ok=True)
        before = cpu_seconds()
        encode_video(step)
        return (cpu_seconds() - before) / (chunk.wall.duration_us / SECOND_US)


Key = tuple[str, ContentKind, ArchiveCodec]


def all_curves(footage: Footage, rules: ArchiveRules, kept: Path | None) -> dict[Key, Measured]:
    """Measured curves of all footage as all kinds that it stands for; kept ones are not measured again."""
    known = _read(kept)
    for codec in ArchiveCodec:
        for kind, names in STAND_INS.items():
            for name in names:
                if (name, kind, codec) not in known:
                    known[name, kind, codec] = _alike(known, rules, (name, kind, codec)) or footage.measure(
                        name, kind, codec
                    )
                    console.print(f"measured {name} as {kind}, {codec}")
                    _write(kept, known)
    return known


def _alike(known: Mapping[Key, Measured], rules: ArchiveRules, wanted: Key) -> Measured | None:
    """What was measured for a kind that is encoded in the same manner."""
    name, kind, codec = wanted
    return next(
        (
            one
            for (other_name, other, other_codec), one in known.items()
            if (other_name, other_codec) == (name, codec)
            and manner(rules.kinds[other]) == manner(rules.kinds[kind])
        ),
        None,
    )


def manner(rule: KindRule) -> tuple[object, ...]:
    """What of a kind's rule its curves depend on."""
    return rule.screen, rule.pace, rule.key_seconds, rule.heights, rule.text_floor


def _read(kept: Path | None) -> dict[Key, Measured]:
    if kept is None or not kept.exists():
        return {}
    return {
        (one["name"], ContentKind(one["kind"]), ArchiveCodec(one["codec"])): Measured(
            curves=tuple(
                Curve(height=curve["height"], points=tuple(Point(**point) for point in curve["points"]))
                for curve in one["curves"]
            ),
            probe_cpu=one["probe_cpu"],
        )
        for one in json.loads(kept.read_text(encoding="utf-8"))
    }


def _write(kept: Path | None, known: Mapping[Key, Measured]) -> None:
    if kept is not None:
        told = [
            {
                "name": name,
                "kind": kind,
                "codec": codec,
                "probe_cpu": one.probe_cpu,
                "curves": [
                    {"height": curve.height, "points": [asdict(point) for point in curve.points]}
                    for curve in one.curves
                ],
            }
            for (name, kind, codec), one in known.items()
        ]
        kept.write_text(json.dumps(told), encoding="utf-8")


def limits(rules: ArchiveRules, kind: ContentKind, codec: ArchiveCodec) -> Limits:
    rule = rules.kinds[kind]
    tuning = rules.codecs[codec].of(rule)
    return Limits(
        floor=rule.floor,
        text_floor=rule.text_floor,
        ceiling=rule.ceiling,
        weight=rule.weight,
        most_bits_per_second=rule.most_kbps * 1000,
        best_crf=tuning.best_crf,
        worst_crf=tuning.worst_crf,
    )


def planned(
    seconds: Mapping[ContentKind, float],
    rules: ArchiveRules,
    codec: ArchiveCodec,
    known: Mapping[Key, Measured],
) -> EncodePlan:
    """A project's plan: the streams of each kind look like the footage that stands for it, in equal parts."""
    demands = [
        Demand(
            id=f"{kind} {name}",
            seconds=length / len(STAND_INS[kind]),
            limits=limits(rules, kind, codec),
            curves=known[name, kind, codec].curves,
        )
        for kind, length in seconds.items()
        for name in STAND_INS[kind]
    ]
    heard = sum(length for kind, length in seconds.items() if kind in WITH_SOUND)
    sound = heard * rules.sound.codecs[codec].kbps * 125
    beside = METADATA_BYTES_PER_CLIP * 4 * len(demands)
    return plan(demands, (budget_bytes(seconds, rules) - sound - beside) * SAFETY)


def show_projects(projects: Mapping[str, Mapping[ContentKind, float]], rules: ArchiveRules) -> float:
    """Hours and budgets; returns the fleet's mean in bytes."""
    table = Table(title="Evaluated projects of the sample: stream-hours by kind, budget")
    for head in ("project", *(kind.value for kind in STAND_INS), "all", "GB", "kbit/s"):
        table.add_column(head, justify="right")
    for name, seconds in projects.items():
        total, hours = budget_bytes(seconds, rules), [seconds.get(kind, 0) / 3600 for kind in STAND_INS]
        cells = [f"{one:.1f}" for one in (*hours, sum(hours))]
        table.add_row(name, *cells, f"{total / 1e9:.2f}", f"{total * 8 / 1000 / sum(seconds.values()):.0f}")
    console.print(table)
    fleet = mean(budget_bytes(seconds, rules) for seconds in projects.values())
    console.print(f"fleet mean {fleet / 1e9:.3f} GB over {len(projects)} projects")
    return fleet


def show_plans(
    codec: ArchiveCodec,
    projects: Mapping[str, Mapping[ContentKind, float]],
    plans: Mapping[str, EncodePlan],
    floors: Sequence[str],
) -> None:
    table = Table(title=f"{codec}: pictures of each project: kbit/s, lowest mean VMAF")
    for head in ("project", *(kind.value for kind in STAND_INS), "over by, MB"):
        table.add_column(head, justify="right")
    for project, one in plans.items():
        cells = [_cell(kind, projects[project], one) for kind in STAND_INS]
        table.add_row(project, *cells, f"{one.overrun_bytes / 1e6:.0f}" if one.overrun_reason else "")
    console.print(table)
    for told in floors:
        console.print(f"{codec}: {told}")


def _cell(kind: ContentKind, seconds: Mapping[ContentKind, float], made: EncodePlan) -> str:
    if kind not in seconds:
        return ""
    choices = [made.choices[f"{kind} {name}"] for name in STAND_INS[kind]]
    kbps = sum(one.bytes for one in choices) * 8 / 1000 / seconds[kind]
    missed = "!" if any(one.unreachable for one in choices) else ""
    return f"{kbps:.0f}, {min(one.mean for one in choices):.1f}{missed}"


def floors_told(rules: ArchiveRules, codec: ArchiveCodec, known: Mapping[Key, Measured]) -> list[str]:
    """What the floors of each kind cost on each footage, and what the budget of the kind gives it."""
    told = []
    for kind, names in STAND_INS.items():
        for name in names:
            demand = Demand(
                id=name, seconds=8, limits=limits(rules, kind, codec), curves=known[name, kind, codec].curves
            )
            least = plan([demand], 0).choices[name]
            sound = rules.sound.codecs[codec].kbps if kind in WITH_SOUND else 0
            share = rules.kinds[kind].budget_kbps - sound
            alone = plan([demand], share * 1000 * SAFETY).choices[name]
            told.append(
                f"{kind} ({name}): floors {'UNREACHABLE, ' if least.unreachable else ''}cost "
                f"{least.bytes / 1000:.0f} kbit/s (CRF {least.crf}, {least.height:g}, VMAF {least.mean:.0f}),"
                f" its {share:g} kbit/s give VMAF {alone.mean:.1f}"
            )
    return told


def show_cores(
    projects: Mapping[str, Mapping[ContentKind, float]],
    codec: ArchiveCodec,
    plans: Mapping[str, EncodePlan],
    footage: Footage,
    known: Mapping[Key, Measured],
    rules: ArchiveRules,
) -> float:
    """Processors that ten projects a day keep busy."""
    table = Table(title=f"{codec}: processors for {PROJECTS_A_DAY} such projects a day")
    for head in ("kind", "stream-hours a day", "stream-hours a core-hour", "probing, share", "cores"):
        table.add_column(head, justify="right")
    some = plans[sorted(plans, key=lambda name: sum(projects[name].values()))[len(plans) // 2]]
    total = 0.0
    for kind, names in STAND_INS.items():
        hours = PROJECTS_A_DAY * mean(one.get(kind, 0) for one in projects.values()) / 3600
        choices = {name: some.choices.get(f"{kind} {name}") for name in names}
        found = [
            footage.encoding_cpu(name, kind, codec, one) for name, one in choices.items() if one is not None
        ]
        if not found:
            continue
        tried = rules.probing.seconds / rules.probing.every_seconds  # of each second of footage
        probing = tried * mean(known[name, kind, codec].probe_cpu for name in names)
        cores = hours * (mean(found) + probing) / 24
        total += cores
        table.add_row(
            kind.value,
            f"{hours:.0f}",
            f"{1 / (mean(found) + probing):.2f}",
            f"{probing / mean(found):.2f}",
            f"{cores:.2f}",
        )
    table.add_row("all", "", "", "", f"{total:.1f}")
    console.print(table)
    return total


def evaluate(
    projects: Mapping[str, Mapping[ContentKind, float]],
    codec: ArchiveCodec,
    footage: Footage,
    known: Mapping[Key, Measured],
    rules: ArchiveRules,
) -> dict[str, Any]:
    """One codec: plans, floors, processors."""
    plans = {name: planned(seconds, rules, codec, known) for name, seconds in projects.items()}
    show_plans(codec, projects, plans, floors_told(rules, codec, known))
    cores = show_cores(projects, codec, plans, footage, known, rules)
    choices = [choice for one in plans.values() for choice in one.choices.values()]
    return {
        f"{codec}_floors_met": not any(one.unreachable for one in choices)
        and not any(one.overrun_reason for one in plans.values()),
        f"{codec}_worst_vmaf": round(min(one.mean for one in choices), 1),
        f"{codec}_cores": round(cores, 1),
    }


def main() -> None:
    if not FOOTAGE.is_dir():
        sys.exit("This benchmark needs footage of people and screens, which is not part of the project.")
    os.environ["SVT_LOG"] = "1"
    rules = archive_rules()
    probing = rules.probing.model_copy(update={"least": WINDOWS, "most": WINDOWS, "text_stretches": WINDOWS})
    kept = os.environ.get("JIANZHENG_BENCH_CURVES")
    with tempfile.TemporaryDirectory(prefix="bench-budget-") as name:
        footage = Footage(Path(name), rules.model_copy(update={"probing": probing}))
        known = all_curves(footage, rules, Path(kept) if kept else None)
        projects = stream_seconds()
        figures: dict[str, Any] = {"fleet_mean_bytes": round(show_projects(projects, rules))}
        for codec in ArchiveCodec:
            figures |= evaluate(projects, codec, footage, known, rules)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
