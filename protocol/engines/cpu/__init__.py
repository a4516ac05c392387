"""Fast CPU back end: the reference's bits, at the machine's speed.

    with Engine(tape, threads=2) as engine:
        outputs = engine.run(inputs)

The kernels are C, compiled at installation for several instruction sets and chosen at run time (`setup.py`).
"""

from protocol.engines.cpu.engine import Engine, TimeLimitError, rehearse
from protocol.engines.cpu.estimate import Work, estimate
from protocol.engines.cpu.hashing import FAST, FastHasher

__all__ = ["FAST", "Engine", "FastHasher", "TimeLimitError", "Work", "estimate", "rehearse"]
