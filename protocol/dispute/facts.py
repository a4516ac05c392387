"""What a game must know of the node that it landed on, in one word.

The twin of `SiteLib` and of `Referee.describe`.
"""

import math
import struct
from dataclasses import dataclass

from protocol.types import InputError

# Daemons follow games without a numerical library, and `protocol.tape` needs one: so nothing of it is
# imported here. A test holds these to it.
LEAF_BYTES = 128
BLOCK = 256
F32, I32, I8 = 1, 2, 3
CONTRACT, REDUCE, KINDS = 2, 3, 6
MAX = 1
SPAN = 4096
"""Terms of one span of a long chain."""
_FIELDS = (  # name, lowest bit, bits
    ("landed_at", 0, 32),
    ("start", 32, 32),
    ("columns", 64, 32),
    ("rows", 96, 32),
    ("chain", 128, 20),
    ("terms", 148, 8),
    ("depth", 156, 8),
    ("dtype", 164, 4),
    ("kind", 168, 4),
    ("output", 172, 8),
    ("node", 180, 20),
    ("first", 200, 20),
    ("inner", 220, 20),
)


def depth_of(leaves: int) -> int:
    """The depth of a tree over this many leaves."""
    return max(leaves - 1, 0).bit_length()


def width_of(dtype: int) -> int:
    """Bytes of one element."""
    return 1 if dtype == I8 else 4


@dataclass(frozen=True, slots=True)
class Shape:
    """What a header says of the node's output and chains. `chain` is K, `terms` those of one segment; both 0
    for kinds without chains. `start` is the running value before each block.
    """

    kind: int
    dtype: int
    rows: int
    columns: int
    chain: int = 0
    terms: int = 0
    start: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """`output` is the node's number among the outputs plus one, zero for an inner node; `first` the value
    index of the tape's first node; `inner` how many nodes are no outputs. The rest as in `Shape`.
    """

    landed_at: int
    start: int
    columns: int
    rows: int
    chain: int
    terms: int
    depth: int
    dtype: int
    kind: int
    output: int
    node: int
    first: int
    inner: int

    def pack(self) -> int:
        """The word that the contract takes."""
        return sum(getattr(self, name) << bit for name, bit, _ in _FIELDS)

    @classmethod
    def unpack(cls, packed: int) -> "Facts":
        """The facts in a word."""
        return cls(**{name: packed >> bit & ((1 << bits) - 1) for name, bit, bits in _FIELDS})

    @property
    def width(self) -> int:
        """Bytes of an element."""
        return width_of(self.dtype)

    @property
    def elements(self) -> int:
        """How many the node has."""
        return self.rows * self.columns

    @property
    def per_row(self) -> int:
        """Leaves of one row."""
        return -(-self.columns * self.width // LEAF_BYTES)

    @property
    def leaves(self) -> int:
        """Leaves that are not padding."""
        return self.rows * self.per_row

    @property
    def segments(self) -> int:
        """Segments of an element's chain; 1 if the node has none or they are empty."""
        return -(-self.chain // self.terms) if self.chain else 1

    @property
    def spans(self) -> int:
        """Spans of an element's chain."""
        return -(-self.chain // SPAN)

    @property
    def per_block(self) -> int:
        """Segments of a block of 256 terms."""
        return BLOCK // self.terms

    @property
    def per_span(self) -> int:
        """Segments of a whole span."""
        return SPAN // self.terms

    def segments_of(self, span: int) -> int:
        """Segments of one span; the last may be shorter."""
        return min(self.segments - span * self.per_span, self.per_span)

    def find(self, element: int) -> tuple[int, int]:
        """The leaf that holds an element, and the byte at which it begins there."""
        row, column = divmod(element, self.columns)
        leaf, offset = divmod(column * self.width, LEAF_BYTES)
        return row * self.per_row + leaf, offset

    def is_inside(self, leaf: int, offset: int) -> bool:
        """Whether a byte of a leaf belongs to an element."""
        if leaf >= self.leaves:
            return False
        return leaf % self.per_row * LEAF_BYTES + offset < self.columns * self.width

    def element_at(self, leaf: int, offset: int) -> int:
        """The element that this byte, which is inside, belongs to."""
        row, part = divmod(leaf, self.per_row)
        return row * self.columns + (part * LEAF_BYTES + offset) // self.width


def describe(header: bytes) -> Shape:
    """What the header of a valid tape's node says. InputError for bytes that are none."""
    try:
        return _describe(header)
    except struct.error as error:
        raise InputError(f"node header: {error}") from None


def facts_of(header: bytes, landed_at: int, node: int, first: int, inner: int) -> Facts:
    """The facts that landing on a node fixes."""
    shape = describe(header)
    return Facts(
        landed_at,
        shape.start,
        shape.columns,
        shape.rows,
        shape.chain,
        shape.terms,
        depth_of(shape.rows * -(-shape.columns * width_of(shape.dtype) // LEAF_BYTES)),
        shape.dtype,
        shape.kind,
        0 if node < inner else node - inner + 1,
        node,
        first,
        inner,
    )


def _describe(header: bytes) -> Shape:
    kind, dtype, rank = struct.unpack_from(">3B", header)
    sizes = struct.unpack_from(f">{rank}I", header, 3)
    if not (0 < kind <= KINDS and 0 < dtype <= I8):
        raise InputError(f"node header: unknown kind {kind} or type {dtype}")
    columns, rows = sizes[-1] if rank else 1, math.prod(sizes[:-1])
    if kind not in (CONTRACT, REDUCE):
        return Shape(kind, dtype, rows, columns)
    number = header[3 + 4 * rank]
    operands = number + 1 if kind == CONTRACT else 1
    # A source: value, type, rows, columns; behind it, its affine form.
    every = 13 + 4 + 4 * rank
    sources = [struct.unpack_from(">IBII", header, 4 + 4 * rank + i * every) for i in range(operands)]
    terms = LEAF_BYTES if all(source[1] == I8 for source in sources) else LEAF_BYTES // 4
    start = identity(number == MAX, dtype) if kind == REDUCE else 0
    return Shape(kind, dtype, rows, columns, sources[0][3], terms, start)


def identity(greatest: bool, dtype: int) -> int:
    """What an empty row gives, and what a REDUCE starts from."""
    if dtype == F32:
        return 0xFF800000 if greatest else 0x7F800000
    low = 1 << (8 * width_of(dtype) - 1)
    return low if greatest else low - 1
