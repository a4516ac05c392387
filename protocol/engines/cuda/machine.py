"""What an engine needs of a device. `driver` has the real one, tests one that plays CUDA on the host."""

from collections.abc import Sequence
from ctypes import Structure
from typing import Any, Protocol

from numpy.typing import NDArray

Array = NDArray[Any]
Kernel = Any
"""A machine's own handle of a kernel."""


class Machine(Protocol):
    """A device with its own memory. Calls are made from one thread at a time."""

    @property
    def name(self) -> str:
        """As people know it, e.g. "cuda:0"."""

    def kernels(self, source: str, names: Sequence[str]) -> dict[str, Kernel]:
        """Compile a source, or take it from the cache, and load the named kernels."""

    def free_bytes(self) -> int:
        """Memory that can be allocated now."""

    def allocate(self, nbytes: int) -> int:
        """The address of new memory, aligned to 256 bytes. InputError if the device has too little."""

    def free(self, address: int) -> None:
        """Give memory back."""

    def upload(self, address: int, array: Array) -> None:
        """Copy to the device."""

    def download(self, array: Array, address: int) -> None:
        """Copy from the device, behind all that was launched."""

    def launch(self, kernel: Kernel, blocks: int, threads: int, record: Structure) -> None:
        """Queue one launch behind those before; the record is copied."""

    def finish(self) -> None:
        """Wait until all that was launched is done."""
