"""The golden digests that devices elsewhere are held to are what the CPU engine and the CUDA sources give."""

import json
from itertools import islice
from pathlib import Path

import pytest

from protocol.engines.cpu import Engine as CpuEngine
from protocol.engines.cuda.engine import Engine
from protocol.engines.cuda.machine import Machine
from scripts.cuda.golden import PATH, cases, digests, golden
from scripts.cuda.models import NAMES, item, load, prepare

pytestmark = pytest.mark.xdist_group("cuda")
WANTED = json.loads(PATH.read_text(encoding="utf-8"))


def test_the_cpu_engine_gives_the_digests() -> None:
    made = golden()
    assert made == {name: digest for name, digest in WANTED.items() if name not in NAMES}


def test_the_cuda_sources_give_some_of_them(machine: Machine) -> None:
    for name, tape, given in islice(cases(), 25):
        with Engine(tape, keep=True, machine=machine, compiled=0) as engine:
            engine.run(given)
            assert digests(tape, given, engine.value) == WANTED[name], name


def test_the_models_travel_without_their_weights(tmp_path: Path) -> None:
    prepare(tmp_path)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 1 << 20
    tapes = load(tmp_path)
    assert tuple(tapes) == NAMES
    tape = tapes["magika"]
    with CpuEngine(tape, keep=True) as engine:
        engine.run(item(tape))
        assert digests(tape, item(tape), engine.value) == WANTED["magika"]
