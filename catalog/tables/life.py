"""How long projects are kept, what was decided of them, and what holds in the bucket."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON

from catalog.tables.base import Table, byte_count, column, micros


class RetentionClassRow(Table, table=True):
    __tablename__ = "retention_class"
    __table_args__ = {"comment": "Retention classes; a deployment edits them"}
    code: str = column("Code, such as Y15", primary_key=True)
    name_zh: str = column("Chinese name")
    name_en: str = column("English name")
    note: str = column("What it is for, for people", default="")


class RetentionTermRow(Table, table=True):
    __tablename__ = "retention_term"
    __table_args__ = {"comment": "How long classes keep: versions, each from a day on; never changed"}
    id: str = column("Unique", primary_key=True)
    class_code: str = column("Class", foreign_key="retention_class.code", index=True)
    valid_from: str = column("First Beijing day on which it holds, ISO 8601")
    years: int | None = column("Years; with days both empty: for ever", default=None)
    days: int | None = column("Days", default=None)
    starts: str | None = column("TermStart; empty: for ever", default=None)
    starts_else: str | None = column("TermStart taken where the first is not known", default=None)
    basis: str = column("Law or standard", default="")
    principal: str = column("Who added it", default="")
    recorded_us: int = micros("When it was added", default=0)


class RetentionRuleRow(Table, table=True):
    __tablename__ = "retention_rule"
    __table_args__ = {"comment": "Which projects fall under which class; dated, never changed but ended"}
    id: str = column("Unique", primary_key=True)
    class_code: str = column("Class", foreign_key="retention_class.code", index=True)
    valid_from: str = column("First Beijing day on which it holds, ISO 8601")
    valid_until: str | None = column("Last Beijing day; empty: in force", default=None)
    industry_code: str = column("That industry and all below it; empty: any", default="")
    outcome: str = column("Only projects that came out so; empty: any", default="")
    not_outcome: str = column("All but those", default="")
    reason_zh: str = column("Why, in Chinese", default="")
    reason_en: str = column("Why, in English", default="")
    basis: str = column("Law or standard", default="")
    principal: str = column("Who added it", default="")
    recorded_us: int = micros("When it was added", default=0)


class RetentionChoiceRow(Table, table=True):
    __tablename__ = "retention_choice"
    __table_args__ = {"comment": "Classes that people chose for projects; all stay, the newest counts"}
    id: str = column("Unique", primary_key=True)
    project_id: str = column("Project", foreign_key="project.id", index=True)
    class_code: str = column("Class", foreign_key="retention_class.code")
    reason: str = column("Why")
    principal: str = column("Who chose it")
    at_us: int = micros("When")
    shorter: bool = column("Shorter than what held then: it needs a second person")
    confirmed_by: str = column("Second person", default="")
    confirmed_us: int | None = micros("When it was confirmed", default=None)


class ProjectDayRow(Table, table=True):
    __tablename__ = "project_day"
    __table_args__ = {"comment": "Days that terms start on, as somebody told; all stay, the newest counts"}
    id: str = column("Unique", primary_key=True)
    project_id: str = column("Project", foreign_key="project.id", index=True)
    kind: str = column("TermStart")
    day: str = column("Beijing day, ISO 8601")
    reason: str = column("How it is known")
    principal: str = column("Who told it")
    recorded_us: int = micros("When it was told")


class DisposalRow(Table, table=True):
    __tablename__ = "disposal"
    __table_args__ = {"comment": "Appraisals of project files whose term is over"}
    id: str = column("Unique over all sites", primary_key=True)
    project_id: str = column("Project", foreign_key="project.id", index=True)
    version: int = column("Version of the project's file")
    state: str = column("DisposalState", index=True)
    class_code: str = column("Class when it was decided")
    new_class: str = column("Class of what is kept longer", default="")
    last_day: str = column("Beijing day on which its term ended, ISO 8601")
    grounds: dict[str, Any] = column("Rules, versions and days by which it was due", sa_type=JSON)
    reason: str = column("Why, as was said")
    proposed_by: str = column("Who decided or proposed")
    proposed_us: int = micros("When")
    signed_by: str = column("Second signature, of another person", default="")
    signed_us: int | None = micros("When it was signed", default=None)
    ordered_us: int | None = micros("When the order was given", default=None)
    stopped: str = column("Why its execution stands still", default="")
    done_us: int | None = micros("When the last object was gone", default=None)
    certificate_sha256: str = column("SHA-256 of its certificate of destruction", default="")
    withdrawn_by: str = column("Who withdrew it", default="")
    withdrawn_reason: str = column("Why it was withdrawn", default="")
    withdrawn_us: int | None = micros("When it was withdrawn", default=None)


class DisposalObjectRow(Table, table=True):
    __tablename__ = "disposal_object"
    __table_args__ = {"comment": "Objects that are to be destroyed, and what remains to be known of them"}
    key: str = column("Key in the store: of an archive, of an addendum, or a document", primary_key=True)
    disposal_id: str = column("Appraisal that ordered it", foreign_key="disposal.id", index=True)
    archive_id: str | None = column(
        "Archive that it belongs to, if any", foreign_key="archive.id", index=True, default=None
    )
    size_bytes: int = byte_count("Size")
    sha256: str = column("SHA-256, lower-case hex")
    sm3: str = column("SM3, lower-case hex; empty where the package does not tell it", default="")
    going_us: int | None = micros("Since when nothing stops its deletion", default=None)
    gone_us: int | None = micros("When the store said that it is gone", default=None)


class BucketHoldRow(Table, table=True):
    __tablename__ = "bucket_hold"
    __table_args__ = {"comment": "Legal holds that were asked of the store, object by object"}
    key: str = column("Key in the store", primary_key=True)
    asked_us: int = micros("When it was first asked for")
    confirmed_us: int | None = micros("When the store said that it holds", default=None)
    fault: str = column("What the store said instead, for people", default="")
