"""Writing scalar programs as ordinary Python expressions.

    softplus = trace(lambda x: log(exp(x) + 1.0), F32)

`trace` calls the function once with symbolic values; equal subexpressions become one instruction, and what
the result does not use is dropped. Python numbers beside a value become constants of the value's type (a
float is rounded to the nearest f32). Comparisons give i32 0 or 1; use `eq`, since `==` compares
expressions as objects.
"""

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass

from protocol.tape.dtypes import CANONICAL_NAN, F32, I32, DType
from protocol.tape.scalar.ops import BY_NAME
from protocol.tape.scalar.program import Instruction, ScalarProgram
from protocol.types.errors import InputError

Scalar = int | float


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A symbolic f32 or i32: an input (`op` = "input"), a constant ("const", `word`) or an instruction."""

    dtype: DType
    op: str
    args: "tuple[Value, ...]" = ()
    word: int = 0

    def __add__(self, other: "Value | Scalar") -> "Value":
        return _arith("fadd", "iadd", self, other)

    def __radd__(self, other: Scalar) -> "Value":
        return _arith("fadd", "iadd", other, self)

    def __sub__(self, other: "Value | Scalar") -> "Value":
        return _arith("fsub", "isub", self, other)

    def __rsub__(self, other: Scalar) -> "Value":
        return _arith("fsub", "isub", other, self)

    def __mul__(self, other: "Value | Scalar") -> "Value":
        return _arith("fmul", "imul", self, other)

    def __rmul__(self, other: Scalar) -> "Value":
        return _arith("fmul", "imul", other, self)

    def __truediv__(self, other: "Value | Scalar") -> "Value":
        """f32 division only; integers use `idiv`, whose rounding is in its name's table row."""
        return apply("fdiv", self, other)

    def __rtruediv__(self, other: Scalar) -> "Value":
        return apply("fdiv", other, self)

    def __neg__(self) -> "Value":
        return apply("fneg", self) if self.dtype is F32 else apply("isub", 0, self)

    def __abs__(self) -> "Value":
        return apply("fabs", self) if self.dtype is F32 else apply("imax", self, -self)

    def __and__(self, other: "Value | int") -> "Value":
        return apply("iand", self, other)

    def __or__(self, other: "Value | int") -> "Value":
        return apply("ior", self, other)

    def __xor__(self, other: "Value | int") -> "Value":
        return apply("ixor", self, other)

    def __lshift__(self, other: "Value | int") -> "Value":
        return apply("shl", self, other)

    def __rshift__(self, other: "Value | int") -> "Value":
        """Arithmetic shift; `shr` shifts zeros in."""
        return apply("sar", self, other)

    def __lt__(self, other: "Value | Scalar") -> "Value":
        return _arith("flt", "ilt", self, other)

    def __gt__(self, other: "Value | Scalar") -> "Value":
        return _arith("flt", "ilt", other, self)

    def __le__(self, other: "Value | Scalar") -> "Value":
        return apply("fle", self, other) if self.dtype is F32 else apply("ilt", other, self) ^ 1

    def __ge__(self, other: "Value | Scalar") -> "Value":
        return apply("fle", other, self) if self.dtype is F32 else apply("ilt", self, other) ^ 1


def const(number: Scalar, dtype: DType) -> Value:
    """A constant: the nearest f32, or an integer in -2^31 .. 2^32 - 1 taken mod 2^32.

    InputError if the integer does not fit or is not one.
    """
    if dtype is F32:
        return word_f32(f32_word(float(number)))
    if number != int(number) or not -(1 << 31) <= number < 1 << 32:
        raise InputError(f"{number} is no 32-bit integer constant")
    return Value(I32, "const", word=int(number) & 0xFFFFFFFF)


def word_f32(word: int) -> Value:
    """The f32 constant with this bit pattern."""
    return Value(F32, "const", word=word)


def f32_word(number: float) -> int:
    """Bit pattern of the f32 nearest to a Python float, ties to even; NaN gives the canonical one."""
    if math.isnan(number):
        return CANONICAL_NAN
    try:
        return int.from_bytes(struct.pack(">f", number))
    except OverflowError:
        return 0x7F800000 if number > 0 else 0xFF800000


def apply(name: str, *args: Value | Scalar) -> Value:
    """One instruction by its table name; Python numbers become constants of the type that it takes.

    InputError if a value's type or the number of operands is not what the table says.
    """
    op = BY_NAME[name]
    if len(args) != len(op.takes):
        raise InputError(f"{name} takes {len(op.takes)} operands, not {len(args)}")
    values = tuple(
        arg if isinstance(arg, Value) else const(arg, dtype)
        for arg, dtype in zip(args, op.takes, strict=True)
    )
    if any(value.dtype is not dtype for value, dtype in zip(values, op.takes, strict=True)):
        got = ", ".join(value.dtype.name for value in values)
        raise InputError(f"{name} takes ({', '.join(t.name for t in op.takes)}), not ({got})")
    return Value(op.gives, name, values)


def _arith(floating: str, integer: str, left: Value | Scalar, right: Value | Scalar) -> Value:
    dtype = left.dtype if isinstance(left, Value) else right.dtype if isinstance(right, Value) else F32
    return apply(floating if dtype is F32 else integer, left, right)


def trace(function: Callable[..., Value], *inputs: DType) -> ScalarProgram:
    """The program of `function`, called with one value per input type (i8 inputs arrive as i32)."""
    values = tuple(Value(dtype.register, "input", word=i) for i, dtype in enumerate(inputs))
    return assemble(function(*values), tuple(value.dtype for value in values))


def assemble(result: Value, inputs: tuple[DType, ...]) -> ScalarProgram:
    """Number the values that `result` needs, each distinct one once, operands first."""
    f32: dict[int, int] = {}
    i32: dict[int, int] = {}
    code: dict[tuple[str, tuple[int, ...]], int] = {}
    seen: dict[int, tuple[str, int]] = {}

    def visit(value: Value) -> tuple[str, int]:
        if id(value) in seen:
            return seen[id(value)]
        if value.op == "input":
            place = ("input", value.word)
        elif value.op == "const":
            pool = f32 if value.dtype is F32 else i32
            place = (value.dtype.name, pool.setdefault(value.word, len(pool)))
        else:
            key = (value.op, tuple(register(visit(arg)) for arg in value.args))
            place = ("code", code.setdefault(key, len(code)))
        seen[id(value)] = place
        return place

    # Registers of instructions lie behind the constants, whose number is known only at the end: first
    # every place gets a provisional number in a range of its own, then all are shifted into line.
    ranges = {"input": 0, "F32": 1 << 20, "I32": 2 << 20, "code": 3 << 20}

    def register(place: tuple[str, int]) -> int:
        return ranges[place[0]] + place[1]

    root = register(visit(result))
    starts = (0, len(inputs), len(inputs) + len(f32), len(inputs) + len(f32) + len(i32))

    def final(provisional: int) -> int:
        return starts[provisional >> 20] + (provisional & 0xFFFFF)

    instructions = []
    for name, args in code:
        a, b, c = (*map(final, args), 0, 0, 0)[:3]
        instructions.append(Instruction(BY_NAME[name].code, a, b, c))
    return ScalarProgram(inputs, tuple(f32), tuple(i32), tuple(instructions), final(root))


def fma(a: Value | Scalar, b: Value | Scalar, c: Value | Scalar) -> Value:
    """a * b + c with one rounding."""
    return apply("fma", a, b, c)


def sqrt(a: Value) -> Value:
    """Square root, correctly rounded."""
    return apply("fsqrt", a)


def minimum(a: Value | Scalar, b: Value | Scalar) -> Value:
    """The lesser, f32 (NaN propagates, -0 < +0) or i32."""
    return _arith("fmin", "imin", a, b)


def maximum(a: Value | Scalar, b: Value | Scalar) -> Value:
    """The greater, f32 (NaN propagates, -0 < +0) or i32."""
    return _arith("fmax", "imax", a, b)


def eq(a: Value | Scalar, b: Value | Scalar) -> Value:
    """1 if equal, else 0; a NaN equals nothing."""
    return _arith("feq", "ieq", a, b)


def where(condition: Value, a: Value | Scalar, b: Value | Scalar) -> Value:
    """`a` where the i32 condition is not 0, else `b`."""
    typed = a if isinstance(a, Value) else b if isinstance(b, Value) else None
    floating = typed.dtype is F32 if typed is not None else isinstance(a, float) or isinstance(b, float)
    return apply("fsel" if floating else "isel", condition, a, b)


def logical_not(condition: Value) -> Value:
    """1 if the i32 is 0, else 0."""
    return eq(condition, 0)


def bits(a: Value) -> Value:
    """The word of an f32 as i32, NaN made canonical."""
    return apply("bits", a)


def from_bits(a: Value | int) -> Value:
    """The f32 whose word is `a`."""
    return apply("float", a)


def to_f32(a: Value) -> Value:
    """i32 to the nearest f32; an f32 stays itself."""
    return a if a.dtype is F32 else apply("i2f", a)


def to_i32(a: Value) -> Value:
    """f32 truncated towards zero, saturating, NaN to 0; an i32 stays itself."""
    return a if a.dtype is I32 else apply("f2i", a)


def shr(a: Value, b: Value | int) -> Value:
    """Logical shift right by b mod 32."""
    return apply("shr", a, b)


def idiv(a: Value | int, b: Value | int) -> Value:
    """Integer quotient towards zero; by 0 it is 0."""
    return apply("idiv", a, b)


def irem(a: Value | int, b: Value | int) -> Value:
    """Remainder with the sign of `a`; by 0 it is `a`."""
    return apply("irem", a, b)
