"""Alerts: looked for while pages are served, in a thread of its own; and of files that are taken in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import time
from functools import partial

from archiver.budget import budget_bytes
from archiver.rules import archive_rules
from capture.intake import Handed
from catalog.alarms import AlarmRules, Alarms
from catalog.catalogue import Catalogue
from catalog.readiness import Watch
from kernel.access import Thing
from kernel.clock import SECOND_US, Clock
from kernel.errors import FixityError, SupervisionRefused
from kernel.ids import new_id
from kernel.model.alert import Alert, AlertRule
from kernel.settings import Settings
from kernel.timerange import TimeRange

_MINUTE_US = 60 * SECOND_US


def alarm_rules(settings: Settings) -> AlarmRules:
    """When something is the matter, as the settings say.

    Raises:
        SettingsError: the archive's rules cannot be read.
    """
    told, archive = settings.alerts, settings.archive
    weigh = partial(budget_bytes, rules=archive_rules(archive.rules), flat_kbps=archive.budget_kbps)
    return AlarmRules(
        seal_at=time.fromisoformat(told.seal_at),
        seal_notice_us=round(told.seal_notice_minutes * _MINUTE_US),
        not_started_us=round(told.not_started_minutes * _MINUTE_US),
        cap_bytes=round(told.project_gb * 1e9),
        forecast=weigh,
    )


@contextmanager
def alerting(settings: Settings, catalogue: Catalogue, watch: Watch, clock: Clock) -> Iterator[None]:
    """What is the matter is looked for meanwhile."""
    stop = threading.Event()
    alarms = Alarms(catalogue, watch, clock, alarm_rules(settings))
    thread = threading.Thread(target=alarms.run, args=(stop,), name="alerts")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def mismatch_told(handed: Handed, catalogue: Catalogue, clock: Clock) -> Iterator[None]:
    """A file that is not the one announced is an alert (AL-05), until the right one of that name is taken in.

    Raises:
        FixityError: it is not.
    """
    subject = f"{handed.source_id}/{handed.path.name}"
    try:
        yield
    except FixityError:
        now_us = clock.now_us()
        start_us = handed.start_us + handed.offset_us
        wall = TimeRange(start_us=start_us, end_us=start_us + SECOND_US)
        shown = next(iter(catalogue.things.of_source(handed.source_id, wall)), Thing())
        alert = Alert(
            id=new_id("alert"),
            rule=AlertRule.IMPORT_MISMATCH,
            subject=subject,
            project_id=shown.project_id or None,
            session_id=shown.session_id or None,
            source_id=handed.source_id,
            since_us=now_us,
            details={"file": handed.path.name},
        )
        with suppress(SupervisionRefused):  # it is told already
            catalogue.alerts.put(alert)
        raise
    catalogue.alerts.over(AlertRule.IMPORT_MISMATCH, subject, clock.now_us())
