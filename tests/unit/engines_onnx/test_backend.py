"""ONNX's own node tests, run through lowering, the reference and the CPU engine.

`backend_passing.txt` names those that pass; each must go on passing. To take in what newly passes, write
the names that the second test prints into it. Cases of element types that no tape has (f64, f16, strings,
...) are left out.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from protocol.engines.cpu import Engine
from protocol.engines.onnx import Model, lower, read_model
from protocol.tape.reference import evaluate
from protocol.tape.validate import validate
from protocol.types.errors import InputError

LIST = Path(__file__).parent / "backend_passing.txt"
KINDS = {
    TensorProto.FLOAT,
    TensorProto.INT32,
    TensorProto.INT64,
    TensorProto.BOOL,
    TensorProto.INT8,
    TensorProto.UINT8,
}
GROUPS = 4

# The cases draw their own data when collected, some of it beyond their types.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.xdist_group("onnx-backend")]


@cache
def cases() -> dict[str, Any]:
    from onnx.backend.test.case.node import collect_testcases

    return {case.name: case for case in collect_testcases(None) if case.model is not None and in_reach(case)}


def in_reach(case: Any) -> bool:
    graph = case.model.graph
    return all(
        value.type.HasField("tensor_type") and value.type.tensor_type.elem_type in KINDS
        for value in [*graph.input, *graph.output]
    )


def words(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return array if array.dtype == np.float32 else array.astype(np.int32)


def run(model: Model, held: dict[str, Any], given: dict[str, Any]) -> list[np.ndarray[Any, Any]]:
    """Lower with the inputs `held` taken for constants, and run on the others."""
    inputs = tuple(i for i in model.inputs if i.name not in held)
    fixed = replace(model, inputs=inputs, constants={**model.constants, **held})
    tape, _ = lower(fixed, {i.name: given[i.name].shape for i in inputs})
    validate(tape)
    arrays = [words(given[i.name]) for i in inputs]
    arrays = [np.where(np.isnan(a), np.float32(np.nan), a) if a.dtype == np.float32 else a for a in arrays]
    slow = evaluate(tape, arrays)
    fast = Engine(tape).run(arrays)
    assert [a.tobytes() for a in slow] == [a.tobytes() for a in fast], "engine and reference differ"
    return slow


def outcome(case: Any, folder: Path) -> str:
    """ "pass", or what went wrong. Inputs that decide shapes are taken for constants, as a backend may."""
    path = folder / "m.onnx"
    path.write_bytes(case.model.SerializeToString())
    try:
        model = read_model(path)
        for arrays, wanted in case.data_sets:
            given = {i.name: np.asarray(a) for i, a in zip(model.inputs, arrays, strict=False)}
            later = {name: given[name] for name in list(given)[1:]}
            try:
                got = run(model, {}, given)
            except InputError as fault:
                if "must be constant" not in str(fault) and "below 1" not in str(fault):
                    raise
                got = run(model, later if later and "below 1" not in str(fault) else given, given)
            for mine, theirs in zip(got, wanted, strict=True):
                np.testing.assert_allclose(mine, words(np.asarray(theirs)), rtol=1e-3, atol=1e-5)
    except (InputError, AssertionError) as fault:
        return str(fault).strip().splitlines()[0]
    return "pass"


def listed() -> Iterator[str]:
    yield from LIST.read_text(encoding="ascii").split()


@pytest.mark.parametrize("group", range(GROUPS))
def test_listed_node_tests_pass(tmp_path, group):
    names = list(listed())
    assert len(names) > 900
    failed = {}
    for name in names[group::GROUPS]:
        found = outcome(cases()[name], tmp_path)
        if found != "pass":
            failed[name] = found
    assert not failed


@pytest.mark.soak
def test_the_list_is_complete(tmp_path):
    known = set(listed())
    fresh = [
        name for name, case in cases().items() if name not in known and outcome(case, tmp_path) == "pass"
    ]
    assert not fresh, "\n".join(fresh)
