"""Binary keccak trees as the contract climbs them. The twin of `TreeLib`.

Siblings go from the bottom up. `protocol.tape.merkle` builds whole trees.
"""

from collections.abc import Sequence

from protocol.crypto import cut_keccak256
from protocol.dispute.facts import LEAF_BYTES, depth_of
from protocol.dispute.names import hash2
from protocol.types import ZERO_HASH, Hash32

_WORD = 32


def climb(node: Hash32, index: int, siblings: Sequence[Hash32]) -> Hash32:
    """The root that a node and its siblings give. Bits of `index` above the siblings do not matter."""
    for height, sibling in enumerate(siblings):
        node = hash2(sibling, node) if index >> height & 1 else hash2(node, sibling)
    return node


def left_of(left: Hash32, index: int, siblings: Sequence[Hash32]) -> Hash32:
    """Chains the left siblings on the way down to node `index`, the topmost first, onto `left`."""
    for height in range(len(siblings) - 1, -1, -1):
        if index >> height & 1:
            left = hash2(left, siblings[height])
    return left


def left_among(left: Hash32, roots: Sequence[Hash32]) -> Hash32:
    """Chains the tensor roots of the outputs before one onto `left`."""
    for root in roots:
        left = hash2(left, root)
    return left


def layers_of(nodes: Sequence[Hash32]) -> list[list[Hash32]]:
    """All layers over 2^k nodes, the nodes first, the root last."""
    layers = [list(nodes)]
    while len(layers[-1]) > 1:
        last = layers[-1]
        layers.append([hash2(last[at], last[at + 1]) for at in range(0, len(last), 2)])
    return layers


def root_of(nodes: Sequence[Hash32]) -> Hash32:
    """The root over 2^k nodes."""
    return layers_of(nodes)[-1][0]


def leaf_hashes(leaves: bytes) -> list[Hash32]:
    """The hashes of whole leaves, back to back."""
    return [cut_keccak256(leaves[at : at + LEAF_BYTES]) for at in range(0, len(leaves), LEAF_BYTES)]


def words_of(data: bytes) -> list[Hash32]:
    """Words of 32 bytes, the last padded with zeros, and their number with zero words to a power of two."""
    words = [Hash32(data[at : at + _WORD].ljust(_WORD, b"\0")) for at in range(0, len(data), _WORD)]
    return words + [ZERO_HASH] * ((1 << depth_of(len(words))) - len(words))


def proof_of(nodes: Sequence[Hash32], index: int) -> tuple[Hash32, ...]:
    """The siblings of one of 2^k nodes, up to their root."""
    layers = layers_of(nodes)[:-1]
    return tuple(layer[(index >> height) ^ 1] for height, layer in enumerate(layers))
