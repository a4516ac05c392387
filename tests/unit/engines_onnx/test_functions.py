"""A model's own functions mean what onnxruntime takes them for, and are counted before they are expanded."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from protocol.engines.onnx import lower, read_model
from protocol.types.errors import InputError

X = np.array([[-1, 0, 2], [3, -2, 1]], np.float32)
OPSETS = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
FLOAT, INT, TENSOR = onnx.AttributeProto.FLOAT, onnx.AttributeProto.INT, onnx.AttributeProto.TENSOR


def node(op, inputs=("a",), outputs=("b",), handed=(), **attributes):
    """A node; each `handed` is (its attribute, the function's attribute that it refers to, the type)."""
    made = helper.make_node(op, list(inputs), list(outputs), **attributes)
    for name, outer, kind in handed:
        made.attribute.append(onnx.AttributeProto(name=name, ref_attr_name=outer, type=kind))
    return made


def function(name, nodes, names=(), domain="own", **defaults):
    held = [helper.make_attribute(key, value) for key, value in defaults.items()]
    return helper.make_function(domain, name, ["a"], ["b"], nodes, OPSETS, list(names), held)


def calling(bench, functions, call):
    """A model whose only node is this call."""
    model = bench.model([call], {"x": X}, ["y"])
    model.opset_import.append(helper.make_opsetid("own", 1))
    model.functions.extend(functions)
    return model


def call(op, domain="own", **attributes):
    return node(op, ["x"], ["y"], domain=domain, **attributes)


LEAKY = function("Leaky", [node("LeakyRelu", handed=[("alpha", "slope", FLOAT)])], slope=0.7)
OUTER = function("Outer", [node("Leaky", domain="own", handed=[("slope", "steep", FLOAT)])], steep=0.4)
INNER = function("Inner", [node("Leaky", domain="own")])
HANDED = function("Handed", [node("Leaky", domain="own", handed=[("slope", "steep", FLOAT)])], ["steep"])
TWICE = function("Twice", [node("Handed", domain="own", handed=[("steep", "more", FLOAT)])], ["more"])
ROWS = function("Rows", [node("Softmax", handed=[("axis", "along", INT)])], along=0)
CONSTANT = node("Constant", [], ["k"], handed=[("value_float", "k", FLOAT)])
SHIFT = function("Shift", [CONSTANT, node("Add", ["a", "k"])], k=5.0)
ALL = [LEAKY, OUTER, INNER, HANDED, TWICE, ROWS, SHIFT]


@pytest.mark.parametrize(
    "each",
    [
        call("Leaky"),
        call("Leaky", slope=0.3),
        call("Outer"),
        call("Outer", steep=0.2),
        call("Inner"),
        call("Twice", more=0.1),
        call("Rows"),
        call("Rows", along=1),
        call("Shift"),
    ],
    ids=lambda each: "-".join([each.op_type, *(a.name for a in each.attribute)]),
)
def test_attributes_left_out_take_the_function_s_defaults(bench, each):
    model = calling(bench, ALL, each)
    wanted = bench.rival(onnx.shape_inference.infer_shapes(model), {"x": X})[0]
    np.testing.assert_allclose(bench.run(bench.tape(model), {"x": X})[0], wanted, rtol=1e-6)


@pytest.mark.parametrize("name", ["Handed", "Twice"])
def test_a_default_behind_a_handed_on_attribute_is_never_forgotten(bench, name):
    """onnxruntime takes the inner function's default; refused, since ONNX's inliner drops it."""
    path = bench.save(calling(bench, ALL, call(name)))
    with pytest.raises(InputError, match=r"Handed leaves out the attribute 'steep'.*Leaky.*in the call"):
        read_model(path)


@pytest.mark.parametrize(("named", "called"), [("ai.onnx", ""), ("", "ai.onnx")])
def test_functions_of_the_default_domain_are_counted_by_both_of_its_names(bench, named, called):
    body = [node("Relu")]
    made = []
    for i in range(18):
        made.append(function(f"F{i}", body, domain=named))
        body = [
            node(f"F{i}", ["a"], ["t"], domain=called),
            node(f"F{i}", ["t"], ["b"], domain=called),
        ]
    with pytest.raises(InputError, match=f"expand to {2**17} nodes"):
        read_model(bench.save(calling(bench, made, call("F17", domain=called))))


def test_calls_in_the_graphs_of_attributes_are_counted(bench):
    """In a branch that is never lowered, but expanded all the same."""
    body, made = [node("Relu")], []
    for i in range(18):
        made.append(function(f"F{i}", body))
        body = [node(f"F{i}", ["a"], ["t"], domain="own"), node(f"F{i}", ["t"], ["b"], domain="own")]
    y = helper.make_tensor_value_info("y", FLOAT, None)
    branch = helper.make_graph([call("F17")], "branch", [], [y])
    either = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    model = calling(bench, made, either)
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "c"))
    with pytest.raises(InputError, match=f"expand to {2**18 + 1} nodes"):
        read_model(bench.save(model))


def test_what_attributes_and_names_grow_to_is_counted(bench):
    """A million bytes in one call, put in five hundred places."""
    large = numpy_helper.from_array(np.ones(2**18, np.float32))
    many = [node("Constant", [], [f"k{i}"], handed=[("value", "k", TENSOR)]) for i in range(500)]
    keep = function("Keep", [*many, node("Relu")], ["k"])
    given = calling(bench, [keep], call("Keep", k=large))
    default = calling(bench, [function("Keep", [*many, node("Relu")], k=large)], call("Keep"))
    uses = function("Uses", [node("Max", ["a"] * 500)])
    named = calling(bench, [uses], node("Uses", ["x" * 2**20], ["y"], domain="own"))
    for model in given, default, named:
        with pytest.raises(InputError, match="local functions expand to"):
            read_model(bench.save(model))


def test_what_defaults_grow_to_is_counted(bench):
    large = numpy_helper.from_array(np.ones(2**18, np.float32))
    keep = function("Keep", [node("Relu")], k=large)
    calls = function("Calls", [node("Keep", ["a"], [f"t{i}"], domain="own") for i in range(300)])
    with pytest.raises(InputError, match="defaults of its local functions"):
        read_model(bench.save(calling(bench, [keep, calls], call("Calls"))))


def test_a_default_that_no_call_needs_is_no_matter(bench):
    model = calling(bench, ALL, call("Leaky", slope=0.5))
    assert len(lower(read_model(bench.save(model)), {})[0].nodes) == 1


@pytest.mark.parametrize(("name", "domain"), [("Old", "own"), ("Relu", "")])
def test_a_function_for_another_operator_set_is_named_as_one(bench, name, domain):
    """The inliner leaves its calls; one with an operator's name would be taken for that operator."""
    old = function(name, [node("Neg")], domain=domain)
    old.opset_import[0].version = 11
    path = bench.save(calling(bench, [old], call(name, domain=domain)))
    with pytest.raises(InputError, match=f"{name} \\(node 'y', a function for another operator set.*20"):
        lower(read_model(path), {})


def test_a_function_for_another_operator_set_that_no_output_needs_is_no_matter(bench):
    old = function("Old", [node("Neg")])
    old.opset_import[0].version = 11
    model = calling(bench, [old, LEAKY], call("Leaky"))
    model.graph.node.append(node("Old", ["x"], ["unread"], domain="own"))
    assert len(bench.tape(model).nodes) == 1
