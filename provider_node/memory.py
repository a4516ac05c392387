"""How a machine's memory is divided: what runs at the same time fits into it together.

A job under way keeps its memory while a challenged item is executed, and while another is answered for. Where
that is more than there is, the kernel ends one of them: a penalty, or a bond.
"""

from dataclasses import dataclass

from protocol.runtime.hardware import Hardware
from protocol.types import InputError
from provider_node.config import ProviderConfig

_MIB, _GIB = 1 << 20, 1 << 30
LEAST = 200 * _MIB
"""A process that runs anything takes so much, as it is reckoned."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes for each of what goes on at the same time."""

    jobs: int
    """All slots together."""
    traces: int
    """All runs of challenged and audited items together."""
    answers: int
    """The child that answers games: program and constants of a job, not its values."""
    demands: int
    """The child that answers demands: outputs stay on the disk."""


def divided(config: ProviderConfig, host: Hardware) -> Memory:
    """Return each one's part; `InputError` names the settings that leave somebody too little.

    A run holds values, and constants twice, so jobs and traces have the most, and by default alike.
    """
    answers = max(host.memory * 3 // 16, LEAST + 40 * _MIB)
    demands = min(max(host.memory // 8, 128 * _MIB), 512 * _MIB)
    rest = min(host.memory // 8, _GIB)
    free = host.memory - answers - demands - rest
    jobs, traces = config.machine.memory, config.defence.memory
    if not jobs and not traces:
        jobs = free // 2
    jobs = jobs or free - traces
    traces = traces or free - jobs
    if jobs < LEAST or traces < LEAST or jobs + traces > free:
        raise InputError(
            f"of {_mib(host.memory)} of memory {_mib(max(free, 0))} are left for jobs (machine.memory:"
            f" {_mib(config.machine.memory)}) and for executing challenged items (defence.memory:"
            f" {_mib(config.defence.memory)}) together",
            f"each takes {_mib(LEAST)} at least; lower the settings, or leave them out (0: what is free)",
        )
    return Memory(jobs, traces, answers, demands)


def _mib(count: int) -> str:
    return f"{count // _MIB} MiB"
