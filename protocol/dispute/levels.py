"""How many levels an answer shows. The twin of `GameLib.step`."""

MOST_LEVELS = 5
LEAF_LEVELS = 3


def step(landed: bool, below: int) -> int:
    """Levels that an answer shows of a tree with `below` levels below the picked node.

    In a tensor (`landed`), `LEAF_LEVELS` levels or fewer are shown as whole leaves. A leaf costs as much as
    five hashes: so of the ways with the fewest answers it is one that ends with four leaves, if there is one,
    and with even steps before.
    """
    if not landed:
        return min(below, MOST_LEVELS)
    if below <= LEAF_LEVELS:
        return below
    answers = -(-(below - LEAF_LEVELS) // MOST_LEVELS)
    few = below - (LEAF_LEVELS - 1)
    return -(-(few if few <= MOST_LEVELS * answers else below - LEAF_LEVELS) // answers)


def shows_leaves(landed: bool, below: int) -> bool:
    """Whether the answer is `revealLeaves`."""
    return landed and below <= LEAF_LEVELS
