"""Marks of pages: where a list goes on, signed, and only for the search that it was made by."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass

from kernel.errors import PageRefused

_MAC_BYTES = 16
_LONGEST = 2000  # characters


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Behind which row of a list the next page begins."""

    at_us: int  # by what it is sorted first
    id: str  # and then


def mark_of(place: Place, search: str, signing: str) -> str:
    """The mark of a place; ``search`` says of which list."""
    said = json.dumps([place.at_us, place.id]).encode()
    return _spelt(_mac(said, search, signing) + said)


def place_of(mark: str, search: str, signing: str) -> Place:
    """The place that a mark names.

    Raises:
        PageRefused: it was not given out for this search, or not by this catalogue.
    """
    try:
        raw = base64.b64decode(mark[:_LONGEST] + "=" * (-len(mark) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise PageRefused from None
    mac, said = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    if mark != _spelt(raw) or not hmac.compare_digest(mac, _mac(said, search, signing)):
        raise PageRefused
    at_us, name = json.loads(said)
    return Place(at_us=at_us, id=name)


def _spelt(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _mac(said: bytes, search: str, signing: str) -> bytes:
    listed = hashlib.sha256(search.encode(errors="surrogatepass")).digest()
    return hmac.digest(bytes.fromhex(signing), listed + said, "sha256")[:_MAC_BYTES]
