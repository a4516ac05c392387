"""How long one item of a tape takes, from its work and a machine's speed."""

from protocol.engines.cpu import Work
from protocol.engines.worker.interface import Speed

CAUTIOUS = Speed(device="cpu", threads=1, fmas=1e10, steps=2e9, moved=1e9)
"""A tenth of what a core of today does, used until `calibrate` has measured."""
SUBNORMAL = 240.0
"""How much slower arithmetic gets at worst when every number is subnormal (measured; it is the hardware)."""


def seconds(work: Work, speed: Speed) -> float:
    """Estimated time of one item at a speed, numbers being ordinary."""
    return work.fmas / speed.fmas + work.steps / speed.steps + work.moved / speed.moved


def worst_seconds(work: Work, speed: Speed) -> float:
    """The same if every number is subnormal."""
    return SUBNORMAL * (work.fmas / speed.fmas + work.steps / speed.steps) + work.moved / speed.moved
