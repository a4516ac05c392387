"""The definition of a tape: every node, evaluated the obvious way. Fast engines are held to these bits."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocol.tape.dtypes import F32, I8, Shape
from protocol.tape.limits import BLOCK
from protocol.tape.nodes import Affine, Contract, Gather, Join, Map, Move, Node, Operand, Reduce, ReduceKind
from protocol.tape.reference.arithmetic import RULES, F, Register, canonical, fma, fmax, fmin, refuse_flushing
from protocol.tape.scalar import BY_CODE, ScalarProgram
from protocol.tape.tape import Tape
from protocol.tape.validate import check_item

Array = NDArray[Any]
Index = NDArray[np.int64]


def evaluate(tape: Tape, inputs: Sequence[Array]) -> list[Array]:
    """The outputs of one item. InputError if the inputs do not fit the tape or hold another NaN."""
    return evaluate_all(tape, inputs)[len(tape.types) - tape.outputs :]


def evaluate_all(tape: Tape, inputs: Sequence[Array]) -> list[Array]:
    """Every value of the tape, in order: inputs, constants, nodes."""
    refuse_flushing()
    check_item(tape.inputs, inputs)
    values: list[Array] = [np.asarray(array) for array in inputs]
    for constant in tape.constants:
        flat = np.frombuffer(constant.data, dtype=constant.type.dtype.numpy)
        values.append(flat.reshape(constant.type.shape))
    with np.errstate(all="ignore"):
        for node in tape.nodes:
            values.append(evaluate_node(node, [values[source] for source in node.sources]))
    return values


def evaluate_node(node: Node, sources: Sequence[Array]) -> Array:
    """One node's output from its sources, in the order of `node.sources`."""
    match node:
        case Map():
            flat = _map(node, sources)
        case Contract():
            flat = _contract(node, sources)
        case Reduce():
            flat = _reduce(node, sources[0])
        case Move():
            flat = _move(node, sources[0].reshape(-1))
        case Gather():
            flat = _gather(node, sources[0], sources[1].reshape(-1))
        case Join():
            flat = np.concatenate(sources, axis=node.axis)
    return np.ascontiguousarray(flat).astype(node.dtype.numpy).reshape(node.shape)


def run_program(program: ScalarProgram, inputs: Sequence[Register]) -> Register:
    """A scalar program on arrays of one shape; an f32 result has canonical NaNs."""
    size = inputs[0].shape
    registers: list[Register] = list(inputs)
    registers += [np.full(size, word, np.uint32).view(np.float32) for word in program.f32]
    registers += [np.full(size, word, np.uint32).view(np.int32) for word in program.i32]
    for instruction in program.code:
        op = BY_CODE[instruction.code]
        taken = (instruction.a, instruction.b, instruction.c)[: len(op.takes)]
        registers.append(RULES[op.name](*(registers[number] for number in taken)))
    result = registers[program.result]
    return canonical(result) if program.gives is F32 else result


def positions(shape: Shape, at: Affine) -> Index:
    """The affine form's value for every coordinate of `shape`, in row-major order."""
    size = int(np.prod(shape, dtype=np.int64))
    coordinates = np.indices(shape, dtype=np.int64).reshape(len(shape), size)
    steps = np.array(at.coefs, dtype=np.int64).reshape(len(shape), 1)
    places: Index = np.full(size, at.offset, np.int64) + (coordinates * steps).sum(axis=0)
    return places


def _map(node: Map, sources: Sequence[Array]) -> Array:
    loaded: list[Register] = []
    for operand, source in zip(node.operands, sources, strict=True):
        taken = source.reshape(-1)[positions(node.shape, operand.at)]
        loaded.append(taken.astype(np.int32) if source.dtype == np.int8 else taken)
    result = run_program(node.program, loaded)
    return (result & 0xFF).astype(np.uint8).view(np.int8) if node.dtype is I8 else result


def _rows(shape: Shape, operand: Operand, source: Array) -> Array:
    columns = source.shape[-1] if source.shape else 1
    count = int(np.prod(source.shape[:-1], dtype=np.int64))
    taken: Array = source.reshape(count, columns)[positions(shape, operand.at)]
    return taken


def _contract(node: Contract, sources: Sequence[Array]) -> Array:
    left = _rows(node.shape, node.left, sources[0])
    right = np.ones_like(left) if node.right is None else _rows(node.shape, node.right, sources[1])
    if node.dtype is F32:
        return chain(left, right)
    wide = (left.astype(np.int64) * right.astype(np.int64)) & 0xFFFFFFFF
    words: Array = (wide.sum(axis=1) & 0xFFFFFFFF).astype(np.uint32).view(np.int32)
    return words


def chain(left: F, right: F) -> F:
    """Row sums of left * right in order B256: chains of 256 from +0, folded left to right from the first."""
    rows, k = left.shape
    total = np.zeros(rows, np.float32)
    for start in range(0, k, BLOCK):
        acc = np.zeros(rows, np.float32)
        for i in range(start, min(start + BLOCK, k)):
            acc = fma(left[:, i], right[:, i], acc)
        total = acc if start == 0 else total + acc
    return canonical(total)


def _reduce(node: Reduce, source: Array) -> Array:
    rows = _rows(node.shape, node.operand, source)
    greatest = node.kind is ReduceKind.MAX
    if node.dtype is not F32:
        limits = np.iinfo(rows.dtype)
        best, worst = (np.max, limits.min) if greatest else (np.min, limits.max)
        found: Array = best(rows, axis=1, initial=worst)
        return found
    extreme = fmax if greatest else fmin
    acc = np.full(rows.shape[0], -np.inf if greatest else np.inf, np.float32)
    for i in range(rows.shape[1]):
        acc = extreme(acc, rows[:, i])
    return canonical(acc)


def _fill(node: Move | Gather) -> Array:
    width = node.dtype.width
    return np.frombuffer(node.fill.to_bytes(4, "little")[:width], dtype=node.dtype.numpy)


def _move(node: Move, source: Array) -> Array:
    size = int(np.prod(node.grid, dtype=np.int64))
    inside = np.ones(size, bool)
    place = np.zeros(size, np.int64)
    for axis, extent in zip(node.axes, node.view, strict=True):
        coordinate = positions(node.grid, axis)
        inside &= (coordinate >= 0) & (coordinate < extent)
        place = place * extent + np.clip(coordinate, 0, max(extent - 1, 0))
    return _pick(source, place, inside, _fill(node))


def _gather(node: Gather, source: Array, index: Array) -> Array:
    rows = source.reshape(-1, node.row) if source.size else source.reshape(0, node.row)
    named = index.astype(np.int64)
    inside = (named >= 0) & (named < len(rows))
    place = np.clip(named, 0, max(len(rows) - 1, 0))[:, None] * node.row + np.arange(node.row)
    return _pick(source.reshape(-1), place.reshape(-1), np.repeat(inside, node.row), _fill(node))


def _pick(source: Array, place: Index, inside: NDArray[np.bool_], fill: Array) -> Array:
    if source.size == 0:
        return np.repeat(fill, len(place))
    return np.where(inside, source[place], fill)
