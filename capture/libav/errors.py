"""What errors of FFmpeg's libraries mean to us. Their texts carry addresses and stay here (invariant 16)."""

from __future__ import annotations

import errno

import av.error
from av.error import (
    DecoderNotFoundError,
    DemuxerNotFoundError,
    FFmpegError,
    HTTPForbiddenError,
    HTTPNotFoundError,
    HTTPUnauthorizedError,
    InvalidDataError,
    ProtocolNotFoundError,
)

from kernel.errors import (
    CodecUnsupported,
    NotAnswering,
    NotListening,
    SourceError,
    SourceNotFound,
    SourceRefused,
    SourceSendsGarbage,
    SourceUnreachable,
)

_REFUSED = (HTTPUnauthorizedError, HTTPForbiddenError)
_NOT_FOUND = (av.error.FileNotFoundError, HTTPNotFoundError)
_UNKNOWN = (DecoderNotFoundError, DemuxerNotFoundError, ProtocolNotFoundError)


def source_error(subject: str, error: FFmpegError, *, waited_out: bool = False) -> SourceError:
    """The error of a connection or file in our words.

    Args:
        subject: begins the message, such as "source cam".
        waited_out: the time-out was over, whatever the library calls it.
    """
    if isinstance(error, _REFUSED):
        return SourceRefused(f"{subject}: the device refuses the credentials.")
    if isinstance(error, _NOT_FOUND):
        return SourceNotFound(f"{subject}: there is no such stream or file.")
    if isinstance(error, _UNKNOWN):
        return CodecUnsupported(f"{subject}: FFmpeg knows no way to read it.")
    if waited_out:
        return NotAnswering(f"{subject}: it does not answer in time.")
    if isinstance(error, InvalidDataError):
        return SourceSendsGarbage(f"{subject}: what it sends is no stream that can be read.")
    kind = NotListening if error.errno == errno.ECONNREFUSED else SourceUnreachable
    return kind(f"{subject}: {_what_happened(error)}.")


def is_port_taken(error: FFmpegError) -> bool:
    """Whether another program listens there already."""
    return error.errno in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL)


def _what_happened(error: FFmpegError) -> str:
    """The system's word for the number; never FFmpeg's own sentence with the address in it."""
    known = {
        errno.ECONNREFUSED: "nothing listens at its address",
        errno.EHOSTUNREACH: "its address cannot be reached",
        errno.ENETUNREACH: "its network cannot be reached",
        errno.ECONNRESET: "it cut the connection",
        errno.EPIPE: "it cut the connection",
        errno.EIO: "the connection ended",
    }
    return known.get(error.errno or 0, f"the connection failed ({type(error).__name__})")
