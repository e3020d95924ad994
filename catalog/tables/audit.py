"""Who did what: the chain of audit records."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Index

from catalog.tables.base import Table, column, micros


class AuditRow(Table, table=True):
    __tablename__ = "audit"
    __table_args__ = (
        Index(None, "principal", "at_us"),
        Index(None, "subject", "at_us"),
        Index(None, "action", "at_us"),
        {"comment": "Who did what, in a chain of hashes; never changed, only added to (invariant 14)"},
    )
    number: int = column(
        "From 1, without holes",
        primary_key=True,
        sa_type=BigInteger,
    )
    at_us: int = micros("When", index=True)
    principal: str = column("Who")
    action: str = column("The thing's kind and what was done to it, such as hold.made")
    subject: str = column("Id of what it was done to")
    origin: str = column("Where from: an address, or a program's machine")
    result: str = column("ActResult")
    details: dict[str, Any] = column("What else there is to say of it", sa_type=JSON)
    previous: str = column("Hash of the record before; 64 zeros before the first")
    hash: str = column("SHA-256 over all other fields, see kernel/audit_chain.py")


class AuditEpochRow(Table, table=True):
    __tablename__ = "audit_epoch"
    __table_args__ = {"comment": "Records that left the chain as a whole, into an anchored file"}
    last_number: int = column("Last record of it", primary_key=True, sa_type=BigInteger)
    first_number: int = column("First record of it", sa_type=BigInteger)
    last_hash: str = column("Hash of its last record, on which the chain goes on")
    sha256: str = column("SHA-256 of the file, lower-case hex")
    closed_us: int = micros("When")
    principal: str = column("Who closed it")
