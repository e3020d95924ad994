"""Signs a package: what its manifests say, has the signature stamped, and writes the tag manifests."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from archiver.output import whole_file
from archiver.package import PackageFile, write_tag_manifests
from archiver.proof import (
    PUBLIC_KEY,
    SIGNATURE,
    STATEMENT,
    TIME_STAMP,
    Statement,
    make_statement,
    write_statement,
)
from archiver.time_stamp import Authority, check_stamp
from kernel.clock import SECOND_US, Clock, iso_utc
from kernel.errors import FixityError, TimeStampUnavailable
from kernel.log import logger
from kernel.signing_key import SigningKey

_WAITING = "time-stamp-waiting.json"
_log = logger("archiver")


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageSigner:
    """Whose signature a package gets, and whose time stamp."""

    key: SigningKey
    clock: Clock
    authority: Authority | None = None  # None: packages get no time stamp
    wait_us: int = 0  # how long a package waits for one before it is signed without; 0: for ever

    def sign(self, directory: Path, identifier: str, notes: Path) -> list[PackageFile]:
        """Write ``proof/`` and the tag manifests; returns these files.

        Args:
            directory: a package whose manifests are written.
            notes: a directory for what must be known at the next attempt: since when a stamp is waited for,
                and the stamp itself, for another one of the same thing would be another file.

        Raises:
            TimeStampUnavailable: there is no stamp yet; the package waits and nothing is lost.
        """
        tsa = self.authority.name if self.authority else ""
        statement = make_statement(directory, identifier, self.key.public.id, tsa)
        stamp: bytes | None = None
        if self.authority is not None:
            try:
                stamp = _stamp(self.authority, self._signature(statement), notes)
            except TimeStampUnavailable as error:
                reason = self._reason_to_go_on(notes, error)
                statement = make_statement(directory, identifier, self.key.public.id, tsa, reason)
        self._write(directory / "proof", statement, stamp)
        return write_tag_manifests(directory)

    def _signature(self, statement: Statement) -> bytes:
        return bytes.fromhex(self.key.sign(write_statement(statement)))

    def _write(self, proof: Path, statement: Statement, stamp: bytes | None) -> None:
        files = {
            STATEMENT: write_statement(statement).encode(),
            SIGNATURE: self._signature(statement),
            PUBLIC_KEY: self.key.public_pem(),
        }
        if stamp is not None:
            files[TIME_STAMP] = stamp
        proof.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (proof.parent / name).write_bytes(content)

    def _reason_to_go_on(self, notes: Path, error: TimeStampUnavailable) -> str:
        """Why a package is signed without a stamp.

        Raises:
            TimeStampUnavailable: it was not waited for long enough.
        """
        since_us = _waiting_since(notes, self.clock.now_us())
        until_us = since_us + self.wait_us
        if not self.wait_us or self.clock.now_us() < until_us:
            then = f"At {iso_utc(until_us)} it is signed without." if self.wait_us else ""
            raise TimeStampUnavailable(
                f"{error.message} The archive waits for it since {iso_utc(since_us)}. {then}".strip()
            ) from error
        hours = self.wait_us / 3600 / SECOND_US
        _log.warning(f"{error.message} The archive is signed without.", action="archive.not_stamped")
        return f"not to be had in {hours:g} hours since {iso_utc(since_us)}"


def _stamp(authority: Authority, signature: bytes, notes: Path) -> bytes:
    """The stamp of a signature: the one of an earlier attempt, or a new one."""
    kept = notes / f"time-stamp-{hashlib.sha256(signature).hexdigest()[:16]}.tsr"
    with suppress(FileNotFoundError, FixityError):
        stamp = kept.read_bytes()
        check_stamp(stamp, signature, authority.certificates)
        return stamp
    stamp = authority.stamp(signature)
    with whole_file(kept) as file:
        file.write(stamp)
    (notes / _WAITING).unlink(missing_ok=True)
    return stamp


def _waiting_since(notes: Path, now_us: int) -> int:
    """When a stamp was first wanted and not given."""
    note = notes / _WAITING
    try:
        return int(json.loads(note.read_bytes())["since_us"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        with whole_file(note) as file:
            file.write(json.dumps({"since_us": now_us}).encode())
        return now_us
