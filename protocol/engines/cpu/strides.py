"""Merging axes: the fewer a kernel walks, the longer its runs."""

from protocol.tape.dtypes import Shape
from protocol.tape.nodes import Affine

Strides = tuple[int, ...]


def merge(shape: Shape, *vectors: Strides) -> tuple[Shape, list[Strides]]:
    """Drop axes of length 1 and fuse neighbours that every vector walks as one. At least one axis remains."""
    extents: list[int] = []
    kept: list[list[int]] = [[] for _ in vectors]
    for axis, extent in enumerate(shape):
        if extent == 1:
            continue
        steps = [vector[axis] for vector in vectors]
        fuse = bool(extents) and all(
            last[-1] == step * extent for last, step in zip(kept, steps, strict=True)
        )
        if fuse:
            extents[-1] *= extent
        else:
            extents.append(extent)
        for last, step in zip(kept, steps, strict=True):
            if fuse:
                last[-1] = step
            else:
                last.append(step)
    if not extents:
        return (1,), [(0,) for _ in vectors]
    return tuple(extents), [tuple(last) for last in kept]


def scaled(at: Affine, by: int) -> Affine:
    """The form times a number: rows to elements."""
    return Affine(at.offset * by, tuple(coef * by for coef in at.coefs))


def span(shape: Shape, at: Affine) -> tuple[int, int]:
    """The least and greatest value of the form over a non-empty shape."""
    ends = [coef * (extent - 1) for coef, extent in zip(at.coefs, shape, strict=True)]
    return at.offset + sum(min(0, end) for end in ends), at.offset + sum(max(0, end) for end in ends)
