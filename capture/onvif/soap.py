"""SOAP messages as ONVIF writes them, and what comes back. Pure: bytes and elements, no network, no clock.

Requests are SOAP 1.2 (ONVIF Core 5.2) with a WS-UsernameToken (WS-Security UsernameToken Profile 1.0).
Replies are read by the local names of their elements, whatever namespace or version they claim.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from xml.etree import ElementTree
from xml.etree.ElementTree import Element
from xml.parsers import expat

from kernel.clock import iso_utc
from kernel.errors import SourceProtocolError

ENVELOPE = "http://www.w3.org/2003/05/soap-envelope"
ADDRESSING = "http://www.w3.org/2005/08/addressing"
DEVICE = "http://www.onvif.org/ver10/device/wsdl"
MEDIA = "http://www.onvif.org/ver10/media/wsdl"
MEDIA2 = "http://www.onvif.org/ver20/media/wsdl"
EVENTS = "http://www.onvif.org/ver10/events/wsdl"
SEARCH = "http://www.onvif.org/ver10/search/wsdl"
REPLAY = "http://www.onvif.org/ver10/replay/wsdl"
SCHEMA = "http://www.onvif.org/ver10/schema"

_OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss"
_WSSE = f"{_OASIS}-wssecurity-secext-1.0.xsd"
_WSU = f"{_OASIS}-wssecurity-utility-1.0.xsd"
_DIGEST = f"{_OASIS}-username-token-profile-1.0#PasswordDigest"
_BASE64 = f"{_OASIS}-soap-message-security-1.0#Base64Binary"
MAX_BYTES = 4 << 20
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9]{0,47}")
_REFUSALS = frozenset({"NotAuthorized", "FailedAuthentication", "InvalidSecurity", "SenderNotAuthorized"})
_NOT_OFFERED = frozenset(
    {"ActionNotSupported", "OptionalActionNotImplemented", "NotImplemented", "UnknownAction"}
)

for _prefix, _uri in (
    ("s", ENVELOPE),
    ("wsa", ADDRESSING),
    ("wsse", _WSSE),
    ("wsu", _WSU),
    ("tds", DEVICE),
    ("trt", MEDIA),
    ("tr2", MEDIA2),
    ("tev", EVENTS),
    ("tse", SEARCH),
    ("trp", REPLAY),
    ("tt", SCHEMA),
):
    ElementTree.register_namespace(_prefix, _uri)


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """Who asks. Never shown (invariant 16)."""

    username: str = field(repr=False)
    password: str = field(repr=False)
    nonce: bytes = field(repr=False)
    created_us: int  # by the device's own clock: it refuses other times


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """A device's refusal, as codes; its words are not kept, they may hold anything."""

    codes: tuple[str, ...]  # subcodes from the outermost in, without prefixes

    @property
    def refused(self) -> bool:
        """It does not accept who asks."""
        return any(code in _REFUSALS for code in self.codes)

    @property
    def not_offered(self) -> bool:
        """It does not know this operation or service."""
        return any(code in _NOT_OFFERED for code in self.codes)


def element(namespace: str, name: str, *parts: Element | str, **attributes: str) -> Element:
    """An element with text, children or neither."""
    made = Element(f"{{{namespace}}}{name}", attributes)
    for part in parts:
        if isinstance(part, str):
            made.text = part
        else:
            made.append(part)
    return made


def envelope(body: Element, *, token: Token | None = None, to: str = "", action: str = "") -> bytes:
    """A whole request; with ``to`` and ``action`` it is addressed (WS-Addressing), as events need it."""
    header = element(ENVELOPE, "Header")
    if to:
        header.append(element(ADDRESSING, "Action", action))
        header.append(element(ADDRESSING, "To", to))
    if token is not None:
        header.append(_security(token))
    whole = element(ENVELOPE, "Envelope", header, element(ENVELOPE, "Body", body))
    return bytes(ElementTree.tostring(whole, encoding="utf-8", xml_declaration=True))


def _security(token: Token) -> Element:
    created = iso_utc(token.created_us)
    parts = token.nonce + created.encode("ascii") + token.password.encode("utf-8")
    digest = base64.b64encode(hashlib.sha1(parts, usedforsecurity=False).digest()).decode("ascii")
    nonce = base64.b64encode(token.nonce).decode("ascii")
    proof = element(
        _WSSE,
        "UsernameToken",
        element(_WSSE, "Username", token.username),
        element(_WSSE, "Password", digest, Type=_DIGEST),
        element(_WSSE, "Nonce", nonce, EncodingType=_BASE64),
        element(_WSU, "Created", created),
    )
    return element(_WSSE, "Security", proof)


def parse_reply(data: bytes) -> Element | Fault:
    """The element in the body of a reply, or the fault in it.

    Raises:
        SourceProtocolError: these bytes are no SOAP reply.
    """
    root = parse_xml(data)
    body = child(root, "Body") if root.tag == "Envelope" else None
    if body is None or not len(body):
        raise SourceProtocolError("the device does not answer in SOAP.")
    return _fault(body[0]) if body[0].tag == "Fault" else body[0]


def parse_xml(data: bytes) -> Element:
    """What a device wrote, every element under its local name.

    Quirk: SOAP 1.1 envelopes in answer to SOAP 1.2 requests, and prefixes that are declared nowhere (both in
    the reply to GetSnapshotUri that npm's ``onvif`` recorded from a camera). Names alone are the same in all.

    Raises:
        SourceProtocolError: it is no XML, or declares entities, which no message needs.
    """
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = lambda name, given: builder.start(name.rpartition(":")[2], given)
    parser.EndElementHandler = lambda name: builder.end(name.rpartition(":")[2])
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(data[:MAX_BYTES], True)
        return builder.close()
    except (expat.ExpatError, ValueError, LookupError, AssertionError):
        raise SourceProtocolError("the device does not answer in SOAP.") from None


def _refuse_doctype(*_: object) -> None:
    raise ValueError("a document type")


def _fault(told: Element) -> Fault:
    values = [one.text or "" for one in told.iter() if one.tag in ("Value", "faultcode")]
    codes = [value.strip().rpartition(":")[2] for value in values]
    return Fault(codes=tuple(code for code in codes if _CODE.fullmatch(code)))


def children(parent: Element, name: str) -> list[Element]:
    return [one for one in parent if one.tag == name]


def child(parent: Element, *path: str) -> Element | None:
    """The first element down that path of local names."""
    found: Element | None = parent
    for name in path:
        found = next(iter(children(found, name)), None) if found is not None else None
    return found


def text(parent: Element, *path: str) -> str:
    """The text at the end of a path of local names; empty where there is none."""
    found = child(parent, *path)
    return "" if found is None else (found.text or "").strip()


def number(parent: Element, *path: str) -> float:
    """The number at the end of a path of local names; 0 where there is none."""
    try:
        return float(text(parent, *path))
    except ValueError:
        return 0.0
