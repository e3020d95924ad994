"""Writes ``docs/ref/trading.openapi.json``: the interface for trading systems, to build a client from.

Run it after a change to ``player_api/trading.py`` or ``kernel/model/report.py``; a test compares.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from catalog.reports import EventOutcome
from kernel.clock import SystemClock
from player_api.trading import described, trading_router

PLACE = Path(__file__).with_name("trading.openapi.json")


class _Nobody:
    """Stands for the catalogue: a description asks nothing of it."""

    def of_key(self, key: str) -> str | None:
        raise NotImplementedError

    def take_project(self, report: Any, *, principal: str, at_us: int) -> None:
        raise NotImplementedError

    def take_events(self, reports: Sequence[Any], *, principal: str, at_us: int) -> list[EventOutcome]:
        raise NotImplementedError

    def take_seats(
        self, session_id: str, seats: Sequence[Any], *, principal: str, reason: str, at_us: int
    ) -> None:
        raise NotImplementedError


def description() -> str:
    """The description as JSON."""
    routes = trading_router(_Nobody(), _Nobody(), SystemClock())
    return json.dumps(described(routes), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    PLACE.write_text(description(), encoding="utf-8")
