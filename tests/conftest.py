"""What all tests share."""

from __future__ import annotations

import pytest

# Fixtures: a server that is started for the first who asks for it.
from tests.support.postgresql import empty_postgresql_url, own_postgresql_url, postgresql, postgresql_url
from tests.support.s3 import s3_gateway

__all__ = ["empty_postgresql_url", "own_postgresql_url", "postgresql", "postgresql_url", "s3_gateway"]


@pytest.fixture(autouse=True)
def _no_width_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The width of whoever runs the tests is not theirs: parallel runs pass one on."""
    monkeypatch.delenv("COLUMNS", raising=False)
