"""``jianzheng hold``, ``holds`` and ``ring``: what of the ring must stay, its disk, and its proofs."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from rich.console import Console
from rich.markup import escape

from capture.ring_disk import adopt
from catalog.catalogue import Catalogue
from cli.moments import time_range
from kernel.clock import Clock, iso_utc
from kernel.durable import storage_error
from kernel.errors import CatalogError
from kernel.ids import new_id
from kernel.model.footage import Hold, RecorderKey, Tombstone
from kernel.timerange import TimeRange, merge

_out = Console(soft_wrap=True, highlight=False)
_NONE_SIGNED = "no recorder has signed anything in this catalogue yet."


def make_hold(
    catalogue: Catalogue, source_id: str, between: tuple[str, str], reason: str, principal: str, clock: Clock
) -> Hold:
    """Hold a range and say what of it is gone already.

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
    _out.print(f"{hold.id}  {escape(source_id)}  {_range(wall)}")
    for part in merge(_inside(one, wall) for one in gone):
        _out.print(f"[bold red]已清除 gone already[/]  {_range(part)}")
    for why in sorted({f"{one.reason} ({one.principal})" for one in gone}):
        _out.print(f"  {escape(why)}")
    return hold


def _inside(gone: Tombstone, wall: TimeRange) -> TimeRange:
    return gone.segment.wall.intersect(wall) or TimeRange(start_us=wall.start_us, end_us=wall.start_us)


def print_holds(catalogue: Catalogue, *, released: bool) -> None:
    """Holds in the order in which they were made, a line each: no id is ever cut short."""
    for one in catalogue.holds.all(released=released):
        line = f"{one.id}  {one.source_id}  {_range(one.wall)}  {one.principal}: {one.reason}"
        if one.released_us is not None:
            line += f"  (解除 released {iso_utc(one.released_us)} {one.released_by}: {one.release_reason})"
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
    _out.print(f"{escape(str(directory / stem))}.json  {iso_utc(newest.at_us)}")


def _newest_key(catalogue: Catalogue) -> RecorderKey:
    keys = catalogue.checkpoints.recorder_keys()
    if not keys:
        raise CatalogError(_NONE_SIGNED, hint="Start 'jianzheng capture'; it signs once a minute.")
    return keys[-1]


def _pem(key: RecorderKey) -> bytes:
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.public_key))
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _range(wall: TimeRange) -> str:
    return f"{iso_utc(wall.start_us)} - {iso_utc(wall.end_us)}"
