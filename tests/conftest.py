"""What all tests share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _no_width_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The width of whoever runs the tests is not theirs: parallel runs pass one on."""
    monkeypatch.delenv("COLUMNS", raising=False)
