"""Documents beside the video (一项一档), what is checked when anything is taken in, and archive numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class DocumentKind(StrEnum):
    """What a document is to its project."""

    OPENING_RECORD = "opening_record"
    """开标记录."""
    EXTRACTION_RECORD = "extraction_record"
    """专家抽取记录."""
    WITNESS_SHEET = "witness_sheet"
    """见证记录表."""
    EVALUATION_REPORT = "evaluation_report"
    """评标报告."""
    SIGN_IN_SHEET = "sign_in_sheet"
    """签到表."""
    HANDOVER_LIST = "handover_list"
    """移交清单."""
    OTHER = "other"


class FileType(StrEnum):
    """What a file is by its content; names are labels."""

    PDF = "pdf"
    OFD = "ofd"
    """GB/T 33190-2016."""
    PNG = "png"
    JPEG = "jpeg"
    TIFF = "tiff"
    BMP = "bmp"
    XLSX = "xlsx"
    XLS = "xls"
    DOCX = "docx"
    DOC = "doc"
    CSV = "csv"
    TEXT = "text"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """How names of such files may end, the usual one first; lower case."""
        return _SUFFIXES[self]

    @property
    def media_type(self) -> str:
        """As HTTP says it."""
        return _MEDIA_TYPES[self]

    @property
    def shown_inline(self) -> bool:
        """Whether a browser may show it (in a sandbox) rather than save it."""
        return self in (FileType.PDF, FileType.PNG, FileType.JPEG)


_SUFFIXES: Mapping[FileType, tuple[str, ...]] = {
    **{one: (f".{one.value}",) for one in FileType},
    FileType.JPEG: (".jpg", ".jpeg"),
    FileType.TIFF: (".tif", ".tiff"),
    FileType.TEXT: (".txt", ".text", ".md", ".log"),
}
_OPEN_XML = "application/vnd.openxmlformats-officedocument"
_MEDIA_TYPES: Mapping[FileType, str] = {
    FileType.PDF: "application/pdf",
    FileType.OFD: "application/ofd",
    FileType.PNG: "image/png",
    FileType.JPEG: "image/jpeg",
    FileType.TIFF: "image/tiff",
    FileType.BMP: "image/bmp",
    FileType.XLSX: f"{_OPEN_XML}.spreadsheetml.sheet",
    FileType.XLS: "application/vnd.ms-excel",
    FileType.DOCX: f"{_OPEN_XML}.wordprocessingml.document",
    FileType.DOC: "application/msword",
    FileType.CSV: "text/csv; charset=utf-8",
    FileType.TEXT: "text/plain; charset=utf-8",
}


class Property(StrEnum):
    """四性: what is checked of everything that is taken in (DA/T 70-2018, DA/T 103-2024 8.3)."""

    AUTHENTIC = "authentic"
    """真实: it is what was announced, and who brought it is known."""
    COMPLETE = "complete"
    """完整: nothing of it is missing."""
    USABLE = "usable"
    """可用: it opens."""
    SAFE = "safe"
    """安全: nothing in it acts by itself."""


class PropertyVerdict(StrEnum):
    """What came of checking one property."""

    PASSED = "passed"
    NOTED = "noted"
    """Taken in; something about it should be known."""
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class PropertyResult:
    """What was found of one property."""

    property: Property
    verdict: PropertyVerdict
    reason: str  # for people, zh then en


@dataclass(frozen=True, kw_only=True, slots=True)
class FourCheck:
    """四性检测: one result for each property, in their order."""

    results: tuple[PropertyResult, ...]

    @property
    def failed(self) -> tuple[PropertyResult, ...]:
        return tuple(one for one in self.results if one.verdict is PropertyVerdict.FAILED)

    def told(self) -> list[dict[str, str]]:
        """As rows, packages and pages tell it."""
        return [
            {"property": one.property.value, "verdict": one.verdict.value, "reason": one.reason}
            for one in self.results
        ]

    @classmethod
    def of(cls, told: list[dict[str, Any]]) -> FourCheck:
        """From what ``told`` gave."""
        return cls(
            results=tuple(
                PropertyResult(
                    property=Property(one["property"]),
                    verdict=PropertyVerdict(one["verdict"]),
                    reason=one["reason"],
                )
                for one in told
            )
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A document of a project, stored and read back."""

    id: str
    project_id: str
    session_id: str | None  # None: of the project as a whole
    kind: DocumentKind
    name: str  # as it was handed in, cleaned; a label, never a path
    file_type: FileType
    size_bytes: int
    sha256: str  # lower-case hex
    sm3: str | None  # None where this machine's OpenSSL has no SM3
    object_key: str  # in the store, written once
    version: int  # from 1; a correction is the next one of the same document
    supersedes: str | None  # the version before, which stays
    reason: str  # why it was corrected; empty for a first version
    principal: str  # who brought it
    at_us: int  # when it was taken in
    check: FourCheck

    @property
    def packaged_name(self) -> str:
        """Its file in a package: plain ASCII, unique within a project, and what it is."""
        return f"{self.kind.value}-{self.sha256[:16]}{self.file_type.suffixes[0]}"

    def told(self) -> dict[str, Any]:
        """As packages tell it."""
        return {
            "id": self.id,
            "session": self.session_id,
            "kind": self.kind.value,
            "name": self.name,
            "file": self.packaged_name,
            "file_type": self.file_type.value,
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
            "sm3": self.sm3,
            "version": self.version,
            "supersedes": self.supersedes,
            "reason": self.reason,
            "principal": self.principal,
            "at_us": self.at_us,
            "check": self.check.told(),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Addendum:
    """A package of what belongs to a project's file and to no session's package: card, later documents."""

    id: str
    project_id: str
    number: int  # from 1 within its project; earlier ones stay (invariant 9)
    file_version: int | None  # version of the project's file that its card tells of; None: not sealed yet
    key_prefix: str
    size_bytes: int
    verified_us: int  # when every object had been read back (invariant 10)
    principal: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchiveNumber:
    """档号 of a project's file: given once, kept across versions, never given again."""

    number: str  # as it is written
    project_id: str
    series: str  # what the number is unique within: all of it but the serial
    serial: int  # from 1 in its series
    given_us: int
    principal: str


@dataclass(frozen=True, kw_only=True, slots=True)
class HandedFile:
    """A recording that was handed in and is in the ring, with what was checked of it."""

    run_id: str  # of the run that it became
    source_id: str
    session_id: str | None  # that its list says it belongs to
    listed_in: str  # name of the list; empty for a file that came alone
    name: str
    size_bytes: int
    sha256: str  # of the file as it was handed in
    offset_us: int  # that was added to its times
    wall_start_us: int
    wall_end_us: int
    principal: str
    at_us: int
    check: FourCheck
