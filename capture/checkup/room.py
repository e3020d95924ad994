"""Checks up all sources of a room at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from capture.checkup.judge import Measured, judge, judge_disk
from capture.checkup.limits import LIMITS
from capture.checkup.look import Look, take_look
from capture.checkup.measures import PictureMeasures, SoundMeasures
from capture.checkup.pictures import keep_picture
from capture.libav.looks import measure_pictures, measure_sound
from capture.recorder import OpenSource
from kernel.clock import Clock
from kernel.errors import CodecUnsupported, JianzhengError, SettingsError
from kernel.ids import new_id
from kernel.log import logger
from kernel.model.checkup import Aspect, CheckResult, Checkup
from kernel.settings import CamerasFile, CaptureSettings, SourceSpec

LOOK_SECONDS = 6.0
"""Long enough for two key frames of a well-set camera, and for hum to make lines."""
_DECODERS = 2  # at once: recording comes first

_log = logger("capture")


class CheckupRows(Protocol):
    """Where check-ups are kept; ``catalog.checkups.Checkups`` is one."""

    def add(self, checkup: Checkup) -> None:
        """Keep a new check-up."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What check-ups need."""

    cameras: CamerasFile
    settings: CaptureSettings
    open_source: OpenSource
    rows: CheckupRows
    days_left: Callable[[], float | None]  # until the ring's disk is full; None: nobody knows
    pictures: Path  # directory of the pictures that were judged: <check-up>/<source>.jpg
    clock: Clock
    look_seconds: float = LOOK_SECONDS


@dataclass(frozen=True, kw_only=True, slots=True)
class _Seen:
    """What decoding a look has found."""

    picture: PictureMeasures | None = None
    sound: SoundMeasures | None = None
    error: JianzhengError | None = None


class RoomChecker:
    """Looks at rooms."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    async def check(self, room_id: str, principal: str) -> Checkup:
        """Look at all sources of a room, judge, and keep the result.

        Raises:
            SettingsError: there is no such room, or it has no sources.
            StorageError: the pictures cannot be kept.
            CatalogError: the result cannot be kept.
        """
        around = self._around
        specs = _sources_of(around.cameras, room_id)
        checkup_id, at_us = new_id("checkup"), around.clock.now_us()
        found = await self._check_all(specs, checkup_id)
        disk = judge_disk(await asyncio.to_thread(around.days_left))
        results = [result for one in found for result in one]
        checkup = Checkup(
            id=checkup_id,
            room_id=room_id,
            at_us=at_us,
            principal=principal,
            results=(*results, disk),
        )
        await asyncio.to_thread(around.rows.add, checkup)
        verdict = "passed" if checkup.passed else "failed"
        _log.info(f"room {room_id} was checked and {verdict}", action="checkup.done", checkup=checkup.id)
        return checkup

    async def _check_all(
        self, specs: Sequence[SourceSpec], checkup_id: str
    ) -> Sequence[Sequence[CheckResult]]:
        """All sources at once; where one raises, or the check is cancelled, the others are let go of."""
        decoders = ThreadPoolExecutor(_DECODERS, thread_name_prefix="checkup")
        checks = [asyncio.ensure_future(self._check_source(one, checkup_id, decoders)) for one in specs]
        try:
            return await asyncio.gather(*checks)
        finally:
            for check in checks:
                check.cancel()
            # Not waited for: this is the loop that serves everybody. What is being decoded ends by itself.
            decoders.shutdown(wait=False, cancel_futures=True)
            await asyncio.gather(*checks, return_exceptions=True)

    async def _check_source(
        self, spec: SourceSpec, checkup_id: str, decoders: Executor
    ) -> Sequence[CheckResult]:
        around = self._around
        look = await take_look(spec, around.open_source, around.settings, around.clock, around.look_seconds)
        moving = LIMITS[spec.content_kind][Aspect.PICTURE_FROZEN].value is not None
        loop = asyncio.get_running_loop()
        seen = await loop.run_in_executor(decoders, _see, look, moving)
        if seen.picture is not None:
            kept = (around.pictures, checkup_id, spec.id, seen.picture.jpeg)
            await loop.run_in_executor(decoders, keep_picture, *kept)
        return judge(_measured(spec, look, seen))


def _sources_of(cameras: CamerasFile, room_id: str) -> list[SourceSpec]:
    rooms = {room.id: room for site in cameras.sites for room in site.rooms}
    if room_id not in rooms:
        hint = f"Name one of cameras.yaml: {', '.join(sorted(rooms))}."
        raise SettingsError(f"there is no room {room_id}.", hint=hint)
    if not rooms[room_id].sources:
        raise SettingsError(f"room {room_id} has no sources.", hint="Add them to cameras.yaml.")
    return list(rooms[room_id].sources)


def _see(look: Look, moving: bool) -> _Seen:
    """Decode and measure; on a thread of its own. Sound that cannot be decoded costs the sound only."""
    if look.video is None or not look.pictures:
        return _Seen()
    try:
        picture = measure_pictures(look.video, look.pictures, moving=moving)
    except CodecUnsupported as error:
        return _Seen(error=error)
    try:
        sound = measure_sound(look.audio, look.sound) if look.audio and look.sound else None
    except CodecUnsupported:
        sound = None
    return _Seen(picture=picture, sound=sound)


def _measured(spec: SourceSpec, look: Look, seen: _Seen) -> Measured:
    return Measured(
        source_id=spec.id,
        kind=spec.content_kind,
        error=look.error or seen.error,
        delivered=_delivered(look),
        picture=seen.picture,
        has_sound=look.audio is not None,
        sound=seen.sound,
        clock_offset_us=look.clock_offset_us,
        key_frame_seconds=look.key_frame_seconds(),
        lost=look.lost,
    )


def _delivered(look: Look) -> str:
    """Such as ``h264 1280x720, 25.0/s, aac``."""
    if look.video is None or look.seconds <= 0:
        return ""
    rate = (len(look.pictures) - 1) / look.seconds
    sound = f", {look.audio.codec.value}" if look.audio is not None else ""
    return f"{look.video.codec.value} {look.video.width}x{look.video.height}, {rate:.1f}/s{sound}"
