"""Regions, industries and what ``cameras.yaml`` names."""

from __future__ import annotations

import pytest

from catalog.catalogue import Catalogue
from catalog.database import writing
from catalog.places import with_descendants
from catalog.tables import RegionRow
from kernel.errors import CatalogError
from kernel.settings import CamerasFile
from tests.support.catalogue import CAMERAS


def renamed(**site: object) -> CamerasFile:
    content = CAMERAS.model_dump(mode="json")
    for source in content["sites"][0]["rooms"][0]["sources"]:
        source["password"] = "hunter2"
    content["sites"][0].update(site)
    return CamerasFile.model_validate(content)


def test_a_site_in_an_unknown_region_is_named_and_nothing_is_taken_in(catalogue: Catalogue) -> None:
    with pytest.raises(CatalogError, match="site NEW lies in region 999999"):
        catalogue.places.register(renamed(id="NEW", region="999999", rooms=[]))
    assert set(catalogue.places.rooms()) == {"OH"}


def test_what_cameras_yaml_no_longer_names_stays_because_footage_refers_to_it(
    catalogue: Catalogue,
) -> None:
    catalogue.places.register(CamerasFile(sites=()))
    assert set(catalogue.places.sources()) == {"cam", "screen"}
    assert set(catalogue.places.rooms()) == {"OH"}


def test_a_label_that_changes_in_cameras_yaml_changes_in_the_catalogue(catalogue: Catalogue) -> None:
    content = renamed().model_dump(mode="json")
    source = content["sites"][0]["rooms"][0]["sources"][0]
    source["label_zh"], source["password"] = "新名称", "hunter2"
    catalogue.places.register(CamerasFile.model_validate(content))
    assert catalogue.places.sources()["cam"].label_zh == "新名称"


def test_no_file_of_the_catalogue_holds_an_address_or_a_password(
    catalogue: Catalogue, tmp_path: object
) -> None:
    """Invariant 16."""
    catalogue.places.register(renamed())
    for path in tmp_path.iterdir():  # type: ignore[attr-defined]
        data = path.read_bytes()
        assert b"hunter2" not in data
        assert b"rtsp://" not in data


def test_codes_refer_to_parents_that_exist(catalogue: Catalogue) -> None:
    for divisions in (catalogue.places.regions(), catalogue.places.industries()):
        codes = {one.code for one in divisions}
        assert {one.parent_code for one in divisions} - {None} <= codes
        assert [one.code for one in divisions] == sorted(codes)


def test_a_division_includes_all_below_it_and_nothing_beside_it(catalogue: Catalogue) -> None:
    regions = catalogue.places.regions()
    zhaotong = with_descendants(regions, "530600")
    assert {"530600", "530602", "530621"} <= zhaotong
    assert not {"530000", "530300", "150000"} & zhaotong
    assert zhaotong < with_descendants(regions, "530000")
    assert with_descendants(regions, "530602") == {"530602"}
    assert with_descendants(regions, "unknown") == {"unknown"}


def test_a_region_includes_what_was_filed_under_codes_that_it_had_before(catalogue: Catalogue) -> None:
    """Wherever a deployment keeps the row of the former code: here below the prefecture, as it was."""
    with writing(catalogue._engine) as session:
        session.get_one(RegionRow, "530630").parent_code = "530600"
    assert "530630" not in with_descendants(catalogue.places.regions(), "530681")
    assert catalogue.places.regions_within("530681") == {"530681", "530630"}
    assert catalogue.places.regions_within("530630") == {"530630"}
    assert catalogue.places.regions_within("530602") == {"530602"}
    assert {"530681", "530630"} <= catalogue.places.regions_within("530600")
