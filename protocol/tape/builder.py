"""Building tapes: one method per node kind, with shapes worked out; views live in `views`, products in
`products`.

    b = TapeBuilder()
    x = b.input(F32, (1, 128, 384), "tokens")
    w = b.constant(weights)                      # (384, 384): each row one output channel
    y = b.map(relu, matmul(b, x, w), name="act")  # matmul reads both along the last axis
    tape, labels = b.build([y])

Methods raise InputError with the shapes in the message. `build` drops nodes that no output needs.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from protocol.tape.dtypes import F32, I8, I32, DType, Shape, TensorType
from protocol.tape.nodes import Affine, Contract, Gather, Join, Map, Move, Node, Operand, Reduce, ReduceKind
from protocol.tape.refs import Placed, Ref, broadcast_strides
from protocol.tape.scalar import ScalarProgram, Value, f32_word, trace
from protocol.tape.tape import Constant, Labels, Tape
from protocol.types.errors import InputError

Program = ScalarProgram | Callable[..., Value]
Array = NDArray[np.generic]
_DTYPES = {"f4": F32, "i4": I32, "i1": I8}


class TapeBuilder:
    """Collects inputs, constants and nodes in any order; `build` yields the tape and its labels."""

    def __init__(self) -> None:
        self._values: list[TensorType | Constant | Node] = []
        self._names: list[str] = []
        self._known: dict[tuple[TensorType, bytes], Ref] = {}

    def input(self, dtype: DType, shape: Shape, name: str = "") -> Ref:
        """A tensor that every item brings along."""
        kind = TensorType(dtype, tuple(shape))
        return self._add(kind, kind, name)

    def constant(self, array: Array, name: str = "") -> Ref:
        """A tensor of the program: float32, int32 or int8. Equal constants are stored once.

        NaNs become the canonical one, since the validator refuses every other.
        """
        code = array.dtype.kind + str(array.dtype.itemsize)
        if code not in _DTYPES:
            raise InputError(f"a constant must be float32, int32 or int8, not {array.dtype}")
        kind = TensorType(_DTYPES[code], array.shape)
        dense = np.ascontiguousarray(array, dtype=kind.dtype.numpy)
        if kind.dtype is F32:
            dense = np.where(np.isnan(dense), np.uint32(0x7FC00000).view(np.float32), dense).astype("<f4")
        constant = Constant(kind, dense.tobytes())
        known = self._known.get((kind, constant.data))
        if known is None:
            known = self._known[kind, constant.data] = self._add(constant, kind, name)
        return known

    def value(self, ref: Ref) -> Array | None:
        """The array of a constant, read-only, or None for an input or a node."""
        held = self._values[ref.number]
        if not isinstance(held, Constant):
            return None
        return np.frombuffer(held.data, dtype=held.type.dtype.numpy).reshape(held.type.shape)

    def name(self, ref: Ref, name: str) -> Ref:
        """Give a value another label."""
        self._names[ref.number] = name
        return ref

    def map(self, program: Program, *operands: Ref, dtype: DType | None = None, name: str = "") -> Ref:
        """MAP over operands broadcast against each other; `dtype` defaults to the program's result type."""
        try:
            shape = np.broadcast_shapes(*(ref.shape for ref in operands))
        except ValueError as error:
            raise InputError(f"shapes {[ref.shape for ref in operands]} do not broadcast") from error
        placed = [Placed(ref, 0, broadcast_strides(ref.shape, shape)) for ref in operands]
        return self.map_at(program, placed, shape, dtype, name)

    def map_at(
        self,
        program: Program,
        operands: Sequence[Placed],
        shape: Shape,
        dtype: DType | None = None,
        name: str = "",
    ) -> Ref:
        """MAP with explicit strides: transposed, sliced or overlapping reads cost no MOVE."""
        traced = (
            program
            if isinstance(program, ScalarProgram)
            else trace(program, *(placed.ref.dtype for placed in operands))
        )
        wanted = tuple(placed.ref.dtype.register for placed in operands)
        if traced.inputs != wanted:
            raise InputError(
                f"the program takes {[t.name for t in traced.inputs]}, not {[t.name for t in wanted]}"
            )
        result = dtype or traced.gives
        if result.register is not traced.gives:
            raise InputError(f"a program that gives {traced.gives.name} cannot store {result.name}")
        node = Map(
            result,
            tuple(shape),
            traced,
            tuple(Operand(p.ref.number, Affine(p.offset, tuple(p.strides))) for p in operands),
        )
        return self._node(node, name)

    def contract(
        self,
        shape: Shape,
        left: Ref,
        left_at: Affine,
        right: Ref | None,
        right_at: Affine | None,
        *,
        name: str = "",
    ) -> Ref:
        """CONTRACT with explicit rows: `left_at` gives the row of `left`'s last axis for an output
        coordinate.

        `right` None is the literal 1, `right_at` is then ignored.
        """
        dtype = F32 if left.dtype is F32 else I32
        other = None
        if right is not None:
            if right_at is None:
                raise InputError("a CONTRACT with a right operand needs its rows")
            if (right.dtype is F32) != (left.dtype is F32):
                raise InputError(f"CONTRACT of {left.dtype.name} with {right.dtype.name}")
            if right.type.columns != left.type.columns:
                raise InputError(f"last axes differ: {left.shape} and {right.shape}")
            other = Operand(right.number, right_at)
        return self._node(Contract(dtype, tuple(shape), Operand(left.number, left_at), other), name)

    def reduce(self, kind: ReduceKind, shape: Shape, source: Ref, at: Affine, name: str = "") -> Ref:
        """REDUCE with explicit rows."""
        return self._node(Reduce(source.dtype, tuple(shape), kind, Operand(source.number, at)), name)

    def move(
        self,
        source: Ref,
        shape: Shape,
        view: Shape,
        axes: Sequence[Affine],
        *,
        fill: float = 0,
        grid: Shape | None = None,
        name: str = "",
    ) -> Ref:
        """MOVE: see `nodes.Move`. `fill` is a number of the source's type; `grid` defaults to `shape`."""
        node = Move(
            source.dtype,
            tuple(shape),
            source.number,
            tuple(shape if grid is None else grid),
            tuple(view),
            tuple(axes),
            fill_word(source.dtype, fill),
        )
        return self._node(node, name)

    def gather(
        self, source: Ref, index: Ref, shape: Shape, row: int, *, fill: float = 0, name: str = ""
    ) -> Ref:
        """GATHER rows of `row` elements; `shape` must hold index elements x row."""
        word = fill_word(source.dtype, fill)
        return self._node(Gather(source.dtype, tuple(shape), source.number, index.number, row, word), name)

    def join(self, parts: Sequence[Ref], axis: int, name: str = "") -> Ref:
        """Concatenate along `axis` (negative counts from the end)."""
        first = parts[0]
        place = axis % max(len(first.shape), 1)
        for part in parts:
            if part.dtype is not first.dtype or _without(part.shape, place) != _without(first.shape, place):
                raise InputError(f"cannot join {[p.shape for p in parts]} along axis {place}")
        total = sum(part.shape[place] for part in parts)
        shape = (*first.shape[:place], total, *first.shape[place + 1 :])
        return self._node(Join(first.dtype, shape, place, tuple(part.number for part in parts)), name)

    def build(self, outputs: Sequence[Ref], names: Sequence[str] = ()) -> tuple[Tape, Labels]:
        """The tape whose outputs are these values, in this order.

        An output that is an input, a constant, repeated, or read by a later node gets a copying MOVE at
        the end. All inputs are kept, also unread ones: they are the item's form.
        """
        tail = self._tail(outputs)
        needed = self._needed(tail)
        kinds = (TensorType, Constant, Map | Contract | Reduce | Move | Gather | Join)
        order = [
            number
            for kind in kinds
            for number, value in enumerate(self._values)
            if isinstance(value, kind) and (kind is TensorType or number in needed) and number not in tail
        ] + tail
        place = {number: index for index, number in enumerate(order)}
        held = [self._values[number] for number in order]
        tape = Tape(
            tuple(value for value in held if isinstance(value, TensorType)),
            tuple(value for value in held if isinstance(value, Constant)),
            tuple(_renumber(value, place) for value in held if not isinstance(value, TensorType | Constant)),
            len(tail),
        )
        labels = [self._names[number] for number in order]
        first, nodes = len(tape.inputs), tape.first_node
        return tape, Labels(
            tuple(labels[:first]), tuple(labels[first:nodes]), tuple(labels[nodes:]), tuple(names)
        )

    def _tail(self, outputs: Sequence[Ref]) -> list[int]:
        wanted = [ref.number for ref in outputs]
        read = {
            source
            for number in self._needed(wanted)
            if not isinstance(value := self._values[number], TensorType | Constant)
            for source in value.sources
        }
        tail: list[int] = []
        for ref in outputs:
            value = self._values[ref.number]
            plain = not isinstance(value, TensorType | Constant)
            if plain and ref.number not in read and ref.number not in tail:
                tail.append(ref.number)
                continue
            rank = len(ref.shape)
            axes = [Affine(0, tuple(int(i == j) for j in range(rank))) for i in range(rank)]
            tail.append(self.move(ref, ref.shape, ref.shape, axes, name=self._names[ref.number]).number)
        return tail

    def _needed(self, roots: Sequence[int]) -> set[int]:
        needed: set[int] = set()
        stack = list(roots)
        while stack:
            number = stack.pop()
            if number in needed:
                continue
            needed.add(number)
            value = self._values[number]
            if not isinstance(value, TensorType | Constant):
                stack.extend(value.sources)
        return needed

    def _node(self, node: Node, name: str) -> Ref:
        return self._add(node, TensorType(node.dtype, node.shape), name)

    def _add(self, value: TensorType | Constant | Node, kind: TensorType, name: str) -> Ref:
        self._values.append(value)
        self._names.append(name)
        return Ref(len(self._values) - 1, kind)


def fill_word(dtype: DType, fill: float) -> int:
    """The word of a fill number in the tensor's type. InputError if an integer does not fit."""
    if dtype is F32:
        return f32_word(fill)
    size = 8 * dtype.width
    if fill != int(fill) or not -(1 << (size - 1)) <= fill < 1 << (size - 1):
        raise InputError(f"{fill} is no {dtype.name} fill value")
    return int(fill) & ((1 << size) - 1)


def _without(shape: Shape, axis: int) -> Shape:
    return (*shape[:axis], *shape[axis + 1 :])


def _renumber(node: Node, place: dict[int, int]) -> Node:
    """The node with its provisional sources replaced by value indices."""
    match node:
        case Map():
            return replace(node, operands=tuple(_at(operand, place) for operand in node.operands))
        case Contract():
            right = None if node.right is None else _at(node.right, place)
            return replace(node, left=_at(node.left, place), right=right)
        case Reduce():
            return replace(node, operand=_at(node.operand, place))
        case Move():
            return replace(node, source=place[node.source])
        case Gather():
            return replace(node, source=place[node.source], index=place[node.index])
        case Join():
            return replace(node, parts=tuple(place[part] for part in node.parts))


def _at(operand: Operand, place: dict[int, int]) -> Operand:
    return Operand(place[operand.source], operand.at)
