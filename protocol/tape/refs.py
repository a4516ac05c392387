"""Handles that a TapeBuilder gives out."""

from dataclasses import dataclass

from protocol.tape.dtypes import DType, Shape, TensorType, row_major


@dataclass(frozen=True, slots=True)
class Ref:
    """One value of a tape under construction. `number` is provisional; the builder renumbers at the end."""

    number: int
    type: TensorType

    @property
    def dtype(self) -> DType:
        """Element type."""
        return self.type.dtype

    @property
    def shape(self) -> Shape:
        """Static shape."""
        return self.type.shape


@dataclass(frozen=True, slots=True)
class Placed:
    """A value read by a MAP at element `offset` + sum of strides * output coordinates."""

    ref: Ref
    offset: int
    strides: tuple[int, ...]


def broadcast_strides(shape: Shape, out: Shape) -> tuple[int, ...]:
    """Strides that read a dense `shape` broadcast to `out` by numpy's rule. ValueError if it cannot be."""
    lead = len(out) - len(shape)
    pairs = list(zip(shape, out[lead:] if lead >= 0 else (), strict=False))
    if lead < 0 or any(size not in (1, wide) for size, wide in pairs):
        raise ValueError(f"{shape} does not broadcast to {out}")
    strides = row_major(shape)
    return (0,) * lead + tuple(
        0 if size == 1 else step for (size, _), step in zip(pairs, strides, strict=True)
    )
