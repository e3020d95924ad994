"""Eviction: who goes first and why, what stays, and a crash between its steps (invariants 4 and 8)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from capture import eviction
from capture.eviction import EvictionRules, Evictor, choose
from capture.recover import recover
from capture.ring_disk import MARKER, RingDisk, open_ring
from catalog.catalogue import Catalogue
from catalog.removal import Removable
from kernel.clock import SECOND_US, FakeClock
from kernel.errors import DiskFull, DiskLost, StorageError
from kernel.model.cut import CutRules
from kernel.model.footage import Hold, Segment
from kernel.settings import CutSettings, RingSettings
from kernel.timerange import TimeRange
from tests.support.catalogue import add_segments, add_session, open_catalogue
from tests.unit.catalog.test_footage import segment

HOUR_US = 3600 * SECOND_US
NOW_US = 1000 * HOUR_US
SIZE = 100
RULES = EvictionRules(
    keep_us=0,
    young_us=72 * HOUR_US,
    make_room_bytes=1000,
    reserve_bytes=200,
    cut=CutRules(pre_roll_us=0, post_roll_us=0),
)


# --- what is chosen, pure


def oldest(*ages_hours: float) -> list[Removable]:
    return [
        Removable(
            id=f"{age}h",
            wall=TimeRange(
                start_us=round(NOW_US - (age + 1) * HOUR_US), end_us=round(NOW_US - age * HOUR_US)
            ),
            size_bytes=SIZE,
        )
        for age in ages_hours
    ]


def chosen(free: int, *ages_hours: float, rules: EvictionRules = RULES) -> list[str]:
    return [one.segment_id for one in choose(oldest(*ages_hours), free, NOW_US, rules)]


def test_with_room_enough_nothing_goes_however_old() -> None:
    assert chosen(1000, 900, 800) == []


def test_the_oldest_go_until_there_is_room_and_no_further() -> None:
    assert chosen(750, 900, 800, 700, 600, 500) == ["900h", "800h", "700h"]


def test_the_young_stay_while_recording_can_go_on_without_them() -> None:
    assert chosen(600, 80, 72, 71, 1) == ["80h", "72h"]
    assert chosen(600, 71, 1) == []


def test_the_young_go_oldest_first_before_recording_would_stop() -> None:
    """Invariant 8: half-way between the room to keep and the reserve."""
    assert RULES.urgent_bytes == 600
    assert chosen(450, 71, 50, 1) == ["71h", "50h"]
    (one, *_) = choose(oldest(71), 599, NOW_US, RULES)
    assert one.young
    assert "keep_hours" in one.reason


def test_what_is_too_old_goes_though_there_is_room() -> None:
    by_age = replace(RULES, keep_us=240 * HOUR_US)
    assert chosen(10**9, 300, 240, 239, rules=by_age) == ["300h", "240h"]
    (one, *_) = choose(oldest(300), 0, NOW_US, by_age)
    assert (one.young, one.reason) == (False, "It was older than ring.keep_days.")


MINIMUM_US = 240 * HOUR_US


def test_what_is_younger_than_the_minimum_age_goes_only_when_recording_would_stop() -> None:
    """Retention class RAW; invariant 8: the oldest first."""
    assert [one.segment_id for one in choose(oldest(300, 200), 700, NOW_US, RULES, MINIMUM_US)] == ["300h"]
    assert choose(oldest(200), 700, NOW_US, RULES, MINIMUM_US) == []
    (one,) = choose(oldest(200), 599, NOW_US, RULES, MINIMUM_US)
    assert (one.young, one.immature) == (True, True)
    assert "RAW" in one.reason


def test_a_minimum_age_that_does_not_yield_keeps_what_is_younger_on_a_full_disk() -> None:
    strict = replace(RULES, minimum_yields=False)
    assert [one.segment_id for one in choose(oldest(240, 239), 0, NOW_US, strict, MINIMUM_US)] == ["240h"]


def test_what_shall_go_by_age_goes_no_earlier_than_the_minimum_age() -> None:
    by_age = replace(RULES, keep_us=100 * HOUR_US)
    found = choose(oldest(240, 239), 10**9, NOW_US, by_age, MINIMUM_US)
    assert [one.segment_id for one in found] == ["240h"]


def test_rules_come_from_the_settings_and_room_is_never_below_the_reserve() -> None:
    ring = RingSettings(reserve_bytes=500, make_room_bytes=10, keep_days=10)
    rules = EvictionRules.of(ring, CutSettings(pre_roll_seconds=1, post_roll_seconds=2))
    assert (rules.make_room_bytes, rules.urgent_bytes) == (500, 500)
    assert (rules.keep_us, rules.young_us) == (240 * HOUR_US, 72 * HOUR_US)
    assert rules.cut == CutRules(pre_roll_us=SECOND_US, post_roll_us=2 * SECOND_US)


def test_an_age_that_events_may_outlive_is_refused() -> None:
    with pytest.raises(ValueError, match="keep_days"):
        RingSettings(keep_days=1, keep_hours=72)


# --- with files and rows


@dataclass
class Site:
    """A ring with files of old footage, one for each hour, the first 900 hours old."""

    root: Path
    catalogue: Catalogue
    disk: RingDisk
    segments: list[Segment]
    clock: FakeClock
    free: int = 500
    rules: EvictionRules = field(default=RULES)
    minimum_us: int = 0

    def evictor(self) -> Evictor:
        return Evictor(
            root=self.root,
            disk=self.disk,
            rows=self.catalogue.removal,
            rules=self.rules,
            clock=self.clock,
            principal="王工",
            free=self._free,
            minimum=lambda _now_us: self.minimum_us,
        )

    def _free(self, _directory: Path) -> int:
        """What the files leave of a small disk."""
        return self.free + SIZE * sum(not self.path(one).exists() for one in self.segments)

    def path(self, one: Segment) -> Path:
        return self.root / one.path

    def files(self) -> list[int]:
        return [number for number, one in enumerate(self.segments) if self.path(one).exists()]

    def states(self) -> list[str]:
        states = self.catalogue.footage.states_of(one.path for one in self.segments)
        return [states[one.path].value for one in self.segments]

    def hold(self, first: int, last: int) -> None:
        wall = TimeRange(start_us=self.segments[first].wall.start_us, end_us=self.segments[last].wall.end_us)
        self.catalogue.holds.make(
            Hold(id=f"h{first}", source_id="cam", wall=wall, reason="r", principal="p", made_us=0)
        )


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    catalogue, clock, root = open_catalogue(tmp_path), FakeClock(NOW_US), tmp_path / "ring"
    start_us = NOW_US - 900 * HOUR_US
    segments = []
    for number in range(8):
        begin_us = start_us + number * HOUR_US
        one = segment(number, begin_us, begin_us + HOUR_US)
        one = replace(one, size_bytes=SIZE, path=f"cam/day{number // 4}/{number}.mp4")
        (root / one.path).parent.mkdir(parents=True, exist_ok=True)
        (root / one.path).write_bytes(b"x" * SIZE)
        segments.append(one)
    add_segments(catalogue, segments)
    disk = open_ring(root, catalogue.ring_disks, clock, "tester")
    yield Site(root, catalogue, disk, segments, clock)
    catalogue.close()


def test_room_is_made_by_removing_the_oldest_and_tombstones_remain(site: Site) -> None:
    assert site.evictor().run_once() == 5
    assert site.files() == [5, 6, 7]
    assert site.states() == ["removed"] * 5 + ["sealed"] * 3
    (stone,) = site.catalogue.removal.tombstones_of("cam", site.segments[0].wall)
    assert (stone.principal, stone.removed_us) == ("王工", NOW_US)
    assert "make_room_bytes" in stone.reason
    assert site.evictor().run_once() == 0


def test_what_is_held_stays_and_the_next_goes(site: Site) -> None:
    """Invariant 4."""
    site.hold(0, 2)
    site.evictor().run_once()
    assert site.files() == [0, 1, 2]


def test_the_time_of_a_session_that_is_not_archived_stays(site: Site) -> None:
    add_session(site.catalogue, site.segments[1].wall.start_us, site.segments[1].wall.end_us)
    site.evictor().run_once()
    assert site.files() == [1, 6, 7]


def test_where_nothing_may_go_there_is_an_alarm_before_recording_stops(site: Site) -> None:
    """Invariant 8: never silently, never something held."""
    site.hold(0, 4)
    add_session(site.catalogue, site.segments[5].wall.start_us, site.segments[7].wall.end_us)
    with pytest.raises(DiskFull, match=r"not archived \(P-O\)") as caught:
        site.evictor().run_once()
    assert "release holds" in caught.value.remedy
    assert site.files() == list(range(8))


def test_a_full_disk_of_footage_that_must_become_older_is_an_alarm_where_the_minimum_does_not_yield(
    site: Site,
) -> None:
    """Invariant 8: recording will stop, and nobody can overlook why."""
    site.minimum_us, site.rules = 1000 * HOUR_US, replace(RULES, minimum_yields=False)
    with pytest.raises(DiskFull, match="younger than retention class RAW") as caught:
        site.evictor().run_once()
    assert "minimum_yields" in caught.value.remedy
    assert site.files() == list(range(8))


def test_where_the_minimum_age_yields_recording_goes_on_and_the_ring_is_said_to_be_too_small(
    site: Site,
) -> None:
    site.minimum_us = 1000 * HOUR_US
    with capture_logs() as logs:
        assert site.evictor().run_once() == 1
    assert [one["action"] for one in logs if one["log_level"] == "error"] == ["ring.young_removed"]


def test_the_minimum_age_never_yields_for_what_is_held(site: Site) -> None:
    """Invariant 4."""
    site.minimum_us = 1000 * HOUR_US
    site.hold(0, 7)
    with pytest.raises(DiskFull):
        site.evictor().run_once()
    assert site.files() == list(range(8))


def test_the_statement_itself_heeds_the_minimum_age(site: Site) -> None:
    """A segment that was chosen by an older clock is not old enough by this one."""
    ids = [one.id for one in site.segments]
    said: dict[str, Any] = {"reason": "r", "principal": "p"}
    for minimum_hours, count in ((899, 1), (899 - 7, 7)):
        gone = site.catalogue.removal.release(
            ids, RULES.cut, at_us=NOW_US, minimum_us=minimum_hours * HOUR_US, **said
        )
        assert len(gone) == count


def test_what_is_released_later_goes_later(site: Site) -> None:
    site.hold(0, 7)
    evictor = site.evictor()
    with pytest.raises(DiskFull):
        evictor.run_once()
    site.catalogue.holds.release("h0", at_us=1, principal="p", reason="r")
    assert evictor.run_once() == 5


def test_most_of_the_ring_may_be_held_and_the_rest_is_found(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run looks at a bounded part; the next run goes on where it stopped."""
    monkeypatch.setattr(eviction, "_WINDOW", 2)
    monkeypatch.setattr(eviction, "_WINDOWS", 1)
    site.hold(0, 5)
    evictor = site.evictor()
    assert [evictor.run_once() for _ in range(4)] == [0, 0, 0, 2]
    assert site.files() == [0, 1, 2, 3, 4, 5]
    site.rules = replace(RULES, make_room_bytes=10_000)
    evictor = site.evictor()
    assert [evictor.run_once() for _ in range(2)] == [0, 0]
    with pytest.raises(DiskFull):  # the end of the ring, and nothing was found
        evictor.run_once()


def test_what_was_passed_over_is_looked_at_again_after_an_hour(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eviction, "_WINDOW", 2)
    monkeypatch.setattr(eviction, "_WINDOWS", 1)
    monkeypatch.setattr(eviction, "_BATCH", 1)
    site.hold(0, 3)
    evictor = site.evictor()
    assert [evictor.run_once() for _ in range(3)] == [0, 0, 1]
    site.catalogue.holds.release("h0", at_us=1, principal="p", reason="r")
    site.clock.advance(3600)
    assert evictor.run_once() == 1
    assert site.files() == [1, 2, 3, 5, 6, 7]


def test_removing_young_footage_is_an_alarm(site: Site) -> None:
    site.clock.step_wall(-880 * 3600)
    with capture_logs() as logs:
        assert site.evictor().run_once() == 1
    (alarm,) = [one for one in logs if one["log_level"] == "error"]
    assert alarm["action"] == "ring.young_removed"


def test_a_file_that_cannot_be_removed_costs_only_itself_and_is_tried_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlink = Path.unlink

    def failing(path: Path, **more: Any) -> None:
        if path.name == "1.mp4":
            raise PermissionError(1, os.strerror(1))
        unlink(path, **more)

    evictor = site.evictor()
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", failing)
        with pytest.raises(StorageError):
            evictor.run_once()
        assert site.states()[:3] == ["removed", "removing", "removed"]
        with pytest.raises(StorageError):
            evictor.run_once()
    assert site.files()[0] == 1
    evictor.run_once()
    assert 1 not in site.files()
    assert site.states()[1] == "removed"


def test_a_row_that_names_a_file_outside_the_ring_removes_nothing(site: Site) -> None:
    other = site.root.parent / "evidence.mp4"
    other.write_bytes(b"x")
    with site.catalogue.footage._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE segment SET path = '../evidence.mp4' WHERE sequence = 0")
    with pytest.raises(StorageError, match="outside the ring"):
        site.evictor().run_once()
    assert other.exists()


def test_on_a_disk_that_is_not_the_rings_nothing_is_removed(site: Site) -> None:
    (site.root / MARKER).unlink()
    with pytest.raises(DiskLost):
        site.evictor().run_once()
    assert (site.files(), site.states()) == (list(range(8)), ["sealed"] * 8)


# --- a crash between two steps


class Crash(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("step", ["mark", "unlink", "fsync", "tombstone"])
def test_a_crash_behind_any_step_is_settled_by_the_next_run_and_recovers_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Invariant 4: marked, unlinked, directory synced, tombstone; a removed file is no new footage."""

    def crashing(call: Any) -> Any:
        def then_crash(*args: Any, **more: Any) -> Any:
            call(*args, **more)
            raise Crash

        return then_crash

    removal = site.catalogue.removal
    target: tuple[Any, str] = {
        "mark": (removal, "release"),
        "unlink": (Path, "unlink"),
        "fsync": (eviction, "fsync_directory"),
        "tombstone": (removal, "finish"),
    }[step]
    with monkeypatch.context() as patched:
        patched.setattr(*target, crashing(getattr(*target)))
        with pytest.raises(Crash):
            site.evictor().run_once()
    assert recover(site.root, site.catalogue.footage).segments == 0
    assert site.catalogue.footage.all_segments() == site.segments[5:]
    site.evictor().run_once()
    assert site.files() == [5, 6, 7]
    assert site.states() == ["removed"] * 5 + ["sealed"] * 3


def test_a_file_that_a_power_cut_brings_back_is_not_recovered(site: Site) -> None:
    site.evictor().run_once()
    site.path(site.segments[0]).write_bytes(b"x" * SIZE)
    found = recover(site.root, site.catalogue.footage)
    assert (found.segments, found.quarantined) == (0, 0)
