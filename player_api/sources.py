"""Sources for people: how each stands, what a day of it holds, and the ring's files themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, BinaryIO

from fastapi import APIRouter, Header, HTTPException, Query, Response
from fastapi.responses import StreamingResponse

from catalog.catalogue import Catalogue
from catalog.readiness import Readiness, Standing, Watch, readiness
from catalog.source_status import GapTotal, KeptSegment
from kernel.access import WATCH
from kernel.clock import SECOND_US, Clock
from kernel.errors import FootageError
from kernel.model.footage import Gap, Run, RunOrigin, Segment, SegmentState
from kernel.model.source import Site
from kernel.timerange import TimeRange
from kernel.values import fields_of
from player_api.gate import Gate, Subject
from player_api.publishing import sources_public
from player_api.ranges import video_response
from player_api.schemas import (
    DiskPublic,
    GapPublic,
    GapTotalPublic,
    RunPublic,
    SegmentPublic,
    SourceDetail,
    SourcePublic,
    SourcesOverview,
    SourceStatusPublic,
    StretchPublic,
)
from player_api.watching import Watches, WatchToken

_DAY_US = 24 * 3600 * SECOND_US
_LONGEST_US = 31 * _DAY_US
"""More of a source than this is not asked for at once."""


def sources_router(
    catalogue: Catalogue, watch: Watch, clock: Clock, gate: Gate, watches: Watches
) -> APIRouter:
    """Routes of the page of sources."""
    router = APIRouter(tags=["sources"])

    @router.get("/api/sources", dependencies=[gate.inside("sources.see")])
    def sources() -> SourcesOverview:
        """All sources, and whether what should be recorded is being recorded."""
        now = readiness(catalogue, watch, clock.now_us())
        rooms = {one.id: one.room_id for one in catalogue.places.sources().values()}
        open_rooms = gate.rooms("sources.see", rooms.values())

        def seen(source_id: str) -> bool:
            return rooms.get(source_id) in open_rooms

        return SourcesOverview(
            at_us=now.at_us,
            ready=now.ready,
            recorder_alive=now.recorder_alive,
            disk=DiskPublic(**fields_of(now.disk)),
            sources=_statuses(catalogue, now, [one for one in now.standings if seen(one)]),
        )

    @router.get("/api/sources/{source_id}", dependencies=[gate.needs("sources.see", Subject.SOURCE)])
    def source(
        source_id: str,
        start_us: int | None = None,
        end_us: int | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 20,
    ) -> SourceDetail:
        """A source over a range of time, the last 24 hours unless told otherwise."""
        now = readiness(catalogue, watch, clock.now_us())
        if source_id not in now.standings:
            raise HTTPException(404, "没有这个来源。No such source.")
        return _detail(catalogue, now, source_id, _range(start_us, end_us, now.at_us), limit)

    @router.get(
        "/media/segments/{segment_id}",
        response_class=StreamingResponse,
        dependencies=[gate.inside(WATCH)],
    )
    def media(
        segment_id: str,
        token: WatchToken = None,
        range_header: Annotated[str | None, Header(alias="range")] = None,
    ) -> Response:
        """A sealed segment of the ring, whole or by byte range, to whoever has it open (invariant 14)."""
        watches.of_segment(segment_id, token)
        kept = catalogue.source_status.segment(segment_id)
        if kept is None or watch.ring is None:
            raise HTTPException(404, "没有这个分段。No such segment.")
        if kept.state is not SegmentState.SEALED:
            raise HTTPException(410, "该分段已按规则清理。This segment was removed by rule.")
        segment, ring = kept.segment, watch.ring
        return video_response(lambda: _open(ring, segment), segment.size_bytes, segment.sha256, range_header)

    return router


def _open(ring: Path, segment: Segment) -> BinaryIO:
    """The file of a sealed segment.

    Raises:
        FootageError: it is not what its row says (invariant 1).
    """
    path = ring / segment.path
    try:
        if path.stat().st_size == segment.size_bytes:
            return path.open("rb")
        found = "has another size than its row says"
    except OSError as error:
        found = f"cannot be read ({error.strerror})"
    raise FootageError(f"segment {segment.id} {found}.")


def _range(start_us: int | None, end_us: int | None, now_us: int) -> TimeRange:
    end = now_us if end_us is None else end_us
    start = end - _DAY_US if start_us is None else start_us
    if not 0 < end - start <= _LONGEST_US:
        raise HTTPException(
            422, "时间范围应大于零且不超过31天。The range must be positive, and 31 days at most."
        )
    return TimeRange(start_us=start, end_us=end)


def _detail(
    catalogue: Catalogue, now: Readiness, source_id: str, wall: TimeRange, limit: int
) -> SourceDetail:
    (status,) = _statuses(catalogue, now, [source_id])
    runs = catalogue.source_status.runs(source_id, wall, limit)
    stretches = [
        StretchPublic(start_us=one.wall.start_us, end_us=one.wall.end_us, origin=one.origin)
        for one in catalogue.source_status.stretches(source_id, wall)
    ]
    return SourceDetail(
        at_us=now.at_us,
        start_us=wall.start_us,
        end_us=wall.end_us,
        source=status,
        stretches=stretches + _unsealed(now.standings[source_id], status.newest_segment, runs, wall),
        gaps=[_gap_public(one) for one in catalogue.footage.gaps_of(source_id, wall)],
        runs=[_run_public(one) for one in runs],
        segments=[segment_public(one) for one in catalogue.source_status.segments(source_id, wall, limit)],
    )


def _unsealed(
    standing: Standing, newest: SegmentPublic | None, runs: list[Run], wall: TimeRange
) -> list[StretchPublic]:
    """What lies in the segment that is being written: no row tells of it yet."""
    lasting = [run for run in runs if run.ended_us is None and run.origin is RunOrigin.LIVE]
    if standing.shortfall is not None or standing.health is None or not lasting:
        return []
    start_us = max(lasting[0].started_us, newest.end_us if newest else 0, wall.start_us)
    end_us = min(standing.health.last_frame_us or 0, wall.end_us)
    return (
        [StretchPublic(start_us=start_us, end_us=end_us, origin=RunOrigin.LIVE)] if start_us < end_us else []
    )


def _statuses(catalogue: Catalogue, now: Readiness, ids: list[str]) -> list[SourceStatusPublic]:
    day = TimeRange(start_us=now.at_us - _DAY_US, end_us=now.at_us)
    gaps: dict[str, list[GapTotal]] = {}
    for total in catalogue.source_status.gaps_within(day):
        gaps.setdefault(total.source_id, []).append(total)
    newest = catalogue.source_status.newest_segments(ids)
    rooms, sites, plain = catalogue.places.rooms(), catalogue.places.sites(), sources_public(catalogue)
    return [
        _status(
            plain[one],
            sites[rooms[plain[one].room_id].site_id],
            now.standings[one],
            gaps.get(one, []),
            newest.get(one),
        )
        for one in ids
        if one in plain  # named by cameras.yaml, but no recorder ever registered it
    ]


def _status(
    plain: SourcePublic, site: Site, standing: Standing, gaps: list[GapTotal], newest: KeptSegment | None
) -> SourceStatusPublic:
    health = standing.health
    return SourceStatusPublic(
        **{**plain.model_dump(), "fault": standing.fault, "detail": standing.detail},
        site_id=site.id,
        site_name_zh=site.name_zh,
        site_name_en=site.name_en,
        configured=standing.configured,
        should_record=standing.want is not None,
        why_wanted=standing.want.why if standing.want else "",
        shortfall=standing.shortfall,
        since_us=standing.since_us,
        updated_us=health.updated_us if health else None,
        codec=health.codec if health else "",
        width=health.width if health else 0,
        height=health.height if health else 0,
        bit_rate_kbps=standing.bit_rate_kbps,
        frame_rate=standing.frame_rate,
        lost_packets=health.lost_packets if health else 0,
        clock_offset_us=health.clock_offset_us if health else None,
        gaps_day=[
            GapTotalPublic(cause=one.cause, count=one.count, duration_us=one.duration_us) for one in gaps
        ],
        newest_segment=segment_public(newest) if newest else None,
    )


def segment_public(kept: KeptSegment) -> SegmentPublic:
    segment = kept.segment
    return SegmentPublic(
        id=segment.id,
        start_us=segment.wall.start_us,
        end_us=segment.wall.end_us,
        media_start_us=segment.media_start * SECOND_US // segment.timescale,
        size_bytes=segment.size_bytes,
        sha256=segment.sha256,
        state=kept.state,
        origin=kept.origin,
        media_url=f"/media/segments/{segment.id}",
    )


def _gap_public(gap: Gap) -> GapPublic:
    return GapPublic(
        id=gap.id,
        start_us=gap.start_us,
        end_us=gap.end_us,
        cause=gap.cause,
        fault=gap.fault,
        detail=gap.detail,
        backfill=gap.backfill,
    )


def _run_public(run: Run) -> RunPublic:
    return RunPublic(
        id=run.id,
        started_us=run.started_us,
        ended_us=run.ended_us,
        end_reason=run.end_reason,
        origin=run.origin,
    )
