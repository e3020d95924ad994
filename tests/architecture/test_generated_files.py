"""Files that are made from code are what the code makes now."""

from __future__ import annotations

import json
from pathlib import Path

from catalog.catalogue import Catalogue
from catalog.objects import MemoryStore
from kernel.clock import FakeClock
from player_api.app import create_app
from tests.support.peers import REPOSITORY


def test_the_front_end_knows_the_api_as_it_is(tmp_path: Path) -> None:
    """If this fails: ``python web/build.py --api``."""
    catalogue = Catalogue.open(f"sqlite:///{tmp_path / 'catalogue.sqlite'}")
    try:
        described = create_app(catalogue, MemoryStore(), FakeClock()).openapi()
    finally:
        catalogue.close()
    known = json.loads((REPOSITORY / "web" / "openapi.json").read_text(encoding="utf-8"))
    assert described == known
