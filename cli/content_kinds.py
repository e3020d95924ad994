"""What a stream shows, guessed from what its device says of it. Pure.

A guess from words that people wrote into the device is worth more than none, and never more than a proposal:
``discover`` says of each kind that it writes whether it was guessed or has to be chosen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from types import MappingProxyType

from kernel.model.source import ContentKind

MEANINGS = MappingProxyType(
    {
        ContentKind.ROOM: "场地 a hall or room as a whole",
        ContentKind.SCREEN: "开标内容 what the hall's screen shows",
        ContentKind.EXTRACTION_TERMINAL: "抽取终端 the computer on which experts are drawn",
        ContentKind.SEAT_FACE: "专家人像 the person at a seat",
        ContentKind.SEAT_DESKTOP: "评标桌面 the computer at a seat",
        ContentKind.SUPERVISION: "监督室 the supervision room",
    }
)
_WORDS = tuple(
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
        (r"抽取(终端|电脑|桌面)|extraction.?(terminal|desktop|pc)", ContentKind.EXTRACTION_TERMINAL),
        (r"桌面|电脑|desktop|workstation|\bpc\b", ContentKind.SEAT_DESKTOP),
        (r"大屏|屏幕|投影|screen|display|projector", ContentKind.SCREEN),
        (r"人像|人脸|face", ContentKind.SEAT_FACE),
        (r"监督|supervis", ContentKind.SUPERVISION),
        (r"席|工位|seat", ContentKind.SEAT_FACE),
        (r"全景|场地|大厅|[厅室]|hall|room|panoram", ContentKind.ROOM),
    )
)
"""The first that is found counts: a seat's desktop is a desktop, an extraction room's panorama a room."""
_COMPUTER_SIZES = frozenset({(1366, 768), (1440, 900), (1600, 900), (1680, 1050), (1920, 1200)})
"""Pixels of computer screens that no camera's sensor has."""


def guessed(words: Iterable[str], size: tuple[int, int]) -> ContentKind | None:
    """The kind that the words speak of, the most telling first, or else the size in pixels."""
    for text in words:
        for pattern, kind in _WORDS:
            if pattern.search(text):
                return kind
    return ContentKind.SEAT_DESKTOP if size in _COMPUTER_SIZES else None
