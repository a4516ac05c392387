"""The way to the first item that differs is short, and what is found there is enough for a challenge."""

from random import Random

import pytest

from protocol.dispute.delivery import (
    Shape,
    Wanted,
    answer,
    estimate_way,
    gather,
    posted_roots,
    towards_difference,
)
from protocol.tape import F32, TensorType
from protocol.tape.merkle import Tree, tree
from protocol.tape.roots import items_tree
from protocol.types import Hash32
from tests.delivered import Made, made

SHAPE = Shape(2_000, (TensorType(F32, (3,)), TensorType(F32, ())))
OUTPUTS = made(SHAPE, Random(7))


def own(*wrong: int) -> Tree:
    """The tree of a run that differs in these items from what is posted."""
    roots = list(OUTPUTS.roots)
    for item in wrong:
        roots[item] = Hash32(b"own run".ljust(24) + bytes(8))
    return items_tree(roots)


def way(outputs: Made, mine: Tree) -> tuple[dict[Wanted, bytes], object]:
    """All answers on the way, and what is known at its end."""
    answers = dict[Wanted, bytes]()

    def next_of(known):
        return towards_difference(SHAPE, known, mine)

    while fresh := next_of(known := gather(SHAPE, outputs.root, answers, next_of)):
        answers |= {each.wanted: answer(outputs, each.wanted, each.spot) for each in fresh}
    return answers, known


@pytest.mark.parametrize("first", [0, 31, 32, 777, 1_999])
def test_a_few_demands_lead_to_the_first_item_that_differs(first: int) -> None:
    answers, known = way(OUTPUTS, own(first, 1_999))
    found = posted_roots(SHAPE, OUTPUTS.root, known)
    assert [(number, item.root) for number, item in found.items.items()] == [(first, OUTPUTS.roots[first])]
    assert len(answers) == estimate_way(SHAPE).demands == 4


def test_nothing_is_demanded_where_nothing_differs() -> None:
    assert way(OUTPUTS, own())[0] == {}


def test_what_differs_beyond_the_items_is_known_without_any_item() -> None:
    behind = tree(b"".join(OUTPUTS.roots) + b"\7" * 32)
    known = gather(SHAPE, behind.root, {})
    nodes = {
        (level, index): behind.hash_at(level, index)
        for level in range(behind.depth + 1)
        for index in range(1 << behind.depth - level)
    }
    known.items.update(nodes)  # type: ignore[attr-defined]
    assert towards_difference(SHAPE, known, own()) == []
