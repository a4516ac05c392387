"""Arithmetic, functions, comparison, casts: each against onnxruntime."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from protocol.tape import Map

SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.5, np.inf, -np.inf, np.nan, 1e-40, 1e30], np.float32)


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Max", "Min", "PRelu", "Mean", "Sum"])
def test_binary_f32_broadcasts(bench, draw, op):
    bench.hold(helper.make_node(op, ["a", "b"], ["y"]), {"a": draw(2, 3, 4), "b": draw(4)})


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Max", "Min"])
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_binary_integers(bench, op, dtype):
    a = np.array([7, -7, 100, -1, 0], dtype)
    bench.hold(helper.make_node(op, ["a", "b"], ["y"]), {"a": a, "b": np.array([2, 2, -3, 5, 9], dtype)})


@pytest.mark.parametrize("fmod", [0, 1])
def test_mod_of_integers_takes_the_right_sign(bench, fmod):
    a, b = np.array([7, -7, 7, -7, 6], np.int32), np.array([3, 3, -3, -3, 3], np.int32)
    bench.hold(helper.make_node("Mod", ["a", "b"], ["y"], fmod=fmod), {"a": a, "b": b})


def test_mod_of_floats(bench, draw):
    a, b = draw(50) * 10, draw(50, low=0.5, high=3.0)
    bench.hold(helper.make_node("Mod", ["a", "b"], ["y"], fmod=1), {"a": a, "b": b}, atol=1e-5)


UNARY = [
    "Abs",
    "Neg",
    "Sign",
    "Exp",
    "Tanh",
    "Erf",
    "Sigmoid",
    "Relu",
    "Sin",
    "Cos",
    "Floor",
    "Ceil",
    "Round",
    "Softplus",
    "Softsign",
    "HardSwish",
    "Elu",
    "Selu",
    "Celu",
    "LeakyRelu",
    "ThresholdedRelu",
    "HardSigmoid",
    "Gelu",
    "Mish",
    "Shrink",
    "Identity",
    "Tan",
    "Sinh",
    "Cosh",
]


@pytest.mark.parametrize("op", UNARY)
def test_functions(bench, draw, op):
    bench.hold(helper.make_node(op, ["x"], ["y"]), {"x": draw(3, 50) * 3}, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("op", ["Log", "Sqrt", "Reciprocal"])
def test_functions_of_positive_numbers(bench, draw, op):
    bench.hold(helper.make_node(op, ["x"], ["y"]), {"x": draw(200, low=0.01, high=50.0)})


@pytest.mark.parametrize(
    "op", ["Abs", "Neg", "Floor", "Ceil", "Round", "Relu", "Sqrt", "Exp", "Tanh", "Sigmoid", "Erf"]
)
def test_functions_of_special_numbers(bench, op):
    """NaN, infinities, zeros and subnormals come out as IEEE has them."""
    with np.errstate(all="ignore"):
        bench.hold(helper.make_node(op, ["x"], ["y"]), {"x": SPECIAL}, rtol=1e-5, atol=1e-37)


def test_tanh_gelu(bench, draw):
    node = helper.make_node("Gelu", ["x"], ["y"], approximate="tanh")
    bench.hold(node, {"x": draw(100) * 2}, atol=1e-5)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0, 3.0, -1.0, 1.7])
def test_pow_by_a_constant(bench, draw, power):
    bench.hold(
        helper.make_node("Pow", ["x", "p"], ["y"]),
        {"x": draw(60, low=0.1, high=9.0)},
        constants={"p": np.array(power, np.float32)},
        rtol=1e-4,
    )


def test_pow_by_a_tensor(bench, draw):
    x, p = draw(60, low=0.1, high=9.0), draw(60)
    bench.hold(helper.make_node("Pow", ["x", "p"], ["y"]), {"x": x, "p": p}, rtol=1e-4)


@pytest.mark.parametrize("op", ["Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual"])
def test_comparisons(bench, op):
    a, b = np.meshgrid(SPECIAL, SPECIAL)
    node = helper.make_node(op, ["a", "b"], ["y"])
    bench.hold(node, {"a": a.copy(), "b": b.copy()})
    bench.hold(node, {"a": np.array([1, 2, 3], np.int64), "b": np.array([3, 2, 1], np.int64)})


@pytest.mark.parametrize("op", ["And", "Or", "Xor"])
def test_logic(bench, op):
    a, b = np.array([[True], [False]]), np.array([True, False])
    bench.hold(helper.make_node(op, ["a", "b"], ["y"]), {"a": a, "b": b})


def test_not_where_isnan_isinf(bench, draw):
    nodes = [
        helper.make_node("IsNaN", ["x"], ["nan"]),
        helper.make_node("IsInf", ["x"], ["inf"], detect_negative=0),
        helper.make_node("Or", ["nan", "inf"], ["odd"]),
        helper.make_node("Not", ["odd"], ["plain"]),
        helper.make_node("Where", ["plain", "x", "z"], ["y"]),
    ]
    bench.hold(nodes, {"x": SPECIAL, "z": draw(12)}, outputs=("y", "plain"))


@pytest.mark.parametrize(
    "to", [TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL, TensorProto.INT8, TensorProto.UINT8]
)
def test_casts_from_f32(bench, to):
    x = np.array([0.0, 0.9, -0.9, 3.7, -3.7, 100.2], np.float32)
    x = np.abs(x) if to == TensorProto.UINT8 else x
    bench.hold(helper.make_node("Cast", ["x"], ["y"], to=to), {"x": x})


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.bool_, np.int8, np.uint8])
def test_casts_to_f32(bench, dtype):
    x = np.array([0, 1, 2, 100], dtype)
    bench.hold(helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT), {"x": x})


def test_bytes_wrap(bench):
    """u8 and i8 arithmetic is modulo 2^8, though it runs in 32-bit words."""
    to = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.INT8)
    bench.hold(to, {"x": np.array([127, 128, 255, 256, -129], np.int32)})
    wrap = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.UINT8)
    bench.hold(wrap, {"x": np.array([-1, 256, 511, 7], np.int32)})


def test_clip_by_inputs_and_by_old_attributes(bench, draw):
    bounds = {"low": np.array(-0.5, np.float32), "high": np.array(0.75, np.float32)}
    bench.hold(helper.make_node("Clip", ["x", "low", "high"], ["y"]), {"x": draw(40)}, constants=bounds)
    bench.hold(helper.make_node("Clip", ["x", "", "high"], ["y"]), {"x": draw(40)}, constants=bounds)
    bench.hold(helper.make_node("Clip", ["x"], ["y"], min=-0.5, max=0.75), {"x": draw(40)}, opset=7)


def test_a_chain_becomes_one_map(bench, draw):
    """gelu as exporters spell it, bias and all: one MAP over two operands."""
    nodes = [
        helper.make_node("Add", ["x", "b"], ["h"]),
        helper.make_node("Div", ["h", "two"], ["d"]),
        helper.make_node("Erf", ["d"], ["e"]),
        helper.make_node("Add", ["e", "one"], ["s"]),
        helper.make_node("Mul", ["h", "s"], ["m"]),
        helper.make_node("Mul", ["m", "half"], ["y"]),
    ]
    held = {"b": draw(64), "two": 2**0.5, "one": 1.0, "half": 0.5}
    constants = {k: np.asarray(v, np.float32) for k, v in held.items()}
    tape = bench.hold(nodes, {"x": draw(4, 64)}, constants=constants, kinds="Ma")
    assert len(tape.nodes[0].operands) == 2


def test_fusion_keeps_to_the_limits(bench, draw):
    """A chain longer than a scalar program and a sum of more operands than a MAP takes come out right."""
    nodes = [helper.make_node("Tanh", ["x"], ["t0"])]
    nodes += [helper.make_node("Tanh", [f"t{i}"], [f"t{i + 1}"]) for i in range(11)]
    tape = bench.hold([*nodes, helper.make_node("Neg", ["t11"], ["y"])], {"x": draw(5)}, atol=1e-5)
    assert len(tape.nodes) > 1
    assert all(len(node.program.code) <= 128 for node in tape.nodes)
    many = {f"a{i}": draw(6) for i in range(9)}
    tape = bench.hold(helper.make_node("Sum", list(many), ["y"]), many)
    assert all(len(node.operands) <= 4 for node in tape.nodes)


def test_a_value_read_twice_is_computed_once(bench, draw):
    nodes = [
        helper.make_node("Exp", ["x"], ["e"]),
        helper.make_node("ReduceSum", ["e"], ["s"], keepdims=0),
        helper.make_node("Neg", ["e"], ["n"]),
    ]
    tape = bench.hold(nodes, {"x": draw(4, 8)}, outputs=("s", "n"), kinds="CoMaMa", rtol=1e-5)
    assert min(len(node.program.code) for node in tape.nodes if isinstance(node, Map)) == 1
