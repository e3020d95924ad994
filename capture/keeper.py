"""Keeps a recording process for each group of sources: what crashes takes its own group down, for a moment.

A child ends when the pipe to its standard input closes, so that none outlives its parent. It says on its
standard output that its loop goes round; one that falls silent is ended and started again.
"""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
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
    """One recording process per group."""

    def __init__(self, groups: Sequence[str], command: Command, clock: Clock) -> None:
        self._groups = tuple(groups)
        self._command = command
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Until told to stop; then every child has sealed and ended."""
        await asyncio.gather(*(self._keep(group, stop) for group in self._groups))

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
        watching = asyncio.create_task(self._watch(group, process))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((watching, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
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
