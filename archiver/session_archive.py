"""Archiving one session: check, encode within the budget, package, store, read back, record."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archiver.budget import budget_bytes
from archiver.clip_work import ClipWork
from archiver.package import PackageFile, PackageStep, document_bytes, make_package, write_json
from archiver.progress import ProgressTeller
from archiver.receipt import receipt
from archiver.ring_reader import picture_format
from archiver.rules import archive_rules
from archiver.session_document import session_document
from archiver.steps import StepRunner
from archiver.store import VersionTaken, key_prefix, store_package, verify_objects
from archiver.stretches import stretches
from archiver.within_budget import ClipEncoder, EncodedClip
from catalog.catalogue import Catalogue
from catalog.objects import ObjectStore, sha256_of
from kernel.clock import SECOND_US, Clock, iso_utc
from kernel.errors import DiskFull, FixityError, StorageError, TimelineChanged
from kernel.ids import new_id
from kernel.isobmff.reader import read_init
from kernel.isobmff.sample_entry import codec_string
from kernel.model.archive import Archive, ArchiveObject, Rendition
from kernel.model.cut import Clip
from kernel.model.footage import Segment
from kernel.model.source import ContentKind
from kernel.model.timeline import Project, Session, SessionState
from kernel.settings import ArchiveSettings
from kernel.timerange import TimeRange


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


class SessionArchiver:
    """Archives one session that is cut."""

    def __init__(self, tools: Tools, session: Session) -> None:
        project = tools.catalogue.projects.project(session.project_id)
        assert project is not None  # a session row refers to its project
        self._project: Project = project
        self._tools = tools
        self._session = session
        self._rules = archive_rules(tools.settings.rules)
        self._directory = tools.work / session.id
        self._progress = ProgressTeller(tools.catalogue.archives, tools.clock, session.id)
        self._clips = tools.catalogue.clips.of_session(session.id)
        ids = {used.segment_id for clip in self._clips for used in clip.slices}
        self._segments: Mapping[str, Segment] = tools.catalogue.footage.segments_by_id(ids)

    def run(self) -> Archive:
        """Archive the session.

        Raises:
            FixityError: a segment is not what its row says, or the store gives back something else.
            EncodeError, StorageError: it cannot be done now; what is finished stays and is not done again.
            TimelineChanged: the session changed meanwhile; so too here.
        """
        with os_errors_translated():
            return self._run()

    def _run(self) -> Archive:
        self._check_segments()
        works = self._works()
        budget = budget_bytes(seconds_by_kind(works), self._rules, self._tools.settings.budget_kbps)
        # What clips take beside their pictures the encoder knows; the rest grows with what happened.
        beside = document_bytes({**self._document(self._session, budget), "clips": [], "segments": []})
        encoder = ClipEncoder(self._tools.runner, works, self._progress)
        encoded = encoder.encode_within(budget - beside)
        archive = self._store(encoded.clips, budget, encoded.overrun_reason)
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
        tagged = self._tagged()
        works = []
        for clip in self._clips:
            pieces = tuple(stretches(clip, self._segments, ring))
            if pieces:
                paths = [Path(used.path) for piece in pieces for used in piece.slices]
                works.append(
                    ClipWork(
                        clip=clip,
                        source=sources[clip.source_id],
                        pieces=pieces,
                        picture=picture_format(paths),
                        directory=self._directory / f"{clip.source_id}-p{clip.part}",
                        rules=self._rules,
                        codec=self._tools.settings.codec,
                        tagged=tagged,
                    )
                )
        return works

    def _tagged(self) -> tuple[TimeRange, ...]:
        """Moments with a tag, and what lies around them."""
        around_us = round(self._rules.tagged.around_seconds * SECOND_US)
        tags = self._tools.catalogue.tags.of_project(self._project.id)
        own = [tag for tag in tags if tag.session_id in (None, self._session.id)]
        return tuple(TimeRange(start_us=tag.at_us - around_us, end_us=tag.at_us + around_us) for tag in own)

    def _store(self, encoded: Sequence[EncodedClip], budget: int, overrun: str) -> Archive:
        """Package, store, read back, record; the row comes last (invariant 10)."""
        self._progress.tell("package", 0.86, always=True)
        receipts = [self._receipt(one) for one in encoded]
        tools = self._tools
        # Before anything is read for the document: what comes in between must be noticed.
        known = tools.catalogue.archives.known_number(self._session.id)
        told = self._as_told()
        files = self._package(encoded, receipts, self._document(told, budget))
        version, prefix, objects = self._put(files)
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
            overrun_reason=(overrun or "What must be kept beside the pictures is over it.")
            if size > budget
            else "",
            objects=tuple(objects),
            cut_number=told.cut_number,
            known_number=known,
        )
        renditions = [self._rendition(*made, prefix) for made in zip(encoded, receipts, strict=True)]
        tools.catalogue.archives.record(archive, renditions)
        self._progress.tell("done", 1.0, always=True)
        return archive

    def _put(self, files: Sequence[PackageFile]) -> tuple[int, str, list[ArchiveObject]]:
        """Put the package under the first version that is free, or that holds a part of just this package."""
        version = self._tools.catalogue.archives.next_version(self._session.id)
        while True:
            prefix = key_prefix(self._project, self._session, version)
            advance = self._progress.counter("store", 0.88, 0.94, len(files))
            try:
                return version, prefix, store_package(self._tools.store, prefix, files, advance)
            except VersionTaken:
                version += 1

    def _receipt(self, one: EncodedClip) -> dict[str, Any]:
        with one.path.open("rb") as file:
            digest = sha256_of(file)
        return receipt(one, self._segments, digest)

    def _package(
        self,
        encoded: Sequence[EncodedClip],
        receipts: Sequence[dict[str, Any]],
        document: dict[str, Any],
    ) -> list[PackageFile]:
        """Lay out the payload and make the bag; a half-made one of an earlier attempt is made anew."""
        directory = self._directory / "package"
        shutil.rmtree(directory, ignore_errors=True)
        (directory / "clips").mkdir(parents=True)
        for one, told in zip(encoded, receipts, strict=True):
            shutil.copyfile(one.path, directory / "clips" / one.work.file_name)
            write_json(directory / "receipts" / f"{one.work.file_name}.json", told)
        write_json(directory / "catalogue.json", document)
        info = {
            "Source-Organization": self._session.room_id,
            "External-Identifier": f"{self._project.project_code}/{self._session.id}",
            "External-Description": f"{self._project.name_zh} {self._session.phase}",
            "Bag-Software-Agent": "jianzheng",
            # The session's day, not today's: a bag that is made again must be the same.
            "Bagging-Date": iso_utc(self._session.end_us or 0)[:10],
        }
        step = PackageStep(directory=directory.absolute(), info=info)
        return self._tools.runner.run(make_package, [step])[0]

    def _document(self, told: Session, budget: int) -> dict[str, Any]:
        return {
            **session_document(self._tools.catalogue, told, self._clips, self._segments),
            "budget_bytes": budget,
            "principal": self._tools.principal,
        }

    def _as_told(self) -> Session:
        """The session as the document is going to tell it; read before all that belongs to it.

        Raises:
            TimelineChanged: it was opened again or cut anew since archiving began.
        """
        now = self._tools.catalogue.sessions.get(self._session.id)
        assert now is not None  # sessions are never removed
        if (now.state, now.cut_number) != (SessionState.CUT, self._session.cut_number):
            raise TimelineChanged(f"session {now.id} changed while it was being archived.")
        return now

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


@contextmanager
def os_errors_translated() -> Iterator[None]:
    """What the disk of the archiver's work says, as errors of ours."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull("The disk that archives are made on is full.") from error
        raise StorageError(f"The archiver's files cannot be used: {error}.") from error


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


def raw_bytes(clips: Sequence[Clip], segments: Mapping[str, Segment]) -> int:
    """The share of the segments that the clips use, by time."""
    return sum(
        segments[used.segment_id].size_bytes
        * used.wall.duration_us
        // max(1, segments[used.segment_id].wall.duration_us)
        for clip in clips
        for used in clip.slices
    )


def seconds_by_kind(works: Sequence[ClipWork]) -> dict[ContentKind, float]:
    """Recorded footage by content kind, in seconds."""
    found: dict[ContentKind, float] = {}
    for work in works:
        kind = work.source.content_kind
        found[kind] = found.get(kind, 0.0) + work.seconds
    return found
