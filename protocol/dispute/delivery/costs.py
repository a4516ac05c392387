"""What it costs to demand all outputs of a job."""

from collections.abc import Iterator
from dataclasses import dataclass

from protocol.dispute.delivery.names import HASH_BYTES, Kind, size_of, step
from protocol.dispute.delivery.planning import Shape
from protocol.dispute.delivery.prices import ASK_GAS, COLLECT_GAS, answer_gas
from protocol.tape.merkle import depth_of
from protocol.tape.roots import leaf_count


@dataclass(frozen=True, slots=True)
class Estimate:
    """How many demands it takes, and gas: of the demander's transactions, and of the answers it repays."""

    demands: int
    gas: int


def estimate(shape: Shape) -> Estimate:
    """What demanding all outputs takes, if nobody has demanded anything yet."""
    if not shape.filled:
        return Estimate(0, 0)
    sizes = [*_sizes(Kind.ITEMS, shape.items), *[HASH_BYTES * len(shape.types)] * shape.items]
    for kind in shape.types:
        sizes += [*_sizes(Kind.NODES, leaf_count(kind))] * shape.items if leaf_count(kind) else []
    return _estimate(sizes)


def estimate_way(shape: Shape) -> Estimate:
    """What demanding the tensor roots of one item takes, and all that proves them."""
    sizes, level = [HASH_BYTES * len(shape.types)], shape.depth
    while level > 0:
        _, down = step(Kind.ITEMS, level)
        sizes.append(size_of(Kind.ITEMS, down))
        level -= down
    return _estimate(sizes)


def _estimate(sizes: list[int]) -> Estimate:
    return Estimate(len(sizes), sum(ASK_GAS + answer_gas(size) + COLLECT_GAS for size in sizes))


def _sizes(kind: Kind, leaves: int) -> Iterator[int]:
    """Sizes of all answers on the way down a tree over so many leaves."""
    level = depth_of(leaves)
    while level > 0 or kind is not Kind.ITEMS:
        shown, down = step(kind, level)
        yield from [size_of(shown, down)] * -(-leaves >> level)
        level -= down
        if shown is Kind.LEAVES:
            return
