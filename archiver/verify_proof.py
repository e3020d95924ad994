"""Verifies who signed a package, when, and that what is signed is what lies there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from archiver import merkle
from archiver.digests import digests_of
from archiver.findings import Aspect, Findings
from archiver.package import INFO, TAG_FILES
from archiver.proof import (
    PROOF_FILES,
    PUBLIC_KEY,
    SIGNATURE,
    STATEMENT,
    TIME_STAMP,
    TREE_MANIFEST,
    Signed,
    Statement,
    inclusion_fault,
    leaves_of,
    read_inclusion,
    read_public_key,
    read_signed,
    read_statement,
    signature_fault,
)
from archiver.time_stamp import certificate_names, check_stamp
from archiver.verify_bag import Bag, bag_info
from kernel.clock import from_datetime, iso_utc
from kernel.errors import FixityError, SettingsError
from kernel.signing_key import key_id


@dataclass(frozen=True, kw_only=True, slots=True)
class Trust:
    """What the one who verifies knows from elsewhere."""

    key: str = ""  # id of the key that must have signed; empty: whichever key lies in the package
    tsa: tuple[x509.Certificate, ...] = ()  # root of the time stamp authority, and what is between


def trusted_key(path: Path) -> str:
    """The id of a public key in a PEM file.

    Raises:
        SettingsError: it holds no Ed25519 key.
    """
    try:
        key = read_public_key(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from None
    if key is None:
        raise SettingsError(f"{path} holds no Ed25519 public key (PEM).")
    return key_id(key.public_bytes_raw())


def signed_of(bag: Bag) -> Signed:
    """The proof of a package.

    Raises:
        FixityError: a part of it is missing; it is named.
    """
    files = {name: bag.read(name) for name in PROOF_FILES}
    return read_signed({name: content for name, content in files.items() if content is not None})


def verify_proof(bag: Bag, trust: Trust, findings: Findings) -> None:
    """Check root, tag files, signature and time stamp of a package."""
    try:
        signed = signed_of(bag)
    except FixityError as error:
        for aspect in (Aspect.TREE, Aspect.SIGNATURE, Aspect.TIME_STAMP):
            findings.compare(aspect, "proof", False, error.message)
        return
    statement = verify_signed(signed, trust, findings)
    if statement is not None:
        _verify_tree(bag, statement, findings)


def verify_signed(signed: Signed, trust: Trust, findings: Findings) -> Statement | None:
    """Check signature and time stamp; returns what was signed, if it can be read."""
    try:
        statement = read_statement(signed.statement)
    except FixityError as error:
        findings.compare(Aspect.SIGNATURE, STATEMENT, False, error.message)
        return None
    fault = signature_fault(signed)
    findings.compare(Aspect.SIGNATURE, SIGNATURE, not fault, fault)
    if trust.key:
        same = statement.key_id == trust.key
        why = f"key {statement.key_id[:16]}… signed, not the trusted key {trust.key[:16]}…"
        findings.compare(Aspect.SIGNATURE, PUBLIC_KEY, same, why)
    else:
        why = f"signed by key {statement.key_id}; nobody said whether to trust it (--key)"
        findings.note(Aspect.SIGNATURE, PUBLIC_KEY, why)
    _verify_stamp(signed, statement, trust.tsa, findings)
    return statement


def _verify_tree(bag: Bag, statement: Statement, findings: Findings) -> None:
    leaves = leaves_of(bag.read(TREE_MANIFEST) or b"")
    same = (merkle.root_of(leaves).hex(), len(leaves)) == (statement.root, statement.leaves)
    findings.compare(Aspect.TREE, TREE_MANIFEST, same, "its lines lead to another root than the signed one")
    for name in sorted(statement.tag_files.keys() | set(TAG_FILES)):
        found = bag.digests.get(name, {}).get("sha256")
        same = found is not None and found == statement.tag_files.get(name)
        findings.compare(Aspect.TREE, name, same, "it is not the file that the signed statement names")
    told = bag_info(bag.read(INFO) or b"").get("External-Identifier")
    same = told == statement.identifier
    findings.compare(Aspect.TREE, STATEMENT, same, f"it is the statement of {statement.identifier}")


def _verify_stamp(
    signed: Signed, statement: Statement, trusted: Sequence[x509.Certificate], findings: Findings
) -> None:
    fault = _stamp_fault(signed, statement, wanted=bool(trusted))
    if fault or signed.time_stamp is None:
        if fault:
            findings.compare(Aspect.TIME_STAMP, TIME_STAMP, False, fault)
        else:
            findings.skip(Aspect.TIME_STAMP, _not_stamped(statement))
        return
    try:
        at = check_stamp(signed.time_stamp, signed.signature, trusted)
    except FixityError as error:
        findings.compare(Aspect.TIME_STAMP, TIME_STAMP, False, error.message)
        return
    findings.compare(Aspect.TIME_STAMP, TIME_STAMP, True, "")
    said = f"{statement.tsa} saw the signature at {iso_utc(from_datetime(at))}"
    if not trusted:
        names = "; ".join(certificate_names(signed.time_stamp)) or "nobody it names"
        said += f"; its own signature, by {names}, was not checked (--tsa-cert)"
    findings.note(Aspect.TIME_STAMP, TIME_STAMP, said)


def _not_stamped(statement: Statement) -> str:
    if statement.not_stamped:
        return f"a stamp of {statement.tsa} was {statement.not_stamped}"
    return "none was wanted when the package was signed"


def _stamp_fault(signed: Signed, statement: Statement, *, wanted: bool) -> str:
    """Whether there is a stamp where there must be one, and none where there must not."""
    promised = bool(statement.tsa) and not statement.not_stamped
    if signed.time_stamp is None:
        if promised:
            return f"it is missing: the statement says that {statement.tsa} stamped the signature"
        return f"there is none to check: {_not_stamped(statement)}" if wanted else ""
    return "" if promised else "the statement knows of no time stamp"


def verify_file(file: Path, proof: Path, trust: Trust, findings: Findings) -> None:
    """Check one file of a package alone, by the proof that goes with it."""
    try:
        told = read_inclusion(proof.read_bytes())
        found = digests_of(file, ["sha256"])["sha256"]
    except OSError as error:
        findings.compare(Aspect.FILES, str(error.filename), False, f"it cannot be read: {error.strerror}")
        return
    except FixityError as error:
        findings.compare(Aspect.TREE, proof.name, False, error.message)
        return
    same = found == told.sha256
    findings.compare(Aspect.FILES, file.name, same, f"SHA-256 is not that of {told.name} in the package")
    statement = verify_signed(told.signed, trust, findings)
    if statement is not None:
        fault = inclusion_fault(told, statement)
        findings.compare(Aspect.TREE, proof.name, not fault, fault)
        findings.note(Aspect.TREE, file.name, f"it is {told.name} of {statement.identifier}")
