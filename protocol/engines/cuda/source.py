"""The CUDA C of a tape: the kernels of this room, and one more per scalar program, generated from the table.

The same nodes always give the same text, so compiled code can be kept under the hash of its source.
"""

from ctypes import sizeof
from functools import cache
from hashlib import sha256
from importlib.resources import files

from protocol.engines.cuda.records import NAMES
from protocol.tape.dtypes import F32, DType
from protocol.tape.scalar import BY_CODE, OPS, ScalarProgram

FIXED = ("scalar", "map", "interpret", "rows", "product", "move")
Key = tuple[ScalarProgram, DType]
"""A program, and the type that its results are stored as."""


@cache
def part(name: str) -> str:
    """One file of `kernels`."""
    return (files("protocol.engines.cuda") / "kernels" / f"{name}.cuh").read_text(encoding="utf-8")


def operations() -> str:
    """OPn(code, result, operands.., expression) for every instruction: the interpreter's cases."""
    lines = []
    for op in OPS:
        letters = ["F" if kind is F32 else "I" for kind in (op.gives, *op.takes)]
        lines.append(f"OP{len(op.takes)}({op.code}, {', '.join(letters)}, {op.c})")
    return "\n      ".join(lines)


def _checks(text: str) -> str:
    known = [name for name in NAMES if f"struct {name} {{" in text]
    lines = [f'static_assert(sizeof({name}) == {sizeof(NAMES[name])}, "{name}");' for name in known]
    return text + "\n" + "\n".join(lines) + "\n"


@cache
def fixed_source() -> str:
    """The kernels that serve every tape."""
    text = "\n".join(part(name) for name in ("common", *FIXED))
    return _checks(text.replace("OPERATIONS", operations()))


def map_name(key: Key) -> str:
    """The kernel's name: it follows from what it computes."""
    program, dtype = key
    told = (
        [int(kind) for kind in program.inputs],
        program.f32,
        program.i32,
        [(step.code, step.a, step.b, step.c) for step in program.code],
        program.result,
        int(dtype),
    )
    return "map_" + sha256(repr(told).encode()).hexdigest()[:24]


def map_kernel(key: Key) -> str:
    """One program as straight-line code: register n is the variable r<n>."""
    program, dtype = key
    types = program.registers
    lines = [f"KERNEL({map_name(key)}, map_task, THREADS) {{"]
    lines += ["  u32 e = t.first + blockIdx.x * THREADS + threadIdx.x;", "  if (e >= t.last) return;"]
    lines += [f"  i64 at[{len(program.inputs)}];", f"  places<{len(program.inputs)}>(t.over, e, t.from, at);"]
    for number, kind in enumerate(program.inputs):
        taken = f"load(t.from[{number}], at[{number}])"
        lines.append(f"  {_declared(number, kind, f'g_float({taken})' if kind is F32 else taken)}")
    for number, word in enumerate((*program.f32, *program.i32), len(program.inputs)):
        taken = f"(i32)0x{word:08X}"
        kind = types[number]
        lines.append(f"  {_declared(number, kind, f'g_float({taken})' if kind is F32 else taken)}")
    for number, step in enumerate(program.code, program.first):
        op = BY_CODE[step.code]
        taken = ", ".join(f"r{n}" for n in (step.a, step.b, step.c)[: len(op.takes)])
        lines.append(f"  {_declared(number, op.gives, f'do_{op.name}({taken})')}")
    stored = f"r{program.result}"
    if dtype is F32:
        lines.append(f"  ((i32 *)t.out)[e] = g_bits({stored});")
    else:
        lines.append(f"  (({'i8' if dtype is DType.I8 else 'i32'} *)t.out)[e] = {_cast(dtype)}{stored};")
    return "\n".join([*lines, "}"])


def _cast(dtype: DType) -> str:
    return "(i8)" if dtype is DType.I8 else ""


def _type(kind: DType) -> str:
    return "float" if kind is F32 else "i32"


def _declared(number: int, kind: DType, value: str) -> str:
    return f"const {_type(kind)} r{number} = {value}; (void)r{number};"


@cache
def functions() -> str:
    """One function per instruction, around its expression over a, b, c."""
    lines = []
    for op in OPS:
        arguments = ", ".join(f"{_type(kind)} {name}" for kind, name in zip(op.takes, "abc", strict=False))
        lines.append(f"DEVICE {_type(op.gives)} do_{op.name}({arguments}) {{ return {op.c}; }}")
    return "\n".join(lines)


def maps_source(keys: tuple[Key, ...]) -> str:
    """The kernels of some programs."""
    text = "\n".join([part("common"), part("scalar"), functions(), part("map"), *map(map_kernel, keys)])
    return _checks(text)
