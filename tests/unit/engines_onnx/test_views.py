"""Shape operators: views, slices, joins, padding, indices."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from protocol.engines.onnx import lower, read_model
from protocol.types.errors import InputError


def test_views_cost_no_node(bench, draw):
    """Transposed, reshaped and sliced on the way from one MAP to the next: only the MAPs remain."""
    nodes = [
        helper.make_node("Exp", ["x"], ["e"]),
        helper.make_node("Transpose", ["e"], ["t"], perm=[1, 0, 2]),
        helper.make_node("Unsqueeze", ["t", "axes"], ["u"]),
        helper.make_node("Slice", ["u", "starts", "ends", "along", "steps"], ["s"]),
        helper.make_node("Neg", ["s"], ["y"]),
    ]
    held = {"axes": [0], "starts": [-1], "ends": [-9], "along": [3], "steps": [-2]}
    constants = {k: np.array(v, np.int64) for k, v in held.items()}
    bench.hold(nodes, {"x": draw(3, 4, 6)}, constants=constants, kinds="MaMa")


@pytest.mark.parametrize("shape", [[4, -1], [0, 12], [24], [2, 0, 4], [1, 24, 1]])
def test_reshape(bench, draw, shape):
    node = helper.make_node("Reshape", ["x", "s"], ["y"])
    bench.hold(node, {"x": draw(2, 3, 4)}, constants={"s": np.array(shape, np.int64)})


def test_reshape_of_transposed_data_copies(bench, draw):
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"]),
        helper.make_node("Reshape", ["t", "s"], ["r"]),
        helper.make_node("Relu", ["r"], ["y"]),
    ]
    bench.hold(nodes, {"x": draw(4, 6)}, constants={"s": np.array([3, 8], np.int64)}, kinds="MaMo")


def test_flatten_squeeze_expand_tile(bench, draw):
    bench.hold(helper.make_node("Flatten", ["x"], ["y"], axis=2), {"x": draw(2, 3, 4, 5)})
    bench.hold(helper.make_node("Squeeze", ["x"], ["y"]), {"x": draw(1, 3, 1, 5)})
    shape = {"s": np.array([2, 3, 4], np.int64)}
    bench.hold(helper.make_node("Expand", ["x", "s"], ["y"]), {"x": draw(3, 1)}, constants=shape)
    repeats = {"r": np.array([2, 1, 3], np.int64)}
    bench.hold(helper.make_node("Tile", ["x", "r"], ["y"]), {"x": draw(2, 3, 2)}, constants=repeats)


@pytest.mark.parametrize("opset", [9, 20])
def test_slice_forms_of_old_and_new_sets(bench, draw, opset):
    if opset == 9:
        node = helper.make_node("Slice", ["x"], ["y"], starts=[1, -3], ends=[100, -1], axes=[0, 2])
        bench.hold(node, {"x": draw(4, 3, 5)}, opset=9)
        return
    held = {"s": [3, 0], "e": [-(2**63), 2**63 - 1], "a": [0, 2], "t": [-1, 2]}
    node = helper.make_node("Slice", ["x", *held], ["y"])
    bench.hold(node, {"x": draw(4, 3, 5)}, constants={k: np.array(v, np.int64) for k, v in held.items()})


def test_split_and_concat(bench, draw):
    nodes = [
        helper.make_node("Split", ["x", "sizes"], ["a", "b", "c"], axis=1),
        helper.make_node("Concat", ["c", "a", "b", "a"], ["y"], axis=1),
    ]
    bench.hold(nodes, {"x": draw(2, 9, 3)}, constants={"sizes": np.array([2, 3, 4], np.int64)})
    node = helper.make_node("Split", ["x"], ["a", "b", "c"], axis=0, num_outputs=3)
    bench.hold(node, {"x": draw(7, 2)}, outputs=("a", "b", "c"))
    bench.hold(helper.make_node("Concat", ["a", "b"], ["y"], axis=0), {"a": draw(2, 3), "b": draw(1, 3)})


def test_concat_of_more_parts_than_a_node_takes(bench, draw):
    many = {f"x{i}": draw(1, 2) for i in range(40)}
    bench.hold(helper.make_node("Concat", list(many), ["y"], axis=0), many)


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "wrap"])
def test_padding(bench, draw, mode):
    held = {"p": np.array([1, 0, 2, 0, 2, 1], np.int64), "v": np.array(1.5, np.float32)}
    node = helper.make_node("Pad", ["x", "p", *(["v"] if mode == "constant" else [])], ["y"], mode=mode)
    if mode != "constant":
        del held["v"]
    bench.hold(node, {"x": draw(3, 4, 5)}, constants=held)


def test_negative_padding_crops(bench, draw):
    held = {"p": np.array([-1, 2, 0, -2], np.int64)}
    bench.hold(helper.make_node("Pad", ["x", "p"], ["y"]), {"x": draw(4, 5)}, constants=held)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_gather(bench, draw, axis):
    index = np.array([[0, -1], [2, 1]], np.int64)
    node = helper.make_node("Gather", ["x", "i"], ["y"], axis=axis)
    bench.hold(node, {"x": draw(3, 4, 5), "i": index})
    bench.hold(node, {"x": draw(3, 4, 5)}, constants={"i": index})
    bench.hold(node, {"x": draw(3, 4, 5)}, constants={"i": np.array(1, np.int64)})


def test_gather_elements_and_nd(bench, draw):
    index = np.array([[0, 2, -1], [1, 0, 0]], np.int64)
    bench.hold(helper.make_node("GatherElements", ["x", "i"], ["y"], axis=0), {"x": draw(3, 4), "i": index})
    places = np.array([[0, 1], [2, -1]], np.int64)
    bench.hold(helper.make_node("GatherND", ["x", "i"], ["y"]), {"x": draw(3, 4, 2), "i": places})


@pytest.mark.parametrize("axis", [-1, 0])
def test_one_hot(bench, axis):
    held = {"d": np.array(5, np.int64), "v": np.array([0.5, 2.0], np.float32)}
    node = helper.make_node("OneHot", ["i", "d", "v"], ["y"], axis=axis)
    bench.hold(node, {"i": np.array([[0, -1], [4, 2]], np.int64)}, constants=held)


def test_depth_and_space(bench, draw):
    bench.hold(helper.make_node("DepthToSpace", ["x"], ["y"], blocksize=2), {"x": draw(1, 8, 2, 3)})
    crd = helper.make_node("DepthToSpace", ["x"], ["y"], blocksize=2, mode="CRD")
    bench.hold(crd, {"x": draw(1, 8, 2, 3)})
    bench.hold(helper.make_node("SpaceToDepth", ["x"], ["y"], blocksize=2), {"x": draw(1, 2, 4, 6)})


def test_shape_arithmetic_is_done_while_lowering(bench, draw):
    """Shape, Gather, Concat and Cast on the way to a Reshape leave no trace in the tape."""
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["n"]),
        helper.make_node("Cast", ["n"], ["n32"], to=TensorProto.INT32),
        helper.make_node("Cast", ["n32"], ["n64"], to=TensorProto.INT64),
        helper.make_node("Unsqueeze", ["n64", "zero1"], ["n1"]),
        helper.make_node("Concat", ["n1", "minus"], ["shape"], axis=0),
        helper.make_node("Reshape", ["x", "shape"], ["r"]),
        helper.make_node("Relu", ["r"], ["y"]),
    ]
    held = {"zero": np.array(0), "zero1": np.array([0]), "minus": np.array([-1])}
    constants = {k: v.astype(np.int64) for k, v in held.items()}
    bench.hold(nodes, {"x": draw(3, 4, 5)}, constants=constants, kinds="Ma")


def test_operators_without_a_lowering_are_fine_on_constants(bench, draw):
    """As exporters write "all places": NonZero of a ConstantOfShape of a Shape."""
    one = numpy_helper.from_array(np.array([1], np.int64))
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("ConstantOfShape", ["s"], ["ones"], value=one),
        helper.make_node("NonZero", ["ones"], ["places"]),
        helper.make_node("Transpose", ["places"], ["t"]),
        helper.make_node("GatherND", ["x", "t"], ["y"]),
    ]
    bench.hold(nodes, {"x": draw(3, 4)})


def test_range_constant_of_shape_and_eye(bench, draw):
    nodes = [
        helper.make_node("Range", ["a", "b", "c"], ["r"]),
        helper.make_node("ConstantOfShape", ["s"], ["z"]),
        helper.make_node("EyeLike", ["x"], ["e"], k=1),
        helper.make_node("Sum", ["r", "z", "e", "x"], ["y"]),
    ]
    held = {k: np.array(v, np.float32) for k, v in {"a": 1.0, "b": 5.5, "c": 1.0}.items()}
    bench.hold(nodes, {"x": draw(5, 5)}, constants={**held, "s": np.array([5, 1], np.int64)})


def test_an_output_that_is_an_input_or_constant_or_given_twice(bench, draw):
    nodes = [helper.make_node("Identity", ["x"], ["y"]), helper.make_node("Neg", ["x"], ["n"])]
    nodes += [helper.make_node("Identity", ["n"], ["m"]), helper.make_node("Exp", ["n"], ["e"])]
    nodes += [helper.make_node("Identity", ["k"], ["c"])]
    bench.hold(nodes, {"x": draw(2, 3)}, outputs=("y", "n", "m", "e", "c"), constants={"k": draw(2)})


@pytest.mark.parametrize(
    ("size", "pads"), [(2, [-3, 4]), (4, [2, -5]), (4, [-5, 5]), (3, [-2, -1]), (4, [-1, 3])]
)
def test_pads_that_take_more_than_there_is(bench, size, pads):
    """The shape is the sum; of another mode than constant it is refused."""
    x = {"x": np.arange(1, size + 1, dtype=np.float32)}
    bench.hold(helper.make_node("Pad", ["x", "p"], ["y"]), x, constants={"p": np.array(pads)})


@pytest.mark.parametrize(("pads", "mode"), [([-3, 4], "edge"), ([2, -5], "reflect"), ([-2, -2], "constant")])
def test_pads_that_leave_nothing_to_pad_are_refused(bench, pads, mode):
    node = helper.make_node("Pad", ["x", "p"], ["y"], name="n", mode=mode)
    model = bench.model([node], {"x": np.ones(3, np.float32)}, ["y"], {"p": np.array(pads)})
    with pytest.raises(InputError, match=f"Pad node 'n': {mode} padding by"):
        lower(read_model(bench.save(model)), {})
