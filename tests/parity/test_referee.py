"""The shipped Referee against its Python twin, step by step, by bulk calls to a real node."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
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
from protocol.tape import F32, Affine, Contract, Operand, Reduce, Tape, TensorType, limits
from protocol.tape.encoding import node_headers
from protocol.tape.encoding.headers import encode_node
from protocol.tape.merkle import depth_of
from protocol.tape.reference import evaluate_all
from protocol.tape.reference.arithmetic import canonical, fma
from protocol.tape.roots import leaf_count
from scripts.models import magika_onnx, minilm_onnx
from tests.steps import Array, Case, sampled, stored
from tests.strategies.floats import patterns
from tests.strategies.tapes import random_tape

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
