"""A device that differs from the reference in one bit is not used."""

import time

import numpy as np
import pytest

from protocol.engines.cpu import Engine
from protocol.engines.worker import devices
from protocol.engines.worker.selftest import check_device, instructions, specimen, specimens
from protocol.tape import F32, I8, I32, Contract, Gather, Join, Map, Move, Reduce
from protocol.tape.scalar import OPS
from protocol.types.errors import BrokenInvariant, InputError


def cpu(tape, inputs):
    return Engine(tape).run(inputs)


KINDS = {Map, Contract, Reduce, Move, Gather, Join}


def test_the_specimens_have_every_kind_every_type_and_awkward_numbers():
    tape, inputs, outputs = specimen()
    assert {type(node) for node in tape.nodes} == KINDS
    assert np.isnan(inputs[0]).any()
    assert any(np.isfinite(out).any() for out in outputs)
    had = set()
    for tape, _, _ in specimens():
        for node in tape.nodes:
            had.add((type(node), tuple(tape.types[source].dtype for source in node.sources)))
    for kind, dtypes in (
        *((Contract, (one, other)) for one, other in ((F32, F32), (I8, I8), (I8, I32), (I32, I32))),
        *((Contract, (dtype,)) for dtype in (F32, I8)),
        *((Reduce, (dtype,)) for dtype in (F32, I32, I8)),
        *((Move, (dtype,)) for dtype in (F32, I8)),
        *((Gather, dtypes) for dtypes in ((I32, I32), (I8, I8))),
    ):
        assert (kind, dtypes) in had, (kind, dtypes)


def test_the_specimens_have_every_instruction():
    tape, _, _ = instructions()
    assert {step.code for node in tape.nodes for step in node.program.code} == {op.code for op in OPS}


def test_the_cpu_engine_passes_quickly():
    specimens()
    start = time.process_time()
    check_device("cpu", cpu)
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("kind", "output"), [(kind, i) for kind, made in enumerate(specimens()) for i in range(made[0].outputs)]
)
def test_one_wrong_bit_anywhere_is_refused(kind, output):
    def broken(tape, inputs):
        outputs = cpu(tape, inputs)
        if tape is specimens()[kind][0]:
            outputs[output].reshape(-1).view(np.uint8)[-1] ^= 1
        return outputs

    with pytest.raises(BrokenInvariant, match=rf"self-test {kind}, output {output}\)"):
        check_device("cpu", broken)


def test_opening_an_engine_runs_the_self_test_once(monkeypatch):
    asked = []
    monkeypatch.setattr(devices, "_PROVEN", set())
    monkeypatch.setattr(devices, "check_device", lambda device, run: asked.append(device))
    tape, inputs, _ = specimen()
    for _ in range(2):
        devices.open_engine("cpu", tape, 1).run(list(inputs))
    assert asked == ["cpu"]
    with pytest.raises(InputError, match="no device"):
        devices.open_engine("abacus", tape, 1)
