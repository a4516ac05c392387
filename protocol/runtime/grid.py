"""How much CO2 a kWh of a grid zone carries: a small table, shipped in the package, with its sources."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from protocol.runtime.yaml_file import read_yaml
from protocol.types import InputError

TABLE = Path(__file__).with_name("grid.yaml")
WORLD = "WORLD"


@dataclass(frozen=True)
class Zone:
    """One zone: grams of CO2-equivalent per kWh, averaged over a year, and who says so."""

    name: str
    grams_per_kwh: float
    source: str
    year: int


@cache
def zones(path: Path = TABLE) -> dict[str, Zone]:
    """Return the table by zone name."""
    table = read_yaml(path)
    source, year = str(table["source"]), int(table["year"])
    return {name: Zone(name, float(grams), source, year) for name, grams in table["zones"].items()}


def zone(name: str) -> Zone:
    """Return one zone; `InputError` names the nearest if there is none of that name."""
    known = zones()
    if name not in known:
        raise InputError(f"unknown grid zone {name!r}", f"one of {', '.join(sorted(known))}")
    return known[name]
