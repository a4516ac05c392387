"""Running tapes on a GPU with the reference's bits."""

import time
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocol.engines.cpu.engine import TimeLimitError
from protocol.engines.cpu.layout import ALIGN, plan
from protocol.engines.cuda.compiling import (
    Launch,
    Place,
    Program,
    compile_contract,
    compile_gather,
    compile_join,
    compile_map,
    compile_move,
    compile_reduce,
)
from protocol.engines.cuda.driver import gpu
from protocol.engines.cuda.machine import Kernel, Machine
from protocol.engines.cuda.source import Key, fixed_source, map_name, maps_source
from protocol.tape.nodes import Contract, Gather, Join, Map, Move, Node, Reduce
from protocol.tape.scalar import ScalarProgram
from protocol.tape.tape import Tape
from protocol.tape.validate import check_item, validate
from protocol.types.errors import InputError

Array = NDArray[Any]
FIXED = (
    *("map_any", "dots", "integer_dots", "float_extremes", "integer_extremes"),
    *("product_large", "product_small", "byte_product_large", "byte_product_small"),
    *("move", "copy", "gather", "join"),
)
PIECE = 1 << 34
"""Work, in multiply-adds, that is queued at most between two looks at the clock, and of one launch."""
COMPILED = 2_048
"""Instructions of all programs of one tape that are compiled; further programs are interpreted, so that a
hostile tape cannot keep the compiler busy for hours.
"""
BATCH = 512
"""Instructions of one module, so that tapes that share programs share most compiled code too."""


class Engine:
    """A tape made ready to run on one GPU: kernels compiled, memory laid out, constants there.

    `run` may be called again and again, from one thread at a time. With `keep`, every node's output stays
    readable after a run (for traces) and memory grows accordingly.
    """

    def __init__(
        self,
        tape: Tape,
        device: int = 0,
        keep: bool = False,
        *,
        machine: Machine | None = None,
        compiled: int = COMPILED,
        piece: int = PIECE,
        tile: int | None = None,
    ) -> None:
        """InputError if the tape is not valid, or the device is not there or has too little memory.

        `compiled`, `piece` and `tile` (see compile_contract) are for tests: no choice changes a bit.
        """
        validate(tape)
        self.tape = tape
        self._tile = tile
        self._machine = machine or gpu(device)
        self._piece = piece
        self._layout = plan(tape, keep)
        self._kernels: dict[str, Kernel] = dict(self._machine.kernels(fixed_source(), FIXED))
        codes = self._compile_programs(compiled)
        self._arena = self._hold(codes)
        try:
            self._launches = [
                launch
                for value, node in enumerate(tape.nodes, tape.first_node)
                for launch in self._compile(node, value)
            ]
        except BaseException:
            self.close()
            raise

    def run(self, inputs: Sequence[Array], time_limit: float = 0.0) -> list[Array]:
        """One item's outputs, fresh arrays. `time_limit` in seconds, 0 for none.

        InputError if the inputs do not fit, TimeLimitError if the limit passes (checked inside long
        nodes too), BrokenInvariant if the device fails.
        """
        check_item(self.tape.inputs, inputs)
        end = time.monotonic() + time_limit if time_limit > 0 else float("inf")
        for place, array in zip(self._places, inputs, strict=False):
            self._machine.upload(place.address, np.ascontiguousarray(array))
        self.execute(end)
        count = len(self._places)
        return [self.value(number) for number in range(count - self.tape.outputs, count)]

    def execute(self, end: float = float("inf")) -> None:
        """Run on the inputs that are there since the last `run`, until time.monotonic() passes `end`.

        TimeLimitError if it does. This is the device's part of `run`, for measurements.
        """
        queued = 0
        for launch, first, last, cost in self._pieces():
            if queued + cost > self._piece:
                queued = 0
                self._keep_to(end)
            queued += cost
            self._start(launch, first, last)
        self._keep_to(end)

    def profile(self) -> dict[str, float]:
        """Run on the inputs that are there: seconds by kernel, each launch waited for."""
        spent: dict[str, float] = {}
        for launch, first, last, _ in self._pieces():
            start = time.perf_counter()
            self._start(launch, first, last)
            self._machine.finish()
            spent[launch.kernel] = spent.get(launch.kernel, 0.0) + time.perf_counter() - start
        return spent

    def value(self, number: int) -> Array:
        """A value of the last run, copied. Only with `keep` are those that are no outputs still whole."""
        place = self._places[number]
        array = np.empty(place.type.shape, place.type.dtype.numpy)
        self._machine.download(array, place.address)
        return array

    def close(self) -> None:
        """Give the device's memory back; the engine is of no use afterwards."""
        self._release()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _pieces(self) -> Iterator[tuple[Launch, int, int, int]]:
        """Every launch in parts of at most a piece of work."""
        for launch in self._launches:
            blocks = max(1, self._piece // max(launch.cost * launch.per_block, 1))
            step = blocks * launch.per_block
            for first in range(0, launch.units, step):
                last = min(first + step, launch.units)
                yield launch, first, last, (last - first) * launch.cost

    def _start(self, launch: Launch, first: int, last: int) -> None:
        launch.record.first, launch.record.last = first, last
        blocks = -(-(last - first) // launch.per_block)
        self._machine.launch(self._kernels[launch.kernel], blocks, launch.threads, launch.record)

    def _keep_to(self, end: float) -> None:
        self._machine.finish()
        if time.monotonic() > end:
            raise TimeLimitError("the item ran past its time limit")

    def _compile_programs(self, budget: int) -> NDArray[np.uint32]:
        """Load a kernel for each program while the budget lasts; the words of the others, back to back."""
        keys = dict.fromkeys((node.program, node.dtype) for node in self.tape.nodes if isinstance(node, Map))
        self._programs: dict[Key, Program] = {}
        batch: list[Key] = []
        words: list[int] = []
        room = BATCH
        for key in keys:
            size = len(key[0].code) + 1
            if size > budget:
                code = len(words)
                words += _code(key[0])
                self._programs[key] = Program("map_any", code, len(words) - _constants(key[0]))
                continue
            budget -= size
            self._programs[key] = Program(map_name(key))
            if size > room and batch:
                self._load(batch)
                batch, room = [], BATCH
            batch.append(key)
            room -= size
        if batch:
            self._load(batch)
        return np.array(words, np.uint32)

    def _load(self, keys: list[Key]) -> None:
        names = [map_name(key) for key in keys]
        self._kernels |= self._machine.kernels(maps_source(tuple(keys)), names)

    def _hold(self, codes: NDArray[np.uint32]) -> int:
        """Allocate everything at once: the arena, the constants, the interpreter's words."""
        tape = self.tape
        sizes = [constant.type.nbytes for constant in tape.constants]
        starts, end = [], self._layout.arena
        for size in (*sizes, codes.nbytes):
            starts.append(end)
            end += -(-size // ALIGN) * ALIGN
        free = self._machine.free_bytes()
        if end > free:
            raise InputError(f"this tape needs {end} bytes of {self._machine.name}, which has {free} free")
        arena = self._machine.allocate(end)
        self._release = weakref.finalize(self, self._machine.free, arena)
        for start, constant in zip(starts, tape.constants, strict=False):
            self._machine.upload(arena + start, np.frombuffer(constant.data, np.uint8))
        self._machine.upload(arena + starts[-1], codes)
        at = arena + starts[-1]
        for key, program in self._programs.items():
            if program.kernel == "map_any":
                words = (at + 4 * program.code, at + 4 * program.words)
                self._programs[key] = Program(program.kernel, *words)
        self._places = []
        for value, kind in enumerate(tape.types):
            owner = self._layout.owner[value]
            constant_number = owner - len(tape.inputs)
            held = 0 <= constant_number < len(tape.constants)
            offset = starts[constant_number] if held else self._layout.offset[value]
            self._places.append(Place(arena + offset, kind))
        return arena

    def _compile(self, node: Node, value: int) -> list[Launch]:
        out = self._places[value]
        if self._layout.owner[value] != value or not out.type.elements:
            return []
        sources = [self._places[source] for source in node.sources]
        match node:
            case Map():
                return [compile_map(node, self._programs[node.program, node.dtype], sources, out)]
            case Contract():
                return [compile_contract(node, sources, out, self._tile)]
            case Reduce():
                return [compile_reduce(node, sources[0], out)]
            case Move():
                return [compile_move(node, sources[0], out)]
            case Gather():
                return [compile_gather(node, sources[0], sources[1], out)]
            case Join():
                return compile_join(node, sources, out)


def _code(program: ScalarProgram) -> list[int]:
    steps = [step.code | step.a << 8 | step.b << 16 | step.c << 24 for step in program.code]
    return [*steps, *program.f32, *program.i32]


def _constants(program: ScalarProgram) -> int:
    return len(program.f32) + len(program.i32)
