"""A device that engines are made ready for without its memory, before a job for it is accepted."""

from collections.abc import Sequence
from ctypes import Structure
from dataclasses import dataclass

from protocol.engines.cuda.machine import Array, Kernel, Machine

_ADDRESS = 256
"""Of memory that is not there."""


@dataclass(frozen=True)
class Rehearsal:
    """Compiles for `device`; a tape may take `memory` bytes of it, of which none are taken."""

    device: Machine
    memory: int

    @property
    def name(self) -> str:
        """The device's."""
        return self.device.name

    def kernels(self, source: str, names: Sequence[str]) -> dict[str, Kernel]:
        """The device's."""
        return self.device.kernels(source, names)

    def free_bytes(self) -> int:
        """What a tape may take."""
        return self.memory

    def allocate(self, nbytes: int) -> int:  # noqa: ARG002
        """An address with nothing behind it."""
        return _ADDRESS

    def free(self, address: int) -> None:
        """Nothing was taken."""

    def upload(self, address: int, array: Array) -> None:
        """There is nowhere to."""

    def download(self, array: Array, address: int) -> None:
        """Nothing ever runs."""

    def launch(self, kernel: Kernel, blocks: int, threads: int, record: Structure) -> None:
        """Nothing ever runs."""

    def finish(self) -> None:
        """Nothing was launched."""
