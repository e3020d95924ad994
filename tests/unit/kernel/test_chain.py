"""The chain over a source's segments."""

from __future__ import annotations

import hashlib

import pytest

from kernel.chain import GENESIS_CHAIN, chain_value


def test_a_value_is_the_hash_of_the_bytes_of_both() -> None:
    digest = hashlib.sha256(b"footage").digest()
    assert chain_value(GENESIS_CHAIN, digest) == hashlib.sha256(bytes(32) + digest).hexdigest()


def test_another_order_gives_another_chain() -> None:
    one, other = hashlib.sha256(b"one").digest(), hashlib.sha256(b"other").digest()
    there = chain_value(chain_value(GENESIS_CHAIN, one), other)
    assert there != chain_value(chain_value(GENESIS_CHAIN, other), one)


def test_what_is_no_hash_is_refused() -> None:
    with pytest.raises(ValueError, match="hex"):
        chain_value("见", bytes(32))
