"""How many levels an answer shows. The twin of `GameLib.step`."""

TRACE_STEP = 5
TENSOR_STEP = 4
LEAF_LEVELS = 3


def step(landed: bool, below: int) -> int:
    """Levels that an answer shows of a tree with `below` levels below the picked node.

    In a tensor (`landed`), `LEAF_LEVELS` levels or fewer are shown as whole leaves.
    """
    if not landed:
        return min(below, TRACE_STEP)
    return below if below <= LEAF_LEVELS else min(below - LEAF_LEVELS, TENSOR_STEP)


def shows_leaves(landed: bool, below: int) -> bool:
    """Whether the answer is `revealLeaves`."""
    return landed and below <= LEAF_LEVELS
