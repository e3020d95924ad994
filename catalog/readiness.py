"""Whether everything that should be recorded now is being recorded: for machines, pages and people alike.

A recorder that was killed says nothing more, so what it said last counts only while it is fresh.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from catalog.catalogue import Catalogue
from kernel.clock import SECOND_US
from kernel.desired import Around, Want, wanted
from kernel.model.audit import AnchorState
from kernel.model.footage import Fault, GapCause, SourceHealth, SourceState
from kernel.model.source import RecordMode, Wish
from kernel.timerange import TimeRange

FRESH_US = 10 * SECOND_US
"""A recorder writes its rows once a second, and a picture reaches them within seconds."""
_UNRECEIVED = (
    "No receiver of agents runs. Start 'jianzheng receive' at the recorder, beside 'jianzheng capture'."
)


class Shortfall(StrEnum):
    """Why a source counts as not being recorded."""

    UNKNOWN = "unknown"
    """No recorder ever spoke of it."""
    SILENT = "silent"
    """The recorder says nothing more: it ended or hangs."""
    NO_PICTURE = "no_picture"
    """The recorder believes that it records, but its newest picture is old."""
    CONNECTING = "connecting"
    LOST = "lost"
    REFUSED = "refused"
    STOPPED = "stopped"


class DiskState(StrEnum):
    """The disk of the ring."""

    OK = "ok"
    FULL = "full"
    """Less is free than has to stay free: recording stops (invariant 8)."""
    LOST = "lost"
    """It is gone, or another one is in its place."""
    UNKNOWN = "unknown"
    """The ring is not on this machine."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Disk:
    """The disk of the ring, now."""

    state: DiskState
    free_bytes: int | None = None
    size_bytes: int | None = None
    reserve_bytes: int = 0  # has to stay free
    days_left: float | None = None  # until it is full at the present rate; None: not known


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """How one source stands."""

    source_id: str
    configured: bool  # cameras.yaml names it
    want: Want | None  # why it should be recorded now; None: it need not be
    health: SourceHealth | None
    shortfall: Shortfall | None  # why it is not being recorded; None: it is
    by_agent: bool = False  # its own computer records it, and tells the receiver

    @property
    def bit_rate_kbps(self) -> float | None:
        """Only while it is recorded: what a dead recorder said last is no rate."""
        return self.health.bit_rate_kbps if self.health and self.shortfall is None else None

    @property
    def frame_rate(self) -> float | None:
        """Likewise."""
        return self.health.frame_rate if self.health and self.shortfall is None else None

    @property
    def since_us(self) -> int | None:
        """Since when it stands so, as far as anybody knows."""
        if self.health is None:
            return None
        if self.shortfall is Shortfall.SILENT:
            return self.health.updated_us
        if self.shortfall is Shortfall.NO_PICTURE:
            return self.health.last_frame_us
        return self.health.since_us

    @property
    def missing(self) -> bool:
        """It should be recorded and is not."""
        return self.want is not None and self.shortfall is not None

    @property
    def _unreceived(self) -> bool:
        """An agent's receiver that runs says of every agent how it is, if only that it was never heard."""
        return self.by_agent and self.shortfall in (Shortfall.UNKNOWN, Shortfall.SILENT)

    @property
    def detail(self) -> str:
        """What the recorder last said about it, for people; of an agent, that there is none to say it."""
        if self._unreceived:
            return _UNRECEIVED
        return self.health.detail if self.health else ""

    @property
    def fault(self) -> Fault | None:
        """The same as a word."""
        if self._unreceived:
            return Fault.RECEIVER_SILENT
        return self.health.fault if self.health else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Readiness:
    """Everything at one moment."""

    at_us: int
    recorder_alive: bool  # some recorder spoke within ``FRESH_US``
    recorder_expected: bool  # cameras.yaml names a source that no agent records
    disk: Disk
    standings: Mapping[str, Standing]  # by source, in the order of ids
    cameras_problem: str = ""  # why cameras.yaml as it is now is not in use; empty while it is

    @property
    def missing(self) -> list[Standing]:
        """Sources that should be recorded and are not."""
        return [one for one in self.standings.values() if one.missing]

    @property
    def ready(self) -> bool:
        """Everything that should be recorded is, and a recorder is there for what comes."""
        return not self.missing and (self.recorder_alive or not self.recorder_expected)


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """What the wiring knows and the catalogue does not."""

    wishes: Callable[[], Sequence[Wish]]  # of cameras.yaml, as it is now
    around: Around
    ring: Path | None = None  # None: not on this machine
    live: Path | None = None  # where it is said who is watched live; with ``ring``
    reserve_bytes: int = 0
    days_left: Callable[[int], float | None] = lambda _: None  # until it is full, given its free bytes
    agents: Callable[[], frozenset[str]] = frozenset  # sources whose own computers record them and tell of it
    cameras_problem: Callable[[], str] = str  # why the file as it is now is not in use; empty while it is
    agent_patience_us: int = FRESH_US  # an agent that was not heard for so long is lost
    anchor: Callable[[], AnchorState] | None = None  # of the audit chain's head; None: it is kept only here


def watch_everything(catalogue: Catalogue) -> Watch:
    """Where no ``cameras.yaml`` is at hand: every source that was ever registered, always."""

    def wishes() -> list[Wish]:
        sources = catalogue.places.sources().values()
        return [Wish(source_id=one.id, room_id=one.room_id, record=RecordMode.ALWAYS) for one in sources]

    return Watch(wishes=wishes, around=Around(before_us=0, after_us=0))


def readiness(catalogue: Catalogue, watch: Watch, now_us: int) -> Readiness:
    """How all sources of the catalogue stand at that moment."""
    wishes = watch.wishes()
    wants = wanted_now(catalogue, wishes, watch.around, now_us)
    configured = {wish.source_id for wish in wishes}
    agents = watch.agents()
    health = catalogue.footage.health()
    ids = sorted(configured | set(catalogue.places.sources()))
    ours = [row for row in health.values() if row.source_id not in agents]
    return Readiness(
        at_us=now_us,
        recorder_alive=any(_fresh(row.updated_us, now_us, FRESH_US) for row in ours),
        recorder_expected=bool(configured - agents),
        cameras_problem=watch.cameras_problem(),
        disk=_disk(catalogue, watch),
        standings={
            one: Standing(
                source_id=one,
                configured=one in configured,
                want=wants.get(one),
                health=health.get(one),
                shortfall=shortfall(
                    health.get(one), now_us, watch.agent_patience_us if one in agents else None
                ),
                by_agent=one in agents,
            )
            for one in ids
        },
    )


def wanted_now(catalogue: Catalogue, wishes: Sequence[Wish], around: Around, now_us: int) -> dict[str, Want]:
    """Without those whose time has not quite begun: they are connected early, and that may fail a while."""
    margin_us = around.before_us + around.after_us
    near = TimeRange(start_us=now_us - margin_us, end_us=now_us + margin_us + 1)
    bookings = catalogue.bookings.touching(near)
    uses = catalogue.bookings.uses_since(now_us - around.after_us)
    found = wanted(wishes, bookings, uses, around, now_us)
    return {one: want for one, want in found.items() if want.since_us is None or want.since_us <= now_us}


def shortfall(
    health: SourceHealth | None, now_us: int, agent_patience_us: int | None = None
) -> Shortfall | None:
    """Why a source is not being recorded, going by what was said of it last; None: it is.

    Args:
        agent_patience_us: where an agent tells of it: how seldom it may do so.
    """
    if health is None:
        return Shortfall.UNKNOWN
    patience_us = FRESH_US if agent_patience_us is None else agent_patience_us
    # Who stopped it says no more of it, and of a lost agent its receiver says so once.
    final = (SourceState.STOPPED,) if agent_patience_us is None else (SourceState.STOPPED, SourceState.LOST)
    if health.state not in final and not _fresh(health.updated_us, now_us, patience_us):
        return Shortfall.SILENT
    if health.state is not SourceState.RECORDING:
        return Shortfall(health.state.value)
    seen_us = health.last_frame_us
    return None if seen_us is not None and _fresh(seen_us, now_us, patience_us) else Shortfall.NO_PICTURE


def _fresh(moment_us: int, now_us: int, patience_us: int) -> bool:
    """A moment far ahead is no sign of life either: a clock was set back since."""
    return abs(now_us - moment_us) <= patience_us


def _disk(catalogue: Catalogue, watch: Watch) -> Disk:
    causes = {gap.cause for gap in catalogue.footage.open_gaps()}
    if watch.ring is None:
        return Disk(state=DiskState.UNKNOWN)
    try:
        usage = shutil.disk_usage(watch.ring)
    except OSError:
        return Disk(state=DiskState.LOST, reserve_bytes=watch.reserve_bytes)
    state = DiskState.OK
    if usage.free < watch.reserve_bytes or GapCause.DISK_FULL in causes:
        state = DiskState.FULL
    if GapCause.DISK_LOST in causes:
        state = DiskState.LOST
    return Disk(
        state=state,
        free_bytes=usage.free,
        size_bytes=usage.total,
        reserve_bytes=watch.reserve_bytes,
        days_left=watch.days_left(usage.free),
    )
