"""The recording process: what ``jianzheng capture`` runs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from capture.disk import WriterThread
from capture.footage_rows import FootageRows
from capture.health import HealthBoard
from capture.reconciler import Reconciler
from capture.recorder import OpenSource, Recorder, Surroundings
from capture.recover import QUARANTINE, recover
from capture.rtsp.stream import open_rtsp
from capture.segment_writer import Ring
from kernel.clock import Clock
from kernel.errors import SettingsError
from kernel.lock import sole_user
from kernel.log import logger
from kernel.settings import Settings, SourceSpec

_log = logger("capture")


async def record(
    specs: Sequence[SourceSpec],
    settings: Settings,
    footage: FootageRows,
    clock: Clock,
    stop: asyncio.Event,
    *,
    principal: str = "recorder",
    open_source: OpenSource = open_rtsp,
) -> None:
    """Settle what a crash left, then record all sources until told to stop.

    Args:
        footage: rows of the catalogue; called on one thread of this worker only.
        principal: who stops recording when ``stop`` is set; named in the gaps that begin then.

    Raises:
        SettingsError: a source has a name that the ring keeps for itself.
        StorageError: another recorder records into this ring.
    """
    if any(spec.id == QUARANTINE for spec in specs):
        raise SettingsError(f"a source cannot be called {QUARANTINE}: the ring keeps broken files there.")
    with sole_user(settings.ring_dir, "recorder"):
        thread = WriterThread()
        try:
            await thread.call(_prepare, settings, footage)
            reconciler = _reconciler(specs, settings, footage, clock, thread, principal, open_source)
            await reconciler.run(stop)
        finally:
            thread.close()


def _prepare(settings: Settings, footage: FootageRows) -> None:
    found = recover(settings.ring_dir, footage)
    if found.segments or found.quarantined or found.runs:
        _log.warning(
            f"a crash was settled: {found.segments} segments recovered, {found.quarantined} put aside",
            action="recover.done",
            runs=found.runs,
        )


def _reconciler(
    specs: Sequence[SourceSpec],
    settings: Settings,
    footage: FootageRows,
    clock: Clock,
    thread: WriterThread,
    principal: str,
    open_source: OpenSource,
) -> Reconciler:
    desired = {spec.id: spec for spec in specs}
    health = HealthBoard(clock)
    around = Surroundings(
        settings=settings.capture,
        ring=Ring(root=settings.ring_dir, settings=settings.ring, clock=clock),
        rows=footage,
        thread=thread,
        health=health,
        clock=clock,
        open_source=open_source,
    )
    return Reconciler(
        desired=lambda: desired,
        make_recorder=lambda spec: Recorder(spec, around),
        health=health,
        rows=footage,
        thread=thread,
        principal=principal,
    )
