"""What a format is, and which there are. Formats are imported when they are asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from protocol.types import InputError

_FORMATS = {
    "raw": "client_sdk.formats.raw",
    "magika": "client_sdk.formats.magika",
    "minilm": "client_sdk.formats.minilm",
}


@dataclass(frozen=True)
class Prepared:
    """Inputs ready for a tape: array name to an array of shape (items, *shape of one item).

    `notes` is what decoding will need, in plain JSON values (names of files, lines of text); it stays with
    the client.
    """

    arrays: Mapping[str, Any]
    notes: Mapping[str, Any]


class Format(Protocol):
    """A named preparation of inputs and decoding of outputs. Functions may be slow; callers use threads."""

    options: Mapping[str, type]
    """Names and types of what `inputs.options` in a job file may set."""

    def model(self, cache: Path) -> tuple[Path, dict[str, tuple[int, ...]]] | None:
        """Return the ONNX file that this format belongs to, with the shapes to pin; None if it has none."""

    def prepare(self, source: Path, options: Mapping[str, Any]) -> Prepared:
        """Return the arrays and notes for what lies at `source`. `InputError` says what is wrong with it."""

    def decode(self, notes: Mapping[str, Any], outputs: Mapping[str, Any], folder: Path) -> tuple[Path, str]:
        """Write `outputs` (name to array, item first) into `folder`; return the main file and a summary."""


def format_names() -> tuple[str, ...]:
    """Return the names that a job file can give."""
    return tuple(_FORMATS)


def find_format(name: str, where: str = "") -> Format:
    """Return the format called `name`; `InputError` lists those that exist, and names `where` it stands."""
    if name not in _FORMATS:
        said = f"format {name!r} is unknown"
        raise InputError(f"{where}: {said}" if where else said, f"known are: {', '.join(_FORMATS)}")
    found: Format = import_module(_FORMATS[name]).FORMAT
    return found
