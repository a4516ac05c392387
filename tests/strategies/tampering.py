"""Records with one field changed: what a hostile or a broken caller sends."""

import dataclasses
from random import Random
from typing import Any

from protocol.messages import Bid

_SMALL = {"output": 8, "offset": 8, "width": 8, "tag": 48, "node": 32, "leaf": 32, "right": 32}
_SMALL |= {"landed_at": 32, "inputs": 32, "constants": 32, "nodes": 32, "outputs": 32, "items": 32}
_HUGE = ("facts", "index", "number", "segment", "item", "claimed")
"""Fields that the ABI gives 256 bits (`claimed` of a place has 32)."""


def tampered(rng: Random, record: Any) -> Any:
    """The record with one thing changed somewhere in it; it still fits the ABI."""
    names = [field.name for field in dataclasses.fields(record)]
    name = rng.choice(names)
    value = getattr(record, name)
    return dataclasses.replace(record, **{name: _changed(rng, type(record).__name__, name, value)})


def _changed(rng: Random, kind: str, name: str, value: Any) -> Any:
    if isinstance(value, Bid):
        # A bid that nobody ever opened: nonces of tests are small.
        return dataclasses.replace(value, capacity_nonce=value.capacity_nonce ^ 1 << 60)
    if dataclasses.is_dataclass(value):
        return tampered(rng, value)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return _number(rng, kind, name, value)
    if isinstance(value, tuple):
        return _array(rng, name, value)
    return _bytes(rng, name, value)


def _number(rng: Random, kind: str, name: str, value: int) -> int:
    if name in _HUGE and kind != "Place" and rng.random() < 0.3:
        return value ^ 1 << rng.randrange(256)
    return value ^ 1 << rng.randrange(min(8, _SMALL.get(name, 8)))


def _array(rng: Random, name: str, value: tuple[Any, ...]) -> tuple[Any, ...]:
    how = rng.randrange(3)
    if value and how == 0:
        return value[:-1]
    if value and how == 1:
        at = rng.randrange(len(value))
        return (*value[:at], _changed(rng, "", name, value[at]), *value[at + 1 :])
    if value:
        return (*value, value[0])
    return value if name in ("operands", "job") else (rng.randbytes(20 if name == "delegates" else 32),)


def _bytes(rng: Random, name: str, value: bytes) -> bytes:
    if name not in ("leaf", "leaves", "header", "values", "totals", "dtype") or (
        value and rng.random() < 0.6
    ):
        at = rng.randrange(len(value))
        return value[:at] + bytes([value[at] ^ 1 << rng.randrange(8)]) + value[at + 1 :]
    return rng.choice((value[:-1], value + b"\0", b""))
