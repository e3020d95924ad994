"""The programs that a demo consists of: each a process of its own, as in a real centre."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from kernel.errors import JianzhengError

_PATIENCE_SECONDS = 20


class ChildEnded(JianzhengError):
    """A program of the demo ended before its time."""

    hint = "Its log says why."


@dataclass(kw_only=True, slots=True)
class Child:
    """A running program."""

    name: str
    process: subprocess.Popen[str]
    log: Path

    def check(self) -> None:
        """Raises ChildEnded, with the end of its log, if the program has ended."""
        status = self.process.poll()
        if status is not None:
            lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-5:]
            last = lines[-1] if lines else "it said nothing"
            raise ChildEnded(
                f"'jianzheng {self.name}' ended with status {status}: {last}", hint=f"See {self.log}."
            )

    def read_line(self) -> str:
        """The next line of its standard output; empty when it has ended."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def tell(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def stop(self) -> None:
        """Ask it to end; kill it if it does not."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(_PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


class Children:
    """Starts programs and ends them all, the last one first."""

    def __init__(self, logs: Path, environment: dict[str, str]) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self._logs = logs
        self._environment = {**os.environ, **environment}
        self._children: list[Child] = []

    def start(self, name: str, *arguments: str, environment: dict[str, str] | None = None) -> Child:
        """Start ``jianzheng NAME …``; what it says on standard error goes to a log of its own."""
        log = self._logs / f"{name}.log"
        with log.open("w", encoding="utf-8") as errors:
            process = self._open(name, arguments, errors, environment or {})
        child = Child(name=name, process=process, log=log)
        self._children.append(child)
        return child

    def _open(
        self, name: str, arguments: tuple[str, ...], errors: IO[str], more: dict[str, str]
    ) -> subprocess.Popen[str]:
        code = "from cli.main import main; main()"
        return subprocess.Popen(
            [sys.executable, "-P", "-c", code, name, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**self._environment, **more},
            text=True,
            # A Ctrl-C at the terminal is for the demo, which then ends its programs in order.
            start_new_session=True,
        )

    def check(self) -> None:
        """Raises ChildEnded if one of them has ended."""
        for child in self._children:
            child.check()

    def stop(self, *names: str) -> None:
        """End the programs of these names, or all of them."""
        for child in reversed(self._children):
            if not names or child.name in names:
                child.stop()
        self._children = [child for child in self._children if names and child.name not in names]
