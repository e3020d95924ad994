"""Which sources share a process: a bounded number, so that a crash takes few of them down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
    "onvifs": Engine.RTSP,
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


def reassign(groups: Sequence[Group], specs: Sequence[SourceSpec], settings: CaptureSettings) -> list[Group]:
    """The groups that run, with the sources as they are now: who is in one stays in it.

    What is new goes where there is room, else into a group of its own. Groups that have nobody left stay.
    """
    sizes = _sizes(settings, len(specs))
    wanted = {spec.id: spec for spec in recorded_by_us(specs)}
    filled = {
        group.name: [wanted.pop(one.id) for one in group.specs if _stays(one, group, wanted)]
        for group in groups
    }
    for spec in wanted.values():
        engine = _ENGINES[spec.scheme]
        room = [
            name for name, inside in filled.items() if _engine(name) == engine and len(inside) < sizes[engine]
        ]
        name = room[0] if room else _next_name(engine, filled)
        filled.setdefault(name, []).append(spec)
    return [Group(name=name, specs=tuple(inside)) for name, inside in filled.items()]


def _stays(one: SourceSpec, group: Group, wanted: Mapping[str, SourceSpec]) -> bool:
    """Another way to read it is another group's."""
    now = wanted.get(one.id)
    return now is not None and _ENGINES[now.scheme] == _engine(group.name)


def _engine(name: str) -> str:
    return name.rpartition("-")[0]


def _next_name(engine: Engine, taken: Iterable[str]) -> str:
    numbers = [int(name.rpartition("-")[2]) for name in taken if _engine(name) == engine]
    return f"{engine}-{max(numbers, default=0) + 1}"


def _sizes(settings: CaptureSettings, sources: int) -> dict[Engine, int]:
    return {
        Engine.RTSP: settings.sources_per_process,
        Engine.PUSH: max(sources, 1),
        Engine.LIBAV: settings.libav_sources_per_process,
    }
