"""The clock of a device as GetSystemDateAndTime tells it (ONVIF Core 8.3.2). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

from capture.onvif import soap
from kernel.clock import SECOND_US, from_datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceClock:
    """One look at a device's clock."""

    told_us: int  # what it showed: whole seconds, so the truth lies up to a second later
    at_us: int  # our wall time in the middle of question and answer
    round_trip_us: int
    error_us: int = SECOND_US // 2  # how far the offset may be off, besides half the round trip

    @property
    def offset_us(self) -> int:
        """Device clock minus ours: what it showed and half a second, minus the middle of the round trip."""
        return self.told_us + SECOND_US // 2 - self.at_us

    def at_edge(self, before: DeviceClock) -> DeviceClock:
        """The better look that two make when a second began between them."""
        middle_us = (before.at_us + self.at_us) // 2
        return DeviceClock(
            told_us=self.told_us - SECOND_US // 2,  # the second began in the middle of the two looks
            at_us=middle_us,
            round_trip_us=self.round_trip_us,
            error_us=(self.at_us - before.at_us) // 2,
        )


def read_device_time(reply: Element) -> int | None:
    """Wall time in a GetSystemDateAndTimeResponse; None where it tells no UTC time that makes sense.

    Only UTCDateTime counts: LocalDateTime needs a POSIX zone that many devices write wrongly.
    """
    told = soap.child(reply, "SystemDateAndTime", "UTCDateTime")
    if told is None:
        return None
    fields = [
        int(soap.number(told, *path))
        for path in (
            ("Date", "Year"),
            ("Date", "Month"),
            ("Date", "Day"),
            ("Time", "Hour"),
            ("Time", "Minute"),
            ("Time", "Second"),
        )
    ]
    fields[5] = min(fields[5], 59)  # a leap second
    try:
        return from_datetime(datetime(*fields, tzinfo=UTC))  # type: ignore[misc,arg-type]
    except ValueError:
        return None
