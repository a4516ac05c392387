"""Traces and answers that stand by an item's lie."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from protocol.crypto import cut_keccak256, keccak256
from protocol.dispute.answers import Answering, answer
from protocol.dispute.moves import PostTrace, ProviderMove, Reveal, RevealLeaves
from protocol.dispute.names import Case
from protocol.dispute.replay import View
from protocol.dispute.steps import fold
from protocol.dispute.trace import Plan, Trace
from protocol.engines.worker.stored import StoredTrace
from protocol.tape import F32, Contract, TensorType
from protocol.tape.limits import LEAF_BYTES
from protocol.tape.merkle import Bytes, Tree, depth_of, tree
from protocol.tape.roots import leaf_count, leaves_per_row
from protocol.tape.tensor_tree import middle_count, middle_level
from protocol.types import Hash32
from tests.cheat.lies import Beyond, Count, Foreign, Lies, Missing, Outside, Silent, Swap

NEAR = 4096
"""How far the last block's result is bent, in units in the last place."""
GARBAGE = 0x5A


class Whole(Tree):
    """A whole tree over leaves that nothing else is held to."""

    @classmethod
    def over(cls, trace: Trace, value: int) -> "Whole":
        """The tree over the leaves of a value as a trace has them, padding included."""
        count = 1 << depth_of(leaf_count(trace.plan.types[value]))
        found = tree(b"".join(cut_keccak256(trace.leaf(value, index)) for index in range(count)))
        return cls(found.layers, found.pads)

    def middle(self, kind: TensorType) -> bytes:
        """What `tensor_tree.middle_of` gives of such a tree."""
        level = middle_level(kind)
        return b"".join(self.hash_at(level, index) for index in range(middle_count(kind)))

    def hold(self, *_: int) -> None:
        """They are what they are."""


class Lying(Trace):
    """One item's false values and their trees; running values are bent so that they fold to the element."""

    lies = Lies()
    """Of the process."""
    read = False
    """Whether the values were written by such a trace."""

    def __init__(self, plan: Plan, item: int, values: Sequence[Bytes], *rest: Any) -> None:
        self.lie = self.lies.of(values[0])
        super().__init__(plan, item, values, *rest)

    def move(self, values: Sequence[Bytes]) -> None:
        """The same values are read here from now on, exchanged where the lie says so."""
        held, first = list(values), self.plan.tape.first_node
        for part in [] if self.read else self._parts(Swap):
            a, b = first + part.first, first + part.second
            held[a], held[b] = held[b], held[a]
        super().move(held)

    @cached_property
    def tree(self) -> Tree:
        """The tree over the tensor roots of all inner nodes, with one too many or too few."""
        first, inner = self.plan.tape.first_node, self.plan.inner
        roots = [self.tensor_root(first + number) for number in range(inner)]
        if self._parts(Missing):
            roots[-1] = Hash32(bytes(32))
        if self._parts(Beyond):
            roots += [keccak256(bytes([at])) for at in range((1 << depth_of(inner)) - inner)]
        return tree(b"".join(roots), hasher=self._hasher)

    def middle(self, value: int) -> bytes:
        """The middle of a value's tree, over its leaves as the lie has them."""
        if not self._is_bent(value):
            return super().middle(value)
        return self.tensor(value).middle(self.plan.types[value])

    def tensor(self, value: int) -> Any:
        """The tree over a value's leaves as the lie has them."""
        if not self._is_bent(value):
            return super().tensor(value)
        return Whole.over(self, value)

    def _is_bent(self, value: int) -> bool:
        return any(self._value(part) == value for part in self._parts(Outside))

    def leaf(self, value: int, index: int) -> bytes:
        """A leaf, with a byte outside of the shape where the lie says so."""
        if not self._is_bent(value):
            return super().leaf(value, index)
        found = bytearray(Trace.leaf(self, value, index))  # of a file as well: no tree holds it
        for part in self._parts(Outside):
            if self._value(part) == value and part.leaf == index:
                assert found[part.byte] == 0, f"{part} is inside"
                found[part.byte] = GARBAGE
        return bytes(found)

    def running(self, node: int, element: int) -> list[int]:
        """Running values that end in the element: the last block's result is bent until they do."""
        values = super().running(node, element)
        kind = self.plan.types[self.plan.tape.first_node + node]
        row, column = divmod(element, kind.columns)
        part, offset = divmod(column * kind.dtype.width, LEAF_BYTES)
        leaf = self.node_leaf(node, row * leaves_per_row(kind) + part)
        return self._bent(node, values, int.from_bytes(leaf[offset : offset + kind.dtype.width], "little"))

    def _bent(self, node: int, values: list[int], element: int) -> list[int]:
        """Running values with another last one, so that they fold to the element; else as they are."""
        kind, chain = self._chain(node)
        *before, last = chain.blocks(values)
        tries = [last, element]
        if before and isinstance(kind, Contract):
            total = fold(kind, before)
            if kind.dtype is F32:
                words = np.array([element, total], np.uint32).view(np.float32)
                tries.append(int((words[0] - words[1]).view(np.uint32)))
            else:
                tries.append((element - total) & 0xFFFFFFFF)
        tries += [last + step for step in range(-NEAR, NEAR + 1) if 0 <= last + step < 1 << 32]
        for word in tries:
            if fold(kind, [*before, word]) == element:
                return [*values[:-1], word]
        return values

    def _parts(self, kind: type) -> list:
        return [part for part in self.lie if isinstance(part, kind)]

    def _value(self, part: Outside) -> int:
        return self.plan.tape.first_node + part.node


class LyingTrace(Lying):
    """Such a trace right after the run."""


class LyingStored(Lying, StoredTrace):
    """Such a trace out of a file."""

    read = True


def lying_answer(case: Case, view: View, trace: Lying, by: Answering) -> ProviderMove | None:
    """The move that the game waits for, as the lie has it."""
    move = answer(case, view, trace, by)
    for part in trace.lie:
        if isinstance(part, Silent) and type(move).__name__ == part.move:
            return None
        if isinstance(part, Foreign) and type(move).__name__ == part.move:
            move = _foreign(move)
        if isinstance(part, Count) and isinstance(move, PostTrace):
            shown = (
                move.children[: part.more] if part.more < 0 else move.children + move.children[: part.more]
            )
            move = replace(move, children=shown)
    return move


def _foreign(move: ProviderMove | None) -> ProviderMove | None:
    """The same with children, or leaves, of another tree."""
    match move:
        case PostTrace() | Reveal():
            return replace(move, children=tuple(keccak256(child) for child in move.children))
        case RevealLeaves():
            return replace(move, leaves=bytes(byte ^ GARBAGE for byte in move.leaves))
        case _:
            raise AssertionError(f"{move} shows no tree")
