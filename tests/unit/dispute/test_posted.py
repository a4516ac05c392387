"""The roots under a posted result as demands show them, of results that no outputs hash to as well."""

from dataclasses import replace
from random import Random

import pytest

from protocol.dispute.delivery import (
    Kind,
    PostedRoots,
    Shape,
    answer,
    gather,
    missing,
    posted_roots,
)
from protocol.dispute.delivery.names import Wanted
from protocol.tape import F32, TensorType
from protocol.tape.merkle import tree
from protocol.types import Hash32, InputError
from tests.delivered import made

SHAPE = Shape(3, (TensorType(F32, (5, 20)), TensorType(F32, (3,))))


def shown(root: Hash32, answers: dict[Wanted, bytes]) -> PostedRoots:
    return posted_roots(SHAPE, root, gather(SHAPE, root, answers))


def whole() -> tuple[Hash32, dict[Wanted, bytes]]:
    """A result, and the answers to all demands."""
    outputs, answers = made(SHAPE, Random(5)), dict[Wanted, bytes]()
    while fresh := missing(SHAPE, gather(SHAPE, outputs.root, answers)):
        answers |= {each.wanted: answer(outputs, each.wanted, each.spot) for each in fresh}
    return outputs.root, answers


def test_they_are_those_of_the_outputs_and_survive_a_file() -> None:
    root, answers = whole()
    outputs = made(SHAPE, Random(5))
    found = shown(root, answers)
    assert {number: item.root for number, item in found.items.items()} == dict(enumerate(outputs.roots))
    assert PostedRoots.from_bytes(found.to_bytes()) == found


def test_what_stands_behind_the_last_item_is_in_the_proofs() -> None:
    outputs = made(SHAPE, Random(5))
    words = b"".join(outputs.roots) + b"\7" * 24 + bytes(8)
    _, answers = whole()
    top = Wanted(Kind.ITEMS, tree(words).root, len(words))
    others = {wanted: data for wanted, data in answers.items() if wanted.kind is not Kind.ITEMS}
    found = shown(tree(words).root, others | {top: words})
    assert found.items[2].proof[0] == words[-32:]
    assert found.items[2].root == outputs.roots[2]


def test_hostile_files_are_refused() -> None:
    root, answers = whole()
    data = shown(root, answers).to_bytes()
    bent = bytearray(data)
    bent[-1] ^= 1
    for each in (b"", data[:20], data[:-1], bytes(bent), b"GVIT" + data):
        with pytest.raises(InputError):
            PostedRoots.from_bytes(each)
    found = shown(root, answers)
    item = found.items[0]
    with pytest.raises(InputError, match="no part of the posted result"):
        PostedRoots(found.root, {1: item})
    with pytest.raises(InputError, match="as many outputs"):
        PostedRoots(found.root, {**found.items, 1: replace(item, proof=item.proof[:1])})
