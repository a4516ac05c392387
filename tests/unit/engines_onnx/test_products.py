"""Matrix products, convolution and pooling against onnxruntime."""

import numpy as np
import pytest
from onnx import helper

MATRICES = [
    ((4, 5), (5, 6)),
    ((2, 3, 4, 5), (5, 6)),
    ((3, 4, 5), (3, 5, 6)),
    ((2, 1, 4, 5), (3, 5, 6)),
    ((5,), (5, 6)),
    ((4, 5), (5,)),
    ((5,), (5,)),
    ((4, 1), (1, 6)),
]


@pytest.mark.parametrize(("a", "b"), MATRICES)
def test_matmul_shapes(bench, draw, a, b):
    node = helper.make_node("MatMul", ["a", "b"], ["y"])
    bench.hold(node, {"a": draw(*a), "b": draw(*b)}, atol=1e-5)
    bench.hold(node, {"a": draw(*a)}, constants={"b": draw(*b)}, atol=1e-5)


def test_a_constant_weight_is_transposed_while_lowering(bench, draw):
    """The product is one CONTRACT: both operands are read along their last axis as they lie."""
    node = helper.make_node("MatMul", ["a", "b"], ["y"])
    bench.hold(node, {"a": draw(8, 40)}, constants={"b": draw(40, 16)}, atol=1e-5, kinds="Co")


def test_integer_matmul_is_exact(bench):
    generator = np.random.default_rng(3)
    a, b = (generator.integers(-99, 99, s).astype(np.int32) for s in ((4, 30), (30, 5)))
    bench.hold(helper.make_node("MatMul", ["a", "b"], ["y"]), {"a": a, "b": b}, rtol=0, atol=0)


@pytest.mark.parametrize("most", [127, 255])
def test_matmul_integer_takes_zero_points(bench, most):
    """onnxruntime is a witness up to 127 only: without VNNI it cuts sums of pairs at 16 bits."""
    generator = np.random.default_rng(3)
    a = generator.integers(0, most, (4, 30)).astype(np.uint8)
    b = generator.integers(-128, 127, (30, 5)).astype(np.int8)
    zero = {"za": np.array(113, np.uint8), "zb": np.array(-7, np.int8)}
    node = helper.make_node("MatMulInteger", ["a", "b", "za", "zb"], ["y"])
    if most == 127:
        bench.hold(node, {"a": a, "b": b}, constants=zero, rtol=0, atol=0)
    tape = bench.tape(bench.model([node], {"a": a, "b": b}, ["y"], zero))
    exact = (a.astype(np.int32) - 113) @ (b.astype(np.int32) + 7)
    assert np.array_equal(bench.run(tape, {"a": a, "b": b})[0], exact)


@pytest.mark.parametrize("trans_a", [0, 1])
@pytest.mark.parametrize("trans_b", [0, 1])
def test_gemm(bench, draw, trans_a, trans_b):
    a = draw(*((5, 4) if trans_a else (4, 5)))
    b = draw(*((6, 5) if trans_b else (5, 6)))
    node = helper.make_node(
        "Gemm", ["a", "b", "c"], ["y"], transA=trans_a, transB=trans_b, alpha=0.5, beta=2.0
    )
    bench.hold(node, {"a": a, "b": b}, constants={"c": draw(6)}, atol=1e-5)


@pytest.mark.parametrize(
    "equation", ["bij,bjk->bik", "bhid,bhjd->bhij", "ij,kj->ik", "ij->ji", "ij->i", "ij,ij->i"]
)
def test_einsum(bench, draw, equation):
    sizes = dict(zip("bhijkd", (2, 3, 4, 5, 6, 7), strict=True))
    terms = equation.split("->")[0].split(",")
    inputs = {f"x{n}": draw(*(sizes[c] for c in term)) for n, term in enumerate(terms)}
    bench.hold(helper.make_node("Einsum", list(inputs), ["y"], equation=equation), inputs, atol=1e-5)


CONVS = [
    ((1, 3, 20), (4, 3, 5), {}),
    ((2, 4, 9, 11), (6, 4, 3, 3), {"pads": [1, 1, 1, 1]}),
    ((1, 4, 9, 11), (6, 4, 3, 2), {"strides": [2, 3], "pads": [0, 1, 2, 0]}),
    ((1, 4, 12, 12), (6, 4, 3, 3), {"dilations": [2, 3]}),
    ((2, 6, 8, 8), (9, 2, 3, 3), {"group": 3, "pads": [1, 1, 1, 1]}),
    ((1, 8, 7, 7), (8, 1, 3, 3), {"group": 8, "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ((1, 3, 10, 10), (4, 3, 4, 4), {"auto_pad": "SAME_UPPER", "strides": [3, 3]}),
    ((1, 3, 10, 10), (4, 3, 4, 4), {"auto_pad": "SAME_LOWER"}),
    ((1, 2, 5, 6, 7), (3, 2, 2, 3, 2), {"strides": [1, 2, 1]}),
]


@pytest.mark.parametrize(("x", "w", "attributes"), CONVS)
def test_conv(bench, draw, x, w, attributes):
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], **attributes)
    bench.hold(node, {"x": draw(*x)}, constants={"w": draw(*w), "b": draw(w[0])}, atol=1e-5)


def test_conv_of_channel_last_data_copies_runs(bench, draw):
    """After a transpose from NHWC the window MOVE reads channels as they lie: no copy comes before it."""
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["t", "w"], ["y"], pads=[1, 1, 1, 1]),
    ]
    held = {"w": draw(6, 4, 3, 3)}
    bench.hold(nodes, {"x": draw(1, 9, 8, 4)}, constants=held, atol=1e-5, kinds="CoMo")


TRANSPOSED = [
    ((1, 3, 5), (3, 4, 3), {"strides": [2]}),
    ((1, 4, 5, 6), (4, 2, 3, 3), {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}),
    ((2, 4, 5, 6), (4, 3, 3, 2), {"group": 2, "dilations": [2, 1]}),
    ((1, 2, 4, 4), (2, 3, 3, 3), {"strides": [3, 2], "auto_pad": "SAME_UPPER"}),
    ((1, 2, 4, 4), (2, 3, 4, 3), {"strides": [3, 2], "auto_pad": "SAME_LOWER"}),
]


@pytest.mark.parametrize(("x", "w", "attributes"), TRANSPOSED)
def test_conv_transpose(bench, draw, x, w, attributes):
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], **attributes)
    bench.hold(node, {"x": draw(*x)}, constants={"w": draw(*w)}, atol=1e-5)


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize(
    "attributes",
    [
        {"kernel_shape": [3, 2]},
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
        {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
        {"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
        {"kernel_shape": [2, 2], "dilations": [2, 2]},
    ],
)
def test_pools(bench, draw, op, attributes):
    # All negative, so that padding would win a maximum if it took part.
    x = draw(2, 3, 9, 8) - 10
    bench.hold(helper.make_node(op, ["x"], ["y"], **attributes), {"x": x}, atol=1e-5)


def test_average_pool_that_counts_padding(bench, draw):
    node = helper.make_node(
        "AveragePool", ["x"], ["y"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1
    )
    bench.hold(node, {"x": draw(1, 2, 6, 6)}, atol=1e-5)


@pytest.mark.parametrize("op", ["GlobalMaxPool", "GlobalAveragePool"])
def test_global_pools(bench, draw, op):
    bench.hold(helper.make_node(op, ["x"], ["y"]), {"x": draw(2, 3, 5, 7)})
