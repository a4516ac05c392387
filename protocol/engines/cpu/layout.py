"""Where every value lies: aliases of pure reshapes, and one arena whose parts are used again after their
last reader.
"""

from bisect import bisect
from collections.abc import Mapping
from dataclasses import dataclass

from protocol.engines.cpu.strides import merge, span
from protocol.tape.nodes import Affine, Move
from protocol.tape.tape import Tape

ALIGN = 64


@dataclass(frozen=True)
class Layout:
    """`owner[v]`: the value whose bytes value v shares. `offset[v]`: place in the arena, -1 for constants."""

    owner: tuple[int, ...]
    offset: tuple[int, ...]
    arena: int


class Room:
    """An arena that grows: gaps sorted by start, no two of them touching."""

    LOOK = 64  # gaps looked at, so that a hostile tape cannot make planning quadratic

    def __init__(self) -> None:
        self.size = 0
        self._gaps: list[tuple[int, int]] = []  # start, end

    def take(self, size: int) -> int:
        """The start of the first gap with room, or of new room at the end."""
        for i, (start, end) in enumerate(self._gaps[: self.LOOK]):
            if end - start >= size:
                self._gaps[i : i + 1] = [(start + size, end)] if end - start > size else []
                return start
        start = self.size
        if self._gaps and self._gaps[-1][1] == start:
            start = self._gaps.pop()[0]
        self.size = start + size
        return start

    def give_back(self, start: int, size: int) -> None:
        """Make a place free, fused with the gaps that it touches."""
        end = start + size
        i = bisect(self._gaps, (start, end))
        if i < len(self._gaps) and self._gaps[i][0] == end:
            end = self._gaps.pop(i)[1]
        if i and self._gaps[i - 1][1] == start:
            i -= 1
            start = self._gaps.pop(i)[0]
        self._gaps.insert(i, (start, end))


def flat_view(move: Move) -> Affine | None:
    """The source element as one affine form of the grid, if no coordinate ever leaves the view."""
    if 0 in move.grid:
        return None
    offset, coefs, step = 0, [0] * len(move.grid), 1
    for axis, extent in reversed(list(zip(move.axes, move.view, strict=True))):
        low, high = span(move.grid, axis)
        if low < 0 or high >= extent:
            return None
        offset += axis.offset * step
        coefs = [have + coef * step for have, coef in zip(coefs, axis.coefs, strict=True)]
        step *= extent
    return Affine(offset, tuple(coefs))


def is_reshape(move: Move, size: int) -> bool:
    """Whether the output is the source's `size` elements in the same order."""
    flat = flat_view(move)
    if flat is None or flat.offset:
        return False
    extents, (strides,) = merge(move.grid, flat.coefs)
    return extents == (size,) and (size == 1 or strides == (1,))


def plan(tape: Tape, keep: bool, sizes: Mapping[int, int] | None = None) -> Layout:
    """First-fit places by lifetime. With `keep` nothing is used twice, so that every value can be read later.

    `sizes` gives the bytes of values that take another size than their type's.
    """
    types = tape.types
    nbytes = [(sizes or {}).get(value, kind.nbytes) for value, kind in enumerate(types)]
    first = tape.first_node
    owner = list(range(len(types)))
    for number, node in enumerate(tape.nodes, first):
        if isinstance(node, Move) and is_reshape(node, types[node.source].elements):
            owner[number] = owner[node.source]
    ending: dict[int, list[int]] = {}
    for value, last in enumerate(_last_uses(tape, owner, keep)):
        ending.setdefault(last, []).append(value)
    offset = [-1] * len(types)
    room = Room()
    for value in range(len(types)):
        if value > first:  # what the node before read last is free now
            for done in ending.get(value - 1, ()):
                if offset[done] >= 0 and owner[done] == done:
                    room.give_back(offset[done], _rounded(nbytes[done]))
        if owner[value] != value:
            offset[value] = offset[owner[value]]
        elif not len(tape.inputs) <= value < first:
            offset[value] = room.take(_rounded(nbytes[value]))
    return Layout(tuple(owner), tuple(offset), room.size)


def _rounded(nbytes: int) -> int:
    return -(-max(nbytes, 1) // ALIGN) * ALIGN


def _last_uses(tape: Tape, owner: list[int], keep: bool) -> list[int]:
    """The last node that reads each owner's bytes; outputs, and with `keep` all values, live to the end."""
    count, first = len(owner), tape.first_node
    last = [count if keep else value for value in range(count)]
    for number, node in enumerate(tape.nodes, first):
        for source in node.sources:
            last[owner[source]] = max(last[owner[source]], number)
    for value in range(count - tape.outputs, count):
        last[owner[value]] = count
    return last
