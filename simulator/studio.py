"""The one thread that makes all media: paints, encodes and paces every source.

Encoding leaves Python's lock, so the server answers meanwhile; a second thread would only cost the recorder
beside us. What is made goes to the server's loop, one call per unit.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from kernel.clock import SECOND_US
from simulator.feed import Feed, SceneFeed
from simulator.media import MediaUnit, Track
from simulator.source import SimulatedSource
from simulator.timeline import Timeline

_NAP_US = 50_000  # how long a stop may go unnoticed
_IDLE_US = 3600 * SECOND_US

Publish = Callable[[str, MediaUnit], None]
BuildFeeds = Callable[[], Mapping[str, Sequence[Feed]]]

_log = structlog.get_logger(__name__)


class Studio:
    """Runs feeds in a thread of its own and publishes in the loop that started it."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="simulator-studio")
        self._stopping = threading.Event()
        self._feeds: list[tuple[str, Feed]] = []
        self._running: asyncio.Future[None] | None = None

    async def build(self, build_feeds: BuildFeeds) -> Mapping[str, Sequence[Feed]]:
        """Make the feeds, in the thread: painting backgrounds takes a while."""
        feeds = await asyncio.get_running_loop().run_in_executor(self._thread, build_feeds)
        self._feeds = [(source_id, feed) for source_id, several in feeds.items() for feed in several]
        return feeds

    def start(self, publish: Publish) -> None:
        """Begin; ``publish(source_id, unit)`` is called in the running loop."""
        loop = asyncio.get_running_loop()

        def hand_over(source_id: str, unit: MediaUnit) -> None:
            if not self._stopping.is_set():
                loop.call_soon_threadsafe(publish, source_id, unit)

        self._running = loop.run_in_executor(self._thread, self._run, hand_over)

    async def become(self, source: SimulatedSource) -> Track:
        """Let a painted source go on as another; what its video is then.

        Raises:
            ValueError: no feed of that source is painted.
        """
        for source_id, feed in self._feeds:
            if source_id == source.id and isinstance(feed, SceneFeed):
                # In a thread of its own: that of the feeds is busy for as long as they run.
                other = await asyncio.to_thread(SceneFeed, source)
                feed.become(other)
                return other.tracks[0]
        raise ValueError(f"{source.id} is not painted")

    async def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._running is not None:
            await self._running
        self._thread.shutdown()

    def _run(self, publish: Publish) -> None:
        """Make what is due until stopped. A feed that fails is left out; the others go on."""
        self._stagger()
        while not self._stopping.is_set():
            now_us = self._timeline.now_us()
            due = min(self._feeds, key=lambda pair: pair[1].due_us, default=None)
            due_us = due[1].due_us if due is not None else now_us + _IDLE_US
            if due is None or due_us > now_us:
                self._timeline.sleep_until(due_us, at_most_us=_NAP_US)
                continue
            try:
                self._run_once(*due, now_us, publish)
            except Exception:  # noqa: BLE001 - a worker's run(): the other sources go on
                _log.exception("a simulated source failed", action="feed_failed", source=due[0])
                self._feeds.remove(due)

    def _run_once(self, source_id: str, feed: Feed, now_us: int, publish: Publish) -> None:
        unit = feed.make(now_us)
        if unit is None:
            _log.warning("the machine is too slow for this source", action="feed_late", source=source_id)
        else:
            publish(source_id, unit)

    def _stagger(self) -> None:
        """Start the sources within a second, one after the other: key frames must not come all at once."""
        names = list(dict.fromkeys(source_id for source_id, _ in self._feeds))
        now_us = self._timeline.now_us()
        for source_id, feed in self._feeds:
            feed.start(now_us + names.index(source_id) * SECOND_US // len(names))
