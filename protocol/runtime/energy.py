"""What a piece of work cost in energy and carbon, with the grade of the figure.

    meter = EnergyMeter(watts_per_core=12.0)
    start = meter.read()
    ...
    used = meter.since(start, cpu_seconds=child_cpu)

METERED: the counters of NVML (GPU) and RAPL (package) were read. They count the whole device, so on a shared
machine the figure is an upper bound. ESTIMATED: CPU seconds times watts per core, or GPU power samples. A
sum is as good as its worst part. All calls are quick and read only.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from protocol.types import EnergyGrade

POWERCAP = Path("/sys/class/powercap")
_PACKAGE = re.compile(r"intel-rapl:\d+$")


@dataclass(frozen=True)
class Reading:
    """Counters at one moment, in joules, by device."""

    counters: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Energy:
    """Energy used, in joules, how it was found, and from what."""

    joules: float
    grade: EnergyGrade
    source: str

    def grams_co2(self, grams_per_kwh: float) -> float:
        """Return the grams of CO2-equivalent at a grid intensity in g/kWh."""
        return self.joules / 3.6e6 * grams_per_kwh


class EnergyMeter:
    """Reads the counters that this machine has.

    `watts_per_core` is the estimate for a busy core where no package counter can be read: the package's rated
    power by its cores, including their share of memory. `gpus` are NVML indices whose energy counts.
    """

    def __init__(
        self, watts_per_core: float = 12.0, gpus: tuple[int, ...] = (), powercap: Path = POWERCAP
    ) -> None:
        self._watts_per_core = watts_per_core
        self._packages = _packages(powercap)
        self._gpus = gpus
        self._nvml = _start_nvml() if gpus else None

    def read(self) -> Reading:
        """Return the counters of now."""
        counters = {
            name: joules for name, (read, _) in self._packages.items() if (joules := read()) is not None
        }
        for index in self._gpus:
            joules = self._gpu_joules(index)
            if joules is not None:
                counters[f"gpu {index}"] = joules
        return Reading(counters)

    def since(self, start: Reading, cpu_seconds: float) -> Energy:
        """Return the energy used since `start`, during which the work took `cpu_seconds` of core time."""
        now = self.read()
        joules, parts, grade = 0.0, [], EnergyGrade.METERED
        for name, after in now.counters.items():
            before = start.counters.get(name)
            if before is not None:
                joules += self._difference(name, before, after)
                parts.append(name)
        if not any(name in self._packages for name in parts):
            joules += cpu_seconds * self._watts_per_core
            parts.append(f"{self._watts_per_core:g} W per busy core")
            grade = EnergyGrade.ESTIMATED
        missing = [index for index in self._gpus if f"gpu {index}" not in parts]
        if missing:
            parts.append(f"without GPU {', '.join(map(str, missing))}")
            grade = EnergyGrade.ESTIMATED
        return Energy(joules, grade, " + ".join(parts))

    def _difference(self, name: str, before: float, after: float) -> float:
        """Return after - before of a counter that starts again at its range."""
        if after >= before:
            return after - before
        span = self._packages[name][1] if name in self._packages else 0.0
        return after + max(0.0, span - before)

    def _gpu_joules(self, index: int) -> float | None:
        if self._nvml is None:
            return None
        try:
            handle = self._nvml.nvmlDeviceGetHandleByIndex(index)
            return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000
        except self._nvml.NVMLError:
            return None


def _packages(powercap: Path) -> dict[str, tuple[Callable[[], float | None], float]]:
    """Return a reader and the range, both in joules, of every RAPL package that can be read."""
    found: dict[str, tuple[Callable[[], float | None], float]] = {}
    for zone in sorted(powercap.glob("intel-rapl:*")):
        span = _microjoules(zone / "max_energy_range_uj")
        if _PACKAGE.fullmatch(zone.name) and span and _microjoules(zone / "energy_uj") is not None:
            found[f"package {zone.name.rpartition(':')[2]}"] = (_reader(zone / "energy_uj"), span)
    return found


def _reader(file: Path) -> Callable[[], float | None]:
    return lambda: _microjoules(file)


def _microjoules(file: Path) -> float | None:
    try:
        return int(file.read_text()) / 1e6
    except (OSError, ValueError):
        return None


def _start_nvml() -> Any:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml
