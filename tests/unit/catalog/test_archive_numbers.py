"""Archive numbers (档号): by rule, once, never again; and what a card says of how long a file is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from catalog.archive_numbers import NumberRule, number_rule
from catalog.cards import project_card
from catalog.catalogue import Catalogue
from kernel.clock import SECOND_US
from kernel.errors import SettingsError
from kernel.ids import new_id
from kernel.model.footage import Hold, HoldKind
from tests.support.archived_project import END, fill
from tests.support.catalogue import PROJECT, open_catalogue

YEAR_US = 366 * 86_400 * SECOND_US


@pytest.fixture
def catalogue(tmp_path: Path, url: str) -> Iterator[Catalogue]:
    made = open_catalogue(tmp_path, url)
    fill(made)
    yield made
    made.close()


def give(
    catalogue: Catalogue, project_id: str = "P", rule: NumberRule | None = None, at_us: int = END
) -> str:
    rule = rule or number_rule(None)
    return catalogue.archive_numbers.give(project_id, rule, principal="archiver", at_us=at_us).number


def add(catalogue: Catalogue, name: str, **changed: str) -> str:
    project = replace(PROJECT, id=name, project_code=f"code-{name}", **changed)  # type: ignore[arg-type]
    catalogue.projects.add_project(project, [], principal="test", at_us=END)
    return name


def test_only_a_file_that_is_whole_wants_a_number(catalogue: Catalogue) -> None:
    assert catalogue.archive_numbers.wanting() == ["P"]  # W is still on its way
    give(catalogue)
    assert catalogue.archive_numbers.wanting() == []


def test_a_number_is_given_once_and_kept_whatever_the_rule_becomes(catalogue: Catalogue) -> None:
    """DA/T 13-2022, 4.3."""
    first = give(catalogue)
    other = number_rule(None).model_copy(update={"fonds": "J999"})
    assert give(catalogue, rule=other, at_us=END + 5 * YEAR_US) == first == "J001-LX·2026-D30-00001"
    [record] = catalogue.audit.records(limit=1)
    assert (record.action, record.subject) == ("archive_number.given", first)


def test_numbers_of_a_series_follow_each_other_and_series_do_not_meet(catalogue: Catalogue) -> None:
    """DA/T 13-2022, 4.1."""
    rule = number_rule(None).model_copy(update={"fonds_of_trade_place": {"530623": "J023"}})
    give(catalogue, rule=rule)
    numbers = [
        give(catalogue, add(catalogue, "A"), rule),
        give(catalogue, add(catalogue, "B", retention_class="PERM"), rule),
        give(catalogue, add(catalogue, "C", trade_place="530623"), rule),
        give(catalogue, add(catalogue, "D"), rule),
        give(catalogue, add(catalogue, "E"), rule, END + YEAR_US),
    ]
    assert numbers == [
        "J001-LX·2026-D30-00002",
        "J001-LX·2026-Y-00001",
        "J023-LX·2026-D30-00001",
        "J001-LX·2026-D30-00003",
        "J001-LX·2027-D30-00001",
    ]


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{fonds}-{year}", "serial"),
        ("{serial}-{serial}", "serial"),
        ("{fonds.__class__}-{serial}", "template"),
        ("{name}-{serial}", "template"),
    ],
)
def test_a_rule_that_gives_no_number_is_refused(tmp_path: Path, template: str, why: str) -> None:
    path = tmp_path / "rule.yaml"
    path.write_text(f"template: '{template}'\nfonds: J1\ncategory: LX\nretention_default: D30\n", "utf-8")
    with pytest.raises(SettingsError, match=why):
        number_rule(path)


def test_a_rule_with_a_key_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rule.yaml"
    path.write_text("template: '{serial}'\nfonds: J1\ncategory: LX\nretention_default: D\nfond: x\n", "utf-8")
    with pytest.raises(SettingsError, match="fond"):
        number_rule(path)


def test_a_card_says_how_long_the_file_is_kept_and_whether_it_is_held(catalogue: Catalogue) -> None:
    before = project_card(catalogue, "P", END)
    assert before is not None
    assert before["retention_class"] == catalogue.retention.of_project("P", END).class_code != ""
    assert (before["held"], before["secrecy"], before["archive_number"]) == (False, "confidential", None)
    hold = Hold(id=new_id("hold"), reason="异议", principal="s-zj-1", made_us=END, project_id="P")
    catalogue.holds.make(replace(hold, kind=HoldKind.PROJECT))
    number = give(catalogue)
    after = project_card(catalogue, "P", END)
    assert after is not None
    assert (after["held"], after["archive_number"]) == (True, number)
    assert project_card(catalogue, "none", END) is None
