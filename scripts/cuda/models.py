"""The two real models as files that travel lightly: structure and small constants; large weights from a seed.

Bits are compared, not answers, and random weights of the right size cost a device what the real ones do.
"""

import gzip
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocol.tape import F32, Constant, Tape
from protocol.tape.encoding import decode, encode

KEPT = 4096  # bytes of a constant that stays as it is: scales, masks, biases
NAMES = ("magika", "minilm")
Array = NDArray[Any]


def prepare(folder: Path) -> None:
    """Lower both models and write `<name>.tape.gz` for each."""
    from client_sdk.formats.magika_features import magika_onnx
    from client_sdk.formats.minilm_model import minilm_onnx
    from protocol.engines.onnx import lower, read_model

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as cache:
        for name, made in zip(NAMES, (magika_onnx, minilm_onnx), strict=True):
            path, shapes = made(Path(cache))
            tape, _ = lower(read_model(path), shapes)
            (folder / f"{name}.tape.gz").write_bytes(gzip.compress(encode(_emptied(tape)), mtime=0))


def load(folder: Path) -> dict[str, Tape]:
    """The models that lie in the folder."""
    found = {name: folder / f"{name}.tape.gz" for name in NAMES}
    return {
        name: _filled(decode(gzip.decompress(path.read_bytes())))
        for name, path in found.items()
        if path.exists()
    }


def item(tape: Tape) -> list[Array]:
    """Numbers that either model takes for tokens or bytes first, then ones: masks, and types of tokens."""
    draw = np.random.default_rng(1)
    first, *others = tape.inputs
    ones = [np.ones(kind.shape, kind.dtype.numpy) for kind in others]
    return [draw.integers(0, 200, first.shape).astype(first.dtype.numpy), *ones]


def _emptied(tape: Tape) -> Tape:
    constants = [
        constant if constant.type.nbytes <= KEPT else Constant(constant.type, bytes(constant.type.nbytes))
        for constant in tape.constants
    ]
    return replace(tape, constants=tuple(constants))


def _filled(tape: Tape) -> Tape:
    """Whole numbers times a power of two, which every numpy makes alike."""
    constants = []
    for number, constant in enumerate(tape.constants):
        if constant.type.nbytes <= KEPT or constant.type.dtype is not F32:
            constants.append(constant)
            continue
        draw = np.random.default_rng(number)
        whole = draw.integers(-(1 << 15), 1 << 15, constant.type.elements, dtype=np.int32)
        scale = np.float32(2.0 ** -(15 + (constant.type.columns.bit_length() // 2)))
        constants.append(Constant(constant.type, (whole.astype("<f4") * scale).tobytes()))
    return replace(tape, constants=tuple(constants))
