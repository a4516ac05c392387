"""What a run drew from the wall, with the grade of the figure."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from protocol.auction.bidding import HOUR_MS, DeviceSpeed
from protocol.types import EnergyGrade
from provider_node.executors.executor import Output


@dataclass(frozen=True, slots=True)
class Meter:
    """Energy of one run in mWh, its grade, and where it ran."""

    energy_milliwatt_hours: int
    energy_grade: int
    device: str


@dataclass
class Reading:
    """A measurement under way; `meter` is asked once the run is over."""

    device: DeviceSpeed
    began: float

    def meter(self, output: Output) -> Meter:
        """Return the energy: power under load times the time that the run took."""
        del output
        wall_ms = round((time.monotonic() - self.began) * 1_000)
        energy = self.device.milliwatts * wall_ms // HOUR_MS
        return Meter(energy, int(EnergyGrade.ESTIMATED), self.device.name)


@dataclass
class Metering:
    """Measures runs on this machine's devices."""

    devices: dict[str, DeviceSpeed]

    @asynccontextmanager
    async def measure(self, device: str) -> AsyncIterator[Reading]:
        """Give a reading that began just now."""
        yield Reading(self.devices[device], time.monotonic())
