"""Signing in: password and code, lock-out, and logins that end when they should."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyotp
import pytest

from catalog.accounts import By
from catalog.catalogue import Catalogue
from kernel.clock import SECOND_US, FakeClock
from kernel.errors import AccountError
from kernel.model.account import Account, LoginEnd, Role
from kernel.model.audit import ActResult
from player_api.passwords import SecondFactor, fits, password_hash, token_hash
from player_api.sealing import Sealer
from player_api.sign_in import (
    LINK_US,
    From,
    SignIn,
    SignInLocked,
    SignInRefused,
    SignInRules,
    lock_us,
)
from tests.support.catalogue import open_catalogue

NOW = 1_773_000_000 * SECOND_US
PASSWORD = "stone river lamp paper"
HOME = From(origin="10.0.0.7", agent="Firefox")
WITNESS = Account(id="w-zt-1", role=Role.WITNESS, label_zh="见证员", regions=("530600",), all_industries=True)
FACTOR = SecondFactor(secret=pyotp.random_base32())


class Desk:
    """A catalogue with one account whose holder has begun."""

    def __init__(self, directory: Path) -> None:
        self.clock = FakeClock(NOW)
        self.catalogue: Catalogue = open_catalogue(directory)
        self.sealer = Sealer(directory / "keys" / "accounts.key")
        self.sign_in = SignIn(
            self.catalogue.accounts, self.catalogue.logins, self.sealer, self.clock, SignInRules()
        )
        self.catalogue.accounts.add(WITNESS, self.by())
        self.sign_in.begin(self.sign_in.invite("w-zt-1", "sys-1"), PASSWORD, FACTOR, self.code())
        self.clock.advance(30)  # the code that was just used is worth nothing

    def by(self) -> By:
        return By(principal="sys-1", at_us=self.clock.now_us())

    def code(self) -> str:
        return pyotp.TOTP(FACTOR.secret).generate_otp(self.clock.now_us() // (30 * SECOND_US))

    def enter(self, **changed: str) -> str:
        told = {"account_id": "w-zt-1", "password": PASSWORD, "code": self.code(), **changed}
        return self.sign_in.by_password(**told, where=HOME)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened = Desk(tmp_path)
    yield opened
    opened.catalogue.close()


def test_who_knows_password_and_code_is_signed_in(desk: Desk) -> None:
    token = desk.enter()
    found = desk.sign_in.who(token)
    assert found is not None
    assert (found.account.id, found.login.origin, found.login.second_factor) == ("w-zt-1", "10.0.0.7", True)
    assert desk.catalogue.audit.records()[0].action == "login.made"


@pytest.mark.parametrize(
    "wrong",
    [{"password": "x"}, {"code": "000000"}, {"code": "１２３４５６"}, {"code": ""}, {"account_id": "w-zt-2"}],
)
def test_whatever_is_wrong_the_refusal_says_the_same(desk: Desk, wrong: dict[str, str]) -> None:
    """Nobody learns from it which accounts there are."""
    with pytest.raises(SignInRefused) as refused:
        desk.enter(**wrong)
    assert str(refused.value) == str(SignInRefused())
    [record] = desk.catalogue.audit.records(limit=1)
    assert (record.action, record.result) == ("login.refused", ActResult.REFUSED)
    assert record.principal == ("unknown account" if "account_id" in wrong else "w-zt-1")


def test_a_password_in_the_field_of_the_account_is_recorded_nowhere(desk: Desk) -> None:
    """Invariant 16: it happens to everybody once."""
    with pytest.raises(SignInRefused):
        desk.enter(account_id=PASSWORD, password="")
    assert PASSWORD not in str(desk.catalogue.audit.records())


def test_a_code_is_good_once(desk: Desk) -> None:
    """RFC 6238, 5.2: whoever looks over a shoulder comes too late."""
    code = desk.code()
    desk.enter(code=code)
    with pytest.raises(SignInRefused):
        desk.enter(code=code)


@pytest.mark.parametrize(("late", "taken"), [(30, True), (-30, True), (61, False), (-61, False)])
def test_a_clock_may_differ_by_one_step(desk: Desk, late: int, taken: bool) -> None:
    code = desk.code()
    desk.clock.advance(61 + late)
    now = desk.code() if late == 0 else code
    step = FACTOR.step(now, desk.clock.now_us() - 61 * SECOND_US, 0)
    assert (step is not None) is taken


def test_guessing_is_slowed_down_more_and_more_and_a_success_forgives(desk: Desk) -> None:
    for _ in range(5):
        with pytest.raises(SignInRefused):
            desk.enter(password="wrong")
    with pytest.raises(SignInLocked, match="1 min"):
        desk.enter()
    desk.clock.advance(60)
    desk.enter()
    credentials = desk.catalogue.accounts.credentials("w-zt-1")
    assert credentials is not None
    assert (credentials.failures, credentials.locked_until_us) == (0, 0)
    assert [lock_us(n) // SECOND_US for n in (4, 5, 6, 7, 100)] == [0, 60, 120, 240, 3600]


def test_a_login_ends_when_idle_at_its_longest_and_when_asked(desk: Desk) -> None:
    rules = SignInRules()
    idle = desk.enter()
    desk.clock.advance(rules.idle_us / SECOND_US)
    assert desk.sign_in.who(idle) is None
    long = desk.enter()
    for _ in range(30):
        desk.clock.advance(25 * 60)
        seen = desk.sign_in.who(long)
    assert seen is None  # twelve hours are over, however busy somebody was
    mine = desk.enter()
    signed_in = desk.sign_in.who(mine)
    assert signed_in is not None
    desk.sign_in.out(signed_in)
    assert desk.sign_in.who(mine) is None


def test_each_signing_in_gives_a_new_token_and_the_catalogue_keeps_none(desk: Desk) -> None:
    """No session can be fixed, and who reads the database cannot sign in with it."""
    first = desk.enter()
    desk.clock.advance(30)
    second = desk.enter()
    assert first != second
    assert len(desk.catalogue.logins.of_account("w-zt-1", desk.clock.now_us())) == 2
    assert desk.sign_in.who(token_hash(second)) is None


@pytest.mark.parametrize("changed", [{"disabled_us": NOW}, {"regions": ("530602",)}])
def test_a_changed_account_is_signed_out_at_once(desk: Desk, changed: dict[str, object]) -> None:
    token = desk.enter()
    desk.catalogue.accounts.change("w-zt-1", desk.by(), **changed)
    assert desk.sign_in.who(token) is None
    if "disabled_us" in changed:
        desk.clock.advance(30)
        with pytest.raises(SignInRefused):
            desk.enter()


def test_an_administrator_ends_somebodys_login(desk: Desk) -> None:
    token = desk.enter()
    signed_in = desk.sign_in.who(token)
    assert signed_in is not None
    assert desk.catalogue.logins.end(signed_in.login.id, LoginEnd.ENDED, desk.by())
    assert not desk.catalogue.logins.end(signed_in.login.id, LoginEnd.ENDED, desk.by())
    assert desk.sign_in.who(token) is None


def test_a_link_is_good_once_for_a_day_and_only_the_newest(desk: Desk) -> None:
    old, new = desk.sign_in.invite("w-zt-1", "sys-1"), desk.sign_in.invite("w-zt-1", "sys-1")
    assert desk.sign_in.invited(old) is None
    desk.sign_in.begin(new, "another long password", FACTOR, desk.code())
    with pytest.raises(AccountError, match="used or has ended"):
        desk.sign_in.begin(new, PASSWORD, FACTOR, desk.code())
    late = desk.sign_in.invite("w-zt-1", "sys-1")
    desk.clock.advance(LINK_US / SECOND_US)
    assert desk.sign_in.invited(late) is None


@pytest.mark.parametrize("weak", ["short", "x" * 300, "aaaaaaaaaaaaaa", "my w-zt-1 password"])
def test_a_weak_password_is_refused_in_words_and_the_link_stays(desk: Desk, weak: str) -> None:
    link = desk.sign_in.invite("w-zt-1", "sys-1")
    with pytest.raises(AccountError) as refused:
        desk.sign_in.begin(link, weak, FACTOR, desk.code())
    assert weak not in str(refused.value)
    assert desk.sign_in.invited(link) is not None


def test_the_first_start_makes_one_administrator_and_later_ones_none(desk: Desk) -> None:
    link = desk.sign_in.first_administrator()
    assert link is not None
    account = desk.sign_in.invited(link)
    assert account is not None
    assert account.role is Role.SYSTEM_ADMIN
    assert desk.sign_in.first_administrator() is None


def test_the_last_administrator_of_a_kind_cannot_be_closed(desk: Desk) -> None:
    desk.sign_in.first_administrator()
    with pytest.raises(AccountError, match="last account of its kind"):
        desk.catalogue.accounts.change("admin", desk.by(), disabled_us=NOW)


@pytest.mark.parametrize("role", [Role.SYSTEM_ADMIN, Role.SECURITY_ADMIN, Role.AUDIT_ADMIN])
def test_an_administrator_is_no_business_user(desk: Desk, role: Role) -> None:
    with pytest.raises(AccountError, match="no business users"):
        desk.catalogue.accounts.add(replace(WITNESS, id="a", role=role), desk.by())


def test_somebody_whom_a_provider_vouches_for_needs_a_linked_account(desk: Desk) -> None:
    with pytest.raises(SignInRefused, match="link the account"):
        desk.sign_in.vouched("https://id.example|7", HOME)
    desk.catalogue.accounts.link("w-zt-1", "https://id.example|7", desk.by())
    found = desk.sign_in.who(desk.sign_in.vouched("https://id.example|7", HOME))
    assert found is not None
    assert found.account.id == "w-zt-1"


def test_a_second_factor_in_the_database_is_sealed(desk: Desk, tmp_path: Path) -> None:
    credentials = desk.catalogue.accounts.credentials("w-zt-1")
    assert credentials is not None
    assert FACTOR.secret not in credentials.totp_secret
    other = Sealer(tmp_path / "other.key")
    with pytest.raises(AccountError, match="another key"):
        other.opened(credentials.totp_secret)


def test_no_account_takes_as_long_as_a_wrong_password() -> None:
    """Both are a comparison of the same kind; only the answer is the same, too."""
    hashed = password_hash(PASSWORD, "w-zt-1")
    assert fits(PASSWORD, hashed)
    assert not fits(PASSWORD, "")
    assert not fits("", hashed)
    assert not fits(PASSWORD, "no hash")
