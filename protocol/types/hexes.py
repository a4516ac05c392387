"""Hex and address text at the edge of the program; inside everything is bytes."""

from protocol.types.errors import InputError
from protocol.types.units import Address, Hash32


def to_hex(data: bytes) -> str:
    """Return `data` as lower-case hex with 0x."""
    return "0x" + data.hex()


def parse_bytes(text: str, length: int, what: str) -> bytes:
    """Return the `length` bytes that `text` spells in hex, with or without 0x; `InputError` names `what`."""
    digits = text.removeprefix("0x")
    try:
        data = bytes.fromhex(digits)
    except ValueError:
        data = b""
    if len(data) != length or len(digits) != 2 * length:
        raise InputError(f"{what} is not {length} bytes of hex: {text[:80]!r}")
    return data


def parse_address(text: str, what: str = "address") -> Address:
    """Return the 20 bytes of an address in hex. The checksum is not enforced here."""
    return Address(parse_bytes(text, 20, what))


def parse_hash(text: str, what: str = "hash") -> Hash32:
    """Return the 32 bytes of a digest in hex."""
    return Hash32(parse_bytes(text, 32, what))
