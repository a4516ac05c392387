"""Nodes whose inputs are known while lowering mean what they mean at run time and to onnxruntime."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from protocol.engines.onnx import lower, read_model
from protocol.engines.onnx.budget import Budget
from protocol.engines.onnx.fold import (
    ALSO,
    ELEMENTWISE,
    PLACING,
    WIDE_ELEMENTWISE,
    WIDE_ROWS,
    fold,
)
from protocol.engines.onnx.reader import ModelNode
from protocol.tape.encoding import encode
from protocol.types.errors import InputError

node = helper.make_node
RNG = np.random.default_rng(3)


def ints(*shape: int, kind: Any = np.int64) -> Any:
    return RNG.integers(-9, 10, shape).astype(kind)


def reals(*shape: int) -> Any:
    return (RNG.standard_normal(shape) * 3).astype(np.float32)


def bits(*shape: int) -> Any:
    return RNG.integers(0, 2, shape).astype(bool)


X = ints(2, 3, 4)
PLACES = np.array([[[0, 2, 1, 2]], [[2, 0, -1, 0]]])
SPECIAL = np.array([np.inf, -np.inf, np.nan, 1], np.float32)
KNOWN = range(7, 22)
Case = tuple[str, list[Any], range, dict[str, Any]]


def since(first: int, last: int = 21) -> range:
    return range(first, last + 1)


def elementwise() -> list[Case]:
    found: list[Case] = []
    for make in (ints, reals):
        a, b = make(2, 3), make(3)
        divisor = np.where(b == 0, 3, b).astype(b.dtype)
        found += [(op, [a, b], KNOWN, {}) for op in ("Add", "Sub", "Mul", "Equal", "Less")]
        found += [(op, [a, make(2, 3)], KNOWN, {}) for op in ("Min", "Max")]
        found += [("Greater", [a, b], KNOWN, {}), ("Div", [a, divisor], KNOWN, {})]
        found += [("LessOrEqual", [a, b], since(12), {}), ("GreaterOrEqual", [a, b], since(12), {})]
        found += [("Mod", [a, divisor], since(10), {"fmod": 1}), ("Where", [bits(2, 3), a, b], since(9), {})]
        found += [(op, [a], KNOWN, {}) for op in ("Neg", "Abs")] + [("Sign", [a], since(9), {})]
        found += [("Cast", [a], KNOWN, {"to": to}) for to in (1, 6, 7, 9, 11)]
        found += [("CastLike", [a, np.zeros(1, np.float32)], since(15), {})]
        low, high = np.array(-2, a.dtype), np.array(3, a.dtype)
        found += [("Clip", [a, low, high], since(12), {}), ("Clip", [a, low], since(12), {})]
    found += [("Mod", [ints(2, 3), np.array([2, -3, 5])], since(10), {})]
    found += [("Sum", [reals(2, 3), reals(3), reals(1)], since(8), {}), ("Sqrt", [abs(reals(4))], KNOWN, {})]
    found += [(op, [reals(6)], KNOWN, {}) for op in ("Floor", "Ceil")]
    found += [("Round", [np.array([0.5, 1.5, -2.5, 2.4], np.float32)], since(11), {})]
    found += [("Clip", [reals(6)], since(7, 10), {"min": -1.0, "max": 1.0})]
    found += [("IsInf", [SPECIAL], since(10), {"detect_negative": 0}), ("IsNaN", [SPECIAL], since(9), {})]
    found += [("Max", [SPECIAL, reals(4)], KNOWN, {}), ("Sign", [SPECIAL], since(9), {})]
    found += [(op, [bits(2, 3), bits(3)], KNOWN, {}) for op in ("And", "Or", "Xor")]
    found += [("Not", [bits(3)], KNOWN, {})]
    found += [(f"Bitwise{op}", [ints(2, 3), ints(3)], since(18), {}) for op in ("And", "Or", "Xor")]
    found += [("BitwiseNot", [ints(3)], since(18), {})]
    shifts = [abs(ints(2, 3)).astype(np.uint64), np.array([1, 2, 3], np.uint64)]
    found += [("BitShift", shifts, since(11), {"direction": way}) for way in ("LEFT", "RIGHT")]
    base = abs(ints(2, 3)) + 1
    found += [
        ("Pow", [base, np.array(2)], KNOWN, {}),
        ("Pow", [base, np.array(2.0, np.float32)], since(12), {}),
    ]
    wide = np.array([0.5, 2.0, 3.25])
    return found + [(op, [wide], KNOWN, {}) for op in ("Exp", "Log", "Reciprocal")]


def along_axes() -> list[Case]:
    found: list[Case] = []
    for op in ("ReduceSum", "ReduceProd", "ReduceMax", "ReduceMin", "ReduceMean"):
        named = 12 if op == "ReduceSum" else 17
        kind = np.int32 if op in ("ReduceProd", "ReduceMean") else np.int64
        x = X.astype(kind)
        for keep in (0, 1):
            found.append((op, [x], KNOWN, {"keepdims": keep}))
            found.append((op, [x], since(7, named), {"keepdims": keep, "axes": [0, 2]}))
            found.append((op, [x, np.array([0, -1])], since(named + 1), {"keepdims": keep}))
        found.append((op, [x], since(named + 1), {"noop_with_empty_axes": 1}))
    found += [("CumSum", [X, np.array(-1)], since(11), {"exclusive": e, "reverse": 1}) for e in (0, 1)]
    found += [("TopK", [X, np.array([2])], since(10), {}), ("TopK", [X], since(7, 9), {"k": 2, "axis": 1})]
    found += [("TopK", [X // 3, np.array([2])], since(11), {"largest": 0, "axis": 1})]
    for op in ("ArgMax", "ArgMin"):
        found += [(op, [X.astype(np.int32)], KNOWN, {"axis": 1, "keepdims": 0})]
        found += [(op, [X.astype(np.int32) // 4], since(12), {"axis": 1, "select_last_index": 1})]
    return found


def placing() -> list[Case]:
    found: list[Case] = [("Concat", [X, ints(2, 3, 4)], KNOWN, {"axis": axis}) for axis in (0, 1, 2)]
    found += [("Gather", [X, np.array([[2, -1], [0, 1]])], since(11), {"axis": 1})]
    found += [("Gather", [X, np.array(3)], KNOWN, {"axis": 2})]
    found += [("GatherND", [X, np.array([[0, 1], [1, -1]])], since(11), {})]
    found += [("GatherND", [X, np.array([[1], [2]])], since(12), {"batch_dims": 1})]
    found += [
        ("NonZero", [X], since(9), {}),
        ("Compress", [X, np.array([True, False, True])], since(9), {"axis": 1}),
    ]
    found += [("Unique", [ints(8) // 4], since(11), {"sorted": s}) for s in (0, 1)]
    found += [("Unique", [ints(3, 4) // 8], since(11), {"axis": 0})]
    for way, first in (("none", 16), ("add", 16), ("mul", 16), ("max", 18), ("min", 18)):
        more = {"axis": 1, "reduction": way}
        found.append(("ScatterElements", [X, PLACES, ints(2, 1, 4)], since(first), more))
        found.append(
            ("ScatterND", [X, np.array([[1], [1]]), ints(2, 3, 4)], since(first), {"reduction": way})
        )
    found += [("ScatterElements", [X, PLACES, ints(2, 1, 4)], since(11), {"axis": 1})]
    return [*found, ("ScatterND", [X, np.array([[0, 1], [1, -1]]), ints(2, 4)], since(11), {})]


CASES = [*elementwise(), *along_axes(), *placing()]


def rival(
    op: str, arrays: list[Any], opset: int, attributes: dict[str, Any], mine: list[Any]
) -> list[Any] | None:
    """What onnxruntime makes of constants alone; None if it has no such operator for their type."""
    names = [f"i{i}" for i in range(len(arrays))]
    kinds = {f"o{i}": helper.np_dtype_to_tensor_dtype(array.dtype) for i, array in enumerate(mine)}
    held = [onnx.numpy_helper.from_array(np.asarray(a), n) for a, n in zip(arrays, names, strict=True)]
    shown = [helper.make_tensor_value_info(name, kind, None) for name, kind in kinds.items()]
    graph = helper.make_graph([node(op, names, list(kinds), **attributes)], "g", [], shown, held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    except Exception as fault:
        if "is invalid" in str(fault) or "NOT_IMPLEMENTED" in str(fault):
            return None
        raise
    found: list[Any] = session.run(None, {})
    return found


def test_what_onnx_s_reference_folds_is_what_onnxruntime_says():
    """Every operator of the tables, over the operator sets."""
    compared = set()
    for op, arrays, opsets, attributes in CASES:
        for opset in (opsets.start, (opsets.start + opsets.stop) // 2, opsets.stop - 1):
            outputs = ("o0", "o1") if op == "TopK" else ("o0",)
            names = tuple(f"i{i}" for i in range(len(arrays)))
            given = ModelNode(op, "", "n", names, outputs, attributes)
            mine = fold(given, [np.asarray(a) for a in arrays], opset, Budget())
            assert mine is not None, op
            theirs = rival(op, arrays, opset, attributes, mine)
            if theirs is None:
                continue
            compared.add(op)
            for a, b in zip(mine, theirs, strict=True):
                assert (a.dtype, a.shape) == (b.dtype, b.shape), (op, opset, attributes)
                np.testing.assert_allclose(a, b, rtol=1e-6, err_msg=f"{op} {opset} {attributes}")
    assert compared == ELEMENTWISE | WIDE_ELEMENTWISE | WIDE_ROWS | PLACING | ALSO


QUANTISED = {
    "xs": np.array(0.05, np.float32),
    "xz": np.array(93, np.uint8),
    "w": ints(3, 2, 3, kind=np.int8),
    "ws": np.array([0.2, 0.3, 0.4], np.float32),
    "wz": np.zeros(3, np.int8),
    "ys": np.array(0.5, np.float32),
    "yz": np.array(37, np.uint8),
}
STATISTICS = {"s": reals(2), "b": reals(2), "m": reals(2), "v": abs(reals(2))}
SHARED = [
    (node("Softmax", ["x"], ["y"]), reals(2, 3, 4), {}, 11),
    (node("Softmax", ["x"], ["y"], axis=0), reals(2, 3), {}, 7),
    (node("LogSoftmax", ["x"], ["y"], axis=0), reals(2, 3), {}, 11),
    (node("Hardmax", ["x"], ["y"]), reals(2, 3, 4), {}, 11),
    (node("BatchNormalization", ["x", *STATISTICS], ["y"]), reals(1, 2, 3), STATISTICS, 9),
    (node("GlobalMaxPool", ["x"], ["y"]), reals(1, 3, 6), {}, 14),
    (node("MaxPool", ["x"], ["y"], kernel_shape=[3], pads=[0, 2]), reals(1, 3, 8), {}, 12),
    (node("LpNormalization", ["x"], ["y"], p=1), reals(2, 3), {}, 18),
    (
        node("ConvTranspose", ["x", "w", "c"], ["y"], group=2, strides=[3, 1], pads=[0, 1, 1, 1]),
        reals(1, 2, 5, 5),
        {"w": reals(2, 1, 1, 3), "c": reals(2)},
        18,
    ),
    (
        node("QLinearConv", ["x", *QUANTISED], ["y"], group=3),
        RNG.integers(0, 127, (1, 6, 6)).astype(np.uint8),
        QUANTISED,
        16,
    ),
    (node("GatherElements", ["x", "i"], ["y"], axis=1), reals(2, 3), {"i": np.array([[0], [-1]])}, 13),
    (node("MatMul", ["x", "w"], ["y"]), reals(2, 3), {"w": reals(3, 4)}, 13),
    (node("Gelu", ["x"], ["y"]), reals(2, 3), {}, 20),
]


@pytest.mark.parametrize(("each", "x", "held", "opset"), SHARED, ids=[case[0].op_type for case in SHARED])
def test_a_node_means_the_same_folded_and_at_run_time(bench, each, x, held, opset):
    """Both are held to onnxruntime; what is folded leaves nothing to compute but the copy of the output."""
    bench.hold(each, {"x": x}, constants=held, opset=opset, atol=1e-5)
    other = [each, node("Identity", ["z"], ["zo"])]
    given = {"z": np.zeros(1, np.float32)}
    tape = bench.hold(other, given, ("y", "zo"), {"x": x, **held}, opset=opset, atol=1e-5)
    assert [type(each).__name__ for each in tape.nodes] == ["Move", "Move"]


OWN = [
    node("Exp", ["x"], ["y"]),
    node("Log", ["x"], ["y"]),
    node("Pow", ["x", "x"], ["y"]),
    node("ReduceSum", ["x"], ["y"]),
    node("ReduceMean", ["x"], ["y"]),
    node("ReduceProd", ["x"], ["y"]),
    node("CumSum", ["x", "axis"], ["y"]),
]


@pytest.mark.parametrize("each", OWN, ids=[each.op_type for each in OWN])
def test_known_f32_is_computed_as_the_tape_would_to_the_last_bit(bench, each):
    """numpy's own would be another number: its functions and its order of sums are not the tape's."""
    x = np.random.default_rng(1).uniform(0.9, 1.2, 700).astype(np.float32)
    axis, z = {"axis": np.array(0)}, {"z": np.zeros(1, np.float32)}
    at_run_time = bench.tape(bench.model([each], {"x": x}, ["y"], axis))
    known = bench.tape(bench.model([each, node("Identity", ["z"], ["o"])], z, ["y", "o"], {"x": x, **axis}))
    assert bench.run(known, z)[0].tobytes() == bench.run(at_run_time, {"x": x})[0].tobytes()


def test_rows_in_the_order_of_their_coming_are_refused(bench):
    nodes = [node("Unique", ["k"], ["u"], axis=0, sorted=0, name="n"), node("Add", ["x", "u"], ["y"])]
    model = bench.model(nodes, {"x": np.ones(1, np.float32)}, ["y"], {"k": np.ones((2, 1), np.float32)})
    with pytest.raises(InputError, match=r"Unique node 'n'.*order of their coming"):
        lower(read_model(bench.save(model)), {})


def test_randomness_is_never_folded(bench):
    held = {"k": np.ones((4, 3), np.float32), "r": np.array(0.5, np.float32), "t": np.array(True)}
    nodes = [node("Dropout", ["k", "r", "t"], ["b"], name="n"), node("Add", ["x", "b"], ["y"])]
    model = bench.model(nodes, {"x": np.ones((4, 3), np.float32)}, ["y"], held)
    with pytest.raises(InputError, match=r"Dropout node 'n'.*randomness"):
        lower(read_model(bench.save(model)), {})


def test_what_takes_long_stays_in_the_tape(bench):
    """A pool over 16 million known elements: no second is spent on it, and the model is lowered."""
    nodes = [
        node("ConstantOfShape", ["s"], ["a"]),
        node("LpPool", ["a"], ["b"], kernel_shape=[3, 3]),
        node("ReduceMax", ["b", "last"], ["c"], keepdims=0),
        node("ReduceMax", ["c"], ["t"], keepdims=0),
        node("Add", ["x", "t"], ["y"]),
    ]
    held = {"s": np.array([1, 1, 4000, 4000]), "last": np.array([-1])}
    tape = bench.tape(bench.model(nodes, {"x": np.ones(2, np.float32)}, ["y"], held))
    assert len(tape.nodes) > 2
    assert encode(tape)


def test_casts_of_known_numbers_saturate_like_those_at_run_time(bench):
    x = np.array([1e10, -np.inf, np.nan, 2.9], np.float32)
    nodes = [node("Cast", ["x"], ["c"], to=6), node("Add", ["c", "z"], ["y"])]
    model = bench.model(nodes, {"z": np.zeros(1, np.int32)}, ["y"], {"x": x})
    got = bench.run(bench.tape(model), {"z": np.zeros(1, np.int32)})
    assert got[0].tolist() == [2**31 - 1, -(2**31), 0, 2]
