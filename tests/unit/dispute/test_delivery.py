"""Delivery on demand without a chain: from the posted root to any wanted bytes by the answers alone."""

from dataclasses import replace
from random import Random

import pytest

from protocol.crypto import keccak256
from protocol.dispute.delivery import (
    BIG_OUTPUT,
    DemandOutput,
    Kind,
    Known,
    Shape,
    answer,
    demands,
    learn,
    next_demand,
    node_of,
)
from protocol.tape import F32, I8, I32, TensorType
from protocol.tape.merkle import climb
from protocol.tape.roots import item_root_of, items_root, leaf_count, tensor_root
from protocol.types import BrokenInvariant, InputError
from tests.delivered import Made, made

SHAPES = [
    Shape(1, (TensorType(F32, (4,)),)),
    Shape(3, (TensorType(F32, (100, 32)), TensorType(I32, (5,)))),
    Shape(37, (TensorType(I8, (3, 130)), TensorType(F32, ()))),
    Shape(2, (TensorType(F32, (1500, 40)),)),
]


def forced_out(made: Made, item: int, output: int, leaf: int) -> tuple[Known, int]:
    """Demand and answer until the leaf is known; the number of demands too."""
    known = Known.of_result(made.root, made.shape.depth)
    for count in range(20):
        demand = next_demand(made.shape, known, item, output, leaf)
        if demand is None:
            return known, count
        data = answer(made, demand.wanted, demand.spot)
        known = learn(known, demand.wanted, demand.spot, made.shape.depths, data)
    raise AssertionError("demands lead nowhere")


@pytest.mark.parametrize("shape", SHAPES)
def test_every_leaf_can_be_forced_out(shape: Shape) -> None:
    rng = Random(1)
    outputs = made(shape, rng)
    for _ in range(6):
        item, output = rng.randrange(shape.items), rng.randrange(len(shape.types))
        leaf = rng.randrange(leaf_count(shape.types[output]))
        known, _ = forced_out(outputs, item, output, leaf)
        assert known.leaves[item, output, leaf] == outputs.leaf(item, output, leaf)


def test_what_is_demanded_hangs_on_the_result_by_its_siblings() -> None:
    outputs = made(SHAPES[3], Random(2))
    known = Known.of_result(outputs.root, 1)
    while (demand := next_demand(outputs.shape, known, 1, 0, 2999)) is not None:
        node = climb(demand.wanted.node, demand.spot.index, demand.siblings)
        if isinstance(demand, DemandOutput):
            assert node == demand.roots[0]
            node = climb(item_root_of(demand.roots), demand.spot.item, demand.item_siblings)
        elif demand.wanted.kind is Kind.ROOTS:
            node = climb(demand.wanted.node, demand.spot.item, demand.siblings)
        assert node == outputs.root
        assert demand.wanted.size <= 4096
        data = answer(outputs, demand.wanted, demand.spot)
        assert node_of(demand.wanted.kind, data) == demand.wanted.node
        known = learn(known, demand.wanted, demand.spot, outputs.shape.depths, data)


def test_demands_of_a_range_are_made_once_each() -> None:
    outputs = made(SHAPES[1], Random(3))
    known, _ = forced_out(outputs, 0, 0, 0)
    now = demands(outputs.shape, known, 0, 0, range(100))
    assert [(each.spot.index, each.wanted.kind) for each in now] == [(i, Kind.LEAVES) for i in (1, 2, 3)]
    for demand in now:
        data = answer(outputs, demand.wanted, demand.spot)
        known = learn(known, demand.wanted, demand.spot, outputs.shape.depths, data)
    assert demands(outputs.shape, known, 0, 0, range(100)) == []
    whole = b"".join(known.leaves[0, 0, i] for i in range(100))
    assert whole == outputs.tensor(0, 0)


def test_an_answer_that_was_not_demanded_is_refused() -> None:
    outputs = made(SHAPES[1], Random(4))
    known = Known.of_result(outputs.root, 2)
    demand = next_demand(outputs.shape, known, 0, 0, 0)
    assert demand is not None
    data = answer(outputs, demand.wanted, demand.spot)
    for other in (data[:-1], data + b"\0", bytes(len(data)), b""):
        with pytest.raises(InputError, match=r"not what was demanded|no answer"):
            learn(known, demand.wanted, demand.spot, outputs.shape.depths, other)
    moved = replace(demand.spot, levels=1)
    with pytest.raises(InputError, match="not known to be part"):
        learn(known, demand.wanted, moved, outputs.shape.depths, data)


def test_what_does_not_exist_is_not_demanded() -> None:
    shape, known = SHAPES[1], Known.of_result(keccak256(b"root"), 2)
    for item, output, leaf in ((3, 0, 0), (-1, 0, 0), (0, 2, 0), (0, 0, 100), (0, 1, 1)):
        with pytest.raises(InputError):
            next_demand(shape, known, item, output, leaf)


def test_a_provider_never_answers_with_other_bytes_than_it_posted() -> None:
    outputs = made(SHAPES[1], Random(5))
    known, _ = forced_out(outputs, 0, 0, 0)
    (demand, *_) = demands(outputs.shape, known, 0, 0, [40])
    spoilt = replace(outputs, raw={**outputs.raw, (0, 0): bytes(12800)})
    with pytest.raises(BrokenInvariant, match="posted"):
        answer(spoilt, demand.wanted, demand.spot)


def test_sizes_beyond_the_limit_are_told() -> None:
    assert not Shape(8, (TensorType(F32, (100, 32)),)).big
    assert Shape(8, (TensorType(F32, (100, 32)), TensorType(I8, ()))).big
    assert Shape(8, (TensorType(F32, (100, 32)),)).leaves == BIG_OUTPUT


def test_helpers_of_these_tests_commit_as_the_protocol_does() -> None:
    outputs = made(SHAPES[1], Random(6))
    roots = [
        item_root_of([tensor_root(kind, outputs.tensor(i, o)) for o, kind in enumerate(outputs.types)])
        for i in range(3)
    ]
    assert items_root(roots) == outputs.root
