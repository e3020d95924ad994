"""All live sources of a page's process: one tail each, however many watch it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from kernel.clock import SECOND_US, Clock
from kernel.errors import BoxError, JianzhengError
from kernel.isobmff.sample_entry import codec_string
from kernel.isobmff.tracks import Track
from kernel.isobmff.writer import init_segment
from kernel.log import logger
from kernel.watched import SAID_US, say_unwatched, say_watched
from player_api.live_queue import Kind, Message, PaneQueue
from player_api.live_tail import Begun, LiveFragment, Place, SourceTail

BEAT_S = 0.03  # how often growing files are looked at
SEARCH_US = SECOND_US // 2  # how often the catalogue is asked where a silent source is recorded now
PATIENCE_US = 2 * SECOND_US  # no picture for so long: lost; seldom pictures are given three intervals
_LONGEST_PATIENCE_US = 30 * SECOND_US
_GROUP_BYTES = 16 << 20  # of the newest key-frame group, kept for whoever comes next
_PLAYS_SOUND = frozenset({"mp4a", "Opus"})

_log = logger("live")


class Newest(Protocol):
    """Asks the catalogue where these sources are recorded now."""

    def __call__(self, source_ids: Collection[str]) -> Mapping[str, Place]: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Lost:
    """No picture comes; nobody knows yet why."""

    since_us: int | None  # wall time at which the last picture ended; None: none ever came


class Making(Protocol):
    """Something made on demand of what a source sends: another picture, or another sound."""

    def feed(self, message: Message) -> None:
        """Init segment or fragment as recorded; never waits, and leaves groups out where it cannot follow."""

    def close(self) -> None: ...


class Makers(Protocol):
    """Begins to make; bounded in number."""

    def picture(self, deliver: Callable[[Message], None]) -> Making | None:
        """H.264 of anything; None: as many are being made as may be."""

    def sound(self, deliver: Callable[[Message], None]) -> Making | None:
        """Opus of any sound; the same."""


class Watcher(Protocol):
    """One pane of one page."""

    queue: PaneQueue
    plays: frozenset[str]  # kinds of sample entry that its browser plays
    listens: bool

    def lost(self, lost: Lost) -> None: ...

    def found(self) -> None: ...

    def unplayable(self, kind: str, *, sound: bool, busy: bool) -> None:
        """It is not played: nothing makes it, or (``busy``) too many are being made."""


@dataclass(slots=True)
class _Lane:
    """One kind of bytes of a source: what comes anew, and what somebody who comes now begins with."""

    init: Message | None = None
    group: list[Message] = field(default_factory=list)
    size: int = 0
    making: Making | None = None
    to: set[PaneQueue] = field(default_factory=set)

    def put(self, message: Message) -> None:
        if message.kind is Kind.INIT:
            self.init, self.group, self.size = message, [], 0
        else:
            self._remember(message)
        for queue in self.to:
            queue.put(message)

    def _remember(self, message: Message) -> None:
        if message.sound:
            return  # whoever begins to listen hears what comes
        if message.key or self.size > _GROUP_BYTES:
            self.group, self.size = [], 0
        if message.key or self.group:
            self.group.append(message)
            self.size += len(message.data)

    def join(self, queue: PaneQueue) -> None:
        """From the newest key frame on."""
        if queue in self.to:
            return
        self.to.add(queue)
        for message in [*([self.init] if self.init else []), *self.group]:
            queue.put(message)

    def end(self) -> None:
        if self.making is not None:
            self.making.close()
        self.making, self.init, self.group, self.size = None, None, [], 0


class _Stream:
    """A source that somebody watches."""

    def __init__(self, tail: SourceTail, makers: Makers | None, now_us: int) -> None:
        self.tail = tail
        self.watchers: set[Watcher] = set()
        self.searched_us = -SEARCH_US
        self._makers = makers
        self._picture, self._made, self._sound = _Lane(), _Lane(), _Lane()
        self._kind = ""  # of the picture's sample entry; empty before the first file was found
        self._sound_kind = ""  # empty where there is no sound
        self._sound_init: Message | None = None
        self._heard_us = now_us  # monotonic: when something came last
        self._end_us: int | None = None
        self._interval_us = 0
        self.lost: Lost | None = None

    def add(self, watcher: Watcher) -> None:
        self.watchers.add(watcher)
        self._serve(watcher)
        if self.lost is not None:
            watcher.lost(self.lost)

    def remove(self, watcher: Watcher) -> None:
        self.watchers.discard(watcher)
        for lane in (self._picture, self._made, self._sound):
            lane.to.discard(watcher.queue)
        self._stop_idle()

    def listen(self, watcher: Watcher) -> None:
        """After ``watcher.listens`` changed."""
        if not watcher.listens:
            self._sound.to.discard(watcher.queue)
            self._stop_idle()
        elif self._kind:
            self._serve_sound(watcher)

    def _stop_idle(self) -> None:
        for lane in (self._made, self._sound):
            if not lane.to:
                lane.end()

    def close(self) -> None:
        self._made.end()
        self._sound.end()
        self.tail.leave()

    # What comes.

    def take(self, events: Sequence[Begun | LiveFragment], now_us: int) -> None:
        for event in events:
            if isinstance(event, Begun):
                self._begin(event)
            else:
                self._pass_on(event)
        if events:
            self._heard_us = now_us
            if self.lost is not None:
                self.lost = None
                for watcher in self.watchers:
                    watcher.found()

    def _begin(self, begun: Begun) -> None:
        video, sound = begun.init.video, begun.init.audio
        self._kind, self._sound_kind = _kind(video), _kind(sound) if sound else ""
        for lane in (self._made, self._sound):
            lane.end()
            lane.to.clear()
        self._picture.put(_init(video))
        self._sound_init = _init(sound) if sound else None
        for watcher in self.watchers:
            self._serve(watcher)

    def _pass_on(self, one: LiveFragment) -> None:
        message = Message(
            kind=Kind.FRAGMENT, data=one.picture, key=one.key, wall=one.wall, media_us=one.media_us
        )
        self._end_us, self._interval_us = one.wall.end_us, one.interval_us
        self._picture.put(message)
        if self._made.making is not None:
            self._made.making.feed(message)
        if one.sound:
            self._pass_on_sound(one)

    def _pass_on_sound(self, one: LiveFragment) -> None:
        message = Message(
            kind=Kind.FRAGMENT, data=one.sound, sound=True, wall=one.wall, media_us=one.media_us
        )
        if self._sound.making is not None:
            self._sound.making.feed(message)
        elif self._sound_kind in _PLAYS_SOUND:
            self._sound.put(message)

    # To whom.

    def _serve(self, watcher: Watcher) -> None:
        """The source's own picture where the browser plays it, else one that is made."""
        if not self._kind:
            return
        if self._kind in watcher.plays:
            self._made.to.discard(watcher.queue)
            self._picture.join(watcher.queue)
        else:
            self._picture.to.discard(watcher.queue)
            self._serve_made(watcher)
        if watcher.listens:
            self._serve_sound(watcher)

    def _serve_made(self, watcher: Watcher) -> None:
        lane = self._made
        if lane.making is None:
            lane.making = self._makers.picture(lane.put) if self._makers else None
            if lane.making is None:
                watcher.unplayable(self._kind, sound=False, busy=self._makers is not None)
                return
            for message in [*([self._picture.init] if self._picture.init else []), *self._picture.group]:
                lane.making.feed(message)
        lane.join(watcher.queue)

    def _serve_sound(self, watcher: Watcher) -> None:
        lane = self._sound
        if self._sound_init is None:
            watcher.unplayable("", sound=True, busy=False)
            return
        if self._sound_kind in _PLAYS_SOUND:
            lane.init = self._sound_init
        elif lane.making is None:
            lane.making = self._makers.sound(lane.put) if self._makers else None
            if lane.making is None:
                watcher.unplayable(self._sound_kind, sound=True, busy=self._makers is not None)
                return
            lane.making.feed(self._sound_init)
        lane.join(watcher.queue)

    # Whether anything comes.

    def silent(self, now_us: int) -> bool:
        """Nothing came when something should have."""
        patience_us = min(max(PATIENCE_US, 3 * self._interval_us), _LONGEST_PATIENCE_US)
        return now_us - self._heard_us >= patience_us

    def should_search(self, now_us: int) -> bool:
        """The catalogue is asked while nothing comes; a file that grows needs no catalogue."""
        waiting = self.tail.place is None or now_us - self._heard_us >= SECOND_US
        return waiting and now_us - self.searched_us >= SEARCH_US

    def say_lost(self) -> None:
        if self.lost is None:
            self.lost = Lost(since_us=self._end_us)
            for watcher in self.watchers:
                watcher.lost(self.lost)


class LiveHub:
    """Reads while somebody watches; does nothing else."""

    def __init__(
        self, *, ring: Path, live_dir: Path, newest: Newest, clock: Clock, makers: Makers | None = None
    ) -> None:
        self._ring = ring
        self._live_dir = live_dir
        self._newest = newest
        self._clock = clock
        self._makers = makers
        self._streams: dict[str, _Stream] = {}
        self._leaving: list[_Stream] = []  # their files may be being read now
        self._said_us = -SAID_US
        self._task: asyncio.Task[None] | None = None
        self._fails = False
        self._reader: ThreadPoolExecutor | None = None

    @property
    def source_ids(self) -> frozenset[str]:
        """What is read now."""
        return frozenset(self._streams)

    def watch(self, source_id: str, watcher: Watcher) -> None:
        """From now on the watcher's queue gets what that source sends."""
        stream = self._streams.get(source_id)
        if stream is None:
            tail = SourceTail(self._ring, source_id)
            stream = self._streams[source_id] = _Stream(tail, self._makers, self._clock.monotonic_us())
            self._said_us = -SAID_US
        stream.add(watcher)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self.run(), name="live")

    def leave(self, source_id: str, watcher: Watcher) -> None:
        stream = self._streams.get(source_id)
        if stream is None:
            return
        stream.remove(watcher)
        if not stream.watchers:
            self._leaving.append(self._streams.pop(source_id))

    def listen(self, source_id: str, watcher: Watcher) -> None:
        """After ``watcher.listens`` changed."""
        if (stream := self._streams.get(source_id)) is not None:
            stream.listen(watcher)

    async def run(self) -> None:
        """While anybody watches."""
        # A thread of its own: the others may all wait for the catalogue, to record who watches.
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="live") as self._reader:
            while self._streams or self._leaving:
                try:
                    await self.run_once()
                    self._fails = False
                except Exception as error:  # noqa: BLE001 - whatever it is, the other sources go on
                    if not self._fails:
                        _log.error(_said(error), action="live.failed")
                    self._fails = True
                await self._clock.wait(BEAT_S)
        self._reader = None

    async def run_once(self) -> None:
        """One look at all files."""
        now_us = self._clock.monotonic_us()
        streams = dict(self._streams)
        searching = [one for one, stream in streams.items() if stream.should_search(now_us)]
        leaving, self._leaving = self._leaving, []
        say = now_us - self._said_us >= SAID_US
        if say:
            self._said_us = now_us
        look = partial(self._look, streams, searching, leaving, say)
        got = await asyncio.get_running_loop().run_in_executor(self._reader, look)
        now_us = self._clock.monotonic_us()
        for source_id, stream in streams.items():
            stream.take(got[source_id], now_us)
            if stream.silent(now_us):
                stream.say_lost()
        for source_id in searching:
            streams[source_id].searched_us = now_us

    def _look(
        self, streams: Mapping[str, _Stream], searching: Collection[str], leaving: list[_Stream], say: bool
    ) -> dict[str, list[Begun | LiveFragment]]:
        """On a thread: files and catalogue."""
        for stream in leaving:
            stream.tail.leave()
            say_unwatched(self._live_dir, stream.tail.source_id)
        if say:
            for source_id in streams:
                say_watched(self._live_dir, source_id, self._clock.now_us())
        newest = self._newest(searching) if searching else {}
        return {source_id: _read(stream.tail, newest.get(source_id)) for source_id, stream in streams.items()}


def _read(tail: SourceTail, newest: Place | None) -> list[Begun | LiveFragment]:
    try:
        return [*tail.read(), *tail.look_at(newest)]
    except (BoxError, OSError) as error:
        _log.warning(_said(error), action="live.unreadable", source=tail.source_id)
        tail.leave()  # it is looked for anew
        return []


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, JianzhengError) else f"live: {type(error).__name__}"


def _kind(track: Track) -> str:
    return track.sample_entry[4:8].decode("latin-1")


def _init(track: Track) -> Message:
    return Message(kind=Kind.INIT, data=init_segment([track]), mime=mime(track), sound=not track.is_video)


def mime(track: Track) -> str:
    """As a media element wants it named; empty where it has no name there."""
    try:
        codec = codec_string(track.sample_entry)
    except BoxError:
        return ""
    return f'{"video" if track.is_video else "audio"}/mp4; codecs="{codec}"'
