"""Running tapes on the CPU with the reference's bits."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocol.engines.cpu.compiling import (
    Call,
    Machine,
    Packs,
    Place,
    compile_gather,
    compile_join,
    compile_map,
    compile_reduce,
)
from protocol.engines.cpu.contracting import compile_contract
from protocol.engines.cpu.estimate import SCRATCH, longest_sums, pack_room
from protocol.engines.cpu.fusion import find_windows
from protocol.engines.cpu.layout import ALIGN, Layout, plan
from protocol.engines.cpu.library import DONE, TASKS, exact_numbers, library
from protocol.engines.cpu.moving import compile_move, compile_spread
from protocol.engines.cpu.windows import Window
from protocol.tape.dtypes import TensorType
from protocol.tape.nodes import Contract, Gather, Join, Map, Move, Node, Reduce
from protocol.tape.tape import Tape
from protocol.tape.validate import check_item, validate
from protocol.types.errors import InputError, OutOfMemoryError, TransientError

Array = NDArray[Any]


class TimeLimitError(TransientError):
    """An item did not finish within the limit that the caller set."""


def _aligned(size: int) -> Array:
    block = np.empty(size + ALIGN, np.uint8)
    start = -block.ctypes.data % ALIGN
    return block[start : start + size]


class Engine:
    """A tape made ready to run: memory laid out, constants packed, every kernel call prepared.

    `run` may be called again and again, from one thread at a time. With `keep`, every node's output stays
    readable after a run (for traces) and memory grows accordingly.
    """

    def __init__(
        self,
        tape: Tape,
        threads: int = 1,
        keep: bool = False,
        *,
        room: Callable[[int], Array] = _aligned,
    ) -> None:
        """InputError if the tape is not valid or `threads` below 1, OutOfMemoryError without `room`."""
        validate(tape)
        if threads < 1:
            raise InputError(f"{threads} threads")
        self.tape, self._keep = tape, keep
        self._kernels = {name: getattr(library(), name) for name in TASKS}
        self._windows = find_windows(tape, keep)
        self._layout = plan(tape, keep, self._windows.sizes)
        try:
            self._arena = room(self._layout.arena)
            self._margin = room(self._windows.margin)
            self._scratch = [room(SCRATCH) for _ in range(threads)]
        except MemoryError as error:
            raise OutOfMemoryError(f"this tape needs {self._layout.arena} bytes of memory") from error
        self._places = _places(tape, self._layout, self._arena, self._windows.read)
        machine = Machine(
            [int(held.ctypes.data) for held in self._scratch],
            Packs(pack_room(tape)),
            {dtype: np.ones(size, dtype.numpy) for dtype, size in longest_sums(tape).items()},
            tape.types,
        )
        with exact_numbers():  # constants of programs are folded here
            self._calls = [
                call
                for value, node in enumerate(tape.nodes, tape.first_node)
                for call in self._compile(node, value, machine)
            ]
        self._pool = ThreadPoolExecutor(threads - 1) if threads > 1 else None

    def run(self, inputs: Sequence[Array], time_limit: float = 0.0) -> list[Array]:
        """One item's outputs: fresh arrays, or with `keep` views. `time_limit` in seconds, 0 for none.

        InputError if the inputs do not fit, TimeLimitError if the limit passes (checked inside long
        nodes too).
        """
        check_item(self.tape.inputs, inputs)
        deadline = time.monotonic_ns() + int(time_limit * 1e9) if time_limit > 0 else 0
        for place, array in zip(self._places, inputs, strict=False):
            np.copyto(place.array, array)
        for call in self._calls:
            self._run(call, deadline)
        outputs = [place.array for place in self._places[len(self._places) - self.tape.outputs :]]
        return outputs if self._keep else [output.copy() for output in outputs]

    def value(self, number: int) -> Array:
        """A value of the last run, a view. Only with `keep` are those that are no outputs still whole."""
        return self._places[number].array

    def close(self) -> None:
        """End the threads; the engine is of no use afterwards."""
        if self._pool is not None:
            self._pool.shutdown()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _compile(self, node: Node, value: int, machine: Machine) -> list[Call]:
        out = self._places[value]
        if self._layout.owner[value] != value or not out.type.elements:
            return []
        sources = [self._places[source] for source in node.sources]
        match node:
            case Map():
                return [compile_map(node, sources, out, machine)]
            case Contract():
                windows = [self._windows.read.get(source) for source in node.sources]
                columns = machine.types[node.left.source].columns
                return [compile_contract(node, sources, windows, columns=columns, out=out, machine=machine)]
            case Reduce():
                return [compile_reduce(node, sources[0], out, machine)]
            case Move():
                return self._compile_move(node, value, sources[0], machine)
            case Gather():
                return [compile_gather(node, sources[0], sources[1], out, machine)]
            case Join():
                return [compile_join(node, sources, out)]

    def _compile_move(self, node: Move, value: int, source: Place, machine: Machine) -> list[Call]:
        out = self._places[value]
        if value in self._windows.read:
            return [compile_move(self._windows.read[value].margin, source, out, machine)]
        window = self._windows.written.get(value)
        if window is None:
            return [compile_move(node, source, out, machine)]
        padded = Place(_part(self._margin, 0, window.type).reshape(window.type.shape), window.type, False)
        copy = compile_move(window.margin, source, padded, machine)
        return [copy, compile_spread(window, padded, out, machine)]

    def _run(self, call: Call, deadline: int) -> None:
        if call.plain is not None:
            if deadline and time.monotonic_ns() > deadline:
                raise TimeLimitError("the item ran past its time limit")
            call.plain()
            return
        kernel = self._kernels[call.kernel]
        for task in call.tasks:
            task.deadline = deadline
        first, *rest = call.tasks
        if self._pool is None or not rest:
            late = kernel(first) != DONE
        else:
            others = [self._pool.submit(kernel, task) for task in rest]
            late = kernel(first) != DONE
            statuses = [other.result() for other in others]  # all, so that no task outlives the item
            late |= any(status != DONE for status in statuses)
        if late:
            raise TimeLimitError("the item ran past its time limit")


def _places(tape: Tape, layout: Layout, arena: Array, windows: Mapping[int, Window]) -> list[Place]:
    places = []
    for value, declared in enumerate(tape.types):
        kind = windows[value].type if value in windows else declared
        owner = layout.owner[value]
        constant = len(tape.inputs) <= owner < tape.first_node
        if constant:
            data = np.frombuffer(tape.constants[owner - len(tape.inputs)].data, kind.dtype.numpy)
        else:
            data = _part(arena, layout.offset[value], kind)
        places.append(Place(data.reshape(kind.shape), kind, constant))
    return places


def _part(arena: Array, offset: int, kind: TensorType) -> Array:
    return arena[offset : offset + kind.nbytes].view(kind.dtype.numpy)


def rehearse(tape: Tape, threads: int = 1, keep: bool = False) -> None:
    """Make an engine ready that has addresses for its values, but no memory: whatever its making raises, and
    the time that it takes.
    """
    Engine(tape, threads, keep, room=lambda size: np.asarray(_Addresses(size)))


class _Addresses:
    """Bytes that may be pointed to, never read or written: nothing is behind them."""

    def __init__(self, size: int) -> None:
        self.__array_interface__ = {"version": 3, "typestr": "|u1", "shape": (size,), "data": (ALIGN, False)}
