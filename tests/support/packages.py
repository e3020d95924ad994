"""A small package made by the real archiver from generated footage, for tests that verify it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from archiver.equipment import Tools
from archiver.signing import PackageSigner
from archiver.steps import StepRunner
from archiver.worker import Archiver
from catalog.objects import DirectoryStore
from kernel.chain import GENESIS_CHAIN, chain_value
from kernel.clock import SECOND_US, Clock, FakeClock
from kernel.ids import new_id
from kernel.model.footage import Gap, GapCause, Hold, Segment
from kernel.settings import ArchiveCodec, ArchiveSettings, CutSettings
from kernel.timerange import TimeRange
from segmenter.worker import Segmenter
from tests.support.catalogue import add_segments, add_session, open_catalogue
from tests.support.segments import Recipe, make_segment
from tests.support.signing import signer

START = 1_772_420_400 * SECOND_US
CLOCK_US = START + 100 * SECOND_US
HELD = Hold(
    id="hold-1",
    source_id="cam",
    wall=TimeRange(start_us=START + 3 * SECOND_US, end_us=START + 4 * SECOND_US),
    reason="complaint",
    principal="inspector",
    made_us=START + 60 * SECOND_US,
)
"""Within the camera's second segment."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MadePackage:
    """A package in a store, with what made it."""

    directory: Path
    ring: Path
    signer: PackageSigner


def chained(segments: Iterable[Segment]) -> list[Segment]:
    """Segments in the order of sealing, with the chain values that a recorder would give them."""
    last: dict[str, str] = {}
    found = []
    for one in segments:
        chain = chain_value(last.get(one.source_id, GENESIS_CHAIN), bytes.fromhex(one.sha256))
        last[one.source_id] = chain
        found.append(replace(one, chain=chain))
    return found


def record(ring: Path) -> list[Segment]:
    """Nine seconds of a camera in four segments, two seconds lost, and of a screen in two."""
    camera = [
        make_segment(ring, Recipe(frames=50, sound=True)),
        make_segment(ring, Recipe(sequence=1, frames=50, sound=True, wall_start_us=START + 2 * SECOND_US)),
        make_segment(ring, Recipe(run_id="run-2", frames=50, wall_start_us=START + 6 * SECOND_US)),
        make_segment(
            ring, Recipe(run_id="run-2", sequence=1, frames=25, wall_start_us=START + 8 * SECOND_US)
        ),
    ]
    screen = [
        make_segment(
            ring,
            Recipe(
                source_id="screen",
                run_id="run-3",
                sequence=n,
                frames=125,
                wall_start_us=START + n * 5_000_000,
            ),
        )
        for n in range(2)
    ]
    return chained([*camera, *screen])


@contextmanager
def site(directory: Path, own: PackageSigner, clock: Clock) -> Iterator[Tools]:
    """A site with a session that is recorded and cut, and waits to be archived."""
    catalogue = open_catalogue(directory)
    runner = StepRunner(2)
    tools = Tools(
        catalogue=catalogue,
        store=DirectoryStore(directory / "store"),
        runner=runner,
        settings=ArchiveSettings(budget_kbps=400, codec=ArchiveCodec.H264),
        ring=directory / "ring",
        work=directory / "work",
        clock=clock,
        principal="test",
        signer=own,
    )
    try:
        add_segments(catalogue, record(tools.ring))
        catalogue.footage.add_gap(
            Gap(
                id=new_id("gap"),
                source_id="cam",
                start_us=START + 4 * SECOND_US,
                end_us=START + 6 * SECOND_US,
                cause=GapCause.CAMERA_LOST,
                detail="no answer",
            )
        )
        add_session(catalogue, START + SECOND_US, START + 8 * SECOND_US)
        rules = CutSettings(pre_roll_seconds=1, post_roll_seconds=1, settle_seconds=0)
        Segmenter(catalogue, rules, clock).run_once()
        yield tools
    finally:
        runner.close()
        catalogue.close()


def make_archive(directory: Path) -> MadePackage:
    """Record, cut and archive a session of which a part is held.

    The key is made in the directory, and there is no time stamp.
    """
    clock = FakeClock(CLOCK_US)
    own = signer(directory, clock)
    with site(directory, own, clock) as tools:
        tools.catalogue.holds.make(HELD)
        archive = Archiver(tools).run_once()
    assert archive is not None
    return MadePackage(directory=directory / "store" / archive.key_prefix, ring=tools.ring, signer=own)
