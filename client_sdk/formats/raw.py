"""Arrays as they are: an .npz named as the program's inputs, or an .npy for a program with one input."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from client_sdk.formats.format import Format, Prepared
from protocol.types import InputError

ONLY_INPUT = ""
"""Stands for the name of a program's single input, which an .npy does not say."""


class Raw:
    """See the module's text."""

    options: Mapping[str, type] = {}

    def model(self, cache: Path) -> None:  # noqa: ARG002 - the protocol's signature
        """Return None: any model will do."""
        return

    def prepare(self, source: Path, options: Mapping[str, Any]) -> Prepared:  # noqa: ARG002
        """Read the arrays; the first axis of each is the item."""
        import numpy as np

        try:
            # Pickles run code when they are read: never from a file that somebody sent.
            loaded = np.load(source, allow_pickle=False)
            arrays = {ONLY_INPUT: loaded} if isinstance(loaded, np.ndarray) else dict(loaded.items())
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{source} is no .npy or .npz file of plain arrays: {error}") from error
        counts = {array.shape[0] if array.ndim else 0 for array in arrays.values()}
        if len(counts) != 1 or counts == {0}:
            raise InputError(
                f"{source}: all arrays need the same number of items, 1 or more, in their first axis"
            )
        return Prepared(arrays, {})

    def decode(self, notes: Mapping[str, Any], outputs: Mapping[str, Any], folder: Path) -> tuple[Path, str]:  # noqa: ARG002
        """Write `outputs.npz`."""
        import numpy as np

        path = folder / "outputs.npz"
        np.savez(path, **outputs)
        shapes = ", ".join(f"{name} {array.dtype}{list(array.shape)}" for name, array in outputs.items())
        return path, shapes


FORMAT: Format = Raw()
