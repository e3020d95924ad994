"""Packages of stand-ins: bags with true manifests around files that are none."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping

from catalog.objects import ObjectStore
from kernel.model.archive import ArchiveObject
from kernel.model.cut import Clip


def put_bag(store: ObjectStore, prefix: str, payload: Mapping[str, bytes]) -> list[ArchiveObject]:
    """Store a bag with that payload (names below ``data/``), as the archiver lays it out."""
    files = {f"data/{name}": content for name, content in payload.items()}
    weight = f"{sum(map(len, files.values()))}.{len(files)}"
    tags = {
        "manifest-sha256.txt": _lines(files),
        "bag-info.txt": f"Payload-Oxum: {weight}\n".encode(),
        "bagit.txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
    }
    files |= {**tags, "tagmanifest-sha256.txt": _lines(tags)}
    return [put(store, f"{prefix}/{name}", content) for name, content in sorted(files.items())]


def put(store: ObjectStore, key: str, content: bytes) -> ArchiveObject:
    sha256 = store.put(key, io.BytesIO(content))
    return ArchiveObject(key=key, size_bytes=len(content), sha256=sha256)


def put_clips(
    store: ObjectStore, prefix: str, clips: list[Clip]
) -> tuple[list[ArchiveObject], list[ArchiveObject]]:
    """A bag with a file and a receipt for each clip; all objects, and the files in the clips' order."""
    payload = {f"clips/{clip.id}.mp4": clip.id.encode() for clip in clips}
    payload |= {f"receipts/{clip.id}.mp4.json": json.dumps({"clip": clip.id}).encode() for clip in clips}
    payload["catalogue.json"] = b"{}"
    objects = put_bag(store, prefix, payload)
    by_key = {item.key: item for item in objects}
    return objects, [by_key[f"{prefix}/data/clips/{clip.id}.mp4"] for clip in clips]


def _lines(files: Mapping[str, bytes]) -> bytes:
    lines = (f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    return "".join(lines).encode()
