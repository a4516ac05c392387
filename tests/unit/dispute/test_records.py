"""Records of the game: packed words, descriptions of headers, and calls through the shipped ABI."""

import dataclasses
from random import Random
from typing import Any, get_args, get_origin, get_type_hints

from protocol.chain.codec import Abi, decode_values
from protocol.dispute import facts as facts_module
from protocol.dispute.calls import FUNCTIONS, arguments, parse
from protocol.dispute.facts import Facts, describe, facts_of
from protocol.dispute.levels import step
from protocol.dispute.names import Job, Program
from protocol.dispute.records import Game, Phase
from protocol.dispute.steps import chain_of
from protocol.dispute.trees import climb, left_of, proof_of, root_of
from protocol.messages import Bid
from protocol.messages.bid import job_hash
from protocol.tape import limits
from protocol.tape.encoding import node_headers
from protocol.tape.merkle import depth_of, tree
from protocol.tape.roots import constants_tree, inputs_tree, leaf_count, leaf_of, nodes_tree, program_root
from protocol.types import Hash32
from tests.strategies.tapes import random_tape

DISPUTES = Abi.shipped("Disputes")
BID = Bid(
    bytes([1] * 20),
    3,
    bytes([2] * 20),
    4,
    bytes([5] * 32),
    bytes(32),
    9,
    8,
    7,
    6,
    5,
    4,
    4,
    3,
    2,
    1,
    0,
    1,
    1,
    0,
)


def filled(kind: Any, rng: Random) -> Any:
    """Some value of a field's type."""
    if kind is Bid:
        return BID
    if get_origin(kind) is tuple:
        return tuple(filled(get_args(kind)[0], rng) for _ in range(rng.randrange(4)))
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(*(filled(hints[field.name], rng) for field in dataclasses.fields(kind)))
    name = getattr(kind, "__name__", "")
    if name in ("Hash32", "LeaseId"):
        return rng.randbytes(32)
    if name == "Address":
        return rng.randbytes(20)
    if kind is bool:
        return rng.random() < 0.5
    return rng.randbytes(rng.randrange(200)) if kind is bytes else rng.randrange(200)


def test_calls_pass_through_the_abi() -> None:
    rng = Random(1)
    for kind, name in FUNCTIONS.items():
        entry = DISPUTES.functions[name]
        call = filled(kind, rng)
        data = DISPUTES.call_data(name, *arguments(call))
        assert data[:4] == entry.topic[:4]
        kinds = [each for _, each, _ in entry.inputs]
        assert parse(name, decode_values(kinds, data[4:], name)) == call


def test_every_call_of_the_contract_has_a_record() -> None:
    views = {"gameOf", "verdictOf", "traceOf", "coinOf", "bondOf", "terms", "clock", "CLOCK_MODE"}
    assert set(DISPUTES.functions) - views == set(FUNCTIONS.values())


def test_games_are_packed_and_taken_apart() -> None:
    rng = Random(2)
    for _ in range(200):
        word = rng.getrandbits(256) & ~(0xF << 66) | rng.randrange(11) << 66
        assert Game.unpack(word).pack() == word
    assert Game.unpack(Game(Phase.PROVE, path=5, chosen=3).pack()) == Game(Phase.PROVE, path=5, chosen=3)


def test_facts_say_what_the_header_says() -> None:
    seen = set()
    for seed in range(40):
        tape, _ = random_tape(Random(seed), 8)
        types, inner = tape.types, len(tape.nodes) - tape.outputs
        for number, (node, header) in enumerate(zip(tape.nodes, node_headers(tape), strict=True)):
            kind, chain = types[tape.first_node + number], chain_of(node, types)
            found = facts_of(header, 77, number, tape.first_node, inner)
            assert Facts.unpack(found.pack()) == found
            shape = describe(header)
            wanted = (chain.length, chain.terms, chain.start) if chain else (0, 0, 0)
            assert (shape.chain, shape.terms, shape.start) == wanted
            assert (found.rows, found.columns, found.dtype) == (kind.rows, kind.columns, kind.dtype)
            assert found.segments == (chain.segments if chain else 1)
            assert (found.leaves, found.depth) == (leaf_count(kind), depth_of(leaf_count(kind)))
            assert found.output == (0 if number < inner else number - inner + 1)
            for element in {0, kind.elements // 2, kind.elements - 1} if kind.elements else ():
                leaf, offset = leaf_of(kind, element)
                assert found.find(element) == (leaf, offset)
                assert found.is_inside(leaf, offset + kind.dtype.width - 1)
                assert found.element_at(leaf, offset + kind.dtype.width - 1) == element
            assert not found.is_inside(found.leaves, 0)
            seen.add((shape.kind, shape.dtype))
    assert len(seen) > 12


def test_constants_are_those_of_the_tape() -> None:
    assert (facts_module.LEAF_BYTES, facts_module.BLOCK) == (limits.LEAF_BYTES, limits.BLOCK)


def test_a_job_taken_apart_has_the_bids_hash() -> None:
    tape, _ = random_tape(Random(3), 8)
    counts = len(tape.inputs), len(tape.constants), len(tape.nodes), tape.outputs
    roots = inputs_tree(tape).root, constants_tree(tape).root, nodes_tree(tape).root
    program = Program(*counts, *roots)
    assert program.root == program_root(tape)
    root = Hash32(bytes([7] * 32))
    assert Job(program, root, 5).hash == job_hash(program.root, root, 5)


def test_trees_are_those_of_the_tape() -> None:
    nodes = [Hash32(bytes([i] * 32)) for i in range(8)]
    whole = tree(b"".join(nodes))
    assert root_of(nodes) == whole.root
    for index in range(8):
        assert list(proof_of(nodes, index)) == whole.proof(index)
        assert climb(nodes[index], index, whole.proof(index)) == whole.root
    assert left_of(bytes(32), 0, whole.proof(0)) == bytes(32)


def test_an_answer_shows_as_many_levels_as_the_contract_says() -> None:
    assert [step(False, below) for below in (0, 1, 5, 6, 16)] == [0, 1, 5, 5, 5]
    assert [step(True, below) for below in (0, 3, 4, 6, 7, 8, 30)] == [0, 3, 2, 4, 5, 5, 5]
