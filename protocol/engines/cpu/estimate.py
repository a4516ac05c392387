"""What a tape costs, without running it."""

import math
from dataclasses import dataclass

from protocol.engines.cpu.fusion import Windows, find_windows
from protocol.engines.cpu.handling import handling
from protocol.engines.cpu.layout import plan
from protocol.tape.dtypes import F32, DType
from protocol.tape.nodes import Contract, Map, Reduce
from protocol.tape.tape import Tape

SCRATCH = 4 << 20  # bytes per thread, see Engine
CALL_BYTES = 4 << 10  # what a prepared kernel call takes, per thread


@dataclass(frozen=True)
class Work:
    """The work of one item, and the memory that an engine for it holds."""

    fmas: int
    """Multiply-adds of CONTRACT nodes."""
    steps: int
    """Scalar instructions of MAP nodes (a store counts as one) and comparisons of REDUCE nodes."""
    moved: int
    """Bytes written by MOVE, GATHER and JOIN nodes, and what all nodes take beside their arithmetic."""
    peak_bytes: int
    """Constants, their packed copies, the arena, what sums multiply by and what the threads hold; the
    interpreter itself, and the threads' stacks, are not counted.
    """


def estimate(tape: Tape, threads: int = 1) -> Work:
    """The work of a valid tape. Time follows from the machine's speeds; subnormals can slow it 200 times."""
    types = tape.types
    constant = range(len(tape.inputs), tape.first_node)
    fmas = steps = moved = 0
    for node in tape.nodes:
        moved += handling(node, types, constant)
        elements = math.prod(node.shape)
        match node:
            case Map():
                steps += elements * (len(node.program.code) + 1)
            case Contract():
                fmas += elements * types[node.left.source].columns
            case Reduce():
                steps += elements * types[node.operand.source].columns
            case _:
                moved += elements * node.dtype.width
    windows = find_windows(tape)
    arena = plan(tape, False, windows.sizes).arena
    return Work(fmas, steps, moved, arena + beside_values(tape, windows, threads))


def beside_values(tape: Tape, windows: Windows, threads: int = 1) -> int:
    """Bytes that an engine holds beside its values, whether it keeps them or not."""
    constants = sum(constant.type.nbytes for constant in tape.constants)
    sums = sum(size * dtype.width for dtype, size in longest_sums(tape).items())
    return constants + windows.nbytes + pack_room(tape) + sums + threads * thread_bytes(tape)


def thread_bytes(tape: Tape) -> int:
    """Bytes that an engine holds for each of its threads: scratch, and its share of each call."""
    return SCRATCH + CALL_BYTES * len(tape.nodes)


def pack_room(tape: Tape) -> int:
    """Bytes for packed constants: each that a product reads, once, with panels up to a group of
    rows longer.
    """
    types = tape.types
    read = {
        operand.source
        for node in tape.nodes
        if isinstance(node, Contract) and node.dtype is F32
        for operand in (node.left, node.right)
        if operand is not None and len(tape.inputs) <= operand.source < tape.first_node
    }
    return sum(types[source].nbytes + 128 * types[source].columns for source in read)


def longest_sums(tape: Tape) -> dict[DType, int]:
    """The most terms of a sum, a CONTRACT with the literal 1, by the type of what it adds up."""
    types = tape.types
    found: dict[DType, int] = {}
    for node in tape.nodes:
        if isinstance(node, Contract) and node.right is None:
            kind = types[node.left.source]
            found[kind.dtype] = max(found.get(kind.dtype, 0), kind.columns)
    return found
