"""The HTTPS application that agents and trading systems talk to: an address space of its own, no page.

Every request carries its source's token, or its system's key. Requests are bounded in size and in time: the
headers by ``PatientProtocol``, the bodies by ``_BoundedBodies``.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, Any, Protocol

import h11
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Path, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from kernel.clock import Clock
from kernel.errors import (
    CatalogError,
    DiskFull,
    FixityError,
    FootageConflict,
    FootageError,
    FootageTooEarly,
    JianzhengError,
)
from kernel.log import logger
from kernel.model.agent import (
    API,
    END_REASON_HEADER,
    ID,
    MOST_CLAIMS,
    SHA256_HEADER,
    AgentGap,
    AgentReport,
    Known,
    Receipt,
    SegmentClaim,
)
from kernel.model.footage import EndReason
from player_api.audit import ActingFrom
from player_api.refusals import in_words
from player_api.trading import described

_log = logger("receiver")
_BLOCK_BYTES = 1 << 20
_SMALL_BODY_BYTES = 1 << 20
_PIECE_SECONDS = 30.0
"""Longest wait for the next bytes of a body."""
_SLOWEST_BYTES_PER_SECOND = 4096
_HEADER_SECONDS = 15.0
"""Longest wait for a request's headers."""
_LATER_SECONDS = 300
"""What is dated in the future may be tried again after; it may be longer until it is taken."""

_STATUS: tuple[tuple[type[JianzhengError], int], ...] = (
    (DiskFull, 507),
    (FixityError, 400),  # it was torn on the way: the same again may come whole
    (FootageConflict, 409),
    (FootageTooEarly, 503),
    (FootageError, 422),
)


class Upload(Protocol):
    """A segment while it comes; ``capture.agent_intake.IncomingSegment`` is one. Blocking."""

    def write(self, piece: bytes) -> None: ...
    def finish(self) -> Receipt: ...
    def close(self) -> None: ...


class SegmentIntake(Protocol):
    """What takes segments in; ``capture.agent_intake.AgentIntake`` is one. Blocking."""

    def known(self, source_id: str, claims: Sequence[SegmentClaim]) -> Known: ...
    def receipt(self, source_id: str, claim: SegmentClaim) -> Receipt | None: ...
    def begin(self, source_id: str, claim: SegmentClaim) -> Upload: ...
    def told_gap(self, source_id: str, gap_id: str, gap: AgentGap) -> None: ...
    def heard(self, source_id: str, report: AgentReport) -> None: ...


GapId = Annotated[str, Path(pattern=ID.pattern)]


def create_agent_app(
    intake: SegmentIntake,
    tokens: Mapping[str, str],
    clock: Clock,
    *,
    trading: APIRouter | None = None,
    piece_seconds: float = _PIECE_SECONDS,
) -> FastAPI:
    """The application.

    Args:
        tokens: of each agent's source, by the source's id.
        trading: routes for trading systems, which come from other machines, too, and have keys of their own.
        piece_seconds: longest wait for the next bytes of a body.
    """
    app = FastAPI(title="Jianzheng receiver", openapi_url=None)

    async def known_agent(source_id: str, authorization: Annotated[str, Header()] = "") -> None:
        """Only the source's own agent; a wrong token and an unknown source are told apart by nobody."""
        given = authorization.removeprefix("Bearer ").encode()
        expected = tokens.get(source_id, "").encode()
        if not hmac.compare_digest(given, expected) or not expected:
            raise HTTPException(401, "source and token do not belong together.")

    app.include_router(_words(intake, clock), dependencies=[Depends(known_agent)])
    app.include_router(_segments(intake), dependencies=[Depends(known_agent)])
    if trading is not None:
        app.include_router(trading)
        description = described(trading)

        @app.get("/api/openapi.json")
        async def interface() -> dict[str, Any]:
            """How trading systems report: nothing secret, so that no key is asked for."""
            return description

    app.add_middleware(_BoundedBodies, piece_seconds=piece_seconds)
    app.add_middleware(ActingFrom)

    @app.exception_handler(JianzhengError)
    async def say(_request: Request, error: JianzhengError) -> JSONResponse:
        status = next((status for kind, status in _STATUS if isinstance(error, kind)), 503)
        # Only this segment is to wait, while other errors of 503 speak of all that the agent has.
        later = {"retry-after": str(_LATER_SECONDS)} if isinstance(error, FootageTooEarly) else {}
        return JSONResponse({"detail": str(error)}, status_code=status, headers=later)

    @app.exception_handler(CatalogError)
    async def trouble(_request: Request, error: CatalogError) -> JSONResponse:
        """Told without its cause: keys are looked up in the catalogue, so anybody may hear this."""
        _log.error(f"A request was not answered: {error}", action="receiver.catalog_error")
        return JSONResponse({"detail": "the catalogue cannot be used now; try again."}, status_code=503)

    @app.exception_handler(RequestValidationError)
    async def refuse(_request: Request, error: RequestValidationError) -> JSONResponse:
        return JSONResponse({"detail": in_words(error)}, status_code=422)

    return app


def _words(intake: SegmentIntake, clock: Clock) -> APIRouter:
    """Time, report, gaps."""
    router = APIRouter(prefix=API + "/{source_id}")

    @router.get("/time")
    async def time() -> int:
        """The recorder's wall time, microseconds since the Unix epoch."""
        return clock.now_us()

    @router.post("/report", status_code=204)
    def report(source_id: str, said: AgentReport) -> None:
        """How the agent is doing."""
        intake.heard(source_id, said)

    @router.put("/gaps/{gap_id}", status_code=204)
    def gap(source_id: str, gap_id: GapId, told: AgentGap) -> None:
        """A gap, or how it went on."""
        intake.told_gap(source_id, gap_id, told)

    return router


def _segments(intake: SegmentIntake) -> APIRouter:
    router = APIRouter(prefix=API + "/{source_id}/segments")

    @router.post("/known")
    def known(source_id: str, claims: list[SegmentClaim]) -> Known:
        """Which of these segments are here, with their receipts."""
        if len(claims) > MOST_CLAIMS:
            raise HTTPException(422, f"at most {MOST_CLAIMS} segments are told of at once.")
        return intake.known(source_id, claims)

    @router.put("/{segment_id}")
    async def segment(source_id: str, segment_id: str, request: Request) -> Receipt:
        """A segment. The answer comes when it is sealed: the agent may let go of it then."""
        claim = _claim(segment_id, request)
        present = await run_in_threadpool(intake.receipt, source_id, claim)
        if present is not None:
            return present
        upload = await run_in_threadpool(intake.begin, source_id, claim)
        try:
            async for block in _blocks(request):
                await run_in_threadpool(upload.write, block)
            return await run_in_threadpool(upload.finish)
        finally:
            await run_in_threadpool(upload.close)

    return router


def _claim(segment_id: str, request: Request) -> SegmentClaim:
    """Raises: FootageError: it makes no sense."""
    try:
        return SegmentClaim(
            segment_id=segment_id,
            sha256=request.headers.get(SHA256_HEADER, ""),
            size_bytes=int(request.headers["content-length"]),
            end_reason=EndReason(request.headers.get(END_REASON_HEADER, "")),
        )
    except ValueError:
        raise FootageError("the claim of a segment makes no sense.") from None


async def _blocks(request: Request) -> AsyncIterator[bytes]:
    """A body in pieces of some size, so that the disk is asked seldom.

    Raises:
        FixityError: the rest of it does not come.
    """
    gathered = bytearray()
    try:
        async for piece in request.stream():
            gathered += piece
            if len(gathered) >= _BLOCK_BYTES:
                yield bytes(gathered)
                gathered.clear()
    except ClientDisconnect:
        raise FixityError("the segment did not arrive whole.", hint="Send it again.") from None
    yield bytes(gathered)


class _BoundedBodies:
    """Bodies say their length, only segments are large, and whoever sends too slowly is gone."""

    def __init__(self, app: ASGIApp, piece_seconds: float) -> None:
        self._app = app
        self._piece_seconds = piece_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "" if scope["method"] in ("PUT", "POST") else "0")
        is_segment = scope["method"] == "PUT" and "/segments/" in scope["path"]
        if not length.isdecimal() or (int(length) > _SMALL_BODY_BYTES and not is_segment):
            await JSONResponse({"detail": "the body is too large."}, status_code=413)(scope, receive, send)
            return
        await self._app(scope, self._patient(receive, int(length)), send)

    def _patient(self, receive: Receive, length: int) -> Receive:
        """Time-outs for each piece and for the whole, told as the end of the connection."""
        until = asyncio.get_running_loop().time() + self._piece_seconds + length / _SLOWEST_BYTES_PER_SECOND
        whole = length == 0

        async def patient() -> Message:
            nonlocal whole
            if whole:
                return await receive()
            try:
                async with asyncio.timeout_at(until), asyncio.timeout(self._piece_seconds):
                    message = await receive()
            except TimeoutError:
                return {"type": "http.disconnect"}
            whole = not message.get("more_body", False)
            return message

        return patient


class PatientProtocol(H11Protocol):
    """uvicorn waits for ever for the headers of a request; this one does not (slow-loris)."""

    _headers_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_headers()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        elif self._headers_timer is None:
            self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_headers(self) -> None:
        self._headers_timer = self.loop.call_later(_HEADER_SECONDS, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._headers_timer is not None:
            self._headers_timer.cancel()
            self._headers_timer = None
