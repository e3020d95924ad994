from __future__ import annotations

from pathlib import Path

import pytest

from kernel.clock import FakeClock
from tests.support.agent import Computer


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    """Started, and its clock right."""
    made = Computer(tmp_path / "agent", FakeClock())
    made.start()
    return made
