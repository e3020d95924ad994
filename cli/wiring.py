"""Puts the rooms together: what every command needs. What only archiving needs is in ``cli.archiving``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from catalog.catalogue import Catalogue
from cli.options import this_user
from kernel.clock import SystemClock
from kernel.errors import CatalogError
from kernel.settings import CATALOGUE_FILE, CamerasFile, Settings


@contextmanager
def open_catalogue(settings: Settings, cameras: CamerasFile | None = None) -> Iterator[Catalogue]:
    """The catalogue, migrated, with the places of ``cameras.yaml`` taken in if they are given."""
    catalogue = Catalogue.open(settings.catalogue_url)
    try:
        if cameras is not None:
            catalogue.places.register(cameras, principal=this_user(), at_us=SystemClock().now_us())
        yield catalogue
    finally:
        catalogue.close()


def refuse_missing_catalogue(settings: Settings) -> None:
    """For commands that only make sense where something was recorded.

    Raises:
        CatalogError: there is no catalogue; a mistyped directory must not look like one where all is well.
    """
    if not settings.database_url and not (settings.data_dir / CATALOGUE_FILE).is_file():
        raise CatalogError(
            f"there is no catalogue in {settings.data_dir}.", hint="Name the right directory with --data-dir."
        )
