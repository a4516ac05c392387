"""The execution worker with one bit flipped: `CHEAT_FLIP=node:byte:bit python -m tests.cheat.worker`.

The bit is flipped as soon as the node is computed, so everything behind it follows from the false value, and
the traces of such a run contradict nothing but that one node.
"""

import os
from dataclasses import dataclass

from protocol.dispute.steps import fold
from protocol.dispute.trace import Trace
from protocol.engines.cpu import Engine
from protocol.engines.cpu.compiling import Call, Machine
from protocol.engines.worker import devices
from protocol.engines.worker.serve import main
from protocol.tape import Tape
from protocol.tape.nodes import Node
from protocol.tape.roots import LEAF_BYTES, leaves_per_row

NEAR = 4096
"""How far the last block's result is bent, in units in the last place."""


@dataclass(frozen=True)
class Flip:
    """Which bit: `node` counts the tape's nodes, negative ones from the end; `byte` those of its output."""

    node: int
    byte: int
    bit: int

    @classmethod
    def parse(cls, text: str) -> "Flip":
        """Read `node:byte:bit`."""
        return cls(*map(int, text.split(":")))

    def value(self, tape: Tape) -> int:
        """The value's index in the tape; -1 if there is no such bit."""
        count = len(tape.nodes)
        node = self.node + count if self.node < 0 else self.node
        if not 0 <= node < count or self.byte >= tape.types[tape.first_node + node].nbytes:
            return -1
        return tape.first_node + node


class FlippingEngine(Engine):
    """The fast engine, but for one bit."""

    def __init__(self, tape: Tape, threads: int, keep: bool, flip: Flip) -> None:
        self._flip, self._false = flip, flip.value(tape)
        super().__init__(tape, threads, keep)

    def _compile(self, node: Node, value: int, machine: Machine) -> list[Call]:
        calls = super()._compile(node, value, machine)
        return [*calls, Call(plain=self._lie)] if value == self._false else calls

    def _lie(self) -> None:
        self.value(self._false).reshape(-1).view("u1")[self._flip.byte] ^= 1 << self._flip.bit


def bent(trace: Trace, node: int, values: list[int], element: int) -> list[int]:
    """Running values with another last one, so that they fold to the element; as they are if none does."""
    kind, chain = trace._chain(node)
    before = chain.blocks(values)[:-1]
    near = range(-NEAR, NEAR + 1)
    for last in [element] if not before else [values[-1] + step for step in near]:
        if 0 <= last < 1 << 32 and fold(kind, [*before, last]) == element:
            return [*values[:-1], last]
    return values


def cheat(flip: Flip) -> None:
    """Let this process's processor engine lie, and its traces stand by that."""
    devices._OPENERS["cpu"] = lambda tape, threads, keep: FlippingEngine(tape, threads, keep, flip)
    devices._PROVEN.add("cpu")  # its self-test would find out
    true = Trace.running

    def running(trace: Trace, node: int, element: int) -> list[int]:
        """Running values that end in the element: the last block's result is bent until they do."""
        values = true(trace, node, element)
        kind = trace.plan.types[trace.plan.tape.first_node + node]
        row, column = divmod(element, kind.columns)
        part, offset = divmod(column * kind.dtype.width, LEAF_BYTES)
        leaf = trace.node_leaf(node, row * leaves_per_row(kind) + part)
        return bent(trace, node, values, int.from_bytes(leaf[offset : offset + kind.dtype.width], "little"))

    Trace.running = running  # type: ignore[method-assign]


if __name__ == "__main__":
    cheat(Flip.parse(os.environ["CHEAT_FLIP"]))
    main()
