"""What a run drew from the wall, with the grade of the figure."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio

from protocol.runtime.energy import EnergyMeter, Reading
from protocol.runtime.grid import WORLD, zone
from protocol.runtime.hardware import Hardware
from protocol.types import EnergyGrade
from provider_node.config import ProviderConfig
from provider_node.executors.executor import Output

_WATTS_PER_CORE = 12.0
_GPU_WATTS = 300.0
_JOULES_PER_MILLIWATT_HOUR = 3.6


@dataclass(frozen=True, slots=True)
class Meter:
    """Energy of one run in mWh, its grade, and where it ran."""

    energy_milliwatt_hours: int
    energy_grade: int
    device: str


@dataclass
class Measurement:
    """A measurement under way; `meter` is asked once the run is over."""

    source: EnergyMeter
    began: Reading
    device: str

    def meter(self, output: Output) -> Meter:
        """Return the energy used since the run began."""
        used = self.source.since(self.began, output.cpu_ms / 1_000)
        energy = math.ceil(used.joules / _JOULES_PER_MILLIWATT_HOUR)
        return Meter(energy, int(used.grade), self.device)


class Metering:
    """Measures runs on this machine's devices."""

    def __init__(self, config: ProviderConfig, hardware: Hardware) -> None:
        self._watts_per_core = watts_per_core(config, hardware)
        self._hardware = hardware

    @property
    def grade(self) -> EnergyGrade:
        """The best grade of figure that this machine can deliver."""
        counters = EnergyMeter(self._watts_per_core).read().counters
        return EnergyGrade.METERED if counters else EnergyGrade.ESTIMATED

    @asynccontextmanager
    async def measure(self, device: str) -> AsyncIterator[Measurement]:
        """Give a measurement that begins now."""
        source = EnergyMeter(self._watts_per_core, gpus=_gpu_of(device))
        yield Measurement(source, await trio.to_thread.run_sync(source.read), device)


def watts_per_core(config: ProviderConfig, hardware: Hardware) -> float:
    """Return the estimate for one busy core."""
    return config.machine.watts / hardware.cores if config.machine.watts else _WATTS_PER_CORE


def milliwatts(config: ProviderConfig, hardware: Hardware, threads: int) -> dict[str, int]:
    """Return the draw under load by device kind, for what quotes say before anything was measured."""
    found = {"cpu": round(watts_per_core(config, hardware) * threads * 1_000)}
    if hardware.gpus:
        most = max(gpu.power_limit or _GPU_WATTS for gpu in hardware.gpus)
        found["cuda"] = round((most + _WATTS_PER_CORE) * 1_000)
    return found


def carbon_grams_per_kwh(config: ProviderConfig) -> int:
    """Return the zone's carbon intensity: the owner's figure, the shipped table's, or the world's mean.

    `InputError` if the zone is unknown and no figure is given.
    """
    if config.carbon_grams_per_kwh:
        return config.carbon_grams_per_kwh
    return round(zone(config.grid_zone or WORLD).grams_per_kwh)


def _gpu_of(device: str) -> tuple[int, ...]:
    kind, _, index = device.partition(":")
    return (int(index or 0),) if kind == "cuda" else ()
