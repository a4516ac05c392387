"""Running values of one element's chain, for whoever has to show or to judge one.

All whole blocks of a chain advance together, so that half a million terms take hardly longer than 256.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocol.tape.dtypes import F32, DType
from protocol.tape.limits import BLOCK
from protocol.tape.nodes import Contract, Reduce, ReduceKind
from protocol.tape.reference.arithmetic import canonical, fma, fmax, fmin, refuse_flushing
from protocol.tape.reference.words import start_word

Numbers = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Row:
    """The row of an operand that a chain reads: its raw bytes, K elements."""

    dtype: DType
    data: bytes | memoryview

    def numbers(self) -> Numbers:
        """The elements; integers wide enough for a product."""
        raw = np.frombuffer(self.data, self.dtype.numpy)
        return raw if self.dtype is F32 else raw.astype(np.int64)


def running_values(node: Contract | Reduce, terms: int, left: Row, right: Row | None = None) -> list[int]:
    """The words behind every `terms` terms, each block from its own start, and behind the last term.

    An empty chain has one: its start.
    """
    refuse_flushing()
    one = left.numbers()
    other = np.ones_like(one) if right is None else right.numbers()
    start = start_word(node.kind, node.dtype) if isinstance(node, Reduce) else 0
    whole = len(one) // BLOCK * BLOCK
    found: list[int] = []
    for part, width in ((slice(whole), BLOCK), (slice(whole, None), len(one) - whole)):
        if len(one[part]):
            found += _blocks(node, terms, one[part].reshape(-1, width), other[part].reshape(-1, width))
    return found or [start]


def _blocks(node: Contract | Reduce, terms: int, left: Numbers, right: Numbers) -> list[int]:
    """The running values of blocks of one length, in order."""
    blocks, width = left.shape
    acc = _starts(node, blocks)
    kept = []
    with np.errstate(all="ignore"):
        for k in range(width):
            acc = _advance(node, acc, np.ascontiguousarray(left[:, k]), np.ascontiguousarray(right[:, k]))
            if (k + 1) % terms == 0 or k + 1 == width:
                kept.append(_words(node.dtype, acc))
    return [int(word) for word in np.stack(kept, axis=1).reshape(-1)]


def _starts(node: Contract | Reduce, blocks: int) -> Numbers:
    word = start_word(node.kind, node.dtype) if isinstance(node, Reduce) else 0
    words = np.full(blocks, word, np.uint32)
    if node.dtype is F32:
        return words.view(np.float32)
    half = 1 << (8 * node.dtype.width - 1)
    return (words.astype(np.int64) ^ half) - half


def _advance(node: Contract | Reduce, acc: Numbers, left: Numbers, right: Numbers) -> Numbers:
    if isinstance(node, Contract):
        if node.dtype is F32:
            return fma(left, right, acc)
        wrapped: Numbers = (acc + left * right) & 0xFFFFFFFF
        return wrapped
    greatest = node.kind is ReduceKind.MAX
    if node.dtype is F32:
        return (fmax if greatest else fmin)(acc, left)
    extreme: Numbers = (np.maximum if greatest else np.minimum)(acc, left)
    return extreme


def _words(dtype: DType, acc: Numbers) -> Numbers:
    if dtype is F32:
        return canonical(acc).view(np.uint32)
    masked: Numbers = acc & ((1 << 8 * dtype.width) - 1)
    return masked
