"""Where a source's media comes from, unit by unit."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Protocol

from kernel.clock import SECOND_US
from kernel.model.footage import Codec
from simulator.encoder import (
    AAC_FRAME,
    AAC_RATE,
    G711_FRAME,
    G711_RATE,
    OPUS_FRAME,
    OPUS_RATE,
    VideoEncoder,
    encode_aac_loop,
    encode_opus_loop,
    encode_telephone_loop,
    video_track,
)
from simulator.media import MediaUnit, Track, is_key
from simulator.scenes.shot import Shot
from simulator.source import SimulatedSource
from simulator.speech import speech

LATE_US = SECOND_US
"""A camera that is later than this with a picture leaves pictures out instead of catching up."""


class Feed(Protocol):
    """Media in the order it is sent."""

    @property
    def tracks(self) -> Sequence[Track]:
        """What it sends; fixed."""

    @property
    def due_us(self) -> int:
        """When the next unit is to be made and sent, on the centre's timeline."""

    def start(self, at_us: int) -> None:
        """Begin at about this time."""

    def make(self, now_us: int) -> MediaUnit | None:
        """Make the unit that is due; None where it is left out."""

    def replay(self, start_us: int) -> Feed:
        """Another feed that makes again what this one made (or would have made) from about then on.

        It begins with a key frame at or before ``start_us``. Any thread may call it.
        """


class SceneFeed:
    """A painted scene, encoded. Capture instants lie on the grid of the frame rate, on whole milliseconds.

    Where a frame lasts no whole number of milliseconds its instant is rounded down to one, and the RTP time
    stamp is that rounded instant: text, strip and time stamp agree exactly.
    """

    def __init__(self, source: SimulatedSource) -> None:
        self._source = source
        self._shot = Shot(source)
        self._encoder = VideoEncoder(source.codec, source.width, source.height, source.fps)
        self._track = video_track(source.codec, source.width, source.height, source.fps)
        self._origin_ms = 0
        self._grid = 0  # index of the next capture instant
        self._encoded = 0
        self._next: SceneFeed | None = None  # what it becomes with the next picture

    @property
    def tracks(self) -> Sequence[Track]:
        return (self._track,)

    @property
    def due_us(self) -> int:
        return self._instant_ms(self._grid) * 1000

    def start(self, at_us: int) -> None:
        self._origin_ms = at_us // 1000 + 1

    def make(self, now_us: int) -> MediaUnit | None:
        if now_us - self.due_us > LATE_US:
            self._grid = (now_us // 1000 - self._origin_ms) * self._source.fps // 1000 + 1
            return None
        if self._next is not None:
            self._turn_into(self._next)
        at_ms = self._instant_ms(self._grid)
        picture = self._shot.picture(at_ms, self._grid)
        nals = self._encoder.encode(picture, self._encoded)
        self._encoded += 1
        self._grid += 1
        return MediaUnit(
            video=True,
            key=is_key(self._source.codec, nals),
            at_us=at_ms * 1000,
            ticks=(at_ms - self._origin_ms) * 90,
            parts=nals,
        )

    def become(self, other: SceneFeed) -> None:
        """Go on with another's picture from the next one on; times go on. Any thread may call it."""
        self._next = other

    def _turn_into(self, other: SceneFeed) -> None:
        self._grid = -(-(self._instant_ms(self._grid) - self._origin_ms) * other._source.fps // 1000)
        self._source, self._shot, self._encoder = other._source, other._shot, other._encoder
        self._track, self._encoded, self._next = other._track, 0, None

    def replay(self, start_us: int) -> SceneFeed:
        other = SceneFeed(self._source)
        other._origin_ms = self._origin_ms
        other._grid = (start_us // 1000 - self._origin_ms) * self._source.fps // 1000
        return other

    def _instant_ms(self, index: int) -> int:
        return self._origin_ms + index * 1000 // self._source.fps


_PACKETS = {Codec.AAC: (AAC_RATE, AAC_FRAME), Codec.OPUS: (OPUS_RATE, OPUS_FRAME)}
"""Rate in Hz and samples of a packet; of all others as G.711."""


class SpeechFeed:
    """A loop of speech-like sound, encoded once. Its place follows wall time: clicks mark whole seconds."""

    def __init__(self, codec: Codec, seed: int) -> None:
        rate, samples = _PACKETS.get(codec, (G711_RATE, G711_FRAME))
        sound = speech(rate, seed)
        config = b""
        if codec is Codec.AAC:
            config, self._frames = encode_aac_loop(sound)
        elif codec is Codec.OPUS:
            self._frames = encode_opus_loop(sound)
        else:
            self._frames = encode_telephone_loop(codec, sound)
        self._frame_ms = samples * 1000 // rate  # 64 or 20: whole
        self._samples = samples
        self._track = Track(codec=codec, clock_rate=rate, channels=1, config=config)
        self._origin = 0  # frames since the epoch
        self._next = 0

    @property
    def tracks(self) -> Sequence[Track]:
        return (self._track,)

    @property
    def due_us(self) -> int:
        return (self._next + 1) * self._frame_ms * 1000  # sound can be sent when it has been heard

    def start(self, at_us: int) -> None:
        self._origin = self._next = at_us // 1000 // self._frame_ms + 1

    def make(self, now_us: int) -> MediaUnit | None:
        if now_us - self.due_us > LATE_US:
            self._next = now_us // 1000 // self._frame_ms
            return None
        number = self._next
        self._next += 1
        return MediaUnit(
            video=False,
            key=True,
            at_us=number * self._frame_ms * 1000,
            ticks=(number - self._origin) * self._samples,
            parts=(self._frames[number % len(self._frames)],),
        )

    def replay(self, start_us: int) -> SpeechFeed:
        other = copy(self)
        other._next = start_us // 1000 // self._frame_ms
        return other


def painted_feeds(source: SimulatedSource) -> list[Feed]:
    """The feeds of a source that is painted, video first."""
    feeds: list[Feed] = [SceneFeed(source)]
    if source.audio is not None:
        feeds.append(SpeechFeed(source.audio, source.seed))
    return feeds
