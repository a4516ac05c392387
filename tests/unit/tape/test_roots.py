"""Commitments: built a second time from the words of docs/tape.md, and their proofs."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from protocol.crypto.hashing import keccak256
from protocol.tape import F32, I8, I32, TensorType, roots
from protocol.tape.encoding import node_headers
from protocol.tape.limits import MAX_ITEMS
from protocol.tape.merkle import ZERO_LEAF, climb, depth_of, tree, verify
from protocol.tape.roots import (
    TAG_NODE,
    item_root,
    items_root,
    items_tree,
    leaf_count,
    leaf_of,
    nodes_tree,
    program_root,
    tensor_nodes,
    tensor_root,
    tensor_tree,
)
from protocol.types import ZERO_HASH, Hash32
from protocol.types.errors import InputError
from tests.strategies.tapes import random_tape, tensor


def cut(data: bytes) -> bytes:
    """As every hash in a tree is."""
    return keccak256(data)[:24] + bytes(8)


def plain_root(leaves: list[bytes], pad: bytes) -> bytes:
    """A padded binary tree, by recursion over halves."""
    size = 1
    while size < len(leaves):
        size *= 2
    padded = leaves + [pad] * (size - len(leaves))

    def root(part: list[bytes]) -> bytes:
        if len(part) == 1:
            return part[0]
        half = len(part) // 2
        return cut(root(part[:half]) + root(part[half:]))

    return root(padded)


@pytest.mark.parametrize("shape", [(), (1,), (32,), (33,), (3, 31), (5, 64), (2, 2, 65), (7, 0), (0, 7)])
@pytest.mark.parametrize("dtype", [F32, I32, I8])
def test_every_row_starts_a_new_leaf(dtype: object, shape: tuple[int, ...]) -> None:
    kind = TensorType(dtype, shape)  # type: ignore[arg-type]
    array = tensor(Random(1), kind)
    rows = array.reshape(kind.rows, kind.columns) if shape else array.reshape(1, 1)
    leaves = []
    for row in rows:
        data = row.tobytes()
        leaves += [cut(data[at : at + 128].ljust(128, b"\0")) for at in range(0, len(data), 128)]
    assert len(leaves) == leaf_count(kind)
    assert tensor_root(kind, array.tobytes()) == plain_root(leaves or [ZERO_LEAF], cut(bytes(128)))


@pytest.mark.parametrize("block", [0, 1, 2, 13])
@pytest.mark.parametrize(
    "shape", [(), (1,), (3, 31), (5, 64), (2, 2, 65), (7, 0), (33, 1), (2, 200), (3, 129)]
)
def test_nodes_of_any_place_are_those_of_the_tree(
    shape: tuple[int, ...], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made of blocks of leaves, which may begin and end within a row."""
    monkeypatch.setattr(roots, "_BLOCK_LEVEL", block)
    kind = TensorType(F32, shape)
    data = tensor(Random(1), kind).tobytes()
    held = tensor_tree(kind, data)
    assert tensor_root(kind, data) == held.root
    for level in range(held.depth + 1):
        for first in range((1 << held.depth - level) + 1):
            for count in (1, 2, 4):
                wanted = [held.hash_at(level, first + number) for number in range(count)]
                assert tensor_nodes(kind, data, (level, first, count)) == b"".join(wanted)


def test_an_element_s_leaf_and_byte() -> None:
    kind = TensorType(F32, (3, 40))
    assert leaf_of(kind, 0) == (0, 0)
    assert leaf_of(kind, 39) == (1, 28)
    assert leaf_of(kind, 40) == (2, 0)
    assert leaf_of(TensorType(I8, (4, 130)), 130 + 129) == (3, 1)
    array = np.arange(120, dtype=np.float32).reshape(3, 40)
    leaf, byte = leaf_of(kind, 75)
    held = tensor_tree(kind, array.tobytes())
    data = array[1, 32:].tobytes().ljust(128, b"\0")
    assert np.frombuffer(data, np.float32)[byte // 4] == 75
    assert held.hash_at(0, leaf) == cut(data)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 13])
def test_proofs_hold_for_their_place_only(count: int) -> None:
    leaves = [keccak256(bytes([i])) for i in range(count)]
    held = tree(b"".join(leaves))
    assert held.root == plain_root(list(leaves), ZERO_HASH)
    assert held.depth == depth_of(count)
    for index, leaf in enumerate(leaves):
        proof = held.proof(index)
        assert verify(held.root, leaf, index, held.depth, proof)
        assert not verify(held.root, leaf, index ^ 1, held.depth, proof) or count == 1
        assert not verify(held.root, leaf, index + (1 << held.depth), held.depth, proof)
        assert not verify(held.root, leaf, index, held.depth + 1, proof)
        assert not verify(held.root, keccak256(leaf), index, held.depth, proof)
    if count == 5:  # the padding has its place and proof too
        assert verify(held.root, ZERO_HASH, 7, held.depth, held.proof(7))
    with pytest.raises(InputError):
        held.proof(1 << held.depth)


def test_item_and_output_roots() -> None:
    types = (TensorType(F32, (2, 2)), TensorType(I8, (3,)))
    arrays = [tensor(Random(i), kind) for i, kind in enumerate(types)]
    roots = [tensor_root(kind, array.tobytes()) for kind, array in zip(types, arrays, strict=True)]
    root = item_root(types, arrays)
    assert root == keccak256(keccak256(b"gavel.tape.item.v1") + b"".join(roots))
    assert items_root([root]) == root
    assert items_root([root, root, root]) == plain_root([root] * 3, ZERO_HASH)
    with pytest.raises(InputError):
        items_root([])


def test_a_job_has_one_item_at_least_and_a_million_at_most() -> None:
    """A place among them is four bytes in the contracts, and a proof has twenty levels at most."""
    for count in (0, MAX_ITEMS + 1):
        with pytest.raises(InputError, match=f"{count} items, not 1"):
            items_tree([ZERO_HASH] * count)
    assert items_tree([ZERO_HASH]).root == ZERO_HASH


def test_any_change_of_a_tape_changes_its_root() -> None:
    tape, _ = random_tape(Random(8), 6)
    roots = {program_root(tape)}
    held = tape.constants[0]
    flipped = bytearray(held.data)
    flipped[0] ^= 1
    roots.add(
        program_root(replace(tape, constants=(replace(held, data=bytes(flipped)), *tape.constants[1:])))
    )
    roots.add(program_root(replace(tape, outputs=tape.outputs % len(tape.nodes) + 1)))
    roots.add(program_root(replace(tape, nodes=tape.nodes[:-1], outputs=1)))
    wider = TensorType(tape.inputs[2].dtype, (*tape.inputs[2].shape, 1))
    reads_it = any(2 in node.sources for node in tape.nodes)
    if not reads_it:
        roots.add(program_root(replace(tape, inputs=(*tape.inputs[:2], wider))))
    assert len(roots) == 5 - reads_it


def test_a_node_s_header_is_proven_against_the_nodes_root() -> None:
    tape, _ = random_tape(Random(9), 6)
    held = nodes_tree(tape)
    for index, header in enumerate(node_headers(tape)):
        assert climb(keccak256(TAG_NODE + header), index, held.proof(index)) == held.root


def test_a_tensor_of_another_size_is_refused() -> None:
    with pytest.raises(InputError):
        tensor_root(TensorType(F32, (2,)), bytes(9))
    assert isinstance(tensor_root(TensorType(F32, (2,)), bytes(8)), bytes)
    assert len(Hash32(ZERO_HASH)) == 32
