"""A straight-line scalar program: what a MAP node does to one element."""

from dataclasses import dataclass

from protocol.tape.dtypes import F32, I32, DType
from protocol.tape.scalar.ops import BY_CODE


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction; `a`, `b`, `c` are register numbers, those it does not take are 0."""

    code: int
    a: int
    b: int = 0
    c: int = 0


@dataclass(frozen=True, slots=True)
class ScalarProgram:
    """Registers in this order: inputs, f32 constants, i32 constants (words, unsigned), one per instruction.

    An instruction reads only registers before its own, so a program is evaluated in one pass and always ends.
    `result` names the register whose value is stored.
    """

    inputs: tuple[DType, ...]
    f32: tuple[int, ...]
    i32: tuple[int, ...]
    code: tuple[Instruction, ...]
    result: int

    @property
    def first(self) -> int:
        """The register of the first instruction."""
        return len(self.inputs) + len(self.f32) + len(self.i32)

    @property
    def registers(self) -> tuple[DType, ...]:
        """The type of every register. KeyError for an unknown opcode: validate first."""
        given = (*self.inputs, *(F32 for _ in self.f32), *(I32 for _ in self.i32))
        return given + tuple(BY_CODE[instruction.code].gives for instruction in self.code)

    @property
    def gives(self) -> DType:
        """The type of the result, F32 or I32."""
        return self.registers[self.result]
