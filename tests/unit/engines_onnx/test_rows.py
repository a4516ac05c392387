"""What works along axes: reductions, softmax, normalisation, ordering, running sums."""

import numpy as np
import pytest
from onnx import helper

from protocol.types.errors import InputError

REDUCES = (
    "ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSumExp"
)


@pytest.mark.parametrize("op", REDUCES.split())
@pytest.mark.parametrize("axes", [None, [0], [-1], [0, 2], [1, 3]])
@pytest.mark.parametrize("keep", [0, 1])
def test_reductions(bench, draw, op, axes, keep):
    constants = {} if axes is None else {"axes": np.array(axes, np.int64)}
    node = helper.make_node(op, ["x", *constants], ["y"], keepdims=keep)
    bench.hold(node, {"x": draw(2, 3, 4, 5)}, constants=constants, atol=1e-5)


def test_reduction_with_attributes_of_old_sets_and_with_none_to_do(bench, draw):
    node = helper.make_node("ReduceMean", ["x"], ["y"], axes=[1], keepdims=0)
    bench.hold(node, {"x": draw(2, 3, 4)}, opset=11)
    node = helper.make_node("ReduceSum", ["x"], ["y"], noop_with_empty_axes=1)
    bench.hold([helper.make_node("Neg", ["z"], ["x"]), node], {"z": draw(2, 3)})


@pytest.mark.parametrize("op", ["L1", "L2", "SumSquare", "LogSum", "LogSumExp", "Sum", "Mean", "Max", "Prod"])
@pytest.mark.parametrize("axes", [None, []])
def test_reductions_of_no_axes_still_do_all_else(bench, op, axes):
    """ONNX: "the reduction is skipped, but other operations will be performed"."""
    held = {} if axes is None else {"a": np.array(axes, np.int64)}
    each = helper.make_node(f"Reduce{op}", ["x", *held], ["y"], noop_with_empty_axes=1)
    bench.hold(each, {"x": np.array([[-1.5, 2, 3], [0, 1, -7]], np.float32)}, constants=held, opset=18)


def test_reductions_of_infinities(bench):
    inf = np.inf
    rows = [[-inf, -inf], [inf, 1], [-inf, 3], [inf, -inf], [np.nan, 1], [80, 90]]
    x = np.array(rows, np.float32)
    each = helper.make_node("ReduceLogSumExp", ["x", "a"], ["y"], keepdims=0)
    bench.hold(each, {"x": x}, constants={"a": np.array([1])}, opset=18)


def test_integer_sums(bench):
    x = np.arange(24, dtype=np.int64).reshape(2, 3, 4)
    axes = {"axes": np.array([1], np.int64)}
    bench.hold(helper.make_node("ReduceSum", ["x", "axes"], ["y"]), {"x": x}, constants=axes)


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax", "Hardmax"])
@pytest.mark.parametrize("axis", [-1, 0, 1])
@pytest.mark.parametrize("opset", [11, 12, 13, 20])
def test_softmax_family(bench, draw, op, axis, opset):
    node = helper.make_node(op, ["x"], ["y"], axis=axis)
    bench.hold(node, {"x": draw(3, 4, 5) * 4}, opset=opset, atol=1e-5)


def test_softmax_of_huge_and_masked_numbers(bench):
    x = np.array([[1e4, 1e4 - 1, -np.inf, -3.4e38], [-1e30, -1e30, -1e30, -np.inf]], np.float32)
    bench.hold(helper.make_node("Softmax", ["x"], ["y"]), {"x": x})


@pytest.mark.parametrize("axis", [-1, 1])
def test_layer_norm(bench, draw, axis):
    shape = (5,) if axis == -1 else (4, 5)
    held = {"s": draw(*shape), "b": draw(*shape)}
    node = helper.make_node("LayerNormalization", ["x", "s", "b"], ["y"], axis=axis)
    bench.hold(node, {"x": draw(3, 4, 5)}, constants=held, atol=1e-5)


def test_batch_norm_with_constant_and_given_statistics(bench, draw):
    held = {"s": draw(3), "b": draw(3), "m": draw(3), "v": draw(3, low=0.1, high=2.0)}
    node = helper.make_node("BatchNormalization", ["x", *held], ["y"])
    x = draw(2, 3, 4, 5)
    bench.hold(node, {"x": x}, constants=held, atol=1e-5, kinds="Ma")
    bench.hold(node, {"x": x, **held}, atol=1e-5)


@pytest.mark.parametrize(("opset", "scales"), [(18, 2), (20, 2), (21, 4), (22, 4)])
def test_group_norm(bench, draw, opset, scales):
    """One scale per group before operator set 21, one per channel since."""
    x, s, b = draw(3, 4, 5), draw(scales), draw(scales)
    each = helper.make_node("GroupNormalization", ["x", "s", "b"], ["y"], num_groups=2)
    tape = bench.tape(bench.model([each], {"x": x}, ["y"], {"s": s, "b": b}, opset))
    rows = x.reshape(3, 2, 10).astype(np.float64)
    unit = (rows - rows.mean(-1, keepdims=True)) / np.sqrt(rows.var(-1, keepdims=True) + 1e-5)
    factor, shift = (np.repeat(t, 4 // scales).reshape(4, 1) for t in (s, b))
    np.testing.assert_allclose(
        bench.run(tape, {"x": x})[0], unit.reshape(x.shape) * factor + shift, atol=1e-5
    )


def test_instance_and_lp_norm(bench, draw):
    held = {"s": draw(3), "b": draw(3)}
    node = helper.make_node("InstanceNormalization", ["x", *held], ["y"])
    bench.hold(node, {"x": draw(2, 3, 4, 5)}, constants=held, atol=1e-5)
    for p in (1, 2):
        node = helper.make_node("LpNormalization", ["x"], ["y"], axis=1, p=p)
        bench.hold(node, {"x": draw(2, 3, 4)}, atol=1e-5)


@pytest.mark.parametrize("op", ["ArgMax", "ArgMin"])
@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("last", [0, 1])
def test_arg_extremes_break_ties_as_asked(bench, op, axis, last):
    x = np.array([[1, 3, 3, 0], [3, 1, 0, 0], [1, 3, 3, 3]], np.float32)
    node = helper.make_node(op, ["x"], ["y"], axis=axis, select_last_index=last)
    bench.hold(node, {"x": x})


@pytest.mark.parametrize("largest", [0, 1])
@pytest.mark.parametrize(("shape", "axis", "k"), [((3, 20), -1, 5), ((6, 4), 0, 6), ((1, 3000), 1, 7)])
def test_top_k_by_rank_and_by_extraction(bench, draw, largest, shape, axis, k):
    x = np.round(draw(*shape) * 4) / 4  # with ties
    x[0, :3] = [np.inf, -np.inf, -np.inf]
    node = helper.make_node("TopK", ["x", "k"], ["v", "i"], axis=axis, largest=largest)
    bench.hold(node, {"x": x}, outputs=("v", "i"), constants={"k": np.array([k], np.int64)})


def test_top_k_beyond_either_way_is_refused(bench, draw):
    node = helper.make_node("TopK", ["x", "k"], ["v", "i"], name="best")
    model = bench.model([node], {"x": draw(3000)}, ["v"], {"k": np.array([100], np.int64)})
    with pytest.raises(InputError, match="'best': k = 100 of 3000"):
        bench.tape(model)


@pytest.mark.parametrize("exclusive", [0, 1])
@pytest.mark.parametrize("reverse", [0, 1])
def test_running_sums(bench, draw, exclusive, reverse):
    node = helper.make_node("CumSum", ["x", "a"], ["y"], exclusive=exclusive, reverse=reverse)
    bench.hold(node, {"x": draw(3, 11)}, constants={"a": np.array(1, np.int32)}, atol=1e-5)
