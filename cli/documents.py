"""What the commands about documents do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from catalog.card_page import card_page
from catalog.cards import project_card
from catalog.catalogue import Catalogue
from catalog.document_intake import DocumentIntake
from cli.moments import shown
from cli.printing import console
from cli.stores import own_store
from kernel.clock import Clock
from kernel.errors import CatalogError, SettingsError
from kernel.settings import Settings

_out = console()


def document_intake(settings: Settings, catalogue: Catalogue, clock: Clock) -> DocumentIntake:
    """The one way in for documents, as settings say."""
    most = settings.documents.max_bytes
    return DocumentIntake(catalogue, own_store(settings, clock), clock, settings.incoming_dir, most)


def print_documents(catalogue: Catalogue, project_id: str) -> None:
    """A table of them, and which package holds each."""
    documents = catalogue.documents.of_project(project_id)
    held = catalogue.documents.copies_of(project_id)
    newest = {one.supersedes for one in documents}
    table = Table(box=None, pad_edge=False)
    for heading in (
        "文件 document",
        "类别 kind",
        "名称 name",
        "大小 bytes",
        "版本 version",
        "接收 taken in",
        "归档 archived",
    ):
        table.add_column(heading, overflow="fold")  # ids are copied from it
    for one in documents:
        version = f"{one.version}" + (" 已更正 corrected" if one.id in newest else "")
        at = f"{shown(one.at_us)} {one.principal}"
        row = (one.id, one.kind, one.name, str(one.size_bytes), version, at, str(len(held.get(one.id, ()))))
        table.add_row(*(escape(cell) for cell in row))
    _out.print(table)


def card_of(catalogue: Catalogue, project_id: str, clock: Clock) -> dict[str, Any]:
    """Raises: CatalogError: there is no such project."""
    told = project_card(catalogue, project_id, clock.now_us())
    if told is None:
        raise CatalogError(f"there is no project {project_id}.", hint="Name its id.")
    return told


def write_page(told: dict[str, Any], place: Path) -> None:
    """Raises: SettingsError: it cannot be written."""
    try:
        place.write_text(card_page(told), encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{place} cannot be written: {error.strerror}.") from None
