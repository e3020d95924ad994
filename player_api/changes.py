"""Server-sent events: pages hear of changes in the catalogue by themselves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from catalog.catalogue import Catalogue
from kernel.clock import Clock

POLL_SECONDS = 0.5
KEEP_ALIVE_POLLS = 30  # a comment every 15 s keeps proxies from closing the line


async def change_events(catalogue: Catalogue, clock: Clock) -> AsyncIterator[str]:
    """``changed`` events as a ``text/event-stream``, for as long as somebody listens."""
    watcher = await asyncio.to_thread(catalogue.watch)
    count = quiet = 0
    try:
        yield _event(count)
        while True:
            await clock.wait(POLL_SECONDS)
            quiet += 1
            if await asyncio.to_thread(watcher.changed):
                count += 1
                quiet = 0
                yield _event(count)
            elif quiet >= KEEP_ALIVE_POLLS:
                quiet = 0
                yield ": still here\n\n"
    finally:
        watcher.close()


def _event(count: int) -> str:
    return f"event: changed\ndata: {json.dumps({'version': count})}\n\n"
