"""Which demand comes next, from what is known, on the way to wanted leaves."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from protocol.dispute.delivery.knowledge import Known
from protocol.dispute.delivery.names import NO_ANSWER, Kind, Spot, Wanted, size_of, step
from protocol.dispute.delivery.prices import BIG_OUTPUT
from protocol.tape import TensorType
from protocol.tape.merkle import depth_of, root_of_zeros
from protocol.tape.roots import leaf_count
from protocol.types import Hash32, InputError


@dataclass(frozen=True)
class Shape:
    """What a job puts out: how many items, of which tensors."""

    items: int
    types: tuple[TensorType, ...]

    @cached_property
    def depth(self) -> int:
        """Levels of the items' tree."""
        return depth_of(self.items)

    @cached_property
    def depths(self) -> tuple[int, ...]:
        """Levels of each tensor's tree."""
        return tuple(depth_of(leaf_count(kind)) for kind in self.types)

    @cached_property
    def filled(self) -> tuple[int, ...]:
        """The outputs that have leaves. Nothing is withheld of the others, however many there are."""
        return tuple(output for output, kind in enumerate(self.types) if leaf_count(kind))

    @property
    def leaves(self) -> int:
        """Leaves of all tensors of all items."""
        return self.items * sum(map(leaf_count, self.types))

    @property
    def big(self) -> bool:
        """Whether demanding all of it is more than can be asked of a client (RULES 24)."""
        return self.leaves > BIG_OUTPUT


@dataclass(frozen=True, slots=True)
class DemandItems:
    """`Delivery.demandItems`: siblings from the node up to the posted result.

    A node beyond the items is proven so too; unless it is zero at its level, the call convicts.
    """

    wanted: Wanted
    spot: Spot
    siblings: tuple[Hash32, ...]


@dataclass(frozen=True, slots=True)
class DemandRoots:
    """`Delivery.demandRoots`: siblings from the item's root up to the posted result."""

    wanted: Wanted
    spot: Spot
    siblings: tuple[Hash32, ...]


@dataclass(frozen=True, slots=True)
class DemandOutput:
    """`Delivery.demandOutput`: siblings from the node up to its tensor's root, and what proves that root."""

    wanted: Wanted
    spot: Spot
    siblings: tuple[Hash32, ...]
    item_siblings: tuple[Hash32, ...]
    roots: tuple[Hash32, ...]


Demand = DemandItems | DemandRoots | DemandOutput
Reader = Callable[[int, int], Hash32 | None]
"""The known node at a level and a number."""


def demands(shape: Shape, known: Known, item: int, output: int, leaves: Iterable[int]) -> list[Demand]:
    """The demands that can be made now on the way to these leaves, each once; none if all are known."""
    found = (next_demand(shape, known, item, output, leaf) for leaf in leaves)
    return list(dict.fromkeys(each for each in found if each is not None))


def next_demand(shape: Shape, known: Known, item: int, output: int, leaf: int) -> Demand | None:
    """The demand that leads furthest towards a leaf; None if the leaf is known.

    InputError if the job has no such leaf: what lies outside a shape is zero, and nothing is withheld there.
    """
    if not (0 <= item < shape.items and 0 <= output < len(shape.types)):
        raise InputError(f"there is no output {output} of item {item}")
    if not 0 <= leaf < leaf_count(shape.types[output]):
        raise InputError(f"output {output} has no leaf {leaf}")
    if (item, output, leaf) in known.leaves:
        return None

    def items(level: int, index: int) -> Hash32 | None:
        return known.items.get((level, index))

    def nodes(level: int, index: int) -> Hash32 | None:
        return known.nodes.get((item, output, level, index))

    if item not in known.roots:
        return towards_item(shape, known, item)
    depth = shape.depths[output]
    level = next(level for level in range(depth + 1) if nodes(level, leaf >> level) is not None)
    index = leaf >> level
    kind, down = step(Kind.NODES, level)
    return DemandOutput(
        Wanted(kind, _have(nodes(level, index)), size_of(kind, down)),
        Spot(item, output, index, level),
        _siblings(nodes, level, index, depth),
        _siblings(items, 0, item, shape.depth),
        known.roots[item],
    )


def beyond(shape: Shape, known: Known) -> list[DemandItems]:
    """The known nodes of the items' tree that lie beyond the items and are not zero: each convicts the lease.

    None of an honest result. All that can be found are known with the siblings of the last item's root.
    """

    def items(level: int, index: int) -> Hash32 | None:
        return known.items.get((level, index))

    return [
        DemandItems(
            Wanted(Kind.ITEMS, node, NO_ANSWER),
            Spot(0, 0, index, level),
            _siblings(items, level, index, shape.depth),
        )
        for (level, index), node in known.items.items()
        if index << level >= shape.items and node != root_of_zeros(level)
    ]


def towards_item(shape: Shape, known: Known, item: int) -> DemandItems | DemandRoots:
    """The demand that leads furthest towards the tensor roots of an item, which are not known."""

    def items(level: int, index: int) -> Hash32 | None:
        return known.items.get((level, index))

    level = next(level for level in range(shape.depth + 1) if items(level, item >> level) is not None)
    index = item >> level
    siblings = _siblings(items, level, index, shape.depth)
    node = _have(items(level, index))
    if level == 0:
        wanted = Wanted(Kind.ROOTS, node, 32 * len(shape.types))
        return DemandRoots(wanted, Spot(item, 0, 0, 0), siblings)
    _, down = step(Kind.ITEMS, level)
    wanted = Wanted(Kind.ITEMS, node, size_of(Kind.ITEMS, down))
    return DemandItems(wanted, Spot(0, 0, index, level), siblings)


def _siblings(nodes: Reader, level: int, index: int, depth: int) -> tuple[Hash32, ...]:
    return tuple(_have(nodes(level + up, index >> up ^ 1)) for up in range(depth - level))


def _have(node: Hash32 | None) -> Hash32:
    """A node known together with what was asked for: an answer names all nodes on its levels."""
    if node is None:
        raise InputError("a node is known without its sibling")
    return node
