"""Real packages with documents, addenda, versions and holds: rebuilt from a directory and from a bucket."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from archiver.addendum import ProjectFiler
from archiver.equipment import Tools
from archiver.worker import Archiver
from catalog.archive_numbers import number_rule
from catalog.catalogue import Catalogue
from catalog.life_records import LifeRecords
from catalog.objects import DirectoryStore, ObjectStore, open_store
from catalog.rebuild import Rebuilt
from catalog.rebuild_records import RECORDS, StoreRecords
from cli.archiving import ArchivingLoop
from cli.check import check_everything
from cli.main import app
from kernel.clock import SECOND_US, FakeClock
from kernel.model.footage import Hold, HoldKind
from kernel.model.timeline import Tag, TimelineEvent
from kernel.settings import ArchiveCodec, ArchiveSettings, CutSettings, Settings
from kernel.timerange import TimeRange
from segmenter.worker import Segmenter
from tests.integration.test_documents_in_packages import LATE, OF_PROJECT, SHEET, bring
from tests.support.packages import CLOCK_US, START, site
from tests.support.rebuilt import LOST_COLUMNS, all_rows
from tests.support.s3 import Gateway
from tests.support.signing import signer

ORIGIN = "file:///store"
FAST = ArchiveSettings(budget_kbps=400, codec=ArchiveCodec.H264, workers=1)
FROM_DOCUMENTS = {
    "archive": {"id", "verified_us", "known_number", "overrun_reason", "overrun_cause"},
    "archive_object": {"archive_id"},
    "rendition": {"id", "archive_id"},
    "document_copy": {"archive_id", "addendum_id"},
    "addendum": {"id", "verified_us", "principal"},
    "addendum_object": {"addendum_id"},
    "clip": {"retired_us"},
    "project": {"reported_by"},
    "run": {"started_us", "ended_us", "end_reason"},
    "segment": {"sequence", "media_start", "media_duration", "timescale", "end_reason"},
    "session": {"plan"},
    "file_set": {"version", "sealed_us"},
    "file_set_archive": {"version", "archive_id"},
}
"""Columns that packages alone do not tell."""


class Made:
    """A site with a session that was archived twice, and all that belongs to it."""

    def __init__(self, directory: Path, rows: dict[str, Any]) -> None:
        self.directory = directory
        self.rows = rows

    @property
    def store(self) -> DirectoryStore:
        return DirectoryStore(self.directory / "store")


def archive_all(tools: Tools, clock: FakeClock) -> None:
    filer = ProjectFiler(tools, number_rule(None), 10)
    bring(tools, SHEET, "见证记录.pdf", "P-O")
    bring(tools, OF_PROJECT, "项目登记.ofd")
    tag = Tag(
        id="tag-1",
        project_id="P",
        session_id="P-O",
        source_id="cam",
        at_us=START + 3 * SECOND_US,
        kind="irregular",
        severity="minor",
        text="离席",
        principal="监督",
        recorded_us=START + 9 * SECOND_US,
    )
    tools.catalogue.tags.add(tag)
    assert Archiver(tools).run_once() is not None
    assert filer.run_once() is not None
    # The end is put right: one clip more is cut, and the session is archived again.
    tools.catalogue.sessions.record_event(
        TimelineEvent(
            id="opening.end.2",
            session_id="P-O",
            at_us=START + 7 * SECOND_US,
            type="opening.end",
            reason="更正",
            principal="test",
            recorded_us=clock.now_us(),
            replaces="opening.end",
        )
    )
    rules = CutSettings(pre_roll_seconds=1, post_roll_seconds=1, settle_seconds=0)
    while Segmenter(tools.catalogue, rules, clock).run_once():
        pass
    assert Archiver(tools).run_once() is not None
    bring(tools, LATE, "补充.pdf", "P-O")
    clock.advance(11 * 60)
    while filer.run_once() is not None:
        pass
    tools.catalogue.tags.add(replace(tag, id="tag-2", text="后来标注"))
    holds = [
        Hold(id="h1", kind=HoldKind.PROJECT, project_id="P", reason="投诉", principal="纪检", made_us=5),
        Hold(
            id="h2",
            kind=HoldKind.SOURCE,
            source_id="cam",
            wall=TimeRange(start_us=START, end_us=START + SECOND_US),
            reason="核查",
            principal="纪检",
            made_us=6,
        ),
    ]
    for one in holds:
        tools.catalogue.holds.make(one)
    tools.catalogue.holds.release("h2", principal="纪检", reason="查结", at_us=clock.now_us())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    directory = tmp_path_factory.mktemp("rebuilt")
    clock = FakeClock(CLOCK_US)
    own = signer(directory, clock)
    with site(directory, own, clock) as tools:
        archive_all(tools, clock)
        write(tools)
        return Made(directory, all_rows(tools.catalogue))


def write(tools: Tools) -> None:
    StoreRecords(tools.catalogue.kept_rows, tools.store, tools.signer.key, tools.clock).write_missing()
    LifeRecords(tools.catalogue.holds, tools.catalogue.disposals, tools.store).write_missing()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Catalogue]:
    url = f"sqlite:///{tmp_path / 'rebuilt.sqlite'}"
    if request.param == "postgresql":
        url = str(request.getfixturevalue("empty_postgresql_url"))
    catalogue = Catalogue.open(url)
    yield catalogue
    catalogue.close()


@pytest.fixture
def log_as_before() -> Iterator[None]:
    """A command sets up logging to where it prints, which is closed when it ends."""
    yield
    structlog.reset_defaults()


def rebuild(catalogue: Catalogue, store: ObjectStore, **more: Any) -> Rebuilt:
    return catalogue.rebuild(store, FakeClock(CLOCK_US), **more).run(ORIGIN, "操作员")


def test_all_rows_come_back_from_a_directory(made: Made, empty: Catalogue) -> None:
    assert len(made.rows["archive"]) == 2
    assert len(made.rows["addendum"]) >= 2
    found = rebuild(empty, made.store, verify_all=True)
    assert (found.damages, found.without_record) == ([], [])
    for table, rows in made.rows.items():
        assert all_rows(empty)[table] == rows, table
    again = rebuild(empty, made.store)
    assert (again.damages, again.taken.total()) == ([], 0)


def test_all_rows_come_back_from_a_bucket(made: Made, empty: Catalogue, s3_gateway: Gateway) -> None:
    url = f"s3://{s3_gateway.make_bucket()}/档案"
    bucket = open_store(url, made.directory, s3_gateway.settings(), FakeClock(CLOCK_US))
    for key in made.store.list_keys():
        with made.store.open(key) as source:
            bucket.put(key, source)
    assert rebuild(empty, bucket, verify_all=True).damages == []
    for table, rows in made.rows.items():
        assert all_rows(empty)[table] == rows, table


def test_packages_tell_of_themselves_where_no_record_is_left(
    made: Made, empty: Catalogue, tmp_path: Path
) -> None:
    shutil.copytree(made.directory / "store", tmp_path / "store")
    shutil.rmtree(tmp_path / "store" / RECORDS)
    found = rebuild(empty, DirectoryStore(tmp_path / "store"), verify_all=True)
    assert len(found.without_record) == 2 + len(made.rows["addendum"])
    assert [one.name for one in found.damages] == []
    after = all_rows(empty)
    for table in (
        "section",
        "session",
        "seating",
        "timeline_event",
        "clip",
        "clip_slice",
        "clip_gap",
        "segment",
    ):
        assert without(table, after[table]) == without(table, made.rows[table]), table
    for table in ("run", "archive", "archive_object", "rendition", "document", "document_copy", "hold"):
        assert without(table, after[table]) == without(table, made.rows[table]), table
    for table in ("addendum", "addendum_object", "archive_number", "project", "site", "room", "source"):
        assert without(table, after[table]) == without(table, made.rows[table]), table
    assert {row["id"] for row in after["tag"]} == {"tag-1"}  # the other came after the last package


def without(table: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows without what packages do not tell, in an order that does not go by it."""
    lost = FROM_DOCUMENTS.get(table, set()) | LOST_COLUMNS.get(table, set())
    kept = [{name: value for name, value in row.items() if name not in lost} for row in rows]
    return sorted(kept, key=lambda row: json.dumps(row, sort_keys=True, default=str))


@pytest.mark.usefixtures("log_as_before")
def test_the_command_rebuilds_and_names_what_is_damaged(made: Made, tmp_path: Path) -> None:
    shutil.copytree(made.directory / "store", tmp_path / "store")
    spoilt = sorted((tmp_path / "store" / "archives").rglob("v1/data/clips/*.mp4"))[0]
    spoilt.unlink()
    arguments = ["catalog", "rebuild", "--from", f"file://{tmp_path / 'store'}", "--data-dir"]
    result = CliRunner().invoke(app, [*arguments, str(tmp_path / "new")])
    assert result.exit_code == 1, result.output
    assert f"missing: data/clips/{spoilt.name}" in result.output
    shutil.copyfile(
        made.directory / spoilt.relative_to(tmp_path), spoilt
    )  # restored from a copy: run again, it is taken in
    result = CliRunner().invoke(app, [*arguments, str(tmp_path / "new")])
    assert result.exit_code == 0, result.output


def test_the_archiver_writes_the_records_and_checks_know_them(tmp_path: Path) -> None:
    clock = FakeClock(CLOCK_US)
    settings = Settings(data_dir=tmp_path, cameras=tmp_path / "none", archive=FAST)
    with site(tmp_path, signer(tmp_path, clock), clock) as tools:
        ArchivingLoop(tools, settings, threading.Event()).run(follow=False)
        kinds = {key.split("/")[1] for key in tools.store.list_keys(RECORDS)}
        assert kinds == {"tables", "projects", "archives"}
        findings, _, _ = check_everything(tools.catalogue, tools.store, tools.ring, tmp_path / "keys")
        assert [one for one in findings if "store" in one.name] == []
