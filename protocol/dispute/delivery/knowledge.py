"""What a demander knows of an output tree: everything in it has been hashed up to the posted root."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from protocol.crypto import cut_keccak256
from protocol.dispute.delivery.names import Kind, Spot, Wanted, node_of, pieces, step
from protocol.tape.merkle import tree
from protocol.types import Hash32, InputError

Place = tuple[int, int]
"""Level above the leaves, and number on that level."""


@dataclass(frozen=True, slots=True)
class Known:
    """Known nodes of the items' tree; tensor roots by item; nodes and leaves of tensors by (item, output)."""

    items: Mapping[Place, Hash32]
    roots: Mapping[int, tuple[Hash32, ...]]
    nodes: Mapping[tuple[int, int, int, int], Hash32]
    """By item, output, level and number."""
    leaves: Mapping[tuple[int, int, int], bytes]
    """By item, output and number."""

    @classmethod
    def of_result(cls, output_root: Hash32, depth: int) -> "Known":
        """What everybody knows: the posted root, over a tree of this depth over the items."""
        return cls({(depth, 0): output_root}, {}, {}, {})


def learn(known: Known, wanted: Wanted, spot: Spot, depths: tuple[int, ...], data: bytes) -> Known:
    """Known with an answer. `depths` are those of the item's tensors.

    InputError unless the answer is the one wanted, and its node is known already at the spot.
    """
    if len(data) != wanted.size or node_of(wanted.kind, data) != wanted.node:
        raise InputError("these bytes are not what was demanded")
    if _at(known, wanted.kind, spot) != wanted.node:
        raise InputError("the answer hangs on a node that is not known to be part of the result")
    parts = [Hash32(part) for part in pieces(wanted.kind, data)]
    if wanted.kind is Kind.ROOTS:
        if len(parts) != len(depths):
            raise InputError(f"an item has {len(depths)} tensors, not {len(parts)}")
        tops = {(spot.item, i, depth, 0): parts[i] for i, depth in enumerate(depths)}
        return replace(known, roots={**known.roots, spot.item: tuple(parts)}, nodes={**known.nodes, **tops})
    below = _below(wanted.kind, spot, data)
    if wanted.kind is Kind.ITEMS:
        return replace(known, items={**known.items, **below})
    where = (spot.item, spot.output)
    nodes = {(*where, *place): node for place, node in below.items()}
    leaves = {}
    if wanted.kind is Kind.LEAVES:
        first = spot.index << spot.levels
        leaves = {(*where, first + i): bytes(part) for i, part in enumerate(parts)}
    return replace(known, nodes={**known.nodes, **nodes}, leaves={**known.leaves, **leaves})


def _at(known: Known, kind: Kind, spot: Spot) -> Hash32 | None:
    if kind is Kind.ITEMS:
        return known.items.get((spot.levels, spot.index))
    if kind is Kind.ROOTS:
        return known.items.get((0, spot.item))
    return known.nodes.get((spot.item, spot.output, spot.levels, spot.index))


def _below(kind: Kind, spot: Spot, data: bytes) -> dict[Place, Hash32]:
    """Every node between the answer and the node that it hangs on, the answer's own included."""
    _, down = step(kind, spot.levels)
    hashes = b"".join(map(cut_keccak256, pieces(kind, data))) if kind is Kind.LEAVES else data
    layers = tree(hashes).layers
    return {
        (spot.levels - down + height, (spot.index << down - height) + i): Hash32(layer[32 * i : 32 * i + 32])
        for height, layer in enumerate(layers)
        for i in range(len(layer) // 32)
    }
