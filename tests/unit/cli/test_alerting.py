"""A file that is not the one announced is an alert until the right one is taken in (AL-05, W21)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from capture.intake import Handed
from capture.libav.recording import ToldBy
from catalog.catalogue import Catalogue
from cli.alerting import alarm_rules, mismatch_told
from kernel.clock import SECOND_US, FakeClock
from kernel.errors import FixityError
from kernel.model.alert import AlertRule
from kernel.model.source import ContentKind
from kernel.settings import Settings
from tests.support.catalogue import add_session, open_catalogue

HANDED = Handed(
    path=Path("/media/QJS-P20-03.mp4"),
    source_id="cam",
    start_us=1 * SECOND_US,
    told_by=ToldBy.PRINCIPAL,
    offset_us=0,
    sha256="00",
    principal="w-1",
)


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    opened = open_catalogue(tmp_path)
    add_session(opened, SECOND_US, 2 * SECOND_US)
    yield opened
    opened.close()


def test_it_is_told_once_with_its_project_and_over_when_the_right_file_comes(catalogue: Catalogue) -> None:
    clock = FakeClock(100 * SECOND_US)
    for _ in range(2):  # the same wrong file, handed in twice
        with pytest.raises(FixityError), mismatch_told(HANDED, catalogue, clock):
            raise FixityError("not the one announced")
    [alert] = catalogue.alerts.all()
    assert (alert.rule, alert.project_id, alert.session_id) == (AlertRule.IMPORT_MISMATCH, "P", "P-O")
    assert (alert.details, alert.over_us) == ({"file": "QJS-P20-03.mp4"}, None)
    clock.advance(60)
    with mismatch_told(HANDED, catalogue, clock):
        pass
    [alert] = catalogue.alerts.all()
    assert alert.over_us == clock.now_us()


def test_a_file_that_is_right_at_once_leaves_nothing(catalogue: Catalogue) -> None:
    with mismatch_told(HANDED, catalogue, FakeClock(100 * SECOND_US)):
        pass
    assert catalogue.alerts.all() == []


def test_the_settings_say_when_a_night_begins_and_what_a_project_may_weigh(tmp_path: Path) -> None:
    rules = alarm_rules(Settings(data_dir=tmp_path))
    assert (rules.seal_at.hour, rules.seal_notice_us, rules.cap_bytes) == (21, 900 * SECOND_US, 5 * 10**9)
    assert rules.forecast is not None
    hours = 211.2 * 3600  # P16 of the sample
    assert rules.forecast({ContentKind.SEAT_FACE: hours}) > rules.cap_bytes
