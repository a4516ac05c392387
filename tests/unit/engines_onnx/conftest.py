"""Lowers small ONNX graphs and holds the tape's outputs to onnxruntime's."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from protocol.engines.cpu import Engine
from protocol.engines.onnx import lower, read_model
from protocol.tape import Tape
from protocol.tape.reference import evaluate
from protocol.tape.validate import validate

Array = np.ndarray[Any, Any]


def words(array: Array) -> Array:
    """As the tape holds it: f32 stays, everything else is i32."""
    return array if array.dtype == np.float32 else array.astype(np.int32)


def same_bits(slow: Sequence[Array], fast: Sequence[Array]) -> None:
    """Reference and CPU engine agree in every bit."""
    for a, b in zip(slow, fast, strict=True):
        assert a.tobytes() == b.tobytes()


class Bench:
    """Builds models in a folder of its own, lowers and runs them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, model: onnx.ModelProto, name: str = "model.onnx") -> Path:
        path = self.folder / name
        path.write_bytes(model.SerializeToString())
        return path

    def model(
        self,
        nodes: Sequence[onnx.NodeProto],
        inputs: dict[str, Array],
        outputs: Sequence[str],
        constants: dict[str, Array] | None = None,
        opset: int = 20,
    ) -> onnx.ModelProto:
        given = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
            for name, a in inputs.items()
        ]
        made = [helper.make_tensor_value_info(name, onnx.TensorProto.UNDEFINED, None) for name in outputs]
        held = [numpy_helper.from_array(a, name) for name, a in (constants or {}).items()]
        graph = helper.make_graph(list(nodes), "g", given, made, held)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)

    def tape(self, model: onnx.ModelProto, shapes: dict[str, tuple[int, ...]] | None = None) -> Tape:
        tape, labels = lower(read_model(self.save(model)), shapes or {})
        validate(tape)
        assert len(labels.nodes) == len(tape.nodes)
        return tape

    def rival(self, model: onnx.ModelProto, inputs: dict[str, Array]) -> list[Array]:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        found: list[Array] = session.run(None, inputs)
        return found

    def run(self, tape: Tape, inputs: dict[str, Array]) -> list[Array]:
        """Return the outputs, of the reference and the engine alike."""
        held = [words(a) for a in inputs.values()]
        got = evaluate(tape, held)
        same_bits(got, Engine(tape).run(held))
        return got

    def hold(
        self,
        nodes: Sequence[onnx.NodeProto] | onnx.NodeProto,
        inputs: dict[str, Array],
        outputs: Sequence[str] = ("y",),
        constants: dict[str, Array] | None = None,
        *,
        opset: int = 20,
        rtol: float = 2e-5,
        atol: float = 2e-6,
        kinds: str | None = None,
    ) -> Tape:
        """Compare with onnxruntime; `kinds`, if given, are the initials of the tape's node kinds, sorted."""
        listed = [nodes] if isinstance(nodes, onnx.NodeProto) else nodes
        model = self.model(listed, inputs, outputs, constants, opset)
        # onnxruntime wants the outputs' types.
        wanted = self.rival(onnx.shape_inference.infer_shapes(model), inputs)
        tape = self.tape(model)
        got = self.run(tape, inputs)
        for mine, theirs in zip(got, wanted, strict=True):
            assert mine.shape == theirs.shape
            np.testing.assert_allclose(mine, words(theirs), rtol=rtol, atol=atol)
        if kinds is not None:
            assert "".join(sorted(type(n).__name__[0:2] for n in tape.nodes)) == kinds
        return tape


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def draw() -> Callable[..., Array]:
    """draw(2, 3) is an f32 array of ordinary numbers; the same ones in every run."""
    generator = np.random.default_rng(7)

    def normal(*shape: int, low: float | None = None, high: float | None = None) -> Array:
        if low is not None and high is not None:
            return generator.uniform(low, high, shape).astype(np.float32)
        return generator.standard_normal(shape).astype(np.float32)

    return normal
