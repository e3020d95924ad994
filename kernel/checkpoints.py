"""What a recorder signs once a minute: the newest link of every source's chain, and the statement before.

A chain (``kernel.chain``) shows that no row in its middle was changed; that rows are missing at its very end
it cannot show. A signed statement can. Format and an outsider's verification: ``docs/design/segments.md``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kernel.errors import FootageError
from kernel.model.footage import ChainHead

VERSION = 1
NO_STATEMENT = "0" * 64
"""Hash of the previous statement where there is none."""

Heads = Mapping[str, ChainHead]
"""The newest link of each chain, by source."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """What is signed."""

    key_id: str
    number: int  # from 1, without holes, per key
    at_us: int
    previous: str  # SHA-256 of the previous statement; a new key's first one names another key's last
    heads: Heads  # those that are new since the previous statement, or all
    all_heads: str  # ``heads_hash`` of all of them


def heads_hash(heads: Heads) -> str:
    """SHA-256 over all heads in the order of their sources, lower-case hex."""
    return _sha256(_canonical(_plain(heads)))


def statement_hash(text: str) -> str:
    """SHA-256 of a statement's UTF-8 bytes, lower-case hex."""
    return _sha256(text)


def write_statement(statement: Statement) -> str:
    """The text that is signed: JSON with sorted keys and no spaces."""
    return _canonical(
        {
            "all_heads": statement.all_heads,
            "at_us": statement.at_us,
            "heads": _plain(statement.heads),
            "key": statement.key_id,
            "number": statement.number,
            "previous": statement.previous,
            "version": VERSION,
        }
    )


def read_statement(text: str) -> Statement:
    """Raises: FootageError: it is no statement as ``write_statement`` writes them."""
    try:
        told = json.loads(text)
        statement = Statement(
            key_id=told["key"],
            number=told["number"],
            at_us=told["at_us"],
            previous=told["previous"],
            heads={
                source: ChainHead(source_id=source, number=number, chain=chain)
                for source, (number, chain) in told["heads"].items()
            },
            all_heads=told["all_heads"],
        )
        _check_types(statement)
        as_written = write_statement(statement)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise FootageError("the statement makes no sense.") from None
    if as_written != text:
        raise FootageError("the statement is not written as statements are.")
    return statement


def _check_types(statement: Statement) -> None:
    heads = statement.heads.values()
    numbers = [statement.number, statement.at_us, *(head.number for head in heads)]
    texts = [statement.key_id, statement.previous, statement.all_heads, *(head.chain for head in heads)]
    if not all(type(one) is int for one in numbers) or not all(type(one) is str for one in texts):
        raise TypeError


def _plain(heads: Heads) -> dict[str, list[Any]]:
    return {source: [head.number, head.chain] for source, head in heads.items()}


def _canonical(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
