"""The sample's accounts: one of each role and scope, none with a password."""

from __future__ import annotations

from collections.abc import Iterable

import yaml
from pydantic import BaseModel, ConfigDict

from catalog.accounts import By
from catalog.catalogue import Catalogue
from catalog.places import Division
from cli.sample.files import DATA
from kernel.model.account import Account, Role

_ALL = "*"
_AGENCIES = {"agt-1": "样例代理机构甲"}
"""Whose projects an agency's account is for: the file names no agency."""


class _SampleAccount(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    role: Role
    label_zh: str
    department: str = ""
    site: str | None = None
    regions: tuple[str, ...]  # codes; with a star at the end all that begin so
    industries: tuple[str, ...]


def load_accounts(catalogue: Catalogue, at_us: int) -> int:
    """Take in the sample's accounts that are not there yet; returns how many those were."""
    rows = yaml.safe_load((DATA / "accounts.yaml").read_text(encoding="utf-8"))
    known = {one.id for one in catalogue.accounts.all()}
    new = [one for one in map(_SampleAccount.model_validate, rows) if one.id not in known]
    by = By(principal="sample", at_us=at_us)
    for one in new:
        catalogue.accounts.add(_account(one, catalogue), by)
    return len(new)


def _account(one: _SampleAccount, catalogue: Catalogue) -> Account:
    """A site that a catalogue lacks, as a demo's does, is left out: nothing depends on it."""
    return Account(
        id=one.id,
        role=one.role,
        label_zh=one.label_zh,
        department=one.department,
        site_id=one.site if one.site in catalogue.places.sites() else None,
        regions=resolved(one.regions, catalogue.places.regions()),
        industries=resolved((code for code in one.industries if code != _ALL), catalogue.places.industries()),
        all_industries=_ALL in one.industries,
        agency=_AGENCIES.get(one.id, ""),
    )


def resolved(patterns: Iterable[str], table: Iterable[Division]) -> tuple[str, ...]:
    """Codes of a code table for codes and patterns: of ``5306*`` the topmost that begin so. Pure."""
    parents = {one.code: one.parent_code for one in table}
    found: dict[str, None] = {}
    for pattern in patterns:
        start = pattern.removesuffix(_ALL)
        within = {code for code in parents if code.startswith(start)} if start != pattern else {pattern}
        found |= dict.fromkeys(sorted(code for code in within if parents.get(code) not in within))
    return tuple(found)
