"""What waits to be sent to one pane. A slow line loses whole key-frame groups, never its nearness to now.

Pure but for the clock: nothing is sent here.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum

from kernel.clock import SECOND_US, Clock
from kernel.timerange import TimeRange

LATE_US = SECOND_US
"""What has waited longer is not live: it goes, with the rest of its key-frame group."""
MOST_BYTES = 32 << 20  # of one pane; a group that is larger goes as a whole
_HEADER = struct.Struct(">BBHQqI")
"""Kind, flags, pane; wall time and media time of the first picture and length, microseconds."""
_KEY, _SOUND = 1, 2

_NEVER = TimeRange(start_us=0, end_us=0)  # of what has no time


class Kind(IntEnum):
    """What a message holds."""

    INIT = 1
    FRAGMENT = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """Something for the media element; the same bytes for all who watch."""

    kind: Kind
    data: bytes  # ftyp and moov, or moof and mdat
    mime: str = ""  # of an init segment
    key: bool = True  # whether decoding can begin with it
    sound: bool = False  # for the element that plays sound
    derived: bool = False  # made on demand: the source sends something else
    wall: TimeRange = _NEVER
    media_us: int = 0

    def framed(self, pane: int) -> bytes:
        """As it goes over the line."""
        flags = (_KEY if self.key else 0) | (_SOUND if self.sound else 0)
        length_us = min(self.wall.duration_us, 0xFFFFFFFF)
        head = _HEADER.pack(self.kind, flags, pane, self.wall.start_us, self.media_us, length_us)
        return head + self.data


@dataclass(frozen=True, slots=True)
class _Waiting:
    message: Message
    since_us: int


class PaneQueue:
    """Messages for one pane, in order; begins with a key frame, after every loss, too."""

    def __init__(self, clock: Clock, on_put: Callable[[], None]) -> None:
        self._clock = clock
        self._on_put = on_put
        self._waiting: deque[_Waiting] = deque()
        self._bytes = 0
        self._needs_key = True
        self.dropped_groups = 0  # since the beginning

    def put(self, message: Message) -> None:
        """Take it in, or leave it out while a key frame is waited for."""
        if message.kind is Kind.FRAGMENT and not message.sound:
            if self._needs_key and not message.key:
                return
            self._needs_key = False
        self._waiting.append(_Waiting(message, self._clock.monotonic_us()))
        self._bytes += len(message.data)
        self._drop_late()
        self._on_put()

    def take(self) -> Message | None:
        """The next; None where nothing waits."""
        if not self._waiting:
            return None
        message = self._waiting.popleft().message
        self._bytes -= len(message.data)
        return message

    def clear(self) -> None:
        """Another source follows."""
        self._waiting.clear()
        self._bytes, self._needs_key = 0, True

    def _drop_late(self) -> None:
        now_us = self._clock.monotonic_us()
        oldest_us = next((one.since_us for one in self._waiting if _is_media(one)), now_us)
        if now_us - oldest_us <= LATE_US and self._bytes <= MOST_BYTES:
            return
        kept = self._newest_group()
        if self._bytes_of(kept) > MOST_BYTES or (kept and now_us - kept[0].since_us > LATE_US):
            kept, self._needs_key = [], True
        inits = [one for one in self._waiting if not _is_media(one)]
        self._waiting = deque(sorted([*inits, *kept], key=lambda one: one.since_us))
        self._bytes = self._bytes_of(self._waiting)
        self.dropped_groups += 1

    def _newest_group(self) -> list[_Waiting]:
        """From the newest key frame that waits on."""
        media = [one for one in self._waiting if _is_media(one)]
        keys = [at for at, one in enumerate(media) if one.message.key and not one.message.sound]
        return media[keys[-1] :] if keys else []

    def _bytes_of(self, waiting: Iterable[_Waiting]) -> int:
        return sum(len(one.message.data) for one in waiting)


def _is_media(one: _Waiting) -> bool:
    return one.message.kind is Kind.FRAGMENT
