"""``jianzheng audit check`` and ``list``: whether the chain is as it was written, and what stands in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from catalog.audit import AuditFilter
from catalog.catalogue import Catalogue
from cli.audit_anchor import KEY, anchor_state, read_anchors
from cli.audit_epochs import epoch_faults, epoch_of_file
from cli.moments import shown
from cli.printing import console
from kernel.audit_head import SignedHead
from kernel.model.audit import AuditEpoch, AuditFault, AuditHead, AuditRecord
from kernel.settings import Settings
from kernel.signing_key import signing_key
from kernel.values import fields_of

MOST_FAULTS = 1000
"""Printed; a chain with more of them is not read for the rest."""
_STEP = 500  # records between two moves of the bar
_errors = Console(stderr=True)


def anchors_of(settings: Settings, files: Sequence[Path] = ()) -> list[AuditHead]:
    """Heads that were exported: of the files that are named, else of the setting's, and the last one told.

    Raises:
        SettingsError: a file that is named cannot be read.
        FixityError: a line is no signed head.
    """
    heads = [signed.head for signed in _kept(settings, files)]
    last = anchor_state(settings).head
    return heads if last is None else [*heads, last]


def _kept(settings: Settings, files: Sequence[Path]) -> list[SignedHead]:
    own = settings.audit.anchor_file
    named = files or ([own] if own is not None and own.exists() else [])
    return [signed for path in named for signed in read_anchors(path)]


def _strangers(settings: Settings, files: Sequence[Path]) -> list[str]:
    """Ids of keys that signed heads and are not this machine's: another one's, or one that was replaced."""
    path = settings.keys_dir / KEY
    own = signing_key(path).public.id if path.exists() else ""
    return sorted({signed.key_id for signed in _kept(settings, files)} - {own})


def chain_faults_of(catalogue: Catalogue, heads: Sequence[AuditHead]) -> list[AuditFault]:
    """Walk the chain, with a bar where somebody looks.

    Raises:
        CatalogError: an epoch is closed meanwhile.
    """
    seen = 0
    with Progress(console=_errors, transient=True) as progress:
        task = progress.add_task("核对审计链 checking the audit chain", total=catalogue.audit.count())

        def count(_: AuditRecord) -> None:
            nonlocal seen
            seen += 1
            if seen % _STEP == 0:
                progress.update(task, completed=seen)

        return list(islice(catalogue.audit.faults(heads, count), MOST_FAULTS))


def check_audit(
    catalogue: Catalogue, settings: Settings, anchors: Sequence[Path] = (), files: Sequence[Path] = ()
) -> int:
    """Print what is wrong with the chain and with files of epochs; returns the exit status.

    Raises:
        CatalogError: an epoch is closed meanwhile.
        SettingsError, FixityError, StorageError: a file that is named cannot be used.
    """
    out, heads, epochs = console(), anchors_of(settings, anchors), catalogue.audit.epochs()
    faults = chain_faults_of(catalogue, heads)
    faults += islice(catalogue.watch_log.faults(), MOST_FAULTS)
    read = [epoch_of_file(path, epochs) for path in files]
    for path, epoch in zip(files, read, strict=True):
        faults += islice(epoch_faults(path, epoch, epochs, heads), MOST_FAULTS)
    for fault in faults:
        out.print(f"[red]异常 fault[/]  记录 record {fault.number} {escape(fault.what)}")
    for note in (*_untold(heads, epochs, read), *_of_strangers(_strangers(settings, anchors))):
        out.print(f"说明 note  {note}")
    count = catalogue.audit.count()
    if faults:
        out.print(f"[bold red]{len(faults)} 处异常 problems[/], {count} 条记录 records")
        return 1
    out.print(f"[green]审计链完整 the chain is whole[/]: {count} 条记录 records, {len(heads)} 个锚点 anchors")
    return 0


def _untold(
    heads: Sequence[AuditHead], epochs: Sequence[AuditEpoch], read: Sequence[AuditEpoch]
) -> Iterator[str]:
    """Heads that nothing was compared with."""
    if not heads:
        yield "没有锚点 no anchor: a chain that was rewritten as a whole would not show"
    left = epochs[-1].last if epochs else 0
    within = [range(one.first, one.last + 1) for one in read]
    untold = [one for one in heads if one.number < left and not any(one.number in own for own in within)]
    if untold:
        yield f"{len(untold)} 个锚点在已移出的记录中 anchors are of records that left: --epoch FILE"


def _of_strangers(keys: Sequence[str]) -> Iterator[str]:
    for key in keys:
        yield f"有锚点由另一密钥签名 anchors were signed by another key than this machine's: {key}"


def _when(us: int) -> str:
    """Somebody may have written a number over it that is no time."""
    try:
        return shown(us)
    except (OverflowError, ValueError, TypeError):
        return str(us)


def print_records(catalogue: Catalogue, narrowed: AuditFilter, limit: int, *, as_json: bool) -> None:
    """Records, the newest first: a table, or one JSON object a line."""
    found = catalogue.audit.records(narrowed, limit=limit)
    if as_json:
        for one in found:
            print(json.dumps(fields_of(one) | {"details": dict(one.details)}, ensure_ascii=False))  # noqa: T201
        return
    table = Table(box=None, pad_edge=False)
    for heading in _HEADINGS:
        table.add_column(heading, overflow="fold")
    for one in found:
        table.add_row(*map(escape, _cells(one)))
    console().print(table)


_HEADINGS = (
    "编号 number",
    "时间 at",
    "何人 who",
    "动作 action",
    "对象 subject",
    "来自 from",
    "结果 result",
    "详情 details",
)


def _cells(one: AuditRecord) -> tuple[str, ...]:
    """One for each of ``_HEADINGS``."""
    details = json.dumps(dict(one.details), ensure_ascii=False)
    what = (one.principal, one.action, one.subject, one.origin, one.result)
    return str(one.number), _when(one.at_us), *map(str, what), details
