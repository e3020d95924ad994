"""Originals by the API: index, ranges, and what is said when footage is gone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from catalog.catalogue import Catalogue
from catalog.objects import MemoryStore
from kernel.clock import SECOND_US, FakeClock
from kernel.model.cut import Clip, ClipGap, CutList, SegmentSlice
from kernel.model.footage import GapCause, Segment
from kernel.model.timeline import SessionState, Tag
from kernel.timerange import TimeRange
from player_api.app import create_app
from segmenter import clip_originals
from segmenter.clip_originals import Originals
from segmenter.originals import Mark, Original, Piece, original
from tests.support.catalogue import add_segments, add_session, open_catalogue
from tests.support.originals import clip_of
from tests.support.segments import Recipe, make_segment

START = 1_772_420_400 * SECOND_US


@dataclass
class Site:
    """A clip with a gap in it."""

    catalogue: Catalogue
    ring: Path
    clip: Clip
    segments: list[Segment]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    catalogue, ring = open_catalogue(tmp_path), tmp_path / "ring"
    segments = [
        make_segment(ring, Recipe(run_id=f"run-{second}", wall_start_us=START + second * SECOND_US))
        for second in (0, 4)
    ]
    add_segments(catalogue, segments)
    add_session(catalogue, START + SECOND_US, START + 5 * SECOND_US)
    wall = TimeRange(start_us=START + SECOND_US, end_us=START + 5 * SECOND_US)
    hole = TimeRange(start_us=START + 2 * SECOND_US, end_us=START + 4 * SECOND_US)
    clip = clip_of(segments, wall, [ClipGap(wall=hole, cause=GapCause.CAMERA_LOST, detail="no answer")])
    catalogue.clips.record(CutList(session_id="P-O", clips=(clip,), change_number=2))
    yield Site(catalogue=catalogue, ring=ring, clip=clip, segments=segments)
    catalogue.close()


@pytest.fixture
async def client(site: Site, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    originals = Originals(site.catalogue, site.ring)
    app = create_app(
        site.catalogue, MemoryStore(), FakeClock(), static=tmp_path / "none", originals=originals
    )
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://localhost"
    ) as client:
        yield client


async def test_the_index_names_the_files_and_the_gap_between_them(
    client: httpx.AsyncClient, site: Site
) -> None:
    told = (await client.get(f"/api/clips/{site.clip.id}/originals")).json()
    assert [(one["start_us"] - START, one["end_us"] - START) for one in told["files"]] == [
        (SECOND_US, 2 * SECOND_US),
        (4 * SECOND_US, 5 * SECOND_US),
    ]
    assert [one["cause"] for one in told["gaps"]] == ["camera_lost"]
    for one, segment in zip(told["files"], site.segments, strict=True):
        whole = await client.get(one["url"])
        assert whole.status_code == 200
        assert len(whole.content) == one["size_bytes"]
        assert [used["sha256"] for used in one["media"]] == [segment.sha256]


async def test_footage_without_a_picture_is_named_and_has_no_file(
    client: httpx.AsyncClient, site: Site
) -> None:
    """A hole in the index that nothing names would be a silent gap (invariant 5)."""
    wall = TimeRange(start_us=START + 1_990_000, end_us=START + 5 * SECOND_US)
    clip = replace(clip_of(site.segments, wall, site.clip.gaps), part=2, id="P-O.cam.2")
    site.catalogue.sessions.advance("P-O", SessionState.ENDED, was=SessionState.CUT)
    site.catalogue.clips.record(CutList(session_id="P-O", clips=(site.clip, clip), change_number=2), START)
    told = (await client.get(f"/api/clips/{clip.id}/originals")).json()
    assert [one["number"] for one in told["files"]] == [2]
    assert [(one["start_us"], one["end_us"]) for one in told["without_pictures"]] == [
        (START + 1_990_000, START + 2 * SECOND_US)
    ]
    assert (await client.get(f"/api/clips/{clip.id}/originals/1.mp4")).status_code == 404


def test_what_somebody_still_plays_is_kept_the_longest(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def counted(clip: Clip, piece: Piece, ring: Path, marks: Sequence[Mark] = ()) -> Original | None:
        made.append(piece.number)
        return original(clip, piece, ring, marks)

    monkeypatch.setattr(clip_originals, "original", counted)
    monkeypatch.setattr(clip_originals, "_KEPT", 2)
    clip = replace(site.clip, slices=_halves(site.clip))
    site.catalogue.sessions.advance("P-O", SessionState.ENDED, was=SessionState.CUT)
    site.catalogue.clips.record(CutList(session_id="P-O", clips=(clip,), change_number=2), START)
    originals = Originals(site.catalogue, site.ring)
    for number in (1, 2, 1, 3, 1):
        originals.file(f"{clip.id}.r2", number)
    assert made == [1, 2, 3]


def _halves(clip: Clip) -> tuple[SegmentSlice, ...]:
    """Its slices, the first in two pieces that do not follow each other."""
    first, *rest = clip.slices
    half = first.wall.start_us + first.wall.duration_us // 2
    parts = (
        TimeRange(start_us=first.wall.start_us, end_us=half),
        TimeRange(start_us=half, end_us=first.wall.end_us),
    )
    return (*(replace(first, wall=wall) for wall in parts), *rest)


async def test_any_part_of_a_file_is_served(client: httpx.AsyncClient, site: Site) -> None:
    url = f"/api/clips/{site.clip.id}/originals/1.mp4"
    whole = await client.get(url)
    size = len(whole.content)
    for asked, first, behind in (("0-", 0, size), ("100-199", 100, 200), ("-50", size - 50, size)):
        part = await client.get(url, headers={"Range": f"bytes={asked}"})
        assert part.status_code == 206
        assert part.content == whole.content[first:behind]
        assert part.headers["Content-Range"] == f"bytes {first}-{behind - 1}/{size}"
        assert part.headers["ETag"] == whole.headers["ETag"]
    beyond = await client.get(url, headers={"Range": f"bytes={size}-"})
    assert beyond.status_code == 416


async def test_a_tag_that_is_set_meanwhile_makes_it_another_file(
    client: httpx.AsyncClient, site: Site
) -> None:
    """Its head changes, and with it where all bytes lie: parts of the two must not be put together."""
    url = f"/api/clips/{site.clip.id}/originals/1.mp4"
    before = await client.get(url)
    asked = {"Range": "bytes=100-", "If-Range": before.headers["ETag"]}
    assert (await client.get(url, headers=asked)).status_code == 206
    site.catalogue.tags.add(
        Tag(
            id="tag",
            project_id="P",
            session_id="P-O",
            at_us=START + 1_500_000,
            kind="note",
            text="唱标",
            principal="w",
            recorded_us=START,
        )
    )
    after = await client.get(url, headers=asked)
    assert after.status_code == 200
    assert after.headers["ETag"] != before.headers["ETag"]
    assert "唱标".encode() in after.content


async def test_what_does_not_exist_is_said_to_be_unknown(client: httpx.AsyncClient, site: Site) -> None:
    for path in (
        "/api/clips/none/originals",
        "/api/clips/none/originals/1.mp4",
        f"/api/clips/{site.clip.id}/originals/3.mp4",
    ):
        assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize("seen_before", [False, True])
async def test_footage_that_is_gone_is_said_to_be_gone_before_a_byte_is_sent(
    client: httpx.AsyncClient, site: Site, seen_before: bool
) -> None:
    url = f"/api/clips/{site.clip.id}/originals/1.mp4"
    if seen_before:
        await client.get(url, headers={"Range": "bytes=0-0"})
    (site.ring / site.segments[0].path).unlink()
    answer = await client.get(url, headers={"Range": "bytes=0-0"})
    assert answer.status_code == 410
    assert "run-0-000000.mp4" in answer.json()["detail"]


@pytest.mark.parametrize("seen_before", [False, True])
async def test_footage_that_has_grown_is_not_served(
    client: httpx.AsyncClient, site: Site, seen_before: bool
) -> None:
    url = f"/api/clips/{site.clip.id}/originals/1.mp4"
    if seen_before:
        await client.get(url, headers={"Range": "bytes=0-0"})
    path = site.ring / site.segments[0].path
    data = path.read_bytes()
    path.write_bytes(data + data[data.index(b"prft") - 4 :])
    assert (await client.get(url, headers={"Range": "bytes=0-0"})).status_code == 410


async def test_a_server_without_a_ring_says_so(site: Site, tmp_path: Path) -> None:
    app = create_app(site.catalogue, MemoryStore(), FakeClock(), static=tmp_path / "none")
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        assert (await client.get(f"/api/clips/{site.clip.id}/originals")).status_code == 503
