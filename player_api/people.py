"""What a server with accounts has: who is signed in, how to sign in, and how often that may be tried."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from catalog.catalogue import Catalogue
from kernel.clock import SECOND_US, Clock
from kernel.settings import AccountSettings, OidcSettings
from player_api.oidc import Provider
from player_api.rates import Rates
from player_api.sealing import Sealer
from player_api.sign_in import SignedIn, SignIn, SignInRules


@dataclass(frozen=True, kw_only=True, slots=True)
class People:
    """Accounts, as the server uses them."""

    sign_in: SignIn
    rates: Rates
    provider: Provider | None = None  # of identities
    desktops_for_witnesses: bool = True  # whether they watch them live
    demo: bool = False  # who is not signed in is the local user, and may enter as anybody

    def who(self, token: str) -> SignedIn | None:
        """Who a cookie belongs to, while that lasts."""
        return self.sign_in.who(token)


def people_of(
    catalogue: Catalogue,
    keys_dir: Path,
    clock: Clock,
    *,
    accounts: AccountSettings,
    oidc: OidcSettings,
    demo: bool = False,
) -> People:
    """People by the settings.

    Raises:
        SettingsError: the client secret cannot be read.
        StorageError: the key of second factors cannot be read or made.
    """
    rates = Rates(clock, per_address=accounts.attempts_per_address, per_account=accounts.attempts_per_account)
    return People(
        sign_in=sign_in_of(catalogue, keys_dir, clock, accounts),
        rates=rates,
        provider=Provider(oidc, clock) if oidc.there else None,
        desktops_for_witnesses=accounts.desktops_for_witnesses,
        demo=demo,
    )


def sign_in_of(catalogue: Catalogue, keys_dir: Path, clock: Clock, accounts: AccountSettings) -> SignIn:
    """Raises: StorageError: the key of second factors cannot be read or made."""
    rules = SignInRules(
        idle_us=round(accounts.idle_minutes * 60 * SECOND_US),
        longest_us=round(accounts.longest_hours * 3600 * SECOND_US),
        factor_needed=accounts.second_factor,
    )
    sealer = Sealer(keys_dir / "accounts.key")
    return SignIn(catalogue.accounts, catalogue.logins, sealer, clock, rules)
