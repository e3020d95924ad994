"""Who may sign in, and who is signed in."""

from __future__ import annotations

from sqlalchemy import JSON

from catalog.tables.base import Table, column, micros


class AccountRow(Table, table=True):
    __tablename__ = "account"
    __table_args__ = {"comment": "Accounts; never deleted, for records name them"}
    id: str = column("What its holder types", primary_key=True)
    role: str = column("Role")
    label_zh: str = column("Chinese label")
    label_en: str = column("English label", default="")
    department: str = column("Department of its holder", default="")
    site_id: str | None = column("Trading centre of its holder", foreign_key="site.id", default=None)
    regions: list[str] = column("Divisions that it is for, with all below", sa_type=JSON)
    industries: list[str] = column("Industries that it is for, with all below", sa_type=JSON)
    all_industries: bool = column("Whether it is for every industry", default=False)
    agency: str = column("Of an agency's account: its name as projects have it", default="")
    password_hash: str = column("argon2; empty: none is set", default="")
    totp_secret: str = column("Of its second factor, sealed with the machine's key; empty: none", default="")
    totp_step: int = micros("Last time step of which a code was used", default=0)
    failures: int = column("Refused attempts to sign in since the last success", default=0)
    locked_until_us: int = micros("No attempt is looked at before", default=0)
    oidc_subject: str | None = column(
        "Issuer and subject at a provider of identities", unique=True, default=None
    )
    disabled_us: int | None = micros("When it was closed; empty while it is open", default=None)
    made_us: int = micros("When it was made")
    made_by: str = column("By whom")


class InvitationRow(Table, table=True):
    __tablename__ = "invitation"
    __table_args__ = {"comment": "One-time links with which the holder of an account sets its password"}
    token_sha256: str = column("SHA-256 of the link's secret; the secret itself is nowhere", primary_key=True)
    account_id: str = column("Account", foreign_key="account.id", index=True)
    made_us: int = micros("When")
    made_by: str = column("By whom")
    ends_us: int = micros("When it ends unused")
    used_us: int | None = micros("When it was used", default=None)


class LoginRow(Table, table=True):
    __tablename__ = "login"
    __table_args__ = {"comment": "Who is or was signed in"}
    id: str = column("Unique; may be shown", primary_key=True)
    token_sha256: str = column("SHA-256 of the cookie's secret; the secret itself is nowhere", unique=True)
    account_id: str = column("Account", foreign_key="account.id", index=True)
    made_us: int = micros("When")
    seen_us: int = micros("Last request, to the minute")
    ends_us: int = micros("When it ends, whatever happens")
    origin: str = column("Address")
    agent: str = column("What the browser calls itself")
    second_factor: bool = column("Whether a second factor was given")
    ended_us: int | None = micros("When it ended; empty while it lasts", default=None)
    end_reason: str | None = column("LoginEnd", default=None)
