"""Traces of items in dispute, kept from one call to the next.

Whoever plays a game asks about the same item again and again, and a daemon about several items in turn. So
the last traces are kept, within a bound of bytes.
"""

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocol.dispute.trace import Plan, Trace, plan
from protocol.engines.worker.devices import KeepingEngine, open_keeping_engine
from protocol.engines.worker.dispute_records import Item
from protocol.engines.worker.hashing import HASHER
from protocol.engines.worker.items import ItemFile
from protocol.engines.worker.programs import KEPT, Program, let_go, load_program, make_room
from protocol.engines.worker.room import LENT, input_bytes, kept_bytes, limit_bytes, plan_bytes, value_bytes
from protocol.tape import Tape
from protocol.types import InputError, OutOfMemoryError

UNLIMITED = 8 * 2**30
"""Bytes of kept traces where the process has no limit of its own."""
_File = tuple[str, int, int]


@dataclass(frozen=True)
class PlannedJob:
    """A program over its inputs, ready for traces."""

    program: Program
    inputs: ItemFile
    plan: Plan

    @property
    def plan_bytes(self) -> int:
        """What it takes beside its program."""
        return plan_bytes(self.program.tape, len(self.inputs))


class Traces:
    """The last traces, oldest out first. Belongs to one process, which plays for one side."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[_File, _File, int], Trace] = OrderedDict()
        self._jobs: OrderedDict[tuple[_File, _File], PlannedJob] = OrderedDict()
        self._engine: tuple[Tape, str, int, KeepingEngine] | None = None
        self._lent: tuple[Trace, list[memoryview]] | None = None

    def get(self, item: Item) -> Trace:
        """The trace of an item: kept, or made now.

        InputError if there is no such item or its values do not fit in memory, TransientError past the time
        limit.
        """
        key = _key(item)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        job = self.job(item.program_path, item.input_path)
        if not 0 <= item.item < len(job.inputs):
            raise InputError(f"there is no item {item.item} among {len(job.inputs)}")
        self._make_room(job, item.threads)
        self._take_back(job.program.tape)
        values = self._execute(job, item)
        trace = Trace(job.plan, item.item, values, HASHER)
        self._kept[key] = trace
        self._lent = (trace, values)
        return trace

    def drop(self, item: Item) -> None:
        """Forget an item's trace, so that it is made anew."""
        self._kept.pop(_key(item), None)

    def job(self, program_path: str, input_path: str) -> PlannedJob:
        """The job of a program over its inputs; the last two are kept."""
        key = (_file(Path(program_path)), _file(Path(input_path)))
        if key not in self._jobs:
            while len(self._jobs) >= KEPT:
                self._jobs.popitem(last=False)
            self._jobs[key] = self._planned(Path(program_path), Path(input_path))
        self._jobs.move_to_end(key)
        return self._jobs[key]

    def _planned(self, program: Path, inputs: Path) -> PlannedJob:
        """Read a job. Where it does not fit beside what is kept of others, that is let go."""
        try:
            return _read(program, inputs)
        except MemoryError:
            if not (self._jobs or self._kept or self._engine):
                raise
        # Out of the handler, which holds what was read so far.
        self._jobs.clear()
        self._kept.clear()
        self._engine = self._lent = None
        let_go()
        return _read(program, inputs)

    def _make_room(self, job: PlannedJob, threads: int) -> None:
        """For the trace of an item: neither other programs nor traces may take what it needs."""
        program, items = job.program, len(job.inputs)
        program.engines.clear()
        plans = sum(each.plan_bytes for each in self._jobs.values() if each is not job)
        others = make_room(program, program.trace_bytes(threads, items) + plans)
        room, needed = trace_room(program, threads, items), kept_bytes(program.tape)
        if others is None:
            self._jobs = OrderedDict((key, each) for key, each in self._jobs.items() if each is job)
        elif limit_bytes() is not None:
            room -= plans + others
        if needed > room:
            raise OutOfMemoryError(
                f"an item's values and their trees take {needed} bytes, for traces there are {room}",
                "give the worker more memory",
            )
        while self._kept and self._held() > room - needed:
            self._kept.popitem(last=False)

    def _held(self) -> int:
        # What was an engine's memory holds the inputs once more.
        tapes = [trace.plan.tape for trace in self._kept.values()]
        return sum(kept_bytes(tape) + input_bytes(tape) for tape in tapes)

    def _take_back(self, tape: Tape) -> None:
        """Get the last trace's values out of the memory that the engine is about to use again."""
        if self._lent is None:
            return
        (trace, values), self._lent = self._lent, None
        if value_bytes(trace.plan.tape) > LENT or trace.plan.tape is not tape:
            self._engine = None
        elif any(trace is kept for kept in self._kept.values()):
            first = trace.plan.tape.first_node
            trace.move(values[:first] + _copied(values[first:]))

    def _execute(self, job: PlannedJob, item: Item) -> list[memoryview]:
        tape = job.program.tape
        engine = self._engine_for(tape, item)
        engine.run(job.inputs[item.item], item.time_limit)
        values: list[NDArray[Any]] = [*job.inputs[item.item]]
        values += [np.frombuffer(constant.data, np.uint8) for constant in tape.constants]
        values += [engine.value(number) for number in range(tape.first_node, len(tape.types))]
        return [raw_bytes(array) for array in values]

    def _engine_for(self, tape: Tape, item: Item) -> KeepingEngine:
        wanted = (item.device, item.threads)
        if self._engine is None or self._engine[0] is not tape or self._engine[1:3] != wanted:
            self._engine = None  # before the next one takes its memory
            self._engine = (tape, *wanted, open_keeping_engine(item.device, tape, item.threads))
        return self._engine[3]


def _key(item: Item) -> tuple[_File, _File, int]:
    return _file(Path(item.program_path)), _file(Path(item.input_path)), item.item


def _file(path: Path) -> _File:
    try:
        found = path.stat()
    except FileNotFoundError as fault:
        raise InputError(f"there is no file {path}") from fault
    return str(path.resolve()), found.st_size, found.st_mtime_ns


def trace_room(program: Program, threads: int = 1, items: int = 1) -> int:
    """Bytes that kept traces may take in all, what runs an item of the program left out."""
    limit = limit_bytes()
    return UNLIMITED if limit is None else max(limit - program.running_bytes(threads, items), 0)


def _read(program_path: Path, input_path: Path) -> PlannedJob:
    program = load_program(program_path)
    inputs = ItemFile(input_path)
    inputs.expect(program.tape.inputs, "the inputs")
    return PlannedJob(program, inputs, plan(program.tape, list(inputs.roots()), HASHER))


def raw_bytes(array: NDArray[Any]) -> memoryview:
    """An array's bytes, without copying one that is contiguous."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(np.uint8).data if flat.size else memoryview(b"")


def _copied(values: list[memoryview]) -> list[memoryview]:
    """The same bytes in one block: a block per value would cost more in page faults than in copying."""
    sizes = [value.nbytes for value in values]
    block = np.empty(sum(sizes), np.uint8)
    found, start = [], 0
    for value, size in zip(values, sizes, strict=True):
        part = block[start : start + size]
        part[:] = np.frombuffer(value, np.uint8) if size else ()
        found.append(raw_bytes(part))
        start += size
    return found


TRACES = Traces()
"""This process's traces."""
