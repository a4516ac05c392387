"""The CUDA engine's sources on the host: a machine whose kernels a C++ compiler made behind `host.h`."""

import ctypes
import shutil
import subprocess
from collections.abc import Sequence
from ctypes import CDLL, Structure, addressof, c_uint, c_void_p
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from protocol.engines.cpu.library import exact_numbers
from protocol.types.errors import InputError

HEADER = Path(__file__).with_name("host.h")
FLAGS = ("-O1", "-std=c++17", "-ffp-contract=off", "-fwrapv", "-fno-strict-aliasing", "-shared", "-fPIC")
HARDWARE_FMA = "-mfma"


@cache
def _flags() -> tuple[str, ...]:
    """libm's fmaf is exact but slow; the processor's own is exact too, where there is one."""
    try:
        has = " fma " in Path("/proc/cpuinfo").read_text()
    except OSError:
        has = False
    return (*FLAGS, HARDWARE_FMA) if has else FLAGS


class HostMachine:
    """See protocol.engines.cuda.machine.Machine. `memory`: bytes that it claims to have."""

    name = "host"

    def __init__(self, folder: Path, memory: int = 1 << 32) -> None:
        self._folder, self._memory = folder, memory
        self._libraries: dict[str, CDLL] = {}
        self._held: dict[int, Any] = {}
        self.launches = 0

    def kernels(self, source: str, names: Sequence[str]) -> dict[str, Any]:
        text = HEADER.read_text() + source
        key = sha256(text.encode()).hexdigest()[:16]
        if key not in self._libraries:
            code, built = self._folder / f"{key}.cpp", self._folder / f"{key}.so"
            code.write_text(text)
            compiler = shutil.which("g++") or "c++"
            done = subprocess.run(
                [compiler, *_flags(), "-Wall", "-Wno-unknown-pragmas", "-o", str(built), str(code)],
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr[:4000]
            assert not done.stderr, done.stderr[:4000]
            self._libraries[key] = CDLL(str(built))
        found = {name: getattr(self._libraries[key], name) for name in names}
        for function in found.values():
            function.argtypes, function.restype = [c_void_p, c_uint, c_uint], None
        return found

    def free_bytes(self) -> int:
        return self._memory - sum(block.nbytes for block in self._held.values())

    def allocate(self, nbytes: int) -> int:
        if nbytes > self.free_bytes():
            raise InputError(f"host cannot give {nbytes} bytes")
        block = np.full(nbytes + 256, 0xA5, np.uint8)  # so that what no kernel wrote is seen
        address = -(-block.ctypes.data // 256) * 256
        self._held[address] = block
        return int(address)

    def free(self, address: int) -> None:
        del self._held[address]

    def upload(self, address: int, array: Any) -> None:
        if array.nbytes:
            ctypes.memmove(address, array.ctypes.data, array.nbytes)

    def download(self, array: Any, address: int) -> None:
        if array.nbytes:
            ctypes.memmove(array.ctypes.data, address, array.nbytes)

    def launch(self, kernel: Any, blocks: int, threads: int, record: Structure) -> None:
        self.launches += 1
        with exact_numbers():
            kernel(addressof(record), blocks, threads)

    def finish(self) -> None:
        """Every launch is over when it returns."""
