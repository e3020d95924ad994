"""Archiving one session: probe, plan, encode, measure, correct, package, store, verify, record."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from archiver.archive_file import join
from archiver.encode import AudioResult, AudioStep, VideoResult, VideoStep, encode_audio, encode_video
from archiver.package import PackageFile, PackageStep, make_package, write_json
from archiver.plan import Budget, ClipDemand, EncodePlan, RatePoint, budget_bytes, plan
from archiver.profile import AUDIO_KBPS, PROFILES, Profile
from archiver.receipt import clip_json, receipt, wall_json
from archiver.steps import StepRunner, once
from archiver.store import free_version, key_prefix, store_package, verify_objects
from archiver.stretches import Stretch, chunks, samples_for_probing, stretches
from catalog.catalogue import Catalogue
from catalog.objects import ObjectStore, sha256_of
from kernel.clock import SECOND_US, Clock
from kernel.errors import FixityError
from kernel.ids import new_id
from kernel.isobmff.reader import read_init
from kernel.isobmff.sample_entry import codec_string
from kernel.log import logger
from kernel.model.archive import Archive, Progress, Rendition
from kernel.model.cut import Clip
from kernel.model.footage import Segment
from kernel.model.source import Source
from kernel.model.timeline import Project, Session
from kernel.settings import ArchiveSettings

_log = logger("archiver")

PROBE_SECONDS = 5
PROBE_EVERY_SECONDS = 120
MOST_PROBES = 5
METADATA_BYTES = 6_000  # of a package without clips
METADATA_BYTES_PER_CLIP = 6_000  # receipt, entry in catalogue.json and in the manifests
METADATA_BYTES_PER_SLICE = 1_400  # in both
MOST_CORRECTIONS = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Tools:
    """What archiving works with."""

    catalogue: Catalogue
    store: ObjectStore
    runner: StepRunner
    settings: ArchiveSettings
    ring: Path
    work: Path
    clock: Clock
    principal: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipWork:
    """A clip with all that its steps need."""

    clip: Clip
    source: Source
    pieces: tuple[Stretch, ...]
    directory: Path

    @property
    def seconds(self) -> float:
        return sum(piece.wall.duration_us for piece in self.pieces) / SECOND_US

    @property
    def file_name(self) -> str:
        return f"{self.source.content_kind}-{self.source.id}-p{self.clip.part}.mp4"


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedClip:
    """An encoded clip and what its steps said."""

    work: ClipWork
    crf: int
    path: Path
    size_bytes: int
    video: tuple[VideoResult, ...]
    audio: AudioResult


class ProgressTeller:
    """Tells the catalogue how far a session has come, at most a few times a second."""

    def __init__(self, tools: Tools, session_id: str) -> None:
        self._tools = tools
        self._session_id = session_id
        self._told_us = 0

    def tell(self, step: str, fraction: float, detail: str = "", *, always: bool = False) -> None:
        now_us = self._tools.clock.now_us()
        if always or now_us - self._told_us >= SECOND_US // 4:
            self._told_us = now_us
            self._tools.catalogue.archives.report_progress(
                Progress(
                    session_id=self._session_id,
                    step=step,
                    fraction=min(1.0, fraction),
                    detail=detail,
                    updated_us=now_us,
                )
            )

    def counter(self, step: str, start: float, end: float, total: int) -> Callable[..., None]:
        """A function that, called after each of ``total`` steps, tells of the way from start to end."""
        count = 0

        def advance(*_: Any) -> None:
            nonlocal count
            count += 1
            self.tell(step, start + (end - start) * count / max(1, total), f"{count}/{total}")

        return advance


class SessionArchiver:
    """Archives one session that is cut."""

    def __init__(self, tools: Tools, session: Session) -> None:
        project = tools.catalogue.projects.project(session.project_id)
        assert project is not None  # a session row refers to its project
        self._project: Project = project
        self._tools = tools
        self._session = session
        self._profile: Profile = PROFILES[tools.settings.codec]
        self._directory = tools.work / session.id
        self._progress = ProgressTeller(tools, session.id)
        self._clips = tools.catalogue.clips.of_session(session.id)
        ids = {used.segment_id for clip in self._clips for used in clip.slices}
        self._segments: Mapping[str, Segment] = tools.catalogue.footage.segments_by_id(ids)

    def run(self) -> Archive:
        """Archive the session.

        Raises:
            FixityError: a segment is not what its row says, or the store gives back something else.
            EncodeError, StorageError: it cannot be done now; what is finished stays and is not done again.
        """
        self._check_segments()
        works = self._works()
        seconds = sum(work.seconds for work in works)
        budget = budget_bytes(self._tools.settings.budget_kbps, seconds)
        encoded, overrun = self._encode_within(works, budget)
        archive = self._store(encoded, budget, overrun)
        shutil.rmtree(self._directory, ignore_errors=True)
        return archive

    def _check_segments(self) -> None:
        """No file becomes evidence before its hash was compared with the one taken while it was written."""
        advance = self._progress.counter("encode", 0.0, 0.02, len(self._segments))
        todo = [(self._tools.ring / one.path, one.sha256) for one in self._segments.values()]
        self._tools.runner.run(check_file, todo, advance)

    def _works(self) -> list[ClipWork]:
        sources = self._tools.catalogue.places.sources()
        ring = str(self._tools.ring)
        return [
            ClipWork(
                clip=clip,
                source=sources[clip.source_id],
                pieces=tuple(stretches(clip, self._segments, ring)),
                directory=self._directory / f"{clip.source_id}-p{clip.part}",
            )
            for clip in self._clips
            if clip.slices
        ]

    def _encode_within(self, works: Sequence[ClipWork], total: int) -> tuple[list[EncodedClip], str]:
        """Encode all clips; measure, and where the whole is over its budget, correct and encode again."""
        audio = self._encode_audio(works)
        demands = self._probe(works, audio)
        budget = self._budget(works, total)
        for attempt in range(MOST_CORRECTIONS + 1):
            chosen = plan(demands, budget, self._profile)
            encoded = self._encode_video(works, audio, chosen)
            weight = sum(one.size_bytes for one in encoded) + budget.metadata_bytes
            worst = all(one.crf >= self._profile.worst_crf for one in encoded)
            if weight <= total or worst or attempt == MOST_CORRECTIONS:
                return encoded, chosen.overrun_reason
            _log.info(
                f"Session {self._session.id} weighs {weight} bytes of {total}; encoding again.",
                action="archive.correct",
            )
            demands = [corrected(demand, one) for demand, one in zip(demands, encoded, strict=True)]
        raise AssertionError("unreachable: the last attempt returns")

    def _budget(self, works: Sequence[ClipWork], total: int) -> Budget:
        slices = sum(len(clip.slices) for clip in self._clips)
        metadata = METADATA_BYTES + METADATA_BYTES_PER_CLIP * len(works) + METADATA_BYTES_PER_SLICE * slices
        return Budget(
            total_bytes=total, metadata_bytes=metadata, audio_bits_per_second=AUDIO_KBPS * 1000 * 1.08
        )

    def _encode_audio(self, works: Sequence[ClipWork]) -> list[AudioResult]:
        steps = [
            AudioStep(
                stretches=work.pieces,
                clip_start_us=work.clip.wall.start_us,
                target=work.directory / "sound.mp4",
            )
            for work in works
        ]
        return self._tools.runner.run(partial(once, encode_audio, AudioResult), steps)

    def _probe(self, works: Sequence[ClipWork], audio: Sequence[AudioResult]) -> list[ClipDemand]:
        """Measure the rate of each clip at two qualities on sampled windows."""
        probes = [
            (work, crf, window)
            for work in works
            for crf in self._profile.probe_crfs
            for window in samples_for_probing(
                work.pieces, PROBE_SECONDS, min(MOST_PROBES, 1 + int(work.seconds / PROBE_EVERY_SECONDS))
            )
        ]
        steps = [self._video_step(work, crf, window, "probe") for work, crf, window in probes]
        advance = self._progress.counter("encode", 0.02, 0.2, len(steps))
        results = self._tools.runner.run(partial(once, encode_video, VideoResult), steps, advance)
        measured: dict[tuple[str, int], tuple[int, int]] = {}
        for (work, crf, window), result in zip(probes, results, strict=True):
            size, length = measured.get((work.clip.id, crf), (0, 0))
            measured[work.clip.id, crf] = (size + result.size_bytes, length + window.wall.duration_us)
        return [
            ClipDemand(
                clip_id=work.clip.id,
                seconds=work.seconds,
                has_audio=sound.path is not None,
                points=tuple(
                    RatePoint(crf=crf, bits_per_second=size * 8 * SECOND_US / length)
                    for (clip_id, crf), (size, length) in measured.items()
                    if clip_id == work.clip.id
                ),
            )
            for work, sound in zip(works, audio, strict=True)
        ]

    def _video_step(self, work: ClipWork, crf: int, piece: Stretch, label: str) -> VideoStep:
        name = f"{label}-crf{crf}-{piece.wall.start_us}-{piece.wall.end_us}.mp4"
        return VideoStep(
            stretch=piece,
            clip_start_us=work.clip.wall.start_us,
            encoder=self._profile.encoder,
            options=self._profile.options(work.source.content_kind, crf),
            target=work.directory / self._profile.codec / name,
        )

    def _encode_video(
        self, works: Sequence[ClipWork], audio: Sequence[AudioResult], chosen: EncodePlan
    ) -> list[EncodedClip]:
        tasks = [
            (work, number, self._video_step(work, chosen.crf[work.clip.id], chunk, "chunk"))
            for work in works
            for number, piece in enumerate(work.pieces)
            for chunk in chunks(piece)
        ]
        advance = self._progress.counter("encode", 0.2, 0.85, len(tasks))
        encode = partial(once, encode_video, VideoResult)
        results = self._tools.runner.run(encode, [step for _, _, step in tasks], advance)
        by_clip: dict[str, list[tuple[int, VideoResult]]] = {}
        for (work, number, _), result in zip(tasks, results, strict=True):
            by_clip.setdefault(work.clip.id, []).append((number, result))
        return [
            self._join(work, chosen.crf[work.clip.id], by_clip[work.clip.id], sound)
            for work, sound in zip(works, audio, strict=True)
        ]

    def _join(
        self, work: ClipWork, crf: int, video: Sequence[tuple[int, VideoResult]], sound: AudioResult
    ) -> EncodedClip:
        files: list[list[Path]] = [[] for _ in work.pieces]
        for number, result in video:
            files[number].append(result.path)
        target = work.directory / work.file_name
        join(target, files, sound.path, work.clip.wall.start_us)
        return EncodedClip(
            work=work,
            crf=crf,
            path=target,
            size_bytes=target.stat().st_size,
            video=tuple(result for _, result in video),
            audio=sound,
        )

    def _store(self, encoded: Sequence[EncodedClip], budget: int, overrun: str) -> Archive:
        """Package, store, read back, record; the row comes last (invariant 10)."""
        self._progress.tell("package", 0.86, always=True)
        receipts = [self._receipt(one) for one in encoded]
        files = self._package(encoded, receipts, budget)
        tools = self._tools
        first = tools.catalogue.archives.next_version(self._session.id)
        version = free_version(tools.store, self._project, self._session, first)
        prefix = key_prefix(self._project, self._session, version)
        advance = self._progress.counter("store", 0.88, 0.94, len(files))
        objects = store_package(tools.store, prefix, files, advance)
        verify_objects(tools.store, objects, self._progress.counter("verify", 0.94, 1.0, len(files)))
        size = sum(item.size_bytes for item in objects)
        archive = Archive(
            id=new_id("archive"),
            session_id=self._session.id,
            version=version,
            key_prefix=prefix,
            budget_bytes=budget,
            size_bytes=size,
            raw_bytes=raw_bytes(self._clips, self._segments),
            verified_us=tools.clock.now_us(),
            principal=tools.principal,
            overrun_reason=(overrun or "The encoder overshot its measured rate.") if size > budget else "",
            objects=tuple(objects),
        )
        renditions = [self._rendition(one, told, prefix) for one, told in zip(encoded, receipts, strict=True)]
        tools.catalogue.archives.record(archive, renditions)
        self._progress.tell("done", 1.0, always=True)
        return archive

    def _receipt(self, one: EncodedClip) -> dict[str, Any]:
        with one.path.open("rb") as file:
            digest = sha256_of(file)
        return receipt(
            clip=one.work.clip,
            segments=dict(self._segments),
            profile=self._profile,
            options=self._profile.options(one.work.source.content_kind, one.crf),
            video=one.video,
            audio=one.audio,
            file_name=one.work.file_name,
            size_bytes=one.size_bytes,
            sha256=digest,
        )

    def _package(
        self, encoded: Sequence[EncodedClip], receipts: Sequence[dict[str, Any]], budget: int
    ) -> list[PackageFile]:
        """Lay out the payload and make the bag; a half-made one of an earlier attempt is made anew."""
        directory = self._directory / "package"
        shutil.rmtree(directory, ignore_errors=True)
        (directory / "clips").mkdir(parents=True)
        for one, told in zip(encoded, receipts, strict=True):
            shutil.copyfile(one.path, directory / "clips" / one.work.file_name)
            write_json(directory / "receipts" / f"{one.work.file_name}.json", told)
        write_json(directory / "catalogue.json", self._catalogue_json(budget))
        info = {
            "Source-Organization": self._session.room_id,
            "External-Identifier": f"{self._project.project_code}/{self._session.id}",
            "External-Description": f"{self._project.name_zh} {self._session.phase}",
            "Bag-Software-Agent": "jianzheng",
        }
        step = PackageStep(directory=directory.absolute(), info=info)
        return self._tools.runner.run(make_package, [step])[0]

    def _catalogue_json(self, budget: int) -> dict[str, Any]:
        """All that the catalogue knows of this session: it can be rebuilt from the store (invariant 12)."""
        session, project = self._session, self._project
        sources = self._tools.catalogue.places.sources()
        return {
            "format": "jianzheng-session/1",
            "project": {name: getattr(project, name) for name in project.__dataclass_fields__},
            "session": {
                "id": session.id,
                "phase": session.phase,
                "room": session.room_id,
                "start_us": session.start_us,
                "end_us": session.end_us,
                "seats": [{"seat": seat.seat_id, "member": seat.member} for seat in session.seats],
            },
            "events": [
                {name: getattr(event, name) for name in event.__dataclass_fields__}
                for event in self._tools.catalogue.projects.events_of(session.id)
            ],
            "sources": [
                {name: getattr(sources[clip.source_id], name) for name in Source.__dataclass_fields__}
                for clip in self._clips
            ],
            "clips": [clip_json(clip, dict(self._segments)) for clip in self._clips],
            "segments": [
                {"id": one.id, "run": one.run_id, "wall": wall_json(one.wall), "size_bytes": one.size_bytes}
                for one in self._segments.values()
            ],
            "budget_bytes": budget,
            "principal": self._tools.principal,
        }

    def _rendition(self, one: EncodedClip, told: dict[str, Any], prefix: str) -> Rendition:
        with one.path.open("rb") as file:
            init = read_init(file)
        return Rendition(
            id=new_id("rendition"),
            clip_id=one.work.clip.id,
            session_id=self._session.id,
            source_id=one.work.source.id,
            wall=one.work.clip.wall,
            object_key=f"{prefix}/data/clips/{one.work.file_name}",
            video_codec=codec_string(init.video.sample_entry),
            audio_codec=codec_string(init.audio.sample_entry) if init.audio else None,
            width=init.video.width,
            height=init.video.height,
            size_bytes=one.size_bytes,
            sha256=told["result"]["sha256"],
            receipt=told,
        )


def check_file(wanted: tuple[Path, str]) -> None:
    """Compare a file with its SHA-256.

    Raises:
        FixityError: they disagree, or the file is gone.
    """
    path, sha256 = wanted
    try:
        with path.open("rb") as file:
            digest = sha256_of(file)
    except OSError as error:
        raise FixityError(f"segment {path.name} cannot be read: {error.strerror}.") from None
    if digest != sha256:
        raise FixityError(f"segment {path.name} has SHA-256 {digest} instead of {sha256}.")


def corrected(demand: ClipDemand, encoded: EncodedClip) -> ClipDemand:
    """A clip's rate curve moved so that it passes through what was really measured."""
    actual = sum(result.size_bytes for result in encoded.video) * 8 / demand.seconds
    factor = actual / demand.bits_per_second(encoded.crf)
    points = tuple(replace(one, bits_per_second=one.bits_per_second * factor) for one in demand.points)
    return replace(demand, points=points)


def raw_bytes(clips: Sequence[Clip], segments: Mapping[str, Segment]) -> int:
    """The share of the segments that the clips use, by time."""
    return sum(
        segments[used.segment_id].size_bytes
        * used.wall.duration_us
        // max(1, segments[used.segment_id].wall.duration_us)
        for clip in clips
        for used in clip.slices
    )
