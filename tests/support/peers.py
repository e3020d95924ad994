"""Real peers: programs that the product did not write. Missing ones are a skip, or a failure in CI."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path
from typing import NoReturn

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def missing(what: str, remedy: str) -> NoReturn:
    """Skip a test for lack of a peer; in CI, where it must be there, fail."""
    said = f"{what} is missing: {remedy}"
    if os.environ.get("CI") == "true":
        pytest.fail(said)
    pytest.skip(said)


def chromium() -> str:
    """Path of a Chromium, or a skip that says what to install."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    missing("Chromium", "on Debian, apt install chromium fonts-noto-cjk")


def free_port() -> int:
    """A port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
