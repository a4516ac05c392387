"""How much memory the worker needs for what."""

from protocol.tape import Tape

PROCESS_BYTES = 200 * 2**20
"""The interpreter, its libraries and a second copy of small things."""
LENT = 256 * 2**20
"""Values of up to so many bytes lie in the engine until it runs the next item, and are then copied out; a
trace with more keeps the engine's memory for itself.
"""

TRACE_HEAD_BYTES = 64
"""Before the roots in a trace's file (`stored`)."""
ROOT_BYTES = 32


def value_bytes(tape: Tape) -> int:
    """All node outputs of one item."""
    return sum(kind.nbytes for kind in tape.types[tape.first_node :])


def file_bytes(tape: Tape) -> int:
    """What the file of a trace takes: a head, the values, and their roots, which are most of small ones."""
    return TRACE_HEAD_BYTES + ROOT_BYTES * len(tape.nodes) + value_bytes(tape)


def running_bytes(tape: Tape) -> int:
    """What an engine that keeps values needs beside those of the traces."""
    # Constants are held as they are and packed.
    constants = sum(constant.type.nbytes for constant in tape.constants)
    return PROCESS_BYTES + 2 * constants + (value_bytes(tape) if value_bytes(tape) <= LENT else 0)


def trace_bytes(tape: Tape) -> int:
    """What a worker needs to trace one item: its values, and as much again for trees."""
    return running_bytes(tape) + 2 * value_bytes(tape)
