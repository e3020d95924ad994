"""A whole demo, run once for all acceptance tests: what its user would see."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.support.peers import REPOSITORY, chromium, free_port

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--autoplay-policy=no-user-gesture-required",
]
# A page that two busy processors draw is late, not wrong.
expect.set_options(timeout=20_000)


@dataclass(frozen=True, kw_only=True)
class FinishedDemo:
    """A demo that ended by itself."""

    status: int
    output: str
    data_dir: Path
    environment: dict[str, str]

    @property
    def report(self) -> dict[str, Any]:
        """Its last line."""
        last = self.output.strip().splitlines()[-1]
        report: dict[str, Any] = json.loads(last)
        return report

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``jianzheng`` on the demo's data."""
        return jianzheng(*arguments, environment=self.environment)


def jianzheng(
    *arguments: str, environment: dict[str, str] | None = None, timeout: int = 600
) -> subprocess.CompletedProcess[str]:
    """Run the command as a user would, from the root of the project."""
    return subprocess.run(
        [sys.executable, "-c", "from cli.main import main; main()", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Not for longer than a module: it holds an event loop, in which no other test can have its own."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> FinishedDemo:
    """``jianzheng demo --once``, run by the process of tests that needs it first; each has a copy."""
    own, run = tmp_path_factory.mktemp("demo"), tmp_path_factory.getbasetemp() / "demo-run"
    if "PYTEST_XDIST_WORKER" in os.environ:
        run = run.parent.parent / run.name  # of all processes
    with Path(f"{run}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (run / "status").exists():
            _run_demo(run)
    shutil.copytree(run / "data", own / "data")
    environment = {"JIANZHENG_CAMERAS": str(run / "cameras.yaml"), "JIANZHENG_DATA_DIR": str(own / "data")}
    return FinishedDemo(
        status=int((run / "status").read_text()),
        output=(run / "output").read_text(encoding="utf-8"),
        data_dir=own / "data",
        environment=environment,
    )


def _run_demo(directory: Path) -> None:
    """On ports that nobody uses."""
    directory.mkdir()
    cameras = directory / "cameras.yaml"
    sample = (REPOSITORY / "cameras.yaml").read_text(encoding="utf-8")
    cameras.write_text(sample.replace(":18554/", f":{free_port()}/"), encoding="utf-8")
    environment = {"JIANZHENG_CAMERAS": str(cameras), "JIANZHENG_DATA_DIR": str(directory / "data")}
    arguments = ["--once", "--data-dir", str(directory / "data"), "--port", str(free_port())]
    done = jianzheng("demo", *arguments, environment=environment)
    (directory / "output").write_text(done.stdout + done.stderr, encoding="utf-8")
    (directory / "status").write_text(str(done.returncode), encoding="utf-8")
