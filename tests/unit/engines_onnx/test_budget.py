"""What lowering does with constants is paid for before it is done, and the node named that cannot be."""

import tracemalloc

import numpy as np
import pytest
from onnx import helper, numpy_helper

from protocol.engines.cpu.estimate import estimate
from protocol.engines.onnx import budget, lower, read_model, reader, settle
from protocol.engines.onnx import graph as graph_room
from protocol.engines.onnx.emit import emit
from protocol.engines.onnx.graph import Graph
from protocol.engines.onnx.lower import _weights as weights_of
from protocol.engines.onnx.settle import settled
from protocol.tape.functions import exp
from protocol.types.errors import InputError

X = {"x": np.ones((2, 3), np.float32)}
MUCH = "constants take more than"
LONG = "elements; at most 128"


def known(name, *shape, value=1, kind=np.int64):
    """A constant of one number, a view that costs its file nothing."""
    sizes = numpy_helper.from_array(np.array(shape, np.int64), "v")
    number = numpy_helper.from_array(np.array([value], kind), "o")
    return [
        helper.make_node("Constant", [], [f"{name}s"], value=sizes),
        helper.make_node("ConstantOfShape", [f"{name}s"], [name], value=number),
    ]


def bomb(op, *inputs, **attributes):
    return helper.make_node(op, list(inputs), ["y"], name="bomb", **attributes)


def statistics(size):
    """A batch normalisation of so many channels."""
    names = ("s", "b", "m", "v")
    made = [part for name in names for part in known(name, size, kind=np.float32)]
    one = helper.make_node("Constant", [], ["wide"], value_ints=[1, size])
    first = helper.make_node("ReduceMax", ["x"], ["top"])
    return [*made, one, first, helper.make_node("Expand", ["top", "wide"], ["e"])]


BOMBS = {
    "cast": ([*known("a", 2**25, value=3e9, kind=np.float32), bomb("Cast", "a", to=7)], MUCH),
    "shape": ([*known("s", 2**20), bomb("Reshape", "x", "s")], LONG),
    "ranges": ([*known("z", 2**16, value=0), *known("e", 2**16), bomb("Slice", "x", "z", "e", "z")], LONG),
    "sizes": ([*known("s", 2**20), bomb("Expand", "x", "s")], LONG),
    "parts": ([*known("s", 2**20), bomb("Split", "x", "s")], "elements; at most 1 "),
    "factors": ([*known("s", 2**40, kind=np.float32), bomb("Resize", "x", "", "s")], LONG),
    "mode": ([*known("t", 2**40, kind=np.bool_), bomb("Dropout", "x", "", "t")], LONG),
    "padding": (
        [*known("p", 4), *known("v", 2**40, kind=np.float32), bomb("Pad", "x", "p", "v")],
        LONG,
    ),
    "zero point": (
        [
            *known("z", 2**30, value=0, kind=np.uint8),
            *known("b", 3, 2, kind=np.uint8),
            helper.make_node("Cast", ["x"], ["u"], to=2),
            bomb("MatMulInteger", "u", "b", "z"),
        ],
        MUCH,
    ),
    "statistics": ([*statistics(2**26), bomb("BatchNormalization", "e", "s", "b", "m", "v")], MUCH),
    "no tuples": (
        [
            *known("d", 0),
            *known("i", 2**20, 0),
            *known("u", 2**20, 0),
            bomb("ScatterND", "d", "i", "u"),
        ],
        f"{2**20} indices",
    ),
}


def refused(bench, nodes, constants=None):
    with pytest.raises(InputError) as caught:
        lower(read_model(bench.save(bench.model(nodes, X, ["y"], constants))), {})
    return str(caught.value)


@pytest.mark.parametrize("name", BOMBS)
def test_nothing_is_done_with_constants_that_nobody_pays_for(bench, name):
    nodes, why = BOMBS[name]
    message = refused(bench, nodes)
    assert f"{nodes[-1].op_type} node 'bomb'" in message
    assert why in message


def test_strings_are_not_computed_with(bench):
    """One of a few letters, doubled by each node."""
    nodes = [helper.make_node("Add", [f"s{i}"] * 2, [f"s{i + 1}"], name=f"n{i}") for i in range(20)]
    nodes += [helper.make_node("Equal", ["s20", "s0"], ["y"])]
    model = bench.model(nodes, X, ["y"])
    model.graph.initializer.append(helper.make_tensor("s0", 8, [1], [b"abc"]))
    with pytest.raises(InputError, match=r"Add node 'n0': strings"):
        lower(read_model(bench.save(model)), {})


def test_numbers_become_no_strings(bench):
    nodes = [*known("a", 4), bomb("Cast", "a", to=8)]
    assert "Cast node 'bomb': it casts to STRING" in refused(bench, nodes)


@pytest.mark.parametrize(("op", "count"), [("Neg", 200), ("Tanh", 20)])
def test_each_computed_node_has_its_price(bench, monkeypatch, op, count):
    """However little it computes, folding it takes a millisecond, and building and running a tape several."""
    monkeypatch.setattr(budget, "BASE_BYTES", 2**20)
    nodes = [helper.make_node(op, [f"a{i}"], [f"a{i + 1}"], name=f"n{i}") for i in range(count)]
    nodes += [helper.make_node("Add", ["x", f"a{count}"], ["y"])]
    assert MUCH in refused(bench, nodes, {"a0": np.ones(1, np.float32)})


def test_a_tape_that_is_run_while_lowering_pays_for_its_steps_and_its_values():
    graph = Graph()
    made = graph.apply("f32", exp, graph.constant(np.ones(2**16, np.float32)))
    tape, _ = emit(graph, [("0", made)])
    work = estimate(tape)
    before = graph.budget.left
    assert settled(graph, [made]) is not None
    spent = budget.SETTLED + (work.fmas + work.steps + work.moved) // 8 + 8 * made.size
    assert before - graph.budget.left == spent


@pytest.mark.parametrize("limit", ["MOST_STEPS", "MOST_BYTES"])
def test_what_takes_many_steps_or_bytes_to_know_stays_in_the_tape(bench, monkeypatch, limit):
    nodes = [helper.make_node("Tanh", ["a"], ["t"]), helper.make_node("Add", ["x", "t"], ["y"])]
    model = bench.model(nodes, X, ["y"], {"a": np.ones((2, 3), np.float32)})
    assert len(bench.tape(model).constants) == 1
    operands = bench.tape(model).nodes[-1].program
    monkeypatch.setattr(settle, limit, 1)
    assert bench.tape(model).nodes[-1].program != operands


def test_a_graph_has_an_end(bench, monkeypatch):
    monkeypatch.setattr(graph_room, "MAX_STEPS", 3)
    nodes = [helper.make_node("Tanh", [f"x{i}" if i else "x"], [f"x{i + 1}"], name=f"n{i}") for i in range(4)]
    nodes += [helper.make_node("Identity", ["x4"], ["y"])]
    assert "Tanh node 'n2': the model takes more than 3 steps" in refused(bench, nodes)


def test_a_file_has_an_end(bench, monkeypatch):
    nodes = [helper.make_node("Add", ["x", "w"], ["a"]), helper.make_node("Relu", ["a"], ["y"])]
    weight = {"w": np.ones((2, 3), np.float32)}
    for limit, least, words in ("MAX_NODES", 2, "2 nodes; at most 1"), ("MAX_WEIGHT_BYTES", 24, "weight 'w'"):
        monkeypatch.setattr(reader, limit, least)
        bench.tape(bench.model(nodes, X, ["y"], weight))
        monkeypatch.setattr(reader, limit, least - 1)
        assert words in refused(bench, nodes, weight)
        monkeypatch.undo()


def test_what_nodes_carry_counts_as_weights(bench):
    held = numpy_helper.from_array(np.ones(5, np.float32))
    nodes = [helper.make_node("Constant", [], ["c"], value=held), helper.make_node("Add", ["x", "w"], ["y"])]
    model = read_model(bench.save(bench.model(nodes, X, ["y"], {"w": np.ones((2, 3), np.float32)})))
    assert weights_of(model) == 6 + 5


def test_a_weight_is_looked_at_and_paid_for_once():
    graph, weight = Graph(), np.ones((64, 64), np.float32)
    before = graph.budget.left
    places = {graph.viewed(graph.constant(weight)).node for _ in range(3)}
    assert (len(places), before - graph.budget.left) == (1, weight.nbytes)
    turned = {graph.viewed(graph.transpose(graph.constant(weight), (1, 0))).node for _ in range(3)}
    assert (turned, before - graph.budget.left) == (places, 2 * weight.nbytes)


def test_bytes_made_wider_are_kept_once():
    """Of quantised weights only the words stay, not what they were on the way to them."""
    graph, weight = Graph(), np.ones((512, 512), np.uint8)
    tracemalloc.start()
    try:
        wide = graph.retype(graph.constant(weight), "i32")
        graph.viewed(graph.transpose(wide, (1, 0)))
        graph.viewed(wide)
        del wide
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < 4 * weight.size * 1.1
