"""Moves as the values of an ABI, and back: bytes for addresses and hashes, tuples for structs and arrays."""

import types
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from protocol.dispute import moves
from protocol.dispute.moves import Call
from protocol.messages import Bid
from protocol.types import InputError

_WORD = 32

FUNCTIONS: dict[type[Call], str] = {
    moves.Challenge: "challenge",
    moves.PostTrace: "trace",
    moves.Pick: "pick",
    moves.Jump: "jump",
    moves.Land: "land",
    moves.LandOnOutput: "landOnOutput",
    moves.Reveal: "reveal",
    moves.RevealLeaves: "revealLeaves",
    moves.PickElement: "element",
    moves.ShowRunning: "running",
    moves.PickSpan: "span",
    moves.ShowSpan: "runningOfSpan",
    moves.Prove: "prove",
    moves.ProveSegment: "proveSegment",
    moves.ProveOutside: "proveOutside",
    moves.Timeout: "timeout",
    moves.Resign: "resign",
    moves.Adopt: "adopt",
    moves.Claim: "claim",
    moves.ClaimSilence: "claimSilence",
    moves.Settle: "settle",
    moves.Collect: "collect",
    moves.WithdrawCoin: "withdrawCoin",
    moves.Silence: "silence",
    moves.TakePart: "takePart",
}
"""The function of `Disputes` that each record calls."""
BY_FUNCTION: dict[str, type[Call]] = {name: kind for kind, name in FUNCTIONS.items()}


def arguments(call: Call) -> tuple[Any, ...]:
    """The call's arguments, in the ABI's order."""
    return tuple(values_of(getattr(call, field.name)) for field in fields(call))


def parse(function: str, values: Sequence[Any]) -> Call:
    """The record of a decoded call. InputError if the game has no such function, or its bid is none."""
    kind = BY_FUNCTION.get(function)
    if kind is None:
        raise InputError(f"the dispute game has no call {function!r}")
    call: Call = _record(kind, values)
    return call


def values_of(value: Any) -> Any:
    """A bid, a record or a tuple of them as an ABI takes it."""
    if isinstance(value, Bid):
        packed = value.packed()
        return tuple(packed[at : at + _WORD] for at in range(0, len(packed), _WORD))
    if is_dataclass(value):
        return tuple(values_of(getattr(value, field.name)) for field in fields(value))
    if isinstance(value, tuple):
        return tuple(map(values_of, value))
    return value


def _record(kind: Any, values: Sequence[Any]) -> Any:
    hints = get_type_hints(kind)
    held = fields(kind)
    if len(held) != len(values):
        raise InputError(f"{kind.__name__} takes {len(held)} values, not {len(values)}")
    return kind(*(_read(hints[field.name], value) for field, value in zip(held, values, strict=True)))


def _read(kind: Any, value: Any) -> Any:
    if kind is Bid:
        return Bid.from_packed(b"".join(value))
    if get_origin(kind) is tuple:
        return tuple(_read(get_args(kind)[0], item) for item in value)
    if isinstance(kind, type) and not isinstance(kind, types.GenericAlias) and is_dataclass(kind):
        return _record(kind, value)
    return value
