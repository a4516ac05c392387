"""Every refusal of the validator, each from a valid tape with one thing changed (RULES 19, 20)."""

from dataclasses import replace
from typing import Any

import pytest

from protocol.tape import (
    F32,
    I8,
    I32,
    Affine,
    Constant,
    Contract,
    Gather,
    Instruction,
    Join,
    Map,
    Move,
    Operand,
    Reduce,
    ReduceKind,
    ScalarProgram,
    Tape,
    TensorType,
    limits,
    trace,
)
from protocol.tape.validate import validate
from protocol.types.errors import InputError

ADD = trace(lambda a, b: a + b, F32, F32)
ROW = Affine(0, (1, 0))
FLAT = Affine(0, (3, 1))
NODES: dict[str, Any] = {
    "map": Map(F32, (2, 3), ADD, (Operand(0, FLAT), Operand(0, FLAT))),
    "contract": Contract(F32, (2, 2), Operand(0, ROW), Operand(0, Affine(0, (0, 1)))),
    "reduce": Reduce(F32, (2,), ReduceKind.MAX, Operand(0, Affine(0, (1,)))),
    "move": Move(F32, (3, 2), 0, (3, 2), (2, 3), (Affine(0, (0, 1)), Affine(0, (1, 0))), 0),
    "gather": Gather(F32, (4, 3), 0, 1, 3, 0),
    "join": Join(F32, (4, 3), 0, (0, 0)),
}
INPUTS = (TensorType(F32, (2, 3)), TensorType(I32, (4,)), TensorType(I8, (3,)))


def tape(node: Any, **changes: Any) -> Tape:
    return replace(Tape(INPUTS, (), (node,), 1), **changes)


@pytest.mark.parametrize("kind", sorted(NODES))
def test_the_untouched_tapes_are_valid(kind: str) -> None:
    validate(tape(NODES[kind]))


def program(**changes: Any) -> dict[str, Any]:
    return {"program": replace(ADD, **changes)}


def step(*numbers: int) -> dict[str, Any]:
    return program(code=(Instruction(*numbers),))


LATER = Operand(3, FLAT)
FAR = Operand(0, Affine(0, (0, 1 << 31)))
INTEGER = Operand(1, Affine(0, (0, 1)))
BAD: dict[str, tuple[str, dict[str, Any], str]] = {
    "reads itself": ("map", {"operands": (LATER, LATER)}, "not an earlier one"),
    "reads below zero": ("map", {"operands": (Operand(-1, FLAT),) * 2}, "not an earlier one"),
    "past the end": ("map", {"operands": (Operand(0, Affine(1, (3, 1))),) * 2}, "places 1..6 of 6"),
    "before the start": ("map", {"operands": (Operand(0, Affine(0, (3, -1))),) * 2}, "places -2..3 of 6"),
    "too few strides": ("map", {"operands": (Operand(0, Affine(0, (1,))),) * 2}, "strides"),
    "huge stride": ("map", {"shape": (1, 1), "operands": (FAR, FAR)}, "too large"),
    "wrong result type": ("map", {"dtype": I32}, "gives F32"),
    "wrong operand type": ("map", {"operands": (Operand(0, FLAT), INTEGER)}, "other types"),
    "one operand missing": ("map", {"operands": (Operand(0, FLAT),)}, "other types"),
    "no operands": ("map", {"operands": (), **program(inputs=())}, "0 operands"),
    "i8 register": ("map", program(inputs=(F32, I8)), "f32 or i32"),
    "too many constants": ("map", program(f32=(0,) * 65), "65 constants"),
    "too many steps": ("map", program(code=(Instruction(1, 0, 1),) * 129), "129 instructions"),
    "constant too wide": ("map", program(f32=(1 << 32,)), "no word"),
    "odd NaN constant": ("map", program(f32=(0x7FC00001,)), "NaN other"),
    "unknown opcode": ("map", step(99, 0, 1), "unknown opcode 99"),
    "later register": ("map", step(1, 0, 2), "later register"),
    "negative register": ("map", step(1, 0, -1), "later register"),
    "wrong register type": ("map", step(17, 0, 1), "wrong type"),
    "unused operand": ("map", step(1, 0, 1, 1), "must be 0"),
    "no such result": ("map", program(result=3), "no result register"),
    "nine axes": ("map", {"shape": (1,) * 9}, "8 axes"),
    "negative size": ("map", {"shape": (-1, 3)}, "negative"),
    "too many elements": ("map", {"shape": (1 << 16, 1 << 15)}, "too large"),
    "empty but vast": ("map", {"shape": (1 << 30, 1 << 30, 0)}, "too large"),
    "unknown type": ("map", {"dtype": 4}, "unknown element type"),
    "sum of another type": ("contract", {"dtype": I32}, "its type"),
    "row outside": ("contract", {"left": Operand(0, Affine(1, (1, 0)))}, "places 1..2 of 2"),
    "unequal depth": ("contract", {"right": Operand(1, Affine(0, (0, 0)))}, "f32 with integers"),
    "extreme of another type": ("reduce", {"dtype": I32}, "its source's"),
    "unknown extreme": ("reduce", {"kind": 3}, "unknown extreme"),
    "moved to another type": ("move", {"dtype": I32}, "its source's"),
    "grid of another size": ("move", {"grid": (2, 2)}, "grid and shape"),
    "view of another size": ("move", {"view": (2, 2)}, "view and source"),
    "axis missing": ("move", {"axes": (Affine(0, (0, 1)),)}, "1 axes"),
    "axis of another grid": ("move", {"axes": (Affine(0, (0,)),) * 2}, "strides"),
    "odd NaN fill": ("move", {"fill": 0xFFC00000}, "NaN other"),
    "fill too wide": ("move", {"fill": 1 << 32}, "no F32"),
    "view of nine axes": ("move", {"view": (2, 3, *(1,) * 7), "axes": (FLAT,) * 9}, "8 axes"),
    "float indices": ("gather", {"index": 0}, "must be integers"),
    "row does not divide": ("gather", {"row": 4}, "no rows of 4"),
    "row of nothing": ("gather", {"row": 0}, "rows of 0"),
    "gathered shape": ("gather", {"shape": (4, 2)}, "indices x row"),
    "gathered type": ("gather", {"dtype": I8, "fill": 0}, "its source's"),
    "join of nothing": ("join", {"parts": ()}, "0 parts"),
    "join of too many": ("join", {"parts": (0,) * 33, "shape": (66, 3)}, "33 parts"),
    "join axis": ("join", {"axis": 2}, "no axis"),
    "join sum": ("join", {"shape": (5, 3)}, "add up"),
    "join shapes": ("join", {"shape": (4, 4)}, "does not fit"),
    "join types": ("join", {"parts": (0, 1)}, "differ in type"),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(BAD))
def test_refusals_name_what_is_wrong(name: str) -> None:
    kind, changes, message = BAD[name]
    with pytest.raises(InputError, match=message):
        validate(tape(replace(NODES[kind], **changes)))


def test_refusals_about_the_whole_tape() -> None:
    node = NODES["reduce"]
    vast = replace(node, shape=(1 << 30,), operand=Operand(0, Affine(0, (0,))))
    cases = [
        ({"nodes": ()}, "0 nodes"),
        ({"outputs": 0}, "0 outputs"),
        ({"outputs": 2}, "2 outputs"),
        ({"nodes": (node,) * 65, "outputs": 65}, "65 outputs, not 1..64"),
        ({"inputs": INPUTS + (INPUTS[0],) * 62}, "64 inputs"),
        ({"nodes": (node,) * (limits.MAX_NODES + 1)}, "65537 nodes"),
        ({"constants": (Constant(INPUTS[0], bytes(23)),)}, "wrong number of bytes"),
        ({"constants": (Constant(INPUTS[0], bytes(20) + b"\x01\x00\xc0\x7f"),)}, "constant 0 holds a NaN"),
        ({"nodes": (vast,) * 300}, "together are too large"),
    ]
    for changes, message in cases:
        with pytest.raises(InputError, match=message):
            validate(tape(node, **changes))


def test_chains_are_bounded() -> None:
    long = TensorType(F32, (1, limits.MAX_CHAIN + 1))
    node = Reduce(F32, (1,), ReduceKind.MIN, Operand(0, Affine(0, (0,))))
    with pytest.raises(InputError, match="chains of 524289"):
        validate(Tape((long,), (), (node,), 1))
    validate(Tape((TensorType(F32, (1, limits.MAX_CHAIN)),), (), (node,), 1))


def test_the_canonical_nan_is_accepted_everywhere() -> None:
    nan = b"\x00\x00\xc0\x7f"
    constant = Constant(TensorType(F32, (1,)), nan)
    fill = replace(NODES["move"], source=0, fill=0x7FC00000)
    mapped = Map(F32, (1,), ScalarProgram((F32,), (0x7FC00000,), (), (), 1), (Operand(3, Affine(0, (0,))),))
    validate(Tape(INPUTS, (constant,), (fill, mapped), 1))
