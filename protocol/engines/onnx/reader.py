"""Reads an ONNX file into plain records, trusting nothing in it.

Sizes are bounded before anything is parsed, external data is followed only inside the model's own folder,
and every fault is an InputError that names the value or node. The file's graph is checked to be in order:
each value is made once and before it is used.
"""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401 - numpy learns bfloat16 from it, so that such a tensor is named in the error
import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, numpy_helper

from protocol.engines.onnx.functions import MAX_NODES, inline, plain
from protocol.tape.limits import MAX_DIMENSION, MAX_RANK
from protocol.types.errors import InputError

MAX_FILE_BYTES = 2**31 - 1
"""protobuf's own limit of one message."""
MAX_WEIGHT_BYTES = 16 * 2**30
OPSETS = range(7, 29)
"""Versions of the default operator set whose meanings are known here."""

_PACKED_BITS: dict[int, int] = {
    **dict.fromkeys((TensorProto.INT2, TensorProto.UINT2), 2),
    **dict.fromkeys((TensorProto.INT4, TensorProto.UINT4, TensorProto.FLOAT4E2M1), 4),
    **dict.fromkeys((TensorProto.FLOAT6E2M3, TensorProto.FLOAT6E3M2), 6),
}
"""Element types that several of share a byte in a file; in memory each has its own."""

Shape = tuple[int, ...]
Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class ModelInput:
    """A declared input: its ONNX element type and its axes, a number or a name for each open one."""

    name: str
    kind: int
    axes: tuple[int | str, ...] | None


@dataclass(frozen=True)
class ModelNode:
    """One operator of the graph. An absent optional input or output is the empty name."""

    op: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """How error messages name this node."""
        return f"{self.op} node {self.name!r}"


@dataclass(frozen=True)
class Model:
    """A graph as read: its inputs, constants, nodes in order and the names of its outputs."""

    opset: int
    inputs: tuple[ModelInput, ...]
    constants: dict[str, Array]
    nodes: tuple[ModelNode, ...]
    outputs: tuple[str, ...]
    unexpanded: frozenset[tuple[str, str]] = frozenset()
    """Domain and name of the model's own functions whose calls still stand: another operator set's."""
    files: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Files of external data that were read: path to size and time of change (ns), as before reading."""


def read_model(path: Path) -> Model:
    """Read the ONNX file at `path`. InputError if it is no sound ONNX model of a known operator set."""
    proto = _parse(path)
    if proto.functions:
        proto = inline(proto, path.name)
    opset = _opset(proto, path)
    graph = proto.graph
    _check_names(graph, path)
    if len(graph.node) > MAX_NODES:
        raise InputError(f"{path.name} has {len(graph.node)} nodes; at most {MAX_NODES} are taken")
    if len(graph.sparse_initializer):
        raise InputError(f"{path.name} holds sparse weights: export it with dense ones")
    data = Data(path.resolve().parent)
    constants = {t.name: read_tensor(t, data, f"weight {t.name!r}") for t in graph.initializer}
    inputs = tuple(_input(i) for i in graph.input if i.name not in constants)
    nodes = tuple(_node(n, i, data) for i, n in enumerate(graph.node))
    left = frozenset((plain(f.domain), f.name) for f in proto.functions)
    model = Model(opset, inputs, constants, nodes, tuple(o.name for o in graph.output), left, data.files)
    _check_order(model, path)
    return model


def _parse(path: Path) -> onnx.ModelProto:
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise InputError(f"{path} is not a file")
        if size > MAX_FILE_BYTES:
            raise InputError(
                f"{path} is {size} bytes; an ONNX file is at most 2 GiB: keep weights in external data"
            )
        proto = onnx.ModelProto()
        proto.ParseFromString(path.read_bytes())
    except OSError as fault:
        raise InputError(f"cannot read the model {path}: {fault.strerror}") from fault
    except DecodeError as fault:
        raise InputError(f"{path} is not an ONNX model: its bytes do not parse") from fault
    if not proto.graph.node and not proto.graph.output:
        raise InputError(f"{path} is not an ONNX model: it holds no graph")
    return proto


def _check_names(graph: onnx.GraphProto, path: Path) -> None:
    """InputError unless all names are text: protobuf gives bytes for a string that is no UTF-8."""
    names: list[object] = [value.name for value in [*graph.input, *graph.output]]
    names += [weight.name for weight in graph.initializer]
    names += [dim.dim_param for value in graph.input for dim in value.type.tensor_type.shape.dim]
    for node in graph.node:
        names += [node.op_type, node.domain, node.name, *node.input, *node.output]
        names += [name for attribute in node.attribute for name in (attribute.name, attribute.ref_attr_name)]
    if not all(isinstance(name, str) and name.isprintable() for name in names):
        raise InputError(f"{path.name} is damaged: it holds a name that is no printable text")


def _opset(proto: onnx.ModelProto, path: Path) -> int:
    versions = {o.domain: o.version for o in proto.opset_import}
    version = int(versions.get("", versions.get("ai.onnx", 0)))
    if version not in OPSETS:
        raise InputError(
            f"{path.name} uses operator set {version or 'none'}; "
            f"versions {OPSETS.start} to {OPSETS.stop - 1} are known: export it again with one of them"
        )
    return version


def _input(info: onnx.ValueInfoProto) -> ModelInput:
    if not info.type.HasField("tensor_type"):
        raise InputError(f"input {info.name!r} is no tensor: only tensors can be inputs")
    tensor = info.type.tensor_type
    if not tensor.HasField("shape"):
        return ModelInput(info.name, tensor.elem_type, None)
    axes: list[int | str] = []
    for dim in tensor.shape.dim:
        known = dim.HasField("dim_value") and dim.dim_value > 0
        axes.append(int(dim.dim_value) if known else dim.dim_param or "?")
    return ModelInput(info.name, tensor.elem_type, tuple(axes))


def _node(proto: onnx.NodeProto, index: int, data: "Data") -> ModelNode:
    outputs = tuple(proto.output)
    name = proto.name or next((o for o in outputs if o), f"#{index}")
    attributes = attributes_of(proto, f"{proto.op_type} node {name!r}", data)
    return ModelNode(proto.op_type, plain(proto.domain), name, tuple(proto.input), outputs, attributes)


def attributes_of(proto: onnx.NodeProto, where: str, data: "Data") -> dict[str, Any]:
    """A node's attributes as plain values and arrays. InputError if one cannot be read."""
    attributes: dict[str, Any] = {}
    for attribute in proto.attribute:
        if attribute.type == onnx.AttributeProto.TENSOR:
            attributes[attribute.name] = read_tensor(attribute.t, data, f"{where}, {attribute.name}")
        elif attribute.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS):
            attributes[attribute.name] = attribute.g
        else:
            try:
                value = helper.get_attribute_value(attribute)
            except ValueError as fault:
                raise InputError(f"{where}: attribute {attribute.name!r} cannot be read") from fault
            attributes[attribute.name] = (
                value.decode("utf-8", "replace") if isinstance(value, bytes) else value
            )
    return attributes


class Data:
    """Where a model's weights come from: its folder (None: nothing lies beside it), what was read there.

    Counts weight bytes down and refuses the byte too many.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.files: dict[str, tuple[int, int]] = {}
        self.left = MAX_WEIGHT_BYTES

    def take(self, count: int, what: str) -> None:
        """Count so many bytes. InputError if they are too many."""
        self.left -= count
        if self.left < 0:
            raise InputError(f"{what} brings the weights above {MAX_WEIGHT_BYTES >> 30} GiB")


def read_tensor(proto: TensorProto, data: Data, what: str) -> Array:
    """The array of a tensor in the file, or in a file beside it.

    InputError if its bytes do not match its shape.
    """
    try:
        dtype = helper.tensor_dtype_to_np_dtype(proto.data_type)
    except (KeyError, ValueError, TypeError) as fault:
        raise InputError(f"{what} has an unknown element type {proto.data_type}") from fault
    shape = tuple(int(d) for d in proto.dims)
    if len(shape) > MAX_RANK or any(not 0 <= d <= MAX_DIMENSION for d in shape):
        raise InputError(
            f"{what} has the shape {list(shape)}; up to {MAX_RANK} axes of 0 to {MAX_DIMENSION} are taken"
        )
    elements = math.prod(shape)
    data.take(elements * dtype.itemsize, what)
    if proto.data_location == TensorProto.EXTERNAL:
        if dtype.hasobject:
            raise InputError(f"{what} keeps strings in external data: only numbers can lie there")
        return _external(proto, data, dtype, shape, what)
    try:
        array: Array = numpy_helper.to_array(proto)
    except Exception as fault:
        raise InputError(
            f"{what} does not hold the {elements} elements of its shape {list(shape)}"
        ) from fault
    return array


def _external(proto: TensorProto, data: Data, dtype: np.dtype[Any], shape: Shape, what: str) -> Array:
    size = -(-math.prod(shape) * _PACKED_BITS.get(proto.data_type, 8 * dtype.itemsize) // 8)
    entries = {e.key: e.value for e in proto.external_data}
    # protobuf gives bytes for what is no UTF-8, and no file's name holds a NUL.
    if not all(isinstance(word, str) and word.isprintable() for pair in entries.items() for word in pair):
        raise InputError(f"{what} keeps its data in a place whose name is no printable text")
    location, folder = entries.get("location", ""), data.folder
    path = Path(os.path.realpath(folder / location)) if folder is not None else Path()
    if not location or folder is None or not path.is_relative_to(folder):
        raise InputError(
            f"{what} keeps its data in {location!r}, outside the model's folder: "
            "move the data beside the model"
        )
    try:
        offset = int(entries.get("offset", "0"))
        length = int(entries.get("length", str(size)))
    except ValueError as fault:
        raise InputError(f"{what}: offset or length of its external data is no number") from fault
    try:
        held = path.stat()
        if length != size or offset < 0 or offset + size > held.st_size or not path.is_file():
            raise InputError(
                f"{what} needs {size} bytes at {offset} of {location!r}, which does not hold them"
            )
        data.files[str(path)] = held.st_size, held.st_mtime_ns
        if proto.data_type not in _PACKED_BITS:
            return np.fromfile(path, dtype, math.prod(shape), offset=offset).reshape(shape)
        raw = np.fromfile(path, np.uint8, size, offset=offset).tobytes()
        return numpy_helper.to_array(TensorProto(data_type=proto.data_type, dims=shape, raw_data=raw))
    except OSError as fault:
        raise InputError(f"{what}: cannot read its external data {location!r}: {fault.strerror}") from fault


def _made(model: Model) -> Iterator[tuple[str, str]]:
    for given in model.inputs:
        yield given.name, f"input {given.name!r}"
    for name in model.constants:
        yield name, f"weight {name!r}"


def _check_order(model: Model, path: Path) -> None:
    made: dict[str, str] = {"": "nothing"}
    for name, what in _made(model):
        if name in made:
            raise InputError(f"{path.name}: {what} has the name of {made[name]}")
        made[name] = what
    for node in model.nodes:
        for name in node.inputs:
            if name not in made:
                raise InputError(f"{path.name}: {node.where} uses {name!r} before anything makes it")
        for name in node.outputs:
            if name and name in made:
                raise InputError(f"{path.name}: {node.where} makes {name!r} again, after {made[name]}")
            if name:
                made[name] = node.where
    listed: set[str] = set()
    for name in model.outputs:
        if not name or name not in made:
            raise InputError(f"{path.name}: nothing makes its output {name!r}")
        if name in listed:
            raise InputError(f"{path.name} lists its output {name!r} twice: give each a name of its own")
        listed.add(name)
    if not model.outputs:
        raise InputError(f"{path.name} has no outputs")
