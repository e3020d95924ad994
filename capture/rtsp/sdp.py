"""Session descriptions (RFC 4566), as far as cameras use them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_SIZE = re.compile(r"(\d{1,5})\s*[-,x]\s*(\d{1,5})$")
_STATIC = {
    0: ("PCMU", 8000, 1),
    2: ("G726-32", 8000, 1),  # as RFC 1890 had it; cameras still do
    8: ("PCMA", 8000, 1),
    26: ("JPEG", 90000, 1),
}
"""Payload types that need no rtpmap (RFC 3551, tables 4 and 5)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaDescription:
    """One ``m=`` section."""

    kind: str  # video, audio, application
    payload_type: int
    encoding: str  # upper-case, such as H264; empty where unknown
    clock_rate: int  # Hz of the RTP time stamps
    channels: int
    parameters: dict[str, str]  # fmtp, names in lower case
    control: str  # as written
    size: tuple[int, int] = (0, 0)  # pixels, where it is told (RFC 6064, 5.4; x-dimensions of cameras)


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionDescription:
    """What DESCRIBE told."""

    control: str
    media: tuple[MediaDescription, ...]


def parse_sdp(text: str) -> SessionDescription:
    """A session description; lines that make no sense are passed over, as cameras write such."""
    sections: list[list[tuple[str, str]]] = [[]]
    for line in text.replace("\r", "\n").split("\n"):
        kind, mark, value = line.strip().partition("=")
        if not mark:
            continue
        if kind == "m":
            sections.append([])
        sections[-1].append((kind, value))
    media = (_media(section) for section in sections[1:])
    control = _attributes(sections[0], "control")
    return SessionDescription(
        control=control[0] if control else "", media=tuple(one for one in media if one is not None)
    )


def _attributes(section: list[tuple[str, str]], name: str) -> list[str]:
    found = (value.partition(":") for kind, value in section if kind == "a")
    return [value.strip() for key, _, value in found if key.lower() == name]


def _media(section: list[tuple[str, str]]) -> MediaDescription | None:
    words = section[0][1].split()
    if len(words) < 4 or not words[3].isdecimal():
        return None
    payload_type = int(words[3])
    encoding, rate, channels = _rtpmap(_attributes(section, "rtpmap"), payload_type)
    control = _attributes(section, "control")
    return MediaDescription(
        kind=words[0].lower(),
        payload_type=payload_type,
        encoding=encoding,
        clock_rate=rate,
        channels=channels,
        parameters=_fmtp(_attributes(section, "fmtp"), payload_type),
        control=control[0] if control else "",
        size=_size(_attributes(section, "framesize") + _attributes(section, "x-dimensions")),
    )


def _size(values: list[str]) -> tuple[int, int]:
    """Width and height of ``framesize:96 2592-1944`` or ``x-dimensions:2592,1944``."""
    for value in values:
        found = _SIZE.search(value)
        if found is not None:
            return int(found.group(1)), int(found.group(2))
    return 0, 0


def _rtpmap(values: list[str], payload_type: int) -> tuple[str, int, int]:
    for value in values:
        number, _, rest = value.partition(" ")
        parts = rest.strip().split("/")
        if number == str(payload_type) and len(parts) > 1 and parts[1].isdecimal() and int(parts[1]):
            channels = int(parts[2]) if len(parts) > 2 and parts[2].isdecimal() else 1
            return parts[0].upper(), int(parts[1]), channels
    return _STATIC.get(payload_type, ("", 90000, 1))


def _fmtp(values: list[str], payload_type: int) -> dict[str, str]:
    for value in values:
        number, _, rest = value.partition(" ")
        if number == str(payload_type):
            pairs = (part.partition("=") for part in rest.split(";"))
            return {key.strip().lower(): text.strip() for key, _, text in pairs if key.strip()}
    return {}


def control_uri(base: str, control: str) -> str:
    """The URI to control a track or session by.

    Cameras expect the relative control to be appended to the base, query and all, whether or not the base
    ends with a slash; resolving it by RFC 3986 would drop the last part of the path.
    """
    if control in ("", "*"):
        return base
    if urlsplit(control).scheme.lower() in ("rtsp", "rtsps"):
        return control
    return base + ("" if base.endswith("/") else "/") + control.lstrip("/")
