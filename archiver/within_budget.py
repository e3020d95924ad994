"""Encodes the clips of a session so that together they weigh no more than their budget.

Encoders do not keep promises: what a quality setting weighs is only known afterwards. So clips are encoded
in waves, each spread over the whole time of every clip; what a wave weighs corrects the curves, and the bytes
that are left are divided anew over what is left to encode. What remains wrong at the end is put right on a
few chunks. The outputs are the state: probes and chunks that are there are not made again, and the same
measurements give the same plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import heapify, heappop, heappush
from pathlib import Path

from archiver.archive_file import JoinStep, join
from archiver.clip_work import Chunk, ClipWork, waves
from archiver.curve import Curve, Point, curve_through
from archiver.encode import VideoResult, VideoStep, encode_video
from archiver.encode_sound import AudioResult, AudioStep, encode_audio
from archiver.measure import Measured, MeasureStep, measure
from archiver.plan import Choice, Demand, EncodePlan, Menu, plan
from archiver.probe import ProbeResult, Tried, probe
from archiver.progress import ProgressTeller
from archiver.quality import percentile
from archiver.steps import StepRunner, once
from archiver.stretches import narrow
from kernel.clock import SECOND_US
from kernel.errors import EncodeError
from kernel.log import logger

_log = logger("archiver")

Advance = Callable[[VideoResult], None]

METADATA_BYTES = 6_000  # of a package without clips
METADATA_BYTES_PER_CLIP = 6_000  # receipt, entry in catalogue.json and in the manifests
METADATA_BYTES_PER_SLICE = 1_400  # in both
WAVES = 4
SAFETY = 0.97  # share of the rest that a wave may plan: curves through few points are no promise
ENOUGH = 0.92  # share of the budget that is worth no further encoding
MOST_ROUNDS = 5  # of putting right


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedChunk:
    """A chunk, with which setting it was encoded, and what came of it."""

    chunk: Chunk
    choice: Choice
    video: VideoResult


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedClip:
    """An encoded clip and what its steps said."""

    work: ClipWork
    chunks: tuple[EncodedChunk, ...]
    path: Path
    size_bytes: int
    audio: AudioResult
    measured: tuple[Measured, ...]
    unreachable: bool  # its floors could not be reached at any rate that the rules allow


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoded:
    """All clips of a session."""

    clips: tuple[EncodedClip, ...]
    overrun_reason: str  # empty while they fit (invariant 13)


class ClipEncoder:
    """Probes, plans, encodes, weighs, puts right and measures the clips of one session."""

    def __init__(self, runner: StepRunner, works: Sequence[ClipWork], progress: ProgressTeller) -> None:
        self._runner = runner
        self._works = {work.clip.id: work for work in works}
        self._progress = progress
        self._chunks = [chunk for work in works for chunk in work.chunks]
        self._curves: dict[str, tuple[Curve, ...]] = {}
        self._heights: dict[str, float] = {}  # of demands' clips, once the first chunk is encoded
        self._done: dict[Chunk, EncodedChunk] = {}

    def encode_within(self, total_bytes: int) -> Encoded:
        """Encode all clips so that sound, pictures and what tells of them stay within so many bytes.

        Raises:
            EncodeError: an encoder fails.
        """
        audio = self._encode_audio()
        self._curves = self._probe()
        sound = sum(result.size_bytes for result in audio.values())
        room = total_bytes - self._metadata_bytes() - sound
        reason = self._in_waves(room)
        if not reason:
            self._put_right(room)
        made = self._join(audio)
        return Encoded(clips=tuple(made), overrun_reason=reason)

    def _metadata_bytes(self) -> int:
        slices = sum(len(work.clip.slices) for work in self._works.values())
        return METADATA_BYTES + METADATA_BYTES_PER_CLIP * len(self._works) + METADATA_BYTES_PER_SLICE * slices

    def _encode_audio(self) -> dict[str, AudioResult]:
        steps = [
            AudioStep(
                stretches=work.pieces,
                clip_start_us=work.clip.wall.start_us,
                target=work.directory / "sound.mp4",
            )
            for work in self._works.values()
        ]
        made = self._runner.run(partial(once, encode_audio, AudioResult), steps)
        return dict(zip(self._works, made, strict=True))

    def _probe(self) -> dict[str, tuple[Curve, ...]]:
        """Measure rate and quality of each clip on sampled windows."""
        probes = [(work, step) for work in self._works.values() for step in work.probe_steps()]
        advance = self._progress.counter("encode", 0.02, 0.2, len(probes))
        steps = [step for _, step in probes]
        results = self._runner.run(partial(once, probe, ProbeResult), steps, advance)
        found: dict[str, list[tuple[float, ProbeResult]]] = {name: [] for name in self._works}
        for (work, step), result in zip(probes, results, strict=True):
            seconds = step.tries[0].stretch.wall.duration_us / SECOND_US
            found[work.clip.id].append((seconds, result))
        return {name: curves(self._works[name], given) for name, given in found.items()}

    def _in_waves(self, room: int) -> str:
        """Encode all chunks; returns why they do not fit, where they do not."""
        groups = [group for group in waves(self._chunks, WAVES) if group]
        reason = ""
        for number, group in enumerate(groups):
            chosen = self._plan(room, [chunk for part in groups[number:] for chunk in part])
            reason = chosen.overrun_reason
            start, end = (0.2 + 0.6 * (number + extra) / len(groups) for extra in (0, 1))
            advance = self._progress.counter("encode", start, end, len(group))
            self._encode([(chunk, chosen.choices[chunk.demand_id]) for chunk in group], advance)
        return reason

    def _plan(self, room: int, rest: Iterable[Chunk]) -> EncodePlan:
        """The best that the chunks that are left can have of the bytes that are left."""
        seconds: dict[str, float] = {}
        of: dict[str, Chunk] = {}
        for chunk in rest:
            seconds[chunk.demand_id] = seconds.get(chunk.demand_id, 0.0) + chunk.seconds
            of[chunk.demand_id] = chunk
        demands = [self._demand(of[name], length) for name, length in seconds.items()]
        return plan(demands, (room - self._weight()) * SAFETY)

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

    def _correction(self, clip_id: str) -> float:
        """What the clip's chunks really weigh over what its curve said."""
        said = real = 0.0
        for done in self._done.values():
            if done.chunk.clip_id == clip_id:
                curve = next(one for one in self._curves[clip_id] if one.height == done.choice.height)
                said += curve.bits_per_second(done.choice.crf) * done.chunk.seconds / 8
                real += done.video.size_bytes
        return max(real, 1.0) / said if said else 1.0

    def _weight(self) -> int:
        return sum(done.video.size_bytes for done in self._done.values())

    def _encode(
        self, wanted: Sequence[tuple[Chunk, Choice]], advance: Advance = lambda _result: None
    ) -> None:
        """Encode chunks; all of a clip have the height of its first one: a file has one size of picture."""
        for chunk, choice in wanted:
            self._heights.setdefault(chunk.clip_id, choice.height)
        fixed = [(chunk, self._at_height(chunk, choice)) for chunk, choice in wanted]
        steps = [self._step(chunk, choice) for chunk, choice in fixed]
        results = self._runner.run(partial(once, encode_video, VideoResult), steps, advance)
        for (chunk, choice), result in zip(fixed, results, strict=True):
            self._done[chunk] = EncodedChunk(chunk=chunk, choice=choice, video=result)

    def _at_height(self, chunk: Chunk, choice: Choice) -> Choice:
        height = self._heights[chunk.clip_id]
        if choice.height == height:
            return choice
        row = Menu(self._demand(chunk, chunk.seconds)).row(height)
        return min(row, key=lambda one: abs(one.mean - choice.mean))

    def _step(self, chunk: Chunk, choice: Choice) -> VideoStep:
        return self._works[chunk.clip_id].video_step(chunk.stretch, choice.crf, choice.height)

    def _put_right(self, room: int) -> None:
        """Encode a few chunks again until all fit, and little is left over."""
        for _ in range(MOST_ROUNDS):
            left = room - self._weight()
            if 0 <= left <= (1 - ENOUGH) * room:
                return
            moves = self._moves(left)
            if not moves:
                return
            before = dict(self._done)
            _log.info(
                f"The pictures weigh {room - left} bytes of {room}; {len(moves)} chunks are encoded again.",
                action="archive.correct",
            )
            self._encode(moves)
            if left >= 0 and self._weight() > room:
                self._done = before  # better was too much: what fitted stays
                return

    def _moves(self, left: int) -> list[tuple[Chunk, Choice]]:
        """Steps up for the worst chunks where bytes are left, steps down for the best where they are not."""
        up = left > 0
        wanted = left * SAFETY if up else left / SAFETY
        moves: dict[Chunk, Choice] = {}
        menus = {chunk: Menu(self._demand(chunk, chunk.seconds)) for chunk in self._done}
        order = list(self._done)
        heap = [(_urgency(menus[chunk], self._done[chunk].choice, up), n) for n, chunk in enumerate(order)]
        heapify(heap)
        while heap and (wanted > 0 if up else wanted < 0):
            _, number = heappop(heap)
            chunk = order[number]
            now = moves.get(chunk, self._done[chunk].choice)
            step = menus[chunk].better(now) if up else menus[chunk].worse(now)
            if step is None or self._done[chunk].video.path is None:
                continue
            more = self._bytes_more(chunk, step) - self._bytes_more(chunk, now)
            if up and more > wanted:
                continue
            moves[chunk] = step
            wanted -= more
            heappush(heap, (_urgency(menus[chunk], step, up), number))
        return list(moves.items())

    def _bytes_more(self, chunk: Chunk, choice: Choice) -> float:
        """What a chunk would weigh more with another choice, as the curve says."""
        done = self._done[chunk]
        return done.video.size_bytes * (choice.bytes / max(1.0, done.choice.bytes) - 1)

    def _join(self, audio: Mapping[str, AudioResult]) -> list[EncodedClip]:
        """Put chunks and sound together, and measure what was made."""
        parts = {
            name: [self._done[chunk] for chunk in work.chunks]
            for name, work in self._works.items()
            if any(self._done[chunk].video.path for chunk in work.chunks)
        }
        steps = [self._join_step(self._works[name], done, audio[name]) for name, done in parts.items()]
        counts = self._runner.run(join, steps)
        measured = self._measure(parts)
        return [
            self._encoded(self._works[name], done, audio[name], measured[name], count)
            for (name, done), count in zip(parts.items(), counts, strict=True)
        ]

    def _join_step(self, work: ClipWork, done: Sequence[EncodedChunk], sound: AudioResult) -> JoinStep:
        files: list[list[Path]] = [[] for _ in work.pieces]
        for one in done:
            if one.video.path is not None:
                files[one.chunk.piece].append(one.video.path)
        return JoinStep(
            stretches=tuple(tuple(of_piece) for of_piece in files if of_piece),
            audio=sound.path,
            clip_start_us=work.clip.wall.start_us,
            target=work.directory / work.file_name,
        )

    def _measure(self, parts: Mapping[str, Sequence[EncodedChunk]]) -> dict[str, list[Measured]]:
        steps = [
            (name, step) for name, done in parts.items() for step in _measure_steps(self._works[name], done)
        ]
        advance = self._progress.counter("encode", 0.8, 0.86, len(steps))
        results = self._runner.run(partial(once, measure, Measured), [step for _, step in steps], advance)
        found: dict[str, list[Measured]] = {name: [] for name in parts}
        for (name, _), result in zip(steps, results, strict=True):
            found[name].append(result)
        return found

    def _encoded(
        self,
        work: ClipWork,
        done: Sequence[EncodedChunk],
        sound: AudioResult,
        measured: Sequence[Measured],
        pictures: int,
    ) -> EncodedClip:
        """What was made of a clip, if not one picture was lost on the way.

        Raises:
            EncodeError: the file has another number of pictures than its chunks.
        """
        wanted = sum(one.video.frames for one in done)
        if pictures != wanted:
            raise EncodeError(f"{work.file_name} has {pictures} pictures instead of {wanted}.")
        path = work.directory / work.file_name
        return EncodedClip(
            work=work,
            chunks=tuple(done),
            path=path,
            size_bytes=path.stat().st_size,
            audio=sound,
            measured=tuple(measured),
            unreachable=any(one.choice.unreachable for one in done),
        )


def _urgency(menu: Menu, choice: Choice, up: bool) -> float:
    """The least comes first: the worst chunk on the way up, the best on the way down."""
    return -menu.deficit(choice) if up else menu.deficit(choice)


def _measure_steps(work: ClipWork, done: Sequence[EncodedChunk]) -> list[MeasureStep]:
    """The windows that were tried before, as they became."""
    steps = []
    for number, window in enumerate(work.windows()):
        around = [
            one
            for one in done
            if one.video.path is not None and one.chunk.stretch.wall.intersect(window.wall) is not None
        ]
        whole = max(
            around, key=lambda one: _shared(one, window.wall.start_us, window.wall.end_us), default=None
        )
        if whole is None or whole.video.path is None:
            continue
        shown = whole.chunk.stretch.wall.intersect(window.wall)
        assert shown is not None  # chosen for it
        steps.append(
            MeasureStep(
                stretch=narrow(window, shown),
                source=work.picture,
                chunks=(whole.video.path,),
                every=work.rules.probing.measure_every,
                read_text=work.kind.text_floor is not None and number < work.rules.probing.text_stretches,
                target=work.directory / work.codec / f"measured-{whole.video.path.stem}.mp4",
            )
        )
    return steps


def _shared(one: EncodedChunk, start_us: int, end_us: int) -> int:
    wall = one.chunk.stretch.wall
    return min(wall.end_us, end_us) - max(wall.start_us, start_us)


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
