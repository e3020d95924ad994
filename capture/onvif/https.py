"""ONVIF by HTTPS: no credentials go to a device that has not proved who it is.

As for ``rtsps``: by a certificate of an authority that this machine trusts or, as most cameras sign their
own, by the very certificate that the operator pinned (``certificate_sha256``).
"""

from __future__ import annotations

import asyncio
import ssl
from functools import cache
from hashlib import sha256

import httpx

from kernel.errors import CertificateRefused, SourceProtocolError, SourceUnreachable


class _WrongCertificate(ssl.SSLCertVerificationError):
    """It is not the pinned one."""


class _PinningContext(ssl.SSLContext):
    """Takes one certificate, whoever signed it."""

    pin: str  # SHA-256 of it, lower-case hex


class _PinnedLine(ssl.SSLObject):
    """Looks at the certificate before a byte of a request is sent: the handshake fails otherwise."""

    def do_handshake(self) -> None:
        super().do_handshake()
        assert isinstance(self.context, _PinningContext)
        if _fingerprint(self) != self.context.pin:
            raise _WrongCertificate("not the pinned certificate")


def transport(pin: str) -> httpx.AsyncHTTPTransport:
    """HTTP and HTTPS; ``pin`` is empty for any certificate that an authority vouches for."""
    return httpx.AsyncHTTPTransport(verify=_pinning(pin) if pin else _by_authorities(), trust_env=False)


@cache
def _by_authorities() -> ssl.SSLContext:
    """Made once in a process: to read all authorities takes 25 ms, in which no source is read."""
    return ssl.create_default_context()


def _pinning(pin: str) -> ssl.SSLContext:
    context = _PinningContext(ssl.PROTOCOL_TLS_CLIENT)
    context.pin = pin
    context.sslobject_class = _PinnedLine
    return _trusting(context)


def _trusting(context: ssl.SSLContext) -> ssl.SSLContext:
    """Any certificate will do: it is looked at by us."""
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _fingerprint(line: ssl.SSLObject) -> str:
    return sha256(line.getpeercert(binary_form=True) or b"").hexdigest()


def tls_error(error: BaseException | None) -> ssl.SSLError | None:
    """What TLS found wrong, which httpx keeps some causes deep."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error


async def refusal(
    error: ssl.SSLError, host: str, port: int, *, name: str, seconds: float
) -> CertificateRefused | SourceProtocolError | SourceUnreachable:
    """What to tell of a handshake that failed; for a certificate, what it is, so that it can be compared."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        said = f"source {name}: the device does not speak HTTPS ({error.reason or 'unknown reason'})."
        return SourceProtocolError(said, hint="Use onvif:// if the device has no HTTPS.")
    what = "is not the pinned one"
    if not isinstance(error, _WrongCertificate):
        what = f"cannot be verified ({error.verify_message})"
    try:
        async with asyncio.timeout(seconds):
            found = await _shown(host, port)
    except (OSError, TimeoutError):
        return SourceUnreachable(f"source {name}: the device closed the connection.")
    hint = (
        f"The SHA-256 of the one it shows is {found}. If the device's own page tells the same, write it as "
        "certificate_sha256 of this source into cameras.yaml; if not, find out who answers there."
    )
    return CertificateRefused(f"source {name}: the device's certificate {what}.", hint=hint)


async def _shown(host: str, port: int) -> str:
    """Nothing is sent to whoever shows it."""
    context = _trusting(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    _, writer = await asyncio.open_connection(host, port, ssl=context)
    line = writer.get_extra_info("ssl_object")
    writer.close()
    return _fingerprint(line)
