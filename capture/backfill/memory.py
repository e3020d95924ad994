"""Where a source's device plays back what it kept: its ``replay_uri``, or what ONVIF profile G tells."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from capture.backfill.backfiller import SETTLE_S, Backfiller, FindMemory, Memory
from capture.backfill.fetch import Around
from capture.backfill.rows import BackfillRows
from capture.disk import WriterThread
from capture.rtsp.replay import open_rtsp_replay
from capture.segment_writer import Ring
from kernel.clock import Clock
from kernel.settings import ONVIF_SCHEMES, CaptureSettings, SourceSpec


def backfiller(
    specs: Sequence[SourceSpec],
    *,
    ring: Ring,
    rows: BackfillRows,
    thread: WriterThread,
    settings: CaptureSettings,
    clock: Clock,
    healthy: Callable[[str], bool],
    settle_seconds: float = SETTLE_S,
) -> Backfiller | None:
    """The back-filler of a recording process; None where none of its sources may have a memory."""
    asked = [spec for spec in specs if may_have_memory(spec)]
    if not asked:
        return None
    around = Around(
        ring=ring,
        rows=rows,
        thread=thread,
        settings=settings,
        clock=clock,
        open_replay=open_rtsp_replay,
    )
    return Backfiller(
        asked,
        around,
        find_memory=memory_finder(settings, clock),
        healthy=healthy,
        settle_seconds=settle_seconds,
    )


def may_have_memory(spec: SourceSpec) -> bool:
    """Whether a source is worth asking."""
    return bool(spec.replay_uri) or spec.scheme in ONVIF_SCHEMES


def memory_finder(settings: CaptureSettings, clock: Clock) -> FindMemory:
    """Looks anew for each gap, and keeps no connection."""

    async def find(spec: SourceSpec) -> Memory:
        if spec.replay_uri:
            return Memory(uri=spec.replay_uri, offset_us=None)
        from capture.onvif.client import OnvifClient
        from capture.onvif.recordings import replay_uri
        from capture.onvif.source import wanted_profile

        async with OnvifClient(spec, settings, clock) as device:
            uri = await replay_uri(device, wanted_profile(spec))
            return Memory(uri=uri, offset_us=(await device.exact_clock()).offset_us)

    return find
