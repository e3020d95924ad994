"""Steps that fall where a test says, each time once: kill -9, as a lack of memory or power would."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from archiver.steps import Pool, once


@dataclass(frozen=True, kw_only=True, slots=True)
class Falls:
    """Who is killed, and at which steps; every process of an archive reads and writes the same directory."""

    directory: Path
    steps: tuple[str, ...]  # such as encode_video:before, record:after
    process: int | None  # None: the one that is at the step

    def at(self, moment: str) -> None:
        """Kill, if it is to be here and has not been yet."""
        if moment not in self.steps:
            return
        try:
            (self.directory / moment.replace(":", "-")).touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(self.victim(), signal.SIGKILL)

    def victim(self) -> int:
        told = self.directory / "victim"  # whoever is started again has another number
        if told.exists():
            return int(told.read_text())
        return self.process or os.getpid()

    def happened(self) -> set[str]:
        """The moments at which somebody fell."""
        ends = ("-before", "-after")
        return {one.name.replace("-", ":") for one in self.directory.iterdir() if one.name.endswith(ends)}

    def repeated(self) -> list[str]:
        """Steps that were done again although their result was there."""
        return [path.name for path in self.directory.glob("again_*")]


def falling(falls: Falls, function: Callable[[Any], Any], item: Any) -> Any:
    """A step that falls before or after its work; work that was done before and is done again is noted."""
    name = step_name(function)
    note: Path | None = item.target.with_suffix(".json") if _is_once(function) else None
    made_ns = note.stat().st_mtime_ns if note is not None and note.exists() else None
    falls.at(f"{name}:before")
    result = function(item)
    if note is not None and made_ns is not None and note.stat().st_mtime_ns != made_ns:
        (falls.directory / f"again_{note.parent.name}_{note.name}").touch()
    falls.at(f"{name}:after")
    return result


def step_name(function: Callable[[Any], Any]) -> str:
    inner = function.args[0] if _is_once(function) else function  # type: ignore[attr-defined]
    return str(inner.__name__)


def _is_once(function: Callable[[Any], Any]) -> bool:
    return isinstance(function, partial) and function.func is once


class FallingPool:
    """A pool whose steps fall."""

    def __init__(self, pool: Pool, falls: Falls) -> None:
        self._pool = pool
        self._falls = falls

    @property
    def slots(self) -> int:
        return self._pool.slots

    @property
    def lost(self) -> tuple[type[BaseException], ...]:
        return self._pool.lost

    def open(self) -> Executor:
        return self._pool.open()

    def wrapped(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return self._pool.wrapped(partial(falling, self._falls, function))

    def close(self, executor: Executor) -> None:
        self._pool.close(executor)


class ThreadPool:
    """Steps in a thread of this process: for what is not about processes."""

    slots = 1
    lost: tuple[type[BaseException], ...] = ()

    def open(self) -> Executor:
        return ThreadPoolExecutor(1)

    def wrapped(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return function

    def close(self, executor: Executor) -> None:
        executor.shutdown()
