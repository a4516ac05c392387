"""Scalar programs for the chunk interpreter: constants folded, slots shared by registers that never live
together.
"""

from dataclasses import dataclass

import numpy as np

from protocol.tape.dtypes import F32
from protocol.tape.reference.arithmetic import RULES, canonical
from protocol.tape.scalar import BY_CODE, ScalarProgram

CONSTANT = 1 << 20  # registers from here on are constants


@dataclass(frozen=True)
class Compiled:
    """Steps as (op, constant mask, d, a, b, c); `result` is a slot, or -1 - i for constant i."""

    steps: tuple[tuple[int, int, int, int, int, int], ...]
    constants: tuple[int, ...]
    slots: int
    result: int


def compile_program(program: ScalarProgram) -> Compiled:
    """Slots 0.. are the operands and stay untouched: they may be the tensors themselves."""
    words: list[int] = [*program.f32, *program.i32]
    inputs = len(program.inputs)
    place: list[int] = [*range(inputs), *(CONSTANT + i for i in range(len(words)))]
    kept: list[tuple[int, tuple[int, ...], int]] = []  # opcode, registers read, register written
    for number, instruction in enumerate(program.code, program.first):
        op = BY_CODE[instruction.code]
        read = tuple(place[n] for n in (instruction.a, instruction.b, instruction.c)[: len(op.takes)])
        if all(register >= CONSTANT for register in read):
            place.append(CONSTANT + len(words))
            words.append(_fold(instruction.code, [words[register - CONSTANT] for register in read]))
            continue
        place.append(number)
        kept.append((instruction.code, read, number))
    return _allot(kept, words, inputs, place[program.result])


def _fold(code: int, words: list[int]) -> int:
    op = BY_CODE[code]
    values = [
        np.array([word], np.uint32).view(np.float32 if kind is F32 else np.int32)
        for word, kind in zip(words, op.takes, strict=True)
    ]
    with np.errstate(all="ignore"):
        result = RULES[op.name](*values)
    return int((canonical(result) if op.gives is F32 else result).view(np.uint32)[0])


def _allot(
    kept: list[tuple[int, tuple[int, ...], int]], words: list[int], inputs: int, result: int
) -> Compiled:
    last = {register: at for at, (_, read, _) in enumerate(kept) for register in read}
    last[result] = len(kept)
    slot = {register: register for register in range(inputs)}
    free: list[int] = []
    slots = inputs
    steps = []
    for at, (code, read, written) in enumerate(kept):
        if written not in last:
            continue
        operands = [r - CONSTANT if r >= CONSTANT else slot[r] for r in read]
        mask = sum(1 << i for i, r in enumerate(read) if r >= CONSTANT)
        free += {slot[r] for r in read if inputs <= r < CONSTANT and last[r] == at}
        if not free:
            free.append(slots)
            slots += 1
        slot[written] = free.pop()
        a, b, c = (*operands, 0, 0)[:3]
        steps.append((code, mask, slot[written], a, b, c))
    end = -1 - (result - CONSTANT) if result >= CONSTANT else slot[result]
    return Compiled(tuple(steps), tuple(words), slots, end)
