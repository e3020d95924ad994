"""Draws the pictures of ``budget.md`` from a real run: two faces, two desktops and a room, archived.

Needs the footage that the benchmarks need. What was measured is kept in the directory that is named, so that
the pictures can be drawn again: ``python docs/design/make_budget_plots.py DIRECTORY``.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import matplotlib
import matplotlib.pyplot as plt
from bench_budget import Footage, all_curves

from archiver import within_budget
from archiver.begun import Begun
from archiver.budget import budget_bytes
from archiver.chunk_encoder import ChunkEncoder, EncodedChunk
from archiver.clip_work import Chunk
from archiver.plan import Choice, EncodePlan
from archiver.progress import ProgressTeller
from archiver.rules import archive_rules
from archiver.session_works import seconds_by_kind
from archiver.steps import StepRunner
from archiver.within_budget import ClipEncoder
from kernel.model.source import ContentKind
from kernel.settings import ArchiveCodec

IMAGES = Path(__file__).parents[1] / "images"
RUN_SECONDS = 160
RUN = (
    ("face-1", ContentKind.SEAT_FACE),
    ("face-3", ContentKind.SEAT_FACE),
    ("desk-1", ContentKind.SEAT_DESKTOP),
    ("desk-2", ContentKind.SEAT_DESKTOP),
    ("room", ContentKind.ROOM),
)
COLOURS = {
    "face-1": "#1f77b4",
    "face-3": "#17becf",
    "desk-1": "#2ca02c",
    "desk-2": "#98c255",
    "room": "#d62728",
}

steps: list[dict[str, Any]] = []
"""What the waves of the run did, in order."""


class Watched(ChunkEncoder):
    """Notes what is planned and what it weighs."""

    def plan(self, room: int, rest: Iterable[Chunk]) -> EncodePlan:
        found = super().plan(room, list(rest))
        steps.append({"room": room, "spent": self.weight(), "planned": found.bytes})
        return found

    def encode(
        self, wanted: Sequence[tuple[Chunk, Choice]], advance: Callable[[object], None] = lambda _: None
    ) -> None:
        super().encode(wanted, advance)
        if wanted:
            steps.append(
                {"encoded": len(wanted), "spent": self.weight(), "chunks": _settings(self.done.values())}
            )


def _settings(done: Iterable[EncodedChunk]) -> list[list[Any]]:
    return [[one.chunk.clip_id, one.chunk.stretch.wall.start_us, one.choice.crf] for one in done]


class Silent:
    """Nobody asks how far it is."""

    def counter(self, *_: object) -> Callable[..., None]:
        return lambda *_: None


def run(directory: Path) -> dict[str, Any]:
    """Archive the clips within the budget of their kinds."""
    footage = Footage(directory, archive_rules(), RUN_SECONDS)
    works = [footage.work(name, kind, ArchiveCodec.AV1) for name, kind in RUN]
    total = budget_bytes(seconds_by_kind(works), archive_rules())
    within_budget.ChunkEncoder = Watched  # type: ignore[misc]
    runner = StepRunner(2)
    encoded = ClipEncoder(runner, works, cast(ProgressTeller, Silent()), Begun()).encode_within(total)
    runner.close()
    return {
        "total": total,
        "steps": steps,
        "clips": [_clip(one) for one in encoded.clips],
        "overrun": encoded.overrun_reason,
    }


def _clip(one: within_budget.EncodedClip) -> dict[str, Any]:
    scores = [score for measured in one.measured for score in measured.scores]
    texts = [measured.text for measured in one.measured if measured.text is not None]
    return {
        "clip": one.work.clip.id,
        "name": one.work.source.id,
        "seconds": one.work.seconds,
        "budget_kbps": one.work.kind.budget_kbps,
        "pictures": sum(chunk.video.size_bytes for chunk in one.chunks),
        "sound": one.audio.size_bytes,
        "height": one.chunks[0].choice.height,
        "mean": sum(scores) / len(scores),
        "lowest": min(scores),
        "text": min(texts) if texts else None,
    }


def draw_curves(known: Any) -> None:
    """Rate and quality of each footage, for both codecs."""
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True)
    for panel, codec in zip(panels, ArchiveCodec, strict=True):
        for name, kind in RUN:
            for curve in known[name, kind, codec].curves:
                rates = [point.bits_per_second / 1000 for point in curve.points]
                label = f"{name} ({kind})" if curve.height == 1 else None
                style = "-o" if curve.height == 1 else "--o"
                scores = [point.mean for point in curve.points]
                panel.plot(rates, scores, style, color=COLOURS[name], label=label, markersize=3)
        panel.set(title=codec.upper(), xlabel="kbit/s of pictures", xscale="log", ylim=(50, 100))
        panel.set_xticks([25, 50, 100, 200, 400, 800], ["25", "50", "100", "200", "400", "800"])
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("mean VMAF")
    panels[0].legend(fontsize=7)
    _save(figure, "budget-curves.svg")


def draw_division(made: dict[str, Any]) -> None:
    """What each stream got, beside what its kind brings in; and what that shows."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2))
    clips = made["clips"]
    names = [one["name"] for one in clips]
    places = range(len(clips))
    brought = [one["budget_kbps"] for one in clips]
    pictures = [one["pictures"] * 8 / 1000 / one["seconds"] for one in clips]
    sound = [one["sound"] * 8 / 1000 / one["seconds"] for one in clips]
    left.bar([at - 0.2 for at in places], brought, 0.38, color="#cccccc", label="brought in by its kind")
    left.bar(
        [at + 0.2 for at in places], pictures, 0.38, color=[COLOURS[name] for name in names], label="pictures"
    )
    left.bar([at + 0.2 for at in places], sound, 0.38, bottom=pictures, color="#444444", label="sound")
    left.set_xticks(list(places), names)
    left.set_ylabel("kbit/s")
    left.legend(fontsize=7)
    right.bar(places, [one["mean"] for one in clips], 0.5, color=[COLOURS[name] for name in names])
    right.plot(list(places), [one["lowest"] for one in clips], "k_", markersize=18, label="lowest picture")
    right.set_xticks(list(places), names)
    right.set(ylim=(50, 100), ylabel="VMAF, as measured")
    right.legend(fontsize=7, loc="lower right")
    _save(figure, "budget-division.svg")


def draw_waves(made: dict[str, Any]) -> None:
    """What was spent and what was planned for the rest, before each wave and at the end."""
    figure, panel = plt.subplots(figsize=(9, 3))
    # Which clips need no sound of their own is asked before, by a plan of its own.
    plans = [one for one in made["steps"] if "planned" in one][1:]
    encodings = [one for one in made["steps"] if "encoded" in one]
    spent = [one["spent"] / 1e6 for one in plans] + [
        one["spent"] / 1e6 for one in encodings[len(plans) - 1 :]
    ]
    planned = [one["planned"] / 1e6 for one in plans] + [0.0] * (len(spent) - len(plans))
    labels = [f"before wave {number + 1}" for number in range(len(plans))]
    labels += ["after the waves", *(f"put right {number + 1}" for number in range(len(spent)))]
    panel.barh(range(len(spent)), spent, color="#1f77b4", label="encoded")
    panel.barh(range(len(spent)), planned, left=spent, color="#aec7e8", label="planned for the rest")
    panel.axvline(plans[0]["room"] / 1e6, color="#d62728", label="room for pictures")
    panel.set_yticks(range(len(spent)), labels[: len(spent)])
    panel.invert_yaxis()
    panel.set_xlabel("MB")
    panel.legend(fontsize=7, loc="lower left")
    _save(figure, "budget-waves.svg")


def _save(figure: Any, name: str) -> None:
    figure.tight_layout()
    figure.savefig(IMAGES / name, metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    os.environ["SVT_LOG"] = "1"
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "budget"
    kept = Path(sys.argv[1])
    kept.mkdir(parents=True, exist_ok=True)
    rules = archive_rules()
    note = kept / "run.json"
    with tempfile.TemporaryDirectory() as directory:
        known = all_curves(Footage(Path(directory) / "tried", rules), rules, kept / "curves.json")
        if not note.exists():
            note.write_text(json.dumps(run(Path(directory) / "run")), encoding="utf-8")
    made = json.loads(note.read_text(encoding="utf-8"))
    draw_curves(known)
    draw_division(made)
    draw_waves(made)


if __name__ == "__main__":
    main()
