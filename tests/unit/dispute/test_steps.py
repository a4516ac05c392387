"""One step at a time gives what the reference gives for whole tensors."""

import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.dispute.steps import Chain, Place, Site, Step, chain_of, fold, places, step
from protocol.tape import F32, I8, I32, Affine, Contract, Move, Operand, Reduce, Tape, TensorType
from protocol.tape.encoding import decode, node_headers
from protocol.tape.reference import evaluate_all
from protocol.types.errors import InputError
from tests.steps import Array, sampled, stored
from tests.strategies.tapes import tapes

VECTORS = Path(__file__).parents[2] / "vectors/referee_steps.json"


@given(tapes(), st.randoms(use_true_random=False))
def test_steps_compose_to_the_reference(given_tape: tuple[Tape, list[Array]], rng: Random) -> None:
    tape, item = given_tape
    values = evaluate_all(tape, item)
    for cases in sampled(tape, node_headers(tape), values, rng, 3):
        site = cases[0].site
        chain = chain_of(site.node, site.types)
        found = [case.result.value for case in cases]
        whole = (
            fold(site.node, chain.blocks(found))
            if isinstance(site.node, Contract | Reduce) and chain
            else found[0]
        )
        assert whole == stored(site, tape, values)


def test_segments_are_leaves() -> None:
    words, small = TensorType(F32, (3, 300)), TensorType(I8, (3, 300))
    row = Affine(0, (1,))
    product = Contract(F32, (3,), Operand(0, row), None)
    assert chain_of(product, [words]) == Chain(300, 32, 0)
    assert places(Site(product, [words], 2, 9)) == (Place(0, 2 * 10 + 9, 5, 0),)
    mixed = Contract(I32, (3,), Operand(0, row), Operand(1, row))
    assert chain_of(mixed, [small, small]) == Chain(300, 128, 0)
    assert chain_of(mixed, [small, TensorType(I32, (3, 300))]) == Chain(300, 32, 0)
    assert places(Site(mixed, [small, TensorType(I32, (3, 300))], 1, 9))[0] == Place(0, 3 + 2, 4, 32)


def test_what_is_no_step_is_refused() -> None:
    kind = TensorType(F32, (2, 64))
    product = Contract(F32, (2,), Operand(0, Affine(0, (1,))), None)
    for element, segment in ((2, 0), (-1, 0), (0, 2), (0, -1)):
        with pytest.raises(InputError, match="no step"):
            places(Site(product, [kind], element, segment))
    site = Site(product, [kind], 0)
    with pytest.raises(InputError, match="1 leaves"):
        step(site, [])
    with pytest.raises(InputError, match="1 leaves"):
        step(site, [bytes(127)])
    with pytest.raises(InputError, match="running value"):
        step(site, [bytes(128)], 1 << 32)
    move = Move(F32, (2,), 0, (2,), (128,), (Affine(-1, (1,)),), 7)
    with pytest.raises(InputError, match="no running values"):
        step(Site(move, [kind], 1), [bytes(128)], 1)
    assert step(Site(move, [kind], 0), []).value == 7
    with pytest.raises(InputError, match="nothing"):
        fold(product, [])


def test_frozen_steps() -> None:
    for held in json.loads(VECTORS.read_text()):
        tape = decode(bytes.fromhex(held["tape"]))
        assert [header.hex() for header in node_headers(tape)] == held["headers"]
        for node, element, segment, accumulator, packed, value, read in held["steps"]:
            data = bytes.fromhex(packed)
            leaves = [data[at : at + 128] for at in range(0, len(data), 128)]
            site = Site(tape.nodes[node], tape.types, element, segment)
            assert step(site, leaves, accumulator) == Step(value, tuple(Place(*at) for at in read))
        for number, values, result in held["folds"]:
            node = tape.nodes[number]
            assert isinstance(node, Contract | Reduce)
            assert fold(node, values) == result
