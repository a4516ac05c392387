"""The machine code that NVRTC makes of the kernels: no multiply-add that was not asked for, nothing flushed,
nothing approximated. What the processor does is read, not what the flags promise.
"""

import importlib.util
import os
import re
import shutil
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from protocol.engines.cuda import nvrtc as nvrtc_module
from protocol.engines.cuda.nvrtc import nvrtc
from protocol.engines.cuda.source import fixed_source, map_name, maps_source
from protocol.tape import F32, I8, I32, ScalarProgram, trace
from protocol.tape.functions import erf, exp, gelu, tanh
from protocol.tape.scalar import BY_CODE, OPS, apply

pytestmark = pytest.mark.xdist_group("cuda")
ARCHITECTURES = (80, 90, 100)
# Correctly rounded division and square root begin with an approximation, and integer division with a float
# one: their own tests are those of the bits.
DIVIDE = {"fdiv", "fsqrt", "idiv", "irem"}
INSTRUCTION = re.compile(r"/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z0-9_]+(?:\.[A-Z0-9_.]+)?)([^;]*);")

Listing = dict[str, list[tuple[str, str]]]


def disassembler() -> Path:
    spec = importlib.util.find_spec("nvidia")
    for root in (spec.submodule_search_locations or ()) if spec else ():
        for found in Path(root).glob("*/bin/nvdisasm"):
            return found
    system = shutil.which("nvdisasm", path=f"{os.environ['PATH']}:/usr/local/cuda/bin")
    assert system, "nvdisasm is a development dependency: run make setup"
    return Path(system)


def listing(source: str, architecture: int, folder: Path) -> Listing:
    """Kernel name -> (operation, operands) of each instruction."""
    file = folder / f"{architecture}.cubin"
    file.write_bytes(nvrtc().compile(source, architecture))
    text = subprocess.run(
        [str(disassembler()), "-c", str(file)], capture_output=True, text=True, check=True
    ).stdout
    kernels: Listing = {}
    for part in text.split(".section\t.text.")[1:]:
        kernels[part.split(",")[0]] = INSTRUCTION.findall(part)
    return kernels


def floats(code: list[tuple[str, str]]) -> Counter[str]:
    """Arithmetic of f32 by operation. HFMA2 that only makes a constant is a move."""
    found: Counter[str] = Counter()
    for name, operands in code:
        base = name.split(".")[0]
        if base == "HFMA2" and re.match(r"\s*R\d+, -RZ, RZ, ", operands):
            continue
        if base in (
            "FADD",
            "FMUL",
            "FFMA",
            "MUFU",
            "FADD2",
            "FMUL2",
            "FFMA2",
            "HFMA2",
            "HADD2",
            "HMUL2",
            "HMMA",
        ):
            found[base] += 1
    return found


def flushing(code: list[tuple[str, str]]) -> list[str]:
    return [name for name, _ in code if "FTZ" in name or "SAT" in name]


@cache
def single(name: str) -> ScalarProgram:
    op = next(op for op in OPS if op.name == name)
    return trace(lambda *values: apply(name, *values), *op.takes)


@pytest.fixture(scope="module", params=ARCHITECTURES)
def architecture(request: pytest.FixtureRequest) -> int:
    number: int = request.param
    return number


@pytest.fixture(scope="module")
def fixed(architecture: int, tmp_path_factory: pytest.TempPathFactory) -> Listing:
    return listing(fixed_source(), architecture, tmp_path_factory.mktemp("fixed"))


def test_kernels_that_move_or_count_have_no_float_arithmetic(fixed: Listing) -> None:
    for name in ("move", "copy", "gather", "join", "integer_dots", "integer_extremes", "float_extremes"):
        assert fixed[name], name
        assert not floats(fixed[name]), name
        assert not flushing(fixed[name]), name
    for name in ("byte_product_large", "byte_product_small"):
        assert not floats(fixed[name]), name
        assert any(op.startswith("IDP.4A") for op, _ in fixed[name]), name


@pytest.mark.parametrize(
    ("name", "folds", "step"), [("dots", 1, 1), ("product_small", 4, 4), ("product_large", 64, 64)]
)
def test_products_are_chains_of_fused_steps_and_plain_folds(
    fixed: Listing, name: str, folds: int, step: int
) -> None:
    """As many additions as sums are folded: were one contracted with a product, it would be missing. Chains
    are unrolled, so their steps are there in whole multiples.
    """
    found = floats(fixed[name])
    assert not flushing(fixed[name])
    assert found.pop("FADD") == folds
    assert found["FFMA"] > 0
    assert found.pop("FFMA") % step == 0
    assert not found
    assert not [op for op, _ in fixed[name] if op.startswith("FFMA.") or op.startswith("FADD.")]


def test_no_kernel_needs_atomics(fixed: Listing) -> None:
    for name, code in fixed.items():
        assert not [op for op, _ in code if op.startswith(("ATOM", "RED"))], name


def test_every_instruction_is_what_the_table_says(architecture: int, tmp_path: Path) -> None:
    wanted = {"fadd": "FADD", "fsub": "FADD", "fmul": "FMUL", "fma": "FFMA"}
    keys = {op.name: (single(op.name), op.gives) for op in OPS}
    code = listing(maps_source(tuple(keys.values())), architecture, tmp_path)
    for op in OPS:
        mine = code[map_name(keys[op.name])]
        assert mine, op.name
        if op.name in DIVIDE:
            continue
        found = floats(mine)
        assert found == ({wanted[op.name]: 1} if op.name in wanted else {}), op.name
        assert not flushing(mine), op.name


def test_whole_functions_keep_their_additions_and_products_apart(architecture: int, tmp_path: Path) -> None:
    """exp, tanh, erf and gelu, and products next to sums, which a compiler would most like to fuse."""
    programs = [
        trace(exp, F32),
        trace(lambda x: x * x + x, F32),
        trace(lambda x, y, z: (x * y + z) * (z - x * y), F32, F32, F32),
        trace(lambda x: erf(x) * 0.5 + 0.25, F32),
    ]
    keys = tuple((program, F32) for program in programs)
    code = listing(maps_source(keys), architecture, tmp_path)
    for key in keys:
        counted = Counter(BY_CODE[step.code].name for step in key[0].code)
        if counted.keys() & DIVIDE:
            continue
        found = floats(code[map_name(key)])
        assert found["FFMA"] == counted["fma"]
        assert found["FADD"] == counted["fadd"] + counted["fsub"]
        assert found["FMUL"] == counted["fmul"]
        assert not flushing(code[map_name(key)])
    other = tuple((trace(function, F32), F32) for function in (tanh, gelu))
    for key in other:
        assert {"fdiv", "fma"} & {BY_CODE[step.code].name for step in key[0].code}


@pytest.mark.parametrize(
    ("flags", "wanted", "flushed"),
    [
        (nvrtc_module.FLAGS, {"FMUL": 1, "FADD": 1}, False),
        ((), {"FFMA": 1}, False),
        (("-fmad=false", "-ftz=true"), {"FMUL": 1, "FADD": 1}, True),
    ],
)
def test_the_inspection_sees_a_contraction_and_a_flush(
    architecture: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flags: tuple[str, ...],
    wanted: dict[str, int],
    flushed: bool,
) -> None:
    """And the flags are needed: without them the same source is contracted, or flushes."""
    monkeypatch.setattr(nvrtc_module, "FLAGS", flags)
    source = 'extern "C" __global__ void k(float *p) { p[0] = p[1] * p[2] + p[3]; }'
    code = listing(source, architecture, tmp_path)["k"]
    assert floats(code) == wanted
    assert bool(flushing(code)) is flushed


def test_bytes_and_words_store_what_they_are(architecture: int, tmp_path: Path) -> None:
    keys = ((trace(lambda v: v + 1, I8), I8), (trace(lambda v: v + 1, I32), I32))
    code = listing(maps_source(keys), architecture, tmp_path)
    assert any(op.startswith("STG.E.U8") for op, _ in code[map_name(keys[0])])
    assert all(not op.startswith("STG.E.U8") for op, _ in code[map_name(keys[1])])
