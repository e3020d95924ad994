"""Entries of ``cameras.yaml`` as text: made for what was found, put into a file without changing it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import yaml

from capture.onvif.profiles import Profile, choose
from capture.onvif.survey import Surveyed
from cli.content_kinds import MEANINGS, guessed
from kernel.errors import SettingsError, SourceError
from kernel.model.source import ContentKind
from kernel.settings import ONVIF_SCHEMES, SourceSpec

_NOT_IN_IDS = re.compile(r"[^a-z0-9]+")
_LONGEST_ID = 64
_PORTS = {"http": 80, "onvif": 80, "https": 443, "onvifs": 443}
SEAT_KINDS = (ContentKind.SEAT_FACE, ContentKind.SEAT_DESKTOP)
NEW_ROOM = "discovered"


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One source to be written."""

    id: str
    uri: str
    label: str
    username: str
    password: str  # empty where it is to be filled in by hand
    kind: ContentKind | None = None  # what it shows, as far as its device tells
    problem: str = ""  # why the device did not accept user name and password; empty: it did, or was not asked

    @property
    def to_choose(self) -> bool:
        """Somebody has to say what it shows."""
        return self.kind is None or self.kind in SEAT_KINDS


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stream:
    """A stream worth recording."""

    uri: str
    what: str  # sets it apart from the device's others; empty for a device with one
    best: Profile | None  # None: the device does not tell its profiles, or none that can be recorded


def entries(
    devices: Sequence[Surveyed], known: Iterable[SourceSpec], username: str, password: str
) -> list[Entry]:
    """An entry per device, or per video source of one that has several; none for what is known already.

    Args:
        known: the sources that ``cameras.yaml`` has; ids do not repeat theirs.
        password: written only for a device that accepted it; the user name always.
    """
    specs = list(known)
    taken = {spec.id for spec in specs}
    made = []
    for device in devices:
        for stream in _streams(device):
            if any(_is_of(device, stream.uri, spec) for spec in specs):
                continue
            source_id = _free_id(device, stream.what, taken)
            taken.add(source_id)
            made.append(
                Entry(
                    id=source_id,
                    uri=stream.uri,
                    label=" ".join(part for part in (device.name or "camera", stream.what) if part),
                    username=username,
                    password=password if device.information is not None else "",
                    kind=_kind(device, stream),
                    problem=device.problem,
                )
            )
    return made


def _kind(device: Surveyed, stream: _Stream) -> ContentKind | None:
    best = stream.best
    own = [stream.what, best.name] if best is not None else [stream.what]
    size = (best.width, best.height) if best is not None else (0, 0)
    return guessed([*own, device.name, device.found.scope("location")], size)


def _streams(device: Surveyed) -> list[_Stream]:
    """One of each sensor."""
    sensors = dict.fromkeys(one.video_source for one in device.profiles)
    if len(sensors) < 2:
        return [_Stream(uri=device.found.uri, what="", best=_best(device.profiles))]
    best = [_best([one for one in device.profiles if one.video_source == sensor]) for sensor in sensors]
    return [
        _Stream(uri=f"{device.found.uri}/{quote(one.token, safe='')}", what=one.token, best=one)
        for one in best
        if one
    ]


def _best(profiles: Sequence[Profile]) -> Profile | None:
    try:
        return choose(profiles, "", "")
    except SourceError:
        return None  # none that can be recorded


def _is_of(device: Surveyed, uri: str, spec: SourceSpec) -> bool:
    """Whether a source that is known is this stream of the device, at whichever of its addresses.

    A source by RTSP does not tell which stream of the device it is: nothing of that device is offered again.
    """
    theirs = urlsplit(spec.uri)
    ours = [urlsplit(one) for one in device.found.addresses]
    if theirs.scheme not in ONVIF_SCHEMES:
        return theirs.hostname in [one.hostname for one in ours]
    there = [(one.hostname, one.port or _PORTS[one.scheme]) for one in ours]
    same = theirs.path.strip("/") == urlsplit(uri).path.strip("/")
    return same and (theirs.hostname, theirs.port or _PORTS[theirs.scheme]) in there


def _free_id(device: Surveyed, what: str, taken: set[str]) -> str:
    host = urlsplit(device.found.uri).hostname or ""
    words = _NOT_IN_IDS.sub("-", " ".join((device.name, host, what)).lower()).strip("-") or "camera"
    base = words[: _LONGEST_ID - 4].strip("-")
    number, found = 1, base
    while found in taken:
        number += 1
        found = f"{base}-{number}"
    return found


def as_text(one: Entry, *, indent: int, with_password: bool) -> str:
    """An item of a room's ``sources``, with comments on what is left to do by hand."""
    lines = [
        f"id: {one.id}",
        *_kind_lines(one.kind),
        f"uri: {one.uri}",
        f"username: {_quoted(one.username)}",
        *_password_lines(one, with_password=with_password),
        f"label_zh: {_quoted(one.label)}",
    ]
    margin = " " * indent
    return f"{margin}- " + f"\n{margin}  ".join(lines) + "\n"


def _kind_lines(kind: ContentKind | None) -> list[str]:
    """What is of a seat needs that seat in ``cameras.yaml``, which no device can tell: people choose it."""
    if kind is not None and kind not in SEAT_KINDS:
        return [f"content_kind: {kind}  # guessed from its name: correct it if that is wrong"]
    if kind is not None:
        choice = [f"# CHOOSE: it looks like {kind} ({MEANINGS[kind]});", "# that needs 'seat: ID', too."]
    else:
        choice = ["# CHOOSE what it shows, which the device does not tell. One of"]
    kinds = [f"#   {one:<20} {meaning}" for one, meaning in MEANINGS.items()] if kind is None else []
    return [*choice, *kinds, f"content_kind: {ContentKind.ROOM}  # CHOOSE"]


def _password_lines(one: Entry, *, with_password: bool) -> list[str]:
    if one.password:
        shown = one.password if with_password else ""
        return [f"password: {_quoted(shown)}" + ("" if with_password else "  # the one that was given")]
    if not one.problem:
        return ['password: ""  # fill in']
    return [
        f"# FILL IN: {' '.join(one.problem.split())}",
        "# Do so before it is recorded: devices lock an account after some wrong tries.",
        'password: ""  # fill in',
    ]


def _quoted(text: str) -> str:
    """A YAML scalar that means exactly this: JSON's strings are YAML's double-quoted ones."""
    return json.dumps(text, ensure_ascii=False)


def new_file(made: Sequence[Entry]) -> str:
    """A whole ``cameras.yaml`` with one site and one room, to be corrected by hand."""
    sources = "".join(as_text(one, indent=4, with_password=True) for one in made)
    return (
        "# Written by 'jianzheng discover': correct site, room, kinds and labels.\n"
        "sites:\n"
        "- id: SITE\n"
        "  region: '530000'  # GB/T 2260 code of the division that the site stands in\n"
        "  name_zh: 交易中心\n"
        "  rooms:\n" + _room(sources, indent=2)
    )


def _room(sources: str, *, indent: int) -> str:
    margin = " " * indent
    return (
        f"{margin}- id: {NEW_ROOM}\n"
        f"{margin}  kind: evaluation_room  # or opening_hall, extraction_room, supervision_room\n"
        f"{margin}  name_zh: 新发现的设备\n"
        f"{margin}  sources:\n{sources}"
    )


def appended(text: str, made: Sequence[Entry]) -> str:
    """The file with the entries in room ``discovered`` of its last site; the rest byte for byte as it was.

    Raises:
        SettingsError: the file is written in a way that nothing can be put into without rewriting it.
    """
    site = _last(_value(_root(text), "sites"))
    rooms = _value(site, "rooms")
    room = next((one for one in _items(rooms) if _scalar(_value(one, "id")) == NEW_ROOM), None)
    target = rooms if room is None else _value(room, "sources")
    if not isinstance(target, yaml.SequenceNode) or target.flow_style or not target.value:
        raise SettingsError(
            "cameras.yaml is not written in the layout of the sample, so nothing was put into it.",
            hint="Paste the printed entries by hand.",
        )
    column = target.value[0].start_mark.column - 2
    if room is None:
        new = _room("".join(as_text(o, indent=column + 2, with_password=True) for o in made), indent=column)
    else:
        new = "".join(as_text(one, indent=column, with_password=True) for one in made)
    return _inserted(text, _end_of(target.value[-1]), new)


def _inserted(text: str, at: int, new: str) -> str:
    """At the start of the line behind ``at``."""
    end = text.find("\n", at)
    if end < 0:
        return text + "\n" + new
    return text[: end + 1] + new + text[end + 1 :]


def _end_of(node: yaml.Node) -> int:
    """Where the last scalar of a node ends: the end of a block as YAML tells it lies behind comments."""
    if isinstance(node, yaml.SequenceNode) and node.value and not node.flow_style:
        return _end_of(node.value[-1])
    if isinstance(node, yaml.MappingNode) and node.value and not node.flow_style:
        return _end_of(node.value[-1][1])
    return int(node.end_mark.index)


def _root(text: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return None


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if _scalar(name) == key), None)


def _items(node: yaml.Node | None) -> list[yaml.Node]:
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _last(node: yaml.Node | None) -> yaml.Node | None:
    return next(reversed(_items(node)), None)


def _scalar(node: yaml.Node | None) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""
