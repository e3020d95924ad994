"""Documents beside the video: listed, taken in, handed out; and the catalogue card."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, BinaryIO
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from catalog.card_page import card_page
from catalog.cards import project_card
from catalog.catalogue import Catalogue
from catalog.document_intake import Brought, DocumentIntake, Staged, TakenIn
from catalog.objects import ObjectStore
from kernel.acting import acting_from
from kernel.clock import Clock
from kernel.errors import DocumentRefused, ObjectMissing
from kernel.model.audit import Act, Action
from kernel.model.document import Document, DocumentKind, FileType, Property, PropertyVerdict
from player_api.entries import Name
from player_api.gate import Gate, Subject
from player_api.gone import not_there
from player_api.multipart import BadUpload, Upload
from player_api.refusals import Refused

_BLOCK_BYTES = 256 * 1024
_NO_ACCOUNT = "page"
"""Who opens a document, until there are accounts; the record has the address, too."""
_SANDBOX = "sandbox; default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; object-src 'self'"


class PropertyPublic(BaseModel):
    """What was found of one of the four properties."""

    property: Property
    verdict: PropertyVerdict
    reason: str


class DocumentPublic(BaseModel):
    """A document of a project."""

    id: str
    session_id: str | None
    kind: DocumentKind
    name: str
    file_type: FileType
    size_bytes: int
    sha256: str
    sm3: str | None
    version: int
    supersedes: str | None
    superseded: bool
    reason: str
    principal: str
    at_us: int
    packages: int
    """How many packages hold it; 0: it is still to be archived."""
    checks: list[PropertyPublic]
    url: str
    shown_inline: bool


class DocumentTaken(BaseModel):
    """What became of a document that was brought."""

    document: DocumentPublic
    new: bool
    """False: the project had it already, and it was not stored again."""


class _Told(BaseModel):
    """The fields of the form beside the file."""

    model_config = ConfigDict(extra="forbid")
    kind: DocumentKind
    principal: Name | None = None
    session_id: str | None = Field(default=None, max_length=64)
    supersedes: str | None = Field(default=None, max_length=64)
    reason: str = Field(default="", max_length=1000)
    sha256: str = Field(default="", pattern=r"^([0-9A-Fa-f]{64})?$")


_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "kind"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "kind": {"type": "string", "enum": [one.value for one in DocumentKind]},
                        "principal": {"type": "string"},
                        "session_id": {"type": "string"},
                        "supersedes": {"type": "string"},
                        "reason": {"type": "string"},
                        "sha256": {"type": "string"},
                    },
                }
            }
        },
    }
}


def documents_router(
    catalogue: Catalogue, store: ObjectStore, clock: Clock, intake: DocumentIntake | None, gate: Gate
) -> APIRouter:
    """The routes.

    Args:
        intake: takes documents in; without it they are only listed and handed out.
    """
    router = APIRouter(tags=["documents"])
    refusals: dict[int | str, dict[str, Any]] = {one: {"model": Refused} for one in (400, 404, 409, 413, 422)}

    @router.get(
        "/api/projects/{project_id}/documents", dependencies=[gate.needs("document.see", Subject.PROJECT)]
    )
    def documents(project_id: str) -> list[DocumentPublic]:
        """Documents of a project in the order in which they came; corrected ones too."""
        _refuse_unknown(catalogue, project_id)
        return _listed(catalogue, project_id)

    @router.post(
        "/api/projects/{project_id}/documents",
        status_code=201,
        responses=refusals,
        openapi_extra=_FORM,
        dependencies=[gate.needs("document.add", Subject.PROJECT)],
    )
    async def take(project_id: str, request: Request, response: Response) -> DocumentTaken:
        """Take in one document, as a form with the file; 200 where the project has it already."""
        if intake is None:
            raise HTTPException(503, "此服务器不接收文件。This server takes no documents.")
        await run_in_threadpool(_refuse_unknown, catalogue, project_id)
        with intake.stage() as staged:
            upload = await _received(request, staged)
            brought = _brought(project_id, upload, gate)
            with acting_from(_address(request)):
                taken = await run_in_threadpool(_taken, intake, brought, staged)
        if not taken.new:
            response.status_code = 200
        found = await run_in_threadpool(_listed, catalogue, project_id)
        public = next(one for one in found if one.id == taken.document.id)
        return DocumentTaken(document=public, new=taken.new)

    _add_files(router, catalogue, store, clock, gate, refusals)
    _add_cards(router, catalogue, clock, gate)
    return router


def _add_files(
    router: APIRouter,
    catalogue: Catalogue,
    store: ObjectStore,
    clock: Clock,
    gate: Gate,
    refusals: dict[int | str, dict[str, Any]],
) -> None:
    @router.get(
        "/media/documents/{document_id}",
        response_class=StreamingResponse,
        responses=refusals,
        dependencies=[gate.needs("document.see", Subject.DOCUMENT)],
    )
    def download(document_id: str, request: Request, show: bool = False) -> Response:
        """The document: to be saved, or with ``show`` in a sandbox, if it is PDF or an image."""
        found = catalogue.documents.get(document_id)
        if found is None:
            raise HTTPException(404, "没有这个文件。No such document.")
        try:
            file = store.open(found.object_key)
        except ObjectMissing:
            raise not_there(catalogue, found.object_key) from None
        with acting_from(_address(request)):  # invariant 14: before the first byte
            catalogue.audit.append(_opened(found, gate.by(), clock.now_us()))
        return _sent(found, file, inline=show and found.file_type.shown_inline)


def _add_cards(router: APIRouter, catalogue: Catalogue, clock: Clock, gate: Gate) -> None:
    @router.get("/api/projects/{project_id}/card", dependencies=[gate.needs("project.see", Subject.PROJECT)])
    def card(project_id: str) -> dict[str, Any]:
        """The catalogue card (著录卡) of a project's file."""
        return _card(catalogue, project_id, clock)

    @router.get(
        "/api/projects/{project_id}/card.html",
        response_class=HTMLResponse,
        dependencies=[gate.needs("project.see", Subject.PROJECT)],
    )
    def printable(project_id: str) -> HTMLResponse:
        """The same as a page to be printed."""
        headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return HTMLResponse(card_page(_card(catalogue, project_id, clock)), headers=headers)


def _listed(catalogue: Catalogue, project_id: str) -> list[DocumentPublic]:
    found = catalogue.documents.of_project(project_id)
    held = catalogue.documents.copies_of(project_id)
    superseded = {one.supersedes for one in found}
    return [
        DocumentPublic(
            **{name: getattr(one, name) for name in _PLAIN},
            superseded=one.id in superseded,
            packages=len(held.get(one.id, ())),
            checks=[PropertyPublic.model_validate(each) for each in one.check.told()],
            url=f"/media/documents/{quote(one.id, safe='')}",
            shown_inline=one.file_type.shown_inline,
        )
        for one in found
    ]


_PLAIN = tuple(DocumentPublic.model_fields.keys() & Document.__dataclass_fields__.keys())


def _refuse_unknown(catalogue: Catalogue, project_id: str) -> None:
    if catalogue.projects.project(project_id) is None:
        raise HTTPException(404, "没有这个项目。No such project.")


async def _received(request: Request, staged: Staged) -> Upload:
    try:
        upload = Upload(request.headers.get("content-type", ""), staged.write)
        await upload.read(request.stream())
    except BadUpload as error:
        raise HTTPException(400, str(error)) from None
    except DocumentRefused as error:
        raise HTTPException(413, str(error)) from None
    return upload


def _brought(project_id: str, upload: Upload, gate: Gate) -> Brought:
    given = {name: value for name, value in upload.fields.items() if value}
    try:
        told = _Told.model_validate(given)
    except ValidationError as error:
        said = "; ".join(f"{one['loc'][0]}: {one['msg']}" for one in error.errors(include_input=False))
        raise HTTPException(422, f"表单有误。The form makes no sense: {said}.") from None
    return Brought(
        project_id=project_id,
        kind=told.kind,
        name=upload.file_name or "",
        principal=gate.by(told.principal),
        session_id=told.session_id,
        supersedes=told.supersedes,
        reason=told.reason,
        announced_sha256=told.sha256,
    )


def _taken(intake: DocumentIntake, brought: Brought, staged: Staged) -> TakenIn:
    try:
        return intake.take(brought, staged)
    except DocumentRefused as error:
        raise HTTPException(409, str(error)) from None


def _opened(document: Document, principal: str, at_us: int) -> Act:
    told = {"project": document.project_id, "sha256": document.sha256}
    return Act(
        at_us=at_us,
        principal=principal,
        action=Action.DOCUMENT_OPENED,
        subject=document.id,
        details=told,
    )


def _sent(document: Document, file: BinaryIO, *, inline: bool) -> Response:
    headers = {
        "Content-Length": str(document.size_bytes),
        "Content-Disposition": disposition(document.name, inline=inline),
        "Content-Security-Policy": _SANDBOX,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "ETag": f'"{document.sha256}"',
    }
    media_type = document.file_type.media_type if inline else "application/octet-stream"
    return StreamingResponse(_blocks(file), headers=headers, media_type=media_type)


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while block := file.read(_BLOCK_BYTES):
            yield block


def disposition(name: str, *, inline: bool) -> str:
    """What a file is called and whether it is shown: RFC 6266, 4.3, the name in UTF-8 by RFC 8187.

    Old programs take the plain name, of which nothing can mean anything to them.
    """
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._") or "document"
    way = "inline" if inline else "attachment"
    return f"{way}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _card(catalogue: Catalogue, project_id: str, clock: Clock) -> dict[str, Any]:
    told = project_card(catalogue, project_id, clock.now_us())
    if told is None:
        raise HTTPException(404, "没有这个项目。No such project.")
    return told


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
