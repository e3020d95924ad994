"""Signing in and out: password, second factor, lock-out, and logins that are kept on the server."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.accounts import Accounts, By, Logins
from kernel.clock import SECOND_US, Clock
from kernel.errors import AccountError
from kernel.ids import new_id
from kernel.model.account import Account, Credentials, Login, LoginEnd, Role
from player_api.passwords import SecondFactor, fits, new_token, password_hash, token_hash
from player_api.sealing import Sealer

NOBODY = "unknown account"
"""Who was refused where there is no such account."""
_FREE_FAILURES = 4  # slips of the hand
_LOCK_US = 60 * SECOND_US  # after the next one; twice as long after each further one
_MOST_LOCK_US = 3600 * SECOND_US
LINK_US = 24 * 3600 * SECOND_US
"""How long a one-time link can be used."""


class SignInRefused(AccountError):
    """Account, password or code are not right."""

    hint = "Check all three; the code changes every thirty seconds."


class SignInLocked(AccountError):
    """Too many attempts were refused; the next one is looked at later."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SignInRules:
    """How long somebody stays signed in."""

    idle_us: int = 30 * 60 * SECOND_US
    longest_us: int = 12 * 3600 * SECOND_US
    factor_needed: bool = True  # a second factor is asked of everybody


@dataclass(frozen=True, kw_only=True, slots=True)
class From:
    """Where a request comes from."""

    origin: str  # address
    agent: str  # what the browser calls itself


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedIn:
    """Somebody who is signed in now."""

    login: Login
    account: Account


class SignIn:
    """The one way in."""

    def __init__(
        self, accounts: Accounts, logins: Logins, sealer: Sealer, clock: Clock, rules: SignInRules
    ) -> None:
        self._accounts = accounts
        self._logins = logins
        self._sealer = sealer
        self._clock = clock
        self._rules = rules

    def by_password(self, account_id: str, password: str, code: str, where: From) -> str:
        """Sign in; returns the token of the cookie, a new one each time (no session fixation).

        Raises:
            SignInLocked: the account is locked for a while; nothing was looked at.
            SignInRefused: something is not right; what it is, is not told.
        """
        now_us = self._clock.now_us()
        known = self._accounts.credentials(account_id)
        if known is not None and now_us < known.locked_until_us:
            raise SignInLocked(hint=f"Try again in {_minutes(known.locked_until_us - now_us)} min.")
        right = fits(password, known.password_hash if known else "")
        step = self._step(known, code, now_us) if known is not None else None
        needs_code = known is not None and (self._rules.factor_needed or known.account.second_factor)
        if known is None or not right or not known.account.active or (needs_code and step is None):
            failures = (known.failures if known else 0) + 1
            # What was given as account may be a password, typed into the wrong field (invariant 16).
            who = known.account.id if known else NOBODY
            self._accounts.refused(who, now_us + lock_us(failures), By(principal=who, at_us=now_us))
            raise SignInRefused
        return self._open(known.account, where, step)

    def _step(self, known: Credentials, code: str, now_us: int) -> int | None:
        if not known.totp_secret:
            return None
        factor = SecondFactor(secret=self._sealer.opened(known.totp_secret))
        return factor.step(code, now_us, known.totp_step)

    def vouched(self, oidc_subject: str, where: From) -> str:
        """Sign in somebody whom a provider of identities vouches for.

        Raises:
            SignInRefused: no account belongs to that identity.
        """
        account = self._accounts.by_subject(oidc_subject)
        if account is None or not account.active:
            raise SignInRefused(hint="Ask the system administrator to link the account.")
        return self._open(account, where, None)

    def _open(self, account: Account, where: From, step: int | None) -> str:
        now_us, token = self._clock.now_us(), new_token()
        login = Login(
            id=new_id("login"),
            account_id=account.id,
            made_us=now_us,
            seen_us=now_us,
            ends_us=now_us + self._rules.longest_us,
            origin=where.origin,
            agent=where.agent[:200],
            second_factor=step is not None,
        )
        self._logins.open(login, token_hash(token), step)
        return token

    def who(self, token: str) -> SignedIn | None:
        """Who that cookie belongs to, while it lasts."""
        found = self._logins.find(token_hash(token), self._clock.now_us(), self._rules.idle_us)
        return None if found is None else SignedIn(login=found[0], account=found[1])

    def out(self, signed_in: SignedIn) -> None:
        """Sign out; the cookie is worth nothing any more."""
        by = By(principal=signed_in.account.id, at_us=self._clock.now_us())
        self._logins.end(signed_in.login.id, LoginEnd.SIGNED_OUT, by)

    def invite(self, account_id: str, principal: str) -> str:
        """A one-time link's token, for the holder of an account to begin with or to begin anew."""
        token, now_us = new_token(), self._clock.now_us()
        by = By(principal=principal, at_us=now_us)
        self._accounts.invite(account_id, token_hash(token), now_us + LINK_US, by)
        return token

    def invited(self, token: str) -> Account | None:
        """Whose link that is."""
        return self._accounts.invited(token_hash(token), self._clock.now_us())

    def begin(self, token: str, password: str, factor: SecondFactor, code: str) -> Account:
        """Set password and second factor by a one-time link; the code shows that the factor was kept.

        Raises:
            AccountError: the link has ended, the password is too weak, or the code is wrong.
        """
        now_us = self._clock.now_us()
        account = self.invited(token)
        if account is None:
            raise AccountError("this link is used or has ended.", hint="Ask for a new one.")
        hashed = password_hash(password, account.id)
        step = factor.step(code, now_us, 0)
        if step is None:
            raise AccountError("the code is wrong.", hint="Give the one that the authenticator shows now.")
        sealed = self._sealer.sealed(factor.secret)
        return self._accounts.begin(
            token_hash(token), password_hash=hashed, totp_secret=sealed, totp_step=step, at_us=now_us
        )

    def first_administrator(self) -> str | None:
        """At the first start: makes an administrator and returns the token of its link; None later on."""
        if self._accounts.any_administrator():
            return None
        account = Account(id="admin", role=Role.SYSTEM_ADMIN, label_zh="系统管理员", label_en="Administrator")
        self._accounts.add(account, By(principal="first start", at_us=self._clock.now_us()))
        return self.invite(account.id, "first start")


def lock_us(failures: int) -> int:
    """For how long an account is locked after so many refusals in a row. Pure."""
    beyond = failures - _FREE_FAILURES
    return 0 if beyond <= 0 else min(_MOST_LOCK_US, _LOCK_US << min(beyond - 1, 16))


def _minutes(us: int) -> int:
    return -(-us // (60 * SECOND_US))
