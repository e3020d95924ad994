"""A whole demo, run once for all acceptance tests: what its user would see."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.peers import REPOSITORY, free_port

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


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> FinishedDemo:
    """``jianzheng demo --once``, on ports that nobody uses."""
    directory = tmp_path_factory.mktemp("demo")
    cameras = directory / "cameras.yaml"
    sample = (REPOSITORY / "cameras.yaml").read_text(encoding="utf-8")
    cameras.write_text(sample.replace(":18554/", f":{free_port()}/"), encoding="utf-8")
    environment = {"JIANZHENG_CAMERAS": str(cameras), "JIANZHENG_DATA_DIR": str(directory / "data")}
    arguments = ["--once", "--data-dir", str(directory / "data"), "--port", str(free_port())]
    done = jianzheng("demo", *arguments, environment=environment)
    return FinishedDemo(
        status=done.returncode,
        output=done.stdout + done.stderr,
        data_dir=directory / "data",
        environment=environment,
    )
