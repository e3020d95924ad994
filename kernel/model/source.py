"""What can be recorded: sites, rooms, seats and their sources."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ContentKind(StrEnum):
    """What a source shows (capabilities 7 and 11)."""

    ROOM = "room"
    """场地音视频: a hall or room as a whole."""
    SCREEN = "screen"
    """开标内容: what the hall's screen shows."""
    EXTRACTION_TERMINAL = "extraction_terminal"
    """专家抽取操作: the computer experts are drawn on."""
    SEAT_FACE = "seat_face"
    """专家音视频: the person at a seat."""
    SEAT_DESKTOP = "seat_desktop"
    """评标电脑桌面: the computer at a seat."""
    SUPERVISION = "supervision"
    """监督行为: the supervision room."""


class RoomKind(StrEnum):
    """What a room is for."""

    OPENING_HALL = "opening_hall"
    EXTRACTION_ROOM = "extraction_room"
    EVALUATION_ROOM = "evaluation_room"
    SUPERVISION_ROOM = "supervision_room"
    REMOTE_EVALUATION_ROOM = "remote_evaluation_room"
    SCATTERED_HALL = "scattered_hall"
    """分散卡位: seats of several projects, side by side, at the same time."""
    CLARIFICATION_ROOM = "clarification_room"
    AUCTION_HALL = "auction_hall"
    CORRIDOR = "corridor"
    WITNESS_ROOM = "witness_room"
    REGULATION_CENTRE = "regulation_centre"
    EXTERNAL_VENUE = "external_venue"
    """Outside the system: what it recorded comes as files."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """A trading centre."""

    id: str
    region_code: str  # GB/T 2260
    name_zh: str
    name_en: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """A room of a site."""

    id: str
    site_id: str
    kind: RoomKind
    name_zh: str
    name_en: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Seat:
    """A numbered evaluation seat in a room."""

    id: str
    room_id: str
    ordinal: int  # 1, 2, ... as written on the seat


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One camera or one desktop, without its address: what the catalogue may know of it."""

    id: str
    room_id: str
    seat_id: str | None  # the seat it looks at, None for the room's own sources
    content_kind: ContentKind
    label_zh: str
    label_en: str


class RecordMode(StrEnum):
    """When a source is recorded."""

    ALWAYS = "always"
    BOOKED = "booked"
    """While its room is booked or a session runs there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """A source that ``cameras.yaml`` names, and when it asks to be recorded."""

    source_id: str
    room_id: str
    record: RecordMode
