"""Time stamps of an authority (RFC 3161): asked for when a package is signed, checked when it is verified.

What is stamped is the signature: it was there at that time, and with it the statement and all files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx
from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    PKIStatus,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from kernel.errors import FixityError, SettingsError, TimeStampUnavailable
from kernel.settings import ArchiveSettings, public_uri

_QUERY = "application/timestamp-query"  # RFC 3161, 3.4
_SHA256 = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1")
_MOST_BYTES = 1 << 20  # a token with its certificates has some kilobytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Authority:
    """A time stamp authority."""

    url: str
    seconds: float  # time for it to answer
    certificates: tuple[x509.Certificate, ...] = ()  # trusted; none: its answers are taken as they come

    @property
    def name(self) -> str:
        """Its address as messages and statements may tell it (invariant 16)."""
        return public_uri(self.url)

    def stamp(self, data: bytes) -> bytes:
        """Its answer for some bytes, as it came.

        Raises:
            TimeStampUnavailable: there is none, or not one that holds.
        """
        request = TimestampRequestBuilder().data(data).hash_algorithm(HashAlgorithm.SHA256).build()
        answer = self._ask(request.as_bytes())
        try:
            response = _decoded(answer)
            if response.tst_info.nonce != request.nonce:
                raise FixityError("it answers another request.")
            check_stamp(answer, data, self.certificates)
        except FixityError as error:
            raise TimeStampUnavailable(
                f"{self.name} gave no time stamp that holds: {error.message}"
            ) from None
        return answer

    def _ask(self, query: bytes) -> bytes:
        try:
            answer = httpx.post(
                self.url, content=query, headers={"Content-Type": _QUERY}, timeout=self.seconds
            )
        except httpx.HTTPError as error:
            raise TimeStampUnavailable(f"{self.name} gave no time stamp: {type(error).__name__}.") from error
        if answer.status_code != httpx.codes.OK:
            raise TimeStampUnavailable(f"{self.name} gave no time stamp: HTTP status {answer.status_code}.")
        return answer.content


def authority_of(settings: ArchiveSettings) -> Authority | None:
    """The authority that the settings name.

    Raises:
        SettingsError: its certificates cannot be read.
    """
    if not settings.tsa_url:
        return None
    path = settings.tsa_certificates
    certificates = read_certificates(path) if path else ()
    return Authority(url=settings.tsa_url, seconds=settings.tsa_seconds, certificates=certificates)


def read_certificates(path: Path) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM file.

    Raises:
        SettingsError: it cannot be read, or holds none.
    """
    try:
        return tuple(x509.load_pem_x509_certificates(path.read_bytes()))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise SettingsError(f"{path} holds no certificates (PEM).") from None


def check_stamp(answer: bytes, data: bytes, trusted: Sequence[x509.Certificate]) -> datetime:
    """When an authority saw some bytes; with trusted certificates its signature is checked, too.

    Args:
        trusted: the authority's root, with those between if there are any; none: only what was stamped is
            compared.

    Raises:
        FixityError: the stamp is for something else, or does not hold.
    """
    response = _decoded(answer)
    imprint = response.tst_info.message_imprint
    if (imprint.hash_algorithm, imprint.message) != (_SHA256, hashlib.sha256(data).digest()):
        raise FixityError("it is for something else.")
    if trusted:
        _check_signature(response, hashlib.sha256(data).digest(), trusted)
    return response.tst_info.gen_time


def _decoded(answer: bytes) -> TimeStampResponse:
    try:
        response = decode_timestamp_response(answer[:_MOST_BYTES])
        if response.status != PKIStatus.GRANTED:
            raise FixityError(f"it was not granted ({' '.join(response.status_string) or response.status}).")
        _ = response.tst_info.gen_time  # the token is parsed now
    except ValueError:
        raise FixityError("it cannot be read.") from None
    return response


def _check_signature(response: TimeStampResponse, digest: bytes, trusted: Sequence[x509.Certificate]) -> None:
    roots = [one for one in trusted if one.issuer == one.subject]
    verifier = VerifierBuilder(roots=roots, intermediates=[one for one in trusted if one not in roots])
    if not roots:
        raise FixityError("none of the trusted certificates is a root (signed by itself).")
    try:
        verifier.build().verify(response, digest)
    except (VerificationError, ValueError) as error:
        raise FixityError(f"its signature does not hold: {error}.") from None


def certificate_names(answer: bytes) -> list[str]:
    """Whose certificates a stamp brings along."""
    found = (x509.load_der_x509_certificate(one) for one in _decoded(answer).signed_data.certificates)
    return sorted(one.subject.rfc4514_string() for one in found)
