"""The access matrix, cell by cell (invariant 15): what the rules say stands here once more, by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.access import (
    WATCH,
    Circumstances,
    Need,
    Stage,
    Thing,
    access_matrix,
    may,
    stage_of,
)
from kernel.errors import SettingsError
from kernel.model.account import ADMINISTRATORS, Grant, Principal, Role
from kernel.model.source import ContentKind
from kernel.model.timeline import Phase

NOW = 1_000_000
LATER = 2_000_000

FOOTAGE = {
    Stage.OPENING_LIVE: {"phase": Phase.OPENING, "content_kind": ContentKind.ROOM, "running": True},
    Stage.EXTRACTION_LIVE: {"phase": Phase.EXTRACTION, "content_kind": ContentKind.ROOM, "running": True},
    Stage.EVALUATION_LIVE: {
        "phase": Phase.EVALUATION,
        "content_kind": ContentKind.SEAT_FACE,
        "running": True,
    },
    Stage.DESKTOP_LIVE: {
        "phase": Phase.EVALUATION,
        "content_kind": ContentKind.SEAT_DESKTOP,
        "running": True,
    },
    Stage.SEALED: {"phase": Phase.EVALUATION, "content_kind": ContentKind.SEAT_FACE, "published_us": None},
    Stage.PUBLISHED: {"phase": Phase.EVALUATION, "content_kind": ContentKind.SEAT_FACE, "published_us": NOW},
    Stage.SUPERVISION: {"phase": Phase.EVALUATION, "content_kind": ContentKind.SUPERVISION, "running": True},
}

# Columns: opening, extraction, evaluation, desktop live; sealed; published; supervision. A cell is what the
# matrix of the rules demands, "-" is never. Rows that are not here are never, all of them.
CELLS = """
agency      own    -      -      -              -        own+opening+grant  -
witness     venue  venue  venue  venue+desktops project  project            -
supervisor  scope  scope  scope  scope          scope    scope              -
inspector   region+grant region+grant region+grant region+grant region+grant region+grant region+grant
archivist   -      -      -      -              -        region             -
"""
MATRIX: dict[tuple[Role, Stage], tuple[Need, ...]] = {
    (Role(role), stage): () if cell == "-" else tuple(Need(one) for one in cell.split("+"))
    for role, *cells in (line.split() for line in CELLS.strip().splitlines())
    for stage, cell in zip(Stage, cells, strict=True)
}

FITTING = Thing(
    project_id="P",
    regions=frozenset({"530623", "530602"}),
    industry="A03",
    agency="代理",
    venue_region="530602",
    venue_regions=frozenset({"530602", "530627"}),
    source_id="s",
    wall_start_us=100,
    wall_end_us=200,
    phase=Phase.OPENING,
    published_us=NOW,
)
GRANT = Grant(project_id="P", basis="调取字1号", from_us=0, to_us=LATER)


def principal(role: Role) -> Principal:
    agency = "代理" if role is Role.AGENCY else ""
    return Principal(
        id="x", role=role, regions=frozenset({"530602"}), industries=frozenset({"A03"}), agency=agency
    )


def around(**changed: Any) -> Circumstances:
    return replace(Circumstances(now_us=NOW, grants=(GRANT,)), **changed)


def thing(stage: Stage, **changed: Any) -> Thing:
    return replace(FITTING, **{**FOOTAGE[stage], **changed})


SPOILT: dict[Need, tuple[dict[str, Any], dict[str, Any]]] = {
    Need.OWN: ({"agency": "另一家"}, {}),
    Need.VENUE: ({"venue_region": "530627"}, {}),
    Need.PROJECT: ({"venue_regions": frozenset({"530627"})}, {}),
    Need.SCOPE: ({"industry": "D01"}, {}),
    Need.REGION: ({"regions": frozenset({"530627"})}, {}),
    Need.GRANT: ({}, {"grants": ()}),
    Need.OPENING: ({"phase": Phase.EVALUATION}, {}),
    Need.PUBLISHED: ({"published_us": LATER}, {}),
    Need.DESKTOPS: ({}, {"desktops_for_witnesses": False}),
}


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("role", Role)
def test_a_cell_of_the_matrix(role: Role, stage: Stage) -> None:
    needs = MATRIX.get((role, stage), ())
    fits = thing(stage, phase=Phase.OPENING) if Need.OPENING in needs else thing(stage)
    if not needs:
        assert may(principal(role), WATCH, fits, around()).need is Need.ANOTHER_ROLE
        return
    assert may(principal(role), WATCH, fits, around()).granted
    for need in needs:
        changed, elsewise = SPOILT[need]
        decided = may(principal(role), WATCH, replace(fits, **changed), around(**elsewise))
        assert decided.need is need


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("role", Role)
def test_a_picture_with_an_unpublished_project_is_closed_to_everybody_live_too(
    role: Role, stage: Stage
) -> None:
    fits = thing(stage, shared=True, all_published_us=LATER)
    assert not may(principal(role), WATCH, fits, around()).granted


def test_a_shared_picture_opens_when_the_last_result_is_published() -> None:
    footage = thing(Stage.SEALED, shared=True, all_published_us=LATER)
    assert may(principal(Role.SUPERVISOR), WATCH, footage, around()).need is Need.ALL_PUBLISHED
    later = replace(around(), now_us=LATER)
    assert may(principal(Role.SUPERVISOR), WATCH, footage, later).granted


@pytest.mark.parametrize("role", sorted(ADMINISTRATORS))
def test_administrators_see_no_footage_and_no_project(role: Role) -> None:
    """三员 are no business users."""
    assert not any(may(principal(role), WATCH, thing(stage), around()).granted for stage in Stage)
    about_projects = [name for name in access_matrix().actions if not name.endswith((".manage", ".assign"))]
    allowed = {name for name in about_projects if may(principal(role), name, FITTING, around()).granted}
    records = {"audit.see", "use.see", "watch.log.see"}  # who did what, of the audit administrator
    assert allowed <= {"accounts.see", "sources.see", "checkup.see", "preservation.see", *records}


def test_no_administrator_may_do_the_work_of_another() -> None:
    may_do = {
        role: {
            name for name in access_matrix().actions if may(principal(role), name, Thing(), around()).granted
        }
        for role in ADMINISTRATORS
    }
    assert may_do == {
        Role.SYSTEM_ADMIN: {
            "system.manage",
            "accounts.manage",
            "accounts.see",
            "sources.see",
            "checkup.see",
            "preservation.see",
        },
        Role.SECURITY_ADMIN: {"roles.assign", "accounts.see"},
        Role.AUDIT_ADMIN: {"audit.see", "use.see", "accounts.see", "watch.log.see"},
    }


ACTIONS = {
    "project.see": "agency:own witness:project supervisor:scope inspector:region archivist:region"
    " centre_approver:region",
    "session.see": "agency:own+opening witness:venue supervisor:scope inspector:region archivist:region"
    " centre_approver:region",
    "expert.find": "inspector:region",
    "tag.add": "witness:venue supervisor:scope",
    "witness.record": "witness:venue",
    "timeline.correct": "witness:venue",
    "directive.issue": "supervisor:scope",
    "directive.see": "witness:project supervisor:scope inspector:region",
    "directive.answer": "witness:venue",
    "directive.close": "supervisor:scope",
    "presence.see": "witness:project supervisor:scope inspector:region",
    "presence.mark": "witness:venue supervisor:scope",
    "alert.see": "witness:project supervisor:scope inspector:region",
    "alert.acknowledge": "witness:project supervisor:scope",
    "hold.make": "witness:project supervisor:scope inspector:region",
    "hold.release": "supervisor:scope inspector:region",
    "hold.see": "witness:project supervisor:scope inspector:region archivist:region centre_approver:region",
    "document.see": "witness:project supervisor:scope inspector:region+grant archivist:region+published",
    "document.add": "witness:project archivist:region",
    "request.make": "agency:own supervisor:scope inspector:region",
    "request.see": "agency:own supervisor:scope inspector:region archivist:region centre_approver:region",
    "use.see": "inspector:region centre_approver:region audit_admin:",
    "request.decide": "centre_approver:region",
    "export.make": "archivist:region+grant inspector:region+grant",
    "retention.see": "inspector:region archivist:region centre_approver:region",
    "retention.choose": "archivist:region",
    "retention.confirm": "centre_approver:region",
    "disposal.see": "inspector:region archivist:region centre_approver:region",
    "disposal.withdraw": "archivist:region centre_approver:region",
    "booking.see": "witness:venue",
    "booking.make": "witness:venue",
    "checkup.see": "witness:venue system_admin:",
    "checkup.make": "witness:venue",
    "checkup.override": "witness:venue",
    "checkup.picture": "witness:venue",
    "preservation.see": "inspector: archivist: centre_approver: system_admin:",
    "disposal.propose": "archivist:region",
    "disposal.sign": "centre_approver:region",
    "watch.log.see": "inspector:region audit_admin:",
    "statistics.see": "witness: supervisor: inspector: archivist: centre_approver:",
    "sources.see": "witness:venue system_admin:",
    "system.manage": "system_admin:",
    "accounts.manage": "system_admin:",
    "roles.assign": "security_admin:",
    "accounts.see": "system_admin: security_admin: audit_admin:",
    "audit.see": "audit_admin:",
}


def test_these_are_all_actions() -> None:
    assert set(access_matrix().actions) == set(ACTIONS)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_is_for_the_roles_that_it_names(action: str, role: Role) -> None:
    cells = dict(one.split(":") for one in ACTIONS[action].split())
    export = around(grants=(replace(GRANT, export=True),))
    decided = may(principal(role), action, FITTING, export)
    if role not in cells:
        assert decided.need is Need.ANOTHER_ROLE
        return
    assert decided.granted
    for need in (Need(one) for one in cells[role].split("+") if one):
        changed, elsewise = SPOILT[need]
        spoilt = may(principal(role), action, replace(FITTING, **changed), replace(export, **elsewise))
        assert spoilt.need is need


@pytest.mark.parametrize("action", ["", "watch.", "project", "PROJECT.SEE"])
@pytest.mark.parametrize("role", Role)
def test_what_the_matrix_does_not_name_nobody_may(role: Role, action: str) -> None:
    assert not may(principal(role), action, FITTING, around()).granted


@given(
    st.sampled_from(Role),
    st.sampled_from([WATCH, *ACTIONS]),
    st.sampled_from(Stage),
)
def test_a_refusal_does_not_tell_whether_the_thing_exists(role: Role, action: str, stage: Stage) -> None:
    """Of what there is not, nothing is known: the answer is that of something in another region."""
    nothing = replace(Thing(), **{k: v for k, v in FOOTAGE[stage].items() if k != "published_us"})
    foreign = thing(
        stage,
        project_id="Q",
        regions=frozenset({"150702"}),
        venue_region="150702",
        venue_regions=frozenset({"150702"}),
        agency="另一家",
        industry="D01",
        published_us=None,
    )
    assert may(principal(role), action, nothing, around()) == may(principal(role), action, foreign, around())


@pytest.mark.parametrize(
    ("changed", "covers"),
    [
        ({}, True),
        ({"project_id": "Q"}, False),
        ({"from_us": NOW + 1}, False),
        ({"to_us": NOW}, False),
        ({"source_ids": frozenset({"s"})}, True),
        ({"source_ids": frozenset({"t"})}, False),
        ({"wall_start_us": 100, "wall_end_us": 200}, True),
        ({"wall_start_us": 101}, False),
        ({"wall_end_us": 199}, False),
    ],
)
def test_a_grant_reaches_as_far_as_it_says_and_no_further(changed: dict[str, Any], covers: bool) -> None:
    given_ = around(grants=(replace(GRANT, **changed),))
    assert may(principal(Role.INSPECTOR), WATCH, thing(Stage.SEALED), given_).granted is covers


def test_a_grant_for_a_part_does_not_open_what_says_no_part() -> None:
    """Asked for without a range, footage is asked for as a whole."""
    part = around(grants=(replace(GRANT, wall_start_us=100, wall_end_us=200),))
    whole = thing(Stage.SEALED, wall_start_us=None, wall_end_us=None)
    assert may(principal(Role.INSPECTOR), WATCH, whole, part).need is Need.GRANT


def test_a_grant_to_look_is_none_to_copy() -> None:
    assert may(principal(Role.INSPECTOR), "export.make", FITTING, around()).need is Need.GRANT


def test_a_result_that_will_be_published_is_not_published() -> None:
    footage = thing(Stage.PUBLISHED, published_us=LATER)
    assert stage_of(footage, NOW) is Stage.SEALED
    assert stage_of(footage, LATER) is Stage.PUBLISHED


def test_every_stage_has_footage_that_is_in_it() -> None:
    assert {stage: stage_of(thing(stage), NOW) for stage in Stage} == {stage: stage for stage in Stage}


def test_a_deployment_may_say_no_in_words_and_a_slip_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "access.yaml"
    file.write_text(
        "watching: {witness: {sealed: no, published: [no], opening_live: [venue]}}\n"
        "actions: {audit.see: {audit_admin: []}}\n"
    )
    assert access_matrix(file).watching == {Role.WITNESS: {Stage.OPENING_LIVE: [Need.VENUE]}}
    other = tmp_path / "other.yaml"
    other.write_text("watching: {witnes: {}}\nactions: {audit.see: {}}\n")
    with pytest.raises(SettingsError, match=r"other\.yaml"):
        access_matrix(other)
