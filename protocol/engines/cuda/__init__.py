"""GPU back end: CUDA C with the reference's bits, compiled for the device at its first use.

    with Engine(tape, device=0) as engine:
        outputs = engine.run(inputs)

It needs NVIDIA's driver and NVRTC (`nvidia-cuda-nvrtc`, or a system's CUDA). Without a driver `usable()` is
empty, and nothing is loaded.
"""

from protocol.engines.cuda.compiling import LARGE
from protocol.engines.cuda.driver import gpu, usable
from protocol.engines.cuda.engine import Engine
from protocol.engines.cuda.rehearsal import Rehearsal

__all__ = ["LARGE", "Engine", "Rehearsal", "gpu", "usable"]
