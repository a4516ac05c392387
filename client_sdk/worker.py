"""The client's child process, which parses strangers' models and runs strangers' programs, and its limits."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from protocol.runtime.child import Child, ChildOptions, open_child
from protocol.runtime.client_config import ClientConfig
from protocol.runtime.hardware import memory_limit

WORKER = "protocol.engines.worker"


@dataclass(frozen=True)
class WorkerLimits:
    """What the child may take: bytes of memory (0: three quarters of the machine's), seconds per lowering."""

    memory: int = ClientConfig.worker_memory
    lowering_s: float = ClientConfig.lowering_time

    @classmethod
    def of(cls, config: ClientConfig) -> "WorkerLimits":
        """Return what `client.yaml` says."""
        return cls(config.worker_memory, config.lowering_time)

    @property
    def bytes(self) -> int:
        """The bytes of memory that the child may have."""
        return self.memory or memory_limit() * 3 // 4


def open_worker(limits: WorkerLimits | None = None) -> AbstractAsyncContextManager[Child]:
    """Give the child, never without a limit of memory: a few bytes of a model can ask for all there is."""
    return open_child(WORKER, options=ChildOptions(memory=(limits or WorkerLimits()).bytes))
