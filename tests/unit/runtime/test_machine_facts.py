"""Hardware, energy, grid and doctor: what a provider claims about its machine."""

from pathlib import Path

import pytest

from protocol.runtime import doctor, grid, hardware
from protocol.runtime.energy import EnergyMeter
from protocol.types import EnergyGrade, InputError


def zone(powercap: Path, name: str, microjoules: int, span: int = 1_000_000_000) -> Path:
    folder = powercap / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "max_energy_range_uj").write_text(f"{span}\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    return folder / "energy_uj"


def test_package_counters_are_metered_and_may_wrap(tmp_path: Path) -> None:
    first = zone(tmp_path, "intel-rapl:0", 999_000_000)
    second = zone(tmp_path, "intel-rapl:1", 5_000_000)
    zone(tmp_path, "intel-rapl:0:0", 7_000_000)  # a part of package 0, which must not count twice
    meter = EnergyMeter(powercap=tmp_path)
    start = meter.read()
    assert set(start.counters) == {"package 0", "package 1"}
    first.write_text("2000000")
    second.write_text("6500000")
    used = meter.since(start, cpu_seconds=100)
    assert used.joules == pytest.approx(3.0 + 1.5)
    assert used.grade == EnergyGrade.METERED


def test_without_counters_cpu_time_is_an_estimate(tmp_path: Path) -> None:
    meter = EnergyMeter(watts_per_core=10, powercap=tmp_path)
    used = meter.since(meter.read(), cpu_seconds=360)
    assert (used.joules, used.grade) == (3600, EnergyGrade.ESTIMATED)
    assert "10 W per busy core" in used.source
    assert used.grams_co2(500) == pytest.approx(0.5)


def test_a_gpu_that_cannot_be_read_makes_the_sum_an_estimate(tmp_path: Path) -> None:
    file = zone(tmp_path, "intel-rapl:0", 0)
    meter = EnergyMeter(gpus=(99,), powercap=tmp_path)
    start = meter.read()
    file.write_text("1000000")
    used = meter.since(start, cpu_seconds=1)
    assert used.grade == EnergyGrade.ESTIMATED
    assert "without GPU 99" in used.source


def test_the_grid_table_is_sane_and_names_its_source() -> None:
    assert 100 < grid.zone(grid.WORLD).grams_per_kwh < 1000
    assert all(0 < each.grams_per_kwh < 1500 for each in grid.zones().values())
    assert "Ember" in grid.zone("NO").source
    with pytest.raises(InputError, match="unknown grid zone 'XX'"):
        grid.zone("XX")


def test_hardware_is_that_of_this_machine(tmp_path: Path) -> None:
    found = hardware.detect(tmp_path)
    assert found.cores >= 1
    assert found.cpu
    assert found.memory > 1 << 28
    assert found.disk_free > 0
    assert bool(found.gpus) != bool(found.gpu_note)


def test_vector_units_by_flags() -> None:
    assert hardware.avx_level(["avx", "avx2", "fma", "avx512f", "avx512bw"]) == "avx512"
    assert hardware.avx_level(["avx", "avx2", "fma"]) == "avx2"
    assert hardware.avx_level(["avx", "avx2"]) == "avx"
    assert hardware.avx_level([]) == "none"


def test_doctor_goes_on_after_a_check_that_breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAVEL_HOME", str(tmp_path))

    def broken() -> doctor.Finding:
        raise ZeroDivisionError("oops")

    found = doctor.examine({"broken": broken, **doctor.LOCAL})
    assert found[0] == doctor.Finding("broken", "fail", "ZeroDivisionError: oops", "report this as a bug")
    assert {each.check for each in found[1:]} == set(doctor.LOCAL)
    assert all(each.level == "ok" or each.advice for each in found)


def test_doctor_sees_a_key_that_others_can_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAVEL_HOME", str(tmp_path))
    assert doctor.check_keys().level == "warn"
    (tmp_path / "keys" / "a.json").write_text("{}")
    (tmp_path / "keys" / "a.json").chmod(0o644)
    finding = doctor.check_keys()
    assert finding.level == "fail"
    assert "chmod 600" in finding.advice
