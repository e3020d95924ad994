"""Budgets, and the rules as shipped."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver import rules
from archiver.budget import budget_bytes
from archiver.rules import KindRule, archive_rules
from kernel.errors import SettingsError
from kernel.model.source import ContentKind
from kernel.settings import ArchiveCodec

RULES = archive_rules()
SCREENS = {ContentKind.SEAT_DESKTOP, ContentKind.SCREEN, ContentKind.EXTRACTION_TERMINAL}
SECONDS = st.dictionaries(st.sampled_from(list(ContentKind)), st.floats(0, 4_000_000))


@given(SECONDS, st.none() | st.floats(1, 10_000))
def test_a_budget_is_whole_bytes_and_never_more_than_its_rates_allow(
    seconds: dict[ContentKind, float], flat: float | None
) -> None:
    allowed = sum(length * 125 * (flat or RULES.kinds[kind].budget_kbps) for kind, length in seconds.items())
    total = budget_bytes(seconds, RULES, flat)
    assert total <= allowed
    assert allowed - total < 1


@given(SECONDS)
def test_the_budget_of_a_project_is_that_of_its_sessions_but_for_a_byte_each(
    seconds: dict[ContentKind, float],
) -> None:
    halves = {kind: length / 2 for kind, length in seconds.items()}
    assert abs(budget_bytes(seconds, RULES) - 2 * budget_bytes(halves, RULES)) <= 2


def test_a_day_of_three_hours_with_four_seats_and_a_room_stays_below_five_gigabytes() -> None:
    """Invariant 13; the fleet is in benchmarks/bench_budget.py."""
    three_hours = 3 * 3600.0
    seconds = {
        ContentKind.SEAT_FACE: 4 * three_hours,
        ContentKind.SEAT_DESKTOP: 4 * three_hours,
        ContentKind.ROOM: three_hours,
    }
    assert budget_bytes(seconds, RULES) < 5 * 10**9


def test_every_content_kind_and_every_codec_has_its_rule() -> None:
    assert set(RULES.kinds) == set(ContentKind)
    assert set(RULES.codecs) == set(ArchiveCodec)


@pytest.mark.parametrize("kind", list(ContentKind))
def test_a_kinds_floor_lies_below_its_ceiling_and_may_cost_more_than_its_budget(kind: ContentKind) -> None:
    rule = RULES.kinds[kind]
    assert rule.floor < rule.ceiling
    assert rule.most_kbps >= rule.budget_kbps


@pytest.mark.parametrize("codec", list(ArchiveCodec))
def test_a_codec_probes_within_its_range_and_encodes_on_one_thread(codec: ArchiveCodec) -> None:
    rule = RULES.codecs[codec]
    for kind in RULES.kinds.values():
        tuning = rule.of(kind)
        assert list(tuning.probe_crfs) == sorted(set(tuning.probe_crfs))
        assert tuning.best_crf <= tuning.probe_crfs[0] < tuning.probe_crfs[-1] <= tuning.worst_crf
        options = rule.options(kind, 40)
        assert options["crf"] == "40"
        assert "lp=1" in options.get("svtav1-params", "") or options.get("threads") == "1"


def test_screens_are_encoded_as_screens_and_people_are_not() -> None:
    av1 = RULES.codecs[ArchiveCodec.AV1]
    told = {kind: av1.options(rule, 40)["svtav1-params"] for kind, rule in RULES.kinds.items()}
    assert {kind for kind, params in told.items() if "scm=1" in params} == SCREENS
    assert {kind for kind, rule in RULES.kinds.items() if rule.text_floor is not None} == SCREENS


def test_people_keep_every_picture_and_a_screen_is_never_still_for_more_than_a_second() -> None:
    for kind, rule in RULES.kinds.items():
        if kind in SCREENS:
            assert 0 < rule.pace.moving_us <= rule.pace.still_us <= 1_000_000
        else:
            assert (rule.pace.still_us, rule.pace.moving_us) == (0, 0)


@pytest.mark.parametrize(("footage_seconds", "windows"), [(1, 1), (1200, 2), (2400, 4), (36_000, 6)])
def test_longer_clips_are_tried_more_often_up_to_a_bound(footage_seconds: float, windows: int) -> None:
    assert RULES.probing.windows(footage_seconds) == windows


def test_a_rule_that_nobody_knows_is_refused_and_named(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    shipped = Path(rules.__file__).parent / "data" / "archive.yaml"
    file.write_text(shipped.read_text(encoding="utf-8").replace("ceiling:", "sealing:"), encoding="utf-8")
    with pytest.raises(SettingsError, match="sealing"):
        archive_rules(file)


def test_rules_that_are_missing_are_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.yaml"):
        archive_rules(tmp_path / "nowhere.yaml")


def test_a_kind_without_a_height_to_try_is_refused() -> None:
    told = RULES.kinds[ContentKind.ROOM].model_dump() | {"heights": []}
    with pytest.raises(ValueError, match="heights"):
        KindRule.model_validate(told)
