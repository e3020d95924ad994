"""Who may see and do what: one pure function over the matrix of ``kernel/data/access.yaml`` (invariant 15).

The answer is no unless the matrix says yes. A refusal names what would be needed, and is the same whether the
thing exists or not: it is computed from the role and the action as soon as a condition fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError

from kernel.errors import SettingsError
from kernel.model.account import Grant, Principal, Role
from kernel.model.source import ContentKind
from kernel.model.timeline import Phase
from kernel.settings import Closed

_FILE = Path(__file__).parent / "data" / "access.yaml"
WATCH = "watch"
"""The action of looking at footage; what else there is, the matrix names."""
_EXPORT = "export.make"
"""Leave to look is none to copy."""


class Need(StrEnum):
    """What would be needed; the page has words for each."""

    NOTHING = "nothing"
    ANOTHER_ROLE = "another_role"
    OWN = "own"
    VENUE = "venue"
    PROJECT = "project"
    SCOPE = "scope"
    REGION = "region"
    GRANT = "grant"
    OPENING = "opening"
    DESKTOPS = "desktops"
    PUBLISHED = "published"
    SIGN_IN = "sign_in"
    ALL_PUBLISHED = "all_published"
    """Other projects are to be seen in the picture; it opens when the results of all are published."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """Yes, or what would be needed."""

    need: Need

    @property
    def granted(self) -> bool:
        return self.need is Need.NOTHING


class Stage(StrEnum):
    """The column of the matrix that footage is in."""

    OPENING_LIVE = "opening_live"
    EXTRACTION_LIVE = "extraction_live"
    EVALUATION_LIVE = "evaluation_live"
    DESKTOP_LIVE = "desktop_live"
    SEALED = "sealed"
    PUBLISHED = "published"
    SUPERVISION = "supervision"
    """Supervisors at work: whom they watch, they are not watched by."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Thing:
    """What is to be seen or done something to; a thing of no project leaves all of it empty."""

    project_id: str = ""
    session_id: str = ""
    regions: frozenset[str] = frozenset()  # the project's region and its trade place
    industry: str = ""
    agency: str = ""
    published_us: int | None = None  # when the project's result was published
    venue_region: str = ""  # where the session's site lies
    venue_regions: frozenset[str] = frozenset()  # where all sites of the project lie
    phase: Phase | None = None
    content_kind: ContentKind | None = None
    source_id: str = ""
    wall_start_us: int | None = None  # of the footage that is asked for
    wall_end_us: int | None = None
    running: bool = False  # the session has not ended
    shared: bool = False  # the picture shows several projects, as a hall's does
    all_published_us: int | None = None  # of what is shared: when the last of their results was published


@dataclass(frozen=True, kw_only=True, slots=True)
class Circumstances:
    """What else decides."""

    now_us: int
    grants: Sequence[Grant] = ()  # of the principal
    desktops_for_witnesses: bool = True  # setting


class AccessMatrix(Closed):
    """The file as values."""

    watching: dict[Role, dict[Stage, list[Need]]]
    actions: dict[str, dict[Role, list[Need]]] = Field(min_length=1)

    def asked_of(self, role: Role, need: Need) -> bool:
        """Whether anything that a role may do hangs on that."""
        cells = [*self.watching.get(role, {}).values(), *(one.get(role, []) for one in self.actions.values())]
        return any(need in cell for cell in cells)


@cache
def access_matrix(path: Path | None = None) -> AccessMatrix:
    """The matrix of a file, the one that is shipped where none is named.

    Raises:
        SettingsError: the file is missing or says something that is not understood.
    """
    file = path or _FILE
    try:
        return AccessMatrix.model_validate(_plain(yaml.safe_load(file.read_text(encoding="utf-8"))))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        hint = "Compare it with access.yaml as shipped."
        raise SettingsError(f"{file.name}: {error}", hint=hint) from None


def _plain(told: Any) -> Any:
    """``no`` is YAML's word for false; a cell that says so is as if it were not there."""
    if not isinstance(told, dict) or not isinstance(told.get("watching"), dict):
        return told
    watching = {
        role: {stage: needs for stage, needs in (cells or {}).items() if needs not in (False, [False])}
        for role, cells in told["watching"].items()
    }
    return {**told, "watching": watching}


def may(
    principal: Principal,
    action: str,
    thing: Thing,
    around: Circumstances,
    matrix: AccessMatrix | None = None,
) -> Decision:
    """Whether somebody may do that now; the one place where it is decided (invariant 15)."""
    rules = matrix or access_matrix()
    if action == WATCH:
        needs = rules.watching.get(principal.role, {}).get(stage_of(thing, around.now_us))
    else:
        needs = rules.actions.get(action, {}).get(principal.role)
    if needs is None:
        return Decision(need=Need.ANOTHER_ROLE)
    for need in needs:
        if not _HOLDS[need](principal, action, thing, around):
            return Decision(need=need)
    if action == WATCH and thing.shared and not _is_past(thing.all_published_us, around.now_us):
        return Decision(need=Need.ALL_PUBLISHED)
    return Decision(need=Need.NOTHING)


def stage_of(thing: Thing, now_us: int) -> Stage:
    """Which column of the matrix footage is in."""
    if thing.content_kind is ContentKind.SUPERVISION:
        return Stage.SUPERVISION
    if not thing.running:
        return Stage.PUBLISHED if _is_past(thing.published_us, now_us) else Stage.SEALED
    if thing.phase is Phase.OPENING:
        return Stage.OPENING_LIVE
    if thing.phase is Phase.EXTRACTION:
        return Stage.EXTRACTION_LIVE
    return Stage.DESKTOP_LIVE if thing.content_kind is ContentKind.SEAT_DESKTOP else Stage.EVALUATION_LIVE


def _is_past(moment_us: int | None, now_us: int) -> bool:
    return moment_us is not None and moment_us <= now_us


def _own(principal: Principal, _action: str, thing: Thing, _around: Circumstances) -> bool:
    return bool(principal.agency) and thing.agency == principal.agency


def _venue(principal: Principal, _action: str, thing: Thing, _around: Circumstances) -> bool:
    return thing.venue_region in principal.regions


def _project(principal: Principal, _action: str, thing: Thing, _around: Circumstances) -> bool:
    return bool(thing.venue_regions & principal.regions)


def _region(principal: Principal, _action: str, thing: Thing, _around: Circumstances) -> bool:
    return bool(thing.regions & principal.regions)


def _scope(principal: Principal, action: str, thing: Thing, around: Circumstances) -> bool:
    return _region(principal, action, thing, around) and thing.industry in principal.industries


def _opening(_principal: Principal, _action: str, thing: Thing, _around: Circumstances) -> bool:
    return thing.phase is Phase.OPENING


def _desktops(_principal: Principal, _action: str, _thing: Thing, around: Circumstances) -> bool:
    return around.desktops_for_witnesses


def _published(_principal: Principal, _action: str, thing: Thing, around: Circumstances) -> bool:
    return _is_past(thing.published_us, around.now_us)


def _granted(_principal: Principal, action: str, thing: Thing, around: Circumstances) -> bool:
    return any(
        _covers(one, thing, around.now_us) and (one.export or action != _EXPORT) for one in around.grants
    )


def _covers(grant: Grant, thing: Thing, now_us: int) -> bool:
    """Whether a grant is in force and reaches over all that is asked for; what is not said is asked whole."""
    if grant.project_id != thing.project_id or not grant.from_us <= now_us < grant.to_us:
        return False
    if grant.session_ids is not None and thing.session_id not in grant.session_ids:
        return False
    if grant.source_ids is not None and thing.source_id not in grant.source_ids:
        return False
    begins = grant.wall_start_us is None or (
        thing.wall_start_us is not None and thing.wall_start_us >= grant.wall_start_us
    )
    ends = grant.wall_end_us is None or (
        thing.wall_end_us is not None and thing.wall_end_us <= grant.wall_end_us
    )
    return begins and ends


_HOLDS: Mapping[Need, Callable[[Principal, str, Thing, Circumstances], bool]] = {
    Need.OWN: _own,
    Need.VENUE: _venue,
    Need.PROJECT: _project,
    Need.SCOPE: _scope,
    Need.REGION: _region,
    Need.GRANT: _granted,
    Need.OPENING: _opening,
    Need.DESKTOPS: _desktops,
    Need.PUBLISHED: _published,
}
