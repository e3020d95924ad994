"""What packages do not tell, as small signed objects of the store: so that it alone rebuilds the catalogue.

Three kinds (invariant 12, ``docs/design/rebuild.md``): code tables and places; a project as it stands, a new
one whenever that changes; an archive, once. None is ever changed (invariant 9). They outlive a disposal: what
was destroyed stays known.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from catalog.life_records import put_once
from catalog.objects import ObjectStore
from catalog.rebuild_rows import Rows, record_of
from catalog.rebuild_source import KeptRows
from kernel.audit_chain import canonical
from kernel.clock import SECOND_US, Clock
from kernel.signing_key import SigningKey

RECORDS = "records/"
"""What keys of records begin with."""
TABLES, PROJECT, ARCHIVE = "tables", "project", "archive"
_FOLDERS = {TABLES: f"{RECORDS}tables/", PROJECT: f"{RECORDS}projects/", ARCHIVE: f"{RECORDS}archives/"}
_NAME = re.compile(r"(?P<number>\d{6})-(?P<digest>[0-9a-f]{32})\.json")
_SWEEP_US = 60 * SECOND_US
_AT_ONCE = 100  # projects looked at before other work has its turn


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordKey:
    """A record's key, read."""

    key: str
    kind: str
    subject: str  # project or archive; empty: code tables
    project_id: str  # empty: code tables
    number: int  # of several of one subject the greatest holds
    digest: str  # of its rows, the start of it; empty: there is only one


def parse_key(key: str) -> RecordKey | None:
    """What a key below ``RECORDS`` says; None where it is no record's."""
    for kind, folder in _FOLDERS.items():
        if not key.startswith(folder):
            continue
        parts = [unquote(one) for one in key.removeprefix(folder).split("/")]
        if kind == ARCHIVE and len(parts) == 2 and parts[1].endswith(".json"):
            subject = parts[1].removesuffix(".json")
            return RecordKey(key=key, kind=kind, subject=subject, project_id=parts[0], number=0, digest="")
        named = _NAME.fullmatch(parts[-1])
        if kind != ARCHIVE and named and len(parts) == (2 if kind == PROJECT else 1):
            subject = parts[0] if kind == PROJECT else ""
            return RecordKey(
                key=key,
                kind=kind,
                subject=subject,
                project_id=subject,
                number=int(named["number"]),
                digest=named["digest"],
            )
    return None


class StoreRecords:
    """Writes to the store what it lacks. The objects are the state: this may forget everything."""

    def __init__(self, rows: KeptRows, store: ObjectStore, key: SigningKey, clock: Clock) -> None:
        self._rows = rows
        self._store = store
        self._key = key
        self._clock = clock
        self._newest: dict[tuple[str, str], RecordKey] | None = None  # None: the store was not listed yet
        self._archives: set[str] = set()
        self._seen = 0  # number of the last audit record that was looked at
        self._waiting: list[str] = []  # projects still to be looked at
        self._next_us = clock.monotonic_us()

    def run_once(self) -> bool:
        """Write some of what lacks, at most once a minute where nothing does; whether there was any.

        Raises:
            StorageError: the store does not answer; what was written stays, the rest comes later.
        """
        if not self._waiting and self._clock.monotonic_us() < self._next_us:
            return False
        self._next_us = self._clock.monotonic_us() + _SWEEP_US
        written = self._look() if not self._waiting else 0
        for project_id in self._waiting[:_AT_ONCE]:
            written += self._write(PROJECT, project_id, self._rows.project(project_id))
            del self._waiting[0]  # one at a time: what the store did not take is tried again
        return bool(written or self._waiting)

    def write_missing(self) -> None:
        """Write all that lacks.

        Raises:
            StorageError: as above.
        """
        self._next_us = self._clock.monotonic_us()
        while self.run_once():
            self._next_us = self._clock.monotonic_us()

    def _look(self) -> int:
        """See what has changed; code tables and archives are written at once."""
        number = self._rows.audit_number()
        if self._newest is None:
            self._list()
            touched = set(self._rows.projects())
        elif number == self._seen:
            return 0
        else:
            touched = self._rows.touched_since(self._seen) & set(self._rows.projects())
        written = self._write(TABLES, "", self._rows.code_tables())
        for archive_id, project_id in self._rows.archives().items():
            if archive_id not in self._archives:
                written += self._write_archive(archive_id, project_id)
        self._waiting = sorted(touched)
        self._seen = number
        return written

    def _list(self) -> None:
        newest: dict[tuple[str, str], RecordKey] = {}
        for one in map(parse_key, self._store.list_keys(RECORDS)):
            if one is None:
                continue
            if one.kind == ARCHIVE:
                self._archives.add(one.subject)
            newest[one.kind, one.subject] = one  # keys come in order
        self._newest = newest

    def _write_archive(self, archive_id: str, project_id: str) -> int:
        rows = self._rows.archive(archive_id)
        key = f"{_FOLDERS[ARCHIVE]}{quote(project_id, safe='')}/{quote(archive_id, safe='')}.json"
        at_us = int(rows["archive"][0]["verified_us"])  # one that is written again is the same
        put_once(self._store, key, record_of(ARCHIVE, archive_id, rows, at_us=at_us, key=self._key))
        self._archives.add(archive_id)
        return 1

    def _write(self, kind: str, subject: str, rows: Rows) -> int:
        """Write a record if its rows are others than those of the newest one."""
        assert self._newest is not None  # it was listed
        digest = hashlib.sha256(canonical(rows).encode("utf-8")).hexdigest()[:32]
        before = self._newest.get((kind, subject))
        if before is not None and before.digest == digest:
            return 0
        number = before.number + 1 if before else 1
        folder = _FOLDERS[kind] + (f"{quote(subject, safe='')}/" if subject else "")
        key = f"{folder}{number:06d}-{digest}.json"
        content = record_of(kind, subject, rows, at_us=self._clock.now_us(), key=self._key)
        put_once(self._store, key, content)
        self._newest[kind, subject] = RecordKey(
            key=key, kind=kind, subject=subject, project_id=subject, number=number, digest=digest
        )
        return 1
