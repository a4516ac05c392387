"""What every message can do: one field table drives its bytes and its EIP-712 hash.

Bytes are the fields in order, as Solidity's `abi.encodePacked` would lay them, with a 4-byte length before
each dynamic one. Every byte string decodes to at most one message and back to itself.
"""

from dataclasses import dataclass, fields
from typing import Annotated, ClassVar, Self, get_args, get_origin, get_type_hints

from protocol.crypto import keccak256
from protocol.messages.fields import ADDRESS, STRING, Kind, Reader
from protocol.types import Address, Hash32, InputError


@dataclass(frozen=True, slots=True)
class Domain:
    """The deployment that a signature is for: EIP-712 domain "Gavel", version "1"."""

    chain_id: int
    escrow: Address

    def separator(self) -> Hash32:
        """Return the EIP-712 domain separator."""
        type_hash = keccak256(
            b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
        )
        return keccak256(
            type_hash
            + STRING.word("Gavel")
            + STRING.word("1")
            + self.chain_id.to_bytes(32, "big")
            + ADDRESS.word(self.escrow)
        )


@dataclass(frozen=True, slots=True)
class Message:
    """Base of all messages; subclasses are frozen dataclasses whose fields use `protocol.messages.fields`."""

    TAG: ClassVar[int]
    """Names the type in an envelope; never used for two types."""
    MAX_BYTES: ClassVar[int] = 4096

    def encode(self) -> bytes:
        """Return the canonical bytes. `InputError` if a field is out of range or the whole too long."""
        data = b"".join(kind.pack(getattr(self, name)) for name, kind in field_kinds(type(self)))
        if len(data) > self.MAX_BYTES:
            raise InputError(
                f"{type(self).__name__} is {len(data)} bytes, at most {self.MAX_BYTES} are allowed"
            )
        return data

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Return the message that `data` encodes. `InputError` for anything but its one encoding."""
        if len(data) > cls.MAX_BYTES:
            raise InputError(f"{cls.__name__} is {len(data)} bytes, at most {cls.MAX_BYTES} are allowed")
        reader = Reader(data)
        message = cls(**{name: kind.read(reader) for name, kind in field_kinds(cls)})
        reader.finish()
        message.check()
        return message

    def check(self) -> None:
        """Raise `InputError` if the fields contradict each other. Subclasses say how."""

    def struct_hash(self) -> Hash32:
        """Return EIP-712's hashStruct of this message."""
        words = [kind.word(getattr(self, name)) for name, kind in field_kinds(type(self))]
        return keccak256(keccak256(type_string(type(self)).encode()) + b"".join(words))

    def digest(self, domain: Domain) -> Hash32:
        """Return the EIP-712 digest that is signed."""
        return keccak256(b"\x19\x01" + domain.separator() + self.struct_hash())


_KINDS: dict[type, tuple[tuple[str, Kind], ...]] = {}


def field_kinds(cls: type[Message]) -> tuple[tuple[str, Kind], ...]:
    """Return (field name, kind) in declaration order; worked out once a class."""
    if cls not in _KINDS:
        _KINDS[cls] = _read_kinds(cls)
    return _KINDS[cls]


def _read_kinds(cls: type[Message]) -> tuple[tuple[str, Kind], ...]:
    hints = get_type_hints(cls, include_extras=True)
    return tuple((field.name, _kind(hints[field.name])) for field in fields(cls))


def type_string(cls: type[Message]) -> str:
    """Return EIP-712's encodeType, with field names in the camel case that Solidity uses."""
    inner = ",".join(f"{kind.name} {_camel(name)}" for name, kind in field_kinds(cls))
    return f"{cls.__name__}({inner})"


def _kind(hint: object) -> Kind:
    assert get_origin(hint) is Annotated, hint
    kind = get_args(hint)[1]
    assert isinstance(kind, Kind)
    return kind


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)
