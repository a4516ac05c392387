"""Lines of text to sentence embeddings, with MiniLM-L6-v2."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from client_sdk.formats.format import Format, Prepared
from protocol.types import InputError


class MiniLm:
    """A text file in; `embeddings.npz` and the nearest lines of each line out."""

    options: Mapping[str, type] = {"limit": int}
    """`limit`: at most so many lines."""

    def model(self, cache: Path) -> tuple[Path, dict[str, tuple[int, ...]]]:
        """Build MiniLM's ONNX graph from the installed weights."""
        from client_sdk.formats.minilm_model import minilm_onnx

        return minilm_onnx(cache)

    def prepare(self, source: Path, options: Mapping[str, Any]) -> Prepared:
        """Return `input_ids` and `attention_mask`, one item a line."""
        from client_sdk.formats.minilm_text import items_of, lines_of

        lines = lines_of(source)[: options.get("limit", 0) or None]
        return Prepared(items_of(lines), {"source": str(source), "lines": lines})

    def decode(self, notes: Mapping[str, Any], outputs: Mapping[str, Any], folder: Path) -> tuple[Path, str]:
        """Write `embeddings.npz` and `nearest.jsonl`."""
        import numpy as np

        from client_sdk.formats.minilm_text import nearest

        lines, (table,) = notes["lines"], outputs.values()
        if len(table) != len(lines):
            raise InputError(f"{len(table)} outputs do not belong to {len(lines)} lines")
        np.savez(folder / "embeddings.npz", embedding=table)
        path = folder / "nearest.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for index, line in enumerate(lines):
                like = [
                    {"likeness": round(score, 6), "line": other}
                    for score, other in nearest(lines, table, index)
                ]
                file.write(json.dumps({"line": line, "nearest": like}) + "\n")
        return path, f"{len(lines)} lines embedded in {table.shape[-1]} dimensions"


FORMAT: Format = MiniLm()
