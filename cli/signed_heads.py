"""Verifies the signed heads of all chains: signatures, numbers, hashes, and every head in its chain."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from capture.recorder_key import PUBLIC_NAME
from catalog.catalogue import Catalogue
from cli.moments import shown
from kernel.checkpoints import NO_STATEMENT, Statement, heads_hash, read_statement, statement_hash
from kernel.errors import FootageError
from kernel.model.footage import ChainHead, Checkpoint, RecorderKey

_PAGE = 1000  # checkpoints at a time


@dataclass(kw_only=True, slots=True)
class SignedHeads:
    """What was found."""

    faults: list[tuple[str, str]] = field(default_factory=list)  # what it is about, what is wrong
    notes: list[str] = field(default_factory=list)  # what a reader should know, and is no fault


def check_signed_heads(catalogue: Catalogue, keys_dir: Path) -> SignedHeads:
    """Verify every checkpoint of every key."""
    found = SignedHeads()
    keys = catalogue.checkpoints.recorder_keys()
    walks = [_Walk(catalogue, key) for key in keys]
    begun_from = frozenset(walk.began_from for walk in walks if walk.began_from)
    for walk in walks:
        found.faults += walk.faults(begun_from)
    found.faults += _beginning_faults(walks)
    found.faults += _public_key_faults(keys, keys_dir)
    found.notes += _replaced(keys)
    found.notes += _unsigned(catalogue.footage.chain_heads(), walks)
    return found


class _Walk:
    """Goes through the checkpoints of one key, in order."""

    def __init__(self, catalogue: Catalogue, key: RecorderKey) -> None:
        self._catalogue = catalogue
        self._number = 0
        self._last = ""  # hash of the statement before
        self.key = key
        self.heads: dict[str, ChainHead] = {}
        self.began_from = _began_from(catalogue, key)
        self.passed: set[str] = set()  # hashes of statements from which another key went on

    def faults(self, begun_from: frozenset[str]) -> Iterator[tuple[str, str]]:
        """All but whether its first statement goes on from one that there is."""
        if hashlib.sha256(_raw(self.key)).hexdigest() != self.key.id:
            yield f"key {self.key.id}", "its id is not the SHA-256 of its public key"
        broken: dict[str, list[str]] = {}
        while page := self._catalogue.checkpoints.after(self.key.id, self._number, _PAGE):
            signed: list[ChainHead] = []
            for one in page:
                statement, wrong = self._statement(one)
                if wrong:
                    yield f"checkpoint {one.number} of key {self.key.id}", wrong
                if statement is not None:
                    signed += statement.heads.values()
                self._number, self._last = one.number, statement_hash(one.statement)
                self.passed |= begun_from & {self._last}
            for head, why in _not_in_chain(self._catalogue, signed):
                broken.setdefault(head.source_id, []).append(f"number {head.number} {why}")
        for source_id, which in sorted(broken.items()):
            more = f", and {len(which) - 1} more" if len(which) > 1 else ""
            yield f"signed chain of {source_id}", which[0] + more

    def _statement(self, one: Checkpoint) -> tuple[Statement | None, str]:
        """What was signed, if it can be read, and what is wrong with it."""
        try:
            statement = read_statement(one.statement)
        except FootageError as error:
            return None, error.message
        self.heads.update(statement.heads)
        if not _verified(self.key, one):
            return statement, "its signature does not fit"
        if (statement.key_id, statement.number, statement.at_us) != (one.key_id, one.number, one.at_us):
            return statement, "its row says another key, number or time than what was signed"
        if one.number != self._number + 1:
            return statement, f"number {self._number + 1} was expected: checkpoints are missing"
        if statement.previous != (self._last or self.began_from):
            return statement, "the statement before it is not the one it names: it was changed or removed"
        if statement.all_heads != heads_hash(self.heads):
            return statement, "its heads do not add up to all that were signed: a chain was missing then"
        return statement, ""


def _began_from(catalogue: Catalogue, key: RecorderKey) -> str | None:
    """What a key's first statement names as the one before it; None where that cannot be told."""
    try:
        first = catalogue.checkpoints.after(key.id, 0, 1)
        return read_statement(first[0].statement).previous if first and first[0].number == 1 else None
    except FootageError:
        return None


def _beginning_faults(walks: Sequence[_Walk]) -> Iterator[tuple[str, str]]:
    """Each key but the first goes on from a statement of another one."""
    passed = {one for walk in walks for one in walk.passed}
    for number, walk in enumerate(walks):
        expected = passed if number else {NO_STATEMENT, *passed}
        if walk.began_from is not None and walk.began_from not in expected:
            yield f"checkpoint 1 of key {walk.key.id}", "the last statement of the key before it is missing"


def _raw(key: RecorderKey) -> bytes:
    try:
        return bytes.fromhex(key.public_key)
    except ValueError:
        return b""


def _verified(key: RecorderKey, one: Checkpoint) -> bool:
    try:
        public = Ed25519PublicKey.from_public_bytes(_raw(key))
        public.verify(bytes.fromhex(one.signature), one.statement.encode("utf-8", "surrogatepass"))
    except (ValueError, InvalidSignature):
        return False
    return True


def _not_in_chain(catalogue: Catalogue, signed: Sequence[ChainHead]) -> Iterator[tuple[ChainHead, str]]:
    """Signed heads that the catalogue's rows no longer bear out."""
    by_source: dict[str, list[ChainHead]] = {}
    for head in signed:
        by_source.setdefault(head.source_id, []).append(head)
    for source_id, heads in by_source.items():
        numbers = [head.number for head in heads]
        chain = catalogue.footage.chain_values(source_id, min(numbers), max(numbers))
        for head in heads:
            value = chain.get(head.number)
            if value is None:
                yield head, "was signed and is missing"
            elif value != head.chain:
                yield head, "is not what was signed"


def _public_key_faults(keys: Sequence[RecorderKey], keys_dir: Path) -> Iterator[tuple[str, str]]:
    """The key beside the recorder's own is the one that the catalogue names."""
    path = keys_dir / PUBLIC_NAME
    try:
        public = load_pem_public_key(path.read_bytes())
    except FileNotFoundError:
        return
    except (OSError, ValueError):
        yield str(path), "it cannot be read as a public key"
        return
    known = {key.public_key for key in keys}
    if not isinstance(public, Ed25519PublicKey) or public.public_bytes_raw().hex() not in known:
        yield str(path), "the catalogue does not know this key"


def _replaced(keys: Sequence[RecorderKey]) -> Iterator[str]:
    for before, after in pairwise(keys):
        yield f"key {before.id[:16]} was replaced by {after.id[:16]} at {shown(after.made_us)}"


def _unsigned(now: Sequence[ChainHead], walks: Sequence[_Walk]) -> Iterator[str]:
    for head in now:
        signed = (walk.heads[head.source_id].number for walk in walks if head.source_id in walk.heads)
        behind = head.number - max(signed, default=0)
        if behind > 0:
            yield f"{head.source_id}: the newest {behind} segments are not signed yet"
