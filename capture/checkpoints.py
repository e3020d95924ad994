"""Signs the heads of all chains, once a minute (``docs/design/segments.md``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from capture.recorder_key import recorder_key
from kernel.checkpoints import NO_STATEMENT, Statement, heads_hash, statement_hash, write_statement
from kernel.clock import Clock
from kernel.model.footage import ChainHead, Checkpoint, RecorderKey
from kernel.signing_key import SigningKey


class CheckpointRows(Protocol):
    """The catalogue's checkpoints; ``catalog.checkpoints.Checkpoints`` is one."""

    def add_key(self, key: RecorderKey) -> None:
        """Take in a public key; one that is known stays as it is."""

    def recorder_keys(self) -> list[RecorderKey]:
        """All keys, the oldest first."""

    def add(self, checkpoint: Checkpoint) -> None:
        """Record a checkpoint."""

    def newest(self, key_id: str) -> Checkpoint | None:
        """The last one of a key."""


class HeadRows(Protocol):
    """The chains; ``catalog.footage.Footage`` is one."""

    def chain_heads(self) -> list[ChainHead]:
        """The newest link of every source's chain."""


class Signer:
    """One for a ring. Synchronous."""

    def __init__(self, keys: Path, checkpoints: CheckpointRows, chains: HeadRows, clock: Clock) -> None:
        self._directory = keys
        self._checkpoints = checkpoints
        self._chains = chains
        self._clock = clock
        self._key: SigningKey | None = None  # read when it is first needed: recording never waits for it
        self._signed: Mapping[str, ChainHead] = {}  # heads as this signer last signed them

    def run_once(self) -> Checkpoint:
        """Sign the heads as they are now; the first statement of a signer names them all.

        Raises:
            StorageError: the key cannot be read or made.
            CatalogError: the catalogue does not answer, or another signer is at work.
        """
        key = self._key = self._key or self._open_key()
        heads = {head.source_id: head for head in self._chains.chain_heads()}
        last = self._checkpoints.newest(key.public.id)
        statement = Statement(
            key_id=key.public.id,
            number=last.number + 1 if last else 1,
            at_us=self._clock.now_us(),
            previous=self._previous(last),
            heads={source: head for source, head in heads.items() if self._signed.get(source) != head},
            all_heads=heads_hash(heads),
        )
        text = write_statement(statement)
        made = Checkpoint(
            key_id=statement.key_id,
            number=statement.number,
            at_us=statement.at_us,
            statement=text,
            signature=key.sign(text),
        )
        self._checkpoints.add(made)
        self._signed = heads
        return made

    def _open_key(self) -> SigningKey:
        key = recorder_key(self._directory)
        self._checkpoints.add_key(key.public)
        return key

    def _previous(self, last: Checkpoint | None) -> str:
        """A new key's first statement goes on from the last one of the key before it."""
        if last is None:
            others = [self._checkpoints.newest(key.id) for key in self._checkpoints.recorder_keys()]
            last = max((one for one in others if one), key=lambda one: one.at_us, default=None)
        return statement_hash(last.statement) if last else NO_STATEMENT
