"""What is recorded of what people and programs do (invariant 14)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any


class ActResult(StrEnum):
    """What came of an act."""

    DONE = "done"
    REFUSED = "refused"
    """It was asked for and not granted; nothing changed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Act:
    """Somebody did something: what a caller tells of it."""

    at_us: int
    principal: str  # account, program or, before there are accounts, the name that was given
    action: str  # such as hold.made: the thing's kind and what was done
    subject: str  # id of what it was done to
    result: ActResult = ActResult.DONE
    details: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))  # JSON, no secrets


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditRecord:
    """An act as a link of the chain."""

    number: int  # from 1, without holes
    at_us: int
    principal: str
    action: str
    subject: str
    origin: str  # where from: an address, or which program on which machine
    result: ActResult
    details: Mapping[str, Any]
    previous: str  # hash of the record before; 64 zeros before the first
    hash: str  # ``kernel.audit_chain.record_hash``


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditHead:
    """The newest link at some moment: kept elsewhere, it shows that nothing before it was changed since."""

    number: int
    hash: str
    at_us: int  # when it was exported


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditEpoch:
    """Records that left the chain as a whole, into a file that is anchored (invariant 14)."""

    first: int
    last: int
    last_hash: str  # with which the chain goes on
    sha256: str  # of the file
    closed_us: int
    principal: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditFault:
    """A record that is not as it was written, and how that shows."""

    number: int
    what: str
