"""What the doctor finds out about the catalogue's database; it migrates nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from catalog.database_facts import DatabaseFacts, facts_of
from cli.diagnosis import Diagnosis
from cli.wiring import open_catalogue
from kernel.errors import JianzhengError
from kernel.settings import Settings

_SUBJECT = "目录库 catalogue"


def diagnose_database(settings: Settings) -> Iterator[Diagnosis]:
    """Which database it is, whether it answers, its schema, and what it lacks."""
    try:
        facts = facts_of(settings.catalogue_url)
        holds = _holds(settings) if facts.current else ""
    except JianzhengError as error:
        yield Diagnosis(subject=_SUBJECT, well=False, found=error.message, remedy=error.remedy)
        return
    words = [f"{facts.server}, {facts.place}", _schema(facts), facts.details, holds, *facts.faults]
    yield Diagnosis(
        subject=_SUBJECT,
        well=facts.known and not facts.faults,
        found="; ".join(filter(None, words)),
        remedy="See docs/guide/postgresql.md." if facts.known else "Use the later version that made it.",
        facts=asdict(facts),
    )


def _schema(facts: DatabaseFacts) -> str:
    if facts.schema is None:
        return "new: its tables are made when a program starts"
    if facts.current:
        return f"schema {facts.schema}"
    if not facts.known:
        return f"schema {facts.schema}, which this version does not know"
    return f"schema {facts.schema}, brought to {facts.newest} when a program starts: make a copy first"


def _holds(settings: Settings) -> str:
    with open_catalogue(settings) as catalogue:
        return f"{len(catalogue.places.sources())} sources, {len(catalogue.projects.projects())} projects"
