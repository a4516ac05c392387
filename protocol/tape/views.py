"""Everyday MOVEs: reshape, transpose, slice, pad, expand, im2col."""

import math
from collections.abc import Sequence

from protocol.tape.builder import TapeBuilder
from protocol.tape.dtypes import Shape
from protocol.tape.nodes import Affine
from protocol.tape.refs import Ref
from protocol.types.errors import InputError


def unit(rank: int, axis: int, step: int = 1, offset: int = 0) -> Affine:
    """The affine form offset + step * coordinate `axis`, of `rank` coordinates."""
    return Affine(offset, tuple(step if i == axis else 0 for i in range(rank)))


def reshape(b: TapeBuilder, source: Ref, shape: Shape, name: str = "") -> Ref:
    """The same elements in row-major order under another shape. Engines copy nothing for it."""
    if math.prod(shape) != source.type.elements:
        raise InputError(f"cannot reshape {source.shape} to {shape}")
    if tuple(shape) == source.shape:
        return source
    rank = len(shape)
    return b.move(source, shape, shape, [unit(rank, i) for i in range(rank)], name=name)


def transpose(b: TapeBuilder, source: Ref, axes: Sequence[int], name: str = "") -> Ref:
    """Axis i of the output is axis axes[i] of the source."""
    rank = len(source.shape)
    if sorted(axes) != list(range(rank)):
        raise InputError(f"{list(axes)} is no permutation of {rank} axes")
    where = {axis: i for i, axis in enumerate(axes)}
    shape = tuple(source.shape[axis] for axis in axes)
    return b.move(source, shape, source.shape, [unit(rank, where[i]) for i in range(rank)], name=name)


def strided_slice(
    b: TapeBuilder,
    source: Ref,
    starts: Sequence[int],
    shape: Shape,
    *,
    steps: Sequence[int] | None = None,
    fill: float = 0,
    name: str = "",
) -> Ref:
    """out[c] = source[starts + steps * c], the fill outside: slices, reversals, crops and pads in one."""
    rank = len(source.shape)
    by = steps or [1] * rank
    if not len(starts) == len(by) == len(shape) == rank:
        raise InputError(f"a slice of {source.shape} needs {rank} starts, steps and sizes")
    axes = [unit(rank, i, by[i], starts[i]) for i in range(rank)]
    return b.move(source, shape, source.shape, axes, fill=fill, name=name)


def pad(
    b: TapeBuilder,
    source: Ref,
    before: Sequence[int],
    after: Sequence[int],
    *,
    fill: float = 0,
    name: str = "",
) -> Ref:
    """Fill values around the source; negative numbers crop."""
    if not len(before) == len(after) == len(source.shape):
        raise InputError(f"a pad of {source.shape} needs {len(source.shape)} sizes before and after")
    shape = tuple(low + size + high for low, size, high in zip(before, source.shape, after, strict=True))
    return strided_slice(b, source, [-low for low in before], shape, fill=fill, name=name)


def expand(b: TapeBuilder, source: Ref, shape: Shape, name: str = "") -> Ref:
    """Broadcast to `shape` by numpy's rule. MAP and matmul broadcast by themselves: seldom needed."""
    lead = len(shape) - len(source.shape)
    if lead < 0 or any(s not in (1, w) for s, w in zip(source.shape, shape[lead:], strict=True)):
        raise InputError(f"{source.shape} does not broadcast to {shape}")
    rank = len(shape)
    axes = [unit(rank, lead + i, int(size != 1)) for i, size in enumerate(source.shape)]
    return b.move(source, shape, source.shape, axes, name=name)


def im2col(
    b: TapeBuilder,
    source: Ref,
    *,
    kernel: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    output: Sequence[int],
    groups: int = 1,
    fill: float = 0,
    name: str = "",
) -> Ref:
    """Windows of source (N, C, *space) as (N, groups, prod(output), C / groups * prod(kernel)).

    `pads` are those before each spatial axis. CONTRACT the last axis with weights (groups, M,
    C/groups*prod(kernel)).
    """
    n, channels, *space = source.shape
    d = len(space)
    if not len(kernel) == len(strides) == len(pads) == len(dilations) == len(output) == d:
        raise InputError(f"windows over {source.shape} need {d} sizes each")
    per = channels // groups
    grid = (n, groups, *output, per, *kernel)
    view = (n, groups, per, *space)
    rank = len(grid)
    axes = [unit(rank, 0), unit(rank, 1), unit(rank, 2 + d)]
    for i in range(d):
        coefs = [0] * rank
        coefs[2 + i] = strides[i]
        coefs[3 + d + i] = dilations[i]
        axes.append(Affine(-pads[i], tuple(coefs)))
    shape = (n, groups, math.prod(output), per * math.prod(kernel))
    return b.move(source, shape, view, axes, fill=fill, grid=grid, name=name)
