"""Files to items for magika's model and its outputs to labels, without the `magika` package's own runtime.

Only the package's data files are read: the model, its configuration and the table of content types. The
features are those that magika 1.0 documents: up to `beg_size` bytes from the start and `end_size` from the
end, each from a block of at most `block_size` bytes stripped of white space at its outer side, missing
bytes given as `padding_token`.
"""

import importlib.util
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from protocol.types.errors import InputError


@dataclass(frozen=True)
class MagikaConfig:
    """What turns bytes into features and scores into labels."""

    beg_size: int
    end_size: int
    block_size: int
    padding_token: int
    min_size: int
    threshold: float
    thresholds: dict[str, float]
    overwrite: dict[str, str]
    labels: tuple[str, ...]
    text_labels: frozenset[str]


@dataclass(frozen=True)
class Label:
    """A file's verdict: the final label, the model's own (None where it was not asked) and its score."""

    path: Path
    label: str
    model_label: str | None
    score: float


@dataclass(frozen=True)
class Batch:
    """Files split into those that the model decides and those that need no model.

    `features` is i32 of shape (items, 1, beg_size + end_size), one item for each of `paths`.
    """

    paths: tuple[Path, ...]
    features: np.ndarray
    settled: tuple[Label, ...]


def _package() -> Path:
    spec = importlib.util.find_spec("magika")
    if spec is None or spec.origin is None:
        raise InputError("magika's model is not installed: run `pip install magika` in the environment")
    return Path(spec.origin).parent


def _model_folder() -> Path:
    folders = sorted((_package() / "models").glob("standard_*"))
    if not folders:
        raise InputError("this magika package holds no standard model: install magika 1.0 or newer")
    return folders[-1]


def magika_onnx(cache: Path) -> tuple[Path, dict[str, tuple[int, ...]]]:
    """Put magika's ONNX file into `cache` unless it is there; its path and the shapes to pin."""
    source = _model_folder()
    path = cache / f"magika-{source.name}.onnx"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        shutil.copyfile(source / "model.onnx", part)
        part.replace(path)
    config = load_config()
    return path, {"bytes": (1, config.beg_size + config.end_size)}


def load_config() -> MagikaConfig:
    """The installed model's configuration. InputError if it wants features that are not made here."""
    raw: dict[str, Any] = json.loads((_model_folder() / "config.min.json").read_text(encoding="utf-8"))
    if raw["mid_size"] or raw["use_inputs_at_offsets"]:
        raise InputError("this magika model wants features from the middle of files: use magika 1.0")
    types = json.loads((_package() / "config" / "content_types_kb.min.json").read_text(encoding="utf-8"))
    return MagikaConfig(
        beg_size=raw["beg_size"],
        end_size=raw["end_size"],
        block_size=raw["block_size"],
        padding_token=raw["padding_token"],
        min_size=raw["min_file_size_for_dl"],
        threshold=raw["medium_confidence_threshold"],
        thresholds=raw["thresholds"],
        overwrite=raw["overwrite_map"],
        labels=tuple(raw["target_labels_space"]),
        text_labels=frozenset(name for name, info in types.items() if info["is_text"]),
    )


def features_of(path: Path, config: MagikaConfig) -> list[int] | str:
    """The model's input for one file, or the label of a file too short to need the model."""
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        block = min(config.block_size, size)
        stream.seek(0)
        head = stream.read(block)
        stream.seek(size - block)
        tail = stream.read(block)
    if size == 0:
        return "empty"
    start = head.lstrip()[: config.beg_size]
    if size < config.min_size or len(start) < config.min_size:
        return _label_of_few(head)
    end = tail.rstrip()[-config.end_size :]
    gap_after = [config.padding_token] * (config.beg_size - len(start))
    gap_before = [config.padding_token] * (config.end_size - len(end))
    return [*start, *gap_after, *gap_before, *end]


def _label_of_few(content: bytes) -> str:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return "unknown"
    return "txt"


def files_under(folder: Path) -> list[Path]:
    """Every readable regular file under a folder, sorted. InputError if it is no folder or holds none."""
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder: name one whose files are to be classified")
    found = sorted(path for path in _walk(folder) if path.is_file() and os.access(path, os.R_OK))
    if not found:
        raise InputError(f"{folder} holds no readable file: nothing to classify")
    return found


def _walk(folder: Path) -> Iterator[Path]:
    for root, _, names in os.walk(folder):
        for name in names:
            path = Path(root) / name
            if not path.is_symlink():
                yield path


def prepare(paths: Iterable[Path], config: MagikaConfig | None = None) -> Batch:
    """Split files into model items and settled ones.

    At the network the batch's `features` are input `bytes`.
    """
    config = config or load_config()
    asked: list[Path] = []
    rows: list[list[int]] = []
    settled: list[Label] = []
    for path in paths:
        found = features_of(path, config)
        if isinstance(found, str):
            settled.append(Label(path, found, None, 1.0))
        else:
            asked.append(path)
            rows.append(found)
    width = config.beg_size + config.end_size
    features = np.array(rows, np.int32).reshape(len(rows), 1, width)
    return Batch(tuple(asked), features, tuple(settled))


def label_of(path: Path, scores: np.ndarray, config: MagikaConfig) -> Label:
    """The verdict for one output of the model, shape (1, labels): its best label, if sure enough."""
    row = scores.reshape(-1)
    best = int(np.argmax(row))
    score = float(row[best])
    model_label = config.labels[best]
    label = config.overwrite.get(model_label, model_label)
    if score < config.thresholds.get(model_label, config.threshold):
        label = "txt" if label in config.text_labels else "unknown"
    return Label(path, label, model_label, score)


def decode(batch: Batch, outputs: np.ndarray, config: MagikaConfig | None = None) -> list[Label]:
    """All verdicts of a batch in the order of paths.

    `outputs` has one row (1, labels) for each asked file.
    """
    config = config or load_config()
    if len(outputs) != len(batch.paths):
        raise InputError(f"{len(outputs)} outputs for {len(batch.paths)} files: these do not belong together")
    verdicts = [label_of(path, row, config) for path, row in zip(batch.paths, outputs, strict=True)]
    return sorted([*verdicts, *batch.settled], key=lambda verdict: verdict.path)
