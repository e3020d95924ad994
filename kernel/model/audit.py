"""What is recorded of what people and programs do (invariant 14)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any


class Action(StrEnum):
    """What can be done that is recorded: the thing's kind, and what was done to it.

    A new kind of act is added here; a name is kept for ever, for records bear it. What each means, what its
    subject is and what its details tell: ``docs/design/audit.md``.
    """

    PLACES_CHANGED = "places.changed"
    PROJECT_ADDED = "project.added"
    PROJECT_CHANGED = "project.changed"
    HALL_SHOWS = "hall.shows"
    SESSION_PLANNED = "session.planned"
    SESSION_REPLANNED = "session.replanned"
    SESSION_SEATED = "session.seated"
    SESSION_SOURCES_ADDED = "session.sources_added"
    SESSION_MOVED_ON = "session.moved_on"
    SESSION_CUT = "session.cut"
    EVENT_RECORDED = "event.recorded"
    EVENT_CORRECTED = "event.corrected"
    EVENT_WITHDRAWN = "event.withdrawn"
    BOOKING_MADE = "booking.made"
    BOOKING_MOVED = "booking.moved"
    BOOKING_CANCELLED = "booking.cancelled"
    TAG_ADDED = "tag.added"
    TAG_CORRECTED = "tag.corrected"
    TAG_WITHDRAWN = "tag.withdrawn"
    WITNESS_TICKED = "witness.ticked"
    WITNESS_UNTICKED = "witness.unticked"
    WITNESS_CLOSED = "witness.closed"
    WITNESS_REOPENED = "witness.reopened"
    CHECKUP_MADE = "checkup.made"
    CHECKUP_OVERRIDDEN = "checkup.overridden"
    HOLD_MADE = "hold.made"
    HOLD_RELEASED = "hold.released"
    SEGMENTS_RELEASED = "segments.released"
    FOOTAGE_TAKEN_IN = "footage.taken_in"
    DISK_ADOPTED = "disk.adopted"
    ARCHIVE_RECORDED = "archive.recorded"
    ARCHIVE_CANCELLED = "archive.cancelled"
    ARCHIVE_RETRIED = "archive.retried"
    SYSTEM_ADDED = "trading_system.added"
    SYSTEM_REVOKED = "trading_system.revoked"
    ARCHIVE_COPIED = "archive.copied"
    FIXITY_LOST = "fixity.lost"
    FIXITY_RESTORED = "fixity.restored"
    DRILL_DONE = "drill.done"
    USE_ASKED = "use.asked"
    USE_APPROVED = "use.approved"
    USE_REFUSED = "use.refused"
    USE_DONE = "use.done"
    DOCUMENT_TAKEN_IN = "document.taken_in"
    DOCUMENT_CORRECTED = "document.corrected"
    DOCUMENT_OPENED = "document.opened"
    ADDENDUM_RECORDED = "addendum.recorded"
    NUMBER_GIVEN = "archive_number.given"
    FOOTAGE_HANDED_IN = "footage.handed_in"
    RETENTION_CHANGED = "retention.changed"
    CLASS_CHOSEN = "retention.class_chosen"
    CLASS_CONFIRMED = "retention.class_confirmed"
    PROJECT_DAY_TOLD = "project.day_told"
    DISPOSAL_EXTENDED = "disposal.extended"
    DISPOSAL_PROPOSED = "disposal.proposed"
    DISPOSAL_SIGNED = "disposal.signed"
    DISPOSAL_WITHDRAWN = "disposal.withdrawn"
    DISPOSAL_ORDERED = "disposal.ordered"
    DISPOSAL_STOPPED = "disposal.stopped"
    DISPOSAL_DONE = "disposal.done"
    CATALOGUE_BACKED_UP = "catalogue.backed_up"
    CATALOGUE_RESTORED = "catalogue.restored"
    CATALOGUE_REBUILT = "catalogue.rebuilt"
    EPOCH_CLOSED = "audit.epoch_closed"
    ACCOUNT_MADE = "account.made"
    ACCOUNT_CHANGED = "account.changed"
    ACCOUNT_LINKED = "account.linked"
    ACCOUNT_INVITED = "account.invited"
    ACCOUNT_BEGUN = "account.begun"
    ACCOUNT_SECRET_CHANGED = "account.secret_changed"
    LOGIN_MADE = "login.made"
    LOGIN_REFUSED = "login.refused"
    LOGIN_ENDED = "login.ended"
    DIRECTIVE_ISSUED = "directive.issued"
    DIRECTIVE_ANSWERED = "directive.answered"
    DIRECTIVE_CLOSED = "directive.closed"
    PRESENCE_MARKED = "presence.marked"
    PRESENCE_LEFT = "presence.left"
    ALERT_ACKNOWLEDGED = "alert.acknowledged"
    WATCH_OPENED = "watch.opened"
    WATCH_CLOSED = "watch.closed"
    WATCH_STILL = "watch.still"
    WATCH_REFUSED = "watch.refused"


UNNAMED = "unnamed"
"""Who acts where nobody was named; only tests leave it so (``tests/unit/catalog/test_audit_hooks.py``)."""


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
    action: Action
    subject: str  # id of what it was done to
    result: ActResult = ActResult.DONE
    details: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))  # JSON, no secrets


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditRecord:
    """An act as a link of the chain."""

    number: int  # from 1, without holes
    at_us: int
    principal: str
    action: str  # ``Action``; of a later version's records a word that this one does not know
    subject: str
    origin: str  # where from: an address, or which program on which machine
    result: str  # ``ActResult``
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
class AnchorState:
    """How the export of heads to elsewhere stands."""

    head: AuditHead | None = None  # the last one that was exported
    checked_us: int | None = None  # when that went well last; nothing new is not exported again
    trouble: str = ""  # why it does not go now; empty while it does


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
