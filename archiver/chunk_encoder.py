"""Chunks of clips: probed, planned and encoded; what they really weigh corrects what is planned next."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from heapq import heapify, heappop, heappush
from types import MappingProxyType

from archiver.begun import Begun
from archiver.clip_work import Chunk, ClipWork
from archiver.copy_stream import CopyResult
from archiver.curve import Curve, Point, curve_through
from archiver.encode import VideoResult, VideoStep, encode_video
from archiver.plan import Choice, Demand, EncodePlan, Menu, plan
from archiver.probe import ProbeResult, Tried, probe
from archiver.quality import percentile
from archiver.steps import StepRunner, once
from kernel.clock import SECOND_US

SAFETY = 0.97  # share of the rest that is planned: curves through few points are no promise

Advance = Callable[[object], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedChunk:
    """A chunk, with which setting it was encoded, and what came of it."""

    chunk: Chunk
    choice: Choice
    video: VideoResult
    copied: CopyResult | None = None  # of a piece that is kept as it is


NOTHING: Mapping[Chunk, EncodedChunk] = MappingProxyType({})


class ChunkEncoder:
    """Encodes chunks of clips, and knows what was measured of them so far."""

    def __init__(self, runner: StepRunner, works: Sequence[ClipWork], begun: Begun) -> None:
        self._runner = runner
        self._works = {work.clip.id: work for work in works}
        self._curves: dict[str, tuple[Curve, ...]] = {}
        self._heights = dict(begun.heights())  # of clips, once a chunk is encoded
        self._corrections: dict[str, float] | None = None  # by clip; None: to be found out
        self._menus: dict[str, Menu] = {}  # of a second of each demand, as things stand
        self.done: dict[Chunk, EncodedChunk] = {}
        self.copied: dict[Chunk, EncodedChunk] = {}  # pieces that are kept as they are

    def probe(self, advance_of: Callable[[int], Advance]) -> None:
        """Measure rate and quality of each clip on sampled windows.

        Args:
            advance_of: gives, for the number of steps, what is called after each.
        """
        probes = [(work, step) for work in self._works.values() for step in work.probe_steps()]
        advance = advance_of(len(probes))
        steps = [step for _, step in probes]
        results = self._runner.run(partial(once, probe, ProbeResult), steps, advance)
        found: dict[str, list[tuple[float, ProbeResult]]] = {name: [] for name in self._works}
        for (work, step), result in zip(probes, results, strict=True):
            seconds = step.tries[0].stretch.wall.duration_us / SECOND_US
            found[work.clip.id].append((seconds, result))
        self._curves = {name: curves(self._works[name], given) for name, given in found.items()}

    def plan(self, room: int, rest: Iterable[Chunk]) -> EncodePlan:
        """The best that the chunks that are left can have of the bytes that are left."""
        seconds: dict[str, float] = {}
        of: dict[str, Chunk] = {}
        for chunk in rest:
            seconds[chunk.demand_id] = seconds.get(chunk.demand_id, 0.0) + chunk.seconds
            of[chunk.demand_id] = chunk
        demands = [self._demand(of[name], length) for name, length in seconds.items()]
        return plan(demands, (room - self.weight()) * SAFETY)

    def planned(self, room: int, kept: Collection[str]) -> dict[str, float]:
        """Bytes that each clip is given of so many, but for those that are kept as they are."""
        chunks = [chunk for name, work in self._works.items() if name not in kept for chunk in work.chunks]
        clips = {chunk.demand_id: chunk.clip_id for chunk in chunks}
        given: dict[str, float] = defaultdict(float)
        for name, choice in self.plan(room, chunks).choices.items():
            given[clips[name]] += choice.bytes
        return given

    def _demand(self, chunk: Chunk, seconds: float) -> Demand:
        work = self._works[chunk.clip_id]
        height = self._heights.get(chunk.clip_id)
        given = self._curves[chunk.clip_id]
        return Demand(
            id=chunk.demand_id,
            seconds=seconds,
            limits=work.limits(tagged=chunk.tagged),
            curves=given if height is None else tuple(one for one in given if one.height == height),
            correction=self._correction(chunk.clip_id),
        )

    def _menu(self, chunk: Chunk) -> Menu:
        """What a second of a chunk's demand may be encoded with; there are far fewer demands than chunks."""
        if chunk.demand_id not in self._menus:
            self._menus[chunk.demand_id] = Menu(self._demand(chunk, 1.0))
        return self._menus[chunk.demand_id]

    def choice(self, chunk: Chunk, crf: int, height: float) -> Choice:
        """What a chunk is expected to be with a setting that was chosen before."""
        row = self._menu(chunk).row(height)
        return replace(min(row, key=lambda one: abs(one.crf - crf)), crf=crf)

    def _correction(self, clip_id: str) -> float:
        """What the clip's chunks really weigh over what its curve said."""
        if self._corrections is None:
            said: dict[str, float] = defaultdict(float)
            real: dict[str, float] = defaultdict(float)
            for chunk, done in self.done.items():
                said[chunk.clip_id] += self._rate(chunk, done.choice) * chunk.seconds / 8
                real[chunk.clip_id] += done.video.size_bytes
            self._corrections = {name: max(real[name], 1.0) / said[name] for name in said}
        return self._corrections.get(clip_id, 1.0)

    def _rate(self, chunk: Chunk, choice: Choice) -> float:
        """Bits a second, as the clip's curve says."""
        curve = next(one for one in self._curves[chunk.clip_id] if one.height == choice.height)
        return curve.bits_per_second(choice.crf)

    def _changed(self) -> None:
        """What follows from the chunks that are encoded is to be found out anew."""
        self._corrections = None
        self._menus.clear()

    def weight(self) -> int:
        return sum(one.video.size_bytes for one in self.made().values())

    def made(self) -> dict[Chunk, EncodedChunk]:
        """All that there is of pictures, encoded or kept."""
        return {**self.done, **self.copied}

    def encode(self, wanted: Sequence[tuple[Chunk, Choice]], advance: Advance = lambda _result: None) -> None:
        """Encode chunks; all of a clip have the height of its first one: a file has one size of picture."""
        for chunk, choice in wanted:
            self._heights.setdefault(chunk.clip_id, choice.height)
        self._menus.clear()
        fixed = [
            (chunk, self.at_height(chunk, choice, self._heights[chunk.clip_id])) for chunk, choice in wanted
        ]
        steps = [self._step(chunk, choice) for chunk, choice in fixed]
        results = self._runner.run(partial(once, encode_video, VideoResult), steps, advance)
        for (chunk, choice), result in zip(fixed, results, strict=True):
            self.done[chunk] = EncodedChunk(chunk=chunk, choice=choice, video=result)
        self._changed()

    def take_over(
        self, chunks: Iterable[Chunk], begun: Begun, known: Mapping[Chunk, EncodedChunk] = NOTHING
    ) -> None:
        """Chunks that were encoded while the session ran are what they are.

        Args:
            known: what came of some of them: their notes need not be read again.
        """
        taken = [
            (chunk, self.choice(chunk, *setting))
            for chunk in chunks
            if (setting := begun.setting(chunk)) is not None
        ]
        self.done |= {chunk: known[chunk] for chunk, _ in taken if chunk in known}
        self.encode([one for one in taken if one[0] not in known])

    def take_back(self, before: Iterable[EncodedChunk], room: int) -> None:
        """Chunks as they were before, as many as it takes for all to fit; their files are still there."""
        over = self.weight() - room
        for one in before:
            if over <= 0:
                break
            over -= self.done[one.chunk].video.size_bytes - one.video.size_bytes
            self.done[one.chunk] = one
        self._changed()

    def at_height(self, chunk: Chunk, choice: Choice, height: float) -> Choice:
        """What gives about the same with a height that is fixed already."""
        if choice.height == height:
            return choice
        return min(self._menu(chunk).row(height), key=lambda one: abs(one.mean - choice.mean))

    def _step(self, chunk: Chunk, choice: Choice) -> VideoStep:
        return self._works[chunk.clip_id].video_step(chunk.stretch, choice.crf, choice.height)

    def moves(self, left: int) -> list[tuple[Chunk, Choice]]:
        """Steps up for the worst chunks where bytes are left, steps down for the best where they are not."""
        up = left > 0
        wanted = left * SAFETY if up else left / SAFETY
        moves: dict[Chunk, Choice] = {}
        order = [chunk for chunk, done in self.done.items() if done.video.path is not None]
        now = [self.done[chunk].choice for chunk in order]
        heap = [(_urgency(self._menu(chunk), now[n], up), n) for n, chunk in enumerate(order)]
        heapify(heap)
        while heap and (wanted > 0 if up else wanted < 0):
            _, number = heappop(heap)
            chunk = order[number]
            menu = self._menu(chunk)
            step = menu.better(now[number]) if up else menu.worse(now[number])
            if step is None:
                continue
            more = self._bytes_more(chunk, step) - self._bytes_more(chunk, now[number])
            if up and more > wanted:
                continue
            moves[chunk] = now[number] = step
            wanted -= more
            heappush(heap, (_urgency(menu, step, up), number))
        return list(moves.items())

    def _bytes_more(self, chunk: Chunk, choice: Choice) -> float:
        """What a chunk would weigh more with another choice, as the curve says."""
        done = self.done[chunk]
        return done.video.size_bytes * (self._rate(chunk, choice) / self._rate(chunk, done.choice) - 1)


def _urgency(menu: Menu, choice: Choice, up: bool) -> float:
    """The least comes first: the worst chunk on the way up, the best on the way down."""
    return -menu.deficit(choice) if up else menu.deficit(choice)


def curves(work: ClipWork, found: Sequence[tuple[float, ProbeResult]]) -> tuple[Curve, ...]:
    """Curves of a clip through what its windows gave, one for each height.

    Args:
        found: the length in seconds and the result of each window.
    """
    given = [(seconds, result) for seconds, result in found if result.tried]
    points: dict[float, list[Point]] = {}
    for number, (height, crf) in enumerate(work.settings()):
        tried = [(seconds, result.tried[number]) for seconds, result in given]
        points.setdefault(height, []).append(_point(work, crf, tried))
    return tuple(curve_through(height, ones) for height, ones in points.items())


def _point(work: ClipWork, crf: int, tried: Sequence[tuple[float, Tried]]) -> Point:
    """One setting over all windows; a key frame counts as often as there are going to be."""
    scores = [score for _, one in tried for score in one.scores]
    texts = [one.text for _, one in tried if one.text is not None]
    bits = [
        8 * (one.key_bytes / work.kind.key_seconds + (one.size_bytes - one.key_bytes) / seconds)
        for seconds, one in tried
    ]
    return Point(
        crf=crf,
        # A screen may send no picture in a whole window: little, but not nothing.
        bits_per_second=max(1.0, sum(bits) / len(bits)) if bits else 1.0,
        mean=sum(scores) / len(scores) if scores else 100.0,
        p5=percentile(scores, 0.05) if scores else 100.0,
        text=min(texts) if texts else None,
    )
