"""Archive numbers (档号): a rule as data, a number given once to each project's file that is whole.

DA/T 13-2022, 4: unique, consistent, stable. Rows are never removed, so no number is ever given again.
"""

from __future__ import annotations

import re
import string
from pathlib import Path

import yaml
from pydantic import Field, ValidationError, field_validator
from sqlalchemy import Engine
from sqlmodel import Session as Transaction
from sqlmodel import col, func, select

from catalog.audit import append
from catalog.database import reading, writing
from catalog.retention import retention_in
from catalog.tables import ArchiveNumberRow, FileSetRow, ProjectRow, SessionRow
from kernel.errors import SettingsError
from kernel.model.audit import Act, Action
from kernel.model.document import ArchiveNumber
from kernel.retention import beijing_day
from kernel.settings import Closed, explain

_SHIPPED = Path(__file__).parent / "data" / "archive_number.yaml"
_PARTS = frozenset({"fonds", "category", "year", "retention", "serial"})
_SERIAL = re.compile(r"\{serial(:0?\d+d)?\}")


class NumberRule(Closed):
    """How archive numbers are made; ``data/archive_number.yaml`` explains each key."""

    template: str
    fonds: str = Field(min_length=1)
    fonds_of_trade_place: dict[str, str] = Field(default_factory=dict)
    category: str = Field(min_length=1)
    category_of_industry: dict[str, str] = Field(default_factory=dict)
    retention: dict[str, str] = Field(default_factory=dict)
    retention_default: str = Field(min_length=1)

    @field_validator("template")
    @classmethod
    def _known_parts(cls, template: str) -> str:
        named = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
        if not named <= _PARTS or len(_SERIAL.findall(template)) != 1:
            raise ValueError(f"it names each of {', '.join(sorted(_PARTS))} at will, and serial just once")
        return template

    def series(self, project: ProjectRow, year: int, retention_class: str) -> str:
        """The number of a project without its serial, which stands as ``#``."""
        return _SERIAL.sub("#", self.template).format(
            fonds=self.fonds_of_trade_place.get(project.trade_place, self.fonds),
            category=self.category_of_industry.get(project.industry_code, self.category),
            year=year,
            retention=self.retention.get(retention_class, self.retention_default),
        )

    def number(self, series: str, serial: int) -> str:
        """A number of a series."""
        found = _SERIAL.search(self.template)
        assert found is not None  # validated
        before, _, after = series.partition("#")
        return before + found[0].format(serial=serial) + after


def number_rule(path: Path | None) -> NumberRule:
    """The rule of a file; None: the shipped one.

    Raises:
        SettingsError: it cannot be read or used.
    """
    place = path or _SHIPPED
    try:
        return NumberRule.model_validate(yaml.safe_load(place.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"the rule of archive numbers {place.name} cannot be read: {error}.") from None
    except ValidationError as error:
        raise SettingsError(f"the rule of archive numbers {place.name}: {explain(error)}.") from None


class ArchiveNumbers:
    """The catalogue's archive numbers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of_project(self, project_id: str) -> ArchiveNumber | None:
        """The number of a project's file; None until it is whole."""
        query = select(ArchiveNumberRow).where(ArchiveNumberRow.project_id == project_id)
        with reading(self._engine) as session:
            row = session.exec(query).first()
            return ArchiveNumber(**row.model_dump()) if row else None

    def wanting(self) -> list[str]:
        """Projects whose file is whole and has no number, those that were sealed first at the front."""
        numbered = select(ArchiveNumberRow.project_id)
        query = (
            select(FileSetRow.project_id)
            .where(FileSetRow.version == 1, col(FileSetRow.project_id).not_in(numbered))
            .order_by(col(FileSetRow.sealed_us), col(FileSetRow.project_id))
        )
        with reading(self._engine) as session:
            return list(session.exec(query).all())

    def give(self, project_id: str, rule: NumberRule, *, principal: str, at_us: int) -> ArchiveNumber:
        """The number of a project's file: the one that it has, or the next of its series."""
        with writing(self._engine) as session:
            project = session.get_one(ProjectRow, project_id)
            known = session.exec(
                select(ArchiveNumberRow).where(ArchiveNumberRow.project_id == project_id)
            ).first()
            if known is not None:
                return ArchiveNumber(**known.model_dump())
            kept = retention_in(session, project_id, beijing_day(at_us)).class_code
            year = _year(session, project_id, at_us)
            series = rule.series(project, year, kept or project.retention_class)
            last = session.exec(
                select(func.max(ArchiveNumberRow.serial)).where(ArchiveNumberRow.series == series)
            ).one()
            row = ArchiveNumberRow(
                number=rule.number(series, (last or 0) + 1),
                project_id=project_id,
                series=series,
                serial=(last or 0) + 1,
                given_us=at_us,
                principal=principal,
            )
            session.add(row)
            told = {"project": project_id, "series": series}
            act = Act(
                at_us=at_us,
                principal=principal,
                action=Action.NUMBER_GIVEN,
                subject=row.number,
                details=told,
            )
            given = ArchiveNumber(**row.model_dump())
            append(session, act)
            return given


def _year(session: Transaction, project_id: str, at_us: int) -> int:
    """The Beijing year in which the project's first session began: that of the file's making."""
    first_us = session.exec(
        select(func.min(SessionRow.start_us)).where(SessionRow.project_id == project_id)
    ).one()
    return beijing_day(at_us if first_us is None else first_us).year
