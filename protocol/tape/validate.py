"""What makes a tape acceptable: after `validate`, every node has exactly one result for every input (RULES
19, 20).

All checks raise InputError and name the node. Limits stand in `limits`.
"""

import math
from collections.abc import Sequence

from protocol.tape import limits
from protocol.tape.dtypes import CANONICAL_NAN, F32, I8, I32, DType, Shape, TensorType
from protocol.tape.late_numpy import Array, np
from protocol.tape.nodes import Affine, Contract, Gather, Join, Map, Move, Node, Operand, Reduce, ReduceKind
from protocol.tape.scalar import BY_CODE, Instruction, ScalarProgram
from protocol.tape.tape import Tape
from protocol.types.errors import InputError


def validate(tape: Tape, labels: Sequence[str] = ()) -> None:
    """Accept the tape or raise InputError saying which part is wrong and why.

    `labels` are what its nodes came from, if whoever made it knows.
    """
    _need(len(tape.inputs) <= limits.MAX_INPUTS, f"more than {limits.MAX_INPUTS} inputs")
    _need(len(tape.constants) <= limits.MAX_CONSTANTS, f"more than {limits.MAX_CONSTANTS} constants")
    _need(1 <= len(tape.nodes) <= limits.MAX_NODES, f"{len(tape.nodes)} nodes, not 1..{limits.MAX_NODES}")
    most = min(len(tape.nodes), limits.MAX_OUTPUTS)
    _need(1 <= tape.outputs <= most, f"{tape.outputs} outputs, not 1..{most}")
    types = tape.types
    for number, kind in enumerate(types):
        check_type(kind, _value_name(tape, number, labels))
    _need(sum(kind.nbytes for kind in types) <= limits.MAX_TOTAL_BYTES, "its values together are too large")
    for number, constant in enumerate(tape.constants):
        _need(len(constant.data) == constant.type.nbytes, f"constant {number} has the wrong number of bytes")
        if constant.type.dtype is F32:
            check_nans(np.frombuffer(constant.data, "<u4"), f"constant {number}")
    for number, node in enumerate(tape.nodes):
        where = f"{_value_name(tape, tape.first_node + number, labels)} ({type(node).__name__.upper()})"
        for source in node.sources:
            _need(0 <= source < tape.first_node + number, f"{where} reads value {source}, not an earlier one")
        _check_node(node, [types[source] for source in node.sources], where)


def check_type(kind: TensorType, where: str) -> None:
    """Refuse shapes of too many axes, or too large even if a zero axis makes the tensor empty."""
    _need(isinstance(kind.dtype, DType), f"{where}: unknown element type")
    _check_shape(kind.shape, where)


def check_item(types: Sequence[TensorType], arrays: Sequence[Array]) -> None:
    """One item's tensors fit their types and hold no NaN but the canonical one, else InputError."""
    _need(len(arrays) == len(types), f"{len(arrays)} tensors for {len(types)} inputs")
    for number, (kind, array) in enumerate(zip(types, arrays, strict=True)):
        fits = array.dtype == np.dtype(kind.dtype.numpy) and array.shape == kind.shape
        _need(fits, f"input {number} is {array.dtype}{array.shape}, not {kind.dtype.name}{kind.shape}")
        if kind.dtype is F32:
            check_nans(np.ascontiguousarray(array).view("<u4"), f"input {number}")


def check_nans(words: Array, where: str) -> None:
    """Refuse f32 words that are NaN but not 0x7FC00000: arithmetic would not carry their payload the same
    way.
    """
    chunk = 1 << 16  # whole arrays would need as much memory again, for each temporary
    flat = words.reshape(-1)
    for start in range(0, flat.size, chunk):
        part = flat[start : start + chunk]
        size = part & np.uint32(0x7FFFFFFF)
        if size.max() > 0x7F800000:
            bad = (size > 0x7F800000) & (part != CANONICAL_NAN)
            _need(not bad.any(), f"{where} holds a NaN other than 0x7FC00000")


def check_program(program: ScalarProgram, where: str) -> None:
    """Refuse programs that are too long, of unknown opcodes, or that read wrong or later registers."""
    _need(1 <= len(program.inputs) <= limits.MAX_MAP_OPERANDS, f"{where}: {len(program.inputs)} operands")
    _need(all(kind in (F32, I32) for kind in program.inputs), f"{where}: inputs are f32 or i32 registers")
    pool, steps = len(program.f32) + len(program.i32), len(program.code)
    _need(pool <= limits.MAX_PROGRAM_CONSTANTS, f"{where}: {pool} constants")
    _need(steps <= limits.MAX_INSTRUCTIONS, f"{where}: {steps} instructions")
    _need(
        all(0 <= word < 1 << 32 for word in (*program.f32, *program.i32)), f"{where}: a constant is no word"
    )
    if program.f32:
        check_nans(np.array(program.f32, np.uint32), f"{where}: an f32 constant")
    types = [*program.inputs, *(F32 for _ in program.f32), *(I32 for _ in program.i32)]
    for number, instruction in enumerate(program.code):
        types.append(_check_instruction(instruction, types, f"{where}, instruction {number}"))
    _need(0 <= program.result < len(types), f"{where}: there is no result register {program.result}")


def _check_instruction(instruction: Instruction, types: Sequence[DType], where: str) -> DType:
    op = BY_CODE.get(instruction.code)
    if op is None:
        raise InputError(f"{where}: unknown opcode {instruction.code}")
    given = (instruction.a, instruction.b, instruction.c)
    taken, unused = given[: len(op.takes)], given[len(op.takes) :]
    _need(all(0 <= number < len(types) for number in taken), f"{where} ({op.name}) reads a later register")
    _need(
        all(types[number] is kind for number, kind in zip(taken, op.takes, strict=True)),
        f"{where} ({op.name}): operands of the wrong type",
    )
    _need(not any(unused), f"{where} ({op.name}): unused operands must be 0")
    return op.gives


def _check_node(node: Node, sources: Sequence[TensorType], where: str) -> None:
    match node:
        case Map():
            check_program(node.program, where)
            _check_map(node, sources, where)
        case Contract():
            _check_contract(node, sources, where)
        case Reduce():
            _need(isinstance(node.kind, ReduceKind), f"{where}: unknown extreme")
            _need(node.dtype is sources[0].dtype, f"{where}: its type is not its source's")
            _check_rows(node.shape, node.operand, sources[0], where)
        case Move():
            _check_move(node, sources[0], where)
        case Gather():
            _check_gather(node, sources, where)
        case Join():
            _check_join(node, sources, where)


def _check_map(node: Map, sources: Sequence[TensorType], where: str) -> None:
    program = node.program
    _need(node.dtype.register is program.gives, f"{where}: the program gives {program.gives.name}")
    wanted = tuple(kind.dtype.register for kind in sources)
    _need(program.inputs == wanted, f"{where}: the program takes other types")
    for operand, kind in zip(node.operands, sources, strict=True):
        _check_inside(node.shape, operand.at, kind.elements, where)


def _check_contract(node: Contract, sources: Sequence[TensorType], where: str) -> None:
    floating = {kind.dtype is F32 for kind in sources}
    _need(len(floating) == 1, f"{where}: f32 with integers")
    _need(node.dtype is (F32 if floating.pop() else I32), f"{where}: its type is not what its operands give")
    _need(len({kind.columns for kind in sources}) == 1, f"{where}: its operands' last axes differ")
    operands = [node.left] if node.right is None else [node.left, node.right]
    for operand, kind in zip(operands, sources, strict=True):
        _check_rows(node.shape, operand, kind, where)


def _check_rows(shape: Shape, operand: Operand, kind: TensorType, where: str) -> None:
    _need(kind.columns <= limits.MAX_CHAIN, f"{where}: chains of {kind.columns} > {limits.MAX_CHAIN}")
    _check_inside(shape, operand.at, kind.rows, where)


def _check_move(node: Move, source: TensorType, where: str) -> None:
    _need(node.dtype is source.dtype, f"{where}: its type is not its source's")
    _check_shape(node.grid, f"{where}, grid")
    _check_shape(node.view, f"{where}, view")
    _need(math.prod(node.grid) == math.prod(node.shape), f"{where}: grid and shape differ in size")
    _need(math.prod(node.view) == source.elements, f"{where}: view and source differ in size")
    _need(len(node.axes) == len(node.view), f"{where}: {len(node.axes)} axes for a view {node.view}")
    for axis in node.axes:
        _check_affine(node.grid, axis, where)
    _check_fill(node, where)


def _check_gather(node: Gather, sources: Sequence[TensorType], where: str) -> None:
    source, index = sources
    _need(node.dtype is source.dtype, f"{where}: its type is not its source's")
    _need(index.dtype in (I32, I8), f"{where}: indices must be integers")
    _need(1 <= node.row <= limits.MAX_ELEMENTS, f"{where}: rows of {node.row}")
    _need(source.elements % node.row == 0, f"{where}: {source.elements} elements are no rows of {node.row}")
    _need(math.prod(node.shape) == index.elements * node.row, f"{where}: its shape is not indices x row")
    _check_fill(node, where)


def _check_join(node: Join, sources: Sequence[TensorType], where: str) -> None:
    _need(1 <= len(sources) <= limits.MAX_JOIN_SOURCES, f"{where}: {len(sources)} parts")
    _need(0 <= node.axis < len(node.shape), f"{where}: no axis {node.axis}")
    _need(all(kind.dtype is node.dtype for kind in sources), f"{where}: its parts differ in type")
    axis = node.axis
    for kind in sources:
        same = len(kind.shape) == len(node.shape) and all(
            i == axis or size == whole
            for i, (size, whole) in enumerate(zip(kind.shape, node.shape, strict=True))
        )
        _need(same, f"{where}: part {kind.shape} does not fit {node.shape}")
    _need(sum(kind.shape[axis] for kind in sources) == node.shape[axis], f"{where}: its parts do not add up")


def _check_fill(node: Move | Gather, where: str) -> None:
    _need(0 <= node.fill < 1 << (8 * node.dtype.width), f"{where}: fill is no {node.dtype.name}")
    if node.dtype is F32:
        check_nans(np.array([node.fill], np.uint32), f"{where}: the fill")


def _check_inside(shape: Shape, at: Affine, size: int, where: str) -> None:
    """Every place lies in 0 .. size - 1 for every coordinate of `shape`."""
    _check_affine(shape, at, where)
    if 0 in shape:
        return
    low = at.offset + sum(min(0, coef * (extent - 1)) for coef, extent in zip(at.coefs, shape, strict=True))
    high = at.offset + sum(max(0, coef * (extent - 1)) for coef, extent in zip(at.coefs, shape, strict=True))
    _need(low >= 0 and high < size, f"{where} reads places {low}..{high} of {size}")


def _check_affine(shape: Shape, at: Affine, where: str) -> None:
    _need(len(at.coefs) == len(shape), f"{where}: {len(at.coefs)} strides for {len(shape)} axes")
    _need(all(abs(n) <= limits.MAX_STEP for n in (at.offset, *at.coefs)), f"{where}: a stride is too large")


def _check_shape(shape: Shape, where: str) -> None:
    _need(len(shape) <= limits.MAX_RANK, f"{where}: more than {limits.MAX_RANK} axes")
    _need(all(size >= 0 for size in shape), f"{where}: a negative size")
    span = math.prod(max(size, 1) for size in shape)
    _need(span <= limits.MAX_ELEMENTS, f"{where}: shape {shape} is too large")


def _value_name(tape: Tape, number: int, labels: Sequence[str] = ()) -> str:
    if number < len(tape.inputs):
        return f"input {number}"
    if number < tape.first_node:
        return f"constant {number - len(tape.inputs)}"
    place = number - tape.first_node
    return f"node {place} of {labels[place]}" if place < len(labels) else f"node {place}"


def _need(holds: bool, message: str) -> None:
    if not holds:
        raise InputError(f"tape refused: {message}")
