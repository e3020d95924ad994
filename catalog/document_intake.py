"""The one way in for documents: staged and hashed while they come, checked, stored, read back, recorded.

Order of invariant 10: the row comes last. A document that is refused leaves nothing in the store; a crash
between store and row leaves an object that the same document, brought again, finds and uses.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from catalog.catalogue import Catalogue
from catalog.file_types import recognised
from catalog.four_check import Origin, Scan, check_document, refusal
from catalog.objects import ObjectStore, verify
from kernel.clock import Clock
from kernel.durable import storage_error
from kernel.errors import DocumentRefused, ObjectExists, StorageError
from kernel.ids import new_id
from kernel.model.audit import Act, Action, ActResult
from kernel.model.document import Document, DocumentKind, FileType, FourCheck
from kernel.model.timeline import Project

BLOCK_BYTES = 1 << 20
_MOST_NAME = 200  # characters
_SM3 = "sm3"
_ENDING = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,9}$")  # "2026.3.2" has none
_WHAT = "PDF, OFD, PNG, JPEG, TIFF, BMP, XLSX, XLS, DOCX, DOC, CSV, TXT"


@dataclass(frozen=True, kw_only=True, slots=True)
class Brought:
    """What is said of a document by whoever brings it."""

    project_id: str
    kind: DocumentKind
    name: str  # as its file is called there
    principal: str
    session_id: str | None = None
    supersedes: str | None = None  # the document that it corrects
    reason: str = ""  # why; needed with ``supersedes``
    announced_sha256: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class TakenIn:
    """What became of it."""

    document: Document
    new: bool  # False: the project has just these bytes already, as this document


class Staged:
    """A file on its way in: written aside and hashed, never larger than allowed."""

    def __init__(self, file: BinaryIO, most_bytes: int) -> None:
        self._file = file
        self._most_bytes = most_bytes
        self._sha256 = hashlib.sha256()
        self._sm3 = hashlib.new(_SM3) if _SM3 in hashlib.algorithms_available else None
        self.size_bytes = 0

    def write(self, block: bytes) -> None:
        """Take some of it.

        Raises:
            DocumentRefused: it is too large.
            StorageError: the disk does not take it.
        """
        self.size_bytes += len(block)
        if self.size_bytes > self._most_bytes:
            most = f"{self._most_bytes / (1 << 20):g} MiB"
            raise DocumentRefused(
                f"文件超过 {most}。The document is larger than {most}.",
                hint="Split it, or raise documents.max_bytes.",
            )
        self._sha256.update(block)
        if self._sm3 is not None:
            self._sm3.update(block)
        try:
            self._file.write(block)
        except OSError as error:
            raise storage_error(error) from error

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    @property
    def sm3(self) -> str | None:
        return self._sm3.hexdigest() if self._sm3 is not None else None

    @property
    def path(self) -> Path:
        """Where it lies, whole."""
        self._file.flush()
        return Path(self._file.name)


class DocumentIntake:
    """Takes documents in."""

    def __init__(
        self,
        catalogue: Catalogue,
        store: ObjectStore,
        clock: Clock,
        staging: Path,
        most_bytes: int,
        scan: Scan | None = None,
    ) -> None:
        """
        Args:
            staging: directory for what is on its way.
            scan: looks for viruses; by default ClamAV where it is installed.
        """
        self._catalogue = catalogue
        self._store = store
        self._clock = clock
        self._staging = staging
        self._most_bytes = most_bytes
        self._scan = scan

    @contextmanager
    def stage(self) -> Iterator[Staged]:
        """Room for a file that comes; nothing of it is left there afterwards, whatever happens.

        Raises:
            StorageError: there is no such room.
        """
        try:
            self._staging.mkdir(parents=True, exist_ok=True)
            file = tempfile.NamedTemporaryFile(dir=self._staging, prefix="document-")  # noqa: SIM115 - below
        except OSError as error:
            raise StorageError(f"{self._staging} cannot be written: {error.strerror}.") from error
        with file:
            yield Staged(file, self._most_bytes)  # type: ignore[arg-type]

    def take(self, brought: Brought, staged: Staged) -> TakenIn:
        """Take in what was staged.

        Raises:
            DocumentRefused: it is not what its name says, a property is not given, or it has no place.
            StorageError: the store does not take it, or gives back something else.
        """
        try:
            return self._take(brought, staged)
        except DocumentRefused as error:
            self._tell_refused(brought, staged, error)
            raise

    def take_file(self, brought: Brought, path: Path) -> TakenIn:
        """Take in a file of this machine.

        Raises:
            DocumentRefused, StorageError: as ``take``; or it cannot be read.
        """
        with self.stage() as staged:
            try:
                with path.open("rb") as file:
                    while block := file.read(BLOCK_BYTES):
                        staged.write(block)
            except OSError as error:
                raise DocumentRefused(f"file {path.name} cannot be read: {error.strerror}.") from None
            return self.take(brought, staged)

    def _take(self, brought: Brought, staged: Staged) -> TakenIn:
        documents = self._catalogue.documents
        _check_reason(brought)
        documents.check_place(brought.project_id, brought.session_id, brought.supersedes)
        known = documents.same(brought.project_id, staged.sha256)
        if known is not None:
            return TakenIn(document=known, new=False)
        name = label_of(brought.name)
        kind = _kind_of(staged, name)
        check = self._check(brought, staged, kind)
        key = self._store_it(brought.project_id, staged, kind)
        document = self._document(brought, staged, name, kind, key, check)
        recorded = documents.add(document)
        return TakenIn(document=recorded, new=recorded.id == document.id)

    def _check(self, brought: Brought, staged: Staged, kind: FileType) -> FourCheck:
        origin = Origin(
            principal=brought.principal,
            sha256=staged.sha256,
            announced_sha256=brought.announced_sha256,
            size_bytes=staged.size_bytes,
        )
        check = check_document(staged.path, kind, origin, self._scan)
        if check.failed:
            raise DocumentRefused(
                f"四性检测未通过。The four-property check failed: {refusal(check)}",
                hint="Nothing of it was kept. Put it right and bring it again.",
            )
        return check

    def _store_it(self, project_id: str, staged: Staged, kind: FileType) -> str:
        project = self._catalogue.projects.project(project_id)
        assert project is not None  # its place was checked
        key = document_key(project, staged.sha256, kind)
        try:
            with staged.path.open("rb") as file:
                self._store.put(key, file)
        except ObjectExists:
            pass  # of an attempt that broke off before its row; what is there is compared now
        verify(self._store, key, staged.size_bytes, staged.sha256)
        return key

    def _document(
        self, brought: Brought, staged: Staged, name: str, kind: FileType, key: str, check: FourCheck
    ) -> Document:
        before = self._catalogue.documents.get(brought.supersedes) if brought.supersedes else None
        return Document(
            id=new_id("document"),
            project_id=brought.project_id,
            session_id=brought.session_id or (before.session_id if before else None),
            kind=brought.kind,
            name=name,
            file_type=kind,
            size_bytes=staged.size_bytes,
            sha256=staged.sha256,
            sm3=staged.sm3,
            object_key=key,
            version=before.version + 1 if before else 1,
            supersedes=brought.supersedes,
            reason=brought.reason.strip(),
            principal=brought.principal,
            at_us=self._clock.now_us(),
            check=check,
        )

    def _tell_refused(self, brought: Brought, staged: Staged, error: DocumentRefused) -> None:
        told = {
            "kind": brought.kind.value,
            "sha256": staged.sha256,
            "size_bytes": staged.size_bytes,
            "why": error.message[:1000],
        }
        act = Act(
            at_us=self._clock.now_us(),
            principal=brought.principal,
            action=Action.DOCUMENT_TAKEN_IN,
            subject=brought.project_id,
            result=ActResult.REFUSED,
            details=told,
        )
        self._catalogue.audit.append(act)


def document_key(project: Project, sha256: str, kind: FileType) -> str:
    """Where a document rests: by region, industry and project, as archives do, and named by its bytes."""
    parts = (project.region_code, project.industry_code, project.project_code)
    return f"documents/{'/'.join(quote(one, safe='') for one in parts)}/{sha256}{kind.suffixes[0]}"


def label_of(name: str) -> str:
    """A name as a label: without directories and control characters, in one form, of bearable length.

    Raises:
        DocumentRefused: nothing is left of it.
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(one for one in unicodedata.normalize("NFC", last) if _may_stand(one)).strip(" .")
    if not shown:
        raise DocumentRefused("文件没有可用的名称。The document has no name that can be shown.")
    stem, dot, suffix = shown.rpartition(".")
    if len(shown) <= _MOST_NAME or not dot or len(suffix) > 10:
        return shown[:_MOST_NAME]
    return f"{stem[: _MOST_NAME - len(suffix) - 1]}.{suffix}"


def _may_stand(letter: str) -> bool:
    """Neither controls nor marks that turn the direction of reading around (a name must not lie)."""
    return letter == " " or unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def _check_reason(brought: Brought) -> None:
    if brought.supersedes is not None and not brought.reason.strip():
        raise DocumentRefused("更正须说明原因。A correction needs a reason.", hint="Give one.")


def _kind_of(staged: Staged, name: str) -> FileType:
    """What it is, by its content.

    Raises:
        DocumentRefused: it is nothing that is taken in, or its name says another thing.
    """
    if not staged.size_bytes:
        raise DocumentRefused(f"文件 {name} 是空的。Document {name} is empty.")
    kind = recognised(staged.path, name)
    if kind is None:
        raise DocumentRefused(
            f"文件 {name} 的内容无法识别。The content of {name} is none of {_WHAT}.",
            hint="Save it as one of these and bring it again.",
        )
    ending = _ENDING.search(name)
    suffix = ending[0].lower() if ending else ""
    texts = (FileType.TEXT, FileType.CSV)
    fitting = {one for member in texts for one in member.suffixes} if kind in texts else set(kind.suffixes)
    if suffix and suffix not in fitting:
        is_now = kind.value.upper()
        raise DocumentRefused(
            f"文件 {name} 的内容是 {is_now},与扩展名不符。"
            f"The content of {name} is {is_now}, not what its name says.",
            hint="Find out why; rename it only if the content is what it should be.",
        )
    return kind
