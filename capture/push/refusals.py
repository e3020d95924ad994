"""Who called and was turned away: told to people, or a device that is set wrongly leaves no trace."""

from __future__ import annotations

from dataclasses import dataclass

from kernel.clock import SECOND_US, Clock
from kernel.errors import JianzhengError, SourceError, SourceRefused
from kernel.log import logger

_AGAIN_US = 600 * SECOND_US  # the same is said again after so long
_MOST = 20  # different ones in that time; more are somebody's attack
_LONGEST_PATH = 80  # characters that are shown

_log = logger("capture")


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """How a call was answered that went no further."""

    status: int  # 401, 404 or 453 of RTSP
    path: str  # that was called, without its query
    source_id: str = ""  # whose it is; empty: nobody's

    def explain(self, peer: str) -> SourceError:
        """What happened and what to do, without anything that the device gave but its path."""
        if self.status == 401:
            return SourceRefused(
                f"source {self.source_id}: a device at {peer} calls without the right username and password.",
                hint="Set those that the source has in cameras.yaml at the device.",
            )
        path = ascii(self.path[:_LONGEST_PATH])  # one line, whatever is in it
        if self.status == 453:
            message = f"a device at {peer} pushes to the path {path}, on which one is being recorded already."
            return SourceError(message, hint="If these are two devices, give each a path of its own.")
        return SourceError(
            f"a device at {peer} pushes to the path {path}, which no source of cameras.yaml has.",
            hint="Correct the path at the device, or write push+rtsp:///PATH as the uri of its source.",
        )


class RefusalLog:
    """A line for each kind of refusal, once in ten minutes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._said_us: dict[str, int] = {}  # by what was said (monotonic)

    def tell(self, refusal: JianzhengError) -> None:
        """Say it, unless it was said lately or too much else was."""
        now_us = self._clock.monotonic_us()
        self._said_us = {said: at_us for said, at_us in self._said_us.items() if now_us - at_us < _AGAIN_US}
        if refusal.message not in self._said_us and len(self._said_us) < _MOST:
            self._said_us[refusal.message] = now_us
            _log.warning(str(refusal), action="push.refused")
