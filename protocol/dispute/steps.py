"""One step of a tape: which leaves it reads, and what it gives. The twin of `contracts/src/Referee.sol`.

A step is one element of a MAP, MOVE, GATHER or JOIN, or one segment of the chain of one element of a
CONTRACT or REDUCE. Words are unsigned numbers, 32 bits for f32 and i32, 8 for i8. Nodes are those of a
validated tape, `types` those of all its values.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from protocol.tape.dtypes import F32, I8, Shape, TensorType
from protocol.tape.limits import BLOCK, LEAF_BYTES
from protocol.tape.merkle import depth_of
from protocol.tape.nodes import Affine, Contract, Gather, Join, Map, Move, Node, Operand, Reduce, ReduceKind
from protocol.tape.reference.words import ONE, add_words, chain_words, extreme_words, run_words, start_word
from protocol.tape.roots import leaf_count, leaf_of
from protocol.types.errors import InputError

MASK = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Place:
    """Where an operand begins: a value of the tape, a leaf of its tree and the tree's depth, a byte of the
    leaf.
    """

    value: int
    leaf: int
    depth: int
    at: int


@dataclass(frozen=True, slots=True)
class Chain:
    """The chains of a CONTRACT or REDUCE: `length` terms (K), cut into segments of `terms` (32 or 128)."""

    length: int
    terms: int
    start: int

    @property
    def segments(self) -> int:
        """How many segments; an empty chain has one that reads nothing."""
        return max(1, -(-self.length // self.terms))

    @property
    def per_block(self) -> int:
        """Segments of a block of 256 terms."""
        return BLOCK // self.terms

    def before(self, segment: int, running: Sequence[int]) -> int:
        """The accumulator before a segment, from the running values behind all segments."""
        return self.start if segment % self.per_block == 0 else running[segment - 1]

    def blocks(self, running: Sequence[int]) -> list[int]:
        """The running values at the end of each block."""
        return [*running[self.per_block - 1 :: self.per_block], *self._last(running)]

    def _last(self, running: Sequence[int]) -> Sequence[int]:
        return running[-1:] if len(running) % self.per_block else ()


@dataclass(frozen=True, slots=True)
class Site:
    """Which step: a node, the types of the tape's values, an output element, a segment of its chain."""

    node: Node
    types: Sequence[TensorType]
    element: int
    segment: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """A step's result and the places of the leaves that it read."""

    value: int
    places: tuple[Place, ...]


def chain_of(node: Node, types: Sequence[TensorType]) -> Chain | None:
    """The chains of a node, None if its kind has none."""
    if not isinstance(node, Contract | Reduce):
        return None
    sources = [types[source] for source in node.sources]
    terms = LEAF_BYTES if all(kind.dtype is I8 for kind in sources) else LEAF_BYTES // 4
    start = start_word(node.kind, node.dtype) if isinstance(node, Reduce) else 0
    return Chain(sources[0].columns, terms, start)


def places(site: Site, leaves: Sequence[bytes] = ()) -> tuple[Place, ...]:
    """What the step reads, in order. For a GATHER give the index's leaf to learn the second operand.

    InputError if the node has no such step.
    """
    _need_step(site)
    node, types, element = site.node, site.types, site.element
    match node:
        case Map():
            found = [(operand.source, _affine(node.shape, operand.at, element)) for operand in node.operands]
        case Contract() | Reduce():
            found = _chain_operands(node, site)
        case Move():
            found = _move(node, element)
        case Gather():
            found = [(node.index, element // node.row)]
            if leaves:
                found += _gathered(node, types, element, leaves[0])
        case Join():
            found = [_join(node, types, element)]
    return tuple(_place(source, types[source], at) for source, at in found)


def step(site: Site, leaves: Sequence[bytes], accumulator: int = 0) -> Step:
    """The step's result from the 128-byte leaves of its operands. InputError where the Referee reverts."""
    read = places(site, leaves)
    if len(leaves) != len(read) or any(len(leaf) != LEAF_BYTES for leaf in leaves):
        raise InputError(f"the step reads {len(read)} leaves of {LEAF_BYTES} bytes")
    node = site.node
    if isinstance(node, Contract | Reduce):
        if not 0 <= accumulator < 1 << (8 * node.dtype.width):
            raise InputError(f"{accumulator} is no running value of this node")
        return Step(_segment(node, _columns(site, read, leaves), accumulator), read)
    if accumulator:
        raise InputError("the node has no running values")
    values = [_word(site.types[at.value], leaf, at.at) for at, leaf in zip(read, leaves, strict=True)]
    return Step(_element(node, site.types, values), read)


def fold(node: Contract | Reduce, values: Sequence[int]) -> int:
    """Block results as one, left to right. InputError if there are none."""
    if not values:
        raise InputError("there is nothing to fold")
    total = values[0]
    for value in values[1:]:
        if isinstance(node, Contract):
            total = add_words(total, value) if node.dtype is F32 else (total + value) & MASK
        else:
            total = _extreme(node, [value], total)
    return total


def _need_step(site: Site) -> None:
    chain = chain_of(site.node, site.types)
    segments = 1 if chain is None else chain.segments
    if not (0 <= site.element < math.prod(site.node.shape) and 0 <= site.segment < segments):
        raise InputError(f"the node has no step {site.element}.{site.segment}")


def _coordinates(shape: Shape, element: int) -> list[int]:
    found = []
    for size in reversed(shape):
        element, coordinate = divmod(element, size)
        found.append(coordinate)
    return found[::-1]


def _affine(shape: Shape, at: Affine, element: int) -> int:
    pairs = zip(at.coefs, _coordinates(shape, element), strict=True)
    return at.offset + sum(coef * coordinate for coef, coordinate in pairs)


def _place(value: int, kind: TensorType, element: int) -> Place:
    leaf, at = leaf_of(kind, element)
    return Place(value, leaf, depth_of(leaf_count(kind)), at)


def _chain_operands(node: Contract | Reduce, site: Site) -> list[tuple[int, int]]:
    chain = chain_of(node, site.types)
    if chain is None or chain.length == 0:
        return []
    operands: list[Operand] = [node.operand] if isinstance(node, Reduce) else [node.left]
    if isinstance(node, Contract) and node.right is not None:
        operands.append(node.right)
    first = site.segment * chain.terms
    return [(o.source, _affine(node.shape, o.at, site.element) * chain.length + first) for o in operands]


def _move(node: Move, element: int) -> list[tuple[int, int]]:
    place = 0
    for axis, extent in zip(node.axes, node.view, strict=True):
        coordinate = _affine(node.grid, axis, element)
        if not 0 <= coordinate < extent:
            return []
        place = place * extent + coordinate
    return [(node.source, place)]


def _gathered(node: Gather, types: Sequence[TensorType], element: int, leaf: bytes) -> list[tuple[int, int]]:
    kind = types[node.index]
    index = _signed(_word(kind, leaf, leaf_of(kind, element // node.row)[1]), kind)
    if not 0 <= index < types[node.source].elements // node.row:
        return []
    return [(node.source, index * node.row + element % node.row)]


def _join(node: Join, types: Sequence[TensorType], element: int) -> tuple[int, int]:
    inner = math.prod(node.shape[node.axis + 1 :])
    outer, rest = divmod(element, node.shape[node.axis] * inner)
    for part in node.parts:
        size = types[part].shape[node.axis] * inner
        if rest < size:
            return part, outer * size + rest
        rest -= size
    raise InputError("the parts do not add up")


def _word(kind: TensorType, leaf: bytes, at: int) -> int:
    return int.from_bytes(leaf[at : at + kind.dtype.width], "little")


def _signed(word: int, kind: TensorType) -> int:
    half = 1 << (8 * kind.dtype.width - 1)
    return (word ^ half) - half


def _columns(site: Site, read: Sequence[Place], leaves: Sequence[bytes]) -> list[list[int]]:
    """The segment's words of each operand, integers sign-extended."""
    chain = chain_of(site.node, site.types)
    count = 0 if chain is None else min(chain.terms, chain.length - site.segment * chain.terms)
    found = []
    for at, leaf in zip(read, leaves, strict=True):
        kind = site.types[at.value]
        words = [_word(kind, leaf, at.at + i * kind.dtype.width) for i in range(count)]
        found.append(words if kind.dtype is F32 else [_signed(word, kind) for word in words])
    return found


def _segment(node: Contract | Reduce, columns: list[list[int]], accumulator: int) -> int:
    if not columns:
        return accumulator
    left = columns[0]
    if isinstance(node, Reduce):
        mask = (1 << 8 * node.dtype.width) - 1
        return _extreme(node, [word & mask for word in left], accumulator)
    floating = node.dtype is F32
    right = columns[1] if node.right is not None else [ONE if floating else 1] * len(left)
    if floating:
        return chain_words(left, right, accumulator)
    return (accumulator + sum(a * b for a, b in zip(left, right, strict=True))) & MASK


def _extreme(node: Reduce, words: Sequence[int], accumulator: int) -> int:
    if node.dtype is F32:
        return extreme_words(node.kind, words, accumulator)
    half = 1 << (8 * node.dtype.width - 1)
    best = max if node.kind is ReduceKind.MAX else min
    return best(word ^ half for word in (accumulator, *words)) ^ half


def _element(node: Node, types: Sequence[TensorType], values: list[int]) -> int:
    match node:
        case Map():
            kinds = [types[source] for source in node.sources]
            wide = [
                _signed(word, kind) & MASK if kind.dtype is I8 else word
                for word, kind in zip(values, kinds, strict=True)
            ]
            result = run_words(node.program, wide)
            return result & 0xFF if node.dtype is I8 else result
        case Move():
            return values[0] if values else node.fill
        case Gather():
            return values[1] if len(values) > 1 else node.fill
        case _:
            return values[0]
