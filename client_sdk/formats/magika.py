"""A folder of files to content types, with the model inside the `magika` package."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from client_sdk.formats.format import Format, Prepared
from protocol.types import InputError


class Magika:
    """Files in, one JSON line per file out: path, label, score."""

    options: Mapping[str, type] = {"limit": int}
    """`limit`: at most so many files."""

    def model(self, cache: Path) -> tuple[Path, dict[str, tuple[int, ...]]]:
        """Return magika's ONNX file."""
        from client_sdk.formats.magika_features import magika_onnx

        return magika_onnx(cache)

    def prepare(self, source: Path, options: Mapping[str, Any]) -> Prepared:
        """Return input `bytes`, one item a file that the model has to decide."""
        from client_sdk.formats.magika_features import files_under, prepare

        files = files_under(source)[: options.get("limit", 0) or None]
        batch = prepare(files)
        if not batch.paths:
            raise InputError(f"no file under {source} needs the model: all are empty or too short")
        notes = {
            "source": str(source),
            "paths": [str(path) for path in batch.paths],
            "settled": [[str(each.path), each.label, each.score] for each in batch.settled],
        }
        return Prepared({"bytes": batch.features}, notes)

    def decode(self, notes: Mapping[str, Any], outputs: Mapping[str, Any], folder: Path) -> tuple[Path, str]:
        """Write `labels.jsonl`, sorted by path."""
        from client_sdk.formats.magika_features import label_of, load_config

        (scores,) = outputs.values()
        names = notes["paths"]
        if len(scores) != len(names):
            raise InputError(f"{len(scores)} outputs do not belong to {len(names)} files")
        config = load_config()
        found = [label_of(Path(name), row, config) for name, row in zip(names, scores, strict=True)]
        rows = [(str(each.path), each.label, each.score) for each in found]
        rows += [(path, label, score) for path, label, score in notes["settled"]]
        path = folder / "labels.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for name, label, score in sorted(rows):
                file.write(json.dumps({"path": name, "label": label, "score": round(score, 6)}) + "\n")
        common = Counter(label for _, label, _ in rows).most_common(5)
        return path, f"{len(rows)} files: " + ", ".join(f"{count} {label}" for label, count in common)


FORMAT: Format = Magika()
