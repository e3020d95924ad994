"""Accounts, the links with which their holders begin, and who is signed in.

What is secret comes here only as a hash, or sealed; whether a password fits is decided by whoever asks.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Engine, update
from sqlmodel import Session as Transaction
from sqlmodel import col, func, select

from catalog.audit import append
from catalog.database import reading, writing
from catalog.tables import AccountRow, IndustryRow, InvitationRow, LoginRow, RegionRow, SiteRow
from kernel.errors import AccountError
from kernel.model.account import ADMINISTRATORS, Account, Credentials, Login, LoginEnd, Role
from kernel.model.audit import Act, Action, ActResult
from kernel.values import fields_of

_SEEN_US = 60_000_000  # a row is not written at every request
_ONLY_WORDS = frozenset({"label_zh", "label_en", "department", "site_id"})
"""Fields of an account that nothing depends on that its holder may do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class By:
    """Who does something to an account, and when."""

    principal: str
    at_us: int

    def act(self, action: Action, subject: str, **details: Any) -> Act:
        return Act(
            at_us=self.at_us, principal=self.principal, action=action, subject=subject, details=details
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What administrators are told of an account besides what it may do."""

    begun: bool  # whether its holder has set a password
    identity: str  # issuer and subject at a provider of identities; empty: none
    locked_until_us: int


class Accounts:
    """The catalogue's accounts."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, account: Account, by: By) -> None:
        """Take in an account; nobody can sign in with it before its holder has set a password.

        Raises:
            AccountError: the id is taken, or it names a place or an industry that is unknown.
        """
        with writing(self._engine) as session:
            if session.get(AccountRow, account.id) is not None:
                raise AccountError(f"there is an account {account.id} already.")
            _check(session, account)
            session.add(AccountRow(**_columns(account), made_us=by.at_us, made_by=by.principal))
            session.flush()
            append(session, by.act(Action.ACCOUNT_MADE, account.id, role=account.role))

    def change(self, account_id: str, by: By, **told: Any) -> Account:
        """Give an account another label, scope or role, or close it.

        Who is signed in with it is signed out, unless only what it is called has changed.

        Args:
            told: fields of ``Account``.

        Raises:
            AccountError: there is none, it names something unknown, it is the last of its kind of
                administrator, or it would change between business and administration.
        """
        with writing(self._engine) as session:
            row = _row(session, account_id)
            before = _account(row)
            account = replace(before, **told)
            _check(session, account)
            _check_change(session, before, account)
            changed = {
                name: [old, getattr(account, name)]
                for name, old in fields_of(before).items()
                if getattr(account, name) != old
            }
            if changed:
                for name, value in _columns(account).items():
                    setattr(row, name, value)
                session.flush()
                append(session, by.act(Action.ACCOUNT_CHANGED, account.id, **changed))
            if changed.keys() - _ONLY_WORDS:
                _end_logins(session, LoginEnd.ACCOUNT_CHANGED, by.at_us, LoginRow.account_id == account.id)
            return account

    def get(self, account_id: str) -> Account | None:
        with reading(self._engine) as session:
            row = session.get(AccountRow, account_id)
            return None if row is None else _account(row)

    def all(self) -> list[Account]:
        """All accounts, by id."""
        with reading(self._engine) as session:
            return [_account(row) for row in session.exec(select(AccountRow).order_by(AccountRow.id)).all()]

    def credentials(self, account_id: str) -> Credentials | None:
        with reading(self._engine) as session:
            row = session.get(AccountRow, account_id)
            return None if row is None else _credentials(row)

    def by_subject(self, oidc_subject: str) -> Account | None:
        """The account of somebody whom a provider of identities vouches for."""
        with reading(self._engine) as session:
            query = select(AccountRow).where(AccountRow.oidc_subject == oidc_subject)
            row = session.exec(query).first()
            return None if row is None else _account(row)

    def link(self, account_id: str, oidc_subject: str | None, by: By) -> None:
        """Let somebody sign in by a provider of identities; with None, no longer.

        Raises:
            AccountError: there is no such account, or another one has that subject.
        """
        with writing(self._engine) as session:
            taken = session.exec(select(AccountRow).where(AccountRow.oidc_subject == oidc_subject)).first()
            if oidc_subject is not None and taken is not None and taken.id != account_id:
                raise AccountError(f"account {taken.id} belongs to that identity already.")
            _row(session, account_id).oidc_subject = oidc_subject
            session.flush()
            append(session, by.act(Action.ACCOUNT_LINKED, account_id, identity=oidc_subject))

    def refused(self, account_id: str, locked_until_us: int, by: By) -> None:
        """Note an attempt that was refused; of an account that does not exist only the record is kept."""
        with writing(self._engine) as session:
            more = update(AccountRow).where(col(AccountRow.id) == account_id)
            session.connection().execute(
                more.values(failures=AccountRow.failures + 1, locked_until_us=locked_until_us)
            )
            append(session, replace(by.act(Action.LOGIN_REFUSED, account_id), result=ActResult.REFUSED))

    def turned_away(self, oidc_subject: str, by: By) -> None:
        """Note an identity that a provider vouches for and that no account belongs to."""
        with writing(self._engine) as session:
            act = by.act(Action.LOGIN_REFUSED, by.principal, identity=oidc_subject)
            append(session, replace(act, result=ActResult.REFUSED))

    def invite(self, account_id: str, token_sha256: str, ends_us: int, by: By) -> None:
        """Make a one-time link; those that were made before end.

        Raises:
            AccountError: there is no such account, or it is closed.
        """
        with writing(self._engine) as session:
            if _row(session, account_id).disabled_us is not None:
                raise AccountError(f"account {account_id} is closed.")
            older = update(InvitationRow).where(
                col(InvitationRow.account_id) == account_id, col(InvitationRow.used_us).is_(None)
            )
            session.connection().execute(older.values(ends_us=by.at_us))
            session.add(
                InvitationRow(
                    token_sha256=token_sha256,
                    account_id=account_id,
                    made_us=by.at_us,
                    made_by=by.principal,
                    ends_us=ends_us,
                )
            )
            append(session, by.act(Action.ACCOUNT_INVITED, account_id))

    def invited(self, token_sha256: str, now_us: int) -> Account | None:
        """Whose link that is; None where it is used, ended or was never made."""
        with reading(self._engine) as session:
            row = session.get(InvitationRow, token_sha256)
            if row is None or row.used_us is not None or row.ends_us <= now_us:
                return None
            return _account(_row(session, row.account_id))

    def begin(
        self, token_sha256: str, *, password_hash: str, totp_secret: str, totp_step: int, at_us: int
    ) -> Account:
        """Use a link: its holder's password and second factor are set, once.

        Raises:
            AccountError: it is used, ended or was never made.
        """
        with writing(self._engine) as session:
            used = update(InvitationRow).where(
                col(InvitationRow.token_sha256) == token_sha256,
                col(InvitationRow.used_us).is_(None),
                col(InvitationRow.ends_us) > at_us,
            )
            if session.connection().execute(used.values(used_us=at_us)).rowcount != 1:
                raise AccountError("This link is used or has ended.", hint="Ask for a new one.")
            invitation = session.get_one(InvitationRow, token_sha256)
            row = _row(session, invitation.account_id)
            row.password_hash, row.totp_secret, row.totp_step = password_hash, totp_secret, totp_step
            row.failures, row.locked_until_us = 0, 0
            session.flush()
            _end_logins(session, LoginEnd.ACCOUNT_CHANGED, at_us, LoginRow.account_id == row.id)
            append(session, By(principal=row.id, at_us=at_us).act(Action.ACCOUNT_BEGUN, row.id))
            return _account(row)

    def set_password(self, account_id: str, password_hash: str, login_id: str, by: By) -> None:
        """Its holder has another password; other logins than the one that it is done in end."""
        with writing(self._engine) as session:
            _row(session, account_id).password_hash = password_hash
            session.flush()
            _end_others(session, account_id, login_id, by.at_us)
            append(session, by.act(Action.ACCOUNT_SECRET_CHANGED, account_id, what="password"))

    def set_factor(self, account_id: str, totp_secret: str, step: int, login_id: str, by: By) -> None:
        """Its holder has another second factor; other logins than the one that it is done in end."""
        with writing(self._engine) as session:
            row = _row(session, account_id)
            row.totp_secret, row.totp_step = totp_secret, step
            session.flush()
            _end_others(session, account_id, login_id, by.at_us)
            append(session, by.act(Action.ACCOUNT_SECRET_CHANGED, account_id, what="second_factor"))

    def standings(self) -> dict[str, Standing]:
        """How the accounts stand, by id."""
        with reading(self._engine) as session:
            return {
                row.id: Standing(
                    begun=bool(row.password_hash),
                    identity=row.oidc_subject or "",
                    locked_until_us=row.locked_until_us,
                )
                for row in session.exec(select(AccountRow)).all()
            }

    def anybody(self, role: Role) -> bool:
        """Whether an open account has that role."""
        query = (
            select(func.count())
            .select_from(AccountRow)
            .where(AccountRow.role == role, col(AccountRow.disabled_us).is_(None))
        )
        with reading(self._engine) as session:
            return session.exec(query).one() > 0


class Logins:
    """Who is signed in."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def open(self, login: Login, token_sha256: str, totp_step: int | None = None) -> None:
        """Sign somebody in.

        Args:
            totp_step: time step of the code that was given.

        Raises:
            AccountError: the account is closed, or a code of that step was used already.
        """
        with writing(self._engine) as session:
            row = _row(session, login.account_id)
            if row.disabled_us is not None:
                raise AccountError(f"account {row.id} is closed.")
            if totp_step is not None:
                if totp_step <= row.totp_step:  # two at once with the same code: one comes too late
                    raise AccountError("this code was used already.", hint="Wait for the next one.")
                row.totp_step = totp_step
            row.failures, row.locked_until_us = 0, 0
            session.add(LoginRow(**fields_of(login), token_sha256=token_sha256))
            session.flush()
            by = By(principal=login.account_id, at_us=login.made_us)
            append(session, by.act(Action.LOGIN_MADE, login.id, second_factor=login.second_factor))

    def find(self, token_sha256: str, now_us: int, idle_us: int) -> tuple[Login, Account] | None:
        """Who it is, if it lasts; one that was idle for too long, or whose time is over, ends here."""
        with reading(self._engine) as session:
            row = session.exec(select(LoginRow).where(LoginRow.token_sha256 == token_sha256)).first()
            if row is None or row.ended_us is not None:
                return None
            login, account = _login(row), _account(_row(session, row.account_id))
        if now_us >= min(login.ends_us, login.seen_us + idle_us):
            self.end(login.id, LoginEnd.EXPIRED, By(principal=login.account_id, at_us=now_us))
            return None
        if not account.active:
            return None
        if now_us - login.seen_us >= _SEEN_US:
            self._seen(login.id, now_us)
        return login, account

    def _seen(self, login_id: str, now_us: int) -> None:
        with writing(self._engine) as session:
            seen = update(LoginRow).where(col(LoginRow.id) == login_id, col(LoginRow.ended_us).is_(None))
            session.connection().execute(seen.values(seen_us=now_us))

    def get(self, login_id: str) -> Login | None:
        with reading(self._engine) as session:
            row = session.get(LoginRow, login_id)
            return None if row is None else _login(row)

    def end(self, login_id: str, end: LoginEnd, by: By) -> bool:
        """Sign somebody out; False where that is so already."""
        with writing(self._engine) as session:
            ended = _end_logins(session, end, by.at_us, LoginRow.id == login_id)
            if ended:
                append(session, by.act(Action.LOGIN_ENDED, login_id, end=end))
            return ended > 0

    def of_account(self, account_id: str, now_us: int) -> list[Login]:
        """Where an account is signed in, the newest first."""
        query = (
            select(LoginRow)
            .where(
                LoginRow.account_id == account_id, col(LoginRow.ended_us).is_(None), LoginRow.ends_us > now_us
            )
            .order_by(col(LoginRow.made_us).desc())
        )
        with reading(self._engine) as session:
            return [_login(row) for row in session.exec(query).all()]


def _end_logins(session: Transaction, end: LoginEnd, at_us: int, *which: Any) -> int:
    ended = update(LoginRow).where(col(LoginRow.ended_us).is_(None), *which)
    return session.connection().execute(ended.values(ended_us=at_us, end_reason=end)).rowcount


def _end_others(session: Transaction, account_id: str, login_id: str, at_us: int) -> None:
    others = LoginRow.account_id == account_id, LoginRow.id != login_id
    _end_logins(session, LoginEnd.ACCOUNT_CHANGED, at_us, *others)


def _row(session: Transaction, account_id: str) -> AccountRow:
    row = session.get(AccountRow, account_id)
    if row is None:
        raise AccountError(f"there is no account {account_id}.")
    return row


def _check(session: Transaction, account: Account) -> None:
    for table, codes in ((RegionRow, account.regions), (IndustryRow, account.industries)):
        known = set(session.exec(select(table.code).where(col(table.code).in_(codes))).all())
        if missing := [code for code in codes if code not in known]:
            raise AccountError(
                f"account {account.id} names {table.__tablename__} {missing[0]}, which is unknown."
            )
    if account.site_id is not None and session.get(SiteRow, account.site_id) is None:
        raise AccountError(f"account {account.id} names site {account.site_id}, which is unknown.")
    if account.role in ADMINISTRATORS and (account.regions or account.industries or account.all_industries):
        raise AccountError(
            f"account {account.id} is an administrator's: these are no business users.",
            hint="Give it neither regions nor industries.",
        )


def _check_change(session: Transaction, before: Account, account: Account) -> None:
    """Raises: AccountError: nobody may become that, or nobody would be left to do its work."""
    sides = before.role in ADMINISTRATORS, account.role in ADMINISTRATORS
    if before.role is not Role.UNASSIGNED and sides[0] != sides[1]:
        raise AccountError(
            f"account {account.id} cannot go from {before.role} to {account.role}: administrators are no "
            "business users.",
            hint="Make another account for the other work.",
        )
    if (account.role, account.active) != (before.role, before.active):
        _keep_one(session, before)


def _keep_one(session: Transaction, leaving: Account) -> None:
    """Raises: AccountError: nobody would be left who can do what this administrator does."""
    if leaving.role not in ADMINISTRATORS or not leaving.active:
        return
    others = (
        select(func.count())
        .select_from(AccountRow)
        .where(
            AccountRow.role == leaving.role,
            AccountRow.id != leaving.id,
            col(AccountRow.disabled_us).is_(None),
        )
    )
    if not session.exec(others).one():
        raise AccountError(
            f"{leaving.id} is the last account of its kind: nobody could do its work.",
            hint="Make another one first.",
        )


def _columns(account: Account) -> dict[str, Any]:
    told = fields_of(account)
    del told["second_factor"]  # follows from the secret
    return {**told, "regions": list(account.regions), "industries": list(account.industries)}


def _account(row: AccountRow) -> Account:
    names: Collection[str] = Account.__dataclass_fields__.keys() - {"second_factor"}
    told = {name: getattr(row, name) for name in names}
    return Account(
        **{
            **told,
            "role": Role(row.role),
            "regions": tuple(row.regions),
            "industries": tuple(row.industries),
            "second_factor": bool(row.totp_secret),
        }
    )


def _credentials(row: AccountRow) -> Credentials:
    return Credentials(
        account=_account(row),
        password_hash=row.password_hash,
        totp_secret=row.totp_secret,
        totp_step=row.totp_step,
        failures=row.failures,
        locked_until_us=row.locked_until_us,
    )


def _login(row: LoginRow) -> Login:
    told = {name: getattr(row, name) for name in Login.__dataclass_fields__}
    return Login(**{**told, "end_reason": LoginEnd(row.end_reason) if row.end_reason else None})
