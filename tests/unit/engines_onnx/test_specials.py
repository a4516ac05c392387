"""Infinities, NaNs, empty axes and odd attributes: what ONNX's text says of them, held to onnxruntime."""

import numpy as np
import pytest
from onnx import helper

from protocol.engines.onnx import lower, read_model
from protocol.types.errors import InputError

node = helper.make_node
INF, NAN = np.inf, np.nan


def f32(values):
    return np.array(values, np.float32)


def test_remainders_of_huge_quotients_and_infinite_divisors(bench):
    x, y = np.meshgrid(f32([5, -5, 1e10, -1e20, 3e20, 7.25, 0.1, INF, NAN]), f32([INF, 3, -7, 0.7, 1e3, 0]))
    bench.hold(node("Mod", ["x", "w"], ["y"], fmod=1), {"x": x, "w": y}, rtol=0, atol=0)


@pytest.mark.parametrize("op", ["ArgMax", "ArgMin"])
def test_the_place_of_an_extreme_is_inside_its_axis(bench, op):
    """ONNX says nothing of NaN; numpy takes the first for the extreme, and so is it here."""
    x = f32([[1, NAN, 2, NAN], [NAN, NAN, NAN, NAN], [3, 1, 3, 1]])
    tape = bench.tape(bench.model([node(op, ["x"], ["y"], axis=1, keepdims=0)], {"x": x}, ["y"]))
    wanted = getattr(np, op.lower())(x, axis=1)
    assert bench.run(tape, {"x": x})[0].tolist() == wanted.tolist()


@pytest.mark.parametrize(("kind", "least"), [(np.uint8, 0), (np.int8, -128)])
def test_a_window_of_padding_alone_holds_a_number_of_its_type(bench, kind, least):
    x = np.arange(4, dtype=kind).reshape(1, 1, 4)
    each = node("MaxPool", ["x"], ["y"], kernel_shape=[2], dilations=[5], pads=[1, 1])
    tape = bench.tape(bench.model([each], {"x": x}, ["y"]))
    assert bench.run(tape, {"x": x})[0].min() == least


def test_hyperbolic_functions_near_zero_and_far_out(bench):
    x = f32([1e-6, -1e-6, 1e-3, 0.5, -0.99, 1.01, 10, -20, 88, 89, -89, 89.4, 0, INF, -INF, NAN])
    for op in ("Sinh", "Cosh"):
        bench.hold(node(op, ["x"], ["y"]), {"x": x}, rtol=4e-6, atol=0)


@pytest.mark.parametrize("start", [-6, -5, -1, 0, 2, 4, 5, 9])
@pytest.mark.parametrize("end", [-100, -6, -5, -1, 0, 3, 5, 100])
@pytest.mark.parametrize("step", [-2, -1, 1, 3])
def test_slices_are_clamped(bench, start, end, step):
    held = {"s": np.array([start]), "e": np.array([end]), "a": np.array([0]), "t": np.array([step])}
    bench.hold(node("Slice", ["x", *held], ["y"]), {"x": f32(range(5))}, constants=held)


def test_an_index_outside_its_axis_reads_zero_in_every_gather(bench):
    x = f32(range(1, 13)).reshape(3, 4)
    given = {"x": x, "i": np.array([[0, 5], [2, 3], [-1, -4], [-1, -5], [1, -9], [-7, 11], [3, 0]])}
    tape = bench.tape(bench.model([node("GatherND", ["x", "i"], ["y"])], given, ["y"]))
    assert bench.run(tape, given)[0].tolist() == [0, 12, 9, 0, 0, 0, 0]


@pytest.mark.parametrize("opset", [7, 8])
def test_statistics_of_every_position(bench, opset):
    held = {name: abs(f32([[1, 2], [3, 4]]).reshape(1, 2, 2)) for name in "sbmv"}
    each = node("BatchNormalization", ["x", *held], ["y"], spatial=0)
    tape = bench.tape(bench.model([each], {"x": np.ones((3, 1, 2, 2), np.float32)}, ["y"], held, opset=opset))
    x = f32(range(12)).reshape(3, 1, 2, 2)
    wanted = (x - held["m"]) / np.sqrt(held["v"] + 1e-5) * held["s"] + held["b"]
    np.testing.assert_allclose(bench.run(tape, {"x": x})[0], wanted, rtol=1e-5)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_global_norms(bench, draw, p):
    bench.hold(node("GlobalLpPool", ["x"], ["y"], p=p), {"x": draw(2, 3, 4, 5)}, atol=1e-5)


LARGE = [
    (node("Conv", ["x", "w", "b"], ["y"], name="n"), {"w": (1, 1, 1, 1), "b": (3,)}, (1, 1, 2, 2), 18),
    (
        node("ConvTranspose", ["x", "w", "b"], ["y"], name="n"),
        {"w": (1, 1, 1, 1), "b": (3,)},
        (1, 1, 2, 2),
        18,
    ),
    (node("Gemm", ["x", "w", "c"], ["y"], name="n"), {"w": (2, 3), "c": (4, 3)}, (1, 2), 18),
    (node("LayerNormalization", ["x", "s"], ["y"], name="n"), {"s": (2, 3)}, (1, 3), 18),
    (node("Clip", ["x", "s"], ["y"], name="n"), {"s": (2, 3)}, (1, 3), 18),
    (node("PRelu", ["x", "s"], ["y"], name="n"), {"s": (2, 3)}, (1, 3), 18),
    (node("BatchNormalization", ["x", *"sbmv"], ["y"], name="n"), dict.fromkeys("sbmv", (3,)), (1, 1, 2), 18),
]


BYTES = {"a": (1, 2), "s": (), "z": (3,), "b": (2, 2), "t": (), "o": (), "u": (), "p": ()}


def test_zero_points_of_each_row_and_column(bench):
    """Of integers: with scales of 1 the result is the sum of products, less the zero points."""
    generator = np.random.default_rng(5)
    a, b = (generator.integers(0, 16, shape).astype(np.uint8) for shape in ((3, 4), (4, 2)))
    za, zb = np.array([1, 2, 3], np.uint8), np.array([4, 5], np.uint8)
    held = {"s": f32(1), "z": za, "b": b, "t": f32(1), "o": zb, "u": f32(8), "p": np.array(128, np.uint8)}
    tape = bench.tape(bench.model([node("QLinearMatMul", ["a", *held], ["y"])], {"a": a}, ["y"], held))
    exact = (a.astype(int) - za[:, None].astype(int)) @ (b.astype(int) - zb.astype(int))
    wanted = np.clip(np.rint(exact / 8) + 128, 0, 255)
    assert bench.run(tape, {"a": a})[0].tolist() == wanted.tolist()


@pytest.mark.parametrize("op", ["QLinearMatMul", "MatMulInteger"])
def test_zero_points_never_make_the_result_larger(bench, op):
    scales = {"s", "t", "u"}
    held = {n: np.ones(s, np.float32 if n in scales else np.uint8) for n, s in BYTES.items() if n != "a"}
    names = list(BYTES) if op == "QLinearMatMul" else ["a", "b", "z", "o"]
    given = {"a": np.ones((1, 2), np.uint8)}
    model = bench.model([node(op, names, ["y"], name="n")], given, ["y"], held)
    with pytest.raises(InputError, match=f"{op} node 'n'"):
        lower(read_model(bench.save(model)), {})


@pytest.mark.parametrize(("each", "held", "shape", "opset"), LARGE, ids=[case[0].op_type for case in LARGE])
def test_operands_never_make_the_result_larger(bench, each, held, shape, opset):
    constants = {name: np.ones(size, np.float32) for name, size in held.items()}
    model = bench.model([each], {"x": np.ones(shape, np.float32)}, ["y"], constants, opset)
    with pytest.raises(InputError, match=f"{each.op_type} node 'n'"):
        lower(read_model(bench.save(model)), {})


def test_an_index_larger_than_its_data(bench):
    given = {"x": np.ones((2, 3), np.float32), "i": np.zeros((3, 2), np.int64)}
    model = bench.model([node("GatherElements", ["x", "i"], ["y"], axis=1, name="n")], given, ["y"])
    with pytest.raises(InputError, match="GatherElements node 'n'"):
        lower(read_model(bench.save(model)), {})
