"""Turning a node into kernel calls: one task record per thread and node, made once, run for every item."""

from collections.abc import Callable, Mapping, Sequence
from ctypes import addressof
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocol.engines.cpu.library import (
    From,
    GatherTask,
    MapTask,
    ReductionTask,
    Step,
    Task,
    library,
    row,
)
from protocol.engines.cpu.programs import compile_program
from protocol.engines.cpu.strides import Strides, merge, scaled
from protocol.tape.dtypes import DType, TensorType
from protocol.tape.nodes import Affine, Gather, Join, Map, Reduce, ReduceKind

Array = NDArray[Any]


@dataclass
class Call:
    """One node's work: `kernel` run on each task, the tasks in parallel. Or `plain`, a Python function."""

    kernel: str = ""
    tasks: list[Task] = field(default_factory=list)
    plain: Callable[[], None] | None = None
    keep: list[Any] = field(default_factory=list)
    """What the tasks point to."""


@dataclass(frozen=True)
class Place:
    """One value: where its bytes lie, and its type."""

    array: Array
    type: TensorType
    constant: bool

    @property
    def address(self) -> int:
        """Of the first byte."""
        return int(self.array.ctypes.data)


@dataclass
class Packs:
    """Constants in a product's own layout, each made once, within `room` bytes: what does not fit is
    packed anew for every item.
    """

    room: int
    held: dict[tuple[int, ...], Array] = field(default_factory=dict)

    def get(self, address: int, rows: int, stride: int, depth: int) -> Array | None:
        """The panels of `rows` rows of `depth` floats, `stride` floats apart."""
        key = (address, rows, stride, depth)
        size = library().gv_packed_size(rows, depth)
        if key not in self.held:
            if 4 * size > self.room:
                return None
            self.room -= 4 * size
            self.held[key] = np.empty(size, np.float32)
            library().gv_pack_b(self.held[key].ctypes.data, address, rows, stride, depth)
        return self.held[key]


@dataclass(frozen=True)
class Machine:
    """What tasks are compiled for: how many threads, and each one's scratch memory.

    `ones` are what sums multiply by: one array for all sums of a type. `types` are those of all values.
    """

    scratch: Sequence[int]
    packs: Packs
    ones: Mapping[DType, Array]
    types: Sequence[TensorType]

    def share(self, make: Callable[[int], Task], units: int, grain: int = 1) -> list[Task]:
        """Cut `units` into at most one part per thread, borders at multiples of `grain`."""
        parts = min(len(self.scratch), max(1, units // grain))
        borders = [units * i // parts // grain * grain for i in range(parts)] + [units]
        tasks = []
        for part in range(parts):
            task = make(self.scratch[part])
            task.first, task.last = borders[part], borders[part + 1]
            tasks.append(task)
        return tasks


def compile_map(node: Map, sources: Sequence[Place], out: Place, machine: Machine) -> Call:
    """A MAP: programs run over chunks of the output."""
    program = compile_program(node.program)
    extents, vectors = merge(node.shape, *(operand.at.coefs for operand in node.operands))
    steps = (Step * max(len(program.steps), 1))(*(Step(*step) for step in program.steps))
    constants = np.array([*program.constants, 0], np.uint32)

    def make(scratch: int) -> Task:
        task = MapTask(
            out=out.address,
            scratch=scratch,
            dtype=int(node.dtype),
            operands=len(sources),
            dims=len(extents),
            extents=row(extents),
            steps=addressof(steps),
            constants=constants.ctypes.data,
            count=len(program.steps),
            slots=program.slots,
            result=program.result,
        )
        for i, (operand, source, strides) in enumerate(zip(node.operands, sources, vectors, strict=True)):
            task.sources[i] = From(source.address, int(source.type.dtype), operand.at.offset, row(strides))
        return task

    return Call("gv_map", machine.share(make, out.type.elements, 1024), keep=[steps, constants])


def rows_from(source: Place, at: Affine, columns: int, strides: Strides) -> From:
    """Rows of `columns` elements, whose strides were already scaled to elements."""
    return From(source.address, int(source.type.dtype), at.offset * columns, row(strides))


def compile_reduce(node: Reduce, source: Place, out: Place, machine: Machine) -> Call:
    """A REDUCE: one row per output element."""
    columns = source.type.columns
    extents, (strides,) = merge(node.shape, scaled(node.operand.at, columns).coefs)

    def make(_: int) -> Task:
        return ReductionTask(
            out=out.address,
            dims=len(extents),
            extents=row(extents),
            depth=columns,
            greatest=int(node.kind is ReduceKind.MAX),
            a=rows_from(source, node.operand.at, columns, strides),
        )

    return Call("gv_extremes", machine.share(make, out.type.elements, 16))


def compile_gather(node: Gather, source: Place, index: Place, out: Place, machine: Machine) -> Call:
    """A GATHER: one copied or filled row per index."""

    def make(_: int) -> Task:
        return GatherTask(
            source=source.address,
            index=index.address,
            out=out.address,
            index_dtype=int(index.type.dtype),
            width=node.dtype.width,
            fill=node.fill,
            row=node.row,
            rows=source.type.elements // node.row,
        )

    return Call("gv_gather", machine.share(make, index.type.elements, 64))


def compile_join(node: Join, sources: Sequence[Place], out: Place) -> Call:
    """A JOIN: numpy copies the parts."""
    parts = [source.array for source in sources]

    def copy() -> None:
        np.concatenate(parts, axis=node.axis, out=out.array)

    return Call(plain=copy)
