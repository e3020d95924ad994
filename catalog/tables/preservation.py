"""Where the copies of archives are, whether they are whole, restore drills, and requests to use archives."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Index

from catalog.tables.base import Table, byte_count, column, micros


class PackageCopyRow(Table, table=True):
    __tablename__ = "package_copy"
    __table_args__ = {"comment": "Packages that a store holds whole, read back there (invariant 10)"}
    package_id: str = column("Archive, addendum or document", primary_key=True)
    store: str = column("main, or the address of a copy without credentials", primary_key=True, index=True)
    whole_us: int = micros("When the last object had been read back")


class ObjectCopyRow(Table, table=True):
    __tablename__ = "object_copy"
    __table_args__ = (
        # The one that waits longest, and those in trouble, of millions.
        Index(None, "store", "result", "checked_us"),
        {"comment": "What each copy of each stored object was when it was last read back"},
    )
    key: str = column("Key of the object, in every store", primary_key=True)
    store: str = column("As in package_copy", primary_key=True)
    package_id: str = column("Archive, addendum or document", index=True)
    project_id: str = column("Project", foreign_key="project.id")
    size_bytes: int = byte_count("Size that it must have")
    sha256: str = column("SHA-256 that it must have, lower-case hex")
    checked_us: int = micros("When")
    result: str = column("Fixity")
    found: str = column("What was found instead of what should be; empty where all is well")
    good_us: int | None = micros("When it was last found whole", default=None)


class DrillRow(Table, table=True):
    __tablename__ = "drill"
    __table_args__ = {"comment": "Restore drills: archives fetched, verified and decoded"}
    id: str = column("Unique", primary_key=True)
    started_us: int = micros("Start", index=True)
    ended_us: int = micros("End")
    principal: str = column("Who or what drilled")
    seed: str = column("What the project was drawn by; empty where one was named")
    candidates: int = column("Projects that it was drawn from")
    project_id: str = column("Project", foreign_key="project.id", index=True)
    result: str = column("DrillResult")
    size_bytes: int = byte_count("What was fetched")
    files: list[dict[str, Any]] = column("Each file: faults, pictures decoded, seconds", sa_type=JSON)
    faults: list[str] = column("Of packages as a whole", sa_type=JSON)


class UseRequestRow(Table, table=True):
    __tablename__ = "use_request"
    __table_args__ = {"comment": "Requests to see archives or to take copies out; rows are never deleted"}
    id: str = column("Unique", primary_key=True)
    project_id: str = column("Project", foreign_key="project.id", index=True)
    kind: str = column("UseKind")
    role: str = column("Role in which it is asked for")
    session_ids: list[str] = column("Sessions; none: all", sa_type=JSON)
    source_ids: list[str] = column("Sources; none: all", sa_type=JSON)
    start_us: int | None = micros("Start of the range; empty: no range", default=None)
    end_us: int | None = micros("End of the range", default=None)
    reason: str = column("Why, as was said")
    basis_no: str = column("Number of the letter, case or form that it rests on")
    principal: str = column("Who asks")
    asked_us: int = micros("When", index=True)
    decided_by: str = column("Who decided, never the one who asks", default="")
    decided_us: int | None = micros("When", default=None)
    approved: bool | None = column("Empty while nobody has decided", default=None)
    decision_reason: str = column("Why it was decided so", default="")
    expires_us: int | None = micros("Until when an approved one may be used", default=None)
    used_us: int | None = micros("When it was used", default=None)
    used_by: str = column("Who used it", default="")
