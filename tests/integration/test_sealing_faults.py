"""The recorder killed at every step of sealing, its disk torn, full and gone: the pictures tell what is left.

After each fault: every picture that had reached the disk is there once, at its time, and every missing moment
is a gap with its cause. The times are read from the pictures themselves (``simulator.timestrip``).
"""

from __future__ import annotations

import asyncio
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import av
import pytest

from archiver.ring_reader import SegmentReader
from capture.memory_rows import MemoryRows
from capture.packets import TrackStarted
from capture.recover import QUARANTINE, recover
from capture.ring_disk import RingDisk, open_ring
from catalog.catalogue import Catalogue
from catalog.objects import MemoryStore
from cli.check import Fault, check_everything
from kernel.clock import FakeClock
from kernel.errors import DiskFull, DiskLost
from kernel.isobmff.reader import read_fragments, read_init, top_level
from kernel.model.footage import Codec, Gap, GapCause, Hold, Packet, Segment, TrackInfo
from kernel.timerange import TimeRange, merge, subtract
from simulator import timestrip
from tests.support.catalogue import open_catalogue
from tests.support.peers import REPOSITORY
from tests.support.segments import HEIGHT, WIDTH, Recipe, encoded
from tests.support.strip_recording import (
    FRAME_US,
    PICKLED,
    REMOVAL_STEPS,
    START_US,
    STEPS,
    StripVideo,
    evictor,
    record_all,
)

EVER = TimeRange(start_us=0, end_us=1 << 61)
SECONDS = 24


@pytest.fixture(scope="module")
def video() -> StripVideo:
    """Pictures with the strip of their time, a key frame a second."""
    entry, samples = encoded(Recipe(wall_start_us=START_US, frames=SECONDS * 25))
    info = TrackInfo(codec=Codec.H264, timescale=90_000, sample_entry=entry, width=WIDTH, height=HEIGHT)
    packets = [
        Packet(
            codec=Codec.H264,
            pts=number * 3600,
            data=sample.data,
            key=sample.key,
            arrival_us=START_US + number * FRAME_US + 20_000,
            wall_us=START_US + number * FRAME_US,
        )
        for number, sample in enumerate(samples)
    ]
    return StripVideo(started=TrackStarted(info=info, reorder=0), packets=packets)


@dataclass
class Site:
    """A recorder's directory and catalogue."""

    root: Path
    catalogue: Catalogue

    @property
    def ring(self) -> Path:
        return self.root / "ring"

    def segments(self) -> list[Segment]:
        return self.catalogue.footage.segments_of("cam", EVER)

    def gaps(self) -> list[Gap]:
        return self.catalogue.footage.gaps_of("cam", EVER)

    def pictures(self) -> list[int]:
        """Times that stand in the pictures of all segments, in order; each is where its segment says."""
        return [at for one in self.segments() for at in pictures_of(self.ring / one.path)]

    def faults(self) -> list[Fault]:
        found, _, _ = check_everything(self.catalogue, MemoryStore(), self.ring, self.root / "keys")
        return [one.fault for one in found]

    def lasting_gaps(self) -> list[Gap]:
        return [gap for gap in self.gaps() if gap.end_us is None]

    def unexplained(self, until_us: int) -> list[TimeRange]:
        """Moments that neither a segment nor a gap covers, and those that both cover."""
        recorded = [one.wall for one in self.segments()]
        missing = [TimeRange(start_us=gap.start_us, end_us=gap.end_us or until_us) for gap in self.gaps()]
        whole = TimeRange(start_us=START_US, end_us=until_us)
        twice = [both for one in merge(recorded) for gap in missing if (both := one.intersect(gap))]
        return subtract(whole, recorded + missing) + twice


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path, open_catalogue(tmp_path))
    yield made
    made.catalogue.close()


def pictures_of(path: Path) -> list[int]:
    """The strips of a segment's pictures, UTC microseconds; the file gives them the same times."""
    with SegmentReader(path) as reader:
        by_file = [unit.wall_us for unit in reader.video(0, EVER.end_us)]
    with av.open(path) as container:
        container.streams.video[0].codec_context.thread_type = "NONE"
        strips = [timestrip.read(frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]
    assert None not in strips
    told = [strip * 1000 for strip in strips if strip is not None]
    assert told == by_file
    return told


def frames_in(ranges: Sequence[tuple[int, int]]) -> list[int]:
    return [at for start_us, end_us in ranges for at in range(start_us, end_us, FRAME_US)]


def second(number: float) -> int:
    return START_US + round(number * 1_000_000)


# --- kill -9


def killed(site: Site, video: StripVideo, step: str, when: str) -> list[int]:
    """Record 0 to 8 s in a process that dies; times of the pictures that it had handed to the system."""
    (site.root / PICKLED).write_bytes(pickle.dumps(video.between(0, 8)))
    lines = [line.split() for line in dying("record", site, step, when).splitlines()]
    return frames_in([(int(start), int(end)) for start, end in lines])


def dying(what: str, site: Site, step: str, when: str) -> str:
    """Run a process until it ends itself; what it said."""
    command = [sys.executable, "-m", "tests.support.strip_recording", what, str(site.root), step, when]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == -9, ended.stderr
    return ended.stdout


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
async def test_killed_at_any_step_no_picture_that_reached_the_disk_is_lost_or_doubled(
    site: Site, video: StripVideo, step: str, when: str
) -> None:
    """Invariants 1, 2 and 5."""
    written = killed(site, video, step, when)
    assert written[0] == START_US
    assert len(written) > 45
    clock = FakeClock(second(12))
    await record_all(site.root, site.catalogue, clock, video.between(12, 18))
    pictures = site.pictures()
    before = [at for at in pictures if at < second(12)]
    assert before == list(range(START_US, before[-1] + 1, FRAME_US))
    assert set(written) <= set(before)
    assert [at for at in pictures if at >= second(12)] == frames_in([(second(12), second(18))])
    assert site.unexplained(second(18)) == []
    (outage,) = [gap for gap in site.gaps() if gap.end_us is not None]
    assert (outage.start_us, outage.end_us, outage.cause) == (
        before[-1] + FRAME_US,
        second(12),
        GapCause.CRASH,
    )
    assert site.faults() == ([Fault.QUARANTINED] if (step, when) == ("write", "before") else [])


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", REMOVAL_STEPS)
async def test_killed_at_any_step_of_removal_what_is_held_stays_and_the_rest_goes_once(
    site: Site, video: StripVideo, step: str, when: str
) -> None:
    """Invariant 4; and what is gone is not recovered as new footage."""
    await record_all(site.root, site.catalogue, FakeClock(START_US), video.between(0, 8))
    held = site.segments()[1]
    site.catalogue.holds.make(
        Hold(id="hold", source_id="cam", wall=held.wall, reason="案件", principal="纪检", made_us=0)
    )
    dying("remove", site, step, when)
    await record_all(site.root, site.catalogue, FakeClock(second(12)), video.between(12, 14))
    newest = site.segments()[-1]
    site.catalogue.holds.make(
        Hold(id="new", source_id="cam", wall=newest.wall, reason="案件", principal="纪检", made_us=0)
    )
    for _ in range(2):
        with suppress(DiskFull):  # nothing but what is held is left
            evictor(site.root, site.catalogue).run_once()
    assert site.segments() == [held, newest]
    assert site.pictures() == frames_in([(one.wall.start_us, one.wall.end_us) for one in (held, newest)])
    stones = site.catalogue.removal.tombstones_of("cam", EVER)
    assert merge([held.wall, *(one.segment.wall for one in stones)]) == [
        TimeRange(start_us=START_US, end_us=second(8))
    ]
    assert len(list(site.ring.rglob("*.mp4"))) == 2
    assert site.faults() == []


# --- a power cut: the file ends anywhere


@pytest.fixture(scope="module")
def open_segment(tmp_path_factory: pytest.TempPathFactory, video: StripVideo) -> bytes:
    """What a recorder left of its first segment, three fragments long."""
    root = tmp_path_factory.mktemp("power")
    catalogue = open_catalogue(root)
    left: list[bytes] = []

    def look() -> None:
        (part,) = (root / "ring").rglob("*.part")
        left.append(part.read_bytes())

    asyncio.run(record_all(root, catalogue, FakeClock(START_US), [*video.between(0, 1.8), look]))
    catalogue.close()
    return left[0]


def header_bytes(whole: bytes, path: Path) -> list[int]:
    """Where every byte of every header lies: all but the media data, of which a sample is taken."""
    path.write_bytes(whole)
    places: list[int] = []
    with path.open("rb") as file:
        for header in top_level(file):
            if header.type == "mdat":
                places += [*range(header.payload - 8, header.payload), header.payload + 1, header.end - 1]
                places += range(header.payload, header.end, 997)
            else:
                places += range(header.payload - 8, header.end)
    return sorted(set(places))


def test_cut_off_at_any_byte_of_a_header_every_whole_fragment_before_it_is_kept(
    tmp_path: Path, open_segment: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invariants 2 and 3; and the bytes behind the last whole fragment are not thrown away."""
    monkeypatch.setattr(os, "fsync", lambda _: None)  # thousands of files
    whole = tmp_path / "whole.mp4"
    places = header_bytes(open_segment, whole)
    with whole.open("rb") as file:
        ends = [one.offset + one.size for one in read_fragments(file, read_init(file).size)]
    assert len(places) > 1000
    assert len(ends) >= 3
    pictures = {}
    for number, cut in enumerate(places):
        ring = tmp_path / "ring" / str(number)
        (ring / "cam").mkdir(parents=True)
        (ring / "cam" / "a.mp4.part").write_bytes(open_segment[:cut])
        kept = max((end for end in ends if end <= cut), default=0)
        rows = MemoryRows()
        found = recover(ring, rows)
        assert (found.left, [one.size_bytes for one in rows.segments]) == (0, [kept] if kept else [])
        aside = ring / QUARANTINE
        names = [one for one in aside.iterdir() if one.suffix != ".txt"] if aside.exists() else []
        assert sum(one.stat().st_size for one in names) == cut - kept
        if kept and kept not in pictures:
            pictures[kept] = pictures_of(ring / rows.segments[0].path)
            assert rows.segments[0].wall.end_us == pictures[kept][-1] + FRAME_US
    lengths = [len(pictures[end]) for end in ends[:-1]]
    assert lengths == sorted(set(lengths))
    assert all(times == list(range(START_US, times[-1] + 1, FRAME_US)) for times in pictures.values())


# --- a disk that is full, or gone


class SmallDisk(RingDisk):
    """A disk that has room, or not, as it is told."""

    room = True

    def free_bytes(self, directory: Path) -> int:
        self.check()
        if not self.room:
            raise DiskFull("There is no room.")
        return 1 << 40


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - rows of a database have no event
            await asyncio.sleep(0.01)


def small_disk(site: Site) -> SmallDisk:
    open_ring(site.ring, site.catalogue.ring_disks, FakeClock(), "tester")
    return SmallDisk(site.ring, site.catalogue.ring_disks.current)


async def test_a_full_disk_costs_the_time_without_room_and_nothing_else(
    site: Site, video: StripVideo
) -> None:
    """Invariants 5 and 8."""
    disk, clock = small_disk(site), FakeClock(START_US)

    def fill() -> None:
        disk.room = False

    script = [[*video.between(0, 5), fill, *video.between(5, 7)], video.between(12, 18)]
    work = asyncio.create_task(record_all(site.root, site.catalogue, clock, *script, disk=disk))
    await until(lambda: [gap for gap in site.gaps() if gap.cause is GapCause.DISK_FULL])
    disk.room = True
    await work
    expect_outage(site, GapCause.DISK_FULL)


def expect_outage(site: Site, cause: GapCause, earliest: float = 3.5, latest: float = 7) -> None:
    """Recorded: 0 to about 5 s, and 12 to 18 s."""
    pictures = site.pictures()
    before = [at for at in pictures if at < second(12)]
    assert before == list(range(START_US, before[-1] + 1, FRAME_US))
    assert second(earliest) <= before[-1] + FRAME_US <= second(latest)
    assert [at for at in pictures if at >= second(12)] == frames_in([(second(12), second(18))])
    (outage, stopped) = site.gaps()
    assert (outage.start_us, outage.end_us, outage.cause) == (before[-1] + FRAME_US, second(12), cause)
    assert stopped.cause is GapCause.STOPPED
    assert site.unexplained(second(18)) == []
    assert site.faults() == []


@pytest.fixture
def tmpfs(site: Site) -> Iterator[Callable[[str], None]]:
    """The ring on a real small disk; called with another size, it has that."""

    def mount(options: str) -> int:
        command = ["mount", "-t", "tmpfs", "-o", options, "none", str(site.ring)]
        return subprocess.run(command, capture_output=True, check=False).returncode

    site.ring.mkdir()
    if os.geteuid() != 0 or mount("size=64k"):
        pytest.skip("only root may mount a small disk; a double stands for it elsewhere")

    def grow(size: str) -> None:
        assert mount(f"remount,size={size}") == 0

    yield grow
    subprocess.run(["umount", "-l", str(site.ring)], check=True)


async def test_a_really_full_disk_costs_the_time_without_room_and_nothing_else(
    site: Site, video: StripVideo, tmpfs: Callable[[str], None]
) -> None:
    """The system says ENOSPC in the middle of a fragment."""
    disk = open_ring(site.ring, site.catalogue.ring_disks, FakeClock(), "tester")
    script = [video.between(0, 11), [lambda: tmpfs("20m"), *video.between(12, 18)]]
    await record_all(site.root, site.catalogue, FakeClock(START_US), *script, disk=disk)
    expect_outage(site, GapCause.DISK_FULL, earliest=1, latest=11)


@pytest.fixture
def mounted(site: Site) -> Callable[[bool], None]:
    """The ring on a disk that can be taken away: what lies in its place then is an empty directory."""
    for name in ("disk", "mount-point"):
        (site.root / name).mkdir()

    def mount(there: bool) -> None:
        (site.root / "next").symlink_to(site.root / ("disk" if there else "mount-point"))
        (site.root / "next").rename(site.ring)

    mount(True)
    return mount


async def test_a_disk_that_vanishes_is_not_written_through_and_nothing_on_it_is_lost(
    site: Site, video: StripVideo, mounted: Callable[[bool], None]
) -> None:
    """Its last file could not be sealed: it is, without a new start, when the disk is back."""
    disk = open_ring(site.ring, site.catalogue.ring_disks, FakeClock(), "tester")
    vanish = [*video.between(0, 5), lambda: mounted(False), *video.between(5, 7)]
    work = asyncio.create_task(
        record_all(site.root, site.catalogue, FakeClock(START_US), vanish, video.between(12, 18), disk=disk)
    )
    await until(lambda: [gap for gap in site.gaps() if gap.cause is GapCause.DISK_LOST])
    await asyncio.sleep(0.1)  # some vain attempts
    assert [path for path in (site.root / "mount-point").rglob("*") if not path.name.startswith(".")] == []
    assert len(list((site.root / "disk").rglob("*.part"))) == 1
    mounted(True)
    await work
    assert list((site.root / "disk").rglob("*.part")) == []
    expect_outage(site, GapCause.DISK_LOST)


async def test_a_disk_that_is_not_there_at_the_start_is_waited_for_and_then_settled(
    site: Site, video: StripVideo, mounted: Callable[[bool], None]
) -> None:
    """A crash, and a disk that is mounted late: what was left is recovered before anything is recorded."""
    written = killed(site, video, "fsync", "before")
    open_ring(site.ring, site.catalogue.ring_disks, FakeClock(), "tester")
    mounted(False)
    disk = open_ring(site.ring, site.catalogue.ring_disks, FakeClock(), "tester")
    with pytest.raises(DiskLost):
        disk.check()
    clock = FakeClock(second(10))
    work = asyncio.create_task(record_all(site.root, site.catalogue, clock, video.between(12, 18), disk=disk))
    await until(site.lasting_gaps)
    assert [path for path in (site.root / "mount-point").rglob("*") if not path.name.startswith(".")] == []
    mounted(True)
    await work
    before = [at for at in site.pictures() if at < second(12)]
    assert set(written) <= set(before)
    assert site.unexplained(second(18)) == []
    assert site.faults() == []
