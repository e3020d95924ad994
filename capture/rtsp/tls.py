"""RTSP under TLS (``rtsps``): a line whose bytes are encrypted, to a device that proves who it is.

A device proves itself by a certificate of an authority that this machine trusts or, as most cameras sign
their own, by the very certificate that the operator pinned (``certificate_sha256``). No credentials are sent
to a device that has not.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import sha256

from capture.rtsp.line import ANSWER_BEAT_S, READ_BYTES, Line, connect, unreachable
from kernel.clock import Clock
from kernel.errors import CertificateRefused, SourceProtocolError, SourceUnreachable

_NOT_YET = (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError)


class TlsLine(Line):
    """See ``Line``."""

    def _take(self) -> bytes:
        """All that has been decrypted: a record is 16 KiB at most, one read is not enough."""
        pieces: list[bytes] = []
        self._full = True  # until a read finds nothing more
        try:
            if self._unsent:
                self._send()
            for _ in range(READ_BYTES // 16384):
                data = self._socket.recv(READ_BYTES)
                if not data:
                    break
                pieces.append(data)
        except _NOT_YET:
            self._full = False
        except OSError as error:
            if not pieces:
                raise self._broken(error) from None
        if self._full and not pieces:
            raise SourceUnreachable(f"source {self._name}: the device closed the connection.")
        return b"".join(pieces)

    def _broken(self, error: OSError) -> SourceUnreachable:
        """TLS counts its errors in its own way, which is not the system's."""
        what = f"source {self._name}: the connection broke"
        if isinstance(error, ssl.SSLError):
            return SourceUnreachable(f"{what} ({error.reason or 'by TLS'}).")
        return unreachable(error, what)

    def _send(self) -> None:
        with suppress(*_NOT_YET):
            super()._send()


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How long a device may take for each step."""

    clock: Clock
    seconds: float


async def open_tls_line(host: str, port: int, *, name: str, wait: Patience, pin: str) -> TlsLine:
    """A connection to a device that is the right one.

    Args:
        pin: SHA-256 of the certificate that the device must show, lower-case hex; empty for any that an
            authority vouches for.

    Raises:
        OSError: it cannot be reached; ``TimeoutError`` where nothing comes back.
        SourceRefused: it shows another certificate; the remedy names its fingerprint.
        SourceProtocolError: it does not speak TLS.
    """
    try:
        made = await _trusted(host, port, name=name, wait=wait, pin=pin)
    except ssl.SSLError as error:
        raise _no_tls(name, error.reason or "unknown reason") from None
    except _NoHandshake:
        raise _no_tls(name, f"it does not answer within {wait.seconds:g} s") from None
    found = _fingerprint(made)
    if pin and found != pin:
        made.close()
        raise _refused(name, "is not the pinned one", found)
    return TlsLine(made, name=name, clock=wait.clock)


async def _trusted(host: str, port: int, *, name: str, wait: Patience, pin: str) -> ssl.SSLSocket:
    """A connection to a device that an authority vouches for, or to any where a pin will be compared.

    Raises:
        SourceRefused: no authority does; a second connection has shown what to pin.
        OSError, _NoHandshake: as ``_shaken`` of either connection.
    """
    try:
        return await _shaken(host, port, _context(trusting=bool(pin)), wait)
    except ssl.SSLCertVerificationError as error:
        unverified = await _shaken(host, port, _context(trusting=True), wait)
        found = _fingerprint(unverified)
        unverified.close()
        raise _refused(name, f"cannot be verified ({error.verify_message})", found) from None


class _NoHandshake(Exception):
    """The device takes the connection and does not answer."""


def _no_tls(name: str, why: str) -> SourceProtocolError:
    message = f"source {name}: the device does not speak TLS ({why})."
    return SourceProtocolError(message, hint="Use rtsp:// if the device has no rtsps.")


def _refused(name: str, what: str, found: str) -> CertificateRefused:
    hint = (
        f"The SHA-256 of the one it shows is {found}. If the device's own page tells the same, write it as "
        "certificate_sha256 of this source into cameras.yaml; if not, find out who answers there."
    )
    return CertificateRefused(f"source {name}: the device's certificate {what}.", hint=hint)


@cache
def _context(*, trusting: bool) -> ssl.SSLContext:
    """``trusting``: any certificate will do; it is looked at afterwards.

    Made once in a process: to read all authorities takes 25 ms, in which no other source is read.
    """
    if not trusting:
        return ssl.create_default_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _shaken(host: str, port: int, context: ssl.SSLContext, wait: Patience) -> ssl.SSLSocket:
    """A connection whose hands are shaken.

    Raises:
        OSError: it cannot be reached, or (``ssl.SSLError``) speaks no TLS or shows no good certificate.
    """
    async with asyncio.timeout(wait.seconds):
        connected = await connect(host, port)
    made = context.wrap_socket(connected, server_hostname=host, do_handshake_on_connect=False)
    try:
        async with asyncio.timeout(wait.seconds):
            await _shake(made, wait.clock)
    except TimeoutError:
        made.close()
        raise _NoHandshake from None
    except BaseException:
        made.close()
        raise
    return made


async def _shake(made: ssl.SSLSocket, clock: Clock) -> None:
    while True:
        try:
            made.do_handshake()
        except _NOT_YET:
            await clock.wait(ANSWER_BEAT_S)
        else:
            return


def _fingerprint(made: ssl.SSLSocket) -> str:
    return sha256(made.getpeercert(binary_form=True) or b"").hexdigest()
