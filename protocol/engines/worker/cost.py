"""What one item of a tape costs: multiply-adds, scalar instructions, bytes moved, memory, and so time."""

import math
from dataclasses import dataclass

from protocol.engines.worker.interface import Speed
from protocol.tape import Contract, Gather, Join, Map, Move, Node, Reduce, Tape

CAUTIOUS = Speed(device="cpu", threads=1, fmas=5e9, steps=5e8, moved=1e9)
"""What even a slow core of today does, used until `calibrate` has measured."""
SUBNORMAL = 240.0
"""How much slower arithmetic gets at worst when every number is subnormal (measured, hardware's doing)."""
PROGRAM_BYTES = 200 * 2**20
"""The interpreter and its libraries."""


@dataclass(frozen=True)
class Cost:
    """Of one item."""

    fmas: int
    steps: int
    moved: int
    live_bytes: int
    """The most that inputs and node outputs take at one time, each dropped after its last reader."""

    def seconds(self, speed: Speed) -> float:
        """Estimated time at a speed, numbers being ordinary."""
        return self.fmas / speed.fmas + self.steps / speed.steps + self.moved / speed.moved

    def worst_seconds(self, speed: Speed) -> float:
        """The same if every number is subnormal."""
        return SUBNORMAL * (self.fmas / speed.fmas + self.steps / speed.steps) + self.moved / speed.moved


def _work(node: Node, columns: int, read: int) -> tuple[int, int, int]:
    elements = math.prod(node.shape)
    match node:
        case Contract():
            return elements * columns, 0, 0
        case Reduce():
            return 0, elements * columns, 0
        case Map():
            return 0, elements * (len(node.program.code) + 1), 0
        case Move() | Gather() | Join():
            return 0, 0, elements * node.dtype.width + read


def cost_of(tape: Tape) -> Cost:
    """The cost of one item of a valid tape."""
    types = tape.types
    last = {source: i for i, node in enumerate(tape.nodes) for source in node.sources}
    total = [0, 0, 0]
    live = sum(kind.nbytes for kind in tape.inputs)
    peak = live
    for i, node in enumerate(tape.nodes):
        made = types[tape.first_node + i]
        # What a MOVE reads is bounded by what it writes, so a large table costs only the rows taken.
        work = _work(node, types[node.sources[0]].columns if node.sources else 0, made.nbytes)
        total = [a + b for a, b in zip(total, work, strict=True)]
        live += made.nbytes
        peak = max(peak, live)
        for source in set(node.sources):
            output = source >= len(types) - tape.outputs
            constant = len(tape.inputs) <= source < tape.first_node
            if last[source] == i and not output and not constant:
                live -= types[source].nbytes
    return Cost(total[0], total[1], total[2], peak)
