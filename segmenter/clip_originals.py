"""The originals of a clip, by its id: rows and ring put together, heads kept while somebody plays them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from catalog.catalogue import Catalogue
from kernel.errors import FixityError, FootageError
from kernel.events import event_kinds, in_force
from kernel.model.cut import Clip
from kernel.model.timeline import Tag, TimelineEvent
from kernel.tags import tags_in_force
from segmenter.originals import Mark, Original, Piece, index, original, pieces

_KEPT = 16
"""Heads that are kept: a player asks for many ranges of one file. Two hours take about 2 MB."""

_Key = tuple[Clip, int, tuple[Mark, ...]]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipOriginals:
    """A clip and its files, none of them written."""

    clip: Clip
    files: tuple[Original, ...]
    without_pictures: tuple[Piece, ...]  # recorded, but no picture was captured in their time: no file

    def index(self, sha256: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Args: sha256: of files that were written and proven, by name."""
        return index(self.clip, self.files, self.without_pictures, sha256)


class Originals:
    """Finds originals; may be asked by several threads at once."""

    def __init__(self, catalogue: Catalogue, ring: Path) -> None:
        self._catalogue = catalogue
        self._ring = ring
        self._pieces = lru_cache(maxsize=_KEPT)(self._find_pieces)  # rows of sealed segments never change
        self._kept: OrderedDict[_Key, Original | None] = OrderedDict()
        self._lock = threading.Lock()
        event_kinds()  # read from its file now, not while somebody waits for a first byte

    def of_clip(self, clip_id: str) -> ClipOriginals | None:
        """All files of a clip; None where no such clip is known.

        Raises:
            FootageError, FixityError: a segment that it uses is missing, or not what its row says.
        """
        clip = self._catalogue.clips.get(clip_id)
        if clip is None:
            return None
        marks = self._marks(clip)
        made = [(piece, self._made(clip, piece, marks)) for piece in self._pieces(clip)]
        return ClipOriginals(
            clip=clip,
            files=tuple(one for _, one in made if one is not None),
            without_pictures=tuple(piece for piece, one in made if one is None),
        )

    def index(self, clip_id: str) -> dict[str, Any] | None:
        """What ``of_clip`` finds, told."""
        found = self.of_clip(clip_id)
        return None if found is None else found.index()

    def file(self, clip_id: str, number: int) -> Original | None:
        """One file of a clip, by its number in the index; None where there is none.

        Raises:
            FootageError, FixityError: a segment that it uses is missing, or not what its row says.
        """
        clip = self._catalogue.clips.get(clip_id)
        if clip is None:
            return None
        wanted = [piece for piece in self._pieces(clip) if piece.number == number]
        return self._made(clip, wanted[0], self._marks(clip)) if wanted else None

    def _find_pieces(self, clip: Clip) -> list[Piece]:
        ids = {used.segment_id for used in clip.slices}
        segments = self._catalogue.footage.segments_by_id(ids)
        return pieces(clip, segments, self._ring)

    def _marks(self, clip: Clip) -> tuple[Mark, ...]:
        """Events and tags that concern the clip."""
        events = in_force(self._catalogue.sessions.events_of(clip.session_id))
        tags = self._catalogue.tags.of_session(clip.session_id)
        mine = [tag for tag in tags_in_force(tags) if tag.source_id in (None, clip.source_id)]
        return (*map(_event_mark, events), *map(_tag_mark, mine))

    def _made(self, clip: Clip, piece: Piece, marks: tuple[Mark, ...]) -> Original | None:
        key = (clip, piece.number, marks)
        with self._lock:
            known = key in self._kept
            found = self._kept.get(key)
            if known:
                self._kept.move_to_end(key)  # the first to go is the one asked for longest ago
        if known:
            if found is not None:
                _check(found)
            return found
        made = original(clip, piece, self._ring, marks)
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return made


def _check(one: Original) -> None:
    """A head that was kept says nothing of whether its footage is still there."""
    for used in one.ranges:
        try:
            size = used.path.stat().st_size
        except OSError as error:
            raise FootageError(f"segment {used.path.name} cannot be read: {error.strerror}.") from None
        if size != used.segment.size_bytes:
            raise FixityError(f"segment {used.path.name} has {size} bytes, its row says otherwise.")


def _event_mark(event: TimelineEvent) -> Mark:
    kind = event_kinds().get(event.type)
    title = kind.zh if kind is not None else event.type
    return Mark(at_us=event.at_us, title=f"{title}:{event.reason}" if event.reason else title)


def _tag_mark(tag: Tag) -> Mark:
    kind = event_kinds().get(tag.kind)
    title = kind.zh if kind is not None else tag.kind
    return Mark(at_us=tag.at_us, title=f"{title}:{tag.text}" if tag.text else title)
