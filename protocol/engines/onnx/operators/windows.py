"""Where the windows of convolution and pooling lie: kernel, stride, dilation, padding, output size."""

from dataclasses import dataclass

from protocol.engines.onnx.operators.context import Context
from protocol.engines.onnx.tensors import Tensor


@dataclass(frozen=True)
class Windows:
    """One entry per spatial axis; `out` is the number of windows along it."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    out: tuple[int, ...]


def windows_of(ctx: Context, spatial: tuple[int, ...], kernel: tuple[int, ...]) -> Windows:
    """The windows that the node's attributes lay over axes of these sizes. InputError if they do not fit."""
    n = len(spatial)

    def each(name: str, default: int, count: int = n) -> tuple[int, ...]:
        values = ctx.ints(name) or [default] * count
        if len(values) != count:
            raise ctx.refuse(f"{name} {values} for {n} spatial axes")
        return tuple(values)

    stride, dilation, pads = each("strides", 1), each("dilations", 1), each("pads", 0, 2 * n)
    if len(kernel) != n or min((*kernel, *stride, *dilation)) < 1 or min(pads, default=0) < 0:
        raise ctx.refuse("kernel, strides and dilations must be positive, pads not negative, one per axis")
    reach = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    before, after = pads[:n], pads[n:]
    auto = str(ctx.attr("auto_pad", "NOTSET"))
    if auto.startswith("SAME"):
        missing = [
            max(0, (-(-size // s) - 1) * s + r - size)
            for size, s, r in zip(spatial, stride, reach, strict=True)
        ]
        less, more = tuple(m // 2 for m in missing), tuple(m - m // 2 for m in missing)
        before, after = (less, more) if auto == "SAME_UPPER" else (more, less)
    elif auto == "VALID":
        before, after = (0,) * n, (0,) * n
    rounding = bool(ctx.attr("ceil_mode", 0)) and not auto.startswith("SAME")
    out = []
    for i in range(n):
        room = spatial[i] + before[i] + after[i] - reach[i]
        if room < 0:
            raise ctx.refuse(f"a window of {reach[i]} does not fit an axis of {spatial[i]}")
        count = (-(-room // stride[i]) if rounding else room // stride[i]) + 1
        if rounding and (count - 1) * stride[i] >= spatial[i] + before[i]:
            count -= 1
        out.append(count)
    return Windows(kernel, stride, dilation, before, after, tuple(out))


def gather_windows(
    ctx: Context,
    x: Tensor,
    windows: Windows,
    *,
    groups: int = 1,
    channels_last: bool = False,
    fill: float = 0,
) -> Tensor:
    """im2col, one MOVE: (N, C, *spatial) to (N, groups, *out, C / groups, *kernel).

    With `channels_last` the channel follows the kernel's axes, so that channel-last data are copied in runs.
    """
    n, c = x.shape[:2]
    spatial = len(windows.kernel)
    inner = ([*windows.kernel, c // groups]) if channels_last else [c // groups, *windows.kernel]
    shape = (n, groups, *windows.out, *inner)
    at_out, at_inner = 2, 2 + spatial
    at_channel = at_inner + spatial if channels_last else at_inner
    at_kernel = at_inner if channels_last else at_inner + 1
    rows = [[0] * len(shape) for _ in range(x.rank)]
    rows[0][0] = 1
    rows[1][1], rows[1][at_channel] = c // groups, 1
    for i in range(spatial):
        rows[2 + i][at_out + i] = windows.stride[i]
        rows[2 + i][at_kernel + i] = windows.dilation[i]
    return ctx.graph.window(x, shape, [0, 0, *(-b for b in windows.before)], rows, fill=fill)
