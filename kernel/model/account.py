"""Accounts: who acts, in which role, and for what."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What somebody is to the product; one account has one."""

    PUBLIC = "public"
    AGENCY = "agency"
    WITNESS = "witness"
    SUPERVISOR = "supervisor"
    INSPECTOR = "inspector"
    ARCHIVIST = "archivist"
    CENTRE_APPROVER = "centre_approver"
    SYSTEM_ADMIN = "system_admin"
    SECURITY_ADMIN = "security_admin"
    AUDIT_ADMIN = "audit_admin"
    SERVICE = "service"
    """A program, such as a trading system: it reports, and sees nothing."""


ADMINISTRATORS = frozenset({Role.SYSTEM_ADMIN, Role.SECURITY_ADMIN, Role.AUDIT_ADMIN})
"""三员: separated from each other, and no business users (GB/T 22239-2019, 8.1.4.2)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Principal:
    """Who acts, as far as access goes by it."""

    id: str
    role: Role
    regions: frozenset[str] = (
        frozenset()
    )  # codes, those of all divisions below and their former ones included
    industries: frozenset[str] = frozenset()  # codes, those of all industries below included
    agency: str = ""  # of an agency's account: its name as the trading system writes it


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """Leave to see or obtain something for a while: by a basis number, or by a request that was approved."""

    project_id: str
    basis: str  # the paper that it goes by
    from_us: int
    to_us: int
    source_ids: frozenset[str] | None = None  # None: all
    wall_start_us: int | None = None  # of the footage; None: all
    wall_end_us: int | None = None
    export: bool = False  # a copy may be made, too
