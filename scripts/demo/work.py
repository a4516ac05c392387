"""What the demo has computed, and how its answers are checked against somebody else's."""

import json
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from scripts.demo.processes import DemoError

FILES = 1200
"""About 4 ms each on one thread of a machine of 2024: the stream spans five blocks of a second and more."""
FEW = 24
WINDOW = 900
"""Seconds. It holds the lease, demands and an audit (RULES 14); the demo makes its blocks at once."""


@dataclass(frozen=True)
class Work:
    """A job file's content and a sentence about it."""

    job: dict[str, object]
    about: str


def classify(folder: Path | None) -> Work:
    """Return the job that classifies the files of a folder (default: this environment's own packages)."""
    source = folder or Path(sysconfig.get_paths()["purelib"])
    job = _job("classify a folder", "magika", source, window=WINDOW)
    inputs = job["inputs"]
    assert isinstance(inputs, dict)
    if folder is None:
        inputs["options"] = {"limit": FILES}
    return Work(job, f"magika's model says what kind of file each file of {source.name} is")


def few() -> Work:
    """Return a small job of the same kind, for the provider that lies."""
    job = _job("classify a few files", "magika", Path(sysconfig.get_paths()["purelib"]), window=WINDOW)
    inputs = job["inputs"]
    assert isinstance(inputs, dict)
    inputs["options"] = {"limit": FEW}
    return Work(job, f"magika's model again, over {FEW} files")


def embed(text: Path) -> Work:
    """Return the job that embeds a text's sentences with MiniLM."""
    return Work(_job("embed a text", "minilm", text, window=WINDOW), "MiniLM-L6-v2 embeds a text")


def _job(title: str, name: str, source: Path, window: int) -> dict[str, object]:
    return {
        "kind": "tape",
        "title": title,
        "model": f"package:{name}",
        "inputs": {"path": str(source.resolve()), "format": name},
        "limits": {"time": "10 min", "window": f"{window} s", "auction": "2 s"},
    }


def magika_agrees(labels: Path) -> str:
    """Compare the market's labels with what the `magika` package says itself; `DemoError` if any differs."""
    from magika import Magika

    rows = [json.loads(line) for line in labels.read_text().splitlines()]
    theirs = Magika().identify_paths([Path(row["path"]) for row in rows])
    wrong = list(_differences(rows, [str(each.output.label) for each in theirs]))
    if wrong:
        raise DemoError(f"{len(wrong)} of {len(rows)} labels differ from magika's own, first: {wrong[0]}")
    return f"all {len(rows)} labels equal what the magika package says for those files"


def _differences(rows: list[dict[str, object]], theirs: Iterable[str]) -> Iterable[str]:
    for row, label in zip(rows, theirs, strict=True):
        if row["label"] != label:
            yield f"{row['path']}: {row['label']}, magika says {label}"
