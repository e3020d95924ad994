"""Which client opens a source, by the scheme of its uri. Each is imported when it is first needed: a process
that records by RTSP alone holds none of the others in memory.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from capture.packets import PacketSource
from capture.recorder import OpenSource
from kernel.clock import Clock
from kernel.errors import SourceError
from kernel.settings import ONVIF_SCHEMES, CaptureSettings, SourceSpec

PUSH = "push+rtsp"


async def open_source(spec: SourceSpec, settings: CaptureSettings, clock: Clock) -> PacketSource:
    """A playing source.

    Raises:
        SourceError: it cannot be had; the message names the source and what to do.
    """
    if spec.scheme in ("rtsp", "rtsps"):
        from capture.rtsp.stream import open_rtsp

        return await open_rtsp(spec, settings, clock)
    if spec.scheme in ONVIF_SCHEMES:
        from capture.onvif.source import open_onvif

        return await open_onvif(spec, settings, clock)
    if spec.scheme in ("rtmp", "push+rtmp", "file"):
        from capture.libav.source import open_libav

        return await open_libav(spec, settings, clock)
    raise SourceError(
        f"source {spec.id}: {spec.scheme} is not opened from here.",
        hint="A device that pushes is taken by 'jianzheng capture', a desktop by 'jianzheng receive'.",
    )


def _following(open_it: OpenSource, note: Callable[[str, str], None]) -> OpenSource:
    """The same, and meanwhile the events of ONVIF devices are followed."""

    async def open_and_follow(spec: SourceSpec, settings: CaptureSettings, clock: Clock) -> PacketSource:
        stream = await open_it(spec, settings, clock)
        if spec.scheme not in ONVIF_SCHEMES:
            return stream
        from capture.onvif.follower import EventFollower, WithEvents

        return WithEvents(stream, EventFollower(spec, settings, clock, note))

    return open_and_follow


@asynccontextmanager
async def openers(
    specs: Sequence[SourceSpec],
    settings: CaptureSettings,
    clock: Clock,
    note: Callable[[str, str], None],
) -> AsyncIterator[OpenSource]:
    """Opens all of these sources; while it lasts, devices that push by RTSP may call.

    Args:
        note: told a source's id and what its device complains of by itself, if it is one that does.

    Raises:
        ServerError: the address on which they call cannot be listened on.
    """
    opening = _following(open_source, note)
    if not any(spec.scheme == PUSH for spec in specs):
        yield opening
        return
    from capture.push.listener import PushListener

    listener = PushListener(settings, clock, [spec for spec in specs if spec.scheme == PUSH])
    await listener.start()

    async def open_pushed_too(spec: SourceSpec, settings: CaptureSettings, clock: Clock) -> PacketSource:
        opener = listener.open_source if spec.scheme == PUSH else opening
        return await opener(spec, settings, clock)

    try:
        yield open_pushed_too
    finally:
        await listener.stop()
