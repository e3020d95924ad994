"""Heads of the audit chain as they are kept elsewhere: one line of JSON each, signed.

What is signed, and how an outsider verifies it: ``docs/design/audit.md``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from kernel.audit_chain import canonical
from kernel.errors import FixityError
from kernel.model.audit import AuditHead
from kernel.signing_key import SigningKey, key_id

VERSION = 1
_OF = "audit"  # of what it is the head: no statement about segments may pass for one
_HINT = "Take the file from where the lines were kept; a line is a head, as 'jianzheng audit head' writes it."


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedHead:
    """A head, and who signed it."""

    head: AuditHead
    key_id: str  # SHA-256 of the raw public key


def signed_line(head: AuditHead, key: SigningKey) -> str:
    """A head as one line of JSON, without its end: the statement, its signature and the public key."""
    statement = canonical(
        {
            "at_us": head.at_us,
            "hash": head.hash,
            "key": key.public.id,
            "number": head.number,
            "of": _OF,
            "version": VERSION,
        }
    )
    return canonical({"key": key.public.public_key, "signature": key.sign(statement), "statement": statement})


def read_line(line: str) -> SignedHead:
    """The head that a line tells of, its signature verified.

    Raises:
        FixityError: it is no such line, or its signature does not fit.
    """
    try:
        told = json.loads(line)
        raw = bytes.fromhex(told["key"])
        statement = told["statement"]
        Ed25519PublicKey.from_public_bytes(raw).verify(bytes.fromhex(told["signature"]), statement.encode())
        said = json.loads(statement)
        head = AuditHead(number=int(said["number"]), hash=str(said["hash"]), at_us=int(said["at_us"]))
        fits = (said["of"], said["version"], said["key"]) == (_OF, VERSION, key_id(raw))
    except InvalidSignature:
        raise FixityError("the signature of a head of the audit chain does not fit.", hint=_HINT) from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise FixityError("this is no signed head of the audit chain.", hint=_HINT) from None
    if not fits:
        raise FixityError("this is a signed statement, but no head of the audit chain.", hint=_HINT)
    return SignedHead(head=head, key_id=key_id(raw))


def read_lines(lines: Iterable[str]) -> list[SignedHead]:
    """Heads of a file; empty lines are passed over.

    Raises:
        FixityError: a line is no signed head; it is named by its number.
    """
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                found.append(read_line(line))
            except FixityError as error:
                raise FixityError(f"line {number}: {error.message}", hint=error.remedy) from None
    return found
