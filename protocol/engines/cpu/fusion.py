"""Which MOVEs are read or written through windows."""

from dataclasses import dataclass, field

from protocol.engines.cpu.contracting import axes_of, roles_of
from protocol.engines.cpu.layout import flat_view, is_reshape
from protocol.engines.cpu.windows import Window, window_of
from protocol.tape.dtypes import F32, TensorType
from protocol.tape.nodes import Contract, Move
from protocol.tape.tape import Tape

MOST_TABLES = 64 << 20  # bytes of all tables together, which live as long as the engine
LONG_RUN = 32  # elements: a MOVE whose last axis is longer is written quickly run by run


@dataclass
class Windows:
    """Value index of a MOVE -> its window. `read`: products pack from it. `written`: it is written
    by tables.
    """

    read: dict[int, Window] = field(default_factory=dict)
    written: dict[int, Window] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Of all tables, and of the one buffer that the padded copies of `written` share."""
        held = [*self.read.values(), *self.written.values()]
        return self.margin + sum(window.rows.nbytes + window.columns.nbytes for window in held)

    @property
    def margin(self) -> int:
        """Bytes of the largest padded copy of `written`."""
        return max((window.type.nbytes for window in self.written.values()), default=0)

    @property
    def sizes(self) -> dict[int, int]:
        """The bytes that MOVEs of `read` take in the arena: those of their padded copies."""
        return {value: window.type.nbytes for value, window in self.read.items()}


def find_windows(tape: Tape, keep: bool = False) -> Windows:
    """All windows of a tape. Outputs are never in `read`; with `keep` nothing is."""
    types = tape.types
    first = tape.first_node
    readers: dict[int, list[int]] = {}
    for number, node in enumerate(tape.nodes, first):
        for source in set(node.sources):
            readers.setdefault(source, []).append(number)
    found = Windows()
    room = MOST_TABLES
    for number, node in enumerate(tape.nodes, first):
        kind = types[number]
        tables = 4 * (kind.rows + kind.columns)
        if not isinstance(node, Move) or tables > room or is_reshape(node, types[node.source].elements):
            continue
        packed = (
            not keep
            and number < len(types) - tape.outputs
            and all(_packs(tape, reader, number, kind) for reader in readers.get(number, [-1]))
        )
        # A mere transposition packs faster from rows written out: products read windows only if these
        # overlap.
        window = window_of(node, kind, types[node.source], 2) if packed else None
        if window is not None:
            found.read[number] = window
        elif flat_view(node) is None and node.grid and node.grid[-1] < LONG_RUN:
            window = window_of(node, kind, types[node.source], 1)
            if window is not None:
                found.written[number] = window
        room -= tables if window is not None else 0
    return found


def _packs(tape: Tape, reader: int, value: int, kind: TensorType) -> bool:
    """Whether the reader is a product that has `value`, of type `kind`, as its packed side alone."""
    node = tape.nodes[reader - tape.first_node] if reader >= tape.first_node else None
    if not isinstance(node, Contract) or node.dtype is not F32 or 0 in node.shape:
        return False
    roles = roles_of(axes_of(node, kind.columns))
    if roles is None or node.sources.count(value) != 1:
        return False
    return (node.left.source == value) == roles.left_is_b
