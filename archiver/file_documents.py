"""What a package holds beside footage: documents, byte for byte as they were taken in, and the card."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from archiver.digests import BLOCK_BYTES
from archiver.package import document_bytes, write_json
from catalog.card_page import card_page
from catalog.objects import ObjectStore
from kernel.errors import FixityError
from kernel.model.cut import Clip
from kernel.model.document import Document

DOCUMENTS = "documents"
CARD = "card.json"
CARD_PAGE = "card.html"
_MANIFEST_LINES_BYTES = 2 * (64 + 128) + 4 * 60  # of a file, in both manifests
_CARD_BYTES = 8_000  # head of the card, as JSON and as page
_CARD_BYTES_PER_CLIP = 8_000
_CARD_BYTES_PER_SLICE = 160  # the hash of a segment, twice
_CARD_BYTES_PER_GAP = 300


def lay_out_documents(store: ObjectStore, documents: Sequence[Document], payload: Path) -> None:
    """Copy documents into a package; each is hashed on its way.

    Raises:
        FixityError: the store gives back something else than was taken in.
        StorageError: the store cannot be read.
    """
    for one in documents:
        target = payload / DOCUMENTS / one.packaged_name
        target.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with store.open(one.object_key) as source, target.open("wb") as file:
            while block := source.read(BLOCK_BYTES):
                digest.update(block)
                file.write(block)
        if digest.hexdigest() != one.sha256:
            raise FixityError(f"document {one.object_key} is not what was taken in.")


def write_card(payload: Path, card: Mapping[str, Any]) -> None:
    """The card for machines and for people."""
    write_json(payload / CARD, card)
    (payload / CARD_PAGE).write_bytes(card_page(card).encode())


def held_in(documents: Sequence[Document], prefix: str) -> dict[str, str]:
    """The key of its file in a package, by document."""
    return {one.id: f"{prefix}/data/{DOCUMENTS}/{one.packaged_name}" for one in documents}


def beside_bytes(documents: Sequence[Document], clips: Collection[Clip]) -> int:
    """What documents and card add to a package, at most: the pictures get what is left."""
    own = sum(one.size_bytes + _MANIFEST_LINES_BYTES + document_bytes(one.told()) * 3 for one in documents)
    slices = sum(len(one.slices) for one in clips)
    gaps = sum(len(one.gaps) for one in clips)
    return (
        own
        + _CARD_BYTES
        + _CARD_BYTES_PER_CLIP * len(clips)
        + _CARD_BYTES_PER_SLICE * slices
        + _CARD_BYTES_PER_GAP * gaps
    )
