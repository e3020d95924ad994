"""Basic and Digest authentication (RFC 7617, RFC 7616; MD5 without qop as RFC 2617 cameras want it)."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

_SCHEME = re.compile(r"(?:^|,\s*)(Basic|Digest)\s+", re.IGNORECASE)
_PARAMETER = re.compile(r'([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')
_DIGESTS: dict[str, Callable[[bytes], str]] = {
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
}
_STRENGTH = ("SHA-256", "MD5")


@dataclass(frozen=True, kw_only=True, slots=True)
class Challenge:
    """What a device asks for."""

    scheme: str  # basic or digest
    parameters: dict[str, str]

    @property
    def algorithm(self) -> str:
        return self.parameters.get("algorithm", "MD5").upper()

    @property
    def stale(self) -> bool:
        return self.parameters.get("stale", "").lower() == "true"


def parse_challenges(values: Sequence[str]) -> list[Challenge]:
    """The challenges of all WWW-Authenticate fields; one field may hold several."""
    challenges = []
    for value in values:
        pieces = _SCHEME.split(value)[1:]
        for scheme, text in zip(pieces[::2], pieces[1::2], strict=True):
            found = {
                name.lower(): (quoted or plain).replace('\\"', '"')
                for name, quoted, plain in _PARAMETER.findall(text)
            }
            challenges.append(Challenge(scheme=scheme.lower(), parameters=found))
    return challenges


def strongest(challenges: Sequence[Challenge]) -> Challenge | None:
    """Digest before Basic, SHA-256 before MD5; None where we know none of them."""
    for algorithm in _STRENGTH:
        for one in challenges:
            if one.scheme == "digest" and one.algorithm == algorithm and "nonce" in one.parameters:
                return one
    return next((one for one in challenges if one.scheme == "basic"), None)


@dataclass(kw_only=True, slots=True)
class Credentials:
    """Name and password of a source, and the answer to its latest challenge. Never shown (invariant 16)."""

    username: str = field(repr=False)
    password: str = field(repr=False)
    challenge: Challenge | None = field(default=None, repr=False)
    _uses: int = field(default=0, repr=False)

    def accept(self, values: Sequence[str]) -> bool:
        """Take a 401's challenges; False where answering again cannot help."""
        found = strongest(parse_challenges(values))
        before, self.challenge, self._uses = self.challenge, found, 0
        if found is None or not self.username:
            return False
        if before is None:
            return True
        return found.stale or found.parameters.get("nonce") != before.parameters.get("nonce")

    def authorization(self, method: str, uri: str) -> str | None:
        """The Authorization field of a request; None before the device has asked."""
        if self.challenge is None:
            return None
        if self.challenge.scheme == "basic":
            pair = f"{self.username}:{self.password}".encode()
            return "Basic " + base64.b64encode(pair).decode("ascii")
        self._uses += 1
        return _digest(self, self.challenge, method, uri, self._uses)


def _digest(who: Credentials, challenge: Challenge, method: str, uri: str, uses: int) -> str:
    given = challenge.parameters
    fields = {
        "username": who.username,
        "realm": given.get("realm", ""),
        "nonce": given["nonce"],
        "uri": uri,
    }
    extra = ""
    if "auth" in [one.strip() for one in given.get("qop", "").split(",")]:
        count, own = f"{uses:08x}", secrets.token_hex(8)
        answer = {**fields, "qop": "auth", "nc": count, "cnonce": own}
        extra = f', qop=auth, nc={count}, cnonce="{own}"'
    else:
        answer = dict(fields)
    told = Challenge(scheme="digest", parameters={**answer, "algorithm": challenge.algorithm})
    fields["response"] = proof(told, method, who.username, who.password)
    if "opaque" in given:
        fields["opaque"] = given["opaque"]
    quoted = ", ".join(f'{name}="{_escape(value)}"' for name, value in fields.items())
    algorithm = f", algorithm={given['algorithm']}" if "algorithm" in given else ""
    return f"Digest {quoted}{algorithm}{extra}"


def proof(answer: Challenge, method: str, username: str, password: str) -> str:
    """The response to a challenge (RFC 7616, 3.4.1), by the fields of the answer that holds it.

    Whoever answers makes it, whoever asked compares with it. Without qop as RFC 2617 has it.
    """
    told = answer.parameters
    digest = _DIGESTS[answer.algorithm]
    secret = digest(f"{username}:{told.get('realm', '')}:{password}".encode())
    request = digest(f"{method}:{told.get('uri', '')}".encode())
    middle = told.get("nonce", "")
    if "qop" in told:
        middle += f":{told.get('nc', '')}:{told.get('cnonce', '')}:{told['qop']}"
    return digest(f"{secret}:{middle}:{request}".encode())


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
