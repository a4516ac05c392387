"""The generated text, the records, the divisors, the cache of compiled code, and computers without a GPU."""

import re
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.engines.cuda import cubins, driver, nvrtc, usable
from protocol.engines.cuda.engine import Engine
from protocol.engines.cuda.records import divisor
from protocol.engines.cuda.source import fixed_source, map_kernel, map_name, maps_source
from protocol.engines.worker import devices
from protocol.engines.worker.selftest import specimen
from protocol.tape import F32, I8, I32, trace
from protocol.tape.functions import gelu
from protocol.types.errors import BrokenInvariant, InputError
from tests.strategies.tapes import program

GELU = (trace(gelu, F32), F32)


@given(st.integers(0, 2**31 - 1), st.one_of(st.integers(1, 2**30), st.integers(0, 30).map(lambda n: 1 << n)))
def test_division_by_multiplication_is_division(n: int, size: int) -> None:
    by = divisor(size)
    for number in (n, n // size * size, max(n // size * size - 1, 0), 2**31 - 1):
        assert number * by.mul >> by.shift == number // size
    assert by.mul < 1 << 32


def test_the_same_programs_give_the_same_text_and_others_another_name() -> None:
    assert maps_source((GELU,)) == maps_source(((trace(gelu, F32), F32),))
    keys = set()
    for seed in range(200):
        rng = Random(seed)
        dtype = rng.choice((F32, I32, I8))
        keys.add((program(rng, (F32, I32), dtype.register), dtype))
    assert len({map_name(key) for key in keys}) == len(keys)
    assert len({map_kernel(key) for key in keys}) == len(keys)


def test_no_kernel_calls_what_rounds_otherwise_or_adds_in_any_order() -> None:
    text = re.sub(r"//.*", "", fixed_source() + maps_source((GELU,)))
    for word in ("atomic", "__expf", "__fdividef", "__frcp", "rsqrt", "fast", "__mul24", "__saturate", "f16"):
        assert word not in text, word


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "gavel" / "cuda"


def test_compiled_code_is_kept_and_a_damaged_file_is_made_again(cache: Path) -> None:
    source = maps_source((GELU,))
    first = cubins.cubin(source, 90)
    (file,) = cache.iterdir()
    assert first.startswith(b"\x7fELF")
    held = bytearray(file.read_bytes())
    held[-1] ^= 1
    file.write_bytes(held)
    assert cubins.cubin(source, 90) == first
    assert file.read_bytes() != held
    cubins.cubin(source, 80)
    assert len(list(cache.iterdir())) == 2


def test_kept_code_is_used(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = maps_source((GELU,))
    code = cubins.cubin(source, 90)
    monkeypatch.setattr(nvrtc.Nvrtc, "compile", lambda *_: pytest.fail("compiled again"))
    assert cubins.cubin(source, 90) == code


def test_a_cache_that_cannot_be_written_costs_time_only(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "gavel").write_text("a file where the folder should be")
    assert cubins.cubin(maps_source((GELU,)), 90).startswith(b"\x7fELF")


def test_what_the_compiler_refuses_is_told() -> None:
    with pytest.raises(InputError, match="sm_35"):
        nvrtc.nvrtc().compile(fixed_source(), 35)
    with pytest.raises(BrokenInvariant, match="no_such_name"):
        nvrtc.nvrtc().compile("int x = no_such_name;", 90)


def test_without_the_compiler_there_is_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvrtc, "places", lambda: iter(["libno_such_thing.so"]))
    nvrtc.nvrtc.cache_clear()
    try:
        with pytest.raises(InputError, match=r"no NVRTC here.*gavel\[cuda\]"):
            nvrtc.nvrtc()
    finally:
        nvrtc.nvrtc.cache_clear()


@pytest.mark.skipif(bool(driver.count()), reason="a GPU is here")
def test_without_a_gpu_nothing_is_offered_and_asking_is_answered_in_words() -> None:
    tape, _, _ = specimen()
    assert usable() == ()
    assert devices.devices() == ("cpu",)
    with pytest.raises(InputError, match="no device 'cuda:0' here; no driver or no GPU was found"):
        Engine(tape)
    with pytest.raises(InputError, match="no device 'cuda:0' here"):
        devices.open_engine("cuda:0", tape, 1)
    with pytest.raises(InputError, match="no device 'cuda:x'"):
        devices.open_engine("cuda:x", tape, 1)
