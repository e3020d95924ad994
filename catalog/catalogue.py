"""The catalogue as one thing to pass around: opened once per process."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from catalog.accounts import Accounts, Logins
from catalog.alerts import Alerts
from catalog.archive_numbers import ArchiveNumbers
from catalog.archive_requests import ArchiveRequests
from catalog.archives import Archives
from catalog.audit import AuditChain
from catalog.bookings import Bookings
from catalog.bucket_holds import BucketHolds
from catalog.checkpoints import Checkpoints
from catalog.checkups import Checkups
from catalog.clips import Clips
from catalog.database import ChangeWatcher, open_engine
from catalog.days import Days
from catalog.directives import Directives
from catalog.disposal import Disposals
from catalog.documents import Documents, HandedFiles
from catalog.footage import Footage
from catalog.grants import Grants
from catalog.holds import Holds
from catalog.places import Places
from catalog.presence import Presences
from catalog.preservation import Preservation
from catalog.projects import Projects
from catalog.rebuild_source import KeptRows
from catalog.removal import Removal
from catalog.reports import Reports, TradingSystems
from catalog.requests import Requests
from catalog.retention import RetentionTable
from catalog.ring_disks import RingDisks
from catalog.ring_use import RingUses
from catalog.search.saved import SavedSearches
from catalog.sessions import Sessions
from catalog.source_status import SourceStatus
from catalog.statistics import Statistics
from catalog.summaries import Summaries
from catalog.tags import Tags
from catalog.things import Things
from catalog.watch_log import WatchLog
from catalog.watching import Watches
from catalog.witness import WitnessRecords

if TYPE_CHECKING:
    from catalog.objects import ObjectStore
    from catalog.rebuild import Rebuild
    from catalog.search.search import Search
    from kernel.clock import Clock


class Catalogue:
    """The tables, by what they are about."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.accounts = Accounts(engine)
        self.logins = Logins(engine)
        self.audit = AuditChain(engine)
        self.places = Places(engine)
        self.footage = Footage(engine)
        self.holds = Holds(engine)
        self.removal = Removal(engine)
        self.retention = RetentionTable(engine)
        self.disposals = Disposals(engine)
        self.bucket_holds = BucketHolds(engine)
        self.ring_use = RingUses(engine)
        self.ring_disks = RingDisks(engine)
        self.checkpoints = Checkpoints(engine)
        self.checkups = Checkups(engine)
        self.projects = Projects(engine)
        self.sessions = Sessions(engine)
        self.bookings = Bookings(engine)
        self.days = Days(engine)
        self.reports = Reports(engine)
        self.trading_systems = TradingSystems(engine)
        self.tags = Tags(engine)
        self.witness_records = WitnessRecords(engine)
        self.directives = Directives(engine)
        self.presences = Presences(engine)
        self.alerts = Alerts(engine)
        self.clips = Clips(engine)
        self.archives = Archives(engine)
        self.archive_numbers = ArchiveNumbers(engine)
        self.documents = Documents(engine)
        self.handed_files = HandedFiles(engine)
        self.archive_requests = ArchiveRequests(engine)
        self.summaries = Summaries(engine)
        self.preservation = Preservation(engine)
        self.requests = Requests(engine)
        self.grants = Grants(engine)
        self.statistics = Statistics(engine)
        self.source_status = SourceStatus(engine)
        self.saved_searches = SavedSearches(engine)
        self.things = Things(engine)
        self.watches = Watches(engine)
        self.watch_log = WatchLog(engine)
        self.kept_rows = KeptRows(engine)

    @cached_property
    def search(self) -> Search:
        """Made when it is asked for: what it holds in memory is nothing to a recorder."""
        from catalog.search.search import Search

        return Search(self._engine)

    def rebuild(self, store: ObjectStore, clock: Clock, **more: Any) -> Rebuild:
        """What rebuilds this catalogue from a store; ``more`` as ``Rebuild`` takes it."""
        from catalog.rebuild import Rebuild

        return Rebuild(self._engine, store, clock, **more)

    @classmethod
    def open(cls, url: str) -> Catalogue:
        """Open a catalogue, migrated to this version, its code tables filled.

        Raises:
            CatalogError: it cannot be opened or migrated.
        """
        catalogue = cls(open_engine(url))
        catalogue.places.load_code_tables()
        catalogue.retention.load()
        return catalogue

    def watch(self) -> ChangeWatcher:
        """A watcher that tells of changes by others."""
        return ChangeWatcher(self._engine)

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()
