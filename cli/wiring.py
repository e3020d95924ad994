"""Puts the rooms together: what every command needs. What only archiving needs is in ``cli.archiving``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from catalog.catalogue import Catalogue
from kernel.settings import CamerasFile, Settings


@contextmanager
def open_catalogue(settings: Settings, cameras: CamerasFile | None = None) -> Iterator[Catalogue]:
    """The catalogue, migrated, with the places of ``cameras.yaml`` taken in if they are given."""
    catalogue = Catalogue.open(settings.catalogue_url)
    try:
        if cameras is not None:
            catalogue.places.register(cameras)
        yield catalogue
    finally:
        catalogue.close()
