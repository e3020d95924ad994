"""Files that are made from code are what the code makes now."""

from __future__ import annotations

import json
import runpy
import tomllib
from pathlib import Path

from catalog.catalogue import Catalogue
from catalog.objects import MemoryStore
from kernel.clock import FakeClock
from kernel.settings import Settings
from player_api.app import create_app
from tests.support.peers import REPOSITORY

REFERENCE = REPOSITORY / "docs" / "ref"


def test_the_front_end_knows_the_api_as_it_is(tmp_path: Path) -> None:
    """If this fails: ``python web/build.py --api``."""
    catalogue = Catalogue.open(f"sqlite:///{tmp_path / 'catalogue.sqlite'}")
    try:
        described = create_app(catalogue, MemoryStore(), FakeClock()).openapi()
    finally:
        catalogue.close()
    known = json.loads((REPOSITORY / "web" / "openapi.json").read_text(encoding="utf-8"))
    assert described == known


def test_the_sample_of_the_settings_names_every_setting_with_its_default() -> None:
    """If this fails: ``python docs/ref/make_settings.py``."""
    made = runpy.run_path(str(REFERENCE / "make_settings.py"))["sample"]()
    shipped = (REFERENCE / "jianzheng.toml").read_text(encoding="utf-8")
    assert shipped == made
    assert Settings.model_validate(tomllib.loads(shipped)) == Settings()


def test_the_pictures_of_timelines_show_what_the_rules_make() -> None:
    """If this fails: ``python docs/design/make_timelines.py``; then look at them."""
    drawn = runpy.run_path(str(REPOSITORY / "docs" / "design" / "make_timelines.py"))["pictures"]()
    shipped = (REPOSITORY / "docs" / "images").glob("timeline-*.svg")
    assert {path.name: path.read_text(encoding="utf-8") for path in shipped} == drawn


def test_the_description_for_trading_systems_is_that_of_the_server() -> None:
    """If this fails: ``python docs/ref/make_openapi.py``."""
    made = runpy.run_path(str(REFERENCE / "make_openapi.py"))["description"]()
    assert (REFERENCE / "trading.openapi.json").read_text(encoding="utf-8") == made
