"""A camera is lost and comes back; what it kept meanwhile is fetched, proven by the time in its pictures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import pytest

from capture.backfill.memory import backfiller
from capture.disk import WriterThread
from capture.health import HealthBoard
from capture.onvif.source import open_onvif
from capture.recorder import Recorder, Surroundings
from capture.segment_writer import Ring
from catalog.catalogue import Catalogue
from kernel.clock import SECOND_US, SystemClock
from kernel.isobmff.reader import read_fragments, read_init
from kernel.model.cut import Clip
from kernel.model.footage import Backfill, Codec, Gap, GapCause, Segment
from kernel.model.source import ContentKind
from kernel.model.timeline import ExpectedPart, SessionTimeline
from kernel.settings import CaptureSettings, RingSettings, SourceSpec
from kernel.timerange import TimeRange
from segmenter.cut import cut
from simulator import timestrip
from simulator.centre import SimulatedCentre, SimulatedSource
from simulator.onvif_centre import served_by_onvif
from simulator.onvif_device import OnvifSettings
from tests.support.catalogue import open_catalogue

SOURCE = SimulatedSource(
    id="cam", content_kind=ContentKind.ROOM, label_zh="开标大厅", fps=10, audio=Codec.G711A
)
SETTINGS = CaptureSettings(report_seconds=1.5, retry_max_seconds=1)
EVER = TimeRange(start_us=0, end_us=1 << 62)
DEADLINE_S = 30


@dataclass
class Site:
    """A simulated device and what records it."""

    centre: SimulatedCentre
    spec: SourceSpec
    catalogue: Catalogue
    around: Surroundings

    def gaps(self) -> list[Gap]:
        return self.catalogue.footage.gaps_of("cam", EVER)

    def segments(self) -> list[Segment]:
        return self.catalogue.footage.segments_of("cam", EVER)


@pytest.fixture(params=["onvif", "replay_uri"])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    clock, thread = SystemClock(), WriterThread()
    catalogue = open_catalogue(tmp_path)
    login = {"username": "admin", "password": "secret"}
    (tmp_path / "ring").mkdir()
    settings = RingSettings(segment_seconds=2, reserve_bytes=0)
    async with (
        SimulatedCentre([SOURCE], clock=clock, report_every_s=0.5, **login) as centre,  # type: ignore[arg-type]
        served_by_onvif(
            centre,
            OnvifSettings(**login, skew_s=1800),  # type: ignore[arg-type]
            clock,
            host="127.0.0.1",
            port=0,
            discoverable=False,
        ) as device,
    ):
        url = centre.url("cam", with_credentials=False)
        spec = SourceSpec(
            id="cam",
            content_kind="room",
            uri=f"onvif://127.0.0.1:{device.port}",
            replay_uri=url if request.param == "replay_uri" else "",
            label_zh="cam",
            **login,  # type: ignore[arg-type]
        )
        around = Surroundings(
            settings=SETTINGS,
            ring=Ring(root=tmp_path / "ring", settings=settings, clock=clock),
            rows=catalogue.footage,
            thread=thread,
            health=HealthBoard(clock),
            clock=clock,
            open_source=open_onvif,
        )
        yield Site(centre=centre, spec=spec, catalogue=catalogue, around=around)
    thread.close()
    catalogue.close()


async def until(happened: Callable[[], bool]) -> None:
    clock = SystemClock()
    deadline_us = clock.monotonic_us() + DEADLINE_S * SECOND_US
    while not happened():
        assert clock.monotonic_us() < deadline_us
        await clock.wait(0.1)


def drawn(ring: Path, segments: list[Segment], wall: TimeRange) -> list[tuple[int, int]]:
    """Wall time and drawn time, microseconds, of the pictures of a range."""
    found = []
    for one in segments:
        with (ring / one.path).open("rb") as file:
            init = read_init(file)
            walls = []
            for fragment in read_fragments(file, init.size):
                told, samples = fragment.producer_time, fragment.runs[init.video.id]
                assert told is not None
                walls += [
                    told.wall_us + (s.dts - samples[0].dts) * SECOND_US // init.video.timescale
                    for s in samples
                ]
        with av.open(ring / one.path) as container:
            for at_us, frame in zip(walls, container.decode(video=0), strict=True):
                time_ms = timestrip.read(frame.to_ndarray(format="yuv420p")[: frame.height])
                assert time_ms is not None
                if wall.contains(at_us):
                    found.append((at_us, time_ms * 1000))
    return sorted(found)


async def lose_and_restore(site: Site) -> None:
    """Some seconds live, some seconds lost, some seconds live."""
    recorder = Recorder(site.spec, site.around)
    task = asyncio.create_task(recorder.run())
    await until(lambda: len(site.segments()) >= 1)
    site.centre.lose("cam")
    await asyncio.sleep(3)
    site.centre.restore("cam")
    before = len(site.segments())
    await until(lambda: len(site.segments()) > before + 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def clip_of(site: Site, wall: TimeRange) -> Clip:
    expected = (ExpectedPart(source_id="cam", part=1, wall=wall),)
    timeline = SessionTimeline(session_id="S", wall=wall, expected=expected)
    return cut(timeline, {"cam": site.segments()}, {"cam": site.gaps()}).clips[0]


async def test_what_the_camera_kept_fills_the_gap_picture_by_picture(site: Site, tmp_path: Path) -> None:
    await lose_and_restore(site)
    gaps = site.gaps()  # connecting at first, and the loss
    assert GapCause.CAMERA_LOST in {one.cause for one in gaps}
    made = backfiller(
        [site.spec],
        ring=site.around.ring,
        rows=site.catalogue.footage,
        thread=site.around.thread,
        settings=SETTINGS,
        clock=site.around.clock,
        healthy=lambda _: True,
        settle_seconds=0,
    )
    assert made is not None
    while await made.run_once():
        pass
    assert {one.backfill for one in site.gaps()} == {Backfill.WHOLE}
    clip = clip_of(site, TimeRange(start_us=gaps[0].start_us, end_us=site.segments()[-1].wall.end_us))
    assert clip.gaps == ()
    told = [(one.wall.start_us, one.wall.end_us) for one in clip.backfilled]
    assert told == [(one.start_us, one.end_us) for one in gaps]
    by_id = {one.id: one for one in site.segments()}
    shown = [
        pair for used in clip.slices for pair in drawn(tmp_path / "ring", [by_id[used.segment_id]], used.wall)
    ]
    times = [time_us for _, time_us in shown]
    assert {after - before for before, after in pairwise(times)} == {
        100_000
    }  # each picture once, none missing
    assert all(abs(wall_us - time_us) < 50_000 for wall_us, time_us in shown)
