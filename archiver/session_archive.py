"""Archiving one session: check, encode within the budget, package, store, read back, record."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from archiver.begun import begun
from archiver.budget import budget_bytes
from archiver.equipment import Tools
from archiver.file_documents import beside_bytes, held_in, lay_out_documents, write_card
from archiver.kept_originals import ORIGINALS, KeptOriginals, choose_originals, wanted_originals
from archiver.package import PAYLOAD, PackageFile, PackageStep, document_bytes, make_package, write_json
from archiver.progress import ProgressTeller
from archiver.receipt import made_file, quality_of, receipt
from archiver.rules import archive_rules
from archiver.session_document import session_document
from archiver.session_works import clip_works, seconds_by_kind, working_directory
from archiver.stand_ins import with_stand_ins
from archiver.store import VersionTaken, key_prefix, store_package, verify_objects
from archiver.within_budget import ClipEncoder, EncodedClip
from catalog.cards import Filed, card
from catalog.objects import sha256_of
from kernel.clock import iso_utc
from kernel.errors import DiskFull, FixityError, StorageError, TimelineChanged
from kernel.ids import new_id
from kernel.isobmff.reader import read_init
from kernel.isobmff.sample_entry import codec_string
from kernel.model.archive import Archive, ArchiveObject, OverrunCause, Rendition
from kernel.model.cut import Clip
from kernel.model.footage import Segment
from kernel.model.timeline import Project, Session, SessionState


class SessionArchiver:
    """Archives one session that is cut."""

    def __init__(self, tools: Tools, session: Session) -> None:
        project = tools.catalogue.projects.project(session.project_id)
        assert project is not None  # a session row refers to its project
        self._project: Project = project
        self._tools = tools
        self._session = session
        self._rules = archive_rules(tools.settings.rules)
        self._directory = working_directory(tools, session)
        self._progress = ProgressTeller(tools.catalogue.archives, tools.clock, session.id)
        self._clips = with_stand_ins(tools.catalogue.clips.of_session(session.id), tools.archive_sources)
        ids = {used.segment_id for clip in self._clips for used in clip.slices}
        self._documents = tools.catalogue.documents.of_session(session.id)  # later ones: archiver.addendum
        self._segments: Mapping[str, Segment] = tools.catalogue.footage.segments_by_id(ids)

    def run(self) -> Archive:
        """Archive the session.

        Raises:
            FixityError: a segment is not what its row says, or the store gives back something else.
            EncodeError, StorageError: it cannot be done now; what is finished stays and is not done again.
            TimeStampUnavailable: all but the time stamp is there; it waits for that.
            TimelineChanged: the session changed meanwhile; so too here.
        """
        with os_errors_translated():
            return self._run()

    def _run(self) -> Archive:
        self._check_segments()
        already = begun(self._directory)
        works = clip_works(self._tools, self._session, self._clips, self._segments, already)
        budget = budget_bytes(seconds_by_kind(works), self._rules, self._tools.settings.budget_kbps)
        originals = self._originals(budget)
        # What clips take beside their pictures the encoder knows; the rest grows with what happened.
        document = self._document(self._session, budget, originals)
        beside = document_bytes({**document, "clips": [], "segments": []}) + originals.size_bytes
        beside += beside_bytes(self._documents, self._clips)
        encoder = ClipEncoder(self._tools.runner, works, self._progress, already)
        encoded = encoder.encode_within(budget - beside)
        archive = self._store(encoded.clips, budget, encoded.overrun_reason, originals)
        shutil.rmtree(self._directory, ignore_errors=True)
        return archive

    def _originals(self, budget: int) -> KeptOriginals:
        """What is kept bit by bit of what is held or marked by now."""
        rule, catalogue = self._rules.originals, self._tools.catalogue
        tags = catalogue.tags.of_session(self._session.id)
        wanted = wanted_originals(rule, tags, catalogue.holds.all(), catalogue.places.sources())
        return choose_originals(self._clips, self._segments, wanted, int(rule.most_share * budget))

    def _check_segments(self) -> None:
        """No file becomes evidence before its hash was compared with the one taken while it was written."""
        advance = self._progress.counter("check", 0.0, 0.02, len(self._segments))
        todo = [(self._tools.ring / one.path, one.sha256) for one in self._segments.values()]
        self._tools.runner.run(check_file, todo, advance)

    def _store(
        self, encoded: Sequence[EncodedClip], budget: int, overrun: str, originals: KeptOriginals
    ) -> Archive:
        """Package, store, read back, record; the row comes last (invariant 10)."""
        self._progress.tell("package", 0.86, always=True)
        receipts = [self._receipt(one) for one in encoded]
        tools = self._tools
        # Before anything is read for the document: what comes in between must be noticed.
        known = tools.catalogue.archives.known_number(self._session.id)
        told = self._as_told()
        sound = {one.work.clip.id: list(one.sound_in) for one in encoded}
        document = {**self._document(told, budget, originals), "sound": sound}
        files = self._package(encoded, receipts, document, originals)
        version, prefix, objects = self._put(files)
        verify_objects(tools.store, objects, self._counter("verify", 0.94, 1.0, len(files)))
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
            overrun_cause=overrun_cause(size > budget, overrun),
        )
        renditions = [self._rendition(*made, prefix) for made in zip(encoded, receipts, strict=True)]
        tools.catalogue.archives.record(archive, renditions, held_in(self._documents, prefix))
        self._progress.tell("done", 1.0, always=True)
        return archive

    def _put(self, files: Sequence[PackageFile]) -> tuple[int, str, list[ArchiveObject]]:
        """Put the package under the first version that is free, or that holds a part of just this package."""
        version = self._tools.catalogue.archives.next_version(self._session.id)
        while True:
            prefix = key_prefix(self._project, self._session, version)
            advance = self._counter("store", 0.88, 0.94, len(files))
            try:
                return version, prefix, store_package(self._tools.store, prefix, files, advance)
            except VersionTaken:
                version += 1

    def _counter(self, step: str, start: float, end: float, total: int) -> Callable[[], None]:
        """Tells of each file, and whether the next one is still wanted."""
        advance = self._progress.counter(step, start, end, total)

        def advance_or_end() -> None:
            advance()
            self._tools.runner.check()

        return advance_or_end

    def _receipt(self, one: EncodedClip) -> dict[str, Any]:
        return receipt(one, self._segments, made_file(one.path))

    def _package(
        self,
        encoded: Sequence[EncodedClip],
        receipts: Sequence[dict[str, Any]],
        document: dict[str, Any],
        originals: KeptOriginals,
    ) -> list[PackageFile]:
        """Lay out the payload, make the bag, sign it; a half-made one of an earlier attempt is made anew."""
        directory = self._directory / "package"
        shutil.rmtree(directory, ignore_errors=True)
        payload = directory / PAYLOAD
        (payload / "clips").mkdir(parents=True)
        for one, told in zip(encoded, receipts, strict=True):
            shutil.copyfile(one.path, payload / "clips" / one.work.file_name)
            write_json(payload / "receipts" / f"{one.work.file_name}.json", told)
        for original in originals.kept:
            target = payload / ORIGINALS / original.file_name
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(self._tools.ring / original.segment.path, target)
        write_json(payload / "catalogue.json", document)
        lay_out_documents(self._tools.store, self._documents, payload)
        write_card(payload, self._card(encoded, receipts))
        identifier = f"{self._project.project_code}/{self._session.id}"
        info = {
            "Source-Organization": self._session.room_id,
            "External-Identifier": identifier,
            "External-Description": f"{self._project.name_zh} {self._session.phase}",
            "Bag-Software-Agent": "jianzheng",
            # The session's day, not today's: a bag that is made again must be the same.
            "Bagging-Date": iso_utc(self._session.end_us or 0)[:10],
        }
        step = PackageStep(directory=directory.absolute(), info=info)
        files = self._tools.runner.run(make_package, [step])[0]
        return files + self._tools.signer.sign(directory, identifier, self._directory)

    def _card(self, encoded: Sequence[EncodedClip], receipts: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The project's card as far as this session goes; its number comes when the whole file is there."""
        renditions = [self._rendition(*made, "") for made in zip(encoded, receipts, strict=True)]
        filed = Filed(
            session=self._session,
            version=None,
            key_prefix="",
            principal=self._tools.principal,
            intake_us=None,
            renditions=renditions,
        )
        return card(self._tools.catalogue, self._project, [filed], self._tools.clock.now_us())

    def _document(self, told: Session, budget: int, originals: KeptOriginals) -> dict[str, Any]:
        return {
            **session_document(self._tools.catalogue, told, self._clips, self._segments),
            "originals": originals.document(),
            "budget_bytes": budget,
            "principal": self._tools.principal,
            "documents": [one.told() for one in self._documents],
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
            quality=quality_of(told),
            receipt=told,
        )


def overrun_cause(over: bool, floors: str) -> OverrunCause:
    """Why an archive is over its budget: floors where the plan says so, else what is beside pictures."""
    if not over:
        return OverrunCause.NONE
    return OverrunCause.FLOORS if floors else OverrunCause.BESIDE


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
