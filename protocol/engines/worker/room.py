"""How much memory the worker needs for what."""

import resource
from collections.abc import Sequence

from protocol.dispute.trace import middle_bytes, trees_bytes
from protocol.engines.cpu.estimate import Work, beside_values, thread_bytes
from protocol.engines.cpu.fusion import find_windows
from protocol.runtime.frugal import STACK_BYTES
from protocol.tape import Map, Tape, TensorType
from protocol.tape.limits import LEAF_BYTES
from protocol.tape.roots import leaf_count

PROCESS_BYTES = 200 * 2**20
"""The interpreter, its libraries and a second copy of small things."""
LENT = 256 * 2**20
"""Values of up to so many bytes lie in the engine until it runs the next item, and are then copied out; a
trace with more keeps the engine's memory for itself.
"""

_PLANNED_NODE = 16 * 2**10
_PLANNED_INSTRUCTION = 400
_PLANNED_CONSTANT = 2 * 2**10
"""What a node, an instruction of a MAP and a constant take once they are read and planned, as measured."""
_ITEM = 400
"""What an item takes be it never executed: its roots, and the trees over them."""

_EACH = 600
"""Bytes that a trace takes for each value beside its content: of many small ones that is most of it."""

TRACE_HEAD_BYTES = 64
"""Before the trees' middles in a trace's file (`stored`)."""


def limit_bytes() -> int | None:
    """What this process may take, None if it has no limit."""
    limit = resource.getrlimit(resource.RLIMIT_DATA)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def constant_bytes(tape: Tape) -> int:
    """The constants' own bytes."""
    return sum(constant.type.nbytes for constant in tape.constants)


def value_bytes(tape: Tape) -> int:
    """All node outputs of one item."""
    return sum(kind.nbytes for kind in tape.types[tape.first_node :])


def input_bytes(tape: Tape) -> int:
    """The inputs of one item: beside what an engine holds, whoever executes it has them as they were read."""
    return sum(kind.nbytes for kind in tape.inputs)


def carried_bytes(tape: Tape) -> int:
    """What running an item takes beside its engine: its inputs, and a copy of its outputs."""
    return input_bytes(tape) + sum(kind.nbytes for kind in tape.output_types)


def hashed_bytes(types: Sequence[TensorType]) -> int:
    """The leaves of tensors: every row fills whole ones, be it a byte long."""
    return LEAF_BYTES * sum(map(leaf_count, types))


def file_bytes(tape: Tape) -> int:
    """What the file of a trace takes: a head, the values, and the middles of all trees."""
    return TRACE_HEAD_BYTES + sum(map(middle_bytes, tape.types)) + value_bytes(tape)


def kept_bytes(tape: Tape) -> int:
    """What a trace takes while it is kept: its inputs and values, and what it keeps of their trees."""
    return input_bytes(tape) + value_bytes(tape) + trees_bytes(tape.types) + _EACH * len(tape.types)


def planned_bytes(tape: Tape) -> int:
    """What a program takes in memory, read and planned for an engine: a hundred times its own bytes.

    The constants' own bytes are not counted.
    """
    instructions = sum(len(node.program.code) for node in tape.nodes if isinstance(node, Map))
    nodes = _PLANNED_NODE * len(tape.nodes) + _PLANNED_INSTRUCTION * instructions
    return nodes + _PLANNED_CONSTANT * len(tape.constants)


def plan_bytes(tape: Tape, items: int) -> int:
    """What a job takes once it is planned for disputes, beside its program."""
    return planned_bytes(tape) + items * _ITEM


def answer_bytes(tape: Tape, items: int) -> int:
    """What answering for an item of a job takes: the program planned for disputes, and a trace's trees.

    Values and inputs stay in their files.
    """
    trees = trees_bytes(tape.types) + _EACH * len(tape.types)
    return PROCESS_BYTES + constant_bytes(tape) + planned_bytes(tape) + plan_bytes(tape, items) + trees


def peak_bytes(tape: Tape, work: Work, threads: int = 1, items: int = 1) -> int:
    """What running the items of a job takes, one after the other on so many threads.

    `work` is the tape's without any.
    """
    plain = PROCESS_BYTES + planned_bytes(tape) + work.peak_bytes + carried_bytes(tape)
    return plain + use_bytes(tape, threads, items)


def running_bytes(tape: Tape, threads: int = 1, items: int = 1) -> int:
    """What an engine that keeps values needs beside those of the traces: its inputs lie in it once more."""
    beside = beside_values(tape, find_windows(tape, keep=True), threads=0)
    lent = value_bytes(tape) if value_bytes(tape) <= LENT else 0
    plain = PROCESS_BYTES + planned_bytes(tape) + beside + input_bytes(tape) + lent
    return plain + use_bytes(tape, threads, items)


def use_bytes(tape: Tape, threads: int, items: int) -> int:
    """What is to be added for the threads that execute, and for the items of the job."""
    return threads * (STACK_BYTES + thread_bytes(tape)) + items * _ITEM
