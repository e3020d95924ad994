"""The restore drill: a project's archives are fetched, verified and decoded as an outsider would do it.

Nothing of the catalogue is used but where the packages are: if they cannot be read without it, the drill is
the time to learn that.
"""

from __future__ import annotations

import errno
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from archiver.findings import Aspect
from archiver.spot_check import spot_check
from archiver.verify import Verification, verify_package
from archiver.verify_proof import Trust
from catalog.fixity import SweepStopped
from cli.preserving import Keeping
from kernel.clock import SECOND_US
from kernel.errors import DiskFull, RequestError, StorageError
from kernel.ids import new_id
from kernel.log import logger
from kernel.model.archive import Archive, ArchiveObject
from kernel.model.preservation import Drill, DrilledFile, DrillResult, drawn

_BLOCK = 1 << 20
_SPARE_BYTES = 1 << 30  # left on the disk of work_dir beside what is fetched
_log = logger("cli")


@dataclass(kw_only=True, slots=True)
class _Fetched:
    """An object of a package, and what was found of it so far."""

    item: ArchiveObject
    faults: list[str] = field(default_factory=list)
    pictures: int = 0
    spent_us: int = 0

    def told(self) -> DrilledFile:
        seconds = round(self.spent_us / SECOND_US, 3)
        return DrilledFile(
            key=self.item.key, faults=tuple(self.faults), pictures=self.pictures, seconds=seconds
        )


@dataclass(kw_only=True, slots=True)
class _Result:
    """What was found so far."""

    files: list[DrilledFile] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


class _StopTeller:
    """Ends a verification in the middle when it is time to stop."""

    def __init__(self, keeping: Keeping) -> None:
        self._stop = keeping.stop

    def begin(self, what: Aspect, total: int) -> None:
        pass

    def advance(self, count: int) -> None:
        if self._stop.is_set():
            raise SweepStopped


def drill_due(keeping: Keeping) -> bool:
    """Whether the last drill is long enough ago; nothing else remembers when the next one is due."""
    newest = keeping.catalogue.preservation.drills(limit=1)
    return not newest or keeping.clock.now_us() - newest[0].started_us >= keeping.promise.drill_us


def drill(keeping: Keeping, project_id: str = "", seed: str = "") -> Drill | None:
    """Restore a project, the one that is named or one drawn by a seed, and keep the report.

    None where nothing is archived yet.

    Raises:
        RequestError: nothing is archived of the project that is named.
        DiskFull: there is no room for it below work_dir; that is no fault of the archive.
        SweepStopped: told to stop; no report is kept.
    """
    candidates = keeping.catalogue.preservation.candidates()
    if project_id and project_id not in candidates:
        raise RequestError(f"nothing is archived of project {project_id}.", hint="Name it by its id.")
    if not candidates:
        return None
    seed = "" if project_id else seed or secrets.token_hex(16)
    report = _drilled(keeping, project_id or drawn(seed, candidates), seed, len(candidates))
    keeping.catalogue.preservation.record_drill(report)
    _tell(report)
    return report


def _drilled(keeping: Keeping, project_id: str, seed: str, candidates: int) -> Drill:
    started_us, result = keeping.clock.now_us(), _Result()
    archives = _archives(keeping, project_id)
    for archive in archives:
        _restore(keeping, archive, result)
    failed = result.faults or any(one.faults for one in result.files)
    return Drill(
        id=new_id("drill"),
        started_us=started_us,
        ended_us=keeping.clock.now_us(),
        principal=keeping.principal,
        seed=seed,
        candidates=candidates,
        project_id=project_id,
        result=DrillResult.FAILED if failed else DrillResult.PASSED,
        size_bytes=sum(one.size_bytes for one in archives),
        files=tuple(result.files),
        faults=tuple(result.faults),
    )


def _tell(report: Drill) -> None:
    say = _log.error if report.result is DrillResult.FAILED else _log.info
    say(
        f"Restore drill of project {report.project_id}: {report.result}, {len(report.files)} files.",
        action="drill.done",
        drill=report.id,
    )


def _archives(keeping: Keeping, project_id: str) -> list[Archive]:
    """The newest archive of each session of a project."""
    sessions = keeping.catalogue.sessions.of_project(project_id)
    newest = (keeping.catalogue.archives.newest(one.id) for one in sessions)
    return [one for one in newest if one is not None]


def _restore(keeping: Keeping, archive: Archive, result: _Result) -> None:
    """Fetch, verify and decode one package; it is gone again afterwards."""
    fetched = {_name(archive, item): _Fetched(item=item) for item in archive.objects}
    with _room_for(keeping, archive) as directory:
        for name, one in fetched.items():
            with _timed(keeping, one):
                _fetch(keeping, one, directory / name)
        asked = Verification(package=directory, trust=Trust())
        for finding in verify_package(asked, _StopTeller(keeping)).faults:
            said = f"{finding.aspect}: {finding.detail}"
            if finding.name in fetched:
                fetched[finding.name].faults.append(said)
            else:
                result.faults.append(f"{archive.id}: {finding.name}: {said}")
        for name, one in fetched.items():
            with _timed(keeping, one):
                _decode(one, directory / name)
    result.files += (one.told() for one in fetched.values())


@contextmanager
def _timed(keeping: Keeping, one: _Fetched) -> Iterator[None]:
    if keeping.stop.is_set():
        raise SweepStopped
    begun_us = keeping.clock.monotonic_us()
    yield
    one.spent_us += keeping.clock.monotonic_us() - begun_us


def _name(archive: Archive, item: ArchiveObject) -> str:
    """Of an object within its package."""
    return item.key.removeprefix(f"{archive.key_prefix}/")


@contextmanager
def _room_for(keeping: Keeping, archive: Archive) -> Iterator[Path]:
    work = keeping.settings.work_dir
    work.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(work).free < archive.size_bytes + _SPARE_BYTES:
        raise DiskFull(f"{work} has no room for {archive.size_bytes} bytes and some to spare.")
    with tempfile.TemporaryDirectory(prefix="drill-", dir=work) as directory:
        yield Path(directory)


def _fetch(keeping: Keeping, one: _Fetched, target: Path) -> None:
    """Write an object to its place in the package; that it cannot be had is a fault of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with keeping.store.open(one.item.key) as source, target.open("xb") as file:
            while block := source.read(_BLOCK):
                if keeping.stop.is_set():
                    raise SweepStopped
                file.write(block)
    except StorageError as error:
        one.faults.append(f"it cannot be fetched: {error.message}")
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"there is no room left in {target.parent}.") from error
        one.faults.append(f"it cannot be fetched: {error.strerror}")


def _decode(one: _Fetched, path: Path) -> None:
    if path.suffix == ".mp4" and path.is_file():
        one.pictures, fault = spot_check(path)
        one.faults += [fault] if fault else []
