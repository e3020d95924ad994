"""The tree over a package's files: known roots, and proofs that cannot be bent."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.merkle import leaf_hash, path_to, root_from, root_of

LEAVES = [
    bytes.fromhex(one)
    for one in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [  # of the first one, two, ... of them: test vectors of certificate transparency
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

TREES = st.lists(st.binary(max_size=8), min_size=1, max_size=40)


@pytest.mark.parametrize("count", range(1, 9))
def test_roots_are_those_that_others_compute(count: int) -> None:
    assert root_of(LEAVES[:count]).hex() == ROOTS[count - 1]


def test_a_tree_without_leaves_has_a_root_too() -> None:
    assert root_of([]) == hashlib.sha256(b"").digest()


@given(leaves=TREES, data=st.data())
def test_each_leaf_leads_to_the_root_by_its_path(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = path_to(leaves, index)
    assert root_from(leaves[index], index, len(leaves), path) == root_of(leaves)


@given(leaves=TREES, data=st.data())
def test_no_other_leaf_place_or_path_leads_there(leaves: list[bytes], data: st.DataObject) -> None:
    size, root = len(leaves), root_of(leaves)
    index = data.draw(st.integers(0, size - 1))
    path = path_to(leaves, index)
    assert root_from(leaves[index] + b"x", index, size, path) != root
    assert root_from(leaves[index], index, size, [*path, bytes(32)]) is None
    assert root_from(leaves[index], size, size, path) is None
    assert root_from(leaves[index], -1, size, path) is None
    for number in range(len(path)):
        shorter = path[:number] + path[number + 1 :]
        assert root_from(leaves[index], index, size, shorter) != root
        bent = [*path[:number], bytes(32), *path[number + 1 :]]
        assert root_from(leaves[index], index, size, bent) != root


def test_a_node_cannot_be_shown_as_a_leaf() -> None:
    """Without prefixes two leaves would be one leaf of 64 bytes."""
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert root_of([b"a", b"b"]) != leaf_hash(left + right)
    assert root_of([b"a", b"b"]) != hashlib.sha256(left + right).digest()
