"""Follows what the device of a source reports, for as long as its stream is open.

What is told: a line in the log at each change, with the device's own time, and, while something lasts (it is
covered, its memory fails), a note beside the health of the source. Recording never waits for any of it, and
never learns what went wrong here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from capture.onvif.client import OnvifClient
from capture.onvif.device import media
from capture.onvif.events import DeviceEvent, EventKind, subscribe
from capture.onvif.profiles import Profile, choose
from capture.onvif.source import wanted_profile
from capture.packets import Delivery, PacketSource
from capture.patience import Backoff
from kernel.clock import Clock
from kernel.errors import JianzhengError, SourceNotFound, SourceRefused
from kernel.log import logger
from kernel.settings import CaptureSettings, SourceSpec

_HELD_S = 30  # the device holds a question so long while nothing happens
_PAUSE_S = 15.0  # between two questions: a busy scene must not cost a recorder of many devices its time
_FIRST_AGAIN_S, _LONGEST_AGAIN_S = 60.0, 1800.0
_UNTOLD = frozenset({EventKind.MOTION, EventKind.OTHER})
_LONGEST_TEXT = 80

_log = logger("capture")

Note = Callable[[str, str], None]
"""Told a source's id and what its device complains of; nothing any more: an empty text."""


class WithEvents:
    """A ``PacketSource`` whose device's events are followed meanwhile; reading it costs nothing more."""

    def __init__(self, stream: PacketSource, follower: EventFollower) -> None:
        self._stream = stream
        self.read: Callable[[], Coroutine[Any, Any, Sequence[Delivery]]] = stream.read
        self._follower = follower
        self._following = asyncio.create_task(follower.run(), name="device events")

    async def close(self) -> None:
        """The device is not waited for: what it is still told of the end, it is told meanwhile."""
        self._following.cancel()
        self._follower.forget()
        await self._stream.close()


class EventFollower:
    """One source's device."""

    def __init__(self, spec: SourceSpec, settings: CaptureSettings, clock: Clock, note: Note) -> None:
        self._spec = spec
        self._settings = settings
        self._clock = clock
        self._note = note
        self._lasting: dict[tuple[object, ...], DeviceEvent] = {}  # by topic and place

    async def run(self) -> None:
        """Until cancelled, or the device turns out to report nothing to us."""
        backoff = Backoff(_FIRST_AGAIN_S, _LONGEST_AGAIN_S)
        while True:
            try:
                await self.run_once(backoff)
            except (SourceNotFound, SourceRefused):
                return  # it has no events, or none for this user; devices lock accounts that ask on
            except Exception as error:  # noqa: BLE001 - the one place: whatever it is, recording goes on
                said = error.message if isinstance(error, JianzhengError) else type(error).__name__
                _log.debug(said, action="onvif.events_lost", source=self._spec.id)
                self.forget()
            await self._clock.wait(backoff.next_seconds())

    def forget(self) -> None:
        """What lasts is not known any more."""
        self._lasting.clear()
        self._note(self._spec.id, "")

    async def run_once(self, backoff: Backoff) -> None:
        """Subscribe and follow; always raises.

        Raises:
            SourceNotFound: the device reports no events.
            SourceError: it does not answer, or has forgotten us.
        """
        async with OnvifClient(self._spec, self._settings, self._clock) as device:
            profiles = (await media(device)).profiles
            mine = choose(profiles, wanted_profile(self._spec), self._spec.id)
            point = await subscribe(device)
            try:
                while True:
                    for event in await point.pull(_HELD_S):
                        if is_about(event, mine, profiles):
                            self.take(event)
                    backoff.reset()
                    await self._clock.wait(_PAUSE_S)
                    await point.renew()
            finally:
                await point.end()

    def take(self, event: DeviceEvent) -> None:
        """Say what is new in it."""
        if event.kind in _UNTOLD:
            return
        key, lasts = (event.topic, event.where), event.lasts
        if lasts is None:
            if event.news:
                self._tell(event, "it happened")
            return
        if lasts and key not in self._lasting:
            self._lasting[key] = event
            self._tell(event, "it lasts")
        elif not lasts and key in self._lasting:
            del self._lasting[key]
            self._tell(event, "it is over")
        kinds = sorted({f"{one.kind} ({_shown(one.topic)})" for one in self._lasting.values()})
        self._note(self._spec.id, f"The device reports: {', '.join(kinds)}." if kinds else "")

    def _tell(self, event: DeviceEvent, what: str) -> None:
        say = _log.warning if event.lasts else _log.info
        say(
            f"the device reports: {event.kind}, {what}",
            action="onvif.event",
            source=self._spec.id,
            kind=event.kind.value,
            topic=_shown(event.topic),
            device_us=event.at_us,
            lasts=event.lasts,
        )


def is_about(event: DeviceEvent, mine: Profile, profiles: Sequence[Profile]) -> bool:
    """Whether an event of a device is about this source.

    A device with several sensors names the one that it means, or how it is used; what names none is about
    the whole device.
    """
    others = {token for one in profiles for token in _tokens(one)} - _tokens(mine)
    return not any(token in others for _, token in event.where)


def _tokens(profile: Profile) -> set[str]:
    return {token for token in (profile.video_source, profile.video_config) if token}


def _shown(topic: str) -> str:
    """What a device wrote is not trusted with more than a name."""
    return "".join(letter for letter in topic if letter.isalnum() or letter in "/._-")[:_LONGEST_TEXT]
