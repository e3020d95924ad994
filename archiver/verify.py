"""Verifies a package with nothing but the package: no catalogue, no network (invariant 11)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from archiver.findings import Aspect, Findings, Teller
from archiver.verify_bag import verify_bag
from archiver.verify_copied import verify_copied
from archiver.verify_documents import is_addendum, verify_addendum, verify_documents
from archiver.verify_links import verify_links
from archiver.verify_pictures import verify_pictures, verify_ring
from archiver.verify_proof import Trust, verify_proof

_BY_THE_DOCUMENT = (
    Aspect.CHAIN,
    Aspect.RECEIPTS,
    Aspect.CONTENT,
    Aspect.PICTURES,
    Aspect.DOCUMENTS,
    Aspect.RING,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """What is to be verified, and what the one who asks knows from elsewhere."""

    package: Path
    trust: Trust
    ring: Path | None = None  # where the original segments may still be


def verify_package(asked: Verification, teller: Teller) -> Findings:
    """Verify every link of a package: segment, receipt, file, manifest, root, signature, time stamp."""
    findings = Findings()
    bag = verify_bag(asked.package, findings, teller)
    verify_proof(bag, asked.trust, findings)
    if is_addendum(bag):
        verify_addendum(bag, findings)
        return findings
    links = verify_links(bag, findings)
    if links is None:
        for aspect in _BY_THE_DOCUMENT:
            findings.skip(aspect, "the document cannot be read")
        return findings
    verify_documents(bag, links.session.documents, findings)
    verify_copied(links, bag, findings)
    verify_pictures(bag, links, findings, teller)
    if asked.ring is None:
        findings.skip(Aspect.RING, "no directory of original segments was named (--ring)")
    else:
        verify_ring(links, asked.ring, bag, findings, teller)
    return findings
