"""What a package tells: its document and its receipts, read with suspicion.

Whatever a stranger may have written there becomes these values or a ``FixityError``.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from archiver.receipt import RECEIPT_FORMAT
from archiver.session_document import FORMAT
from kernel.clock import iso_utc
from kernel.errors import FixityError
from kernel.timerange import TimeRange

_MOST_US = 1 << 62
_Micros = Annotated[int, Field(strict=True, ge=0, le=253_402_300_799_000_000)]  # up to the year 9999
_Count = Annotated[int, Field(strict=True, ge=0, le=_MOST_US)]
_Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_FINGERPRINT = r"^\d+ [0-9a-f]{16} [0-9a-f]{16}$"

_Model = TypeVar("_Model", bound=BaseModel)


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class Wall(_Told):
    """A time range, for machines and for people."""

    start_us: _Micros
    end_us: _Micros
    start: str
    end: str

    @model_validator(mode="after")
    def _says_one_thing(self) -> Wall:
        if self.end_us < self.start_us:
            raise ValueError("a time ends before it starts")
        if (self.start, self.end) != (iso_utc(self.start_us), iso_utc(self.end_us)):
            raise ValueError("a time says one thing in microseconds and another in words")
        return self

    @property
    def range(self) -> TimeRange:
        return TimeRange(start_us=self.start_us, end_us=self.end_us)


class Slice(_Told):
    """The used part of a segment."""

    segment: str
    sha256: _Hash
    chain: _Hash
    wall: Wall


class Gap(_Told):
    """Expected time that nobody recorded."""

    cause: str
    wall: Wall


class ToldClip(_Told):
    """A clip, as document and receipt tell of it."""

    id: str
    source: str
    footage_of: str = ""  # another source, whose second stream it is
    wall: Wall
    slices: tuple[Slice, ...]
    gaps: tuple[Gap, ...]


class ToldSegment(_Told):
    """A segment and its link of the chain."""

    id: str
    source: str
    run: str
    wall: Wall
    path: str
    size_bytes: _Count
    sha256: _Hash
    number: _Count
    chain_before: _Hash
    chain: _Hash


class ToldDocument(_Told):
    """A document beside the footage."""

    file: str
    size_bytes: _Count
    sha256: _Hash
    sm3: _Hash | None


class _Project(_Told):
    project_code: str


class _Session(_Told):
    id: str


class ToldOriginal(_Told):
    """A segment that lies in the package as it was recorded."""

    file: str
    segment: str


class ToldOriginals(_Told):
    """What of the ring is kept in the package bit by bit."""

    kept: tuple[ToldOriginal, ...] = ()


class ToldSession(_Told):
    """What ``catalogue.json`` tells that can be compared with something."""

    format: str = Field(pattern=f"^{FORMAT}$")
    project: _Project
    session: _Session
    clips: tuple[ToldClip, ...]
    segments: tuple[ToldSegment, ...]
    originals: ToldOriginals = ToldOriginals()
    sound: dict[str, tuple[str, ...]]  # files that each clip is to be heard in, by clip
    documents: tuple[ToldDocument, ...] = ()  # none in packages made before there were any


class ToldCopied(_Told):
    """What of a chunk is the source's own."""

    units: _Count
    units_sha256: _Hash
    segments: tuple[_Hash, ...]
    encoded: tuple[Wall, ...]


class ToldChunk(_Told):
    """A chunk of a receipt."""

    start_us: _Micros
    end_us: _Micros
    fingerprints: tuple[Annotated[str, Field(pattern=_FINGERPRINT)], ...]
    copied: ToldCopied | None = None


class _Result(_Told):
    file: str
    size_bytes: _Count
    sha256: _Hash
    sm3: _Hash | None
    duration_us: _Count


class _Sound(_Told):
    files: tuple[str, ...] = Field(alias="in")


class _Measured(_Told):
    frames: _Count
    seconds: float
    without_picture: tuple[Wall, ...]


class ToldReceipt(_Told):
    """What a receipt tells that can be compared with something."""

    format: str = Field(pattern=f"^{RECEIPT_FORMAT}$")
    clip: ToldClip
    chunks: tuple[ToldChunk, ...]
    sound: _Sound
    measured: _Measured
    result: _Result


def read_told(model: type[_Model], content: bytes | None) -> tuple[_Model, dict[str, Any]]:
    """A document as values, and as it was written.

    Raises:
        FixityError: it is missing, or makes no sense.
    """
    if content is None:
        raise FixityError("it is missing or cannot be read")
    try:
        plain = json.loads(content)
        return model.model_validate(plain), plain
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise FixityError(f"{where}: {first['msg']}") from None
    except (ValueError, RecursionError):
        raise FixityError("it is no JSON") from None
