"""Verifies what a package holds beside footage: documents against their list, and addenda as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from archiver.addendum import ADDENDUM, FORMAT
from archiver.digests import SM3, has_sm3
from archiver.file_documents import CARD, DOCUMENTS
from archiver.findings import Aspect, Findings
from archiver.package import INFO, PAYLOAD
from archiver.told import ToldDocument, read_told
from archiver.verify_bag import Bag, bag_info
from kernel.errors import FixityError

_ADDENDUM = f"{PAYLOAD}/{ADDENDUM}"
_NO_FOOTAGE = "an addendum holds no footage"


class _Project(BaseModel):
    model_config = ConfigDict(frozen=True)
    project_code: str


class _Number(BaseModel):
    model_config = ConfigDict(frozen=True)
    number: str


class ToldAddendum(BaseModel):
    """What ``addendum.json`` tells that can be compared with something."""

    model_config = ConfigDict(frozen=True)
    format: Annotated[str, Field(pattern=f"^{FORMAT}$")]
    project: _Project
    number: Annotated[int, Field(strict=True, ge=1)]
    archive_number: _Number | None
    documents: tuple[ToldDocument, ...]


class ToldCard(BaseModel):
    """What a card tells that stands elsewhere, too."""

    model_config = ConfigDict(frozen=True)
    archive_number: str | None
    project_code: str


def is_addendum(bag: Bag) -> bool:
    """Whether a package is one of a project beside its sessions'."""
    return _ADDENDUM in bag.digests and f"{PAYLOAD}/catalogue.json" not in bag.digests


def verify_addendum(bag: Bag, findings: Findings) -> None:
    """Check an addendum's document and the documents that it lists."""
    for aspect in (Aspect.CHAIN, Aspect.RECEIPTS, Aspect.CONTENT, Aspect.PICTURES, Aspect.RING):
        findings.skip(aspect, _NO_FOOTAGE)
    try:
        told, _ = read_told(ToldAddendum, bag.read(_ADDENDUM))
    except FixityError as error:
        findings.compare(Aspect.DOCUMENT, _ADDENDUM, False, error.message)
        return
    identifier = f"{told.project.project_code}/addendum-{told.number}"
    same = bag_info(bag.read(INFO) or b"").get("External-Identifier") == identifier
    findings.compare(Aspect.DOCUMENT, INFO, same, f"the addendum is {identifier}")
    _verify_card(bag, told, findings)
    verify_documents(bag, told.documents, findings)


def _verify_card(bag: Bag, told: ToldAddendum, findings: Findings) -> None:
    place = f"{PAYLOAD}/{CARD}"
    try:
        card, _ = read_told(ToldCard, bag.read(place))
    except FixityError as error:
        findings.compare(Aspect.DOCUMENT, place, False, error.message)
        return
    number = told.archive_number.number if told.archive_number else None
    same = (card.archive_number, card.project_code) == (number, told.project.project_code)
    findings.compare(Aspect.DOCUMENT, place, same, "it is the card of something else than the addendum")


def verify_documents(bag: Bag, listed: Sequence[ToldDocument], findings: Findings) -> None:
    """Every document that is listed is there as it was taken in, and no other file is."""
    there, named = set(bag.payload(DOCUMENTS)), {one.file for one in listed}
    why = "it lists other documents than there are"
    findings.compare(Aspect.DOCUMENTS, f"{PAYLOAD}/{DOCUMENTS}", there == named, why)
    for one in listed:
        place = f"{PAYLOAD}/{DOCUMENTS}/{one.file}"
        fault = _fault(bag, place, one)
        findings.compare(Aspect.DOCUMENTS, place, not fault, fault)


def _fault(bag: Bag, place: str, told: ToldDocument) -> str:
    digests = bag.digests.get(place)
    if digests is None:
        return "it is missing"
    if bag.sizes[place] != told.size_bytes:
        return "it has another size than was taken in"
    if digests["sha256"] != told.sha256:
        return "its SHA-256 is not the one with which it was taken in"
    if has_sm3() and told.sm3 is not None and digests[SM3] != told.sm3:
        return "its SM3 is not the one with which it was taken in"
    return ""
