"""Calldata read back, as a contract reads it.

An encoder has much freedom that contracts do not mind: offsets into the head, arrays that overlap, padding
that is not zero, bytes behind the end. A strict decoder refuses these, so that a provider could hide its
accepted answer from it.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from protocol.types import Address, InputError

_WORD = 32
_SLACK = 8
"""Times that the data may be read over, by arrays that overlap: more is no honest call."""


def decode_calldata(kinds: Sequence[str], data: bytes) -> tuple[Any, ...]:
    """Return the arguments that `data`, without its selector, stands for; structs and arrays as tuples.

    `InputError` where a contract would revert: an offset or a length leads out of the data.
    """
    return _Reader(data).row(kinds, 0)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._budget = _SLACK * (len(data) // _WORD + 1)

    def row(self, kinds: Sequence[str], base: int) -> tuple[Any, ...]:
        """Values whose heads stand one behind the other at `base`, which is what their offsets count from."""
        values, at = [], base
        for kind in kinds:
            where = base + self._number(at) if _is_dynamic(kind) else at
            values.append(self._value(kind, where))
            at += _head(kind)
        return tuple(values)

    def _value(self, kind: str, at: int) -> Any:
        if kind.endswith("[]"):
            count, inner = self._number(at), kind[:-2]
            if count * _head(inner) > len(self._data):
                raise InputError(f"calldata announces {count} of {inner} and is {len(self._data)} bytes long")
            return self.row([inner] * count, at + _WORD)
        if kind.endswith("]"):
            inner, count = _sized(kind)
            return self.row([inner] * count, at)
        if kind.startswith("("):
            return self.row(members(kind), at)
        if kind == "bytes":
            return self._slice(at + _WORD, self._number(at))
        return _plain(kind, self._slice(at, _WORD))

    def _number(self, at: int) -> int:
        return int.from_bytes(self._slice(at, _WORD), "big")

    def _slice(self, at: int, length: int) -> bytes:
        self._budget -= length // _WORD + 1
        if at + length > len(self._data) or self._budget < 0:
            raise InputError(f"calldata of {len(self._data)} bytes leads out of itself, to {at}")
        return self._data[at : at + length]


def members(kind: str) -> list[str]:
    """Return the types of a tuple type's members."""
    found, depth = [""], 0
    for char in kind[1:-1]:
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            found.append("")
        else:
            found[-1] += char
    return found if found != [""] else []


@cache
def _is_dynamic(kind: str) -> bool:
    if kind.endswith("[]") or kind == "bytes":
        return True
    if kind.endswith("]"):
        return _is_dynamic(_sized(kind)[0])
    return kind.startswith("(") and any(map(_is_dynamic, members(kind)))


@cache
def _head(kind: str) -> int:
    """Bytes that a value takes among its neighbours: an offset's if it is dynamic."""
    if _is_dynamic(kind):
        return _WORD
    if kind.endswith("]"):
        inner, count = _sized(kind)
        return count * _head(inner)
    return sum(map(_head, members(kind))) if kind.startswith("(") else _WORD


def _sized(kind: str) -> tuple[str, int]:
    inner, _, count = kind[:-1].rpartition("[")
    return inner, int(count)


def _plain(kind: str, word: bytes) -> Any:
    if kind == "address":
        return Address(word[12:])
    if kind.startswith("bytes"):
        return word[: int(kind.removeprefix("bytes"))]
    if kind.startswith("int"):
        return int.from_bytes(word, "big", signed=True)
    number = int.from_bytes(word, "big")
    return bool(number) if kind == "bool" else number
