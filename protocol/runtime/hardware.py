"""What this machine has: processor, memory, disk and GPUs. Blocks for some milliseconds; reads only."""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protocol.runtime.cgroups import memory_limits


@dataclass(frozen=True)
class Gpu:
    """One GPU as NVML names it; `memory` in bytes, `power_limit` in watts if the driver tells."""

    index: int
    name: str
    uuid: str
    memory: int
    power_limit: float | None


@dataclass(frozen=True)
class Hardware:
    """The machine as far as a provider may claim it. Sizes in bytes; `cores` are those we may use."""

    cpu: str
    cores: int
    avx: str
    memory: int
    disk_free: int
    gpus: tuple[Gpu, ...]
    gpu_note: str
    """Why there are no GPUs, or "" if there are some."""


def detect(disk: Path) -> Hardware:
    """Return what is here; `disk` is a path on the file system whose free space counts."""
    cpuinfo = _cpuinfo()
    gpus, note = detect_gpus()
    return Hardware(
        cpu=_field(cpuinfo, "model name") or os.uname().machine,
        cores=len(os.sched_getaffinity(0)),
        avx=avx_level(_field(cpuinfo, "flags").split()),
        memory=memory_limit(),
        disk_free=shutil.disk_usage(disk).free,
        gpus=gpus,
        gpu_note=note,
    )


def detect_gpus() -> tuple[tuple[Gpu, ...], str]:
    """Return the GPUs that NVML sees, and a note that says why there are none."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return (), f"no NVIDIA driver: {error}"
    try:
        found = tuple(_gpu(pynvml, index) for index in range(pynvml.nvmlDeviceGetCount()))
    except pynvml.NVMLError as error:
        return (), f"the NVIDIA driver does not answer: {error}"
    finally:
        pynvml.nvmlShutdown()
    return found, "" if found else "the NVIDIA driver sees no GPU"


def avx_level(flags: list[str]) -> str:
    """Return the widest vector unit that a processor's flags name: avx512, avx2 (with fma), avx or none."""
    for level, needed in (
        ("avx512", {"avx512f", "avx512bw", "fma"}),
        ("avx2", {"avx2", "fma"}),
        ("avx", {"avx"}),
    ):
        if needed <= set(flags):
            return level
    return "none"


def memory_limit() -> int:
    """Return the bytes of memory that this process can have: the machine's, or less if its cgroups say so."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min((total, *memory_limits()))


def _gpu(pynvml: Any, index: int) -> Gpu:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    try:
        limit = pynvml.nvmlDeviceGetPowerManagementLimit(handle) / 1000
    except pynvml.NVMLError:
        limit = None
    name, uuid = pynvml.nvmlDeviceGetName(handle), pynvml.nvmlDeviceGetUUID(handle)
    return Gpu(index, str(name), str(uuid), int(pynvml.nvmlDeviceGetMemoryInfo(handle).total), limit)


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""


def _field(cpuinfo: str, name: str) -> str:
    match = re.search(rf"^{name}\s*:\s*(.*)$", cpuinfo, re.MULTILINE)
    return match[1].strip() if match else ""
