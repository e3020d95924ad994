"""What a source delivers: tracks, packets and the word that some are missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from kernel.model.footage import Codec, Packet, TrackInfo


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackStarted:
    """From here on the packets of this track are as ``info`` says; comes again when that changes."""

    info: TrackInfo
    reorder: int = 0  # video: frames that may precede one in decoding and follow it in presentation


@dataclass(frozen=True, kw_only=True, slots=True)
class PacketsLost:
    """The next packet of this codec does not follow on the one before: something between is missing."""

    codec: Codec
    count: int  # RTP packets missing or damaged since the last such word; 0 where the source cannot count


Delivery = TrackStarted | Packet | PacketsLost


class PacketSource(Protocol):
    """An open connection to a camera or desktop."""

    async def read(self) -> Sequence[Delivery]:
        """What has arrived since the last call, in order; empty when nothing has for a moment.

        Raises:
            SourceError: it ended, fell silent or broke the protocol.
        """

    async def close(self) -> None:
        """End the connection; never raises for what the other end does."""


@runtime_checkable
class Hurries(Protocol):
    """A ``PacketSource`` that can look for packets more often than is cheap."""

    def hurry(self, on: bool) -> None:
        """Whether somebody watches live; told before every ``read``."""
