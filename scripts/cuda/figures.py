"""What a GPU does in a second, beside a library on the same GPU in the same run."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from protocol.engines.cpu import Engine as CpuEngine
from protocol.engines.cuda import Engine
from protocol.tape import F32, I8, DType, Tape, TapeBuilder
from protocol.tape.products import matmul
from scripts.cuda import models

SIZE = 4096
SECONDS = 1.0  # of one measurement


def best(call: Callable[[], object], most: float = SECONDS) -> float:
    """The best time of one call, over about `most` seconds."""
    call()
    least, end = float("inf"), time.monotonic() + most
    while time.monotonic() < end:
        start = time.perf_counter()
        call()
        least = min(least, time.perf_counter() - start)
    return least


def product(dtype: DType) -> Any:
    """A square product on random numbers: the tape and its item."""
    builder = TapeBuilder()
    left, right = (builder.input(dtype, (SIZE, SIZE)) for _ in range(2))
    tape, _ = builder.build([matmul(builder, left, right)])
    draw = np.random.default_rng(SIZE)
    if dtype is F32:
        return tape, [draw.standard_normal((SIZE, SIZE), dtype=np.float32) for _ in range(2)]
    return tape, [draw.integers(-128, 128, (SIZE, SIZE), dtype=np.int8) for _ in range(2)]


def rate(device: int, dtype: DType) -> float:
    """Tera-operations per second, two to a multiply-add, copies to and from the device not counted."""
    tape, item = product(dtype)
    with Engine(tape, device) as engine:
        engine.run(item)
        return 2 * SIZE**3 / best(engine.execute) / 1e12


def library_rate(device: int, dtype: DType) -> float | None:
    """The same by torch, which calls NVIDIA's library; None where torch is not installed."""
    try:
        import torch
    except ImportError:
        return None
    torch.backends.cuda.matmul.allow_tf32 = False
    _, item = product(dtype)
    a, b = (torch.from_numpy(array).to(f"cuda:{device}") for array in item)

    def call() -> None:
        _ = a @ b.T if dtype is F32 else torch._int_mm(a, b.T)
        torch.cuda.synchronize(device)

    return float(2 * SIZE**3 / best(call) / 1e12)


def model(tape: Tape, device: int, threads: int) -> dict[str, Any]:
    """Items per second of a model, copies included, and where the device's time goes."""
    item = models.item(tape)
    with Engine(tape, device) as engine:
        whole = best(lambda: engine.run(item))
        alone = best(engine.execute)
        profile = {name: round(seconds * 1e3, 3) for name, seconds in engine.profile().items()}
    with CpuEngine(tape, threads) as engine_:
        cpu = best(lambda: engine_.run(item))
    return {
        "items_per_s": round(1 / whole, 1),
        "device_ms": round(alone * 1e3, 3),
        "cpu_items_per_s": round(1 / cpu, 1),
        "cpu_threads": threads,
        "kernel_ms_waited": profile,
    }


def figures(device: int, folder: Any, threads: int) -> dict[str, Any]:
    """Everything; a figure that could not be measured is absent."""
    found: dict[str, Any] = {}
    for name, dtype in (("sgemm_tflops", F32), ("int8_tops", I8)):
        found[name] = round(rate(device, dtype), 2)
        rival = library_rate(device, dtype)
        if rival is not None:
            found[name + "_library"] = round(rival, 2)
    for name, tape in models.load(folder).items() if folder else ():
        found[name] = model(tape, device, threads)
    return found
