"""``/metrics`` for Prometheus: read from the catalogue when it is asked for, kept nowhere.

Names and units follow https://prometheus.io/docs/practices/naming/: base units, ``_total`` for what
only grows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Annotated

from fastapi import APIRouter, Header, Response
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

from catalog.catalogue import Catalogue
from catalog.preservation import Promise
from catalog.readiness import Disk, DiskState, Readiness, Standing, Watch, readiness
from catalog.source_status import GapTotal
from kernel.clock import SECOND_US, Clock
from kernel.model.audit import AnchorState
from kernel.model.footage import SourceState
from kernel.model.preservation import Preserved
from kernel.timerange import TimeRange
from player_api.gate import Gate

_DAY_US = 24 * 3600 * SECOND_US
_DAY_S = 24 * 3600


def metrics_router(
    catalogue: Catalogue, watch: Watch, clock: Clock, promise: Promise, gate: Gate
) -> APIRouter:
    """The route that Prometheus scrapes."""
    router = APIRouter()
    registry = CollectorRegistry()
    registry.register(CatalogueCollector(catalogue, watch, clock, promise))

    @router.get("/metrics", include_in_schema=False, dependencies=[gate.machine("system.manage")])
    def metrics(accept: Annotated[str, Header()] = "") -> Response:
        encode, content_type = choose_encoder(accept)
        return Response(encode(registry), headers={"Content-Type": content_type})

    return router


class CatalogueCollector(Collector):
    """Everything at the moment of the scrape."""

    def __init__(self, catalogue: Catalogue, watch: Watch, clock: Clock, promise: Promise) -> None:
        self._catalogue = catalogue
        self._promise = promise
        self._watch = watch
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """All metrics.

        Raises:
            CatalogError: the catalogue cannot be read: no figures are better than some.
        """
        catalogue = self._catalogue
        now = readiness(catalogue, self._watch, self._clock.now_us())
        day = TimeRange(start_us=now.at_us - _DAY_US, end_us=now.at_us)
        status = catalogue.source_status
        yield from _site(now, status.unarchived_sessions())
        yield from _disk(now.disk, status.ring_bytes())
        yield from _sources(now.standings, status.sealed_counts(now.standings))
        yield from _gaps_of_the_day(status.gaps_within(day))
        yield from _gaps_for_ever(status.closed_gaps())
        yield from _preserved(catalogue.preservation.state(self._promise, now.at_us))
        if self._watch.anchor is not None:
            yield from _anchor(self._watch.anchor())


def _gauge(name: str, told: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, told, value=value)


def _site(now: Readiness, unarchived: int) -> Iterator[Metric]:
    build = GaugeMetricFamily("jianzheng_build_info", "The version that runs; always 1.", labels=["version"])
    build.add_metric([version("jianzheng")], 1)
    yield build
    yield _gauge("jianzheng_ready", "1 while everything that should be recorded now is recorded.", now.ready)
    alive = "1 while some recorder writes to the catalogue."
    yield _gauge("jianzheng_recorder_alive", alive, now.recorder_alive)
    usable = "1 while cameras.yaml can be used as it is now; else what it said before counts."
    yield _gauge("jianzheng_cameras_file_usable", usable, not now.cameras_problem)
    waiting = "Sessions that have ended and rest in no archive yet."
    yield _gauge("jianzheng_sessions_unarchived", waiting, unarchived)


def _anchor(anchor: AnchorState) -> Iterator[Metric]:
    well = "1 while the audit chain's newest link can be kept elsewhere."
    yield _gauge("jianzheng_audit_anchor_ok", well, not anchor.trouble)
    if anchor.checked_us is not None:
        last = "When it was kept elsewhere last, or there was nothing new."
        yield _gauge("jianzheng_audit_anchor_timestamp_seconds", last, anchor.checked_us / SECOND_US)


def _disk(disk: Disk, segments_bytes: int) -> Iterator[Metric]:
    state = GaugeMetricFamily("jianzheng_ring_disk_state", "1 for the state it is in.", labels=["state"])
    for one in DiskState:
        state.add_metric([one], one is disk.state)
    yield state
    held = "Weight of the segments whose files are in the ring."
    yield _gauge("jianzheng_ring_segments_bytes", held, segments_bytes)
    stay = "Free space below which recording stops."
    yield _gauge("jianzheng_ring_disk_reserve_bytes", stay, disk.reserve_bytes)
    if disk.free_bytes is not None and disk.size_bytes is not None:
        yield _gauge("jianzheng_ring_disk_free_bytes", "Free on the ring's disk.", disk.free_bytes)
        yield _gauge("jianzheng_ring_disk_size_bytes", "Size of the ring's disk.", disk.size_bytes)
    if disk.days_left is not None:
        until = "Time until recording stops for lack of room, at the rate of the last day."
        yield _gauge("jianzheng_ring_full_in_seconds", until, disk.days_left * _DAY_S)


def _preserved(state: Preserved) -> Iterator[Metric]:
    """Alert on the first two: they are 0 while archives are as they should be."""
    troubled = "Copies of archived objects that are not as they should be."
    yield _gauge("jianzheng_archive_objects_troubled", troubled, state.troubled)
    failed = "Projects whose newest restore drill failed."
    yield _gauge("jianzheng_restore_drills_failed", failed, len(state.failed_drills))
    overdue = "Copies of archived objects that were not read back within the set period."
    yield _gauge("jianzheng_archive_objects_overdue", overdue, state.overdue)
    missing = "Packages that a store for copies does not hold whole, for each such store."
    yield _gauge("jianzheng_archive_copies_missing", missing, state.copies_missing)
    if state.oldest_check_us is not None:
        oldest = "When the copy that waits longest was last read back."
        at_s = state.oldest_check_us / SECOND_US
        yield _gauge("jianzheng_archive_oldest_check_timestamp_seconds", oldest, at_s)
    if state.last_drill_us is not None:
        last = "When the last restore drill ended."
        yield _gauge("jianzheng_restore_drill_timestamp_seconds", last, state.last_drill_us / SECOND_US)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Figure:
    """A figure that every source may have."""

    name: str
    told: str  # help text
    of: Callable[[Standing], float | None]  # None: the source has none now


def _seconds(us: int | None) -> float | None:
    return None if us is None else us / SECOND_US


_FIGURES = (
    _Figure(
        name="should_record",
        told="1 while it should be recorded, by cameras.yaml, bookings and sessions.",
        of=lambda one: one.want is not None,
    ),
    _Figure(name="up", told="1 while it is being recorded.", of=lambda one: one.shortfall is None),
    _Figure(
        name="received_bytes_per_second",
        told="All tracks, over the last seconds.",
        of=lambda one: None if one.bit_rate_kbps is None else one.bit_rate_kbps * 125,
    ),
    _Figure(
        name="frames_per_second",
        told="Pictures, over the last seconds.",
        of=lambda one: one.frame_rate,
    ),
    _Figure(
        name="last_frame_timestamp_seconds",
        told="Wall time of the newest picture.",
        of=lambda one: _seconds(one.health.last_frame_us) if one.health else None,
    ),
    _Figure(
        name="last_report_timestamp_seconds",
        told="When its recorder last wrote of it.",
        of=lambda one: _seconds(one.health.updated_us) if one.health else None,
    ),
    _Figure(
        name="clock_offset_seconds",
        told="Clock of the source minus clock of the recorder.",
        of=lambda one: _seconds(one.health.clock_offset_us) if one.health else None,
    ),
)


def _sources(standings: Mapping[str, Standing], sealed: Mapping[str, int]) -> Iterator[Metric]:
    for figure in _FIGURES:
        gauge = GaugeMetricFamily(f"jianzheng_source_{figure.name}", figure.told, labels=["source"])
        for source_id, standing in standings.items():
            value = figure.of(standing)
            if value is not None:
                gauge.add_metric([source_id], value)
        yield gauge
    yield _states(standings)
    lost = "RTP packets missing or damaged since its recorder took it up."
    packets = CounterMetricFamily("jianzheng_source_lost_packets", lost, labels=["source"])
    for source_id, standing in standings.items():
        if standing.health:
            packets.add_metric([source_id], standing.health.lost_packets)
    yield packets
    segments = CounterMetricFamily("jianzheng_source_segments_sealed", "Segments sealed.", labels=["source"])
    for source_id, count in sealed.items():
        segments.add_metric([source_id], count)
    yield segments


def _states(standings: Mapping[str, Standing]) -> Metric:
    told = "1 for the state that its recorder last told of; old if the recorder is dead."
    states = GaugeMetricFamily("jianzheng_source_state", told, labels=["source", "state"])
    for source_id, standing in standings.items():
        for state in SourceState if standing.health else ():
            states.add_metric(
                [source_id, state], standing.health is not None and standing.health.state is state
            )
    return states


def _gaps_of_the_day(totals: list[GapTotal]) -> Iterator[Metric]:
    labels = ["source", "cause"]
    count = GaugeMetricFamily(
        "jianzheng_source_day_gaps", "Gaps that touch the last 24 hours.", labels=labels
    )
    told = "Time of the last 24 hours that lies in gaps, one that lasts included."
    length = GaugeMetricFamily("jianzheng_source_day_gap_seconds", told, labels=labels)
    for one in totals:
        count.add_metric([one.source_id, one.cause], one.count)
        length.add_metric([one.source_id, one.cause], one.duration_us / SECOND_US)
    yield count
    yield length


def _gaps_for_ever(totals: list[GapTotal]) -> Iterator[Metric]:
    labels = ["source", "cause"]
    count = CounterMetricFamily("jianzheng_source_gaps", "Gaps that have ended.", labels=labels)
    length = CounterMetricFamily(
        "jianzheng_source_gap_seconds", "Time in gaps that have ended.", labels=labels
    )
    for one in totals:
        count.add_metric([one.source_id, one.cause], one.count)
        length.add_metric([one.source_id, one.cause], one.duration_us / SECOND_US)
    yield count
    yield length
