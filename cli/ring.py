"""``jianzheng ring``: the ring's disk and its proofs."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from rich.markup import escape

from capture.ring_disk import adopt
from catalog.catalogue import Catalogue
from cli.moments import shown
from cli.printing import console
from kernel.clock import Clock
from kernel.durable import storage_error
from kernel.errors import CatalogError
from kernel.model.footage import RecorderKey

_out = console()
_NONE_SIGNED = "no recorder has signed anything in this catalogue yet."


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
