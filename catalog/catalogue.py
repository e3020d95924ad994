"""The catalogue as one thing to pass around: opened once per process."""

from __future__ import annotations

from sqlalchemy import Engine

from catalog.archive_requests import ArchiveRequests
from catalog.archives import Archives
from catalog.audit import AuditChain
from catalog.bookings import Bookings
from catalog.checkpoints import Checkpoints
from catalog.checkups import Checkups
from catalog.clips import Clips
from catalog.database import ChangeWatcher, open_engine
from catalog.footage import Footage
from catalog.holds import Holds
from catalog.places import Places
from catalog.projects import Projects
from catalog.removal import Removal
from catalog.reports import Reports, TradingSystems
from catalog.ring_disks import RingDisks
from catalog.ring_use import RingUses
from catalog.sessions import Sessions
from catalog.source_status import SourceStatus
from catalog.summaries import Summaries
from catalog.tags import Tags


class Catalogue:
    """The tables, by what they are about."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.audit = AuditChain(engine)
        self.places = Places(engine)
        self.footage = Footage(engine)
        self.holds = Holds(engine)
        self.removal = Removal(engine)
        self.ring_use = RingUses(engine)
        self.ring_disks = RingDisks(engine)
        self.checkpoints = Checkpoints(engine)
        self.checkups = Checkups(engine)
        self.projects = Projects(engine)
        self.sessions = Sessions(engine)
        self.bookings = Bookings(engine)
        self.reports = Reports(engine)
        self.trading_systems = TradingSystems(engine)
        self.tags = Tags(engine)
        self.clips = Clips(engine)
        self.archives = Archives(engine)
        self.archive_requests = ArchiveRequests(engine)
        self.summaries = Summaries(engine)
        self.source_status = SourceStatus(engine)

    @classmethod
    def open(cls, url: str) -> Catalogue:
        """Open a catalogue, migrated to this version, its code tables filled.

        Raises:
            CatalogError: it cannot be opened or migrated.
        """
        catalogue = cls(open_engine(url))
        catalogue.places.load_code_tables()
        return catalogue

    def watch(self) -> ChangeWatcher:
        """A watcher that tells of changes by others."""
        return ChangeWatcher(self._engine)

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()
