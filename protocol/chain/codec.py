"""Encoding and decoding by ABI: bytes for addresses and hashes, ints for numbers, tuples for structs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError, EncodingError
from eth_utils.abi import collapse_if_tuple

from protocol.chain.abi import artifact
from protocol.chain.calldata import decode_calldata, members
from protocol.crypto import keccak256
from protocol.types import BrokenInvariant


@dataclass(frozen=True, slots=True)
class Entry:
    """A function, event or error of an ABI."""

    name: str
    inputs: tuple[tuple[str, str, bool], ...]
    """(name, canonical type, indexed)."""
    outputs: tuple[str, ...]
    anonymous: bool = False
    """Of an event: its logs do not begin with its topic."""

    @property
    def signature(self) -> str:
        """Return `name(type,...)`."""
        return f"{self.name}({','.join(kind for _, kind, _ in self.inputs)})"

    @property
    def indexed(self) -> int:
        """Return how many inputs of an event are topics."""
        return sum(is_indexed for _, _, is_indexed in self.inputs)

    @property
    def topic(self) -> bytes:
        """Return the keccak of the signature: an event's first topic; its first four bytes are a selector."""
        return keccak256(self.signature.encode())


class Abi:
    """One contract's functions by name, events by topic, errors by selector."""

    def __init__(self, name: str, entries: Sequence[Mapping[str, Any]], bytecode: bytes = b"") -> None:
        self.name, self.bytecode, self._entries = name, bytecode, entries

    @classmethod
    def shipped(cls, name: str) -> "Abi":
        """Return the ABI of contract `name` that ships in this package."""
        shipped = artifact(name)
        return cls(name, shipped.abi, shipped.bytecode)

    @cached_property
    def functions(self) -> dict[str, Entry]:
        """Functions by name; our contracts overload none."""
        return {entry.name: entry for entry in self._of("function")}

    @cached_property
    def events(self) -> dict[bytes, Entry]:
        """Events by first topic, but for an anonymous one."""
        return {entry.topic: entry for entry in self._of("event") if not entry.anonymous}

    @cached_property
    def anonymous(self) -> Entry | None:
        """The event whose logs have no topic of their own; our contracts have at most one."""
        return next((entry for entry in self._of("event") if entry.anonymous), None)

    @cached_property
    def errors(self) -> dict[bytes, Entry]:
        """Custom errors by selector."""
        return {entry.topic[:4]: entry for entry in self._of("error")}

    @cached_property
    def selectors(self) -> dict[bytes, Entry]:
        """Functions by selector."""
        return {entry.topic[:4]: entry for entry in self.functions.values()}

    def called(self, data: bytes) -> tuple[str, tuple[Any, ...]] | None:
        """Return function and arguments of calldata, or None if the ABI has no such function.

        `InputError` if the contract could not have read it either.
        """
        entry = self.selectors.get(data[:4])
        if entry is None:
            return None
        return entry.name, decode_calldata([kind for _, kind, _ in entry.inputs], data[4:])

    def call_data(self, function: str, *args: Any) -> bytes:
        """Return the calldata of a call."""
        entry = self.functions[function]
        return entry.topic[:4] + encode_values([kind for _, kind, _ in entry.inputs], args)

    def results(self, function: str, data: bytes) -> tuple[Any, ...]:
        """Return what a call of `function` returned."""
        return decode_values(self.functions[function].outputs, data, f"{self.name}.{function}")

    def creation_code(self, *args: Any) -> bytes:
        """Return bytecode and constructor arguments."""
        kinds = [e.inputs for e in self._of("constructor")]
        return self.bytecode + encode_values([kind for _, kind, _ in (kinds[0] if kinds else ())], args)

    def event(self, topics: Sequence[bytes], data: bytes) -> tuple[Entry, dict[str, Any]] | None:
        """Return event and arguments by name of one log, or None if the ABI does not know it."""
        entry = self.events.get(topics[0]) if topics else None
        if entry is not None:
            topics = topics[1:]
        elif self.anonymous is not None and len(topics) == self.anonymous.indexed:
            entry = self.anonymous
        else:
            return None
        if len(topics) != entry.indexed:
            raise BrokenInvariant(f"a log of {entry.signature} has {len(topics)} topics of {entry.indexed}")
        plain = [kind for _, kind, indexed in entry.inputs if not indexed]
        rest = iter(decode_values(plain, data, entry.signature))
        indexed = iter(topics)
        values = {
            name: decode_values([kind], next(indexed), entry.signature)[0] if is_indexed else next(rest)
            for name, kind, is_indexed in entry.inputs
        }
        return entry, values

    def _of(self, kind: str) -> list[Entry]:
        return [_entry(entry) for entry in self._entries if entry["type"] == kind]


def _entry(entry: Mapping[str, Any]) -> Entry:
    return Entry(
        name=entry.get("name", ""),
        inputs=tuple(
            (i["name"], collapse_if_tuple(i), i.get("indexed", False)) for i in entry.get("inputs", ())
        ),
        outputs=tuple(collapse_if_tuple(o) for o in entry.get("outputs", ())),
        anonymous=entry.get("anonymous", False),
    )


def encode_values(kinds: Sequence[str], values: Sequence[Any]) -> bytes:
    """Return the ABI encoding of `values`."""
    try:
        return encode(list(kinds), list(values))
    except EncodingError as error:
        raise BrokenInvariant(f"value does not fit the ABI: {error}") from error


def decode_values(kinds: Sequence[str], data: bytes, what: str) -> tuple[Any, ...]:
    """Return the values that `data` encodes, addresses as 20 bytes."""
    try:
        values = decode(list(kinds), data)
    except (DecodingError, ValueError, OverflowError, MemoryError) as error:  # text that is no UTF-8, say
        raise BrokenInvariant(
            f"{what} answers what its ABI does not allow: {error}",
            "the contract address in networks.yaml may be of another version",
        ) from error
    return tuple(_bytes_of(kind, value) for kind, value in zip(kinds, values, strict=True))


def _bytes_of(kind: str, value: Any) -> Any:
    if kind == "address":
        return bytes.fromhex(value[2:])
    if kind.endswith("]"):
        return tuple(_bytes_of(kind[: kind.rindex("[")], item) for item in value)
    if kind.startswith("("):
        return tuple(_bytes_of(inner, v) for inner, v in zip(members(kind), value, strict=True))
    return value
