"""Keeps a recording process for each group of sources: what crashes takes its own group down, for a moment.

A child ends when the pipe to its standard input closes, so that none outlives its parent. It says on its
standard output that its loop goes round; one that falls silent is ended and started again.

What a child is to record it is told on its standard input, a line at its start and another at each change:
it needs no file that may be broken by then, and no credential stands on a command line (invariant 16).
"""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from capture.patience import Backoff
from kernel.clock import Clock
from kernel.log import logger

STOP = b"stop\n"
"""Told to a child that is to end; one whose input closes without it has lost its keeper."""
_SILENT_S = 30.0  # a loop goes round every second
_PATIENCE_S = 30.0  # to seal and to declare
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0

_log = logger("capture")

Command = Callable[[str], Sequence[str]]
"""The command line of a group's recording process."""


class Keeper:
    """One recording process per group.

    Args:
        told: by group, the line that says what its process records.
    """

    def __init__(self, told: Mapping[str, bytes], command: Command, clock: Clock) -> None:
        self._told = dict(told)
        self._command = command
        self._clock = clock
        self._start: Callable[[str], object] | None = None  # while it runs
        self._processes: dict[str, Process] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Until told to stop; then every child has sealed and ended."""
        async with asyncio.TaskGroup() as tasks:
            start = self._start = lambda group: tasks.create_task(self._keep(group, stop))
            for group in self._told:
                start(group)
            await stop.wait()
            self._start = None

    def tell(self, told: Mapping[str, bytes]) -> None:
        """These groups are as told from now on. The others, whoever has nothing new, notice nothing of it."""
        changed = {group: line for group, line in told.items() if self._told.get(group) != line}
        new = changed.keys() - self._told.keys()
        self._told.update(changed)
        for group in changed.keys() & self._processes.keys():
            stdin = self._processes[group].stdin
            if stdin is not None and not stdin.is_closing():
                stdin.write(changed[group])
        if self._start is not None:
            for group in sorted(new):
                self._start(group)

    async def _keep(self, group: str, stop: asyncio.Event) -> None:
        backoff = Backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        while not stop.is_set():
            began_us = self._clock.monotonic_us()
            try:
                why = f"ended with status {await self.run_once(group, stop)}"
            except OSError as error:  # the system has no room for another process
                why = f"could not be started ({error.strerror})"
            if stop.is_set():
                return
            _log.error(
                f"the recording process of group {group} {why}; it is started again",
                action="group.died",
                group=group,
            )
            if self._clock.monotonic_us() - began_us > _LONGEST_PAUSE_S * 1_000_000:
                backoff.reset()
            with suppress(TimeoutError):
                async with asyncio.timeout(backoff.next_seconds()):
                    await stop.wait()

    async def run_once(self, group: str, stop: asyncio.Event) -> int:
        """Start a group's process and watch it until it ends; its exit status."""
        process = await asyncio.create_subprocess_exec(*self._command(group), stdin=PIPE, stdout=PIPE)
        assert process.stdin is not None
        process.stdin.write(self._told[group])
        self._processes[group] = process
        watching = asyncio.create_task(self._watch(group, process))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((watching, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            del self._processes[group]
            await self._end(process, watching)
        return process.returncode if process.returncode is not None else 0

    async def _watch(self, group: str, process: Process) -> None:
        """Until it ends; a silent one is ended."""
        assert process.stdout is not None
        try:
            while True:
                async with asyncio.timeout(_SILENT_S):
                    if not await process.stdout.readline():
                        return
        except TimeoutError:
            _log.error(f"the recording process of group {group} hangs", action="group.hangs", group=group)
            with suppress(ProcessLookupError):
                process.kill()

    async def _end(self, process: Process, watching: asyncio.Task[None]) -> None:
        """Let it seal what is open; its output is read on so that it never waits for us."""
        assert process.stdin is not None
        with suppress(ConnectionError):
            process.stdin.write(STOP)
            await process.stdin.drain()
        process.stdin.close()
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
