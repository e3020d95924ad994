"""WS-Discovery: which ONVIF devices are on the networks of this machine (ONVIF Core 7.3).

Own datagrams on the event loop: ``wsdiscovery`` keeps four threads, wakes every 10 ms, binds UDP 3702 (which
another program may have) and parses what anybody sends with entities allowed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import Element

import ifaddr

from capture.onvif import soap
from kernel.clock import Clock
from kernel.errors import SettingsError, SourceProtocolError

GROUP = "239.255.255.250"
PORT = 3702
_REPEATS_S = (
    0.0,
    0.25,
    0.5,
)  # datagrams get lost (SOAP-over-UDP, appendix I asks for it)
_SCOPES = "onvif://www.onvif.org/"
_TYPES = ("dn:NetworkVideoTransmitter", "tds:Device")
_ANYWHERE = "http://0.0.0.0/onvif/device_service"  # where ONVIF Core 5.1.2 has the device service
_PROBE = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
    ' xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"'
    ' xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"'
    ' xmlns:dn="http://www.onvif.org/ver10/network/wsdl" xmlns:tds="http://www.onvif.org/ver10/device/wsdl">'
    "<s:Header><a:MessageID>urn:uuid:{id}</a:MessageID>"
    "<a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>"
    "<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action></s:Header>"
    "<s:Body><d:Probe><d:Types>{types}</d:Types></d:Probe></s:Body></s:Envelope>"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A device that answered."""

    endpoint: str  # its own id, the same on all its addresses
    addresses: tuple[str, ...]  # of its device service, the likeliest first
    scopes: tuple[str, ...]

    @property
    def uri(self) -> str:
        """As ``cameras.yaml`` writes it."""
        parts = urlsplit(self.addresses[0])
        return f"{'onvifs' if parts.scheme == 'https' else 'onvif'}://{parts.netloc}"

    def scope(self, name: str) -> str:
        """What it says of itself under that name, such as ``name``, ``hardware`` or ``location``."""
        start = f"{_SCOPES}{name}/"
        said = (unquote(one.removeprefix(start)).strip("/") for one in self.scopes if one.startswith(start))
        return ", ".join(sorted({one for one in said if one}))


def local_addresses(wanted: str = "") -> list[str]:
    """IPv4 addresses of this machine's interfaces, or of the one of that name or address.

    Raises:
        SettingsError: there is no such interface.
    """
    found = [
        (adapter.name, adapter.nice_name, ip.ip)
        for adapter in ifaddr.get_adapters()
        for ip in adapter.ips
        if isinstance(ip.ip, str)
    ]
    if not wanted:
        return [ip for _, _, ip in found if not ipaddress.ip_address(ip).is_loopback]
    chosen = [ip for name, nice, ip in found if wanted in (name, nice, ip)]
    if not chosen:
        names = ", ".join(sorted({name for name, _, _ in found}))
        raise SettingsError(f"there is no interface {wanted} with an IPv4 address; there are: {names}.")
    return chosen


def parse_matches(data: bytes, asked: Iterable[str]) -> list[Found]:
    """The devices in a ProbeMatches message that answers one of our questions; none of any other message."""
    try:
        root = soap.parse_xml(data)
    except SourceProtocolError:
        return []
    if soap.text(root, "Header", "RelatesTo").rpartition(":")[2] not in asked:
        return []
    matches = soap.child(root, "Body", "ProbeMatches")
    found = [_match(one) for one in soap.children(matches, "ProbeMatch")] if matches is not None else []
    return [one for one in found if one is not None]


def _match(told: Element) -> Found | None:
    addresses = tuple(one for one in soap.text(told, "XAddrs").split() if _usable(one))
    endpoint = soap.text(told, "EndpointReference", "Address")
    if not endpoint:
        return None
    return Found(endpoint=endpoint, addresses=addresses, scopes=tuple(soap.text(told, "Scopes").split()))


def _by_https(address: str) -> bool:
    return address.startswith("https:")


def _usable(address: str) -> bool:
    """Not a link-local one of IPv6 (RFC 4291, 2.5.6): it means nothing without the name of an interface."""
    try:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            return False
    except ValueError:
        return False
    try:
        host = ipaddress.ip_address(parts.hostname.partition("%")[0])
    except ValueError:
        return True  # a name
    return host.version == 4 or not host.is_link_local


def answering(found: Found, peer: str) -> Found:
    """With the address from which it answered, too: first where it tells that one itself, else last.

    What devices tell may be an address from before they were moved; where they answer from may be another of
    their addresses, at which no service is. HTTPS comes last: it takes a certificate to be pinned. ``survey``
    tries them in this order.
    """
    here_first = sorted(found.addresses, key=lambda one: urlsplit(one).hostname != peer)
    plain = [one for one in here_first if not _by_https(one)]
    secure = [one for one in here_first if _by_https(one)]
    if not any(urlsplit(one).hostname == peer for one in plain) and (plain or not secure):
        first = urlsplit(plain[0] if plain else _ANYWHERE)
        port = f":{first.port}" if first.port else ""
        plain.append(f"http://{peer}{port}{first.path}")
    return replace(found, addresses=(*plain, *secure))


def merged(known: Found | None, again: Found) -> Found:
    """One device that answered twice: all its addresses, the first answer's first."""
    if known is None:
        return again
    addresses = dict.fromkeys((*known.addresses, *again.addresses))
    return Found(endpoint=known.endpoint, addresses=tuple(addresses), scopes=known.scopes)


class _Listener(asyncio.DatagramProtocol):
    """Gathers what comes in on one interface."""

    def __init__(self, devices: dict[str, Found], asked: set[str]) -> None:
        self._devices = devices
        self._asked = asked

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        for one in parse_matches(data, self._asked):
            known = self._devices.get(one.endpoint)
            self._devices[one.endpoint] = merged(known, answering(one, addr[0]))


async def discover(
    interfaces: Sequence[str], clock: Clock, *, seconds: float = 3.0, port: int = PORT
) -> list[Found]:
    """Ask on each interface and gather answers for so long; a device that answers often is there once.

    Args:
        interfaces: IPv4 addresses of this machine; one that cannot send is passed over.
    """
    devices: dict[str, Found] = {}
    asked: set[str] = set()
    transports = []
    try:
        for address in interfaces:
            transport = await _open(address, devices, asked)
            if transport is not None:
                transports.append(transport)
        spent = 0.0
        for at in _REPEATS_S:
            await clock.wait(at - spent)
            spent = at
            for transport in transports:
                _ask(transport, asked, port)
        await clock.wait(max(seconds - spent, 0.0))
    finally:
        for transport in transports:
            transport.close()
    return sorted(devices.values(), key=_by_address)


async def _open(address: str, devices: dict[str, Found], asked: set[str]) -> asyncio.DatagramTransport | None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        sock.bind((address, 0))
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Listener(devices, asked), sock=sock)
        return transport
    except OSError:
        sock.close()
        return None


def _ask(transport: asyncio.DatagramTransport, asked: set[str], port: int) -> None:
    """One question per type: some devices answer only to the type that they are asked for."""
    for kind in _TYPES:
        question = str(uuid.uuid4())
        asked.add(question)
        with suppress(OSError):
            transport.sendto(_PROBE.format(id=question, types=kind).encode(), (GROUP, port))


def _by_address(one: Found) -> tuple[int, str]:
    host = urlsplit(one.addresses[0]).hostname or ""
    try:
        return int(ipaddress.ip_address(host)), host
    except ValueError:
        return 0, host
