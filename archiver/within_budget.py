"""Encodes the clips of a session so that together they weigh no more than their budget.

Encoders do not keep promises: what a quality setting weighs is only known afterwards. So clips are encoded
in waves, each spread over the whole time of every clip; what a wave weighs corrects the curves, and the bytes
that are left are divided anew over what is left to encode. What remains wrong at the end is put right on a
few chunks. The outputs are the state: probes and chunks that are there are not made again, and the same
measurements give the same plan.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from archiver.archive_file import JoinStep, join
from archiver.begun import Begun
from archiver.chunk_encoder import ChunkEncoder, EncodedChunk
from archiver.clip_work import Chunk, ClipWork, waves
from archiver.encode_sound import AudioResult, AudioStep, encode_audio
from archiver.keeper import Keeper
from archiver.measure import Measured, MeasureStep, measure
from archiver.plan import Choice, overrun_told
from archiver.progress import ProgressTeller
from archiver.room_sound import SoundTrack, left_out
from archiver.steps import StepRunner, once
from archiver.stretches import narrow
from kernel.errors import EncodeError
from kernel.log import logger

_log = logger("archiver")

METADATA_BYTES = 12_000  # of a package without clips; half of it a time stamp with its certificates
METADATA_BYTES_PER_CLIP = 6_000  # receipt, entry in catalogue.json and in the manifests
METADATA_BYTES_PER_SLICE = 2_200  # in both, its segment, and the fingerprints of a minute
AIMED = 0.98  # share of the budget that is planned for: what comes out too heavy is encoded twice
ENOUGH = 0.92  # share of the budget that is worth no further encoding
MOST_ROUNDS = 5  # of putting right


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
    sound_in: tuple[str, ...] = ()  # files in which its sound is to be heard


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoded:
    """All clips of a session."""

    clips: tuple[EncodedClip, ...]
    overrun_reason: str  # empty while they fit (invariant 13)


class ClipEncoder:
    """Probes, plans, encodes, weighs, puts right and measures the clips of one session."""

    def __init__(
        self, runner: StepRunner, works: Sequence[ClipWork], progress: ProgressTeller, begun: Begun
    ) -> None:
        self._runner = runner
        self._works = {work.clip.id: work for work in works}
        self._progress = progress
        self._begun = begun
        self._encoder = ChunkEncoder(runner, works, begun)

    def encode_within(self, total_bytes: int) -> Encoded:
        """Encode all clips so that sound, pictures and what tells of them stay within so many bytes.

        Raises:
            EncodeError: an encoder fails.
        """
        audio = self._encode_audio()
        self._encoder.probe(lambda count: self._progress.counter("probe", 0.04, 0.2, count))
        for_media = total_bytes - self._metadata_bytes()
        elsewhere = self._sound_elsewhere(audio, for_media)
        room = for_media - sum(one.size_bytes for name, one in audio.items() if name not in elsewhere)
        self._keep_small_ones(room)
        self._in_waves(room)
        self._put_right(room)
        made = self._join(audio, elsewhere)
        return Encoded(clips=tuple(made), overrun_reason=self._overrun(room))

    def _metadata_bytes(self) -> int:
        slices = sum(len(work.clip.slices) for work in self._works.values())
        return METADATA_BYTES + METADATA_BYTES_PER_CLIP * len(self._works) + METADATA_BYTES_PER_SLICE * slices

    def _encode_audio(self) -> dict[str, AudioResult]:
        steps = [
            AudioStep(
                stretches=work.pieces,
                clip_start_us=work.clip.wall.start_us,
                encoding=work.sound,
                target=work.directory / work.codec / "sound.mp4",
            )
            for work in self._works.values()
        ]
        advance = self._progress.counter("sound", 0.02, 0.04, len(steps))
        made = self._runner.run(partial(once, encode_audio, AudioResult), steps, advance)
        return dict(zip(self._works, made, strict=True))

    def _sound_elsewhere(
        self, audio: Mapping[str, AudioResult], for_media: int
    ) -> dict[str, tuple[str, ...]]:
        """The clips that need no sound of their own, each with the files that it is in."""
        works = self._works.values()
        wanted = sum(work.seconds * work.kind.budget_kbps for work in works)
        tracks = [
            SoundTrack(
                clip_id=name,
                source_id=work.source.id,
                file_name=work.file_name,
                room_id=work.source.room_id,
                kind=work.source.content_kind,
                size_bytes=audio[name].size_bytes,
                may_weigh=max(0, for_media) * work.seconds * work.kind.budget_kbps / wanted,
                heard=audio[name].heard,
                mute=audio[name].mute,
            )
            for name, work in self._works.items()
        ]
        for_pictures = for_media - sum(one.size_bytes for one in audio.values())
        planned = self._encoder.plan(for_pictures, [chunk for work in works for chunk in work.chunks])
        rule = next((work.rules.sound for work in works), None)
        return left_out(tracks, rule, floors_missed=planned.overrun_bytes > 0) if rule else {}

    def _keep_small_ones(self, room: int) -> None:
        """Footage that weighs no more than what the plan would make of it is kept as it is."""
        keeper = Keeper(self._runner, self._encoder)
        kept = keeper.keep([work for work in self._works.values() if work.kind.copy_below_kbps], room)
        self._works |= {work.clip.id: work for work in kept}

    def _in_waves(self, room: int) -> None:
        """Encode all chunks, each wave with what those before it taught."""
        encoded = [work for work in self._works.values() if not work.copied]
        self._encoder.take_over([chunk for work in encoded for chunk in work.chunks], self._begun)
        rest = [chunk for work in encoded for chunk in work.chunks if chunk not in self._encoder.done]
        groups = waves(rest)
        advance = self._progress.counter("encode", 0.2, 0.8, len(rest))
        for number, group in enumerate(groups):
            chosen = self._encoder.plan(
                int(AIMED * room), [chunk for part in groups[number:] for chunk in part]
            )
            self._encoder.encode([(chunk, chosen.choices[chunk.demand_id]) for chunk in group], advance)

    def _put_right(self, room: int) -> None:
        """Encode a few chunks again until all fit, and little is left over.

        Downward there is no end but the floors; upward a few rounds are enough.
        """
        for _ in range(MOST_ROUNDS):
            self._put_down(room)
            left = room - self._encoder.weight()
            moves = self._encoder.moves(left) if left > (1 - ENOUGH) * room else []
            if not moves:
                return
            before = [self._encoder.done[chunk] for chunk, _ in moves]
            self._correct(room, moves)
            # Better may be too much; the worst were first, so the last are taken back first.
            self._encoder.take_back(reversed(before), room)

    def _put_down(self, room: int) -> None:
        """Encode chunks worse until all fit, or nothing is above its floors."""
        while (left := room - self._encoder.weight()) < 0:
            moves = self._encoder.moves(left)
            if not moves:
                return
            self._correct(room, moves)

    def _correct(self, room: int, moves: Sequence[tuple[Chunk, Choice]]) -> None:
        _log.info(
            f"The pictures weigh {self._encoder.weight()} bytes of {room}; "
            f"{len(moves)} chunks are encoded again.",
            action="archive.correct",
        )
        self._encoder.encode(moves)

    def _overrun(self, room: int) -> str:
        """Why the pictures do not fit, where they do not (invariant 13)."""
        over = self._encoder.weight() - room
        if over <= 0:
            return ""
        needs: dict[str, float] = {}
        for chunk, done in self._encoder.done.items():
            needs[chunk.clip_id] = needs.get(chunk.clip_id, 0) + done.video.size_bytes
        return overrun_told(over, room, needs)

    def _join(
        self, audio: Mapping[str, AudioResult], elsewhere: Mapping[str, tuple[str, ...]]
    ) -> list[EncodedClip]:
        """Put chunks and sound together, and measure what was made."""
        made = self._encoder.made()
        parts = {
            name: [made[chunk] for chunk in work.chunks]
            for name, work in self._works.items()
            if any(made[chunk].video.path for chunk in work.chunks)
        }
        sound_in = {name: self._sound_in(name, audio, elsewhere, parts) for name in parts}
        steps = [
            self._join_step(self._works[name], done, audio[name], sound_in[name])
            for name, done in parts.items()
        ]
        advance = self._progress.counter("join", 0.82, 0.83, len(steps))
        counts = self._runner.run(join, steps, advance)
        measured = self._measure(parts)
        return [
            replace(
                self._encoded(self._works[name], done, audio[name], measured[name], count),
                sound_in=sound_in[name],
            )
            for (name, done), count in zip(parts.items(), counts, strict=True)
        ]

    def _sound_in(
        self,
        name: str,
        audio: Mapping[str, AudioResult],
        elsewhere: Mapping[str, tuple[str, ...]],
        made: Collection[str],
    ) -> tuple[str, ...]:
        """In which files a clip's sound is; its own where that of its room has no picture and is not made."""
        names = {self._works[one].file_name for one in made}
        files = elsewhere.get(name)
        if files is not None and names.issuperset(files):
            return files
        return (self._works[name].file_name,) if audio[name].path else ()

    def _join_step(
        self, work: ClipWork, done: Sequence[EncodedChunk], sound: AudioResult, sound_in: Collection[str]
    ) -> JoinStep:
        files: list[list[Path]] = [[] for _ in work.pieces]
        for one in done:
            if one.video.path is not None:
                files[one.chunk.piece].append(one.video.path)
        return JoinStep(
            stretches=tuple(tuple(of_piece) for of_piece in files if of_piece),
            audio=sound.path if work.file_name in sound_in else None,
            clip_start_us=work.clip.wall.start_us,
            target=work.directory / work.file_name,
        )

    def _measure(self, parts: Mapping[str, Sequence[EncodedChunk]]) -> dict[str, list[Measured]]:
        steps = [
            (name, step)
            for name, done in parts.items()
            if not self._works[name].copied
            for step in _measure_steps(self._works[name], done)
        ]
        advance = self._progress.counter("measure", 0.83, 0.86, len(steps))
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
                target=work.directory / work.codec / f"measured-{shown.start_us}-{whole.video.path.stem}.mp4",
            )
        )
    return steps


def _shared(one: EncodedChunk, start_us: int, end_us: int) -> int:
    wall = one.chunk.stretch.wall
    return min(wall.end_us, end_us) - max(wall.start_us, start_us)
