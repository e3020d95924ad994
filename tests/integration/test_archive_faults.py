"""What falls while a session is archived costs nothing: real processes, killed at every step.

Nothing is lost, nothing is there twice, finished steps are not repeated, and the archive is either verified
or not there (invariants 3, 9, 10).
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import bagit
import pytest
import yaml

from archiver import rules
from archiver.equipment import Tools
from archiver.steps import StepRunner
from archiver.worker import Archiver
from catalog.archives import Archives
from catalog.catalogue import Catalogue
from catalog.objects import DirectoryStore, verify
from cli.archiving import package_signer
from kernel.clock import SECOND_US, FakeClock
from kernel.errors import DiskFull, FixityError, StorageError
from kernel.model.archive import ArchiveRequest, Progress, RequestKind
from kernel.model.timeline import SessionState, TimelineEvent
from kernel.settings import CutSettings
from segmenter.worker import Segmenter
from tests.support.archiver_process import CODE, settings_of
from tests.support.catalogue import add_segments, add_session, open_catalogue
from tests.support.falling import Falls, ThreadPool
from tests.support.segments import Recipe, make_segment

PATIENCE_S = 120  # only a test that fails waits so long
ROOT = Path(__file__).parents[2]
START = 1_772_420_438 * SECOND_US  # two seconds before a border of chunks
NOW = START + 100 * SECOND_US
FRAMES = 150
CUT = CutSettings(pre_roll_seconds=0, post_roll_seconds=0, settle_seconds=0)

OF_POOL_STEPS = [
    "check_file:before",
    "encode_audio:after",
    "probe:after",
    "encode_video:before",
    "encode_video:after",
    "join:after",
    "measure:before",
    "make_package:after",
]
OF_THE_REST = ["store:before", "store:after", "verify:before", "record:before", "record:after"]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session of a camera that was lost for a second, cut and ready to be archived: three chunks."""
    directory = tmp_path_factory.mktemp("faults") / "site"
    ring = directory / "ring"
    segments = [
        make_segment(ring, Recipe(wall_start_us=START, frames=100, sound=True)),
        make_segment(ring, Recipe(wall_start_us=START + 5 * SECOND_US, frames=50, run_id="run-2")),
    ]
    (ring / ".jianzheng-ring").write_text("test\n")
    (directory / "falls").mkdir()
    with closing(open_catalogue(directory)) as catalogue:
        add_segments(catalogue, segments)
        add_session(catalogue, START, START + 7 * SECOND_US)
        Segmenter(catalogue, CUT, FakeClock(NOW)).run_once()
    quick = yaml.safe_load((Path(rules.__file__).parent / "data" / "archive.yaml").read_text("utf-8"))
    quick["kinds"]["room"]["heights"] = [1]
    quick["probing"] |= {"seconds": 0.4, "least": 1, "most": 1}
    (directory / "archive.yaml").write_text(yaml.safe_dump(quick), "utf-8")
    shutil.copytree(directory, directory.with_name("recorded"))
    return directory


@pytest.fixture
def site(recorded: Path) -> Path:
    """It, as if nothing had been done: always in the same place, for steps are known by their paths."""
    return again(recorded, "recorded")


@pytest.fixture(scope="module")
def encoded(recorded: Path) -> Path:
    """It, with everything encoded: the archiver was killed when it was about to store."""
    process = start_archiver(again(recorded, "recorded"), "archiver", ["store:before"], "local")
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == -signal.SIGKILL, said
    shutil.copytree(recorded, recorded.with_name("encoded"))
    return recorded


@pytest.fixture
def ready(encoded: Path) -> Path:
    """A site where only storing and recording are left to do."""
    return again(encoded, "encoded")


def again(directory: Path, state: str) -> Path:
    shutil.rmtree(directory)
    shutil.copytree(directory.with_name(state), directory)
    return directory


def start_archiver(site: Path, victim: str, steps: list[str], pool: str) -> subprocess.Popen[str]:
    order = {"victim": victim, "steps": steps, "pool": pool}
    return subprocess.Popen(
        [sys.executable, "-c", CODE, str(site), json.dumps(order)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )


def falls_of(site: Path) -> Falls:
    return Falls(directory=site / "falls", steps=(), process=None)


def assert_archived_once(site: Path) -> None:
    """One version, every object as its row says, nothing else in the store, and no step repeated."""
    assert falls_of(site).repeated() == []
    with closing(Catalogue.open(f"sqlite:///{site / 'catalogue.sqlite'}")) as catalogue:
        session, made = catalogue.sessions.get("P-O"), catalogue.archives.newest("P-O")
        assert session is not None
        assert session.state is SessionState.ARCHIVED
        assert made is not None
        assert made.version == 1
        store = DirectoryStore(site / "store")
        for item in made.objects:
            verify(store, item.key, item.size_bytes, item.sha256)
        assert set(store.list_keys()) == {item.key for item in made.objects}
        bagit.Bag(str(site / "store" / made.key_prefix)).validate()
        (rendition,) = catalogue.archives.renditions_of(made.id)
        assert rendition.receipt["measured"]["frames"] == FRAMES
    assert not (site / "work" / "P-O").exists()


def assert_nothing_archived(tools: Tools) -> None:
    session = tools.catalogue.sessions.get("P-O")
    assert session is not None
    assert session.state is SessionState.CUT
    assert tools.catalogue.archives.newest("P-O") is None


# --- killed


@pytest.mark.parametrize(("steps", "pool"), [(OF_POOL_STEPS, "local"), (OF_THE_REST, "threads")])
def test_an_archiver_that_is_killed_at_every_step_goes_on_where_it_fell(
    request: pytest.FixtureRequest, steps: list[str], pool: str
) -> None:
    site: Path = request.getfixturevalue("site" if pool == "local" else "ready")
    falls = falls_of(site)
    expected = falls.happened() | set(steps)
    for _ in range(len(steps) + 1):
        before = falls.happened()
        process = start_archiver(site, "archiver", steps, pool)
        _, said = process.communicate(timeout=PATIENCE_S)
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, said
        assert falls.happened() > before, said
    assert falls.happened() == expected
    assert_archived_once(site)


def test_a_process_of_the_pool_that_is_killed_at_every_step_costs_that_step_alone(site: Path) -> None:
    process = start_archiver(site, "worker", OF_POOL_STEPS, "local")
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, said
    assert falls_of(site).happened() == set(OF_POOL_STEPS)
    assert_archived_once(site)


class Farm:
    """A Dask scheduler and a worker, each started again when it has ended, as a service manager does."""

    def __init__(self, site: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        scheduler = ["dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
        worker = ["dask_worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
        self._commands = {
            "scheduler": scheduler,
            "worker": [*worker, "--local-directory", str(site / "dask")],
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._site = site

    def keep(self) -> None:
        """Start what does not run."""
        for name, (module, *arguments) in self._commands.items():
            running = self._running.get(name)
            if running is None or running.poll() is not None:
                self._running[name] = subprocess.Popen(
                    [sys.executable, "-m", f"distributed.cli.{module}", *arguments],
                    cwd=ROOT,
                    env={**os.environ, "PYTHONPATH": str(ROOT)},
                    stderr=subprocess.DEVNULL,
                )

    def victim(self, name: str) -> None:
        """Write down whom a step is to kill."""
        told = self._site / "falls" / "victim"
        told.with_suffix(".part").write_text(str(self._running[name].pid))
        told.with_suffix(".part").replace(told)

    def close(self) -> None:
        for process in self._running.values():
            process.kill()
            process.wait()


@pytest.mark.parametrize("victim", ["worker", "scheduler"])
def test_a_part_of_a_dask_cluster_that_is_killed_at_every_step_costs_that_step_alone(
    site: Path, victim: str
) -> None:
    with closing(Farm(site)) as farm:
        farm.keep()
        process = start_archiver(site, victim, OF_POOL_STEPS, farm.address)
        for _ in range(10 * PATIENCE_S):
            farm.keep()
            farm.victim(victim)
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.1)
                break
        else:
            process.kill()
        _, said = process.communicate()
        assert process.returncode == 0, said
    assert falls_of(site).happened() == set(OF_POOL_STEPS)
    assert_archived_once(site)


# --- the store


class FaultyStore(DirectoryStore):
    """A store with a fault, until it is mended."""

    mended = False

    def put(self, key: str, source: BinaryIO) -> str:
        return self.store(key, source) if self.mended else self.put_badly(key, source)

    def put_badly(self, key: str, source: BinaryIO) -> str:
        return self.store(key, source)

    def store(self, key: str, source: BinaryIO) -> str:
        return super().put(key, source)


class Down(FaultyStore):
    """Nothing answers."""

    def put_badly(self, key: str, source: BinaryIO) -> str:
        raise StorageError("the store does not answer.")


class Full(FaultyStore):
    """There is room for the beginning only."""

    def put_badly(self, key: str, source: BinaryIO) -> str:
        if any(self.list_keys()):
            raise DiskFull("the store is full.")
        return self.store(key, source)


class FailsAfterStoring(FaultyStore):
    """It stores what it is given and then says that it could not."""

    def put_badly(self, key: str, source: BinaryIO) -> str:
        self.store(key, source)
        raise StorageError("the connection was lost.")


class SaysAnotherChecksum(FaultyStore):
    """It stores the right bytes, and says that they were others."""

    def put_badly(self, key: str, source: BinaryIO) -> str:
        return self.store(key, source)[::-1]


class GivesBackOtherBytes(FaultyStore):
    """It took the right bytes, and gives others when they are read."""

    def open(self, key: str) -> BinaryIO:
        with super().open(key) as reader:
            data = reader.read()
        return io.BytesIO(data if self.mended else bytes([data[0] ^ 1]) + data[1:])


class Slow(FaultyStore):
    """While it takes the second file, somebody loses patience."""

    def __init__(self, root: Path, meanwhile: Callable[[], None]) -> None:
        super().__init__(root)
        self._meanwhile = meanwhile
        self.taken: list[str] = []

    def put_badly(self, key: str, source: BinaryIO) -> str:
        digest = self.store(key, source)
        self.taken.append(key)
        if len(self.taken) == 2:
            self._meanwhile()
        return digest


@contextmanager
def tools_of(site: Path, store: DirectoryStore) -> Iterator[Tools]:
    settings, clock = settings_of(site), FakeClock(NOW)
    with (
        closing(Catalogue.open(settings.catalogue_url)) as catalogue,
        closing(StepRunner(pool=ThreadPool())) as runner,
    ):
        yield Tools(
            catalogue=catalogue,
            store=store,
            runner=runner,
            settings=settings.archive,
            ring=settings.ring_dir,
            work=settings.work_dir,
            clock=clock,
            principal="test",
            signer=package_signer(settings, clock),
        )


@pytest.mark.parametrize(
    ("kind", "raised"),
    [
        (Down, StorageError),
        (Full, DiskFull),
        (FailsAfterStoring, StorageError),
        (SaysAnotherChecksum, FixityError),
        (GivesBackOtherBytes, FixityError),
    ],
)
def test_a_store_that_fails_or_lies_gets_no_archive_row_until_it_is_mended(
    ready: Path, kind: type[FaultyStore], raised: type[StorageError]
) -> None:
    store = kind(ready / "store")
    with tools_of(ready, store) as tools:
        archiver = Archiver(tools)
        with pytest.raises(raised):
            archiver.run_once()
        assert_nothing_archived(tools)
        assert progress(tools).step == "failed"
        store.mended = True
        assert isinstance(tools.clock, FakeClock)
        tools.clock.advance(31)
        assert archiver.run_once() is not None
    assert_archived_once(ready)


def ask(tools: Tools, kind: RequestKind, at_us: int) -> None:
    tools.catalogue.archive_requests.make(
        ArchiveRequest(
            id=f"request-{at_us}",
            session_id="P-O",
            kind=kind,
            reason="wrong seats",
            principal="Li Na",
            at_us=at_us,
        )
    )


def progress(tools: Tools) -> Progress:
    told = tools.catalogue.archives.progress("P-O")
    assert told is not None
    return told


def test_a_session_that_is_cancelled_while_a_slow_store_takes_it_stays_where_it_is_until_asked_for(
    ready: Path,
) -> None:
    store = Slow(ready / "store", lambda: ask(tools, RequestKind.CANCEL, NOW))
    with tools_of(ready, store) as tools:
        archiver = Archiver(tools)
        assert archiver.run_once() is None
        assert len(store.taken) == 2  # the step in hand was finished
        assert_nothing_archived(tools)
        assert (progress(tools).step, "Li Na: wrong seats" in progress(tools).detail) == ("cancelled", True)
        assert archiver.due() == []
        ask(tools, RequestKind.RETRY, NOW + 1)
        assert archiver.run_once() is not None
        assert len(store.taken) == len(set(store.taken))
    assert_archived_once(ready)


def test_a_session_that_failed_is_tried_at_once_when_somebody_asks(ready: Path) -> None:
    store = Down(ready / "store")
    with tools_of(ready, store) as tools:
        archiver = Archiver(tools)
        with pytest.raises(StorageError):
            archiver.run_once()
        assert archiver.due() == []
        how_far = progress(tools).fraction
        assert how_far > 0.8  # a failure does not look like a beginning
        store.mended = True
        ask(tools, RequestKind.RETRY, NOW + 1)
        assert archiver.run_once() is not None


def test_progress_says_what_is_going_on_and_never_goes_back(
    ready: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Progress] = []
    monkeypatch.setattr(Archives, "report_progress", lambda _, progress: told.append(progress))
    with tools_of(ready, DirectoryStore(ready / "store")) as tools:
        assert Archiver(tools).run_once() is not None
    # Whether something is put right depends on what it weighs.
    assert " ".join(dict.fromkeys(one.step for one in told if one.step != "correct")) == (
        "check sound probe encode join measure package store verify done"
    )
    assert [one.fraction for one in told] == sorted(one.fraction for one in told)
    assert "0/3" in {one.detail for one in told if one.step == "encode"}


# --- the footage


def test_a_segment_that_was_damaged_on_the_disk_is_named_and_holds_up_no_other_session(
    recorded: Path, site: Path
) -> None:
    """Invariant 3: nothing unproven becomes evidence; what is whole goes on."""
    damaged = site / "ring" / "cam" / "run-2-000000.mp4"
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    with tools_of(site, DirectoryStore(site / "store")) as tools:
        add_later_session(tools)
        archiver = Archiver(tools)
        assert [one.id for one in archiver.due()] == ["P-O", "P-O-2"]  # the oldest footage first
        with pytest.raises(FixityError, match=damaged.name):
            archiver.run_once()
        assert damaged.name in progress(tools).detail
        other = archiver.run_once()
        assert other is not None
        assert other.session_id == "P-O-2"
        assert_nothing_archived(tools)
        assert [key for key in tools.store.list_keys() if "/P-O/" in key] == []


def add_later_session(tools: Tools) -> None:
    """A session of the same project, a minute later, that nobody recorded."""
    first = tools.catalogue.sessions.get("P-O")
    assert first is not None
    later = replace(first, id="P-O-2", state=SessionState.PLANNED, start_us=None, end_us=None, cut_number=0)
    tools.catalogue.sessions.add([replace(later, change_number=0)])
    for kind, at_us in (("opening.start", START + 60 * SECOND_US), ("opening.end", START + 65 * SECOND_US)):
        tools.catalogue.sessions.record_event(
            TimelineEvent(
                id=f"{kind}-2",
                session_id="P-O-2",
                at_us=at_us,
                type=kind,
                reason="",
                principal="test",
                recorded_us=at_us,
            )
        )
    Segmenter(tools.catalogue, CUT, FakeClock(NOW)).run_once()
