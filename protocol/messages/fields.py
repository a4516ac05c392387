"""Field types of messages. One annotation fixes the Python type, the packed bytes and the EIP-712 type."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from protocol.crypto import keccak256
from protocol.types import Address, Amount, ArtifactId, BlockNo, Blocks, Hash32, InputError, LeaseId

MAX_DYNAMIC = 1 << 16
"""Longest `string` or `bytes` field, and most elements of a list; each message has a tighter total limit."""


class Reader:
    """Walks packed bytes from left to right; whatever does not fit is an `InputError`."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes."""
        piece = self._data[self._at : self._at + count]
        if len(piece) != count:
            raise InputError("message is cut short")
        self._at += count
        return piece

    def take_length(self) -> int:
        """Return a length prefix (4 bytes), refused above `MAX_DYNAMIC`."""
        length = int.from_bytes(self.take(4), "big")
        if length > MAX_DYNAMIC:
            raise InputError(f"field of length {length} is too long")
        return length

    def finish(self) -> None:
        """Refuse trailing bytes: a message has exactly one encoding."""
        if self._at != len(self._data):
            raise InputError("message has trailing bytes")


@dataclass(frozen=True, slots=True)
class Kind:
    """How one field type is named in EIP-712, packed, read back, and turned into its 32-byte EIP-712 word."""

    name: str
    pack: Callable[[Any], bytes]
    read: Callable[[Reader], Any]
    word: Callable[[Any], bytes]


def _uint(bits: int) -> Kind:
    def pack(value: int) -> bytes:
        if not isinstance(value, int) or not 0 <= value < 1 << bits:
            raise InputError(f"{value!r} does not fit uint{bits}")
        return int(value).to_bytes(bits // 8, "big")

    return Kind(
        f"uint{bits}",
        pack,
        lambda r: int.from_bytes(r.take(bits // 8), "big"),
        lambda v: pack(v).rjust(32, b"\0"),
    )


def _fixed(name: str, length: int) -> Kind:
    def pack(value: bytes) -> bytes:
        if not isinstance(value, bytes) or len(value) != length:
            raise InputError(f"{name} takes {length} bytes")
        return value

    return Kind(name, pack, lambda r: r.take(length), lambda v: pack(v).rjust(32, b"\0"))


def _pack_blob(value: bytes) -> bytes:
    if not isinstance(value, bytes) or len(value) > MAX_DYNAMIC:
        raise InputError("bytes field is too long")
    return len(value).to_bytes(4, "big") + value


def _pack_text(value: str) -> bytes:
    return _pack_blob(_utf8(value))


def _utf8(value: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"text is not valid Unicode: {error}") from error


def _read_text(reader: Reader) -> str:
    try:
        return reader.take(reader.take_length()).decode()
    except UnicodeDecodeError as error:
        raise InputError("text field is not UTF-8") from error


def _pack_texts(values: tuple[str, ...]) -> bytes:
    if len(values) > MAX_DYNAMIC:
        raise InputError("list field is too long")
    return len(values).to_bytes(4, "big") + b"".join(map(_pack_text, values))


UINT = {bits: _uint(bits) for bits in (8, 16, 32, 48, 64, 96)}
ADDRESS = _fixed("address", 20)
BYTES32 = _fixed("bytes32", 32)
BYTES = Kind("bytes", _pack_blob, lambda r: r.take(r.take_length()), keccak256)
STRING = Kind("string", _pack_text, _read_text, lambda v: keccak256(_utf8(v)))
STRINGS = Kind(
    "string[]",
    _pack_texts,
    lambda r: tuple(_read_text(r) for _ in range(r.take_length())),
    lambda v: keccak256(b"".join(keccak256(_utf8(s)) for s in v)),
)

Addr = Annotated[Address, ADDRESS]
Bytes32 = Annotated[Hash32, BYTES32]
LeaseRef = Annotated[LeaseId, BYTES32]
ArtifactRef = Annotated[ArtifactId, BYTES32]
Blob = Annotated[bytes, BYTES]
Text = Annotated[str, STRING]
Texts = Annotated[tuple[str, ...], STRINGS]
U8 = Annotated[int, UINT[8]]
U16 = Annotated[int, UINT[16]]
U32 = Annotated[int, UINT[32]]
U64 = Annotated[int, UINT[64]]
Amount96 = Annotated[Amount, UINT[96]]
Block48 = Annotated[BlockNo, UINT[48]]
Blocks32 = Annotated[Blocks, UINT[32]]
Blocks16 = Annotated[Blocks, UINT[16]]
