"""The way to the first item that differs from one's own run: few demands, however large the outputs are."""

from protocol.dispute.delivery.knowledge import Known
from protocol.dispute.delivery.planning import Demand, Shape, towards_item
from protocol.tape.merkle import Nodes


def towards_difference(shape: Shape, known: Known, own: Nodes) -> list[Demand]:
    """The demand that leads furthest to the first item whose root is not one's own; none once all is known
    that a challenge of it needs, or nothing differs.

    Nor is any made where what differs lies beyond the items.
    """
    level, index = shape.depth, 0
    if known.items[level, index] == own.root:
        return []
    while level:
        pair = [(level - 1, 2 * index), (level - 1, 2 * index + 1)]
        if pair[0] not in known.items:
            break
        level, index = next(place for place in pair if known.items[place] != own.hash_at(*place))
    item = index << level
    if item >= shape.items or item in known.roots:
        return []
    return [towards_item(shape, known, item)]
