"""``jianzheng hold``, ``holds`` and ``ring``: what of the ring must stay, its disk, and its proofs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from rich.markup import escape

from capture.ring_disk import adopt
from catalog.catalogue import Catalogue
from catalog.coverage import Coverage, coverage_of
from cli.moments import lasting, shown, shown_range, time_range
from cli.printing import console
from kernel.clock import Clock
from kernel.durable import storage_error
from kernel.errors import CatalogError
from kernel.ids import new_id
from kernel.model.footage import Backfill, Hold, RecorderKey
from kernel.timerange import TimeRange

_out = console()
NOTHING_HELD = (
    "[bold red]没有录像 NOTHING is recorded in this range.[/] The hold stands and keeps what may still come "
    "or be handed in. If you meant footage that is there, check source and times, and release this hold."
)
_MOST_PIECES = 20  # of a kind
_FILLED = {Backfill.WHOLE: "  (已补录 filled afterwards)", Backfill.PART: "  (部分补录 filled in part)"}
_NONE_SIGNED = "no recorder has signed anything in this catalogue yet."


def make_hold(
    catalogue: Catalogue, source_id: str, between: tuple[str, str], reason: str, principal: str, clock: Clock
) -> Hold:
    """Hold a range and say what there is of it: footage, gaps, and what is gone already.

    Raises:
        TimelineError: the two times make no range.
        CatalogError: the source is unknown, or there is no reason.
    """
    wall = time_range(*between)
    hold = Hold(
        id=new_id("hold"),
        source_id=source_id,
        wall=wall,
        reason=reason,
        principal=principal,
        made_us=clock.now_us(),
    )
    gone = catalogue.holds.make(hold)
    _out.print(f"{hold.id}  {escape(source_id)}  {shown_range(wall)}")
    reasons = sorted({f"{one.reason} ({one.principal})" for one in gone})
    _print_coverage(coverage_of(catalogue, source_id, wall, gone, clock.now_us()), reasons)
    return hold


def _print_coverage(found: Coverage, reasons: Iterable[str]) -> None:
    """How much the hold keeps, and which seconds it cannot keep: they are not there."""
    if found.empty:
        _out.print(NOTHING_HELD)
    else:
        of = lasting(found.wall.duration_us)
        _out.print(f"已录 footage {lasting(found.recorded_us)} / {of}")
    gaps = [
        f"{_piece(part)}  {gap.cause}: {gap.detail}{_FILLED.get(gap.backfill, '')}"
        for part, gap in found.missed
    ]
    _print_pieces("缺口 gap", gaps)
    _print_pieces("[bold red]已清除 gone already[/]", map(_piece, found.removed))
    for why in reasons:
        _out.print(f"  {escape(why)}")
    _print_pieces("[bold red]没有录像 not recorded, and no gap says why[/]", map(_piece, found.unknown))
    _print_pieces("尚未封存 being recorded, sealed within a minute", map(_piece, found.unsealed))
    _print_pieces("尚未发生 still to come", map(_piece, [found.to_come] if found.to_come else []))


def _print_pieces(what: str, pieces: Iterable[str]) -> None:
    """A line each, and where there are very many, how many more."""
    told = list(pieces)
    for one in told[:_MOST_PIECES]:
        _out.print(f"{what}  {escape(one)}")
    if len(told) > _MOST_PIECES:
        _out.print(f"{what}  … 另有 and {len(told) - _MOST_PIECES} 处 more")


def _piece(wall: TimeRange) -> str:
    return f"{shown_range(wall)}  ({lasting(wall.duration_us)})"


def print_holds(catalogue: Catalogue, *, released: bool) -> None:
    """Holds in the order in which they were made, a line each: no id is ever cut short."""
    for one in catalogue.holds.all(released=released):
        line = f"{one.id}  {one.source_id}  {shown_range(one.wall)}  {one.principal}: {one.reason}"
        if one.released_us is not None:
            line += f"  (解除 released {shown(one.released_us)} {one.released_by}: {one.release_reason})"
        _out.print(escape(line))


def adopt_disk(catalogue: Catalogue, ring: Path, principal: str, clock: Clock) -> None:
    """Make what is mounted at the ring's place the ring.

    Raises:
        StorageError: there is no such directory, or it cannot be written.
    """
    disk_id = adopt(ring, catalogue.ring_disks, clock, principal)
    _out.print(f"{escape(str(ring))}  {disk_id}")


def print_key(catalogue: Catalogue) -> None:
    """The public key that signs now, as PEM (RFC 8410).

    Raises:
        CatalogError: nothing was signed yet.
    """
    _out.print(_pem(_newest_key(catalogue)).decode(), end="", markup=False)


def export_checkpoint(catalogue: Catalogue, directory: Path) -> None:
    """Write the newest signed statement, its signature and the public key, to be kept elsewhere.

    Raises:
        CatalogError: nothing was signed yet.
        StorageError: the directory cannot be written.
    """
    key = _newest_key(catalogue)
    newest = catalogue.checkpoints.newest(key.id)
    if newest is None:
        raise CatalogError(_NONE_SIGNED)
    stem = f"{key.id[:16]}-{newest.number:09d}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{stem}.json").write_bytes(newest.statement.encode("utf-8"))
        (directory / f"{stem}.sig").write_bytes(bytes.fromhex(newest.signature))
        (directory / f"{key.id[:16]}.pem").write_bytes(_pem(key))
    except OSError as error:
        raise storage_error(error) from error
    _out.print(f"{escape(str(directory / stem))}.json  {shown(newest.at_us)}")


def _newest_key(catalogue: Catalogue) -> RecorderKey:
    keys = catalogue.checkpoints.recorder_keys()
    if not keys:
        raise CatalogError(_NONE_SIGNED, hint="Start 'jianzheng capture'; it signs once a minute.")
    return keys[-1]


def _pem(key: RecorderKey) -> bytes:
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.public_key))
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
