"""The engines that can run a tape here, by device: `cpu` first, then `cuda:0` and so on."""

import re
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from protocol.engines.worker.interface import Rehearsed
from protocol.engines.worker.selftest import check_device
from protocol.tape import Tape
from protocol.tape.limits import MAX_TOTAL_BYTES
from protocol.tape.reference import evaluate_all
from protocol.types.errors import InputError, TransientError

Array = NDArray[np.generic]


class Engine(Protocol):
    """One tape made ready for one device."""

    def run(self, inputs: Sequence[NDArray[Any]], time_limit: float = 0.0) -> list[NDArray[Any]]:
        """The outputs of one item, with the reference's bits. TransientError past the limit (0: none)."""


class KeepingEngine(Engine, Protocol):
    """An engine after whose `run` every value can be read."""

    def value(self, number: int) -> NDArray[Any]:
        """A value of the last run; it may be a view that the next run overwrites."""


Opener = Callable[[Tape, int, bool], KeepingEngine]
"""Tape, threads, whether to keep every value: if not, only outputs can be read after a run."""


class ReferenceEngine:
    """The definition itself: slow, for tests that hold the fast ones to it."""

    def __init__(self, tape: Tape, _threads: int, _keep: bool) -> None:
        self._tape = tape
        self._values: list[NDArray[Any]] = []

    def run(self, inputs: Sequence[NDArray[Any]], time_limit: float = 0.0) -> list[NDArray[Any]]:
        """The outputs of one item; the limit is looked at after the item alone."""
        start = time.monotonic()
        self._values = evaluate_all(self._tape, inputs)
        if 0 < time_limit < time.monotonic() - start:
            raise TransientError("the item ran past its time limit")
        return self._values[len(self._values) - self._tape.outputs :]

    def value(self, number: int) -> NDArray[Any]:
        """A value of the last run."""
        return self._values[number]


def _cpu(tape: Tape, threads: int, keep: bool) -> KeepingEngine:
    from protocol.engines.cpu import Engine as CpuEngine

    return CpuEngine(tape, threads, keep)


_OPENERS: dict[str, Opener] = {"cpu": _cpu}
_HIDDEN: dict[str, Opener] = {"reference": ReferenceEngine}
_CUDA = re.compile(r"cuda:(\d{1,3})")


def devices() -> tuple[str, ...]:
    """Keys of the devices that can run tapes here. Without a driver, asking costs nothing."""
    from protocol.engines.cuda import usable

    return (*_OPENERS, *(f"cuda:{index}" for index in usable()))


def _opener(device: str) -> Opener:
    """InputError for a device that is not here."""
    if device in _OPENERS or device in _HIDDEN:
        return _OPENERS.get(device) or _HIDDEN[device]
    named = _CUDA.fullmatch(device)
    if named is None:
        raise InputError(f"no device {device!r} here; there is {', '.join(devices())}")
    from protocol.engines.cuda import Engine as CudaEngine
    from protocol.engines.cuda import gpu

    gpu(int(named[1]))  # says why, if it cannot be used
    return lambda tape, _, keep: CudaEngine(tape, int(named[1]), keep)


def _prove(device: str, opener: Opener) -> None:
    """Run the self-test; for a GPU twice, so that every kernel is tried, whichever the sizes would choose."""
    check_device(device, lambda specimen, inputs: opener(specimen, 1, False).run(inputs))
    if device.startswith("cuda"):
        from protocol.engines.cuda import LARGE
        from protocol.engines.cuda import Engine as CudaEngine

        def other(specimen: Tape, inputs: list[Array]) -> list[Array]:
            index = int(device.partition(":")[2])
            with CudaEngine(specimen, index, compiled=0, tile=LARGE) as engine:
                return engine.run(inputs)

        check_device(device, other)


def memory_of(device: str) -> int:
    """Bytes free on the device itself; 0 for one that uses the process's memory."""
    if not device.startswith("cuda"):
        return 0
    from protocol.engines.cuda import gpu

    return gpu(int(device.partition(":")[2])).free_bytes()


_PROVEN: set[str] = set()


def open_engine(device: str, tape: Tape, threads: int) -> Engine:
    """An engine for the tape. InputError for a device that is not here.

    BrokenInvariant if the device fails its self-test, which its first use in a process begins with.
    """
    return _open(device, tape, threads, False)


def open_keeping_engine(device: str, tape: Tape, threads: int) -> KeepingEngine:
    """The same, with every value readable after a run; it needs memory for all of them."""
    return _open(device, tape, threads, True)


def _open(device: str, tape: Tape, threads: int, keep: bool) -> KeepingEngine:
    opener = _opener(device)
    if device not in _HIDDEN and device not in _PROVEN:
        _prove(device, opener)
        _PROVEN.add(device)
    return opener(tape, max(1, threads), keep)


def rehearse(tape: Tape, wanted: Rehearsed) -> None:
    """Make an engine ready as it would be, without memory for values: whatever its making raises."""
    opener = _opener(wanted.device)
    if wanted.device in _HIDDEN:
        opener(tape, wanted.threads, wanted.keep)
    elif wanted.device in _OPENERS:
        from protocol.engines.cpu import rehearse as rehearse_cpu

        rehearse_cpu(tape, wanted.threads, wanted.keep)
    else:
        from protocol.engines.cuda import Engine as CudaEngine
        from protocol.engines.cuda import Rehearsal, gpu

        device = gpu(int(wanted.device.partition(":")[2]))
        CudaEngine(
            tape, keep=wanted.keep, machine=Rehearsal(device, wanted.memory or MAX_TOTAL_BYTES)
        ).close()
