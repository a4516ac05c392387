"""What is wrong with a model ends in one clear InputError, whatever it is."""

import resource
import tracemalloc
from random import Random

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from protocol.engines.onnx import lower, read_model
from protocol.engines.onnx.reader import Data, read_tensor
from protocol.tape import Tape
from protocol.tape.validate import validate
from protocol.types.errors import InputError


def relu_model(**changes):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    nodes = changes.pop("nodes", [helper.make_node("Relu", ["x"], ["y"], name="act")])
    graph = helper.make_graph(nodes, "g", [x], [y], changes.pop("constants", []))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", changes.pop("opset", 20))])


def refused(bench, model, shapes=None):
    with pytest.raises(InputError) as caught:
        lower(read_model(bench.save(model)), shapes or {"x": (2, 3)})
    return str(caught.value)


JUNK = (b"", b"GVTP", b"\x00" * 100, Random(1).randbytes(3000), b"PK\x03\x04" + b"a" * 50)


@pytest.mark.parametrize("junk", JUNK, ids=range(len(JUNK)))
def test_junk_bytes_are_no_model(tmp_path, junk):
    path = tmp_path / "junk.onnx"
    path.write_bytes(junk)
    with pytest.raises(InputError, match=r"not an ONNX model|operator set"):
        read_model(path)


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        read_model(tmp_path / "none.onnx")
    with pytest.raises(InputError):
        read_model(tmp_path)


def test_open_axes_are_named(bench):
    message = refused(bench, relu_model(), {"y": (1,)})
    assert "'x' leaves axis 0 (batch) open: give its shape under `shapes` in the job file" in message
    assert "no input 'y'" in message


def test_given_shapes_must_fit_the_declared_ones(bench):
    assert "declared [batch, 3]" in refused(bench, relu_model(), {"x": (2, 4)})
    assert "declared [batch, 3]" in refused(bench, relu_model(), {"x": (2, 3, 1)})
    assert "below 1" in refused(bench, relu_model(), {"x": (0, 3)})


def test_every_unsupported_operator_is_named_with_its_node(bench):
    nodes = [
        helper.make_node("NonMaxSuppression", ["x"], ["a"], name="boxes"),
        helper.make_node("Foo", ["a"], ["b"], name="mine", domain="my.domain"),
        helper.make_node("Foo", ["b"], ["y"], name="again", domain="my.domain"),
    ]
    message = refused(bench, relu_model(nodes=nodes))
    assert "NonMaxSuppression (node 'boxes')" in message
    assert "my.domain.Foo (node 'mine' and 1 more): export it without them" in message


def test_an_unsupported_operator_that_no_output_needs_is_no_matter(bench):
    nodes = [helper.make_node("Foo", ["x"], ["z"]), helper.make_node("Relu", ["x"], ["y"])]
    assert len(bench.tape(relu_model(nodes=nodes), {"x": (2, 3)}).nodes) == 1


def external(location, **more):
    tensor = numpy_helper.from_array(np.ones((2, 3), np.float32), "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **more}.items():
        tensor.external_data.add(key=key, value=str(value))
    return relu_model(nodes=[helper.make_node("Add", ["x", "w"], ["y"])], constants=[tensor])


@pytest.mark.parametrize("location", ["../w.bin", "/etc/passwd", "a/../../w.bin", ""])
def test_external_data_outside_the_folder_is_refused(tmp_path, bench, location):
    (tmp_path.parent / "w.bin").write_bytes(bytes(24))
    assert "outside the model's folder" in refused(bench, external(location))


def test_external_data_through_a_link_is_refused(tmp_path, bench):
    (tmp_path / "w.bin").symlink_to("/etc/passwd")
    assert "outside the model's folder" in refused(bench, external("w.bin"))


def test_external_data_beside_the_model_is_read(tmp_path, bench):
    (tmp_path / "w.bin").write_bytes(bytes(8) + np.arange(6, dtype="<f4").tobytes())
    tape = bench.tape(external("w.bin", offset=8, length=24), {"x": (2, 3)})
    assert np.frombuffer(tape.constants[0].data, "<f4").tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("more", [{}, {"length": 4}])
@pytest.mark.parametrize(("kind", "low"), [(TensorProto.INT4, -8), (TensorProto.UINT4, 0)])
def test_external_data_of_several_elements_per_byte(tmp_path, bench, more, kind, low):
    """Seven of four bits: half of the last byte, and what follows, is none of theirs."""
    values = [low + 7, low, low + 15, low + 3, low + 4, low + 5, low + 1]
    inline = helper.make_tensor("w", kind, [7], values)
    outside = TensorProto(name="w", data_type=kind, dims=[7], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": "w.bin", "offset": 8, **more}.items():
        outside.external_data.add(key=key, value=str(value))
    pairs = zip(values[::2], [*values[1::2], 0], strict=True)
    packed = bytes(a & 15 | (b & 15) << 4 for a, b in pairs)
    (tmp_path / "w.bin").write_bytes(b"\x11" * 8 + packed + b"\x11" * 8)
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s"], ["d"]),
        helper.make_node("Add", ["x", "d"], ["y"]),
    ]
    x = {"x": np.zeros(7, np.float32)}
    for weight in inline, outside:
        model = bench.model(nodes, x, ["y"], {"s": np.array(1, np.float32)}, 21)
        model.graph.initializer.append(weight)
        assert bench.run(bench.tape(model), x)[0].tolist() == values


@pytest.mark.parametrize(
    ("kind", "count", "size"),
    [
        *((kind, 5, 2) for kind in (TensorProto.INT2, TensorProto.UINT2)),
        *((kind, 5, 3) for kind in (TensorProto.INT4, TensorProto.UINT4, TensorProto.FLOAT4E2M1)),
        *((kind, 5, 4) for kind in (TensorProto.FLOAT6E2M3, TensorProto.FLOAT6E3M2)),
        (TensorProto.FLOAT8E5M2, 5, 5),
        (TensorProto.UINT4, 0, 0),
    ],
)
def test_external_data_takes_the_bytes_that_inline_data_would(tmp_path, kind, count, size):
    (tmp_path / "w.bin").write_bytes(Random(1).randbytes(size))
    outside = TensorProto(name="w", data_type=kind, dims=[count], data_location=TensorProto.EXTERNAL)
    outside.external_data.add(key="location", value="w.bin")
    raw = (tmp_path / "w.bin").read_bytes()
    inline = numpy_helper.to_array(TensorProto(name="w", data_type=kind, dims=[count], raw_data=raw))
    read = read_tensor(outside, Data(tmp_path), "w")
    assert (read.dtype, read.shape, read.tobytes()) == (inline.dtype, (count,), inline.tobytes())
    outside.dims[0] = count + 8
    with pytest.raises(InputError, match="bytes at 0 of"):
        read_tensor(outside, Data(tmp_path), "w")


@pytest.mark.parametrize(
    "more", [{"offset": 9}, {"offset": -1}, {"length": 8}, {"offset": "many"}, {"length": 10**12}]
)
def test_external_data_that_does_not_fit_is_refused(tmp_path, bench, more):
    (tmp_path / "w.bin").write_bytes(bytes(32))
    assert "'w'" in refused(bench, external("w.bin", **more))


def test_external_data_in_places_that_no_file_can_have(tmp_path, bench):
    assert "weight 'w'" in refused(bench, external("a\0b"))
    path = tmp_path / "m.onnx"
    path.write_bytes(external("QQQQ").SerializeToString().replace(b"QQQQ", b"\xff\xfeQQ"))
    with pytest.raises(InputError, match="weight 'w'"):
        read_model(path)


def test_external_data_of_strings_or_of_absurd_shapes(tmp_path, bench):
    (tmp_path / "w.bin").write_bytes(bytes(64))
    for kind, dims in (TensorProto.STRING, [2, 3]), (TensorProto.FLOAT, [0, 2**62]):
        model = external("w.bin")
        model.graph.initializer[0].data_type = kind
        model.graph.initializer[0].dims[:] = dims
        assert "weight 'w'" in refused(bench, model)


def test_external_data_that_is_missing(bench):
    assert "cannot read its external data" in refused(bench, external("none.bin"))


def test_weights_whose_bytes_do_not_match_their_shape(bench):
    tensor = numpy_helper.from_array(np.ones(3, np.float32), "w")
    tensor.dims[0] = 1000
    model = relu_model(nodes=[helper.make_node("Add", ["x", "w"], ["y"])], constants=[tensor])
    assert "weight 'w'" in refused(bench, model)


@pytest.mark.parametrize("dims", [[-1], [1] * 9, [2**40, 2**40]])
def test_weights_of_absurd_shapes(bench, dims):
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=dims)
    model = relu_model(nodes=[helper.make_node("Add", ["x", "w"], ["y"])], constants=[tensor])
    assert "weight 'w'" in refused(bench, model)


def test_names_used_before_they_are_made_or_made_twice(bench):
    early = [helper.make_node("Relu", ["z"], ["y"]), helper.make_node("Relu", ["x"], ["z"])]
    assert "before anything makes it" in refused(bench, relu_model(nodes=early))
    twice = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Exp", ["x"], ["y"])]
    assert "again" in refused(bench, relu_model(nodes=twice))
    assert "nothing makes" in refused(bench, relu_model(nodes=[helper.make_node("Relu", ["x"], ["z"])]))
    model = relu_model()
    model.graph.output.append(model.graph.output[0])
    assert "lists its output 'y' twice" in refused(bench, model)


def test_the_default_domain_has_two_names(bench):
    model = relu_model(nodes=[helper.make_node("Relu", ["x"], ["y"], domain="ai.onnx")])
    model.opset_import[0].domain = "ai.onnx"
    assert len(bench.tape(model, {"x": (2, 3)}).nodes) == 1


def test_sparse_weights_are_refused(bench):
    model = relu_model()
    values = numpy_helper.from_array(np.ones(1, np.float32), "w")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, constant([0], "i"), [3]))
    assert "sparse weights: export it with dense ones" in refused(bench, model)


def test_an_operator_set_of_another_age(bench):
    assert "operator set 3" in refused(bench, relu_model(opset=3))
    assert "operator set 99" in refused(bench, relu_model(opset=99))


def test_types_that_cannot_run_are_named(bench):
    double = [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.DOUBLE, name="wide")]
    assert "DOUBLE" in refused(bench, relu_model(nodes=double))
    model = relu_model()
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.STRING
    assert "STRING: export the model with one of f32, i32, " in refused(bench, model)
    half = numpy_helper.from_array(np.ones(3, np.float16), "w")
    nodes = [helper.make_node("Cast", ["w"], ["c"], to=TensorProto.FLOAT16)]
    nodes += [helper.make_node("Where", ["b", "c", "c"], ["d"]), helper.make_node("Add", ["x", "d"], ["y"])]
    condition = numpy_helper.from_array(np.array(True), "b")
    assert "Add" in refused(bench, relu_model(nodes=nodes, constants=[half, condition]))


def test_integers_beyond_32_bits_are_refused(bench):
    wide = numpy_helper.from_array(np.array([2**40]), "w")
    nodes = [
        helper.make_node("Cast", ["x"], ["i"], to=TensorProto.INT64),
        helper.make_node("Add", ["i", "w"], ["y"], name="sum"),
    ]
    message = refused(bench, relu_model(nodes=nodes, constants=[wide]))
    assert "sum" in message
    assert str(2**40) in message


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("Relu", [], ["y"], name="n"),
        helper.make_node("Relu", ["x", "x", "x"], ["y"], name="n"),
        helper.make_node("Concat", ["x"], ["y"], axis=7, name="n"),
        helper.make_node("Transpose", ["x"], ["y"], perm=[0, 0], name="n"),
        helper.make_node("Transpose", ["x"], ["y"], perm=["a", "b"], name="n"),
        helper.make_node("Softmax", ["x"], ["y"], axis="last", name="n"),
        helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2], name="n"),
        helper.make_node("Split", ["x"], ["y", "z"], axis=1, name="n"),
        helper.make_node("MatMul", ["x", "x"], ["y"], name="n"),
        helper.make_node("Reshape", ["x", "x"], ["y"], name="n"),
        helper.make_node("Unsqueeze", ["x"], ["y"], name="n"),
        helper.make_node("Cast", ["x"], ["y"], name="n"),
        helper.make_node("Gemm", ["x", "x"], ["y"], alpha=[1.0], name="n"),
        helper.make_node("Relu", ["x"], ["y", "z"], name="n"),
    ],
    ids=lambda node: node.op_type,
)
def test_malformed_nodes_are_named(bench, node):
    assert f"{node.op_type} node 'n'" in refused(bench, relu_model(nodes=[node]))


def constant(value, name):
    return numpy_helper.from_array(np.array(value, np.int64), name)


@pytest.mark.parametrize(
    ("op", "held"),
    [
        ("ConstantOfShape", [2**31, 2**31]),
        ("Expand", [2**20, 2**20, 1, 3]),
        ("Tile", [2**40, 1]),
        ("Pad", [2**40, 0, 0, 0]),
    ],
)
def test_size_bombs_are_refused(bench, op, held):
    """A few bytes that ask for an astronomical tensor."""
    inputs = ["s"] if op == "ConstantOfShape" else ["x", "s"]
    nodes = [helper.make_node(op, inputs, ["b"], name="bomb"), helper.make_node("Add", ["b", "x"], ["y"])]
    message = refused(bench, relu_model(nodes=nodes, constants=[constant(held, "s")]))
    assert "bomb" in message or "elements" in message


def test_a_bomb_made_of_constants_alone_is_refused(bench):
    nodes = [
        helper.make_node("ConstantOfShape", ["s"], ["b"], name="bomb"),
        helper.make_node("Exp", ["b"], ["e"], name="fuse"),
        helper.make_node("ReduceSum", ["e"], ["t"], keepdims=0),
        helper.make_node("Add", ["t", "x"], ["y"]),
    ]
    message = refused(bench, relu_model(nodes=nodes, constants=[constant([2**17, 2**17], "s")]))
    assert "bomb" in message or "fuse" in message


def known(name, *shape):
    """A constant of ones, a view that costs its file nothing."""
    held = helper.make_node("Constant", [], [f"{name}s"], value=constant(shape, "v"))
    one = numpy_helper.from_array(np.ones(1, np.float32), "o")
    return [held, helper.make_node("ConstantOfShape", [f"{name}s"], [name], value=one)]


def one_node(op, inputs, **attributes):
    return helper.make_node(op, inputs, ["b"], name="bomb", **attributes)


LONG = 2**26
BOMBS = {
    "outer product": [*known("a", 2**16), one_node("Einsum", ["a", "a"], equation="i,j->ij")],
    "gather": [
        *known("a", 1, 2**20),
        *known("f", 2**20),
        helper.make_node("Cast", ["f"], ["i"], to=TensorProto.INT64),
        one_node("Gather", ["a", "i"]),
    ],
    "identity": [*known("a", 2**15, 2**15), one_node("EyeLike", ["a"])],
    "one slice of many": [*known("a", LONG * 8), *known("w", 4), one_node("Mul", ["a", "a"])],
    "cubic": [
        *known("a", 1, 1, 1, 4),
        helper.make_node("Constant", [], ["r"], value_floats=[1.0, 1.0, 1.0, 2.0**25]),
        one_node("Resize", ["a", "", "r"], mode="cubic"),
    ],
    "convolution": [
        *known("a", 1, 1, 1, 1),
        one_node("Conv", ["a", "a"], pads=[9000] * 4, dilations=[3, 3]),
    ],
    "transposed": [*known("a", 1, 1, 2, 2), one_node("ConvTranspose", ["a", "a"], strides=[2**14, 2**14])],
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_of_constants_take_neither_memory_nor_time(bench, name):
    """Refused with the node's name, or left in the tape as a node like any other."""
    last = helper.make_node("Slice", ["b", "zero", "one"], ["y"])
    held = [constant([0], "zero"), constant([1], "one")]
    model = relu_model(nodes=[*BOMBS[name], last], constants=held)
    path = bench.save(model)
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, resource.RLIM_INFINITY))
    tracemalloc.start()
    try:
        found = lower(read_model(path), {"x": (2, 3)})[0]
    except InputError as fault:
        found = str(fault)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert peak < 2**30
    if isinstance(found, Tape):
        assert sum(len(each.data) for each in found.constants) < 2**20
    else:
        assert "bomb" in found


def test_a_range_without_end(bench):
    limits = [constant(value, name) for name, value in (("s", 0), ("l", 2**30), ("d", 1))]
    nodes = [
        helper.make_node("Range", ["s", "l", "d"], ["b"], name="bomb"),
        helper.make_node("Relu", ["x"], ["z"]),
    ]
    nodes.append(helper.make_node("ReduceMax", ["b"], ["y"]))
    assert "bomb" in refused(bench, relu_model(nodes=nodes, constants=limits))


def test_parts_without_end(bench):
    nodes = [helper.make_node("Split", ["x"], ["y"], num_outputs=10**9, name="bomb")]
    assert "bomb" in refused(bench, relu_model(nodes=nodes))


def test_work_without_end_on_what_is_known(bench):
    """Each node is allowed by itself; a thousand of them are not."""
    nodes = [*known("a0", 2**22)]
    nodes += [helper.make_node("Neg", [f"a{i}"], [f"a{i + 1}"], name=f"n{i}") for i in range(1000)]
    nodes += [helper.make_node("ReduceMax", ["a1000"], ["y"])]
    assert "constants take more than" in refused(bench, relu_model(nodes=nodes))


def functions(count, calls):
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    made = [helper.make_function("own", "F0", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], opsets)]
    for i in range(1, count):
        steps = [f"t{k}" for k in range(calls)]
        body = [
            helper.make_node(f"F{i - 1}", [a], [b], domain="own")
            for a, b in zip(["a", *steps[1:]], [*steps[1:], "b"], strict=True)
        ]
        made.append(helper.make_function("own", f"F{i}", ["a"], ["b"], body, opsets))
    model = relu_model(nodes=[helper.make_node(f"F{count - 1}", ["x"], ["y"], domain="own")])
    model.opset_import.append(helper.make_opsetid("own", 1))
    model.functions.extend(made)
    return model


def test_functions_are_counted_before_they_are_expanded(bench):
    message = refused(bench, functions(30, 2))
    assert f"expand to {2**29} nodes" in message
    assert "\n" not in message
    assert len(bench.tape(functions(4, 2), {"x": (2, 3)}).nodes) == 1
    assert len(bench.tape(functions(90, 1), {"x": (2, 3)}).nodes) == 1


def test_functions_that_call_themselves(bench):
    model = functions(2, 1)
    model.functions[0].node[0].op_type, model.functions[0].node[0].domain = "F1", "own"
    assert "functions" in refused(bench, model)


@pytest.mark.parametrize("name", [b"Softmax", b"conv", b"strides"])
def test_names_that_are_no_text(small_model, tmp_path, name):
    path = tmp_path / "m.onnx"
    path.write_bytes(small_model.replace(name, b"\xff" + name[1:]))
    with pytest.raises(InputError, match=r"printable text|not an ONNX model"):
        read_model(path)


FLIPS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4)


@pytest.fixture(scope="module")
def small_model():
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv", pads=[1, 1], strides=[2]),
        helper.make_node("Reshape", ["c", "s"], ["r"], name="shape"),
        helper.make_node("Softmax", ["r"], ["p"], axis=1),
        helper.make_node("Slice", ["p", "a", "b"], ["y"]),
    ]
    generator = np.random.default_rng(1)
    held = [numpy_helper.from_array(generator.standard_normal((4, 2, 3)).astype(np.float32), "w")]
    held += [constant([2, -1], "s"), constant([0], "a"), constant([1], "b")]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, 8])
    graph = helper.make_graph(nodes, "g", [x], [helper.make_tensor_value_info("y", 1, None)], held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()


@given(FLIPS)
@settings(max_examples=150)
def test_flipped_bytes_give_a_lawful_tape_or_an_input_error(small_model, tmp_path_factory, flips):
    data = bytearray(small_model)
    for place, value in flips:
        data[place % len(data)] = value
    path = tmp_path_factory.getbasetemp() / "flipped.onnx"
    path.write_bytes(data)
    try:
        tape, _ = lower(read_model(path), {})
    except InputError:
        return
    assert isinstance(tape, Tape)
    validate(tape)


def test_the_unflipped_model_is_sound(small_model, tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(small_model)
    assert len(lower(read_model(path), {})[0].nodes) > 4


@pytest.mark.parametrize(
    ("op", "held", "attributes"),
    [
        ("Tile", [[0, 1]], {}),
        ("Slice", [[1], [1]], {}),
        ("Pad", [[0, 0, 0, 0]], {"mode": "edge"}),
        ("Gather", [[]], {}),
        ("Expand", [[0, 2, 3]], {}),
    ],
)
@pytest.mark.parametrize("after", ["Concat", "Gather", "Transpose", "Reshape", "ReduceSum"])
def test_tensors_of_no_elements(bench, op, held, attributes, after):
    """Whatever follows: an empty tensor is one, and no lowering goes round in circles about it."""
    names = [f"h{i}" for i in range(len(held))]
    constants = [constant(value, name) for value, name in zip(held, names, strict=True)]
    constants += [constant([-1, 0], "i"), constant([0, 3, 2], "s")]
    nodes = [helper.make_node(op, ["x", *names], ["e"], name="n", **attributes)]
    nodes += {
        "Concat": [helper.make_node("Concat", ["e", "e"], ["y"], axis=-1)],
        "Gather": [helper.make_node("Gather", ["e", "i"], ["y"], axis=-1)],
        "Transpose": [helper.make_node("Transpose", ["e"], ["t"]), helper.make_node("Tanh", ["t"], ["y"])],
        "Reshape": [helper.make_node("Transpose", ["e"], ["t"]), helper.make_node("Flatten", ["t"], ["y"])],
        "ReduceSum": [helper.make_node("ReduceSum", ["e"], ["y"])],
    }[after]
    given = {"x": np.ones((2, 3), np.float32)}
    model = bench.model(nodes, given, ["y"], {c.name: numpy_helper.to_array(c) for c in constants})
    mine = bench.run(bench.tape(model), given)[0]
    theirs = bench.rival(onnx.shape_inference.infer_shapes(model), given)[0]
    assert mine.shape == theirs.shape
    assert mine.tolist() == theirs.tolist()


def test_a_row_of_nothing_is_no_fault(bench):
    """Gather along an axis beside one of no elements."""
    nodes = [
        helper.make_node("Slice", ["x", "z", "z", "o"], ["e"]),
        helper.make_node("Gather", ["e", "i"], ["y"]),
    ]
    held = {"z": np.array([0]), "o": np.array([1]), "i": np.array([1, 1, 0])}
    given = {"x": np.ones((2, 3), np.float32)}
    tape = bench.tape(bench.model(nodes, given, ["y"], held))
    assert bench.run(tape, given)[0].shape == (3, 0)


def test_a_name_of_an_axis_that_is_no_text(bench):
    model = relu_model()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "a\n\x1b[2J evil"
    assert refused(bench, model, {}).isprintable()


def test_strangers_names_reach_no_terminal():
    assert str(InputError("it's \x1b[2J a\nname é", "do\tthis")) == "it's \\x1b[2J a\\nname é (do\\tthis)"


def test_what_the_tape_refuses_is_named_by_its_node(bench):
    steps = [
        helper.make_node("Expand", ["x", "s"], ["w"]),
        helper.make_node("ReduceMax", ["w"], ["y"], name="n"),
    ]
    assert "'n'" in refused(bench, relu_model(nodes=steps, constants=[constant([10**6, 1, 1], "s")]))
    blocks = [helper.make_node("Reshape", ["x", "s"], ["f"])]
    blocks += [helper.make_node("DepthToSpace", ["f"], ["y"], blocksize=-1, name="n")]
    assert "DepthToSpace node 'n'" in refused(
        bench, relu_model(nodes=blocks, constants=[constant([1, 6, 1, 1], "s")])
    )


def test_more_axes_than_a_tape_has_are_named_by_node_or_output(bench):
    """Nine of them: as a shape they cost nothing, but no node can be, or walk, them all at once."""
    to_nine = helper.make_node("Reshape", ["x", "s"], ["n"], name="nine")
    turned = helper.make_node("Transpose", ["n"], ["t"], name="turn", perm=list(range(8, -1, -1)))
    add = helper.make_node("Add", ["n", "t"], ["a"], name="sum")
    back = helper.make_node("ReduceMax", ["a"], ["y"], name="max", keepdims=0)
    held = [constant([2] * 9, "s")]
    x = {"x": (2**9,)}

    def of(*nodes):
        model = relu_model(nodes=list(nodes), constants=held)
        del model.graph.input[0].type.tensor_type.shape.dim[1:]
        return model

    assert "Add node 'sum' needs 9 axes" in refused(bench, of(to_nine, turned, add, back), x)
    last = helper.make_node("Unsqueeze", ["x", "s"], ["y"], name="last")
    held[0] = constant(range(8), "s")
    assert "output 'y' needs 9 axes" in refused(bench, of(last), x)


def test_what_one_node_of_the_tape_cannot_be_is_named_with_its_operator(bench):
    steps = [
        helper.make_node("Expand", ["x", "s"], ["w"]),
        helper.make_node("ReduceMax", ["w"], ["y"], name="n"),
    ]
    message = refused(bench, relu_model(nodes=steps, constants=[constant([10**6, 1, 1], "s")]))
    assert "ReduceMax node 'n'" in message


def test_nans_of_other_bits_are_the_tape_s(bench):
    for size in (1, 3):
        weight = np.full(size, 0xFFC00001, np.uint32).view(np.float32)
        nodes = [helper.make_node("Where", ["c", "x", "w"], ["y"])]
        model = bench.model(nodes, {"x": np.ones(3, np.float32)}, ["y"], {"w": weight, "c": np.array(False)})
        got = bench.run(bench.tape(model), {"x": np.ones(3, np.float32)})
        assert got[0].view(np.uint32).tolist() == [0x7FC00000] * 3
