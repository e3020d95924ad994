"""What a device reports by itself: motion, tampering, its clock being set, a restart (ONVIF Core 9).

By pull point: the device keeps what happens until it is asked. GetServices comes before
CreatePullPointSubscription, since only it tells where the event service is.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from xml.etree.ElementTree import Element

from capture.onvif import quirks, soap
from capture.onvif.client import DeviceFault, OnvifClient
from kernel.clock import from_datetime
from kernel.errors import SourceError, SourceNotFound

_NOTIFICATION = "http://docs.oasis-open.org/wsn/b-2"
_SUBSCRIBE = f"{soap.EVENTS}/EventPortType/CreatePullPointSubscriptionRequest"
_PULL = f"{soap.EVENTS}/PullPointSubscription/PullMessagesRequest"
_RENEW = "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager/RenewRequest"
_UNSUBSCRIBE = "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager/UnsubscribeRequest"
_LASTS = "PT120S"  # longer than from one pull to the end of the next
_MOST = "50"  # messages of one answer


class EventKind(StrEnum):
    """What an event is about."""

    MOTION = "motion"
    TAMPER = "tamper"
    """Covered, turned away, out of focus, too dark or too bright."""
    CLOCK = "clock"
    REBOOT = "reboot"
    STORAGE = "storage"
    OTHER = "other"


_TOPICS = (
    ("Tamper", EventKind.TAMPER),
    ("GlobalScene", EventKind.TAMPER),
    ("ImageToo", EventKind.TAMPER),
    ("SignalLoss", EventKind.TAMPER),
    ("Motion", EventKind.MOTION),
    ("LastClockSynchronization", EventKind.CLOCK),
    ("LastReboot", EventKind.REBOOT),
    ("LastReset", EventKind.REBOOT),
    ("Storage", EventKind.STORAGE),
    ("Recording", EventKind.STORAGE),
)
"""Words of topics (ONVIF Core 8.8, Imaging 7, Analytics B); the first that fits counts."""


_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceEvent:
    """One thing that a device reported."""

    at_us: int | None  # by the device's clock; None where it tells none that makes sense
    kind: EventKind
    topic: str  # as the device names it, without prefixes
    data: tuple[tuple[str, str], ...]  # what it says: names and values
    where: tuple[tuple[str, str], ...] = ()  # which part of the device it is about: names and tokens
    news: bool = True  # False: how things stood when somebody began to listen

    @property
    def lasts(self) -> bool | None:
        """Whether it begins or ends something, such as ``IsTamper``; None for what just happens."""
        return next((_TRUTHS[value.lower()] for _, value in self.data if value.lower() in _TRUTHS), None)


def parse_messages(reply: Element) -> list[DeviceEvent]:
    """The events of a PullMessagesResponse."""
    return [_event(one) for one in soap.children(reply, "NotificationMessage")]


def _event(told: Element) -> DeviceEvent:
    path = soap.text(told, "Topic").split("/")
    topic = "/".join(part.rpartition(":")[2] for part in path)
    message = soap.child(told, "Message", "Message")
    return DeviceEvent(
        at_us=moment(message.get("UtcTime", "")) if message is not None else None,
        kind=next((kind for word, kind in _TOPICS if word in topic), EventKind.OTHER),
        topic=topic,
        data=_items(message, "Data"),
        where=_items(message, "Source"),
        news=message is None or message.get("PropertyOperation", "") != "Initialized",
    )


def _items(message: Element | None, part: str) -> tuple[tuple[str, str], ...]:
    found = soap.child(message, part) if message is not None else None
    items = soap.children(found, "SimpleItem") if found is not None else []
    return tuple((one.get("Name", ""), one.get("Value", "")) for one in items)


def moment(text: str) -> int | None:
    """Quirk: some devices leave the zone out, and some of those mean their local time: nothing is guessed."""
    try:
        return from_datetime(datetime.fromisoformat(text))
    except ValueError:
        return None


class PullPoint:
    """A subscription. Made by ``subscribe``."""

    def __init__(self, device: OnvifClient, address: str) -> None:
        self._device = device
        self._address = address

    async def pull(self, wait_seconds: int) -> list[DeviceEvent]:
        """What has happened since the last call; the device may wait so long for something.

        Raises:
            SourceError: the device does not answer, or has forgotten the subscription.
        """
        timeout = soap.element(soap.EVENTS, "Timeout", f"PT{wait_seconds}S")
        limit = soap.element(soap.EVENTS, "MessageLimit", _MOST)
        request = soap.element(soap.EVENTS, "PullMessages", timeout, limit)
        reply = await self._device.call_addressed(_PULL, self._address, request, wait_seconds=wait_seconds)
        return parse_messages(reply)

    async def renew(self) -> None:
        """Keep it for another while; devices that do so at each pull refuse this, which means nothing."""
        lasts = soap.element(_NOTIFICATION, "TerminationTime", _LASTS)
        with suppress(DeviceFault):
            request = soap.element(_NOTIFICATION, "Renew", lasts)
            await self._device.call_addressed(_RENEW, self._address, request)

    async def end(self) -> None:
        """Give the device its memory back; never raises for what the device does."""
        with suppress(SourceError):
            request = soap.element(_NOTIFICATION, "Unsubscribe")
            await self._device.call_addressed(_UNSUBSCRIBE, self._address, request)


async def subscribe(device: OnvifClient) -> PullPoint:
    """Raises: SourceNotFound: the device reports no events."""
    services = await device.services()
    address = services.get(soap.EVENTS)
    if address is None:
        raise SourceNotFound(f"source {device.name}: the device reports no events.")
    lasts = soap.element(soap.EVENTS, "InitialTerminationTime", _LASTS)
    request = soap.element(soap.EVENTS, "CreatePullPointSubscription", lasts)
    reply = await device.call_addressed(_SUBSCRIBE, address, request)
    told = soap.text(reply, "SubscriptionReference", "Address")
    return PullPoint(device, quirks.service_address(told, device.address))
