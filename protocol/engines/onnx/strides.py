"""Arithmetic of shapes and strides."""

from collections.abc import Sequence

import numpy as np

from protocol.tape.dtypes import Shape, row_major
from protocol.types.errors import InputError


def is_contiguous(shape: Shape, strides: Sequence[int]) -> bool:
    """Whether the strides are those of a contiguous tensor, axes of one element aside."""
    return all(
        size == 1 or stride == natural
        for size, stride, natural in zip(shape, strides, row_major(shape), strict=True)
    )


def broadcast_shapes(*shapes: Shape) -> Shape:
    """ONNX's multidirectional broadcast. InputError if the shapes do not fit."""
    try:
        return tuple(int(d) for d in np.broadcast_shapes(*shapes))
    except ValueError as fault:
        listed = ", ".join(str(list(s)) for s in shapes)
        raise InputError(f"shapes {listed} do not broadcast") from fault


def reshape_strides(shape: Shape, strides: Sequence[int], new: Shape) -> tuple[int, ...] | None:
    """Strides of the same elements in another shape, or None where only a copy can do it."""
    if 0 in shape:
        return row_major(new)  # no element is read, so any strides are right
    old = [(size, stride) for size, stride in zip(shape, strides, strict=True) if size != 1]
    result = [0] * len(new)
    i = 0
    wanted = [(axis, size) for axis, size in enumerate(new) if size != 1]
    j = 0
    while i < len(old) and j < len(wanted):
        i_end, j_end = i + 1, j + 1
        have, want = old[i][0], wanted[j][1]
        while have != want:
            if have < want:
                if i_end == len(old):
                    return None
                have *= old[i_end][0]
                i_end += 1
            else:
                if j_end == len(wanted):
                    return None
                want *= wanted[j_end][1]
                j_end += 1
        for a in range(i, i_end - 1):
            if old[a][1] != old[a + 1][0] * old[a + 1][1]:
                return None
        step = old[i_end - 1][1]
        for b in range(j_end - 1, j - 1, -1):
            result[wanted[b][0]] = step
            step *= wanted[b][1]
        i, j = i_end, j_end
    return tuple(result)
