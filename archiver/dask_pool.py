"""Steps on other machines: ``dask.distributed``, an optional extra (``docs/guide/encoding.md``).

Nothing is trusted to it: outputs are files that appear whole, so scheduler and workers may forget everything,
and a step that two workers come to make leaves one file.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Executor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from archiver.encode import libraries
from archiver.local_pool import step_aside
from kernel.errors import EncodeError, JianzhengError, SettingsError
from kernel.log import logger

_log = logger("archiver")
_CONNECT_SECONDS = 30
_ONE_STEP = threading.Lock()
"""A step takes one processor and may change its process: a worker with several threads does one at a time."""
_Item = TypeVar("_Item")
_Out = TypeVar("_Out")


class SchedulerUnreachable(EncodeError):
    """No Dask scheduler answers."""

    hint = "Start it ('dask scheduler'), or archive without --scheduler; finished steps are kept."


class WorkerUnfit(EncodeError):
    """A Dask worker cannot do what is asked of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Conditions:
    """What a worker must have before it takes a step."""

    paths: tuple[Path, ...]  # files that it must be able to read
    libraries: Mapping[str, str]  # versions: receipts name one encoder build


class DaskPool:
    """The workers of a Dask scheduler."""

    def __init__(self, address: str, paths: Sequence[Path] = ()) -> None:
        """A pool that is not connected yet.

        Args:
            address: of the scheduler, such as ``tcp://10.0.0.5:8786``.
            paths: files that each worker must be able to read, to show that it sees the same disks.

        Raises:
            SettingsError: the extra is not installed.
        """
        try:
            import distributed
            from distributed.comm.core import CommClosedError
        except ImportError:
            message = "a scheduler is set, but dask.distributed is not installed."
            raise SettingsError(message, hint="Install jianzheng[dask].") from None
        # What is worth telling is told by this module, in the form that was asked for.
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        self._make_client: Callable[..., Any] = distributed.Client
        self._client: Any = None
        self._address = address
        self._conditions = Conditions(paths=tuple(paths), libraries=libraries())
        self._warned = False
        self.lost: tuple[type[BaseException], ...] = (
            CancelledError,
            distributed.CancelledError,
            distributed.KilledWorker,
            distributed.client.ClosedClientError,
            CommClosedError,
        )

    @property
    def slots(self) -> int:
        """One for each worker that is there now; one that waits, where there is none."""
        count = len(self._workers())
        if not count and not self._warned:
            _log.warning(f"No worker is at {self._address}; steps wait for one.", action="pool.empty")
        self._warned = not count
        return max(1, count)

    def _workers(self) -> Mapping[str, int]:
        if self._client is None:
            return {"": 1}  # the first step opens the pool
        with suppress(OSError, *self.lost):
            return dict(self._client.nthreads())
        return {}

    def open(self) -> Executor:
        try:
            self._client = self._make_client(
                self._address, timeout=_CONNECT_SECONDS, set_as_default=False, name="jianzheng-archive"
            )
        except (OSError, TimeoutError, ValueError) as error:
            raise SchedulerUnreachable(f"no scheduler answers at {self._address}: {error}.") from None
        _log.info(
            f"Steps run on {len(self._workers())} workers of {self._address}; "
            f"their dashboard: {self._client.dashboard_link}",
            action="pool.opened",
        )
        executor: Executor = self._client.get_executor(pure=False)
        return executor

    def wrapped(self, function: Callable[[_Item], _Out]) -> Callable[[_Item], _Out]:
        return partial(on_worker, self._conditions, function)

    def close(self, executor: Executor) -> None:
        client, self._client = self._client, None
        with suppress(OSError, TimeoutError, *self.lost):
            client.close(timeout=5)


def on_worker(conditions: Conditions, function: Callable[[_Item], _Out], item: _Item) -> _Out:
    """Run a step on a worker, as on this machine: behind everything else; what fails names the machine.

    Raises:
        WorkerUnfit: the worker does not see the same disks, or encodes with other libraries.
        JianzhengError: what the step raises.
    """
    with _ONE_STEP:
        step_aside()
        _check(conditions)
        try:
            return function(item)
        except JianzhengError as error:
            error.message = f"{error.message} (worker {machine()})"
            error.args = (error.message,)
            raise
        except OSError as error:
            raise WorkerUnfit(
                f"worker {machine()} cannot use {error.filename or 'a file'}: {error.strerror or error}."
            ) from None


def machine() -> str:
    """This machine and process, for people."""
    return f"{socket.gethostname()}, process {os.getpid()}"


def _check(conditions: Conditions) -> None:
    for path in conditions.paths:
        try:
            path.open("rb").close()
        except OSError as error:
            raise WorkerUnfit(
                f"worker {machine()} cannot read {path}: {error.strerror}.",
                hint="Mount the recorder's disks there under the same paths, for the same user.",
            ) from None
    own = libraries()
    if own != conditions.libraries:
        other = {name: number for name, number in own.items() if conditions.libraries.get(name) != number}
        raise WorkerUnfit(
            f"worker {machine()} has other libraries than the archiver: {other}.",
            hint="Install the same version of everything on all machines.",
        )
