"""Runs steps side by side: functions from named inputs to a named output, in processes of their own.

The outputs are the state: a step whose output and result are there is not run again, so a restart repeats
only what is missing. Only as many steps as there are slots are handed over, best first.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from typing import Protocol, TypeVar

from pydantic import TypeAdapter

from archiver.encode import libraries
from archiver.output import whole_file
from kernel.errors import EncodeError, JianzhengError
from kernel.log import logger

_log = logger("archiver")
_NICENESS = 19  # recording always comes first
_TRIES = 3

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


def _step_aside() -> None:
    """Begin a process of the pool: behind everything else, and never longer than the archiver itself."""
    os.nice(_NICENESS)
    # SVT-AV1 talks on standard error by itself; only its errors are of interest.
    os.environ["SVT_LOG"] = "1"
    # Ctrl-C is for the archiver, which ends its processes in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="end-with-parent", daemon=True).start()


def _end_with_parent() -> None:
    """An archiver that was killed must not leave processes behind that write beside its successor's."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


class Stopped(JianzhengError):
    """The archiver was told to stop; what is finished stays."""


class StepRunner:
    """A pool of processes that is rebuilt when one of them dies."""

    def __init__(self, workers: int, stop: threading.Event | None = None) -> None:
        self._stop = stop or threading.Event()
        self.slots = workers or os.cpu_count() or 1
        self._pool: Executor | None = None

    def close(self) -> None:
        """End all processes."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def run(
        self,
        function: Callable[[_Item], _Out],
        items: Iterable[_Item],
        done: Callable[[_Out], None] = lambda _result: None,
    ) -> list[_Out]:
        """The results of a function for all items, in their order; ``done`` hears of each as it comes.

        Raises:
            EncodeError: a process died with the same step again and again.
            Stopped: the runner was told to stop; steps that run are finished.
            JianzhengError: what the function raised first; steps not yet begun are not begun.
        """
        todo = list(enumerate(items))
        results: dict[int, _Out] = {}
        for attempt in range(_TRIES):
            try:
                self._run_all(function, [one for one in todo if one[0] not in results], results, done)
                return [results[number] for number, _ in todo]
            except BrokenProcessPool:
                _log.warning(
                    "An encoding process died; its steps run again.",
                    action="pool.broken",
                    attempt=attempt + 1,
                )
                self.close()
        raise EncodeError(
            "Encoding processes died again and again.", hint="Look for lack of memory on this machine."
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
        exhausted = False
        while running or not exhausted:
            while not exhausted and len(running) < self.slots:
                following = next(waiting, None)
                if following is None:
                    exhausted = True
                else:
                    running[self._executor().submit(function, following[1])] = following[0]
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            if self._stop.is_set():
                wait(running)
                raise Stopped
            for future in finished:
                number = running.pop(future)
                results[number] = future.result()
                done(results[number])

    def _executor(self) -> Executor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                max_workers=self.slots, mp_context=get_context("spawn"), initializer=_step_aside
            )
        return self._pool
