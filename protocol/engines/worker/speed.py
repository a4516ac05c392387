"""A short measurement of this machine: what the provider's price policy and time estimates stand on."""

import time
from collections.abc import Sequence

import numpy as np

from protocol.engines.cpu import estimate
from protocol.engines.worker.devices import Array, memory_of, open_engine
from protocol.engines.worker.interface import CalibrateArgs, Speed
from protocol.tape import F32, Tape, TapeBuilder
from protocol.tape.functions import gelu
from protocol.tape.products import matmul
from protocol.tape.views import transpose


def _product(b: TapeBuilder) -> Tape:
    left, right = b.input(F32, (128, 1024)), b.input(F32, (512, 1024))
    return b.build([matmul(b, left, right)])[0]


def _elementwise(b: TapeBuilder) -> Tape:
    return b.build([b.map(gelu, b.input(F32, (128, 2048)))])[0]


def _movement(b: TapeBuilder) -> Tape:
    return b.build([transpose(b, b.input(F32, (512, 512)), (1, 0))])[0]


def _rate(args: CalibrateArgs, tape: Tape, work: int, seconds: float) -> float:
    """Work per second: the best of as many runs as fit, since the machine may be busy otherwise."""
    generator = np.random.default_rng(1)
    inputs: Sequence[Array] = [
        generator.standard_normal(kind.shape).astype(np.float32) for kind in tape.inputs
    ]
    engine = open_engine(args.device, tape, args.threads)
    engine.run(inputs)
    best, end = float("inf"), time.monotonic() + seconds
    while True:
        start = time.perf_counter()
        engine.run(inputs)
        best = min(best, time.perf_counter() - start)
        if time.monotonic() >= end:
            return work / best


def calibrate(args: CalibrateArgs) -> Speed:
    """Measure products, elementwise work and movement, each for a third of the time."""
    third = max(0.0, min(args.seconds, 60.0)) / 3
    product, elementwise, movement = (make(TapeBuilder()) for make in (_product, _elementwise, _movement))
    return Speed(
        device=args.device,
        threads=args.threads,
        fmas=_rate(args, product, estimate(product).fmas, third),
        steps=_rate(args, elementwise, estimate(elementwise).steps, third),
        moved=_rate(args, movement, estimate(movement).moved, third),
        memory=memory_of(args.device),
    )
