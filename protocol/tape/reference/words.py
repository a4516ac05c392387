"""The reference's arithmetic on single words, for whoever re-executes one step of a node.

A word is an unsigned number: 32 bits for f32 and i32, 8 bits for i8.
"""

from collections.abc import Sequence

import numpy as np

from protocol.tape.dtypes import F32, DType
from protocol.tape.nodes import ReduceKind
from protocol.tape.reference.arithmetic import F, Register, canonical, fma, fmax, fmin, refuse_flushing
from protocol.tape.reference.interpreter import run_program
from protocol.tape.scalar import ScalarProgram

ONE = 0x3F800000


def run_words(program: ScalarProgram, words: Sequence[int]) -> int:
    """A scalar program on one word per operand (i8 sign-extended to 32 bits); an f32 result is canonical."""
    refuse_flushing()
    loaded: list[Register] = [
        np.array([word], np.uint32).view(np.float32 if kind is F32 else np.int32)
        for word, kind in zip(words, program.inputs, strict=True)
    ]
    with np.errstate(all="ignore"):
        return _word(run_program(program, loaded))


def chain_words(left: Sequence[int], right: Sequence[int], accumulator: int) -> int:
    """acc = fma(left[k], right[k], acc) in order, from an accumulator."""
    refuse_flushing()
    acc = _floats([accumulator])
    with np.errstate(all="ignore"):
        for a, b in zip(_floats(left), _floats(right), strict=True):
            acc = fma(np.array([a]), np.array([b]), acc)
        return _word(acc if not left else canonical(acc))


def add_words(left: int, right: int) -> int:
    """The f32 sum of two words."""
    refuse_flushing()
    with np.errstate(all="ignore"):
        return _word(canonical(_floats([left]) + _floats([right])))


def extreme_words(kind: ReduceKind, words: Sequence[int], accumulator: int) -> int:
    """The f32 extreme of an accumulator and words, in order."""
    extreme = fmax if kind is ReduceKind.MAX else fmin
    acc = _floats([accumulator])
    with np.errstate(all="ignore"):
        for word in words:
            acc = extreme(acc, _floats([word]))
        return _word(acc if not words else canonical(acc))


def start_word(kind: ReduceKind, dtype: DType) -> int:
    """The identity of an extreme: what an empty row gives."""
    greatest = kind is ReduceKind.MAX
    if dtype is F32:
        return 0xFF800000 if greatest else 0x7F800000
    low = 1 << (8 * dtype.width - 1)
    return low if greatest else low - 1


def _floats(words: Sequence[int]) -> F:
    return np.array(words, np.uint32).view(np.float32)


def _word(value: Register) -> int:
    return int(value.view(np.uint32)[0])
