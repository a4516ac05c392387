"""Conv and ConvTranspose: a MOVE (im2col) and a CONTRACT.

Shape rule: (N, C, *spatial) by (M, C / groups, *kernel) gives (N, M, *out) with the windows' usual
arithmetic.
"""

import math

import numpy as np

from protocol.engines.onnx.operators.arithmetic import binary
from protocol.engines.onnx.operators.context import Context, operator
from protocol.engines.onnx.operators.matmul import centred
from protocol.engines.onnx.operators.slicing import pad_constant
from protocol.engines.onnx.operators.windows import Windows, gather_windows, windows_of
from protocol.engines.onnx.tensors import Tensor


def channels_are_last(x: Tensor) -> bool:
    """Whether neighbours in memory are neighbours in channel, so that a run of channels is one copy."""
    return x.view is not None and x.shape[1] > 1 and abs(x.view.strides[1]) == 1


def convolve(ctx: Context, x: Tensor, weight: Tensor, windows: Windows, groups: int) -> Tensor:
    """The convolution itself, any number of spatial axes."""
    n, m = x.shape[0], weight.shape[0]
    inner = weight.shape[1] * math.prod(windows.kernel)
    points = math.prod(windows.out)
    last = channels_are_last(x)
    cols = gather_windows(ctx, x, windows, groups=groups, channels_last=last)
    cols = ctx.graph.reshape(cols, (n, groups, points, inner))
    if last:
        weight = ctx.graph.transpose(weight, [0, *range(2, weight.rank), 1])
    rows = ctx.graph.reshape(weight, (1, groups, m // groups, inner))
    return ctx.graph.reshape(ctx.graph.contract(rows, cols), (n, m, *windows.out))


def check_channels(ctx: Context, x: Tensor, weight: Tensor, groups: int) -> None:
    """InputError unless channels, groups and weights agree."""
    if x.rank < 3 or weight.rank != x.rank:
        raise ctx.refuse(
            f"input {list(x.shape)} and weights {list(weight.shape)} have no common spatial axes"
        )
    if groups < 1 or x.shape[1] != weight.shape[1] * groups or weight.shape[0] % groups:
        raise ctx.refuse(f"{x.shape[1]} channels in {groups} groups do not fit weights {list(weight.shape)}")


def add_bias(ctx: Context, made: Tensor, bias: Tensor | None) -> Tensor:
    """One number per channel added."""
    if bias is None:
        return made
    if bias.shape != made.shape[1:2]:
        raise ctx.refuse(f"a bias of {list(bias.shape)} for {made.shape[1]} channels")
    shaped = ctx.graph.reshape(bias, (1, bias.size, *(1,) * (made.rank - 2)))
    return binary(lambda x, y: x + y, ctx, made, shaped)


@operator("Conv")
def conv(ctx: Context, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolution with groups, strides, dilations and padding."""
    ctx.float_only(x, weight)
    groups = int(ctx.attr("group", 1))
    check_channels(ctx, x, weight, groups)
    windows = windows_of(ctx, x.shape[2:], weight.shape[2:])
    return add_bias(ctx, convolve(ctx, x, weight, windows, groups), bias)


@operator("ConvInteger")
def conv_integer(
    ctx: Context, x: Tensor, weight: Tensor, x_zero: Tensor | None = None, w_zero: Tensor | None = None
) -> Tensor:
    """Bytes less their zero points, convolved in i32: exact. Padding counts as the zero point."""
    groups = int(ctx.attr("group", 1))
    check_channels(ctx, x, weight, groups)
    windows = windows_of(ctx, x.shape[2:], weight.shape[2:])
    many = w_zero is not None and w_zero.size > 1
    shape = (weight.shape[0] if many else 1, *(1,) * (weight.rank - 1))
    left = centred(ctx, x, x_zero, (1,) * x.rank)
    return convolve(ctx, left, centred(ctx, weight, w_zero, shape), windows, groups)


@operator("ConvTranspose")
def conv_transpose(ctx: Context, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The input spread by the strides with zeros between, then convolved with the flipped weights."""
    ctx.float_only(x, weight)
    groups = int(ctx.attr("group", 1))
    n = x.rank - 2
    if x.rank < 3 or weight.rank != x.rank or groups < 1 or x.shape[1] != weight.shape[0]:
        raise ctx.refuse(f"input {list(x.shape)} does not fit weights {list(weight.shape)}")
    kernel = weight.shape[2:]
    stride, dilation = ctx.ints("strides") or [1] * n, ctx.ints("dilations") or [1] * n
    extra = ctx.ints("output_padding") or [0] * n
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    full = [(x.shape[2 + i] - 1) * stride[i] + extra[i] + reach[i] for i in range(n)]
    before, after = _transposed_pads(ctx, x, stride, full)
    spread = _spread(ctx, x, stride)
    low = [reach[i] - 1 - before[i] for i in range(n)]
    out = [full[i] - before[i] - after[i] for i in range(n)]
    high = [out[i] + reach[i] - 1 - spread.shape[2 + i] - low[i] for i in range(n)]
    for i in range(n):
        cut_low, cut_high = max(0, -low[i]), max(0, -high[i])
        if cut_low or cut_high:
            length = spread.shape[2 + i] - cut_low - cut_high
            spread = ctx.graph.slice(spread, 2 + i, cut_low, length)
    padded = pad_constant(
        ctx, spread, [0, 0, *(max(0, v) for v in low)], [0, 0, *(max(0, v) for v in high)], 0
    )
    flipped = weight
    for i in range(n):
        flipped = ctx.graph.slice(flipped, 2 + i, kernel[i] - 1, kernel[i], -1)
    apart = ctx.graph.reshape(flipped, (groups, weight.shape[0] // groups, *weight.shape[1:]))
    turned = ctx.graph.transpose(apart, [0, 2, 1, *range(3, apart.rank)])
    rows = ctx.graph.reshape(turned, (groups * weight.shape[1], weight.shape[0] // groups, *kernel))
    windows = Windows(kernel, (1,) * n, tuple(dilation), (0,) * n, (0,) * n, tuple(out))
    return add_bias(ctx, convolve(ctx, padded, rows, windows, groups), bias)


def _transposed_pads(
    ctx: Context, x: Tensor, stride: list[int], full: list[int]
) -> tuple[list[int], list[int]]:
    n = x.rank - 2
    pads = ctx.ints("pads") or [0] * (2 * n)
    auto = str(ctx.attr("auto_pad", "NOTSET"))
    wanted = ctx.ints("output_shape")
    if wanted is None and auto.startswith("SAME"):
        wanted = [x.shape[2 + i] * stride[i] for i in range(n)]
    if wanted is None:
        return pads[:n], pads[n:]
    missing = [f - w for f, w in zip(full, wanted[-n:], strict=True)]
    if min(missing) < 0:
        # The wanted size is beyond what the windows reach: the rest is at the end.
        return [max(0, m) // 2 for m in missing], [m - max(0, m) // 2 for m in missing]
    less, more = [m // 2 for m in missing], [m - m // 2 for m in missing]
    return (less, more) if auto == "SAME_UPPER" else (more, less)


def _spread(ctx: Context, x: Tensor, stride: list[int]) -> Tensor:
    """stride - 1 zeros between neighbours.

    Each element widened to a view of one, read outside for the rest.
    """
    if all(s == 1 for s in stride):
        return x
    apart = ctx.graph.reshape(x, (*x.shape[:2], *(k for s in x.shape[2:] for k in (s, 1))))
    after = [0, 0, *(k for s in stride for k in (0, s - 1))]
    wide = pad_constant(ctx, apart, [0] * apart.rank, after, 0)
    shape = (*x.shape[:2], *(s * t for s, t in zip(x.shape[2:], stride, strict=True)))
    spread = ctx.graph.reshape(wide, shape)
    for i, s in enumerate(stride):
        spread = ctx.graph.slice(spread, 2 + i, 0, int(np.maximum(0, shape[2 + i] - s + 1)))
    return spread
