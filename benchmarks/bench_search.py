"""How quickly a province finds what it looks for, while it records.

A million clips of some fifty thousand projects (``search_province.py``) on SQLite and on PostgreSQL. Each
kind of query is asked many times with other arguments, while another program adds two thousand rows of
segments a second. Beside it, in the same run: what one would do without all this, ``LIKE '%word%'`` and
``GROUP BY``.

Prints a table; the last line is one JSON object. ``JIANZHENG_BENCH_CLIPS`` sets the number of clips,
``JIANZHENG_BENCH_TAKES`` how often each kind is asked, ``JIANZHENG_BENCH_CACHE`` a directory in which the
catalogue of SQLite is kept for the next run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random
from statistics import median, quantiles
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # the server of tests is started here, too

from rich.console import Console
from rich.table import Table
from search_province import (
    AGENCIES,
    CLIPS_A_PROJECT,
    DAY_US,
    DAYS,
    EXPERTS,
    FIRST_US,
    THINGS,
    Province,
    made_key,
    put,
    sizes,
)
from sqlalchemy import text

from catalog.catalogue import Catalogue
from catalog.database import reading, writing
from catalog.search.filters import Days, SearchFilter
from catalog.search.search import Search
from kernel.model.source import ContentKind
from kernel.model.timeline import Phase, SessionState
from tests.support.postgresql import PostgresServer

CLIPS = int(os.environ.get("JIANZHENG_BENCH_CLIPS", "1000000"))
TAKES = int(os.environ.get("JIANZHENG_BENCH_TAKES", "60"))
CACHE = os.environ.get("JIANZHENG_BENCH_CACHE", "")
PROJECTS = CLIPS // CLIPS_A_PROJECT
ROWS_A_SECOND = 2100  # a few come late: two thousand are asked for
_PERIOD = 0.1  # seconds between transactions of the recorder
_FIRST_DAY = date(2016, 1, 1)

Query = Callable[[Search, Random], object]


def day(random: Random) -> date:
    return _FIRST_DAY + timedelta(days=random.randrange(DAYS))


def some_days(random: Random, longest: int = 90) -> Days:
    first = day(random)
    return Days(first=first, last=first + timedelta(days=random.randrange(longest)))


def of(**narrowed: Callable[[Random], Any]) -> Query:
    """A list of projects, narrowed at random."""
    return lambda search, random: search.projects(made(narrowed, random))


def made(narrowed: Mapping[str, Callable[[Random], Any]], random: Random) -> SearchFilter:
    return SearchFilter(**{name: value(random) for name, value in narrowed.items()})


def one_of(*values: str) -> Callable[[Random], frozenset[str]]:
    return lambda random: frozenset({random.choice(values)})


def word(*values: str) -> Callable[[Random], str]:
    return lambda random: random.choice(values)


REGIONS = one_of("530602", "530621", "530622", "530623", "530627", "530681", "530600")
INDUSTRIES = one_of("A", "A01", "A03", "A07", "B", "C", "D", "D01", "D03", "E", "E01")
SITES = one_of("ZT", "ZY", "LD", "QJ", "YJ", "ZX", "WX", "SF")
PHASES = one_of(
    *(str(one) for one in (Phase.OPENING, Phase.EXTRACTION, Phase.EVALUATION, Phase.RE_EVALUATION))
)
KINDS = one_of(*(str(one) for one in (ContentKind.ROOM, ContentKind.SCREEN, ContentKind.SEAT_FACE)))
STATES = one_of(*(str(one) for one in (SessionState.ARCHIVED, SessionState.PLANNED, SessionState.CUT)))
TWO = word("评标", "标段", "公路", "水库", "采购", "道路", "扩建", "永善", "药品", "隧道")
EXPERT = word(*(made_key(number) for number in range(EXPERTS)))
SEATED = {"expert_key": EXPERT}


def number_in(random: Random) -> str:
    return f"{random.randrange(PROJECTS):06}"


def facets(**narrowed: Callable[[Random], Any]) -> Query:
    return lambda search, random: search.facets(made(narrowed, random))


def calendar(**narrowed: Callable[[Random], Any]) -> Query:
    def ask(search: Search, random: Random) -> object:
        at = day(random)
        return search.calendar(made(narrowed, random), at.year, at.month)

    return ask


def clips(**narrowed: Callable[[Random], Any]) -> Query:
    return lambda search, random: search.clips(made(narrowed, random))


def paged(search: Search, random: Random) -> object:
    """A page somewhere behind the first."""
    by = made({"industries": INDUSTRIES}, random)
    mark = _MARKS.get(by)
    found = search.projects(by, page=mark)
    _MARKS[by] = found.next_page
    return found


_MARKS: dict[SearchFilter, str | None] = {}

KINDS_OF_QUERY: dict[str, Query] = {
    "everything": of(),
    "page behind page": paged,
    "region": of(regions=REGIONS),
    "industry": of(industries=INDUSTRIES),
    "days": of(days=some_days),
    "region, industry, days": of(regions=REGIONS, industries=INDUSTRIES, days=some_days),
    "project code": of(code=lambda random: f"-{number_in(random)}"),
    "part of the name": of(name=word(*THINGS)),
    "section's name": of(section=word("第一标段", "第二标段", "不分标段", "第四标段")),
    "section's number": of(section_number=lambda random: random.randrange(1, 5)),
    "unified deal code": of(code=lambda random: f"0101-{number_in(random)}-1"),
    "agency": of(agency=lambda random: f"机构{random.randrange(AGENCIES):03}号"),
    "room": of(rooms=one_of("ZT-OH1", "ZT-ER2", "ZX-ER1", "QJ-OH1", "YJ-RR1", "LD-XR1")),
    "site": of(sites=SITES),
    "phase": of(phases=PHASES),
    "content kind": of(kinds=KINDS),
    "state": of(states=STATES),
    "expert": of(expert_key=EXPERT),
    "expert, days": of(expert_key=EXPERT, days=lambda random: some_days(random, 900)),
    "tag's words": of(tag=word("身体不适", "开始解密", "信号", "电子设备")),
    "tag's kind and words": of(tag=word("专家", "信号", "设备"), tag_kinds=one_of("irregular")),
    "held": of(held=lambda _: True),
    "gaps > 60 s, site": of(gap_seconds=lambda _: 60, sites=SITES),
    "one character": of(text=word("桥", "厂", "楼", "县", "梯")),
    "two characters": of(text=TWO),
    "three characters": of(text=word("污水厂", "幼儿园", "体育馆", "停车场", "本项目")),
    "mixed characters": of(text=word("a01标段", "(Ａ01标段)", "第1桥", "第12公路", "-A-2020")),
    "two words, region": of(text=word("公路 施工", "水库 维修", "桥 (A01"), regions=REGIONS),
    "all at once": of(
        text=TWO, regions=REGIONS, industries=INDUSTRIES, days=some_days, phases=PHASES, kinds=KINDS
    ),
    "clips: newest": clips(),
    "clips: of a project": clips(project_ids=lambda random: frozenset({f"P{number_in(random)}"})),
    "clips: region, kind, days": clips(regions=REGIONS, kinds=KINDS, days=some_days),
    "clips: gaps > 60 s, site": clips(gap_seconds=lambda _: 60, sites=SITES),
    "facets: everything": facets(),
    "facets: region": facets(regions=REGIONS),
    "facets: industry, year": facets(industries=INDUSTRIES, days=lambda random: some_days(random, 365)),
    "facets: phase": facets(phases=PHASES),
    "facets: content kind": facets(kinds=KINDS),
    "facets: two characters": facets(text=TWO),
    "facets: expert": facets(expert_key=EXPERT),
    "calendar": calendar(),
    "calendar: region": calendar(regions=REGIONS),
    "calendar: expert": calendar(expert_key=EXPERT),
}

PLAIN = {
    "two characters": """
        SELECT p.id, p.name_zh, (SELECT count(*) FROM clip c JOIN session s ON s.id = c.session_id
                                 WHERE s.project_id = p.id AND c.retired_us IS NULL)
        FROM project p WHERE p.name_zh LIKE :word OR p.agency LIKE :word OR p.project_code LIKE :word
            OR EXISTS (SELECT 1 FROM section x WHERE x.project_id = p.id AND x.name_zh LIKE :word)
            OR EXISTS (SELECT 1 FROM tag t WHERE t.project_id = p.id AND t.text LIKE :word)
        ORDER BY (SELECT min(start_us) FROM session s WHERE s.project_id = p.id) DESC LIMIT 50
    """,
    "facets: everything": """
        SELECT substr(r.site_id, 1, 2), s.phase, count(DISTINCT s.project_id) FROM clip c
        JOIN session s ON s.id = c.session_id JOIN room r ON r.id = s.room_id
        WHERE c.retired_us IS NULL GROUP BY 1, 2
    """,
}


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What one database showed; milliseconds by kind of query."""

    times: dict[str, list[float]]
    processor: dict[str, list[float]]  # of the program that searches, likewise; SQLite is part of it
    plain: dict[str, float]  # median of the plain way
    cold: float  # seconds of the first search of a program
    changed: float  # median of a search after something has changed
    memory: int  # bytes of the columns
    inserts: float  # rows a second
    whole: int  # bytes of the catalogue
    own: int  # of it for searching alone

    @property
    def worst(self) -> float:
        """Of the kinds of query, the 95th percentile of the slowest."""
        return max(p95(times) for times in self.times.values())


def p95(times: list[float]) -> float:
    return quantiles(times, n=20)[-1]


def measure(url: str) -> Figures:
    catalogue = Catalogue.open(url)
    _MARKS.clear()
    with reading(catalogue._engine) as session:
        whole, own = sizes(session.connection())
    began = time.perf_counter()
    catalogue.search.warm()
    cold = time.perf_counter() - began
    with recorder(url) as written:
        asked = {name: ask(catalogue.search, query) for name, query in KINDS_OF_QUERY.items()}
        plain = {name: plainly(catalogue, name) for name in PLAIN}
        changed = median(after_changes(catalogue))
        inserts = written()
    memory = catalogue.search._columns.nbytes
    catalogue.close()
    return Figures(
        times={name: times for name, (times, _) in asked.items()},
        processor={name: times for name, (_, times) in asked.items()},
        plain=plain,
        cold=cold,
        changed=changed,
        memory=memory,
        inserts=inserts,
        whole=whole,
        own=own,
    )


def ask(search: Search, query: Query) -> tuple[list[float], list[float]]:
    """Milliseconds that passed, and those of the processor: on a busy machine they differ."""
    random = Random(1)
    times, processor = [], []
    for number in range(TAKES + 2):
        began, used = time.perf_counter(), time.process_time()
        query(search, random)
        if number >= 2:  # what was on the disk only is in memory then
            times.append((time.perf_counter() - began) * 1000)
            processor.append((time.process_time() - used) * 1000)
    return times, processor


def plainly(catalogue: Catalogue, name: str) -> float:
    """Milliseconds of what one would do otherwise."""
    times = []
    for number in range(3):
        with reading(catalogue._engine) as session:
            began = time.perf_counter()
            asked = {"word": f"%{TWO(Random(number))}%"} if "word" in PLAIN[name] else {}
            session.connection().execute(text(PLAIN[name]), asked).all()
            times.append((time.perf_counter() - began) * 1000)
    return median(times)


def after_changes(catalogue: Catalogue) -> Iterator[float]:
    """Milliseconds of searches each of which finds that a project has changed."""
    random = Random(2)
    for _ in range(TAKES):
        with writing(catalogue._engine) as session:
            statement = text("UPDATE session SET change_number = change_number + 1 WHERE project_id = :id")
            session.connection().execute(statement, {"id": f"P{number_in(random)}"})
        began = time.perf_counter()
        catalogue.search.projects(SearchFilter())
        yield (time.perf_counter() - began) * 1000


@contextmanager
def recorder(url: str) -> Iterator[Callable[[], float]]:
    """A program that adds rows of segments; gives how many a second it has added."""
    command = [sys.executable, __file__, "record", url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdout.readline()

        def written() -> float:
            assert program.stdin is not None
            assert program.stdout is not None
            program.stdin.close()
            return float(program.stdout.readline())

        yield written
        program.wait()


def record(url: str) -> None:
    """Add rows of segments until standard input ends, in transactions of a tenth of a second."""
    import threading

    stop = threading.Event()
    catalogue = Catalogue.open(url)
    run = f"run-{time.monotonic_ns()}"
    put_run(catalogue, run)
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    began, rows, first = time.monotonic(), 0, next_number(catalogue)
    while not stop.is_set():
        due = int((time.monotonic() - began) * ROWS_A_SECOND) - rows
        with writing(catalogue._engine) as session:
            put(session.connection(), "segment", [segment(run, first + rows + more) for more in range(due)])
        rows += due
        stop.wait(_PERIOD)
    sys.stdout.write(f"{rows / (time.monotonic() - began)}\n")
    catalogue.close()


def next_number(catalogue: Catalogue) -> int:
    with reading(catalogue._engine) as session:
        query = text("SELECT coalesce(max(chain_number), 0) + 1 FROM segment")
        return int(session.connection().execute(query).scalar_one())


def put_run(catalogue: Catalogue, run: str) -> None:
    row = {
        "id": run,
        "source_id": "ZT-OH1-P1",
        "started_us": 0,
        "ended_us": None,
        "end_reason": None,
        "origin": "live",
    }
    with writing(catalogue._engine) as session:
        put(session.connection(), "run", [row])


def segment(run: str, number: int) -> dict[str, Any]:
    at_us = FIRST_US + DAYS * DAY_US + number * 60_000_000
    return {
        "id": f"{run}-{number}", "run_id": run, "source_id": "ZT-OH1-P1", "sequence": number,
        "wall_start_us": at_us, "wall_end_us": at_us + 60_000_000, "media_start": 0,
        "media_duration": 5_400_000, "timescale": 90_000, "clock_basis": "sender_report",
        "clock_offset_us": 0, "path": f"{run}/{number}.mp4", "size_bytes": 30_000_000,
        "sha256": f"{number:064x}", "chain": f"{number:064x}", "chain_number": number,
        "end_reason": "length", "state": "sealed",
        "removed_us": None, "removal_reason": "", "removed_by": "",
    }  # fmt: skip


def on_sqlite(directory: Path) -> Figures:
    path = directory / f"province-{CLIPS}.sqlite"
    kept = Path(CACHE) / path.name if CACHE else None
    if kept is not None and kept.exists():
        shutil.copyfile(kept, path)
    else:
        fill(f"sqlite:///{path}")
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, kept)
    return measure(f"sqlite:///{path}")


def on_postgresql() -> Figures:
    """A server as it comes, but for the share of memory that its manual advises."""
    server = PostgresServer({"shared_buffers": "1GB", "autovacuum": "on"})
    try:
        url = server.new_empty()
        fill(url)
        name = url.partition("?")[0].rpartition("/")[2]
        server.execute("VACUUM ANALYZE", "CHECKPOINT", database=name)
        return measure(url)
    finally:
        server.stop()


def fill(url: str) -> None:
    began = time.perf_counter()
    catalogue = Catalogue.open(url)
    Province(catalogue, PROJECTS).fill()
    catalogue.close()
    sys.stderr.write(f"filled in {time.perf_counter() - began:.0f} s\n")


def report(sqlite: Figures, postgresql: Figures) -> None:
    """A table for people, then one line for machines."""
    table = Table(title=f"{CLIPS:,} clips, {PROJECTS:,} projects; {TAKES} takes of each kind, milliseconds")
    table.add_column("query")
    for name in ("SQLite", "PostgreSQL"):
        for what in ("p50", "p95", "cpu p95", "plain"):
            table.add_column(f"{name}\n{what}", justify="right")
    for kind in KINDS_OF_QUERY:
        cells = []
        for one in (sqlite, postgresql):
            times = one.times[kind]
            cells += [f"{number:.1f}" for number in (median(times), p95(times), p95(one.processor[kind]))]
            cells.append(f"{one.plain[kind]:.0f}" if kind in one.plain else "")
        table.add_row(kind, *cells)
    Console(width=110).print(table)
    for name, one in (("SQLite", sqlite), ("PostgreSQL", postgresql)):
        sys.stdout.write(
            f"{name}: catalogue {one.whole / 1e6:.0f} MB, {one.own / 1e6:.0f} MB of it for searching "
            f"({one.whole / CLIPS:.0f} bytes a clip); columns in memory {one.memory / 1e6:.0f} MB, "
            f"read in {one.cold:.1f} s; a search after a change {one.changed:.1f} ms; "
            f"{one.inserts:.0f} rows a second\n"
        )
    figures = {
        "benchmark": "search",
        "clips": CLIPS,
        "p95_ms_sqlite": round(sqlite.worst, 1),
        "p95_ms_postgresql": round(postgresql.worst, 1),
        "cpu_p95_ms_sqlite": round(max(map(p95, sqlite.processor.values())), 1),
        "cpu_p95_ms_postgresql": round(max(map(p95, postgresql.processor.values())), 1),
        "load": os.getloadavg()[0],
        "inserts_per_s": round(min(sqlite.inserts, postgresql.inserts)),
        "ratio_like_sqlite": ratio(sqlite, "two characters"),
        "ratio_like_postgresql": ratio(postgresql, "two characters"),
        "ratio_group_by_sqlite": ratio(sqlite, "facets: everything"),
        "ratio_group_by_postgresql": ratio(postgresql, "facets: everything"),
        "cold_s_sqlite": round(sqlite.cold, 1),
        "cold_s_postgresql": round(postgresql.cold, 1),
        "mb_sqlite": round(sqlite.whole / 1e6),
        "mb_postgresql": round(postgresql.whole / 1e6),
    }
    sys.stdout.write(json.dumps(figures) + "\n")


def ratio(one: Figures, kind: str) -> float:
    """How many times as long the plain way takes, medians of the same run."""
    return round(one.plain[kind] / median(one.times[kind]), 1)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("JIANZHENG_BENCH_DIR")) as name:
        sqlite = on_sqlite(Path(name))
        report(sqlite, on_postgresql())


if __name__ == "__main__":
    if sys.argv[1:2] == ["record"]:
        record(sys.argv[2])
    else:
        main()
