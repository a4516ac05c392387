"""Which MOVEs are read through windows: those whose only readers are products that vectorise along
their rows.
"""

from protocol.engines.cpu.contracting import axes_of, roles_of
from protocol.engines.cpu.layout import is_reshape
from protocol.engines.cpu.windows import Window, window_of
from protocol.tape.dtypes import F32
from protocol.tape.nodes import Contract, Move
from protocol.tape.tape import Tape

MOST_TABLES = 64 << 20  # bytes of all tables together, which live as long as the engine


def find_windows(tape: Tape) -> dict[int, Window]:
    """Value index of a MOVE -> its window. Outputs are never among them."""
    types = tape.types
    first = tape.first_node
    readers: dict[int, list[int]] = {}
    for number, node in enumerate(tape.nodes, first):
        for source in set(node.sources):
            readers.setdefault(source, []).append(number)
    found: dict[int, Window] = {}
    room = MOST_TABLES
    for number, node in enumerate(tape.nodes[: len(tape.nodes) - tape.outputs], first):
        if not isinstance(node, Move) or is_reshape(node, types[node.source].elements):
            continue
        if all(_packs(tape, reader, number) for reader in readers.get(number, [0])):
            tables = 4 * (types[number].rows + types[number].columns)
            window = window_of(node, types[number], types[node.source]) if tables <= room else None
            if window is not None:
                found[number] = window
                room -= tables
    return found


def _packs(tape: Tape, reader: int, value: int) -> bool:
    """Whether the reader is a product that has `value` as its packed side and nowhere else."""
    node = tape.nodes[reader - tape.first_node] if reader >= tape.first_node else None
    if not isinstance(node, Contract) or node.dtype is not F32 or 0 in node.shape:
        return False
    roles = roles_of(axes_of(node, tape.types[value].columns))
    if roles is None or node.sources.count(value) != 1:
        return False
    return (node.left.source == value) == roles.left_is_b
