"""Where the one who acts acts from; said once at the rim, read where an act is recorded (invariant 14)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_origin: ContextVar[str] = ContextVar("origin", default="")


def origin() -> str:
    """An address such as ``10.0.0.7``, or where nobody said one, this program's machine."""
    return _origin.get() or f"host {socket.gethostname()}"


@contextmanager
def acting_from(address: str) -> Iterator[None]:
    """What is done within comes from there."""
    token = _origin.set(address)
    try:
        yield
    finally:
        _origin.reset(token)
