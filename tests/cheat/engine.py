"""The fast engine, but for the bits that an item's lie changes."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from protocol.engines.cpu import Engine
from protocol.engines.cpu.compiling import Call, Machine
from protocol.tape import Tape
from protocol.tape.nodes import Node
from protocol.tape.reference import evaluate_node
from tests.cheat.lies import Flip, Given, Lie, Lies


class LyingEngine(Engine):
    """Flips as soon as the node is computed, so that a trace of such a run contradicts that node alone."""

    def __init__(self, tape: Tape, threads: int, keep: bool, lies: Lies) -> None:
        self._lies = lies
        self._now: Lie = ()
        super().__init__(tape, threads, keep)

    def run(self, inputs: Sequence[Any], time_limit: float = 0.0) -> list[Any]:
        """One item's outputs, as the item's lie has them."""
        self._now = self._lies.of(inputs[0]) if inputs and inputs[0].size else self._lies.always
        return super().run(inputs, time_limit)

    def _compile(self, node: Node, value: int, machine: Machine) -> list[Call]:
        return [*super()._compile(node, value, machine), Call(plain=partial(self._lie, node, value))]

    def _lie(self, node: Node, value: int) -> None:
        for part in self._now:
            if isinstance(part, Given) and part.value in node.sources:
                self.value(value)[...] = evaluate_node(
                    node, [self._read(part, each) for each in node.sources]
                )
            if isinstance(part, Flip) and value == self._value(part):
                # Where a MOVE is an alias, its source would be false as well: no lie about a MOVE.
                assert self._layout.owner[value] == value, f"{part} is about an alias"
                self.value(value).reshape(-1).view("u1")[part.byte] ^= 1 << part.bit

    def _read(self, given: Given, source: int) -> Any:
        held = np.array(self.value(source))
        if source == given.value:
            held.reshape(-1).view("u1")[given.byte] ^= 1 << given.bit
        return held

    def _value(self, flip: Flip) -> int:
        count = len(self.tape.nodes)
        value = self.tape.first_node + (flip.node + count if flip.node < 0 else flip.node)
        there = self.tape.first_node <= value < len(self.tape.types)
        return value if there and flip.byte < self.tape.types[value].nbytes else -1
