"""Holds on the way up to 0007 and down again: an older version must not remove what somebody holds."""

from __future__ import annotations

from pathlib import Path

from alembic import command

from catalog.database import alembic_config
from kernel.model.cut import CutRules
from kernel.model.footage import Hold, HoldKind
from kernel.timerange import TimeRange
from tests.support.catalogue import add_segments, add_session, open_catalogue
from tests.unit.catalog.test_footage import segment

RULES = CutRules(pre_roll_us=0, post_roll_us=0)


def test_a_hold_made_before_is_an_act_of_its_own(own_url: str, tmp_path: Path) -> None:
    catalogue = open_catalogue(tmp_path, own_url)
    command.downgrade(alembic_config(catalogue.footage._engine), "0006")
    with catalogue.footage._engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO hold (id, source_id, wall_start_us, wall_end_us, reason, principal, made_us, "
            "released_by, release_reason) VALUES ('old', 'cam', 10, 20, 'r', 'p', 5, '', '')"
        )
    command.upgrade(alembic_config(catalogue.footage._engine), "head")
    (hold,) = catalogue.holds.all()
    assert (hold.kind, hold.act_id, hold.wall) == (HoldKind.SOURCE, "old", TimeRange(start_us=10, end_us=20))
    catalogue.holds.release("old", at_us=6, principal="p", reason="r")
    catalogue.close()


def test_what_an_older_version_cannot_say_holds_everything_there(own_url: str, tmp_path: Path) -> None:
    """Invariant 4: too much is held rather than too little."""
    catalogue = open_catalogue(tmp_path, own_url)
    add_session(catalogue, 70, 110)
    add_segments(catalogue, [segment(number, number * 60, number * 60 + 60) for number in range(3)])
    catalogue.holds.make(
        Hold(id="h", kind=HoldKind.PROJECT, project_id="P", reason="案件", principal="纪检", made_us=5)
    )
    config = alembic_config(catalogue.footage._engine)
    command.downgrade(config, "0006")
    command.upgrade(config, "head")
    assert {(one.id, one.source_id, one.reason) for one in catalogue.holds.all()} == {
        ("h.cam", "cam", "案件"),
        ("h.screen", "screen", "案件"),
    }
    assert catalogue.removal.look(-(1 << 62), 10, 10, RULES, now_us=10**9).removable == []
    catalogue.close()
