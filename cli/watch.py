"""What ``serve`` and ``status`` need to know of ``cameras.yaml`` and of the ring: never an address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from catalog.catalogue import Catalogue
from catalog.readiness import Watch, watch_everything
from catalog.ring_use import RingUse, days_until_full
from cli.audit_anchor import anchor_state
from cli.options import this_user
from kernel.clock import SECOND_US, Clock
from kernel.desired import Around
from kernel.errors import JianzhengError
from kernel.log import logger
from kernel.model.source import Wish
from kernel.settings import Settings, load_cameras

_RING_USE_US = 60 * SECOND_US  # measuring it looks at every segment

_log = logger("cli")


def open_watch(settings: Settings, catalogue: Catalogue, clock: Clock) -> Watch:
    """Without a ``cameras.yaml`` every source that was ever registered counts.

    Raises:
        SettingsError: cameras.yaml cannot be used as written.
    """
    watch = watch_everything(catalogue)
    if settings.cameras.exists():
        cameras = CurrentCameras(settings.cameras, catalogue, clock)
        watch = replace(watch, wishes=cameras.wishes, agents=cameras.agents, cameras_problem=cameras.problem)
    return replace(
        watch,
        around=Around.of(settings.cut.pre_roll_seconds, settings.cut.post_roll_seconds),
        ring=settings.ring_dir,
        live=settings.live_dir,
        reserve_bytes=settings.ring.reserve_bytes,
        days_left=DaysLeft(settings, catalogue, clock),
        agent_patience_us=round(settings.receiver.lost_seconds * SECOND_US),
        anchor=partial(anchor_state, settings) if settings.audit.anchored else None,
    )


class CurrentCameras:
    """Ids and record modes of ``cameras.yaml``; the file is read again when it changes.

    A source that was added must not be missed because the server was not started again.
    """

    def __init__(self, path: Path, catalogue: Catalogue, clock: Clock) -> None:
        self._path = path
        self._catalogue = catalogue
        self._clock = clock
        self._seen = self._stamp()
        self._wishes, self._agents = self._read()
        self._problem = ""

    def wishes(self) -> Sequence[Wish]:
        """When each live source asks to be recorded."""
        self._look()
        return self._wishes

    def agents(self) -> frozenset[str]:
        """Sources that record themselves."""
        self._look()
        return self._agents

    def problem(self) -> str:
        """Why the file as it is now is not in use; empty while it is."""
        self._look()
        return self._problem

    def _look(self) -> None:
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self._wishes, self._agents = self._read()
            self._problem = ""
        except JianzhengError as error:
            self._problem = str(error)
            _log.error(f"{error} What it said before still counts.", action="cameras.unusable")

    def _stamp(self) -> tuple[int, int] | None:
        try:
            told = self._path.stat()
        except OSError:
            return None
        return told.st_mtime_ns, told.st_size

    def _read(self) -> tuple[list[Wish], frozenset[str]]:
        places = load_cameras(self._path)
        self._catalogue.places.register(places, principal=this_user(), at_us=self._clock.now_us())
        schemes = {spec.id: spec.scheme for spec in places.specs()}
        # Nobody waits for files: they are taken in by hand.
        live = [wish for wish in places.wishes() if schemes[wish.source_id] != "file"]
        return live, frozenset(one for one, scheme in schemes.items() if scheme == "agent")


class DaysLeft:
    """Days until the ring's disk is full; how fast it fills is measured once a minute."""

    def __init__(self, settings: Settings, catalogue: Catalogue, clock: Clock) -> None:
        self._reserve_bytes = settings.ring.reserve_bytes
        self._rules = settings.cut.rules()
        self._catalogue = catalogue
        self._clock = clock
        self._measured: tuple[int, RingUse] | None = None  # monotonic time, figures

    def __call__(self, free_bytes: int) -> float | None:
        return days_until_full(self._use(), free_bytes, self._reserve_bytes)

    def _use(self) -> RingUse:
        now_us = self._clock.monotonic_us()
        if self._measured is None or now_us - self._measured[0] > _RING_USE_US:
            self._measured = now_us, self._catalogue.ring_use.now(self._clock.now_us(), self._rules)
        return self._measured[1]
