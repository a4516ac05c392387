"""Random tapes: the engine has the reference's bits, bytes come back, changed bytes find no way in."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.engines.cpu import FAST, Engine, estimate
from protocol.tape.encoding import decode, encode
from protocol.tape.reference import evaluate_all
from protocol.tape.roots import item_root, program_root
from protocol.types.errors import InputError
from tests.strategies.tapes import tapes


@given(tapes())
@settings(max_examples=150)
def test_the_engine_has_the_reference_s_bits(case: tuple) -> None:
    tape, item = case
    want = evaluate_all(tape, item)
    with Engine(tape, threads=2, keep=True) as engine:
        engine.run(item)
        for number, value in enumerate(want):
            assert engine.value(number).tobytes() == value.tobytes(), tape.nodes[number - tape.first_node]
    with Engine(decode(encode(tape))) as engine:
        outputs = engine.run(item)
    assert item_root(tape.output_types, outputs, FAST) == item_root(tape.output_types, want[-tape.outputs :])


@given(tapes(nodes=3))
def test_bytes_roots_and_estimates(case: tuple) -> None:
    tape, _ = case
    data = encode(tape)
    assert decode(data) == tape
    assert encode(decode(data)) == data
    assert program_root(decode(data), FAST) == program_root(tape)
    assert estimate(tape).peak_bytes > sum(constant.type.nbytes for constant in tape.constants)


@given(tapes(nodes=4), st.data())
@settings(max_examples=100)
def test_changed_bytes_are_refused_or_mean_what_they_say(case: tuple, data: st.DataObject) -> None:
    """A tape that is accepted runs, in both, to the same bits: hostile bytes find no gap between them."""
    tape, item = case
    whole = bytearray(encode(tape))
    front = len(whole) - sum(constant.type.nbytes for constant in tape.constants)
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, front - 1))] = data.draw(st.integers(0, 255))
    try:
        changed = decode(bytes(whole))
    except InputError:
        return
    assert encode(changed) == bytes(whole)
    if (
        estimate(changed).peak_bytes > 1 << 26
        or estimate(changed).fmas > 1 << 24
        or changed.inputs != tape.inputs
    ):
        return
    want = evaluate_all(changed, item)
    with Engine(changed, keep=True) as engine:
        engine.run(item)
        for number, value in enumerate(want):
            assert engine.value(number).tobytes() == value.tobytes()


@pytest.mark.soak
@given(tapes(nodes=14))
@settings(max_examples=5000)
def test_many_more_tapes(case: tuple) -> None:
    tape, item = case
    want = evaluate_all(tape, item)
    with Engine(tape, threads=3, keep=True) as engine:
        engine.run(item)
        assert [engine.value(n).tobytes() for n in range(len(want))] == [value.tobytes() for value in want]
