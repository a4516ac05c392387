"""The two real models, from their packages to verdicts and embeddings, through the worker's operations."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from client_sdk.formats.minilm_model import HEAD, HEADS, load_weights
from protocol.engines.worker import arrays, jobs
from protocol.engines.worker.interface import LowerArgs, PackArgs, RunArgs, UnpackArgs
from protocol.engines.worker.operations import lower_model
from scripts.models import magika_io, magika_onnx, minilm_io, minilm_onnx

pytestmark = pytest.mark.xdist_group("models")


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("models")


class Runner:
    """Lowers a model once and runs items through it."""

    def __init__(self, cache: Path, onnx_path: Path, shapes: dict[str, tuple[int, ...]]) -> None:
        self.folder = cache
        self.program = str(cache / f"{onnx_path.stem}.program")
        self.info = lower_model(LowerArgs(str(onnx_path), self.program, shapes))

    def run(self, items: dict[str, np.ndarray[Any, Any]], output: str) -> np.ndarray[Any, Any]:
        paths = {name: str(self.folder / f"{output}.{name}") for name in ("in.npz", "in", "out", "npz")}
        np.savez(paths["in.npz"], **items)
        count = arrays.pack(PackArgs(self.program, paths["in.npz"], paths["in"])).item_count
        jobs.run(RunArgs(self.program, paths["in"], paths["out"], count), lambda _: None)
        arrays.unpack(UnpackArgs(self.program, paths["out"], paths["npz"]))
        found: np.ndarray[Any, Any] = np.load(paths["npz"])[output]
        return found


def odd_files(folder: Path) -> None:
    """The cases that need no model, and white space around what little there is."""
    contents = {
        "empty": b"",
        "few": b"abc",
        "few.bin": b"\xff\xfe\x01",
        "blank": b" " * 300 + b"ab",
        "far.sh": b"\n" * 3000 + b"#!/bin/bash\nset -eu\necho hello\n" + b"\n" * 3000,
        "short.py": b"import os\nprint(os.getcwd())\n",
        "noise": bytes(np.random.default_rng(5).integers(0, 256, 5000, dtype=np.uint8)),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def test_magika_says_what_its_own_package_says(cache, tmp_path):
    """Same label for every file: odd ones, and one of each suffix in this project."""
    from magika import Magika

    odd_files(tmp_path)
    root = Path(__file__).parents[2]
    tracked = (
        p for part in ("protocol", "scripts", "docs") for p in (root / part).rglob("*.*") if p.is_file()
    )
    by_suffix = {path.suffix: path for path in sorted(tracked) if path.suffix not in (".pyc", ".so")}
    files = [*magika_io.files_under(tmp_path), *by_suffix.values()]
    batch = magika_io.prepare(files)
    assert len(batch.settled) >= 4
    assert len(batch.paths) >= 6
    runner = Runner(cache, *magika_onnx(cache))
    verdicts = {
        v.path: v for v in magika_io.decode(batch, runner.run({"bytes": batch.features}, "target_label"))
    }
    theirs = Magika()
    for path in files:
        wanted = theirs.identify_path(path)
        assert verdicts[path].label == wanted.output.label, path
        # Of very short files the model computes a variance that cancels: f32 knows such a score to some 5e-3.
        assert verdicts[path].score == pytest.approx(wanted.score, abs=1e-2)


LINES = [
    "The cat sat on the mat.",
    "A feline was resting on a rug.",
    "Quarterly revenue rose by three percent against all expectations of the analysts.",
]


def bert(ids: np.ndarray[Any, Any], mask: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """MiniLM in binary64, written down a second time from the model card."""
    w = {name: value.astype(np.float64) for name, value in load_weights().items()}
    erf = np.vectorize(math.erf)

    def dense(x, path):
        return x @ w[f"{path}.weight"].T + w[f"{path}.bias"]

    def norm(x, path):
        away = x - x.mean(-1, keepdims=True)
        scale = np.sqrt((away**2).mean(-1, keepdims=True) + 1e-12)
        return away / scale * w[f"{path}.weight"] + w[f"{path}.bias"]

    x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.token_type_embeddings.weight"][0]
    x = norm(x + w["embeddings.position_embeddings.weight"][: len(ids)], "embeddings.LayerNorm")
    for layer in range(6):
        path = f"encoder.layer.{layer}"
        query, key, value = (
            dense(x, f"{path}.attention.self.{name}").reshape(-1, HEADS, HEAD).transpose(1, 0, 2)
            for name in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1) / math.sqrt(HEAD) + (1 - mask) * -1e30
        raised = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (raised / raised.sum(-1, keepdims=True) @ value).transpose(1, 0, 2).reshape(len(ids), -1)
        attended = dense(mixed, f"{path}.attention.output.dense") + x
        attended = norm(attended, f"{path}.attention.output.LayerNorm")
        inner = dense(attended, f"{path}.intermediate.dense")
        inner = 0.5 * inner * (1 + erf(inner / math.sqrt(2)))
        x = norm(dense(inner, f"{path}.output.dense") + attended, f"{path}.output.LayerNorm")
    mean = (x * mask[:, None]).sum(0) / mask.sum()
    return mean / np.linalg.norm(mean)


def test_minilm_embeds_as_binary64_does(cache):
    items = minilm_io.items_of(LINES, tokens=32)
    runner = Runner(cache, *minilm_onnx(cache, tokens=32))
    assert [i.name for i in runner.info.inputs] == ["input_ids", "attention_mask"]
    found = runner.run(items, "embedding")[:, 0]
    for index in range(len(LINES)):
        wanted = bert(items["input_ids"][index, 0], items["attention_mask"][index, 0])
        assert np.abs(found[index] - wanted).max() < 1e-6
    likest = minilm_io.nearest(LINES, found, 0, count=1)
    assert likest[0][1] == LINES[1]


def test_padding_does_not_change_an_embedding(cache):
    short = Runner(cache, *minilm_onnx(cache, tokens=32)).run(minilm_io.items_of(LINES[:1], 32), "embedding")
    long = Runner(cache, *minilm_onnx(cache, tokens=64)).run(minilm_io.items_of(LINES[:1], 64), "embedding")
    np.testing.assert_allclose(short, long, atol=2e-6)


def test_whole_minilm_is_as_dense_in_nodes_as_planned(cache):
    """128 tokens: 1.43e9 multiply-adds and 22.6M parameters, and views instead of copies."""
    info = Runner(cache, *minilm_onnx(cache)).info
    assert 1.42e9 < info.fmas < 1.46e9
    assert info.constants_bytes < 92e6
    assert info.nodes < 300
    assert info.moved < 16e6  # half of it beside what is copied: calls, rows and runs
