"""Runs steps side by side: functions from named inputs to a named output, in processes of their own.

The outputs are the state: a step whose output and result are there is not run again, so a restart repeats
only what is missing. Only as many steps as there are slots are handed over, best first. Where they run is the
pool's affair: ``archiver.local_pool``, ``archiver.dask_pool``.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from pydantic import TypeAdapter

from archiver.encode import libraries
from archiver.local_pool import LocalPool
from archiver.output import whole_file
from kernel.errors import EncodeError, JianzhengError
from kernel.log import logger

_log = logger("archiver")
_TRIES = 3  # of a lost pool, in which nothing comes forward
_LOOK_SECONDS = 1.0  # how often a runner that waits for its steps looks whether it is to stop

_StepType = TypeVar("_StepType", bound="HasTarget", contravariant=True)
_Result = TypeVar("_Result")
_Item = TypeVar("_Item")
_Out = TypeVar("_Out")


class HasTarget(Protocol):
    """A step with the file that it makes."""

    @property
    def target(self) -> Path: ...


def once(function: Callable[[_StepType], _Result], result_type: type[_Result], step: _StepType) -> _Result:
    """Run a step unless its result is there from an earlier time; the result stands beside its output.

    An earlier result counts only if it came from the same inputs and the same libraries.
    """
    note = step.target.with_suffix(".json")
    made_from = hashlib.sha256(f"{step!r} {libraries()!r}".encode()).hexdigest()
    adapter = TypeAdapter(result_type)
    known = _known(note, made_from, adapter)
    if known is not None:
        return known
    step.target.parent.mkdir(parents=True, exist_ok=True)
    result = function(step)
    with whole_file(note) as file:
        content = {"made_from": made_from, "result": adapter.dump_python(result, mode="json")}
        file.write(json.dumps(content).encode())
    return result


def _known(note: Path, made_from: str, adapter: TypeAdapter[_Result]) -> _Result | None:
    """The result of an earlier time, unless it came from other inputs or its file is not whole."""
    try:
        content = json.loads(note.read_bytes())
        if content["made_from"] != made_from:
            return None
        result = adapter.validate_python(content["result"])
    except (FileNotFoundError, ValueError, LookupError, TypeError):
        return None
    made: Path | None = getattr(result, "path", None)
    if made is None:
        return result
    whole = made.exists() and made.stat().st_size == getattr(result, "size_bytes", None)
    return result if whole else None


class Pool(Protocol):
    """Where steps run: gives an executor, and another one when that is lost."""

    @property
    def slots(self) -> int:
        """How many steps run side by side."""

    @property
    def lost(self) -> tuple[type[BaseException], ...]:
        """What the executor raises, by itself or out of a step, when what runs its steps is gone."""

    def open(self) -> Executor:
        """A new executor.

        Raises:
            EncodeError: there is nothing to run steps on.
        """

    def wrapped(self, function: Callable[[_Item], _Out]) -> Callable[[_Item], _Out]:
        """What is handed to the executor instead of a step's function."""

    def close(self, executor: Executor) -> None:
        """End an executor, lost or not."""


class Stopped(JianzhengError):
    """The archiver was told to stop; what is finished stays."""


class StepRunner:
    """Runs steps on a pool that is opened anew when it is lost; finished steps are not run again."""

    def __init__(
        self, workers: int = 0, stop: threading.Event | None = None, *, pool: Pool | None = None
    ) -> None:
        self._pool = pool or LocalPool(workers)
        self._stop = stop or threading.Event()
        self._allow: Callable[[], None] = lambda: None
        self._executor: Executor | None = None

    @property
    def slots(self) -> int:
        """How many steps run side by side."""
        return self._pool.slots

    def close(self) -> None:
        """End what runs the steps."""
        if self._executor is not None:
            executor, self._executor = self._executor, None
            self._pool.close(executor)

    @contextmanager
    def asking(self, allow: Callable[[], None]) -> Iterator[None]:
        """Within the block, ask before each step; what ``allow`` raises ends the work there."""
        self._allow = allow
        try:
            yield
        finally:
            self._allow = lambda: None

    def check(self) -> None:
        """Whether the next step may begin.

        Raises:
            Stopped: the runner was told to stop.
            JianzhengError: what the one who is asked says.
        """
        if self._stop.is_set():
            raise Stopped
        self._allow()

    def run(
        self,
        function: Callable[[_Item], _Out],
        items: Iterable[_Item],
        done: Callable[[_Out], None] = lambda _result: None,
    ) -> list[_Out]:
        """The results of a function for all items, in their order; ``done`` hears of each as it comes.

        Raises:
            EncodeError: what runs steps was lost again and again, with nothing done in between.
            Stopped: the runner was told to stop; steps that run are finished, or done again later.
            JianzhengError: what the function raised first; steps not yet begun are not begun.
        """
        todo = list(enumerate(items))
        results: dict[int, _Out] = {}
        tries, before = 0, 0
        while True:
            try:
                self._run_all(function, [one for one in todo if one[0] not in results], results, done)
                return [results[number] for number, _ in todo]
            except self._pool.lost as error:
                tries, before = (1 if len(results) > before else tries + 1), len(results)
                _log.warning(
                    "An encoding process was lost; its steps run again.",
                    action="pool.lost",
                    attempt=tries,
                    reason=type(error).__name__,
                )
                self.close()
            if tries >= _TRIES:
                raise EncodeError(
                    "Encoding processes died again and again.",
                    hint="Look for lack of memory where they run.",
                )

    def _run_all(
        self,
        function: Callable[[_Item], _Out],
        todo: list[tuple[int, _Item]],
        results: dict[int, _Out],
        done: Callable[[_Out], None],
    ) -> None:
        running: dict[Future[_Out], int] = {}
        waiting = iter(todo)
        try:
            while True:
                self._hand_over(function, waiting, running)
                if not running:
                    return
                finished, _ = wait(running, _LOOK_SECONDS, FIRST_COMPLETED)
                # What is done is kept, even if what did it is lost by now.
                for future in sorted(finished, key=_failed):
                    number = running.pop(future)
                    results[number] = future.result()
                    done(results[number])
        finally:
            _end(running)

    def _hand_over(
        self,
        function: Callable[[_Item], _Out],
        waiting: Iterator[tuple[int, _Item]],
        running: dict[Future[_Out], int],
    ) -> None:
        """Fill the free slots, unless no step may begin any more."""
        self.check()
        while len(running) < self.slots:
            following = next(waiting, None)
            if following is None:
                return
            self.check()
            if self._executor is None:
                self._executor = self._pool.open()
            running[self._executor.submit(self._pool.wrapped(function), following[1])] = following[0]


def _failed(future: Future[_Out]) -> bool:
    return future.cancelled() or future.exception() is not None


def _end(running: Iterable[Future[_Out]]) -> None:
    """Take back what has not begun, and let what runs come to its end."""
    wait([future for future in running if not future.cancel()])
