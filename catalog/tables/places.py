"""Where things happen: divisions, industries, sites, rooms, seats and sources."""

from __future__ import annotations

from catalog.tables.base import Table, column


class RegionRow(Table, table=True):
    __tablename__ = "region"
    __table_args__ = {"comment": "Administrative divisions, GB/T 2260"}
    code: str = column("Six digits", primary_key=True)
    name_zh: str = column("Chinese name")
    name_en: str = column("English name")
    level: str = column("province, prefecture or county")
    parent_code: str | None = column(
        "Division that this one belongs to", foreign_key="region.code", index=True
    )


class RegionAliasRow(Table, table=True):
    __tablename__ = "region_alias"
    __table_args__ = {"comment": "Codes that a division had before; old archives keep theirs"}
    old_code: str = column("Six digits, as it was", primary_key=True)
    code: str = column("Division that it is today", foreign_key="region.code", index=True)
    old_name_zh: str = column("Chinese name, as it was")
    until: str = column("Day on which the code ended, ISO 8601; empty where it is not known", default="")
    note: str = column("Why it changed, for people", default="")


class IndustryRow(Table, table=True):
    __tablename__ = "industry"
    __table_args__ = {"comment": "Industries; a deployment edits them"}
    code: str = column("Code of the deployment's own table, opaque", primary_key=True)
    name_zh: str = column("Chinese name")
    name_en: str = column("English name")
    parent_code: str | None = column(
        "Industry that this one refines", foreign_key="industry.code", index=True
    )
    deal_classify: str = column("Class of the national deal platform, opaque", default="", default_sql="")
    supervising: str = column("Which authorities supervise it, for people", default="", default_sql="")


class SiteRow(Table, table=True):
    __tablename__ = "site"
    __table_args__ = {"comment": "Trading centres"}
    id: str = column("Id from cameras.yaml", primary_key=True)
    region_code: str = column("Division it stands in", foreign_key="region.code")
    name_zh: str = column("Chinese name")
    name_en: str = column("English name")


class RoomRow(Table, table=True):
    __tablename__ = "room"
    __table_args__ = {"comment": "Rooms of a site"}
    id: str = column("Id from cameras.yaml", primary_key=True)
    site_id: str = column("Site it belongs to", foreign_key="site.id", index=True)
    kind: str = column("RoomKind")
    name_zh: str = column("Chinese name")
    name_en: str = column("English name")


class SeatRow(Table, table=True):
    __tablename__ = "seat"
    __table_args__ = {"comment": "Numbered evaluation seats"}
    id: str = column("Id from cameras.yaml", primary_key=True)
    room_id: str = column("Room it stands in", foreign_key="room.id", index=True)
    ordinal: int = column("Number written on the seat")


class SourceRow(Table, table=True):
    __tablename__ = "source"
    __table_args__ = {"comment": "Cameras and desktops, without their addresses"}
    id: str = column("Id from cameras.yaml", primary_key=True)
    room_id: str = column("Room it stands in", foreign_key="room.id", index=True)
    seat_id: str | None = column("Seat it looks at, if any", foreign_key="seat.id")
    content_kind: str = column("ContentKind")
    label_zh: str = column("Chinese label")
    label_en: str = column("English label")
