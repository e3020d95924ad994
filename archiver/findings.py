"""What verifying a package found."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class Aspect(StrEnum):
    """What is verified, in the order of the chain's links, from the outermost on."""

    FILES = "files"
    """Every file is there, is named by the manifests, and has the SHA-256 and SHA-512 they name."""
    TREE = "tree"
    """The statement's root is that of the tree over the payload; it names all tag files as they are."""
    SIGNATURE = "signature"
    """The statement is signed by the key beside it, and that key is the trusted one."""
    TIME_STAMP = "time stamp"
    """The authority saw this signature."""
    DOCUMENT = "document"
    """catalogue.json makes sense: slices and gaps fill each clip, and refer to segments that it lists."""
    CHAIN = "chain"
    """Each segment's chain value follows from the one before it and the segment's hash."""
    ORIGINALS = "originals"
    """Segments that lie in the package as they were recorded are those of the chain."""
    RECEIPTS = "receipts"
    """Each file has a receipt that tells of the same clip as the document: segments, hashes, gaps."""
    CONTENT = "content"
    """Each file is what its receipt says: hashes, size, length, pictures, wall times, gaps."""
    PICTURES = "pictures"
    """Its pictures look as their fingerprints say."""
    DOCUMENTS = "documents"
    """Each document beside the footage is the one that was taken in."""
    RING = "ring"
    """The original segments have the hashes and pictures that the receipts name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something that a reader must know."""

    aspect: Aspect
    name: str  # the file or thing it is about
    detail: str


@dataclass(kw_only=True, slots=True)
class Findings:
    """All that was found, and how much was looked at."""

    checked: dict[Aspect, int] = field(default_factory=dict)  # things that were compared
    faults: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)  # no fault, but good to know
    not_checked: dict[Aspect, str] = field(default_factory=dict)  # why something was not looked at

    def fault(self, aspect: Aspect, name: str, detail: str) -> None:
        self.faults.append(Finding(aspect=aspect, name=printable(name), detail=printable(detail)))

    def note(self, aspect: Aspect, name: str, detail: str) -> None:
        self.notes.append(Finding(aspect=aspect, name=printable(name), detail=printable(detail)))

    def compare(self, aspect: Aspect, name: str, same: bool, detail: str) -> None:
        """Count one comparison, and name it where it failed."""
        self.checked[aspect] = self.checked.get(aspect, 0) + 1
        if not same:
            self.fault(aspect, name, detail)

    def skip(self, aspect: Aspect, why: str) -> None:
        self.not_checked[aspect] = printable(why)

    def failed(self, aspect: Aspect) -> bool:
        return any(one.aspect is aspect for one in self.faults)


def printable(text: str) -> str:
    """A text whose control characters are spelt out: a file's name must not write "verified" on a screen."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


class Teller(Protocol):
    """Shows how far long work has come."""

    def begin(self, what: Aspect, total: int) -> None:
        """So much of this is to be done."""

    def advance(self, count: int) -> None:
        """So much of it has been done since."""


class Silent:
    """Shows nothing."""

    def begin(self, what: Aspect, total: int) -> None:
        pass

    def advance(self, count: int) -> None:
        pass
