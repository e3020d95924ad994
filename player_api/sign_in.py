"""Signing in and out: password, second factor, lock-out, and logins that are kept on the server."""

from __future__ import annotations

import threading
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
FIRST = Account(id="admin", role=Role.SYSTEM_ADMIN, label_zh="系统管理员", label_en="Administrator")
"""Who the first start makes."""
_MOST_STRANGERS = 10_000
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

    def __init__(self, *, wait_us: int) -> None:
        super().__init__(hint=f"Try again in {-(-wait_us // (60 * SECOND_US))} min.")
        self.wait_us = wait_us


class NotLinked(SignInRefused):
    """No account here belongs to that identity."""

    hint = "Ask the system administrator to link the account."


class LinkEnded(AccountError):
    """This link is used or has ended."""

    hint = "Ask for a new one."


class WrongCode(AccountError):
    """The code is wrong."""

    hint = "Give the one that the authenticator shows now."


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
        self._strangers = _Strangers()

    def by_password(self, account_id: str, password: str, code: str, where: From) -> str:
        """Sign in; returns the token of the cookie, a new one each time (no session fixation).

        Raises:
            SignInLocked: the account is locked for a while; nothing was looked at.
            SignInRefused: something is not right; what it is, is not told.
        """
        now_us = self._clock.now_us()
        known = self._accounts.credentials(account_id)
        self._refuse_locked(known.locked_until_us if known else self._strangers.locked_until_us(account_id))
        right = fits(password, known.password_hash if known else "")
        step = self._step(known, code, now_us) if known is not None else None
        needs_code = known is not None and (self._rules.factor_needed or known.account.second_factor)
        if known is None or not right or not known.account.active or (needs_code and step is None):
            self._count(known, account_id)
            raise SignInRefused
        return self._open(known.account, where, step)

    def _refuse_locked(self, until_us: int) -> None:
        left_us = until_us - self._clock.now_us()
        if left_us > 0:
            raise SignInLocked(wait_us=left_us)

    def _count(self, known: Credentials | None, account_id: str) -> None:
        """An attempt failed. A name that is no account's is locked in the same way."""
        now_us = self._clock.now_us()
        if known is None:
            self._strangers.failed(account_id, now_us)
        until_us = now_us + lock_us(known.failures + 1) if known else 0
        # What was given as account may be a password, typed into the wrong field (invariant 16).
        who = known.account.id if known else NOBODY
        self._accounts.refused(who, until_us, By(principal=who, at_us=now_us))

    def _step(self, known: Credentials, code: str, now_us: int) -> int | None:
        if not known.totp_secret:
            return None
        factor = SecondFactor(secret=self._sealer.opened(known.totp_secret))
        return factor.step(code, now_us, known.totp_step)

    def vouched(self, oidc_subject: str, where: From) -> str:
        """Sign in somebody whom a provider of identities vouches for.

        Raises:
            NotLinked: no account belongs to that identity.
        """
        account = self._accounts.by_subject(oidc_subject)
        if account is None or not account.active:
            by = By(principal=NOBODY, at_us=self._clock.now_us())
            self._accounts.turned_away(oidc_subject, by)
            raise NotLinked
        return self._open(account, where, None)

    def as_in_demo(self, account_id: str, where: From) -> str:
        """Sign in without a password: only a demo asks for this.

        Raises:
            SignInRefused: there is no such account.
        """
        account = self._accounts.get(account_id)
        if account is None or not account.active:
            raise SignInRefused
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

    def factor_of(self, token: str) -> SecondFactor:
        """The second factor that goes with a link or an offer: the same until it is taken, kept nowhere."""
        return SecondFactor.of(self._sealer.derived(token))

    def change_password(self, signed_in: SignedIn, password: str, new: str) -> None:
        """Raises: SignInRefused: the present one is wrong; AccountError: the new one is too weak."""
        account = self._proven(signed_in, password)
        by = By(principal=account.id, at_us=self._clock.now_us())
        self._accounts.set_password(account.id, password_hash(new, account.id), signed_in.login.id, by)

    def change_factor(self, signed_in: SignedIn, password: str, offer: str, code: str) -> None:
        """Take the second factor of an offer; the code shows that it was kept.

        Raises:
            SignInRefused: the password is wrong.
            AccountError: the code is wrong.
        """
        account, factor = self._proven(signed_in, password), self.factor_of(offer)
        by = By(principal=account.id, at_us=self._clock.now_us())
        step, sealed = self._kept(factor, code), self._sealer.sealed(factor.secret)
        self._accounts.set_factor(account.id, sealed, step, signed_in.login.id, by)

    def _proven(self, signed_in: SignedIn, password: str) -> Account:
        """Whoever found a browser that was left open knows no password; guessing it locks the account."""
        known = self._accounts.credentials(signed_in.account.id)
        if known is not None:
            self._refuse_locked(known.locked_until_us)
        if known is None or not fits(password, known.password_hash):
            self._count(known, signed_in.account.id)
            raise SignInRefused
        return known.account

    def _kept(self, factor: SecondFactor, code: str) -> int:
        step = factor.step(code, self._clock.now_us(), 0)
        if step is None:
            raise WrongCode
        return step

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
            raise LinkEnded
        hashed = password_hash(password, account.id)
        step = self._kept(factor, code)
        sealed = self._sealer.sealed(factor.secret)
        return self._accounts.begin(
            token_hash(token), password_hash=hashed, totp_secret=sealed, totp_step=step, at_us=now_us
        )

    def first_administrator(self) -> str | None:
        """At the first start: makes an administrator and returns the token of its link; None later on."""
        if self._accounts.anybody(Role.SYSTEM_ADMIN):
            return None
        self._accounts.add(FIRST, By(principal="first start", at_us=self._clock.now_us()))
        return self.invite(FIRST.id, "first start")


class _Strangers:
    """Names that are no account's, as often as somebody tried to sign in with them; the last ones only."""

    def __init__(self) -> None:
        self._tried: dict[str, tuple[int, int]] = {}  # hash of the name: failures, locked until
        self._lock = threading.Lock()

    def locked_until_us(self, name: str) -> int:
        return self._tried.get(token_hash(name), (0, 0))[1]

    def failed(self, name: str, now_us: int) -> None:
        key = token_hash(name)
        with self._lock:
            failures = self._tried.pop(key, (0, 0))[0] + 1
            self._tried[key] = failures, now_us + lock_us(failures)
            if len(self._tried) > _MOST_STRANGERS:
                del self._tried[next(iter(self._tried))]


def lock_us(failures: int) -> int:
    """For how long an account is locked after so many refusals in a row. Pure."""
    beyond = failures - _FREE_FAILURES
    return 0 if beyond <= 0 else min(_MOST_LOCK_US, _LOCK_US << min(beyond - 1, 16))
