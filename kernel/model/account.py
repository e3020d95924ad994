"""Accounts: who acts, in which role, and for what."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What somebody is to the product; one account has one."""

    UNASSIGNED = "unassigned"
    """None yet: an account that was made, and to which the security administrator gave no role."""
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
    session_ids: frozenset[str] | None = None  # None: all
    source_ids: frozenset[str] | None = None  # None: all
    wall_start_us: int | None = None  # of the footage; None: all
    wall_end_us: int | None = None
    export: bool = False  # a copy may be made, too


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """Somebody who may sign in."""

    id: str
    role: Role
    label_zh: str  # what screens call it; never the name of an expert
    label_en: str = ""
    department: str = ""
    site_id: str | None = None  # trading centre that its holder works at
    regions: tuple[str, ...] = ()  # codes of GB/T 2260; each with all divisions below
    industries: tuple[str, ...] = ()  # codes, each with all below
    all_industries: bool = False
    agency: str = ""
    disabled_us: int | None = None
    second_factor: bool = False  # whether one is set up

    @property
    def active(self) -> bool:
        return self.disabled_us is None


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """What signing in is checked against; never shown, never logged (invariant 16)."""

    account: Account
    password_hash: str  # argon2; empty: none is set, signing in by password is impossible
    totp_secret: str  # base32; empty: none is set up
    totp_step: int  # the last step that was used: a code is good once (RFC 6238, 5.2)
    failures: int  # since the last success
    locked_until_us: int


class LoginEnd(StrEnum):
    """Why somebody is signed out."""

    SIGNED_OUT = "signed_out"
    ENDED = "ended"
    """By an administrator, or by its holder from elsewhere."""
    EXPIRED = "expired"
    ACCOUNT_CHANGED = "account_changed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    """Somebody signed in, until it ends: kept on the server, so that it can be ended there."""

    id: str
    account_id: str
    made_us: int
    seen_us: int  # last request; told to the minute
    ends_us: int  # whatever happens
    origin: str  # address
    agent: str  # what the browser calls itself
    second_factor: bool  # whether it was asked for and given
    ended_us: int | None = None
    end_reason: LoginEnd | None = None
