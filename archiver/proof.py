"""The ``proof/`` part of a package: what is signed, and a proof for each of its files alone.

A statement names the root of the Merkle tree over the payload (``archiver.merkle``) and the SHA-256 of every
tag file; the archiver's key signs it. Format, and how an outsider verifies it:
``docs/design/archive-package.md``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from archiver import merkle
from archiver.package import TAG_FILES, encoded_name, manifest_name
from kernel.errors import FixityError
from kernel.signing_key import key_id

STATEMENT_FORMAT = "jianzheng-proof/1"
INCLUSION_FORMAT = "jianzheng-inclusion/1"
STATEMENT = "proof/statement.json"
SIGNATURE = "proof/statement.sig"
PUBLIC_KEY = "proof/public-key.pem"
TIME_STAMP = "proof/time-stamp.tsr"
PROOF_FILES = (STATEMENT, SIGNATURE, PUBLIC_KEY, TIME_STAMP)
TREE_MANIFEST = manifest_name("sha256")


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """What is signed."""

    identifier: str  # project and session, as bag-info.txt has them
    key_id: str
    root: str  # of the tree over the payload, lower-case hex
    leaves: int
    tag_files: Mapping[str, str]  # SHA-256 by name; all but proof and tag manifests
    tsa: str  # whose time stamp the signature bears; empty: none was wanted
    not_stamped: str = ""  # why there is none although one was wanted


def leaves_of(manifest: bytes) -> list[bytes]:
    """The leaves of the tree: the lines of ``manifest-sha256.txt``, in order."""
    return [line + b"\n" for line in manifest.split(b"\n")[:-1]]


def make_statement(
    directory: Path, identifier: str, key: str, tsa: str = "", not_stamped: str = ""
) -> Statement:
    """The statement of a package whose manifests are written."""
    leaves = leaves_of((directory / TREE_MANIFEST).read_bytes())
    return Statement(
        identifier=identifier,
        key_id=key,
        root=merkle.root_of(leaves).hex(),
        leaves=len(leaves),
        tag_files={name: hashlib.sha256((directory / name).read_bytes()).hexdigest() for name in TAG_FILES},
        tsa=tsa,
        not_stamped=not_stamped,
    )


def write_statement(statement: Statement) -> str:
    """The text that is signed: JSON with sorted keys and no spaces."""
    told = {
        "format": STATEMENT_FORMAT,
        "identifier": statement.identifier,
        "key": statement.key_id,
        "leaves": statement.leaves,
        "not_stamped": statement.not_stamped,
        "root": statement.root,
        "tag_files": dict(statement.tag_files),
        "tsa": statement.tsa,
    }
    return json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def read_statement(text: bytes) -> Statement:
    """Raises: FixityError: it is no statement as ``write_statement`` writes them."""
    try:
        told = json.loads(text)
        statement = Statement(
            identifier=_text(told["identifier"]),
            key_id=_text(told["key"]),
            root=_text(told["root"]),
            leaves=int(told["leaves"]),
            tag_files={_text(name): _text(sha256) for name, sha256 in told["tag_files"].items()},
            tsa=_text(told["tsa"]),
            not_stamped=_text(told["not_stamped"]),
        )
        if write_statement(statement).encode() == text:
            return statement
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    raise FixityError("it is not written as statements are.")


def _text(value: Any) -> str:
    if type(value) is not str:
        raise TypeError
    return value


def read_public_key(pem: bytes) -> Ed25519PublicKey | None:
    """The Ed25519 key of a PEM file; None where it holds none."""
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, Ed25519PublicKey) else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Signed:
    """A statement with all that shows whose it is."""

    statement: bytes
    signature: bytes
    public_key: bytes  # PEM
    time_stamp: bytes | None  # the authority's answer (RFC 3161), as it came


def signature_fault(signed: Signed) -> str:
    """What is wrong with a signature; empty where it fits its key and the key is the statement's."""
    key = read_public_key(signed.public_key)
    if key is None:
        return "the public key cannot be read as an Ed25519 key"
    try:
        key.verify(signed.signature, signed.statement)
        named = read_statement(signed.statement).key_id
    except InvalidSignature:
        return "the signature does not fit statement and public key"
    except FixityError as error:
        return error.message
    if named != key_id(key.public_bytes_raw()):
        return "the statement names another key than the public key beside it"
    return ""


# --- one file alone


@dataclass(frozen=True, kw_only=True, slots=True)
class Inclusion:
    """All that is needed to prove one file of a package without the others."""

    name: str  # in the package
    sha256: str
    index: int  # of its leaf
    path: tuple[bytes, ...]  # hashes beside the way to the root
    signed: Signed

    def leaf(self) -> bytes:
        return f"{self.sha256}  {encoded_name(self.name)}\n".encode()


def inclusion_of(name: str, manifest: bytes, signed: Signed) -> Inclusion:
    """The proof of one payload file.

    Raises:
        FixityError: the package has no such file.
    """
    leaves = leaves_of(manifest)
    ending = f"  {encoded_name(name)}\n".encode()
    index = next((number for number, leaf in enumerate(leaves) if leaf.endswith(ending)), None)
    if index is None or leaves[index].index(b"  ") + len(ending) != len(leaves[index]):
        raise FixityError(f"the package has no file {name}.", hint="Name it as its manifest does: data/...")
    sha256 = leaves[index].split(b" ", 1)[0].decode()
    path = tuple(merkle.path_to(leaves, index))
    return Inclusion(name=name, sha256=sha256, index=index, path=path, signed=signed)


def write_inclusion(proof: Inclusion) -> str:
    """A proof as a text file that goes with the file it proves."""
    stamp = proof.signed.time_stamp
    told = {
        "format": INCLUSION_FORMAT,
        "name": proof.name,
        "sha256": proof.sha256,
        "index": proof.index,
        "path": [one.hex() for one in proof.path],
        "statement": proof.signed.statement.decode(),
        "signature": proof.signed.signature.hex(),
        "public_key": proof.signed.public_key.decode(),
        "time_stamp": None if stamp is None else base64.b64encode(stamp).decode(),
    }
    return json.dumps(told, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def read_inclusion(text: bytes) -> Inclusion:
    """Raises: FixityError: it is no proof as ``write_inclusion`` writes them."""
    try:
        told = json.loads(text)
        if told["format"] != INCLUSION_FORMAT:
            raise ValueError
        stamp = told["time_stamp"]
        return Inclusion(
            name=_text(told["name"]),
            sha256=_text(told["sha256"]),
            index=int(told["index"]),
            path=tuple(bytes.fromhex(one) for one in told["path"]),
            signed=Signed(
                statement=_text(told["statement"]).encode(),
                signature=bytes.fromhex(told["signature"]),
                public_key=_text(told["public_key"]).encode(),
                time_stamp=None if stamp is None else base64.b64decode(stamp, validate=True),
            ),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, binascii.Error):
        raise FixityError("it is not written as proofs of a file are.") from None


def inclusion_fault(proof: Inclusion, statement: Statement) -> str:
    """What is wrong with the way from a file's leaf to the root; empty where it leads there."""
    found = merkle.root_from(proof.leaf(), proof.index, statement.leaves, proof.path)
    return "" if found is not None and found.hex() == statement.root else "its path leads to another root"


def read_signed(files: Mapping[str, bytes]) -> Signed:
    """The proof of a package from the content of its files.

    Raises:
        FixityError: one of them is missing; it is named.
    """
    missing: Sequence[str] = [name for name in (STATEMENT, SIGNATURE, PUBLIC_KEY) if name not in files]
    if missing:
        raise FixityError(f"{missing[0]} is missing.")
    return Signed(
        statement=files[STATEMENT],
        signature=files[SIGNATURE],
        public_key=files[PUBLIC_KEY],
        time_stamp=files.get(TIME_STAMP),
    )
