"""Known oddities of ONVIF devices, each a function with its reason."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from kernel.settings import public_uri


def service_address(told: str, asked: str) -> str:
    """Where a service is: the path that the device tells, at the scheme, host and port that were asked.

    Devices tell the address they believe to have: behind a router's port, 0.0.0.0, localhost, or the one
    from before they were moved. All services of a device answer where its device service does, so what was
    asked and answered is right. (ONVIF Core 5.1.2 promises an address that is reachable; see also
    https://github.com/openvideolibs/python-onvif-zeep-async, ``replace_host_port``, for the same.)
    """
    path, where = urlsplit(told), urlsplit(asked)
    return urlunsplit((where.scheme, where.netloc, path.path or "/", path.query, ""))


def stream_address(told: str, host: str) -> str:
    """Where a stream is: as the device tells, but at the host that was asked, and without credentials.

    For the same reason as ``service_address``; the port stays, since RTSP has another than HTTP. Some devices
    write user and password into it (invariant 16): what is configured is used instead.

    Raises:
        ValueError: it is no URI.
    """
    parts = urlsplit(told.strip())
    if not parts.scheme or not parts.hostname:
        raise ValueError("no URI")
    shown = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit((parts.scheme, shown + port, parts.path, parts.query, ""))


_SECRETS = re.compile(r"user|usr|pass|pwd|login|auth|token|session|key", re.IGNORECASE)


def shown_address(address: str) -> str:
    """An address as pages and logs may show it: some devices write user and password behind the question mark
    (invariant 16)."""
    parts = urlsplit(address)
    told = parse_qsl(parts.query, keep_blank_values=True)
    harmless = urlencode([(name, value) for name, value in told if not _SECRETS.search(name)])
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, harmless, ""))


def is_moved(told: str, used: str) -> bool:
    """Whether an address was rewritten: worth a line in the log."""
    return public_uri(told) != public_uri(used)
