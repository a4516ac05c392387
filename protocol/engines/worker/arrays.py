"""Between `.npz` files and item files."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocol.engines.worker.hashing import HASHER
from protocol.engines.worker.interface import PackArgs, PackResult, TensorInfo, UnpackArgs, UnpackResult
from protocol.engines.worker.items import ItemFile
from protocol.engines.worker.programs import load_program
from protocol.tape import F32, TensorType
from protocol.tape.dtypes import CANONICAL_NAN
from protocol.tape.encoding import Items, join_item
from protocol.tape.limits import MAX_ITEMS
from protocol.tape.roots import item_root, items_root
from protocol.types.errors import InputError

Array = NDArray[Any]


def pack(args: PackArgs) -> PackResult:
    """Make an input artifact from arrays."""
    program = load_program(Path(args.program_path))
    held = _load(Path(args.arrays_path))
    types = program.tape.inputs
    arrays = [_matched(held, name, kind) for name, kind in zip(program.inputs, types, strict=True)]
    extra = sorted(set(held) - set(program.inputs))
    if extra:
        raise InputError(f"the program has no input {extra[0]!r}; it has {', '.join(program.inputs)}")
    counts = {len(array) for array in arrays}
    if len(counts) != 1 or not 1 <= min(counts) <= MAX_ITEMS:
        raise InputError(f"the arrays must hold one number of items, 1 to {MAX_ITEMS}, not {sorted(counts)}")
    items = Items(types, counts.pop())
    out = Path(args.out_path)
    part = out.with_name(out.name + ".part")
    roots = bytearray()
    with part.open("wb") as file:
        file.write(items.head)
        for index in range(items.count):
            item = [array[index] for array in arrays]
            file.write(join_item(types, item))
            roots += item_root(types, item, HASHER)
    part.replace(out)
    return PackResult(bytes(items_root(roots, HASHER)), items.count, items.size)


def _load(path: Path) -> dict[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as held:
            return {name: held[name] for name in held.files}
    except FileNotFoundError as fault:
        raise InputError(f"there is no file {path}") from fault
    except (ValueError, zipfile.BadZipFile, OSError, AttributeError, KeyError, EOFError) as fault:
        raise InputError(f"{path.name} is no .npz of plain arrays: {fault}") from fault


def _matched(held: dict[str, Array], name: str, kind: TensorType) -> Array:
    array = held.get(name)
    if array is None:
        raise InputError(f"there is no array for input {name!r}; the file has {', '.join(held) or 'none'}")
    if array.shape[1:] != kind.shape:
        raise InputError(
            f"array {name!r} is {list(array.shape)}; it must be [items, {str(list(kind.shape))[1:]}"
        )
    if kind.dtype is F32:
        if array.dtype.kind != "f":
            raise InputError(f"array {name!r} is {array.dtype}; its input takes f32")
        return _canonical(np.ascontiguousarray(array, dtype="<f4"))
    if array.dtype.kind not in "iub":
        raise InputError(f"array {name!r} is {array.dtype}; its input takes {kind.dtype.name.lower()}")
    wide = array.astype(np.uint8) if array.dtype.kind == "b" else array
    low, high = (int(wide.min()), int(wide.max())) if wide.size else (0, 0)
    bound = 1 << (8 * kind.dtype.width - 1)
    if low < -bound or high >= bound:
        raise InputError(
            f"array {name!r} holds {low if low < -bound else high}: no {kind.dtype.name.lower()}"
        )
    return np.ascontiguousarray(wide, dtype=kind.dtype.numpy)


def _canonical(array: Array) -> Array:
    words = array.view("<u4")
    if np.isnan(array).any():
        words = np.where(np.isnan(array), np.uint32(CANONICAL_NAN), words)
    return words.view("<f4")


def unpack(args: UnpackArgs) -> UnpackResult:
    """Write the items of a file as arrays with the item axis first."""
    program = load_program(Path(args.program_path))
    inputs = args.side == "inputs"
    types = program.tape.inputs if inputs else program.tape.output_types
    names = program.inputs if inputs else program.outputs
    file = ItemFile(Path(args.items_path))
    file.expect(types, args.side)
    arrays = {
        name: np.empty((len(file), *kind.shape), kind.dtype.numpy)
        for name, kind in zip(names, types, strict=True)
    }
    for index in range(len(file)):
        for name, array in zip(names, file[index], strict=True):
            arrays[name][index] = array
    out = Path(args.arrays_path)
    part = out.with_name(out.name + ".part")
    with part.open("wb") as sink:
        np.savez(sink, allow_pickle=False, **arrays)
    part.replace(out)
    info = [TensorInfo(n, k.dtype.name.lower(), k.shape) for n, k in zip(names, types, strict=True)]
    return UnpackResult(len(file), tuple(info))
