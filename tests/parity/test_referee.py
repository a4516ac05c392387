"""The shipped Referee against its Python twin, step by step, by bulk calls to a real node."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from eth_abi import decode, encode

from protocol.chain.anvil import Anvil
from protocol.crypto import keccak256
from protocol.dispute.steps import Place, chain_of, fold
from protocol.engines.cpu import Engine
from protocol.engines.onnx import lower, read_model
from protocol.tape import (
    F32,
    I32,
    Affine,
    Constant,
    Contract,
    Join,
    Map,
    Move,
    Operand,
    Reduce,
    Tape,
    TensorType,
    limits,
    trace,
)
from protocol.tape.encoding import decode as decode_tape
from protocol.tape.encoding import encode as encode_tape
from protocol.tape.encoding import node_headers
from protocol.tape.encoding.headers import encode_node
from protocol.tape.merkle import depth_of
from protocol.tape.reference import evaluate_all
from protocol.tape.reference.arithmetic import canonical, fma
from protocol.tape.roots import leaf_count
from protocol.tape.scalar import from_bits, idiv, maximum, minimum, to_i32
from protocol.tape.validate import check_item, validate
from protocol.types.errors import InputError
from scripts.models import magika_onnx, minilm_onnx
from tests.steps import Array, Case, sampled, stored
from tests.strategies.floats import patterns
from tests.strategies.tapes import random_tape, tensor

ROOT = Path(__file__).parents[2]
BULK, REFEREE = "0x" + "77" * 20, "0x" + "78" * 20
BATCH = 1500
STEP = "step(bytes,uint256,uint256,uint256,bytes)"
VECTORS = ROOT / "tests/vectors/referee_steps.json"
ERRORS = {
    keccak256(text.encode())[:4]: text.partition("(")[0]
    for text in (
        "Referee_Header(uint256)",
        "Referee_NoStep(uint256,uint256)",
        "Referee_Outside(uint256,int256)",
        "Referee_Leaves(uint256,uint256)",
        "Referee_Accumulator(uint256)",
        "Referee_Program(uint256)",
        "Referee_Fold(uint256)",
        "Referee_NoChain(uint256)",
    )
}
Answer = tuple[bool, bytes]
Bulk = Callable[[Sequence[bytes]], list[Answer]]


def call_of(text: str, *values: Any) -> bytes:
    types = text[text.index("(") + 1 : -1].split(",")
    return keccak256(text.encode())[:4] + encode(types, values)


def step_call(case: Case) -> bytes:
    site = case.site
    leaves = b"".join(case.leaves)
    return call_of(STEP, case.header, site.element, site.segment, case.accumulator, leaves)


def fold_call(header: bytes, values: Sequence[int]) -> bytes:
    return call_of("fold(bytes,bytes)", header, b"".join(value.to_bytes(4) for value in values))


@pytest.fixture(scope="module")
def bulk() -> Iterator[Bulk]:
    subprocess.run([ROOT / "scripts/contracts", "forge", "build", "-q"], check=True, cwd=ROOT)
    with Anvil(extra=["--gas-limit", "1000000000000"]) as anvil:
        for address, name in ((BULK, "BulkCalls"), (REFEREE, "Referee")):
            built = json.loads((ROOT / f"contracts/out/{name}.sol/{name}.json").read_text())
            anvil.call("anvil_setCode", address, built["deployedBytecode"]["object"])

        def call(calls: Sequence[bytes]) -> list[Answer]:
            found: list[Answer] = []
            for start in range(0, len(calls), BATCH):
                data = call_of("bulk(address,bytes[])", REFEREE, list(calls[start : start + BATCH]))
                request = {"to": BULK, "data": "0x" + data.hex(), "gas": hex(900_000_000_000)}
                answer = bytes.fromhex(anvil.call("eth_call", request, "latest")[2:])
                found += list(zip(*decode(["bool[]", "bytes[]"], answer), strict=True))
            return found

        yield call


def check_steps(bulk: Bulk, cases: Sequence[Case]) -> None:
    for case, (ok, answer) in zip(cases, bulk([step_call(case) for case in cases]), strict=True):
        assert ok, (ERRORS.get(answer[:4]), case)
        value, places = decode(["uint256", "(uint32,uint32,uint8,uint8)[]"], answer)
        assert (value, tuple(Place(*at) for at in places)) == (case.result.value, case.result.places), case


def check_tape(bulk: Bulk, tape: Tape, item: Sequence[Array], rng: Random, most: int) -> int:
    """All steps of `most` elements of each node, and that they compose to what the reference stored."""
    values = evaluate_all(tape, item)
    elements = list(sampled(tape, node_headers(tape), values, rng, most))
    check_steps(bulk, [case for cases in elements for case in cases])
    folds, wanted = [], []
    for cases in elements:
        site = cases[0].site
        chain = chain_of(site.node, tape.types)
        word = cases[0].result.value
        if chain is not None and isinstance(site.node, Contract | Reduce):
            blocks = chain.blocks([case.result.value for case in cases])
            folds.append(fold_call(cases[0].header, blocks))
            wanted.append(word := fold(site.node, blocks))
        assert word == stored(site, tape, values)
    for want, (ok, answer) in zip(wanted, bulk(folds), strict=True):
        assert ok
        assert int.from_bytes(answer) == want
    return sum(map(len, elements))


def test_random_tapes_have_the_same_steps(bulk: Bulk) -> None:
    total = 0
    for seed in range(300):
        rng = Random(seed)
        tape, item = random_tape(rng, 8)
        total += check_tape(bulk, tape, item, rng, 3)
    assert total > 9000


def test_frozen_steps(bulk: Bulk) -> None:
    for held in json.loads(VECTORS.read_text()):
        headers = [bytes.fromhex(header) for header in held["headers"]]
        calls = [
            call_of(STEP, headers[node], element, segment, acc, bytes.fromhex(leaves))
            for node, element, segment, acc, leaves, _, _ in held["steps"]
        ]
        for row, (ok, answer) in zip(held["steps"], bulk(calls), strict=True):
            assert ok, (ERRORS.get(answer[:4]), row)
            value, places = decode(["uint256", "(uint32,uint32,uint8,uint8)[]"], answer)
            assert [value, [list(at) for at in places]] == row[5:]
        for (_, _, result), (ok, answer) in zip(
            held["folds"],
            bulk([fold_call(headers[node], values) for node, values, _ in held["folds"]]),
            strict=True,
        ):
            assert ok
            assert int.from_bytes(answer) == result


def test_headers_are_described(bulk: Bulk) -> None:
    for seed in range(12):
        tape, _ = random_tape(Random(seed), 8)
        types = tape.types
        headers = node_headers(tape)
        answers = bulk([call_of("describe(bytes)", header) for header in headers])
        for number, (node, header) in enumerate(zip(tape.nodes, headers, strict=True)):
            kind, chain = types[tape.first_node + number], chain_of(node, types)
            of_chain = (chain.length, chain.terms, chain.segments, chain.start) if chain else (0, 0, 1, 0)
            wanted = (header[0], kind.dtype, kind.rows, kind.columns, depth_of(leaf_count(kind)), *of_chain)
            ok, answer = answers[number]
            assert ok
            assert decode(["uint256"] * 9, answer) == wanted


def test_malformed_calls_get_typed_errors(bulk: Bulk) -> None:
    """Cut, stretched and garbled headers, leaves and numbers: an answer or a typed error, never a panic."""
    rng = Random(7)
    calls, sure = [], []
    for seed in range(8):
        tape, item = random_tape(Random(seed), 8)
        for cases in sampled(tape, node_headers(tape), evaluate_all(tape, item), rng, 2):
            case = cases[-1]
            site, header = case.site, case.header
            leaves = b"".join(case.leaves)
            steps = len(cases)
            for element, segment, acc, given in (
                (1 << 255, site.segment, case.accumulator, leaves),
                (site.element, steps, case.accumulator, leaves),
                (site.element, site.segment, 1 << 32, leaves),
                (site.element, site.segment, case.accumulator, leaves + bytes(128)),
                (site.element, site.segment, case.accumulator, leaves[:-1] or b"x"),
            ):
                sure.append(call_of(STEP, header, element, segment, acc, given))
            for bad in (header[:-1], header + b"\0", b""):
                sure.append(call_of(STEP, bad, site.element, site.segment, case.accumulator, leaves))
            for _ in range(20):
                garbled = bytearray(header)
                garbled[rng.randrange(len(header))] = rng.randrange(256)
                calls.append(call_of(STEP, bytes(garbled), site.element, site.segment, 0, leaves))
            calls.append(call_of("fold(bytes,bytes)", header, bytes(rng.randrange(7))))
            calls.append(call_of("describe(bytes)", header[:9]))
    for ok, answer in bulk(sure):
        assert not ok
        assert answer[:4] in ERRORS
    for ok, answer in bulk(calls):
        assert ok or answer[:4] in ERRORS


def test_limits_are_those_of_the_validator() -> None:
    text = (ROOT / "contracts/src/libraries/Limits.sol").read_text()
    found = dict(re.findall(r"constant (\w+) = (\d+);", text))
    assert len(found) >= 8
    assert {name: int(value) for name, value in found.items()} == {
        name: getattr(limits, name) for name in found
    }


ZERO, MINUS, ONE, TWO, NAN = 0, 1 << 31, 0x3F800000, 0x40000000, 0x7FC00000
INFINITY, LEAST = 0x7F800000, 1
TINY, HUGE = 0x0D800000, 0x4F32D05E
"""2^-100 and 3e9 as words; sums of products of the first underflow."""
SIGNED = 0xFFFFFFFF
EDGES: dict[str, tuple[Callable[..., Any], Any, Any, list[tuple[int, ...]]]] = {
    "max propagates NaN and orders -0 before +0": (
        maximum, F32, F32,
        [(NAN, ONE, NAN), (ONE, NAN, NAN), (MINUS, ZERO, ZERO), (ZERO, MINUS, ZERO)],
    ),
    "min does as well": (
        minimum, F32, F32,
        [(NAN, ONE, NAN), (ONE, NAN, NAN), (MINUS, ZERO, MINUS), (ZERO, MINUS, MINUS)],
    ),
    "a NaN is stored as the one NaN, whoever made it": (
        lambda a, b: a - b, F32, F32, [(INFINITY, INFINITY, NAN), (NAN, ONE, NAN), (ONE, ONE, ZERO)],
    ),
    "a NaN put together from bits as well": (
        lambda a, b: from_bits(a | b), I32, F32,
        [(INFINITY, 1, NAN), (0xFF800000, 0x400000, NAN), (INFINITY, 0, INFINITY), (MINUS, LEAST, MINUS | 1)],
    ),
    "subnormals are numbers": (
        lambda a, b: a * b, F32, F32, [(LEAST, ONE, LEAST), (LEAST, TWO, 2), (TINY, TINY | MINUS, MINUS)],
    ),
    "conversion truncates and saturates": (
        lambda a, b: to_i32(a + b), F32, I32,
        [
            (NAN, ZERO, 0), (HUGE, ZERO, MINUS - 1), (HUGE | MINUS, ZERO, MINUS), (INFINITY, ONE, MINUS - 1),
            (0xBFF33333, MINUS, SIGNED),
        ],
    ),
    "shifts count modulo 32": (lambda a, b: a << b, I32, I32, [(3, 33, 6), (3, 32, 3), (3, SIGNED, MINUS)]),
    "a division by zero is zero, and the least number by -1 itself": (
        idiv, I32, I32, [(7, 0, 0), (MINUS, 0, 0), (MINUS, SIGNED, MINUS), (SIGNED - 6, 2, SIGNED - 2)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EDGES)
def test_rule19_no_bit_of_a_step_is_left_to_the_machine(bulk: Bulk, name: str) -> None:
    """A provider picks the bits that its machine gives, where machines differ: all but one are convicted."""
    made, given, out, rows = EDGES[name]
    at, kind = Affine(0, (1,)), TensorType(given, (len(rows),))
    node = Map(out, kind.shape, trace(made, given, given), (Operand(0, at), Operand(1, at)))
    item = [np.array([row[side] for row in rows], np.uint32).view(given.numpy) for side in (0, 1)]
    assert outputs_of(bulk, Tape((kind, kind), (), (node,), 1), item) == [row[2] for row in rows]


@pytest.mark.parametrize("length", [0, 1, 31, 33, 256, 257, 300])
def test_rule19_sums_begin_with_their_first_block_and_padding_is_never_added(bulk: Bulk, length: int) -> None:
    """Every product underflows to -0: a total from +0, or one padded term, would make it +0."""
    at, kind = Operand(0, Affine(0, (0,))), TensorType(F32, (1, length))
    tape = Tape((kind, kind), (), (Contract(F32, (1,), at, replace(at, source=1)),), 1)
    item = [np.full((1, length), word, np.uint32).view(np.float32) for word in (TINY, TINY | MINUS)]
    assert outputs_of(bulk, tape, item) == [MINUS if length else ZERO]


def test_rule19_another_nan_never_gets_in() -> None:
    kind = TensorType(F32, (1,))
    for word in (0x7F800001, 0xFFC00000, SIGNED):
        bad = np.array([word], np.uint32).view(np.float32)
        with pytest.raises(InputError, match="NaN"):
            check_item((kind,), [bad])
        copy = Move(F32, (1,), 0, (1,), (1,), (Affine(0, (1,)),), word)
        for tape in (
            Tape((kind,), (Constant(kind, bad.tobytes()),), (replace(copy, fill=0),), 1),
            Tape((kind,), (), (copy,), 1),
        ):
            with pytest.raises(InputError, match="NaN"):
                validate(tape)


def outputs_of(bulk: Bulk, tape: Tape, item: Sequence[Array]) -> list[int]:
    """The words of the last node, in which reference, fast engine and every step of the Referee agree."""
    validate(tape)
    check_tape(bulk, tape, item, Random(1), 1_000)
    with Engine(tape) as engine:
        (fast,) = engine.run(item)
    words = evaluate_all(tape, item)[-1].view(np.uint32).reshape(-1)
    assert (fast.view(np.uint32).reshape(-1) == words).all()
    return [int(word) for word in words]


def test_rule20_a_tape_that_the_validator_takes_is_one_that_the_referee_judges_alike(bulk: Bulk) -> None:
    """A client garbles headers until validator and Referee disagree: it would gain refund and reward.

    Whatever the validator takes, in whatever bytes, every step of it is the reference's. What it does not
    take, no honest provider starts.
    """
    taken = refused = 0
    for seed in range(150):
        rng = Random(seed)
        tape, item = random_tape(rng, 6)
        headers = node_headers(tape)
        for place in range(len(headers)):
            garbled = bytearray(headers[place])
            for _ in range(rng.choice((1, 1, 2))):
                garbled[rng.randrange(len(garbled))] ^= 1 << rng.randrange(8)
            hostile = hostile_tape(tape, place, bytes(garbled))
            if hostile is None:
                refused += 1
            elif small(hostile):
                assert node_headers(hostile)[place] == garbled, "two headers of one node are two programs"
                check_tape(bulk, hostile, item, rng, 1)
                taken += 1
    assert min(taken, refused) > 50, (taken, refused)


def hostile_tape(tape: Tape, place: int, header: bytes) -> Tape | None:
    """The tape up to a node whose header is another now, read from its bytes; None if nobody takes it."""
    short = replace(tape, nodes=tape.nodes[: place + 1], outputs=1)
    before, honest, after = encode_tape(short).rpartition(node_headers(short)[place])
    assert len(honest) == len(header)
    try:
        return decode_tape(before + header + after)
    except InputError:
        return None


def small(tape: Tape) -> bool:
    """Whether the reference has its values soon."""
    chain = chain_of(tape.nodes[-1], tape.types)
    return tape.types[-1].elements * (chain.length if chain else 1) < 100_000


def test_rule20_the_largest_steps_that_the_validator_takes_are_judged(bulk: Bulk) -> None:
    """At each limit; one beyond it the validator refuses, so that the Referee is never asked."""
    kind, at, rng = TensorType(F32, (2,)), Affine(0, (1,)), Random(3)

    def calls(count: int) -> Tape:
        def made(*values: Any) -> Any:
            value = values[0]
            for number in range(count):
                value = value + values[number % len(values)]
            return value

        four = tuple(Operand(number, at) for number in range(limits.MAX_MAP_OPERANDS))
        program = trace(made, *[F32] * limits.MAX_MAP_OPERANDS)
        return Tape((kind,) * 4, (), (Map(F32, (2,), program, four),), 1)

    def joined(count: int) -> Tape:
        return Tape((kind,), (), (Join(F32, (2 * count,), 0, (0,) * count),), 1)

    def ranked(count: int) -> Tape:
        shape = (1,) * (count - 1) + (2,)
        steps = Affine(0, (0,) * (count - 1) + (1,))
        return Tape((kind,), (), (Move(F32, shape, 0, shape, (2,), (steps,), 0),), 1)

    for made, most in (
        (calls, limits.MAX_INSTRUCTIONS),
        (joined, limits.MAX_JOIN_SOURCES),
        (ranked, limits.MAX_RANK),
    ):
        tape = made(most)
        validate(tape)
        check_tape(bulk, tape, [tensor(rng, each) for each in tape.inputs], rng, 4)
        with pytest.raises(InputError):
            validate(made(most + 1))


def test_chains_of_any_words_equal_the_reference(bulk: Bulk) -> None:
    """Segments full of infinities, overflows, cancellations, underflows to -0, from any accumulator."""
    rng = np.random.default_rng(9)
    rows = 4000
    left, right = patterns(rows * 32, rng).reshape(rows, 32), patterns(rows * 32, rng).reshape(rows, 32)
    tame = np.arange(rows) % 4 != 0  # else nearly every chain would meet an infinity or NaN
    for words in (left, right):
        finite = words & np.uint32(0x7F800000) != 0x7F800000
        words[tame[:, None] & ~finite] = 0x80000001
    quarter = np.arange(rows) % 4 == 1  # products that undo the ones before
    left[quarter, 1::2], right[quarter, 1::2] = left[quarter, ::2], right[quarter, ::2] ^ np.uint32(1 << 31)
    small = np.arange(rows) % 4 == 2  # products about the least subnormal
    for words in (left, right):
        words[small] = (words[small] & np.uint32(0x807FFFFF)) | rng.integers(
            45, 62, (small.sum(), 32), dtype=np.uint32
        ) << np.uint32(23)
    acc = patterns(rows, rng)
    alone = np.arange(rows) % 8 == 2  # one tiny product alone
    left[alone, :31], acc[alone] = 0, 0
    with np.errstate(all="ignore"):
        value = acc.view(np.float32)
        for k in range(32):
            column = np.ascontiguousarray(left[:, k]), np.ascontiguousarray(right[:, k])
            value = fma(column[0].view(np.float32), column[1].view(np.float32), value)
    wanted = canonical(value).view(np.uint32)
    assert len(set(wanted.tolist())) > rows // 4
    assert {0x80000000, 0x7F800000, 0x7FC00000} <= set(wanted.tolist())

    types = [TensorType(F32, (1, 32))] * 2
    row = Affine(0, (0,))
    header = encode_node(Contract(F32, (1,), Operand(0, row), Operand(1, row)), types)
    calls = [
        call_of(STEP, header, 0, 0, int(acc[i]), left[i].tobytes() + right[i].tobytes()) for i in range(rows)
    ]
    for i, (ok, answer) in enumerate(bulk(calls)):
        assert ok
        assert int.from_bytes(answer[:32]) == wanted[i], (i, left[i], right[i], acc[i])


def check_model(bulk: Bulk, path: Path, shapes: dict[str, tuple[int, ...]], most: int) -> int:
    """Steps of random elements of every node of a real model, whose values are the CPU engine's."""
    tape, _ = lower(read_model(path), shapes)
    source = np.random.default_rng(5)
    item = [
        (source.normal(size=kind.shape) if kind.dtype is F32 else source.integers(0, 2, kind.shape)).astype(
            kind.dtype.numpy
        )
        for kind in tape.inputs
    ]
    with Engine(tape, keep=True) as engine:
        engine.run(item)
        held = [np.frombuffer(c.data, c.type.dtype.numpy).reshape(c.type.shape) for c in tape.constants]
        values = [*item, *held]
        values += [engine.value(tape.first_node + number) for number in range(len(tape.nodes))]
        elements = list(sampled(tape, node_headers(tape), values, Random(5), most))
        check_steps(bulk, [case for cases in elements for case in cases])
        for cases in elements:
            site = cases[0].site
            chain = chain_of(site.node, tape.types)
            word = cases[0].result.value
            if chain is not None and isinstance(site.node, Contract | Reduce):
                word = fold(site.node, chain.blocks([case.result.value for case in cases]))
            assert word == stored(site, tape, values)
    return sum(map(len, elements))


def test_magika_has_the_same_steps(bulk: Bulk, tmp_path: Path) -> None:
    assert check_model(bulk, *magika_onnx(tmp_path), most=3) > 200


@pytest.mark.soak
def test_minilm_has_the_same_steps(bulk: Bulk, tmp_path: Path) -> None:
    assert check_model(bulk, *minilm_onnx(tmp_path, tokens=32), most=8) > 2000
