"""A Merkle tree over the files of a package: one hash for all, and a short proof for each. Pure.

As certificate transparency has it (RFC 6962, 2.1; checking a proof: RFC 9162, 2.1.3.2), with SHA-256. A leaf
is a file's line in ``manifest-sha256.txt``, line feed included: hash and name of the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

_LEAF = b"\0"
_NODE = b"\1"
"""A node can never be shown as a leaf, nor a leaf as a node."""


def leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(_LEAF + leaf).digest()


def _node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(_NODE + left + right).digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The hash of the whole tree: MTH of RFC 6962, 2.1."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    half = _largest_power_below(len(leaves))
    return _node_hash(root_of(leaves[:half]), root_of(leaves[half:]))


def path_to(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The hashes beside the way from a leaf up to the root: PATH of RFC 6962, 2.1.1."""
    if len(leaves) == 1:
        return []
    half = _largest_power_below(len(leaves))
    if index < half:
        return [*path_to(leaves[:half], index), root_of(leaves[half:])]
    return [*path_to(leaves[half:], index - half), root_of(leaves[:half])]


def root_from(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that a leaf and its path lead to; None where there is no such place in a tree of that size.

    RFC 9162, 2.1.3.2.
    """
    if not 0 <= index < size:
        return None
    place, last, found = index, size - 1, leaf_hash(leaf)
    for beside in path:
        if last == 0:
            return None
        if place % 2 or place == last:
            found = _node_hash(beside, found)
            while place % 2 == 0 and place:
                place, last = place // 2, last // 2
        else:
            found = _node_hash(found, beside)
        place, last = place // 2, last // 2
    return found if last == 0 else None


def _largest_power_below(count: int) -> int:
    """The largest power of two that is smaller than a number above one."""
    return 1 << (count - 1).bit_length() - 1
