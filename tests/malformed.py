"""Calls of every function of an ABI that are wrong in shape, or right in shape and wrong in all else."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from protocol.chain.abi import artifact
from protocol.chain.codec import Abi

WORD = 32
_HUGE = (b"\xff" * 32, bytes(24) + b"\xff" * 8, bytes(26) + b"\1" + bytes(5))
"""Not even an address; a length of 2^64 - 1; one of 2^40, whose sum with other ones is no overflow."""
_BEYOND = b"\xff" * 64


@dataclass(frozen=True)
class Bad:
    """One call."""

    contract: str
    function: str
    how: str
    data: bytes

    @property
    def name(self) -> str:
        """Of what is called."""
        return f"{self.contract}.{self.function}"


def changing(contract: str) -> tuple[Mapping[str, Any], ...]:
    """All functions of a contract that are not mere views."""
    entries = artifact(contract).abi
    return tuple(
        each for each in entries if each["type"] == "function" and each["stateMutability"] not in _VIEWS
    )


_VIEWS = ("view", "pure")


def plausible(contract: str, entry: Mapping[str, Any], known: Mapping[str, Any]) -> Bad:
    """A well-formed call: arguments are what is `known` under their names, else of the right type."""
    values = [known.get(_key(each), _any(each)) for each in entry["inputs"]]
    data = Abi.shipped(contract).call_data(entry["name"], *values)
    return Bad(contract, entry["name"], "well-formed", data)


def _key(given: Mapping[str, Any]) -> str:
    """A parameter's name with its type, as far as it is no tuple: names alone mean several things."""
    kind = given["type"]
    return given["name"].rstrip("_") + (":" + kind if not kind.startswith("tuple") else kind[5:] + ":tuple")


def _any(given: Mapping[str, Any]) -> Any:
    kind: str = given["type"]
    if kind.endswith("]"):
        inner, _, count = kind.rpartition("[")
        return [_any({**given, "type": inner})] * int(count.rstrip("]") or 2)
    match kind:
        case "tuple":
            return tuple(map(_any, given["components"]))
        case "bytes":
            return b"\x11" * 128
        case "bytes32":
            return b"\x11" * 24 + bytes(8)
        case "address":
            return b"\x11" * 20
        case "bool":
            return True
        case _:
            return 1


def cut(call: Bad, every: int = 1) -> Iterator[Bad]:
    """Less than the call needs: up to each word (each `every`th), and one byte less than all."""
    words = range(4, len(call.data), WORD * every)
    for length in (*words, len(call.data) - 1) if len(call.data) > 4 else (3, 0):
        yield Bad(call.contract, call.function, f"cut to {length}", call.data[:length])


def longer(call: Bad) -> Bad:
    """More than it needs."""
    return Bad(call.contract, call.function, "longer", call.data + _BEYOND)


def changed(call: Bad) -> Iterator[Bad]:
    """Each word in its turn another one: offsets, lengths, enums, flags and numbers that are out of range."""
    for at in range(4, len(call.data), WORD):
        for number, word in enumerate(_HUGE):
            data = call.data[:at] + word + call.data[at + WORD :]
            if data != call.data:
                yield Bad(call.contract, call.function, f"word {at // WORD} of kind {number}", data)
