"""The way to the recorder: HTTPS, with the receiver's certificate pinned or vouched for by an authority."""

from __future__ import annotations

import hashlib
import hmac
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from agent.settings import AgentSettings
from kernel.errors import (
    RecorderError,
    RecorderRefuses,
    RecorderUnreachable,
    SegmentNotYet,
    SegmentRefused,
    SettingsError,
)
from kernel.model.agent import (
    API,
    END_REASON_HEADER,
    SHA256_HEADER,
    AgentGap,
    AgentReport,
    Known,
    Receipt,
    SegmentClaim,
)

T = TypeVar("T")

_BLOCK_BYTES = 256 * 1024
_CLAIMS: TypeAdapter[list[SegmentClaim]] = TypeAdapter(list[SegmentClaim])
_KNOWN: TypeAdapter[Known] = TypeAdapter(Known)
_RECEIPT: TypeAdapter[Receipt] = TypeAdapter(Receipt)
_GAP: TypeAdapter[AgentGap] = TypeAdapter(AgentGap)
_REPORT: TypeAdapter[AgentReport] = TypeAdapter(AgentReport)
_TIME: TypeAdapter[int] = TypeAdapter(int)


_OF_ANY_REQUEST: Mapping[int, Callable[[str], RecorderError]] = {401: RecorderRefuses}
_OF_A_SEGMENT = {**_OF_ANY_REQUEST, 409: SegmentRefused, 413: SegmentRefused, 422: SegmentRefused}


class _PinnedContext(ssl.SSLContext):
    """Believes one certificate, by its SHA-256, whoever signed it; nothing is sent to anybody else."""

    fingerprint = ""

    def wrap_socket(self, sock: socket.socket, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        wrapped = super().wrap_socket(sock, *args, **kwargs)
        shown = hashlib.sha256(wrapped.getpeercert(binary_form=True) or b"").hexdigest()
        if not hmac.compare_digest(shown, self.fingerprint):
            wrapped.close()
            raise ssl.SSLCertVerificationError("another certificate than the one in agent.toml")
        return wrapped


def _context(settings: AgentSettings) -> ssl.SSLContext:
    if not settings.certificate_sha256:
        try:
            return ssl.create_default_context(cafile=settings.authority or None)
        except OSError as error:
            said = f"authority: {settings.authority} cannot be used ({type(error).__name__})."
            raise SettingsError(said) from None
    context = _PinnedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.fingerprint = settings.certificate_sha256
    return context


def open_client(settings: AgentSettings) -> httpx.Client:
    """A client for the recorder. Raises: SettingsError: the authority's certificate cannot be read."""
    return httpx.Client(
        base_url=settings.recorder,
        headers={"authorization": f"Bearer {settings.token.get_secret_value()}"},
        verify=_context(settings),
        timeout=settings.patience_seconds,
        trust_env=False,  # a proxy of the desktop's user is no part of the way
    )


class RecorderLink:
    """The receiver's interface, as seen from here.

    Every method raises RecorderUnreachable, RecorderRefuses or RecorderError.
    """

    def __init__(self, client: httpx.Client, source_id: str) -> None:
        self._client = client
        self._base = f"{API}/{source_id}"

    def now_us(self) -> int:
        """The recorder's wall time."""
        return _read(_TIME, self._ask("GET", "/time"))

    def report(self, report: AgentReport) -> None:
        """Say how the agent is doing."""
        self._tell("POST", "/report", _REPORT.dump_json(report))

    def known(self, claims: Sequence[SegmentClaim]) -> Known:
        """Which of these the recorder has."""
        return _read(_KNOWN, self._tell("POST", "/segments/known", _CLAIMS.dump_json(list(claims))))

    def send(self, claim: SegmentClaim, path: Path) -> Receipt:
        """Send a segment.

        Raises:
            SegmentRefused: the recorder will not take it.
            SegmentNotYet: nor this one now, but perhaps later; others it may take.
        """
        headers = {
            SHA256_HEADER: claim.sha256,
            END_REASON_HEADER: claim.end_reason.value,
            "content-length": str(claim.size_bytes),
            "content-type": "video/mp4",
        }
        answer = self._ask(
            "PUT", f"/segments/{claim.segment_id}", _OF_A_SEGMENT, content=_blocks(path), headers=headers
        )
        return _read(_RECEIPT, answer)

    def tell_gap(self, gap_id: str, gap: AgentGap) -> None:
        """Declare a gap, or how it went on."""
        self._tell("PUT", f"/gaps/{gap_id}", _GAP.dump_json(gap))

    def _tell(self, method: str, path: str, json: bytes) -> httpx.Response:
        return self._ask(method, path, content=json, headers={"content-type": "application/json"})

    def _ask(
        self,
        method: str,
        path: str,
        meanings: Mapping[int, Callable[[str], RecorderError]] = _OF_ANY_REQUEST,
        **more: Any,
    ) -> httpx.Response:
        try:
            answer = self._client.request(method, self._base + path, **more)
        except httpx.HTTPError as error:
            if _is_wrong_certificate(error):
                raise RecorderRefuses(
                    "the recorder shows a certificate that is not to be believed."
                ) from None
            raise RecorderUnreachable(f"the recorder does not answer ({type(error).__name__}).") from None
        if answer.is_success:
            return answer
        if answer.status_code == 503 and "retry-after" in answer.headers:
            raise SegmentNotYet(_said(answer))
        raise meanings.get(answer.status_code, RecorderError)(_said(answer))


def _is_wrong_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _said(answer: httpx.Response) -> str:
    """What the recorder says of why not."""
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = ""
    said = detail[:200] if isinstance(detail, str) else ""
    return f"the recorder answers {answer.status_code}: {said or 'without a reason'}"


def _read(kind: TypeAdapter[T], answer: httpx.Response) -> T:
    try:
        return kind.validate_json(answer.content)
    except ValidationError:
        raise RecorderError("the recorder's answer makes no sense.") from None


def _blocks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                yield block
    except OSError as error:
        raise RecorderError(f"{path.name} cannot be read ({error.strerror}).") from None
