"""``jianzheng original``: a clip's originals as files, with the index that names them and their gaps."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console

from catalog.catalogue import Catalogue
from kernel.clock import SECOND_US, iso_utc
from kernel.durable import write_whole
from kernel.errors import FootageError, ObjectExists
from kernel.timerange import TimeRange
from segmenter.clip_originals import Originals
from segmenter.original_files import write
from segmenter.originals import index_name

_out = Console(soft_wrap=True, highlight=False)


def write_originals(
    catalogue: Catalogue, ring: Path, clip_id: str, directory: Path, *, prove: bool = True
) -> None:
    """Write all files of a clip, then the index, and tell what was written.

    Raises:
        FootageError: no such clip, or a segment is missing.
        FixityError: a segment is not what its row says.
        ObjectExists: one of the files is there already.
        StorageError: the directory cannot be written.
    """
    found = Originals(catalogue, ring).of_clip(clip_id)
    if found is None:
        raise FootageError(f"there is no clip {clip_id}.", hint="The page of a session shows its clips.")
    directory.mkdir(parents=True, exist_ok=True)
    listing = directory / index_name(found.clip)
    if listing.exists():
        raise ObjectExists(
            f"{listing} exists; originals are never overwritten.", hint="Name another directory."
        )
    hashes = {}
    for one in found.files:
        sha256 = write(one, directory, prove=prove)
        if sha256 is not None:
            hashes[one.name] = sha256
        _tell("文件 file", one.piece.wall, f"{one.name}, {one.size_bytes} bytes{_proof(sha256)}")
    told = json.dumps(found.index(hashes), ensure_ascii=False, indent=2)
    write_whole(listing, told.encode())
    for piece in found.without_pictures:
        _tell("无画面 without pictures", piece.wall, "no picture was captured in this time")
    for gap in found.clip.gaps:
        _tell("缺口 gap", gap.wall, f"{gap.cause} {gap.detail}".rstrip())
    _out.print(f"索引 index  {listing}", markup=False)


def _proof(sha256: str | None) -> str:
    return "" if sha256 is None else f", SHA-256 {sha256}"


def _tell(what: str, wall: TimeRange, more: str) -> None:
    seconds = wall.duration_us / SECOND_US
    _out.print(f"{what}  {iso_utc(wall.start_us)} {seconds:.3f} s  {more}", markup=False)
