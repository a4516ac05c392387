"""Where every value lies: aliases of pure reshapes, and one arena whose parts are used again after their
last reader.
"""

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


def plan(tape: Tape, keep: bool) -> Layout:
    """First-fit places by lifetime. With `keep` nothing is used twice, so that every value can be
    read later.
    """
    types = tape.types
    first = tape.first_node
    owner = list(range(len(types)))
    for number, node in enumerate(tape.nodes, first):
        if isinstance(node, Move) and is_reshape(node, types[node.source].elements):
            owner[number] = owner[node.source]
    last = _last_uses(tape, owner, keep)
    offset = [-1] * len(types)
    arena = 0
    live: list[tuple[int, int, int]] = []  # start, end, value
    for value, kind in enumerate(types):
        if len(tape.inputs) <= value < first:
            continue
        if value >= first:
            now = value
            live = [block for block in live if last[block[2]] >= now]
        if owner[value] != value:
            offset[value] = offset[owner[value]]
            continue
        size = -(-max(kind.nbytes, 1) // ALIGN) * ALIGN
        start = _gap(live, size)
        live.append((start, start + size, value))
        live.sort()
        offset[value] = start
        arena = max(arena, start + size)
    return Layout(tuple(owner), tuple(offset), arena)


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


def _gap(live: list[tuple[int, int, int]], size: int) -> int:
    """The lowest place with room: `live` is sorted and does not overlap."""
    at = 0
    for start, end, _ in live:
        if start - at >= size:
            break
        at = max(at, end)
    return at
