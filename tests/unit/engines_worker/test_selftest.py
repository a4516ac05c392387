"""A device that differs from the reference in one bit is not used."""

import time

import numpy as np
import pytest

from protocol.engines.cpu import Engine
from protocol.engines.worker import devices
from protocol.engines.worker.selftest import check_device, specimen
from protocol.tape import Contract, Gather, Join, Map, Move, Reduce
from protocol.types.errors import BrokenInvariant, InputError


def cpu(tape, inputs):
    return Engine(tape).run(inputs)


def test_the_specimen_has_every_kind_and_awkward_numbers():
    tape, inputs, outputs = specimen()
    assert {type(node) for node in tape.nodes} == {Map, Contract, Reduce, Move, Gather, Join}
    assert np.isnan(inputs[0]).any()
    assert any(np.isfinite(out).any() for out in outputs)


def test_the_cpu_engine_passes_quickly():
    specimen()
    start = time.process_time()
    check_device("cpu", cpu)
    assert time.process_time() - start < 2


@pytest.mark.parametrize("output", range(5))
def test_one_wrong_bit_anywhere_is_refused(output):
    def broken(tape, inputs):
        outputs = cpu(tape, inputs)
        outputs[output].reshape(-1).view(np.uint32)[-1] ^= 1
        return outputs

    with pytest.raises(BrokenInvariant, match=f"self-test output {output}"):
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
