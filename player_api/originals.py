"""Originals of clips: what a source sent, as plain MP4, straight from the ring and by byte range."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Protocol
from urllib.parse import quote

from fastapi import APIRouter, Header, HTTPException, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from kernel.errors import FixityError, FootageError, JianzhengError
from kernel.model.footage import GapCause
from player_api.gate import Gate, Subject
from player_api.ranges import ByteRange, ranged_response
from player_api.watch_limits import is_limited
from player_api.watching import WatchDenied, Watches, WatchToken


class OriginalFile(Protocol):
    """A file that need not exist; ``segmenter.originals.Original`` is one."""

    @property
    def name(self) -> str: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def etag(self) -> str:
        """Changes whenever a byte of the file does."""

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from ``start`` to before ``end``."""


class OriginalsOfClips(Protocol):
    """Finds originals; ``segmenter.clip_originals.Originals`` does."""

    def index(self, clip_id: str) -> dict[str, Any] | None:
        """What ``OriginalsPublic`` holds, but for addresses; None where no such clip is known."""

    def file(self, clip_id: str, number: int) -> OriginalFile | None:
        """A file by its number; None where there is none."""


class OriginalTimes(BaseModel):
    """A stretch of wall time; what is said twice is the same."""

    start_us: int
    end_us: int
    start: str
    """UTC, for people."""
    end: str


class OriginalGapPublic(OriginalTimes):
    """Time of which there was no footage when it happened."""

    cause: GapCause
    detail: str


class OriginalChapterPublic(BaseModel):
    """An event or a tag."""

    at_us: int
    title: str


class OriginalMediaPublic(BaseModel):
    """Bytes of a segment, as they are in the file."""

    segment: str
    sha256: str
    start: int
    end: int


class OriginalFilePublic(OriginalTimes):
    """One file: an unbroken stretch of one format. Its presentation is from ``start_us`` to ``end_us``."""

    number: int
    name: str
    url: str
    size_bytes: int
    sha256: str | None
    """Of the file, where it was written and proven; over HTTP nothing is hashed."""
    chapters: list[OriginalChapterPublic]
    media_offset: int
    """From here on the file is what ``media`` lists, one behind the other."""
    media: list[OriginalMediaPublic]


class OriginalsPublic(OriginalTimes):
    """The originals of a clip, and the gaps between them."""

    format: str
    clip: str
    session: str
    source: str
    part: int
    files: list[OriginalFilePublic]
    without_pictures: list[OriginalTimes]
    """Footage that is no file: no picture was captured in so short a time."""
    gaps: list[OriginalGapPublic]
    backfilled: list[OriginalGapPublic]
    """Was missing, and was filled afterwards; the files hold it."""


def originals_router(originals: OriginalsOfClips | None, gate: Gate, watches: Watches) -> APIRouter:
    """Routes of originals; without a ring there are none to serve."""
    router = APIRouter(tags=["media"])

    @router.get("/api/clips/{clip_id}/originals", dependencies=[gate.needs("export.make", Subject.CLIP)])
    def index(clip_id: str) -> OriginalsPublic:
        """What files a clip's originals are, and what lies between them."""
        with_ring = _needed(originals)
        try:
            found = with_ring.index(clip_id)
        except (FootageError, FixityError) as error:
            raise _gone(error) from None
        if found is None:
            raise HTTPException(404, "没有这个片段。No such clip.")
        here = f"/api/clips/{quote(clip_id, safe='')}/originals"
        files = [{**one, "url": f"{here}/{one['number']}.mp4"} for one in found["files"]]
        return OriginalsPublic(**{**found, "files": files})

    @router.get(
        "/api/clips/{clip_id}/originals/{number:int}.mp4",
        response_class=StreamingResponse,
        dependencies=[gate.needs("export.make", Subject.CLIP)],
    )
    def file(
        clip_id: str,
        number: int,
        watch: WatchToken = None,
        range_header: Annotated[str | None, Header(alias="range")] = None,
        if_range: Annotated[str | None, Header(alias="if-range")] = None,
    ) -> Response:
        """One of them, whole or by byte range, to whoever has the clip open (invariant 14)."""
        with_ring = _needed(originals)
        if is_limited(watches.of_clip(clip_id, watch)):
            raise WatchDenied("watch_limited")
        try:
            found = with_ring.file(clip_id, number)
        except (FootageError, FixityError) as error:
            raise _gone(error) from None
        if found is None:
            raise HTTPException(404, "没有这个文件。No such file.")
        if if_range is not None and if_range != f'"{found.etag}"':
            range_header = None  # RFC 9110, 13.1.5: it is another file by now

        def read(part: ByteRange) -> Iterator[bytes]:
            return found.read(part.start, part.end)

        response = ranged_response(read, found.size_bytes, found.etag, range_header)
        response.headers["Content-Disposition"] = f"inline; filename*=UTF-8''{quote(found.name)}"
        return response

    return router


def _needed(originals: OriginalsOfClips | None) -> OriginalsOfClips:
    if originals is None:
        raise HTTPException(503, "此服务器没有录像环。This server has no ring.")
    return originals


def _gone(error: JianzhengError) -> HTTPException:
    return HTTPException(410, f"所需的原始录像不在或已损坏。{error}")
