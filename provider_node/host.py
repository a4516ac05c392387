"""What this machine is, as registration, calibration and energy estimates need it."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

_WATTS_PER_CORE = 8
_WATTS_IDLE = 15


@dataclass(frozen=True)
class Gpu:
    """One GPU, as its driver describes it."""

    name: str
    memory_bytes: int
    watts: int


@dataclass(frozen=True)
class Host:
    """The machine."""

    cpu: str
    cores: int
    memory_bytes: int
    gpus: tuple[Gpu, ...]

    def milliwatts(self, threads: int, watts: int) -> dict[str, int]:
        """Return the draw under load by device kind; `watts` is the owner's own figure, or 0."""
        cpu = watts or _WATTS_IDLE + _WATTS_PER_CORE * threads
        found = {"cpu": cpu * 1_000}
        if self.gpus:
            found["cuda"] = (max(gpu.watts for gpu in self.gpus) + _WATTS_IDLE) * 1_000
        return found


def detect() -> Host:
    """Look at this machine. Blocking for some milliseconds, longer where GPUs have to wake."""
    return Host(_cpu(), len(os.sched_getaffinity(0)), _memory(), _gpus())


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _gpus() -> tuple[Gpu, ...]:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()  # no driver: nothing to offer
    try:
        found = []
        for index in range(pynvml.nvmlDeviceGetCount()):
            device = pynvml.nvmlDeviceGetHandleByIndex(index)
            name = pynvml.nvmlDeviceGetName(device)
            memory = pynvml.nvmlDeviceGetMemoryInfo(device).total
            found.append(Gpu(name if isinstance(name, str) else name.decode(), int(memory), _limit(device)))
        return tuple(found)
    except pynvml.NVMLError:
        return ()
    finally:
        pynvml.nvmlShutdown()


def _limit(device: object) -> int:
    import pynvml

    try:
        return int(pynvml.nvmlDeviceGetPowerManagementLimit(device)) // 1_000
    except pynvml.NVMLError:
        return 300
