"""Who said something: a trading system by name, a file that somebody brought, a person, or this program."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel

from catalog.catalogue import Catalogue
from catalog.reports import principal_of
from kernel.model.timeline import Seating, TimelineEvent

_OURS = re.compile(r"event-[0-9a-f]{32}")
"""Ids of events that were entered here (``kernel.ids``). Whoever brings a file brings ids of its own."""
_PROGRAM = "segmenter"
_SYSTEM = principal_of("")


class ReporterKind(StrEnum):
    """Which way something came in."""

    TRADING_SYSTEM = "trading_system"
    FILE = "file"
    """A file that the person named brought."""
    PERSON = "person"
    PROGRAM = "program"
    """Nobody said it: it follows from what was said, such as the record of a hall."""
    UNKNOWN = "unknown"
    """It was taken in by a version that did not record who said it."""


class ReporterPublic(BaseModel):
    """Who said something."""

    kind: ReporterKind
    name: str
    """Of a trading system the name to be shown, or its id where it has none; of a person as it was given."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reporters:
    """Tells who said something by the principal that is recorded with it."""

    names: Mapping[str, str]  # name of each trading system, by its principal

    @classmethod
    def of(cls, catalogue: Catalogue) -> Reporters:
        systems = catalogue.trading_systems.all()
        return cls(names={principal_of(one.id): one.name_zh or one.id for one in systems})

    def of_event(self, event: TimelineEvent) -> ReporterPublic:
        return self._reporter(event.principal, by_file=_OURS.fullmatch(event.id) is None)

    def of_seating(self, seating: Seating) -> ReporterPublic:
        """People say by hand who sits where with a reason; without one it was planned in a file."""
        return self._reporter(seating.principal, by_file=not seating.reason)

    def of_person(self, principal: str) -> ReporterPublic:
        return self._reporter(principal, by_file=False)

    def _reporter(self, principal: str, *, by_file: bool) -> ReporterPublic:
        if principal.startswith(_SYSTEM):
            name = self.names.get(principal, principal.removeprefix(_SYSTEM))
            return ReporterPublic(kind=ReporterKind.TRADING_SYSTEM, name=name)
        if not principal:
            return ReporterPublic(kind=ReporterKind.UNKNOWN, name="")
        if principal == _PROGRAM:
            return ReporterPublic(kind=ReporterKind.PROGRAM, name=principal)
        return ReporterPublic(kind=ReporterKind.FILE if by_file else ReporterKind.PERSON, name=principal)
