"""Holds a GPU to the golden digests and to the CPU engine, then to its limits, then measures it."""

import json
import os
import resource
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from protocol.engines.cpu import Engine as CpuEngine
from protocol.engines.cpu import TimeLimitError
from protocol.engines.cuda import LARGE, Engine, gpu, usable
from protocol.engines.cuda.cubins import cubin
from protocol.engines.cuda.driver import architecture
from protocol.engines.cuda.nvrtc import nvrtc
from protocol.engines.cuda.source import fixed_source
from protocol.engines.worker.selftest import check_device
from protocol.tape import F32, Tape, TapeBuilder
from protocol.tape.products import matmul
from protocol.types import ZERO_HASH
from protocol.types.errors import InputError
from scripts.cuda.figures import figures
from scripts.cuda.golden import PATH, cases, digests
from tests.strategies.tapes import random_tape

MORE_SEEDS = range(1000, 1200)
VARIANTS: dict[str, dict[str, Any]] = {
    "": {},
    " interpreted": {"compiled": 0},
    " large tiles": {"tile": LARGE, "compiled": 0},
    " in pieces": {"compiled": 0, "piece": 10_000},
}
CHILD = """
import resource, sys, numpy
resource.setrlimit(getattr(resource, sys.argv[1]), (8 << 30, 8 << 30))
from protocol.engines.cuda import gpu
machine = gpu(0)
machine.free(machine.allocate(1 << 30))
print("works")
"""


def check(device: int, folder: Path | None) -> dict[str, Any]:
    """Every part in turn; one that fails does not keep the others from running."""
    found: dict[str, Any] = {"ok": False}
    parts: dict[str, Callable[[], Any]] = {
        "device": lambda: about(device),
        "self_test": lambda: self_test(device),
        "golden": lambda: against_golden(device, folder),
        "cpu": lambda: against_cpu(device, folder),
        "random": lambda: random_tapes(device),
        "time_limit": lambda: time_limit(device),
        "memory": lambda: memory(device),
        "limits": limits,
        "worker": lambda: worker(device),
        "energy": lambda: energy(device),
        "traces": lambda: traces(device, folder),
        "figures": lambda: figures(device, folder, len(os.sched_getaffinity(0))),
    }
    failed = []
    for name, part in parts.items():
        start = time.monotonic()
        try:
            found[name] = part()
        except Exception as fault:
            traceback.print_exc()
            failed.append(name)
            found[name] = f"{type(fault).__name__}: {fault}"
        print(f"{name}: {time.monotonic() - start:.1f} s: {found[name]}", flush=True)
    found["failed"], found["ok"] = failed, not failed
    return found


def about(device: int) -> dict[str, Any]:
    """What is being checked, and how long compiling takes."""
    machine = gpu(device)
    start = time.monotonic()
    nvrtc().compile(fixed_source(), architecture(device))
    compiled = time.monotonic() - start
    cubin(fixed_source(), architecture(device))
    start = time.monotonic()
    cubin(fixed_source(), architecture(device))
    return {
        "model": machine.model,
        "architecture": architecture(device),
        "usable": usable(),
        "nvrtc": nvrtc().version,
        "compile_s": round(compiled, 2),
        "cached_s": round(time.monotonic() - start, 4),
        "free_bytes": machine.free_bytes(),
    }


def self_test(device: int) -> str:
    """The start-up self-test in every variant."""
    for name, options in VARIANTS.items():

        def run(tape: Tape, inputs: Any, options: dict[str, Any] = options) -> Any:
            with Engine(tape, device, **options) as engine:
                return engine.run(inputs)

        check_device(f"cuda:{device}{name}", run)
    return f"{len(VARIANTS)} variants pass"


def against_golden(device: int, folder: Path | None) -> dict[str, Any]:
    """Digests that were made on another machine."""
    wanted = json.loads(PATH.read_text())
    equal, other = 0, []
    for name, tape, item in cases(folder):
        with Engine(tape, device, keep=True) as engine:
            engine.run(item)
            mine = digests(tape, item, engine.value)
        if mine["given"] != wanted[name]["given"]:
            other.append(name)  # this machine's numpy draws other numbers
        elif mine != wanted[name]:
            raise AssertionError(f"{name}: the device's values are not the golden ones")
        else:
            equal += 1
    return {"equal": equal, "other_inputs": other}


def against_cpu(device: int, folder: Path | None) -> str:
    """Every value of every case, in every variant."""
    compared = 0
    for name, tape, item in cases(folder):
        with CpuEngine(tape, threads=4, keep=True) as cpu:
            cpu.run(item)
            for variant, options in VARIANTS.items():
                if variant == " in pieces" and name in ("magika", "minilm"):
                    continue
                with Engine(tape, device, keep=True, **options) as engine:
                    engine.run(item)
                    for number in range(tape.first_node, len(tape.types)):
                        mine, theirs = engine.value(number), cpu.value(number)
                        assert mine.tobytes() == theirs.tobytes(), f"{name}{variant}: value {number}"
                        compared += 1
    return f"{compared} values are equal"


def random_tapes(device: int) -> str:
    """More tapes than have digests."""
    for seed in MORE_SEEDS:
        tape, item = random_tape(Random(seed), 14)
        with (
            CpuEngine(tape, keep=True) as cpu,
            Engine(tape, device, keep=True, compiled=seed % 2 * 256) as mine,
        ):
            cpu.run(item)
            mine.run(item)
            for number in range(tape.first_node, len(tape.types)):
                assert mine.value(number).tobytes() == cpu.value(number).tobytes(), f"seed {seed}: {number}"
    return f"{len(MORE_SEEDS)} random tapes are equal"


def time_limit(device: int) -> dict[str, float]:
    """One node of a second of work is ended soon after its limit."""
    builder = TapeBuilder()
    x = builder.input(F32, (32768, 8192))
    tape, _ = builder.build([matmul(builder, x, x)])
    item = [np.ones((32768, 8192), np.float32)]
    with Engine(tape, device) as engine:
        start = time.monotonic()
        engine.run(item)
        whole = time.monotonic() - start
        start = time.monotonic()
        try:
            engine.execute(time.monotonic() + 0.05)
        except TimeLimitError:
            late = time.monotonic() - start
        else:
            raise AssertionError("the limit was not seen")
    return {"whole_s": round(whole, 3), "ended_after_s": round(late, 3)}


def memory(device: int) -> str:
    """A tape larger than the device is refused before anything is allocated."""
    builder = TapeBuilder()
    value = builder.input(F32, (1 << 15, 1 << 15))
    for _ in range(64):
        value = builder.map(lambda v: v + 1, value)
    tape, _ = builder.build([value])
    try:
        Engine(tape, device, keep=True)
    except InputError as fault:
        if "bytes" not in fault.message:  # refused, but for another reason
            raise
        return fault.message
    raise AssertionError("it was not refused")


def limits() -> dict[str, str]:
    """Which limit of memory a process that uses a GPU can live under."""
    found = {}
    for name in ("RLIMIT_AS", "RLIMIT_DATA"):
        assert hasattr(resource, name)
        done = subprocess.run(
            [sys.executable, "-c", CHILD, name], capture_output=True, text=True, check=False
        )
        found[name] = done.stdout.strip() or done.stderr.strip().splitlines()[-1][:200]
    assert found["RLIMIT_DATA"] == "works", found
    return found


def worker(device: int) -> Any:
    """The device as daemons see it: listed, proven, measured."""
    from protocol.engines.worker.devices import devices
    from protocol.engines.worker.interface import CalibrateArgs
    from protocol.engines.worker.speed import calibrate

    name = f"cuda:{device}"
    assert name in devices()
    speed = calibrate(CalibrateArgs(1.5, 1, name))
    return {key: getattr(speed, key) for key in speed.__struct_fields__}


def energy(device: int) -> dict[str, Any]:
    """The hardware as a provider claims it, and the counter of the GPU over three seconds of work."""
    from protocol.runtime.energy import EnergyMeter
    from protocol.runtime.hardware import detect
    from protocol.types import EnergyGrade

    found = detect(Path("/"))
    assert found.gpus, found.gpu_note
    meter = EnergyMeter(gpus=(device,))
    builder = TapeBuilder()
    x = builder.input(F32, (8192, 8192))
    tape, _ = builder.build([matmul(builder, x, x)])
    item = [np.random.default_rng(1).standard_normal((8192, 8192)).astype(np.float32)]
    with Engine(tape, device) as engine:
        engine.run(item)
        before, start, cpu = meter.read(), time.monotonic(), time.process_time()
        while time.monotonic() < start + 3:
            engine.run(item)
        seconds = time.monotonic() - start
        after, used = meter.read(), meter.since(before, time.process_time() - cpu)
    watts = (after.counters[f"gpu {device}"] - before.counters[f"gpu {device}"]) / seconds
    limit = found.gpus[device].power_limit or 1000.0
    assert 40 < watts < limit * 1.1, f"{watts} W of a GPU with a limit of {limit} W"
    assert used.grade in (EnergyGrade.METERED, EnergyGrade.ESTIMATED)
    return {
        "gpus": [(gpu.name, gpu.memory, gpu.power_limit) for gpu in found.gpus],
        "cpu": (found.cpu, found.cores, found.avx),
        "gpu_watts": round(watts, 1),
        "joules": round(used.joules, 1),
        "grade": used.grade.name,
        "source": used.source,
    }


def traces(device: int, folder: Path | None) -> dict[str, Any]:
    """A trace made on the device has the roots of one made on the processor."""
    from protocol.dispute.trace import Trace, plan
    from protocol.engines.worker.hashing import HASHER

    found = {}
    for name, tape, item in cases(folder):
        if name not in ("magika", "minilm"):
            continue
        job = plan(tape, [ZERO_HASH], HASHER)
        roots, seconds = [], []
        engines: tuple[Callable[[], Any], ...] = (
            lambda tape=tape: Engine(tape, device, keep=True),  # type: ignore[misc]
            lambda tape=tape: CpuEngine(tape, keep=True),  # type: ignore[misc]
        )
        for opened in engines:
            with opened() as engine:
                engine.run(item)
                start = time.monotonic()
                engine.run(item)
                values = [np.ascontiguousarray(engine.value(n)) for n in range(len(tape.types))]
                roots.append(Trace(job, 0, [value.data for value in values], HASHER).root)
                seconds.append(round(time.monotonic() - start, 3))
        assert roots[0] == roots[1], name
        found[name] = {"root": roots[0].hex(), "device_s": seconds[0], "cpu_s": seconds[1]}
    assert found or folder is None
    return found
