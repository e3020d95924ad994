"""An agent without a screen, a disk of its own, a network or a clock that waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from agent.gaps import GapLedger
from agent.main import settle
from agent.recorder import DesktopRecorder, Surroundings
from agent.settings import AgentSettings
from agent.shelf import Shelf
from agent.status import Status
from agent.timekeeper import Timekeeper
from kernel.clock import FakeClock
from kernel.codec.sample_entry import visual_sample_entry
from kernel.errors import SourceUnreachable
from kernel.isobmff.boxes import box
from kernel.model.footage import Codec, TrackInfo
from kernel.segments.segment_file import Opener, open_new

SOURCE = "desk-1"
VIDEO = TrackInfo(
    codec=Codec.H264,
    timescale=1000,
    sample_entry=visual_sample_entry("avc1", 64, 48, box("avcC", bytes(8))),
    width=64,
    height=48,
)


class Over(BaseException):
    """The script of a screen has ended: the process is gone, as after kill -9."""


@dataclass
class ScriptedScreen:
    """Pictures one by one; a step of the script may do anything, and says whether the picture changed."""

    clock: FakeClock
    seconds: float  # between pictures
    script: list[Callable[[], bool]]
    encoded: int = 0
    closed: bool = False
    video: TrackInfo = VIDEO

    def next(self) -> bool:
        self.clock.advance(self.seconds)
        if not self.script:
            raise Over
        return self.script.pop(0)()

    def encode(self, key: bool) -> bytes:
        self.encoded += 1
        return (b"K" if key else b"-") + self.encoded.to_bytes(4, "big")

    def close(self) -> None:
        self.closed = True


def recorded_computer(home: Path, clock: FakeClock, segment_seconds: float = 60) -> Computer:
    """A computer whose agent recorded 41 pictures, five seconds, and was stopped."""
    made = Computer(home, clock)
    made.settings = made.settings.model_copy(update={"segment_seconds": segment_seconds})
    made.start()
    stop = threading.Event()
    made.recorder([lambda: True] * 40 + [lambda: bool(stop.set())]).run(stop, "tester")
    return made


@dataclass
class Computer:
    """An expert's computer: what stays when its agent dies, and what a start makes of it."""

    home: Path
    clock: FakeClock
    settings: AgentSettings = field(init=False)
    slept_us: int = 0
    offset_us: int | None = 0
    size: tuple[int, int] = (64, 48)
    free: int = 1 << 40
    opener: Opener = open_new

    def __post_init__(self) -> None:
        self.settings = AgentSettings(source=SOURCE, data_dir=self.home)

    def start(self) -> None:
        """As a process does."""
        kept = self.settings
        self.shelf = Shelf(
            kept.data_dir,
            limit_bytes=kept.limit_bytes,
            reserve_bytes=kept.reserve_bytes,
            free=lambda _: self.free,
        )
        self.ledger = GapLedger(kept.data_dir / "gaps.json")
        settle(self.shelf, self.ledger)
        self.times = Timekeeper(self.clock, self.offset_us, lambda: self.slept_us)
        self.status = Status()

    def recorder(self, script: list[Callable[[], bool]], seconds: float = 0.125) -> DesktopRecorder:
        """One whose screen follows the script; opened a second time, it is lost."""
        screens = [ScriptedScreen(self.clock, seconds, script)]

        def open_screen(_: AgentSettings) -> ScriptedScreen:
            if not screens:
                raise SourceUnreachable("the screen cannot be grabbed.")
            return screens.pop()

        return DesktopRecorder(
            Surroundings(
                settings=self.settings,
                shelf=self.shelf,
                ledger=self.ledger,
                times=self.times,
                status=self.status,
                clock=self.clock,
                open_screen=open_screen,
                screen_size=lambda _: self.size,
                opener=self.opener,
            )
        )
