"""Tapes on which disputes are long: chains of several spans, deep tensors, many nodes."""

from random import Random

from protocol.tape import (
    F32,
    I8,
    I32,
    Affine,
    Constant,
    Contract,
    Move,
    Node,
    Operand,
    Reduce,
    ReduceKind,
    Tape,
    TensorType,
)
from protocol.tape.validate import validate
from tests.strategies.tapes import Array, tensor

DOWN, ACROSS = Affine(0, (1, 0)), Affine(0, (0, 1))
ROW = Affine(0, (1,))


def long_tape(rng: Random, most_fillers: int = 80) -> tuple[Tape, list[Array]]:
    """A valid tape and an item for it. Its nodes read only what is given, so they stand in any order."""
    k, short = rng.choice((4096, 4100, 9000)), rng.choice((4096, 8999))
    given = (TensorType(F32, (3, k)), TensorType(I8, (2, short)), TensorType(I32, (2, 5000)))
    held = TensorType(F32, (2, k))
    nodes: list[Node] = [
        Contract(F32, (3, 2), Operand(0, DOWN), Operand(3, ACROSS)),
        Contract(I32, (2, 2), Operand(1, DOWN), Operand(1, ACROSS)),
        Contract(I32, (2,), Operand(2, ROW), None),
        Reduce(F32, (3,), ReduceKind.MAX, Operand(0, ROW)),
        Reduce(I8, (2,), ReduceKind.MIN, Operand(1, ROW)),
        Move(F32, (3, k), 0, (3, k), (3, k), (DOWN, ACROSS), 0),
    ]
    for number in range(rng.randrange(most_fillers)):
        axes = (DOWN, Affine(number, (0, 1)))
        nodes.append(Move(F32, (2, 5), 3, (2, 5), (2, k), axes, 0))
    rng.shuffle(nodes)
    tape = Tape(given, (Constant(held, tensor(rng, held).tobytes()),), tuple(nodes), rng.randint(1, 4))
    validate(tape)
    return tape, [tensor(rng, kind) for kind in given]
