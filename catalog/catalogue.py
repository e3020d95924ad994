"""The catalogue as one thing to pass around: opened once per process."""

from __future__ import annotations

from sqlalchemy import Engine

from catalog.archives import Archives
from catalog.clips import Clips
from catalog.database import data_version, open_engine
from catalog.footage import Footage
from catalog.places import Places
from catalog.projects import Projects


class Catalogue:
    """The tables, by what they are about."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.places = Places(engine)
        self.footage = Footage(engine)
        self.projects = Projects(engine)
        self.clips = Clips(engine)
        self.archives = Archives(engine)

    @classmethod
    def open(cls, url: str) -> Catalogue:
        """Open a catalogue, migrated to this version, its code tables filled.

        Raises:
            CatalogError: it cannot be opened or migrated.
        """
        catalogue = cls(open_engine(url))
        catalogue.places.load_code_tables()
        return catalogue

    def version(self) -> int:
        """A number that changes whenever another process or thread changed the catalogue."""
        return data_version(self._engine)

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()
