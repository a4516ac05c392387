"""The one table of scalar instructions.

From it come the reference interpreter, the C code of the CPU engine, the CUDA code and the bytes that the
on-chain referee interprets. Every instruction is total: it has exactly one result for every operand.

Registers are typed, f32 or i32 (an i8 element is sign-extended to i32 when loaded). A NaN's payload is
invisible to every instruction: compares are false, `f2i` gives 0, `bits` gives 0x7FC00000, and so does the
store of an f32 result. So targets need not agree on the NaN that their hardware makes (x86 sets the sign,
CUDA all payload bits).
"""

from dataclasses import dataclass

from protocol.tape.dtypes import F32, I32, DType


@dataclass(frozen=True, slots=True)
class Op:
    """One row: opcode, operand types, result type, the rule in words, and the C expression over a, b, c.

    The C expression uses only what `scalar.h` of the target defines (`g_min`, `g_idiv`, ...), so that one row
    serves the host compiler and CUDA.
    """

    code: int
    name: str
    takes: tuple[DType, ...]
    gives: DType
    rule: str
    c: str


_F1, _F2, _F3 = (F32,), (F32, F32), (F32, F32, F32)
_I2 = (I32, I32)

# Codes are bytes of committed programs: never renumber; new rows go at the end.
OPS: tuple[Op, ...] = (
    Op(1, "fadd", _F2, F32, "a + b, rounded to nearest even, as all f32 arithmetic here", "g_add(a, b)"),
    Op(2, "fsub", _F2, F32, "a - b", "g_sub(a, b)"),
    Op(3, "fmul", _F2, F32, "a * b", "g_mul(a, b)"),
    Op(4, "fdiv", _F2, F32, "a / b, IEEE: x/0 is infinite, 0/0 is NaN", "g_div(a, b)"),
    Op(5, "fsqrt", _F1, F32, "square root, correctly rounded; of -0: -0; of less: NaN", "g_sqrt(a)"),
    Op(6, "fma", _F3, F32, "a * b + c with one rounding", "g_fma(a, b, c)"),
    Op(7, "fmin", _F2, F32, "the lesser; NaN if either is; -0 < +0", "g_min(a, b)"),
    Op(8, "fmax", _F2, F32, "the greater; NaN if either is; -0 < +0", "g_max(a, b)"),
    Op(9, "fneg", _F1, F32, "sign flipped", "g_neg(a)"),
    Op(10, "fabs", _F1, F32, "sign cleared", "g_abs(a)"),
    Op(11, "feq", _F2, I32, "1 if a = b, else 0 (also for NaN); -0 = +0", "(a == b)"),
    Op(12, "flt", _F2, I32, "1 if a < b, else 0 (also for NaN)", "(a < b)"),
    Op(13, "fle", _F2, I32, "1 if a <= b, else 0 (also for NaN)", "(a <= b)"),
    Op(14, "fsel", (I32, F32, F32), F32, "b if a is not 0, else c", "(a != 0 ? b : c)"),
    Op(15, "bits", _F1, I32, "the word of a; 0x7FC00000 for every NaN", "g_bits(a)"),
    Op(16, "float", (I32,), F32, "the f32 whose word is a", "g_float(a)"),
    Op(17, "iadd", _I2, I32, "a + b mod 2^32", "g_iadd(a, b)"),
    Op(18, "isub", _I2, I32, "a - b mod 2^32", "g_isub(a, b)"),
    Op(19, "imul", _I2, I32, "a * b mod 2^32", "g_imul(a, b)"),
    Op(20, "imulhi", _I2, I32, "the high word of the signed 64-bit product", "g_imulhi(a, b)"),
    Op(21, "idiv", _I2, I32, "a / b towards zero; x/0 = 0; INT_MIN/-1 = INT_MIN", "g_idiv(a, b)"),
    Op(
        22,
        "irem",
        _I2,
        I32,
        "a - idiv(a, b) * b mod 2^32; so x rem 0 = x, INT_MIN rem -1 = 0",
        "g_irem(a, b)",
    ),
    Op(23, "iand", _I2, I32, "bitwise and", "(a & b)"),
    Op(24, "ior", _I2, I32, "bitwise or", "(a | b)"),
    Op(25, "ixor", _I2, I32, "bitwise exclusive or", "(a ^ b)"),
    Op(26, "shl", _I2, I32, "a shifted left by b mod 32", "g_shl(a, b)"),
    Op(27, "shr", _I2, I32, "a shifted right by b mod 32, zeros come in", "g_shr(a, b)"),
    Op(28, "sar", _I2, I32, "a shifted right by b mod 32, the sign comes in", "g_sar(a, b)"),
    Op(29, "ieq", _I2, I32, "1 if a = b, else 0", "(a == b)"),
    Op(30, "ilt", _I2, I32, "1 if a < b as signed words, else 0", "(a < b)"),
    Op(31, "ult", _I2, I32, "1 if a < b as unsigned words, else 0", "g_ult(a, b)"),
    Op(32, "isel", (I32, I32, I32), I32, "b if a is not 0, else c", "(a != 0 ? b : c)"),
    Op(33, "imin", _I2, I32, "the lesser of signed words", "(a < b ? a : b)"),
    Op(34, "imax", _I2, I32, "the greater of signed words", "(a < b ? b : a)"),
    Op(35, "i2f", (I32,), F32, "the nearest f32, ties to even", "g_i2f(a)"),
    Op(36, "f2i", _F1, I32, "truncated towards zero, saturating; NaN gives 0", "g_f2i(a)"),
)

BY_CODE: dict[int, Op] = {op.code: op for op in OPS}
BY_NAME: dict[str, Op] = {op.name: op for op in OPS}
