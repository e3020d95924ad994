"""Old audit records leave the catalogue as whole files (invariant 14), and are verified with them."""

from __future__ import annotations

import hashlib
import json
import os
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from catalog.catalogue import Catalogue
from cli.moments import shown
from kernel.audit_chain import NO_RECORD, canonical, chain_faults
from kernel.clock import SECOND_US
from kernel.durable import fsync_directory
from kernel.errors import CatalogError, FixityError, StorageError
from kernel.model.audit import AuditEpoch, AuditFault, AuditHead, AuditRecord
from kernel.settings import AuditSettings
from kernel.values import fields_of

_DAY_US = 24 * 3600 * SECOND_US


def close_epoch(
    catalogue: Catalogue,
    settings: AuditSettings,
    path: Path,
    *,
    until_us: int,
    heads: Sequence[AuditHead],
    principal: str,
    now_us: int,
) -> AuditEpoch:
    """Write the records before a moment to a file, and let them go once it is proven to hold them.

    Args:
        heads: heads that are kept elsewhere; one of them must be of the last record that goes, or a later.

    Raises:
        CatalogError: there are none, they are too young, nothing elsewhere anchors them, or the chain is not
            as it was written: then all of it stays, as evidence.
        StorageError: the file cannot be written, is there already, or does not hold them.
    """
    chain = catalogue.audit
    if now_us - until_us < settings.keep_days * _DAY_US:
        raise CatalogError(
            f"records since {shown(now_us - round(settings.keep_days * _DAY_US))} stay in the catalogue.",
            hint="Give an earlier --until; audit.keep_days says how long they stay.",
        )
    if next(chain.faults(heads), None) is not None:
        raise CatalogError(
            "the audit chain is not as it was written, so all of it stays.",
            hint="Run 'jianzheng audit check'.",
        )
    last, before = chain.last_before(until_us), chain.epochs()
    first = before[-1].last + 1 if before else 1
    if last < first:
        raise CatalogError("no record is that old.", hint="Run 'jianzheng audit list'.")
    if not any(head.number >= last for head in heads):
        raise CatalogError(
            f"nothing that is kept elsewhere anchors record {last}.",
            hint="Export the head ('jianzheng audit head --to FILE'), then name the file with --anchor.",
        )
    sha256, last_hash = _write(path, chain.walk(until=last))
    epoch = AuditEpoch(
        first=first,
        last=last,
        last_hash=last_hash,
        sha256=sha256,
        closed_us=now_us,
        principal=principal,
    )
    _read_back(path, epoch, before)
    chain.close_epoch(epoch)
    return epoch


def _write(path: Path, records: Iterator[AuditRecord]) -> tuple[str, str]:
    """Records as lines of JSON in a new file, synced; its SHA-256 and the last record's hash."""
    digest, last_hash = hashlib.sha256(), NO_RECORD
    try:
        with path.open("xb") as file:
            for record in records:
                line = canonical(fields_of(record) | {"details": dict(record.details)}).encode(
                    "utf-8", "surrogatepass"
                )
                file.write(line + b"\n")
                digest.update(line + b"\n")
                last_hash = record.hash
            file.flush()
            os.fsync(file.fileno())
        fsync_directory(path.parent)
    except OSError as error:
        raise StorageError(
            f"{path} does not take the records: {error.strerror}. All of them stay in the catalogue.",
            hint="Name a file that is not there yet, on a disk with room.",
        ) from error
    return digest.hexdigest(), last_hash


def _read_back(path: Path, epoch: AuditEpoch, before: Sequence[AuditEpoch]) -> None:
    """Raises: StorageError: what lies there is not what was written."""
    if next(epoch_faults(path, epoch, before), None) is not None:
        raise StorageError(
            f"{path} does not hold what was written to it. All records stay in the catalogue.",
            hint="Write to another disk.",
        )


def epoch_of_file(path: Path, epochs: Sequence[AuditEpoch]) -> AuditEpoch:
    """The closed epoch that a file begins as.

    Raises:
        FixityError: it is none of them.
        StorageError: it cannot be read.
    """
    first = next(iter(_records(path)), None)
    for epoch in epochs:
        if first is not None and epoch.first == first.number:
            return epoch
    raise FixityError(
        f"{path} is not the file of a closed epoch of this catalogue.",
        hint="Name a file that 'jianzheng audit close-epoch' wrote here.",
    )


def epoch_faults(
    path: Path, epoch: AuditEpoch, epochs: Sequence[AuditEpoch], heads: Sequence[AuditHead] = ()
) -> Iterator[AuditFault]:
    """What is wrong with the file of an epoch; nothing where it is as it was written.

    Raises:
        StorageError: it cannot be read.
        FixityError: it holds something else than records.
    """
    earlier = [one for one in epochs if one.last == epoch.first - 1]
    previous = earlier[0].last_hash if earlier else NO_RECORD
    within = [head for head in heads if epoch.first <= head.number <= epoch.last]
    yield from chain_faults(_records(path), after=epoch.first - 1, previous=previous, heads=within)
    last = deque(_records(path), maxlen=1)
    if not last or (last[0].number, last[0].hash) != (epoch.last, epoch.last_hash):
        yield AuditFault(number=epoch.last, what="is not the last of the file, or not as it left the chain")
    if _sha256(path) != epoch.sha256:
        yield AuditFault(number=epoch.first, what="begins a file whose SHA-256 is not that of its epoch")


def _records(path: Path) -> Iterator[AuditRecord]:
    try:
        with path.open(encoding="utf-8", errors="surrogatepass", newline="\n") as file:
            for number, line in enumerate(file, 1):
                yield _record(path, number, line)
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}.") from error


def _record(path: Path, number: int, line: str) -> AuditRecord:
    try:
        return AuditRecord(**json.loads(line))
    except (ValueError, TypeError):
        raise FixityError(f"line {number} of {path} is no audit record.", hint="Take another copy.") from None


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}.") from error
