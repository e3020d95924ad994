"""A province's catalogue for ``bench_search.py``: made up in the shapes of the sample, the same every time.

Twelve sites with their rooms and sources as the sample has them; ten years of projects, each with
extraction, opening and evaluation, some with a remote or a second one; seats with experts of a pool of three
thousand; sections, tags, gaps, holds and archives. Without segments, slices and renditions, which nobody
searches.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from sqlalchemy import Connection, text

from catalog.catalogue import Catalogue
from catalog.database import writing
from catalog.search.changes import drop_triggers, put_triggers
from catalog.search.words import rebuild
from catalog.tables import METADATA
from cli.sample.files import read_sample
from kernel.clock import SECOND_US

DAY_US = 24 * 3600 * SECOND_US
FIRST_US = 1_451_606_400 * SECOND_US  # 2016
DAYS = 3650
EXPERTS = 3000
AGENCIES = 300
CLIPS_A_PROJECT = 20
_AT_ONCE = 1000  # projects
NAMES = (
    "昭阳区",
    "鲁甸县",
    "巧家县",
    "盐津县",
    "大关县",
    "永善县",
    "绥江县",
    "镇雄县",
    "彝良县",
    "威信县",
    "水富市",
)
THINGS = (
    "污水厂", "桥", "公路", "中学食堂", "医院门诊楼", "水库", "道路", "办公楼", "教学设备", "监理", "隧道",
    "供水管网", "绿化", "幼儿园", "消防站", "体育馆", "图书馆", "停车场", "垃圾处理站", "光伏电站",
    "冷链仓库", "药品", "电梯",
)  # fmt: skip
WORKS = (
    "新建",
    "扩建",
    "提升改造施工",
    "采购",
    "勘察设计",
    "维修",
    "建设项目",
    "一期工程",
    "二期工程",
    "政府采购",
)
REMARKS = (
    "03席专家身体不适",
    "评标区内用餐,无异常",
    "全景信号丢失",
    "副场链路中断",
    "04席使用未登记的电子设备",
)


def made_key(number: int) -> str:
    """An expert's key; of no trading system."""
    return f"{number:032x}"


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where sessions can be held."""

    rooms: dict[str, dict[str, list[str]]]  # by site and kind
    sources: dict[str, list[tuple[str, str | None]]]  # by room: id and seat
    regions: dict[str, str]  # by site
    leaves: list[str]  # industries


class Province:
    """Rows of a made-up province."""

    def __init__(self, catalogue: Catalogue, projects: int) -> None:
        self._catalogue = catalogue
        self._projects = projects
        self._random = Random(6)
        self._places = self._register()

    def _register(self) -> Places:
        sample = read_sample()
        self._catalogue.places.register(sample.places, principal="bench", at_us=FIRST_US)
        rooms: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for room in sample.places.rooms_public():
            rooms[room.site_id][room.kind].append(room.id)
        sources = defaultdict(list)
        for source in sample.places.sources_public():
            sources[source.room_id].append((source.id, source.seat_id))
        industries = self._catalogue.places.industries()
        parents = {one.parent_code for one in industries}
        return Places(
            rooms={site: kinds for site, kinds in rooms.items() if kinds["evaluation_room"]},
            sources=sources,
            regions={site.id: site.region_code for site in sample.places.sites_public()},
            leaves=[one.code for one in industries if one.code not in parents and one.code != "H"],
        )

    def fill(self) -> None:
        """Put all rows in, then the index of words; marks of changes at once instead of row by row."""
        with writing(self._catalogue._engine) as session:
            drop_triggers(session.connection())
        for start in range(0, self._projects, _AT_ONCE):
            with writing(self._catalogue._engine) as session:
                numbers = range(start, min(start + _AT_ONCE, self._projects))
                for table, rows in self._rows(numbers).items():
                    put(session.connection(), table, rows)
        with writing(self._catalogue._engine) as session:
            self._hold(session.connection())
            rebuild(session.connection())
            for kind in ("project", "session"):
                marks = f"SELECT '{kind}', id, row_number() OVER (ORDER BY id) FROM {kind}"
                session.connection().execute(text(f"INSERT INTO search_change (kind, id, number) {marks}"))
            put_triggers(session.connection())

    def _rows(self, numbers: range) -> dict[str, list[dict[str, Any]]]:
        made: dict[str, list[dict[str, Any]]] = {
            name: []
            for name in ("project", "section", "venue", "session", "session_section", "seating", "tag",
                         "clip", "clip_gap", "archive")
        }  # fmt: skip
        for number in numbers:
            self._project(number, made)
        return made

    def _project(self, number: int, made: dict[str, list[dict[str, Any]]]) -> None:
        random = self._random
        site = random.choice(list(self._places.rooms))
        region = self._places.regions[site]
        industry = random.choice(self._places.leaves)
        day_us = FIRST_US + number * DAYS // self._projects * DAY_US
        year, name = 2016 + (day_us - FIRST_US) // (365 * DAY_US), f"P{number:06}"
        code = f"{region}-{industry[0]}-{year}-{number:06}"
        made["project"].append(
            {
                "id": name, "project_code": code, "tender_project_code": f"T{code}",
                "name_zh": f"{random.choice(NAMES)}第{number % 97}{random.choice(THINGS)}"
                f"{random.choice(WORKS)}{random.choice(('', '', '项目', '(A01标段)'))}",
                "name_en": f"Sample {number}", "region_code": region,
                "trade_place": region if random.random() < 0.9 else "530600", "industry_code": industry,
                "kind": "tender", "method": "公开招标", "evaluation_mode": "local", "committee_size": 5,
                "agency": f"样例代理机构{random.randrange(AGENCIES):03}号", "supervising_account": "",
                "outcome": "result", "result_published_us": day_us + 7 * DAY_US, "retention_class": "Y15",
                "reported_by": "",
            }
        )  # fmt: skip
        sections = 1 if random.random() < 0.85 else random.randrange(2, 5)
        for section in range(1, sections + 1):
            made["section"].append(
                {
                    "project_id": name, "number": section, "section_code": f"{code}-{section:03}",
                    "name_zh": "本项目不分标段" if sections == 1 else f"第{'一二三四'[section - 1]}标段",
                    "unified_deal_code": f"{industry}-SAMPLE000000000000-{year}0101-{number:06}-{section}",
                }
            )  # fmt: skip
        made["venue"].append({"project_id": name, "site_id": site, "role": "main"})
        for session in self._sessions(name, site, day_us, number, made):
            if sections > 1 and session.endswith("-E"):
                numbers = random.sample(range(1, sections + 1), random.randrange(1, sections + 1))
                made["session_section"] += [{"session_id": session, "number": one} for one in numbers]

    def _sessions(
        self, project: str, site: str, day_us: int, number: int, made: dict[str, list[dict[str, Any]]]
    ) -> Iterator[str]:
        random = self._random
        held = [("X", "extraction", "extraction_room", 0.2, 0.8), ("O", "opening", "opening_hall", 1, 1),
                ("E", "evaluation", "evaluation_room", 2.2, 4)]  # fmt: skip
        more = random.random()
        if more < 0.5:
            held.append(("E2", "evaluation", "remote_evaluation_room", 2.3, 4))
        elif more < 0.55:
            held.append(("R", "re_evaluation", "evaluation_room", 72, 3))
        for name, phase, kind, after, hours in held:
            rooms = self._places.rooms[site][kind]
            if not rooms:
                continue
            start_us = day_us + round(after * 3600 + random.randrange(3600)) * SECOND_US
            yield self._session(
                f"{project}-{name}", project, phase, random.choice(rooms), start_us, hours, number, made
            )

    def _session(
        self, name: str, project: str, phase: str, room: str, start_us: int, hours: float, number: int,
        made: dict[str, list[dict[str, Any]]],
    ) -> str:  # fmt: skip
        random, rare = self._random, self._random.random()
        end_us = start_us + round(hours * 3600) * SECOND_US
        late = number > self._projects * 0.998
        state = "archived" if not late else "planned" if rare < 0.5 else "cut"
        made["session"].append(
            {
                "id": name, "project_id": project, "phase": phase, "room_id": room, "state": state,
                "start_us": None if state == "planned" else start_us,
                "end_us": None if state == "planned" else end_us, "venue_role": "main", "cut_number": 1,
                "change_number": 2, "plan": json.dumps({"phase": phase, "room": room}),
            }
        )  # fmt: skip
        if state == "planned":
            return name
        if state == "archived":
            made["archive"].append(_archive(name, end_us))
        sources = self._places.sources[room]
        if phase in ("evaluation", "re_evaluation"):
            for ordinal, seat in enumerate(sorted({seat for _, seat in sources if seat})[:5]):
                made["seating"].append(_seating(name, seat, ordinal, random.randrange(EXPERTS), start_us))
        for source, _seat in sources[:11]:
            made["clip"].append(_clip(name, source, start_us, end_us))
            if random.random() < 0.005:
                made["clip_gap"].append(_gap(name, source, start_us, random.choice((5, 45, 120, 2000))))
        if phase == "opening":
            made["tag"].append(_tag(name, project, start_us, "opening.decrypt_start", "开始解密"))
        elif random.random() < 0.05:
            made["tag"].append(_tag(name, project, start_us, "irregular", random.choice(REMARKS)))
        return name

    def _hold(self, connection: Connection) -> None:
        """A hundred hours of some sources."""
        sources = sorted(one for some in self._places.sources.values() for one, _ in some)
        rows = []
        for number in range(100):
            start_us = FIRST_US + self._random.randrange(DAYS) * DAY_US + 2 * 3600 * SECOND_US
            rows.append(
                {
                    "id": f"H{number}", "source_id": self._random.choice(sources),
                    "wall_start_us": start_us, "wall_end_us": start_us + 100 * 3600 * SECOND_US,
                    "reason": "", "principal": "bench", "made_us": start_us, "released_us": None,
                    "released_by": "", "release_reason": "",
                }
            )  # fmt: skip
        put(connection, "hold", rows)


def _clip(session: str, source: str, start_us: int, end_us: int) -> dict[str, Any]:
    return {
        "id": f"{session}.{source}.1", "session_id": session, "source_id": source, "part": 1,
        "wall_start_us": start_us - 300 * SECOND_US, "wall_end_us": end_us + 300 * SECOND_US, "revision": 1,
        "retired_us": None,
    }  # fmt: skip


def _gap(session: str, source: str, start_us: int, seconds: int) -> dict[str, Any]:
    return {
        "clip_id": f"{session}.{source}.1", "wall_start_us": start_us,
        "wall_end_us": start_us + seconds * SECOND_US, "cause": "camera_lost", "detail": "no answer",
        "backfilled": False,
    }  # fmt: skip


def _seating(session: str, seat: str, ordinal: int, expert: int, at_us: int) -> dict[str, Any]:
    return {
        "id": f"{session}.{ordinal}", "session_id": session, "seat_id": seat,
        "member": f"E{ordinal}" if ordinal else "O1", "expert_key": made_key(expert) if ordinal else "",
        "from_us": None, "to_us": None, "principal": "", "reason": "", "recorded_us": at_us,
        "replaced_us": None,
    }  # fmt: skip


def _tag(session: str, project: str, at_us: int, kind: str, said: str) -> dict[str, Any]:
    return {
        "id": f"T.{session}", "project_id": project, "session_id": session, "source_id": None,
        "at_us": at_us, "kind": kind, "severity": "", "text": said, "principal": "bench",
        "recorded_us": at_us,
    }  # fmt: skip


def _archive(session: str, at_us: int) -> dict[str, Any]:
    return {
        "id": f"A.{session}", "session_id": session, "version": 1, "key_prefix": f"{session}/v1",
        "budget_bytes": 10**9, "size_bytes": 10**9, "raw_bytes": 10**10, "verified_us": at_us + DAY_US,
        "principal": "bench", "overrun_reason": "", "cut_number": 1, "known_number": 2, "overrun_cause": "",
    }  # fmt: skip


def put(connection: Connection, table: str, rows: Sequence[dict[str, Any]]) -> None:
    """Put many rows in, by the quickest way of each database."""
    if not rows:
        return
    known = {column.name for column in METADATA.tables[table].columns}
    names = [name for name in rows[0] if name in known]
    cursor = connection.connection.cursor()
    quoted = ", ".join(f'"{name}"' for name in names)
    if connection.dialect.name == "postgresql":
        with cursor.copy(f'COPY "{table}" ({quoted}) FROM STDIN') as copy:
            for row in rows:
                copy.write_row([row[name] for name in names])
    else:
        marks = ", ".join("?" for _ in names)
        cursor.executemany(
            f'INSERT INTO "{table}" ({quoted}) VALUES ({marks})',
            [[row[name] for name in names] for row in rows],
        )
    cursor.close()


def sizes(connection: Connection) -> tuple[int, int]:
    """Bytes of the whole catalogue, and of what is there for searching alone."""
    if connection.dialect.name == "postgresql":
        whole = connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
        own = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relname IN ({}) AND relkind = 'r'"
        named = "'search_text', 'search_project', 'search_change'"
        return int(whole), int(connection.execute(text(own.format(named))).scalar_one())
    pages = connection.execute(text("SELECT sum(pgsize) FROM dbstat")).scalar_one()
    own = "SELECT sum(pgsize) FROM dbstat WHERE name LIKE '%search\\_%' ESCAPE '\\'"
    return int(pages), int(connection.execute(text(own)).scalar_one())
