"""A running simulated centre, offered as an ONVIF device."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import cv2
import numpy as np
import structlog

from kernel.clock import Clock
from simulator.centre import SimulatedCentre, SimulatedSource
from simulator.onvif_device import SERVICE_PATH, OnvifDevice, OnvifSettings
from simulator.onvif_discovery import answer_probes
from simulator.onvif_replies import Stream

_log = structlog.get_logger(__name__)


def onvif_device(centre: SimulatedCentre, settings: OnvifSettings, clock: Clock) -> OnvifDevice:
    """A device with a profile and a recording per source of the centre, which has been started."""

    def url(source_id: str) -> str:
        return centre.url(source_id, with_credentials=False)

    return OnvifDevice(
        [_stream(centre, source) for source in centre.sources],
        stream_url=url,
        replay_url=url,
        now_us=clock.now_us,
        settings=settings,
        snapshot=_card,
    )


def _card(token: str) -> bytes:
    """A still picture that says whose it is."""
    image = np.full((180, 320, 3), 96, np.uint8)
    cv2.putText(image, token, (12, 96), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 1, cv2.LINE_AA)
    return cv2.imencode(".jpg", image)[1].tobytes()


def _stream(centre: SimulatedCentre, source: SimulatedSource) -> Stream:
    codecs = [track.codec for track in centre.tracks(source.id)]
    return Stream(
        token=source.id,
        name=source.label_zh,
        codec=next((one for one in codecs if one.is_video), source.codec),
        audio=next((one for one in codecs if not one.is_video), None),
        width=source.width,
        height=source.height,
        fps=source.fps,
    )


@asynccontextmanager
async def served_by_onvif(
    centre: SimulatedCentre,
    settings: OnvifSettings,
    clock: Clock,
    *,
    host: str,
    port: int,
    discoverable: bool,
) -> AsyncIterator[OnvifDevice]:
    """The centre as a device, answering until the block ends.

    Raises:
        OSError: the port, or the one of WS-Discovery, cannot be used.
    """
    device = onvif_device(centre, settings, clock)
    await device.start(host, port)
    answers = None
    try:
        if discoverable:
            answers = await answer_probes(
                host,
                address=f"{'https' if settings.tls else 'http'}://{host}:{device.port}{SERVICE_PATH}",
                scopes=device.scopes,
                name=settings.name,
            )
        _log.info("the centre is an ONVIF device", action="onvif.ready", host=host, port=device.port)
        yield device
    finally:
        if answers is not None:
            answers.close()
        await device.stop()
