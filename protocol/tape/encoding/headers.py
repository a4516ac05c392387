"""The bytes of one node: what the on-chain referee reads, and nothing else that it would have to look up.

A header starts with kind, element type, rank and sizes. Each source is written with its type and with the
rows and columns of its tensor, so that a place in it can be turned into a leaf of its tree without seeing
its own header.
"""

from collections.abc import Callable, Sequence

from protocol.tape import limits
from protocol.tape.dtypes import F32, I32, Shape, TensorType
from protocol.tape.encoding.fields import Reader, i32, shape_bytes, type_bytes, u8, u32
from protocol.tape.nodes import Affine, Contract, Gather, Join, Map, Move, Node, Operand, Reduce, ReduceKind
from protocol.tape.scalar import Instruction, ScalarProgram
from protocol.types.errors import InputError

KINDS: dict[type[Node], int] = {Map: 1, Contract: 2, Reduce: 3, Move: 4, Gather: 5, Join: 6}


def encode_node(node: Node, types: Sequence[TensorType]) -> bytes:
    """The header of a valid node; `types` are those of all values before it."""
    head = u8(KINDS[type(node)]) + type_bytes(TensorType(node.dtype, node.shape))
    match node:
        case Map():
            operands = b"".join(_operand(operand, types) for operand in node.operands)
            return head + _program_head(node.program) + operands + _program_body(node.program)
        case Contract():
            right = b"" if node.right is None else _operand(node.right, types)
            return head + u8(0 if node.right is None else 1) + _operand(node.left, types) + right
        case Reduce():
            return head + u8(node.kind) + _operand(node.operand, types)
        case Move():
            shapes = shape_bytes(node.grid) + shape_bytes(node.view)
            axes = b"".join(_affine(axis) for axis in node.axes)
            return head + _source(node.source, types) + u32(node.fill) + shapes + axes
        case Gather():
            sources = _source(node.source, types) + _source(node.index, types)
            return head + sources + u32(node.row, node.fill)
        case Join():
            parts = b"".join(_source(part, types) + u32(types[part].shape[node.axis]) for part in node.parts)
            return head + u8(node.axis, len(node.parts)) + parts


def decode_node(data: bytes | memoryview) -> Node:
    """The node of a header. InputError for bytes that are none; what they say is for the validator to judge.

    Source types, rows and columns are read over: whoever has the whole tape encodes it again and compares.
    """
    reader = Reader(data, "node header")
    kind = reader.number(1)
    dtype = reader.dtype()
    shape = reader.shape()
    if kind not in _BODIES:
        raise InputError(f"node header: unknown kind {kind}")
    node = _BODIES[kind](reader, TensorType(dtype, shape))
    reader.end()
    return node


def _source(number: int, types: Sequence[TensorType]) -> bytes:
    kind = types[number]
    return u32(number) + u8(kind.dtype) + u32(kind.rows, kind.columns)


def _affine(at: Affine) -> bytes:
    return i32(at.offset, *at.coefs)


def _operand(operand: Operand, types: Sequence[TensorType]) -> bytes:
    return _source(operand.source, types) + _affine(operand.at)


def _program_head(program: ScalarProgram) -> bytes:
    pools = len(program.f32), len(program.i32)
    return u8(len(program.inputs), *pools, len(program.code), program.result)


def _program_body(program: ScalarProgram) -> bytes:
    code = b"".join(u8(step.code, step.a, step.b, step.c) for step in program.code)
    return u32(*program.f32, *program.i32) + code


def _read_source(reader: Reader) -> tuple[int, bool]:
    number = reader.number(4)
    floating = reader.dtype() is F32
    reader.take(8)
    return number, floating


def _read_affine(reader: Reader, rank: int) -> Affine:
    return Affine(reader.signed(), tuple(reader.signed() for _ in range(rank)))


def _read_operand(reader: Reader, shape: Shape) -> Operand:
    number, _ = _read_source(reader)
    return Operand(number, _read_affine(reader, len(shape)))


def _read_map(reader: Reader, out: TensorType) -> Map:
    count = reader.count(1, limits.MAX_MAP_OPERANDS, "operands")
    f32 = reader.count(1, limits.MAX_PROGRAM_CONSTANTS, "f32 constants")
    words = reader.count(1, limits.MAX_PROGRAM_CONSTANTS, "i32 constants")
    steps = reader.count(1, limits.MAX_INSTRUCTIONS, "instructions")
    result = reader.number(1)
    operands, inputs = [], []
    for _ in range(count):
        number, floating = _read_source(reader)
        inputs.append(F32 if floating else I32)
        operands.append(Operand(number, _read_affine(reader, len(out.shape))))
    pools = [tuple(reader.number(4) for _ in range(size)) for size in (f32, words)]
    code = tuple(Instruction(*reader.take(4)) for _ in range(steps))
    program = ScalarProgram(tuple(inputs), pools[0], pools[1], code, result)
    return Map(out.dtype, out.shape, program, tuple(operands))


def _read_contract(reader: Reader, out: TensorType) -> Contract:
    operands = reader.count(1, 1, "right operands")
    left = _read_operand(reader, out.shape)
    right = _read_operand(reader, out.shape) if operands else None
    return Contract(out.dtype, out.shape, left, right)


def _read_reduce(reader: Reader, out: TensorType) -> Reduce:
    kind = reader.number(1)
    if kind not in ReduceKind.__members__.values():
        raise InputError(f"node header: unknown extreme {kind}")
    return Reduce(out.dtype, out.shape, ReduceKind(kind), _read_operand(reader, out.shape))


def _read_move(reader: Reader, out: TensorType) -> Move:
    source, _ = _read_source(reader)
    fill = reader.number(4)
    grid, view = reader.shape(), reader.shape()
    axes = tuple(_read_affine(reader, len(grid)) for _ in view)
    return Move(out.dtype, out.shape, source, grid, view, axes, fill)


def _read_gather(reader: Reader, out: TensorType) -> Gather:
    source, _ = _read_source(reader)
    index, _ = _read_source(reader)
    return Gather(out.dtype, out.shape, source, index, reader.number(4), reader.number(4))


def _read_join(reader: Reader, out: TensorType) -> Join:
    axis = reader.number(1)
    parts = []
    for _ in range(reader.count(1, limits.MAX_JOIN_SOURCES, "parts")):
        parts.append(_read_source(reader)[0])
        reader.take(4)
    return Join(out.dtype, out.shape, axis, tuple(parts))


_BODIES: dict[int, Callable[[Reader, TensorType], Node]] = {
    1: _read_map,
    2: _read_contract,
    3: _read_reduce,
    4: _read_move,
    5: _read_gather,
    6: _read_join,
}
