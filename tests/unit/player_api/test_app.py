"""The API over a small catalogue with one archived session."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, Pool, event

from archiver.equipment import Tools
from archiver.steps import StepRunner
from archiver.worker import Archiver
from catalog.catalogue import Catalogue
from catalog.database import writing
from catalog.objects import DirectoryStore, MemoryStore
from catalog.tables import RegionRow
from kernel.clock import SECOND_US, FakeClock
from kernel.errors import CatalogError
from kernel.isobmff.reader import read_fragments, read_index, read_init
from kernel.model.archive import Rendition
from kernel.model.footage import Gap, GapCause, SourceHealth, SourceState
from kernel.settings import ArchiveSettings, CutSettings
from player_api.app import create_app
from player_api.changes import KEEP_ALIVE_POLLS, change_events
from player_api.receipts import receipt_public
from segmenter.worker import Segmenter
from tests.support.catalogue import PROJECT, add_segments, add_session, open_catalogue
from tests.support.segments import Recipe, make_segment
from tests.support.signing import signer

START = 1_772_420_400 * SECOND_US  # 2026-03-02 11:00 in Beijing


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """A site with one archived session and one project that has not begun."""

    catalogue: Catalogue
    store: DirectoryStore
    app: FastAPI
    rendition: Rendition  # of the camera, with sound and a gap
    data: bytes  # its file


def archive_session(directory: Path, catalogue: Catalogue, store: DirectoryStore) -> None:
    """Six seconds of two sources; the camera is lost from the second to the fourth second."""
    ring = directory / "ring"
    later = Recipe(frames=50, sound=True, run_id="run-2", wall_start_us=START + 4 * SECOND_US)
    segments = [
        make_segment(ring, Recipe(frames=50, sound=True)),
        make_segment(ring, later),
        make_segment(ring, Recipe(source_id="screen", run_id="run-3", frames=150)),
    ]
    add_segments(catalogue, segments)
    catalogue.footage.add_gap(
        Gap(
            id="gap",
            source_id="cam",
            start_us=START + 2 * SECOND_US,
            end_us=START + 4 * SECOND_US,
            cause=GapCause.CAMERA_LOST,
            detail="no answer",
        )
    )
    add_session(catalogue, START + SECOND_US, START + 5 * SECOND_US)
    clock = FakeClock(START + 100 * SECOND_US)
    around = CutSettings(pre_roll_seconds=0, post_roll_seconds=0, settle_seconds=0)
    Segmenter(catalogue, around, clock).run_once()
    runner = StepRunner(2)
    tools = Tools(
        catalogue=catalogue,
        store=store,
        runner=runner,
        settings=ArchiveSettings(budget_kbps=400),
        ring=ring,
        work=directory / "work",
        clock=clock,
        principal="test",
        signer=signer(directory, clock),
    )
    try:
        Archiver(tools).run_once()
    finally:
        runner.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("site")
    catalogue = open_catalogue(directory)
    store = DirectoryStore(directory / "store")
    archive_session(directory, catalogue, store)
    catalogue.projects.add_project(
        replace(PROJECT, id="Q", project_code="530300-B-1", region_code="530300", trade_place="530300"), []
    )
    archive = catalogue.archives.newest("P-O")
    assert archive is not None
    rendition = next(one for one in catalogue.archives.renditions_of(archive.id) if one.source_id == "cam")
    with store.open(rendition.object_key) as file:
        data = file.read()
    app = create_app(catalogue, store, FakeClock(), static=directory / "none")
    yield Site(catalogue=catalogue, store=store, app=app, rendition=rendition, data=data)
    catalogue.close()


@pytest.fixture
async def client(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=site.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as made:
        yield made


async def listed(client: httpx.AsyncClient, **query: str | int) -> list[str]:
    answer = await client.get("/api/projects", params=query)
    assert answer.status_code == 200, answer.text
    page = answer.json()
    return [project["id"] for project in page["projects"]]


# --- places and projects


async def test_regions_and_industries_are_listed_with_their_parents(client: httpx.AsyncClient) -> None:
    regions = (await client.get("/api/regions")).json()
    parents = {region["code"]: region["parent_code"] for region in regions}
    assert (parents["530602"], parents["530600"], parents["530000"]) == ("530600", "530000", None)
    industries = (await client.get("/api/industries")).json()
    assert {"code": "A01", "parent_code": "A"}.items() <= next(
        one for one in industries if one["code"] == "A01"
    ).items()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["Q", "P"]),
        ({"region": "530602"}, ["P"]),
        ({"region": "530600"}, ["P"]),  # a prefecture with its counties
        ({"region": "530000"}, ["Q", "P"]),  # a province with all below it
        ({"region": "530300"}, ["Q"]),
        ({"region": "150000"}, []),
        ({"region": "nowhere"}, []),
        ({"industry": "A"}, ["Q", "P"]),
        ({"industry": "A01"}, ["Q", "P"]),
        ({"industry": "B"}, []),
        ({"date_from": "2026-03-02", "date_to": "2026-03-02"}, ["P"]),
        ({"date_from": "2026-03-03"}, []),
        ({"date_to": "2026-03-01"}, []),
        ({"date_to": "2026-03-02"}, ["P"]),
        ({"region": "530300", "date_to": "2026-03-02"}, []),
    ],
)
async def test_a_list_is_narrowed_by_region_industry_and_beijing_date(
    client: httpx.AsyncClient, query: dict[str, str], found: list[str]
) -> None:
    assert sorted(await listed(client, **query)) == sorted(found)


async def test_a_list_is_given_in_pages_with_the_total(client: httpx.AsyncClient) -> None:
    pages = [(await client.get("/api/projects", params={"offset": n, "limit": 1})).json() for n in range(3)]
    assert [page["total"] for page in pages] == [2, 2, 2]
    assert [[one["id"] for one in page["projects"]] for page in pages] == [["Q"], ["P"], []]


async def test_dates_in_the_wrong_order_are_refused_in_words(client: httpx.AsyncClient) -> None:
    query = {"date_from": "2026-03-02", "date_to": "2026-03-01"}
    answer = await client.get("/api/projects", params=query)
    assert answer.status_code == 422
    assert "before the start date" in answer.text


@pytest.mark.parametrize(
    "query",
    [
        {"date_from": "yesterday"},
        {"offset": "-1"},
        {"limit": "0"},
        {"limit": "201"},
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(
    client: httpx.AsyncClient, query: dict[str, str]
) -> None:
    assert (await client.get("/api/projects", params=query)).status_code == 422


@pytest.mark.parametrize(
    "query",
    [
        {"date_to": "1969-12-31"},
        {"date_from": "0001-01-01"},
        {"date_from": "0001-01-01", "date_to": "0001-01-01"},
        {"date_to": "9999-12-31"},
        {"date_from": "9999-12-31", "date_to": "9999-12-31"},
    ],
)
async def test_a_date_far_away_finds_what_lies_in_it_and_breaks_nothing(
    client: httpx.AsyncClient, query: dict[str, str]
) -> None:
    far_past = query.get("date_to", "9").startswith(("0", "1"))
    far_future = query.get("date_from", "0").startswith("9")
    assert await listed(client, **query) == ([] if far_past or far_future else ["P"])


async def test_a_project_shows_its_sessions_sources_and_weight(client: httpx.AsyncClient, site: Site) -> None:
    health = SourceHealth(
        source_id="cam",
        state=SourceState.LOST,
        detail="no answer",
        since_us=1,
        updated_us=2,
        last_frame_us=3,
    )
    site.catalogue.footage.set_health([health])
    project = (await client.get("/api/projects/P")).json()
    assert (project["id"], project["state"], project["name_zh"]) == ("P", "archived", "样例项目")
    assert (project["session_count"], project["clip_count"], project["gap_count"]) == (1, 2, 1)
    assert 0 < project["size_bytes"] <= project["budget_bytes"]
    assert [session["id"] for session in project["sessions"]] == ["P-O"]
    states = {source["id"]: (source["state"], source["detail"]) for source in project["sources"]}
    assert states == {"cam": ("lost", "no answer"), "screen": (None, "")}


async def test_a_project_shows_the_versions_of_its_file(client: httpx.AsyncClient, site: Site) -> None:
    """Invariant 9: an older version stays, and whoever looks must see that there are two."""
    (sealed,) = site.catalogue.archives.file_sets_of("P")
    assert (await client.get("/api/projects/P")).json()["file_sets"] == [
        {"version": 1, "sealed_us": sealed.sealed_us, "archive_count": 1}
    ]
    assert (await client.get("/api/projects/Q")).json()["file_sets"] == []


async def test_a_project_of_a_former_county_is_found_by_the_code_of_today(tmp_path: Path) -> None:
    """Wherever a deployment keeps the row of the former code: here beside that of today, as it was."""
    catalogue = open_catalogue(tmp_path)
    with writing(catalogue._engine) as session:
        session.get_one(RegionRow, "530630").parent_code = "530600"
    for name, code in (("OLD", "530630"), ("NEW", "530681")):
        filed = replace(PROJECT, id=name, project_code=name, region_code=code, trade_place=code)
        catalogue.projects.add_project(filed, [])
    app = create_app(catalogue, MemoryStore(), FakeClock(), static=tmp_path / "none")
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        assert await listed(client, region="530681") == ["NEW", "OLD"]
        assert await listed(client, region="530630") == ["OLD"]
        assert await listed(client, region="530600") == ["NEW", "OLD"]
    catalogue.close()


async def test_a_session_shows_its_clips_gaps_events_and_archive(
    client: httpx.AsyncClient, site: Site
) -> None:
    session = (await client.get("/api/sessions/P-O")).json()
    assert [event["type"] for event in session["events"]] == ["opening.start", "opening.end"]
    clips = {clip["source"]["id"]: clip for clip in session["clips"]}
    assert clips["screen"]["gaps"] == []
    assert clips["cam"]["gaps"] == [
        {
            "start_us": START + 2 * SECOND_US,
            "end_us": START + 4 * SECOND_US,
            "cause": "camera_lost",
            "detail": "no answer",
        }
    ]
    assert clips["cam"]["rendition_id"] == site.rendition.id
    assert session["archive"]["version"] == 1
    assert session["archive"]["object_count"] == len(site.catalogue.archives.all_objects())
    assert session["progress"]["step"] == "done"


async def test_an_archived_file_shows_what_was_measured_and_what_was_wanted_of_it(
    client: httpx.AsyncClient, site: Site
) -> None:
    session = (await client.get("/api/sessions/P-O")).json()
    cam = next(clip for clip in session["clips"] if clip["source"]["id"] == "cam")
    measured = site.rendition.quality
    assert measured is not None
    assert cam["quality"]["vmaf_mean"] == measured.vmaf_mean is not None
    assert cam["quality"]["vmaf_p5"] == measured.vmaf_p5 is not None
    assert cam["quality"]["vmaf_clear"] == (measured.vmaf_floor + measured.vmaf_ceiling) / 2
    assert cam["quality"]["grade"] == measured.grade
    assert cam["quality"]["recorded_us"] == 2 * SECOND_US  # of four seconds, two were lost
    wanted = site.rendition.receipt["measured"]["quality"]["wanted"]
    assert wanted == {
        "vmaf_p5": measured.vmaf_floor,
        "vmaf_mean": measured.vmaf_ceiling,
        "text_agreement": None,
    }
    assert session["archive"]["overrun_cause"] == ""


async def test_the_receipt_of_a_file_says_how_it_was_made(client: httpx.AsyncClient, site: Site) -> None:
    """Invariant 11, for people: settings over time, what was measured, hashes, segments, gaps."""
    told = (await client.get(f"/api/renditions/{site.rendition.id}/receipt")).json()
    stored = site.rendition.receipt
    assert (told["sha256"], told["size_bytes"]) == (site.rendition.sha256, len(site.data))
    assert told["sm3"] == stored["result"]["sm3"]
    assert [(one["start_us"], one["crf"]) for one in told["chunks"]] == [
        (one["start_us"], one["crf"]) for one in stored["chunks"]
    ]
    assert len(told["chunks"]) >= 2  # none goes over the gap
    assert told["segment_count"] == 2
    assert [(one["start_us"], one["cause"]) for one in told["gaps"]] == [
        (START + 2 * SECOND_US, "camera_lost")
    ]
    assert told["measured"]
    assert told["encoder"] == "libsvtav1"
    assert told["libraries"]["libavcodec"]


async def test_the_receipt_of_a_file_that_was_archived_before_quality_was_measured_is_shown(
    site: Site,
) -> None:
    stored = site.rendition.receipt
    measured = {name: value for name, value in stored["measured"].items() if name != "quality"}
    encoder = {name: value for name, value in stored["encoder"].items() if not name.endswith("_fps")}
    result = {name: value for name, value in stored["result"].items() if name != "sm3"}
    old = {"encoder": encoder, "measured": measured, "result": result, "clip": stored["clip"]}
    told = receipt_public(replace(site.rendition, receipt={"format": "jianzheng-transcode-receipt/1", **old}))
    assert (told.chunks, told.measured, told.sm3, told.still_fps) == ([], [], None, None)
    assert told.segment_count == 2


async def test_the_fleet_is_told_with_its_mean_and_its_limit(client: httpx.AsyncClient, site: Site) -> None:
    """Invariant 13."""
    fleet = (await client.get("/api/fleet")).json()
    archive = site.catalogue.archives.newest("P-O")
    assert archive is not None
    assert (fleet["project_count"], fleet["file_count"]) == (1, 2)
    assert fleet["mean_bytes"] == fleet["size_bytes"] == archive.size_bytes
    assert fleet["mean_bytes_limit"] == 5 * 10**9


async def test_a_list_of_files_reads_no_receipt(client: httpx.AsyncClient, site: Site) -> None:
    """They are long, and a project's page asks anew whenever the catalogue changes."""
    asked: list[str] = []

    def note(*told: Any) -> None:
        asked.append(told[2])

    event.listen(site.catalogue._engine, "before_cursor_execute", note)
    await client.get("/api/projects/P")
    event.remove(site.catalogue._engine, "before_cursor_execute", note)
    assert any("rendition.vmaf_p5" in one for one in asked)
    assert not any("rendition.receipt" in one for one in asked)


async def test_no_answer_holds_an_address_of_a_device(client: httpx.AsyncClient, site: Site) -> None:
    """Invariant 16."""
    receipt = f"/api/renditions/{site.rendition.id}/receipt"
    for path in ("/api/projects", "/api/projects/P", "/api/sessions/P-O", receipt, "/api/openapi.json"):
        text = (await client.get(path)).text
        assert "rtsp://" not in text
        # The description says how to sign in.
        assert "password" not in text or path == "/api/openapi.json"


@pytest.mark.parametrize(
    "path",
    [
        "/api/projects/none",
        "/api/sessions/none",
        "/api/renditions/none/index",
        "/api/renditions/none/receipt",
        "/media/renditions/none",
        "/api/none",
        "/media/none",
        "/api/projects/..%2F..%2Fetc%2Fpasswd",
    ],
)
async def test_what_does_not_exist_is_404(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


async def test_nothing_can_be_changed_over_the_api(client: httpx.AsyncClient, site: Site) -> None:
    for path in ("/api/projects/P", "/api/sessions/P-O", f"/media/renditions/{site.rendition.id}"):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert (await client.request(method, path)).status_code == 405


# --- media


def media(site: Site) -> str:
    return f"/media/renditions/{site.rendition.id}"


async def test_a_whole_file_is_served_as_it_was_archived(client: httpx.AsyncClient, site: Site) -> None:
    answer = await client.get(media(site))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-length"] == str(len(site.data))
    assert "content-range" not in answer.headers
    assert hashlib.sha256(answer.content).hexdigest() == site.rendition.sha256
    assert answer.headers["etag"] == f'"{site.rendition.sha256}"'


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=0-99", 0, 99),
        ("bytes=1000-", 1000, None),
        ("bytes=-7", -7, None),
        ("bytes=5-9999999", 5, None),
    ],
)
async def test_a_part_is_served_with_its_place_in_the_file(
    client: httpx.AsyncClient, site: Site, header: str, first: int, last: int | None
) -> None:
    size = len(site.data)
    start = first % size
    end = size - 1 if last is None else last
    answer = await client.get(media(site), headers={"Range": header})
    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes {start}-{end}/{size}"
    assert answer.headers["content-length"] == str(end + 1 - start)
    assert answer.content == site.data[start : end + 1]


async def test_a_part_behind_the_end_is_refused_with_the_files_size(
    client: httpx.AsyncClient, site: Site
) -> None:
    size = len(site.data)
    answer = await client.get(media(site), headers={"Range": f"bytes={size}-"})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{size}"
    assert answer.content == b""


@pytest.mark.parametrize("header", ["bytes=0-1,5-6", "items=0-5", "nonsense"])
async def test_a_range_that_is_not_understood_gets_the_whole(
    client: httpx.AsyncClient, site: Site, header: str
) -> None:
    answer = await client.get(media(site), headers={"Range": header})
    assert (answer.status_code, len(answer.content)) == (200, len(site.data))


async def test_the_index_is_the_files_own(client: httpx.AsyncClient, site: Site, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(site.data)
    with path.open("rb") as file:
        init, own = read_init(file), read_index(file)
        found = list(read_fragments(file))
    assert own is not None
    index = (await client.get(f"/api/renditions/{site.rendition.id}/index")).json()
    assert (index["init_size"], index["size_bytes"]) == (init.size, len(site.data))
    assert [(one["offset"], one["size"]) for one in index["fragments"]] == [
        (one.offset, one.size) for one in found
    ]
    assert index["media_url"] == media(site)
    assert index["mime"].startswith('video/mp4; codecs="av01.0.')
    assert index["mime"].endswith((',mp4a.40.2"', ',opus"'))


async def test_the_index_tells_wall_time_and_leaves_the_gap_out(
    client: httpx.AsyncClient, site: Site
) -> None:
    """Invariant 5: nothing is filled."""
    index = (await client.get(f"/api/renditions/{site.rendition.id}/index")).json()
    wall = (index["wall_start_us"], index["wall_end_us"])
    assert wall == (START + SECOND_US, START + 5 * SECOND_US)
    spans = [(one["start_us"], one["end_us"]) for one in index["fragments"]]
    assert spans == sorted(spans)
    assert all(wall[0] <= start < end <= wall[1] for start, end in spans)
    hole = (START + 2 * SECOND_US, START + 4 * SECOND_US)
    near = 40_000  # a frame
    inside = [span for span in spans if span[1] > hole[0] + near and span[0] < hole[1] - near]
    assert inside == [] or all(start < hole[0] for start, _ in inside)


async def test_every_fragment_of_the_index_can_be_fetched_by_its_range(
    client: httpx.AsyncClient, site: Site
) -> None:
    index = (await client.get(f"/api/renditions/{site.rendition.id}/index")).json()
    covered = index["init_size"]
    for part in index["fragments"]:
        last = part["offset"] + part["size"] - 1
        answer = await client.get(media(site), headers={"Range": f"bytes={part['offset']}-{last}"})
        assert answer.status_code == 206
        assert answer.content[4:8] in (b"moof", b"prft", b"emsg", b"styp")
        covered += len(answer.content)
    assert covered <= len(site.data)


async def test_a_file_that_the_store_lost_is_said_to_be_gone(site: Site) -> None:
    app = create_app(site.catalogue, MemoryStore(), FakeClock(), static=Path("/none"))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        assert (await client.get(media(site))).status_code == 410
        index = await client.get(f"/api/renditions/{site.rendition.id}/index")
        assert index.status_code >= 400
        assert site.rendition.object_key in index.json()["detail"]


async def test_a_known_error_is_said_in_words_with_its_hint(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Any:
        raise CatalogError("The catalogue is locked.")

    monkeypatch.setattr(site.catalogue.places, "regions", broken)
    transport = httpx.ASGITransport(app=site.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.get("/api/regions")
    assert answer.status_code == 503
    assert answer.json()["detail"] == "The catalogue is locked. Run 'jianzheng doctor'."


# --- the page


@pytest.fixture
async def page(site: Site, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    static = tmp_path / "static"
    (static / "assets").mkdir(parents=True)
    (static / "index.html").write_text("<title>见证</title>", encoding="utf-8")
    (static / "assets" / "app.js").write_text("1", encoding="utf-8")
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    app = create_app(site.catalogue, site.store, FakeClock(), static=static)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1"
    ) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/projects/P", "/sessions/P-O?t=5"])
async def test_every_route_of_the_page_starts_the_page(page: httpx.AsyncClient, path: str) -> None:
    answer = await page.get(path)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")
    assert "见证" in answer.text


async def test_files_of_the_page_are_served_and_addresses_of_the_api_are_not_swallowed(
    page: httpx.AsyncClient,
) -> None:
    assert (await page.get("/assets/app.js")).text == "1"


@pytest.mark.parametrize(
    "path",
    [
        "/api",
        "/api/",
        "/api/none",
        "/API/none",
        "/media",
        "/media/none",
        "/metrics/",
        "/readyz/x",
        "/assets/none.js",
        "/openapi.json",
        "/robots.txt",
    ],
)
async def test_a_program_that_asks_for_what_is_not_there_is_told_so_and_gets_no_page(
    page: httpx.AsyncClient, path: str
) -> None:
    answer = await page.get(path, headers={"Accept": "text/html"})
    assert (answer.status_code, answer.json()) == (404, {"detail": "没有这个地址。No such address."})


@pytest.mark.parametrize("path", ["/nowhere", "/sources/cam.1", "/projects/P/nowhere"])
async def test_a_person_who_goes_astray_gets_the_page_which_says_so_itself(
    page: httpx.AsyncClient, path: str
) -> None:
    answer = await page.get(path)
    assert (answer.status_code, "见证" in answer.text) == (200, True)


@pytest.mark.parametrize("path", ["/../secret.txt", "/%2e%2e/secret.txt", "/assets/..%2f..%2fsecret.txt"])
async def test_nothing_beside_the_page_is_served(page: httpx.AsyncClient, path: str) -> None:
    assert "secret" not in (await page.get(path)).text


# --- changes


def gap(name: str) -> Gap:
    return Gap(id=name, source_id="cam", start_us=1, end_us=2, cause=GapCause.STOPPED, detail="")


async def test_a_listener_hears_at_once_and_then_of_every_change(tmp_path: Path) -> None:
    catalogue = open_catalogue(tmp_path)
    events = change_events(catalogue, FakeClock())
    assert await anext(events) == 'event: changed\ndata: {"version": 0}\n\n'
    other = Catalogue.open(f"sqlite:///{tmp_path / 'catalogue.sqlite'}")
    for version in (1, 2):
        other.footage.add_gap(gap(f"g{version}"))
        assert await anext(events) == f'event: changed\ndata: {{"version": {version}}}\n\n'
    await events.aclose()  # type: ignore[attr-defined]
    other.close()
    catalogue.close()


async def test_while_nothing_changes_the_line_is_kept_open_by_comments_only(tmp_path: Path) -> None:
    catalogue = open_catalogue(tmp_path)
    clock = FakeClock()
    events = change_events(catalogue, clock)
    await anext(events)
    before = clock.monotonic_us()
    said = await anext(events)
    assert said.startswith(":")
    assert said.endswith("\n\n")
    assert clock.monotonic_us() - before == KEEP_ALIVE_POLLS * SECOND_US // 2
    await events.aclose()  # type: ignore[attr-defined]
    catalogue.close()


async def test_the_first_event_reaches_the_browser_without_waiting_for_a_change(site: Site) -> None:
    """Spoken to as a server does: the HTTP client of the other tests waits for the end, which never comes."""
    messages: list[dict[str, Any]] = []
    heard = asyncio.Event()

    asked = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        for message in asked:
            return message
        await heard.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)
        if message["type"] == "http.response.body" and message.get("body"):
            heard.set()

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/api/changes",
        "raw_path": b"/api/changes",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await site.app(scope, receive, send)  # type: ignore[arg-type]
    headers = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
    assert messages[0]["status"] == 200
    assert headers["content-type"].startswith("text/event-stream")
    assert headers["cache-control"] == "no-store"
    kind, data = messages[1]["body"].decode().strip().split("\n")
    assert kind == "event: changed"
    assert json.loads(data.removeprefix("data: ")) == {"version": 0}


async def test_a_listener_who_leaves_while_the_catalogue_is_asked_spoils_no_connection(
    tmp_path: Path,
) -> None:
    """A connection that goes back to the pool in the middle of a transaction fails whoever gets it next."""
    catalogue = open_catalogue(tmp_path)
    armed, asking, answered = threading.Event(), threading.Event(), threading.Event()
    early: list[str] = []

    def look(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if armed.is_set() and "data_version" in statement:
            asking.set()
            answered.wait(30)

    def given_back(*_: Any) -> None:
        if asking.is_set() and not answered.is_set():
            early.append("given back while it is in use")

    event.listen(Engine, "before_cursor_execute", look)
    event.listen(Pool, "checkin", given_back)

    async def listen() -> None:
        async for _ in change_events(catalogue, FakeClock()):
            armed.set()

    listener = asyncio.create_task(listen())
    assert await asyncio.to_thread(asking.wait, 30)
    release = threading.Timer(0.3, answered.set)  # closing may well wait for the answer
    release.start()
    listener.cancel()
    await asyncio.gather(listener, return_exceptions=True)
    await asyncio.to_thread(answered.wait)
    release.join()
    event.remove(Engine, "before_cursor_execute", look)
    event.remove(Pool, "checkin", given_back)
    assert early == []
    catalogue.close()


async def test_another_sites_name_for_this_machine_is_refused(site: Site) -> None:
    """DNS rebinding: a page elsewhere must not read footage through a name that leads here."""
    transport = httpx.ASGITransport(app=site.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://evil.example") as client:
        assert (await client.get("/api/projects")).status_code == 400
