"""Which sources share a process: a bounded number, so that a crash takes few of them down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from kernel.settings import CaptureSettings, SourceSpec


class Engine(StrEnum):
    """What reads a source."""

    RTSP = "rtsp"
    """Our own client; ONVIF devices deliver by RTSP, too."""
    PUSH = "push"
    """Devices that call us by RTSP: one process, since it listens on one port."""
    LIBAV = "libav"
    """FFmpeg's libraries, whose crashes are theirs."""


_ENGINES = {
    "rtsp": Engine.RTSP,
    "rtsps": Engine.RTSP,
    "onvif": Engine.RTSP,
    "push+rtsp": Engine.PUSH,
    "rtmp": Engine.LIBAV,
    "push+rtmp": Engine.LIBAV,
}
"""By scheme. What is not here sends its footage itself or is taken in by hand."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """The sources of one recording process."""

    name: str
    specs: tuple[SourceSpec, ...]


def recorded_by_us(specs: Sequence[SourceSpec]) -> list[SourceSpec]:
    """Without desktops that an agent records and files that somebody hands in."""
    return [spec for spec in specs if spec.scheme in _ENGINES]


def assign(specs: Sequence[SourceSpec], settings: CaptureSettings) -> list[Group]:
    """Groups in the order of ``cameras.yaml``: a source added at its end moves no other one."""
    groups: list[Group] = []
    for engine, size in _sizes(settings, len(specs)).items():
        own = [spec for spec in recorded_by_us(specs) if _ENGINES[spec.scheme] is engine]
        for start in range(0, len(own), size):
            number = start // size + 1
            groups.append(Group(name=f"{engine}-{number}", specs=tuple(own[start : start + size])))
    return groups


def _sizes(settings: CaptureSettings, sources: int) -> dict[Engine, int]:
    return {
        Engine.RTSP: settings.sources_per_process,
        Engine.PUSH: max(sources, 1),
        Engine.LIBAV: settings.libav_sources_per_process,
    }
